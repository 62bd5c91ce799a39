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

/* planes -> vision tokens -> latents, where the model has a resampler -> keys. */
static bool encode_planes(const e2_compute *compute, const float *planes, const uint32_t *columns, size_t n,
                          float *tokens, float *keys, bool *finite) {
    const e2str_model *model = compute->model;
    size_t width = model->vision.width, patches = 0, media = 0;
    for (size_t i = 0; i < n; i++) {
        patches += e2_patches(model, columns[i]);
        media += e2_visual_tokens(model, columns[i]);
    }
    bool resample = model->resampler.layers > 0;
    float *vision = e2_arena_floats(compute->arena, patches * width);
    float *latents = resample ? e2_arena_floats(compute->arena, media * width) : vision;
    if (!vision || !latents || !e2_vision_encode(compute, planes, columns, n, vision)) return false;
    if (resample && !e2_resample(compute, vision, columns, n, latents)) return false;
    *finite = all_finite(latents, media * width);
    if (tokens) memcpy(tokens, latents, media * width * sizeof *tokens);
    double *sums = e2_arena_alloc(compute->arena, width, sizeof *sums);
    if (!sums) return false;
    const float *source = model->key_from_vision_tokens ? vision : latents;
    for (size_t i = 0, rows; keys && i < n; i++, source += rows * width) {
        rows = model->key_from_vision_tokens ? e2_patches(model, columns[i]) : e2_visual_tokens(model, columns[i]);
        retrieval_key(source, rows, width, sums, keys + i * width);
    }
    if (keys) *finite &= all_finite(keys, n * width);
    return true;
}

static e2str_status encode_group(const e2_compute *compute, const e2_measured *images, size_t n, float *tokens,
                                 float *keys, e2str_error *error) {
    const e2_image_config *config = &compute->model->image;
    size_t column = (size_t)3 * config->height * compute->model->vision.patch_width, total = 0;
    for (size_t i = 0; i < n; i++) total += images[i].columns;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *planes = e2_arena_floats(compute->arena, total * column), *to = planes;
    uint32_t *columns = e2_arena_alloc(compute->arena, n, sizeof *columns);
    e2str_status status = E2STR_OK;
    bool finite = true, ok = planes && columns;
    for (size_t i = 0; ok && !status && i < n; to += columns[i++] * column) {
        columns[i] = images[i].columns;
        status = e2_image_planes(&images[i].view, config, to, compute->arena, error);
    }
    if (!ok || (!status && !encode_planes(compute, planes, columns, n, tokens, keys, &finite)))
        status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while encoding an image");
    if (!status && !finite)
        status = e2_fail(error, E2STR_ERROR_LIMIT, "what the model makes of the image is not finite");
    e2_arena_release(compute->arena, mark);
    return status;
}

static e2str_status measure(const e2str_model *model, const e2str_image *image, e2_measured *m, e2_arena *scratch,
                            e2str_error *error) {
    e2str_status status = e2_image_area(image, model->image.trim, &m->area, &m->view, scratch, error);
    if (!status) m->columns = e2_columns(model, &m->view);
    return status;
}

typedef struct measuring {
    const e2_compute *compute;
    const e2str_image *images;
    e2_measured *measured;
    bool *failed;
} measuring;

static void measure_part(void *context, size_t i, unsigned worker) {
    const measuring *m = context;
    const e2_compute *compute = m->compute->workers ? &m->compute->workers[worker] : m->compute;
    m->failed[i] = measure(compute->model, &m->images[i], &m->measured[i], compute->arena, NULL) != E2STR_OK;
}

e2str_status e2_measure_images(const e2_compute *compute, const e2str_image *images, size_t n, e2_measured *measured,
                               e2str_error *error) {
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    measuring m = {compute, images, measured, e2_arena_alloc(compute->arena, n, sizeof *m.failed)};
    if (!m.failed) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for %zu images", n);
    e2_threads_run(n > 1 ? compute->threads : NULL, n, measure_part, &m);
    e2str_status status = E2STR_OK;
    for (size_t i = 0; !status && i < n; i++) /* those that failed once more, for their words */
        if (m.failed[i]) status = measure(compute->model, &images[i], &measured[i], compute->arena, error);
    e2_arena_release(compute->arena, mark);
    return status;
}

e2str_status e2_encode_images(const e2_compute *compute, const e2_measured *images, size_t n, float *tokens,
                              float *keys, e2str_error *error) {
    const e2str_model *model = compute->model;
    size_t width = model->vision.width;
    for (size_t i = 0; i < n;) {
        size_t end = i, rows = 0, written = 0;
        for (size_t more; end < n; end++, rows += more) {
            more = e2_vision_rows(model, images[end].columns);
            if (!e2_batch_takes(model, rows, more, E2_ENCODE_ROWS)) break;
            written += e2_visual_tokens(model, images[end].columns);
        }
        e2str_status status = encode_group(compute, images + i, end - i, tokens, keys, error);
        if (status) return status;
        if (tokens) tokens += written * width;
        if (keys) keys += (end - i) * width;
        i = end;
    }
    return E2STR_OK;
}

e2str_status e2str_visual_tokens(const e2str_model *model, const e2str_image *image, uint32_t *tokens,
                                 e2str_error *error) {
    if (!model || !tokens) return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", model ? "tokens" : "model");
    e2_arena scratch = {0};
    e2_measured measured;
    e2str_status status = measure(model, image, &measured, &scratch, error);
    *tokens = status ? 0 : e2_visual_tokens(model, measured.columns);
    e2_arena_free(&scratch);
    return status;
}

e2str_status e2str_encode(e2str_session *session, const e2str_image *images, size_t n, float *tokens, float *keys,
                          e2str_error *error) {
    if (!session) return e2_fail(error, E2STR_ERROR_ARGUMENT, "session is NULL");
    if (!images && n) return e2_fail(error, E2STR_ERROR_ARGUMENT, "images is NULL");
    const e2_compute *compute = &session->compute;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    e2_measured *measured = e2_arena_alloc(compute->arena, n, sizeof *measured);
    e2str_status status = measured ? e2_measure_images(compute, images, n, measured, error)
                                   : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while encoding an image");
    if (!status) status = e2_encode_images(compute, measured, n, tokens, keys, error);
    e2_arena_release(compute->arena, mark);
    return status;
}
