/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

/* bf16 without an instruction for it: both factors are widened to f32. */
#include "avx512/gemm.h"

typedef struct pair {
    vec first, second; /* k and k + 1 */
} pair;

E2_INLINE pair widened(__m512i pairs) {
    const __m512i high = _mm512_set1_epi32((int)0xffff0000u);
    return (pair){_mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)),
                  _mm512_castsi512_ps(_mm512_and_si512(pairs, high))};
}

typedef vec sums_t;
typedef pair row_t, weights_t;
E2_INLINE vec sums_start(const columns *c) { return (void)c, vec_set(0.0f); }
E2_INLINE pair weights_at(const char *b) { return widened(_mm512_load_si512(b)); }
E2_INLINE pair row_at(const char *a) { return widened(_mm512_set1_epi32(*(const int32_t *)(const void *)a)); }
E2_INLINE vec sums_step(vec sums, pair row, pair weights) {
    return vec_fma(row.second, weights.second, vec_fma(row.first, weights.first, sums));
}
E2_INLINE vec sums_value(vec sums, const columns *c, const char *row_scale) { return (void)c, (void)row_scale, sums; }

TILES

/* To nearest even; a NaN stays one. */
E2_INLINE __m256i rounded(vec v) {
    __m512i bits = _mm512_castps_si512(v), high = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    __m512i up = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
    __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(up, nan, high, _mm512_set1_epi32(0x40)));
}

void e2_prepare_bf16_avx512(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    size_t row = e2_prepared_bytes(E2_WEIGHT_BF16, 1, k) / 2;
    for (size_t r = 0; r < m; r++)
        for (size_t i = 0; i < row; i += VEC_LANES) {
            __mmask16 mask = i + VEC_LANES <= k ? 0xffff : i < k ? vec_mask(k - i) : 0;
            vec v = _mm512_maskz_loadu_ps(mask, x + r * stride + i);
            _mm256_store_si256((__m256i *)((uint16_t *)prepared + r * row + i), rounded(v));
        }
}

void e2_gemm_bf16_avx512(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                         size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    product p = {.tiles = tiles, .a = a, .m = m, .steps = (w->k + 1) / 2};
    p.a_stride = e2_prepared_bytes(E2_WEIGHT_BF16, 1, w->k);
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
