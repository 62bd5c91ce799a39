/* SPDX-License-Identifier: MIT */
/* The fusion block: states of a text look at the picture's visual tokens once more, and a learnt gate mixes what they
 * see there with what they were (docs/model.md, section 14). */
#ifndef E2_FUSION_H
#define E2_FUSION_H

#include "compute.h"

/* Whether the model file has the block. The functions below need it. */
static inline bool e2_has_fusion(const e2str_model *model) { return model->fusion.query.in != 0; }

/* key_values [m][2 * decoder width], keys first, of visual tokens [m][vision width]: once per picture, whatever the
 * number of states that look at it. false: out of memory. */
bool e2_fusion_project(const e2_compute *compute, const float *tokens, size_t m, float *key_values);

/* fused [n][decoder width] of states [n][decoder width] and a picture's key_values [m][.], m >= 1; fused may be the
 * states. A row does not depend on the others. false: out of memory. */
bool e2_fuse(const e2_compute *compute, const float *states, size_t n, const float *key_values, size_t m, float *fused);

#endif
