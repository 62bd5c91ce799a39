/* SPDX-License-Identifier: MIT */
/* Trimming: which part of a picture is read, when even or slowly changing borders round the ink are left out. */
#ifndef E2_TRIM_H
#define E2_TRIM_H

#include "image.h"

/* What is read of an image: its area, and a view of that into the image's pixels. `trims`: where the image leaves it to
 * the model. In doubt the whole: no ink, a textured border, ink without strokes. ARGUMENT, MEMORY. */
e2str_status e2_image_area(const e2str_image *image, bool trims, e2str_area *area, e2str_image *view, e2_arena *scratch,
                           e2str_error *error);

#endif
