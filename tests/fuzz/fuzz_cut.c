/* SPDX-License-Identifier: MIT */
/* Fuzz target: the first bytes are a picture's shape, a cut's size and corners, near pixels or any float at all. What
 * is cut must be readable, and its points must lie in reach of the picture. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "e2str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input {
    uint8_t width, height, format, cut_width, cut_height;
    int16_t near[8]; /* quarters of a pixel */
    float far[8];
} input;

static void try_corners(const e2str_image *image, const input *in, const float *corners) {
    e2str_image cut = {0};
    if (!e2str_image_cut(image, corners, in->cut_width, in->cut_height, &cut, NULL)) {
        unsigned sum = 0;
        const size_t bytes = (size_t)cut.stride * cut.height;
        for (size_t i = 0; i < bytes; i++) sum += cut.pixels[i];
        volatile unsigned sink = sum;
        (void)sink;
        float x, y;
        if (e2str_image_cut_point(corners, cut.width, cut.height, (float)cut.width / 2, (float)cut.height / 2, &x, &y,
                                  NULL) ||
            !(fabsf(x) <= 3 * 256 && fabsf(y) <= 3 * 256))
            abort();
    }
    e2str_image_free(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const e2str_format formats[] = {E2STR_GREY, E2STR_RGB, E2STR_RGBA, E2STR_BGR};
    input in = {0};
    memcpy(&in, data, size < sizeof in ? size : sizeof in);
    const uint32_t width = in.width + 1u, height = in.height + 1u;
    const e2str_format format = formats[in.format % 4];
    const size_t row = (size_t)width * (format == E2STR_GREY ? 1 : format == E2STR_RGBA ? 4 : 3);
    uint8_t *pixels = malloc(row * height); /* of exactly that size: a sanitizer sees what is read beyond */
    if (!pixels) return 0;
    for (size_t i = 0; i < row * height; i++) pixels[i] = (uint8_t)(i * 37);
    const e2str_image image = {pixels, width, height, (ptrdiff_t)row, format, 0, NULL, E2STR_TRIM_NEVER};
    float corners[8];
    for (int i = 0; i < 8; i++) corners[i] = (float)in.near[i] / 4;
    try_corners(&image, &in, corners);
    try_corners(&image, &in, in.far);
    free(pixels);
    return 0;
}
