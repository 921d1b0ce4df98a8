// A block of C in general registers, which make a 64-bit product a cycle.
#pragma once
#include "vectors.h"

// Left alone, the compiler would multiply halves of words in vectors
#ifdef __clang__
#define BY_WORD __attribute__((noinline))
#else
#define BY_WORD __attribute__((noinline, optimize("no-tree-vectorize", "no-tree-slp-vectorize")))
#endif

namespace {

// Rows of WIDTH words, one of zeros more where their number is odd, and after them the sums of the products of each two
template <size_t WIDTH>
void withTerms(u64 *to, const u64 *words, size_t depth) {
  u64 terms[WIDTH] = {};
  for (size_t t = 0; t + 1 < depth; t += 2) EACH(WIDTH) terms[i] += words[t * WIDTH + i] * words[(t + 1) * WIDTH + i];
  memcpy(to, words, depth * WIDTH * 8);
  if (depth & 1) memset(to + depth * WIDTH, 0, WIDTH * 8);
  memcpy(to + upTo(depth, 2) * WIDTH, terms, sizeof terms);
}

// Modulo 2^64, with half of the products (S. Winograd, A new algorithm for inner product, 1968): x1·y1 + x2·y2 = (x1 +
// y2)(x2 + y1) − x1·x2 − y1·y2, the last two once for a row of A and for a column of B.
struct ByWord {
  static const size_t ROWS = 2, COLS = 4, DEPTH = 256;

  // For each pair of columns and each row: the two words; after all, Σx1·x2 of each row
  static size_t stripWords(size_t depth) { return (upTo(depth, 2) + 1) * ROWS; }
  static void strip(u64 *to, const u64 *words, size_t depth) {
    u64 terms[ROWS] = {};
    for (size_t t = 0; t < depth; t += 2, words += 2 * ROWS)
      for (size_t r = 0; r < ROWS; r++, to += 2) {
        to[0] = words[r], to[1] = t + 1 < depth ? words[ROWS + r] : 0;
        terms[r] += to[0] * to[1];
      }
    memcpy(to, terms, sizeof terms);
  }
  // Rows of B, one of zeros more where their number is odd; after all, Σy1·y2 of each column
  static size_t panelWords(size_t depth) { return (upTo(depth, 2) + 1) * COLS; }
  static const u64 *panel(u64 *to, const u64 *words, size_t depth) {
    withTerms<COLS>(to, words, depth);
    return to;
  }
  static u64 word(u64 ready) { return ready; }

  BY_WORD static void add(u64 *c, size_t stride, const u64 *a, const u64 *b, size_t depth) {
    u64 sum[ROWS][COLS] = {};
    for (size_t t = 0; t < depth; t += 2, a += 2 * ROWS, b += 2 * COLS)
#pragma GCC unroll 4
      for (size_t v = 0; v < COLS; v++) {
        const u64 y1 = b[v], y2 = b[COLS + v];
#pragma GCC unroll 2
        for (size_t r = 0; r < ROWS; r++) sum[r][v] += (a[2 * r] + y2) * (a[2 * r + 1] + y1);
      }
    for (size_t r = 0; r < ROWS; r++)
      for (size_t v = 0; v < COLS; v++) c[r * stride + v] += sum[r][v] - a[r] - b[v];
  }
};

} // namespace
