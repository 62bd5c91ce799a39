/* SPDX-License-Identifier: MIT */
/* The prompt pool: examples behind a lock that is held only to look at the list. */
#ifndef E2_POOL_H
#define E2_POOL_H

#include <pthread.h>

#include "memory.h"
#include "example.h"
#include "index.h"

/* The file that a pool was loaded from, or saved to last: what in it tells whether it is still the same. */
typedef struct e2_pool_origin {
    char *path; /* resolved; NULL: there is none */
    uint64_t size, checksum;
    size_t offset; /* of the checksum */
} e2_pool_origin;

struct e2str_pool {
    const e2str_model *model;
    uint64_t max_bytes;   /* for examples and projections together; 0: no cap */
    uint64_t cache_bytes; /* for projections */
    e2str_storage storage;
    uint64_t index_from;   /* examples; from half of them on the index grows */
    pthread_rwlock_t lock; /* guards everything below */
    e2_example **examples; /* in the order added: ascending ids */
    float *keys;           /* [count][vision width], a copy in the same order: a search reads it in one go */
    size_t count, capacity;
    e2_index *index; /* of the first of the keys; NULL: of none */
    uint64_t next_id;
    e2str_memory *memory;    /* learnt, or NULL */
    uint64_t memory_last_id; /* of the examples that it was learnt from: removing one of these forgets it */
    uint64_t bytes;          /* of the examples */
    uint64_t projected;      /* of their projections */
    pthread_mutex_t saving;  /* one save at a time; guards the origin */
    e2_pool_origin origin;
};

/* Puts an example into the pool and takes over the caller's reference when it succeeds; gives it the next id, or keeps
 * the id it has if that is not 0 (loading). *id (may be NULL): its id, known before another thread can remove it.
 * FULL, MEMORY. */
e2str_status e2_pool_insert(e2str_pool *pool, e2_example *example, uint64_t *id, e2str_error *error);

/* The pool's memory, a reference for the caller, or NULL; pool may be NULL. */
e2str_memory *e2_pool_memory(const e2str_pool *pool);

/* Puts a memory (or NULL) in place of the former, taking over the caller's reference; lets it go instead if one of the
 * examples up to last_id that it knows of is not in the pool any more. */
void e2_pool_remember(e2str_pool *pool, e2str_memory *memory, uint64_t last_id);

/* Room for one more projection of `values` floats, references = 1; NULL when the pool's caps have no room or memory is
 * out: the cache is only a help. Whether a projection is cached never changes a result: it is what the read would have
 * computed. */
e2_projection *e2_pool_projection_new(const e2str_pool *pool, size_t values);

/* Gives the example its projection, taking over the caller's reference; lets it go if the example has one by now, was
 * removed, or the room is gone. */
void e2_pool_keep(const e2str_pool *pool, e2_example *example, e2_projection *projection);

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
