#define LANES 2
#define NAME "native-plain"
#define TABLE plainKernels
#define MICRO "micro-scalar.h"
#include "loops.h"
