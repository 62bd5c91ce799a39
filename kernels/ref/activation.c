/* SPDX-License-Identifier: MIT */
#include "kernels.h"
#include "ref/math.h"

void e2_gelu_ref(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = 0.5f * x[i] * (1.0f + e2_ref_erf(x[i] * 0.70710678f));
}

void e2_quick_gelu_ref(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = x[i] / (1.0f + e2_ref_exp(-1.702f * x[i]));
}

void e2_relu_ref(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = x[i] > 0.0f ? x[i] : 0.0f;
}
