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

// Modulo 2^48 the cross products count modulo 2^16, so that one vpmaddwd adds both of them for eight words: the pair (low quarter, third quarter) of one factor
// times the pair (third, low) of the other.
struct Modulo48 {
  static const size_t ROWS = 3, COLS = 8, PANEL = COLS + COLS / 2;
  static u64 pair(u64 low, u64 high) { return (low & 0xffff) | (high & 0xffff) << 16; }
  // low half, then the pair
  static u64 left(u64 x) { return (x & 0xffffffff) | pair(x, x >> 32) << 32; }
  // after eight words their pairs
  static void right(u64 *row) {
    uint32_t *to = (uint32_t *)(row + COLS);
    for (size_t c = 0; c < COLS; c++) to[c] = (uint32_t)pair(row[c] >> 32, row[c]);
  }
  static inline void add(u64 *c, size_t stride, const u64 *a, const u64 *b, size_t depth) {
    __m256i low[ROWS][2], cross[ROWS];
#pragma GCC unroll 3
    for (size_t r = 0; r < ROWS; r++) low[r][0] = low[r][1] = cross[r] = _mm256_setzero_si256();
    for (size_t t = 0; t < depth; t++, a += ROWS, b += PANEL) {
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
      const __m128i halves[2] = {_mm256_castsi256_si128(cross[r]), _mm256_extracti128_si256(cross[r], 1)};
#pragma GCC unroll 2
      for (size_t v = 0; v < 2; v++) {
        __m256i *to = (__m256i *)(c + r * stride + 4 * v);
        const __m256i high = _mm256_slli_epi64(_mm256_cvtepu32_epi64(halves[v]), 32);
        _mm256_storeu_si256(to, _mm256_add_epi64(_mm256_loadu_si256(to), _mm256_add_epi64(low[r][v], high)));
      }
    }
  }
};
