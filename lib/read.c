/* Reading: encode the query, choose examples, build the prompt, search, fill the result. */
#include <stdio.h>

#include "result.h"
#include "session.h"

void e2str_read_options_init(e2str_read_options *options) {
    if (options)
        *options = (e2str_read_options){
            .size = sizeof *options, .k = 2, .min_similarity = -1.0f, .beams = 1, .max_tokens = 48};
}

static e2str_status read_options(const e2str_read_options *given, e2str_read_options *options, e2str_error *error) {
    e2str_read_options_init(options);
    e2str_status status = e2_options_read(options, given, "e2str_read_options", error);
    if (status) return status;
    if (options->k > E2STR_MAX_EXAMPLES)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "k is %u; at most %d", options->k, E2STR_MAX_EXAMPLES);
    if (!(options->min_similarity >= -1.0f && options->min_similarity <= 1.0f))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "min_similarity is %g; from -1 to 1",
                       (double)options->min_similarity);
    if (options->n_examples > E2STR_MAX_EXAMPLES || (options->n_examples && !options->examples))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "examples is NULL, or n_examples (%zu) is above %d",
                       options->n_examples, E2STR_MAX_EXAMPLES);
    if (options->beams < 1 || options->beams > E2STR_MAX_BEAMS)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "beams is %u; from 1 to %d", options->beams, E2STR_MAX_BEAMS);
    if (options->max_tokens < 1) return e2_fail(error, E2STR_ERROR_ARGUMENT, "max_tokens is 0; at least 1");
    if (options->alternatives > E2STR_MAX_ALTERNATIVES)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "alternatives is %u; at most %d", options->alternatives,
                       E2STR_MAX_ALTERNATIVES);
    if (options->clean_up > 1) return e2_fail(error, E2STR_ERROR_ARGUMENT, "clean_up is %u; 0 or 1", options->clean_up);
    return E2STR_OK;
}

/* Everything that can be known before the first image is read. */
static e2str_status check_arguments(const e2str_session *session, const e2str_image *images, size_t n,
                                    const e2str_pool *pool, const e2str_read_options *options,
                                    e2str_result *const *results, e2str_error *error) {
    if (!session) return e2_fail(error, E2STR_ERROR_ARGUMENT, "session is NULL");
    if (pool && pool->model != session->model)
        return e2_fail(error, E2STR_ERROR_MISMATCH, "the pool and the session were made with different models");
    if (options->n_examples && !pool)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "examples are chosen by id but the pool is NULL");
    for (size_t i = 0; i < n; i++) {
        e2str_status status = e2_image_check(&images[i], error);
        if (!results[i]) status = e2_fail(error, E2STR_ERROR_ARGUMENT, "result is NULL");
        if (!status) continue;
        char which[32];
        snprintf(which, sizeof which, "image %zu", i);
        return n > 1 ? e2_within(error, status, which) : status;
    }
    return E2STR_OK;
}

/* The examples for the prompt; each choice holds a reference. */
static e2str_status choose(const e2str_pool *pool, const float *key, const e2str_read_options *options,
                           e2_choice *choices, size_t *n, e2str_error *error) {
    *n = 0;
    if (!pool) return E2STR_OK;
    if (!options->n_examples)
        return e2_pool_choose(pool, key, options->k, options->min_similarity, choices, n, error);
    e2str_status status = e2_pool_choose_ids(pool, key, options->examples, options->n_examples, choices, error);
    if (!status) *n = options->n_examples;
    return status;
}

static e2str_status write_answer(e2str_session *session, const e2_choice *choices, size_t n, const float *tokens,
                                 const e2str_read_options *options, e2str_result *result, e2str_error *error) {
    const e2str_model *model = session->model;
    e2_prompt prompt;
    e2str_status status = e2_prompt_build(model, choices, n, tokens, &prompt, &session->arena, error);
    if (status) return status;
    e2_answer answer;
    if (!e2_search(model, &prompt, options->beams, options->max_tokens, options->alternatives, &answer, &session->arena))
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    status = e2_result_fill(result, model, &answer, options->clean_up, error);
    if (status) return status;
    for (size_t i = 0; i < n; i++)
        result->examples[i] = (e2_result_example){choices[i].example->id, choices[i].similarity};
    result->n_examples = n;
    return E2STR_OK;
}

/* One image, with arguments already checked; the result is cleared. */
static e2str_status read_image(e2str_session *session, const e2str_image *image, const e2str_pool *pool,
                               const e2str_read_options *options, e2str_result *result, e2str_error *error) {
    const e2str_model *model = session->model;
    e2_arena_mark mark = e2_arena_begin(&session->arena);
    float *tokens = e2_arena_floats(&session->arena, (size_t)model->media_tokens * model->vision.width);
    float *key = e2_arena_floats(&session->arena, model->vision.width);
    e2_choice choices[E2STR_MAX_EXAMPLES];
    size_t n = 0;
    e2str_status status = tokens && key ? e2_encode_image(session, image, tokens, key, error)
                                        : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    if (!status) status = choose(pool, key, options, choices, &n, error);
    if (!status) status = write_answer(session, choices, n, tokens, options, result, error);
    for (size_t i = 0; i < n; i++) e2_example_release(choices[i].example);
    e2_arena_release(&session->arena, mark);
    return status;
}

e2str_status e2str_read_batch(e2str_session *session, const e2str_image *images, size_t n, const e2str_pool *pool,
                              const e2str_read_options *given, e2str_result *const *results, e2str_error *error) {
    if (n && (!images || !results)) return e2_fail(error, E2STR_ERROR_ARGUMENT, "images or results is NULL");
    for (size_t i = 0; i < n; i++)
        if (results[i]) e2_result_clear(results[i]);
    e2str_read_options options;
    e2str_status status = read_options(given, &options, error);
    if (!status) status = check_arguments(session, images, n, pool, &options, results, error);
    for (size_t i = 0; !status && i < n; i++)
        status = read_image(session, &images[i], pool, &options, results[i], error);
    return status;
}

e2str_status e2str_read(e2str_session *session, const e2str_image *image, const e2str_pool *pool,
                        const e2str_read_options *options, e2str_result *result, e2str_error *error) {
    if (!image || !result) {
        if (result) e2_result_clear(result);
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", image ? "result" : "image");
    }
    return e2str_read_batch(session, image, 1, pool, options, &result, error);
}
