// Blocks of C in vectors of 512 bits.

// A product of words modulo 2^64 is vpmullq; modulo 2^52 it is one fused multiply-add of 52-bit integers (IFMA), where
// the processor has it.
inline __m512i join(__m512i sum, __m512i left, __m512i right) {
  return _mm512_add_epi64(sum, _mm512_mullo_epi64(left, right));
}

const size_t VECTORS = 4;

#define EACH_SUM(DO)                                                                                                  \
  _Pragma("GCC unroll 6") for (size_t r = 0; r < ROWS; r++)                                                           \
      _Pragma("GCC unroll 4") for (size_t v = 0; v < VECTORS; v++) { DO; }

// With a product for each pair of words
#define SUM_BLOCK(JOIN)                                                                                               \
  __m512i sum[ROWS][VECTORS];                                                                                         \
  EACH_SUM(sum[r][v] = _mm512_setzero_si512())                                                                        \
  for (size_t t = 0; t < depth; t++, a += ROWS, b += COLS) {                                                          \
    __m512i right[VECTORS];                                                                                           \
    _Pragma("GCC unroll 4") for (size_t v = 0; v < VECTORS; v++) right[v] = _mm512_loadu_si512(b + v * LANES);        \
    _Pragma("GCC unroll 6") for (size_t r = 0; r < ROWS; r++) {                                                       \
      const __m512i left = _mm512_set1_epi64((i64)a[r]);                                                              \
      _Pragma("GCC unroll 4") for (size_t v = 0; v < VECTORS; v++) sum[r][v] = JOIN(sum[r][v], left, right[v]);       \
    }                                                                                                                 \
  }                                                                                                                   \
  EACH_SUM(u64 *to = c + r * stride + v * LANES;                                                                      \
           _mm512_storeu_si512(to, _mm512_add_epi64(_mm512_loadu_si512(to), sum[r][v])))

struct Fused : Words<6, VECTORS * LANES> {
  __attribute__((target("avx512ifma")))
  static void add(u64 *c, size_t stride, const u64 *a, const u64 *b, size_t depth) { SUM_BLOCK(_mm512_madd52lo_epu64) }
};

// With half of the products, as `ByWord`: x1·y1 + x2·y2 = (x1 + y2)(x2 + y1) − x1·x2 − y1·y2. vpmullq is three
// operations, or one that half of the ports do; additions are done by all of them.
struct Paired {
  static const size_t ROWS = 4, COLS = VECTORS * LANES, DEPTH = 256;

  // A row of zeros more where their number is odd; after all, Σx1·x2 of each row
  static size_t stripWords(size_t depth) { return (upTo(depth, 2) + 1) * ROWS; }
  static void strip(u64 *to, const u64 *words, size_t depth) { withTerms<ROWS>(to, words, depth); }
  // The same of B: Σy1·y2 of each column
  static size_t panelWords(size_t depth) { return (upTo(depth, 2) + 1) * COLS; }
  static const u64 *panel(u64 *to, const u64 *words, size_t depth) {
    withTerms<COLS>(to, words, depth);
    return to;
  }
  static u64 word(u64 ready) { return ready; }
};

#define SUM_PAIRS(JOIN)                                                                                               \
  __m512i sum[ROWS][VECTORS];                                                                                         \
  EACH_SUM(sum[r][v] = _mm512_setzero_si512())                                                                        \
  for (size_t t = 0; t < depth; t += 2, a += 2 * ROWS, b += 2 * COLS) {                                               \
    __m512i y1[VECTORS], y2[VECTORS];                                                                                 \
    _Pragma("GCC unroll 4") for (size_t v = 0; v < VECTORS; v++)                                                      \
        y1[v] = _mm512_loadu_si512(b + v * LANES), y2[v] = _mm512_loadu_si512(b + COLS + v * LANES);                  \
    _Pragma("GCC unroll 6") for (size_t r = 0; r < ROWS; r++) {                                                       \
      const __m512i x1 = _mm512_set1_epi64((i64)a[r]), x2 = _mm512_set1_epi64((i64)a[ROWS + r]);                      \
      _Pragma("GCC unroll 4") for (size_t v = 0; v < VECTORS; v++)                                                    \
          sum[r][v] = JOIN(sum[r][v], _mm512_add_epi64(x1, y2[v]), _mm512_add_epi64(x2, y1[v]));                      \
    }                                                                                                                 \
  }                                                                                                                   \
  __m512i columns[VECTORS];                                                                                           \
  _Pragma("GCC unroll 4") for (size_t v = 0; v < VECTORS; v++) columns[v] = _mm512_loadu_si512(b + v * LANES);        \
  EACH_SUM(u64 *to = c + r * stride + v * LANES;                                                                      \
           const __m512i terms = _mm512_add_epi64(_mm512_set1_epi64((i64)a[r]), columns[v]);                          \
           const __m512i pairs = _mm512_sub_epi64(sum[r][v], terms);                                                  \
           _mm512_storeu_si512(to, _mm512_add_epi64(_mm512_loadu_si512(to), pairs)))

struct Modulo64 : Paired {
  static void add(u64 *c, size_t stride, const u64 *a, const u64 *b, size_t depth) { SUM_PAIRS(join) }
};
struct FusedPairs : Paired {
  __attribute__((target("avx512ifma")))
  static void add(u64 *c, size_t stride, const u64 *a, const u64 *b, size_t depth) { SUM_PAIRS(_mm512_madd52lo_epu64) }
};

struct Blocks {
  template <template <class> class F, class... Rest>
  static auto with(unsigned, Rest... rest) {
    return F<Modulo64>::run(rest...);
  }
};
// The same where the processor has IFMA
template <class Modulo52>
struct FusedBlocks {
  template <template <class> class F, class... Rest>
  static auto with(unsigned bits, Rest... rest) {
    return bits <= 52 ? F<Modulo52>::run(rest...) : F<Modulo64>::run(rest...);
  }
};
