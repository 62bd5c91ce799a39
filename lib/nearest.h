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
    uint64_t id;               /* while the nearest are searched: the example's, and, */
    size_t row;                /* where example is NULL, its row in the pool's archive */
    e2_archive *archive; /* of one of all: the example is without its visual tokens, which this row has; or NULL */
} e2_choice;
void e2_choice_release(e2_choice *choice);

/* The nearest k as in e2str_pool_nearest, the search shared by the threads where that is worth it: the same for any
 * number of them. Examples without visual tokens are passed over. The caller releases each choice. Room for k.
 * ARGUMENT, MEMORY; of a pool in an archive FORMAT and IO. */
e2str_status e2_pool_choose(const e2_compute *compute, const e2str_pool *pool, const float *key, size_t k,
                            float min_similarity, e2_choice *choices, size_t *found, e2str_error *error);

/* e2str_pool_nearest with arguments already checked, shared by these threads (NULL: the caller's alone). */
e2str_status e2_pool_nearest(const e2str_pool *pool, e2_threads *threads, const float *key, size_t k,
                             float min_similarity, uint64_t *ids, float *similarities, size_t *found,
                             e2str_error *error);

/* The nearest k of those that the caller's search proposes (e2str.h), likewise. ARGUMENT, MEMORY, what it returns. */
e2str_status e2_pool_choose_proposed(const e2_compute *compute, const e2str_pool *pool, const float *key,
                                     const e2str_read_options *options, e2_choice *choices, size_t *found,
                                     e2str_error *error);

/* All examples in the order of their ids, malloc'ed; *last_id is the last of them. Rows of an archive come without
 * their visual tokens, which take nearly all of the memory: e2_choice_fetch. MEMORY; of a pool in an archive FORMAT,
 * IO, UNSUPPORTED (some have no visual tokens). */
e2str_status e2_pool_choose_all(const e2str_pool *pool, e2_choice **choices, size_t *n, uint64_t *last_id,
                                e2str_error *error);

/* The choice with its visual tokens, to be released: *whole. MEMORY, FORMAT, IO. */
e2str_status e2_choice_fetch(const e2str_pool *pool, const e2_choice *choice, e2_choice *whole, e2str_error *error);

/* The examples with these ids, in this order; their similarities are left 0. NOT_FOUND names the id; the
 * other failures of e2_pool_fetch. */
e2str_status e2_pool_choose_ids(const e2str_pool *pool, const uint64_t *ids, size_t n, e2_choice *choices,
                                e2str_error *error);

#endif
