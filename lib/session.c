#include "session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encoder.h"
#include "resampler.h"

e2str_status e2str_session_new(const e2str_model *model, e2str_session **session, e2str_error *error) {
    if (!session) return e2_fail(error, E2STR_ERROR_ARGUMENT, "session is NULL");
    *session = NULL;
    if (!model) return e2_fail(error, E2STR_ERROR_ARGUMENT, "model is NULL");
    e2str_session *fresh = calloc(1, sizeof *fresh);
    if (!fresh) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a session");
    fresh->model = model;
    *session = fresh;
    return E2STR_OK;
}

size_t e2str_session_bytes(const e2str_session *session) {
    return session ? sizeof *session + e2_arena_bytes(&session->arena) : 0;
}

void e2str_session_free(e2str_session *session) {
    if (!session) return;
    e2_arena_free(&session->arena);
    free(session);
}

/* The mean of the tokens, scaled to unit length (spec section 7). Sums in double: the order of tokens is fixed. */
static void retrieval_key(const float *tokens, size_t rows, size_t width, float *key) {
    double norm = 0.0;
    for (size_t i = 0; i < width; i++) {
        double sum = 0.0;
        for (size_t r = 0; r < rows; r++) sum += tokens[r * width + i];
        key[i] = (float)(sum / (double)rows);
        norm += (double)key[i] * key[i];
    }
    norm = sqrt(norm);
    if (norm < 1e-12) norm = 1e-12;
    for (size_t i = 0; i < width; i++) key[i] = (float)(key[i] / norm);
}

static bool encode_planes(e2str_session *session, const float *planes, float *tokens, float *key) {
    const e2str_model *model = session->model;
    size_t patches = model->vision.patches, width = model->vision.width;
    bool resample = model->resampler.layers > 0;
    float *vision = e2_arena_floats(&session->arena, patches * width);
    float *latents = resample ? e2_arena_floats(&session->arena, (size_t)model->media_tokens * width) : vision;
    if (!vision || !latents || !e2_vision_encode(model, planes, vision, &session->arena)) return false;
    if (resample && !e2_resample(model, vision, latents, &session->arena)) return false;
    if (tokens) memcpy(tokens, latents, (size_t)model->media_tokens * width * sizeof *tokens);
    if (!key) return true;
    if (model->key_from_vision_tokens)
        retrieval_key(vision, patches, width, key);
    else
        retrieval_key(latents, model->media_tokens, width, key);
    return true;
}

e2str_status e2_encode_image(e2str_session *session, const e2str_image *image, float *tokens, float *key,
                             e2str_error *error) {
    const e2_image_config *config = &session->model->image;
    e2_arena_mark mark = e2_arena_begin(&session->arena);
    float *planes = e2_arena_floats(&session->arena, (size_t)3 * config->height * config->width);
    e2str_status status = E2STR_ERROR_MEMORY;
    if (planes) status = e2_image_planes(image, config, planes, &session->arena, error);
    if (!planes || (!status && !encode_planes(session, planes, tokens, key)))
        status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while encoding an image");
    e2_arena_release(&session->arena, mark);
    return status;
}

e2str_status e2str_encode(e2str_session *session, const e2str_image *images, size_t n, float *tokens, float *keys,
                          e2str_error *error) {
    if (!session) return e2_fail(error, E2STR_ERROR_ARGUMENT, "session is NULL");
    if (!images && n) return e2_fail(error, E2STR_ERROR_ARGUMENT, "images is NULL");
    const e2str_model *model = session->model;
    size_t width = model->vision.width, step = model->media_tokens * width;
    for (size_t i = 0; i < n; i++) {
        e2str_status status = e2_encode_image(session, &images[i], tokens ? tokens + i * step : NULL,
                                              keys ? keys + i * width : NULL, error);
        if (status) return status;
    }
    return E2STR_OK;
}
