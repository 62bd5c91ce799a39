/* SPDX-License-Identifier: MIT */
/*
 * A complete small E2STR model with random weights, as the bytes of a GGUF file: for tests that need a model, not a
 * good one. Header-only; include it in one test program at most once:
 *
 *     size_t size;
 *     uint8_t *file = tiny_model_build(NULL, &size);   // or &(tiny_model_options){.resampler_layers = 1, .seed = 7}
 *     e2str_model_open_memory(file, size, NULL, &model, &error);
 *     ...
 *     e2str_model_close(model);
 *     free(file);
 *
 * A member that is 0 or NULL takes the default named beside it. The same options give the same bytes. Token ids:
 * 0 <pad>, 1 <bos>, 2 <end>, 3 <image>, then the characters of the alphabet from 4 on. Out of memory ends the program.
 */
#ifndef TINY_MODEL_H
#define TINY_MODEL_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf_values.h"

typedef struct tiny_model_options {
    const char *name;                       /* "tiny random model" */
    uint64_t seed;                          /* of the weights */
    uint32_t resampler_layers;              /* 0: none; with 5 latents, 2 heads of 8, feed-forward 32 */
    const char *alphabet;                   /* UTF-8, all different; 0-9A-Za-z */
    uint32_t positions;                     /* 64; offset 2 */
    uint32_t segment_stride;                /* 0: the key is left out */
    float min_similarity;                   /* 0: the key is left out */
    uint32_t image_width;                   /* 128 */
    uint32_t min_width;                     /* 0: all images have image_width; otherwise widths are free */
    uint32_t image_height;                  /* 32 */
    uint32_t patch_width;                   /* 16 */
    uint32_t patch_height;                  /* 8 */
    uint32_t stem[8][3];                    /* channels, stride height and width of each layer; {{0}}: no stem */
    uint32_t vision_width;                  /* 16 */
    uint32_t vision_layers;                 /* 1 */
    uint32_t vision_heads;                  /* 2 */
    uint32_t vision_feed_forward;           /* 32 */
    uint32_t decoder_width;                 /* 16 */
    uint32_t decoder_layers;                /* 2 */
    uint32_t decoder_heads;                 /* 2 */
    uint32_t decoder_feed_forward;          /* 32 */
    uint32_t cross_every;                   /* 1; 2 heads of 8, feed-forward 32 */
    const char *vision_activation;          /* "gelu" */
    const char *decoder_activation;         /* "relu" */
    const char *channels;                   /* "rgb" */
    const char *key;                        /* "latents": e2str.retrieval.key */
    bool class_token, norm_post, all_media; /* false */
    bool trim;                              /* false: the key is left out */
    bool bpe;                               /* false; the alphabet (printable ASCII) as bytes, and ab, abc, 10, 100 */
    bool memory;                            /* false; true: statistics for a pool's memory, with the following */
    float memory_scale;                     /* 1; e2str.memory.hidden_scale */
    float memory_strength;                  /* 0.01 */
    float memory_gate[2];                   /* from, to; {-1, -1}: every query gets all of it */
    bool head;                              /* false; true: a patch head */
    bool fusion;                            /* false; true: a fusion block */
    const float *confidence, *textless;     /* NULL; e2str.confidence.weights (6) and .textless (2) */
    e2_type type; /* E2_F32; of the matrices (Q8_0: of those whose rows are whole blocks of 32) */
} tiny_model_options;

#ifndef TINY_LATENTS /* of the resampler and the cross-attention; bench/make_model.c has others */
#define TINY_LATENTS      5
#define TINY_HEADS        2
#define TINY_HEAD_SIZE    8
#define TINY_FEED_FORWARD 32
#endif
#define TINY_INNER (TINY_HEADS * TINY_HEAD_SIZE)

typedef struct tiny_builder {
    e2_gguf_writer *writer;
    uint64_t random;
    void **blocks; /* the tensors' data, until the file is written */
    size_t n_blocks;
    uint8_t *file;
    size_t size;
    e2_type type;
    char prefix[64];
} tiny_builder;

static void *tiny_checked(void *memory) {
    if (!memory) abort();
    return memory;
}

static float tiny_uniform(tiny_builder *b) { /* -1..1, xorshift64* */
    b->random ^= b->random >> 12;
    b->random ^= b->random << 25;
    b->random ^= b->random >> 27;
    return (float)(int32_t)(b->random * 0x2545f4914f6cdd1d >> 32) / 2147483648.0f;
}

/* values as the bytes of `type`; returns their number. */
static size_t tiny_encode(e2_type type, const float *values, size_t count, uint8_t *out) {
    if (type == E2_Q8_0) {
        for (size_t i = 0; i < count; i += 32, out += 34) {
            float most = 0;
            for (size_t j = 0; j < 32; j++) most = fmaxf(most, fabsf(values[i + j]));
            uint16_t scale = e2_f32_to_f16(most / 127);
            memcpy(out, &scale, 2);
            for (size_t j = 0; j < 32; j++)
                out[2 + j] = (uint8_t)(int8_t)fmaxf(-127, fminf(127, rintf(values[i + j] / e2_f16_to_f32(scale))));
        }
        return count / 32 * 34;
    }
    if (type == E2_F32) {
        memcpy(out, values, count * 4);
        return count * 4;
    }
    for (size_t i = 0; i < count; i++, out += 2) {
        uint32_t bits;
        memcpy(&bits, &values[i], 4);
        uint16_t half = type == E2_F16 ? e2_f32_to_f16(values[i]) : (uint16_t)(bits >> 16);
        memcpy(out, &half, 2);
    }
    return count * 2;
}

/* Takes over the values, malloc'ed; in = 0: a vector of `out`. */
static void tiny_values(tiny_builder *b, const char *name, size_t out, size_t in, float *values) {
    size_t count = out * (in ? in : 1);
    e2_type type = !in || (b->type == E2_Q8_0 && in % 32) ? E2_F32 : b->type;
    uint8_t *data = tiny_checked(malloc(count * 4));
    size_t bytes = tiny_encode(type, values, count, data);
    free(values);
    b->blocks = tiny_checked(realloc(b->blocks, (b->n_blocks + 1) * sizeof *b->blocks));
    b->blocks[b->n_blocks++] = data;
    char full[128];
    snprintf(full, sizeof full, "%s%s", b->prefix, name);
    uint64_t dims[2] = {in ? in : out, out};
    const void *pieces[1] = {data};
    e2_gguf_write_tensor(b->writer, full, type, in ? 2 : 1, dims, pieces, 1, bytes);
}

/* Uniform in centre - spread .. centre + spread; in = 0: a vector of `out`. */
static void tiny_tensor(tiny_builder *b, const char *name, size_t out, size_t in, float centre, float spread) {
    size_t count = out * (in ? in : 1);
    float *values = tiny_checked(malloc(count * sizeof *values));
    for (size_t i = 0; i < count; i++) values[i] = centre + spread * tiny_uniform(b);
    tiny_values(b, name, out, in, values);
}

static void tiny_weight(tiny_builder *b, const char *name, size_t out, size_t in) {
    char full[96];
    snprintf(full, sizeof full, "%s.weight", name);
    tiny_tensor(b, full, out, in, 0, 1.7f / sqrtf((float)in));
}

static void tiny_linear(tiny_builder *b, const char *name, size_t out, size_t in) {
    char full[96];
    tiny_weight(b, name, out, in);
    snprintf(full, sizeof full, "%s.bias", name);
    tiny_tensor(b, full, out, 0, 0, 0.1f);
}

static void tiny_norm(tiny_builder *b, const char *name, size_t width) {
    char full[96];
    snprintf(full, sizeof full, "%s.weight", name);
    tiny_tensor(b, full, width, 0, 1, 0.2f);
    snprintf(full, sizeof full, "%s.bias", name);
    tiny_tensor(b, full, width, 0, 0, 0.1f);
}

static uint32_t tiny_stem_layers(const tiny_model_options *o) {
    uint32_t count = 0;
    while (count < 8 && o->stem[count][0]) count++;
    return count;
}

static void tiny_block(tiny_builder *b, size_t width, size_t feed_forward) {
    tiny_norm(b, "norm1", width);
    tiny_linear(b, "attn_qkv", 3 * width, width);
    tiny_linear(b, "attn_out", width, width);
    tiny_norm(b, "norm2", width);
    tiny_linear(b, "ffn_up", feed_forward, width);
    tiny_linear(b, "ffn_down", width, feed_forward);
}

static void tiny_vision(tiny_builder *b, const tiny_model_options *o) {
    size_t w = o->vision_width;
    size_t patches = (o->image_width / o->patch_width) * (o->image_height / o->patch_height);
    strcpy(b->prefix, "vision.");
    uint32_t stem = tiny_stem_layers(o);
    for (uint32_t i = 0; i < stem; i++) {
        char name[16];
        snprintf(name, sizeof name, "stem.%u", i);
        tiny_linear(b, name, o->stem[i][0], 9 * (i ? o->stem[i - 1][0] : 3));
    }
    tiny_linear(b, "patch", w, stem ? o->stem[stem - 1][0] : (size_t)3 * o->patch_width * o->patch_height);
    if (o->class_token) tiny_tensor(b, "class_embedding", w, 0, 0, 1);
    if (o->min_width) {
        tiny_tensor(b, "row_positions", o->image_height / o->patch_height, w, 0, 0.7f);
        tiny_tensor(b, "column_positions", o->image_width / o->patch_width, w, 0, 0.7f);
    } else {
        tiny_tensor(b, "positions", patches + o->class_token, w, 0, 1);
    }
    if (o->norm_post) tiny_norm(b, "norm_post", w);
    for (uint32_t i = 0; i < o->vision_layers; i++) {
        snprintf(b->prefix, sizeof b->prefix, "vision.blk.%u.", i);
        tiny_block(b, w, o->vision_feed_forward);
    }
}

static void tiny_head(tiny_builder *b, const tiny_model_options *o, size_t vocabulary) {
    strcpy(b->prefix, "vision.");
    tiny_linear(b, "head", vocabulary, o->vision_width);
}

static void tiny_fusion(tiny_builder *b, const tiny_model_options *o) {
    size_t w = o->decoder_width;
    strcpy(b->prefix, "fusion.");
    tiny_linear(b, "visual", w, o->vision_width);
    tiny_linear(b, "attn_query", w, w);
    tiny_linear(b, "attn_key_value", 2 * w, w);
    tiny_linear(b, "attn_out", w, w);
    tiny_linear(b, "gate", w, 2 * w);
}

static void tiny_resampler(tiny_builder *b, const tiny_model_options *o) {
    size_t w = o->vision_width;
    strcpy(b->prefix, "resampler.");
    tiny_tensor(b, "latents", TINY_LATENTS, w, 0, 1);
    tiny_norm(b, "norm", w);
    for (uint32_t i = 0; i < o->resampler_layers; i++) {
        snprintf(b->prefix, sizeof b->prefix, "resampler.blk.%u.", i);
        tiny_norm(b, "norm_media", w);
        tiny_norm(b, "norm_latents", w);
        tiny_weight(b, "attn_query", TINY_INNER, w);
        tiny_weight(b, "attn_key_value", 2 * TINY_INNER, w);
        tiny_weight(b, "attn_out", w, TINY_INNER);
        tiny_norm(b, "norm_ff", w);
        tiny_weight(b, "ffn_up", TINY_FEED_FORWARD, w);
        tiny_weight(b, "ffn_down", w, TINY_FEED_FORWARD);
    }
}

static void tiny_cross(tiny_builder *b, const tiny_model_options *o) {
    size_t w = o->decoder_width;
    tiny_norm(b, "cross.norm", w);
    tiny_weight(b, "cross.attn_query", TINY_INNER, w);
    tiny_weight(b, "cross.attn_key_value", 2 * TINY_INNER, o->vision_width);
    tiny_weight(b, "cross.attn_out", w, TINY_INNER);
    tiny_tensor(b, "cross.attn_gate", 1, 0, 1, 0.5f);
    tiny_norm(b, "cross.norm_ff", w);
    tiny_weight(b, "cross.ffn_up", TINY_FEED_FORWARD, w);
    tiny_weight(b, "cross.ffn_down", w, TINY_FEED_FORWARD);
    tiny_tensor(b, "cross.ffn_gate", 1, 0, 1, 0.5f);
}

static void tiny_decoder(tiny_builder *b, const tiny_model_options *o, size_t vocabulary) {
    size_t w = o->decoder_width;
    strcpy(b->prefix, "decoder.");
    tiny_tensor(b, "tokens", vocabulary, w, 0, 1);
    tiny_tensor(b, "positions", o->positions + 2, w, 0, 1);
    tiny_norm(b, "norm", w);
    for (uint32_t i = 0; i < o->decoder_layers; i++) {
        snprintf(b->prefix, sizeof b->prefix, "decoder.blk.%u.", i);
        if ((i + 1) % o->cross_every == 0) tiny_cross(b, o);
        tiny_block(b, w, o->decoder_feed_forward);
    }
}

/* Symmetric and near to the unit matrix; a whitening need not come from statistics. */
static void tiny_whitening(tiny_builder *b, const char *name, size_t n) {
    float *values = tiny_checked(malloc(n * n * sizeof *values)), spread = 0.3f / sqrtf((float)n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) values[i * n + j] = values[j * n + i] = (i == j) + spread * tiny_uniform(b);
    tiny_values(b, name, n, n, values);
}

static void tiny_memory(tiny_builder *b, const tiny_model_options *o) {
    size_t w = o->vision_width, crosses = o->decoder_layers / o->cross_every, attended = crosses < 2 ? crosses : 2;
    strcpy(b->prefix, "memory.");
    tiny_whitening(b, "whitening", o->decoder_width + attended * TINY_INNER + 1);
    tiny_whitening(b, "key_whitening", w);
    tiny_tensor(b, "key_mean", w, 0, 0, 0.1f);
}

static void tiny_string(tiny_builder *b, const char *key, const char *value) {
    e2_gguf_write_string(b->writer, key, (e2_string){value, strlen(value)});
}

/* Special tokens and one token per character; returns how many there are. */
static size_t tiny_tokenizer(tiny_builder *b, const char *alphabet, bool bpe) {
    static const char *const special[4] = {"<pad>", "<bos>", "<end>", "<image>"};
    static const e2_string joined[4] = {{"ab", 2}, {"abc", 3}, {"10", 2}, {"100", 3}};
    static const e2_string merges[4] = {{"a b", 3}, {"ab c", 4}, {"1 0", 3}, {"10 0", 4}};
    e2_string *tokens = tiny_checked(malloc((8 + strlen(alphabet)) * sizeof *tokens));
    size_t count = 0;
    for (; count < 4; count++) tokens[count] = (e2_string){special[count], strlen(special[count])};
    while (*alphabet) {
        size_t length = 1;
        while (((unsigned char)alphabet[length] & 0xc0) == 0x80) length++;
        tokens[count++] = (e2_string){alphabet, length};
        alphabet += length;
    }
    for (size_t i = 0; bpe && i < 4; i++) tokens[count++] = joined[i];
    tiny_string(b, "tokenizer.ggml.model", bpe ? "gpt2" : "characters");
    if (bpe) e2_gguf_write_string_array(b->writer, "tokenizer.ggml.merges", merges, 4);
    e2_gguf_write_string_array(b->writer, "tokenizer.ggml.tokens", tokens, count);
    e2_gguf_write_u32(b->writer, "tokenizer.ggml.padding_token_id", 0);
    e2_gguf_write_u32(b->writer, "tokenizer.ggml.bos_token_id", 1);
    e2_gguf_write_u32(b->writer, "tokenizer.ggml.eos_token_id", 2);
    e2_gguf_write_u32(b->writer, "e2str.tokenizer.image_token_id", 3);
    e2_gguf_write_array(b->writer, "e2str.tokenizer.special_token_ids", E2_KV_U32, (const uint32_t[]){0, 1, 2, 3}, 4);
    free(tokens);
    return count;
}

static void tiny_stem(tiny_builder *b, const tiny_model_options *o) {
    static const char *const keys[3] = {"e2str.vision.stem.channels", "e2str.vision.stem.stride_height",
                                        "e2str.vision.stem.stride_width"};
    uint32_t count = tiny_stem_layers(o), values[8];
    for (size_t key = 0; count && key < 3; key++) {
        for (uint32_t i = 0; i < count; i++) values[i] = o->stem[i][key];
        e2_gguf_write_array(b->writer, keys[key], E2_KV_U32, values, count);
    }
}

static void tiny_metadata(tiny_builder *b, const tiny_model_options *o) {
    static const float mean[3] = {0.48f, 0.46f, 0.41f}, std[3] = {0.27f, 0.26f, 0.28f};
    tiny_string(b, "general.architecture", "e2str");
    tiny_string(b, "general.name", o->name);
    e2_gguf_write_u32(b->writer, "e2str.version", 1);
    e2_gguf_write_u32(b->writer, "e2str.image.height", o->image_height);
    e2_gguf_write_u32(b->writer, "e2str.image.width", o->image_width);
    if (o->min_width) e2_gguf_write_u32(b->writer, "e2str.image.min_width", o->min_width);
    tiny_string(b, "e2str.image.channels", o->channels);
    e2_gguf_write_array(b->writer, "e2str.image.mean", E2_KV_F32, mean, 3);
    e2_gguf_write_array(b->writer, "e2str.image.std", E2_KV_F32, std, 3);
    e2_gguf_write_u32(b->writer, "e2str.vision.patch_height", o->patch_height);
    e2_gguf_write_u32(b->writer, "e2str.vision.patch_width", o->patch_width);
    tiny_stem(b, o);
    e2_gguf_write_u32(b->writer, "e2str.vision.width", o->vision_width);
    e2_gguf_write_u32(b->writer, "e2str.vision.layers", o->vision_layers);
    e2_gguf_write_u32(b->writer, "e2str.vision.heads", o->vision_heads);
    e2_gguf_write_u32(b->writer, "e2str.vision.feed_forward", o->vision_feed_forward);
    tiny_string(b, "e2str.vision.activation", o->vision_activation);
    write_bool(b->writer, "e2str.vision.class_token", o->class_token);
    write_bool(b->writer, "e2str.vision.norm_post", o->norm_post);
    write_f32(b->writer, "e2str.vision.epsilon", 1e-5f);
    e2_gguf_write_u32(b->writer, "e2str.resampler.layers", o->resampler_layers);
    if (o->resampler_layers) {
        e2_gguf_write_u32(b->writer, "e2str.resampler.latents", TINY_LATENTS);
        e2_gguf_write_u32(b->writer, "e2str.resampler.heads", TINY_HEADS);
        e2_gguf_write_u32(b->writer, "e2str.resampler.head_size", TINY_HEAD_SIZE);
        e2_gguf_write_u32(b->writer, "e2str.resampler.feed_forward", TINY_FEED_FORWARD);
        write_f32(b->writer, "e2str.resampler.epsilon", 1e-5f);
    }
    e2_gguf_write_u32(b->writer, "e2str.decoder.width", o->decoder_width);
    e2_gguf_write_u32(b->writer, "e2str.decoder.layers", o->decoder_layers);
    e2_gguf_write_u32(b->writer, "e2str.decoder.heads", o->decoder_heads);
    e2_gguf_write_u32(b->writer, "e2str.decoder.feed_forward", o->decoder_feed_forward);
    tiny_string(b, "e2str.decoder.activation", o->decoder_activation);
    e2_gguf_write_u32(b->writer, "e2str.decoder.positions", o->positions);
    e2_gguf_write_u32(b->writer, "e2str.decoder.position_offset", 2);
    if (o->segment_stride) e2_gguf_write_u32(b->writer, "e2str.decoder.segment_stride", o->segment_stride);
    write_f32(b->writer, "e2str.decoder.epsilon", 1e-5f);
    e2_gguf_write_u32(b->writer, "e2str.cross.every", o->cross_every);
    e2_gguf_write_u32(b->writer, "e2str.cross.heads", TINY_HEADS);
    e2_gguf_write_u32(b->writer, "e2str.cross.head_size", TINY_HEAD_SIZE);
    e2_gguf_write_u32(b->writer, "e2str.cross.feed_forward", TINY_FEED_FORWARD);
    write_bool(b->writer, "e2str.cross.only_immediate_media", !o->all_media);
    tiny_string(b, "e2str.retrieval.key", o->key);
    if (o->trim) write_bool(b->writer, "e2str.image.trim", true);
    if (o->min_similarity != 0) write_f32(b->writer, "e2str.retrieval.min_similarity", o->min_similarity);
    if (o->confidence) e2_gguf_write_array(b->writer, "e2str.confidence.weights", E2_KV_F32, o->confidence, 6);
    if (o->textless) e2_gguf_write_array(b->writer, "e2str.confidence.textless", E2_KV_F32, o->textless, 2);
    if (!o->memory) return;
    write_f32(b->writer, "e2str.memory.hidden_scale", o->memory_scale);
    write_f32(b->writer, "e2str.memory.strength", o->memory_strength);
    write_f32(b->writer, "e2str.memory.gate_from", o->memory_gate[0]);
    write_f32(b->writer, "e2str.memory.gate_to", o->memory_gate[1]);
}

static e2str_status tiny_sink(void *user, const void *data, size_t size, e2str_error *error) {
    (void)error;
    tiny_builder *b = user;
    b->file = tiny_checked(realloc(b->file, b->size + size));
    memcpy(b->file + b->size, data, size);
    b->size += size;
    return E2STR_OK;
}

static tiny_model_options tiny_defaults(const tiny_model_options *options) {
    tiny_model_options o = options ? *options : (tiny_model_options){0};
#define TINY_DEFAULT(member, value) o.member = o.member ? o.member : (value)
    TINY_DEFAULT(name, "tiny random model");
    TINY_DEFAULT(alphabet, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    TINY_DEFAULT(positions, 64);
    TINY_DEFAULT(image_width, 128);
    TINY_DEFAULT(image_height, 32);
    TINY_DEFAULT(patch_width, 16);
    TINY_DEFAULT(patch_height, 8);
    TINY_DEFAULT(vision_width, 16);
    TINY_DEFAULT(vision_layers, 1);
    TINY_DEFAULT(vision_heads, 2);
    TINY_DEFAULT(vision_feed_forward, 32);
    TINY_DEFAULT(decoder_width, 16);
    TINY_DEFAULT(decoder_layers, 2);
    TINY_DEFAULT(decoder_heads, 2);
    TINY_DEFAULT(decoder_feed_forward, 32);
    TINY_DEFAULT(cross_every, 1);
    TINY_DEFAULT(vision_activation, "gelu");
    TINY_DEFAULT(decoder_activation, "relu");
    TINY_DEFAULT(channels, "rgb");
    TINY_DEFAULT(key, "latents");
    TINY_DEFAULT(memory_scale, 1);
    TINY_DEFAULT(memory_strength, 0.01f);
    TINY_DEFAULT(memory_gate[0], -1);
    TINY_DEFAULT(memory_gate[1], -1);
#undef TINY_DEFAULT
    return o;
}

/* The file's bytes, malloc'ed: the caller frees them. */
static inline uint8_t *tiny_model_build(const tiny_model_options *options, size_t *size) {
    tiny_model_options o = tiny_defaults(options);
    tiny_builder b = {.writer = tiny_checked(e2_gguf_writer_new()),
                      .random = 0x9e3779b97f4a7c15 ^ o.seed * 0xbf58476d1ce4e5b9,
                      .type = o.type};
    tiny_metadata(&b, &o);
    size_t vocabulary = tiny_tokenizer(&b, o.alphabet, o.bpe);
    tiny_vision(&b, &o);
    if (o.resampler_layers) tiny_resampler(&b, &o);
    tiny_decoder(&b, &o, vocabulary);
    if (o.memory) tiny_memory(&b, &o);
    if (o.head) tiny_head(&b, &o, vocabulary);
    if (o.fusion) tiny_fusion(&b, &o);
    if (e2_gguf_writer_finish(b.writer, tiny_sink, &b, NULL)) abort();
    e2_gguf_writer_free(b.writer);
    for (size_t i = 0; i < b.n_blocks; i++) free(b.blocks[i]);
    free(b.blocks);
    *size = b.size;
    return b.file;
}

#endif
