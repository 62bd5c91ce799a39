/* SPDX-License-Identifier: MIT */
/* The tensors of a model file: name, shape and destination as docs/model-format.md lists them. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

typedef struct binder {
    e2str_model *model;
    e2_threads *threads; /* that pack */
    bool *used;          /* by index in the file */
    bool memory;         /* the tensors are those that a pool's memory learns with */
    char prefix[48];
    e2str_status status; /* once set, nothing more is done */
    e2str_error *error;
    size_t expanded, expanded_bytes, packed, packed_bytes;
} binder;

/* --------------------------------------------------------------------------------------------------- one tensor -- */

/* The model frees `memory` when it is closed; on failure it is freed here. */
static bool own(binder *b, void *memory) {
    e2str_model *model = b->model;
    if (memory && model->n_owned == model->owned_capacity) {
        size_t capacity = model->owned_capacity ? model->owned_capacity * 2 : 16;
        void **owned = realloc(model->owned, capacity * sizeof *owned);
        if (!owned) {
            free(memory);
            memory = NULL;
        } else {
            model->owned = owned;
            model->owned_capacity = capacity;
        }
    }
    if (memory)
        model->owned[model->n_owned++] = memory;
    else
        b->status = e2_fail(b->error, E2STR_ERROR_MEMORY, "out of memory for the model");
    return memory != NULL;
}

static float *expand(binder *b, const e2_tensor *tensor) {
    size_t bytes;
    if (!e2_mul(tensor->elements, sizeof(float), &bytes) || !e2_add(bytes, 63, &bytes)) bytes = SIZE_MAX;
    float *values = aligned_alloc(64, bytes & ~(size_t)63);
    if (!own(b, values)) return NULL;
    e2_dequantize(tensor, 0, tensor->elements, values);
    b->expanded++;
    b->expanded_bytes += bytes & ~(size_t)63;
    return values;
}

static void check_shape(binder *b, const e2_tensor *tensor, uint64_t out, uint64_t in) {
    uint64_t first = in ? in : out, second = in ? out : 1;
    const uint64_t *dims = tensor->dims;
    if (dims[0] == first && dims[1] == second && dims[2] == 1 && dims[3] == 1) return;
    b->status = e2_fail(b->error, E2STR_ERROR_FORMAT,
                        "tensor %s has dimensions {%llu, %llu, %llu, %llu}, expected {%llu, %llu, 1, 1}",
                        e2_show(tensor->name).text, (unsigned long long)dims[0], (unsigned long long)dims[1],
                        (unsigned long long)dims[2], (unsigned long long)dims[3], (unsigned long long)first,
                        (unsigned long long)second);
}

/* Gets the data; numbers that are none would spread over all that is computed with them. */
static void read_data(binder *b, const e2_tensor *tensor, const char *name) {
    b->status = e2_gguf_fetch(&b->model->gguf, tensor, b->error);
    if (!b->status && !e2_tensor_finite(tensor))
        b->status = e2_fail(b->error, E2STR_ERROR_FORMAT, "tensor %s: a value is not finite", name);
}

/* Prefix + name with the shape [out, in], or [out] when in is 0; its data are there. NULL on failure. */
static const e2_tensor *find(binder *b, const char *name, uint64_t out, uint64_t in) {
    char full[128];
    if (b->status) return NULL;
    snprintf(full, sizeof full, "%s%s", b->prefix, name);
    const e2_tensor *tensor = e2_gguf_tensor(&b->model->gguf, full);
    if (!tensor) {
        b->status = e2_fail(b->error, E2STR_ERROR_FORMAT, "tensor %s is missing", full);
        return NULL;
    }
    e2_type type = tensor->type;
    if (type != E2_F32 && type != E2_F16 && type != E2_BF16 && type != E2_Q8_0)
        b->status = e2_fail(b->error, E2STR_ERROR_UNSUPPORTED, "tensor %s has type %s, not F32, F16, BF16 or Q8_0",
                            full, e2_type_name(type));
    else
        check_shape(b, tensor, out, in);
    if (!b->status) read_data(b, tensor, full);
    b->used[tensor - b->model->gguf.tensors] = true;
    b->model->parameters += tensor->elements;
    return b->status ? NULL : tensor;
}

#define SMALL_TABLE ((size_t)1 << 20)

static const float *table(binder *b, const char *name, uint64_t out, uint64_t in) {
    const e2_tensor *tensor = find(b, name, out, in);
    if (!tensor) return NULL;
    if (tensor->type == E2_F32 && tensor->offset % sizeof(float)) {
        b->status =
            e2_fail(b->error, E2STR_ERROR_FORMAT, "tensor %s is not aligned to 4 bytes", e2_show(tensor->name).text);
        return NULL;
    }
    bool in_place = !b->model->gguf.source && tensor->type == E2_F32 && tensor->bytes > SMALL_TABLE;
    return in_place ? tensor->data : expand(b, tensor);
}

/* A table that is read row by row in the file's type: where the file's data go, a copy. */
static const e2_tensor *rows(binder *b, const char *name, uint64_t out, uint64_t in) {
    const e2_tensor *tensor = find(b, name, out, in);
    if (!tensor || !b->model->gguf.source) return tensor;
    size_t bytes;
    e2_tensor *copy = e2_add(sizeof *copy, tensor->bytes, &bytes) ? malloc(bytes) : NULL;
    if (!own(b, copy)) return NULL;
    *copy = *tensor;
    copy->data = memcpy(copy + 1, tensor->data, tensor->bytes);
    return copy;
}

/* ------------------------------------------------------------------------------------------- the kinds of tensor -- */

static const float *part(binder *b, const char *name, const char *suffix, uint64_t out, uint64_t in) {
    char full[64];
    snprintf(full, sizeof full, "%s.%s", name, suffix);
    return table(b, full, out, in);
}

/* What AUTO is at this level. Matrices in F32 have not been rounded, and are not rounded here either. */
static void choose_precision(e2str_model *model) {
    const e2_tensor *tokens = e2_gguf_tensor(&model->gguf, "decoder.tokens");
    if (model->blas) model->precision = E2STR_PRECISION_F32;
    if (model->precision != E2STR_PRECISION_AUTO) return;
    e2_weight_type fastest = tokens && tokens->type == E2_F32 ? E2_WEIGHT_F32 : model->kernels->fastest;
    model->precision = fastest == E2_WEIGHT_Q8     ? E2STR_PRECISION_INT8
                       : fastest == E2_WEIGHT_BF16 ? E2STR_PRECISION_BF16
                                                   : E2STR_PRECISION_F32;
}

/* The form in which our kernels multiply a matrix. What a memory learns with is never rounded more than in the file. */
static e2_weight_type packed_type(const binder *b, e2_type type) {
    e2str_precision precision = b->model->precision;
    bool as_stored = precision == E2STR_PRECISION_FILE || (b->memory && precision != E2STR_PRECISION_F32);
    if (as_stored) return type == E2_BF16 ? E2_WEIGHT_BF16 : type == E2_Q8_0 ? E2_WEIGHT_Q8 : E2_WEIGHT_F32;
    return precision == E2STR_PRECISION_INT8   ? E2_WEIGHT_Q8
           : precision == E2STR_PRECISION_BF16 ? E2_WEIGHT_BF16
                                               : E2_WEIGHT_F32;
}

/* A convolution's columns are (channel, dy, dx) in the file and (dy, dx, channel) here, as its input is gathered.
 * spare: one more row. */
static void pixels_first(float *rows, size_t count, size_t columns, float *spare) {
    size_t channels = columns / 9;
    for (; count--; rows += columns) {
        memcpy(spare, rows, columns * sizeof *rows);
        for (size_t i = 0; i < columns; i++) rows[i % 9 * channels + i / 9] = spare[i];
    }
}

typedef enum columns { AS_STORED, PIXELS_FIRST } columns;

/* Panels are packed one by one, each through a buffer of its rows. */
typedef struct packing {
    const e2_tensor *tensor;
    columns order;
    e2_weight_type type;
    size_t n, k;
    void *panels;
    float *scales; /* with the sums: NULL if the type has none */
    int32_t *sums;
    float *rows; /* [workers][E2_PANEL + 1][k] */
} packing;

static void pack_panel(void *context, size_t panel, unsigned worker) {
    const packing *p = context;
    size_t first = panel * E2_PANEL, count = p->n - first < E2_PANEL ? p->n - first : E2_PANEL;
    float *rows = p->rows + worker * (E2_PANEL + 1) * p->k;
    e2_dequantize(p->tensor, first * p->k, count * p->k, rows);
    if (p->order == PIXELS_FIRST) pixels_first(rows, count, p->k, rows + E2_PANEL * p->k);
    e2_pack(p->type, rows, first, count, p->k, p->panels, p->scales, p->sums);
}

#define MIN_SHARED ((size_t)1 << 14) /* numbers: packing fewer takes less than waking a thread */

static void pack(binder *b, const e2_tensor *tensor, columns order, e2_linear *linear) {
    size_t n = linear->out, k = linear->in, lanes = e2_panels(n) * E2_PANEL;
    e2_weight_type type = packed_type(b, tensor->type);
    e2_threads *threads = n * k < MIN_SHARED ? NULL : b->threads;
    size_t bytes = (e2_packed_bytes(type, n, k) + 63) & ~(size_t)63;
    void *panels = aligned_alloc(64, bytes), *scales = NULL, *sums = NULL;
    float *rows = e2_alloc((E2_PANEL + 1) * e2_threads_count(threads) * k, sizeof *rows);
    bool ok = own(b, panels) && rows;
    if (ok && type == E2_WEIGHT_Q8)
        ok = own(b, scales = e2_alloc(lanes, sizeof(float))) && own(b, sums = e2_alloc(lanes, sizeof(int32_t)));
    packing p = {tensor, order, type, n, k, panels, scales, sums, rows};
    linear->matrix = (e2_matrix){type, n, k, panels, scales, sums};
    if (ok) e2_threads_run(threads, e2_panels(n), pack_panel, &p);
    if (!ok && !b->status) b->status = e2_fail(b->error, E2STR_ERROR_MEMORY, "out of memory for the model");
    free(rows);
    b->packed++;
    b->packed_bytes += bytes;
}

/* A tensor as the right side of matrix products. */
static void bind_linear(binder *b, const char *name, e2_linear *linear, uint32_t out, uint32_t in) {
    *linear = (e2_linear){.in = in, .out = out};
    if (b->model->blas) {
        linear->weight = table(b, name, out, in);
        return;
    }
    const e2_tensor *tensor = find(b, name, out, in);
    if (tensor) pack(b, tensor, AS_STORED, linear);
}

/* The model's configuration has the layer's sizes. */
static void convolution(binder *b, const char *name, e2_convolution *layer) {
    e2_linear *linear = &layer->linear;
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    const e2_tensor *tensor = find(b, full, linear->out, linear->in);
    if (tensor && b->model->blas) {
        float *spare = e2_alloc(linear->in, sizeof *spare), *values = expand(b, tensor);
        if (values && spare) pixels_first(values, linear->out, linear->in, spare);
        if (!spare && !b->status) b->status = e2_fail(b->error, E2STR_ERROR_MEMORY, "out of memory for the model");
        linear->weight = values;
        free(spare);
    } else if (tensor) {
        pack(b, tensor, PIXELS_FIRST, linear);
    }
    linear->bias = part(b, name, "bias", linear->out, 0);
}

static void matrix(binder *b, const char *name, e2_linear *linear, uint32_t out, uint32_t in) {
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    bind_linear(b, full, linear, out, in);
}

static void matrix_bias(binder *b, const char *name, e2_linear *linear, uint32_t out, uint32_t in) {
    matrix(b, name, linear, out, in);
    linear->bias = part(b, name, "bias", out, 0);
}

static void norm(binder *b, const char *name, e2_norm *to, uint32_t width) {
    to->weight = part(b, name, "weight", width, 0);
    to->bias = part(b, name, "bias", width, 0);
}

static void gate(binder *b, const char *name, float *to) {
    const e2_tensor *tensor = find(b, name, 1, 0);
    float value;
    if (!tensor) return;
    e2_dequantize(tensor, 0, 1, &value);
    *to = tanhf(value);
}

static void prefix(binder *b, const char *format, ...) E2_PRINTF(2, 3);
static void prefix(binder *b, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(b->prefix, sizeof b->prefix, format, arguments);
    va_end(arguments);
}

/* Zeroed array of `count` layers; a count that the file's tensors cannot fill takes no memory. */
static void *layers(binder *b, const char *what, uint32_t count, size_t size) {
    if (b->status) return NULL;
    if (count > b->model->gguf.n_tensors) {
        b->status = e2_fail(b->error, E2STR_ERROR_FORMAT, "%u %s layers, but the file has only %zu tensors", count,
                            what, b->model->gguf.n_tensors);
        return NULL;
    }
    void *memory = calloc(count, size);
    return own(b, memory) ? memory : NULL;
}

/* ----------------------------------------------------------------------------------------------------- the lists -- */

/* In the order in which our writers put them into a file: then each byte of it is read once (gguf_file.c). */

static void bind_block(binder *b, e2_block *block, uint32_t width, uint32_t feed_forward) {
    norm(b, "norm1", &block->norm1, width);
    matrix_bias(b, "attn_qkv", &block->qkv, 3 * width, width);
    matrix_bias(b, "attn_out", &block->out, width, width);
    norm(b, "norm2", &block->norm2, width);
    matrix_bias(b, "ffn_up", &block->up, feed_forward, width);
    matrix_bias(b, "ffn_down", &block->down, width, feed_forward);
}

/* Positions by row and column as the table of the widest image; the class token's is part of its embedding. */
static void bind_grid(binder *b, e2_vision *v) {
    const float *down = table(b, "row_positions", v->grid_height, v->width);
    const float *across = table(b, "column_positions", v->grid_width, v->width);
    size_t width = v->width, count;
    if (b->status) return;
    bool fits = e2_mul((size_t)v->patches + v->class_token, width, &count);
    float *values = fits ? e2_alloc(count, sizeof *values) : NULL, *to = values;
    if (!own(b, values)) return;
    if (v->class_token) to = (float *)memset(values, 0, width * sizeof *values) + width;
    for (size_t y = 0; y < v->grid_height; y++)
        for (size_t x = 0; x < v->grid_width; x++, to += width)
            for (size_t i = 0; i < width; i++) to[i] = down[y * width + i] + across[x * width + i];
    v->positions = values;
}

static void bind_vision(binder *b, e2_vision *v) {
    uint32_t w = v->width;
    prefix(b, "vision.");
    for (uint32_t i = 0; i < v->stem_layers; i++) {
        char name[24];
        snprintf(name, sizeof name, "stem.%u", i);
        convolution(b, name, &v->stem[i]);
    }
    uint32_t channels = v->stem_layers ? v->stem[v->stem_layers - 1].linear.out : 3 * v->patch_height * v->patch_width;
    matrix_bias(b, "patch", &v->patch, w, channels);
    if (v->class_token) v->class_embedding = table(b, "class_embedding", w, 0);
    if (b->model->image.min_width)
        bind_grid(b, v);
    else
        v->positions = table(b, "positions", (uint64_t)v->patches + v->class_token, w);
    v->blocks = layers(b, "vision", v->layers, sizeof *v->blocks);
    for (uint32_t i = 0; !b->status && i < v->layers; i++) {
        prefix(b, "vision.blk.%u.", i);
        bind_block(b, &v->blocks[i], w, v->feed_forward);
    }
    prefix(b, "vision.");
    if (v->norm_post) norm(b, "norm_post", &v->post, w);
}

static void bind_resampler(binder *b, e2_resampler *r, uint32_t w) {
    uint32_t inner = r->heads * r->head_size, f = r->feed_forward;
    prefix(b, "resampler.");
    r->latent_table = table(b, "latents", r->latents, w);
    norm(b, "norm", &r->norm, w);
    r->blocks = layers(b, "resampler", r->layers, sizeof *r->blocks);
    for (uint32_t i = 0; !b->status && i < r->layers; i++) {
        e2_resampler_layer *layer = &r->blocks[i];
        prefix(b, "resampler.blk.%u.", i);
        norm(b, "norm_media", &layer->norm_media, w);
        norm(b, "norm_latents", &layer->norm_latents, w);
        matrix(b, "attn_query", &layer->query, inner, w);
        matrix(b, "attn_key_value", &layer->key_value, 2 * inner, w);
        matrix(b, "attn_out", &layer->out, w, inner);
        norm(b, "norm_ff", &layer->norm_ff, w);
        matrix(b, "ffn_up", &layer->up, f, w);
        matrix(b, "ffn_down", &layer->down, w, f);
    }
}

/* The gated cross-attention before a decoder layer; b->prefix is the layer's. */
static void bind_cross(binder *b, e2_cross *cross, const e2_decoder *d, uint32_t vision_width) {
    uint32_t w = d->width, inner = d->cross_heads * d->cross_head_size, f = d->cross_feed_forward;
    norm(b, "cross.norm", &cross->norm, w);
    matrix(b, "cross.attn_query", &cross->query, inner, w);
    matrix(b, "cross.attn_key_value", &cross->key_value, 2 * inner, vision_width);
    matrix(b, "cross.attn_out", &cross->out, w, inner);
    gate(b, "cross.attn_gate", &cross->attention_gate);
    norm(b, "cross.norm_ff", &cross->norm_ff, w);
    matrix(b, "cross.ffn_up", &cross->up, f, w);
    matrix(b, "cross.ffn_down", &cross->down, w, f);
    gate(b, "cross.ffn_gate", &cross->feed_forward_gate);
}

static void bind_decoder(binder *b, e2_decoder *d, uint32_t vision_width) {
    uint32_t w = d->width;
    prefix(b, "decoder.");
    bind_linear(b, "tokens", &d->output, d->vocabulary, w);
    d->position_table = rows(b, "positions", (uint64_t)d->positions + d->position_offset, w);
    d->crosses = layers(b, "cross-attention", d->cross_layers, sizeof *d->crosses);
    d->blocks = layers(b, "decoder", d->layers, sizeof *d->blocks);
    for (uint32_t i = 0; !b->status && i < d->layers; i++) {
        e2_decoder_layer *layer = &d->blocks[i];
        prefix(b, "decoder.blk.%u.", i);
        if ((i + 1) % d->cross_every == 0) {
            e2_cross *cross = &d->crosses[(i + 1) / d->cross_every - 1];
            bind_cross(b, cross, d, vision_width);
            layer->cross = cross;
        }
        bind_block(b, &layer->block, w, d->feed_forward);
    }
    prefix(b, "decoder.");
    norm(b, "norm", &d->norm, w);
}

/* Makes a matrix [n][n] symmetric: the half below the diagonal counts. */
static void mirror(float *values, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) values[j * n + i] = values[i * n + j];
}

/* A symmetric matrix [n, n], exactly so whatever rounding its type in the file did; products are in f32. */
static void bind_symmetric(binder *b, const char *name, e2_linear *linear, uint32_t n) {
    const e2_tensor *tensor = find(b, name, n, n);
    if (!tensor) return;
    bool blas = b->model->blas;
    float *values = blas ? expand(b, tensor) : e2_alloc(tensor->elements, sizeof *values);
    void *panels = blas ? NULL : aligned_alloc(64, (e2_packed_bytes(E2_WEIGHT_F32, n, n) + 63) & ~(size_t)63);
    bool ok = (blas || own(b, panels)) && values;
    if (ok && !blas) e2_dequantize(tensor, 0, tensor->elements, values);
    if (ok) mirror(values, n);
    if (ok && !blas) e2_pack(E2_WEIGHT_F32, values, 0, n, n, panels, NULL, NULL);
    if (!ok && !b->status) b->status = e2_fail(b->error, E2STR_ERROR_MEMORY, "out of memory for the model");
    if (!blas) free(values);
    *linear = (e2_linear){.in = n, .out = n, .weight = blas ? values : NULL};
    linear->matrix = (e2_matrix){E2_WEIGHT_F32, n, n, panels, NULL, NULL};
}

static void bind_memory(binder *b, e2_memory_statistics *m, uint32_t vision_width) {
    prefix(b, "memory.");
    b->memory = true;
    bind_symmetric(b, "whitening", &m->whitening, m->features);
    bind_linear(b, "key_whitening", &m->key_whitening, vision_width, vision_width);
    m->key_mean = table(b, "key_mean", vision_width, 0);
}

/* Optional. It reads the vision tokens, which a resampler does not leave. */
static void bind_head(binder *b, e2str_model *model) {
    if (!e2_gguf_tensor(&model->gguf, "vision.head.weight")) return;
    prefix(b, "vision.head.");
    if (model->resampler.layers && !b->status)
        b->status = e2_fail(b->error, E2STR_ERROR_UNSUPPORTED, "tensor vision.head.weight: a model with a resampler");
    model->head.weight = table(b, "weight", model->decoder.vocabulary, model->vision.width);
    model->head.bias = table(b, "bias", model->decoder.vocabulary, 0);
}

/* Optional, all or none of it: one that is there alone is met by the first that is missing. */
static void bind_fusion(binder *b, e2_fusion *fusion, uint32_t w, uint32_t vision_width) {
    bool there = false;
    for (size_t i = 0; i < b->model->gguf.n_tensors; i++) {
        e2_string name = b->model->gguf.tensors[i].name;
        there = there || (name.size >= 7 && memcmp(name.data, "fusion.", 7) == 0);
    }
    if (!there) return;
    prefix(b, "fusion.");
    b->memory = false;
    matrix_bias(b, "visual", &fusion->visual, w, vision_width);
    matrix_bias(b, "attn_query", &fusion->query, w, w);
    matrix_bias(b, "attn_key_value", &fusion->key_value, 2 * w, w);
    matrix_bias(b, "attn_out", &fusion->out, w, w);
    matrix_bias(b, "gate", &fusion->gate, w, 2 * w);
}

static void refuse_unlisted(binder *b) {
    const e2_gguf *gguf = &b->model->gguf;
    for (size_t i = 0; !b->status && i < gguf->n_tensors; i++)
        if (!b->used[i])
            b->status = e2_fail(b->error, E2STR_ERROR_UNSUPPORTED, "tensor %s is not one of this model's",
                                e2_show(gguf->tensors[i].name).text);
}

e2str_status e2_model_bind_tensors(e2str_model *model, e2_threads *threads, e2str_error *error) {
    binder b = {.model = model, .threads = threads, .error = error};
    b.used = calloc(model->gguf.n_tensors + 1, sizeof *b.used);
    if (!b.used) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the model");
    choose_precision(model);
    bind_vision(&b, &model->vision);
    if (model->resampler.layers) bind_resampler(&b, &model->resampler, model->vision.width);
    bind_decoder(&b, &model->decoder, model->vision.width);
    if (model->memory.hidden_scale > 0.0f) bind_memory(&b, &model->memory, model->vision.width);
    bind_head(&b, model);
    bind_fusion(&b, &model->fusion, model->decoder.width, model->vision.width);
    refuse_unlisted(&b);
    free(b.used);
    if (!b.status)
        e2_log(model, "%zu matrices packed for %s: %zu bytes; %zu other tensors expanded to f32: %zu bytes", b.packed,
               model->kernels->name, b.packed_bytes, b.expanded, b.expanded_bytes);
    return b.status;
}
