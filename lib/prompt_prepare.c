/* Prepared prompts: examples run through the decoder once, their keys and values kept. */
#include <stdlib.h>
#include <string.h>

#include "prompt.h"
#include "session.h"

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
    size_t values = e2_media_values(model);
    prompt->media = e2_alloc(prompt->n_choices * values, sizeof(float));
    for (size_t i = 0; prompt->media && i < prompt->n_choices; i++)
        e2_media_get(model, media, i, prompt->media + i * values);
    return prompt->media != NULL;
}

/* Runs BOS and the examples; the row of a query's <image> is built with them but left out. */
static bool run(e2str_session *session, const e2str_pool *pool, const e2_prompt_parts *parts, uint32_t images,
                e2str_prompt *prompt) {
    const e2str_model *model = session->model;
    const e2_compute *compute = &session->compute;
    e2_media media;
    e2_kv_cache cache;
    e2_prompt rows;
    if (!e2_media_new(compute, model, images, &media) || !e2_prompt_rows(compute, model, parts, 0, 0, &rows) ||
        !e2_prompt_examples(compute, model, parts, pool, &rows, &media) ||
        !e2_kv_cache_new(compute, model, rows.n - 1, &cache))
        return false;
    float *hidden = e2_arena_floats(compute->arena, (size_t)rows.n * model->decoder.width);
    if (!hidden || !e2_decode(compute, model, &media, &cache, rows.rows, rows.n - 1, hidden)) return false;
    prompt->n = rows.n - 1;
    return keep(prompt, &cache, &media);
}

e2str_status e2str_prompt_new(e2str_session *session, const e2str_pool *pool, const uint64_t *ids, size_t n,
                              e2str_prompt **prompt, e2str_error *error) {
    if (!prompt) return e2_fail(error, E2STR_ERROR_ARGUMENT, "prompt is NULL");
    *prompt = NULL;
    if (!session || !pool || (n && !ids) || n > E2STR_MAX_EXAMPLES)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "session, pool or ids is NULL, or there are more than %d ids",
                       E2STR_MAX_EXAMPLES);
    const e2str_model *model = session->model;
    if (pool->model != model)
        return e2_fail(error, E2STR_ERROR_MISMATCH, "the pool and the session were made with different models");
    e2_arena_mark mark = e2_arena_begin(&session->arena);
    e2str_prompt *fresh = calloc(1, sizeof *fresh);
    float *key = e2_arena_floats(&session->arena, model->vision.width); /* similarities are told by reads */
    e2str_status status = fresh && key ? E2STR_OK : E2STR_ERROR_MEMORY;
    if (!status) {
        memset(key, 0, model->vision.width * sizeof *key);
        fresh->model = model;
        status = e2_pool_choose_ids(pool, key, ids, n, fresh->choices, error);
    }
    if (!status) {
        fresh->n_choices = n;
        e2_prompt_parts parts = {fresh->choices, n, NULL};
        uint32_t length, images;
        status = e2_prompt_measure(model, &parts, &length, &images, error);
        if (!status && !run(session, pool, &parts, images, fresh)) status = E2STR_ERROR_MEMORY;
    }
    e2_arena_release(&session->arena, mark);
    if (status)
        e2str_prompt_free(fresh);
    else
        *prompt = fresh;
    return status == E2STR_ERROR_MEMORY ? e2_fail(error, status, "out of memory for a prepared prompt") : status;
}

size_t e2str_prompt_bytes(const e2str_prompt *prompt) {
    if (!prompt) return 0;
    const e2str_model *model = prompt->model;
    size_t cache = 2 * (size_t)model->decoder.layers * prompt->n * model->decoder.width;
    size_t media = prompt->media ? prompt->n_choices * e2_media_values(model) : 0;
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
