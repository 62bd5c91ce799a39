/* SPDX-License-Identifier: MIT */
/* Adding: encode the picture, tokenize the label, put the example into the pool. The twin of read.c. */
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "pool.h"
#include "result.h"
#include "session.h"
#include "upright.h"

static e2str_storage storage_of(const e2str_pool *pool) {
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    e2str_storage storage = pool->storage;
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return storage;
}

/* An example is stored as the pool's are when it comes in: a refresh meanwhile may bring an archive of the other
 * storage. */
static e2str_status put(e2str_pool *pool, const e2str_model *model, const e2_encoded *image, const e2_label *label,
                        uint64_t *id, e2str_error *error) {
    e2str_status status;
    do {
        e2_example *example;
        status = e2_example_new(model, storage_of(pool), image, label, &example, error);
        if (status) return status;
        status = e2_pool_insert(pool, example, id, error);
        if (status) e2_example_release(example);
    } while (status == E2STR_ERROR_MISMATCH);
    return status;
}

/* Encodes outside the pool's lock, so that other threads read on meanwhile. */
static e2str_status encode_and_put(const e2_compute *compute, e2str_pool *pool, const e2str_image *image,
                                   const e2_label *label, uint64_t *id, e2str_error *error) {
    const e2str_model *model = compute->model;
    e2_measured measured;
    e2str_status status = e2_measure_images(compute, image, 1, &measured, error);
    if (status) return status;
    uint32_t n = e2_visual_tokens(model, measured.columns);
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *tokens = e2_arena_floats(compute->arena, (size_t)n * model->vision.width);
    float *key = e2_arena_floats(compute->arena, model->vision.width);
    status = tokens && key ? e2_encode_images(compute, &measured, 1, tokens, key, error)
                           : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while encoding an image");
    if (!status) status = put(pool, model, &(e2_encoded){tokens, n, key}, label, id, error);
    e2_arena_release(compute->arena, mark);
    return status;
}

/* Bytes to change, add or take away between two texts; row: scratch [b_size + 1]. */
static uint32_t edits(const char *a, size_t a_size, const char *b, size_t b_size, uint32_t *row) {
    for (size_t j = 0; j <= b_size; j++) row[j] = (uint32_t)j;
    for (size_t i = 0; i < a_size; i++) {
        uint32_t corner = row[0]++;
        for (size_t j = 0; j < b_size; j++) {
            uint32_t same = corner + (a[i] != b[j]), one = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            corner = row[j + 1];
            row[j + 1] = same < one ? same : one;
        }
    }
    return row[b_size];
}

/* Turns a view whose rotation is not known as the read that is nearest to the label was turned; of equals the one that
 * has the better score. */
static e2str_status turn_by_label(e2str_session *session, const char *label, size_t size, e2str_image *view,
                                  e2str_error *error) {
    e2_arena *arena = session->compute.arena;
    e2_arena_mark mark = e2_arena_begin(arena);
    uint32_t *row = e2_arena_alloc(arena, size + 1, sizeof *row), best = UINT32_MAX, rotate = 0;
    e2str_status status = row ? E2STR_OK : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while turning an image");
    e2str_result result = {0};
    float score = 0.0f;
    for (uint32_t turned = 0; !status && turned < 360; turned += 90) {
        view->rotate = turned;
        status = e2str_read(session, view, NULL, NULL, &result, error);
        if (status) break;
        uint32_t found = edits(e2str_result_text(&result), e2str_result_text_size(&result), label, size, row);
        if (found > best || (found == best && !(result.score > score))) continue;
        best = found;
        score = result.score;
        rotate = turned;
    }
    view->rotate = rotate;
    e2_result_release(&result);
    e2_arena_release(arena, mark);
    return status;
}

e2str_status e2str_pool_add(e2str_pool *pool, e2str_session *session, const e2str_image *image, const char *label,
                            size_t label_size, uint64_t *id, e2str_error *error) {
    if (id) *id = 0;
    if (!pool || !session || !image || !label || !id)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL",
                       !pool      ? "pool"
                       : !session ? "session"
                       : !image   ? "image"
                       : !label   ? "label"
                                  : "id");
    e2_label read;
    e2str_image view = *image;
    e2str_status status = e2_models_check(session->compute.model, pool->model, "pool", error);
    if (status) return status;
    if (label_size == SIZE_MAX) label_size = strlen(label);
    status = e2_label_read(pool->model, label, label_size, &read, error);
    if (status) return status;
    if (view.rotate == E2STR_ROTATE_AUTO) status = turn_by_label(session, label, label_size, &view, error);
    if (!status) status = encode_and_put(&session->compute, pool, &view, &read, id, error);
    e2_label_free(&read);
    return status;
}
