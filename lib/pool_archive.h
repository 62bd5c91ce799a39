/* SPDX-License-Identifier: MIT */
/* Pools that lie in an archive: loading, saving what is new, refreshing (docs/archive-format.md). */
#ifndef E2_POOL_ARCHIVE_H
#define E2_POOL_ARCHIVE_H

#include "pool.h"

/* e2str_pool_load of an archive. Messages begin with the path. */
e2str_status e2_pool_load_archive(const e2str_model *model, const char *path, const e2str_pool_options *options,
                                  e2str_pool **pool, e2str_error *error);

/* Whether the path is that of the archive that the pool lies in. The caller holds the lock for saving. MEMORY. */
e2str_status e2_pool_lies_at(const e2str_pool *pool, const char *path, bool *lies, e2str_error *error);

/* Appends what the pool has and its archive has not. The caller holds the lock for saving. */
e2str_status e2_pool_append(e2str_pool *pool, e2str_error *error);

/* Writes all of the pool as a new archive, which it lies in from then on. check: CONFLICT if the file that the pool
 * comes from is to be replaced and has changed. The caller holds the lock for saving. */
e2str_status e2_pool_rewrite(e2str_pool *pool, const char *path, bool without_tokens, bool check, e2str_error *error);

#endif
