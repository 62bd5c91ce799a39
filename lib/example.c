/* SPDX-License-Identifier: MIT */
#include "example.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

e2str_status e2_label_read(const e2str_model *model, const char *text, size_t size, e2_label *label,
                           e2str_error *error) {
    size_t n;
    *label = (e2_label){.text = text, .size = size};
    bool stand_ins = model->memory.hidden_scale > 0.0f; /* a memory can learn new characters */
    e2str_status status = e2_tokenize(model->tokenizer, text, size, stand_ins, &label->ids, &n, error);
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
    label->n_ids = (uint32_t)n;
    if (status) e2_label_free(label);
    return status;
}

void e2_label_free(e2_label *label) {
    free(label->ids);
    label->ids = NULL;
}

#define ALIGNMENT ((size_t)64)

/* Takes `size` bytes at the next multiple of 64 of a block that is being laid out. */
static bool take(size_t *block, size_t count, size_t size, size_t *offset) {
    size_t bytes;
    if (!e2_mul(count, size, &bytes) || !e2_add(*block, ALIGNMENT - 1, block)) return false;
    *offset = *block & ~(ALIGNMENT - 1);
    return e2_add(*offset, bytes, block);
}

/* One block: the structure, key, tokens, ids, label. */
static e2_example *example_block(const e2str_model *model, e2str_storage storage, uint32_t n_tokens,
                                 const e2_label *label) {
    size_t block = sizeof(e2_example), key, tokens, ids, text, end;
    size_t value = storage == E2STR_STORE_F16 ? sizeof(uint16_t) : sizeof(float);
    size_t row = model->vision.width * sizeof(float), values;
    if (!e2_mul(n_tokens, model->vision.width, &values) || !take(&block, model->vision.width, sizeof(float), &key) ||
        !take(&block, values, value, &tokens) || !take(&block, label->n_ids, sizeof(uint32_t), &ids) ||
        !take(&block, label->size, 1, &text) || !e2_add(block, 1, &block) || !take(&block, 0, 1, &end))
        return NULL;
    char *memory = aligned_alloc(ALIGNMENT, end);
    if (!memory) return NULL;
    e2_example *example = (e2_example *)memory;
    *example = (e2_example){
        .bytes = end + row, .storage = storage, .n_tokens = n_tokens, .n_ids = label->n_ids, .label_size = label->size};
    atomic_init(&example->references, 1);
    atomic_init(&example->reading, NULL);
    atomic_init(&example->judged, 0);
    example->key = (float *)(memory + key);
    example->tokens = memory + tokens;
    example->ids = (uint32_t *)(memory + ids);
    example->label = memory + text;
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

e2str_status e2_example_new_stored(const e2str_model *model, e2str_storage storage, const e2_encoded *image,
                                   const e2_label *label, e2_example **example, e2str_error *error) {
    size_t width = model->vision.width, n = image->tokens ? image->n * width : 0;
    double length = length_of(image->key, width);
    *example = NULL;
    if (!all_finite(storage, image->tokens, n))
        return e2_fail(error, E2STR_ERROR_LIMIT, "a visual token is not finite%s",
                       storage == E2STR_STORE_F16 ? " as f16 (E2STR_STORE_F32 holds larger values)" : "");
    if (!(fabs(length - 1.0) <= 1e-3))
        return e2_fail(error, E2STR_ERROR_LIMIT, "the retrieval key has length %g instead of 1", length);
    e2_example *fresh = example_block(model, storage, image->tokens ? image->n : 0, label);
    if (!fresh) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for an example");
    memcpy(fresh->key, image->key, width * sizeof *image->key);
    fresh->n_tokens = image->n;
    if (image->tokens)
        memcpy(fresh->tokens, image->tokens, n * (storage == E2STR_STORE_F16 ? sizeof(uint16_t) : sizeof(float)));
    else
        fresh->tokens = NULL;
    memcpy(fresh->ids, label->ids, label->n_ids * sizeof *label->ids);
    memcpy(fresh->label, label->text, label->size);
    fresh->label[label->size] = 0;
    *example = fresh;
    return E2STR_OK;
}

e2str_status e2_example_new(const e2str_model *model, e2str_storage storage, const e2_encoded *image,
                            const e2_label *label, e2_example **example, e2str_error *error) {
    if (storage == E2STR_STORE_F32) return e2_example_new_stored(model, storage, image, label, example, error);
    size_t n = (size_t)image->n * model->vision.width;
    const float *tokens = image->tokens;
    uint16_t *halves = e2_alloc(n, sizeof *halves);
    *example = NULL;
    if (!halves) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for an example");
    for (size_t i = 0; i < n; i++) halves[i] = e2_f32_to_f16(tokens[i]);
    e2_encoded stored = {halves, image->n, image->key};
    e2str_status status = e2_example_new_stored(model, storage, &stored, label, example, error);
    free(halves);
    return status;
}

e2_example *e2_example_retain(e2_example *example) {
    atomic_fetch_add_explicit(&example->references, 1, memory_order_relaxed);
    return example;
}

void e2_example_release(e2_example *example) {
    if (!example || atomic_fetch_sub_explicit(&example->references, 1, memory_order_acq_rel) != 1) return;
    free(atomic_load_explicit(&example->reading, memory_order_relaxed));
    free(example);
}

void e2_example_keep_reading(e2_example *example, e2_reading *fresh) {
    e2_reading *none = NULL;
    if (!atomic_compare_exchange_strong_explicit(&example->reading, &none, fresh, memory_order_acq_rel,
                                                 memory_order_acquire))
        free(fresh);
}

const float *e2_example_tokens(const e2str_model *model, const e2_example *example, float *buffer) {
    if (example->storage == E2STR_STORE_F32) return example->tokens;
    size_t n = (size_t)example->n_tokens * model->vision.width;
    const e2_tensor halves = {.type = E2_F16, .elements = n, .bytes = n * sizeof(uint16_t), .data = example->tokens};
    e2_dequantize(&halves, 0, n, buffer);
    return buffer;
}

e2_projection *e2_projection_new(size_t values) {
    size_t bytes;
    if (!e2_mul(values, sizeof(float), &bytes) || !e2_add(bytes, sizeof(e2_projection), &bytes)) return NULL;
    e2_projection *projection = malloc(bytes);
    if (!projection) return NULL;
    *projection = (e2_projection){.bytes = bytes, .values = (float *)(projection + 1)};
    atomic_init(&projection->references, 1);
    return projection;
}

e2_projection *e2_projection_retain(e2_projection *projection) {
    if (projection) atomic_fetch_add_explicit(&projection->references, 1, memory_order_relaxed);
    return projection;
}

void e2_projection_release(e2_projection *projection) {
    if (projection && atomic_fetch_sub_explicit(&projection->references, 1, memory_order_acq_rel) == 1)
        free(projection);
}
