/* SPDX-License-Identifier: MIT */
/* Layer norm and softmax, row by row. The includer defines E2_SIMD(operation), the name of the level's kernel. */
#include <math.h>

#include "kernels.h"
#include "simd/reduce.h"

void E2_SIMD(layer_norm)(const float *x, size_t rows, size_t width, const float *weight, const float *bias,
                         float epsilon, float *y) {
    const vec zero = vec_set(0.0f);
    for (size_t r = 0; r < rows; r++, x += width, y += width) {
        const vec mean = vec_set(row_sum(x, width) / (float)width);
        const vec scale = vec_set(1.0f / sqrtf(row_deviation(x, width, mean) / (float)width + epsilon));
        size_t i = 0;
        for (; i + VEC_LANES <= width; i += VEC_LANES) {
            vec normal = vec_mul(vec_sub(vec_load(x + i), mean), scale);
            vec_store(y + i, vec_fma(normal, vec_load(weight + i), vec_load(bias + i)));
        }
        size_t left = width - i;
        if (left == 0) continue;
        vec normal = vec_mul(vec_sub(vec_load_part(x + i, left, zero), mean), scale);
        normal = vec_fma(normal, vec_load_part(weight + i, left, zero), vec_load_part(bias + i, left, zero));
        vec_store_part(y + i, left, normal);
    }
}

void E2_SIMD(softmax)(float *x, size_t rows, size_t columns, size_t stride) {
    if (columns == 0) return;
    for (size_t r = 0; r < rows; r++, x += stride) row_scale(x, columns, vec_set(1.0f / row_exp(x, columns)), x);
}
