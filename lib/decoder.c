/* SPDX-License-Identifier: MIT */
#include "decoder.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------- media -- */

static size_t cross_inner(const e2_decoder *decoder) { return (size_t)decoder->cross_heads * decoder->cross_head_size; }

/* Floats of the keys and values of n visual tokens in one layer. */
static size_t media_step(const e2str_model *model, size_t n) { return n * 2 * cross_inner(&model->decoder); }

size_t e2_projection_values(const e2str_model *model, size_t n) {
    size_t row = (size_t)model->decoder.cross_layers * media_step(model, 1), values;
    return e2_mul(row, n, &values) ? values : SIZE_MAX;
}

/* In this layer, from this token on. */
static float *media_at(const e2str_model *model, const e2_media *media, size_t layer, size_t token) {
    return media->key_values + media_step(model, layer * media->tokens + token);
}

bool e2_media_new(const e2_compute *compute, size_t images, size_t tokens, e2_media *media) {
    if (images >= UINT32_MAX) return false;
    *media = (e2_media){.key_values = e2_arena_floats(compute->arena, e2_projection_values(compute->model, tokens)),
                        .first = e2_arena_alloc(compute->arena, images + 1, sizeof *media->first),
                        .tokens = tokens};
    if (media->first) media->first[0] = 0;
    return media->key_values && media->first;
}

/* Where the next image of n tokens begins. */
static size_t append(e2_media *media, size_t n) {
    size_t first = media->first[media->images++];
    media->first[media->images] = first + n;
    return first;
}

bool e2_media_add(const e2_compute *compute, e2_media *media, const float *tokens, size_t n) {
    const e2str_model *model = compute->model;
    size_t first = append(media, n);
    bool ok = true;
    for (uint32_t i = 0; ok && i < model->decoder.cross_layers; i++)
        ok = e2_linear_apply(compute, &model->decoder.crosses[i].key_value, tokens, n, E2_NO_ACTIVATION,
                             media_at(model, media, i, first));
    return ok;
}

void e2_media_get(const e2str_model *model, const e2_media *media, size_t index, float *values) {
    size_t first = media->first[index], step = media_step(model, media->first[index + 1] - first);
    for (uint32_t i = 0; i < model->decoder.cross_layers; i++)
        memcpy(values + i * step, media_at(model, media, i, first), step * sizeof *values);
}

void e2_media_put(const e2str_model *model, e2_media *media, const float *values, size_t n) {
    size_t first = append(media, n), step = media_step(model, n);
    for (uint32_t i = 0; i < model->decoder.cross_layers; i++)
        memcpy(media_at(model, media, i, first), values + i * step, step * sizeof *values);
}

/* ------------------------------------------------------------------------------------------------------ layers -- */

bool e2_kv_cache_new(const e2_compute *compute, size_t slots, e2_kv_cache *cache) {
    const e2_decoder *decoder = &compute->model->decoder;
    size_t count;
    if (slots > UINT32_MAX || !e2_mul((size_t)decoder->layers * decoder->width, slots, &count)) return false;
    *cache = (e2_kv_cache){e2_arena_floats(compute->arena, count), e2_arena_floats(compute->arena, count), slots};
    return cache->keys && cache->values;
}

/* h = E[token] + P[position + offset]. false: out of memory. */
static bool embed(const e2_compute *compute, const e2_decoder_row *rows, size_t n, float *x) {
    const e2_decoder *decoder = &compute->model->decoder;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *position = e2_arena_floats(compute->arena, decoder->width);
    if (!position) return false;
    for (size_t r = 0; r < n; r++, x += decoder->width) {
        e2_linear_row(&decoder->output, rows[r].token, x); /* the token table is the output matrix */
        e2_tensor_row(decoder->position_table, (size_t)rows[r].position + decoder->position_offset, decoder->width,
                      position);
        for (uint32_t i = 0; i < decoder->width; i++) x[i] += position[i];
    }
    e2_arena_release(compute->arena, mark);
    return true;
}

typedef struct media_attention {
    const e2_compute *compute;
    const e2_media *media;
    const e2_decoder_row *rows;
    const float *query;
    float *scores, *out; /* scores [workers][scores_step]; of a gaze [rows][scores_step] */
    size_t layer, scores_step, shares;
    bool watched; /* the scores are kept */
} media_attention;

/* The visual tokens that a row sees; *first is the first of them. */
static size_t seen_tokens(const e2_decoder *decoder, const e2_media *media, const e2_decoder_row *row, size_t *first) {
    size_t next = (size_t)row->first_image + row->images;
    size_t seen = decoder->only_immediate_media && row->images ? 1 : row->images;
    *first = media->first[next - seen];
    return media->first[next] - *first;
}

/* Part i of so many of a row's heads: the first, and how many. Few rows are shared by heads, many as they are. */
static size_t heads_of(size_t heads, size_t part, size_t shares, size_t *first) {
    *first = e2_part_begin(heads, part % shares, shares);
    return e2_part_begin(heads, part % shares + 1, shares) - *first;
}

static size_t head_shares(const e2_threads *threads, size_t rows, size_t heads) {
    size_t count = e2_threads_count(threads);
    return rows >= count ? 1 : count < heads ? count : heads;
}

static void media_part(void *context, size_t part, unsigned worker) {
    const media_attention *a = context;
    const e2_decoder *decoder = &a->compute->model->decoder;
    size_t r = part / a->shares, size = decoder->cross_head_size, inner = cross_inner(decoder), first, head;
    size_t seen = seen_tokens(decoder, a->media, &a->rows[r], &first);
    size_t heads = heads_of(decoder->cross_heads, part, a->shares, &head), at = r * inner + head * size;
    if (seen == 0) {
        memset(a->out + at, 0, heads * size * sizeof *a->out);
        return;
    }
    const float *keys = media_at(a->compute->model, a->media, a->layer, first) + head * size;
    float *scores = a->watched ? a->scores + r * a->scores_step + head * seen : a->scores + worker * a->scores_step;
    a->compute->kernels->cached_attention(a->query + at, keys, keys + inner, 2 * inner, NULL, seen, heads, size,
                                          1.0f / sqrtf((float)size), scores, a->out + at);
}

/* Attention of the text rows to the images, row by row: a step has one row for an image, a prompt a few, too few to
 * pay for the packing of an attention of many. Rows that see none get 0. query and out: [n][heads * head_size]. gaze:
 * NULL, or has room for the weights, which are kept. */
static bool attend_media(const e2_compute *compute, const e2_media *media, size_t layer, const e2_decoder_row *rows,
                         size_t n, const float *query, float *out, const e2_gaze *gaze) {
    const e2_decoder *decoder = &compute->model->decoder;
    size_t tokens = 0, longest = 0, first;
    for (size_t r = 0; r < n; r++) {
        size_t seen = seen_tokens(decoder, media, &rows[r], &first);
        tokens += seen;
        if (seen > longest) longest = seen;
    }
    media_attention a = {compute, media, rows, query, NULL, out, layer, 0, 1, gaze != NULL};
    a.scores_step = longest * decoder->cross_heads;
    a.scores =
        gaze ? gaze->weights : e2_arena_floats(compute->arena, a.scores_step * e2_threads_count(compute->threads));
    if (!a.scores) return false;
    size_t work = 2 * tokens * cross_inner(decoder);
    e2_threads *threads = e2_threads_for(compute->threads, e2_nanoseconds(work, 4 * work));
    a.shares = head_shares(threads, n, decoder->cross_heads);
    e2_threads_run(threads, n * a.shares, media_part, &a);
    return true;
}

static void keep_attended(const e2_decoder *decoder, size_t layer, const float *out, size_t n, float *attended) {
    size_t inner = cross_inner(decoder), kept = decoder->attended_layers, first = decoder->cross_layers - kept;
    for (size_t r = 0; layer >= first && r < n; r++)
        memcpy(attended + (r * kept + layer - first) * inner, out + r * inner, inner * sizeof *out);
}

/* x += tanh(gate) out(attention(query(norm(x)), media)); x += tanh(gate) ffn(x) */
static bool run_cross(const e2_compute *compute, const e2_cross *cross, const e2_media *media,
                      const e2_decoder_row *rows, size_t n, float *x, float *attended, const e2_gaze *gaze) {
    const e2_decoder *decoder = &compute->model->decoder;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    size_t inner = cross_inner(decoder), layer = (size_t)(cross - decoder->crosses);
    if (layer + 1 < decoder->cross_layers) gaze = NULL;
    float *query = e2_arena_floats(compute->arena, n * inner), *out = e2_arena_floats(compute->arena, n * inner);
    e2_block_end end = {.out = &cross->out,
                        .out_gate = cross->attention_gate,
                        .norm = &cross->norm_ff,
                        .epsilon = decoder->epsilon,
                        .up = &cross->up,
                        .down = &cross->down,
                        .activation = E2_GELU,
                        .gate = cross->feed_forward_gate};
    bool ok = query && out && e2_norm_linear(compute, &cross->norm, decoder->epsilon, &cross->query, x, n, query) &&
              attend_media(compute, media, layer, rows, n, query, out, gaze) &&
              e2_block_finish(compute, &end, out, x, n);
    if (ok && attended) keep_attended(decoder, layer, out, n, attended);
    e2_arena_release(compute->arena, mark);
    return ok;
}

typedef struct self_attention {
    const e2_compute *compute;
    const e2_decoder *decoder;
    const float *keys, *values, *qkv;
    const e2_decoder_row *rows;
    float *scores, *out;
    size_t longest, shares;
} self_attention;

static void self_part(void *context, size_t part, unsigned worker) {
    const self_attention *a = context;
    size_t r = part / a->shares, width = a->decoder->width, size = width / a->decoder->heads, head;
    size_t heads = heads_of(a->decoder->heads, part, a->shares, &head), at = head * size;
    const e2_decoder_row *row = &a->rows[r];
    a->compute->kernels->cached_attention(a->qkv + r * 3 * width + at, a->keys + at, a->values + at, width,
                                          row->context, row->n_context, heads, size, 1.0f / sqrtf((float)size),
                                          a->scores + worker * a->longest * a->decoder->heads, a->out + r * width + at);
}

/* Causal self-attention through the cache: first all rows write their keys and values, then each looks at its context.
 */
static bool attend_self(const e2_compute *compute, size_t layer, e2_kv_cache *cache, const e2_decoder_row *rows,
                        size_t n, const float *qkv, float *out) {
    const e2_decoder *decoder = &compute->model->decoder;
    size_t width = decoder->width, work = 0;
    float *keys = cache->keys + layer * cache->slots * width, *values = cache->values + layer * cache->slots * width;
    self_attention a = {compute, decoder, keys, values, qkv, rows, NULL, out, 0, 1};
    for (size_t r = 0; r < n; r++) {
        const float *row = qkv + r * 3 * width;
        memcpy(keys + (size_t)rows[r].slot * width, row + width, width * sizeof *keys);
        memcpy(values + (size_t)rows[r].slot * width, row + 2 * width, width * sizeof *values);
        if (rows[r].n_context > a.longest) a.longest = rows[r].n_context;
        work += 2 * width * rows[r].n_context;
    }
    a.scores = e2_arena_floats(compute->arena, a.longest * decoder->heads * e2_threads_count(compute->threads));
    if (!a.scores) return false;
    e2_threads *threads = e2_threads_for(compute->threads, e2_nanoseconds(work, 4 * work));
    a.shares = head_shares(threads, n, decoder->heads);
    e2_threads_run(threads, n * a.shares, self_part, &a);
    return true;
}

static bool run_layer(const e2_compute *compute, size_t layer, e2_kv_cache *cache, const e2_decoder_row *rows, size_t n,
                      float *x) {
    const e2_decoder *decoder = &compute->model->decoder;
    const e2_block *block = &decoder->blocks[layer].block;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *out = e2_arena_floats(compute->arena, n * decoder->width);
    float *qkv = e2_arena_floats(compute->arena, n * 3 * decoder->width);
    e2_block_end end = e2_block_end_of(block, decoder->epsilon, decoder->activation);
    bool ok = out && qkv && e2_norm_linear(compute, &block->norm1, decoder->epsilon, &block->qkv, x, n, qkv) &&
              attend_self(compute, layer, cache, rows, n, qkv, out) && e2_block_finish(compute, &end, out, x, n);
    e2_arena_release(compute->arena, mark);
    return ok;
}

static bool decode(const e2_compute *compute, const e2_media *media, e2_kv_cache *cache, const e2_decoder_row *rows,
                   size_t n, float *hidden, float *attended, const e2_gaze *gaze) {
    const e2_decoder *decoder = &compute->model->decoder;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *x = e2_arena_floats(compute->arena, n * decoder->width);
    bool ok = x && embed(compute, rows, n, x);
    for (uint32_t i = 0; ok && i < decoder->layers; i++) {
        const e2_cross *cross = decoder->blocks[i].cross;
        ok = (!cross || run_cross(compute, cross, media, rows, n, x, attended, gaze)) &&
             run_layer(compute, i, cache, rows, n, x);
    }
    if (ok) e2_norm_apply(compute, &decoder->norm, decoder->epsilon, x, n, decoder->width, hidden);
    e2_arena_release(compute->arena, mark);
    return ok;
}

bool e2_decode(const e2_compute *compute, const e2_media *media, e2_kv_cache *cache, const e2_decoder_row *rows,
               size_t n, float *hidden, float *attended) {
    return decode(compute, media, cache, rows, n, hidden, attended, NULL);
}

bool e2_decode_watched(const e2_compute *compute, const e2_media *media, e2_kv_cache *cache, const e2_decoder_row *rows,
                       size_t n, float *hidden, e2_gaze *gaze) {
    size_t longest = 0, first;
    for (size_t r = 0; r < n; r++) {
        size_t seen = seen_tokens(&compute->model->decoder, media, &rows[r], &first);
        if (seen > longest) longest = seen;
    }
    gaze->step = longest * compute->model->decoder.cross_heads;
    gaze->weights = e2_arena_floats(compute->arena, n * gaze->step);
    return gaze->weights && decode(compute, media, cache, rows, n, hidden, NULL, gaze);
}

bool e2_logits(const e2_compute *compute, const float *hidden, size_t n, float *logits) {
    return e2_linear_apply(compute, &compute->model->decoder.output, hidden, n, E2_NO_ACTIVATION, logits);
}
