/* SPDX-License-Identifier: MIT */
/* Adding: encode the picture, tokenize the label, put the example into the pool. The twin of read.c. */
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "pool.h"
#include "session.h"

/* Encodes outside the pool's lock, so that other threads read on meanwhile. */
static e2str_status make_example(const e2_compute *compute, e2str_storage storage, const e2str_image *image,
                                 const e2_label *label, e2_example **example, e2str_error *error) {
    const e2str_model *model = compute->model;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *tokens = e2_arena_floats(compute->arena, (size_t)model->visual_tokens * model->vision.width);
    float *key = e2_arena_floats(compute->arena, model->vision.width);
    e2str_status status = tokens && key ? e2_encode_images(compute, image, 1, tokens, key, error)
                                        : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while encoding an image");
    if (!status) status = e2_example_new(model, storage, tokens, key, label, example, error);
    e2_arena_release(compute->arena, mark);
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
    e2_example *example = NULL;
    e2str_status status = e2_models_check(session->compute.model, pool->model, "pool", error);
    if (status) return status;
    status = e2_label_read(pool->model, label, label_size == SIZE_MAX ? strlen(label) : label_size, &read, error);
    if (status) return status;
    status = make_example(&session->compute, pool->storage, image, &read, &example, error);
    e2_label_free(&read);
    if (!status) status = e2_pool_insert(pool, example, id, error);
    if (status) e2_example_release(example);
    return status;
}
