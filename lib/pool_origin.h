/* SPDX-License-Identifier: MIT */
/* Where a pool comes from: so that nothing is lost that somebody else has saved there since. */
#ifndef E2_POOL_ORIGIN_H
#define E2_POOL_ORIGIN_H

#include "atomic_file.h"
#include "pool.h"

/* A pool file that was loaded or saved. The caller holds the lock for saving. */
void e2_pool_set_origin(e2str_pool *pool, const char *path, uint64_t size, size_t offset, uint64_t checksum);

/* Whether two archives are one, in the same state; whether an open file is the archive's, in the same state. IO where
 * that cannot be told; of a file also FORMAT and what else opening it says. Messages name no path. */
e2str_status e2_pool_is_same_state(const e2_archive *archive, const e2_archive *other, bool *same, e2str_error *error);
e2str_status e2_pool_is_same_archive(const e2_archive *archive, int file, bool *same, e2str_error *error);

/* CONFLICT if the file that is to be replaced, which is locked, is the one that the pool comes from, and has changed;
 * of an archive also IO, FORMAT and the like where that cannot be told. Messages name the path. */
e2str_status e2_pool_check_origin(const e2str_pool *pool, const e2_atomic_file *file, e2str_error *error);
e2str_status e2_pool_conflict(const char *path, e2str_error *error); /* what it says then */

#endif
