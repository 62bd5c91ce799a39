/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

/* int8 by vpdpbusd. Its first factor is unsigned: activations + 128, and every sum starts at -128 times the sum of the
 * row of weights. */
#define VALUE_BYTES 1
#include "avx512/q8.h"

typedef __m512i weights_t, row_t;
E2_INLINE __m512i row_at(const char *a) { return _mm512_set1_epi32(*(const int32_t *)(const void *)a); }
E2_INLINE __m512i weights_at(const char *b) { return _mm512_load_si512(b); }
E2_INLINE sums_t sums_step(sums_t sums, __m512i row, __m512i weights) {
    return (sums_t)_mm512_dpbusd_epi32((__m512i)sums, row, weights);
}

TILES

E2_INLINE void store_64(__m512i low, __m512i high, char *out) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(low, high)); /* packing goes by quarters */
    _mm512_store_si512(out, _mm512_xor_si512(bytes, _mm512_set1_epi8((char)0x80)));
}

void e2_prepare_q8_avx512_vnni(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    prepare_q8(x, m, k, stride, prepared, store_64);
}

void e2_gemm_q8_avx512_vnni(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                            size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    product p = {.tiles = tiles, .a = a, .m = m, .steps = (w->k + 3) / 4, .offset = 128};
    p.a_stride = e2_prepared_bytes(E2_WEIGHT_Q8, 1, w->k);
    p.row_scale = e2_prepared_values(w->k);
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
