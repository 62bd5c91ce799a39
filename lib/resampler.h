/* SPDX-License-Identifier: MIT */
/* Vision tokens -> fewer visual tokens: the perceiver resampler (docs/model.md, section 3). */
#ifndef E2_RESAMPLER_H
#define E2_RESAMPLER_H

#include "linear.h"

/* Vision tokens of n images, one after another, image i of columns[i] patches across -> latents [n][latents][width].
 * Only for models with a resampler. false: out of memory. */
bool e2_resample(const e2_compute *compute, const float *tokens, const uint32_t *columns, size_t n, float *latents);

#endif
