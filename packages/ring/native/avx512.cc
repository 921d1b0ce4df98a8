#include <immintrin.h>
#define LANES 8
#define NAME "native-avx512"
#define TABLE avx512Kernels
#define MICRO "micro-wide.h"
#include "loops.h"

namespace {

// The table with other blocks of matrix products
template <class BLOCKS>
constexpr Kernels with(const char *name) {
  Kernels k = avx512Kernels;
  k.name = name;
  k.matMul = matMul<BLOCKS>, k.packMatrix = packMatrix<BLOCKS>, k.unpackMatrix = unpackMatrix<BLOCKS>;
  k.packedWords = packedWords<BLOCKS>;
  return k;
}

} // namespace

constexpr Kernels avx512FusedKernels = with<FusedBlocks<Fused>>("native-avx512-ifma"),
                  avx512PairsKernels = with<FusedBlocks<FusedPairs>>("native-avx512-ifma-pairs");
