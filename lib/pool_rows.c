/* SPDX-License-Identifier: MIT */
/* The rows of an archive as examples of a pool: found, looked at, made whole where a read needs them, removed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

/* ------------------------------------------------------------------------------------------ which rows there are -- */

size_t e2_pool_count_locked(const e2str_pool *pool) {
    const e2_archive *rows = e2_pool_rows_locked(pool);
    return pool->count + (rows ? rows->rows - rows->removed - pool->n_gone : 0);
}

/* Where an id is in an ascending list, or would be. */
static size_t place_of(const uint64_t *ids, size_t n, uint64_t id) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_in(const uint64_t *ids, size_t n, uint64_t id) {
    size_t at = place_of(ids, n, id);
    return at < n && ids[at] == id;
}

bool e2_pool_is_gone_locked(const e2str_pool *pool, uint64_t id) { return is_in(pool->gone, pool->n_gone, id); }
bool e2_pool_content_is_gone(const e2_pool_content *content, uint64_t id) {
    return is_in(content->gone, content->n_gone, id);
}

/* The row of an id that counts; NOT_FOUND. */
static e2str_status find_row(const e2str_pool *pool, uint64_t id, size_t *row, e2str_error *error) {
    const e2_archive *rows = e2_pool_rows_locked(pool);
    bool found = false;
    e2str_status status = E2STR_OK;
    if (rows && !e2_pool_is_gone_locked(pool, id)) status = e2_archive_find(rows, id, row, &found, error);
    return status || found ? status : e2_pool_not_found(id, error);
}

bool e2_pool_has_locked(const e2str_pool *pool, uint64_t id) {
    size_t row;
    return e2_pool_find_locked(pool, id) < pool->count || !find_row(pool, id, &row, NULL);
}

/* ------------------------------------------------------------------------------------------------------ removing -- */

bool e2_pool_reserve_gone_locked(e2str_pool *pool, size_t more) {
    size_t needed, capacity, bytes;
    if (!e2_add(pool->n_gone, more, &needed) || !e2_add(needed, pool->gone_reserved, &needed)) return false;
    if (needed <= pool->gone_capacity) return true;
    if (!e2_mul(needed, 2, &capacity) || !e2_mul(capacity, sizeof *pool->gone, &bytes)) return false;
    uint64_t *gone = realloc(pool->gone, bytes);
    if (!gone) return false;
    pool->gone = gone;
    pool->gone_capacity = capacity;
    return true;
}

void e2_pool_note_gone_locked(e2str_pool *pool, uint64_t id) {
    size_t at = place_of(pool->gone, pool->n_gone, id);
    memmove(pool->gone + at + 1, pool->gone + at, (pool->n_gone - at) * sizeof *pool->gone);
    pool->gone[at] = id;
    pool->n_gone++;
}

e2str_status e2_pool_remove_row_locked(e2str_pool *pool, uint64_t id, e2str_error *error) {
    size_t row;
    e2str_status status = find_row(pool, id, &row, error);
    if (status) return status;
    if (!e2_pool_reserve_gone_locked(pool, 1))
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for removing an example");
    e2_pool_note_gone_locked(pool, id);
    return E2STR_OK;
}

/* -------------------------------------------------------------------------------------- examples that reads made -- */

static size_t slot_of(uint64_t id) { return (size_t)(id * 0x9E3779B97F4A7C15u >> 54); }
_Static_assert(E2_POOL_RECENT == 1 << 10, "slot_of gives 10 bits");

e2_example *e2_pool_recent_locked(const e2str_pool *pool, uint64_t id) {
    e2_example *example = pool->recent ? pool->recent[slot_of(id)] : NULL;
    return example && example->id == id ? example : NULL;
}

static void give_up(e2str_pool *pool, size_t slot) {
    e2_example *example = pool->recent[slot];
    if (!example) return;
    e2_projection *projection = example->projection;
    pool->recent[slot] = NULL;
    pool->projected -= example->bytes + (projection ? projection->bytes : 0);
    example->projection = NULL;
    e2_projection_release(projection);
    e2_example_release(example);
}

void e2_pool_forget_recent_locked(e2str_pool *pool) {
    for (size_t i = 0; pool->recent && i < E2_POOL_RECENT; i++) give_up(pool, i);
}

/* A quarter of the cache is left to projections. Takes over the caller's reference of an example that is kept, and
 * returns the one to use, which is the caller's again: it may be another that came before. */
static e2_example *keep_recent(e2str_pool *pool, e2_example *fresh) {
    size_t slot = slot_of(fresh->id);
    e2_example *other = e2_pool_recent_locked(pool, fresh->id);
    if (other) {
        e2_example_release(fresh);
        return e2_example_retain(other);
    }
    uint64_t most = pool->cache_bytes - pool->cache_bytes / 4;
    if (!pool->recent) pool->recent = calloc(E2_POOL_RECENT, sizeof *pool->recent);
    if (!pool->recent) return fresh;
    give_up(pool, slot);
    for (size_t i = 0; i < E2_POOL_RECENT && pool->projected && pool->projected + fresh->bytes > most; i++) {
        give_up(pool, pool->recent_turn);
        pool->recent_turn = (pool->recent_turn + 1) % E2_POOL_RECENT;
    }
    if (fresh->bytes > most || pool->projected > most - fresh->bytes || !e2_pool_fits_locked(pool, fresh->bytes))
        return fresh;
    pool->recent[slot] = e2_example_retain(fresh);
    pool->projected += fresh->bytes;
    return fresh;
}

/* ---------------------------------------------------------------------------------------------- rows to examples -- */

/* Of the archive's: after a refresh the pool may have another one, with other examples of the same ids. */
static e2_example *retain_recent(const e2str_pool *pool, const e2_archive *archive, uint64_t id,
                                 e2_projection **projection) {
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    e2_example *example = e2_pool_rows_locked(pool) == archive ? e2_pool_recent_locked(pool, id) : NULL;
    if (example) *projection = e2_projection_retain(e2_example_retain(example)->projection);
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return example;
}

e2str_status e2_pool_fetch_row(const e2str_pool *pool, e2_archive *archive, size_t row, uint64_t id,
                               e2_example **example, e2_projection **projection, e2str_error *error) {
    e2str_pool *cache = (e2str_pool *)pool; /* which is no part of a pool's value */
    *projection = NULL;
    *example = retain_recent(pool, archive, id, projection);
    if (*example) return E2STR_OK;
    e2str_status status = e2_archive_example(archive, row, true, example, error);
    if (status) return status;
    pthread_rwlock_wrlock(&cache->lock);
    if (e2_pool_rows_locked(cache) == archive) *example = keep_recent(cache, *example);
    *projection = e2_projection_retain((*example)->projection);
    pthread_rwlock_unlock(&cache->lock);
    return E2STR_OK;
}

e2str_status e2_pool_fetch(const e2str_pool *pool, uint64_t id, e2_example **example, e2_projection **projection,
                           e2str_error *error) {
    size_t row = 0;
    e2str_status status = E2STR_OK;
    *example = NULL;
    *projection = NULL;
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    size_t at = e2_pool_find_locked(pool, id);
    if (at < pool->count) {
        *example = e2_example_retain(pool->examples[at]);
        *projection = e2_projection_retain(pool->examples[at]->projection);
    } else {
        status = find_row(pool, id, &row, error);
    }
    e2_archive *archive = !status && !*example ? e2_archive_retain(e2_pool_rows_locked(pool)) : NULL;
    pthread_rwlock_unlock(e2_pool_lock(pool));
    if (archive) status = e2_pool_fetch_row(pool, archive, row, id, example, projection, error);
    e2_archive_release(archive);
    return status;
}

/* ----------------------------------------------------------------------------------------------- looking at them -- */

size_t e2str_pool_ids(const e2str_pool *pool, uint64_t *ids, size_t capacity) {
    if (!pool) return 0;
    size_t n = 0;
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    size_t count = e2_pool_count_locked(pool);
    const e2_archive *rows = e2_pool_rows_locked(pool);
    for (size_t i = 0; rows && i < rows->rows && ids && n < capacity; i++) {
        const e2_segment *s = e2_archive_segment_of_row(rows, i);
        e2_archive_row row;
        if (e2_archive_is_removed(s, i - s->first)) continue;
        bool known = !e2_archive_row_at(rows, i, &row, NULL);
        if (known && e2_pool_is_gone_locked(pool, row.id)) continue;
        ids[n++] = known ? row.id : 0;
    }
    for (size_t i = 0; ids && i < pool->count && n < capacity; i++) ids[n++] = pool->examples[i]->id;
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return count;
}

/* A label is cut between characters. */
static void copy_label(const char *from, size_t size, char *label, size_t capacity) {
    if (!capacity) return;
    if (size >= capacity) {
        size = capacity - 1;
        while (size && ((unsigned char)from[size] & 0xC0) == 0x80) size--;
    }
    memcpy(label, from, size);
    label[size] = 0;
}

static e2str_status label_of_row(const e2_archive *archive, size_t row, char *label, size_t capacity,
                                 size_t *label_size, e2str_error *error) {
    char text[E2_ARCHIVE_LABEL];
    e2_archive_row is;
    e2_label read;
    e2str_status status = e2_archive_row_at(archive, row, &is, error);
    if (!status) status = e2_archive_label(archive, &is, text, error);
    if (!status) status = e2_label_read(archive->model, text, is.label_size, &read, error);
    if (status) return e2_archive_fault(&is, status, error);
    e2_label_free(&read); /* it was a check */
    copy_label(text, is.label_size, label, capacity);
    if (label_size) *label_size = is.label_size;
    return E2STR_OK;
}

e2str_status e2str_pool_label(const e2str_pool *pool, uint64_t id, char *label, size_t capacity, size_t *label_size,
                              e2str_error *error) {
    if (label_size) *label_size = 0;
    if (!pool || (!label && capacity))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", !pool ? "pool" : "label");
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    size_t at = e2_pool_find_locked(pool, id), row;
    e2str_status status = E2STR_OK;
    if (at < pool->count) {
        const e2_example *example = pool->examples[at];
        copy_label(example->label, example->label_size, label, capacity);
        if (label_size) *label_size = example->label_size;
    } else {
        status = find_row(pool, id, &row, error);
        if (!status) status = label_of_row(e2_pool_rows_locked(pool), row, label, capacity, label_size, error);
    }
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return status;
}

e2str_status e2str_pool_key(const e2str_pool *pool, uint64_t id, float *key, e2str_error *error) {
    if (!pool || !key) return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", pool ? "key" : "pool");
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    size_t at = e2_pool_find_locked(pool, id), row;
    e2str_status status = E2STR_OK;
    if (at < pool->count) {
        memcpy(key, pool->examples[at]->key, pool->model->vision.width * sizeof *key);
    } else {
        status = find_row(pool, id, &row, error);
        if (!status) status = e2_archive_key(e2_pool_rows_locked(pool), row, key, error);
    }
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return status;
}

/* ---------------------------------------------------------------------------------------------------- one moment -- */

bool e2_pool_is_changed_locked(const e2str_pool *pool) {
    const e2_archive *rows = e2_pool_rows_locked(pool);
    return !rows || pool->n_gone || pool->count || pool->memory != pool->archived_memory ||
           pool->next_id != rows->directory.next_id;
}

e2str_status e2_pool_content_take(const e2str_pool *pool, e2_pool_content *content, e2str_error *error) {
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    *content = (e2_pool_content){.archive = e2_archive_retain(e2_pool_rows_locked(pool)),
                                 .gone = e2_alloc(pool->n_gone, sizeof *content->gone),
                                 .n_gone = pool->n_gone,
                                 .examples = e2_alloc(pool->count, sizeof *content->examples),
                                 .next_id = pool->next_id,
                                 .memory_last_id = pool->memory_last_id,
                                 .clears = pool->clears,
                                 .memory = e2_memory_retain(pool->memory)};
    content->changed = e2_pool_is_changed_locked(pool);
    if (content->gone && pool->n_gone) memcpy(content->gone, pool->gone, pool->n_gone * sizeof *content->gone);
    if (content->examples)
        for (; content->count < pool->count; content->count++)
            content->examples[content->count] = e2_example_retain(pool->examples[content->count]);
    pthread_rwlock_unlock(e2_pool_lock(pool));
    if (content->gone && content->examples) return E2STR_OK;
    e2_pool_content_free(content);
    return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the pool's list");
}

void e2_pool_content_free(e2_pool_content *content) {
    for (size_t i = 0; i < content->count; i++) e2_example_release(content->examples[i]);
    e2_archive_release(content->archive);
    e2_memory_release(content->memory);
    free(content->examples);
    free(content->gone);
    *content = (e2_pool_content){0};
}

size_t e2_pool_content_rows(const e2_pool_content *content) {
    const e2_archive *archive = content->archive;
    return archive ? archive->rows - archive->removed - content->n_gone : 0;
}

/* The rows that count, into examples [room]; *n of them are made. */
static e2str_status load_rows(const e2str_pool *pool, const e2_pool_content *content, e2_example **examples,
                              size_t room, size_t *n, e2str_error *error) {
    const e2_archive *archive = content->archive;
    e2str_status status = E2STR_OK;
    for (size_t i = 0; !status && i < archive->rows && *n < room; i++) {
        const e2_segment *s = e2_archive_segment_of_row(archive, i);
        e2_projection *projection = NULL;
        e2_archive_row row;
        if (e2_archive_is_removed(s, i - s->first)) continue;
        status = e2_archive_row_at(archive, i, &row, error);
        if (status || e2_pool_content_is_gone(content, row.id)) continue;
        examples[*n] = retain_recent(pool, archive, row.id, &projection);
        e2_projection_release(projection);
        if (!examples[*n]) status = e2_archive_example(archive, i, true, &examples[*n], error);
        if (!status) ++*n;
    }
    return status;
}

e2str_status e2_pool_content_load(const e2str_pool *pool, e2_pool_content *content, e2str_error *error) {
    if (!content->archive) return E2STR_OK;
    size_t rows = e2_pool_content_rows(content), room = rows + content->count, n = 0;
    e2_example **examples = e2_alloc(room, sizeof *examples);
    if (!examples) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the pool's list");
    e2str_status status = load_rows(pool, content, examples, rows, &n, error);
    if (status) {
        while (n) e2_example_release(examples[--n]);
        free(examples);
        return status;
    }
    if (content->count) memcpy(examples + n, content->examples, content->count * sizeof *examples);
    free(content->examples);
    content->examples = examples;
    content->count += n;
    e2_archive_release(content->archive);
    content->archive = NULL;
    return E2STR_OK;
}
