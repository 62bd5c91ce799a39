/* SPDX-License-Identifier: MIT */
#include "vision.h"

#include <string.h>

#include "convolution.h"

/* Numbers of an image's planes. */
static size_t plane_numbers(const e2str_model *model, uint32_t columns) {
    return (size_t)3 * model->image.height * columns * model->vision.patch_width;
}

/* rows [patches][3 * patch_height * patch_width]: each patch as a vector in the order (channel, dy, dx). */
static void gather_patches(const e2str_model *model, const float *planes, uint32_t columns, float *rows) {
    const e2_vision *vision = &model->vision;
    size_t width = (size_t)columns * vision->patch_width, height = model->image.height;
    for (size_t y = 0; y < vision->grid_height; y++)
        for (size_t x = 0; x < columns; x++)
            for (size_t c = 0; c < 3; c++)
                for (size_t dy = 0; dy < vision->patch_height; dy++, rows += vision->patch_width)
                    memcpy(rows,
                           planes + (c * height + y * vision->patch_height + dy) * width + x * vision->patch_width,
                           vision->patch_width * sizeof *rows);
}

/* planes [n][3][pixels] -> [n][pixels][3] */
static void interleave(const float *planes, size_t n, size_t pixels, float *out) {
    for (size_t i = 0; i < n; i++, planes += 3 * pixels, out += 3 * pixels)
        for (size_t c = 0; c < 3; c++)
            for (size_t j = 0; j < pixels; j++) out[3 * j + c] = planes[c * pixels + j];
}

/* rows [n][patches][channels of the last layer]: the planes of n images of one width through the stem. */
static bool run_stem(const e2_compute *compute, const float *planes, uint32_t columns, size_t n, float *rows) {
    const e2_vision *vision = &compute->model->vision;
    size_t image_height = compute->model->image.height, image_width = (size_t)columns * vision->patch_width;
    size_t pixels = image_height * image_width;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *first = e2_arena_floats(compute->arena, n * 3 * pixels);
    if (!first) return false;
    interleave(planes, n, pixels, first);
    e2_pixels x = {first, n, image_height, image_width, 3};
    for (uint32_t i = 0; i < vision->stem_layers; i++) {
        const e2_convolution *layer = &vision->stem[i];
        size_t height = x.height / layer->stride_height, width = x.width / layer->stride_width;
        size_t out = layer->linear.out;
        bool last = i + 1 == vision->stem_layers;
        float *y = last ? rows : e2_arena_floats(compute->arena, n * height * width * out);
        if (!y || !e2_convolution_apply(compute, layer, &x, y)) return false;
        x = (e2_pixels){y, n, height, width, out};
    }
    e2_arena_release(compute->arena, mark);
    return true;
}

#define STEM_NUMBERS ((size_t)1 << 22) /* of the images that go through a layer together, give or take one */

/* vectors [patches][patch.in], image by image: what the patch product reads. Images of one width that follow each other
 * go through the stem together. */
static bool patch_vectors(const e2_compute *compute, const float *planes, const uint32_t *columns, size_t n,
                          float *vectors) {
    const e2str_model *model = compute->model;
    size_t group = model->vision.stem_layers ? 1 + STEM_NUMBERS / model->vision.stem_numbers : 1;
    for (size_t i = 0, count; i < n; i += count) {
        for (count = 1; i + count < n && count < group && columns[i + count] == columns[i];) count++;
        if (!model->vision.stem_layers)
            gather_patches(model, planes, columns[i], vectors);
        else if (!run_stem(compute, planes, columns[i], count, vectors))
            return false;
        planes += count * plane_numbers(model, columns[i]);
        vectors += count * e2_patches(model, columns[i]) * model->vision.patch.in;
    }
    return true;
}

/* image [class token + patches][width] += the positions of an image of so many columns. */
static void add_positions(const e2_vision *vision, uint32_t columns, float *image) {
    size_t width = vision->width, line = columns * width;
    const float *from = vision->positions;
    for (size_t j = 0; vision->class_token && j < width; j++) *image++ += *from++;
    for (size_t y = 0; y < vision->grid_height; y++, image += line, from += vision->grid_width * width)
        for (size_t j = 0; j < line; j++) image[j] += from[j];
}

/* x [class token + patches][width], image by image: patches W^T + b + positions, the class token's row first. */
static bool embed_patches(const e2_compute *compute, const float *planes, const uint32_t *columns, size_t n, float *x) {
    const e2str_model *model = compute->model;
    const e2_vision *vision = &model->vision;
    size_t width = vision->width, total = 0;
    for (size_t i = 0; i < n; i++) total += e2_patches(model, columns[i]);
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *vectors = e2_arena_floats(compute->arena, total * vision->patch.in);
    float *embedded = e2_arena_floats(compute->arena, total * width);
    if (!vectors || !embedded || !patch_vectors(compute, planes, columns, n, vectors)) return false;
    if (!e2_linear_apply(compute, &vision->patch, vectors, total, E2_NO_ACTIVATION, embedded)) return false;
    for (size_t i = 0; i < n; i++) {
        size_t own = e2_patches(model, columns[i]) * width, token = vision->class_token * width;
        if (token) memcpy(x, vision->class_embedding, token * sizeof *x);
        memcpy(x + token, embedded, own * sizeof *x);
        add_positions(vision, columns[i], x);
        embedded += own;
        x += token + own;
    }
    e2_arena_release(compute->arena, mark);
    return true;
}

/* For n images of `total` rows in all. */
static bool run_block(const e2_compute *compute, const e2_block *block, const uint32_t *columns, size_t n, size_t total,
                      float *x) {
    const e2_vision *vision = &compute->model->vision;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    size_t width = vision->width, stride = 3 * width;
    float *attended = e2_arena_floats(compute->arena, total * width);
    float *qkv = e2_arena_floats(compute->arena, total * stride);
    e2_attention_job *jobs = e2_arena_alloc(compute->arena, n, sizeof *jobs);
    if (!attended || !qkv || !jobs) return false;
    if (!e2_norm_linear(compute, &block->norm1, vision->epsilon, &block->qkv, x, total, qkv)) return false;
    for (size_t i = 0, first = 0, rows; i < n; i++, first += rows) {
        rows = e2_vision_rows(compute->model, columns[i]);
        const float *image = qkv + first * stride;
        jobs[i] = (e2_attention_job){.query = {image, rows, stride},
                                     .key = {image + width, rows, stride},
                                     .value = {image + 2 * width, rows, stride},
                                     .out = attended + first * width};
    }
    e2_block_end end = e2_block_end_of(block, vision->epsilon, vision->activation);
    bool ok = e2_attention(compute, jobs, n, vision->heads, vision->width / vision->heads, false) &&
              e2_block_finish(compute, &end, attended, x, total);
    e2_arena_release(compute->arena, mark);
    return ok;
}

/* tokens [patches][width], image by image: the rows without the class token's, normalised if the model wants it. */
static void take_tokens(const e2_compute *compute, const float *x, const uint32_t *columns, size_t n, float *tokens) {
    const e2_vision *vision = &compute->model->vision;
    for (size_t i = 0; i < n; i++) {
        size_t width = vision->width, patches = e2_patches(compute->model, columns[i]);
        x += vision->class_token * width;
        if (vision->norm_post)
            e2_norm_apply(compute, &vision->post, vision->epsilon, x, patches, width, tokens);
        else
            memcpy(tokens, x, patches * width * sizeof *tokens);
        x += patches * width;
        tokens += patches * width;
    }
}

bool e2_vision_encode(const e2_compute *compute, const float *planes, const uint32_t *columns, size_t n,
                      float *tokens) {
    const e2_vision *vision = &compute->model->vision;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) rows += e2_vision_rows(compute->model, columns[i]);
    float *x = e2_arena_floats(compute->arena, rows * vision->width);
    bool ok = x && embed_patches(compute, planes, columns, n, x);
    for (uint32_t i = 0; ok && i < vision->layers; i++)
        ok = run_block(compute, &vision->blocks[i], columns, n, rows, x);
    if (ok) take_tokens(compute, x, columns, n, tokens);
    e2_arena_release(compute->arena, mark);
    return ok;
}
