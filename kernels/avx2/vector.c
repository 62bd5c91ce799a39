#if defined(__x86_64__)
#define E2_SIMD(operation) e2_##operation##_avx2
#include "simd/activation.h"
#include "simd/attention.h"
#include "simd/norm.h"
#include "simd/similarity.h"
#endif
