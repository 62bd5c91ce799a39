/* SPDX-License-Identifier: MIT */
/* What a read asks of the decoder: images that are encoded, each with the examples that stand before it. */
#ifndef E2_QUERY_H
#define E2_QUERY_H

#include "encode.h"
#include "search.h"

/* One image of a group. */
typedef struct e2_query {
    e2_choice *choices; /* [E2STR_MAX_EXAMPLES]; each holds references */
    size_t n_choices;
    const e2str_prompt *prefix; /* instead of them, or NULL */
    const float *tokens, *key;  /* visual tokens [n_tokens][vision width], and retrieval key, of the image */
    uint32_t n_tokens;
    const e2_answer *draft;  /* that may be the answer again, or NULL; of the same memory */
    const float *fused;      /* the image in the fusion block, where its states are to be fused; or NULL */
    e2_sequence_parts parts; /* filled by e2_queries_answer, as the next */
    e2_sequence_size size;
} e2_query;

/* The examples that the options ask for: the nearest, given ones, or none with a prepared prompt or no pool. Released
 * by e2_query_release, whatever the status. */
e2str_status e2_query_choose(const e2_compute *compute, const e2str_pool *pool, const e2str_read_options *options,
                             e2_query *query, e2str_error *error);
void e2_query_release(e2_query *query);

/* What the prompt of a query will take. LIMIT when there is no room for an answer. */
e2str_status e2_query_measure(const e2_compute *compute, e2_query *query, e2str_error *error);

/* Builds the sequences of n queries side by side and answers them; those of which no text fits the constraint without
 * it. With drafts_only the drafts' probabilities are all of the answers. The answers live in the arena. LIMIT, MEMORY.
 */
e2str_status e2_queries_answer(const e2_compute *compute, e2_query *queries, size_t n, const e2str_pool *pool,
                               const e2str_read_options *options, bool drafts_only, e2_answer *answers,
                               e2str_error *error);

/* Cosine of a key and an example's. */
float e2_key_similarity(const e2_compute *compute, const float *key, const e2_example *example);

#endif
