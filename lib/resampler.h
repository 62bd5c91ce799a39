/* Vision tokens -> fewer visual tokens: the perceiver resampler (docs/model.md, section 3). */
#ifndef E2_RESAMPLER_H
#define E2_RESAMPLER_H

#include "linear.h"

/* tokens [n][patches][width] -> latents [n][latents][width]. Only for models with a resampler. false: out of memory. */
bool e2_resample(const e2_compute *compute, const float *tokens, size_t n, float *latents);

#endif
