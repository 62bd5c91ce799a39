#if defined(__x86_64__)

#include <float.h>

#include "avx512/epilogue.h"

typedef __m512i e2_sum, e2_row, e2_weights;
static inline __m512i e2_start(const e2_columns *columns) { return columns->start; }
static inline __m512i e2_weights_at(const char *b) { return _mm512_load_si512(b); }
static inline __m512i e2_row_at(const char *a) { return _mm512_set1_epi32(*(const int32_t *)a); }
static inline __m512i e2_step(__m512i sum, __m512i row, __m512i weights) { return _mm512_dpbusd_epi32(sum, row, weights); }
static inline __m512 e2_value(__m512i sum, const e2_columns *columns, const char *row_scale) {
    __m512 scale = _mm512_mul_ps(_mm512_set1_ps(*(const float *)row_scale), columns->scale);
    return _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
}
E2_TILES

/* Element i of a row counts where bit i of the mask is set; the others are not read and taken as 0. */
static inline __m512 largest_of_64(const float *x, uint64_t mask, __m512 largest) {
    __m512 v[4];
    for (int i = 0; i < 4; i++)
        v[i] = _mm512_abs_ps(_mm512_maskz_loadu_ps((__mmask16)(mask >> (16 * i)), x + 16 * i));
    /* A NaN counts as 0: max gives the second operand then. */
    for (int i = 0; i < 4; i++) v[i] = _mm512_max_ps(v[i], _mm512_setzero_ps());
    return _mm512_max_ps(largest, _mm512_max_ps(_mm512_max_ps(v[0], v[1]), _mm512_max_ps(v[2], v[3])));
}

/* Rounded, as unsigned bytes with 128 for 0; a NaN becomes 0. */
static inline __m512i quantised_64(const float *x, uint64_t mask, __m512 inverse) {
    __m512i q[4];
    for (int i = 0; i < 4; i++) {
        __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps((__mmask16)(mask >> (16 * i)), x + 16 * i), inverse);
        q[i] = _mm512_maskz_cvtps_epi32(_mm512_cmp_ps_mask(v, v, _CMP_ORD_Q), v);
    }
    __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3]));
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_xor_si512(_mm512_permutexvar_epi32(order, bytes), _mm512_set1_epi8((char)0x80));
}

void e2_prepare_q8_avx512_vnni(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    size_t whole = k / 64 * 64, row = (k + 63) / 64 * 64;
    uint64_t rest = ((uint64_t)1 << (k - whole)) - 1;
    for (size_t r = 0; r < m; r++) {
        const float *in = x + r * stride;
        char *out = (char *)prepared + r * (row + 64);
        __m512 lanes = _mm512_setzero_ps();
        for (size_t i = 0; i < whole; i += 64) lanes = largest_of_64(in + i, UINT64_MAX, lanes);
        if (rest) lanes = largest_of_64(in + whole, rest, lanes);
        float largest = _mm512_reduce_max_ps(lanes), inverse = 127.0f / largest;
        __m512 factor = _mm512_set1_ps(inverse <= FLT_MAX ? inverse : 0.0f);
        for (size_t i = 0; i < whole; i += 64) _mm512_store_si512(out + i, quantised_64(in + i, UINT64_MAX, factor));
        if (rest) _mm512_store_si512(out + whole, quantised_64(in + whole, rest, factor));
        *(float *)(out + row) = largest / 127.0f;
    }
}

void e2_gemm_q8_avx512_vnni(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                            size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    size_t row = (w->k + 63) / 64 * 64;
    e2_product product = {tiles, a, m, row + 64, row, (w->k + 3) / 4, 128};
    e2_gemm_avx512(&product, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
