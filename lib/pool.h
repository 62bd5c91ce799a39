/* The prompt pool: examples as refcounted, immutable blocks, behind a lock held only to look at the list. */
#ifndef E2_POOL_H
#define E2_POOL_H

#include <pthread.h>
#include <stdatomic.h>

#include "linear.h"

/* An example's keys and values for the decoder's cross-attention ([e2_media_values] floats), kept so that reads need
 * not project its visual tokens again. A cache: it may be dropped at any time, a reader's reference outlives that. */
typedef struct e2_projection {
    atomic_uint references;
    uint64_t bytes;
    float *values;
} e2_projection;

/* One example. Immutable once it is in a pool; a reader that holds a reference may use it after it was removed. */
typedef struct e2_example {
    atomic_uint references;
    uint64_t id;
    uint64_t bytes; /* of the whole block and its row in a pool's keys: what e2str_pool_bytes counts */
    e2str_storage storage;
    void *tokens;  /* [media_tokens][vision width], uint16_t (f16) or float; 64-byte aligned */
    float *key;    /* [vision width], unit length */
    uint32_t *ids; /* the label's tokens */
    uint32_t n_ids;
    char *label; /* NUL-terminated */
    size_t label_size;
    e2_projection *projection; /* or NULL; guarded by the pool's lock */
} e2_example;

struct e2str_pool {
    const e2str_model *model;
    uint64_t max_bytes;   /* for examples and projections together; 0: no cap */
    uint64_t cache_bytes; /* for projections */
    e2str_storage storage;
    pthread_rwlock_t lock; /* guards everything below */
    e2_example **examples; /* in the order added: ascending ids */
    float *keys;           /* [count][vision width], a copy in the same order: a search reads it in one go */
    size_t count, capacity;
    uint64_t next_id;
    uint64_t bytes;     /* of the examples */
    uint64_t projected; /* of their projections */
};

/* A label's tokens, malloc'ed: LABEL as e2_tokenize; LIMIT when BOS, the example and a query after it leave no position
 * for an answer. */
e2str_status e2_label_ids(const e2str_model *model, const char *label, size_t label_size, uint32_t **ids,
                          uint32_t *n_ids, e2str_error *error);

/* Makes an example outside any pool, references = 1: copies everything given. tokens: f32, stored as `storage`.
 * label_ids from e2_label_ids. MEMORY; LIMIT when a token is not finite in that storage or the key not of unit length
 * (within 1e-3): whatever is in a pool can be saved and loaded again. */
e2str_status e2_example_new(const e2str_model *model, e2str_storage storage, const float *tokens, const float *key,
                            const char *label, size_t label_size, const uint32_t *label_ids, uint32_t n_ids,
                            e2_example **example, e2str_error *error);
/* The same from tokens that are stored as `storage` already. */
e2str_status e2_example_new_stored(const e2str_model *model, e2str_storage storage, const void *tokens,
                                   const float *key, const char *label, size_t label_size, const uint32_t *label_ids,
                                   uint32_t n_ids, e2_example **example, e2str_error *error);
e2_example *e2_example_retain(e2_example *example); /* returns it */
void e2_example_release(e2_example *example);       /* frees at the last reference; NULL is fine */

/* The visual tokens as f32: a pointer into the example, or converted into `buffer` [media_tokens * vision width]. */
const float *e2_example_tokens(const e2str_model *model, const e2_example *example, float *buffer);

/* Puts an example into the pool and takes over the caller's reference when it succeeds; gives it the next id, or keeps
 * the id it has if that is not 0 (loading). FULL, MEMORY. */
e2str_status e2_pool_insert(e2str_pool *pool, e2_example *example, e2str_error *error);

/* ---- choices (nearest.c) ---- */

/* One chosen example and its cosine similarity to the query; holds references. */
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

/* The examples with these ids, in this order, with their similarity to key. NOT_FOUND names the id. */
e2str_status e2_pool_choose_ids(const e2str_pool *pool, const float *key, const uint64_t *ids, size_t n,
                                e2_choice *choices, e2str_error *error);

/* ---- projections (projection.c) ---- */

/* Room for one more projection of `values` floats, references = 1; NULL when the pool's caps have no room or memory is
 * out: the cache is only a help. */
e2_projection *e2_pool_projection_new(const e2str_pool *pool, size_t values);
void e2_projection_release(e2_projection *projection); /* NULL is fine */

/* Gives the example its projection, taking over the caller's reference; lets it go if the example has one by now, was
 * removed, or the room is gone. */
void e2_pool_keep(const e2str_pool *pool, e2_example *example, e2_projection *projection);

/* The caller holds the write lock. Lets go of an example's projection. */
void e2_pool_drop_locked(e2str_pool *pool, e2_example *example);

/* Position of an id in the list, or count; the caller holds the lock. */
size_t e2_pool_find_locked(const e2str_pool *pool, uint64_t id);
e2str_status e2_pool_not_found(uint64_t id, e2str_error *error); /* NOT_FOUND, with a message that names the id */

/* The lock is no part of a pool's value: functions that only look take it, too. */
static inline pthread_rwlock_t *e2_pool_lock(const e2str_pool *pool) { return &((e2str_pool *)pool)->lock; }

/* ---- the pool file (docs/pool-format.md), apart from the public calls for tests and fuzzing ---- */

/* XXH64 over the file with the value of `checksum`, a u64 in it, taken as zero. */
uint64_t e2_pool_checksum(const e2_gguf *gguf, const e2_kv *checksum);

/* e2str_pool_load of an opened file. */
e2str_status e2_pool_from_gguf(const e2str_model *model, const e2_gguf *gguf, const e2str_pool_options *options,
                               e2str_pool **pool, e2str_error *error);

#endif
