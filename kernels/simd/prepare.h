/* SPDX-License-Identifier: MIT */
/*
 * Activations rounded or quantised for a product: rows padded with 0 to 64 values, behind the values of a q8 row its
 * scale. The includer defines for prepare_q8 E2_INLINE void quantise(const float *x, vec factor, int8_t *out):
 * QUANTISED values, factor * x rounded to nearest even, 0 for NaN; no magnitude is above 127.5; and, before this
 * header, VALUE_BYTES where such a value takes more than one byte.
 */
#ifndef E2_SIMD_PREPARE_H
#define E2_SIMD_PREPARE_H

#include <float.h>
#include <string.h>

#include "kernels.h"
#include "simd/vec.h"

#ifndef VALUE_BYTES
#define VALUE_BYTES 1
#endif
#define QUANTISED (4 * VEC_LANES)

/* To nearest even; a NaN stays one. */
E2_INLINE void prepare_bf16(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    size_t row = e2_prepared_values(k);
    for (size_t r = 0; r < m; r++) {
        const float *in = x + r * stride;
        uint16_t *out = (uint16_t *)prepared + r * row;
        for (size_t i = 0; i < k; i++) {
            uint32_t bits;
            memcpy(&bits, &in[i], sizeof bits);
            uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
            out[i] = (uint16_t)(((bits & 0x7fffffffu) > 0x7f800000u ? bits | 0x400000u : rounded) >> 16);
        }
        memset(out + k, 0, (row - k) * sizeof *out);
    }
}

/* The largest |x| of QUANTISED values; a NaN counts as 0. */
E2_INLINE vec largest_of(const float *x, vec largest) {
    const vec zero = vec_set(0.0f);
    for (size_t i = 0; i < QUANTISED; i += VEC_LANES) {
        vec v = vec_load(x + i);
        largest = vec_max(largest, vec_positive(vec_max(v, vec_sub(zero, v))));
    }
    return largest;
}

E2_INLINE void prepare_q8(const float *x, size_t m, size_t k, size_t stride, void *prepared,
                          void quantise(const float *x, vec factor, int8_t *out)) {
    size_t row = e2_prepared_values(k), whole = k / QUANTISED * QUANTISED, b = VALUE_BYTES;
    for (size_t r = 0; r < m; r++) {
        const float *in = x + r * stride;
        int8_t *out = (int8_t *)prepared + r * e2_prepared_bytes(E2_WEIGHT_Q8, 1, k);
        float rest[QUANTISED] = {0};
        memcpy(rest, in + whole, (k - whole) * sizeof *rest);
        vec lanes = largest_of(rest, vec_set(0.0f));
        for (size_t i = 0; i < whole; i += QUANTISED) lanes = largest_of(in + i, lanes);
        float largest = vec_largest(lanes), inverse = 127.0f / largest;
        vec factor = vec_set(inverse <= FLT_MAX ? inverse : 0.0f);
        for (size_t i = 0; i < whole; i += QUANTISED) quantise(in + i, factor, out + b * i);
        memset(out + b * whole, 0, b * (row - whole));
        if (whole < k) quantise(rest, factor, out + b * whole);
        float scale = largest / 127.0f;
        memcpy(out + b * row, &scale, sizeof scale);
    }
}

#endif
