#if defined(__aarch64__)

#define GROUP 4
#include "simd/gemm.h"

E2_INLINE void step(size_t rows, size_t vecs, size_t n, const char *a, size_t a_stride, const char *b,
                    vec sum[][PANEL_VECS]) {
    vec x[6];
    UNROLLED
    for (size_t r = 0; r < rows; r++) {
        const float *row = (const float *)(const void *)(a + r * a_stride);
        x[r] = n == GROUP ? vec_load(row) : vec_set(*row);
    }
    UNROLLED
    for (size_t s = 0; s < n; s++) {
        UNROLLED
        for (size_t v = 0; v < vecs; v++) {
            vec w = vec_load((const float *)(const void *)(b + s * STEP_BYTES) + v * VEC_LANES);
            UNROLLED
            for (size_t r = 0; r < rows; r++) sum[r][v] = vec_fma_lane(sum[r][v], w, x[r], s);
        }
    }
}
TILES_OF_6(step)

void e2_gemm_f32_neon(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel, size_t n_panels,
                      const e2_epilogue *epilogue, float *c, size_t c_stride) {
    product p = {wide, half, 6, a, m, a_stride * sizeof(float), w->k, 0};
    gemm(&p, w, first_panel, n_panels, epilogue, c, c_stride);
}

#endif
