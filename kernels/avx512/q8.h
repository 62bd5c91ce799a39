/* SPDX-License-Identifier: MIT */
/* What int8 products have in common: activations that are quantised, rows padded with 0 to 64 values, behind them the
 * scale; and sums in 32-bit integers. The includer defines VALUE_BYTES, of a value of a row. */
#ifndef E2_AVX512_Q8_H
#define E2_AVX512_Q8_H

#include <float.h>

#define ROUGH_GELU 1
#include "avx512/gemm.h"

/* The largest magnitude in each lane. Of x[0 .. 63] those count whose bit in mask is set; no other is read. */
E2_INLINE vec largest_of_64(const float *x, uint64_t mask, vec largest) {
    vec v[4];
    for (int i = 0; i < 4; i++) {
        v[i] = _mm512_abs_ps(_mm512_maskz_loadu_ps((__mmask16)(mask >> (16 * i)), x + 16 * i));
        v[i] = vec_max(v[i], vec_set(0.0f)); /* a NaN counts as 0 */
    }
    return vec_max(largest, vec_max(vec_max(v[0], v[1]), vec_max(v[2], v[3])));
}

/* Four vectors of x * inverse, rounded to nearest even, as two of 16 bits, packed in each quarter of a vector by
 * itself; a NaN becomes 0. */
E2_INLINE void quantised_64(const float *x, uint64_t mask, vec inverse, __m512i out[2]) {
    __m512i q[4];
    for (int i = 0; i < 4; i++) {
        vec v = vec_mul(_mm512_maskz_loadu_ps((__mmask16)(mask >> (16 * i)), x + 16 * i), inverse);
        q[i] = _mm512_maskz_cvtps_epi32(_mm512_cmp_ps_mask(v, v, _CMP_ORD_Q), v);
    }
    out[0] = _mm512_packs_epi32(q[0], q[1]);
    out[1] = _mm512_packs_epi32(q[2], q[3]);
}

/* store: what quantised_64 gives, as 64 * VALUE_BYTES bytes of a row. */
E2_INLINE void prepare_q8(const float *x, size_t m, size_t k, size_t stride, void *prepared,
                          void store(__m512i low, __m512i high, char *out)) {
    const size_t row = e2_prepared_values(k), whole = k / 64 * 64;
    const uint64_t rest = ((uint64_t)1 << (k - whole)) - 1;
    for (size_t r = 0; r < m; r++, x += stride) {
        char *out = (char *)prepared + r * e2_prepared_bytes(E2_WEIGHT_Q8, 1, k);
        vec lanes = vec_set(0.0f);
        for (size_t i = 0; i < whole; i += 64) lanes = largest_of_64(x + i, UINT64_MAX, lanes);
        if (rest) lanes = largest_of_64(x + whole, rest, lanes);
        float largest = vec_largest(lanes), inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
        vec factor = vec_set(inverse <= FLT_MAX ? inverse : 0.0f); /* a row of nothing but denormals is 0 */
        __m512i values[2];
        for (size_t i = 0; i < whole; i += 64) {
            quantised_64(x + i, UINT64_MAX, factor, values);
            store(values[0], values[1], out + VALUE_BYTES * i);
        }
        if (rest) {
            quantised_64(x + whole, rest, factor, values);
            store(values[0], values[1], out + VALUE_BYTES * whole);
        }
        *(float *)(void *)(out + VALUE_BYTES * row) = largest / 127.0f;
    }
}

typedef __v16si sums_t; /* with __m512i gcc 12 holds every sum twice, once in memory: a third of the speed */
E2_INLINE sums_t sums_start(const columns *c) { return (sums_t)c->start; }
E2_INLINE vec sums_value(sums_t sums, const columns *c, const char *row_scale) {
    vec scale = vec_mul(vec_set(*(const float *)(const void *)row_scale), c->scale);
    return vec_mul(_mm512_cvtepi32_ps((__m512i)sums), scale);
}

#endif
