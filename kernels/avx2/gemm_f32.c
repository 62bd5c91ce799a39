/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

#define GROUP 1
#include "simd/gemm.h"

E2_INLINE void step(size_t rows, size_t vecs, size_t n, const char *a, size_t a_stride, const char *b,
                    vec sum[][PANEL_VECS]) {
    (void)n;
    vec w[PANEL_VECS];
    UNROLLED
    for (size_t v = 0; v < vecs; v++) w[v] = vec_load((const float *)(const void *)b + v * VEC_LANES);
    UNROLLED
    for (size_t r = 0; r < rows; r++) {
        vec x = vec_set(*(const float *)(const void *)(a + r * a_stride));
        UNROLLED
        for (size_t v = 0; v < vecs; v++) sum[r][v] = vec_fma(x, w[v], sum[r][v]);
    }
}
TILES_OF_6(step)

void e2_gemm_f32_avx2(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel, size_t n_panels,
                      const e2_epilogue *epilogue, float *c, size_t c_stride) {
    product p = {wide, half, 6, a, m, a_stride * sizeof(float), w->k, 0};
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
