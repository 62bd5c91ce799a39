#if defined(__aarch64__)

#define GROUP 4
#include "simd/gemm.h"
#include "simd/prepare.h"

/* Two bf16 in 32 bits, the first in the lower half: moved up, or with the other cleared, each is an f32. */
E2_INLINE vec first_of(uint32x4_t pair) { return vreinterpretq_f32_u32(vshlq_n_u32(pair, 16)); }
E2_INLINE vec second_of(uint32x4_t pair) { return vreinterpretq_f32_u32(vandq_u32(pair, vdupq_n_u32(0xffff0000u))); }

E2_INLINE void step(size_t rows, size_t vecs, size_t n, const char *a, size_t a_stride, const char *b,
                    vec sum[][PANEL_VECS]) {
    vec first[4], second[4];
    UNROLLED
    for (size_t r = 0; r < rows; r++) {
        const uint32_t *row = (const uint32_t *)(const void *)(a + r * a_stride);
        uint32x4_t x = n == GROUP ? vld1q_u32(row) : vdupq_n_u32(*row);
        first[r] = first_of(x), second[r] = second_of(x);
    }
    UNROLLED
    for (size_t s = 0; s < n; s++) {
        UNROLLED
        for (size_t v = 0; v < vecs; v++) {
            uint32x4_t w = vld1q_u32((const uint32_t *)(const void *)(b + s * STEP_BYTES) + v * VEC_LANES);
            UNROLLED
            for (size_t r = 0; r < rows; r++) sum[r][v] = vec_fma_lane(sum[r][v], first_of(w), first[r], s);
            UNROLLED
            for (size_t r = 0; r < rows; r++) sum[r][v] = vec_fma_lane(sum[r][v], second_of(w), second[r], s);
        }
    }
}
TILES_OF_4(step)

void e2_prepare_bf16_neon(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    prepare_bf16(x, m, k, stride, prepared);
}

void e2_gemm_bf16_neon(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                       size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    product p = {wide, half, 4, a, m, e2_prepared_bytes(E2_WEIGHT_BF16, 1, w->k), (w->k + 1) / 2, 0};
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
