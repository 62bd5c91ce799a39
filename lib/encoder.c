#include "encoder.h"

#include <string.h>

#include "linear.h"

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

static bool embed_patches(const e2str_model *model, const float *planes, float *x, e2_arena *scratch) {
    const e2_vision *vision = &model->vision;
    e2_arena_mark mark = e2_arena_begin(scratch);
    float *patches = e2_arena_floats(scratch, (size_t)vision->patches * vision->patch.in);
    if (!patches) return false;
    gather_patches(model, planes, patches);
    if (vision->class_token) memcpy(x, vision->class_embedding, vision->width * sizeof *x);
    e2_linear_apply(&vision->patch, patches, vision->patches, x + (vision->class_token ? vision->width : 0));
    size_t n = ((size_t)vision->patches + vision->class_token) * vision->width;
    for (size_t i = 0; i < n; i++) x[i] += vision->positions[i];
    e2_arena_release(scratch, mark);
    return true;
}

/* x += out(attention(norm1(x))); x += ffn(norm2(x)) */
static bool run_block(const e2_vision *vision, const e2_vision_block *block, float *x, size_t rows, e2_arena *scratch) {
    e2_arena_mark mark = e2_arena_begin(scratch);
    size_t width = vision->width;
    float *y = e2_arena_floats(scratch, rows * width), *qkv = e2_arena_floats(scratch, rows * 3 * width);
    if (!y || !qkv) return false;
    e2_norm_apply(&block->norm1, vision->epsilon, x, rows, width, y);
    e2_linear_apply(&block->qkv, y, rows, qkv);
    e2_rows query = {qkv, rows, 3 * width}, key = {qkv + width, rows, 3 * width}, value = {qkv + 2 * width, rows, 3 * width};
    if (!e2_attention(query, key, value, vision->heads, vision->width / vision->heads, y, scratch)) return false;
    e2_linear_add(&block->out, 1.0f, y, rows, x);
    e2_arena_release(scratch, mark);
    return e2_feed_forward(&block->norm2, vision->epsilon, &block->up, &block->down, vision->activation, 1.0f, x, rows,
                           scratch);
}

bool e2_vision_encode(const e2str_model *model, const float *planes, float *tokens, e2_arena *scratch) {
    const e2_vision *vision = &model->vision;
    e2_arena_mark mark = e2_arena_begin(scratch);
    size_t rows = (size_t)vision->patches + vision->class_token, width = vision->width;
    float *x = e2_arena_floats(scratch, rows * width);
    bool ok = x && embed_patches(model, planes, x, scratch);
    for (uint32_t i = 0; ok && i < vision->layers; i++) ok = run_block(vision, &vision->blocks[i], x, rows, scratch);
    if (ok) {
        const float *patches = x + (vision->class_token ? width : 0);
        if (vision->norm_post)
            e2_norm_apply(&vision->post, vision->epsilon, patches, vision->patches, width, tokens);
        else
            memcpy(tokens, patches, vision->patches * width * sizeof *tokens);
    }
    e2_arena_release(scratch, mark);
    return ok;
}
