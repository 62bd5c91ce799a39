/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

#define E2_SIMD(operation) e2_##operation##_avx2
#define GROUP              2
#include "simd/vec.h"

E2_INLINE ivec dot_keys(ivec sums, ivec row, ivec panel) {
    return sums + (ivec)_mm256_madd_epi16((__m256i)row, (__m256i)panel);
}
E2_INLINE ivec dot_values(ivec sums, ivec row, ivec panel) { return dot_keys(sums, row, panel); }
E2_INLINE void store_16(void *out, ivec values) {
    __m256i pairs = _mm256_packs_epi32((__m256i)values, (__m256i)values); /* in each half by itself */
    _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(_mm256_permute4x64_epi64(pairs, 0x08)));
}

#define store_weights store_16
#include "simd/attention_int.h"

#endif
