/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "ref/math.h"

/* Columns that are stored together. */
static size_t group_of(e2_weight_type type) { return type == E2_WEIGHT_F32 ? 1 : type == E2_WEIGHT_BF16 ? 2 : 4; }
static size_t bytes_of(e2_weight_type type) { return type == E2_WEIGHT_F32 ? 4 : type == E2_WEIGHT_BF16 ? 2 : 1; }

static size_t panel_elements(e2_weight_type type, size_t k) {
    size_t group = group_of(type);
    return (k + group - 1) / group * group * E2_PANEL;
}

size_t e2_packed_bytes(e2_weight_type type, size_t n, size_t k) {
    return e2_panels(n) * panel_elements(type, k) * bytes_of(type);
}

static float q8_scale(const float *row, size_t k) {
    float largest = 0.0f;
    for (size_t i = 0; i < k; i++) largest = fabsf(row[i]) > largest ? fabsf(row[i]) : largest;
    return largest / 127.0f;
}

static int8_t q8_of(float value, float inverse) {
    float q = nearbyintf(value * inverse);
    return (int8_t)(q > 127.0f ? 127.0f : q < -127.0f ? -127.0f : q == q ? q : 0.0f);
}

/* One row into lane `lane` of its panel: element (k, lane) at ((k / group) * E2_PANEL + lane) * group + k % group. */
static void pack_row(e2_weight_type type, const float *row, size_t k, void *panel, size_t lane, float *scale,
                     int32_t *sum) {
    size_t group = group_of(type);
    float inverse = 0.0f;
    if (type == E2_WEIGHT_Q8) {
        *scale = q8_scale(row, k);
        inverse = *scale > 0.0f ? 1.0f / *scale : 0.0f;
        *sum = 0;
    }
    for (size_t i = 0; i < k; i++) {
        size_t at = (i / group * E2_PANEL + lane) * group + i % group;
        if (type == E2_WEIGHT_F32)
            ((float *)panel)[at] = row[i];
        else if (type == E2_WEIGHT_BF16)
            ((uint16_t *)panel)[at] = e2_ref_bf16(row[i]);
        else
            *sum += ((int8_t *)panel)[at] = q8_of(row[i], inverse);
    }
}

void e2_pack(e2_weight_type type, const float *w, size_t first, size_t rows, size_t k, void *panels, float *scales,
             int32_t *sums) {
    size_t bytes = panel_elements(type, k) * bytes_of(type);
    for (size_t r = 0; r < rows; r += E2_PANEL) {
        size_t at = first + r, lanes = rows - r < E2_PANEL ? rows - r : E2_PANEL;
        char *panel = (char *)panels + at / E2_PANEL * bytes;
        memset(panel, 0, bytes);
        if (type == E2_WEIGHT_Q8) {
            memset(scales + at, 0, E2_PANEL * sizeof *scales);
            memset(sums + at, 0, E2_PANEL * sizeof *sums);
        }
        for (size_t lane = 0; lane < lanes; lane++)
            pack_row(type, w + (r + lane) * k, k, panel, lane, scales ? scales + at + lane : NULL,
                     sums ? sums + at + lane : NULL);
    }
}

void e2_unpack_row(const e2_matrix *w, size_t row, float *out) {
    size_t group = group_of(w->type), lane = row % E2_PANEL;
    const char *panel = (const char *)w->panels + row / E2_PANEL * panel_elements(w->type, w->k) * bytes_of(w->type);
    for (size_t i = 0; i < w->k; i++) {
        size_t at = (i / group * E2_PANEL + lane) * group + i % group;
        if (w->type == E2_WEIGHT_F32) {
            out[i] = ((const float *)panel)[at];
        } else if (w->type == E2_WEIGHT_BF16) {
            uint32_t bits = (uint32_t)((const uint16_t *)panel)[at] << 16;
            memcpy(&out[i], &bits, sizeof bits);
        } else {
            out[i] = w->scales[row] * (float)((const int8_t *)panel)[at];
        }
    }
}
