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
const Kernels TABLE = {
    NAME,
    add, sub, lessTwice, mul, bitAnd, bitXor, affine, rowSum,
    matMul, sparseMatMul, packMatrix, unpackMatrix, packedWords,
    chacha20, streamWords, streamDifference,
    pack, packOpening, unpack, unpackSum,
    gather, choose, encode, decode, maskForOpening, lift, extend,
    chunkTables, pick, parities, bitPlane, planeToWords, bitShare, bitMultiply, maskedProduct,
    trigTables, trigCombine, expTables, expCombine,
};
