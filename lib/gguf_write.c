/* Writing GGUF v3: metadata and tensor list are built in memory, tensor data go to the sink from where they lie. */
#include "gguf.h"

#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 32

typedef struct buffer {
    uint8_t *data;
    size_t size, capacity;
} buffer;

typedef struct tensor_data {
    const void **pieces;
    size_t n_pieces, piece_bytes, bytes;
} tensor_data;

struct e2_gguf_writer {
    buffer kvs, infos, tensors; /* tensors: of tensor_data */
    uint64_t n_kvs, n_tensors;
    size_t data_bytes;   /* of the tensors so far, padding included */
    e2str_status status; /* the first failure */
    e2str_error error;
};

static size_t padding(size_t size) { return (ALIGNMENT - size % ALIGNMENT) % ALIGNMENT; }

static void failed(e2_gguf_writer *writer, e2str_status status, const char *why, const char *name) {
    if (!writer->status) writer->status = e2_fail(&writer->error, status, "writing %s: %s", name, why);
}

static void append(e2_gguf_writer *writer, buffer *to, const void *data, size_t size) {
    size_t needed, capacity;
    if (writer->status || !size) return;
    if (!e2_add(to->size, size, &needed)) {
        failed(writer, E2STR_ERROR_MEMORY, "too large", "GGUF");
        return;
    }
    if (needed > to->capacity) {
        if (!e2_mul(needed, 2, &capacity)) capacity = needed;
        uint8_t *grown = realloc(to->data, capacity);
        if (!grown) {
            failed(writer, E2STR_ERROR_MEMORY, "out of memory", "GGUF");
            return;
        }
        to->data = grown;
        to->capacity = capacity;
    }
    memcpy(to->data + to->size, data, size);
    to->size = needed;
}

static void append_u32(e2_gguf_writer *writer, buffer *to, uint32_t value) { append(writer, to, &value, sizeof value); }
static void append_u64(e2_gguf_writer *writer, buffer *to, uint64_t value) { append(writer, to, &value, sizeof value); }

static void append_string(e2_gguf_writer *writer, buffer *to, e2_string string) {
    append_u64(writer, to, string.size);
    append(writer, to, string.data, string.size);
}

static void append_name(e2_gguf_writer *writer, buffer *to, const char *name) {
    append_string(writer, to, (e2_string){name, strlen(name)});
}

static void begin_kv(e2_gguf_writer *writer, const char *key, e2_kv_type type) {
    append_name(writer, &writer->kvs, key);
    append_u32(writer, &writer->kvs, type);
    writer->n_kvs++;
}

static void begin_array(e2_gguf_writer *writer, const char *key, e2_kv_type element, size_t count) {
    begin_kv(writer, key, E2_KV_ARRAY);
    append_u32(writer, &writer->kvs, element);
    append_u64(writer, &writer->kvs, count);
}

e2_gguf_writer *e2_gguf_writer_new(void) { return calloc(1, sizeof(e2_gguf_writer)); }

void e2_gguf_write_value(e2_gguf_writer *writer, const char *key, e2_kv_type type, const void *value) {
    if (!writer) return;
    begin_kv(writer, key, type);
    append(writer, &writer->kvs, value, e2_kv_size(type));
}

void e2_gguf_write_string(e2_gguf_writer *writer, const char *key, e2_string value) {
    if (!writer) return;
    begin_kv(writer, key, E2_KV_STRING);
    append_string(writer, &writer->kvs, value);
}

void e2_gguf_write_array(e2_gguf_writer *writer, const char *key, e2_kv_type element, const void *values,
                         size_t count) {
    if (!writer) return;
    begin_array(writer, key, element, count);
    append(writer, &writer->kvs, values, count * e2_kv_size(element));
}

void e2_gguf_write_string_array(e2_gguf_writer *writer, const char *key, const e2_string *values, size_t count) {
    if (!writer) return;
    begin_array(writer, key, E2_KV_STRING, count);
    for (size_t i = 0; i < count; i++) append_string(writer, &writer->kvs, values[i]);
}

/* Bytes of a tensor of this type and shape; false when there is no such tensor. */
static bool tensor_bytes(e2_type type, uint32_t n_dims, const uint64_t *dims, size_t *bytes) {
    size_t block, block_bytes, elements = 1;
    if (!e2_type_block(type, &block, &block_bytes) || n_dims < 1 || n_dims > E2_MAX_DIMS || dims[0] % block)
        return false;
    for (uint32_t i = 0; i < n_dims; i++)
        if (!dims[i] || dims[i] > SIZE_MAX || !e2_mul(elements, (size_t)dims[i], &elements)) return false;
    return e2_mul(elements / block, block_bytes, bytes);
}

void e2_gguf_write_tensor(e2_gguf_writer *writer, const char *name, e2_type type, uint32_t n_dims, const uint64_t *dims,
                          const void *const *pieces, size_t n_pieces, size_t piece_bytes) {
    if (!writer || writer->status) return;
    tensor_data data = {.n_pieces = n_pieces, .piece_bytes = piece_bytes};
    size_t given, end;
    if (!tensor_bytes(type, n_dims, dims, &data.bytes) || !e2_mul(n_pieces, piece_bytes, &given) ||
        given != data.bytes || !e2_add(writer->data_bytes, data.bytes, &end) || !e2_add(end, padding(end), &end)) {
        failed(writer, E2STR_ERROR_ARGUMENT, "type, shape and data do not agree", name);
        return;
    }
    data.pieces = e2_alloc(n_pieces, sizeof *pieces);
    if (!data.pieces) {
        failed(writer, E2STR_ERROR_MEMORY, "out of memory", name);
        return;
    }
    memcpy(data.pieces, pieces, n_pieces * sizeof *pieces);
    append(writer, &writer->tensors, &data, sizeof data);
    if (writer->status) {
        free(data.pieces);
        return;
    }
    append_name(writer, &writer->infos, name);
    append_u32(writer, &writer->infos, n_dims);
    for (uint32_t i = 0; i < n_dims; i++) append_u64(writer, &writer->infos, dims[i]);
    append_u32(writer, &writer->infos, type);
    append_u64(writer, &writer->infos, writer->data_bytes);
    writer->n_tensors++;
    writer->data_bytes = end;
}

static e2str_status write_data(const tensor_data *tensor, e2_sink sink, void *user, e2str_error *error) {
    static const uint8_t zeros[ALIGNMENT];
    e2str_status status = E2STR_OK;
    for (size_t i = 0; !status && i < tensor->n_pieces; i++)
        status = sink(user, tensor->pieces[i], tensor->piece_bytes, error);
    size_t pad = padding(tensor->bytes);
    return !status && pad ? sink(user, zeros, pad, error) : status;
}

e2str_status e2_gguf_writer_finish(e2_gguf_writer *writer, e2_sink sink, void *user, e2str_error *error) {
    if (!writer) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory");
    static const uint8_t zeros[ALIGNMENT];
    buffer head = {0};
    append(writer, &head, "GGUF", 4);
    append_u32(writer, &head, 3);
    append_u64(writer, &head, writer->n_tensors);
    append_u64(writer, &head, writer->n_kvs);
    append(writer, &head, writer->kvs.data, writer->kvs.size);
    append(writer, &head, writer->infos.data, writer->infos.size);
    append(writer, &head, zeros, padding(head.size));
    e2str_status status = writer->status ? e2_fail(error, writer->status, "%s", writer->error.message)
                                         : sink(user, head.data, head.size, error);
    free(head.data);
    const tensor_data *tensors = (const tensor_data *)(const void *)writer->tensors.data;
    for (uint64_t i = 0; !status && i < writer->n_tensors; i++) status = write_data(&tensors[i], sink, user, error);
    return status;
}

void e2_gguf_writer_fail(e2_gguf_writer *writer, const char *key) {
    if (writer) failed(writer, E2STR_ERROR_MEMORY, "out of memory", key);
}

void e2_gguf_writer_free(e2_gguf_writer *writer) {
    if (!writer) return;
    tensor_data *tensors = (tensor_data *)(void *)writer->tensors.data;
    for (uint64_t i = 0; i < writer->n_tensors; i++) free(tensors[i].pieces);
    free(tensors);
    free(writer->kvs.data);
    free(writer->infos.data);
    free(writer);
}
