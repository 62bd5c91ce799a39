/* SPDX-License-Identifier: MIT */
/* What a read of one image will cost, from the metadata alone: a file of some KB could ask for hours and gigabytes. In
 * double, since the products of the largest allowed sizes pass 64 bits. */
#include "model.h"

#define TOKENS 48 /* of an answer: the default of e2str_read_options.max_tokens */

static double stem_operations(const e2_vision *v, const e2_image_config *image) {
    double height = image->height, width = image->width, sum = 0;
    for (uint32_t i = 0; i < v->stem_layers; i++) {
        const e2_convolution *layer = &v->stem[i];
        height /= layer->stride_height;
        width /= layer->stride_width;
        sum += height * width * layer->linear.in * layer->linear.out;
    }
    return sum;
}

/* Vision transformer, resampler, and what every cross-attention makes of the visual tokens. */
static double encode_operations(const e2str_model *model) {
    const e2_vision *v = &model->vision;
    const e2_resampler *r = &model->resampler;
    const e2_decoder *d = &model->decoder;
    double rows = (double)v->patches + v->class_token, w = v->width, latents = r->latents;
    double columns = v->stem_layers ? v->stem[v->stem_layers - 1].linear.out : 3.0 * v->patch_height * v->patch_width;
    double sum = stem_operations(v, &model->image) + v->patches * columns * w;
    sum += v->layers * (rows * (4 * w * w + 2 * w * v->feed_forward) + 2 * rows * rows * w);
    double inner = (double)r->heads * r->head_size, media = v->patches + latents;
    double layer = 2 * media * w * inner + 2 * latents * w * inner + 2 * latents * media * inner;
    sum += r->layers * (layer + 2 * latents * w * r->feed_forward);
    return sum + 2.0 * model->visual_tokens * w * d->cross_layers * d->cross_heads * d->cross_head_size;
}

static double token_operations(const e2str_model *model, double context) {
    const e2_decoder *d = &model->decoder;
    double w = d->width, inner = (double)d->cross_heads * d->cross_head_size;
    double block = 4 * w * w + 2 * w * d->feed_forward + 2 * context * w;
    double cross = 2 * w * inner + 2 * w * d->cross_feed_forward + 2 * model->visual_tokens * inner;
    return d->layers * block + d->cross_layers * cross + w * d->vocabulary;
}

/* Numbers that live at once while a group of images is encoded and read, roughly. */
static double numbers_held(const e2str_model *model, double context) {
    const e2_vision *v = &model->vision;
    const e2_decoder *d = &model->decoder;
    size_t widest = e2_vision_rows(model, v->grid_width);
    bool together = e2_batch_takes(model, widest, widest, E2_BATCH_ROWS);
    double images = together ? (double)(E2_BATCH_ROWS / widest) : 1, rows = (double)widest;
    double each = 3.0 * model->image.height * model->image.width + 2.0 * (double)v->stem_numbers;
    each += rows * (6.0 * v->width + v->feed_forward);
    each += 2.0 * model->visual_tokens * d->cross_layers * d->cross_heads * d->cross_head_size;
    each += context * d->layers * 2.0 * d->width + 3.0 * d->vocabulary;
    return images * each;
}

e2str_status e2_model_check_work(const e2str_model *model, uint64_t most, e2str_error *error) {
    double tokens = model->decoder.positions < TOKENS ? model->decoder.positions : TOKENS, context = tokens + 2;
    double operations = encode_operations(model) + tokens * token_operations(model, context);
    double numbers = numbers_held(model, context), room = (double)most / E2_OPERATIONS_PER_NUMBER;
    if (operations > (double)most)
        return e2_fail(error, E2STR_ERROR_LIMIT,
                       "reading an image takes %.3g multiplications, more than %.3g (max_operations)", operations,
                       (double)most);
    if (numbers > room)
        return e2_fail(error, E2STR_ERROR_LIMIT,
                       "reading images takes memory for %.3g numbers, more than %.3g (max_operations / %d)", numbers,
                       room, E2_OPERATIONS_PER_NUMBER);
    return E2STR_OK;
}
