#if defined(__x86_64__)

#include "avx512/epilogue.h"

typedef __m512 e2_sum, e2_row, e2_weights;
static inline __m512 e2_start(const e2_columns *columns) {
    (void)columns;
    return _mm512_setzero_ps();
}
static inline __m512 e2_weights_at(const char *b) { return _mm512_load_ps(b); }
static inline __m512 e2_row_at(const char *a) { return _mm512_set1_ps(*(const float *)a); }
static inline __m512 e2_step(__m512 sum, __m512 row, __m512 weights) { return _mm512_fmadd_ps(row, weights, sum); }
static inline __m512 e2_value(__m512 sum, const e2_columns *columns, const char *row_scale) {
    (void)columns, (void)row_scale;
    return sum;
}
E2_TILES

void e2_gemm_f32_avx512(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                        size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    e2_product product = {tiles, a, m, a_stride * sizeof(float), 0, w->k, 0};
    e2_gemm_avx512(&product, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
