/* SPDX-License-Identifier: MIT */
/* Pool files: GGUF with a checksum (docs/pool-format.md). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "memory_file.h"
#include "pool_archive.h"
#include "pool_origin.h"

#define VERSION          1 /* and 1 more with a memory, 2 more where pictures differ in their number of visual tokens */
#define WITH_MEMORY      1
#define WITH_COUNTS      2
#define ARCHITECTURE     "e2str-pool"
#define KEY_ARCHITECTURE "general.architecture"
#define KEY_CHECKSUM     "e2str.pool.checksum"
#define KEY_VERSION      "e2str.pool.version"
#define KEY_MODEL        "e2str.pool.model_checksum"
#define KEY_NEXT_ID      "e2str.pool.next_id"
#define KEY_STORAGE      "e2str.pool.storage"
#define KEY_IDS          "e2str.pool.ids"
#define KEY_LABELS       "e2str.pool.labels"
#define KEY_COUNTS       "e2str.pool.token_counts"
#define TENSOR_KEYS      "keys"
#define TENSOR_TOKENS    "tokens"

/* Where save puts the checksum's value: after the header, the architecture (a string) and the name of its own key. */
#define LENGTH(text) (sizeof(text) - 1)
#define CHECKSUM_OFFSET                                                                                                \
    (24 + (8 + LENGTH(KEY_ARCHITECTURE) + 4 + 8 + LENGTH(ARCHITECTURE)) + (8 + LENGTH(KEY_CHECKSUM) + 4))

/* ---------------------------------------------------------------------------------------------------------- save -- */

/* scratch: room for one e2_string per piece, used for each list in turn; the writer copies the lists. */
static void declare_lists(e2_gguf_writer *writer, const e2_pool_content *taken, bool vary, void *scratch) {
    uint64_t *ids = scratch;
    for (size_t i = 0; i < taken->count; i++) ids[i] = taken->examples[i]->id;
    e2_gguf_write_array(writer, KEY_IDS, E2_KV_U64, ids, taken->count);
    e2_string *labels = scratch;
    for (size_t i = 0; i < taken->count; i++)
        labels[i] = (e2_string){taken->examples[i]->label, taken->examples[i]->label_size};
    e2_gguf_write_string_array(writer, KEY_LABELS, labels, taken->count);
    uint32_t *counts = scratch;
    for (size_t i = 0; vary && i < taken->count; i++) counts[i] = taken->examples[i]->n_tokens;
    if (vary) e2_gguf_write_array(writer, KEY_COUNTS, E2_KV_U32, counts, taken->count);
}

/* Pieces of equal size that an example's tokens are written in: whole or, where their number varies, columns. */
static size_t pieces_of(const e2str_model *model, const e2_example *example) {
    return e2_tokens_vary(model) ? example->n_tokens / model->vision.grid_height : 1;
}

static size_t count_pieces(const e2str_model *model, const e2_pool_content *taken) {
    size_t pieces = 0;
    for (size_t i = 0; i < taken->count; i++) pieces += pieces_of(model, taken->examples[i]);
    return pieces;
}

static void declare_tokens(e2_gguf_writer *writer, const e2str_pool *pool, const e2_pool_content *taken,
                           void *scratch) {
    const e2str_model *model = pool->model;
    bool half = pool->storage == E2STR_STORE_F16, vary = e2_tokens_vary(model);
    uint64_t width = model->vision.width, media = vary ? model->vision.grid_height : model->visual_tokens;
    const void **pieces = scratch;
    size_t n = 0, bytes = (size_t)(media * width) * (half ? sizeof(uint16_t) : sizeof(float));
    for (size_t i = 0; i < taken->count; i++)
        for (size_t j = 0; j < pieces_of(model, taken->examples[i]); j++)
            pieces[n++] = (const char *)taken->examples[i]->tokens + j * bytes;
    const uint64_t dims[] = {width, vary ? media * n : media, n};
    e2_gguf_write_tensor(writer, TENSOR_TOKENS, half ? E2_F16 : E2_F32, vary ? 2 : 3, dims, pieces, n, bytes);
}

static void declare_tensors(e2_gguf_writer *writer, const e2str_pool *pool, const e2_pool_content *taken,
                            void *scratch) {
    size_t width = pool->model->vision.width;
    const void **pieces = scratch;
    if (!taken->count) return; /* GGUF has no empty tensors */
    for (size_t i = 0; i < taken->count; i++) pieces[i] = taken->examples[i]->key;
    const uint64_t key_dims[] = {width, taken->count};
    e2_gguf_write_tensor(writer, TENSOR_KEYS, E2_F32, 2, key_dims, pieces, taken->count, width * sizeof(float));
    declare_tokens(writer, pool, taken, scratch);
}

static void declare(e2_gguf_writer *writer, const e2str_pool *pool, const e2_pool_content *taken, void *scratch) {
    const char *storage = pool->storage == E2STR_STORE_F16 ? "f16" : "f32";
    bool vary = e2_tokens_vary(pool->model);
    e2_gguf_write_string(writer, KEY_ARCHITECTURE, (e2_string){ARCHITECTURE, LENGTH(ARCHITECTURE)});
    e2_gguf_write_u64(writer, KEY_CHECKSUM, 0); /* put in when the rest is written */
    e2_gguf_write_u32(writer, KEY_VERSION, VERSION + (taken->memory ? WITH_MEMORY : 0) + (vary ? WITH_COUNTS : 0));
    e2_gguf_write_u64(writer, KEY_MODEL, e2str_model_checksum(pool->model));
    e2_gguf_write_u64(writer, KEY_NEXT_ID, taken->next_id);
    e2_gguf_write_string(writer, KEY_STORAGE, (e2_string){storage, strlen(storage)});
    declare_lists(writer, taken, vary, scratch);
    if (taken->memory) e2_memory_file_write_metadata(writer, taken->memory, taken->memory_last_id);
    declare_tensors(writer, pool, taken, scratch);
    if (taken->memory) e2_memory_file_write_tensors(writer, taken->memory);
}

typedef struct output {
    e2_atomic_file file;
    e2_hash hash;
    uint64_t size;
} output;

static e2str_status write_and_hash(void *user, const void *data, size_t size, e2str_error *error) {
    output *to = user;
    e2_hash_add(&to->hash, data, size);
    to->size += size;
    return e2_atomic_write(&to->file, data, size, error);
}

/* The caller holds the lock for saving. */
static e2str_status write_file(e2_gguf_writer *writer, const char *path, bool check, e2str_pool *pool,
                               e2str_error *error) {
    output to = {.size = 0};
    e2_hash_begin(&to.hash);
    e2str_status status = e2_atomic_begin(path, &to.file, error);
    if (status) return status;
    status = e2_gguf_writer_finish(writer, write_and_hash, &to, error);
    uint64_t checksum = e2_hash_end(&to.hash);
    if (!status) status = e2_atomic_patch(&to.file, CHECKSUM_OFFSET, &checksum, sizeof checksum, error);
    if (!status) status = e2_atomic_lock(&to.file, error);
    if (!status && check) status = e2_pool_check_origin(pool, &to.file, error);
    if (status) {
        e2_atomic_abandon(&to.file);
        return status;
    }
    bool replaced;
    status = e2_atomic_commit(&to.file, &replaced, error);
    if (replaced && !pool->archive) e2_pool_set_origin(pool, path, to.size, CHECKSUM_OFFSET, checksum);
    return status;
}

/* A pool that lies elsewhere, in an archive, stays there. */
static e2str_status save_all(e2str_pool *pool, const char *path, bool check, e2str_error *error) {
    e2_pool_content taken;
    e2str_status status = e2_pool_content_take(pool, &taken, error);
    if (status) return e2_within(error, status, path);
    status = e2_pool_content_load(pool, &taken, error);
    if (status) {
        e2_pool_content_free(&taken);
        return e2_within(error, status, path);
    }
    void *scratch = e2_alloc(count_pieces(pool->model, &taken), sizeof(e2_string));
    e2_gguf_writer *writer = e2_gguf_writer_new();
    if (scratch && writer) {
        declare(writer, pool, &taken, scratch);
        status = write_file(writer, path, check, pool, error);
    } else {
        status = e2_fail(error, E2STR_ERROR_MEMORY, "%s: out of memory for saving a pool", path);
    }
    e2_gguf_writer_free(writer);
    free(scratch);
    e2_pool_content_free(&taken);
    return status;
}

static e2str_status save(const e2str_pool *pool, const char *path, bool check, e2str_error *error) {
    if (!pool || !path) return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", pool ? "path" : "pool");
    e2str_pool *owner = (e2str_pool *)pool; /* where it was saved is no part of a pool's value */
    bool lies;
    pthread_mutex_lock(&owner->saving);
    e2str_status status = e2_pool_lies_at(pool, path, &lies, error);
    if (!status && !lies) status = save_all(owner, path, check, error);
    if (!status && lies)
        status = check ? e2_pool_append(owner, error) : e2_pool_rewrite(owner, path, false, false, error);
    pthread_mutex_unlock(&owner->saving);
    return status;
}

e2str_status e2str_pool_save(const e2str_pool *pool, const char *path, e2str_error *error) {
    return save(pool, path, true, error);
}

e2str_status e2str_pool_overwrite(const e2str_pool *pool, const char *path, e2str_error *error) {
    return save(pool, path, false, error);
}

/* ---------------------------------------------------------------------------------------------------------- load -- */

uint64_t e2_pool_checksum(const e2_gguf *gguf, const e2_kv *checksum) {
    static const uint8_t zero[sizeof(uint64_t)];
    const uint8_t *after = checksum->data + sizeof zero;
    e2_hash hash;
    e2_hash_begin(&hash);
    e2_hash_add(&hash, gguf->data, (size_t)(checksum->data - gguf->data));
    e2_hash_add(&hash, zero, sizeof zero);
    e2_hash_add(&hash, after, (size_t)(gguf->data + gguf->size - after));
    return e2_hash_end(&hash);
}

static e2str_status check_architecture(const e2_gguf *gguf, e2str_error *error) {
    e2_string architecture;
    e2str_status status = e2_gguf_string(gguf, KEY_ARCHITECTURE, &architecture, error);
    if (status || e2_string_is(architecture, ARCHITECTURE)) return status;
    return e2_fail(error, E2STR_ERROR_FORMAT, "not a pool file: its architecture is %s, not " ARCHITECTURE,
                   e2_show(architecture).text);
}

/* What a file of this version has: WITH_MEMORY, WITH_COUNTS. */
static bool has(uint32_t version, uint32_t part) { return ((version - VERSION) & part) != 0; }

/* Is it a pool file, undamaged, and of a version that this code knows? */
static e2str_status check_file(const e2_gguf *gguf, uint32_t *version, e2str_error *error) {
    uint64_t expected;
    e2str_status status = check_architecture(gguf, error);
    if (status) return status;
    const e2_kv *checksum = e2_gguf_kv(gguf, KEY_CHECKSUM);
    if (!checksum || checksum->type != E2_KV_U64)
        return e2_fail(error, E2STR_ERROR_FORMAT, "key %s is missing or not a u64", KEY_CHECKSUM);
    memcpy(&expected, checksum->data, sizeof expected);
    if (e2_pool_checksum(gguf, checksum) != expected)
        return e2_fail(error, E2STR_ERROR_FORMAT, "the checksum does not match: the file is damaged");
    status = e2_gguf_u32(gguf, KEY_VERSION, version, error);
    const uint32_t last = VERSION + WITH_MEMORY + WITH_COUNTS;
    if (!status && (*version < VERSION || *version > last))
        status = e2_fail(error, E2STR_ERROR_UNSUPPORTED,
                         "the pool file has version %" PRIu32 ", only %d to %" PRIu32 " are supported", *version,
                         VERSION, last);
    return status;
}

static bool any_of(e2_string name, const char *const *known, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (e2_string_is(name, known[i])) return true;
    return false;
}

/* Keys of other programs are fine; one of ours that is not known would change what the file means. */
static e2str_status check_names(const e2_gguf *gguf, uint32_t version, e2str_error *error) {
    static const char *const keys[] = {KEY_CHECKSUM, KEY_VERSION, KEY_MODEL, KEY_NEXT_ID,
                                       KEY_STORAGE,  KEY_IDS,     KEY_LABELS};
    static const char *const tensors[] = {TENSOR_KEYS, TENSOR_TOKENS};
    bool memory = has(version, WITH_MEMORY), counts = has(version, WITH_COUNTS);
    for (size_t i = 0; i < gguf->n_kvs; i++) {
        e2_string key = gguf->kvs[i].key;
        bool ours = key.size >= LENGTH("e2str.") && memcmp(key.data, "e2str.", LENGTH("e2str.")) == 0;
        if (ours && !any_of(key, keys, sizeof keys / sizeof *keys) && !(memory && e2_memory_file_key(key)) &&
            !(counts && e2_string_is(key, KEY_COUNTS)))
            return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "unknown key %s", e2_show(key).text);
    }
    for (size_t i = 0; i < gguf->n_tensors; i++)
        if (!any_of(gguf->tensors[i].name, tensors, sizeof tensors / sizeof *tensors) &&
            !(memory && e2_memory_file_tensor(gguf->tensors[i].name)))
            return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "unknown tensor %s", e2_show(gguf->tensors[i].name).text);
    return E2STR_OK;
}

static e2str_status check_model(const e2_gguf *gguf, const e2str_model *model, uint32_t version, e2str_error *error) {
    uint64_t made_with;
    e2str_status status = e2_gguf_u64(gguf, KEY_MODEL, &made_with, error);
    if (!status) status = e2_model_check_pool(model, made_with, error);
    bool counts = has(version, WITH_COUNTS);
    if (!status && counts != e2_tokens_vary(model))
        status = e2_fail(error, E2STR_ERROR_FORMAT, "the pool file has %snumbers of visual tokens, its model has %s",
                         counts ? "" : "no ", counts ? "one for all pictures" : "one for each picture");
    return status;
}

/* What the file holds, as far as it is known to be there and of the right shape. */
typedef struct contents {
    e2str_storage storage;
    size_t count;
    uint64_t next_id;
    const uint8_t *ids, *labels;  /* u64[count], strings */
    const uint8_t *token_counts;  /* u32[count], or NULL: the model's */
    const float *keys;            /* [count][width]; NULL when count is 0, as tokens */
    const uint8_t *tokens;        /* the examples', one after another */
    size_t all_tokens, row_bytes; /* their number, and the bytes of one */
} contents;

static e2str_status read_storage(const e2_gguf *gguf, e2str_storage *storage, e2str_error *error) {
    e2_string name;
    e2str_status status = e2_gguf_string(gguf, KEY_STORAGE, &name, error);
    if (status) return status;
    *storage = e2_string_is(name, "f16") ? E2STR_STORE_F16 : E2STR_STORE_F32;
    if (*storage == E2STR_STORE_F32 && !e2_string_is(name, "f32"))
        return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "key %s is %s, not f16 or f32", KEY_STORAGE, e2_show(name).text);
    return E2STR_OK;
}

/* A tensor with exactly this type and these 3 dimensions, aligned for use in place. */
static e2str_status read_tensor(const e2_gguf *gguf, const char *name, e2_type type, const uint64_t dims[3],
                                const void **data, e2str_error *error) {
    const e2_tensor *tensor = e2_gguf_tensor(gguf, name);
    if (!tensor) return e2_fail(error, E2STR_ERROR_FORMAT, "tensor %s is missing", name);
    const uint64_t *is = tensor->dims;
    if (tensor->type != type || is[0] != dims[0] || is[1] != dims[1] || is[2] != dims[2] || is[3] != 1)
        return e2_fail(error, E2STR_ERROR_FORMAT,
                       "tensor %s is %s [%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 "], expected %s [%" PRIu64
                       ", %" PRIu64 ", %" PRIu64 ", 1]",
                       name, e2_type_name(tensor->type), is[0], is[1], is[2], is[3], e2_type_name(type), dims[0],
                       dims[1], dims[2]);
    if ((uintptr_t)tensor->data % sizeof(float))
        return e2_fail(error, E2STR_ERROR_FORMAT, "tensor %s is not aligned to %zu bytes", name, sizeof(float));
    *data = tensor->data;
    return E2STR_OK;
}

static uint32_t token_count(const contents *file, const e2str_model *model, size_t index) {
    uint32_t count = model->visual_tokens;
    if (file->token_counts) memcpy(&count, file->token_counts + index * sizeof count, sizeof count);
    return count;
}

/* Each must be of an image as wide as the model takes them. */
static e2str_status read_counts(const e2_gguf *gguf, const e2str_model *model, contents *file, e2str_error *error) {
    const e2_kv *counts = NULL;
    e2str_status status = e2_gguf_array(gguf, KEY_COUNTS, E2_KV_U32, &counts, error);
    if (status) return status;
    if (counts->count != file->count)
        return e2_fail(error, E2STR_ERROR_FORMAT, "%zu ids but %zu numbers of visual tokens", file->count,
                       counts->count);
    file->token_counts = counts->data;
    uint32_t column = model->vision.grid_height;
    uint32_t least = column * (model->image.min_width / model->vision.patch_width), most = model->visual_tokens;
    for (size_t i = 0; i < file->count; i++) {
        uint32_t n = token_count(file, model, i);
        if (n < least || n > most || n % column)
            return e2_fail(error, E2STR_ERROR_FORMAT,
                           "%" PRIu32 " visual tokens: not %" PRIu32 " to %" PRIu32 " in columns of %" PRIu32, n, least,
                           most, column);
        if (!e2_add(file->all_tokens, n, &file->all_tokens))
            return e2_fail(error, E2STR_ERROR_FORMAT, "too many visual tokens");
    }
    return E2STR_OK;
}

static e2str_status read_tensors(const e2_gguf *gguf, const e2str_model *model, contents *file, e2str_error *error) {
    uint64_t width = model->vision.width;
    bool half = file->storage == E2STR_STORE_F16, vary = file->token_counts != NULL;
    const uint64_t key_dims[3] = {width, file->count, 1};
    const uint64_t token_dims[3] = {width, vary ? file->all_tokens : model->visual_tokens, vary ? 1 : file->count};
    const void *keys, *tokens;
    if (!file->count && gguf->n_tensors) return e2_fail(error, E2STR_ERROR_FORMAT, "the pool is empty but has tensors");
    if (!file->count) return E2STR_OK;
    e2str_status status = read_tensor(gguf, TENSOR_KEYS, E2_F32, key_dims, &keys, error);
    if (!status) status = read_tensor(gguf, TENSOR_TOKENS, half ? E2_F16 : E2_F32, token_dims, &tokens, error);
    if (status) return status;
    file->keys = keys;
    file->tokens = tokens;
    file->row_bytes = (size_t)width * (half ? sizeof(uint16_t) : sizeof(float));
    return E2STR_OK;
}

static e2str_status read_contents(const e2_gguf *gguf, const e2str_model *model, contents *file, e2str_error *error) {
    const e2_kv *ids = NULL, *labels = NULL;
    *file = (contents){0};
    e2str_status status = read_storage(gguf, &file->storage, error);
    if (!status) status = e2_gguf_u64(gguf, KEY_NEXT_ID, &file->next_id, error);
    if (!status) status = e2_gguf_array(gguf, KEY_IDS, E2_KV_U64, &ids, error);
    if (!status) status = e2_gguf_array(gguf, KEY_LABELS, E2_KV_STRING, &labels, error);
    if (status) return status;
    if (!file->next_id) return e2_fail(error, E2STR_ERROR_FORMAT, "key %s is 0", KEY_NEXT_ID);
    if (ids->count != labels->count)
        return e2_fail(error, E2STR_ERROR_FORMAT, "%zu ids but %zu labels", ids->count, labels->count);
    file->count = ids->count;
    file->ids = ids->data;
    file->labels = labels->data;
    if (e2_tokens_vary(model)) status = read_counts(gguf, model, file, error);
    return status ? status : read_tensors(gguf, model, file, error);
}

/* What would be a caller's mistake elsewhere is a fault of the file here. */
static e2str_status fault_of_file(e2str_status status) {
    return status == E2STR_ERROR_LABEL || status == E2STR_ERROR_LIMIT ? E2STR_ERROR_FORMAT : status;
}

static e2str_status load_example(e2str_pool *pool, e2str_storage storage, const e2_encoded *image, uint64_t id,
                                 e2_string label, e2str_error *error) {
    e2_label read;
    e2_example *example = NULL;
    e2str_status status = e2_label_read(pool->model, label.data, label.size, &read, error);
    if (status) return status;
    status = e2_example_new_stored(pool->model, storage, image, &read, &example, error);
    e2_label_free(&read);
    if (status) return status;
    example->id = id;
    status = e2_pool_insert(pool, example, NULL, error);
    if (status) e2_example_release(example);
    return status;
}

static e2str_status load_examples(e2str_pool *pool, const contents *file, e2str_error *error) {
    const e2str_model *model = pool->model;
    const uint8_t *labels = file->labels, *tokens = file->tokens;
    uint64_t id, last = 0;
    for (size_t i = 0; i < file->count; i++, last = id) {
        memcpy(&id, file->ids + i * sizeof id, sizeof id);
        if (id <= last || id >= file->next_id)
            return e2_fail(error, E2STR_ERROR_FORMAT,
                           "id %" PRIu64 " is not between the one before it (%" PRIu64 ") and the next (%" PRIu64 ")",
                           id, last, file->next_id);
        e2_encoded image = {tokens, token_count(file, model, i), file->keys + i * model->vision.width};
        e2str_status status = load_example(pool, file->storage, &image, id, e2_gguf_next_string(&labels), error);
        tokens += image.n * file->row_bytes;
        if (!status) continue;
        char which[40];
        snprintf(which, sizeof which, "example %" PRIu64, id);
        return e2_within(error, fault_of_file(status), which);
    }
    return E2STR_OK;
}

static e2str_status load_memory(e2str_pool *pool, const e2_gguf *gguf, e2str_error *error) {
    uint64_t *ids = e2_alloc(pool->count, sizeof *ids), last_id;
    size_t *sizes = e2_alloc(pool->count, sizeof *sizes);
    e2str_memory *memory = NULL;
    e2str_status status = E2STR_ERROR_MEMORY;
    for (size_t i = 0; ids && sizes && i < pool->count; i++) {
        ids[i] = pool->examples[i]->id;
        sizes[i] = pool->examples[i]->label_size;
    }
    if (ids && sizes)
        status = e2_memory_file_read(gguf, pool->model, ids, sizes, pool->count, &memory, &last_id, error);
    else
        e2_fail(error, status, "out of memory for the pool's memory");
    free(ids);
    free(sizes);
    if (!status) e2_pool_remember(pool, memory, last_id);
    return status;
}

e2str_status e2_pool_from_gguf(const e2str_model *model, const e2_gguf *gguf, const e2str_pool_options *options,
                               e2str_pool **pool, e2str_error *error) {
    contents file;
    e2str_pool *fresh = NULL;
    uint32_t version = 0;
    *pool = NULL;
    e2str_status status = check_file(gguf, &version, error);
    if (!status) status = check_names(gguf, version, error);
    if (!status) status = check_model(gguf, model, version, error);
    if (!status) status = read_contents(gguf, model, &file, error);
    if (!status) status = e2str_pool_new(model, options, &fresh, error);
    if (status) return status;
    fresh->storage = file.storage;
    fresh->next_id = file.next_id;
    status = load_examples(fresh, &file, error);
    if (!status && has(version, WITH_MEMORY)) status = load_memory(fresh, gguf, error);
    if (status)
        e2str_pool_free(fresh);
    else
        *pool = fresh;
    return status;
}

e2str_status e2str_pool_load(const e2str_model *model, const char *path, const e2str_pool_options *options,
                             e2str_pool **pool, e2str_error *error) {
    if (pool) *pool = NULL;
    if (!model || !path || !pool)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", !model ? "model" : !path ? "path" : "pool");
    e2_gguf gguf;
    e2str_error reason; /* which is not the caller's if it is an archive */
    e2str_status status = e2_gguf_open(path, &gguf, &reason);
    if (status == E2STR_ERROR_FORMAT && e2_archive_probe(path))
        return e2_pool_load_archive(model, path, options, pool, error);
    if (status) return e2_fail(error, status, "%s", reason.message);
    status = check_architecture(&gguf, error); /* before reading what may be a large file of another kind */
    if (!status) status = e2_gguf_complete(&gguf, error);
    if (!status) status = e2_pool_from_gguf(model, &gguf, options, pool, error);
    if (!status) {
        const e2_kv *kv = e2_gguf_kv(&gguf, KEY_CHECKSUM);
        uint64_t checksum;
        memcpy(&checksum, kv->data, sizeof checksum);
        e2_pool_set_origin(*pool, path, gguf.size, (size_t)(kv->data - gguf.data), checksum);
    }
    e2_gguf_close(&gguf);
    return status ? e2_within(error, status, path) : E2STR_OK;
}
