/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* realpath */
#include "pool_archive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory_file.h"
#include "pool_origin.h"

/* -------------------------------------------------------------------------------------------------------- memory -- */

static e2str_status memory_damaged(e2str_error *error) {
    return e2_fail(error, E2STR_ERROR_FORMAT, "the pool's memory: the file is damaged");
}

/* What the memory's reader asks of a pool: of the examples that the memory judged and of its last one, those that are
 * in the archive, with the sizes of their labels. */
typedef struct judged {
    uint64_t *ids;
    size_t *sizes, count;
} judged;

static e2str_status judge(const e2_archive *archive, uint64_t id, judged *j, e2str_error *error) {
    size_t row;
    bool found;
    e2_archive_row is;
    e2str_status status = e2_archive_find(archive, id, &row, &found, error);
    if (status || !found) return status;
    status = e2_archive_row_at(archive, row, &is, error);
    if (status) return status;
    j->ids[j->count] = id;
    j->sizes[j->count++] = is.label_size;
    return E2STR_OK;
}

static e2str_status find_judged(const e2_archive *archive, const e2_gguf *gguf, judged *j, e2str_error *error) {
    const e2_kv *list;
    uint64_t last_id, id, before = 0;
    e2str_status status = e2_gguf_array(gguf, E2_MEMORY_FILE_VERDICTS, E2_KV_U64, &list, error);
    if (!status) status = e2_gguf_u64(gguf, E2_MEMORY_FILE_LAST_ID, &last_id, error);
    if (status) return status;
    j->ids = e2_alloc(list->count + 1, sizeof *j->ids);
    j->sizes = e2_alloc(list->count + 1, sizeof *j->sizes);
    if (!j->ids || !j->sizes) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the pool's memory");
    for (size_t i = 0; !status && i < list->count; i++, before = id) {
        memcpy(&id, list->data + i * sizeof id, sizeof id);
        status = id > before ? judge(archive, id, j, error) : memory_damaged(error);
    }
    return status || last_id <= before ? status : judge(archive, last_id, j, error);
}

static e2str_status parse_memory(const e2_archive *archive, const uint8_t *data, e2str_memory **memory,
                                 uint64_t *last_id, e2str_error *error) {
    e2_gguf gguf;
    judged j = {0};
    e2str_status status = e2_gguf_open_memory(data, (size_t)archive->directory.memory_size, &gguf, error);
    if (status) return status;
    for (size_t i = 0; !status && i < gguf.n_kvs; i++)
        if (!e2_memory_file_key(gguf.kvs[i].key) && !e2_string_is(gguf.kvs[i].key, "general.architecture"))
            status = e2_fail(error, E2STR_ERROR_UNSUPPORTED, "unknown key %s", e2_show(gguf.kvs[i].key).text);
    for (size_t i = 0; !status && i < gguf.n_tensors; i++)
        if (!e2_memory_file_tensor(gguf.tensors[i].name))
            status = e2_fail(error, E2STR_ERROR_UNSUPPORTED, "unknown tensor %s", e2_show(gguf.tensors[i].name).text);
    if (!status) status = find_judged(archive, &gguf, &j, error);
    if (!status) status = e2_memory_file_read(&gguf, archive->model, j.ids, j.sizes, j.count, memory, last_id, error);
    free(j.ids);
    free(j.sizes);
    e2_gguf_close(&gguf);
    return status;
}

/* The archive's memory, or NULL. Copied before it is looked at, as all that has places in it. */
static e2str_status read_memory(const e2_archive *archive, e2str_memory **memory, uint64_t *last_id,
                                e2str_error *error) {
    const e2_archive_directory *d = &archive->directory;
    *memory = NULL;
    *last_id = 0;
    if (!d->memory_at) return E2STR_OK;
    uint8_t *data = e2_alloc((size_t)d->memory_size, 1);
    if (!data) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the pool's memory");
    e2str_status status = e2_archive_copy(archive, d->memory_at, data, (size_t)d->memory_size, error);
    if (!status && e2_archive_hash(data, (size_t)d->memory_size) != d->memory_checksum) status = memory_damaged(error);
    if (!status) status = parse_memory(archive, data, memory, last_id, error);
    if (!status && *last_id != d->memory_last_id) {
        status = memory_damaged(error);
        e2_memory_release(*memory);
        *memory = NULL;
    }
    free(data);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- loading -- */

/* Puts an archive with its memory in the place of what the pool has of the former one; takes over both references.
 * CONFLICT, and nothing is done: another thread has changed the pool, and that is not saved. */
static e2str_status attach(e2str_pool *pool, e2_archive *archive, e2str_memory *memory, uint64_t last_id,
                           e2str_error *error) {
    pthread_rwlock_wrlock(&pool->lock);
    if (pool->archive && e2_pool_is_changed_locked(pool)) {
        pthread_rwlock_unlock(&pool->lock);
        return e2_pool_conflict(pool->origin.path, error);
    }
    e2_archive *former = pool->archive;
    e2str_memory *gone = pool->memory, *archived = pool->archived_memory;
    e2_pool_forget_recent_locked(pool);
    pool->archive = archive;
    pool->storage = archive->storage;
    pool->emptied = false;
    pool->n_gone = 0;
    pool->next_id = archive->directory.next_id;
    pool->memory = memory;
    pool->archived_memory = e2_memory_retain(memory);
    pool->memory_last_id = last_id;
    pthread_rwlock_unlock(&pool->lock);
    e2_memory_release(gone);
    e2_memory_release(archived);
    e2_archive_release(former);
    return E2STR_OK;
}

e2str_status e2_pool_load_archive(const e2str_model *model, const char *path, const e2str_pool_options *options,
                                  e2str_pool **pool, e2str_error *error) {
    e2str_pool *fresh;
    e2_archive *archive = NULL;
    e2str_memory *memory = NULL;
    uint64_t last_id = 0;
    *pool = NULL;
    e2str_status status = e2str_pool_new(model, options, &fresh, error);
    if (status) return status;
    status = e2_archive_open(model, path, fresh->mapped, &archive, error);
    if (!status) status = read_memory(archive, &memory, &last_id, error);
    if (!status && !(fresh->origin.path = realpath(path, NULL)))
        status = e2_fail(error, e2_system_status(errno), "%s", strerror(errno));
    if (!status) status = attach(fresh, archive, memory, last_id, error);
    if (status) {
        e2_memory_release(memory);
        e2_archive_release(archive);
        e2str_pool_free(fresh);
        return e2_within(error, status, path);
    }
    *pool = fresh;
    return E2STR_OK;
}

/* The path of a file that is not there, its directory resolved; malloc'ed. NULL with errno: that is not there either,
 * or memory is out. */
static char *resolve_missing(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t size = (size_t)(name - path);
    char *directory = e2_alloc(size + 2, 1), *resolved = NULL, *whole = NULL;
    if (directory) {
        memcpy(directory, size ? path : ".", size ? size : 1);
        directory[size ? size : 1] = 0;
        resolved = realpath(directory, NULL);
    }
    if (resolved) {
        size = strcmp(resolved, "/") ? strlen(resolved) : 0;
        whole = e2_alloc(size + strlen(name) + 2, 1);
    }
    if (whole) {
        memcpy(whole, resolved, size);
        whole[size] = '/';
        strcpy(whole + size + 1, name);
    }
    int reason = errno;
    free(directory);
    free(resolved);
    errno = reason;
    return whole;
}

e2str_status e2_pool_lies_at(const e2str_pool *pool, const char *path, bool *lies, e2str_error *error) {
    *lies = false;
    if (!pool->archive) return E2STR_OK;
    char *resolved = realpath(path, NULL);
    if (!resolved && errno == ENOENT) resolved = resolve_missing(path); /* one that is gone has the name it had */
    if (!resolved && errno == ENOMEM) return e2_fail(error, E2STR_ERROR_MEMORY, "%s: out of memory", path);
    *lies = resolved && !strcmp(resolved, pool->origin.path);
    free(resolved);
    return E2STR_OK;
}

/* Whether the pool has what its archive has not. */
static bool has_changed(e2str_pool *pool) {
    pthread_rwlock_rdlock(&pool->lock);
    bool changed = e2_pool_is_changed_locked(pool);
    pthread_rwlock_unlock(&pool->lock);
    return changed;
}

e2str_status e2str_pool_refresh(e2str_pool *pool, e2str_error *error) {
    if (!pool) return e2_fail(error, E2STR_ERROR_ARGUMENT, "pool is NULL");
    e2_archive *archive = NULL;
    e2str_memory *memory = NULL;
    uint64_t last_id = 0;
    bool same = true;
    pthread_mutex_lock(&pool->saving);
    const char *path = pool->origin.path;
    e2str_status status = E2STR_OK;
    if (pool->archive) status = e2_archive_open(pool->model, path, pool->mapped, &archive, error);
    if (archive) status = e2_pool_is_same_state(pool->archive, archive, &same, error);
    if (status) status = e2_within(error, status, path);
    if (!status && !same) {
        if (has_changed(pool)) status = e2_pool_conflict(path, error);
        if (!status && (status = read_memory(archive, &memory, &last_id, error))) e2_within(error, status, path);
        if (!status) status = attach(pool, archive, memory, last_id, error);
    }
    if (status || same) {
        e2_memory_release(memory);
        e2_archive_release(archive);
    }
    pthread_mutex_unlock(&pool->saving);
    return status;
}

e2str_status e2str_pool_verify(const e2str_pool *pool, e2str_error *error) {
    if (!pool) return e2_fail(error, E2STR_ERROR_ARGUMENT, "pool is NULL");
    e2str_memory *memory = NULL;
    uint64_t last_id;
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    e2_archive *archive = e2_archive_retain(pool->archive);
    pthread_rwlock_unlock(e2_pool_lock(pool));
    if (!archive) return E2STR_OK; /* all of it was checked when it was loaded */
    e2str_status status = e2_archive_verify(archive, error);
    if (!status) status = read_memory(archive, &memory, &last_id, error);
    e2_memory_release(memory);
    e2_archive_release(archive);
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- info -- */

void e2str_pool_info_init_size(e2str_pool_info *info, size_t size) {
    e2_options_init(info, size, &(const e2str_pool_info){.size = sizeof *info});
}

/* Bytes that the state needs; of tokens in the share of rows that are there. */
static uint64_t used_bytes(const e2_archive *archive) {
    uint64_t used = E2_ARCHIVE_BLOCKS + archive->root.directory_size + archive->directory.memory_size;
    for (size_t i = 0; i < archive->directory.segments; i++) {
        const e2_archive_entry *e = &archive->segments[i].is;
        double share = (double)(e->rows - e->removed) / (double)e->rows;
        uint64_t keys = e->rows * archive->model->vision.width * sizeof(float);
        if (e->codes_at) keys += e2_archive_code_bytes(archive->model->vision.width, (size_t)e->rows);
        used += (uint64_t)(share * (double)(e->rows * sizeof(e2_archive_row) + e->labels_size + keys + e->token_bytes));
    }
    return used;
}

/* Rows of a segment that count for the archive and have no visual tokens. What cannot be read counts as having some. */
static uint64_t tokenless_rows(const e2_archive *archive, const e2_segment *s) {
    uint64_t n = s->is.tokenless;
    e2_archive_row row;
    if (n == s->is.rows) return n - s->is.removed;
    for (size_t i = 0; n && s->removed && i < s->is.rows; i++)
        if (e2_archive_is_removed(s, i) && !e2_archive_row_at(archive, s->first + i, &row, NULL)) n -= !row.tokens_at;
    return n;
}

/* Of these, those that the pool has not removed since. */
static uint64_t tokenless_locked(const e2str_pool *pool) {
    const e2_archive *rows = e2_pool_rows_locked(pool);
    uint64_t n = 0;
    for (size_t i = 0; rows && i < rows->directory.segments; i++) n += tokenless_rows(rows, &rows->segments[i]);
    for (size_t i = 0; n && i < pool->n_gone; i++) {
        size_t at;
        bool found;
        e2_archive_row row;
        if (!e2_archive_find(rows, pool->gone[i], &at, &found, NULL) && found &&
            !e2_archive_row_at(rows, at, &row, NULL))
            n -= !row.tokens_at;
    }
    return n;
}

e2str_status e2str_pool_get_info(const e2str_pool *pool, e2str_pool_info *info, e2str_error *error) {
    if (!pool || !info) return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", pool ? "info" : "pool");
    e2str_pool_info known = {.size = sizeof known};
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    const e2_archive *archive = pool->archive;
    known.examples = e2_pool_count_locked(pool);
    known.added = pool->count;
    known.storage = pool->storage;
    if (archive) {
        uint64_t used = used_bytes(archive);
        known.archive = 1;
        known.mapped = archive->map != NULL;
        known.segments = archive->directory.segments;
        known.file_bytes = archive->root.length;
        known.unused_bytes = archive->root.length > used ? archive->root.length - used : 0;
        known.without_tokens = tokenless_locked(pool);
    }
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return e2_answer_write(info, &known, "e2str_pool_info", error);
}
