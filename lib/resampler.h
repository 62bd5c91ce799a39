/* Vision tokens -> fewer visual tokens: the perceiver resampler (spec section 3). */
#ifndef E2_RESAMPLER_H
#define E2_RESAMPLER_H

#include "arena.h"
#include "model.h"

/* tokens [patches][width] -> latents [latents][width]. Only for models with a resampler. false: out of memory. */
bool e2_resample(const e2str_model *model, const float *tokens, float *latents, e2_arena *scratch);

#endif
