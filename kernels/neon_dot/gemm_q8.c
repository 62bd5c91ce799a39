/* SPDX-License-Identifier: MIT */
#if defined(__aarch64__)

#define GROUP      4
#define ROUGH_GELU 1
#include "simd/gemm.h"

/* sum + the four products of bytes in each 32-bit lane; those of x all come from one lane, known to the compiler. */
E2_INLINE vec add_products(vec sum, int8x16_t w, int8x16_t x, size_t lane) {
    int32x4_t sums = vreinterpretq_s32_f32(sum);
    switch (lane) {
    case 0:
        return vreinterpretq_f32_s32(vdotq_laneq_s32(sums, w, x, 0));
    case 1:
        return vreinterpretq_f32_s32(vdotq_laneq_s32(sums, w, x, 1));
    case 2:
        return vreinterpretq_f32_s32(vdotq_laneq_s32(sums, w, x, 2));
    default:
        return vreinterpretq_f32_s32(vdotq_laneq_s32(sums, w, x, 3));
    }
}

E2_INLINE void step(size_t rows, size_t vecs, size_t n, const char *a, size_t a_stride, const char *b,
                    vec sum[][PANEL_VECS]) {
    int8x16_t x[6];
    UNROLLED
    for (size_t r = 0; r < rows; r++) {
        const char *row = a + r * a_stride;
        x[r] = n == GROUP ? vld1q_s8((const int8_t *)row)
                          : vreinterpretq_s8_s32(vld1q_dup_s32((const int32_t *)(const void *)row));
    }
    UNROLLED
    for (size_t s = 0; s < n; s++) {
        UNROLLED
        for (size_t v = 0; v < vecs; v++) {
            int8x16_t w = vld1q_s8((const int8_t *)b + s * STEP_BYTES + 16 * v);
            UNROLLED
            for (size_t r = 0; r < rows; r++) sum[r][v] = add_products(sum[r][v], w, x[r], s);
        }
    }
}
TILES_OF_6(step)

void e2_gemm_q8_neon_dot(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                         size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    size_t row = e2_prepared_bytes(E2_WEIGHT_Q8, 1, w->k);
    product p = {wide, half, 6, a, m, row, (w->k + 3) / 4, e2_prepared_values(w->k)};
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
