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

static bool is_same_file(int file, int other) {
    struct stat here, there;
    return file >= 0 && !fstat(file, &here) && !fstat(other, &there) && here.st_ino == there.st_ino &&
           here.st_dev == there.st_dev;
}

bool e2_pool_is_same_state(const e2_archive *archive, const e2_archive *other) {
    return is_same_file(archive->file, other->file) && archive->root.sequence == other->root.sequence;
}

bool e2_pool_is_same_archive(const e2_archive *archive, int file) {
    e2str_storage storage;
    e2_archive_root root;
    bool twins;
    return is_same_file(file, archive->file) &&
           !e2_archive_read_root(archive->model, file, &storage, &root, &twins, NULL) &&
           root.sequence == archive->root.sequence;
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
    bool same = pool->archive ? e2_pool_is_same_archive(pool->archive, file->target) : is_still(file->target, origin);
    return same ? E2STR_OK : e2_pool_conflict(file->path, error);
}
