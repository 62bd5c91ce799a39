#include "decoder.h"

#include <math.h>
#include <string.h>

#include "linear.h"

static size_t cross_inner(const e2_decoder *decoder) { return (size_t)decoder->cross_heads * decoder->cross_head_size; }

/* Floats of one image's keys and values in one layer. */
static size_t media_step(const e2str_model *model) { return (size_t)model->media_tokens * 2 * cross_inner(&model->decoder); }

bool e2_media_new(const e2str_model *model, uint32_t images, e2_media *media, e2_arena *arena) {
    size_t count;
    if (!e2_mul((size_t)model->decoder.cross_layers * images, media_step(model), &count)) return false;
    *media = (e2_media){e2_arena_floats(arena, count), images};
    return media->key_values != NULL;
}

static float *media_of(const e2str_model *model, const e2_media *media, uint32_t layer, uint32_t image) {
    return media->key_values + ((size_t)layer * media->images + image) * media_step(model);
}

void e2_media_set(const e2str_model *model, e2_media *media, uint32_t index, const float *tokens) {
    for (uint32_t i = 0; i < model->decoder.cross_layers; i++)
        e2_linear_apply(&model->decoder.crosses[i].key_value, tokens, model->media_tokens,
                        media_of(model, media, i, index));
}

bool e2_kv_cache_new(const e2str_model *model, size_t slots, e2_kv_cache *cache, e2_arena *arena) {
    size_t count;
    if (slots > UINT32_MAX || !e2_mul((size_t)model->decoder.layers * model->decoder.width, slots, &count)) return false;
    *cache = (e2_kv_cache){e2_arena_floats(arena, count), e2_arena_floats(arena, count), (uint32_t)slots};
    return cache->keys && cache->values;
}

/* h = E[token] + P[position + offset] */
static void embed(const e2_decoder *decoder, const e2_decoder_row *rows, size_t n, float *x) {
    for (size_t r = 0; r < n; r++, x += decoder->width) {
        const float *token = decoder->token_table + (size_t)rows[r].token * decoder->width;
        const float *position =
            decoder->position_table + ((size_t)rows[r].position + decoder->position_offset) * decoder->width;
        for (uint32_t i = 0; i < decoder->width; i++) x[i] = token[i] + position[i];
    }
}

/* Attention of the text rows to the images: consecutive rows that see the same images are one product. Rows that see
 * none get 0. query and out: [n][heads * head_size]. */
static bool attend_media(const e2str_model *model, const e2_media *media, uint32_t layer, const e2_decoder_row *rows,
                         size_t n, const float *query, float *out, e2_arena *scratch) {
    const e2_decoder *decoder = &model->decoder;
    size_t inner = cross_inner(decoder);
    for (size_t begin = 0, end; begin < n; begin = end) {
        uint32_t images = rows[begin].images;
        for (end = begin + 1; end < n && rows[end].images == images; end++) {}
        float *result = out + begin * inner;
        if (images == 0) {
            memset(result, 0, (end - begin) * inner * sizeof *result);
            continue;
        }
        uint32_t first = decoder->only_immediate_media ? images - 1 : 0;
        const float *keys = media_of(model, media, layer, first);
        size_t n_keys = (size_t)(images - first) * model->media_tokens;
        if (!e2_attention((e2_rows){query + begin * inner, end - begin, inner}, (e2_rows){keys, n_keys, 2 * inner},
                          (e2_rows){keys + inner, n_keys, 2 * inner}, decoder->cross_heads, decoder->cross_head_size,
                          result, scratch))
            return false;
    }
    return true;
}

/* x += tanh(gate) out(attention(query(norm(x)), media)); x += tanh(gate) ffn(x) */
static bool run_cross(const e2str_model *model, const e2_cross *cross, const e2_media *media,
                      const e2_decoder_row *rows, size_t n, float *x, e2_arena *scratch) {
    const e2_decoder *decoder = &model->decoder;
    e2_arena_mark mark = e2_arena_begin(scratch);
    size_t inner = cross_inner(decoder);
    float *y = e2_arena_floats(scratch, n * decoder->width);
    float *query = e2_arena_floats(scratch, n * inner), *out = e2_arena_floats(scratch, n * inner);
    if (!y || !query || !out) return false;
    e2_norm_apply(&cross->norm, decoder->epsilon, x, n, decoder->width, y);
    e2_linear_apply(&cross->query, y, n, query);
    uint32_t layer = (uint32_t)(cross - decoder->crosses);
    if (!attend_media(model, media, layer, rows, n, query, out, scratch)) return false;
    e2_linear_add(&cross->out, cross->attention_gate, out, n, x);
    e2_arena_release(scratch, mark);
    return e2_feed_forward(&cross->norm_ff, decoder->epsilon, &cross->up, &cross->down, E2_GELU,
                           cross->feed_forward_gate, x, n, scratch);
}

/* Causal self-attention through the cache: first all rows write their keys and values, then each looks at its context. */
static bool attend_self(const e2_decoder *decoder, uint32_t layer, e2_kv_cache *cache, const e2_decoder_row *rows,
                        size_t n, const float *qkv, float *out, e2_arena *scratch) {
    size_t width = decoder->width;
    float *keys = cache->keys + (size_t)layer * cache->slots * width;
    float *values = cache->values + (size_t)layer * cache->slots * width;
    uint32_t longest = 0;
    for (size_t r = 0; r < n; r++) {
        const float *row = qkv + r * 3 * width;
        memcpy(keys + (size_t)rows[r].slot * width, row + width, width * sizeof *keys);
        memcpy(values + (size_t)rows[r].slot * width, row + 2 * width, width * sizeof *values);
        if (rows[r].n_context > longest) longest = rows[r].n_context;
    }
    float *scores = e2_arena_floats(scratch, longest);
    if (!scores) return false;
    uint32_t head_size = decoder->width / decoder->heads;
    float scale = 1.0f / sqrtf((float)head_size);
    for (size_t r = 0; r < n; r++)
        e2_kernels_best()->attend(qkv + r * 3 * width, keys, values, width, rows[r].context, rows[r].n_context,
                                  decoder->heads, head_size, scale, scores, out + r * width);
    return true;
}

static bool run_layer(const e2_decoder *decoder, uint32_t layer, e2_kv_cache *cache, const e2_decoder_row *rows,
                      size_t n, float *x, e2_arena *scratch) {
    const e2_decoder_layer *block = &decoder->blocks[layer];
    e2_arena_mark mark = e2_arena_begin(scratch);
    float *y = e2_arena_floats(scratch, n * decoder->width);
    float *qkv = e2_arena_floats(scratch, n * 3 * decoder->width);
    if (!y || !qkv) return false;
    e2_norm_apply(&block->norm1, decoder->epsilon, x, n, decoder->width, y);
    e2_linear_apply(&block->qkv, y, n, qkv);
    if (!attend_self(decoder, layer, cache, rows, n, qkv, y, scratch)) return false;
    e2_linear_add(&block->out, 1.0f, y, n, x);
    e2_arena_release(scratch, mark);
    return e2_feed_forward(&block->norm2, decoder->epsilon, &block->up, &block->down, decoder->activation, 1.0f, x, n,
                           scratch);
}

bool e2_decode(const e2str_model *model, const e2_media *media, e2_kv_cache *cache, const e2_decoder_row *rows, size_t n,
               float *hidden, e2_arena *scratch) {
    const e2_decoder *decoder = &model->decoder;
    e2_arena_mark mark = e2_arena_begin(scratch);
    float *x = e2_arena_floats(scratch, n * decoder->width);
    bool ok = x != NULL;
    if (ok) embed(decoder, rows, n, x);
    for (uint32_t i = 0; ok && i < decoder->layers; i++) {
        const e2_cross *cross = decoder->blocks[i].cross;
        ok = (!cross || run_cross(model, cross, media, rows, n, x, scratch)) &&
             run_layer(decoder, i, cache, rows, n, x, scratch);
    }
    if (ok) e2_norm_apply(&decoder->norm, decoder->epsilon, x, n, decoder->width, hidden);
    e2_arena_release(scratch, mark);
    return ok;
}

void e2_logits(const e2str_model *model, const float *hidden, size_t n, float *logits) {
    const e2_decoder *decoder = &model->decoder;
    e2_linear output = {decoder->token_table, NULL, decoder->width, decoder->vocabulary};
    e2_linear_apply(&output, hidden, n, logits);
}
