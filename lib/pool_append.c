/* SPDX-License-Identifier: MIT */
/* Saving a pool that lies in an archive, or shall: appended to it, or written anew. */
#define _XOPEN_SOURCE 700 /* realpath */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive_write.h"
#include "pool_archive.h"
#include "pool_origin.h"

/* --------------------------------------------------------------------------------------------- the pool after it -- */

/* Room to note what is removed between the content and its saving. */
static bool reserve(e2str_pool *pool, size_t examples) {
    pthread_rwlock_wrlock(&pool->lock);
    bool room = e2_pool_reserve_gone_locked(pool, examples);
    if (room) pool->gone_reserved = examples;
    pthread_rwlock_unlock(&pool->lock);
    return room;
}

/* The list's examples that the archive has now, which begin it; their references are the content's, too. */
static void take_out_saved(e2str_pool *pool, const e2_pool_content *content) {
    size_t n = 0, width = pool->model->vision.width;
    for (; n < pool->count && pool->examples[n]->id < content->next_id; n++) {
        e2_example *example = pool->examples[n];
        if (example->projection) pool->projected -= example->projection->bytes;
        e2_projection_release(example->projection);
        example->projection = NULL;
        pool->bytes -= example->bytes;
        e2_example_release(example);
    }
    if (!n) return;
    pool->count -= n;
    memmove(pool->examples, pool->examples + n, pool->count * sizeof *pool->examples);
    memmove(pool->keys, pool->keys + n * width, pool->count * width * sizeof *pool->keys);
    e2_index_free(pool->index); /* of those that went; it grows again with what is added, if that is much */
    pool->index = NULL;
}

/* The content lies in `archive` from now on; what was changed meanwhile stays a change. Takes over the reference. */
static void settle(e2str_pool *pool, const e2_pool_content *content, e2_archive *archive) {
    pthread_rwlock_wrlock(&pool->lock);
    e2_archive *former = pool->archive;
    e2str_memory *archived = pool->archived_memory;
    e2_pool_forget_recent_locked(pool);
    pool->archive = archive;
    pool->archived_memory = e2_memory_retain(content->memory);
    pool->emptied = pool->clears != content->clears;
    pool->gone_reserved = 0;
    if (!pool->emptied) {
        size_t n = 0;
        for (size_t i = 0; i < pool->n_gone; i++)
            if (!e2_pool_content_is_gone(content, pool->gone[i])) pool->gone[n++] = pool->gone[i];
        pool->n_gone = n;
        for (size_t i = 0; i < content->count; i++)
            if (e2_pool_find_locked(pool, content->examples[i]->id) == pool->count)
                e2_pool_note_gone_locked(pool, content->examples[i]->id);
        take_out_saved(pool, content);
    }
    pthread_rwlock_unlock(&pool->lock);
    e2_memory_release(archived);
    e2_archive_release(former);
}

/* ----------------------------------------------------------------------------------------------------- appending -- */

/* The segments of the next state. */
typedef struct draft {
    const e2_archive *archive; /* whose rows count, or NULL */
    e2_archive_entry *entries; /* [n], and room for one more */
    uint8_t **removed;         /* [n]: bits of a segment, owned where more are removed; NULL: as they are */
    size_t n, kept;            /* segments; those that stay as they are, in front */
    e2_archive_item *items;    /* [n_items] of the new one */
    size_t n_items;
    e2_archive_directory directory;
} draft;

static e2str_status draft_new(const e2_pool_content *content, draft *d, e2str_error *error) {
    *d = (draft){.archive = content->archive, .n = content->archive ? (size_t)content->archive->directory.segments : 0};
    d->entries = e2_alloc(d->n + 1, sizeof *d->entries);
    d->removed = calloc(d->n + 1, sizeof *d->removed);
    if (!d->entries || !d->removed) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for saving a pool");
    for (size_t i = 0; i < d->n; i++) d->entries[i] = d->archive->segments[i].is;
    return E2STR_OK;
}

static void draft_free(draft *d) {
    for (size_t i = 0; d->removed && i < d->n; i++) free(d->removed[i]);
    free(d->removed);
    free(d->entries);
    free(d->items);
}

static e2str_status remove_row(draft *d, uint64_t id, e2str_error *error) {
    size_t row;
    bool found;
    e2str_status status = e2_archive_find(d->archive, id, &row, &found, error);
    if (status || !found) return status;
    const e2_segment *s = e2_archive_segment_of_row(d->archive, row);
    size_t i = (size_t)(s - d->archive->segments), bytes = (size_t)(s->is.rows + 7) / 8;
    if (!d->removed[i]) {
        d->removed[i] = calloc(bytes, 1);
        if (!d->removed[i]) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for saving a pool");
        if (s->removed) memcpy(d->removed[i], s->removed, bytes);
    }
    row -= s->first;
    d->removed[i][row / 8] |= (uint8_t)(1u << row % 8);
    d->entries[i].removed++;
    return E2STR_OK;
}

/* Adds the rows of segment i that are left. */
static void take_rows(draft *d, size_t i) {
    const e2_segment *s = &d->archive->segments[i];
    const uint8_t *removed = d->removed[i] ? d->removed[i] : s->removed;
    for (size_t row = 0; row < s->is.rows; row++)
        if (!removed || !(removed[row / 8] >> row % 8 & 1))
            d->items[d->n_items++] = (e2_archive_item){NULL, s->first + row};
}

/* What is removed, and which of the last segments the new examples are written together with. */
static e2str_status plan(const e2_pool_content *content, draft *d, e2str_error *error) {
    e2str_status status = E2STR_OK;
    for (size_t i = 0; !status && d->archive && i < content->n_gone; i++)
        status = remove_row(d, content->gone[i], error);
    if (status) return status;
    size_t folded = content->count ? e2_archive_fold(d->entries, d->n, content->count) : 0, room = content->count;
    d->kept = d->n - folded;
    for (size_t i = d->kept; i < d->n; i++) room += (size_t)(d->entries[i].rows - d->entries[i].removed);
    d->items = e2_alloc(room, sizeof *d->items);
    if (!d->items) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for saving a pool");
    for (size_t i = d->kept; i < d->n; i++) take_rows(d, i);
    for (size_t i = 0; i < content->count; i++)
        d->items[d->n_items++] = (e2_archive_item){.example = content->examples[i]};
    return E2STR_OK;
}

/* Writes the blocks of the next state. */
static e2str_status put_draft(const e2str_pool *pool, const e2_pool_content *content, draft *d, e2_archive_output *out,
                              e2_archive_root *root, e2str_error *error) {
    e2str_status status = E2STR_OK;
    e2_archive_entry fresh;
    d->directory = pool->archive->directory;
    d->directory.next_id = content->next_id;
    if (d->n_items)
        status = e2_archive_put_segment(out, pool->model, pool->archive->storage, d->archive, d->items, d->n_items,
                                        E2_TOKENS_STAY, &fresh, error);
    size_t n = 0;
    for (size_t i = 0; !status && i < d->kept; i++) {
        e2_archive_entry e = d->entries[i];
        size_t bytes = (size_t)(e.rows + 7) / 8;
        if (e.removed == e.rows) continue;
        if (d->removed[i]) {
            e.removed_at = e2_archive_put_block(out, d->removed[i], bytes);
            e.removed_checksum = e2_archive_hash(d->removed[i], bytes);
        }
        d->entries[n++] = e;
    }
    if (d->n_items) d->entries[n++] = fresh;
    d->directory.segments = n;
    if (!status && content->memory != pool->archived_memory)
        status = e2_archive_put_memory(out, content->memory, content->memory_last_id, &d->directory, error);
    if (status) return status;
    e2_archive_put_directory(out, &d->directory, d->entries, pool->archive->root.sequence + 1, root);
    return e2_archive_output_end(out);
}

static e2str_status put_at(void *user, uint64_t at, const void *data, size_t size, e2str_error *error) {
    return e2_archive_write_at(*(const int *)user, at, data, size, error);
}

/* Appends to the locked file. On failure what was written is cut off again, unless it may be the state by now. */
static e2str_status append_to(e2str_pool *pool, const e2_pool_content *content, int file, bool twins,
                              e2str_error *error) {
    const e2_archive_root *old = &pool->archive->root;
    e2_archive_output out = {.sink = put_at, .user = &file};
    e2_archive_root root;
    e2_archive *archive = NULL;
    draft d;
    bool doubtful = false;
    e2str_status status = draft_new(content, &d, error);
    if (!status) status = plan(content, &d, error);
    if (!status) status = e2_archive_output_begin(&out, old->length, error);
    if (!status) status = put_draft(pool, content, &d, &out, &root, error);
    if (!status && !twins) status = e2_archive_write_at(file, 2 * E2_ARCHIVE_ROOT, old, sizeof *old, error);
    if (!status) status = e2_archive_sync(file, error);
    if (!status)
        status = e2_archive_attach(pool->model, file, pool->archive->storage, &root, pool->mapped, &archive, error);
    if (!status && !reserve(pool, content->count))
        status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for saving a pool");
    if (!status) status = e2_archive_commit(file, &root, &doubtful, error);
    if (status && !doubtful) (void)!ftruncate(file, (off_t)old->length);
    if (status && doubtful) status = e2_within(error, status, "whether the change is in place is not known");
    if (status)
        e2_archive_release(archive);
    else
        settle(pool, content, archive);
    e2_archive_output_free(&out);
    draft_free(&d);
    return status;
}

/* The caller holds the file locked. */
static e2str_status append_locked(e2str_pool *pool, const e2_pool_content *content, int file, e2str_error *error) {
    e2str_storage storage;
    e2_archive_root root;
    bool twins;
    struct stat about;
    bool same;
    e2str_status status = e2_pool_is_same_archive(pool->archive, file, &same, error);
    if (!status && !same) status = e2_pool_conflict(pool->origin.path, error);
    if (!status) status = e2_archive_read_root(pool->model, file, &storage, &root, &twins, error);
    if (status) return status;
    /* What a killed writer left behind the end. */
    if (!fstat(file, &about) && (uint64_t)about.st_size > root.length) (void)!ftruncate(file, (off_t)root.length);
    return append_to(pool, content, file, twins, error);
}

e2str_status e2_pool_append(e2str_pool *pool, e2str_error *error) {
    e2_pool_content content;
    const char *path = pool->origin.path;
    e2str_status status = e2_pool_content_take(pool, &content, error);
    if (status) return status;
    int file = -1;
    status = e2_archive_lock(path, &file, error);
    bool missing = !status && file < 0;
    if (file >= 0) {
        if (content.changed) status = append_locked(pool, &content, file, error);
        e2_archive_unlock(file);
        close(file);
    }
    if (status && status != E2STR_ERROR_CONFLICT) status = e2_within(error, status, path);
    e2_pool_content_free(&content);
    return missing ? e2_pool_rewrite(pool, path, false, false, error) : status;
}

/* ------------------------------------------------------------------------------------------------- a new archive -- */

#define SEGMENT ((size_t)1 << 20) /* most rows of one: what is held of them while it is written is 100 MB */

static e2str_status put_next(void *user, uint64_t at, const void *data, size_t size, e2str_error *error) {
    (void)at; /* one after the other */
    return e2_atomic_write(user, data, size, error);
}

/* Writes up to SEGMENT rows and examples that count, from position *at of the content on. */
static e2str_status put_some(const e2str_pool *pool, const e2_pool_content *content, size_t *at, e2_archive_item *items,
                             e2_token_fate fate, e2_archive_output *out, e2_archive_entry *entry, e2str_error *error) {
    const e2_archive *archive = content->archive;
    size_t rows = archive ? archive->rows : 0, n = 0;
    e2str_status status = E2STR_OK;
    for (; !status && n < SEGMENT && *at < rows + content->count; ++*at) {
        items[n] = (e2_archive_item){.row = *at};
        if (*at >= rows) {
            items[n++].example = content->examples[*at - rows];
            continue;
        }
        const e2_segment *s = e2_archive_segment_of_row(archive, *at);
        e2_archive_row row;
        if (e2_archive_is_removed(s, *at - s->first)) continue;
        if (content->n_gone) status = e2_archive_row_at(archive, *at, &row, error);
        if (!status && !(content->n_gone && e2_pool_content_is_gone(content, row.id))) n++;
    }
    entry->rows = 0;
    if (status || !n) return status;
    return e2_archive_put_segment(out, pool->model, pool->storage, archive, items, n, fate, entry, error);
}

static e2str_status put_all(const e2str_pool *pool, const e2_pool_content *content, e2_token_fate fate,
                            uint64_t sequence, e2_archive_output *out, e2_archive_root *root, e2str_error *error) {
    static const uint8_t zeros[E2_ARCHIVE_BLOCKS]; /* header and roots, put in at the end */
    size_t total = (content->archive ? content->archive->rows : 0) + content->count, at = 0;
    e2_archive_item *items = e2_alloc(total < SEGMENT ? total : SEGMENT, sizeof *items);
    e2_archive_entry *entries = e2_alloc(total / SEGMENT + 1, sizeof *entries);
    e2_archive_directory directory = {.next_id = content->next_id};
    e2str_status status = E2STR_OK;
    if (!items || !entries) status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for saving a pool");
    if (!status) e2_archive_put(out, zeros, sizeof zeros);
    while (!status && at < total) {
        status = put_some(pool, content, &at, items, fate, out, &entries[directory.segments], error);
        directory.segments += !status && entries[directory.segments].rows;
    }
    if (!status) status = e2_archive_put_memory(out, content->memory, content->memory_last_id, &directory, error);
    if (!status) e2_archive_put_directory(out, &directory, entries, sequence, root);
    if (!status) status = e2_archive_output_end(out);
    free(items);
    free(entries);
    return status;
}

static e2str_status patch(e2_atomic_file *file, const e2str_pool *pool, const e2_archive_root *root,
                          e2str_error *error) {
    e2_archive_header header = e2_archive_header_of(pool->model, pool->storage);
    e2str_status status = e2_atomic_patch(file, 0, &header, sizeof header, error);
    if (!status) status = e2_atomic_patch(file, E2_ARCHIVE_ROOT, root, sizeof *root, error);
    return status ? status : e2_atomic_patch(file, 2 * E2_ARCHIVE_ROOT, root, sizeof *root, error);
}

/* Writes it, and opens what was written before it takes the path: behind that nothing can fail that matters. */
static e2str_status write_archive(const e2str_pool *pool, const e2_pool_content *content, e2_token_fate fate,
                                  e2_atomic_file *file, e2_archive **archive, e2str_error *error) {
    e2_archive_output out = {.sink = put_next, .user = file};
    e2_archive_root root;
    uint64_t sequence = pool->archive ? pool->archive->root.sequence + 1 : 1;
    e2str_status status = e2_archive_output_begin(&out, 0, error);
    if (!status) status = put_all(pool, content, fate, sequence, &out, &root, error);
    if (!status) status = patch(file, pool, &root, error);
    if (!status)
        status = e2_archive_attach(pool->model, file->file, pool->storage, &root, pool->mapped, archive, error);
    e2_archive_output_free(&out);
    return status;
}

e2str_status e2_pool_rewrite(e2str_pool *pool, const char *path, bool without_tokens, bool check, e2str_error *error) {
    e2_pool_content content;
    e2_atomic_file file;
    e2_archive *archive = NULL;
    char *name = NULL, *resolved = NULL;
    bool replaced = false;
    e2str_status status = e2_pool_content_take(pool, &content, error);
    if (status) return e2_within(error, status, path);
    status = e2_atomic_begin(path, &file, error);
    if (!status) {
        status = write_archive(pool, &content, without_tokens ? E2_TOKENS_DROPPED : E2_TOKENS_COPIED, &file, &archive,
                               error);
        if (!status) status = e2_atomic_lock(&file, error);
        if (!status && check) status = e2_pool_check_origin(pool, &file, error);
        name = strdup(file.resolved);
        if (!status && !(name && reserve(pool, content.count)))
            status = e2_fail(error, E2STR_ERROR_MEMORY, "%s: out of memory for saving a pool", path);
        if (status)
            e2_atomic_abandon(&file);
        else
            status = e2_atomic_commit(&file, &replaced, error);
    }
    if (replaced) {
        resolved = realpath(path, NULL); /* of a new one */
        free(pool->origin.path);         /* which may be `path` */
        pool->origin = (e2_pool_origin){.path = resolved ? resolved : name};
        e2_archive_unlock(archive->file);
        settle(pool, &content, archive);
    } else {
        e2_archive_release(archive);
    }
    if (!replaced || resolved) free(name);
    e2_pool_content_free(&content);
    return status;
}

static const e2str_archive_options default_options = {.size = sizeof default_options};

void e2str_archive_options_init_size(e2str_archive_options *options, size_t size) {
    e2_options_init(options, size, &default_options);
}

e2str_status e2str_pool_save_archive(e2str_pool *pool, const char *path, const e2str_archive_options *given,
                                     e2str_error *error) {
    if (!pool || !path) return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", pool ? "path" : "pool");
    e2str_archive_options options = default_options;
    e2str_status status = e2_options_read(&options, given, "e2str_archive_options", error);
    if (status) return status;
    if (options.without_tokens > 1)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "without_tokens is %u; 0 or 1", options.without_tokens);
    pthread_mutex_lock(&pool->saving);
    status = e2_pool_rewrite(pool, path, options.without_tokens, true, error);
    pthread_mutex_unlock(&pool->saving);
    return status;
}
