/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* flock */
#include "archive_write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hash.h"
#include "memory_file.h"

/* -------------------------------------------------------------------------------------------------------- output -- */

#define BUFFER ((size_t)256 << 10)

e2str_status e2_archive_output_begin(e2_archive_output *out, uint64_t from, e2str_error *error) {
    out->at = from;
    out->used = 0;
    out->status = E2STR_OK;
    out->error = error;
    out->buffer = e2_alloc(BUFFER, 1);
    return out->buffer ? E2STR_OK : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for writing");
}

void e2_archive_output_free(e2_archive_output *out) {
    free(out->buffer);
    out->buffer = NULL;
}

static void flush(e2_archive_output *out) {
    if (!out->status && out->used)
        out->status = out->sink(out->user, out->at - out->used, out->buffer, out->used, out->error);
    out->used = 0;
}

e2str_status e2_archive_output_end(e2_archive_output *out) {
    flush(out);
    return out->status;
}

void e2_archive_put(e2_archive_output *out, const void *data, size_t size) {
    const uint8_t *bytes = data;
    while (size) {
        size_t room = BUFFER - out->used, n = size < room ? size : room;
        memcpy(out->buffer + out->used, bytes, n);
        out->used += n;
        out->at += n;
        bytes += n;
        size -= n;
        if (out->used == BUFFER) flush(out);
    }
}

/* The next position at which a block may begin. */
static uint64_t aligned(uint64_t at) {
    uint64_t behind = at % E2_ARCHIVE_ALIGNMENT;
    return behind ? at + (E2_ARCHIVE_ALIGNMENT - behind) : at;
}

static uint64_t align(e2_archive_output *out) {
    static const uint8_t zeros[E2_ARCHIVE_ALIGNMENT];
    e2_archive_put(out, zeros, (size_t)(aligned(out->at) - out->at));
    return out->at;
}

uint64_t e2_archive_put_block(e2_archive_output *out, const void *data, size_t size) {
    uint64_t at = align(out);
    e2_archive_put(out, data, size);
    return at;
}

/* ------------------------------------------------------------------------------------------------------ segments -- */

typedef struct segment {
    e2_archive_output *out;
    const e2str_model *model;
    e2str_storage storage;
    const e2_archive *archive;
    const e2_archive_item *items;
    size_t n;
    e2_token_fate fate;
    e2_archive_row *rows; /* [n] */
    uint64_t (*sums)[2];  /* [groups] */
    uint64_t *old_labels; /* [n]: where an archive's row has its label */
    float *key;           /* [width] */
    e2_index *codes;      /* of the keys so far; NULL: they are too wide */
    e2_archive_entry *entry;
    e2str_error *error;
} segment;

/* Writes an example's tokens, or says where they are. */
static e2str_status put_tokens(const segment *s, const e2_archive_item *item, e2_archive_row *row) {
    size_t value = s->storage == E2STR_STORE_F16 ? sizeof(uint16_t) : sizeof(float);
    size_t bytes = (size_t)row->tokens * s->model->vision.width * value;
    bool there = item->example || row->tokens_at;
    if (!there || s->fate == E2_TOKENS_DROPPED) {
        row->tokens_at = row->tokens_checksum = 0;
        s->entry->tokenless++;
        return E2STR_OK;
    }
    s->entry->token_bytes += bytes;
    if (!item->example && s->fate == E2_TOKENS_STAY) return E2STR_OK;
    const void *tokens = item->example ? item->example->tokens : NULL;
    void *owned = NULL;
    e2str_status status = E2STR_OK;
    if (!item->example) status = e2_archive_tokens(s->archive, row, &tokens, &owned, s->error);
    if (status) return status;
    row->tokens_checksum = e2_archive_hash(tokens, bytes);
    row->tokens_at = e2_archive_put_block(s->out, tokens, bytes);
    free(owned);
    return s->out->status;
}

/* The rows but for the places of their labels; their tokens are written. */
static e2str_status begin_rows(segment *s) {
    e2str_status status = E2STR_OK;
    for (size_t i = 0; !status && i < s->n; i++) {
        const e2_archive_item *item = &s->items[i];
        e2_archive_row *row = &s->rows[i];
        if (item->example)
            *row = (e2_archive_row){.id = item->example->id,
                                    .tokens = item->example->n_tokens,
                                    .label_size = (uint32_t)item->example->label_size};
        else
            status = e2_archive_row_at(s->archive, item->row, row, s->error);
        s->old_labels[i] = row->label_at;
        if (!status) status = put_tokens(s, item, row);
    }
    return status;
}

static e2str_status put_labels(segment *s) {
    char text[E2_ARCHIVE_LABEL];
    e2_hash hash;
    e2str_status status = E2STR_OK;
    for (size_t i = 0; !status && i < s->n; i++) {
        const e2_archive_item *item = &s->items[i];
        if (i % E2_ARCHIVE_GROUP == 0) {
            size_t left = s->n - i, rows = left < E2_ARCHIVE_GROUP ? left : E2_ARCHIVE_GROUP;
            e2_hash_begin(&hash);
            e2_hash_add(&hash, &s->rows[i], rows * sizeof *s->rows);
        }
        e2_archive_row old = s->rows[i];
        old.label_at = s->old_labels[i];
        if (!item->example) status = e2_archive_label(s->archive, &old, text, s->error);
        const char *label = item->example ? item->example->label : text;
        if (status) break;
        e2_hash_add(&hash, label, s->rows[i].label_size);
        e2_archive_put(s->out, label, s->rows[i].label_size);
        s->sums[i / E2_ARCHIVE_GROUP][E2_ARCHIVE_ROWS - 1] = e2_hash_end(&hash);
    }
    return status ? status : s->out->status;
}

/* Labels stand where the rows say, so those are known before they are written. */
static e2str_status put_rows(segment *s) {
    e2_archive_entry *e = s->entry;
    align(s->out);
    e->rows_at = s->out->at;
    uint64_t end = e->rows_at + s->n * sizeof *s->rows;
    e->labels_at = aligned(end);
    for (size_t i = 0; i < s->n; i++) {
        s->rows[i].label_at = e->labels_at + e->labels_size;
        e->labels_size += s->rows[i].label_size;
    }
    e2_archive_put(s->out, s->rows, s->n * sizeof *s->rows);
    align(s->out);
    return put_labels(s);
}

static e2str_status put_keys(segment *s) {
    size_t width = s->model->vision.width;
    e2_hash hash;
    s->entry->keys_at = align(s->out);
    for (size_t i = 0; i < s->n; i++) {
        const e2_archive_item *item = &s->items[i];
        e2str_status status = E2STR_OK;
        if (!item->example) status = e2_archive_key(s->archive, item->row, s->key, s->error);
        if (status) return status;
        const float *key = item->example ? item->example->key : s->key;
        if (i % E2_ARCHIVE_GROUP == 0) e2_hash_begin(&hash);
        e2_hash_add(&hash, key, width * sizeof *key);
        e2_archive_put(s->out, key, width * sizeof *key);
        if (s->codes && !e2_index_append(s->codes, key, 1, NULL))
            return e2_fail(s->error, E2STR_ERROR_MEMORY, "out of memory for the index of %zu examples", s->n);
        s->sums[i / E2_ARCHIVE_GROUP][E2_ARCHIVE_KEYS - 1] = e2_hash_end(&hash);
    }
    return s->out->status;
}

/* The codes, then a checksum for each group of them. */
static void put_codes(segment *s) {
    size_t bytes, group = e2_archive_code_bytes(s->model->vision.width, E2_ARCHIVE_GROUP);
    if (!s->codes) return;
    const uint8_t *codes = e2_index_codes(s->codes, &bytes);
    e2_hash hash;
    e2_hash_begin(&hash);
    s->entry->codes_at = e2_archive_put_block(s->out, codes, bytes);
    for (size_t at = 0; at < bytes; at += group) {
        uint64_t sum = e2_archive_hash(codes + at, bytes - at < group ? bytes - at : group);
        e2_archive_put(s->out, &sum, sizeof sum);
        e2_hash_add(&hash, &sum, sizeof sum);
    }
    s->entry->codes_checksum = e2_hash_end(&hash);
}

static e2str_status put_segment(segment *s) {
    e2_archive_entry *e = s->entry;
    size_t sums = e2_archive_groups(s->n) * sizeof *s->sums;
    e2str_status status = begin_rows(s);
    if (!status) status = put_rows(s);
    if (!status) status = put_keys(s);
    if (status) return status;
    put_codes(s);
    e->rows = s->n;
    e->first_id = s->rows[0].id;
    e->last_id = s->rows[s->n - 1].id;
    e->sums_at = e2_archive_put_block(s->out, s->sums, sums);
    e->sums_checksum = e2_archive_hash(s->sums, sums);
    return s->out->status;
}

e2str_status e2_archive_put_segment(e2_archive_output *out, const e2str_model *model, e2str_storage storage,
                                    const e2_archive *archive, const e2_archive_item *items, size_t n,
                                    e2_token_fate fate, e2_archive_entry *entry, e2str_error *error) {
    segment s = {.out = out,
                 .model = model,
                 .storage = storage,
                 .archive = archive,
                 .items = items,
                 .n = n,
                 .fate = fate,
                 .rows = e2_alloc(n, sizeof *s.rows),
                 .sums = calloc(e2_archive_groups(n), sizeof *s.sums),
                 .old_labels = e2_alloc(n, sizeof *s.old_labels),
                 .key = e2_alloc(model->vision.width, sizeof *s.key),
                 .entry = entry,
                 .error = error};
    *entry = (e2_archive_entry){0};
    bool coded = model->vision.width <= E2_INDEX_MAX_WIDTH;
    if (coded) s.codes = e2_index_new(model->vision.width, model->memory.key_mean);
    bool room = s.rows && s.sums && s.old_labels && s.key && (s.codes || !coded);
    e2str_status status =
        room ? put_segment(&s) : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for writing %zu examples", n);
    free(s.rows);
    free(s.sums);
    free(s.old_labels);
    free(s.key);
    e2_index_free(s.codes);
    return status;
}

/* -------------------------------------------------------------------------------------- memory, directory, roots -- */

typedef struct blob {
    e2_archive_output *out;
    e2_hash hash;
    uint64_t size;
} blob;

static e2str_status put_blob(void *user, const void *data, size_t size, e2str_error *error) {
    blob *b = user;
    (void)error;
    e2_hash_add(&b->hash, data, size);
    e2_archive_put(b->out, data, size);
    b->size += size;
    return b->out->status;
}

#define LENGTH(text) (sizeof(text) - 1)
#define ARCHITECTURE "e2str-pool-memory"

e2str_status e2_archive_put_memory(e2_archive_output *out, const e2str_memory *memory, uint64_t last_id,
                                   e2_archive_directory *directory, e2str_error *error) {
    blob b = {.out = out};
    directory->memory_at = directory->memory_size = directory->memory_checksum = directory->memory_last_id = 0;
    if (!memory) return out->status;
    e2_gguf_writer *writer = e2_gguf_writer_new();
    e2_hash_begin(&b.hash);
    directory->memory_at = align(out);
    e2_gguf_write_string(writer, "general.architecture", (e2_string){ARCHITECTURE, LENGTH(ARCHITECTURE)});
    if (writer) e2_memory_file_write_metadata(writer, memory, last_id);
    if (writer) e2_memory_file_write_tensors(writer, memory);
    e2str_status status = e2_gguf_writer_finish(writer, put_blob, &b, error);
    e2_gguf_writer_free(writer);
    directory->memory_size = b.size;
    directory->memory_checksum = e2_hash_end(&b.hash);
    directory->memory_last_id = last_id;
    return status;
}

void e2_archive_put_directory(e2_archive_output *out, const e2_archive_directory *directory,
                              const e2_archive_entry *entries, uint64_t sequence, e2_archive_root *root) {
    e2_hash hash;
    *root = (e2_archive_root){.sequence = sequence, .directory_at = align(out)};
    memcpy(root->magic, E2_ARCHIVE_ROOT_MAGIC, sizeof root->magic);
    e2_hash_begin(&hash);
    e2_hash_add(&hash, directory, sizeof *directory);
    e2_hash_add(&hash, entries, (size_t)directory->segments * sizeof *entries);
    e2_archive_put(out, directory, sizeof *directory);
    e2_archive_put(out, entries, (size_t)directory->segments * sizeof *entries);
    root->directory_size = out->at - root->directory_at;
    root->directory_checksum = e2_hash_end(&hash);
    root->length = out->at;
    root->checksum = e2_archive_hash(root, offsetof(e2_archive_root, checksum));
}

e2_archive_header e2_archive_header_of(const e2str_model *model, e2str_storage storage) {
    e2_archive_header header = {.version = E2_ARCHIVE_VERSION,
                                .width = model->vision.width,
                                .storage = (uint32_t)storage,
                                .group = E2_ARCHIVE_GROUP,
                                .model = e2str_model_checksum(model)};
    memcpy(header.magic, E2_ARCHIVE_MAGIC, sizeof header.magic);
    header.checksum = e2_archive_hash(&header, offsetof(e2_archive_header, checksum));
    return header;
}

/* ------------------------------------------------------------------------------------------------------- folding -- */

#define FAN_IN 16
#define TIERS  4

/* 0: less than 16 rows, 1: less than 256, ... */
static unsigned tier_of(uint64_t rows) {
    unsigned tier = 0;
    for (; tier < TIERS && rows >= FAN_IN; tier++) rows /= FAN_IN;
    return tier;
}

size_t e2_archive_fold(const e2_archive_entry *entries, size_t n, uint64_t rows) {
    size_t taken = 0;
    for (bool more = true; more;) {
        unsigned tier = tier_of(rows);
        size_t alike = 0;
        while (taken < n && tier_of(entries[n - 1 - taken].rows) < tier) {
            const e2_archive_entry *e = &entries[n - 1 - taken++];
            rows += e->rows - e->removed;
        }
        if (tier_of(rows) > tier) continue;
        while (taken + alike < n && alike < FAN_IN - 1 && tier_of(entries[n - 1 - taken - alike].rows) == tier) alike++;
        more = tier < TIERS && alike == FAN_IN - 1;
        for (; more && alike; alike--) {
            const e2_archive_entry *e = &entries[n - 1 - taken++];
            rows += e->rows - e->removed;
        }
    }
    return taken;
}

/* ------------------------------------------------------------------------------------------------------ the file -- */

#define LOCK_TRIES 200
#define LOCK_PAUSE 10000000 /* nanoseconds */

static e2str_status system_failed(e2str_error *error) {
    return e2_fail(error, e2_system_status(errno), "%s", strerror(errno));
}

/* Who held it may have put another in its place. */
static bool is_at(int file, const char *path) {
    struct stat here, there;
    return !fstat(file, &here) && !stat(path, &there) && here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

e2str_status e2_archive_lock(const char *path, int *file, e2str_error *error) {
    for (int attempt = 0; attempt < LOCK_TRIES; attempt++) {
        do *file = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        while (*file < 0 && errno == EINTR);
        if (*file < 0) return errno == ENOENT ? E2STR_OK : system_failed(error);
        int result;
        do result = flock(*file, LOCK_EX | LOCK_NB);
        while (result && errno == EINTR);
        bool taken = result && errno == EWOULDBLOCK; /* else it is held, or the file system has no locks */
        if (!taken && is_at(*file, path)) return E2STR_OK;
        close(*file);
        *file = -1;
        if (taken) nanosleep(&(struct timespec){0, LOCK_PAUSE}, NULL);
    }
    return e2_fail(error, E2STR_ERROR_CONFLICT, "%s: another process keeps it locked", path);
}

void e2_archive_unlock(int file) { (void)flock(file, LOCK_UN); }

e2str_status e2_archive_write_at(int file, uint64_t at, const void *data, size_t size, e2str_error *error) {
    const char *from = data;
    while (size) {
        ssize_t written = pwrite(file, from, size, (off_t)at);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return system_failed(error);
        from += written;
        at += (uint64_t)written;
        size -= (size_t)written;
    }
    return E2STR_OK;
}

e2str_status e2_archive_sync(int file, e2str_error *error) {
    int result;
    do result = fsync(file);
    while (result && errno == EINTR);
    return result ? system_failed(error) : E2STR_OK;
}

e2str_status e2_archive_commit(int file, const e2_archive_root *root, bool *doubtful, e2str_error *error) {
    *doubtful = true;
    e2str_status status = e2_archive_write_at(file, E2_ARCHIVE_ROOT, root, sizeof *root, error);
    if (!status) status = e2_archive_sync(file, error);
    if (status) return status;
    *doubtful = false; /* what becomes of the second does not matter: the next commit makes it whole first */
    (void)e2_archive_write_at(file, 2 * E2_ARCHIVE_ROOT, root, sizeof *root, NULL);
    return E2STR_OK;
}
