/* SPDX-License-Identifier: MIT */
/*
 * One vector of floats, as wide as the level has whose folder the including file is in: AVX-512 (F, BW, DQ, VL), AVX2
 * with FMA, or NEON of AArch64. The Makefile says which by E2_VECTOR, bits; what the compiler may use does not count,
 * with -march=native it may use more. The algorithms in simd/ are written over these names alone.
 */
#ifndef E2_SIMD_VEC_H
#define E2_SIMD_VEC_H

#include <stddef.h>
#include <stdint.h>

#if E2_VECTOR >= 256
#include <immintrin.h>
#elif E2_VECTOR == 128
#include <arm_neon.h>
#include <string.h>
#endif

#define E2_INLINE static inline __attribute__((always_inline))

/* As many 32-bit integers; with operators, and a cast to `vec` and back keeps the bits. */
typedef int32_t ivec __attribute__((vector_size(E2_VECTOR / 8), may_alias));

/*
 * vec_load_part     the first n < VEC_LANES floats at p, the other lanes from fill; touches nothing beyond them
 * vec_store_part    the first n < VEC_LANES lanes
 * vec_fma, vec_fnma a * b + c, c - a * b, rounded once
 * vec_max, vec_min  lane by lane; when b is NaN the result is, so clamping as vec_max(low, x) keeps a NaN
 * vec_positive      max(a, 0), 0 for NaN
 * vec_ldexp         a * 2^n for a result that is a normal number; `shifted` holds n + 1.5 * 2^23
 * vec_of_int        of lanes that hold 32-bit integers
 * vec_sum           of all lanes, vec_largest likewise
 * vec_columns       out[c] lane i = rows[i][c] for c = 0 .. 3: a transposed block of VEC_LANES rows
 * vec_or_zero       0 in the lanes that are NaN
 * ivec_rounded      to nearest even
 * ivec_below        all bits set in the first n < VEC_LANES lanes
 */
#if E2_VECTOR == 512

typedef __m512 vec;
#define VEC_LANES     16
#define VEC_REGISTERS 32

E2_INLINE __mmask16 vec_mask(size_t n) { return (__mmask16)((1u << n) - 1); }
E2_INLINE vec vec_set(float a) { return _mm512_set1_ps(a); }
E2_INLINE vec vec_load(const float *p) { return _mm512_loadu_ps(p); }
E2_INLINE vec vec_load_part(const float *p, size_t n, vec fill) { return _mm512_mask_loadu_ps(fill, vec_mask(n), p); }
E2_INLINE void vec_store(float *p, vec a) { _mm512_storeu_ps(p, a); }
E2_INLINE void vec_store_part(float *p, size_t n, vec a) { _mm512_mask_storeu_ps(p, vec_mask(n), a); }
E2_INLINE vec vec_of_int(vec a) { return _mm512_cvtepi32_ps(_mm512_castps_si512(a)); }
E2_INLINE vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
E2_INLINE vec vec_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
E2_INLINE vec vec_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
E2_INLINE vec vec_div(vec a, vec b) { return _mm512_div_ps(a, b); }
E2_INLINE vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
E2_INLINE vec vec_fnma(vec a, vec b, vec c) { return _mm512_fnmadd_ps(a, b, c); }
E2_INLINE vec vec_max(vec a, vec b) { return _mm512_max_ps(a, b); }
E2_INLINE vec vec_min(vec a, vec b) { return _mm512_min_ps(a, b); }
E2_INLINE vec vec_positive(vec a) { return _mm512_max_ps(a, _mm512_setzero_ps()); }
E2_INLINE vec vec_ldexp(vec a, vec shifted) {
    __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), exponent));
}
E2_INLINE float vec_sum(vec a) {
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    quarter = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
    return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
}
E2_INLINE float vec_largest(vec a) {
    __m256 half = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 quarter = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    quarter = _mm_max_ps(quarter, _mm_movehl_ps(quarter, quarter));
    return _mm_cvtss_f32(_mm_max_ss(quarter, _mm_movehdup_ps(quarter)));
}
E2_INLINE void vec_columns(const float *const rows[VEC_LANES], size_t column, vec out[4]) {
    vec a[4];
    for (int i = 0; i < 4; i++) {
        a[i] = _mm512_castps128_ps512(_mm_loadu_ps(rows[i] + column));
        a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(rows[i + 4] + column), 1);
        a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(rows[i + 8] + column), 2);
        a[i] = _mm512_insertf32x4(a[i], _mm_loadu_ps(rows[i + 12] + column), 3);
    }
    vec low0 = _mm512_unpacklo_ps(a[0], a[1]), low1 = _mm512_unpacklo_ps(a[2], a[3]);
    vec high0 = _mm512_unpackhi_ps(a[0], a[1]), high1 = _mm512_unpackhi_ps(a[2], a[3]);
    out[0] = _mm512_shuffle_ps(low0, low1, 0x44);
    out[1] = _mm512_shuffle_ps(low0, low1, 0xee);
    out[2] = _mm512_shuffle_ps(high0, high1, 0x44);
    out[3] = _mm512_shuffle_ps(high0, high1, 0xee);
}

E2_INLINE vec vec_or_zero(vec a) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), a); }
E2_INLINE ivec ivec_set(int32_t a) { return (ivec)_mm512_set1_epi32(a); }
E2_INLINE ivec ivec_load(const int32_t *p) { return (ivec)_mm512_loadu_si512(p); }
E2_INLINE void ivec_store(int32_t *p, ivec a) { _mm512_storeu_si512(p, (__m512i)a); }
E2_INLINE ivec ivec_rounded(vec a) { return (ivec)_mm512_cvtps_epi32(a); }
E2_INLINE ivec ivec_max(ivec a, ivec b) { return (ivec)_mm512_max_epi32((__m512i)a, (__m512i)b); }
E2_INLINE int32_t ivec_sum(ivec a) { return _mm512_reduce_add_epi32((__m512i)a); }
E2_INLINE int32_t ivec_largest(ivec a) { return _mm512_reduce_max_epi32((__m512i)a); }
E2_INLINE ivec ivec_below(size_t n) { return (ivec)_mm512_maskz_set1_epi32(vec_mask(n), -1); }

#elif E2_VECTOR == 256

typedef __m256 vec;
#define VEC_LANES     8
#define VEC_REGISTERS 16

E2_INLINE __m256i vec_mask(size_t n) {
    static const int32_t ones[2 * VEC_LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(ones + VEC_LANES - n));
}
E2_INLINE vec vec_set(float a) { return _mm256_set1_ps(a); }
E2_INLINE vec vec_load(const float *p) { return _mm256_loadu_ps(p); }
E2_INLINE vec vec_load_part(const float *p, size_t n, vec fill) {
    __m256i mask = vec_mask(n);
    return _mm256_blendv_ps(fill, _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}
E2_INLINE void vec_store(float *p, vec a) { _mm256_storeu_ps(p, a); }
E2_INLINE void vec_store_part(float *p, size_t n, vec a) { _mm256_maskstore_ps(p, vec_mask(n), a); }
E2_INLINE vec vec_of_int(vec a) { return _mm256_cvtepi32_ps(_mm256_castps_si256(a)); }
E2_INLINE vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
E2_INLINE vec vec_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
E2_INLINE vec vec_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
E2_INLINE vec vec_div(vec a, vec b) { return _mm256_div_ps(a, b); }
E2_INLINE vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
E2_INLINE vec vec_fnma(vec a, vec b, vec c) { return _mm256_fnmadd_ps(a, b, c); }
E2_INLINE vec vec_max(vec a, vec b) { return _mm256_max_ps(a, b); }
E2_INLINE vec vec_min(vec a, vec b) { return _mm256_min_ps(a, b); }
E2_INLINE vec vec_positive(vec a) { return _mm256_max_ps(a, _mm256_setzero_ps()); }
E2_INLINE vec vec_ldexp(vec a, vec shifted) {
    __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), exponent));
}
E2_INLINE float vec_sum(vec a) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
E2_INLINE float vec_largest(vec a) {
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}
E2_INLINE void vec_columns(const float *const rows[VEC_LANES], size_t column, vec out[4]) {
    vec a[4];
    for (int i = 0; i < 4; i++) {
        a[i] = _mm256_castps128_ps256(_mm_loadu_ps(rows[i] + column));
        a[i] = _mm256_insertf128_ps(a[i], _mm_loadu_ps(rows[i + 4] + column), 1);
    }
    vec low0 = _mm256_unpacklo_ps(a[0], a[1]), low1 = _mm256_unpacklo_ps(a[2], a[3]);
    vec high0 = _mm256_unpackhi_ps(a[0], a[1]), high1 = _mm256_unpackhi_ps(a[2], a[3]);
    out[0] = _mm256_shuffle_ps(low0, low1, 0x44);
    out[1] = _mm256_shuffle_ps(low0, low1, 0xee);
    out[2] = _mm256_shuffle_ps(high0, high1, 0x44);
    out[3] = _mm256_shuffle_ps(high0, high1, 0xee);
}

E2_INLINE vec vec_or_zero(vec a) { return _mm256_and_ps(a, _mm256_cmp_ps(a, a, _CMP_ORD_Q)); }
E2_INLINE ivec ivec_set(int32_t a) { return (ivec)_mm256_set1_epi32(a); }
E2_INLINE ivec ivec_load(const int32_t *p) { return (ivec)_mm256_loadu_si256((const __m256i *)(const void *)p); }
E2_INLINE void ivec_store(int32_t *p, ivec a) { _mm256_storeu_si256((__m256i *)(void *)p, (__m256i)a); }
E2_INLINE ivec ivec_rounded(vec a) { return (ivec)_mm256_cvtps_epi32(a); }
E2_INLINE ivec ivec_max(ivec a, ivec b) { return (ivec)_mm256_max_epi32((__m256i)a, (__m256i)b); }
E2_INLINE int32_t ivec_sum(ivec a) {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128((__m256i)a), _mm256_extracti128_si256((__m256i)a, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
}
E2_INLINE int32_t ivec_largest(ivec a) {
    __m128i half = _mm_max_epi32(_mm256_castsi256_si128((__m256i)a), _mm256_extracti128_si256((__m256i)a, 1));
    half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
}
E2_INLINE ivec ivec_below(size_t n) { return (ivec)vec_mask(n); }

#elif E2_VECTOR == 128

typedef float32x4_t vec;
#define VEC_LANES     4
#define VEC_REGISTERS 32

E2_INLINE vec vec_set(float a) { return vdupq_n_f32(a); }
E2_INLINE vec vec_load(const float *p) { return vld1q_f32(p); }
E2_INLINE vec vec_load_part(const float *p, size_t n, vec fill) {
    float lanes[VEC_LANES];
    vst1q_f32(lanes, fill);
    memcpy(lanes, p, n * sizeof *p);
    return vld1q_f32(lanes);
}
E2_INLINE void vec_store(float *p, vec a) { vst1q_f32(p, a); }
E2_INLINE void vec_store_part(float *p, size_t n, vec a) {
    float lanes[VEC_LANES];
    vst1q_f32(lanes, a);
    memcpy(p, lanes, n * sizeof *p);
}
E2_INLINE vec vec_of_int(vec a) { return vcvtq_f32_s32(vreinterpretq_s32_f32(a)); }
E2_INLINE vec vec_add(vec a, vec b) { return vaddq_f32(a, b); }
E2_INLINE vec vec_sub(vec a, vec b) { return vsubq_f32(a, b); }
E2_INLINE vec vec_mul(vec a, vec b) { return vmulq_f32(a, b); }
E2_INLINE vec vec_div(vec a, vec b) { return vdivq_f32(a, b); }
E2_INLINE vec vec_fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
E2_INLINE vec vec_fnma(vec a, vec b, vec c) { return vfmsq_f32(c, a, b); }
E2_INLINE vec vec_max(vec a, vec b) { return vmaxq_f32(a, b); }
E2_INLINE vec vec_min(vec a, vec b) { return vminq_f32(a, b); }
E2_INLINE vec vec_positive(vec a) { return vmaxnmq_f32(a, vdupq_n_f32(0.0f)); }
E2_INLINE vec vec_ldexp(vec a, vec shifted) {
    int32x4_t exponent = vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a), exponent));
}
E2_INLINE float vec_sum(vec a) { return vaddvq_f32(a); }
E2_INLINE float vec_largest(vec a) { return vmaxvq_f32(a); }
E2_INLINE void vec_columns(const float *const rows[VEC_LANES], size_t column, vec out[4]) {
    vec a0 = vld1q_f32(rows[0] + column), a1 = vld1q_f32(rows[1] + column);
    vec a2 = vld1q_f32(rows[2] + column), a3 = vld1q_f32(rows[3] + column);
    float64x2_t even0 = vreinterpretq_f64_f32(vtrn1q_f32(a0, a1)), odd0 = vreinterpretq_f64_f32(vtrn2q_f32(a0, a1));
    float64x2_t even1 = vreinterpretq_f64_f32(vtrn1q_f32(a2, a3)), odd1 = vreinterpretq_f64_f32(vtrn2q_f32(a2, a3));
    out[0] = vreinterpretq_f32_f64(vtrn1q_f64(even0, even1));
    out[1] = vreinterpretq_f32_f64(vtrn1q_f64(odd0, odd1));
    out[2] = vreinterpretq_f32_f64(vtrn2q_f64(even0, even1));
    out[3] = vreinterpretq_f32_f64(vtrn2q_f64(odd0, odd1));
}
/* sum + a * x[lane], the lane known to the compiler. NEON only. */
E2_INLINE vec vec_fma_lane(vec sum, vec a, vec x, size_t lane) {
    switch (lane) {
    case 0:
        return vfmaq_laneq_f32(sum, a, x, 0);
    case 1:
        return vfmaq_laneq_f32(sum, a, x, 1);
    case 2:
        return vfmaq_laneq_f32(sum, a, x, 2);
    default:
        return vfmaq_laneq_f32(sum, a, x, 3);
    }
}

#else
#error E2_VECTOR is 128, 256 or 512
#endif

/* The first n of a row's columns, or as many as there are lanes; the others are 0. */
E2_INLINE vec load_columns(const float *p, size_t n) {
    return n < VEC_LANES ? vec_load_part(p, n, vec_set(0.0f)) : vec_load(p);
}

E2_INLINE void store_columns(float *p, size_t n, vec v) {
    if (n < VEC_LANES)
        vec_store_part(p, n, v);
    else
        vec_store(p, v);
}

#endif
