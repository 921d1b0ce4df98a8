// Matrix products: strips of A and panels of B stay in the second-level cache, a block of C in registers.
#pragma once
#include "pairs.h"

namespace {

// A block says how many ROWS and COLS of C it has, how deep (DEPTH) its panels are, and how it adds the product of a
// strip of A, ROWS rows of it column by column, and a panel of B, COLS columns row by row. Where it multiplies other
// words than these, `strip` and `panel` make them, stripWords and panelWords of them, and `word` makes one of a panel's
// again, modulo what it multiplies.
template <size_t rows, size_t cols>
struct Words {
  static const size_t ROWS = rows, COLS = cols, DEPTH = 256;
  static size_t stripWords(size_t depth) { return depth * ROWS; }
  static void strip(u64 *to, const u64 *words, size_t depth) { memcpy(to, words, depth * ROWS * 8); }
  static size_t panelWords(size_t depth) { return depth * COLS; }
  static const u64 *panel(u64 *, const u64 *words, size_t) { return words; }
  static u64 word(u64 ready) { return ready; }
};

// Beside its blocks it has `Blocks`, whose with<F>(bits, …) calls F<BLOCK>::run(…) with the block for a product modulo
// 2^bits.
#include MICRO

// Rows of A whose strips are there at once, a multiple of every ROWS
const size_t TALL = 132;

// COLS columns of B from row p on, row by row; columns that are not there are zeros
template <class BLOCK>
void panel(u64 *to, const u64 *b, size_t p, size_t depth, size_t j, size_t k, size_t n, bool transposeB) {
  const size_t COLS = BLOCK::COLS, cols = least(n - j, COLS);
  for (size_t t = 0; t < depth; t++, to += COLS) {
    if (transposeB) {
      for (size_t c = 0; c < cols; c++) to[c] = b[(j + c) * k + p + t];
    } else if (cols == COLS) {
      memcpy(to, b + (p + t) * n + j, COLS * 8);
    } else {
      memcpy(to, b + (p + t) * n + j, cols * 8);
    }
    if (cols < COLS) memset(to + cols, 0, (COLS - cols) * 8);
  }
}

// Words of B's panels down to row p, DEPTH rows after another
template <class BLOCK>
size_t panelsTo(size_t p, size_t n) {
  return p / BLOCK::DEPTH * BLOCK::panelWords(BLOCK::DEPTH) * (upTo(n, BLOCK::COLS) / BLOCK::COLS);
}

// All panels of B, as a product reads them
template <class BLOCK>
void panels(u64 *to, const u64 *b, size_t k, size_t n, bool transposeB) {
  u64 *const words = kernelScratch(BLOCK::COLS * BLOCK::DEPTH);
  for (size_t p = 0; p < k; p += BLOCK::DEPTH) {
    const size_t depth = least(k - p, BLOCK::DEPTH), size = BLOCK::panelWords(depth);
    for (size_t j = 0; j < n; j += BLOCK::COLS, to += size) {
      panel<BLOCK>(words, b, p, depth, j, k, n, transposeB);
      const u64 *const ready = BLOCK::panel(to, words, depth);
      if (ready != to) memcpy(to, ready, size * 8);
    }
  }
}

template <class BLOCK>
void fromPanels(u64 *b, const u64 *from, size_t k, size_t n, bool transposeB) {
  const size_t COLS = BLOCK::COLS;
  for (size_t p = 0; p < k; p += BLOCK::DEPTH) {
    const size_t depth = least(k - p, BLOCK::DEPTH), size = BLOCK::panelWords(depth);
    for (size_t j = 0; j < n; j += COLS, from += size) {
      const size_t cols = least(n - j, COLS);
      for (size_t t = 0; t < depth; t++)
        for (size_t c = 0; c < cols; c++)
          b[transposeB ? (j + c) * k + p + t : (p + t) * n + j + c] = BLOCK::word(from[t * COLS + c]);
    }
  }
}

// The strip of A from row i and column p on; rows that are not there are zeros
template <class BLOCK>
void strip(u64 *to, u64 *words, const u64 *a, size_t i, size_t p, size_t depth, size_t m, size_t k, bool transposeA) {
  for (size_t r = 0; r < BLOCK::ROWS; r++)
    for (size_t t = 0; t < depth; t++)
      words[t * BLOCK::ROWS + r] = i + r < m ? a[transposeA ? (p + t) * m + i + r : (i + r) * k + p + t] : 0;
  BLOCK::strip(to, words, depth);
}

// Columns [from, to) of the product; `packed`: B is what `panels` has made
template <class BLOCK>
void product(u64 *o, const u64 *a, const u64 *b, size_t m, size_t k, size_t n, bool transposeA, bool transposeB,
    u64 mask, bool packed, size_t from, size_t to) {
  const size_t ROWS = BLOCK::ROWS, COLS = BLOCK::COLS, DEPTH = BLOCK::DEPTH;
  for (size_t i = 0; i < m; i++) memset(o + i * n + from, 0, (to - from) * 8);
  // Strips of A, the words of one, and those of a panel, as the block multiplies them
  const size_t strips = (least(m, TALL) + ROWS - 1) / ROWS, each = upTo(BLOCK::stripWords(DEPTH), 8),
      room = upTo(ROWS * DEPTH, 8);
  u64 *const left = kernelScratch(strips * each + room + COLS * DEPTH + BLOCK::panelWords(DEPTH)),
      *const words = left + strips * each;
  u64 *const right = words + room, *const ready = right + COLS * DEPTH;
  u64 tile[BLOCK::ROWS * BLOCK::COLS];
  for (size_t p = 0; p < k; p += DEPTH) {
    const size_t depth = least(k - p, DEPTH);
    for (size_t top = 0; top < m; top += TALL) {
      const size_t bottom = least(m, top + TALL);
      u64 *next = left;
      for (size_t i = top; i < bottom; i += ROWS, next += each)
        strip<BLOCK>(next, words, a, i, p, depth, m, k, transposeA);
      for (size_t j = from; j < to; j += COLS) {
        const size_t cols = least(n - j, COLS);
        const u64 *columns, *rows = left;
        if (packed) {
          columns = b + panelsTo<BLOCK>(p, n) + j / COLS * BLOCK::panelWords(depth);
        } else {
          panel<BLOCK>(right, b, p, depth, j, k, n, transposeB);
          columns = BLOCK::panel(ready, right, depth);
        }
        for (size_t i = top; i < bottom; i += ROWS, rows += each) {
          if (m - i >= ROWS && cols == COLS) {
            BLOCK::add(o + i * n + j, n, rows, columns, depth);
            continue;
          }
          memset(tile, 0, sizeof tile);
          BLOCK::add(tile, COLS, rows, columns, depth);
          for (size_t r = 0; r < least(m - i, ROWS); r++)
            for (size_t c = 0; c < cols; c++) o[(i + r) * n + j + c] += tile[r * COLS + c];
        }
        if (p + DEPTH < k || ~mask == 0) continue;
        for (size_t i = top; i < bottom; i++)
          for (size_t c = 0; c < cols; c++) o[i * n + j + c] &= mask;
      }
    }
  }
}

// Products of fewer multiply-adds take less time than threads are worth
const double SHARED = 1 << 23;
// Parts for each thread, so that one on a busy core does not hold up the others
const size_t PARTS = 2;

template <class B> struct Product {
  u64 *o;
  const u64 *a, *b;
  size_t m, k, n;
  bool ta, tb, packed;
  u64 mask;
  size_t parts;

  size_t column(size_t part) const { return least(n, upTo(n, B::COLS) / B::COLS * part / parts * B::COLS); }
  static void part(const void *context, size_t i) {
    const Product &p = *(const Product *)context;
    product<B>(p.o, p.a, p.b, p.m, p.k, p.n, p.ta, p.tb, p.mask, p.packed, p.column(i), p.column(i + 1));
  }
  static void run(u64 *o, const u64 *a, const u64 *b, size_t m, size_t k, size_t n, bool ta, bool tb, u64 mask,
      bool packed, unsigned threads) {
    const bool shared = threads > 1 && (double)m * k * n >= SHARED;
    const size_t parts = shared ? least(PARTS * threads, upTo(n, B::COLS) / B::COLS) : 1;
    const Product p = {o, a, b, m, k, n, ta, tb, packed, mask, parts};
    if (shared) kernelParts(p.parts, threads, part, &p);
    else part(&p, 0);
  }
};
template <class B> struct Panels {
  static void run(u64 *to, const u64 *b, size_t k, size_t n, bool tb) { panels<B>(to, b, k, n, tb); }
};
template <class B> struct FromPanels {
  static void run(u64 *b, const u64 *from, size_t k, size_t n, bool tb) { fromPanels<B>(b, from, k, n, tb); }
};
template <class B> struct Length {
  static size_t run(size_t k, size_t n) {
    return panelsTo<B>(k, n) + (k % B::DEPTH ? B::panelWords(k % B::DEPTH) * (upTo(n, B::COLS) / B::COLS) : 0);
  }
};

template <class B>
void matMul(u64 *o, const u64 *a, const u64 *b, size_t m, size_t k, size_t n, bool transposeA, bool transposeB,
    unsigned bits, bool packed, unsigned threads) {
  const u64 mask = bits < 64 ? ((u64)1 << bits) - 1 : ~(u64)0;
  B::template with<Product>(bits, o, a, b, m, k, n, transposeA, transposeB, mask, packed, threads);
}
template <class B>
void packMatrix(u64 *to, const u64 *b, size_t k, size_t n, bool transposeB, unsigned bits) {
  B::template with<Panels>(bits, to, b, k, n, transposeB);
}
template <class B>
void unpackMatrix(u64 *b, const u64 *from, size_t k, size_t n, bool transposeB, unsigned bits) {
  B::template with<FromPanels>(bits, b, from, k, n, transposeB);
}
template <class B>
size_t packedWords(size_t k, size_t n, unsigned bits) {
  return B::template with<Length>(bits, k, n);
}

} // namespace
