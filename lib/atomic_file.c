/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE     /* flock */
#define _XOPEN_SOURCE   700 /* realpath */
#include "atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/xattr.h>
#endif

static e2str_status io_failed(const char *path, const char *what, e2str_error *error) {
    return e2_fail(error, e2_system_status(errno), "%s: cannot %s: %s", path, what, strerror(errno));
}

static int open_at(int directory, const char *name, int flags, mode_t mode) {
    int file;
    do file = openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
    while (file < 0 && errno == EINTR);
    return file;
}

typedef enum hold { HELD, TAKEN, NO_LOCKS } hold; /* NO_LOCKS: the file system has none */

static hold try_lock(int file) {
    int result;
    do result = flock(file, LOCK_EX | LOCK_NB);
    while (result && errno == EINTR);
    return !result ? HELD : errno == EWOULDBLOCK ? TAKEN : NO_LOCKS;
}

/* ------------------------------------------------------------------------------------------------- what is there -- */

/* Opens the directory of file->resolved. */
static e2str_status open_directory(e2_atomic_file *file, e2str_error *error) {
    char *slash = strrchr(file->resolved, '/');
    file->name = slash ? slash + 1 : file->resolved;
    if (slash) *slash = 0;
    const char *directory = !slash ? "." : slash == file->resolved ? "/" : file->resolved;
    do file->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (file->directory < 0 && errno == EINTR);
    if (slash) *slash = '/';
    if (file->directory < 0) return io_failed(file->path, "open its directory", error);
    return E2STR_OK;
}

static e2str_status resolve(e2_atomic_file *file, e2str_error *error) {
    struct stat link;
    file->resolved = realpath(file->path, NULL);
    if (file->resolved) return E2STR_OK;
    if (errno == ENOENT && !lstat(file->path, &link) && S_ISLNK(link.st_mode))
        return e2_fail(error, E2STR_ERROR_IO, "%s: is a link to a file that is not there", file->path);
    if (errno != ENOENT) return io_failed(file->path, "write", error);
    file->resolved = strdup(file->path); /* a new file; clang takes it that errno stays what it is */
    return file->resolved ? E2STR_OK : e2_fail(error, E2STR_ERROR_MEMORY, "%s: out of memory", file->path);
}

static e2str_status look(e2_atomic_file *file, struct stat *old, e2str_error *error) {
    file->exists = fstatat(file->directory, file->name, old, AT_SYMLINK_NOFOLLOW) == 0;
    if (!file->exists) return errno == ENOENT && *file->name ? E2STR_OK : io_failed(file->path, "write", error);
    if (S_ISDIR(old->st_mode)) return e2_fail(error, E2STR_ERROR_IO, "%s: is a directory", file->path);
    if (!S_ISREG(old->st_mode)) return e2_fail(error, E2STR_ERROR_IO, "%s: not a regular file", file->path);
    return E2STR_OK;
}

/* --------------------------------------------------------------------------------------------- temporary files -- */

#define PREFIX ".e2str-" /* then the process, "-", a time in hexadecimal */

static bool is_temporary(const char *name) {
    if (strncmp(name, PREFIX, strlen(PREFIX))) return false;
    name += strlen(PREFIX);
    size_t digits = strspn(name, "0123456789"), time = 0;
    if (digits && name[digits] == '-') time = strspn(name + digits + 1, "0123456789abcdef");
    return time && !name[digits + 1 + time];
}

/* Who writes one holds it locked: one that can be locked is a killed process's. */
static void remove_leftovers(const e2_atomic_file *file) {
    int directory = open_at(file->directory, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *list = directory < 0 ? NULL : fdopendir(directory);
    if (!list && directory >= 0) close(directory);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        struct stat about;
        int left = is_temporary(entry->d_name) ? open_at(file->directory, entry->d_name, O_RDONLY, 0) : -1;
        if (left < 0) continue;
        if (!fstat(left, &about) && S_ISREG(about.st_mode) && try_lock(left) == HELD)
            unlinkat(file->directory, entry->d_name, 0);
        close(left);
    }
    if (list) closedir(list);
}

/* A file of this name, locked; -1 with EEXIST where there is one, or somebody took it for a leftover. */
static int create(const e2_atomic_file *file, mode_t mode) {
    struct stat about;
    int fresh = open_at(file->directory, file->temporary, O_RDWR | O_CREAT | O_EXCL, mode);
    if (fresh < 0) return -1;
    hold lock = try_lock(fresh);
    if (lock == NO_LOCKS || (lock == HELD && !fstat(fresh, &about) && about.st_nlink)) return fresh;
    unlinkat(file->directory, file->temporary, 0);
    close(fresh);
    errno = EEXIST;
    return -1;
}

/* mkstemp would give 0600, and the umask cannot be asked without changing it for the whole process. What replaces a
 * file gets its rights at the end. */
static e2str_status open_temporary(e2_atomic_file *file, e2str_error *error) {
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        uint64_t stamp = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + attempt;
        snprintf(file->temporary, sizeof file->temporary, PREFIX "%ld-%" PRIx64, (long)getpid(), stamp);
        file->file = create(file, file->exists ? 0600 : 0666);
        if (file->file >= 0) return E2STR_OK;
        if (errno != EEXIST) break;
    }
    file->temporary[0] = 0; /* not ours */
    return io_failed(file->path, "create a file beside it", error);
}

e2str_status e2_atomic_begin(const char *path, e2_atomic_file *file, e2str_error *error) {
    struct stat old;
    *file = (e2_atomic_file){.path = path, .directory = -1, .file = -1, .target = -1};
    e2str_status status = resolve(file, error);
    if (!status) status = open_directory(file, error);
    if (!status) status = look(file, &old, error);
    if (!status) {
        remove_leftovers(file);
        status = open_temporary(file, error);
    }
    if (status) e2_atomic_abandon(file);
    return status;
}

/* ------------------------------------------------------------------------------------------------------ writing -- */

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

/* ---------------------------------------------------------------------------------------------------- replacing -- */

#define LOCK_TRIES 200
#define LOCK_PAUSE 10000000 /* nanoseconds */

/* What was locked may have been replaced before: then what is there now is tried. */
static bool is_at_path(const e2_atomic_file *file, int target) {
    struct stat here, there;
    return !fstat(target, &here) && !fstatat(file->directory, file->name, &there, AT_SYMLINK_NOFOLLOW) &&
           here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

e2str_status e2_atomic_lock(e2_atomic_file *file, e2str_error *error) {
    struct stat old;
    if (sync_to_disk(file->file) != 0) return io_failed(file->path, "write it to the disk", error);
    for (int attempt = 0; attempt < LOCK_TRIES; attempt++) {
        e2str_status status = look(file, &old, error);
        if (status || !file->exists) return status;
        file->target = open_at(file->directory, file->name, O_RDONLY, 0);
        if (file->target < 0 && errno == ENOENT) continue;
        if (file->target < 0) return E2STR_OK; /* may not be read, but replaced */
        hold lock = try_lock(file->target);
        if (lock != TAKEN && is_at_path(file, file->target)) return E2STR_OK;
        close(file->target);
        file->target = -1;
        if (lock == TAKEN) nanosleep(&(struct timespec){0, LOCK_PAUSE}, NULL);
    }
    return e2_fail(error, E2STR_ERROR_CONFLICT, "%s: another process keeps it locked", file->path);
}

static bool has_access_list(int file) {
#ifdef __linux__
    return fgetxattr(file, "system.posix_acl_access", NULL, 0) > 0;
#else
    (void)file;
    return false;
#endif
}

/* The rights of what is replaced. A group or owner that cannot be kept leaves to both kinds of others what both had; an
 * access list, old or inherited from the directory, leaves the owner's. On failure the file stays the owner's alone. */
static void keep_rights(const e2_atomic_file *file) {
    struct stat old, fresh;
    if (fstatat(file->directory, file->name, &old, AT_SYMLINK_NOFOLLOW) || fstat(file->file, &fresh)) return;
    mode_t mode = old.st_mode & 0777;
    bool group = fresh.st_gid == old.st_gid || !fchown(file->file, (uid_t)-1, old.st_gid);
    bool owner = fresh.st_uid == old.st_uid || !fchown(file->file, old.st_uid, (gid_t)-1);
    if (!group || !owner) mode = (mode & 0700) | ((mode >> 3 & mode & 7) * 011);
    if (file->target < 0 || has_access_list(file->target) || has_access_list(file->file)) mode &= 0700;
    (void)fchmod(file->file, mode);
}

e2str_status e2_atomic_commit(e2_atomic_file *file, bool *replaced, e2str_error *error) {
    e2str_status status = E2STR_OK;
    if (file->exists) keep_rights(file);
    *replaced = renameat(file->directory, file->temporary, file->directory, file->name) == 0;
    if (*replaced)
        file->temporary[0] = 0;
    else
        status = io_failed(file->path, "replace it", error);
    /* Some file systems cannot sync a directory and say so with EINVAL. */
    if (!status && sync_to_disk(file->directory) != 0 && errno != EINVAL)
        status =
            e2_fail(error, E2STR_ERROR_IO, "%s: the new file is in place, but its directory is not on the disk: %s",
                    file->path, strerror(errno));
    e2_atomic_abandon(file);
    return status;
}

void e2_atomic_abandon(e2_atomic_file *file) {
    if (file->temporary[0]) unlinkat(file->directory, file->temporary, 0);
    if (file->file >= 0) close(file->file);
    if (file->target >= 0) close(file->target);
    if (file->directory >= 0) close(file->directory);
    free(file->resolved);
    *file = (e2_atomic_file){.directory = -1, .file = -1, .target = -1};
}
