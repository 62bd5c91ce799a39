/* SPDX-License-Identifier: MIT */
/*
 * An index of keys: one bit for each of their dimensions, scanned in place of the keys for those that may be the
 * nearest to a query; whoever asks compares these exactly. After RaBitQ (Gao and Long, arXiv 2405.12497, section 3).
 *
 * With the centre c, a fixed rotation P and r = P(x - c), the code of a key x is the signs of r, s = sign(r). In
 *
 *     q.x = (q - c).(x - c) + c.x + q.c - c.c
 *
 * the first product is estimated as  (|r|^2 / |r|_1) s.P(q - c), without bias as P is as good as random; the last two
 * terms are the same for all keys and are left out. A code keeps its signs, |r|^2 / |r|_1 and c.x. P(q - c) is rounded
 * to 16 steps, so a sum over the signs is a sum of small integers, looked up for four of them at a time.
 *
 * A code depends on its key and the centre only, so an index is the same whatever was added and removed before, and
 * what it finds is the same at every CPU level and number of threads.
 */
#ifndef E2_INDEX_H
#define E2_INDEX_H

#include "arena.h"
#include "kernels.h"
#include "threads.h"

#define E2_INDEX_MAX_WIDTH (8 * E2_CODE_BYTES)

typedef struct e2_index e2_index;

/* Bytes of a block of E2_CODE_BLOCK codes of keys of a width in range. */
static inline size_t e2_code_block_bytes(size_t width) { return E2_CODE_BLOCK * ((width + 7) / 8 + 2 * sizeof(float)); }

/* An empty index of keys of `width` floats, 1 to E2_INDEX_MAX_WIDTH. centre [width] is copied; NULL: 0. NULL when
 * memory is out or the width is not in range. */
e2_index *e2_index_new(size_t width, const float *centre);
void e2_index_free(e2_index *index); /* NULL is fine */

size_t e2_index_count(const e2_index *index); /* 0 for NULL */
size_t e2_index_bytes(const e2_index *index); /* memory: a bit per dimension and 8 bytes a key, rounded up */

/* Indexes n more keys [n][width], coded by the threads (may be NULL). A key with a number that is not finite is never
 * found. false: out of memory, the index is as it was. */
bool e2_index_append(e2_index *index, const float *keys, size_t n, e2_threads *threads);

/* The codes, in blocks; what lies in the last one behind them is 0. */
const uint8_t *e2_index_codes(const e2_index *index, size_t *bytes);

/* Takes the key at a place out, which is one: those behind it move up. */
void e2_index_remove(e2_index *index, size_t at);

typedef struct e2_near {
    size_t at;        /* place of the key */
    float similarity; /* to the query */
} e2_near;

/* What to search with. */
typedef struct e2_index_query {
    const e2_kernels *kernels;
    e2_arena *arena;     /* for scratch */
    e2_threads *threads; /* or NULL */
    const float *key;    /* [width], finite */
    size_t candidates;   /* keys that are compared exactly */
} e2_index_query;

/* The nearest k of the candidates (the keys of the largest estimates, of equal ones the first) by their dot product
 * with the query, the nearest first, of equal ones the first. keys [count][width]: those that were indexed. false: out
 * of memory. */
bool e2_index_nearest(const e2_index *index, const e2_index_query *query, const float *keys, size_t k, e2_near *near,
                      size_t *found);

/* Codes that lie elsewhere. */
typedef struct e2_code_run {
    const uint8_t *blocks;
    size_t first, count; /* place of the first key, keys */
} e2_code_run;

typedef struct e2_code_source {
    size_t parts, count; /* runs; keys in all of them, at most */
    /* A run of a part; left as it is, {0}, there is none. One call for each part, from the query's threads. */
    void (*run)(void *user, size_t part, unsigned worker, e2_code_run *run);
    /* Whether a key counts, asked of those that would be candidates. NULL: all do. */
    bool (*counts)(void *user, size_t at, unsigned worker);
    void *user;
} e2_code_source;

/* The candidates among these codes, made with an index of the same width and centre (whose own keys do not matter), in
 * ascending order of their places; near: room for all of them, similarities are estimates. Codes of strangers do no
 * harm: they only choose the wrong candidates. false: out of memory. */
bool e2_index_candidates(const e2_index *index, const e2_index_query *query, const e2_code_source *source,
                         e2_near *near, size_t *found);

#endif
