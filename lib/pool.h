/* SPDX-License-Identifier: MIT */
/* The prompt pool: examples behind a lock that is held only to look at the list. */
#ifndef E2_POOL_H
#define E2_POOL_H

#include <pthread.h>

#include "archive.h"
#include "index.h"
#include "memory.h"

/* The file that a pool was loaded from, or saved to last: what in it tells whether it is still the same (of an archive
 * its inode and root do). */
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

    /* A pool that lies in an archive: its rows come before the examples above, which were added since. */
    e2_archive *archive; /* or NULL */
    bool mapped;         /* as the options wish */
    bool emptied;        /* the archive's rows do not count any more */
    uint64_t clears;     /* how often it was emptied */
    uint64_t *gone;      /* [n_gone] ids of rows that were removed since, ascending */
    size_t n_gone, gone_capacity;
    size_t gone_reserved;          /* room that stays free, for a save that is under way */
    e2_example **recent;           /* [E2_POOL_RECENT] examples made of rows, by id; counted in `projected`; or NULL */
    size_t recent_turn;            /* the next slot to be given up */
    e2str_memory *archived_memory; /* the archive's, or NULL */
};

/* Puts an example into the pool and takes over the caller's reference when it succeeds; gives it the next id, or keeps
 * the id it has if that is not 0 (loading). *id (may be NULL): its id, known before another thread can remove it.
 * FULL, LIMIT, MEMORY; MISMATCH without a message: it is not stored as the pool's are, which a refresh may change. */
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

/* What an example takes of e2str_pool_bytes: 0 of an archive's row, and of one that is not there. */
uint64_t e2_pool_example_bytes(const e2str_pool *pool, uint64_t id);

/* Position of an id in the list, or count; the caller holds the lock. */
size_t e2_pool_find_locked(const e2str_pool *pool, uint64_t id);
/* Whether `bytes` more may be cached; the caller holds the lock. */
bool e2_pool_fits_locked(const e2str_pool *pool, uint64_t bytes);
e2str_status e2_pool_not_found(uint64_t id, e2str_error *error); /* NOT_FOUND, with a message that names the id */

/* The lock is no part of a pool's value: functions that only look take it, too. */
static inline pthread_rwlock_t *e2_pool_lock(const e2str_pool *pool) { return &((e2str_pool *)pool)->lock; }

/* ---- the rows of an archive below the list (pool_rows.c) ---- */

#define E2_POOL_RECENT 1024

/* The rows that count; NULL: none. Position p of the pool is row p, then example p - rows. */
static inline e2_archive *e2_pool_rows_locked(const e2str_pool *pool) { return pool->emptied ? NULL : pool->archive; }
size_t e2_pool_count_locked(const e2str_pool *pool);
/* Whether the pool has what its archive has not; true without one. */
bool e2_pool_is_changed_locked(const e2str_pool *pool);
bool e2_pool_is_gone_locked(const e2str_pool *pool, uint64_t id);
/* Whether the pool has an example; false where the file is damaged. */
bool e2_pool_has_locked(const e2str_pool *pool, uint64_t id);
/* Removes a row. NOT_FOUND, FORMAT, IO, MEMORY. */
e2str_status e2_pool_remove_row_locked(e2str_pool *pool, uint64_t id, e2str_error *error);
/* Room for `more` removed rows beyond those that are removed, and those that a save may have to note. */
bool e2_pool_reserve_gone_locked(e2str_pool *pool, size_t more);
void e2_pool_note_gone_locked(e2str_pool *pool, uint64_t id); /* there is room */
void e2_pool_forget_recent_locked(e2str_pool *pool);

/* An example that was made of a row lately, or NULL; the caller holds the lock. */
e2_example *e2_pool_recent_locked(const e2str_pool *pool, uint64_t id);

/* An example by its id, with its projection (or NULL), references for the caller. NOT_FOUND; of rows also UNSUPPORTED
 * (without visual tokens), FORMAT, IO, MEMORY. */
e2str_status e2_pool_fetch(const e2str_pool *pool, uint64_t id, e2_example **example, e2_projection **projection,
                           e2str_error *error);
/* Row of an archive that the caller holds, as the pool's example: it may have been removed meanwhile. */
e2str_status e2_pool_fetch_row(const e2str_pool *pool, e2_archive *archive, size_t row, uint64_t id,
                               e2_example **example, e2_projection **projection, e2str_error *error);

/* A pool's content at one moment; holds references, so that writing needs no lock. */
typedef struct e2_pool_content {
    e2_archive *archive; /* or NULL */
    uint64_t *gone;      /* [n_gone] */
    size_t n_gone;
    e2_example **examples; /* [count]: behind the archive's rows */
    size_t count;
    uint64_t next_id, memory_last_id, clears;
    e2str_memory *memory; /* or NULL */
    bool changed;         /* as e2_pool_is_changed_locked */
} e2_pool_content;
e2str_status e2_pool_content_take(const e2str_pool *pool, e2_pool_content *content, e2str_error *error);
void e2_pool_content_free(e2_pool_content *content);
bool e2_pool_content_is_gone(const e2_pool_content *content, uint64_t id);
size_t e2_pool_content_rows(const e2_pool_content *content); /* of its archive that count */
/* Makes examples of the rows, in front of the others: then `archive` is NULL. On failure nothing has changed. */
e2str_status e2_pool_content_load(const e2str_pool *pool, e2_pool_content *content, e2str_error *error);

/* ---- the pool file (docs/pool-format.md), apart from the public calls for tests and fuzzing ---- */

/* XXH64 over the file with the value of `checksum`, a u64 in it, taken as zero. */
uint64_t e2_pool_checksum(const e2_gguf *gguf, const e2_kv *checksum);

/* e2str_pool_load of an opened file. */
e2str_status e2_pool_from_gguf(const e2str_model *model, const e2_gguf *gguf, const e2str_pool_options *options,
                               e2str_pool **pool, e2str_error *error);

#endif
