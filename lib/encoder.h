/* Image planes -> vision tokens: patch embedding and vision transformer (spec section 2). */
#ifndef E2_ENCODER_H
#define E2_ENCODER_H

#include "arena.h"
#include "model.h"

/* planes [3][height][width] -> tokens [patches][width]; the class token's row is dropped. false: out of memory. */
bool e2_vision_encode(const e2str_model *model, const float *planes, float *tokens, e2_arena *scratch);

#endif
