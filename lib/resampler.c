#include "resampler.h"

#include <string.h>

#include "linear.h"

/* x += out(attention(query(norm(x)), key_value([norm(media); norm(x)]))); x += ffn(x) */
static bool run_layer(const e2str_model *model, const e2_resampler_layer *layer, const float *media, float *x,
                      e2_arena *scratch) {
    const e2_resampler *resampler = &model->resampler;
    e2_arena_mark mark = e2_arena_begin(scratch);
    size_t width = model->vision.width, latents = resampler->latents, patches = model->vision.patches;
    size_t inner = (size_t)resampler->heads * resampler->head_size, rows = patches + latents;
    float *both = e2_arena_floats(scratch, rows * width); /* media rows, then latent rows */
    float *query = e2_arena_floats(scratch, latents * inner);
    float *key_value = e2_arena_floats(scratch, rows * 2 * inner);
    float *out = e2_arena_floats(scratch, latents * inner);
    if (!both || !query || !key_value || !out) return false;
    e2_norm_apply(&layer->norm_media, resampler->epsilon, media, patches, width, both);
    e2_norm_apply(&layer->norm_latents, resampler->epsilon, x, latents, width, both + patches * width);
    e2_linear_apply(&layer->query, both + patches * width, latents, query);
    e2_linear_apply(&layer->key_value, both, rows, key_value);
    if (!e2_attention((e2_rows){query, latents, inner}, (e2_rows){key_value, rows, 2 * inner},
                      (e2_rows){key_value + inner, rows, 2 * inner}, resampler->heads, resampler->head_size, out,
                      scratch))
        return false;
    e2_linear_add(&layer->out, 1.0f, out, latents, x);
    e2_arena_release(scratch, mark);
    return e2_feed_forward(&layer->norm_ff, resampler->epsilon, &layer->up, &layer->down, E2_GELU, 1.0f, x, latents,
                           scratch);
}

bool e2_resample(const e2str_model *model, const float *tokens, float *latents, e2_arena *scratch) {
    const e2_resampler *resampler = &model->resampler;
    e2_arena_mark mark = e2_arena_begin(scratch);
    size_t n = (size_t)resampler->latents * model->vision.width;
    float *x = e2_arena_floats(scratch, n);
    bool ok = x != NULL;
    if (ok) memcpy(x, resampler->latent_table, n * sizeof *x);
    for (uint32_t i = 0; ok && i < resampler->layers; i++)
        ok = run_layer(model, &resampler->blocks[i], tokens, x, scratch);
    if (ok) e2_norm_apply(&resampler->norm, resampler->epsilon, x, resampler->latents, model->vision.width, latents);
    e2_arena_release(scratch, mark);
    return ok;
}
