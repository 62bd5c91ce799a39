/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

#define E2_SIMD(operation) e2_##operation##_avx512
#define GROUP              2
#include "simd/vec.h"

E2_INLINE ivec dot_keys(ivec sums, ivec row, ivec panel) {
    return sums + (ivec)_mm512_madd_epi16((__m512i)row, (__m512i)panel);
}
E2_INLINE ivec dot_values(ivec sums, ivec row, ivec panel) { return dot_keys(sums, row, panel); }
E2_INLINE void store_16(void *out, ivec values) {
    _mm256_storeu_si256((__m256i *)out, _mm512_cvtepi32_epi16((__m512i)values));
}

#define store_weights store_16
#include "simd/attention_int.h"

#endif
