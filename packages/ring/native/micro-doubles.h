// Blocks of C where vectors multiply no words but halves of them (modulo 2^64), and doubles (modulo 2^49 and 2^33).

// For the first Zen, whose vectors are halves of 128 bits with one multiplier
#define FIRST_ZEN
inline bool firstZen() {
  static const bool it = __builtin_cpu_is("znver1");
  return it;
}

BY_WORD bool addTimesByWord(u64 *o, const u64 *a, u64 x, size_t n) {
  if (!firstZen()) return false;
  for (size_t i = 0; i < n; i++) o[i] += x * a[i];
  return true;
}

// ab = lo·lo + 2^32(lo·hi + hi·lo). Both cross products come from one multiplication of 32-bit lanes with the other
// factor's halves swapped; their sums stay apart until the end.
struct Modulo64 : Words<6, LANES> {
  static inline void add(u64 *c, size_t stride, const u64 *a, const u64 *b, size_t depth) {
    __m256i low[ROWS], cross[ROWS];
#pragma GCC unroll 6
    for (size_t r = 0; r < ROWS; r++) low[r] = cross[r] = _mm256_setzero_si256();
    for (size_t t = 0; t < depth; t++, a += ROWS, b += COLS) {
      const __m256i right = _mm256_loadu_si256((const __m256i *)b), swapped = _mm256_shuffle_epi32(right, 0xb1);
#pragma GCC unroll 6
      for (size_t r = 0; r < ROWS; r++) {
        const __m256i left = _mm256_set1_epi64x((i64)a[r]);
        low[r] = _mm256_add_epi64(low[r], _mm256_mul_epu32(left, right));
        cross[r] = _mm256_add_epi32(cross[r], _mm256_mullo_epi32(left, swapped));
      }
    }
#pragma GCC unroll 6
    for (size_t r = 0; r < ROWS; r++) {
      const __m256i both = _mm256_add_epi32(cross[r], _mm256_srli_epi64(cross[r], 32));
      __m256i *to = (__m256i *)(c + r * stride);
      _mm256_storeu_si256(to,
          _mm256_add_epi64(_mm256_loadu_si256(to), _mm256_add_epi64(low[r], _mm256_slli_epi64(both, 32))));
    }
  }
};

// Modulo 2^BITS with doubles. Half of the products are saved (S. Winograd, A new algorithm for inner product, 1968):
//   x1·y1 + x2·y2 = (x1 + L + y2)(x2 + L + y1) − (x1 + L)(x2 + L) − (y1 + L)(y2 + L) + L²,
// the last three once for a row of A and for a column of B. With L² ≥ 2^(52 + BITS) a product of two such sums has its
// last binary place at 2^BITS or 2^(BITS + 1): the rounded product is 0 modulo 2^BITS, and a fused multiply-subtract
// gives exactly what the rounding took, at most 2^BITS, so that sums are exact up to 2^53.
template <int BITS>
struct Doubles {
  static const size_t ROWS = 2, VECTORS = 4, COLS = VECTORS * LANES, DEPTH = 120;
  // Pairs until the sum is brought back below 2^(BITS − 1)
  static const size_t PAIRS = BITS > 46 ? ((size_t)1 << (53 - BITS)) - 1 : DEPTH / 2;
  static constexpr u64 L =
      BITS % 2 ? (u64)(1.4142135623730952 * ((u64)1 << (52 + BITS) / 2)) + 1 : (u64)1 << (52 + BITS) / 2;
  static constexpr double INTEGER = (u64)1 << 52, PLACES = 1.5 * INTEGER, BACK = PLACES * ((u64)1 << BITS);
  static constexpr double SMALLEST = (double)L * L, LARGEST = (double)(L + ((u64)2 << BITS));
  static_assert(SMALLEST >= INTEGER * ((u64)1 << BITS) && LARGEST * LARGEST < 4 * INTEGER * ((u64)1 << BITS),
      "products are rounded to 2^BITS or 2^(BITS + 1)");
  static_assert(((double)PAIRS + 0.5) * ((u64)1 << BITS) <= 2 * INTEGER, "sums are exact");

  // word + more: an integer below 2^52 is the low bits of the double that is 2^52 more
  static inline u64 asDouble(u64 word, u64 more) {
    u64 bits = (word & (((u64)1 << BITS) - 1)) | (u64)0x433 << 52;
    double x;
    memcpy(&x, &bits, 8);
    x -= INTEGER - (double)more;
    memcpy(&bits, &x, 8);
    return bits;
  }
  // For each pair of columns and each row: the two words, LANES times each; after all, Σ(x1 + L)(x2 + L) of each row
  static size_t stripWords(size_t depth) { return upTo(depth, 2) * ROWS * LANES + ROWS; }
  static void strip(u64 *to, const u64 *words, size_t depth) {
    u64 terms[ROWS] = {};
    for (size_t t = 0; t < depth; t += 2, words += 2 * ROWS) {
      for (size_t r = 0; r < ROWS; r++, to += 2 * LANES) {
        const u64 first = words[r], second = t + 1 < depth ? words[ROWS + r] : 0;
        terms[r] += (first + L) * (second + L);
        for (size_t l = 0; l < LANES; l++) to[l] = asDouble(first, L), to[LANES + l] = asDouble(second, L);
      }
    }
    memcpy(to, terms, sizeof terms);
  }
  // Rows of B, one of zeros more where their number is odd; after all, Σ((y1 + L)(y2 + L) − L²) of each column
  static size_t panelWords(size_t depth) { return (upTo(depth, 2) + 1) * COLS; }
  static const u64 *panel(u64 *to, const u64 *words, size_t depth) {
    u64 terms[COLS] = {};
    for (size_t t = 0; t + 1 < depth; t += 2)
      EACH(COLS) terms[i] += (words[t * COLS + i] + L) * (words[(t + 1) * COLS + i] + L) - L * L;
    if (depth & 1) EACH(COLS) terms[i] += words[(depth - 1) * COLS + i] * L;
    EACH(depth * COLS) to[i] = asDouble(words[i], 0);
    if (depth & 1) EACH(COLS) to[depth * COLS + i] = 0;
    memcpy(to + upTo(depth, 2) * COLS, terms, sizeof terms);
    return to;
  }
  static u64 word(u64 ready) {
    double x;
    memcpy(&x, &ready, 8);
    return (u64)x;
  }

  static inline void add(u64 *c, size_t stride, const u64 *a, const u64 *b, size_t depth) {
    __m256d sum[ROWS][VECTORS];
#pragma GCC unroll 2
    for (size_t r = 0; r < ROWS; r++)
#pragma GCC unroll 4
      for (size_t v = 0; v < VECTORS; v++) sum[r][v] = _mm256_setzero_pd();
    const double *x = (const double *)a, *y = (const double *)b;
    for (size_t left = (depth + 1) / 2; left > 0;) {
      const size_t pairs = left < PAIRS ? left : PAIRS;
      for (size_t t = 0; t < pairs; t++, x += 2 * ROWS * LANES, y += 2 * COLS) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
          const __m256d y1 = _mm256_loadu_pd(y + v * LANES), y2 = _mm256_loadu_pd(y + COLS + v * LANES);
#pragma GCC unroll 2
          for (size_t r = 0; r < ROWS; r++) {
            const __m256d s = _mm256_add_pd(y2, _mm256_loadu_pd(x + 2 * r * LANES));
            const __m256d t = _mm256_add_pd(y1, _mm256_loadu_pd(x + (2 * r + 1) * LANES));
            sum[r][v] = _mm256_add_pd(sum[r][v], _mm256_fmsub_pd(s, t, _mm256_mul_pd(s, t)));
          }
        }
      }
      left -= pairs;
      if (PAIRS * 2 < DEPTH) {
        const __m256d places = _mm256_set1_pd(BACK);
#pragma GCC unroll 2
        for (size_t r = 0; r < ROWS; r++)
#pragma GCC unroll 4
          for (size_t v = 0; v < VECTORS; v++)
            sum[r][v] = _mm256_sub_pd(sum[r][v], _mm256_sub_pd(_mm256_add_pd(sum[r][v], places), places));
      }
    }
    const u64 *rows = (const u64 *)x, *columns = (const u64 *)y;
    const __m256d places = _mm256_set1_pd(PLACES);
#pragma GCC unroll 2
    for (size_t r = 0; r < ROWS; r++) {
      const __m256i term = _mm256_set1_epi64x((i64)rows[r]);
#pragma GCC unroll 4
      for (size_t v = 0; v < VECTORS; v++) {
        __m256i *to = (__m256i *)(c + r * stride + v * LANES);
        // The low bits of a double between 2^52 and 2^53 are those of the integer
        const __m256i whole = _mm256_castpd_si256(_mm256_add_pd(sum[r][v], places));
        const __m256i terms = _mm256_add_epi64(term, _mm256_loadu_si256((const __m256i *)(columns + v * LANES)));
        _mm256_storeu_si256(to, _mm256_add_epi64(_mm256_loadu_si256(to), _mm256_sub_epi64(whole, terms)));
      }
    }
  }
};

struct Blocks {
  template <template <class> class F, class... Rest>
  static auto with(unsigned bits, Rest... rest) {
    if (bits <= 33) return F<Doubles<33>>::run(rest...);
    if (bits <= 49) return F<Doubles<49>>::run(rest...);
    return firstZen() ? F<ByWord>::run(rest...) : F<Modulo64>::run(rest...);
  }
};
