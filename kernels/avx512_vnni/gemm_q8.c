#if defined(__x86_64__)

#include "avx512/epilogue.h"

typedef __m512i e2_sum, e2_row, e2_weights;
static inline __m512i e2_zero(void) { return _mm512_setzero_si512(); }
static inline __m512i e2_weights_at(const char *b) { return _mm512_load_si512(b); }
static inline __m512i e2_row_at(const char *a) { return _mm512_set1_epi32(*(const int32_t *)a); }
static inline __m512i e2_step(__m512i sum, __m512i row, __m512i weights) { return _mm512_dpbusd_epi32(sum, row, weights); }
static inline void e2_store(char *to, __m512i sum) { _mm512_store_si512(to, sum); }
E2_TILES

/* The lanes of x[i .. i + 15] that are below k. */
static inline __m512 load(const float *x, size_t i, size_t k) {
    __mmask16 mask = i + 16 <= k ? 0xffff : i < k ? (__mmask16)((1u << (k - i)) - 1) : 0;
    return _mm512_maskz_loadu_ps(mask, x + i);
}

static float largest_magnitude(const float *x, size_t k) {
    __m512 largest = _mm512_setzero_ps();
    for (size_t i = 0; i < k; i += 16) largest = _mm512_max_ps(_mm512_abs_ps(load(x, i, k)), largest);
    return _mm512_reduce_max_ps(largest);
}

void e2_prepare_q8_avx512_vnni(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    size_t row = (k + 63) / 64 * 64;
    for (size_t r = 0; r < m; r++) {
        const float *in = x + r * stride;
        char *out = (char *)prepared + r * (row + 64);
        float largest = largest_magnitude(in, k), inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
        for (size_t i = 0; i < row; i += 16) {
            __m512 v = _mm512_mul_ps(load(in, i, k), _mm512_set1_ps(inverse));
            v = _mm512_min_ps(_mm512_set1_ps(127.0f), _mm512_max_ps(_mm512_set1_ps(-127.0f), v));
            __m512i q = _mm512_maskz_cvtps_epi32(_mm512_cmp_ps_mask(v, v, _CMP_ORD_Q), v);
            _mm_store_si128((__m128i *)(out + i), _mm512_cvtepi32_epi8(_mm512_add_epi32(q, _mm512_set1_epi32(128))));
        }
        *(float *)(out + row) = largest / 127.0f;
    }
}

void e2_gemm_q8_avx512_vnni(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                            size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    size_t row = (w->k + 63) / 64 * 64;
    e2_tiled job = {tiles, a, row + 64, m, (w->k + 3) / 4, row, 128};
    e2_gemm_avx512(&job, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
