#if defined(__aarch64__)
#define E2_SIMD(operation) e2_##operation##_neon
#include "simd/activation.h"
#include "simd/attention.h"
#include "simd/norm.h"
#include "simd/similarity.h"
#endif
