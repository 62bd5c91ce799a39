/* SPDX-License-Identifier: MIT */
/* exp and erf of a vector: the approximations of ref/math.h, with fused multiply-add; and what is made of them. */
#ifndef E2_SIMD_MATH_H
#define E2_SIMD_MATH_H

#include "kernels.h"
#include "simd/vec.h"

/* exp(x), relative error below 2e-7. Below -87 it is exp(-87), about 1e-38; x must not be above 88. NaN stays NaN. */
E2_INLINE vec vec_exp(vec x) {
    x = vec_max(vec_set(-87.0f), x);
    const vec round = vec_set(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer, kept in the low bits */
    vec shifted = vec_fma(x, vec_set(1.44269504f), round);
    vec n = vec_sub(shifted, round);
    vec r = vec_fnma(n, vec_set(-2.12194440e-4f), vec_fnma(n, vec_set(0.693359375f), x));
    vec p = vec_set(1.381446194e-3f);
    p = vec_fma(p, r, vec_set(8.368781551e-3f));
    p = vec_fma(p, r, vec_set(4.166839436e-2f));
    p = vec_fma(p, r, vec_set(1.666652010e-1f));
    p = vec_fma(p, r, vec_set(4.999999341e-1f));
    p = vec_fma(vec_mul(r, r), p, r);
    return vec_ldexp(vec_add(p, vec_set(1.0f)), shifted);
}

/* erf(z), absolute error below 5e-7. NaN stays NaN. */
E2_INLINE vec vec_erf(vec z) {
    z = vec_min(vec_set(3.95f), vec_max(vec_set(-3.95f), z));
    vec u = vec_mul(z, z);
    vec p = vec_set(2.026067676e-6f);
    p = vec_fma(p, u, vec_set(2.846721025e-4f));
    p = vec_fma(p, u, vec_set(3.807379707e-3f));
    p = vec_fma(p, u, vec_set(5.287300678e-2f));
    p = vec_fma(p, u, vec_set(1.915317917e-1f));
    p = vec_fma(p, u, vec_set(1.128379144f));
    vec q = vec_set(3.783265917e-5f);
    q = vec_fma(q, u, vec_set(1.170540668e-3f));
    q = vec_fma(q, u, vec_set(1.505351012e-2f));
    q = vec_fma(q, u, vec_set(1.145519797e-1f));
    q = vec_fma(q, u, vec_set(5.030733097e-1f));
    q = vec_fma(q, u, vec_set(1.0f));
    return vec_div(vec_mul(z, p), q);
}

/* x/2 (1 + erf(x/sqrt 2)) */
E2_INLINE vec vec_gelu(vec x) {
    vec half = vec_mul(vec_set(0.5f), x);
    return vec_fma(half, vec_erf(vec_mul(x, vec_set(0.70710678f))), half);
}

/* The same within 8e-5 where |x| < 4.2, and x or 0 beyond: a polynomial for the half of erf, without a division. A
 * product in int8 rounds its factors by more. */
E2_INLINE vec vec_gelu_rough(vec x) {
    vec z = vec_min(vec_set(4.2f), vec_max(vec_set(-4.2f), x)), u = vec_mul(z, z);
    vec p = vec_set(-9.017529466e-10f);
    p = vec_fma(p, u, vec_set(7.941337559e-8f));
    p = vec_fma(p, u, vec_set(-3.037931044e-6f));
    p = vec_fma(p, u, vec_set(6.689068761e-5f));
    p = vec_fma(p, u, vec_set(-9.506574297e-4f));
    p = vec_fma(p, u, vec_set(9.298228933e-3f));
    p = vec_fma(p, u, vec_set(-6.552820106e-2f));
    p = vec_fma(p, u, vec_set(3.984658722e-1f));
    return vec_mul(x, vec_fma(z, p, vec_set(0.5f)));
}

/* x * sigmoid(1.702 x) */
E2_INLINE vec vec_quick_gelu(vec x) {
    vec power = vec_exp(vec_min(vec_set(88.0f), vec_mul(x, vec_set(-1.702f))));
    return vec_div(x, vec_add(vec_set(1.0f), power));
}

/* Of a product's epilogue; rough: the product is in int8. */
E2_INLINE vec vec_activated(vec v, e2_epilogue_activation activation, int rough) {
    switch (activation) {
    case E2_EPILOGUE_GELU:
        return rough ? vec_gelu_rough(v) : vec_gelu(v);
    case E2_EPILOGUE_QUICK_GELU:
        return vec_quick_gelu(v);
    case E2_EPILOGUE_RELU:
        return vec_positive(v);
    default:
        return v;
    }
}

#endif
