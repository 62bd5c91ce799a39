/* SPDX-License-Identifier: MIT */
/* A file that is read whole before anybody looks at it. */
#ifndef E2_WHOLE_FILE_H
#define E2_WHOLE_FILE_H

#include "error.h"

/* *data is malloc'ed, never of 0 bytes, and the caller's to free, on failure too (then perhaps NULL). A pipe or FIFO is
 * read to its end. Interrupted calls are continued. IO; LIMIT: more than `most` bytes; MEMORY: messages name the path.
 */
e2str_status e2_read_whole_file(const char *path, size_t most, uint8_t **data, size_t *size, e2str_error *error);

#endif
