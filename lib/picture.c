/* SPDX-License-Identifier: MIT */
#include "picture.h"

#include <stdlib.h>
#include <string.h>

#include "alpha.h"

static size_t channels_of(e2str_format format) { return format == E2STR_GREY ? 1 : format == E2STR_RGBA ? 4 : 3; }

bool e2_picture_size(e2_picture *picture, size_t width, size_t height) {
    const e2str_image_limits *limits = picture->limits;
    const size_t side = width > height ? width : height;
    if (!width || !height)
        picture->status =
            e2_fail(picture->error, E2STR_ERROR_IMAGE, "%s of %zu x %zu pixels", picture->kind, width, height);
    else if (side > limits->max_side)
        picture->status = e2_fail(picture->error, E2STR_ERROR_LIMIT, "%s of %zu x %zu pixels: the limit is %lu a side",
                                  picture->kind, width, height, (unsigned long)limits->max_side);
    else if ((uint64_t)width * height > limits->max_pixels)
        picture->status = e2_fail(picture->error, E2STR_ERROR_LIMIT, "%s of %zu x %zu pixels: the limit is %llu pixels",
                                  picture->kind, width, height, (unsigned long long)limits->max_pixels);
    picture->width = (uint32_t)width;
    picture->height = (uint32_t)height;
    return !picture->status;
}

static bool out_of_memory(e2_picture *picture) {
    picture->status = e2_fail(picture->error, E2STR_ERROR_MEMORY, "out of memory for a %s of %lu x %lu pixels",
                              picture->kind, (unsigned long)picture->width, (unsigned long)picture->height);
    return false;
}

bool e2_picture_allocate(e2_picture *picture, size_t channels) {
    picture->format = channels == 1 ? E2STR_GREY : channels == 4 ? E2STR_RGBA : E2STR_RGB;
    picture->pixels = e2_alloc(picture->height, picture->width * channels);
    return picture->pixels || out_of_memory(picture);
}

/* A pixel is read before the shorter ones reach it. */
void e2_picture_flatten(e2_picture *picture) {
    if (picture->format != E2STR_RGBA) return;
    const size_t pixels = (size_t)picture->width * picture->height;
    const uint8_t background =
        e2_alpha_background(picture->pixels, picture->width, picture->height, (ptrdiff_t)4 * picture->width);
    const uint8_t *from = picture->pixels;
    uint8_t *to = picture->pixels;
    for (size_t i = 0; i < pixels; i++, from += 4, to += 3) {
        const uint8_t alpha = from[3];
        for (int c = 0; c < 3; c++) to[c] = e2_alpha_over(from[c], alpha, background);
    }
    picture->format = E2STR_RGB;
}

bool e2_picture_upright(e2_picture *picture) {
    const uint32_t kind = picture->orientation;
    if (kind < 2 || kind > 8) return true;
    const bool turned = kind >= 5;                                            /* rows become columns */
    const bool from_right = kind == 2 || kind == 3 || kind == 7 || kind == 8; /* stored rows are read backwards */
    const bool from_bottom = kind == 3 || kind == 4 || kind == 6 || kind == 7;
    const size_t channels = channels_of(picture->format);
    const ptrdiff_t pixel = (ptrdiff_t)channels, row = pixel * (ptrdiff_t)picture->width;
    const uint8_t *origin = picture->pixels;
    if (from_right) origin += row - pixel;
    if (from_bottom) origin += row * (ptrdiff_t)(picture->height - 1);
    const ptrdiff_t across = from_right ? -pixel : pixel, down = from_bottom ? -row : row;
    const ptrdiff_t x_step = turned ? down : across, y_step = turned ? across : down;
    const uint32_t width = turned ? picture->height : picture->width;
    const uint32_t height = turned ? picture->width : picture->height;
    uint8_t *upright = e2_alloc(height, width * channels), *to = upright;
    if (!upright) return out_of_memory(picture);
    for (uint32_t y = 0; y < height; y++) {
        const uint8_t *from = origin + y * y_step;
        for (uint32_t x = 0; x < width; x++, from += x_step)
            for (size_t c = 0; c < channels; c++) *to++ = from[c];
    }
    free(picture->pixels);
    picture->pixels = upright;
    picture->width = width;
    picture->height = height;
    return true;
}
