/* SPDX-License-Identifier: MIT */
/* A file that appears whole or not at all: written beside its path, synced, renamed over it, the directory synced. */
#ifndef E2_ATOMIC_FILE_H
#define E2_ATOMIC_FILE_H

#include "error.h"

typedef struct e2_atomic_file {
    const char *path;   /* as the caller gave it, for messages; borrowed */
    char *resolved;     /* path, or what it links to */
    const char *name;   /* the last part of resolved */
    char temporary[48]; /* name of the file being written, in the same directory */
    int directory, file;
} e2_atomic_file;

/* An existing file is replaced with its permissions kept; a new one gets 0666 less the umask. A symbolic link stays:
 * what it points to is replaced (a dangling link is itself). A path that is no regular file is refused.
 * All failures are IO (or MEMORY), name the path, and leave neither a temporary file nor a change at the path behind,
 * with one exception: if only the last sync fails, of the directory, the new file is already in place.
 * begin is followed by any number of writes and patches, then by commit or abandon. */
e2str_status e2_atomic_begin(const char *path, e2_atomic_file *file, e2str_error *error);
e2str_status e2_atomic_write(e2_atomic_file *file, const void *data, size_t size, e2str_error *error);
e2str_status e2_atomic_patch(e2_atomic_file *file, size_t offset, const void *data, size_t size, e2str_error *error);
e2str_status e2_atomic_commit(e2_atomic_file *file, e2str_error *error); /* abandons on failure */
void e2_atomic_abandon(e2_atomic_file *file);

#endif
