/* SPDX-License-Identifier: MIT */
/* Fewer examples where a pool has more than a memory is learnt from: which, and for how many each stands. */
#ifndef E2_THIN_H
#define E2_THIN_H

#include "lesson.h"

/* Keeps examples with at most E2_MEMORY_MAX_ROWS steps together, unless the lesson has no more anyway: first some for
 * each symbol that would be left with few; of what room is left half for those that the model reads worst, half for
 * some of the others, which stand for their likes. *stands [lesson->n], from the arena: for how many. What is kept
 * depends on the examples only. What the model makes of an example is kept with it, so that thinning again costs what
 * is new. Takes memory by the steps that are looked at together, and some 100 bytes an example. The lesson has its
 * paths and no features yet. Fails as e2_trace_read. */
e2str_status e2_thin(const e2_compute *compute, const e2str_pool *pool, e2_lesson *lesson, float **stands,
                     e2str_error *error);

#endif
