/* Element by element. The includer defines E2_SIMD(operation), the name of the level's kernel. */
#include "kernels.h"
#include "simd/math.h"

E2_INLINE void map(float *x, size_t n, vec (*activation)(vec)) {
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES) vec_store(x + i, activation(vec_load(x + i)));
    if (i < n) vec_store_part(x + i, n - i, activation(vec_load_part(x + i, n - i, vec_set(0.0f))));
}

E2_INLINE vec gelu(vec x) {
    vec half = vec_mul(vec_set(0.5f), x);
    return vec_fma(half, vec_erf(vec_mul(x, vec_set(0.70710678f))), half);
}

E2_INLINE vec quick_gelu(vec x) {
    vec power = vec_exp(vec_min(vec_set(88.0f), vec_mul(x, vec_set(-1.702f))));
    return vec_div(x, vec_add(vec_set(1.0f), power));
}

void E2_SIMD(gelu)(float *x, size_t n) { map(x, n, gelu); }
void E2_SIMD(quick_gelu)(float *x, size_t n) { map(x, n, quick_gelu); }
void E2_SIMD(relu)(float *x, size_t n) { map(x, n, vec_positive); }
