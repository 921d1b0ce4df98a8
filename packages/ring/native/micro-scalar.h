// Blocks of C where vectors have nothing better.
typedef ByWord Modulo64;
typedef ByWord Modulo52;
typedef ByWord Modulo49;
typedef ByWord Modulo33;
