/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

/* Products of 16 bits, of which one instruction adds up pairs. The four weights of a lane are widened as the first and
 * third, and the second and fourth; activations are stored so. (vpmaddubsw needs a factor without a sign, and so three
 * instructions for four products, all but one of them on the ports that multiply.) */
#define GROUP       1
#define ROW_STEP    8
#define VALUE_BYTES 2
#define ROUGH_GELU  1
#include "simd/gemm.h"
#include "simd/prepare.h"

E2_INLINE __m256i widened(const char *b, size_t half) {
    __m256i w = _mm256_load_si256((const __m256i *)(const void *)b);
    return _mm256_srai_epi16(half ? w : _mm256_slli_epi16(w, 8), 8);
}

E2_INLINE __m256i pair_of(const char *a, size_t half) {
    return _mm256_set1_epi32(((const int32_t *)(const void *)a)[half]);
}

/* The empty statement keeps the compiler from adding up both halves' products first: that many registers there are not.
 */
E2_INLINE vec add_products(vec sum, __m256i x, __m256i w) {
    __m256i added = _mm256_add_epi32(_mm256_castps_si256(sum), _mm256_madd_epi16(x, w));
    __asm__("" : "+x"(added));
    return _mm256_castsi256_ps(added);
}

/* In half a panel a pair of a row serves two vectors of weights; in a whole one there is no register for it. */
E2_INLINE void step(size_t rows, size_t vecs, size_t n, const char *a, size_t a_stride, const char *b,
                    vec sum[][PANEL_VECS]) {
    const size_t together = vecs == PANEL_VECS ? 1 : 2;
    (void)n;
    UNROLLED
    for (size_t first = 0; first < vecs; first += together) {
        UNROLLED
        for (size_t half = 0; half < 2; half++) {
            __m256i w[2];
            UNROLLED
            for (size_t v = 0; v < together; v++) w[v] = widened(b + 32 * (first + v), half);
            UNROLLED
            for (size_t r = 0; r < rows; r++) {
                __m256i x = pair_of(a + r * a_stride, half);
                UNROLLED
                for (size_t v = 0; v < together; v++) sum[r][first + v] = add_products(sum[r][first + v], x, w[v]);
            }
        }
    }
}
TILES_OF_4(step)

E2_INLINE __m256i rounded(const float *x, vec factor) {
    vec v = vec_mul(vec_load(x), factor);
    return _mm256_cvtps_epi32(_mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q)));
}

/* 16 values of 16 bits; in each group of four the second and third change places. */
E2_INLINE __m256i quantised_16(const float *x, vec factor) {
    __m256i values = _mm256_packs_epi32(rounded(x, factor), rounded(x + 8, factor)); /* in each half by itself */
    values = _mm256_permute4x64_epi64(values, 0xd8);
    return _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(values, 0xd8), 0xd8);
}

E2_INLINE void quantise(const float *x, vec factor, int8_t *out) {
    _mm256_store_si256((__m256i *)(void *)out, quantised_16(x, factor));
    _mm256_store_si256((__m256i *)(void *)(out + 32), quantised_16(x + 16, factor));
}

void e2_prepare_q8_avx2(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    prepare_q8(x, m, k, stride, prepared, quantise);
}

void e2_gemm_q8_avx2(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel, size_t n_panels,
                     const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    size_t row = e2_prepared_bytes(E2_WEIGHT_Q8, 1, w->k);
    product p = {wide, half, 4, a, m, row, (w->k + 3) / 4, 2 * e2_prepared_values(w->k)};
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
