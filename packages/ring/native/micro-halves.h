// A block of C where vectors multiply 32-bit halves only: ab = lo·lo + 2^32(lo·hi + hi·lo). Both cross products come from one multiplication of 32-bit
// lanes with the other factor's halves swapped; their sums stay apart until the end.
const size_t ROWS = 6, COLS = LANES;

inline void micro(u64 *c, size_t stride, const u64 *a, const u64 *b, size_t depth) {
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
#define micro52 micro
