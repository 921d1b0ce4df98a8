// A block of C in 24 vectors. Modulo 2^64 a product is vpmullq, three micro-operations; modulo 2^52 it is one fused
// multiply-add of 52-bit integers (IFMA), where the processor has it.
const size_t VECTORS = 4;
typedef Words<6, VECTORS * LANES> Block;

inline __m512i join(__m512i sum, __m512i left, __m512i right) {
  return _mm512_add_epi64(sum, _mm512_mullo_epi64(left, right));
}

#define SUM_BLOCK(JOIN)                                                                                               \
  const size_t ROWS = Block::ROWS, COLS = Block::COLS;                                                                \
  __m512i sum[ROWS][VECTORS];                                                                                         \
  _Pragma("GCC unroll 6") for (size_t r = 0; r < ROWS; r++)                                                           \
      _Pragma("GCC unroll 4") for (size_t v = 0; v < VECTORS; v++) sum[r][v] = _mm512_setzero_si512();                \
  for (size_t t = 0; t < depth; t++, a += ROWS, b += COLS) {                                                          \
    __m512i right[VECTORS];                                                                                           \
    _Pragma("GCC unroll 4") for (size_t v = 0; v < VECTORS; v++) right[v] = _mm512_loadu_si512(b + v * LANES);        \
    _Pragma("GCC unroll 6") for (size_t r = 0; r < ROWS; r++) {                                                       \
      const __m512i left = _mm512_set1_epi64((i64)a[r]);                                                              \
      _Pragma("GCC unroll 4") for (size_t v = 0; v < VECTORS; v++) sum[r][v] = JOIN(sum[r][v], left, right[v]);       \
    }                                                                                                                 \
  }                                                                                                                   \
  _Pragma("GCC unroll 6") for (size_t r = 0; r < ROWS; r++)                                                           \
      _Pragma("GCC unroll 4") for (size_t v = 0; v < VECTORS; v++) {                                                  \
    u64 *to = c + r * stride + v * LANES;                                                                             \
    _mm512_storeu_si512(to, _mm512_add_epi64(_mm512_loadu_si512(to), sum[r][v]));                                     \
  }

struct Modulo64 : Block {
  static void add(u64 *c, size_t stride, const u64 *a, const u64 *b, size_t depth) { SUM_BLOCK(join) }
};

__attribute__((target("avx512ifma")))
void fused(u64 *c, size_t stride, const u64 *a, const u64 *b, size_t depth) { SUM_BLOCK(_mm512_madd52lo_epu64) }

struct Modulo52 : Block {
  static void add(u64 *c, size_t stride, const u64 *a, const u64 *b, size_t depth) {
    static const bool there = __builtin_cpu_supports("avx512ifma");
    if (there) fused(c, stride, a, b, depth);
    else Modulo64::add(c, stride, a, b, depth);
  }
};
typedef Modulo52 Modulo49;
typedef Modulo52 Modulo33;
