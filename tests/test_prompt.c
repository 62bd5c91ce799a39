/* SPDX-License-Identifier: MIT */
/*
 * Ways to the same bits: a prepared prompt, a cached projection, a batch, more threads, each against the plain read, in
 * every weight type. On a machine where OpenBLAS multiplies, bits depend on the number of rows, so the test asks for
 * the plain C there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"
#include "tiny_model.h"

#define IMAGES 20
#define PIXELS (40 * 12)

typedef struct world {
    uint8_t *file;
    e2str_model *model;
    e2str_session *session;
    e2str_pool *pool;
    uint64_t ids[4];
    uint8_t pixels[IMAGES][PIXELS];
    e2str_image images[IMAGES];
} world;

static e2str_session *session_of(const e2str_model *model, uint32_t threads) {
    e2str_session_options options;
    e2str_session_options_init(&options);
    options.threads = threads;
    e2str_session *session = NULL;
    e2str_error error = {0};
    if (e2str_session_new(model, &options, &session, &error)) fail_msg("%s", error.message);
    return session;
}

static e2str_pool *pool_of(world *w, uint64_t cache_bytes, uint64_t max_bytes) {
    static const char *const labels[4] = {"abc", "d", "ef", "0123"};
    e2str_pool_options options;
    e2str_pool_options_init(&options);
    options.cache_bytes = cache_bytes;
    options.max_bytes = max_bytes;
    e2str_pool *pool = NULL;
    assert_int_equal(e2str_pool_new(w->model, &options, &pool, NULL), E2STR_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(e2str_pool_add(pool, w->session, &w->images[i], labels[i], SIZE_MAX, &w->ids[i], NULL),
                         E2STR_OK);
    return pool;
}

static world *world_new(const tiny_model_options *options) {
    world *w = calloc(1, sizeof *w);
    size_t size;
    w->file = tiny_model_build(options, &size);
    e2str_error error = {0};
    if (e2str_model_open_memory(w->file, size, NULL, &w->model, &error)) fail_msg("%s", error.message);
    w->session = session_of(w->model, 1);
    uint32_t seed = 5;
    for (int i = 0; i < IMAGES; i++) {
        for (size_t j = 0; j < PIXELS; j++) {
            seed = seed * 1664525u + 1013904223u;
            w->pixels[i][j] = (uint8_t)((seed >> 26) + (uint32_t)i * 9);
        }
        w->images[i] = (e2str_image){w->pixels[i], 40, 12, 40, E2STR_GREY, 0, NULL, E2STR_TRIM_OF_MODEL};
    }
    w->pool = pool_of(w, (uint64_t)1 << 30, 0);
    return w;
}

static void world_free(world *w) {
    e2str_pool_free(w->pool);
    e2str_session_free(w->session);
    e2str_model_close(w->model);
    free(w->file);
    free(w);
}

static e2str_read_options options_of(uint32_t beams) {
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.beams = beams;
    options.alternatives = 2;
    options.max_tokens = 12;
    return options;
}

static e2str_result *read_with(e2str_session *session, const e2str_image *image, const e2str_pool *pool,
                               const e2str_read_options *options) {
    e2str_result *result = NULL;
    e2str_error error = {0};
    if (e2str_result_new(&result, &error) || e2str_read(session, image, pool, options, result, &error))
        fail_msg("%s", error.message);
    return result;
}

/* Everything in both results, bit for bit; frees b. */
static void assert_same(const e2str_result *a, e2str_result *b) {
    assert_string_equal(e2str_result_text(a), e2str_result_text(b));
    float x = e2str_result_score(a), y = e2str_result_score(b);
    assert_memory_equal(&x, &y, sizeof x);
    assert_int_equal(e2str_result_characters(a), e2str_result_characters(b));
    assert_int_equal(e2str_result_examples(a), e2str_result_examples(b));
    for (size_t i = 0; i < e2str_result_characters(a); i++) {
        e2str_character c, d;
        e2str_result_character(a, i, &c, NULL);
        e2str_result_character(b, i, &d, NULL);
        assert_memory_equal(&c.probability, &d.probability, sizeof c.probability);
    }
    for (size_t i = 0; i < e2str_result_examples(a); i++) {
        uint64_t first, second;
        e2str_result_example(a, i, &first, &x, NULL);
        e2str_result_example(b, i, &second, &y, NULL);
        assert_int_equal(first, second);
        assert_memory_equal(&x, &y, sizeof x);
    }
    e2str_result_free(b);
}

static e2str_result *plain_read(world *w, int image, uint32_t beams) {
    e2str_read_options options = options_of(beams);
    options.examples = w->ids;
    options.n_examples = 4;
    return read_with(w->session, &w->images[image], w->pool, &options);
}

static void prepared(const tiny_model_options *model) {
    world *w = world_new(model);
    e2str_prompt *prompt = NULL;
    e2str_error error = {0};
    if (e2str_prompt_new(w->session, w->pool, w->ids, 4, &prompt, &error)) fail_msg("%s", error.message);
    assert_true(e2str_prompt_bytes(prompt) > 0);
    e2str_result *plain[3];
    for (int i = 0; i < 3; i++) plain[i] = plain_read(w, 10 + i, i == 2 ? 3 : 1);
    e2str_pool_free(w->pool); /* a prompt needs it no longer */
    w->pool = NULL;
    e2str_session *other = session_of(w->model, 1);
    for (int i = 0; i < 3; i++) {
        e2str_read_options options = options_of(i == 2 ? 3 : 1);
        options.prompt = prompt;
        assert_same(plain[i], read_with(other, &w->images[10 + i], NULL, &options));
        e2str_result_free(plain[i]);
    }
    e2str_session_free(other);
    e2str_prompt_free(prompt);
    world_free(w);
}

static void a_prepared_prompt_reads_the_same(void **state) {
    (void)state;
    prepared(NULL);
    prepared(&(tiny_model_options){.all_media = true});
    prepared(&(tiny_model_options){.resampler_layers = 1, .cross_every = 2});
    prepared(&(tiny_model_options){.segment_stride = 12});
    prepared(&(tiny_model_options){.segment_stride = 12, .all_media = true});
}

/* Positions of a first text are the same with a stride and without, those of later ones are not. */
static void a_stride_moves_later_texts(void **state) {
    (void)state;
    world *counting = world_new(NULL), *w = world_new(&(tiny_model_options){.segment_stride = 14});
    e2str_read_options options = options_of(1);
    e2str_result *alone = read_with(counting->session, &w->images[9], NULL, &options);
    assert_same(alone, read_with(w->session, &w->images[9], NULL, &options));
    options.examples = w->ids;
    options.n_examples = 2;
    e2str_result *a = read_with(counting->session, &w->images[9], counting->pool, &options);
    e2str_result *b = read_with(w->session, &w->images[9], w->pool, &options);
    assert_true(e2str_result_score(a) != e2str_result_score(b));
    e2str_result_free(alone);
    e2str_result_free(a);
    e2str_result_free(b);
    world_free(counting);
    world_free(w);
}

static void a_stride_limits_examples_and_texts(void **state) {
    (void)state;
    world *w = world_new(&(tiny_model_options){.segment_stride = 14}); /* 64 positions: 4 texts of 14 */
    e2str_error error = {0};
    e2str_read_options options = options_of(1);
    options.k = 3;
    options.max_tokens = 1000;
    e2str_result *result = read_with(w->session, &w->images[9], w->pool, &options);
    assert_true(e2str_result_characters(result) <= 13);
    options.k = 4;
    assert_int_equal(e2str_read(w->session, &w->images[9], w->pool, &options, result, &error), E2STR_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "4 examples"));
    assert_non_null(strstr(error.message, "for 3"));
    e2str_prompt *prompt = NULL;
    assert_int_equal(e2str_prompt_new(w->session, w->pool, w->ids, 4, &prompt, &error), E2STR_ERROR_LIMIT);
    assert_null(prompt);
    assert_int_equal(e2str_pool_add(w->pool, w->session, &w->images[4], "abcdefghijkl", 12, NULL, &error),
                     E2STR_ERROR_ARGUMENT); /* no place for the id */
    uint64_t id;
    assert_int_equal(e2str_pool_add(w->pool, w->session, &w->images[4], "abcdefghijkl", 12, &id, &error),
                     E2STR_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "11"));
    assert_int_equal(e2str_pool_add(w->pool, w->session, &w->images[4], "abcdefghijk", 11, &id, &error), E2STR_OK);
    e2str_result_free(result);
    world_free(w);
}

static void bad_strides(void **state) {
    (void)state;
    static const uint32_t bad[] = {3, 65, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t size;
        uint8_t *file = tiny_model_build(&(tiny_model_options){.segment_stride = bad[i]}, &size);
        e2str_model *model = NULL;
        e2str_error error = {0};
        assert_int_equal(e2str_model_open_memory(file, size, NULL, &model, &error),
                         bad[i] == UINT32_MAX ? E2STR_ERROR_LIMIT : E2STR_ERROR_FORMAT);
        assert_non_null(strstr(error.message, "segment_stride"));
        free(file);
    }
}

static size_t examples_of_a_read(world *w, float min_similarity) {
    e2str_read_options options = options_of(1);
    options.k = 4;
    options.min_similarity = min_similarity;
    e2str_result *result = read_with(w->session, &w->images[0], w->pool, &options);
    size_t found = e2str_result_examples(result);
    e2str_result_free(result);
    return found;
}

/* The pool's first image is the one that is read. */
static void a_model_says_how_similar_examples_must_be(void **state) {
    (void)state;
    world *silent = world_new(NULL), *strict = world_new(&(tiny_model_options){.min_similarity = 0.999999f});
    assert_int_equal(examples_of_a_read(silent, E2STR_SIMILARITY_OF_MODEL), 4);
    assert_int_equal(examples_of_a_read(strict, E2STR_SIMILARITY_OF_MODEL), 1);
    assert_int_equal(examples_of_a_read(strict, -1.0f), 4);
    assert_int_equal(examples_of_a_read(silent, 0.999999f), 1);
    e2str_model_info info;
    e2str_model_info_init(&info);
    assert_int_equal(e2str_model_get_info(strict->model, &info, NULL), E2STR_OK);
    assert_true(info.min_similarity == 0.999999f);
    assert_int_equal(e2str_model_get_info(silent->model, &info, NULL), E2STR_OK);
    assert_true(info.min_similarity == -1.0f);
    world_free(silent);
    world_free(strict);
    static const float bad[] = {1.5f, -1.5f, NAN};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t size;
        uint8_t *file = tiny_model_build(&(tiny_model_options){.min_similarity = bad[i]}, &size);
        e2str_model *model = NULL;
        e2str_error error = {0};
        assert_int_equal(e2str_model_open_memory(file, size, NULL, &model, &error), E2STR_ERROR_FORMAT);
        assert_non_null(strstr(error.message, "min_similarity"));
        free(file);
    }
}

static void an_empty_prompt_is_no_pool(void **state) {
    (void)state;
    world *w = world_new(NULL);
    e2str_prompt *prompt = NULL;
    assert_int_equal(e2str_prompt_new(w->session, w->pool, NULL, 0, &prompt, NULL), E2STR_OK);
    e2str_read_options options = options_of(1);
    e2str_result *plain = read_with(w->session, &w->images[9], NULL, &options);
    options.prompt = prompt;
    assert_same(plain, read_with(w->session, &w->images[9], w->pool, &options));
    e2str_result_free(plain);
    e2str_prompt_free(prompt);
    world_free(w);
}

static void bad_prompts(void **state) {
    (void)state;
    world *w = world_new(NULL), *other = world_new(&(tiny_model_options){.seed = 9});
    e2str_prompt *prompt = (e2str_prompt *)w;
    e2str_error error = {0};
    assert_int_equal(e2str_prompt_new(w->session, w->pool, (const uint64_t[]){77}, 1, &prompt, &error),
                     E2STR_ERROR_NOT_FOUND);
    assert_null(prompt);
    assert_non_null(strstr(error.message, "77"));
    assert_int_equal(e2str_prompt_new(w->session, other->pool, w->ids, 1, &prompt, NULL), E2STR_ERROR_MISMATCH);
    assert_int_equal(e2str_prompt_new(w->session, NULL, w->ids, 1, &prompt, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_prompt_new(w->session, w->pool, NULL, 1, &prompt, NULL), E2STR_ERROR_ARGUMENT);
    uint64_t many[65];
    for (int i = 0; i < 65; i++) many[i] = w->ids[3];
    assert_int_equal(e2str_prompt_new(w->session, w->pool, many, 65, &prompt, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_prompt_new(w->session, w->pool, many, 64, &prompt, &error), E2STR_ERROR_LIMIT);
    assert_int_equal(e2str_prompt_new(other->session, other->pool, other->ids, 1, &prompt, NULL), E2STR_OK);
    e2str_read_options options = options_of(1);
    options.prompt = prompt;
    e2str_result *result = NULL;
    assert_int_equal(e2str_result_new(&result, NULL), E2STR_OK);
    assert_int_equal(e2str_read(w->session, w->images, NULL, &options, result, NULL), E2STR_ERROR_MISMATCH);
    options.examples = w->ids;
    options.n_examples = 1;
    assert_int_equal(e2str_read(other->session, w->images, other->pool, &options, result, NULL), E2STR_ERROR_ARGUMENT);
    e2str_result_free(result);
    e2str_prompt_free(prompt);
    e2str_prompt_free(NULL);
    assert_int_equal(e2str_prompt_bytes(NULL), 0);
    world_free(w);
    world_free(other);
}

static void a_cached_projection_reads_the_same(void **state) {
    (void)state;
    world *w = world_new(NULL);
    e2str_pool *uncached = pool_of(w, 0, 0);
    e2str_read_options options = options_of(1);
    options.k = 4;
    for (int i = 5; i < 8; i++) {
        e2str_result *cached = read_with(w->session, &w->images[i], w->pool, &options);
        assert_same(cached, read_with(w->session, &w->images[i], w->pool, &options));
        assert_same(cached, read_with(w->session, &w->images[i], uncached, &options));
        e2str_result_free(cached);
    }
    assert_true(w->pool->projected > 0);
    assert_int_equal(uncached->projected, 0);
    e2str_pool_free(uncached);
    for (int i = 0; i < 4; i++) assert_int_equal(e2str_pool_remove(w->pool, (uint64_t)i + 1, NULL), E2STR_OK);
    assert_int_equal(w->pool->projected, 0);
    world_free(w);
}

static void the_cache_gives_way_to_examples(void **state) {
    (void)state;
    world *w = world_new(NULL);
    uint64_t four = e2str_pool_bytes(w->pool), id;
    e2str_read_options options = options_of(1);
    options.k = 4;
    e2str_result_free(read_with(w->session, &w->images[5], w->pool, &options));
    uint64_t one = w->pool->projected / 4;
    e2str_pool *pool = pool_of(w, (uint64_t)1 << 30, four + one + 16); /* room for one, not for an example beside it */
    e2str_result_free(read_with(w->session, &w->images[5], pool, &options));
    assert_int_equal(pool->projected, one);
    assert_true(pool->bytes + pool->projected <= pool->max_bytes);
    assert_int_equal(e2str_pool_add(pool, w->session, &w->images[6], "x", 1, &id, NULL), E2STR_OK);
    assert_int_equal(pool->projected, 0);
    e2str_pool_free(pool);
    world_free(w);
}

static void batched(const tiny_model_options *model) {
    world *w = world_new(model);
    e2str_result *results[IMAGES];
    for (uint32_t threads = 1; threads <= 8; threads += threads < 3 ? 1 : 5) {
        e2str_session *session = session_of(w->model, threads);
        for (int i = 0; i < IMAGES; i++) assert_int_equal(e2str_result_new(&results[i], NULL), E2STR_OK);
        e2str_read_options options = options_of(threads == 2 ? 3 : 1);
        e2str_error error = {0};
        if (e2str_read_batch(session, w->images, IMAGES, w->pool, &options, results, &error))
            fail_msg("%s", error.message);
        for (int i = 0; i < IMAGES; i++) {
            e2str_result *single = read_with(w->session, &w->images[i], w->pool, &options);
            assert_same(single, results[i]);
            if (i < 3) assert_same(single, read_with(session, &w->images[i], w->pool, &options));
            e2str_result_free(single);
        }
        e2str_session_free(session);
    }
    world_free(w);
}

/* Enough rows that they are shared among threads; then weights large enough that the products of single rows are. */
static void batches_and_threads_read_the_same(void **state) {
    (void)state;
    static const e2_type types[] = {E2_F32, E2_BF16, E2_Q8_0};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        batched(&(tiny_model_options){.type = types[i],
                                      .vision_width = 64,
                                      .vision_feed_forward = 256,
                                      .decoder_width = 64,
                                      .decoder_feed_forward = 128,
                                      .patch_width = 8,
                                      .class_token = true});
    batched(&(tiny_model_options){.resampler_layers = 2, .vision_width = 64, .all_media = true});
    batched(&(tiny_model_options){.decoder_width = 512, .decoder_feed_forward = 4096, .patch_width = 8});
}

static void threads_out_of_range(void **state) {
    (void)state;
    world *w = world_new(NULL);
    e2str_session_options options;
    e2str_session *session = NULL;
    static const uint32_t bad[] = {0, 257, 10000, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        e2str_error error = {0};
        e2str_session_options_init(&options);
        options.threads = bad[i];
        assert_int_equal(e2str_session_new(w->model, &options, &session, &error), E2STR_ERROR_ARGUMENT);
        assert_non_null(strstr(error.message, "threads"));
        assert_null(session);
    }
    e2str_error error = {0};
    e2str_session_options_init(&options);
    options.spin_microseconds = E2STR_MAX_SPIN + 1;
    assert_int_equal(e2str_session_new(w->model, &options, &session, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "spin_microseconds"));
    world_free(w);
}

int main(void) {
    if (!strcmp(e2str_cpu_name(), "ref")) setenv("E2STR_CPU", "ref", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prepared_prompt_reads_the_same),
        cmocka_unit_test(a_stride_moves_later_texts),
        cmocka_unit_test(a_stride_limits_examples_and_texts),
        cmocka_unit_test(bad_strides),
        cmocka_unit_test(a_model_says_how_similar_examples_must_be),
        cmocka_unit_test(an_empty_prompt_is_no_pool),
        cmocka_unit_test(bad_prompts),
        cmocka_unit_test(a_cached_projection_reads_the_same),
        cmocka_unit_test(the_cache_gives_way_to_examples),
        cmocka_unit_test(batches_and_threads_read_the_same),
        cmocka_unit_test(threads_out_of_range),
    };
    return cmocka_run_group_tests_name("prompt", tests, NULL, NULL);
}
