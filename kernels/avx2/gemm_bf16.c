/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

#define GROUP 1
#include "simd/gemm.h"
#include "simd/prepare.h"

/* Two bf16 in 32 bits, the first in the lower half: moved up, or with the other cleared, each is an f32. */
E2_INLINE vec first_of(vec pair) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pair), 16)); }
E2_INLINE vec second_of(vec pair) {
    return _mm256_and_ps(pair, _mm256_castsi256_ps(_mm256_set1_epi32((int32_t)0xffff0000)));
}

E2_INLINE void step(size_t rows, size_t vecs, size_t n, const char *a, size_t a_stride, const char *b,
                    vec sum[][PANEL_VECS]) {
    (void)n;
    vec first[PANEL_VECS], second[PANEL_VECS];
    UNROLLED
    for (size_t v = 0; v < vecs; v++) {
        vec w = vec_load((const float *)(const void *)b + v * VEC_LANES);
        first[v] = first_of(w), second[v] = second_of(w);
    }
    UNROLLED
    for (size_t r = 0; r < rows; r++) {
        vec x = vec_set(*(const float *)(const void *)(a + r * a_stride));
        UNROLLED
        for (size_t v = 0; v < vecs; v++) sum[r][v] = vec_fma(first_of(x), first[v], sum[r][v]);
        UNROLLED
        for (size_t v = 0; v < vecs; v++) sum[r][v] = vec_fma(second_of(x), second[v], sum[r][v]);
    }
}
TILES_OF_4(step)

void e2_prepare_bf16_avx2(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    prepare_bf16(x, m, k, stride, prepared);
}

void e2_gemm_bf16_avx2(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                       size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    product p = {wide, half, 4, a, m, e2_prepared_bytes(E2_WEIGHT_BF16, 1, w->k), (w->k + 1) / 2, 0};
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
