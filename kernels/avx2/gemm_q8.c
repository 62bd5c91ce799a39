/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

#define GROUP      1
#define ROUGH_GELU 1
#include "simd/gemm.h"
#include "simd/prepare.h"

/* sum + the four products of bytes in each 32-bit lane. One factor of vpmaddubsw is unsigned: |w|, whose sign goes to
 * the activations. Nothing saturates: no magnitude is above 127, and 2 * 127 * 127 < 2^15. */
E2_INLINE vec add_products(vec sum, __m256i x, __m256i w, __m256i magnitude) {
    __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(x, w));
    __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(sum), fours));
}

E2_INLINE void step(size_t rows, size_t vecs, size_t n, const char *a, size_t a_stride, const char *b,
                    vec sum[][PANEL_VECS]) {
    (void)n;
    UNROLLED
    for (size_t v = 0; v < vecs; v++) {
        __m256i w = _mm256_load_si256((const __m256i *)(const void *)b + v), magnitude = _mm256_abs_epi8(w);
        UNROLLED
        for (size_t r = 0; r < rows; r++) {
            vec x = vec_set(*(const float *)(const void *)(a + r * a_stride));
            sum[r][v] = add_products(sum[r][v], _mm256_castps_si256(x), w, magnitude);
        }
    }
}
TILES_OF_4(step)

E2_INLINE __m256i rounded(const float *x, vec factor) {
    vec v = vec_mul(vec_load(x), factor);
    return _mm256_cvtps_epi32(_mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q)));
}

E2_INLINE void quantise(const float *x, vec factor, int8_t *out) {
    __m256i low = _mm256_packs_epi32(rounded(x, factor), rounded(x + 8, factor));
    __m256i high = _mm256_packs_epi32(rounded(x + 16, factor), rounded(x + 24, factor));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7); /* packs works in each half by itself */
    __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
    _mm256_store_si256((__m256i *)(void *)out, bytes);
}

void e2_prepare_q8_avx2(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    prepare_q8(x, m, k, stride, prepared, quantise);
}

void e2_gemm_q8_avx2(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel, size_t n_panels,
                     const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    size_t row = e2_prepared_bytes(E2_WEIGHT_Q8, 1, w->k);
    product p = {wide, half, 4, a, m, row, (w->k + 3) / 4, row - 64};
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
