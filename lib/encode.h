/* SPDX-License-Identifier: MIT */
/* Images to visual tokens and retrieval keys: the stages before anything is read or kept. */
#ifndef E2_ENCODE_H
#define E2_ENCODE_H

#include "compute.h"
#include "trim.h"

/* What is read of an image, and how many patches that is across. */
typedef struct e2_measured {
    e2str_area area;
    e2str_image view; /* of the area */
    uint32_t columns;
} e2_measured;

/* Checks n images and measures them, side by side where there are threads. Not from inside their work. ARGUMENT,
 * MEMORY: of the first image that fails. */
e2str_status e2_measure_images(const e2_compute *compute, const e2str_image *images, size_t n, e2_measured *measured,
                               e2str_error *error);

/* Visual tokens of n images, one after another, image i's [e2_visual_tokens of its columns][width], and keys [n][width]
 * (either may be NULL) into memory of the caller. An image's numbers do not depend on the others. LIMIT: one is not
 * finite; MEMORY. */
e2str_status e2_encode_images(const e2_compute *compute, const e2_measured *images, size_t n, float *tokens,
                              float *keys, e2str_error *error);

#endif
