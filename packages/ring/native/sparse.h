// Products with a sparse left factor.
#pragma once
#include "product.h"

namespace {

// Columns of B of which a block of rows is at hand in the second-level cache, and what is added up of them in registers
const size_t ACROSS = 8, TILE = ACROSS * LANES, BLOCK_ROWS = 512;

// Sums of rows of B's block: entries that go to the same row of C follow one another
inline void sumRows(u64 *sum, const u64 *entries, const uint16_t *rows, size_t n, const u64 *block) {
#ifdef FIRST_ZEN
  if (firstZen()) {
    for (size_t i = 0; i < n; i++) addTimesByWord(sum, block + rows[i] * TILE, entries[i], TILE);
    return;
  }
#endif
  V64 all[ACROSS];
#pragma GCC unroll 8
  for (size_t v = 0; v < ACROSS; v++) all[v] = load<V64>(sum + v * LANES);
  for (size_t i = 0; i < n; i++) {
    const u64 *const row = block + rows[i] * TILE, x = entries[i];
#pragma GCC unroll 8
    for (size_t v = 0; v < ACROSS; v++) all[v] += x * load<V64>(row + v * LANES);
  }
#pragma GCC unroll 8
  for (size_t v = 0; v < ACROSS; v++) store(sum + v * LANES, all[v]);
}

inline void copyRow(u64 *to, const u64 *from, size_t width) {
  if (width < TILE) {
    memcpy(to, from, width * 8);
    return;
  }
#pragma GCC unroll 8
  for (size_t v = 0; v < ACROSS; v++) store(to + v * LANES, load<V64>(from + v * LANES));
}

struct SparseProduct {
  u64 *o;
  const u64 *b;
  size_t k, n, each, count;
  u64 mask;
  // Words of scratch that hold all entries, those of a block of B's rows by the row of C that they go to
  size_t room;
  const u64 *entries;
  const int32_t *targets;
  const uint16_t *rows;

  void sort(const u64 *x, const int32_t *to) {
    const size_t length = k * each;
    u64 *const all = kernelScratch(room);
    int32_t *const places = (int32_t *)(all + length), *const next = places + length;
    uint16_t *const from = (uint16_t *)(next + count + 1);
    for (size_t start = 0; start < length; start += BLOCK_ROWS * each) {
      const size_t end = least(length, start + BLOCK_ROWS * each);
      memset(next, 0, (count + 1) * sizeof *next);
      for (size_t i = start; i < end; i++) next[to[i] + 1]++;
      for (size_t t = 0; t < count; t++) next[t + 1] += next[t];
      for (size_t i = start; i < end; i++) {
        const size_t at = start + next[to[i]]++;
        all[at] = x[i], places[at] = to[i], from[at] = (uint16_t)((i - start) / each);
      }
    }
    entries = all, targets = places, rows = from;
  }

  // A tile of columns
  static void part(const void *context, size_t tile) {
    const SparseProduct &p = *(const SparseProduct *)context;
    const size_t n = p.n, column = tile * TILE, width = least(n - column, TILE);
    // Behind the entries, which are at the start of the scratch of the thread that has called
    u64 *const block = kernelScratch(p.room + (BLOCK_ROWS + 1) * TILE) + p.room, *const sum = block + BLOCK_ROWS * TILE;
    u64 *const o = p.o + column;
    for (size_t t = 0; t < p.count; t++) memset(o + t * n, 0, width * 8);
    for (size_t top = 0; top < p.k; top += BLOCK_ROWS) {
      const size_t depth = least(p.k - top, BLOCK_ROWS), end = (top + depth) * p.each;
      const u64 *const from = p.b + top * n + column;
      for (size_t r = 0; r < depth; r++) copyRow(block + r * TILE, from + r * n, width);
      for (size_t i = top * p.each; i < end;) {
        const size_t first = i;
        const int32_t t = p.targets[first];
        while (i < end && p.targets[i] == t) i++;
        u64 *const to = o + (size_t)t * n;
        if (width == TILE) {
          sumRows(to, p.entries + first, p.rows + first, i - first, block);
          continue;
        }
        memcpy(sum, to, width * 8);
        sumRows(sum, p.entries + first, p.rows + first, i - first, block);
        memcpy(to, sum, width * 8);
      }
    }
    for (size_t t = 0; t < p.count; t++) {
      u64 *const words = o + t * n;
      EACH(width) words[i] &= p.mask;
    }
  }
};

void sparseMatMul(u64 *o, const u64 *entries, const u64 *b, const int32_t *targets, size_t length, size_t n,
    size_t each, size_t count, u64 mask, unsigned threads) {
  const size_t k = each ? length / each : 0, room = upTo(length + (length + count + 1) / 2 + length / 4 + 2, 8);
  SparseProduct p = {o, b, k, n, each, count, mask, room, nullptr, nullptr, nullptr};
  const size_t tiles = (n + TILE - 1) / TILE;
  // Scratch that grows later would move
  kernelScratch(p.room + (BLOCK_ROWS + 1) * TILE);
  p.sort(entries, targets);
  kernelParts(tiles, (double)length * n < SHARED ? 1 : threads, SparseProduct::part, &p);
}

} // namespace
