#include "session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encoder.h"
#include "resampler.h"

void e2str_session_options_init(e2str_session_options *options) {
    if (options) *options = (e2str_session_options){.size = sizeof *options, .threads = 1};
}

e2str_status e2str_session_new(const e2str_model *model, const e2str_session_options *given, e2str_session **session,
                               e2str_error *error) {
    if (!session) return e2_fail(error, E2STR_ERROR_ARGUMENT, "session is NULL");
    *session = NULL;
    if (!model) return e2_fail(error, E2STR_ERROR_ARGUMENT, "model is NULL");
    e2str_session_options options;
    e2str_session_options_init(&options);
    e2str_status status = e2_options_read(&options, given, "e2str_session_options", error);
    if (status) return status;
    if (options.threads < 1 || options.threads > E2STR_MAX_THREADS)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "threads is %u; from 1 to %d", options.threads, E2STR_MAX_THREADS);
    e2str_session *fresh = calloc(1, sizeof *fresh);
    if (!fresh) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a session");
    status = e2_threads_new(options.threads, &fresh->threads, error);
    if (status) {
        free(fresh);
        return status;
    }
    fresh->model = model;
    fresh->compute = (e2_compute){model->kernels, fresh->threads, &fresh->arena, NULL};
    *session = fresh;
    if (options.threads == 1) return E2STR_OK;
    fresh->workers = calloc(options.threads, sizeof *fresh->workers);
    fresh->helpers = calloc(options.threads, sizeof *fresh->helpers);
    if (!fresh->workers || !fresh->helpers) {
        e2str_session_free(fresh);
        *session = NULL;
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a session");
    }
    for (uint32_t i = 0; i < options.threads; i++) {
        fresh->workers[i].model = model;
        fresh->helpers[i] = (e2_compute){model->kernels, NULL, &fresh->workers[i].arena, NULL};
        fresh->workers[i].compute = fresh->helpers[i];
    }
    fresh->compute.workers = fresh->helpers;
    return E2STR_OK;
}

size_t e2str_session_bytes(const e2str_session *session) {
    if (!session) return 0;
    size_t bytes = sizeof *session + e2_arena_bytes(&session->arena);
    for (unsigned i = 0; session->workers && i < e2_threads_count(session->threads); i++)
        bytes += e2str_session_bytes(&session->workers[i]);
    return bytes;
}

void e2str_session_free(e2str_session *session) {
    if (!session) return;
    for (unsigned i = 0; session->workers && i < e2_threads_count(session->threads); i++)
        e2_arena_free(&session->workers[i].arena);
    free(session->workers);
    free(session->helpers);
    e2_threads_free(session->threads);
    e2_arena_free(&session->arena);
    free(session);
}

/* The mean of the tokens, scaled to unit length (spec section 7). sums: scratch [width]; in double, rows in order. */
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

/* planes [n] -> vision tokens -> latents, where the model has a resampler -> keys. */
static bool encode_planes(e2str_session *session, const float *planes, size_t n, float *tokens, float *keys) {
    const e2str_model *model = session->model;
    const e2_compute *compute = &session->compute;
    size_t patches = model->vision.patches, media = model->media_tokens, width = model->vision.width;
    bool resample = model->resampler.layers > 0;
    float *vision = e2_arena_floats(compute->arena, n * patches * width);
    float *latents = resample ? e2_arena_floats(compute->arena, n * media * width) : vision;
    if (!vision || !latents || !e2_vision_encode(compute, model, planes, n, vision)) return false;
    if (resample && !e2_resample(compute, model, vision, n, latents)) return false;
    if (tokens) memcpy(tokens, latents, n * media * width * sizeof *tokens);
    double *sums = e2_arena_alloc(compute->arena, width, sizeof *sums);
    if (!sums) return false;
    size_t rows = model->key_from_vision_tokens ? patches : media;
    const float *source = model->key_from_vision_tokens ? vision : latents;
    for (size_t i = 0; keys && i < n; i++)
        retrieval_key(source + i * rows * width, rows, width, sums, keys + i * width);
    return true;
}

/* Enough rows that loading a weight is cheap beside using it, few enough that activations stay in the caches. */
#define BATCH_ROWS 1024

size_t e2_batch_size(const e2str_model *model) {
    size_t rows = (size_t)model->vision.patches + model->vision.class_token;
    return model->blas || rows > BATCH_ROWS / 2 ? 1 : BATCH_ROWS / rows;
}

static e2str_status encode_group(e2str_session *session, const e2str_image *images, size_t n, float *tokens,
                                 float *keys, e2str_error *error) {
    const e2_image_config *config = &session->model->image;
    size_t step = (size_t)3 * config->height * config->width;
    e2_arena_mark mark = e2_arena_begin(&session->arena);
    float *planes = e2_arena_floats(&session->arena, n * step);
    e2str_status status = E2STR_OK;
    for (size_t i = 0; planes && !status && i < n; i++)
        status = e2_image_planes(&images[i], config, planes + i * step, &session->arena, error);
    if (!planes || (!status && !encode_planes(session, planes, n, tokens, keys)))
        status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while encoding an image");
    e2_arena_release(&session->arena, mark);
    return status;
}

e2str_status e2_encode_images(e2str_session *session, const e2str_image *images, size_t n, float *tokens, float *keys,
                              e2str_error *error) {
    size_t width = session->model->vision.width, step = session->model->media_tokens * width;
    size_t group = e2_batch_size(session->model);
    for (size_t i = 0; i < n; i += group) {
        size_t count = n - i < group ? n - i : group;
        e2str_status status = encode_group(session, images + i, count, tokens ? tokens + i * step : NULL,
                                           keys ? keys + i * width : NULL, error);
        if (status) return status;
    }
    return E2STR_OK;
}

e2str_status e2str_encode(e2str_session *session, const e2str_image *images, size_t n, float *tokens, float *keys,
                          e2str_error *error) {
    if (!session) return e2_fail(error, E2STR_ERROR_ARGUMENT, "session is NULL");
    if (!images && n) return e2_fail(error, E2STR_ERROR_ARGUMENT, "images is NULL");
    return e2_encode_images(session, images, n, tokens, keys, error);
}
