/* Dot products of one vector with many. The includer defines E2_SIMD(operation), the name of the level's kernel. */
#include "kernels.h"
#include "simd.h"

/* A constant number of rows at once, so that several streams of memory are under way. */
E2_INLINE void dots(const float *key, const float *rows, const size_t n, size_t width, float *out) {
    const vec zero = vec_set(0.0f);
    vec sum[4][2];
    for (size_t r = 0; r < n; r++) sum[r][0] = sum[r][1] = zero;
    size_t i = 0;
    for (; i + 2 * VEC_LANES <= width; i += 2 * VEC_LANES)
        for (size_t j = 0; j < 2; j++) {
            vec k = vec_load(key + i + j * VEC_LANES);
            for (size_t r = 0; r < n; r++)
                sum[r][j] = vec_fma(k, vec_load(rows + r * width + i + j * VEC_LANES), sum[r][j]);
        }
    if (i + VEC_LANES <= width) {
        vec k = vec_load(key + i);
        for (size_t r = 0; r < n; r++) sum[r][0] = vec_fma(k, vec_load(rows + r * width + i), sum[r][0]);
        i += VEC_LANES;
    }
    if (i < width) {
        vec k = vec_load_part(key + i, width - i, zero);
        for (size_t r = 0; r < n; r++)
            sum[r][1] = vec_fma(k, vec_load_part(rows + r * width + i, width - i, zero), sum[r][1]);
    }
    for (size_t r = 0; r < n; r++) out[r] = vec_sum(vec_add(sum[r][0], sum[r][1]));
}

void E2_SIMD(similarity)(const float *key, const float *rows, size_t n, size_t width, float *out) {
    size_t r = 0;
    for (; r + 4 <= n; r += 4) dots(key, rows + r * width, 4, width, out + r);
    for (; r < n; r++) dots(key, rows + r * width, 1, width, out + r);
}
