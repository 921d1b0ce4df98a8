// Vectors of as many 64-bit words as the file that includes this says (LANES), and loops that the compiler makes
// vectors of.
#pragma once
#include "kernels.h"
#include <cstring>

#define EACH(n) _Pragma("GCC ivdep") for (size_t i = 0; i < (n); i++)

namespace {

inline size_t upTo(size_t n, size_t step) { return (n + step - 1) / step * step; }
inline size_t least(size_t a, size_t b) { return a < b ? a : b; }

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

} // namespace
