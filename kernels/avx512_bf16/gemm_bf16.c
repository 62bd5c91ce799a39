/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

#include "avx512/gemm.h"

typedef vec sums_t;
typedef __m512bh row_t, weights_t;
E2_INLINE vec sums_start(const columns *c) { return (void)c, vec_set(0.0f); }
E2_INLINE __m512bh weights_at(const char *b) { return (__m512bh)_mm512_load_si512(b); }
E2_INLINE __m512bh row_at(const char *a) { return (__m512bh)_mm512_set1_epi32(*(const int32_t *)(const void *)a); }
E2_INLINE vec sums_step(vec sums, __m512bh row, __m512bh weights) { return _mm512_dpbf16_ps(sums, row, weights); }
E2_INLINE vec sums_value(vec sums, const columns *c, const char *row_scale) { return (void)c, (void)row_scale, sums; }

TILES

void e2_prepare_bf16_avx512_bf16(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    size_t row = e2_prepared_bytes(E2_WEIGHT_BF16, 1, k) / 2;
    for (size_t r = 0; r < m; r++)
        for (size_t i = 0; i < row; i += 2 * VEC_LANES) {
            const float *in = x + r * stride + i;
            __mmask32 mask = i + 2 * VEC_LANES <= k ? UINT32_MAX : i < k ? (UINT32_C(1) << (k - i)) - 1 : 0;
            vec low = _mm512_maskz_loadu_ps((__mmask16)mask, in);
            vec high = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), in + VEC_LANES);
            _mm512_store_si512((uint16_t *)prepared + r * row + i, (__m512i)_mm512_cvtne2ps_pbh(high, low));
        }
}

void e2_gemm_bf16_avx512_bf16(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                              size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    product p = {.tiles = tiles, .a = a, .m = m, .steps = (w->k + 1) / 2};
    p.a_stride = e2_prepared_bytes(E2_WEIGHT_BF16, 1, w->k);
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
