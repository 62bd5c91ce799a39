#include "vision.h"

#include <string.h>

#include "convolution.h"

/* rows [patches][3 * patch_height * patch_width]: each patch as a vector in the order (channel, dy, dx). */
static void gather_patches(const e2str_model *model, const float *planes, float *rows) {
    const e2_vision *vision = &model->vision;
    size_t width = model->image.width, height = model->image.height;
    for (size_t y = 0; y < vision->grid_height; y++)
        for (size_t x = 0; x < vision->grid_width; x++)
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

/* rows [n][patches][channels of the last layer]: the planes of n images through the stem. */
static bool run_stem(const e2_compute *compute, const float *planes, size_t n, float *rows) {
    const e2_vision *vision = &compute->model->vision;
    const e2_image_config *image = &compute->model->image;
    size_t pixels = (size_t)image->height * image->width;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *first = e2_arena_floats(compute->arena, n * 3 * pixels);
    if (!first) return false;
    interleave(planes, n, pixels, first);
    e2_pixels x = {first, n, image->height, image->width, 3};
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

/* vectors [n][patches][patch.in]: what the patch product reads. */
static bool patch_vectors(const e2_compute *compute, const float *planes, size_t n, float *vectors) {
    const e2str_model *model = compute->model;
    size_t pixels = (size_t)3 * model->image.height * model->image.width;
    size_t step = (size_t)model->vision.patches * model->vision.patch.in;
    if (!model->vision.stem_layers) {
        for (size_t i = 0; i < n; i++) gather_patches(model, planes + i * pixels, vectors + i * step);
        return true;
    }
    size_t group = 1 + STEM_NUMBERS / model->vision.stem_numbers;
    for (size_t i = 0; i < n; i += group) {
        size_t count = n - i < group ? n - i : group;
        if (!run_stem(compute, planes + i * pixels, count, vectors + i * step)) return false;
    }
    return true;
}

/* x [n][class token + patches][width] = patches W^T + b + positions, the class token's row before an image's patches.
 */
static bool embed_patches(const e2_compute *compute, const float *planes, size_t n, float *x) {
    const e2_vision *vision = &compute->model->vision;
    size_t width = vision->width, patches = vision->patches, class_token = vision->class_token;
    size_t step = (patches + class_token) * width;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *vectors = e2_arena_floats(compute->arena, n * patches * vision->patch.in);
    float *embedded = e2_arena_floats(compute->arena, n * patches * width);
    if (!vectors || !embedded || !patch_vectors(compute, planes, n, vectors)) return false;
    if (!e2_linear_apply(compute, &vision->patch, vectors, n * patches, E2_NO_ACTIVATION, embedded)) return false;
    for (size_t i = 0; i < n; i++) {
        float *image = x + i * step;
        if (class_token) memcpy(image, vision->class_embedding, width * sizeof *x);
        memcpy(image + class_token * width, embedded + i * patches * width, patches * width * sizeof *x);
        for (size_t j = 0; j < step; j++) image[j] += vision->positions[j];
    }
    e2_arena_release(compute->arena, mark);
    return true;
}

/* x += out(attention(norm1(x))); x += ffn(norm2(x)), for n images of `rows` rows. */
static bool run_block(const e2_compute *compute, const e2_vision_block *block, float *x, size_t n, size_t rows) {
    const e2_vision *vision = &compute->model->vision;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    size_t width = vision->width, stride = 3 * width;
    float *attended = e2_arena_floats(compute->arena, n * rows * width);
    float *qkv = e2_arena_floats(compute->arena, n * rows * stride);
    e2_attention_job *jobs = e2_arena_alloc(compute->arena, n, sizeof *jobs);
    if (!attended || !qkv || !jobs) return false;
    if (!e2_norm_linear(compute, &block->norm1, vision->epsilon, &block->qkv, x, n * rows, qkv)) return false;
    for (size_t i = 0; i < n; i++) {
        const float *image = qkv + i * rows * stride;
        jobs[i] = (e2_attention_job){.query = {image, rows, stride},
                                     .key = {image + width, rows, stride},
                                     .value = {image + 2 * width, rows, stride},
                                     .out = attended + i * rows * width};
    }
    e2_block_end end = {.out = &block->out,
                        .out_gate = 1.0f,
                        .norm = &block->norm2,
                        .epsilon = vision->epsilon,
                        .up = &block->up,
                        .down = &block->down,
                        .activation = vision->activation,
                        .gate = 1.0f};
    bool ok = e2_attention(compute, jobs, n, vision->heads, vision->width / vision->heads) &&
              e2_block_finish(compute, &end, attended, x, n * rows);
    e2_arena_release(compute->arena, mark);
    return ok;
}

/* tokens [n][patches][width]: the rows without the class token's, normalised if the model wants it. */
static void take_tokens(const e2_compute *compute, const float *x, size_t n, float *tokens) {
    const e2_vision *vision = &compute->model->vision;
    size_t width = vision->width, patches = vision->patches, class_token = vision->class_token;
    for (size_t i = 0; i < n; i++) {
        const float *from = x + (i * (patches + class_token) + class_token) * width;
        float *to = tokens + i * patches * width;
        if (vision->norm_post)
            e2_norm_apply(compute, &vision->post, vision->epsilon, from, patches, width, to);
        else
            memcpy(to, from, patches * width * sizeof *tokens);
    }
}

bool e2_vision_encode(const e2_compute *compute, const float *planes, size_t n, float *tokens) {
    const e2_vision *vision = &compute->model->vision;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    size_t rows = (size_t)vision->patches + vision->class_token;
    float *x = e2_arena_floats(compute->arena, n * rows * vision->width);
    bool ok = x && embed_patches(compute, planes, n, x);
    for (uint32_t i = 0; ok && i < vision->layers; i++) ok = run_block(compute, &vision->blocks[i], x, n, rows);
    if (ok) take_tokens(compute, x, n, tokens);
    e2_arena_release(compute->arena, mark);
    return ok;
}
