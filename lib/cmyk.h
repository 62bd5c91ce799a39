/* SPDX-License-Identifier: MIT */
/* CMYK to RGB. */
#ifndef E2_CMYK_H
#define E2_CMYK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `pixels` of four bytes to three, in place. Browsers take 255 for no ink, as Adobe writes it, whatever the file says.
 * `sure`: a marker of Adobe's says so too. Otherwise 255 may be full ink: a picture that comes out all but black is
 * read that way. */
void e2_cmyk_to_rgb(uint8_t *cmyk, size_t pixels, bool sure);

#endif
