/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

#define E2_SIMD(operation) e2_##operation##_avx512_vnni
#define GROUP              4
#include "simd/vec.h"

E2_INLINE ivec dot_keys(ivec sums, ivec row, ivec panel) {
    return (ivec)_mm512_dpwssd_epi32((__m512i)sums, (__m512i)row, (__m512i)panel);
}
E2_INLINE ivec dot_values(ivec sums, ivec row, ivec panel) {
    return (ivec)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)row, (__m512i)panel);
}
E2_INLINE void store_16(void *out, ivec values) {
    _mm256_storeu_si256((__m256i *)out, _mm512_cvtepi32_epi16((__m512i)values));
}
E2_INLINE void store_weights(void *out, ivec values) {
    _mm_storeu_si128((__m128i *)out, _mm512_cvtepi32_epi8((__m512i)values));
}

#include "simd/attention_int.h"

#endif
