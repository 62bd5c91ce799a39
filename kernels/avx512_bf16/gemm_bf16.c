#if defined(__x86_64__)

#include "avx512/epilogue.h"

typedef __m512 e2_sum;
typedef __m512bh e2_row, e2_weights;
static inline __m512 e2_start(const e2_columns *columns) {
    (void)columns;
    return _mm512_setzero_ps();
}
static inline __m512bh e2_weights_at(const char *b) { return (__m512bh)_mm512_load_si512(b); }
static inline __m512bh e2_row_at(const char *a) { return (__m512bh)_mm512_set1_epi32(*(const int32_t *)a); }
static inline __m512 e2_step(__m512 sum, __m512bh row, __m512bh weights) { return _mm512_dpbf16_ps(sum, row, weights); }
static inline __m512 e2_value(__m512 sum, const e2_columns *columns, const char *row_scale) {
    (void)columns, (void)row_scale;
    return sum;
}
E2_TILES

void e2_prepare_bf16_avx512_bf16(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    size_t row = (k + 63) / 64 * 64;
    for (size_t r = 0; r < m; r++)
        for (size_t i = 0; i < row; i += 32) {
            const float *in = x + r * stride + i;
            __mmask32 mask = i + 32 <= k ? 0xffffffffu : i < k ? (1u << (k - i)) - 1 : 0;
            __m512 low = _mm512_maskz_loadu_ps((__mmask16)mask, in);
            __m512 high = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), in + 16);
            _mm512_store_si512((char *)prepared + (r * row + i) * 2, (__m512i)_mm512_cvtne2ps_pbh(high, low));
        }
}

void e2_gemm_bf16_avx512_bf16(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                              size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    e2_product product = {tiles, a, m, (w->k + 63) / 64 * 128, 0, (w->k + 1) / 2, 0};
    e2_gemm_avx512(&product, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
