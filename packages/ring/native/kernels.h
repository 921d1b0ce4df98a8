// The table of kernels that each instruction set fills, and what they share. Every kernel works on whole arrays;
// outputs may be the very arrays of inputs, element for element. Results are those of the WebAssembly kernels, bit for
// bit: integers modulo 2^64, and doubles without fused multiply-adds, with the same tables of sines and exponentials.
#pragma once
#include <cstddef>
#include <cstdint>

typedef uint64_t u64;
typedef int64_t i64;

// Tables that the WebAssembly module has made: 4,096 rows of cos and sin of the coarse and the fine half of an angle,
// then 1,024 values each of e^(i/64), e^(j/65536), e^(−i/64), e^(−j/65536).
extern double kernelTables[4096 * 4 + 4 * 1024];

// Words from the start of a cache line, so that no vector lies across two; the same for every call of a thread, since
// fresh pages would cost more than filling them
u64 *kernelScratch(size_t n);
// The calling thread's goes back to the allocator
void kernelScratchFree();

// Calls run(context, part) for each part on `threads` threads; parts that no thread can be started for run in this one
void kernelParts(size_t parts, unsigned threads, void (*run)(const void *context, size_t part), const void *context);
// The threads that help the calling one end
void kernelThreadsEnd();

struct Kernels {
  const char *name;
  void (*add)(u64 *o, const u64 *a, const u64 *b, size_t n);
  void (*sub)(u64 *o, const u64 *a, const u64 *b, size_t n);
  void (*lessTwice)(u64 *o, const u64 *a, const u64 *b, size_t n);
  void (*mul)(u64 *o, const u64 *a, const u64 *b, size_t n);
  void (*bitAnd)(u64 *o, const u64 *a, const u64 *b, size_t n);
  void (*bitXor)(u64 *o, const u64 *a, const u64 *b, size_t n);
  void (*affine)(u64 *o, const u64 *a, size_t n, u64 scale, u64 offset, u64 mask);
  void (*rowSum)(u64 *o, const u64 *a, size_t rows, size_t cols);
  // right modulo 2^bits, and reduced; `packed`: b is what packMatrix has made of it for this many bits; a large one is
  // made by up to `threads` threads
  void (*matMul)(u64 *o, const u64 *a, const u64 *b, size_t m, size_t k, size_t n, bool transposeA, bool transposeB,
      unsigned bits, bool packed, unsigned threads);
  // U·b modulo 2^bits of a sparse U whose entries go to these rows, `each` of them for each row of b; `count` rows of o
  void (*sparseMatMul)(u64 *o, const u64 *entries, const u64 *b, const int32_t *targets, size_t length, size_t n,
      size_t each, size_t count, u64 mask, unsigned threads);
  // b as a product modulo 2^bits reads it, packedWords of it, and back, modulo 2^bits
  void (*packMatrix)(u64 *to, const u64 *b, size_t k, size_t n, bool transposeB, unsigned bits);
  void (*unpackMatrix)(u64 *b, const u64 *from, size_t k, size_t n, bool transposeB, unsigned bits);
  size_t (*packedWords)(size_t k, size_t n, unsigned bits);
  void (*chacha20)(uint8_t *o, size_t bytes, const uint32_t *keyAndNonce, uint32_t counter);
  // n words of `bits` bits each of the key stream from a block on; or a less those, packed
  void (*streamWords)(u64 *o, size_t n, const uint32_t *keyAndNonce, uint32_t counter, unsigned bits, unsigned threads);
  void (*streamDifference)(uint8_t *o, const u64 *a, size_t n, const uint32_t *keyAndNonce, uint32_t counter,
      unsigned bits, unsigned threads);
  void (*pack)(uint8_t *o, const u64 *a, size_t n, unsigned bits);
  // what maskForOpening makes modulo 2^bits, packed
  void (*packOpening)(uint8_t *o, const u64 *x, const u64 *r, size_t n, u64 offset, u64 modulus, unsigned shift,
      unsigned bits);
  void (*unpack)(u64 *o, const uint8_t *a, size_t n, unsigned bits);
  // the sum of two packed arrays, modulo 2^bits
  void (*unpackSum)(u64 *o, const uint8_t *a, const uint8_t *b, size_t n, unsigned bits);
  // o[i0, i1, …] = a[Σ ij·strides[j]]; `how` is the shape, then the strides
  void (*gather)(u64 *o, const u64 *a, size_t rank, const double *how);
  // bit `bit` of m set ? one : zero
  void (*choose)(u64 *o, const u64 *m, const u64 *zero, const u64 *one, size_t n, unsigned bit);
  void (*encode)(u64 *o, const float *v, size_t n, double scale);
  void (*decode)(double *o, const u64 *a, size_t n, unsigned bits, double scale);
  void (*maskForOpening)(u64 *o, const u64 *x, const u64 *r, size_t n, u64 offset, u64 modulus, unsigned shift,
      u64 mask);
  void (*lift)(u64 *o, const u64 *m, const u64 *r, const u64 *w, const u64 *wh, size_t n, unsigned k, u64 offset,
      u64 first);
  // a lifted opening's m and share to more bits, `mask` those of the result; `first` 1 at one party and 0 at the other
  void (*extend)(u64 *om, u64 *os, const u64 *m, const u64 *share, const u64 *set, const u64 *clear, const u64 *opened,
      const u64 *r, size_t n, unsigned k, u64 mask, u64 offset, u64 first);
  void (*chunkTables)(uint16_t *o, const u64 *r, size_t n, unsigned position, unsigned width, int kind,
      unsigned from);
  // rows of five: table, plane of o, position, width, base
  void (*pick)(u64 *o, const u64 *m, const uint16_t *tables, size_t n, size_t stride, u64 tau, const int32_t *rows,
      size_t count);
  // sums[j] ^= the sum modulo 2 of bits[w] & coefficients[w + j]
  void (*parities)(uint32_t *sums, size_t count, const uint32_t *bits, size_t words, const uint32_t *coefficients);
  void (*bitPlane)(u64 *o, const u64 *m, size_t n, u64 tau, unsigned position);
  void (*planeToWords)(u64 *o, const u64 *bits, size_t n);
  // the share of c ⊕ beta from c and a share of beta, `first` 1 at one party and 0 at the other
  void (*bitShare)(u64 *o, const u64 *c, const u64 *beta, size_t n, u64 first);
  void (*bitMultiply)(u64 *o, const u64 *c, const u64 *x, const u64 *m, const u64 *b, const u64 *br, const u64 *bh,
      size_t n, unsigned k, u64 offset, bool wrap);
  // out ^= the share of the product of k ≤ 4 planes opened under masks; planes of n words by number, `sets` those of
  // the masks' products by the bits of the subset
  void (*maskedProduct)(u64 *out, const u64 *opened, const u64 *masks, const u64 *products, size_t n,
      const int32_t *variables, size_t k, const int32_t *sets, bool first);
  // angles are words times `unit`, in 2^24ths of a turn
  void (*trigTables)(u64 *o, const u64 *r, size_t n, unsigned unit, unsigned harmonics, double scale,
      unsigned threads);
  void (*trigCombine)(u64 *o, const u64 *m, const u64 *shares, const double *coefficients, size_t n, unsigned unit,
      unsigned harmonics, double scale);
  void (*expTables)(u64 *o, const u64 *r, const u64 *beta, size_t n, unsigned half);
  void (*expCombine)(u64 *o, const u64 *m, const u64 *c, const u64 *shares, size_t n, double factor, unsigned half);
};

// Wide kernels without IFMA, with it, and with it and half of the products
extern const Kernels plainKernels, avx2Kernels, avx512Kernels, avx512FusedKernels, avx512PairsKernels;
