/* SPDX-License-Identifier: MIT */
/* Pixels to the network's input: rotate, resize (Pillow's bilinear, bit-exact), normalise. */
#ifndef E2_IMAGE_H
#define E2_IMAGE_H

#include "arena.h"
#include "error.h"

#define E2_MAX_SIDE 16384u

/* How a model wants its images (docs/model.md, section 1a). */
typedef struct e2_image_config {
    uint32_t width, height; /* 1 to E2_MAX_SIDE; of free widths the largest */
    bool bgr;               /* channel order of the planes; otherwise R, G, B */
    float mean[3], std[3];  /* of value / 255, in the order of the planes */
    bool trim;              /* unless an image says otherwise */
    uint32_t min_width;     /* free widths: an image keeps its shape, from this to `width`; 0: all get `width` */
    uint32_t width_step;    /* divides both; of free widths only */
} e2_image_config;

/* From a pixel of a row to the next one; 0: no such format. */
ptrdiff_t e2_pixel_bytes(e2str_format format);

/* ARGUMENT when the view is not usable: no pixels, sizes out of range, a stride shorter than a row, a bad format or
 * rotation. The message names the member. */
e2str_status e2_image_check(const e2str_image *image, e2str_error *error);

/* Steps of the path, apart for the tests. rgb_out: [height][width][3] bytes, after rotation;
 * width and height are 1 to E2_MAX_SIDE. */
e2str_status e2_image_resize(const e2str_image *image, uint32_t width, uint32_t height, uint8_t *rgb_out,
                             e2_arena *scratch, e2str_error *error);

/* The width that the model reads a usable view at. */
uint32_t e2_image_width(const e2str_image *image, const e2_image_config *config);

/* Checks, rotates, resizes and normalises: planes [3][height][e2_image_width]. */
e2str_status e2_image_planes(const e2str_image *image, const e2_image_config *config, float *planes, e2_arena *scratch,
                             e2str_error *error);

#endif
