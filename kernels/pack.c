/* SPDX-License-Identifier: MIT */
#include <float.h>
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

/* Magnitudes are ordered as their bits are; a NaN counts as 0. */
static float q8_scale(const float *row, size_t k) {
    int32_t most = 0;
    float largest;
    for (size_t i = 0; i < k; i++) {
        int32_t bits;
        memcpy(&bits, &row[i], sizeof bits);
        bits &= 0x7fffffff;
        bits = bits > 0x7f800000 ? 0 : bits;
        most = bits > most ? bits : most;
    }
    memcpy(&largest, &most, sizeof largest);
    return largest / 127.0f;
}

static int8_t q8_of(float value, float inverse) {
    float q = nearbyintf(value * inverse);
    return (int8_t)(q > 127.0f ? 127.0f : q < -127.0f ? -127.0f : q == q ? q : 0.0f);
}

#define CHUNK 256 /* columns that are converted before they go to their places; a multiple of every group */

/* n columns, nearest even, and their sum. Adding 1.5 * 2^23 rounds to an integer, which is then in the low bits: what
 * q8_of does to a magnitude up to 127, in a loop that becomes vectors. */
static int32_t q8_chunk(const float *row, size_t n, float inverse, int8_t *out) {
    int32_t sum = 0;
    if (!(inverse <= FLT_MAX)) {
        for (size_t i = 0; i < n; i++) sum += out[i] = q8_of(row[i], inverse);
        return sum;
    }
    int32_t values[CHUNK];
    for (size_t i = 0; i < n; i++) {
        float shifted = row[i] * inverse + 12582912.0f;
        memcpy(&values[i], &shifted, sizeof shifted);
        values[i] -= 0x4B400000;
        sum += values[i];
    }
    for (size_t i = 0; i < n; i++) out[i] = (int8_t)values[i];
    return sum;
}

static void bf16_chunk(const float *row, size_t n, uint16_t *out) {
    for (size_t i = 0; i < n; i++) out[i] = e2_ref_bf16(row[i]);
}

/* One row into lane `lane` of its panel, whose groups of columns are 4 bytes each: group g at g * E2_PANEL + lane. */
static void pack_row(e2_weight_type type, const float *row, size_t k, uint32_t *panel, size_t lane, float *scale,
                     int32_t *sum) {
    const size_t group = group_of(type);
    float inverse = 0.0f;
    if (type == E2_WEIGHT_Q8) {
        *scale = q8_scale(row, k);
        inverse = *scale > 0.0f ? 1.0f / *scale : 0.0f;
        *sum = 0;
    }
    uint32_t *to = panel + lane;
    for (size_t i = 0; i < k; i += CHUNK) {
        const size_t n = k - i < CHUNK ? k - i : CHUNK, groups = (n + group - 1) / group;
        uint32_t words[CHUNK];
        if (type != E2_WEIGHT_F32) words[groups - 1] = 0; /* columns that fill up the last group */
        if (type == E2_WEIGHT_F32)
            memcpy(words, row + i, n * sizeof *words);
        else if (type == E2_WEIGHT_BF16)
            bf16_chunk(row + i, n, (uint16_t *)(void *)words);
        else
            *sum += q8_chunk(row + i, n, inverse, (int8_t *)words);
        for (size_t g = 0; g < groups; g++, to += E2_PANEL) *to = words[g];
    }
}

void e2_pack(e2_weight_type type, const float *w, size_t first, size_t rows, size_t k, void *panels, float *scales,
             int32_t *sums) {
    size_t bytes = panel_elements(type, k) * bytes_of(type);
    for (size_t r = 0; r < rows; r += E2_PANEL) {
        size_t at = first + r, lanes = rows - r < E2_PANEL ? rows - r : E2_PANEL;
        char *panel = (char *)panels + at / E2_PANEL * bytes;
        if (lanes < E2_PANEL) memset(panel, 0, bytes);
        if (type == E2_WEIGHT_Q8) {
            memset(scales + at, 0, E2_PANEL * sizeof *scales);
            memset(sums + at, 0, E2_PANEL * sizeof *sums);
        }
        for (size_t lane = 0; lane < lanes; lane++)
            pack_row(type, w + (r + lane) * k, k, (uint32_t *)(void *)panel, lane, scales ? scales + at + lane : NULL,
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
