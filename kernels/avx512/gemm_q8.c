#if defined(__x86_64__)

/* int8 without VNNI: vpmaddubsw wants one factor unsigned, which is |w|; where w < 0 the activation changes its sign.
 * No sum of two products saturates: 2 * 127 * 127 < 2^15. */
#include "avx512/q8.h"

typedef struct signed_bytes {
    __m512i magnitude;
    __mmask64 negative;
} signed_bytes;

typedef signed_bytes weights_t;
E2_INLINE signed_bytes weights_at(const char *b) {
    __m512i w = _mm512_load_si512(b);
    return (signed_bytes){_mm512_abs_epi8(w), _mm512_movepi8_mask(w)};
}
E2_INLINE sums_t sums_step(sums_t sums, __m512i row, signed_bytes w) {
    __m512i x = _mm512_mask_sub_epi8(row, w.negative, _mm512_setzero_si512(), row);
    __m512i fours = _mm512_madd_epi16(_mm512_maddubs_epi16(w.magnitude, x), _mm512_set1_epi16(1));
    return (sums_t)_mm512_add_epi32((__m512i)sums, fours);
}

TILES

void e2_prepare_q8_avx512(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    prepare_q8(x, m, k, stride, prepared, 0);
}

void e2_gemm_q8_avx512(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                       size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    product p = {.tiles = tiles, .a = a, .m = m, .steps = (w->k + 3) / 4};
    p.a_stride = e2_prepared_bytes(E2_WEIGHT_Q8, 1, w->k);
    p.row_scale = p.a_stride - 64;
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
