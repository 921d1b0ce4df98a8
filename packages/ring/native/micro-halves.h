// Blocks of C where vectors multiply no words, only halves and quarters of them.

// ab = lo·lo + 2^32(lo·hi + hi·lo). Both cross products come from one multiplication of 32-bit lanes with the other factor's halves swapped; their sums
// stay apart until the end.
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
      _mm256_storeu_si256(to, _mm256_add_epi64(_mm256_loadu_si256(to), _mm256_add_epi64(low[r], _mm256_slli_epi64(both, 32))));
    }
  }
};
typedef Modulo64 Modulo52;

// The odd 32-bit lanes of two vectors, first 0 and 1, second 0 and 1, first 2 and 3, second 2 and 3; and the even ones
inline __m256i oddHalves(__m256i first, __m256i second) { return _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(first), _mm256_castsi256_ps(second), 0xdd)); }
inline __m256i evenHalves(__m256i first, __m256i second) { return _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(first), _mm256_castsi256_ps(second), 0x88)); }

// Adds the sums of eight columns in that order, 32 bits each and shifted up by `up`, to eight words
inline void addHalves(u64 *c, __m256i halves, int up) {
  const __m256i inOrder = _mm256_permute4x64_epi64(halves, 0xd8);
  const __m128i parts[2] = {_mm256_castsi256_si128(inOrder), _mm256_extracti128_si256(inOrder, 1)};
#pragma GCC unroll 2
  for (size_t v = 0; v < 2; v++) {
    __m256i *to = (__m256i *)(c + 4 * v);
    _mm256_storeu_si256(to, _mm256_add_epi64(_mm256_loadu_si256(to), _mm256_slli_epi64(_mm256_cvtepu32_epi64(parts[v]), up)));
  }
}

// Modulo 2^48 the cross products count modulo 2^16, so that one vpmaddwd adds both of them for eight words: the pair (low quarter, third quarter) of one factor
// times the pair (third, low) of the other.
struct Modulo48 {
  // Eight words, then their pairs
  static const size_t ROWS = 3, COLS = 8, EXPANDED = COLS + COLS / 2;
  // Low half, then the pair
  static void strip(u64 *a, size_t depth) {
    for (size_t i = 0; i < depth * ROWS; i++) a[i] = (a[i] & 0xffffffff) | (a[i] & 0xffff) << 32 | (a[i] & 0xffff00000000) << 16;
  }
  static void expand(u64 *to, const u64 *b, size_t depth) {
    for (size_t t = 0; t < depth; t++, b += COLS, to += EXPANDED) {
      const __m256i first = _mm256_loadu_si256((const __m256i *)b), second = _mm256_loadu_si256((const __m256i *)(b + 4));
      const __m256i pairs = _mm256_blend_epi16(oddHalves(first, second), _mm256_slli_epi32(evenHalves(first, second), 16), 0xaa);
      _mm256_storeu_si256((__m256i *)to, first);
      _mm256_storeu_si256((__m256i *)(to + 4), second);
      _mm256_storeu_si256((__m256i *)(to + 8), pairs);
    }
  }
  static inline void add(u64 *c, size_t stride, const u64 *a, const u64 *b, size_t depth) {
    __m256i low[ROWS][2], cross[ROWS];
#pragma GCC unroll 3
    for (size_t r = 0; r < ROWS; r++) low[r][0] = low[r][1] = cross[r] = _mm256_setzero_si256();
    for (size_t t = 0; t < depth; t++, a += ROWS, b += EXPANDED) {
      const __m256i first = _mm256_loadu_si256((const __m256i *)b), second = _mm256_loadu_si256((const __m256i *)(b + 4));
      const __m256i pairs = _mm256_loadu_si256((const __m256i *)(b + 8));
#pragma GCC unroll 3
      for (size_t r = 0; r < ROWS; r++) {
        const __m256i left = _mm256_set1_epi64x((i64)a[r]), both = _mm256_broadcastd_epi32(_mm_loadu_si32((const char *)(a + r) + 4));
        low[r][0] = _mm256_add_epi64(low[r][0], _mm256_mul_epu32(left, first));
        low[r][1] = _mm256_add_epi64(low[r][1], _mm256_mul_epu32(left, second));
        cross[r] = _mm256_add_epi32(cross[r], _mm256_madd_epi16(both, pairs));
        // Row after row: all rows' products at once would not fit the registers
        __asm__ volatile("" : "+x"(low[r][0]), "+x"(low[r][1]), "+x"(cross[r]));
      }
    }
#pragma GCC unroll 3
    for (size_t r = 0; r < ROWS; r++) {
      u64 *to = c + r * stride;
#pragma GCC unroll 2
      for (size_t v = 0; v < 2; v++) _mm256_storeu_si256((__m256i *)(to + 4 * v), _mm256_add_epi64(_mm256_loadu_si256((__m256i *)(to + 4 * v)), low[r][v]));
      addHalves(to, cross[r], 32);
    }
  }
};

// Modulo 2^32 all is vpmaddwd. With x = low + 2^16·high, low signed: both cross products of a word, and the low products of two words that follow one another.
struct Modulo32 {
  // Of two rows: (low, high) of the first, of the second, and the lows of both
  static const size_t ROWS = 4, COLS = 8, EXPANDED = COLS - COLS / 4;
  static uint32_t halves(u64 x) { return (uint32_t)x + (((uint32_t)x & 0x8000) << 1); }
  // Of two words in the place of the first: (high, low), then the lows of both; in that of the second: its (high, low)
  static void strip(u64 *a, size_t depth) {
    if (depth & 1) memset(a + depth * ROWS, 0, ROWS * 8);
    for (size_t t = 0; t < depth; t += 2, a += 2 * ROWS) {
      for (size_t r = 0; r < ROWS; r++) {
        const uint32_t x = halves(a[r]), y = halves(a[ROWS + r]);
        a[r] = (u64)((x & 0xffff) | y << 16) << 32 | (x >> 16 | x << 16);
        a[ROWS + r] = y >> 16 | y << 16;
      }
    }
  }
  static inline __m256i halves(const u64 *b) {
    const __m256i x = evenHalves(_mm256_loadu_si256((const __m256i *)b), _mm256_loadu_si256((const __m256i *)(b + 4)));
    return _mm256_add_epi32(x, _mm256_slli_epi32(_mm256_and_si256(x, _mm256_set1_epi32(0x8000)), 1));
  }
  static void expand(u64 *to, const u64 *b, size_t depth) {
    for (size_t t = 0; t < depth; t += 2, b += 2 * COLS, to += 2 * EXPANDED) {
      const __m256i first = halves(b), second = t + 1 < depth ? halves(b + COLS) : _mm256_setzero_si256();
      _mm256_storeu_si256((__m256i *)to, first);
      _mm256_storeu_si256((__m256i *)(to + 4), second);
      _mm256_storeu_si256((__m256i *)(to + 8), _mm256_blend_epi16(first, _mm256_slli_epi32(second, 16), 0xaa));
    }
  }
  static inline __m256i each(const u64 *a, size_t half) { return _mm256_broadcastd_epi32(_mm_loadu_si32((const char *)a + 4 * half)); }
  static inline void add(u64 *c, size_t stride, const u64 *a, const u64 *b, size_t depth) {
    __m256i low[ROWS], cross[ROWS];
#pragma GCC unroll 4
    for (size_t r = 0; r < ROWS; r++) low[r] = cross[r] = _mm256_setzero_si256();
    for (size_t t = 0; t < depth; t += 2, a += 2 * ROWS, b += 2 * EXPANDED) {
      const __m256i first = _mm256_loadu_si256((const __m256i *)b), second = _mm256_loadu_si256((const __m256i *)(b + 4));
      const __m256i lows = _mm256_loadu_si256((const __m256i *)(b + 8));
#pragma GCC unroll 4
      for (size_t r = 0; r < ROWS; r++) {
        cross[r] = _mm256_add_epi32(cross[r], _mm256_madd_epi16(each(a + r, 0), first));
        cross[r] = _mm256_add_epi32(cross[r], _mm256_madd_epi16(each(a + ROWS + r, 0), second));
        low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(each(a + r, 1), lows));
        __asm__ volatile("" : "+x"(low[r]), "+x"(cross[r]));
      }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < ROWS; r++) {
      addHalves(c + r * stride, cross[r], 16);
      addHalves(c + r * stride, low[r], 0);
    }
  }
};
