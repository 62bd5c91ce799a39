/* SPDX-License-Identifier: MIT */
/* Branch-free exp and erf in f32, written so that a compiler turns loops over them into vector code; rounding to bf16.
 */
#ifndef E2_REF_MATH_H
#define E2_REF_MATH_H

#include <stdint.h>
#include <string.h>

/* exp(x) for finite x, relative error below 2e-7; exact 0 is never returned (about 1e-38 at the least), and values
 * above 88 are taken as 88. x = n ln 2 + r, a polynomial in r fitted by least maximum relative error, 2^n by its bits.
 */
static inline float e2_ref_exp(float x) {
    const float log2e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    float shifted = x * log2e + round;
    float n = shifted - round;
    float r = (x - n * ln2_high) - n * ln2_low;
    float p = 1.381446194e-3f;
    p = p * r + 8.368781551e-3f;
    p = p * r + 4.166839436e-2f;
    p = p * r + 1.666652010e-1f;
    p = p * r + 4.999999341e-1f;
    p = p * (r * r) + r + 1.0f;
    int32_t bits;
    memcpy(&bits, &shifted, 4);
    bits = (int32_t)(((uint32_t)bits << 23) + 0x3f800000u); /* the low bits of `shifted` are n */
    float power;
    memcpy(&power, &bits, 4);
    return p * power;
}

/* erf(z), absolute error below 5e-7: z times a rational function of z^2, fitted on |z| <= 3.95, beyond which erf is 1
 * to f32 precision. */
static inline float e2_ref_erf(float z) {
    z = z < -3.95f ? -3.95f : z;
    z = z > 3.95f ? 3.95f : z;
    float u = z * z;
    float p = 2.026067676e-6f;
    p = p * u + 2.846721025e-4f;
    p = p * u + 3.807379707e-3f;
    p = p * u + 5.287300678e-2f;
    p = p * u + 1.915317917e-1f;
    p = p * u + 1.128379144f;
    float q = 3.783265917e-5f;
    q = q * u + 1.170540668e-3f;
    q = q * u + 1.505351012e-2f;
    q = q * u + 1.145519797e-1f;
    q = q * u + 5.030733097e-1f;
    q = q * u + 1.0f;
    return z * p / q;
}

/* To the nearest bf16, ties to even; a NaN stays one. */
static inline uint16_t e2_ref_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((bits >> 16) | 0x40u);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

#endif
