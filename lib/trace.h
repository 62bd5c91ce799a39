/* SPDX-License-Identifier: MIT */
/* Running examples through the decoder alone: what the model reads, and what it sees at each step of a given path. */
#ifndef E2_TRACE_H
#define E2_TRACE_H

#include "memory.h"
#include "nearest.h"
#include "path.h"

/* MEMORY, as everything says it that learns. */
e2str_status e2_no_room_to_learn(e2str_error *error);

/* What the model alone reads of n examples, greedily and without a prompt; kept with each example. The pool's cache of
 * projections is used and filled; visual tokens of an archive's rows are in memory for a moment only. MEMORY; of rows
 * of an archive FORMAT, IO. */
e2str_status e2_trace_read(const e2_compute *compute, const e2str_pool *pool, const e2_choice *examples, size_t n,
                           const e2_reading **readings, e2str_error *error);

/* phi at each step of the examples' paths, as f16 [steps of all paths][features], in order. After a new character the
 * decoder goes on with its stand-in. Fails as e2_trace_read. */
e2str_status e2_trace_features(const e2_compute *compute, const e2str_pool *pool, const e2_choice *examples, size_t n,
                               const e2_path *paths, uint16_t *features, e2str_error *error);

/* Most steps of a path. */
uint32_t e2_trace_room(const e2str_model *model);

#endif
