/* SPDX-License-Identifier: MIT */
/* One change of a pool file at a time: a lock beside it, from loading to saving. */
#define _DEFAULT_SOURCE     /* flock */
#define _XOPEN_SOURCE   700 /* realpath */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The same for all links to a pool. */
static char *path_of_lock(const char *path) {
    char *resolved = realpath(path, NULL);
    const char *pool = resolved ? resolved : path; /* a new one */
    size_t size = strlen(pool) + sizeof ".lock";
    char *lock = malloc(size);
    if (lock) snprintf(lock, size, "%s.lock", pool);
    free(resolved);
    return lock;
}

/* Who held it took the file away: then what is locked is no lock any more. */
static bool is_at(int lock, const char *path) {
    struct stat here, there;
    return !fstat(lock, &here) && !stat(path, &there) && here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

bool lock_pool(invocation *run, const char *path) {
    run->lock_path = path_of_lock(path);
    while (run->lock_path) {
        run->lock = open(run->lock_path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
        if (run->lock < 0 && errno == EINTR) continue;
        if (run->lock < 0) break;
        while (flock(run->lock, LOCK_EX) && errno == EINTR) {
        } /* on a file system without locks saving still sees that another saved */
        if (is_at(run->lock, run->lock_path)) return true;
        close(run->lock);
    }
    complain("%s: cannot lock it: %s: %s", path, run->lock_path ? run->lock_path : "its lock", strerror(errno));
    if (run->lock_path && run->lock >= 0) close(run->lock);
    free(run->lock_path);
    run->lock_path = NULL;
    return false;
}

void unlock_pool(invocation *run) {
    if (!run->lock_path) return;
    unlink(run->lock_path); /* while it is still ours */
    close(run->lock);
    free(run->lock_path);
    run->lock_path = NULL;
}
