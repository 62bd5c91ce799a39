/* SPDX-License-Identifier: MIT */
/* A pool file's memory (docs/pool-format.md). */
#ifndef E2_MEMORY_FILE_H
#define E2_MEMORY_FILE_H

#include "memory.h"

/* Whether a key or tensor is one of the memory's. */
bool e2_memory_file_key(e2_string key);
bool e2_memory_file_tensor(e2_string name);

/* Declares metadata, or tensors; memory must live until the file is written. */
void e2_memory_file_write_metadata(e2_gguf_writer *writer, const e2str_memory *memory, uint64_t last_id);
void e2_memory_file_write_tensors(e2_gguf_writer *writer, const e2str_memory *memory);

/* ids: the file's, ascending, with their labels' sizes. FORMAT, MEMORY. */
e2str_status e2_memory_file_read(const e2_gguf *gguf, const e2str_model *model, const uint64_t *ids,
                                 const size_t *label_sizes, size_t count, e2str_memory **memory, uint64_t *last_id,
                                 e2str_error *error);

#endif
