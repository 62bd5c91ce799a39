/* SPDX-License-Identifier: MIT */
/*
 * Writing an archive: blocks one behind the other, then the directory that lists them, then the roots.
 *
 * A commit is: the blocks; sync; the first root; sync; the second root, which the next commit's sync brings to the disk
 * before the first one is touched again. So one of the two is whole at any moment, and a root that is damaged later has
 * a twin. Whatever lies behind the length that the root says belongs to nobody.
 */
#ifndef E2_ARCHIVE_WRITE_H
#define E2_ARCHIVE_WRITE_H

#include "archive.h"
#include "memory.h"

/* Where blocks go: a buffer before a sink. */
typedef struct e2_archive_output {
    e2str_status (*sink)(void *user, uint64_t at, const void *data, size_t size, e2str_error *error);
    void *user;
    uint64_t at; /* of the next byte in the file */
    uint8_t *buffer;
    size_t used;
    e2str_status status; /* the first failure: nothing is written after it */
    e2str_error *error;
} e2_archive_output;

/* from: where the first byte goes. MEMORY. */
e2str_status e2_archive_output_begin(e2_archive_output *out, uint64_t from, e2str_error *error);
e2str_status e2_archive_output_end(e2_archive_output *out); /* writes what is left; the first failure */
void e2_archive_output_free(e2_archive_output *out);
void e2_archive_put(e2_archive_output *out, const void *data, size_t size);
uint64_t e2_archive_put_block(e2_archive_output *out, const void *data, size_t size); /* its place, aligned */

/* What becomes of the visual tokens of rows that are in an archive already. */
typedef enum e2_token_fate {
    E2_TOKENS_STAY, /* where they are: for the same file */
    E2_TOKENS_COPIED,
    E2_TOKENS_DROPPED /* those of new examples, too */
} e2_token_fate;

/* One row to be written: an example, or a row of an archive. */
typedef struct e2_archive_item {
    const e2_example *example; /* NULL: row `row` of the archive */
    size_t row;
} e2_archive_item;

/* n > 0 items, ascending ids, from `archive` (may be NULL) and memory. The entry is filled. */
e2str_status e2_archive_put_segment(e2_archive_output *out, const e2str_model *model, e2str_storage storage,
                                    const e2_archive *archive, const e2_archive_item *items, size_t n,
                                    e2_token_fate fate, e2_archive_entry *entry, e2str_error *error);

/* A memory, or NULL: as a GGUF file of its own within the archive. */
e2str_status e2_archive_put_memory(e2_archive_output *out, const e2str_memory *memory, uint64_t last_id,
                                   e2_archive_directory *directory, e2str_error *error);

/* The directory; *root: the state that it makes, of a file that ends behind it. */
void e2_archive_put_directory(e2_archive_output *out, const e2_archive_directory *directory,
                              const e2_archive_entry *entries, uint64_t sequence, e2_archive_root *root);

e2_archive_header e2_archive_header_of(const e2str_model *model, e2str_storage storage);

/* How many of the n last segments a new one of `rows` rows takes up: so that there are at most 15 each of less than
 * 16, 256, 4,096 and 65,536 rows, and no row is written more than four times again. */
size_t e2_archive_fold(const e2_archive_entry *entries, size_t n, uint64_t rows);

/* Opens the file for appending and locks it against others that do, or that replace it; *file is -1 where there is
 * none. CONFLICT: somebody holds it for seconds; IO, MEMORY. Messages name no path, but for CONFLICT. */
e2str_status e2_archive_lock(const char *path, int *file, e2str_error *error);
/* Lets go of the lock. Closing is not enough where an archive was opened with the same descriptor. */
void e2_archive_unlock(int file);

/* Writes at a place, and brings all to the disk. Interrupted calls are continued. IO, MEMORY. */
e2str_status e2_archive_write_at(int file, uint64_t at, const void *data, size_t size, e2str_error *error);
e2str_status e2_archive_sync(int file, e2str_error *error);

/* Makes the blocks before root->length, which are on the disk, the newest state. *doubtful: whether it is, on failure,
 * is not known. */
e2str_status e2_archive_commit(int file, const e2_archive_root *root, bool *doubtful, e2str_error *error);

#endif
