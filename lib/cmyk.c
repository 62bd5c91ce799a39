/* SPDX-License-Identifier: MIT */
#include "cmyk.h"

/* a * b / 255, rounded as Pillow does it. */
static uint8_t scale_byte(uint32_t a, uint32_t b) {
    const uint32_t product = a * b + 128;
    return (uint8_t)(((product >> 8) + product) >> 8);
}

/* flip: 0 where 255 is no ink, 255 where it is full ink. */
static inline uint8_t channel(const uint8_t *cmyk, int c, uint8_t flip) {
    const uint8_t free_of_ink = cmyk[c] ^ flip, free_of_black = cmyk[3] ^ flip;
    return (uint8_t)(free_of_black - scale_byte(255u - free_of_ink, free_of_black));
}

/* Variance of the brightness, times pixels squared: wrongly read, nearly all is black. The sums cannot overflow: pixels
 * are at most E2_MAX_SIDE squared, 2^28, of values up to 2^10. */
static double contrast(const uint8_t *cmyk, size_t pixels, uint8_t flip) {
    uint64_t sum = 0, squares = 0;
    for (size_t i = 0; i < pixels; i++, cmyk += 4) {
        const uint32_t light = channel(cmyk, 0, flip) + 2u * channel(cmyk, 1, flip) + channel(cmyk, 2, flip);
        sum += light;
        squares += (uint64_t)light * light;
    }
    return (double)squares * (double)pixels - (double)sum * (double)sum;
}

void e2_cmyk_to_rgb(uint8_t *cmyk, size_t pixels, bool sure) {
    const uint8_t flip = !sure && contrast(cmyk, pixels, 255) > 4 * contrast(cmyk, pixels, 0) ? 255 : 0;
    uint8_t *rgb = cmyk;
    for (size_t i = 0; i < pixels; i++, cmyk += 4, rgb += 3) {
        uint8_t pixel[3];
        for (int c = 0; c < 3; c++) pixel[c] = channel(cmyk, c, flip);
        for (int c = 0; c < 3; c++) rgb[c] = pixel[c];
    }
}
