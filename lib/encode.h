/* SPDX-License-Identifier: MIT */
/* Images to visual tokens and retrieval keys: the stages before anything is read or kept. */
#ifndef E2_ENCODE_H
#define E2_ENCODE_H

#include "compute.h"

/* Visual tokens [n][visual_tokens][width], keys [n][width] and what was looked at [n] (each may be NULL) into memory of
 * the caller. The images are checked here. An image's numbers do not depend on n. */
e2str_status e2_encode_images(const e2_compute *compute, const e2str_image *images, size_t n, float *tokens,
                              float *keys, e2str_area *areas, e2str_error *error);

#endif
