/* SPDX-License-Identifier: MIT */
#if defined(__x86_64__)

/* int8 without VNNI: products of 16 bits, of which one instruction adds up pairs. The four weights of a lane are
 * widened as the first and third, and the second and fourth; activations are stored so. (vpmaddubsw needs a factor
 * without a sign, and so three instructions for four products, all but one of them on the ports that multiply.) */
#define ROW_STEP    8
#define VALUE_BYTES 2
#include "avx512/q8.h"

typedef struct halves {
    __m512i even, odd;
} halves;

typedef halves row_t, weights_t;
E2_INLINE halves weights_at(const char *b) {
    __m512i w = _mm512_load_si512(b);
    return (halves){_mm512_srai_epi16(_mm512_slli_epi16(w, 8), 8), _mm512_srai_epi16(w, 8)};
}
E2_INLINE halves row_at(const char *a) {
    const int32_t *pairs = (const int32_t *)(const void *)a;
    return (halves){_mm512_set1_epi32(pairs[0]), _mm512_set1_epi32(pairs[1])};
}
E2_INLINE sums_t sums_step(sums_t sums, halves row, halves w) {
    sums += (sums_t)_mm512_madd_epi16(row.even, w.even);
    __asm__("" : "+v"(sums)); /* or the compiler adds up both products first, for which there are not the registers */
    return sums + (sums_t)_mm512_madd_epi16(row.odd, w.odd);
}

TILES

/* In each group of four the second and third change places. */
E2_INLINE void store_64(__m512i low, __m512i high, char *out) {
    const __m512i first = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    __m512i values[2] = {_mm512_permutexvar_epi64(first, low), _mm512_permutexvar_epi64(first, high)};
    for (int i = 0; i < 2; i++) {
        values[i] = _mm512_shufflehi_epi16(_mm512_shufflelo_epi16(values[i], 0xd8), 0xd8);
        _mm512_store_si512(out + 64 * i, values[i]);
    }
}

void e2_prepare_q8_avx512(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    prepare_q8(x, m, k, stride, prepared, store_64);
}

void e2_gemm_q8_avx512(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                       size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    product p = {.tiles = tiles, .a = a, .m = m, .steps = (w->k + 3) / 4};
    p.a_stride = e2_prepared_bytes(E2_WEIGHT_Q8, 1, w->k);
    p.row_scale = 2 * e2_prepared_values(w->k);
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
