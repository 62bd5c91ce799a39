/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* realpath */
#include "atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MODE_BITS ((mode_t)07777)

static e2str_status io_failed(const char *path, const char *what, e2str_error *error) {
    return e2_fail(error, E2STR_ERROR_IO, "%s: cannot %s: %s", path, what, strerror(errno));
}

/* Splits file->resolved into the opened directory and the name in it. */
static e2str_status open_directory(e2_atomic_file *file, e2str_error *error) {
    char *slash = strrchr(file->resolved, '/');
    const char *directory = ".";
    if (slash) {
        *slash = 0;
        directory = slash == file->resolved ? "/" : file->resolved;
        file->name = slash + 1;
    } else {
        file->name = file->resolved;
    }
    file->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file->directory < 0) return io_failed(file->path, "open its directory", error);
    return E2STR_OK;
}

/* The permissions that the new file is to have: *keep tells whether they are those of an old file. */
static e2str_status target_mode(const e2_atomic_file *file, mode_t *mode, bool *keep, e2str_error *error) {
    struct stat old;
    *mode = 0666;
    *keep = false;
    if (fstatat(file->directory, file->name, &old, 0) != 0)
        return errno == ENOENT && *file->name ? E2STR_OK : io_failed(file->path, "write", error);
    if (S_ISDIR(old.st_mode)) return e2_fail(error, E2STR_ERROR_IO, "%s: is a directory", file->path);
    if (!S_ISREG(old.st_mode)) return e2_fail(error, E2STR_ERROR_IO, "%s: not a regular file", file->path);
    *mode = old.st_mode & MODE_BITS;
    *keep = true;
    return E2STR_OK;
}

/* mkstemp would give 0600, and the umask cannot be asked without changing it for the whole process. */
static e2str_status open_temporary(e2_atomic_file *file, e2str_error *error) {
    mode_t mode;
    bool keep;
    e2str_status status = target_mode(file, &mode, &keep, error);
    if (status) return status;
    for (int attempt = 0; attempt < 100; attempt++) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        uint64_t stamp = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
        snprintf(file->temporary, sizeof file->temporary, ".e2str-%ld-%" PRIx64, (long)getpid(), stamp);
        file->file = openat(file->directory, file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (file->file >= 0) {
            /* Gives back what the umask took. Where it cannot, the file is stricter than the old one, never laxer. */
            if (keep) (void)fchmod(file->file, mode);
            return E2STR_OK;
        }
        if (errno != EEXIST) break;
    }
    file->temporary[0] = 0; /* not ours */
    return io_failed(file->path, "create a file beside it", error);
}

e2str_status e2_atomic_begin(const char *path, e2_atomic_file *file, e2str_error *error) {
    *file = (e2_atomic_file){.path = path, .directory = -1, .file = -1};
    file->resolved = realpath(path, NULL);
    if (!file->resolved && errno == ENOENT) file->resolved = strdup(path); /* a new file */
    if (!file->resolved && errno == ENOMEM) return e2_fail(error, E2STR_ERROR_MEMORY, "%s: out of memory", path);
    if (!file->resolved) return io_failed(path, "write", error);
    e2str_status status = open_directory(file, error);
    if (!status) status = open_temporary(file, error);
    if (status) e2_atomic_abandon(file);
    return status;
}

e2str_status e2_atomic_write(e2_atomic_file *file, const void *data, size_t size, e2str_error *error) {
    const char *bytes = data;
    while (size) {
        ssize_t written = write(file->file, bytes, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return io_failed(file->path, "write", error);
        bytes += written;
        size -= (size_t)written;
    }
    return E2STR_OK;
}

e2str_status e2_atomic_patch(e2_atomic_file *file, size_t offset, const void *data, size_t size, e2str_error *error) {
    const char *bytes = data;
    while (size) {
        ssize_t written = pwrite(file->file, bytes, size, (off_t)offset);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return io_failed(file->path, "write", error);
        bytes += written;
        size -= (size_t)written;
        offset += (size_t)written;
    }
    return E2STR_OK;
}

static int sync_to_disk(int descriptor) {
    int result;
    do result = fsync(descriptor);
    while (result != 0 && errno == EINTR);
    return result;
}

e2str_status e2_atomic_commit(e2_atomic_file *file, e2str_error *error) {
    e2str_status status = E2STR_OK;
    if (sync_to_disk(file->file) != 0) status = io_failed(file->path, "write it to the disk", error);
    close(file->file); /* after a sync it has no news */
    file->file = -1;
    if (!status && renameat(file->directory, file->temporary, file->directory, file->name) != 0)
        status = io_failed(file->path, "replace it", error);
    if (!status) file->temporary[0] = 0;
    /* Some file systems cannot sync a directory and say so with EINVAL. */
    if (!status && sync_to_disk(file->directory) != 0 && errno != EINVAL)
        status = io_failed(file->path, "write its directory to the disk", error);
    e2_atomic_abandon(file);
    return status;
}

void e2_atomic_abandon(e2_atomic_file *file) {
    if (file->file >= 0) close(file->file);
    if (file->temporary[0]) unlinkat(file->directory, file->temporary, 0);
    if (file->directory >= 0) close(file->directory);
    free(file->resolved);
    *file = (e2_atomic_file){.directory = -1, .file = -1};
}
