/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "ref/math.h"

/* A prepared row is 64-byte padded; behind the values of a q8 row stands its scale. */
static size_t padded(size_t k) { return e2_prepared_values(k); }

void e2_prepare_bf16_ref(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    size_t row = padded(k);
    uint16_t *out = prepared;
    memset(prepared, 0, e2_prepared_bytes(E2_WEIGHT_BF16, m, k));
    for (size_t r = 0; r < m; r++)
        for (size_t i = 0; i < k; i++) out[r * row + i] = e2_ref_bf16(x[r * stride + i]);
}

void e2_prepare_q8_ref(const float *x, size_t m, size_t k, size_t stride, void *prepared) {
    size_t row = e2_prepared_bytes(E2_WEIGHT_Q8, 1, k);
    int8_t *out = prepared;
    memset(prepared, 0, e2_prepared_bytes(E2_WEIGHT_Q8, m, k));
    for (size_t r = 0; r < m; r++) {
        const float *in = x + r * stride;
        float largest = 0.0f;
        for (size_t i = 0; i < k; i++) largest = fabsf(in[i]) > largest ? fabsf(in[i]) : largest;
        float scale = largest / 127.0f, inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
        for (size_t i = 0; i < k; i++) {
            float q = nearbyintf(in[i] * inverse);
            out[r * row + i] = (int8_t)(q > 127.0f ? 127.0f : q < -127.0f ? -127.0f : q == q ? q : 0.0f);
        }
        memcpy(out + r * row + padded(k), &scale, sizeof scale);
    }
}

/* Brings the sums of one panel, as far as they are columns of the matrix, to a row of c. */
static void finish(float *sums, const e2_matrix *w, size_t panel, const e2_epilogue *epilogue, float *c) {
    size_t first = panel * E2_PANEL, n = w->n - first < E2_PANEL ? w->n - first : E2_PANEL;
    for (size_t i = 0; epilogue->bias && i < n; i++) sums[i] += epilogue->bias[first + i];
    if (epilogue->activation == E2_EPILOGUE_GELU) e2_gelu_ref(sums, n);
    if (epilogue->activation == E2_EPILOGUE_QUICK_GELU) e2_quick_gelu_ref(sums, n);
    if (epilogue->activation == E2_EPILOGUE_RELU) e2_relu_ref(sums, n);
    for (size_t i = 0; i < n; i++)
        c[first + i] = (epilogue->accumulate ? c[first + i] : 0.0f) + epilogue->gate * sums[i];
}

void e2_gemm_f32_ref(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel, size_t n_panels,
                     const e2_epilogue *epilogue, float *c, size_t c_stride) {
    for (size_t p = first_panel; p < first_panel + n_panels; p++) {
        const float *panel = (const float *)w->panels + p * w->k * E2_PANEL;
        for (size_t r = 0; r < m; r++) {
            const float *x = (const float *)a + r * a_stride;
            float sums[E2_PANEL] = {0};
            for (size_t i = 0; i < w->k; i++)
                for (size_t lane = 0; lane < E2_PANEL; lane++) sums[lane] += x[i] * panel[i * E2_PANEL + lane];
            finish(sums, w, p, epilogue, c + r * c_stride);
        }
    }
}

static float bf16_value(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void e2_gemm_bf16_ref(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel, size_t n_panels,
                      const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    size_t row = padded(w->k), pairs = (w->k + 1) / 2;
    for (size_t p = first_panel; p < first_panel + n_panels; p++) {
        const uint16_t *panel = (const uint16_t *)w->panels + p * pairs * 2 * E2_PANEL;
        for (size_t r = 0; r < m; r++) {
            const uint16_t *x = (const uint16_t *)a + r * row;
            float sums[E2_PANEL] = {0};
            for (size_t i = 0; i < 2 * pairs; i++)
                for (size_t lane = 0; lane < E2_PANEL; lane++)
                    sums[lane] += bf16_value(x[i]) * bf16_value(panel[(i / 2 * E2_PANEL + lane) * 2 + i % 2]);
            finish(sums, w, p, epilogue, c + r * c_stride);
        }
    }
}

void e2_gemm_q8_ref(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel, size_t n_panels,
                    const e2_epilogue *epilogue, float *c, size_t c_stride) {
    (void)a_stride;
    size_t row = e2_prepared_bytes(E2_WEIGHT_Q8, 1, w->k), groups = (w->k + 3) / 4;
    for (size_t p = first_panel; p < first_panel + n_panels; p++) {
        const int8_t *panel = (const int8_t *)w->panels + p * groups * 4 * E2_PANEL;
        for (size_t r = 0; r < m; r++) {
            const int8_t *x = (const int8_t *)a + r * row;
            float scale, sums[E2_PANEL];
            int32_t products[E2_PANEL] = {0};
            memcpy(&scale, x + padded(w->k), sizeof scale);
            for (size_t i = 0; i < 4 * groups; i++)
                for (size_t lane = 0; lane < E2_PANEL; lane++)
                    products[lane] += x[i] * panel[(i / 4 * E2_PANEL + lane) * 4 + i % 4];
            for (size_t lane = 0; lane < E2_PANEL; lane++)
                sums[lane] = (float)products[lane] * (scale * w->scales[p * E2_PANEL + lane]);
            finish(sums, w, p, epilogue, c + r * c_stride);
        }
    }
}
