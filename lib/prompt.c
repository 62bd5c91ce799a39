/* SPDX-License-Identifier: MIT */
/* Prepared prompts: examples run through the decoder once, their keys and values kept. */
#include <stdlib.h>
#include <string.h>

#include "sequence.h"
#include "session.h"

/* Floats of the examples' projections. */
static size_t media_values(const e2str_prompt *prompt) {
    size_t tokens = 0;
    for (size_t i = 0; i < prompt->n_choices; i++) tokens += prompt->choices[i].example->n_tokens;
    return e2_projection_values(prompt->model, tokens);
}

/* The first `n` slots of the cache, and the examples' media where later text still looks at them. */
static bool keep(e2str_prompt *prompt, const e2_kv_cache *cache, const e2_media *media) {
    const e2str_model *model = prompt->model;
    size_t row = model->decoder.width, layers = model->decoder.layers, step = prompt->n * row;
    prompt->keys = e2_alloc(layers * step, sizeof(float));
    prompt->values = e2_alloc(layers * step, sizeof(float));
    if (!prompt->keys || !prompt->values) return false;
    for (size_t i = 0; i < layers; i++) {
        memcpy(prompt->keys + i * step, cache->keys + i * cache->slots * row, step * sizeof(float));
        memcpy(prompt->values + i * step, cache->values + i * cache->slots * row, step * sizeof(float));
    }
    if (model->decoder.only_immediate_media) return true;
    float *values = prompt->media = e2_alloc(media_values(prompt), sizeof(float));
    for (size_t i = 0; values && i < prompt->n_choices; i++) {
        e2_media_get(model, media, i, values);
        values += e2_projection_values(model, prompt->choices[i].example->n_tokens);
    }
    return prompt->media != NULL;
}

/* Runs BOS and the examples; the row of a query's <image> is built with them but left out. */
static bool run(const e2_compute *compute, const e2str_pool *pool, const e2_sequence_parts *parts,
                const e2_sequence_size *size, e2str_prompt *prompt) {
    e2_media media;
    e2_kv_cache cache;
    e2_sequence sequence;
    if (!e2_media_new(compute, size->images, size->visual_tokens, &media) ||
        !e2_sequence_rows(compute, parts, 0, 0, &sequence) || !e2_sequence_examples(compute, parts, pool, &media) ||
        !e2_kv_cache_new(compute, sequence.n - 1, &cache))
        return false;
    float *hidden = e2_arena_floats(compute->arena, (size_t)sequence.n * compute->model->decoder.width);
    if (!hidden || !e2_decode(compute, &media, &cache, sequence.rows, sequence.n - 1, hidden, NULL)) return false;
    prompt->n = sequence.n - 1;
    return keep(prompt, &cache, &media);
}

static e2str_status prepare(const e2_compute *compute, const e2str_pool *pool, e2str_prompt *prompt,
                            e2str_error *error) {
    e2_sequence_parts parts = {.choices = prompt->choices, .n_choices = prompt->n_choices};
    e2_sequence_size size;
    e2str_status status = e2_sequence_measure(compute->model, &parts, &size, error);
    if (status) return status;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    bool ok = run(compute, pool, &parts, &size, prompt);
    e2_arena_release(compute->arena, mark);
    return ok ? E2STR_OK : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a prepared prompt");
}

e2str_status e2str_prompt_new(e2str_session *session, const e2str_pool *pool, const uint64_t *ids, size_t n,
                              e2str_prompt **prompt, e2str_error *error) {
    if (!prompt) return e2_fail(error, E2STR_ERROR_ARGUMENT, "prompt is NULL");
    *prompt = NULL;
    if (!session || !pool || (n && !ids) || n > E2STR_MAX_EXAMPLES)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "session, pool or ids is NULL, or there are more than %d ids",
                       E2STR_MAX_EXAMPLES);
    const e2_compute *compute = &session->compute;
    e2str_status status = e2_models_check(compute->model, pool->model, "pool", error);
    if (status) return status;
    e2str_prompt *fresh = calloc(1, sizeof *fresh);
    if (!fresh) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a prepared prompt");
    fresh->model = pool->model;
    status = e2_pool_choose_ids(pool, ids, n, fresh->choices, error);
    if (!status) {
        fresh->n_choices = n;
        status = prepare(compute, pool, fresh, error);
    }
    if (status)
        e2str_prompt_free(fresh);
    else
        *prompt = fresh;
    return status;
}

size_t e2str_prompt_bytes(const e2str_prompt *prompt) {
    if (!prompt) return 0;
    const e2str_model *model = prompt->model;
    size_t cache = 2 * (size_t)model->decoder.layers * prompt->n * model->decoder.width;
    size_t media = prompt->media ? media_values(prompt) : 0;
    return sizeof *prompt + (cache + media) * sizeof(float);
}

void e2str_prompt_free(e2str_prompt *prompt) {
    if (!prompt) return;
    for (size_t i = 0; i < prompt->n_choices; i++) e2_choice_release(&prompt->choices[i]);
    free(prompt->keys);
    free(prompt->values);
    free(prompt->media);
    free(prompt);
}
