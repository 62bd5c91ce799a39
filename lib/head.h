/* SPDX-License-Identifier: MIT */
/* The patch head: which character lies under each patch (docs/model.md, section 12). */
#ifndef E2_HEAD_H
#define E2_HEAD_H

#include "compute.h"

static inline bool e2_has_head(const e2str_model *model) { return model->head.weight != NULL; }

/* evidence [n][columns] for the tokens ids [n] of an image with vision tokens [rows * columns][width]: the most, over
 * the rows of patches, that the head prefers the token to no character at all, as the difference of their logits,
 * within -E2_EVIDENCE_MOST .. E2_EVIDENCE_MOST. The model has a head. false: out of memory. */
#define E2_EVIDENCE_MOST 32.0f
bool e2_head_evidence(const e2_compute *compute, const float *tokens, size_t rows, size_t columns, const uint32_t *ids,
                      size_t n, float *evidence);

#endif
