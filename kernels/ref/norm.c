/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "kernels.h"
#include "ref/math.h"
#include "ref/reduce.h"

void e2_layer_norm_ref(const float *x, size_t rows, size_t width, const float *weight, const float *bias, float epsilon,
                       float *y) {
    for (size_t r = 0; r < rows; r++, x += width, y += width) {
        float mean = e2_ref_sum(x, width) / (float)width;
        for (size_t i = 0; i < width; i++) y[i] = x[i] - mean;
        float variance = e2_ref_dot(y, y, width) / (float)width;
        float scale = 1.0f / sqrtf(variance + epsilon);
        for (size_t i = 0; i < width; i++) y[i] = y[i] * scale * weight[i] + bias[i];
    }
}

static void softmax_row(float *x, size_t n) {
    float maximum = e2_ref_max(x, n);
    for (size_t i = 0; i < n; i++) x[i] = e2_ref_exp(x[i] - maximum);
    float scale = 1.0f / e2_ref_sum(x, n);
    for (size_t i = 0; i < n; i++) x[i] *= scale;
}

void e2_softmax_ref(float *x, size_t rows, size_t columns, size_t stride) {
    if (columns == 0) return;
    for (size_t r = 0; r < rows; r++) softmax_row(x + r * stride, columns);
}
