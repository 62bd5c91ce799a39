/* SPDX-License-Identifier: MIT */
/* A file that appears whole or not at all: written beside its path, synced, renamed over it, the directory synced. */
#ifndef E2_ATOMIC_FILE_H
#define E2_ATOMIC_FILE_H

#include "error.h"

typedef struct e2_atomic_file {
    const char *path;    /* as the caller gave it, for messages; borrowed */
    char *resolved;      /* path, or what it links to */
    const char *name;    /* the last part of resolved */
    char temporary[48];  /* name of the file being written, in the same directory */
    int directory, file; /* can be read, too */
    int target;          /* what will be replaced, locked; -1: nothing, not locked yet, or it cannot be read */
    bool exists;
} e2_atomic_file;

/* A new file gets 0666 less the umask. One that is replaced keeps its permissions, owner and group, but no set-user-ID
 * and the like; where owner or group cannot be kept, or there are access lists, nobody gains a right by it. A symbolic
 * link stays: what it points to is replaced; a dangling one is refused, as is a path that is no regular file. What
 * killed saves left in the directory is removed: files of our kind of name that nobody holds locked.
 * All failures are IO (or MEMORY), name the path, and leave neither a temporary file nor a change at the path behind,
 * with one exception: if only the last sync fails, of the directory, the new file is in place, and the message says so.
 * begin is followed by any number of writes and patches, then by lock and commit, or by abandon. */
e2str_status e2_atomic_begin(const char *path, e2_atomic_file *file, e2str_error *error);
e2str_status e2_atomic_write(e2_atomic_file *file, const void *data, size_t size, e2str_error *error);
e2str_status e2_atomic_patch(e2_atomic_file *file, size_t offset, const void *data, size_t size, e2str_error *error);

/* Brings the new file to the disk and locks the one at the path (file->exists: there is one) against other processes
 * that replace it in this way, until commit or abandon: it can be looked at through file->target. CONFLICT: somebody
 * holds it locked for seconds. */
e2str_status e2_atomic_lock(e2_atomic_file *file, e2str_error *error);
/* *replaced: the new file is in place, be there an error or not. */
e2str_status e2_atomic_commit(e2_atomic_file *file, bool *replaced, e2str_error *error);
void e2_atomic_abandon(e2_atomic_file *file);

#endif
