// Comparisons by shared tables, and bits: planes of 64 to a word.
#pragma once
#include "vectors.h"

namespace {

void chunkTables(uint16_t *o, const u64 *r, size_t n, unsigned position, unsigned width, int kind, unsigned from) {
  const u64 mask = ((u64)1 << width) - 1;
  if (kind == 0) EACH(n) o[i] = (uint16_t)((((u64)1 << ((r[i] >> position) & mask)) - 1) >> from);
  else if (kind == 1) EACH(n) o[i] = (uint16_t)(((u64)1 << ((r[i] >> position) & mask)) >> from);
  else EACH(n) {
    const u64 eq = (u64)1 << ((r[i] >> position) & mask);
    o[i] = (uint16_t)((eq - 1) | (eq << 8));
  }
}

// For 64 elements: `windows` gives sixteen bits of m − tau from `position` on, `entries` the bits that stand in their
// 16-bit tables where bits [shift, shift + width) of a window say, from `base` on
#if LANES == 8
inline void windows(uint16_t *o, const u64 *m, u64 tau, unsigned position) {
  for (size_t j = 0; j < 64; j += LANES) {
    const __m128i w = _mm512_cvtepi64_epi16((__m512i)((load<V64>(m + j) - tau) >> position));
    memcpy(o + j, &w, sizeof w);
  }
}
inline u64 entries(const uint16_t *window, const uint16_t *table, unsigned shift, unsigned width, unsigned base) {
  const __m512i mask = _mm512_set1_epi16((short)((1 << width) - 1)), first = _mm512_set1_epi16((short)base);
  const __m512i one = _mm512_set1_epi16(1);
  u64 bits = 0;
#pragma GCC unroll 2
  for (size_t j = 0; j < 64; j += 32) {
    const __m512i named = _mm512_srli_epi16(_mm512_loadu_si512(window + j), shift);
    const __m512i index = _mm512_add_epi16(_mm512_and_si512(named, mask), first);
    bits |= (u64)_mm512_test_epi16_mask(_mm512_srlv_epi16(_mm512_loadu_si512(table + j), index), one) << j;
  }
  return bits;
}
#elif LANES == 4
inline void windows(uint16_t *o, const u64 *m, u64 tau, unsigned position) {
  // Bytes of four words' windows, element by element in each half; then both halves' in turn
  const __m256i bytes =
      _mm256_set_epi64x(0x0f0e07060d0c0504, 0x0b0a030209080100, 0x0f0e07060d0c0504, 0x0b0a030209080100);
  const __m256i halves = _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0);
  const V64 mask = (V64){} + 0xffff;
  for (size_t j = 0; j < 64; j += 16) {
    V64 all = {};
#pragma GCC unroll 4
    for (size_t v = 0; v < 4; v++) all |= (((load<V64>(m + j + v * LANES) - tau) >> position) & mask) << (16 * v);
    const __m256i ordered = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8((__m256i)all, bytes), halves);
    _mm256_storeu_si256((__m256i *)(o + j), ordered);
  }
}
inline u64 entries(const uint16_t *window, const uint16_t *table, unsigned shift, unsigned width, unsigned base) {
  // 1 << index in each 16 bits: a byte's bit by its low three bits, in the low byte for an index below 8 and in the
  // high one for the others
  const __m256i bit = _mm256_set_epi64x(0, (i64)0x8040201008040201, 0, (i64)0x8040201008040201);
  const __m256i high = _mm256_set1_epi16(0x0800);
  const __m256i mask = _mm256_set1_epi16((short)((1 << width) - 1)), first = _mm256_set1_epi16((short)base);
  u64 bits = 0;
#pragma GCC unroll 2
  for (size_t j = 0; j < 64; j += 32) {
    __m256i none[2];
#pragma GCC unroll 2
    for (size_t v = 0; v < 2; v++) {
      const __m256i from = _mm256_loadu_si256((const __m256i *)(window + j + 16 * v));
      const __m256i named = _mm256_srl_epi16(from, _mm_cvtsi32_si128((int)shift));
      const __m256i index = _mm256_add_epi16(_mm256_and_si256(named, mask), first);
      const __m256i both = _mm256_xor_si256(_mm256_or_si256(index, _mm256_slli_epi16(index, 8)), high);
      const __m256i row = _mm256_loadu_si256((const __m256i *)(table + j + 16 * v));
      const __m256i entry = _mm256_and_si256(row, _mm256_shuffle_epi8(bit, both));
      none[v] = _mm256_cmpeq_epi16(entry, _mm256_setzero_si256());
    }
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi16(none[0], none[1]), 0xd8);
    bits |= (u64)(uint32_t)~_mm256_movemask_epi8(packed) << j;
  }
  return bits;
}
#else
inline void windows(uint16_t *o, const u64 *m, u64 tau, unsigned position) {
  for (size_t j = 0; j < 64; j++) o[j] = (uint16_t)((m[j] - tau) >> position);
}
inline u64 entries(const uint16_t *window, const uint16_t *table, unsigned shift, unsigned width, unsigned base) {
  const unsigned mask = (1u << width) - 1;
  u64 bits = 0;
  for (size_t j = 0; j < 64; j++) bits |= (u64)((table[j] >> (((window[j] >> shift) & mask) + base)) & 1) << j;
  return bits;
}
#endif

// As many as there are, the rest zeros
template <class T>
inline const T *sixtyFour(const T *from, size_t count, T *room) {
  if (count >= 64) return from;
  memset(room, 0, 64 * sizeof(T));
  memcpy(room, from, count * sizeof(T));
  return room;
}

// Rows come from the lowest position up: as many as sixteen bits hold share their windows
void pick(u64 *o, const u64 *m, const uint16_t *tables, size_t n, size_t stride, u64 tau, const int32_t *rows,
    size_t count) {
  // Elements whose every row follows while they are in the first-level cache
  const size_t TOGETHER = 1024, planeWords = (n + 63) / 64;
  alignas(64) uint16_t window[TOGETHER], lastTable[64];
  alignas(64) u64 lastWords[64];
  for (size_t from = 0; from < n; from += TOGETHER) {
    const size_t to = least(n, from + TOGETHER);
    int32_t position = -64;
    for (size_t r = 0; r < count; r++) {
      const int32_t *row = rows + 5 * r;
      if (row[2] < position || row[2] + row[3] > position + 16) {
        position = row[2];
        for (size_t i = from; i < to; i += 64)
          windows(window + i - from, sixtyFour(m + i, to - i, lastWords), tau, (unsigned)position);
      }
      const uint16_t *const table = tables + (size_t)row[0] * stride;
      u64 *const out = o + (size_t)row[1] * planeWords;
      const unsigned shift = (unsigned)(row[2] - position), width = (unsigned)row[3], base = (unsigned)row[4];
      for (size_t i = from; i < to; i += 64)
        out[i >> 6] = entries(window + i - from, sixtyFour(table + i, to - i, lastTable), shift, width, base);
    }
  }
}

// Of at most 64 sums, which stay in registers or the first cache
void parities(uint32_t *sums, size_t count, const uint32_t *bits, size_t words, const uint32_t *coefficients) {
  uint32_t all[64];
  memcpy(all, sums, count * 4);
  for (size_t w = 0; w < words; w++) {
    const uint32_t word = bits[w], *const c = coefficients + w;
    if (word) EACH(count) all[i] ^= word & c[i];
  }
  memcpy(sums, all, count * 4);
}

void bitPlane(u64 *o, const u64 *m, size_t n, u64 tau, unsigned position) {
  for (size_t i = 0; i < n; i += 64, o++) {
    u64 bits = 0;
    if (n - i >= 64)
      for (size_t j = 0; j < 64; j += LANES) bits |= topBits((load<V64>(m + i + j) - tau) << (63 - position)) << j;
    else for (size_t j = 0; j < n - i; j++) bits |= (((m[i + j] - tau) >> position) & 1) << j;
    *o = bits;
  }
}

void planeToWords(u64 *o, const u64 *bits, size_t n) {
  for (size_t i = 0; i < n; i += 64) {
    const u64 word = bits[i >> 6];
    const size_t left = least(n - i, 64);
    for (size_t j = 0; j < left; j++) o[i + j] = (word >> j) & 1;
  }
}

// The share of b = c ⊕ β: ⟦β⟧ or [first] − ⟦β⟧
void bitShare(u64 *o, const u64 *c, const u64 *beta, size_t n, u64 first) {
  for (size_t i = 0; i < n; i += 64) {
    const u64 word = c[i >> 6];
    const size_t left = least(n - i, 64);
    _Pragma("GCC ivdep") for (size_t j = 0; j < left; j++) {
      const u64 flip = 0 - ((word >> j) & 1);
      o[i + j] = (beta[i + j] ^ flip) - flip + (first & flip);
    }
  }
}

// b·x for b = c ⊕ β: t or x − t, t = (m − offset)·⟦β⟧ − ⟦βr⟧ + 2^k(1 − msb m)·⟦β·msb r⟧
template <bool WRAP>
void bitTimes(u64 *o, const u64 *c, const u64 *x, const u64 *m, const u64 *b, const u64 *br, const u64 *bh, size_t n,
    unsigned k, u64 offset) {
  for (size_t i = 0; i < n; i += 64) {
    const u64 word = c[i >> 6];
    const size_t left = least(n - i, 64);
    _Pragma("GCC ivdep") for (size_t j = 0; j < left; j++) {
      const size_t at = i + j;
      const u64 mi = m[at];
      u64 t = (mi - offset) * b[at] - br[at];
      if (WRAP) t += (bh[at] << k) & (((mi >> (k - 1)) & 1) - 1);
      const u64 flip = 0 - ((word >> j) & 1);
      o[at] = (t ^ flip) - flip + (x[at] & flip);
    }
  }
}

void bitMultiply(u64 *o, const u64 *c, const u64 *x, const u64 *m, const u64 *b, const u64 *br, const u64 *bh, size_t n,
    unsigned k, u64 offset, bool wrap) {
  if (wrap) bitTimes<true>(o, c, x, m, b, br, bh, n, k, offset);
  else bitTimes<false>(o, c, x, m, b, br, bh, n, k, offset);
}

// One variable after another leaves: ⟦Π v⟧ = o_v·⟦Π without v⟧ + ⟦the same times a_v⟧
template <int K>
void maskedTerm(u64 *out, const u64 *const *open, const u64 *const *parts, size_t n, u64 one) {
  const u64 *o[K], *p[1 << K];
  for (int i = 0; i < K; i++) o[i] = open[i];
  for (int s = 1; s < 1 << K; s++) p[s] = parts[s];
  EACH(n) {
    u64 x[1 << K];
    x[0] = one;
#pragma GCC unroll 16
    for (int s = 1; s < 1 << K; s++) x[s] = p[s][i];
#pragma GCC unroll 4
    for (int v = K - 1; v >= 0; v--)
#pragma GCC unroll 8
      for (int s = 0; s < 1 << v; s++) x[s] = (x[s] & o[v][i]) ^ x[s | 1 << v];
    out[i] ^= x[0];
  }
}

void maskedProduct(u64 *out, const u64 *opened, const u64 *masks, const u64 *products, size_t n,
    const int32_t *variables, size_t k, const int32_t *sets, bool first) {
  const u64 *open[4], *parts[16];
  for (size_t v = 0; v < k; v++) open[v] = opened + (size_t)variables[v] * n;
  for (unsigned s = 1; s < 1u << k; s++) {
    const bool single = (s & (s - 1)) == 0;
    parts[s] = single ? masks + (size_t)variables[__builtin_ctz(s)] * n : products + (size_t)sets[s] * n;
  }
  const u64 one = first ? ~(u64)0 : 0;
  if (k == 1) maskedTerm<1>(out, open, parts, n, one);
  else if (k == 2) maskedTerm<2>(out, open, parts, n, one);
  else if (k == 3) maskedTerm<3>(out, open, parts, n, one);
  else maskedTerm<4>(out, open, parts, n, one);
}

} // namespace
