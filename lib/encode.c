/* SPDX-License-Identifier: MIT */
#include "encode.h"

#include <math.h>
#include <string.h>

#include "resampler.h"
#include "session.h"
#include "trim.h"
#include "vision.h"

/* The mean of the tokens, scaled to unit length (docs/model.md, section 7). sums: scratch [width]; in double, rows in
 * order. */
static void retrieval_key(const float *tokens, size_t rows, size_t width, double *sums, float *key) {
    double norm = 0.0;
    for (size_t i = 0; i < width; i++) sums[i] = 0.0;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < width; i++) sums[i] += tokens[r * width + i];
    for (size_t i = 0; i < width; i++) {
        key[i] = (float)(sums[i] / (double)rows);
        norm += (double)key[i] * key[i];
    }
    norm = sqrt(norm);
    if (norm < 1e-12) norm = 1e-12;
    for (size_t i = 0; i < width; i++) key[i] = (float)(key[i] / norm);
}

static bool all_finite(const float *values, size_t n) {
    bool finite = true;
    for (size_t i = 0; i < n; i++) finite &= isfinite(values[i]) != 0;
    return finite;
}

/* planes [n] -> vision tokens -> latents, where the model has a resampler -> keys. */
static bool encode_planes(const e2_compute *compute, const float *planes, size_t n, float *tokens, float *keys,
                          bool *finite) {
    const e2str_model *model = compute->model;
    size_t patches = model->vision.patches, media = model->visual_tokens, width = model->vision.width;
    bool resample = model->resampler.layers > 0;
    float *vision = e2_arena_floats(compute->arena, n * patches * width);
    float *latents = resample ? e2_arena_floats(compute->arena, n * media * width) : vision;
    if (!vision || !latents || !e2_vision_encode(compute, planes, n, vision)) return false;
    if (resample && !e2_resample(compute, vision, n, latents)) return false;
    *finite = all_finite(latents, n * media * width);
    if (tokens) memcpy(tokens, latents, n * media * width * sizeof *tokens);
    double *sums = e2_arena_alloc(compute->arena, width, sizeof *sums);
    if (!sums) return false;
    size_t rows = model->key_from_vision_tokens ? patches : media;
    const float *source = model->key_from_vision_tokens ? vision : latents;
    for (size_t i = 0; keys && i < n; i++)
        retrieval_key(source + i * rows * width, rows, width, sums, keys + i * width);
    if (keys) *finite &= all_finite(keys, n * width);
    return true;
}

static e2str_status encode_group(const e2_compute *compute, const e2str_image *images, size_t n, float *tokens,
                                 float *keys, e2str_area *areas, e2str_error *error) {
    const e2_image_config *config = &compute->model->image;
    size_t step = (size_t)3 * config->height * config->width;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *planes = e2_arena_floats(compute->arena, n * step);
    e2str_status status = E2STR_OK;
    bool finite = true;
    for (size_t i = 0; planes && !status && i < n; i++) {
        e2str_area area;
        e2str_image view;
        status = e2_image_area(&images[i], config->trim, &area, &view, compute->arena, error);
        if (!status) status = e2_image_planes(&view, config, planes + i * step, compute->arena, error);
        if (areas) areas[i] = area;
    }
    if (!planes || (!status && !encode_planes(compute, planes, n, tokens, keys, &finite)))
        status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while encoding an image");
    if (!status && !finite)
        status = e2_fail(error, E2STR_ERROR_LIMIT, "what the model makes of the image is not finite");
    e2_arena_release(compute->arena, mark);
    return status;
}

e2str_status e2_encode_images(const e2_compute *compute, const e2str_image *images, size_t n, float *tokens,
                              float *keys, e2str_area *areas, e2str_error *error) {
    size_t width = compute->model->vision.width, step = compute->model->visual_tokens * width;
    size_t group = e2_batch_size(compute->model);
    for (size_t i = 0; i < n; i += group) {
        size_t count = n - i < group ? n - i : group;
        e2str_status status = encode_group(compute, images + i, count, tokens ? tokens + i * step : NULL,
                                           keys ? keys + i * width : NULL, areas ? areas + i : NULL, error);
        if (status) return status;
    }
    return E2STR_OK;
}

e2str_status e2str_encode(e2str_session *session, const e2str_image *images, size_t n, float *tokens, float *keys,
                          e2str_error *error) {
    if (!session) return e2_fail(error, E2STR_ERROR_ARGUMENT, "session is NULL");
    if (!images && n) return e2_fail(error, E2STR_ERROR_ARGUMENT, "images is NULL");
    return e2_encode_images(&session->compute, images, n, tokens, keys, NULL, error);
}
