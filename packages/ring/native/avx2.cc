#include <immintrin.h>
#define LANES 4
#define NAME "native-avx2"
#define TABLE avx2Kernels
#define MICRO "micro-doubles.h"
#include "loops.h"
