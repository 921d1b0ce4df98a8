#include <immintrin.h>
#define LANES 8
#define NAME "native-avx512"
#define TABLE avx512Kernels
#define MICRO "micro-wide.h"
#include "loops.h"
