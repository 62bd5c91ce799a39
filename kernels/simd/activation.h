/* SPDX-License-Identifier: MIT */
/* Element by element. The includer defines E2_SIMD(operation), the name of the level's kernel. */
#include "kernels.h"
#include "simd/math.h"

E2_INLINE void map(float *x, size_t n, vec (*activation)(vec)) {
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES) vec_store(x + i, activation(vec_load(x + i)));
    if (i < n) vec_store_part(x + i, n - i, activation(vec_load_part(x + i, n - i, vec_set(0.0f))));
}

void E2_SIMD(gelu)(float *x, size_t n) { map(x, n, vec_gelu); }
void E2_SIMD(quick_gelu)(float *x, size_t n) { map(x, n, vec_quick_gelu); }
void E2_SIMD(relu)(float *x, size_t n) { map(x, n, vec_positive); }
