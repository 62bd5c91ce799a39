/* SPDX-License-Identifier: MIT */
/* The one thing that is read of a picture's EXIF data: which way up it is. */
#ifndef E2_EXIF_H
#define E2_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* 1 to 8, or 0 if the data do not say, or are no EXIF data at all. data: a TIFF header and what follows, with
 * "Exif\0\0" before it or without. */
uint32_t e2_exif_orientation(const uint8_t *data, size_t size);

#endif
