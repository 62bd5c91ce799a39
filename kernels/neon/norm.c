#if defined(__aarch64__)
#define E2_SIMD(operation) e2_##operation##_neon
#include "simd/norm.h"
#endif
