/* Image planes -> vision tokens: patch embedding and vision transformer (docs/model.md, section 2). */
#ifndef E2_VISION_H
#define E2_VISION_H

#include "linear.h"

/* planes [n][3][height][width] -> tokens [n][patches][width]; the class token's row is dropped. An image's tokens do
 * not depend on n. false: out of memory. */
bool e2_vision_encode(const e2_compute *compute, const float *planes, size_t n, float *tokens);

#endif
