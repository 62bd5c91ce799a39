/* SPDX-License-Identifier: MIT */
/* What lies behind transparent pixels. */
#ifndef E2_ALPHA_H
#define E2_ALPHA_H

#include <stddef.h>
#include <stdint.h>

/* The background of an RGBA picture (alpha not premultiplied), 0 or 255 in each channel: white, but black if what can
 * be seen is light, so that it stands out. A picture that is nearly all visible has paper of its own, and its ink is
 * the opposite of that: the background is then white behind light paper and black behind dark. */
uint8_t e2_alpha_background(const uint8_t *rgba, uint32_t width, uint32_t height, ptrdiff_t stride);

/* One channel over the background, rounded; exact at alpha 0 and 255. */
static inline uint8_t e2_alpha_over(uint8_t value, uint8_t alpha, uint8_t background) {
    return (uint8_t)((value * alpha + background * (255 - alpha) + 127) / 255);
}

#endif
