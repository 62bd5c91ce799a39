/* SPDX-License-Identifier: MIT */
#if defined(__aarch64__)

/*
 * int8 by smmla: two rows by two columns, eight products each. While a tile adds up, the sums of a pair of rows change
 * places: one vector has both rows' first two columns, the other their last two. A row without a partner is multiplied
 * by sdot.
 */
#define GROUP       4
#define ROUGH_GELU  1
#define SUMS_TURNED 1
#include "simd/gemm.h"

E2_INLINE int8x16_t low_of(int8x16_t a, int8x16_t b) {
    return vreinterpretq_s8_s64(vzip1q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}
E2_INLINE int8x16_t high_of(int8x16_t a, int8x16_t b) {
    return vreinterpretq_s8_s64(vzip2q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

/* From rows to pairs of columns, and back. */
E2_INLINE void turn_sums(size_t rows, size_t vecs, vec sum[][PANEL_VECS]) {
    UNROLLED
    for (size_t r = 0; r + 1 < rows; r += 2) {
        UNROLLED
        for (size_t v = 0; v < vecs; v++) {
            int8x16_t first = vreinterpretq_s8_f32(sum[r][v]), second = vreinterpretq_s8_f32(sum[r + 1][v]);
            sum[r][v] = vreinterpretq_f32_s8(low_of(first, second));
            sum[r + 1][v] = vreinterpretq_f32_s8(high_of(first, second));
        }
    }
}

/* Columns by their eight values: of the first two, or the last two, lanes of two steps. */
E2_INLINE int8x16_t first_columns(int8x16_t even, int8x16_t odd) {
    return vreinterpretq_s8_s32(vzip1q_s32(vreinterpretq_s32_s8(even), vreinterpretq_s32_s8(odd)));
}
E2_INLINE int8x16_t last_columns(int8x16_t even, int8x16_t odd) {
    return vreinterpretq_s8_s32(vzip2q_s32(vreinterpretq_s32_s8(even), vreinterpretq_s32_s8(odd)));
}

E2_INLINE vec matrix_products(vec sums, int8x16_t rows, int8x16_t columns) {
    return vreinterpretq_f32_s32(vmmlaq_s32(vreinterpretq_s32_f32(sums), rows, columns));
}

/* Two steps of weights, and the eight bytes of each row that belong to them: in the lower half of x[r] or the upper. */
E2_INLINE void two_steps(size_t rows, int8x16_t even, int8x16_t odd, const int8x16_t *x, size_t half, size_t v,
                         vec sum[][PANEL_VECS]) {
    int8x16_t first = first_columns(even, odd), last = last_columns(even, odd);
    UNROLLED
    for (size_t r = 0; r + 1 < rows; r += 2) {
        int8x16_t pair = half ? high_of(x[r], x[r + 1]) : low_of(x[r], x[r + 1]);
        sum[r][v] = matrix_products(sum[r][v], pair, first);
        sum[r + 1][v] = matrix_products(sum[r + 1][v], pair, last);
    }
    if (rows % 2 == 0) return;
    int32x4_t values = vreinterpretq_s32_s8(x[rows - 1]), sums = vreinterpretq_s32_f32(sum[rows - 1][v]);
    sums = vdotq_s32(sums, even, vreinterpretq_s8_s32(vdupq_n_s32(half ? values[2] : values[0])));
    sums = vdotq_s32(sums, odd, vreinterpretq_s8_s32(vdupq_n_s32(half ? values[3] : values[1])));
    sum[rows - 1][v] = vreinterpretq_f32_s32(sums);
}

E2_INLINE void step(size_t rows, size_t vecs, size_t n, const char *a, size_t a_stride, const char *b,
                    vec sum[][PANEL_VECS]) {
    const int8x16_t zero = vdupq_n_s8(0);
    int8x16_t x[6];
    UNROLLED
    for (size_t r = 0; r < rows; r++) {
        const char *row = a + r * a_stride;
        x[r] = n == GROUP
                   ? vld1q_s8((const int8_t *)row)
                   : vreinterpretq_s8_s32(vsetq_lane_s32(*(const int32_t *)(const void *)row, vdupq_n_s32(0), 0));
    }
    UNROLLED
    for (size_t v = 0; v < vecs; v++) {
        const int8_t *w = (const int8_t *)b + 16 * v;
        if (n == GROUP) {
            two_steps(rows, vld1q_s8(w), vld1q_s8(w + STEP_BYTES), x, 0, v, sum);
            two_steps(rows, vld1q_s8(w + 2 * STEP_BYTES), vld1q_s8(w + 3 * STEP_BYTES), x, 1, v, sum);
        } else {
            two_steps(rows, vld1q_s8(w), zero, x, 0, v, sum);
        }
    }
}
TILES_OF_6(step)

void e2_gemm_q8_neon_i8mm(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                          size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    size_t row = e2_prepared_bytes(E2_WEIGHT_Q8, 1, w->k);
    product p = {wide, half, 6, a, m, row, (w->k + 3) / 4, e2_prepared_values(w->k)};
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
