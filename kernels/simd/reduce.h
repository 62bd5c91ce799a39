/* SPDX-License-Identifier: MIT */
/* Rows of floats: sums whose order depends on the length only, and the exponentials of a softmax. */
#ifndef E2_SIMD_REDUCE_H
#define E2_SIMD_REDUCE_H

#include <math.h>

#include "simd/math.h"

E2_INLINE float row_sum(const float *x, size_t n) {
    const vec zero = vec_set(0.0f);
    vec sum[4] = {zero, zero, zero, zero};
    size_t i = 0;
    for (; i + 4 * VEC_LANES <= n; i += 4 * VEC_LANES)
        for (size_t j = 0; j < 4; j++) sum[j] = vec_add(sum[j], vec_load(x + i + j * VEC_LANES));
    for (; i + VEC_LANES <= n; i += VEC_LANES) sum[0] = vec_add(sum[0], vec_load(x + i));
    if (i < n) sum[1] = vec_add(sum[1], vec_load_part(x + i, n - i, zero));
    return vec_sum(vec_add(vec_add(sum[0], sum[1]), vec_add(sum[2], sum[3])));
}

/* Sum of (x - mean)^2. */
E2_INLINE float row_deviation(const float *x, size_t n, vec mean) {
    const vec zero = vec_set(0.0f);
    vec sum[4] = {zero, zero, zero, zero};
    size_t i = 0;
    for (; i + 4 * VEC_LANES <= n; i += 4 * VEC_LANES)
        for (size_t j = 0; j < 4; j++) {
            vec d = vec_sub(vec_load(x + i + j * VEC_LANES), mean);
            sum[j] = vec_fma(d, d, sum[j]);
        }
    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        vec d = vec_sub(vec_load(x + i), mean);
        sum[0] = vec_fma(d, d, sum[0]);
    }
    if (i < n) {
        vec d = vec_sub(vec_load_part(x + i, n - i, mean), mean);
        sum[1] = vec_fma(d, d, sum[1]);
    }
    return vec_sum(vec_add(vec_add(sum[0], sum[1]), vec_add(sum[2], sum[3])));
}

E2_INLINE float row_largest(const float *x, size_t n) {
    const vec least = vec_set(-INFINITY);
    vec largest[2] = {least, least};
    size_t i = 0;
    for (; i + 2 * VEC_LANES <= n; i += 2 * VEC_LANES)
        for (size_t j = 0; j < 2; j++) largest[j] = vec_max(largest[j], vec_load(x + i + j * VEC_LANES));
    for (; i + VEC_LANES <= n; i += VEC_LANES) largest[0] = vec_max(largest[0], vec_load(x + i));
    if (i < n) largest[1] = vec_max(largest[1], vec_load_part(x + i, n - i, least));
    return vec_largest(vec_max(largest[0], largest[1]));
}

/* x = exp(x - its largest), and the sum of that. The lanes that fill up the last vector count as exp(-87): nothing
 * beside the 1 of the largest. */
E2_INLINE float row_exp(float *x, size_t n) {
    const vec largest = vec_set(row_largest(x, n));
    vec sum[2] = {vec_set(0.0f), vec_set(0.0f)};
    size_t i = 0;
    for (; i + 2 * VEC_LANES <= n; i += 2 * VEC_LANES)
        for (size_t j = 0; j < 2; j++) {
            vec e = vec_exp(vec_sub(vec_load(x + i + j * VEC_LANES), largest));
            sum[j] = vec_add(sum[j], e);
            vec_store(x + i + j * VEC_LANES, e);
        }
    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        vec e = vec_exp(vec_sub(vec_load(x + i), largest));
        sum[0] = vec_add(sum[0], e);
        vec_store(x + i, e);
    }
    if (i < n) {
        vec e = vec_exp(vec_sub(vec_load_part(x + i, n - i, vec_set(-INFINITY)), largest));
        sum[1] = vec_add(sum[1], e);
        vec_store_part(x + i, n - i, e);
    }
    return vec_sum(vec_add(sum[0], sum[1]));
}

/* y = scale * x; y may be x. */
E2_INLINE void row_scale(const float *x, size_t n, vec scale, float *y) {
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES) vec_store(y + i, vec_mul(scale, vec_load(x + i)));
    if (i < n) vec_store_part(y + i, n - i, vec_mul(scale, vec_load_part(x + i, n - i, scale)));
}

/* out[r] = a . rows[r] for a constant number of rows, at most 4. */
E2_INLINE void row_dots(const float *a, const float *const *rows, const size_t n_rows, size_t n, float *out) {
    const vec zero = vec_set(0.0f);
    vec sum[4][2];
    for (size_t r = 0; r < n_rows; r++) sum[r][0] = sum[r][1] = zero;
    size_t i = 0;
    for (; i + 2 * VEC_LANES <= n; i += 2 * VEC_LANES)
        for (size_t j = 0; j < 2; j++) {
            vec left = vec_load(a + i + j * VEC_LANES);
            for (size_t r = 0; r < n_rows; r++)
                sum[r][j] = vec_fma(left, vec_load(rows[r] + i + j * VEC_LANES), sum[r][j]);
        }
    if (i + VEC_LANES <= n) {
        vec left = vec_load(a + i);
        for (size_t r = 0; r < n_rows; r++) sum[r][0] = vec_fma(left, vec_load(rows[r] + i), sum[r][0]);
        i += VEC_LANES;
    }
    if (i < n) {
        vec left = vec_load_part(a + i, n - i, zero);
        for (size_t r = 0; r < n_rows; r++)
            sum[r][1] = vec_fma(left, vec_load_part(rows[r] + i, n - i, zero), sum[r][1]);
    }
    for (size_t r = 0; r < n_rows; r++) out[r] = vec_sum(vec_add(sum[r][0], sum[r][1]));
}

#endif
