/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* realpath */
#include "pool_origin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void e2_pool_set_origin(e2str_pool *pool, const char *path, uint64_t size, size_t offset, uint64_t checksum) {
    free(pool->origin.path);
    pool->origin = (e2_pool_origin){realpath(path, NULL), size, checksum, offset};
}

static e2str_status is_same_file(int file, int other, bool *same, e2str_error *error) {
    struct stat here, there;
    *same = false;
    if (fstat(file, &here) || fstat(other, &there))
        return e2_fail(error, e2_system_status(errno), "%s", strerror(errno));
    *same = here.st_ino == there.st_ino && here.st_dev == there.st_dev;
    return E2STR_OK;
}

e2str_status e2_pool_is_same_state(const e2_archive *archive, const e2_archive *other, bool *same, e2str_error *error) {
    e2str_status status = is_same_file(archive->file, other->file, same, error);
    *same = *same && archive->root.sequence == other->root.sequence;
    return status;
}

e2str_status e2_pool_is_same_archive(const e2_archive *archive, int file, bool *same, e2str_error *error) {
    e2str_storage storage;
    e2_archive_root root;
    bool twins;
    e2str_status status = is_same_file(file, archive->file, same, error);
    if (status || !*same) return status;
    status = e2_archive_read_root(archive->model, file, &storage, &root, &twins, error);
    *same = !status && root.sequence == archive->root.sequence;
    return status;
}

static bool is_still(int file, const e2_pool_origin *origin) {
    struct stat about;
    uint64_t checksum;
    ssize_t got = 0;
    if (file < 0 || fstat(file, &about) || (uint64_t)about.st_size != origin->size) return false;
    do got = pread(file, &checksum, sizeof checksum, (off_t)origin->offset);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof checksum && checksum == origin->checksum;
}

e2str_status e2_pool_conflict(const char *path, e2str_error *error) {
    return e2_fail(error, E2STR_ERROR_CONFLICT, "%s: changed since the pool was loaded from it or saved to it", path);
}

e2str_status e2_pool_check_origin(const e2str_pool *pool, const e2_atomic_file *file, e2str_error *error) {
    const e2_pool_origin *origin = &pool->origin;
    if (!file->exists || !origin->path || strcmp(origin->path, file->resolved)) return E2STR_OK;
    bool same = false; /* nor is one that cannot be read */
    e2str_status status = E2STR_OK;
    if (!pool->archive)
        same = is_still(file->target, origin);
    else if (file->target >= 0)
        status = e2_pool_is_same_archive(pool->archive, file->target, &same, error);
    if (status) return e2_within(error, status, file->path);
    return same ? E2STR_OK : e2_pool_conflict(file->path, error);
}
