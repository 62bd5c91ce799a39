/* SPDX-License-Identifier: MIT */
/* A pool file's memory (docs/pool-format.md). */
#ifndef E2_MEMORY_FILE_H
#define E2_MEMORY_FILE_H

#include "memory.h"

#define E2_MEMORY_FILE_LAST_ID  "e2str.pool.memory.last_id"
#define E2_MEMORY_FILE_VERDICTS "e2str.pool.memory.verdict_examples" /* the ids of the examples that it judged */

/* Whether a key or tensor is one of the memory's. */
bool e2_memory_file_key(e2_string key);
bool e2_memory_file_tensor(e2_string name);

/* Declares metadata, or tensors; memory must live until the file is written. */
void e2_memory_file_write_metadata(e2_gguf_writer *writer, const e2str_memory *memory, uint64_t last_id);
void e2_memory_file_write_tensors(e2_gguf_writer *writer, const e2str_memory *memory);

/* ids: the pool's, ascending, with their labels' sizes; those that the memory judged, and its last one, are enough.
 * FORMAT, MEMORY. */
e2str_status e2_memory_file_read(const e2_gguf *gguf, const e2str_model *model, const uint64_t *ids,
                                 const size_t *label_sizes, size_t count, e2str_memory **memory, uint64_t *last_id,
                                 e2str_error *error);

#endif
