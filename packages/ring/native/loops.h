// The kernels as plain loops, compiled once for each instruction set; the compiler makes vectors of them. A file that includes this defines
// LANES (64-bit words of a vector), NAME and TABLE.
#include "kernels.h"
#include <cmath>
#include <cstring>

#define EACH(n) _Pragma("GCC ivdep") for (size_t i = 0; i < (n); i++)

namespace {

inline size_t upTo(size_t n, size_t step) { return (n + step - 1) / step * step; }
inline size_t least(size_t a, size_t b) { return a < b ? a : b; }

void add(u64 *o, const u64 *a, const u64 *b, size_t n) { EACH(n) o[i] = a[i] + b[i]; }
void sub(u64 *o, const u64 *a, const u64 *b, size_t n) { EACH(n) o[i] = a[i] - b[i]; }
void lessTwice(u64 *o, const u64 *a, const u64 *b, size_t n) { EACH(n) o[i] = a[i] - (b[i] << 1); }
void mul(u64 *o, const u64 *a, const u64 *b, size_t n) { EACH(n) o[i] = a[i] * b[i]; }
void bitAnd(u64 *o, const u64 *a, const u64 *b, size_t n) { EACH(n) o[i] = a[i] & b[i]; }
void bitXor(u64 *o, const u64 *a, const u64 *b, size_t n) { EACH(n) o[i] = a[i] ^ b[i]; }

void affine(u64 *o, const u64 *a, size_t n, u64 scale, u64 offset, u64 mask) {
  if (scale == 1) EACH(n) o[i] = (a[i] + offset) & mask;
  else EACH(n) o[i] = (a[i] * scale + offset) & mask;
}

void rowSum(u64 *o, const u64 *a, size_t rows, size_t cols) {
  for (size_t r = 0; r < rows; r++, a += cols) {
    u64 s = 0;
    for (size_t i = 0; i < cols; i++) s += a[i];
    o[r] = s;
  }
}

void encode(u64 *o, const float *v, size_t n, double scale) { EACH(n) o[i] = (u64)(i64)__builtin_rint((double)v[i] * scale); }

void decode(double *o, const u64 *a, size_t n, unsigned bits, double scale) {
  const unsigned up = 64 - bits;
  EACH(n) o[i] = (double)((i64)(a[i] << up) >> up) * scale;
}

void maskForOpening(u64 *o, const u64 *x, const u64 *r, size_t n, u64 offset, u64 modulus, unsigned shift, u64 mask) {
  EACH(n) o[i] = ((((x[i] + offset) & modulus) >> shift) + r[i]) & mask;
}

void lift(u64 *o, const u64 *m, const u64 *r, const u64 *w, const u64 *wh, size_t n, unsigned k, u64 offset, u64 first) {
  EACH(n) {
    const u64 x = m[i], one = w[i], none = wh[i];
    const u64 t = (x >> (k - 1)) & 1 ? one : none;
    o[i] = (x - offset) * first - r[i] + (t << k);
  }
}

void extend(u64 *om, u64 *os, const u64 *m, const u64 *s, const u64 *set, const u64 *clear, const u64 *opened, const u64 *r, size_t n, unsigned k, u64 mask, u64 offset, u64 first) {
  EACH(n) {
    const u64 x = m[i], u = opened[i], one = set[i], none = clear[i], share = s[i];
    const u64 t = ((x >> (k - 1)) & 1 ? one : none) + r[i];
    om[i] = (x + (u << k) - offset) & mask;
    os[i] = share + (((u & (0 - first)) - t) << k);
  }
}

// k-bit words back to back, least significant bit first
template <class F>
inline void packBits(uint8_t *o, size_t n, unsigned k, F word) {
  unsigned __int128 buffer = 0;
  unsigned held = 0;
  for (size_t i = 0; i < n; i++) {
    buffer |= (unsigned __int128)word(i) << held;
    held += k;
    if (held >= 64) {
      const u64 low = (u64)buffer;
      memcpy(o, &low, 8);
      o += 8;
      buffer >>= 64;
      held -= 64;
    }
  }
  const u64 low = (u64)buffer;
  memcpy(o, &low, (held + 7) / 8);
}

// Words modulo 2^k, packed
template <class F>
inline void packWords(uint8_t *o, size_t n, unsigned k, F word) {
  if (k == 64) {
    EACH(n) {
      const u64 v = word(i);
      memcpy(o + 8 * i, &v, 8);
    }
    return;
  }
  if (k == 32) {
    EACH(n) {
      const uint32_t v = (uint32_t)word(i);
      memcpy(o + 4 * i, &v, 4);
    }
    return;
  }
  const u64 mask = ((u64)1 << k) - 1;
  if ((k & 7) == 0) {
    const size_t step = k >> 3;
    // Stores of eight bytes overlap the next word's; the last words are stored by themselves
    const size_t whole = n > 8 ? n - 8 : 0;
    size_t i = 0;
    for (u64 v; i < whole; i++, o += step) v = word(i), memcpy(o, &v, 8);
    for (u64 v; i < n; i++, o += step) v = word(i), memcpy(o, &v, step);
    return;
  }
  packBits(o, n, k, [&](size_t i) { return word(i) & mask; });
}

void pack(uint8_t *o, const u64 *a, size_t n, unsigned k) {
  packWords(o, n, k, [&](size_t i) { return a[i]; });
}

// What maskForOpening makes, on its way
void packOpening(uint8_t *o, const u64 *x, const u64 *r, size_t n, u64 offset, u64 modulus, unsigned shift, unsigned k) {
  packWords(o, n, k, [&](size_t i) { return (((x[i] + offset) & modulus) >> shift) + r[i]; });
}

// 64 bits from bit `bit` on; sixteen bytes are read
inline u64 wordAt(const uint8_t *a, size_t bit) {
  u64 low, high;
  memcpy(&low, a + (bit >> 3), 8);
  memcpy(&high, a + (bit >> 3) + 8, 8);
  const unsigned shift = bit & 7;
  return shift == 0 ? low : (low >> shift) | (high << (64 - shift));
}

inline u64 lastWordAt(const uint8_t *a, size_t bytes, size_t bit) {
  uint8_t rest[16] = {0};
  memcpy(rest, a + (bit >> 3), bytes - (bit >> 3) < 16 ? bytes - (bit >> 3) : 16);
  return wordAt(rest, bit & 7);
}

void unpack(u64 *o, const uint8_t *a, size_t n, unsigned k) {
  if (k == 64) {
    memcpy(o, a, n * 8);
    return;
  }
  if (k == 32) {
    EACH(n) {
      uint32_t v;
      memcpy(&v, a + 4 * i, 4);
      o[i] = v;
    }
    return;
  }
  const u64 mask = ((u64)1 << k) - 1;
  const size_t bytes = (n * k + 7) / 8;
  size_t i = 0;
  if ((k & 7) == 0) {
    const size_t step = k >> 3, whole = bytes < 8 ? 0 : (bytes - 8) / step + 1;
    EACH(whole) {
      u64 x;
      memcpy(&x, a + i * step, 8);
      o[i] = x & mask;
    }
    i = whole;
  }
  // Words whose sixteen bytes lie inside the array
  for (; i < n && i * k / 8 + 16 <= bytes; i++) o[i] = wordAt(a, i * k) & mask;
  for (; i < n; i++) o[i] = lastWordAt(a, bytes, i * k) & mask;
}

// The sum of two packed arrays modulo 2^k
void unpackSum(u64 *o, const uint8_t *a, const uint8_t *b, size_t n, unsigned k) {
  const u64 mask = k == 64 ? ~(u64)0 : ((u64)1 << k) - 1;
  const size_t bytes = (n * k + 7) / 8;
  size_t i = 0;
  if ((k & 7) == 0) {
    const size_t step = k >> 3;
    for (; i < n && i * step + 8 <= bytes; i++) {
      u64 x, y;
      memcpy(&x, a + i * step, 8);
      memcpy(&y, b + i * step, 8);
      o[i] = (x + y) & mask;
    }
  }
  for (; i < n && i * k / 8 + 16 <= bytes; i++) o[i] = (wordAt(a, i * k) + wordAt(b, i * k)) & mask;
  for (; i < n; i++) o[i] = (lastWordAt(a, bytes, i * k) + lastWordAt(b, bytes, i * k)) & mask;
}

// a − b modulo 2^k, a as words and b packed, packed again
void packDifference(uint8_t *o, const u64 *a, const uint8_t *b, size_t n, unsigned k) {
  const size_t bytes = (n * k + 7) / 8;
  size_t i = 0;
  if (k == 64) {
    EACH(n) {
      u64 x;
      memcpy(&x, b + 8 * i, 8);
      x = a[i] - x;
      memcpy(o + 8 * i, &x, 8);
    }
    return;
  }
  if ((k & 7) == 0) {
    const size_t step = k >> 3;
    // Stores of eight bytes overlap the next word's
    for (; i * step + 8 <= bytes; i++) {
      u64 x;
      memcpy(&x, b + i * step, 8);
      x = a[i] - x;
      memcpy(o + i * step, &x, 8);
    }
    for (; i < n; i++) {
      const u64 x = a[i] - lastWordAt(b, bytes, i * k);
      memcpy(o + i * step, &x, step);
    }
    return;
  }
  const u64 mask = ((u64)1 << k) - 1;
  packBits(o, n, k, [&](size_t j) { return (a[j] - (j * k / 8 + 16 <= bytes ? wordAt(b, j * k) : lastWordAt(b, bytes, j * k))) & mask; });
}

void choose(u64 *o, const u64 *m, const u64 *zero, const u64 *one, size_t n, unsigned bit) {
  EACH(n) {
    const u64 set = 0 - ((m[i] >> bit) & 1), x = zero[i], y = one[i];
    o[i] = x ^ ((x ^ y) & set);
  }
}

void gather(u64 *o, const u64 *a, size_t rank, const double *how) {
  // Negative steps wrap around, as unsigned sums do
  size_t size[16], step[16], index[16] = {0}, n = 1;
  for (size_t i = 0; i < rank; i++) size[i] = (size_t)how[i], step[i] = (size_t)(i64)how[rank + i], n *= size[i];
  if (n == 0) return;
  // Axes that lie behind one another in both arrays are one
  size_t axes = 0;
  for (size_t i = 0; i < rank; i++) {
    if (size[i] == 1) continue;
    if (axes > 0 && step[axes - 1] == step[i] * size[i]) size[axes - 1] *= size[i], step[axes - 1] = step[i];
    else size[axes] = size[i], step[axes] = step[i], axes++;
  }
  const size_t inner = axes > 0 ? size[axes - 1] : 1, by = axes > 0 ? step[axes - 1] : 1;
  for (u64 *end = o + n; o < end; o += inner) {
    if (by == 1) memcpy(o, a, inner * 8);
    else for (size_t i = 0; i < inner; i++) o[i] = a[i * by];
    for (size_t d = axes - 1; axes > 1 && d-- > 0;) {
      a += step[d];
      if (++index[d] < size[d]) break;
      a -= step[d] * size[d];
      index[d] = 0;
    }
  }
}

void chunkTables(uint16_t *o, const u64 *r, size_t n, unsigned position, unsigned width, int kind) {
  const u64 mask = ((u64)1 << width) - 1;
  if (kind == 0) EACH(n) o[i] = (uint16_t)(((u64)1 << ((r[i] >> position) & mask)) - 1);
  else if (kind == 1) EACH(n) o[i] = (uint16_t)((u64)1 << ((r[i] >> position) & mask));
  else EACH(n) {
    const u64 eq = (u64)1 << ((r[i] >> position) & mask);
    o[i] = (uint16_t)((eq - 1) | (eq << 8));
  }
}

typedef u64 V64 __attribute__((vector_size(LANES * 8)));

template <class V, class T>
inline V load(const T *from) {
  V v;
  memcpy(&v, from, sizeof v);
  return v;
}

template <class V>
inline void store(u64 *to, V v) {
  memcpy(to, &v, sizeof v);
}

// The top bits of a vector's words, the first word's lowest
inline u64 topBits(V64 x) {
#if LANES == 8
  return _mm512_movepi64_mask((__m512i)x);
#elif LANES == 4
  return _mm256_movemask_pd((__m256d)x);
#else
  return x[0] >> 63 | x[1] >> 63 << 1;
#endif
}

// Elements' bits that name entries, sixteen of them, and the bits of the entries in 16-bit tables that `width` bits of them from `shift` on name
#if LANES == 8
inline void windows(uint16_t *o, const u64 *m, u64 tau, unsigned position) {
  for (size_t j = 0; j < 64; j += LANES) {
    const __m128i w = _mm512_cvtepi64_epi16((__m512i)((load<V64>(m + j) - tau) >> position));
    memcpy(o + j, &w, sizeof w);
  }
}
inline u64 entries(const uint16_t *window, const uint16_t *table, unsigned shift, unsigned width, unsigned base) {
  const __m512i mask = _mm512_set1_epi16((short)((1 << width) - 1)), first = _mm512_set1_epi16((short)base), one = _mm512_set1_epi16(1);
  u64 bits = 0;
#pragma GCC unroll 2
  for (size_t j = 0; j < 64; j += 32) {
    const __m512i index = _mm512_add_epi16(_mm512_and_si512(_mm512_srli_epi16(_mm512_loadu_si512(window + j), shift), mask), first);
    bits |= (u64)_mm512_test_epi16_mask(_mm512_srlv_epi16(_mm512_loadu_si512(table + j), index), one) << j;
  }
  return bits;
}
#elif LANES == 4
inline void windows(uint16_t *o, const u64 *m, u64 tau, unsigned position) {
  // Bytes of four words' windows, element by element in each half; then both halves' in turn
  const __m256i bytes = _mm256_set_epi64x(0x0f0e07060d0c0504, 0x0b0a030209080100, 0x0f0e07060d0c0504, 0x0b0a030209080100), halves = _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0);
  const V64 mask = (V64){} + 0xffff;
  for (size_t j = 0; j < 64; j += 16) {
    V64 all = {};
#pragma GCC unroll 4
    for (size_t v = 0; v < 4; v++) all |= (((load<V64>(m + j + v * LANES) - tau) >> position) & mask) << (16 * v);
    _mm256_storeu_si256((__m256i *)(o + j), _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8((__m256i)all, bytes), halves));
  }
}
inline u64 entries(const uint16_t *window, const uint16_t *table, unsigned shift, unsigned width, unsigned base) {
  // 1 << index in each 16 bits: a byte's bit by its low three bits, in the low byte for an index below 8 and in the high one for the others
  const __m256i bit = _mm256_set_epi64x(0, (i64)0x8040201008040201, 0, (i64)0x8040201008040201), high = _mm256_set1_epi16(0x0800);
  const __m256i mask = _mm256_set1_epi16((short)((1 << width) - 1)), first = _mm256_set1_epi16((short)base);
  u64 bits = 0;
#pragma GCC unroll 2
  for (size_t j = 0; j < 64; j += 32) {
    __m256i none[2];
#pragma GCC unroll 2
    for (size_t v = 0; v < 2; v++) {
      const __m256i named = _mm256_srl_epi16(_mm256_loadu_si256((const __m256i *)(window + j + 16 * v)), _mm_cvtsi32_si128((int)shift));
      const __m256i index = _mm256_add_epi16(_mm256_and_si256(named, mask), first);
      const __m256i both = _mm256_xor_si256(_mm256_or_si256(index, _mm256_slli_epi16(index, 8)), high);
      const __m256i entry = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(table + j + 16 * v)), _mm256_shuffle_epi8(bit, both));
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

// Rows come from the lowest position up: as many as sixteen bits hold share their windows
void pick(u64 *o, const u64 *m, const uint16_t *tables, size_t n, size_t stride, u64 tau, const int32_t *rows, size_t count) {
  // Elements whose every row follows while they are in the first-level cache
  const size_t TOGETHER = 1024, planeWords = (n + 63) / 64;
  alignas(64) uint16_t window[TOGETHER], table[64];
  alignas(64) u64 words[64];
  for (size_t from = 0; from < n; from += TOGETHER) {
    const size_t to = least(n, from + TOGETHER);
    int32_t position = -64;
    for (size_t r = 0; r < count; r++) {
      const int32_t *row = rows + 5 * r;
      if (row[2] < position || row[2] + row[3] > position + 16) {
        position = row[2];
        for (size_t i = from; i < to; i += 64) {
          if (to - i >= 64) {
            windows(window + i - from, m + i, tau, (unsigned)position);
            continue;
          }
          memset(words, 0, sizeof words);
          memcpy(words, m + i, (to - i) * 8);
          windows(window + i - from, words, tau, (unsigned)position);
        }
      }
      const uint16_t *from16 = tables + (size_t)row[0] * stride;
      u64 *const out = o + (size_t)row[1] * planeWords;
      const unsigned shift = (unsigned)(row[2] - position);
      for (size_t i = from; i < to; i += 64) {
        if (to - i >= 64) {
          out[i >> 6] = entries(window + i - from, from16 + i, shift, (unsigned)row[3], (unsigned)row[4]);
          continue;
        }
        memset(table, 0, sizeof table);
        memcpy(table, from16 + i, (to - i) * 2);
        out[i >> 6] = entries(window + i - from, table, shift, (unsigned)row[3], (unsigned)row[4]) & (~(u64)0 >> (64 - (to - i)));
      }
    }
  }
}

void bitPlane(u64 *o, const u64 *m, size_t n, u64 tau, unsigned position) {
  for (size_t i = 0; i < n; i += 64, o++) {
    u64 bits = 0;
    if (n - i >= 64) for (size_t j = 0; j < 64; j += LANES) bits |= topBits((load<V64>(m + i + j) - tau) << (63 - position)) << j;
    else for (size_t j = 0; j < n - i; j++) bits |= (((m[i + j] - tau) >> position) & 1) << j;
    *o = bits;
  }
}

void planeToWords(u64 *o, const u64 *bits, size_t n) {
  for (size_t i = 0; i < n; i += 64) {
    const u64 word = bits[i >> 6];
    const size_t left = n - i < 64 ? n - i : 64;
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
void bitTimes(u64 *o, const u64 *c, const u64 *x, const u64 *m, const u64 *b, const u64 *br, const u64 *bh, size_t n, unsigned k, u64 offset) {
  for (size_t i = 0; i < n; i += 64) {
    const u64 word = c[i >> 6];
    const size_t left = n - i < 64 ? n - i : 64;
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

void bitMultiply(u64 *o, const u64 *c, const u64 *x, const u64 *m, const u64 *b, const u64 *br, const u64 *bh, size_t n, unsigned k, u64 offset, bool wrap) {
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

void maskedProduct(u64 *out, const u64 *opened, const u64 *masks, const u64 *products, size_t n, const int32_t *variables, size_t k, const int32_t *sets, bool first) {
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

// The integer nearest to x, ties to even, |x| < 2^51: beside 1.5·2^52 a double's last place is 1. Only AVX-512 has an instruction that converts vectors
const double SHIFT = 6755399441055744.0;
const u64 SHIFTED = 0x4338000000000000;

inline u64 fixedPoint(double v, double scale) {
  const double shifted = v * scale + SHIFT;
  u64 bits;
  memcpy(&bits, &shifted, 8);
  return bits - SHIFTED;
}

const unsigned HARMONICS = 24;

// Elements whose angles are made at once
const size_t GROUP = 256;

// cos and sin of 2π·index/2^24, by the addition theorem
inline void angles(double *c, double *s, const u64 *r, size_t count, unsigned up) {
  EACH(count) {
    const u64 index = (r[i] << up) & 0xffffff;
    const double *a = kernelTables + ((index >> 12) << 2), *b = kernelTables + ((index & 4095) << 2);
    c[i] = a[0] * b[2] - a[1] * b[3];
    s[i] = a[1] * b[2] + a[0] * b[3];
  }
}

typedef double VD __attribute__((vector_size(LANES * 8)));

// Vectors of elements whose harmonics stay in registers: together a cache line of every plane, so that none is met twice
const int WIDE = 8 / LANES;

struct Harmonics {
  VD c1[WIDE], s1[WIDE], c[WIDE], s[WIDE];
  inline Harmonics(const double *cosines, const double *sines) {
#pragma GCC unroll 4
    for (int v = 0; v < WIDE; v++) c[v] = c1[v] = load<VD>(cosines + v * LANES), s[v] = s1[v] = load<VD>(sines + v * LANES);
  }
  // From kω to (k + 1)ω
  inline void turn(int v) {
    const VD t = c[v] * c1[v] - s[v] * s1[v];
    s[v] = s[v] * c1[v] + c[v] * s1[v];
    c[v] = t;
  }
};

struct TrigTables {
  // Elements of a part, whole groups
  static const size_t PART = 32 * GROUP;
  u64 *o;
  const u64 *r;
  size_t n;
  unsigned period, harmonics;
  double scale;

  static void part(const void *context, size_t i) {
    const TrigTables &t = *(const TrigTables *)context;
    t.run(i * PART, t.n - i * PART < PART ? t.n : (i + 1) * PART);
  }
  // The tables of eight elements, planes `stride` apart
  inline void eight(u64 *to, size_t stride, const double *c, const double *s) const {
    Harmonics at(c, s);
    for (unsigned k = 0; k < harmonics; k++, to += 2 * stride) {
#pragma GCC unroll 4
      for (int v = 0; v < WIDE; v++) {
        store(to + v * LANES, (V64)(at.c[v] * scale + SHIFT) - SHIFTED);
        store(to + stride + v * LANES, (V64)(at.s[v] * scale + SHIFT) - SHIFTED);
        at.turn(v);
      }
    }
  }
  void run(size_t from, size_t to) const {
    alignas(64) double c[GROUP] = {}, s[GROUP] = {};
    alignas(64) u64 last[2 * HARMONICS * 8];
    for (size_t at = from; at < to; at += GROUP) {
      const size_t count = least(to - at, GROUP), whole = count & ~(size_t)7;
      angles(c, s, r + at, count, 24 - period);
      for (size_t i = 0; i < whole; i += 8) eight(o + at + i, n, c + i, s + i);
      if (whole == count) continue;
      eight(last, 8, c + whole, s + whole);
      for (unsigned p = 0; p < 2 * harmonics; p++) memcpy(o + p * n + at + whole, last + 8 * p, (count - whole) * 8);
    }
  }
};

void trigTables(u64 *o, const u64 *r, size_t n, unsigned period, unsigned harmonics, double scale, unsigned threads) {
  const TrigTables t = {o, r, n, period, harmonics, scale};
  kernelParts((n + TrigTables::PART - 1) / TrigTables::PART, n < 4 * TrigTables::PART ? 1 : threads, TrigTables::part, &t);
}

// Sums of products f·x, f an integer of 31 bits and a sign as `shifted` doubles have it
struct Products {
  V64 low = {};
#if LANES == 4
  // Without vectors of 64-bit products: f·x = f·x' + 2^32·f·h, x' the signed low half of x = x' + 2^32·h
  V64 high = {};
  inline void add(VD f, V64 x) {
    low += (V64)_mm256_mul_epi32((__m256i)f, (__m256i)x);
    high += (V64)_mm256_mul_epu32((__m256i)f, (__m256i)((x + 0x80000000) >> 32));
  }
  inline V64 sum() const { return low + (high << 32); }
#else
  inline void add(VD f, V64 x) { low += ((V64)f - SHIFTED) * x; }
  inline V64 sum() const { return low; }
#endif
};

// The series of eight elements, planes of shares `stride` apart
inline void combineEight(u64 *o, const double *c, const double *s, const u64 *shares, size_t stride, const double *q, unsigned harmonics, double scale) {
  Harmonics at(c, s);
  Products sum[WIDE];
  for (unsigned k = 0; k < harmonics; k++, shares += 2 * stride) {
    const double a = q[2 * k] * scale, b = q[2 * k + 1] * scale;
#pragma GCC unroll 4
    for (int v = 0; v < WIDE; v++) {
      sum[v].add(a * at.c[v] + b * at.s[v] + SHIFT, load<V64>(shares + v * LANES));
      sum[v].add(a * at.s[v] - b * at.c[v] + SHIFT, load<V64>(shares + stride + v * LANES));
      at.turn(v);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < WIDE; v++) store(o + v * LANES, sum[v].sum());
}

void trigCombine(u64 *o, const u64 *m, const u64 *shares, const double *q, size_t n, unsigned period, unsigned harmonics, double scale) {
  alignas(64) double c[GROUP] = {}, s[GROUP] = {};
  alignas(64) u64 last[2 * HARMONICS * 8] = {}, sum[8];
  for (size_t at = 0; at < n; at += GROUP) {
    const size_t count = least(n - at, GROUP), whole = count & ~(size_t)7;
    angles(c, s, m + at, count, 24 - period);
    for (size_t i = 0; i < whole; i += 8) combineEight(o + at + i, c + i, s + i, shares + at + i, n, q, harmonics, scale);
    if (whole == count) continue;
    for (unsigned p = 0; p < 2 * harmonics; p++) memcpy(last + 8 * p, shares + p * n + at + whole, (count - whole) * 8);
    combineEight(sum, c + whole, s + whole, last, 8, q, harmonics, scale);
    memcpy(o + at + whole, sum, (count - whole) * 8);
  }
}

const double *const EXP = kernelTables + 4096 * 4;

void expTables(u64 *o, const u64 *r, const u64 *beta, size_t n, unsigned half) {
  const u64 mask = ((u64)1 << half) - 1;
  EACH(n) {
    const u64 x = r[i], low = x & mask;
    const u64 e = fixedPoint(EXP[low >> 10] * EXP[1024 + (low & 1023)], 1048576.0);
    const u64 b = 0 - ((beta[i >> 6] >> (i & 63)) & 1), h = 0 - ((x >> half) & 1);
    o[i] = e & ~h;
    o[n + i] = e & h;
    o[2 * n + i] = e & ~h & b;
    o[3 * n + i] = e & h & b;
  }
}

void expCombine(u64 *o, const u64 *m, const u64 *c, const u64 *shares, size_t n, double factor, unsigned half) {
  const u64 mask = ((u64)1 << half) - 1;
  const double eight = EXP[2048 + 512], far = half == 20 ? eight * eight : eight;
  EACH(n) {
    const u64 x = m[i], low = x & mask;
    const double near = factor * (EXP[2048 + (low >> 10)] * EXP[3072 + (low & 1023)]);
    const u64 a = fixedPoint(near, 4398046511104.0), b = fixedPoint(near * far, 4398046511104.0);
    const bool g = (x >> half) & 1;
    const u64 same = g ? b : a, other = g ? a : b;
    const u64 eb = same * shares[2 * n + i] + other * shares[3 * n + i];
    const u64 all = same * shares[i] + other * shares[n + i] - eb;
    o[i] = (c[i >> 6] >> (i & 63)) & 1 ? all : eb;
  }
}

// ---- ChaCha20 (RFC 8439): as many blocks at once as a vector has 32-bit lanes

const int BLOCKS = LANES * 2;
typedef uint32_t V32 __attribute__((vector_size(BLOCKS * 4)));

inline V32 rotate(V32 x, int n) {
#if LANES == 4
  // Whole bytes are one shuffle, where a rotation is three instructions
  const __m256i two = _mm256_set_epi64x(0x0d0c0f0e09080b0a, 0x0504070601000302, 0x0d0c0f0e09080b0a, 0x0504070601000302);
  const __m256i one = _mm256_set_epi64x(0x0e0d0c0f0a09080b, 0x0605040702010003, 0x0e0d0c0f0a09080b, 0x0605040702010003);
  if (n == 16) return (V32)_mm256_shuffle_epi8((__m256i)x, two);
  if (n == 8) return (V32)_mm256_shuffle_epi8((__m256i)x, one);
#endif
  return (x << n) | (x >> (32 - n));
}

inline void quarter(V32 &a, V32 &b, V32 &c, V32 &d) {
  a += b, d = rotate(d ^ a, 16);
  c += d, b = rotate(b ^ c, 12);
  a += b, d = rotate(d ^ a, 8);
  c += d, b = rotate(b ^ c, 7);
}

// In each quarter of 128 bits: lanes (or pairs of lanes) of a and b in turn, of their first half or their second
template <int PAIR, int HALF>
inline V32 interleave(V32 a, V32 b) {
  V32 from;
#pragma GCC unroll 16
  for (int l = 0; l < BLOCKS; l++) {
    const int i = l & 3;
    from[l] = (l & ~3) + 2 * HALF + (PAIR ? i & 1 : i >> 1) + (PAIR ? i >> 1 : i & 1) * BLOCKS;
  }
  return __builtin_shuffle(a, b, from);
}

// Quarter i of a vector goes to block 4i
inline void putQuarters(uint8_t *o, V32 x) {
#if LANES == 8
  _mm_storeu_si128((__m128i *)o, _mm512_extracti32x4_epi32((__m512i)x, 0));
  _mm_storeu_si128((__m128i *)(o + 256), _mm512_extracti32x4_epi32((__m512i)x, 1));
  _mm_storeu_si128((__m128i *)(o + 512), _mm512_extracti32x4_epi32((__m512i)x, 2));
  _mm_storeu_si128((__m128i *)(o + 768), _mm512_extracti32x4_epi32((__m512i)x, 3));
#elif LANES == 4
  _mm_storeu_si128((__m128i *)o, _mm256_castsi256_si128((__m256i)x));
  _mm_storeu_si128((__m128i *)(o + 256), _mm256_extracti128_si256((__m256i)x, 1));
#else
  memcpy(o, &x, 16);
#endif
}

// Words of all blocks, one vector a word, become blocks of sixteen words
inline void putBlocks(uint8_t *o, const V32 *x) {
#pragma GCC unroll 4
  for (int q = 0; q < 4; q++, x += 4, o += 16) {
    const V32 a = interleave<0, 0>(x[0], x[1]), b = interleave<0, 1>(x[0], x[1]), c = interleave<0, 0>(x[2], x[3]), d = interleave<0, 1>(x[2], x[3]);
    putQuarters(o, interleave<1, 0>(a, c));
    putQuarters(o + 64, interleave<1, 1>(a, c));
    putQuarters(o + 128, interleave<1, 0>(b, d));
    putQuarters(o + 192, interleave<1, 1>(b, d));
  }
}

void chacha20(uint8_t *o, size_t bytes, const uint32_t *key, uint32_t counter) {
  V32 start[16], lane;
  const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  for (int l = 0; l < BLOCKS; l++) lane[l] = l;
  for (int i = 0; i < 16; i++) start[i] = (V32){} + (i < 4 ? constants[i] : i < 12 ? key[i - 4] : i == 12 ? counter : key[i - 5]);
  start[12] += lane;
  for (size_t at = 0; at < bytes; at += 64 * BLOCKS) {
    V32 x[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) x[i] = start[i];
    for (int r = 0; r < 10; r++) {
      quarter(x[0], x[4], x[8], x[12]);
      quarter(x[1], x[5], x[9], x[13]);
      quarter(x[2], x[6], x[10], x[14]);
      quarter(x[3], x[7], x[11], x[15]);
      quarter(x[0], x[5], x[10], x[15]);
      quarter(x[1], x[6], x[11], x[12]);
      quarter(x[2], x[7], x[8], x[13]);
      quarter(x[3], x[4], x[9], x[14]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) x[i] += start[i];
    if (bytes - at >= 64 * BLOCKS) {
      putBlocks(o + at, x);
    } else {
      alignas(64) uint8_t blocks[64 * BLOCKS];
      putBlocks(blocks, x);
      memcpy(o + at, blocks, bytes - at);
    }
    start[12] += BLOCKS;
  }
}

// Words of a stream that stay in the cache while they are used; of any width they are whole blocks
struct Stream {
  static const size_t PART = 8192;
  u64 *words;
  uint8_t *packed;
  const u64 *from;
  size_t n;
  const uint32_t *key;
  uint32_t counter;
  unsigned bits;

  static void part(const void *context, size_t i) {
    const Stream &s = *(const Stream *)context;
    const size_t at = i * PART, count = s.n - at < PART ? s.n - at : PART, bytes = (count * s.bits + 7) / 8;
    const uint32_t block = s.counter + (uint32_t)(i * (PART / 512) * s.bits);
    if (s.words && s.bits == 64) return chacha20((uint8_t *)(s.words + at), bytes, s.key, block);
    uint8_t *const drawn = (uint8_t *)kernelScratch(PART);
    chacha20(drawn, bytes, s.key, block);
    if (s.words) unpack(s.words + at, drawn, count, s.bits);
    else packDifference(s.packed + at / 8 * s.bits, s.from + at, drawn, count, s.bits);
  }
  void run(unsigned threads) const {
    const size_t parts = (n + PART - 1) / PART;
    // Fewer take less time than a thread does to start
    kernelParts(parts, parts < 8 ? 1 : threads, part, this);
  }
};

void streamWords(u64 *o, size_t n, const uint32_t *key, uint32_t counter, unsigned bits, unsigned threads) {
  const Stream s = {o, nullptr, nullptr, n, key, counter, bits};
  s.run(threads);
}
void streamDifference(uint8_t *o, const u64 *a, size_t n, const uint32_t *key, uint32_t counter, unsigned bits, unsigned threads) {
  const Stream s = {nullptr, o, a, n, key, counter, bits};
  s.run(threads);
}

// ---- matrix product: strips of A and panels of B stay in the second-level cache, a block of C in registers

// A block says how many ROWS and COLS of C it has, how deep (DEPTH) its panels are, and how it adds the product of a strip of A, ROWS rows of it column by column, and
// a panel of B, COLS columns row by row. Where it multiplies other words than these, `strip` and `panel` make them, stripWords and panelWords of them, and `word` makes one
// of a panel's again, modulo what it multiplies.
template <size_t rows, size_t cols>
struct Words {
  static const size_t ROWS = rows, COLS = cols, DEPTH = 256;
  static size_t stripWords(size_t depth) { return depth * ROWS; }
  static void strip(u64 *to, const u64 *words, size_t depth) { memcpy(to, words, depth * ROWS * 8); }
  static size_t panelWords(size_t depth) { return depth * COLS; }
  static const u64 *panel(u64 *, const u64 *words, size_t) { return words; }
  static u64 word(u64 ready) { return ready; }
};

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
        for (size_t c = 0; c < cols; c++) b[transposeB ? (j + c) * k + p + t : (p + t) * n + j + c] = BLOCK::word(from[t * COLS + c]);
    }
  }
}

// The strip of A from row i and column p on; rows that are not there are zeros
template <class BLOCK>
void strip(u64 *to, u64 *words, const u64 *a, size_t i, size_t p, size_t depth, size_t m, size_t k, bool transposeA) {
  for (size_t r = 0; r < BLOCK::ROWS; r++)
    for (size_t t = 0; t < depth; t++) words[t * BLOCK::ROWS + r] = i + r < m ? a[transposeA ? (p + t) * m + i + r : (i + r) * k + p + t] : 0;
  BLOCK::strip(to, words, depth);
}

// Columns [from, to) of the product; `packed`: B is what `panels` has made
template <class BLOCK>
void product(u64 *o, const u64 *a, const u64 *b, size_t m, size_t k, size_t n, bool transposeA, bool transposeB, u64 mask, bool packed, size_t from, size_t to) {
  const size_t ROWS = BLOCK::ROWS, COLS = BLOCK::COLS, DEPTH = BLOCK::DEPTH;
  for (size_t i = 0; i < m; i++) memset(o + i * n + from, 0, (to - from) * 8);
  // Strips of A, the words of one, and those of a panel, as the block multiplies them
  const size_t strips = (least(m, TALL) + ROWS - 1) / ROWS, each = upTo(BLOCK::stripWords(DEPTH), 8), room = upTo(ROWS * DEPTH, 8);
  u64 *const left = kernelScratch(strips * each + room + COLS * DEPTH + BLOCK::panelWords(DEPTH)), *const words = left + strips * each;
  u64 *const right = words + room, *const ready = right + COLS * DEPTH;
  u64 tile[BLOCK::ROWS * BLOCK::COLS];
  for (size_t p = 0; p < k; p += DEPTH) {
    const size_t depth = least(k - p, DEPTH);
    for (size_t top = 0; top < m; top += TALL) {
      const size_t bottom = least(m, top + TALL);
      u64 *next = left;
      for (size_t i = top; i < bottom; i += ROWS, next += each) strip<BLOCK>(next, words, a, i, p, depth, m, k, transposeA);
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

// Calls F<BLOCK>::run with the block for a product modulo 2^bits
template <template <class> class F, class... Rest>
auto withBlock(unsigned bits, Rest... rest) {
  if (bits <= 33) return F<Modulo33>::run(rest...);
  if (bits <= 49) return F<Modulo49>::run(rest...);
  if (bits <= 52) return F<Modulo52>::run(rest...);
  return F<Modulo64>::run(rest...);
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
  static void run(u64 *o, const u64 *a, const u64 *b, size_t m, size_t k, size_t n, bool ta, bool tb, u64 mask, bool packed, unsigned threads) {
    const bool shared = threads > 1 && (double)m * k * n >= SHARED;
    const Product p = {o, a, b, m, k, n, ta, tb, packed, mask, shared ? least(PARTS * threads, upTo(n, B::COLS) / B::COLS) : 1};
    if (shared) kernelParts(p.parts, threads, part, &p);
    else part(&p, 0);
  }
};
template <class B> struct Panels { static void run(u64 *to, const u64 *b, size_t k, size_t n, bool tb) { panels<B>(to, b, k, n, tb); } };
template <class B> struct FromPanels { static void run(u64 *b, const u64 *from, size_t k, size_t n, bool tb) { fromPanels<B>(b, from, k, n, tb); } };
template <class B> struct Length {
  static size_t run(size_t k, size_t n) { return panelsTo<B>(k, n) + (k % B::DEPTH ? B::panelWords(k % B::DEPTH) * (upTo(n, B::COLS) / B::COLS) : 0); }
};

void matMul(u64 *o, const u64 *a, const u64 *b, size_t m, size_t k, size_t n, bool transposeA, bool transposeB, unsigned bits, bool packed, unsigned threads) {
  withBlock<Product>(bits, o, a, b, m, k, n, transposeA, transposeB, bits < 64 ? ((u64)1 << bits) - 1 : ~(u64)0, packed, threads);
}
inline void addTimes(u64 *o, const u64 *a, u64 x, size_t n) {
#ifdef ADD_TIMES
  if (addTimesByWord(o, a, x, n)) return;
#endif
  EACH(n) o[i] += x * a[i];
}

struct SparseProduct {
  // Columns whose rows of C stay in the second-level cache, so that b is read once
  static const size_t WIDTH = 256;
  u64 *o;
  const u64 *entries, *b;
  const int32_t *targets;
  size_t length, n, each, count;
  u64 mask;

  static void part(const void *context, size_t i) {
    const SparseProduct &p = *(const SparseProduct *)context;
    const size_t n = p.n, from = i * WIDTH, width = least(n - from, WIDTH);
    u64 *const o = p.o + from;
    for (size_t row = 0; row < p.count; row++) memset(o + row * n, 0, width * 8);
    for (size_t at = 0; at < p.length; at++) addTimes(o + (size_t)p.targets[at] * n, p.b + at / p.each * n + from, p.entries[at], width);
    for (size_t row = 0; row < p.count; row++) {
      u64 *const words = o + row * n;
      EACH(width) words[i] &= p.mask;
    }
  }
};

void sparseMatMul(u64 *o, const u64 *entries, const u64 *b, const int32_t *targets, size_t length, size_t n, size_t each, size_t count, u64 mask, unsigned threads) {
  const SparseProduct p = {o, entries, b, targets, length, n, each, count, mask};
  kernelParts((n + SparseProduct::WIDTH - 1) / SparseProduct::WIDTH, (double)length * n < SHARED ? 1 : threads, SparseProduct::part, &p);
}
void packMatrix(u64 *to, const u64 *b, size_t k, size_t n, bool transposeB, unsigned bits) { withBlock<Panels>(bits, to, b, k, n, transposeB); }
void unpackMatrix(u64 *b, const u64 *from, size_t k, size_t n, bool transposeB, unsigned bits) { withBlock<FromPanels>(bits, b, from, k, n, transposeB); }
size_t packedWords(size_t k, size_t n, unsigned bits) { return withBlock<Length>(bits, k, n); }

} // namespace

const Kernels TABLE = {NAME,      add,         sub,  lessTwice, mul, bitAnd,   bitXor,       affine,      rowSum,     matMul, sparseMatMul, packMatrix, unpackMatrix, packedWords,      chacha20,  streamWords, streamDifference, pack, packOpening, unpack, unpackSum, gather, choose, encode,
                       decode,    maskForOpening, lift, extend, chunkTables,      pick,     bitPlane,     planeToWords, bitShare, bitMultiply, maskedProduct, trigTables, trigCombine, expTables, expCombine};
