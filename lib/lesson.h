/* SPDX-License-Identifier: MIT */
/* What a memory is learnt from: the steps of the examples, with features, logits and targets, gathered from a pool. */
#ifndef E2_LESSON_H
#define E2_LESSON_H

#include "memory_learn.h"
#include "trace.h"

typedef struct e2_lesson {
    const e2_choice *examples; /* [n], ascending ids; borrowed */
    size_t n;
    const e2_reading **readings; /* [n]: the model's own */
    e2_alignment *alignments;    /* [n]: of reading and label */
    e2_conventions conventions;
    e2_path *paths;               /* [n] */
    size_t *first;                /* [n + 1]: steps before an example's, in all that follows */
    uint16_t *features;           /* [steps][features] */
    uint32_t *tokens, n_tokens;   /* of the columns that are tokens, ascending */
    e2_new_character *characters; /* [n_new], ascending: the columns behind them */
    uint32_t n_new;
    uint32_t *targets;       /* [steps]: column */
    float *logits;           /* [steps][columns] */
    float *rest, *rest_peak; /* [steps]: of all other tokens */
} e2_lesson;

static inline size_t e2_lesson_steps(const e2_lesson *lesson) { return lesson->first[lesson->n]; }
static inline size_t e2_lesson_columns(const e2_lesson *lesson) { return (size_t)lesson->n_tokens + lesson->n_new; }

/* Three stages, all of them in the arena: reads the examples; lays their paths out, with targets and columns; runs them
 * along their paths. LIMIT: too many new characters; MEMORY. */
e2str_status e2_lesson_read(const e2_compute *compute, const e2str_pool *pool, const e2_choice *examples, size_t n,
                            e2_lesson *lesson, e2str_error *error);
e2str_status e2_lesson_lay_out(const e2_compute *compute, e2_lesson *lesson, e2str_error *error);
e2str_status e2_lesson_run(const e2_compute *compute, const e2str_pool *pool, e2_lesson *lesson, e2str_error *error);

/* Between the second and the third: keeps those examples whose weight [n] is not 0, and their weights. false: out of
 * memory. */
bool e2_lesson_keep(const e2_compute *compute, float *weight, e2_lesson *lesson);

#endif
