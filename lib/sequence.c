/* SPDX-License-Identifier: MIT */
#include "sequence.h"

#include <string.h>

/* With a stride, text i of image `segment` (<image> is 0) has the same place whatever stands before it; without, the
 * `index` tokens before it count. */
static uint32_t position_of(const e2str_model *model, uint32_t index, size_t segment, uint32_t i) {
    uint32_t stride = model->decoder.segment_stride;
    return stride ? (uint32_t)segment * stride + 1 + i : index;
}

uint32_t e2_sequence_room(const e2str_model *model, uint32_t length) {
    const e2_decoder *decoder = &model->decoder;
    return decoder->segment_stride ? decoder->segment_stride - 1 : decoder->positions - length;
}

static e2str_status check_segments(const e2str_model *model, size_t examples, e2str_error *error) {
    uint32_t stride = model->decoder.segment_stride;
    if (!stride || examples < model->decoder.positions / stride) return E2STR_OK;
    return e2_fail(error, E2STR_ERROR_LIMIT, "%zu examples: the model has positions for %u", examples,
                   model->decoder.positions / stride - 1);
}

/* Adds the examples' images, where they are looked at. */
static void count_images(const e2_choice *choices, size_t n, e2_sequence_size *size) {
    size->images += (uint32_t)n;
    for (size_t i = 0; i < n; i++) size->visual_tokens += choices[i].example->n_tokens;
}

e2str_status e2_sequence_measure(const e2str_model *model, const e2_sequence_parts *parts, e2_sequence_size *size,
                                 e2str_error *error) {
    size_t n = parts->prefix ? (size_t)parts->prefix->n + 1 : 2;
    size_t examples = parts->prefix ? parts->prefix->n_choices : parts->n_choices;
    for (size_t i = 0; i < parts->n_choices; i++) n += 2 + (size_t)parts->choices[i].example->n_ids;
    e2str_status status = check_segments(model, examples, error);
    if (status) return status;
    if (n >= model->decoder.positions)
        return e2_fail(error, E2STR_ERROR_LIMIT,
                       "a prompt of %zu tokens (%zu examples) leaves no room for an answer in the model's %u positions",
                       n, examples, model->decoder.positions);
    *size = (e2_sequence_size){.length = (uint32_t)n, .images = 1, .visual_tokens = parts->query_tokens};
    if (!parts->prefix)
        count_images(parts->choices, parts->n_choices, size);
    else if (parts->prefix->media) /* where text sees its latest image only, these are no longer looked at */
        count_images(parts->prefix->choices, parts->prefix->n_choices, size);
    return E2STR_OK;
}

static void append(e2_sequence *sequence, uint32_t token, uint32_t images, uint32_t position, const uint32_t *slots) {
    uint32_t index = sequence->length++;
    sequence->rows[sequence->n++] = (e2_decoder_row){.token = token,
                                                     .position = position,
                                                     .first_image = sequence->first_image,
                                                     .images = images,
                                                     .slot = slots[index],
                                                     .context = slots,
                                                     .n_context = index + 1};
}

static void append_examples(const e2str_model *model, const e2_sequence_parts *parts, const uint32_t *slots,
                            e2_sequence *sequence) {
    uint32_t image = e2_tokenizer_image(model->tokenizer), end = e2_tokenizer_end(model->tokenizer);
    append(sequence, e2_tokenizer_bos(model->tokenizer), 0, 0, slots);
    for (size_t i = 0; i < parts->n_choices; i++) {
        const e2_example *example = parts->choices[i].example;
        for (uint32_t j = 0, n = example->n_ids + 2; j < n; j++) {
            uint32_t token = j == 0 ? image : j == n - 1 ? end : example->ids[j - 1];
            append(sequence, token, (uint32_t)i + 1, position_of(model, sequence->length, i, j), slots);
        }
    }
}

bool e2_sequence_rows(const e2_compute *compute, const e2_sequence_parts *parts, uint32_t first_image,
                      uint32_t first_slot, e2_sequence *sequence) {
    const e2str_model *model = compute->model;
    e2_sequence_size size;
    if (e2_sequence_measure(model, parts, &size, NULL)) return false; /* measured before: cannot happen */
    uint32_t *slots = e2_arena_alloc(compute->arena, size.length, sizeof *slots);
    *sequence = (e2_sequence){.prefix = parts->prefix,
                              .first_image = first_image,
                              .images = size.images,
                              .first_slot = first_slot,
                              .query_tokens = parts->query_tokens};
    sequence->rows = e2_arena_alloc(compute->arena, size.length, sizeof *sequence->rows);
    if (!slots || !sequence->rows) return false;
    for (uint32_t i = 0; i < size.length; i++) slots[i] = first_slot + i;
    if (parts->prefix)
        sequence->length = parts->prefix->n;
    else
        append_examples(model, parts, slots, sequence);
    size_t examples = parts->prefix ? parts->prefix->n_choices : parts->n_choices;
    append(sequence, e2_tokenizer_image(model->tokenizer), size.images,
           position_of(model, sequence->length, examples, 0), slots);
    return true;
}

bool e2_sequence_example(const e2_compute *compute, const e2_choice *choice, const e2str_pool *pool, e2_media *media) {
    const e2str_model *model = compute->model;
    size_t n = choice->example->n_tokens;
    if (choice->projection) {
        e2_media_put(model, media, choice->projection->values, n);
        return true;
    }
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *buffer = e2_arena_floats(compute->arena, n * model->vision.width);
    if (!buffer || !e2_media_add(compute, media, e2_example_tokens(model, choice->example, buffer), n)) return false;
    e2_arena_release(compute->arena, mark);
    e2_projection *projection = pool ? e2_pool_projection_new(pool, e2_projection_values(model, n)) : NULL;
    if (projection) {
        e2_media_get(model, media, media->images - 1, projection->values);
        e2_pool_keep(pool, choice->example, projection);
    }
    return true;
}

bool e2_sequence_examples(const e2_compute *compute, const e2_sequence_parts *parts, const e2str_pool *pool,
                          e2_media *media) {
    for (size_t i = 0; i < parts->n_choices; i++)
        if (!e2_sequence_example(compute, &parts->choices[i], pool, media)) return false;
    const e2str_prompt *prefix = parts->prefix;
    const float *values = prefix ? prefix->media : NULL;
    for (size_t i = 0; values && i < prefix->n_choices; i++) {
        size_t n = prefix->choices[i].example->n_tokens;
        e2_media_put(compute->model, media, values, n);
        values += e2_projection_values(compute->model, n);
    }
    return true;
}

bool e2_sequence_media(const e2_compute *compute, const e2_sequence_parts *parts, const e2str_pool *pool,
                       const float *tokens, e2_media *media) {
    return e2_sequence_examples(compute, parts, pool, media) &&
           e2_media_add(compute, media, tokens, parts->query_tokens);
}

void e2_sequence_restore(const e2str_model *model, const e2_sequence *sequence, e2_kv_cache *cache) {
    const e2str_prompt *prefix = sequence->prefix;
    size_t width = model->decoder.width;
    for (size_t i = 0; prefix && i < model->decoder.layers; i++) {
        size_t to = (i * cache->slots + sequence->first_slot) * width, from = i * prefix->n * width;
        memcpy(cache->keys + to, prefix->keys + from, prefix->n * width * sizeof *cache->keys);
        memcpy(cache->values + to, prefix->values + from, prefix->n * width * sizeof *cache->values);
    }
}
