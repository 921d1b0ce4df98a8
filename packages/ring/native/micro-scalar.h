// A block of C in general registers: one 64-bit product a cycle.
struct Modulo64 : Words<4, 2> {
  static inline void add(u64 *c, size_t stride, const u64 *a, const u64 *b, size_t depth) {
    u64 sum[ROWS][COLS] = {};
    for (size_t t = 0; t < depth; t++, a += ROWS, b += COLS)
#pragma GCC unroll 4
      for (size_t r = 0; r < ROWS; r++)
#pragma GCC unroll 2
        for (size_t v = 0; v < COLS; v++) sum[r][v] += a[r] * b[v];
    for (size_t r = 0; r < ROWS; r++)
      for (size_t v = 0; v < COLS; v++) c[r * stride + v] += sum[r][v];
  }
};
typedef Modulo64 Modulo52;
typedef Modulo64 Modulo49;
typedef Modulo64 Modulo33;
