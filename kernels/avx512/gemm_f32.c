/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

#include "avx512/gemm.h"

typedef vec sums_t, row_t, weights_t;
E2_INLINE vec sums_start(const columns *c) { return (void)c, vec_set(0.0f); }
E2_INLINE vec weights_at(const char *b) { return _mm512_load_ps(b); }
E2_INLINE vec row_at(const char *a) { return vec_set(*(const float *)(const void *)a); }
E2_INLINE vec sums_step(vec sums, vec row, vec weights) { return vec_fma(row, weights, sums); }
E2_INLINE vec sums_value(vec sums, const columns *c, const char *row_scale) { return (void)c, (void)row_scale, sums; }

TILES

void e2_gemm_f32_avx512(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                        size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    product p = {.tiles = tiles, .a = a, .m = m, .a_stride = a_stride * sizeof(float), .steps = w->k};
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
