/* SPDX-License-Identifier: MIT */
#include "resampler.h"

#include <string.h>

/* The images' vision tokens. */
typedef struct media {
    const float *tokens;
    const uint32_t *columns;
    size_t n;
} media;

/* both [patches + latents][width], image by image: the normalised media rows, then the normalised latent rows, which
 * also go to latents [n][latents][width]. */
static void normalise(const e2_compute *compute, const e2_resampler_layer *layer, const media *from, const float *x,
                      float *both, float *latents) {
    const e2_resampler *resampler = &compute->model->resampler;
    size_t width = compute->model->vision.width, step = resampler->latents * width;
    e2_norm_apply(compute, &layer->norm_latents, resampler->epsilon, x, from->n * resampler->latents, width, latents);
    const float *tokens = from->tokens;
    for (size_t i = 0; i < from->n; i++, latents += step) {
        size_t patches = e2_patches(compute->model, from->columns[i]);
        e2_norm_apply(compute, &layer->norm_media, resampler->epsilon, tokens, patches, width, both);
        memcpy(both + patches * width, latents, step * sizeof *both);
        tokens += patches * width;
        both += patches * width + step;
    }
}

/* x += out(attention(query(norm(x)), key_value([norm(media); norm(x)]))); x += ffn(x) */
static bool run_layer(const e2_compute *compute, const e2_resampler_layer *layer, const media *from, float *x) {
    const e2str_model *model = compute->model;
    const e2_resampler *resampler = &model->resampler;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    size_t width = model->vision.width, latents = resampler->latents, n = from->n, total = n * latents;
    size_t inner = (size_t)resampler->heads * resampler->head_size;
    for (size_t i = 0; i < n; i++) total += e2_patches(model, from->columns[i]);
    float *both = e2_arena_floats(compute->arena, total * width);
    float *y = e2_arena_floats(compute->arena, n * latents * width);
    float *query = e2_arena_floats(compute->arena, n * latents * inner);
    float *key_value = e2_arena_floats(compute->arena, total * 2 * inner);
    float *out = e2_arena_floats(compute->arena, n * latents * inner);
    e2_attention_job *jobs = e2_arena_alloc(compute->arena, n, sizeof *jobs);
    if (!both || !y || !query || !key_value || !out || !jobs) return false;
    normalise(compute, layer, from, x, both, y);
    const float *keys = key_value;
    for (size_t i = 0, rows; i < n; i++, keys += rows * 2 * inner) {
        rows = e2_patches(model, from->columns[i]) + latents;
        jobs[i] = (e2_attention_job){.query = {query + i * latents * inner, latents, inner},
                                     .key = {keys, rows, 2 * inner},
                                     .value = {keys + inner, rows, 2 * inner},
                                     .out = out + i * latents * inner};
    }
    if (!e2_linear_apply(compute, &layer->query, y, n * latents, E2_NO_ACTIVATION, query) ||
        !e2_linear_apply(compute, &layer->key_value, both, total, E2_NO_ACTIVATION, key_value) ||
        !e2_attention(compute, jobs, n, resampler->heads, resampler->head_size, true))
        return false;
    e2_block_end end = {.out = &layer->out,
                        .out_gate = 1.0f,
                        .norm = &layer->norm_ff,
                        .epsilon = resampler->epsilon,
                        .up = &layer->up,
                        .down = &layer->down,
                        .activation = E2_GELU,
                        .gate = 1.0f};
    bool ok = e2_block_finish(compute, &end, out, x, n * latents);
    e2_arena_release(compute->arena, mark);
    return ok;
}

bool e2_resample(const e2_compute *compute, const float *tokens, const uint32_t *columns, size_t n, float *latents) {
    const e2str_model *model = compute->model;
    const media from = {tokens, columns, n};
    const e2_resampler *resampler = &model->resampler;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    size_t step = (size_t)resampler->latents * model->vision.width;
    float *x = e2_arena_floats(compute->arena, n * step);
    bool ok = x != NULL;
    for (size_t i = 0; ok && i < n; i++) memcpy(x + i * step, resampler->latent_table, step * sizeof *x);
    for (uint32_t i = 0; ok && i < resampler->layers; i++) ok = run_layer(compute, &resampler->blocks[i], &from, x);
    if (ok)
        e2_norm_apply(compute, &resampler->norm, resampler->epsilon, x, n * resampler->latents, model->vision.width,
                      latents);
    e2_arena_release(compute->arena, mark);
    return ok;
}
