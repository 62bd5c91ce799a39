/* SPDX-License-Identifier: MIT */
/* GGUF v3 files, model and pool alike: reading (untrusted bytes) and writing. */
#ifndef E2_GGUF_H
#define E2_GGUF_H

#include "error.h"

/* GGML tensor types that the reader knows (docs/model-format.md). Others are refused by number. */
/* clang-format off */
typedef enum e2_type {
    E2_F32 = 0, E2_F16 = 1, E2_Q8_0 = 8, E2_I8 = 24, E2_I16 = 25, E2_I32 = 26, E2_I64 = 27, E2_F64 = 28, E2_BF16 = 30
} e2_type;
/* clang-format on */
const char *e2_type_name(e2_type type); /* "F32", ...; "?" for others */

/* Elements are stored in blocks of *elements that take *bytes; false for a type that is not in the list. */
bool e2_type_block(e2_type type, size_t *elements, size_t *bytes);

/* GGUF metadata value types. */
/* clang-format off */
typedef enum e2_kv_type {
    E2_KV_U8 = 0, E2_KV_I8 = 1, E2_KV_U16 = 2, E2_KV_I16 = 3, E2_KV_U32 = 4, E2_KV_I32 = 5, E2_KV_F32 = 6,
    E2_KV_BOOL = 7, E2_KV_STRING = 8, E2_KV_ARRAY = 9, E2_KV_U64 = 10, E2_KV_I64 = 11, E2_KV_F64 = 12
} e2_kv_type;
/* clang-format on */

size_t e2_kv_size(uint32_t type); /* bytes of a value of fixed size; 0: string, array or no type at all */

/* Bytes inside the file; not NUL-terminated. */
typedef struct e2_string {
    const char *data;
    size_t size;
} e2_string;
bool e2_string_is(e2_string string, const char *text); /* equal to a NUL-terminated text */

/* An untrusted string for a message: what can be printed as it is, the rest as \xNN, long ones cut. e2_show(name).text
 * lives until the end of the full expression. */
typedef struct e2_shown {
    char text[68];
} e2_shown;
e2_shown e2_show(e2_string string);

#define E2_MAX_DIMS 4
typedef struct e2_tensor {
    e2_string name; /* first member: see e2_gguf.tensor_order */
    e2_type type;
    uint32_t n_dims;
    uint64_t dims[E2_MAX_DIMS]; /* the fastest first: a row-major [out, in] matrix has {in, out}; unused = 1 */
    size_t elements;
    size_t bytes, offset; /* in the file */
    const void *data;     /* aligned to the file's alignment, or, when it was fetched, as malloc aligns */
} e2_tensor;

typedef struct e2_kv {
    e2_string key; /* first member: see e2_gguf.kv_order */
    e2_kv_type type;
    e2_kv_type element;  /* of an array */
    size_t count;        /* of an array; otherwise 1 */
    const uint8_t *data; /* the value, or an array's first element; may be unaligned; little-endian */
    size_t bytes;        /* of the value or of all elements */
} e2_kv;

typedef struct e2_gguf {
    const uint8_t *data; /* the whole file, or the place for it */
    size_t size;
    size_t metadata;               /* bytes before the tensors' data and its padding */
    size_t reserved;               /* bytes of data that are our own: e2_gguf_close gives them back */
    struct e2_gguf_source *source; /* of what is not in memory yet, or NULL */
    e2_kv *kvs;                    /* in file order */
    size_t n_kvs;
    e2_tensor *tensors; /* in file order */
    size_t n_tensors;
    const e2_string **kv_order;     /* the names in their e2_kv or e2_tensor, sorted: for duplicate checks and */
    const e2_string **tensor_order; /* look-up in a time that no choice of names can make long */
} e2_gguf;

/* Everything is checked before it is believed: magic, version, counts against the bytes left, string and array sizes,
 * duplicate names, dimensions and products, offsets aligned, ascending, inside the file and not overlapping, nothing
 * after the last tensor but its padding. Memory used is a small multiple of the metadata's size. Big-endian files,
 * other versions, nested arrays and unknown tensor types: UNSUPPORTED. Messages of e2_gguf_open begin with the path. */
e2str_status e2_gguf_open(const char *path, e2_gguf *gguf, e2str_error *error);
e2str_status e2_gguf_open_memory(const void *data, size_t size, e2_gguf *gguf, e2str_error *error);
void e2_gguf_close(e2_gguf *gguf); /* zeroes *gguf; fine on a zeroed one */

/* e2_gguf_open reads the metadata (at most 256 MiB: LIMIT), each byte once, and checks them in memory: what happens to
 * the file later changes nothing. A tensor's data are there from its fetch to the next. e2_gguf_complete reads all that
 * is missing and lets go of the file; e2_gguf_leave_data forgets the data section, and keeps the file open for
 * e2_gguf_hash until e2_gguf_leave_file. Those that read say IO if the file changed meanwhile. On a file from memory,
 * or complete, all of these do nothing. */
e2str_status e2_gguf_fetch(e2_gguf *gguf, const e2_tensor *tensor, e2str_error *error);
e2str_status e2_gguf_complete(e2_gguf *gguf, e2str_error *error);
e2str_status e2_gguf_leave_data(e2_gguf *gguf, e2str_error *error);

/* XXH64 of the whole file; reads what is not in memory, and does not keep it. */
e2str_status e2_gguf_hash(const e2_gguf *gguf, uint64_t *checksum, e2str_error *error);

/* ---- between gguf.c and gguf_file.c: the parser, of gguf->data; and its demand for the first `end` bytes ---- */
e2str_status e2_gguf_parse(e2_gguf *gguf, e2str_error *error);
bool e2_gguf_load(e2_gguf *gguf, size_t end); /* false: the source knows why */

/* Look-ups; NULL when absent. */
const e2_kv *e2_gguf_kv(const e2_gguf *gguf, const char *key);
const e2_tensor *e2_gguf_tensor(const e2_gguf *gguf, const char *name);

/* Typed look-ups: FORMAT, naming the key, when it is absent or of another type. Integers of any width are accepted by
 * e2_gguf_u64 and e2_gguf_u32 if the value is in range. */
e2str_status e2_gguf_u32(const e2_gguf *gguf, const char *key, uint32_t *value, e2str_error *error);
e2str_status e2_gguf_u64(const e2_gguf *gguf, const char *key, uint64_t *value, e2str_error *error);
e2str_status e2_gguf_f32(const e2_gguf *gguf, const char *key, float *value, e2str_error *error);
e2str_status e2_gguf_bool(const e2_gguf *gguf, const char *key, bool *value, e2str_error *error);
e2str_status e2_gguf_string(const e2_gguf *gguf, const char *key, e2_string *value, e2str_error *error);
/* An array of `element`; its data may be unaligned. */
e2str_status e2_gguf_array(const e2_gguf *gguf, const char *key, e2_kv_type element, const e2_kv **array,
                           e2str_error *error);
/* Walks a string array: start with *cursor = array->data; call array->count times. Already checked by open. */
e2_string e2_gguf_next_string(const uint8_t **cursor);

/* Tensor elements first .. first + count - 1 as f32 (F32, F16, BF16, Q8_0; Q8_0 in whole blocks of 32). */
void e2_dequantize(const e2_tensor *tensor, size_t first, size_t count, float *out);
/* Row `row` of a matrix with rows of `width` elements. */
static inline void e2_tensor_row(const e2_tensor *tensor, size_t row, size_t width, float *out) {
    e2_dequantize(tensor, row * width, width, out);
}

/* Neither infinity nor NaN among the elements (of the same types). */
bool e2_tensor_finite(const e2_tensor *tensor);
float e2_f16_to_f32(uint16_t half);
uint16_t e2_f32_to_f16(float value); /* round to nearest even; overflow to infinity */

/* ---- writing: metadata first, then tensor declarations, then the data in the same order ---- */
typedef struct e2_gguf_writer e2_gguf_writer;

/* Writes to memory grown as needed: any failure is remembered and reported by e2_gguf_writer_finish. Alignment 32. */
e2_gguf_writer *e2_gguf_writer_new(void); /* NULL: out of memory; every call below accepts it (finish: MEMORY) */
/* A value, or an array of values, of a type of fixed size (not a string, not an array). */
void e2_gguf_write_value(e2_gguf_writer *writer, const char *key, e2_kv_type type, const void *value);
void e2_gguf_write_array(e2_gguf_writer *writer, const char *key, e2_kv_type element, const void *values, size_t count);
static inline void e2_gguf_write_u32(e2_gguf_writer *writer, const char *key, uint32_t value) {
    e2_gguf_write_value(writer, key, E2_KV_U32, &value);
}
static inline void e2_gguf_write_u64(e2_gguf_writer *writer, const char *key, uint64_t value) {
    e2_gguf_write_value(writer, key, E2_KV_U64, &value);
}
void e2_gguf_write_string(e2_gguf_writer *writer, const char *key, e2_string value);
void e2_gguf_write_string_array(e2_gguf_writer *writer, const char *key, const e2_string *values, size_t count);
/* The data are borrowed until finish (the list of pointers is copied); `pieces` pointers of piece_bytes each are
 * written one after the other and must fill the tensor: otherwise finish gives ARGUMENT. */
void e2_gguf_write_tensor(e2_gguf_writer *writer, const char *name, e2_type type, uint32_t n_dims, const uint64_t *dims,
                          const void *const *pieces, size_t n_pieces, size_t piece_bytes);
/* Header and padding in memory, data streamed: calls sink for each run of bytes in file order. */
typedef e2str_status (*e2_sink)(void *user, const void *data, size_t size, e2str_error *error);
e2str_status e2_gguf_writer_finish(e2_gguf_writer *writer, e2_sink sink, void *user, e2str_error *error);
/* Remembers that memory is out, for a caller that has no list to write. */
void e2_gguf_writer_fail(e2_gguf_writer *writer, const char *key);
void e2_gguf_writer_free(e2_gguf_writer *writer);

#endif
