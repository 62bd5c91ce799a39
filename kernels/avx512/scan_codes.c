/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels.h"

/* What the two groups of each of 64 bytes add: at most 2 * E2_CODE_MOST. */
static inline __m512i look_up(const uint8_t *bytes, const uint8_t *tables) {
    const __m512i low = _mm512_set1_epi8(15);
    __m512i codes = _mm512_loadu_si512(bytes);
    __m512i first = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)tables));
    __m512i second = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)(tables + 16)));
    return _mm512_add_epi8(_mm512_shuffle_epi8(first, _mm512_and_si512(codes, low)),
                           _mm512_shuffle_epi8(second, _mm512_and_si512(_mm512_srli_epi16(codes, 4), low)));
}

/* Sums of 64 codes in 16 bits: those of even places, those of odd ones. */
typedef struct sums {
    __m512i even, odd;
} sums;

static inline void add(sums *s, __m512i bytes) {
    s->even = _mm512_add_epi16(s->even, _mm512_and_si512(bytes, _mm512_set1_epi16(255)));
    s->odd = _mm512_add_epi16(s->odd, _mm512_srli_epi16(bytes, 8));
}

static inline uint64_t finish(__m256i sixteen, const float *factor, const float line[2], float least, float *out) {
    __m512 sum = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sixteen));
    sum = _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(line[0]), sum), _mm512_set1_ps(line[1]));
    sum = _mm512_add_ps(_mm512_mul_ps(_mm512_loadu_ps(factor), sum), _mm512_loadu_ps(factor + E2_CODE_BLOCK));
    _mm512_storeu_ps(out, sum);
    return _mm512_cmp_ps_mask(sum, _mm512_set1_ps(least), _CMP_GE_OQ);
}

uint64_t e2_scan_codes_avx512(const void *block, size_t bytes, const uint8_t *tables, const float line[2], float least,
                              float *out) {
    const uint8_t *codes = block;
    const float *factor = (const float *)(const void *)(codes + bytes * E2_CODE_BLOCK);
    sums s = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    size_t b = 0;
    for (; b + 2 <= bytes; b += 2, codes += 2 * E2_CODE_BLOCK, tables += 64)
        add(&s, _mm512_add_epi8(look_up(codes, tables), look_up(codes + E2_CODE_BLOCK, tables + 32)));
    if (b < bytes) add(&s, look_up(codes, tables));
    __m512i low = _mm512_unpacklo_epi16(s.even, s.odd), high = _mm512_unpackhi_epi16(s.even, s.odd);
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    uint64_t found = 0;
    for (int half = 0; half < 2; half++, factor += 32, out += 32) {
        __m512i in_order = _mm512_permutex2var_epi64(low, half ? second : first, high);
        found |= finish(_mm512_castsi512_si256(in_order), factor, line, least, out) << 32 * half;
        found |= finish(_mm512_extracti64x4_epi64(in_order, 1), factor + 16, line, least, out + 16) << (32 * half + 16);
    }
    return found;
}

#endif
