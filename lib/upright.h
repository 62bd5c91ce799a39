/* SPDX-License-Identifier: MIT */
/* Which ways up a picture is tried when its rotation is not known (E2STR_ROTATE_AUTO). */
#ifndef E2_UPRIGHT_H
#define E2_UPRIGHT_H

#include "image.h"

#define E2_TURNS 4 /* rotations that there are to try */

/* The rotation to try at `turn`, 0 to E2_TURNS - 1, of an image whose best read in the turns before has this score.
 * false: that is good enough, and no turn is left. An image whose rotation is known has turn 0 only, and that one. */
bool e2_upright_next(const e2str_image *image, unsigned turn, float best, uint32_t *rotate);

#endif
