/* SPDX-License-Identifier: MIT */
/* Image planes -> vision tokens: patch embedding and vision transformer (docs/model.md, section 2). */
#ifndef E2_VISION_H
#define E2_VISION_H

#include "linear.h"

/* n images, one after another, image i of columns[i] patches across: planes [3][height][columns * patch_width] ->
 * tokens [grid_height * columns][width]; the class token's row is dropped. An image's tokens do not depend on the
 * others. false: out of memory. */
bool e2_vision_encode(const e2_compute *compute, const float *planes, const uint32_t *columns, size_t n, float *tokens);

#endif
