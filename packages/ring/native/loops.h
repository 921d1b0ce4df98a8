// The kernels as loops, compiled once for each instruction set. A file that includes this defines LANES (64-bit words
// of a vector), MICRO (the block of a matrix product), NAME and TABLE.
#include "chacha.h"
#include "compare.h"
#include "packing.h"
#include "product.h"
#include "series.h"
#include "sparse.h"
#include "words.h"

// In the order of kernels.h
// There when the file is opened: nothing of these runs where the processor lacks what it is compiled for
constexpr Kernels TABLE = {
    NAME,
    add, sub, lessTwice, mul, bitAnd, bitXor, affine, rowSum,
    matMul<Blocks>, sparseMatMul, packMatrix<Blocks>, unpackMatrix<Blocks>, packedWords<Blocks>,
    chacha20, streamWords, streamDifference,
    pack, packOpening, unpack, unpackSum,
    gather, choose, encode, decode, maskForOpening, lift, extend,
    chunkTables, pick, parities, bitPlane, planeToWords, bitShare, bitMultiply, maskedProduct,
    trigTables, trigCombine, expTables, expCombine,
};
