/* SPDX-License-Identifier: MIT */
/* Choosing the examples of a prompt: the nearest to a key, or those with given ids. */
#ifndef E2_NEAREST_H
#define E2_NEAREST_H

#include "compute.h"
#include "pool.h"

/* One chosen example and its similarity (cosine) to the query; holds references. */
typedef struct e2_choice {
    e2_example *example;
    float similarity;
    e2_projection *projection; /* or NULL */
} e2_choice;
void e2_choice_release(e2_choice *choice);

/* The nearest k as in e2str_pool_nearest, the search shared by the threads where that is worth it: the same for any
 * number of them. The caller releases each choice. Room for k. ARGUMENT, MEMORY. */
e2str_status e2_pool_choose(const e2_compute *compute, const e2str_pool *pool, const float *key, size_t k,
                            float min_similarity, e2_choice *choices, size_t *found, e2str_error *error);

/* The nearest k of those that the caller's search proposes (e2str.h), likewise. ARGUMENT, MEMORY, what it returns. */
e2str_status e2_pool_choose_proposed(const e2_compute *compute, const e2str_pool *pool, const float *key,
                                     const e2str_read_options *options, e2_choice *choices, size_t *found,
                                     e2str_error *error);

/* All examples in the order of their ids, malloc'ed; *last_id is the last of them. NULL: out of memory. */
e2_choice *e2_pool_choose_all(const e2str_pool *pool, size_t *n, uint64_t *last_id);

/* The examples with these ids, in this order; their similarities are left 0. NOT_FOUND names the id. */
e2str_status e2_pool_choose_ids(const e2str_pool *pool, const uint64_t *ids, size_t n, e2_choice *choices,
                                e2str_error *error);

#endif
