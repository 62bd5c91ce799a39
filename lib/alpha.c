/* SPDX-License-Identifier: MIT */
#include "alpha.h"

#include <stdbool.h>

#define VISIBLE 64 /* least alpha of a pixel that counts as paper or ink and not as a shadow */

uint8_t e2_alpha_background(const uint8_t *rgba, uint32_t width, uint32_t height, ptrdiff_t stride) {
    uint64_t light = 0, weight = 0, visible = 0; /* light: sum of 256 * luma * alpha */
    for (uint32_t y = 0; y < height; y++) {
        const uint8_t *pixel = rgba + (ptrdiff_t)y * stride;
        for (uint32_t x = 0; x < width; x++, pixel += 4) {
            const uint32_t alpha = pixel[3];
            light += alpha * (77u * pixel[0] + 150u * pixel[1] + 29u * pixel[2]);
            weight += alpha;
            visible += alpha >= VISIBLE;
        }
    }
    const bool is_light = light > weight * (256 * 255 / 2);
    const bool has_paper = 4 * visible > 3 * (uint64_t)width * height;
    return is_light == has_paper ? 255 : 0;
}
