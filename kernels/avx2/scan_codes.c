/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels.h"

/* What the two groups of each of 32 bytes add: at most 2 * E2_CODE_MOST. */
static inline __m256i look_up(const uint8_t *bytes, const uint8_t *tables) {
    const __m256i low = _mm256_set1_epi8(15);
    __m256i codes = _mm256_loadu_si256((const __m256i *)(const void *)bytes);
    __m256i first = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)tables));
    __m256i second = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)(tables + 16)));
    return _mm256_add_epi8(_mm256_shuffle_epi8(first, _mm256_and_si256(codes, low)),
                           _mm256_shuffle_epi8(second, _mm256_and_si256(_mm256_srli_epi16(codes, 4), low)));
}

/* Sums of 32 codes in 16 bits: those of even places, those of odd ones. */
typedef struct sums {
    __m256i even, odd;
} sums;

static inline void add(sums *s, __m256i bytes) {
    s->even = _mm256_add_epi16(s->even, _mm256_and_si256(bytes, _mm256_set1_epi16(255)));
    s->odd = _mm256_add_epi16(s->odd, _mm256_srli_epi16(bytes, 8));
}

static inline uint32_t finish(__m128i eight, const float *factor, const float line[2], float least, float *out) {
    __m256 sum = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(eight));
    sum = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(line[0]), sum), _mm256_set1_ps(line[1]));
    sum = _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(factor), sum), _mm256_loadu_ps(factor + E2_CODE_BLOCK));
    _mm256_storeu_ps(out, sum);
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(sum, _mm256_set1_ps(least), _CMP_GE_OQ));
}

static inline uint64_t finish_half(const sums *s, const float *factor, const float line[2], float least, float *out) {
    __m256i first = _mm256_unpacklo_epi16(s->even, s->odd), second = _mm256_unpackhi_epi16(s->even, s->odd);
    uint64_t found = finish(_mm256_castsi256_si128(first), factor, line, least, out);
    found |= (uint64_t)finish(_mm256_castsi256_si128(second), factor + 8, line, least, out + 8) << 8;
    found |= (uint64_t)finish(_mm256_extracti128_si256(first, 1), factor + 16, line, least, out + 16) << 16;
    return found | (uint64_t)finish(_mm256_extracti128_si256(second, 1), factor + 24, line, least, out + 24) << 24;
}

uint64_t e2_scan_codes_avx2(const void *block, size_t bytes, const uint8_t *tables, const float line[2], float least,
                            float *out) {
    const uint8_t *codes = block;
    const float *factor = (const float *)(const void *)(codes + bytes * E2_CODE_BLOCK);
    const __m256i zero = _mm256_setzero_si256();
    sums halves[2] = {{zero, zero}, {zero, zero}};
    size_t b = 0;
    for (; b + 2 <= bytes; b += 2, codes += 2 * E2_CODE_BLOCK, tables += 64)
        for (size_t h = 0; h < 2; h++)
            add(&halves[h],
                _mm256_add_epi8(look_up(codes + 32 * h, tables), look_up(codes + E2_CODE_BLOCK + 32 * h, tables + 32)));
    for (size_t h = 0; b < bytes && h < 2; h++) add(&halves[h], look_up(codes + 32 * h, tables));
    uint64_t found = finish_half(&halves[0], factor, line, least, out);
    return found | finish_half(&halves[1], factor + 32, line, least, out + 32) << 32;
}

#endif
