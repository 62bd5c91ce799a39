/* SPDX-License-Identifier: MIT */
/* Where the decoder looked while it wrote an answer. Nothing of it is computed in a search: the answer is run through
 * the decoder once more, all of its tokens together. */
#ifndef E2_GAZE_H
#define E2_GAZE_H

#include "search.h"

/* An answer whose image `first_image` and the following of the media are those of its sequence, made of these parts.
 * Gives answer->attention, [tokens][query's visual tokens], in the arena: of the last cross-attention the weights when
 * the token was written, as means over the heads. They sum to 1, or to less where the examples' images are seen, too.
 * false: out of memory. */
bool e2_gaze_back(const e2_compute *compute, const e2_media *media, const e2_sequence_parts *parts,
                  uint32_t first_image, e2_answer *answer);

#endif
