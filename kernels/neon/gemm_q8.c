/* SPDX-License-Identifier: MIT */
#if defined(__aarch64__)

#define GROUP      1
#define ROUGH_GELU 1
#include "simd/gemm.h"
#include "simd/prepare.h"

/* sum + the four products of bytes in each 32-bit lane. A pair of products fits 16 bits: no magnitude is above 127, and
 * 2 * 127 * 127 < 2^15. */
E2_INLINE vec add_products(vec sum, int8x16_t x, int8x16_t w) {
    int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(w)), high = vmull_high_s8(x, w);
    return vreinterpretq_f32_s32(vpadalq_s16(vreinterpretq_s32_f32(sum), vpaddq_s16(low, high)));
}

E2_INLINE void step(size_t rows, size_t vecs, size_t n, const char *a, size_t a_stride, const char *b,
                    vec sum[][PANEL_VECS]) {
    (void)n;
    int8x16_t x[4];
    UNROLLED
    for (size_t r = 0; r < rows; r++)
        x[r] = vreinterpretq_s8_s32(vld1q_dup_s32((const int32_t *)(const void *)(a + r * a_stride)));
    UNROLLED
    for (size_t v = 0; v < vecs; v++) {
        int8x16_t w = vld1q_s8((const int8_t *)b + 16 * v);
        UNROLLED
        for (size_t r = 0; r < rows; r++) sum[r][v] = add_products(sum[r][v], x[r], w);
    }
}
TILES_OF_4(step)

E2_INLINE int16x8_t rounded(const float *x, vec factor) {
    int32x4_t low = vcvtnq_s32_f32(vec_mul(vec_load(x), factor)); /* 0 for NaN */
    int32x4_t high = vcvtnq_s32_f32(vec_mul(vec_load(x + 4), factor));
    return vcombine_s16(vmovn_s32(low), vmovn_s32(high));
}

E2_INLINE void quantise(const float *x, vec factor, int8_t *out) {
    vst1q_s8(out, vcombine_s8(vmovn_s16(rounded(x, factor)), vmovn_s16(rounded(x + 8, factor))));
}

void e2_prepare_q8_neon(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    prepare_q8(x, m, k, stride, prepared, quantise);
}

void e2_gemm_q8_neon(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel, size_t n_panels,
                     const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    size_t row = e2_prepared_bytes(E2_WEIGHT_Q8, 1, w->k);
    product p = {wide, half, 4, a, m, row, (w->k + 3) / 4, e2_prepared_values(w->k)};
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
