/* SPDX-License-Identifier: MIT */
#if defined(__aarch64__)

/* bf16 by bfdot: the pair of products of each 32-bit lane at once. */
#define GROUP 4
#include "simd/gemm.h"

/* sum + the two products in each lane; those of x all come from one lane, known to the compiler. */
E2_INLINE vec add_products(vec sum, bfloat16x8_t w, bfloat16x8_t x, size_t lane) {
    switch (lane) {
    case 0:
        return vbfdotq_laneq_f32(sum, w, x, 0);
    case 1:
        return vbfdotq_laneq_f32(sum, w, x, 1);
    case 2:
        return vbfdotq_laneq_f32(sum, w, x, 2);
    default:
        return vbfdotq_laneq_f32(sum, w, x, 3);
    }
}

E2_INLINE void step(size_t rows, size_t vecs, size_t n, const char *a, size_t a_stride, const char *b,
                    vec sum[][PANEL_VECS]) {
    bfloat16x8_t x[6];
    UNROLLED
    for (size_t r = 0; r < rows; r++) {
        const uint32_t *row = (const uint32_t *)(const void *)(a + r * a_stride);
        x[r] = vreinterpretq_bf16_u32(n == GROUP ? vld1q_u32(row) : vdupq_n_u32(*row));
    }
    UNROLLED
    for (size_t s = 0; s < n; s++) {
        UNROLLED
        for (size_t v = 0; v < vecs; v++) {
            const uint32_t *lanes = (const uint32_t *)(const void *)(b + s * STEP_BYTES) + v * VEC_LANES;
            bfloat16x8_t w = vreinterpretq_bf16_u32(vld1q_u32(lanes));
            UNROLLED
            for (size_t r = 0; r < rows; r++) sum[r][v] = add_products(sum[r][v], w, x[r], s);
        }
    }
}
TILES_OF_6(step)

void e2_gemm_bf16_neon_bf16(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                            size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    product p = {wide, half, 6, a, m, e2_prepared_bytes(E2_WEIGHT_BF16, 1, w->k), (w->k + 1) / 2, 0};
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
