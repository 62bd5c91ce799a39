/* SPDX-License-Identifier: MIT */
#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hash.h"

uint64_t e2_archive_hash(const void *data, size_t size) {
    e2_hash hash;
    e2_hash_begin(&hash);
    e2_hash_add(&hash, data, size);
    return e2_hash_end(&hash);
}

static e2str_status damaged(const char *what, e2str_error *error) {
    return e2_fail(error, E2STR_ERROR_FORMAT, "%s: the file is damaged", what);
}

/* ------------------------------------------------------------------------------------------------------- reading -- */

static e2str_status read_at(int file, uint64_t at, void *data, size_t size, e2str_error *error) {
    char *to = data;
    while (size) {
        ssize_t got = pread(file, to, size, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return e2_fail(error, e2_system_status(errno), "%s", strerror(errno));
        if (got == 0) return e2_fail(error, E2STR_ERROR_FORMAT, "the file is cut: nothing at byte %" PRIu64, at);
        to += got;
        at += (uint64_t)got;
        size -= (size_t)got;
    }
    return E2STR_OK;
}

/* A block of the state lies between the roots and its end. */
static bool lies_inside(const e2_archive *archive, uint64_t at, uint64_t size) {
    uint64_t end = archive->root.length;
    return at >= E2_ARCHIVE_BLOCKS && at <= end && size <= end - at;
}

e2str_status e2_archive_copy(const e2_archive *archive, uint64_t at, void *data, size_t size, e2str_error *error) {
    if (!lies_inside(archive, at, size)) return damaged("a place behind the end", error);
    if (!archive->map) return read_at(archive->file, at, data, size, error);
    memcpy(data, archive->map + at, size);
    return E2STR_OK;
}

/* A run of bytes: in the map, or read into scratch (malloc'ed if that is NULL, then *owned). */
static e2str_status view(const e2_archive *archive, uint64_t at, size_t size, void *scratch, const void **data,
                         void **owned, e2str_error *error) {
    *data = NULL;
    if (archive->map && lies_inside(archive, at, size)) {
        *data = archive->map + at;
        return E2STR_OK;
    }
    void *room = scratch ? scratch : owned ? *owned = e2_alloc(size, 1) : NULL;
    if (!room) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for %zu bytes of the file", size);
    e2str_status status = e2_archive_copy(archive, at, room, size, error);
    if (!status) *data = room;
    return status;
}

static int open_file(const char *path) {
    int file;
    do file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (file < 0 && errno == EINTR);
    return file;
}

bool e2_archive_probe(const char *path) {
    struct stat about;
    char magic[8] = "";
    int file = open_file(path);
    if (file < 0) return false;
    bool is = !fstat(file, &about) && S_ISREG(about.st_mode) && !read_at(file, 0, magic, sizeof magic, NULL) &&
              !memcmp(magic, E2_ARCHIVE_MAGIC, sizeof magic);
    close(file);
    return is;
}

/* ---------------------------------------------------------------------------------------------- header and roots -- */

static e2str_status check_header(const e2str_model *model, const e2_archive_header *header, e2str_error *error) {
    if (memcmp(header->magic, E2_ARCHIVE_MAGIC, sizeof header->magic))
        return e2_fail(error, E2STR_ERROR_FORMAT, "not a pool file");
    if (header->checksum != e2_archive_hash(header, offsetof(e2_archive_header, checksum)))
        return damaged("its header", error);
    if (header->version != E2_ARCHIVE_VERSION)
        return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "the pool file has version %" PRIu32 ", only %d is supported",
                       header->version, E2_ARCHIVE_VERSION);
    e2str_status status = e2_model_check_pool(model, header->model, error);
    if (status) return status;
    bool storage = header->storage == E2STR_STORE_F16 || header->storage == E2STR_STORE_F32;
    if (!storage || header->width != model->vision.width || header->group != E2_ARCHIVE_GROUP || header->zero[0] ||
        header->zero[1] || header->zero[2])
        return e2_fail(error, E2STR_ERROR_FORMAT, "its header has a value that is not known");
    return E2STR_OK;
}

static bool is_root(const e2_archive_root *root) {
    return !memcmp(root->magic, E2_ARCHIVE_ROOT_MAGIC, sizeof root->magic) && !root->zero && root->sequence &&
           root->checksum == e2_archive_hash(root, offsetof(e2_archive_root, checksum));
}

#define ROOT_TRIES 50
#define ROOT_PAUSE 1000000 /* nanoseconds */

/* A writer replaces one root after the other, so one of them is whole at any moment; but a reader that is slower than
 * the writer may meet each of them half written. */
e2str_status e2_archive_read_root(const e2str_model *model, int file, e2str_storage *storage, e2_archive_root *root,
                                  bool *twins, e2str_error *error) {
    e2_archive_header header;
    e2_archive_root roots[2];
    e2str_status status = read_at(file, 0, &header, sizeof header, error);
    if (!status) status = check_header(model, &header, error);
    if (status) return status;
    *storage = (e2str_storage)header.storage;
    for (int attempt = 0; attempt < ROOT_TRIES; attempt++) {
        for (int i = 0; i < 2 && !status; i++)
            status = read_at(file, (uint64_t)(i + 1) * E2_ARCHIVE_ROOT, &roots[i], sizeof *roots, error);
        if (status) return status;
        bool first = is_root(&roots[0]), second = is_root(&roots[1]);
        *twins = first && second && !memcmp(&roots[0], &roots[1], sizeof *roots);
        *root = roots[!first || (second && roots[1].sequence > roots[0].sequence)];
        if (first || second) return E2STR_OK;
        nanosleep(&(struct timespec){0, ROOT_PAUSE}, NULL);
    }
    return damaged("both of its roots", error);
}

/* ----------------------------------------------------------------------------------------------------- directory -- */

bool e2_archive_is_block(const e2_archive *archive, uint64_t at, uint64_t count, uint64_t size) {
    return at % E2_ARCHIVE_ALIGNMENT == 0 && count <= UINT64_MAX / size && lies_inside(archive, at, count * size);
}

static bool entry_is_good(const e2_archive *archive, const e2_archive_entry *e, uint64_t last_id) {
    uint64_t width = archive->model->vision.width;
    return e->rows && e->removed < e->rows && e->first_id > last_id && e->last_id >= e->first_id &&
           e->last_id < archive->directory.next_id && e->rows - 1 <= e->last_id - e->first_id &&
           e->tokenless <= e->rows && !e->removed == !e->removed_at &&
           e2_archive_is_block(archive, e->rows_at, e->rows, sizeof(e2_archive_row)) &&
           e2_archive_is_block(archive, e->labels_at, e->labels_size, 1) &&
           e2_archive_is_block(archive, e->keys_at, e->rows, width * sizeof(float)) &&
           e2_archive_is_block(archive, e->sums_at, e2_archive_groups(e->rows), 2 * sizeof(uint64_t)) &&
           (!e->removed_at || e2_archive_is_block(archive, e->removed_at, e->rows / 8 + 1, 1)) &&
           e2_archive_codes_are_good(archive, e);
}

static e2str_status attach_removed(const e2_archive *archive, e2_segment *s, e2str_error *error) {
    size_t bytes = (size_t)(s->is.rows + 7) / 8;
    uint64_t removed = 0;
    if (!s->is.removed) return E2STR_OK;
    s->removed = e2_alloc(bytes, 1);
    if (!s->removed) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for opening the file");
    e2str_status status = e2_archive_copy(archive, s->is.removed_at, s->removed, bytes, error);
    if (status) return status;
    for (size_t i = 0; i < 8 * bytes; i++) removed += s->removed[i / 8] >> i % 8 & 1;
    if (e2_archive_hash(s->removed, bytes) != s->is.removed_checksum || removed != s->is.removed)
        return damaged("its list of removed examples", error);
    for (size_t i = (size_t)s->is.rows; i < 8 * bytes; i++)
        if (s->removed[i / 8] >> i % 8 & 1) return damaged("its list of removed examples", error);
    return E2STR_OK;
}

static e2str_status attach_segment(e2_archive *archive, e2_segment *s, e2str_error *error) {
    size_t groups = e2_archive_groups(s->is.rows);
    s->sums = e2_alloc(groups, sizeof *s->sums);
    s->checked = calloc(groups, sizeof *s->checked);
    s->first = archive->rows;
    s->first_group = archive->groups;
    if (!s->sums || !s->checked) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for opening the file");
    e2str_status status = e2_archive_copy(archive, s->is.sums_at, s->sums, groups * sizeof *s->sums, error);
    if (status) return status;
    if (e2_archive_hash(s->sums, groups * sizeof *s->sums) != s->is.sums_checksum)
        return damaged("its list of checksums", error);
    archive->rows += (size_t)s->is.rows; /* each takes bytes of the file, so their sum is in range */
    archive->removed += (size_t)s->is.removed;
    archive->groups += groups;
    status = e2_archive_attach_codes(archive, s, error);
    return status ? status : attach_removed(archive, s, error);
}

static e2str_status attach_directory(e2_archive *archive, const uint8_t *bytes, e2str_error *error) {
    e2_archive_directory *d = &archive->directory;
    size_t size = (size_t)archive->root.directory_size, n = (size - sizeof *d) / sizeof(e2_archive_entry);
    memcpy(d, bytes, sizeof *d);
    for (size_t i = 0; i < sizeof d->zero / sizeof *d->zero; i++)
        if (d->zero[i]) return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "its directory has a value that is not known");
    bool memory = d->memory_at ? d->memory_size && e2_archive_is_block(archive, d->memory_at, d->memory_size, 1)
                               : !d->memory_size && !d->memory_last_id;
    if (d->segments != n || sizeof *d + n * sizeof(e2_archive_entry) != size || !d->next_id || !memory)
        return e2_fail(error, E2STR_ERROR_FORMAT, "its directory makes no sense");
    archive->segments = calloc(n ? n : 1, sizeof *archive->segments);
    if (!archive->segments) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for opening the file");
    e2str_status status = E2STR_OK;
    uint64_t last = 0;
    d->segments = 0; /* those that are to be released so far */
    for (size_t i = 0; !status && i < n; i++) {
        e2_segment *s = &archive->segments[i];
        memcpy(&s->is, bytes + sizeof *d + i * sizeof s->is, sizeof s->is);
        if (!entry_is_good(archive, &s->is, last))
            return e2_fail(error, E2STR_ERROR_FORMAT, "segment %zu makes no sense", i);
        d->segments++;
        last = s->is.last_id;
        status = attach_segment(archive, s, error);
    }
    return status;
}

static e2str_status read_directory(e2_archive *archive, e2str_error *error) {
    const e2_archive_root *root = &archive->root;
    struct stat about;
    if (fstat(archive->file, &about)) return e2_fail(error, e2_system_status(errno), "%s", strerror(errno));
    if ((uint64_t)about.st_size < root->length)
        return e2_fail(error, E2STR_ERROR_FORMAT, "the file is cut: it has %" PRIu64 " of %" PRIu64 " bytes",
                       (uint64_t)about.st_size, root->length);
    if (!e2_archive_is_block(archive, root->directory_at, root->directory_size, 1) || root->length > PTRDIFF_MAX ||
        root->directory_size < sizeof archive->directory)
        return e2_fail(error, E2STR_ERROR_FORMAT, "its directory is not in it");
    uint8_t *bytes = e2_alloc((size_t)root->directory_size, 1);
    if (!bytes) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for opening the file");
    e2str_status status = e2_archive_copy(archive, root->directory_at, bytes, (size_t)root->directory_size, error);
    if (!status && e2_archive_hash(bytes, (size_t)root->directory_size) != root->directory_checksum)
        status = damaged("its directory", error);
    if (!status) status = attach_directory(archive, bytes, error);
    free(bytes);
    return status;
}

e2str_status e2_archive_attach(const e2str_model *model, int file, e2str_storage storage, const e2_archive_root *root,
                               bool mapped, e2_archive **archive, e2str_error *error) {
    *archive = NULL;
    e2_archive *fresh = malloc(sizeof *fresh);
    if (!fresh) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for opening the file");
    *fresh = (e2_archive){.model = model, .storage = storage, .root = *root};
    atomic_init(&fresh->references, 1);
    fresh->file = fcntl(file, F_DUPFD_CLOEXEC, 0);
    e2str_status status = E2STR_OK;
    if (fresh->file < 0) status = e2_fail(error, e2_system_status(errno), "%s", strerror(errno));
    if (!status) status = read_directory(fresh, error);
    if (!status && mapped) { /* only now, as what is mapped must be there */
        void *map = mmap(NULL, (size_t)root->length, PROT_READ, MAP_SHARED, fresh->file, 0);
        if (map != MAP_FAILED) fresh->map = map;
    }
    if (status)
        e2_archive_release(fresh);
    else
        *archive = fresh;
    return status;
}

e2str_status e2_archive_open(const e2str_model *model, const char *path, bool mapped, e2_archive **archive,
                             e2str_error *error) {
    e2_archive_root root;
    e2str_storage storage;
    bool twins;
    *archive = NULL;
    int file = open_file(path);
    if (file < 0) return e2_fail(error, e2_system_status(errno), "%s", strerror(errno));
    e2str_status status = e2_archive_read_root(model, file, &storage, &root, &twins, error);
    if (!status) status = e2_archive_attach(model, file, storage, &root, mapped, archive, error);
    close(file);
    return status;
}

e2_archive *e2_archive_retain(e2_archive *archive) {
    if (archive) atomic_fetch_add_explicit(&archive->references, 1, memory_order_relaxed);
    return archive;
}

void e2_archive_release(e2_archive *archive) {
    if (!archive || atomic_fetch_sub_explicit(&archive->references, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; archive->segments && i < archive->directory.segments; i++) {
        free(archive->segments[i].sums);
        free(archive->segments[i].code_sums);
        free(archive->segments[i].removed);
        free((void *)archive->segments[i].checked);
    }
    free(archive->segments);
    e2_index_free(archive->coder);
    if (archive->map) munmap((void *)archive->map, (size_t)archive->root.length);
    if (archive->file >= 0) close(archive->file);
    free(archive);
}

/* ---------------------------------------------------------------------------------------------------------- rows -- */

const e2_segment *e2_archive_segment_of_row(const e2_archive *archive, size_t row) {
    size_t low = 0, high = (size_t)archive->directory.segments;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        *(archive->segments[middle].first <= row ? &low : &high) = middle;
    }
    return &archive->segments[low];
}

const e2_segment *e2_archive_segment_of_group(const e2_archive *archive, size_t group) {
    size_t low = 0, high = (size_t)archive->directory.segments;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        *(archive->segments[middle].first_group <= group ? &low : &high) = middle;
    }
    return &archive->segments[low];
}

static size_t rows_of_group(const e2_segment *s, size_t group) {
    size_t left = (size_t)s->is.rows - group * E2_ARCHIVE_GROUP;
    return left < E2_ARCHIVE_GROUP ? left : E2_ARCHIVE_GROUP;
}

/* As many visual tokens as an image of this model can have. */
static bool token_count_is_good(const e2str_model *model, uint32_t n) {
    if (!e2_tokens_vary(model)) return n == model->visual_tokens;
    uint32_t column = model->vision.grid_height;
    uint32_t least = column * (model->image.min_width / model->vision.patch_width);
    return n >= least && n <= model->visual_tokens && n % column == 0;
}

static size_t token_bytes(const e2_archive *archive, const e2_archive_row *row) {
    return (size_t)row->tokens * archive->model->vision.width *
           (archive->storage == E2STR_STORE_F16 ? sizeof(uint16_t) : sizeof(float));
}

/* Its places lie where they may. */
static bool row_is_good(const e2_archive *archive, const e2_segment *s, const e2_archive_row *row) {
    const e2_archive_entry *e = &s->is;
    return row->id >= e->first_id && row->id <= e->last_id && row->label_size && row->label_size <= E2_ARCHIVE_LABEL &&
           row->label_at >= e->labels_at && row->label_at - e->labels_at <= e->labels_size &&
           row->label_size <= e->labels_size - (row->label_at - e->labels_at) &&
           token_count_is_good(archive->model, row->tokens) &&
           (!row->tokens_at || e2_archive_is_block(archive, row->tokens_at, token_bytes(archive, row), 1));
}

static e2str_status hash_labels(const e2_archive *archive, uint64_t at, uint64_t size, e2_hash *hash,
                                e2str_error *error) {
    uint8_t part[E2_ARCHIVE_LABEL];
    const void *data;
    for (uint64_t done = 0, n; done < size; done += n) {
        n = size - done < sizeof part ? size - done : sizeof part;
        e2str_status status = view(archive, at + done, (size_t)n, part, &data, NULL, error);
        if (status) return status;
        e2_hash_add(hash, data, (size_t)n);
    }
    return E2STR_OK;
}

/* Places and order of a group's rows, and the checksum over them and their labels. */
static e2str_status check_rows(const e2_archive *archive, const e2_segment *s, size_t group, e2str_error *error) {
    e2_archive_row rows[E2_ARCHIVE_GROUP];
    size_t n = rows_of_group(s, group), first = group * E2_ARCHIVE_GROUP;
    e2str_status status = e2_archive_copy(archive, s->is.rows_at + first * sizeof *rows, rows, n * sizeof *rows, error);
    if (status) return status;
    uint64_t labels = 0;
    bool good = true;
    for (size_t i = 0; good && i < n; i++) {
        good = row_is_good(archive, s, &rows[i]) && rows[i].label_at == rows[0].label_at + labels &&
               (i ? rows[i].id > rows[i - 1].id : first || rows[i].id == s->is.first_id);
        labels += rows[i].label_size;
    }
    e2_hash hash;
    e2_hash_begin(&hash);
    e2_hash_add(&hash, rows, n * sizeof *rows);
    if (good) status = hash_labels(archive, rows[0].label_at, labels, &hash, error);
    if (status || (good && e2_hash_end(&hash) == s->sums[group][E2_ARCHIVE_ROWS - 1])) return status;
    return e2_fail(error, E2STR_ERROR_FORMAT, "%zu examples from id %" PRIu64 " on: the file is damaged", n,
                   rows[0].id);
}

static e2str_status rows_checked(const e2_archive *archive, const e2_segment *s, size_t group, e2str_error *error) {
    if (atomic_load_explicit(&s->checked[group], memory_order_relaxed) & E2_ARCHIVE_ROWS) return E2STR_OK;
    e2str_status status = check_rows(archive, s, group, error);
    if (!status) atomic_fetch_or_explicit(&s->checked[group], E2_ARCHIVE_ROWS, memory_order_relaxed);
    return status;
}

e2str_status e2_archive_row_at(const e2_archive *archive, size_t row, e2_archive_row *is, e2str_error *error) {
    const e2_segment *s = e2_archive_segment_of_row(archive, row);
    size_t at = row - s->first;
    e2str_status status = rows_checked(archive, s, at / E2_ARCHIVE_GROUP, error);
    if (!status) status = e2_archive_copy(archive, s->is.rows_at + at * sizeof *is, is, sizeof *is, error);
    if (!status && !row_is_good(archive, s, is)) status = damaged("an example", error);
    return status;
}

e2str_status e2_archive_find(const e2_archive *archive, uint64_t id, size_t *row, bool *found, e2str_error *error) {
    size_t low = 0, high = (size_t)archive->directory.segments;
    *found = false;
    while (low < high) { /* the first segment that does not end before it */
        size_t middle = low + (high - low) / 2;
        if (archive->segments[middle].is.last_id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == archive->directory.segments || archive->segments[low].is.first_id > id) return E2STR_OK;
    const e2_segment *s = &archive->segments[low];
    e2_archive_row is = {0};
    for (low = 0, high = (size_t)s->is.rows; low < high;) {
        size_t middle = low + (high - low) / 2;
        e2str_status status = e2_archive_row_at(archive, s->first + middle, &is, error);
        if (status) return status;
        if (is.id == id) {
            *row = s->first + middle;
            *found = !e2_archive_is_removed(s, middle);
            return E2STR_OK;
        }
        if (is.id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return E2STR_OK;
}

e2str_status e2_archive_label(const e2_archive *archive, const e2_archive_row *row, char *text, e2str_error *error) {
    return e2_archive_copy(archive, row->label_at, text, row->label_size, error);
}

/* ----------------------------------------------------------------------------------------------- keys and tokens -- */

/* In f32, and a little more generously than for an example, which is measured again when it is made. */
static bool is_unit(const e2str_model *model, const float *key) {
    float square;
    model->kernels->similarity(key, key, 1, model->vision.width, &square);
    return fabsf(sqrtf(square) - 1.0f) <= 1.01e-3f;
}

static e2str_status check_keys(const e2str_model *model, const e2_segment *s, size_t group, const float *keys,
                               e2str_error *error) {
    size_t n = rows_of_group(s, group), width = model->vision.width, bytes = n * width * sizeof *keys;
    bool good = e2_archive_hash(keys, bytes) == s->sums[group][E2_ARCHIVE_KEYS - 1];
    for (size_t i = 0; good && i < n; i++) good = is_unit(model, keys + i * width);
    if (good) return E2STR_OK;
    return e2_fail(error, E2STR_ERROR_FORMAT, "the keys of %zu examples, behind row %zu: the file is damaged", n,
                   s->first + group * E2_ARCHIVE_GROUP);
}

/* Places of a group's keys, read where that must be. */
static e2str_status fetch_keys(const e2_archive *archive, const e2_segment *s, size_t group, float *scratch,
                               const float **keys, e2str_error *error) {
    const void *data;
    size_t row = archive->model->vision.width * sizeof(float);
    uint64_t at = s->is.keys_at + group * E2_ARCHIVE_GROUP * row;
    e2str_status status = view(archive, at, rows_of_group(s, group) * row, scratch, &data, NULL, error);
    *keys = data;
    return status;
}

e2str_status e2_archive_keys(const e2_archive *archive, size_t group, float *scratch, const float **keys,
                             e2str_error *error) {
    const e2_segment *s = e2_archive_segment_of_group(archive, group);
    group -= s->first_group;
    e2str_status status = fetch_keys(archive, s, group, scratch, keys, error);
    if (status || atomic_load_explicit(&s->checked[group], memory_order_relaxed) & E2_ARCHIVE_KEYS) return status;
    status = check_keys(archive->model, s, group, *keys, error);
    if (!status) atomic_fetch_or_explicit(&s->checked[group], E2_ARCHIVE_KEYS, memory_order_relaxed);
    return status;
}

e2str_status e2_archive_key(const e2_archive *archive, size_t row, float *key, e2str_error *error) {
    const e2_segment *s = e2_archive_segment_of_row(archive, row);
    size_t width = archive->model->vision.width, at = row - s->first, group = at / E2_ARCHIVE_GROUP;
    if (!(atomic_load_explicit(&s->checked[group], memory_order_relaxed) & E2_ARCHIVE_KEYS)) {
        float *scratch = archive->map ? NULL : e2_alloc(E2_ARCHIVE_GROUP * width, sizeof *scratch);
        const float *keys;
        e2str_status status = e2_archive_keys(archive, s->first_group + group, scratch, &keys, error);
        free(scratch);
        if (status) return status;
    }
    return e2_archive_copy(archive, s->is.keys_at + at * width * sizeof *key, key, width * sizeof *key, error);
}

e2str_status e2_archive_glance(const e2_archive *archive, size_t row, float *key, e2str_error *error) {
    const e2_segment *s = e2_archive_segment_of_row(archive, row);
    size_t bytes = archive->model->vision.width * sizeof *key;
    e2str_status status = e2_archive_copy(archive, s->is.keys_at + (row - s->first) * bytes, key, bytes, error);
    if (!status && !is_unit(archive->model, key))
        status = e2_fail(error, E2STR_ERROR_FORMAT, "the key of row %zu: the file is damaged", row);
    return status;
}

e2str_status e2_archive_tokens(const e2_archive *archive, const e2_archive_row *row, const void **tokens, void **owned,
                               e2str_error *error) {
    size_t bytes = token_bytes(archive, row);
    *owned = NULL;
    *tokens = NULL;
    if (!row->tokens_at)
        return e2_fail(error, E2STR_ERROR_UNSUPPORTED,
                       "example %" PRIu64 ": its visual tokens were left out of the file", row->id);
    e2str_status status = view(archive, row->tokens_at, bytes, NULL, tokens, owned, error);
    if (!status && e2_archive_hash(*tokens, bytes) != row->tokens_checksum)
        status = e2_fail(error, E2STR_ERROR_FORMAT, "example %" PRIu64 ": its visual tokens are damaged", row->id);
    if (!status) return E2STR_OK;
    free(*owned);
    *owned = NULL;
    return status;
}

e2str_status e2_archive_fault(const e2_archive_row *row, e2str_status status, e2str_error *error) {
    char which[40];
    if (status != E2STR_ERROR_LABEL && status != E2STR_ERROR_LIMIT) return status;
    snprintf(which, sizeof which, "example %" PRIu64, row->id);
    return e2_within(error, E2STR_ERROR_FORMAT, which);
}

static e2str_status make_example(const e2_archive *archive, const e2_archive_row *row, const float *key, bool whole,
                                 e2_example **example, e2str_error *error) {
    char text[E2_ARCHIVE_LABEL];
    e2_label label = {0};
    const void *tokens = NULL;
    void *owned = NULL;
    e2str_status status = e2_archive_label(archive, row, text, error);
    if (!status) status = e2_label_read(archive->model, text, row->label_size, &label, error);
    if (status) return e2_archive_fault(row, status, error);
    if (whole || !row->tokens_at) status = e2_archive_tokens(archive, row, &tokens, &owned, error);
    const e2_encoded image = {tokens, row->tokens, key};
    if (!status) status = e2_example_new_stored(archive->model, archive->storage, &image, &label, example, error);
    if (!status) (*example)->id = row->id;
    e2_label_free(&label);
    free(owned);
    return e2_archive_fault(row, status, error);
}

e2str_status e2_archive_example(const e2_archive *archive, size_t row, bool whole, e2_example **example,
                                e2str_error *error) {
    e2_archive_row is;
    *example = NULL;
    float *key = e2_alloc(archive->model->vision.width, sizeof *key);
    if (!key) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for an example");
    e2str_status status = e2_archive_row_at(archive, row, &is, error);
    if (!status) status = e2_archive_key(archive, row, key, error);
    if (!status) status = make_example(archive, &is, key, whole, example, error);
    free(key);
    return status;
}

/* ----------------------------------------------------------------------------------------------- all of the file -- */

static e2str_status verify_row(const e2_archive *archive, size_t row, uint64_t *last, e2str_error *error) {
    e2_archive_row is;
    e2_example *example = NULL;
    e2_label label;
    char text[E2_ARCHIVE_LABEL];
    e2str_status status = e2_archive_row_at(archive, row, &is, error);
    if (status) return status;
    if (is.id <= *last) return damaged("the order of its examples", error);
    *last = is.id;
    if (is.tokens_at) {
        status = e2_archive_example(archive, row, true, &example, error);
        e2_example_release(example);
        return status;
    }
    status = e2_archive_label(archive, &is, text, error);
    if (!status) status = e2_label_read(archive->model, text, is.label_size, &label, error);
    if (!status) e2_label_free(&label);
    return e2_archive_fault(&is, status, error);
}

static e2str_status verify_group(const e2_archive *archive, const e2_segment *s, size_t group, float *scratch,
                                 e2str_error *error) {
    const float *keys;
    e2str_status status = check_rows(archive, s, group, error);
    if (!status) status = fetch_keys(archive, s, group, scratch, &keys, error);
    return status ? status : check_keys(archive->model, s, group, keys, error);
}

e2str_status e2_archive_verify(const e2_archive *archive, e2str_error *error) {
    size_t values = E2_ARCHIVE_GROUP * (size_t)archive->model->vision.width;
    float *scratch = e2_alloc(values, sizeof *scratch);
    if (!scratch) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for checking the file");
    e2str_status status = E2STR_OK;
    uint64_t last = 0;
    for (size_t i = 0; !status && i < archive->directory.segments; i++) {
        const e2_segment *s = &archive->segments[i];
        uint64_t tokenless = 0;
        for (size_t g = 0; !status && g < e2_archive_groups(s->is.rows); g++)
            status = verify_group(archive, s, g, scratch, error);
        for (size_t row = 0; !status && row < s->is.rows; row++) {
            e2_archive_row is;
            status = verify_row(archive, s->first + row, &last, error);
            if (!status) status = e2_archive_row_at(archive, s->first + row, &is, error);
            tokenless += !status && !is.tokens_at;
        }
        if (!status && (last != s->is.last_id || tokenless != s->is.tokenless))
            status = damaged("what its directory says of a segment", error);
    }
    free(scratch);
    return status ? status : e2_archive_verify_codes(archive, error);
}
