#if defined(__x86_64__)
#define E2_SIMD(operation) e2_##operation##_avx2
#include "simd/attention.h"
#include "simd/attend.h"
#endif
