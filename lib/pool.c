/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "large.h"

static const e2str_pool_options default_options = {.size = sizeof default_options,
                                                   .storage = E2STR_STORE_F16,
                                                   .cache_bytes = (uint64_t)64 << 20,
                                                   .index_from = E2STR_INDEX_FROM};

void e2str_pool_options_init_size(e2str_pool_options *options, size_t size) {
    e2_options_init(options, size, &default_options);
}

e2str_status e2str_pool_new(const e2str_model *model, const e2str_pool_options *options, e2str_pool **pool,
                            e2str_error *error) {
    if (!pool) return e2_fail(error, E2STR_ERROR_ARGUMENT, "pool is NULL");
    *pool = NULL;
    if (!model) return e2_fail(error, E2STR_ERROR_ARGUMENT, "model is NULL");
    e2str_pool_options read = default_options;
    e2str_status status = e2_options_read(&read, options, "e2str_pool_options", error);
    if (status) return status;
    if (read.storage != E2STR_STORE_F16 && read.storage != E2STR_STORE_F32)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "storage is %d; E2STR_STORE_F16 or E2STR_STORE_F32",
                       (int)read.storage);
    if (read.unmapped > 1)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "unmapped is %" PRIu64 "; 0 or 1", read.unmapped);
    e2str_pool *fresh = malloc(sizeof *fresh);
    if (!fresh) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a pool");
    *fresh = (e2str_pool){.model = model,
                          .max_bytes = read.max_bytes,
                          .cache_bytes = read.cache_bytes,
                          .storage = read.storage,
                          .mapped = !read.unmapped,
                          .index_from = read.index_from,
                          .next_id = 1};
    bool lock = pthread_rwlock_init(&fresh->lock, NULL) == 0;
    if (!lock || pthread_mutex_init(&fresh->saving, NULL) != 0) {
        if (lock) pthread_rwlock_destroy(&fresh->lock);
        free(fresh);
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a pool's locks");
    }
    *pool = fresh;
    return E2STR_OK;
}

size_t e2_pool_find_locked(const e2str_pool *pool, uint64_t id) {
    size_t low = 0, high = pool->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pool->examples[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < pool->count && pool->examples[low]->id == id ? low : pool->count;
}

/* ---- the cache of projections: filled by reads, dropped when examples need the room ---- */

bool e2_pool_fits_locked(const e2str_pool *pool, uint64_t bytes) {
    if (pool->projected > pool->cache_bytes || bytes > pool->cache_bytes - pool->projected) return false;
    if (!pool->max_bytes) return true;
    uint64_t used = pool->bytes + pool->projected;
    return used <= pool->max_bytes && bytes <= pool->max_bytes - used;
}

e2_projection *e2_pool_projection_new(const e2str_pool *pool, size_t values) {
    size_t bytes;
    if (!e2_mul(values, sizeof(float), &bytes) || !e2_add(bytes, sizeof(e2_projection), &bytes)) return NULL;
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    bool room = e2_pool_fits_locked(pool, bytes);
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return room ? e2_projection_new(values) : NULL;
}

void e2_pool_keep(const e2str_pool *pool, e2_example *example, e2_projection *projection) {
    e2str_pool *cache = (e2str_pool *)pool; /* the cache is no part of a pool's value */
    pthread_rwlock_wrlock(&cache->lock);
    size_t at = e2_pool_find_locked(pool, example->id);
    bool here = at < pool->count ? pool->examples[at] == example : e2_pool_recent_locked(pool, example->id) == example;
    if (here && !example->projection && e2_pool_fits_locked(pool, projection->bytes)) {
        example->projection = projection;
        cache->projected += projection->bytes;
        projection = NULL;
    }
    pthread_rwlock_unlock(&cache->lock);
    e2_projection_release(projection);
}

/* Lets go of an example's projection; the caller holds the lock. */
static void drop_projection(e2str_pool *pool, e2_example *example) {
    e2_projection *projection = example->projection;
    if (!projection) return;
    example->projection = NULL;
    pool->projected -= projection->bytes;
    e2_projection_release(projection);
}

/* ---- the list ---- */

/* Room for one more; the caller holds the lock. */
static bool grow(e2str_pool *pool) {
    if (pool->count < pool->capacity) return true;
    size_t capacity, bytes, key_bytes, row = pool->model->vision.width * sizeof(float);
    if (!e2_mul(pool->capacity ? pool->capacity : 8, 2, &capacity) ||
        !e2_mul(capacity, sizeof *pool->examples, &bytes) || !e2_mul(capacity, row, &key_bytes))
        return false;
    e2_example **examples = realloc(pool->examples, bytes);
    if (!examples) return false;
    pool->examples = examples;
    float *keys = e2_large_grow(pool->keys, pool->count * row, key_bytes);
    if (!keys) return false;
    pool->keys = keys;
    pool->capacity = capacity;
    return true;
}

/* Indexes keys that are not yet in the index, the next one (in its place already) included: four with each example, so
 * that none takes long, and all are in it when the index is asked. What the index holds depends on the keys only. The
 * caller holds the lock. */
static bool index_more(e2str_pool *pool) {
    size_t width = pool->model->vision.width;
    if (pool->count < pool->index_from / 2 || pool->index_from == UINT64_MAX || width > E2_INDEX_MAX_WIDTH) return true;
    if (!pool->index && !(pool->index = e2_index_new(width, pool->model->memory.key_mean))) return false;
    size_t begin = e2_index_count(pool->index), left = pool->count + 1 - begin;
    return e2_index_append(pool->index, pool->keys + begin * width, left < 4 ? left : 4, NULL);
}

static e2str_status insert_locked(e2str_pool *pool, e2_example *example, e2str_error *error) {
    if (example->storage != pool->storage) return E2STR_ERROR_MISMATCH;
    if (pool->max_bytes && (pool->bytes > pool->max_bytes || example->bytes > pool->max_bytes - pool->bytes))
        return e2_fail(error, E2STR_ERROR_FULL,
                       "the pool is full: it holds %" PRIu64 " of at most %" PRIu64
                       " bytes, the example needs %" PRIu64,
                       pool->bytes, pool->max_bytes, example->bytes);
    if (pool->max_bytes && pool->projected > pool->max_bytes - pool->bytes - example->bytes)
        e2_pool_forget_recent_locked(pool);
    for (size_t i = 0; pool->max_bytes && i < pool->count; i++) { /* examples go before what is only cached */
        if (pool->projected <= pool->max_bytes - pool->bytes - example->bytes) break;
        drop_projection(pool, pool->examples[i]);
    }
    if (!example->id && pool->next_id == UINT64_MAX) return e2_fail(error, E2STR_ERROR_LIMIT, "the pool is out of ids");
    if (!grow(pool)) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the pool's list");
    size_t width = pool->model->vision.width;
    memcpy(pool->keys + pool->count * width, example->key, width * sizeof(float));
    if (!index_more(pool)) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the pool's index");
    if (!example->id) example->id = pool->next_id++;
    pool->examples[pool->count++] = example;
    pool->bytes += example->bytes;
    return E2STR_OK;
}

e2str_status e2_pool_insert(e2str_pool *pool, e2_example *example, uint64_t *id, e2str_error *error) {
    pthread_rwlock_wrlock(&pool->lock);
    e2str_status status = insert_locked(pool, example, error);
    if (!status && id) *id = example->id;
    pthread_rwlock_unlock(&pool->lock);
    return status;
}

e2str_status e2_pool_not_found(uint64_t id, e2str_error *error) {
    return e2_fail(error, E2STR_ERROR_NOT_FOUND, "no example with id %" PRIu64 " is in the pool", id);
}

/* ---- memory ---- */

e2str_memory *e2_pool_memory(const e2str_pool *pool) {
    if (!pool) return NULL;
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    e2str_memory *memory = e2_memory_retain(pool->memory);
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return memory;
}

/* The caller holds the lock and gets the former memory's reference. */
static e2str_memory *exchange_memory(e2str_pool *pool, e2str_memory *memory, uint64_t last_id) {
    e2str_memory *former = pool->memory;
    pool->memory = memory;
    pool->memory_last_id = last_id;
    return former;
}

/* Whether all examples that a memory was learnt from, or that learning left out, are still there; the caller holds the
 * lock. */
static bool still_there(const e2str_pool *pool, const e2str_memory *memory) {
    for (uint32_t i = 0; memory && i < memory->counts.verdicts; i++)
        if (!e2_pool_has_locked(pool, memory->verdicts[i].example)) return false;
    return true;
}

void e2_pool_remember(e2str_pool *pool, e2str_memory *memory, uint64_t last_id) {
    pthread_rwlock_wrlock(&pool->lock);
    e2str_memory *gone = still_there(pool, memory) ? exchange_memory(pool, memory, last_id) : memory;
    pthread_rwlock_unlock(&pool->lock);
    e2_memory_release(gone);
}

void e2str_pool_forget(e2str_pool *pool) {
    if (pool) e2_pool_remember(pool, NULL, 0);
}

e2str_status e2str_pool_memory(const e2str_pool *pool, e2str_memory **memory, e2str_error *error) {
    if (!memory) return e2_fail(error, E2STR_ERROR_ARGUMENT, "memory is NULL");
    *memory = NULL;
    if (!pool) return e2_fail(error, E2STR_ERROR_ARGUMENT, "pool is NULL");
    *memory = e2_pool_memory(pool);
    return *memory ? E2STR_OK : e2_fail(error, E2STR_ERROR_NOT_FOUND, "the pool has learnt nothing");
}

e2str_status e2str_pool_report(const e2str_pool *pool, e2str_memory_report *report, e2str_error *error) {
    if (!pool || !report) return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", pool ? "report" : "pool");
    e2str_memory *memory;
    e2str_status status = e2str_pool_memory(pool, &memory, error);
    if (status) return status;
    status = e2_answer_write(report, &memory->report, "e2str_memory_report", error);
    e2_memory_release(memory);
    return status;
}

static const e2_memory_verdict *find_verdict(const e2str_memory *memory, uint64_t id) {
    size_t low = 0, high = memory ? memory->counts.verdicts : 0, n = high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memory->verdicts[middle].example < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && memory->verdicts[low].example == id ? &memory->verdicts[low] : NULL;
}

e2str_status e2str_pool_doubt(const e2str_pool *pool, uint64_t id, float *doubt, e2str_error *error) {
    if (!pool || !doubt) return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", pool ? "doubt" : "pool");
    e2str_memory *memory = e2_pool_memory(pool);
    const e2_memory_verdict *verdict = find_verdict(memory, id);
    if (verdict) *doubt = verdict->doubt;
    e2_memory_release(memory);
    return verdict ? E2STR_OK
                   : e2_fail(error, E2STR_ERROR_NOT_FOUND, "nothing was learnt about an example with id %" PRIu64, id);
}

uint64_t e2str_memory_bytes(const e2str_memory *memory) { return memory ? memory->bytes : 0; }
void e2str_memory_free(e2str_memory *memory) { e2_memory_release(memory); }

/* Takes an example out of the list; the caller holds the lock and gets the pool's reference. */
static e2_example *take_out(e2str_pool *pool, size_t at) {
    e2_example *example = pool->examples[at];
    size_t width = pool->model->vision.width, after = pool->count - at - 1;
    float *row = pool->keys + at * width;
    drop_projection(pool, example);
    memmove(pool->examples + at, pool->examples + at + 1, after * sizeof *pool->examples);
    memmove(row, row + width, after * width * sizeof *row);
    if (at < e2_index_count(pool->index)) e2_index_remove(pool->index, at);
    pool->count--;
    pool->bytes -= example->bytes;
    return example;
}

e2str_status e2str_pool_remove(e2str_pool *pool, uint64_t id, e2str_error *error) {
    if (!pool) return e2_fail(error, E2STR_ERROR_ARGUMENT, "pool is NULL");
    pthread_rwlock_wrlock(&pool->lock);
    size_t at = e2_pool_find_locked(pool, id);
    e2_example *example = at < pool->count ? take_out(pool, at) : NULL;
    e2str_status status = example ? E2STR_OK : e2_pool_remove_row_locked(pool, id, error);
    bool learnt = !status && id <= pool->memory_last_id;
    e2str_memory *gone = learnt ? exchange_memory(pool, NULL, 0) : NULL;
    pthread_rwlock_unlock(&pool->lock);
    e2_memory_release(gone);
    e2_example_release(example);
    return status;
}

void e2str_pool_clear(e2str_pool *pool) {
    if (!pool) return;
    pthread_rwlock_wrlock(&pool->lock);
    e2_example **examples = pool->examples;
    float *keys = pool->keys;
    e2_index *index = pool->index;
    size_t count = pool->count;
    for (size_t i = 0; i < count; i++) drop_projection(pool, examples[i]);
    pool->examples = NULL;
    pool->keys = NULL;
    pool->index = NULL;
    pool->count = pool->capacity = 0;
    pool->bytes = 0;
    pool->n_gone = 0;
    pool->emptied = pool->archive != NULL;
    pool->clears++;
    e2_pool_forget_recent_locked(pool);
    e2str_memory *gone = exchange_memory(pool, NULL, 0);
    pthread_rwlock_unlock(&pool->lock);
    e2_memory_release(gone);
    for (size_t i = 0; i < count; i++) e2_example_release(examples[i]);
    free(examples);
    free(keys);
    e2_index_free(index);
}

void e2str_pool_free(e2str_pool *pool) {
    if (!pool) return;
    e2str_pool_clear(pool);
    pthread_rwlock_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->saving);
    free(pool->origin.path);
    e2_archive_release(pool->archive);
    e2_memory_release(pool->archived_memory);
    free(pool->gone);
    free(pool->recent);
    free(pool);
}

size_t e2str_pool_count(const e2str_pool *pool) {
    if (!pool) return 0;
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    size_t count = e2_pool_count_locked(pool);
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return count;
}

uint64_t e2str_pool_bytes(const e2str_pool *pool) {
    if (!pool) return 0;
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    uint64_t bytes = pool->bytes;
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return bytes;
}

uint64_t e2_pool_example_bytes(const e2str_pool *pool, uint64_t id) {
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    size_t at = e2_pool_find_locked(pool, id);
    uint64_t bytes = at < pool->count ? pool->examples[at]->bytes : 0;
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return bytes;
}
