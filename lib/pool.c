#include "pool.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

#define ALIGNMENT ((size_t)64)

/* -------------------------------------------------------------------------------------------------- examples -- */

static size_t token_values(const e2str_model *model) { return (size_t)model->media_tokens * model->vision.width; }

/* Takes `size` bytes at the next multiple of 64 of a block that is being laid out. */
static bool take(size_t *block, size_t count, size_t size, size_t *offset) {
    size_t bytes;
    if (!e2_mul(count, size, &bytes) || !e2_add(*block, ALIGNMENT - 1, block)) return false;
    *offset = *block & ~(ALIGNMENT - 1);
    return e2_add(*offset, bytes, block);
}

/* One block: the structure, key, tokens, ids, label. */
static e2_example *example_block(const e2str_model *model, e2str_storage storage, size_t label_size, uint32_t n_ids) {
    size_t block = sizeof(e2_example), key, tokens, ids, label, end;
    size_t value = storage == E2STR_STORE_F16 ? sizeof(uint16_t) : sizeof(float);
    size_t row = model->vision.width * sizeof(float);
    if (!take(&block, model->vision.width, sizeof(float), &key) || !take(&block, token_values(model), value, &tokens) ||
        !take(&block, n_ids, sizeof(uint32_t), &ids) || !take(&block, label_size, 1, &label) ||
        !e2_add(block, 1, &block) || !take(&block, 0, 1, &end))
        return NULL;
    char *memory = aligned_alloc(ALIGNMENT, end);
    if (!memory) return NULL;
    e2_example *example = (e2_example *)memory;
    *example = (e2_example){.bytes = end + row, .storage = storage, .n_ids = n_ids, .label_size = label_size};
    atomic_init(&example->references, 1);
    example->key = (float *)(memory + key);
    example->tokens = memory + tokens;
    example->ids = (uint32_t *)(memory + ids);
    example->label = memory + label;
    return example;
}

static bool all_finite(e2str_storage storage, const void *tokens, size_t n) {
    const uint16_t *halves = tokens;
    const float *floats = tokens;
    for (size_t i = 0; i < n; i++)
        if (storage == E2STR_STORE_F16 ? (halves[i] & 0x7C00) == 0x7C00 : !isfinite(floats[i])) return false;
    return true;
}

static double length_of(const float *key, size_t width) {
    double sum = 0.0;
    for (size_t i = 0; i < width; i++) sum += (double)key[i] * key[i];
    return sqrt(sum);
}

e2str_status e2_example_new_stored(const e2str_model *model, e2str_storage storage, const void *tokens,
                                   const float *key, const char *label, size_t label_size, const uint32_t *label_ids,
                                   uint32_t n_ids, e2_example **example, e2str_error *error) {
    size_t width = model->vision.width, n = token_values(model);
    double length = length_of(key, width);
    *example = NULL;
    if (!all_finite(storage, tokens, n))
        return e2_fail(error, E2STR_ERROR_LIMIT, "a visual token is not finite%s",
                       storage == E2STR_STORE_F16 ? " as f16 (E2STR_STORE_F32 holds larger values)" : "");
    if (!(fabs(length - 1.0) <= 1e-3))
        return e2_fail(error, E2STR_ERROR_LIMIT, "the retrieval key has length %g instead of 1", length);
    e2_example *fresh = example_block(model, storage, label_size, n_ids);
    if (!fresh) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for an example");
    memcpy(fresh->key, key, width * sizeof *key);
    memcpy(fresh->tokens, tokens, n * (storage == E2STR_STORE_F16 ? sizeof(uint16_t) : sizeof(float)));
    memcpy(fresh->ids, label_ids, n_ids * sizeof *label_ids);
    memcpy(fresh->label, label, label_size);
    fresh->label[label_size] = 0;
    *example = fresh;
    return E2STR_OK;
}

e2str_status e2_example_new(const e2str_model *model, e2str_storage storage, const float *tokens, const float *key,
                            const char *label, size_t label_size, const uint32_t *label_ids, uint32_t n_ids,
                            e2_example **example, e2str_error *error) {
    if (storage == E2STR_STORE_F32)
        return e2_example_new_stored(model, storage, tokens, key, label, label_size, label_ids, n_ids, example, error);
    size_t n = token_values(model);
    uint16_t *halves = e2_alloc(n, sizeof *halves);
    *example = NULL;
    if (!halves) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for an example");
    for (size_t i = 0; i < n; i++) halves[i] = e2_f32_to_f16(tokens[i]);
    e2str_status status =
        e2_example_new_stored(model, storage, halves, key, label, label_size, label_ids, n_ids, example, error);
    free(halves);
    return status;
}

e2_example *e2_example_retain(e2_example *example) {
    atomic_fetch_add_explicit(&example->references, 1, memory_order_relaxed);
    return example;
}

void e2_example_release(e2_example *example) {
    if (example && atomic_fetch_sub_explicit(&example->references, 1, memory_order_acq_rel) == 1) free(example);
}

const float *e2_example_tokens(const e2str_model *model, const e2_example *example, float *buffer) {
    if (example->storage == E2STR_STORE_F32) return example->tokens;
    size_t n = token_values(model);
    const e2_tensor halves = {.type = E2_F16, .elements = n, .bytes = n * sizeof(uint16_t), .data = example->tokens};
    e2_dequantize(&halves, 0, n, buffer);
    return buffer;
}

e2str_status e2_label_ids(const e2str_model *model, const char *label, size_t label_size, uint32_t **ids,
                          uint32_t *n_ids, e2str_error *error) {
    size_t n;
    *ids = NULL;
    e2str_status status = e2_tokenize(model->tokenizer, label, label_size, ids, &n, error);
    if (status) return status;
    /* BOS, <image> label end, <image>, and at least one token of the answer. */
    const size_t others = 5;
    uint32_t stride = model->decoder.segment_stride; /* BOS or nothing, <image> label end */
    if (stride && n > stride - 3)
        status = e2_fail(error, E2STR_ERROR_LIMIT, "the label has %zu tokens, the model has positions for %" PRIu32, n,
                         stride - 3);
    else if (n > SIZE_MAX - others || n + others > model->decoder.positions)
        status = e2_fail(error, E2STR_ERROR_LIMIT,
                         "the label has %zu tokens: with it a read needs %zu positions or more, the model has %" PRIu32,
                         n, n + others, model->decoder.positions);
    if (status) {
        free(*ids);
        *ids = NULL;
        return status;
    }
    *n_ids = (uint32_t)n;
    return E2STR_OK;
}

/* ------------------------------------------------------------------------------------------------------ list -- */

void e2str_pool_options_init(e2str_pool_options *options) {
    if (options)
        *options = (e2str_pool_options){
            .size = sizeof *options, .storage = E2STR_STORE_F16, .cache_bytes = (uint64_t)64 << 20};
}

e2str_status e2str_pool_new(const e2str_model *model, const e2str_pool_options *options, e2str_pool **pool,
                            e2str_error *error) {
    if (!pool) return e2_fail(error, E2STR_ERROR_ARGUMENT, "pool is NULL");
    *pool = NULL;
    if (!model) return e2_fail(error, E2STR_ERROR_ARGUMENT, "model is NULL");
    e2str_pool_options read;
    e2str_pool_options_init(&read);
    e2str_status status = e2_options_read(&read, options, "e2str_pool_options", error);
    if (status) return status;
    if (read.storage != E2STR_STORE_F16 && read.storage != E2STR_STORE_F32)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "storage is %d; E2STR_STORE_F16 or E2STR_STORE_F32",
                       (int)read.storage);
    e2str_pool *fresh = malloc(sizeof *fresh);
    if (!fresh) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a pool");
    *fresh = (e2str_pool){.model = model,
                          .max_bytes = read.max_bytes,
                          .cache_bytes = read.cache_bytes,
                          .storage = read.storage,
                          .next_id = 1};
    if (pthread_rwlock_init(&fresh->lock, NULL) != 0) {
        free(fresh);
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a pool's lock");
    }
    *pool = fresh;
    return E2STR_OK;
}

/* Room for one more; the caller holds the lock. */
static bool grow(e2str_pool *pool) {
    if (pool->count < pool->capacity) return true;
    size_t capacity, bytes, key_bytes, row = pool->model->vision.width * sizeof(float);
    if (!e2_mul(pool->capacity ? pool->capacity : 8, 2, &capacity) ||
        !e2_mul(capacity, sizeof *pool->examples, &bytes) || !e2_mul(capacity, row, &key_bytes))
        return false;
    e2_example **examples = realloc(pool->examples, bytes);
    if (!examples) return false;
    pool->examples = examples;
    float *keys = realloc(pool->keys, key_bytes);
    if (!keys) return false;
    pool->keys = keys;
    pool->capacity = capacity;
    return true;
}

static e2str_status insert_locked(e2str_pool *pool, e2_example *example, e2str_error *error) {
    if (pool->max_bytes && (pool->bytes > pool->max_bytes || example->bytes > pool->max_bytes - pool->bytes))
        return e2_fail(error, E2STR_ERROR_FULL,
                       "the pool is full: it holds %" PRIu64 " of at most %" PRIu64
                       " bytes, the example needs %" PRIu64,
                       pool->bytes, pool->max_bytes, example->bytes);
    for (size_t i = 0; pool->max_bytes && i < pool->count; i++) { /* examples go before what is only cached */
        if (pool->projected <= pool->max_bytes - pool->bytes - example->bytes) break;
        e2_pool_drop_locked(pool, pool->examples[i]);
    }
    if (!example->id && pool->next_id == UINT64_MAX) return e2_fail(error, E2STR_ERROR_LIMIT, "the pool is out of ids");
    if (!grow(pool)) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the pool's list");
    if (!example->id) example->id = pool->next_id++;
    size_t width = pool->model->vision.width;
    memcpy(pool->keys + pool->count * width, example->key, width * sizeof(float));
    pool->examples[pool->count++] = example;
    pool->bytes += example->bytes;
    return E2STR_OK;
}

e2str_status e2_pool_insert(e2str_pool *pool, e2_example *example, e2str_error *error) {
    pthread_rwlock_wrlock(&pool->lock);
    e2str_status status = insert_locked(pool, example, error);
    pthread_rwlock_unlock(&pool->lock);
    return status;
}

/* Encodes outside the lock, so that other threads read on meanwhile. */
static e2str_status add_image(e2str_pool *pool, e2str_session *session, const e2str_image *image, const char *label,
                              size_t label_size, const uint32_t *label_ids, uint32_t n_ids, uint64_t *id,
                              e2str_error *error) {
    const e2str_model *model = pool->model;
    e2_arena_mark mark = e2_arena_begin(&session->arena);
    float *tokens = e2_arena_floats(&session->arena, token_values(model));
    float *key = e2_arena_floats(&session->arena, model->vision.width);
    e2_example *example = NULL;
    e2str_status status = tokens && key ? e2_encode_images(session, image, 1, tokens, key, error)
                                        : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while encoding an image");
    if (!status)
        status =
            e2_example_new(model, pool->storage, tokens, key, label, label_size, label_ids, n_ids, &example, error);
    e2_arena_release(&session->arena, mark);
    if (status) return status;
    pthread_rwlock_wrlock(&pool->lock);
    status = insert_locked(pool, example, error);
    if (!status) *id = example->id; /* before another thread can remove it */
    pthread_rwlock_unlock(&pool->lock);
    if (status) e2_example_release(example);
    return status;
}

e2str_status e2str_pool_add(e2str_pool *pool, e2str_session *session, const e2str_image *image, const char *label,
                            size_t label_size, uint64_t *id, e2str_error *error) {
    if (id) *id = 0;
    if (!pool || !session || !image || !label || !id)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL",
                       !pool      ? "pool"
                       : !session ? "session"
                       : !image   ? "image"
                       : !label   ? "label"
                                  : "id");
    if (session->model != pool->model)
        return e2_fail(error, E2STR_ERROR_MISMATCH, "the session belongs to another model than the pool");
    if (label_size == SIZE_MAX) label_size = strlen(label);
    uint32_t *label_ids, n_ids;
    e2str_status status = e2_label_ids(pool->model, label, label_size, &label_ids, &n_ids, error);
    if (!status) status = add_image(pool, session, image, label, label_size, label_ids, n_ids, id, error);
    free(label_ids);
    return status;
}

size_t e2_pool_find_locked(const e2str_pool *pool, uint64_t id) {
    size_t low = 0, high = pool->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pool->examples[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < pool->count && pool->examples[low]->id == id ? low : pool->count;
}

e2str_status e2_pool_not_found(uint64_t id, e2str_error *error) {
    return e2_fail(error, E2STR_ERROR_NOT_FOUND, "no example with id %" PRIu64 " is in the pool", id);
}

/* Takes an example out of the list; the caller holds the lock and gets the pool's reference. */
static e2_example *take_out(e2str_pool *pool, size_t at) {
    e2_example *example = pool->examples[at];
    size_t width = pool->model->vision.width, after = pool->count - at - 1;
    float *row = pool->keys + at * width;
    e2_pool_drop_locked(pool, example);
    memmove(pool->examples + at, pool->examples + at + 1, after * sizeof *pool->examples);
    memmove(row, row + width, after * width * sizeof *row);
    pool->count--;
    pool->bytes -= example->bytes;
    return example;
}

e2str_status e2str_pool_remove(e2str_pool *pool, uint64_t id, e2str_error *error) {
    if (!pool) return e2_fail(error, E2STR_ERROR_ARGUMENT, "pool is NULL");
    pthread_rwlock_wrlock(&pool->lock);
    size_t at = e2_pool_find_locked(pool, id);
    e2_example *example = at < pool->count ? take_out(pool, at) : NULL;
    pthread_rwlock_unlock(&pool->lock);
    if (!example) return e2_pool_not_found(id, error);
    e2_example_release(example);
    return E2STR_OK;
}

void e2str_pool_clear(e2str_pool *pool) {
    if (!pool) return;
    pthread_rwlock_wrlock(&pool->lock);
    e2_example **examples = pool->examples;
    float *keys = pool->keys;
    size_t count = pool->count;
    for (size_t i = 0; i < count; i++) e2_pool_drop_locked(pool, examples[i]);
    pool->examples = NULL;
    pool->keys = NULL;
    pool->count = pool->capacity = 0;
    pool->bytes = 0;
    pthread_rwlock_unlock(&pool->lock);
    for (size_t i = 0; i < count; i++) e2_example_release(examples[i]);
    free(examples);
    free(keys);
}

void e2str_pool_free(e2str_pool *pool) {
    if (!pool) return;
    e2str_pool_clear(pool);
    pthread_rwlock_destroy(&pool->lock);
    free(pool);
}

size_t e2str_pool_count(const e2str_pool *pool) {
    if (!pool) return 0;
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    size_t count = pool->count;
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return count;
}

uint64_t e2str_pool_bytes(const e2str_pool *pool) {
    if (!pool) return 0;
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    uint64_t bytes = pool->bytes;
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return bytes;
}

size_t e2str_pool_ids(const e2str_pool *pool, uint64_t *ids, size_t capacity) {
    if (!pool) return 0;
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    size_t count = pool->count;
    for (size_t i = 0; ids && i < count && i < capacity; i++) ids[i] = pool->examples[i]->id;
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return count;
}

/* A label is cut between characters. */
static void copy_label(const e2_example *example, char *label, size_t capacity) {
    size_t size = example->label_size;
    if (!capacity) return;
    if (size >= capacity) {
        size = capacity - 1;
        while (size && ((unsigned char)example->label[size] & 0xC0) == 0x80) size--;
    }
    memcpy(label, example->label, size);
    label[size] = 0;
}

e2str_status e2str_pool_label(const e2str_pool *pool, uint64_t id, char *label, size_t capacity, size_t *label_size,
                              e2str_error *error) {
    if (label_size) *label_size = 0;
    if (!pool || (!label && capacity))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", !pool ? "pool" : "label");
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    size_t at = e2_pool_find_locked(pool, id);
    bool found = at < pool->count;
    if (found) {
        copy_label(pool->examples[at], label, capacity);
        if (label_size) *label_size = pool->examples[at]->label_size;
    }
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return found ? E2STR_OK : e2_pool_not_found(id, error);
}
