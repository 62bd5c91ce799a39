/* SPDX-License-Identifier: MIT */
/* Bytes through the image decoders, with limits that keep a run short: what the targets for pictures share. */
#ifndef FUZZ_DECODE_H
#define FUZZ_DECODE_H

#include "input.h"

static inline void decode(const uint8_t *data, size_t size) {
    e2str_image_limits limits;
    e2str_image_limits_init(&limits);
    limits.max_pixels = 1u << 18;
    limits.max_side = 4096;
    limits.max_scans = 10;
    e2str_image image = {0};
    e2str_error error = {0};
    e2str_status status = e2str_image_load_memory(data, size, &limits, &image, &error);
    check_status(status, &error);
    if (!status) {
        /* Every pixel must be readable: a sanitizer sees the ones that are not. */
        unsigned sum = 0;
        const size_t row = (size_t)image.width * (image.format == E2STR_GREY ? 1 : 3);
        require(image.width && image.height && image.width <= 4096 && image.height <= 4096);
        for (uint32_t y = 0; y < image.height; y++)
            for (size_t x = 0; x < row; x++) sum += image.pixels[(ptrdiff_t)y * image.stride + (ptrdiff_t)x];
        volatile unsigned sink = sum;
        (void)sink;
    } else {
        require(!image.pixels && !image.owned);
    }
    e2str_image_free(&image);
}

#endif
