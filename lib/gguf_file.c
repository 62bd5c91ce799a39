/* SPDX-License-Identifier: MIT */
/* GGUF from a file. Nothing is mapped: whoever cuts or overwrites the file can make reading fail, and no more.
 *
 * `data` is address space as large as the file, of which the file's bytes fill what was asked for: the metadata while
 * they are parsed, each byte read once; then, if asked for, the rest. Tensors that are fetched one by one go through a
 * buffer. So a model is never in memory twice. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gguf.h"
#include "hash.h"

#define CHUNK        ((size_t)256 << 10)
#define MAX_METADATA ((size_t)256 << 20)
#define MAX_PADDING  64 /* between tensors, where they are hashed as they are fetched */

struct e2_gguf_source {
    int file;
    struct stat opened;
    size_t loaded;   /* of the file's beginning */
    uint8_t *buffer; /* the data of the tensor that was fetched last, MAX_PADDING into it; as large as the largest */
    e2_hash hash;    /* of the file up to `hashed`; not begun while that is 0 */
    size_t hashed;
    e2str_status status;
    e2str_error error; /* what stopped the parser */
};

/* ------------------------------------------------------------------------------------------------------ reading -- */

static e2str_status read_range(const struct e2_gguf_source *source, size_t offset, void *to, size_t size,
                               e2str_error *error) {
    for (char *at = to; size;) {
        ssize_t got = pread(source->file, at, size, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return e2_fail(error, e2_system_status(errno), "cannot be read: %s", strerror(errno));
        if (got == 0) return e2_fail(error, E2STR_ERROR_IO, "became shorter while it was read");
        at += got;
        offset += (size_t)got;
        size -= (size_t)got;
    }
    return E2STR_OK;
}

bool e2_gguf_load(e2_gguf *gguf, size_t end) {
    struct e2_gguf_source *source = gguf->source;
    if (!source || end <= source->loaded) return true;
    size_t more = source->loaded ? CHUNK : 0; /* first the magic alone: another kind of file may change meanwhile */
    size_t wanted = gguf->size - end < more ? gguf->size : end + more;
    if (end > MAX_METADATA)
        source->status =
            e2_fail(&source->error, E2STR_ERROR_LIMIT, "metadata of more than %zu MiB", MAX_METADATA >> 20);
    else
        source->status = read_range(source, source->loaded, (uint8_t *)gguf->data + source->loaded,
                                    wanted - source->loaded, &source->error);
    if (!source->status) source->loaded = wanted;
    return !source->status;
}

static size_t largest_tensor(const e2_gguf *gguf) {
    size_t largest = 1;
    for (size_t i = 0; i < gguf->n_tensors; i++)
        if (gguf->tensors[i].bytes > largest) largest = gguf->tensors[i].bytes;
    return largest;
}

/* The hash of the metadata, to which the rest is added in the order of the file. */
static void begin_hash(const e2_gguf *gguf, struct e2_gguf_source *source) {
    e2_hash_begin(&source->hash);
    e2_hash_add(&source->hash, gguf->data, gguf->metadata);
    source->hashed = gguf->metadata;
}

/* One buffer for all: memory that is touched for the first time costs more than what is read into it. Tensors that are
 * fetched in the order of the file are hashed on the way, with the padding before them, so that each byte is read once.
 */
e2str_status e2_gguf_fetch(e2_gguf *gguf, const e2_tensor *tensor, e2str_error *error) {
    struct e2_gguf_source *source = gguf->source;
    if (!source) return E2STR_OK;
    if (!source->hashed) begin_hash(gguf, source);
    if (!source->buffer) source->buffer = malloc(MAX_PADDING + largest_tensor(gguf));
    if (!source->buffer) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the largest tensor");
    uint8_t *data = source->buffer + MAX_PADDING;
    gguf->tensors[tensor - gguf->tensors].data = data;
    bool next = tensor->offset >= source->hashed && tensor->offset - source->hashed <= MAX_PADDING;
    size_t padding = next ? tensor->offset - source->hashed : 0, size = padding + tensor->bytes;
    e2str_status status = read_range(source, tensor->offset - padding, data - padding, size, error);
    if (status || !next) return status;
    e2_hash_add(&source->hash, data - padding, size);
    source->hashed += size;
    return E2STR_OK;
}

static bool same_time(struct timespec a, struct timespec b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

/* Whether nobody wrote to the file since it was opened, as far as its times tell. */
static e2str_status check_unchanged(const struct e2_gguf_source *source, e2str_error *error) {
    struct stat now;
    if (fstat(source->file, &now)) return e2_fail(error, e2_system_status(errno), "%s", strerror(errno));
    if (now.st_size == source->opened.st_size && same_time(now.st_mtim, source->opened.st_mtim)) return E2STR_OK;
    return e2_fail(error, E2STR_ERROR_IO, "changed while it was read");
}

e2str_status e2_gguf_hash(const e2_gguf *gguf, uint64_t *checksum, e2str_error *error) {
    struct e2_gguf_source *source = gguf->source;
    e2str_status status = E2STR_OK;
    if (!source) {
        e2_hash hash;
        e2_hash_begin(&hash);
        e2_hash_add(&hash, gguf->data, gguf->size);
        *checksum = e2_hash_end(&hash);
        return status;
    }
    uint8_t *buffer = e2_alloc(CHUNK, 1);
    if (!buffer) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the model");
    if (!source->hashed) begin_hash(gguf, source);
    while (!status && source->hashed < gguf->size) {
        size_t left = gguf->size - source->hashed, size = left < CHUNK ? left : CHUNK;
        status = read_range(source, source->hashed, buffer, size, error);
        if (!status) e2_hash_add(&source->hash, buffer, size);
        source->hashed += size;
    }
    free(buffer);
    *checksum = e2_hash_end(&source->hash);
    return status;
}

/* --------------------------------------------------------------------------------------------- opening, closing -- */

/* A regular file that is not empty. O_NONBLOCK: opening a FIFO must not wait for its writer. */
static e2str_status open_file(const char *path, struct e2_gguf_source *source, e2str_error *error) {
    struct stat *about = &source->opened;
    do source->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (source->file < 0 && errno == EINTR);
    if (source->file < 0 || fstat(source->file, about))
        return e2_fail(error, e2_system_status(errno), "%s", strerror(errno));
    if (S_ISDIR(about->st_mode)) return e2_fail(error, E2STR_ERROR_IO, "is a directory");
    if (!S_ISREG(about->st_mode)) return e2_fail(error, E2STR_ERROR_IO, "is not a regular file");
    if (!about->st_size) return e2_fail(error, E2STR_ERROR_FORMAT, "the file is empty");
    if ((off_t)(size_t)about->st_size != about->st_size)
        return e2_fail(error, E2STR_ERROR_LIMIT, "larger than this machine's addresses reach");
    return E2STR_OK;
}

static void close_source(e2_gguf *gguf) {
    if (gguf->source && gguf->source->file >= 0) close(gguf->source->file);
    if (gguf->source) free(gguf->source->buffer);
    free(gguf->source);
    gguf->source = NULL;
}

static e2str_status reserve(e2_gguf *gguf, e2str_error *error) {
    size_t size = (size_t)gguf->source->opened.st_size;
    void *data =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); /* not the file */
    if (data == MAP_FAILED) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for %zu bytes", size);
    gguf->data = data;
    gguf->size = gguf->reserved = size;
    return E2STR_OK;
}

e2str_status e2_gguf_open(const char *path, e2_gguf *gguf, e2str_error *error) {
    *gguf = (e2_gguf){0};
    if (!path) return e2_fail(error, E2STR_ERROR_ARGUMENT, "path is NULL");
    gguf->source = calloc(1, sizeof *gguf->source);
    if (!gguf->source) return e2_fail(error, E2STR_ERROR_MEMORY, "%s: out of memory", path);
    e2str_status status = open_file(path, gguf->source, error);
    if (!status) status = reserve(gguf, error);
    if (!status) {
        status = e2_gguf_parse(gguf, error);
        if (status && gguf->source->status)
            status = e2_fail(error, gguf->source->status, "%s", gguf->source->error.message);
    }
    if (!status) return E2STR_OK;
    e2_gguf_close(gguf);
    return e2_within(error, status, path);
}

e2str_status e2_gguf_complete(e2_gguf *gguf, e2str_error *error) {
    struct e2_gguf_source *source = gguf->source;
    if (!source) return E2STR_OK;
    size_t from = source->loaded;
    e2str_status status = read_range(source, from, (uint8_t *)gguf->data + from, gguf->size - from, error);
    if (!status) status = check_unchanged(source, error);
    if (!status) close_source(gguf);
    return status;
}

e2str_status e2_gguf_leave_data(e2_gguf *gguf, e2str_error *error) {
    struct e2_gguf_source *source = gguf->source;
    if (!source) return E2STR_OK;
    e2str_status status = check_unchanged(source, error);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), kept = (gguf->metadata + page - 1) / page * page;
    if (kept < gguf->reserved) {
        munmap((uint8_t *)gguf->data + kept, gguf->reserved - kept);
        gguf->reserved = kept;
    }
    for (size_t i = 0; i < gguf->n_tensors; i++) gguf->tensors[i].data = NULL;
    close_source(gguf);
    return status;
}

void e2_gguf_close(e2_gguf *gguf) {
    close_source(gguf);
    if (gguf->reserved) munmap((void *)gguf->data, gguf->reserved);
    free(gguf->kvs);
    free(gguf->tensors);
    free(gguf->kv_order);
    free(gguf->tensor_order);
    *gguf = (e2_gguf){0};
}
