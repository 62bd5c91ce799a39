/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

#define E2_SIMD(operation) e2_##operation##_avx512_vnni
#define GROUP              4
#include "simd/vec.h"

/* vpdpbusd: its first factor is unsigned. */
E2_INLINE ivec dot_keys(ivec sums, ivec row, ivec panel) {
    return (ivec)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)panel, (__m512i)row);
}
E2_INLINE ivec dot_values(ivec sums, ivec row, ivec panel) {
    return (ivec)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)row, (__m512i)panel);
}
E2_INLINE void narrow_store(void *out, ivec values) {
    _mm_storeu_si128((__m128i *)out, _mm512_cvtepi32_epi8((__m512i)values));
}

#include "simd/attention_int.h"

#endif
