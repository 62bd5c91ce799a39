/* SPDX-License-Identifier: MIT */
/* Where the decoder looked: what is kept are the weights that it used, and keeping them changes nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gaze.h"
#include "memory_fixture.h"

static int set_up_with(void **state, tiny_model_options options) {
    fixture *f = tiny_checked(malloc(sizeof *f));
    *state = f;
    options.memory = options.head = true;
    return fixture_open(f, &options);
}
static int set_up(void **state) { return set_up_with(state, (tiny_model_options){.decoder_layers = 3}); }
static int set_up_all_media(void **state) { return set_up_with(state, (tiny_model_options){.all_media = true}); }
static int set_up_free(void **state) { return set_up_with(state, (tiny_model_options){.min_width = 32}); }

static int tear_down(void **state) {
    fixture_close(*state);
    free(*state);
    return 0;
}

static e2str_read_options watched(uint32_t k) {
    e2str_read_options options = memory_options(k, 1);
    options.attention = 1;
    return options;
}

static double sum_of(const e2str_result *result, size_t index) {
    const float *weights;
    uint32_t rows, columns;
    double sum = 0.0;
    assert_int_equal(e2str_result_attention(result, index, &weights, &rows, &columns, NULL), E2STR_OK);
    for (size_t i = 0; i < (size_t)rows * columns; i++) {
        assert_true(weights[i] >= 0.0f);
        sum += (double)weights[i];
    }
    return sum;
}

static e2str_pool *pool_of(const fixture *f, size_t n) {
    static const char *const labels[] = {"ab", "c", "A1b2", "zz9"};
    e2str_pool *pool = memory_pool(f);
    for (size_t i = 0; i < n; i++) memory_add(f, pool, i + 3, labels[i % 4]);
    return pool;
}

/* The weights times the values are what the attention gave (what a memory's features are made of). */
static void weights_make_what_was_attended(void **state) {
    const fixture *f = *state;
    const e2str_model *model = f->model;
    const e2_decoder *decoder = &model->decoder;
    e2_compute *compute = &f->session->compute;
    size_t n = e2_visual_tokens(model, model->vision.grid_width),
           inner = (size_t)decoder->cross_heads * decoder->cross_head_size;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    e2_media media;
    e2_kv_cache cache, again;
    e2_gaze gaze;
    float *tokens = e2_arena_floats(compute->arena, n * model->vision.width), hidden[2][6 * 16], attended[6 * 64];
    float *values = e2_arena_floats(compute->arena, e2_projection_values(model, n));
    assert_true(decoder->width == 16 && decoder->attended_width <= 64 && tokens && values);
    assert_true(e2_media_new(compute, 1, n, &media) && e2_kv_cache_new(compute, 6, &cache) &&
                e2_kv_cache_new(compute, 6, &again));
    assert_int_equal(e2str_encode(f->session, &f->images[2], 1, tokens, NULL, NULL), E2STR_OK);
    assert_true(e2_media_add(compute, &media, tokens, n));
    e2_media_get(model, &media, 0, values);
    uint32_t slots[6] = {0, 1, 2, 3, 4, 5};
    e2_decoder_row rows[6];
    for (uint32_t i = 0; i < 6; i++)
        rows[i] = (e2_decoder_row){.token = i == 1 ? e2_tokenizer_image(model->tokenizer) : 7 + 3 * i,
                                   .position = i,
                                   .images = i > 0,
                                   .slot = i,
                                   .context = slots,
                                   .n_context = i + 1};
    assert_true(e2_decode(compute, &media, &cache, rows, 6, hidden[0], attended));
    assert_true(e2_decode_watched(compute, &media, &again, rows, 6, hidden[1], &gaze));
    assert_memory_equal(hidden[0], hidden[1], sizeof hidden[0]);
    const float *last = values + (decoder->cross_layers - 1) * n * 2 * inner + inner;
    for (size_t r = 1; r < 6; r++) /* BOS sees no image */
        for (size_t h = 0; h < decoder->cross_heads; h++)
            for (size_t c = h * decoder->cross_head_size; c < (h + 1) * decoder->cross_head_size; c++) {
                double sum = 0.0,
                       found = (double)attended[r * decoder->attended_width + decoder->attended_width - inner + c];
                for (size_t j = 0; j < n; j++)
                    sum += (double)gaze.weights[r * gaze.step + h * n + j] * (double)last[j * 2 * inner + c];
                if (fabs(sum - found) > 1e-5) fail_msg("row %zu, column %zu: %g, not %g", r, c, sum, found);
            }
    e2_arena_release(compute->arena, mark);
}

/* Each character has its weights, they sum to 1, and all else is as in a read that keeps none. */
static void a_read_is_the_same(void **state) {
    const fixture *f = *state;
    e2str_pool *pool = pool_of(f, 8);
    e2str_result *result = memory_result(), *plain = memory_result();
    size_t characters = 0;
    memory_learn(f, pool);
    for (uint32_t k = 0; k <= 3; k++)
        for (size_t image = 0; image < FIXTURE_IMAGES; image++) {
            e2str_read_options options = watched(k);
            memory_read(f, image, pool, &options, result);
            for (size_t i = 0; i < e2str_result_characters(result); i++, characters++) {
                double sum = sum_of(result, i);
                bool others = !f->model->decoder.only_immediate_media && k > 0;
                if (others ? !(sum > 0.0 && sum < 0.9999) : fabs(sum - 1.0) > 1e-5)
                    fail_msg("k %u, image %zu, character %zu: %g in all", k, image, i, sum);
            }
            options.attention = 0;
            memory_read(f, image, pool, &options, plain);
            if (e2str_result_characters(plain))
                assert_int_equal(
                    e2str_result_attention(plain, 0, &(const float *){NULL}, &(uint32_t){0}, &(uint32_t){0}, NULL),
                    E2STR_ERROR_NOT_FOUND);
            result->attention.count = 0;
            assert_same(result, plain);
        }
    assert_true(characters > 4 * FIXTURE_IMAGES);
    e2str_result_free(plain);
    e2str_result_free(result);
    e2str_pool_free(pool);
}

/* In a batch, with threads, and after a prepared prompt of the same examples. */
static void however_it_is_read(void **state) {
    const fixture *f = *state;
    e2str_pool *pool = pool_of(f, 4);
    e2str_session *session;
    e2str_session_options threads;
    e2str_session_options_init(&threads);
    threads.threads = 3;
    assert_int_equal(e2str_session_new(f->model, &threads, &session, NULL), E2STR_OK);
    const uint64_t ids[2] = {1, 3};
    e2str_prompt *prompt;
    assert_int_equal(e2str_prompt_new(f->session, pool, ids, 2, &prompt, NULL), E2STR_OK);
    e2str_result *results[FIXTURE_IMAGES], *one = memory_result();
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) results[i] = memory_result();
    e2str_read_options options = watched(0), prepared = watched(0);
    options.examples = ids;
    options.n_examples = 2;
    prepared.prompt = prompt;
    assert_int_equal(e2str_read_batch(session, f->images, FIXTURE_IMAGES, pool, &options, results, NULL), E2STR_OK);
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        memory_read(f, i, pool, &options, one);
        assert_same(one, results[i]);
        memory_read(f, i, pool, &prepared, one);
        assert_same(one, results[i]);
    }
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) e2str_result_free(results[i]);
    e2str_result_free(one);
    e2str_prompt_free(prompt);
    e2str_session_free(session);
    e2str_pool_free(pool);
}

/* With beams, a constraint that nothing fits, and a text that the memory has characters for. */
static void whatever_was_written(void **state) {
    const fixture *f = *state;
    e2str_pool *pool = memory_pool(f);
    for (size_t i = 0; i < 12; i++) memory_add(f, pool, i, "\xCE\xA9\xCE\xA9");
    memory_learn_with(f->session, pool, 4.0f);
    e2str_constraint_options wanted;
    e2str_constraint_options_init(&wanted);
    wanted.pattern = "[0-9]{40}"; /* longer than max_tokens */
    e2str_constraint *constraint;
    assert_int_equal(e2str_constraint_new(&wanted, &constraint, NULL), E2STR_OK);
    e2str_result *result = memory_result();
    e2str_read_options options = watched(0);
    options.memory_everywhere = 1;
    size_t fresh = 0, unmatched = 0;
    for (size_t i = 0; i < 24; i++) {
        options.beams = 1 + 2 * (i % 2);
        options.constraint = i < 12 ? NULL : constraint;
        memory_read(f, i, pool, &options, result);
        const uint32_t *tokens;
        size_t n = e2str_result_tokens(result, &tokens);
        for (size_t j = 0; j < n; j++) fresh += tokens[j] >= f->model->decoder.vocabulary;
        unmatched += (size_t)e2str_result_unmatched(result);
        for (size_t j = 0; j < e2str_result_characters(result); j++) assert_true(fabs(sum_of(result, j) - 1.0) < 1e-5);
    }
    assert_true(fresh > 0 && unmatched == 12);
    e2str_constraint_free(constraint);
    e2str_result_free(result);
    e2str_pool_free(pool);
}

static void what_is_refused(void **state) {
    const fixture *f = *state;
    e2str_result *result = memory_result();
    e2str_read_options options = watched(0);
    e2str_error error = {""};
    const float *weights;
    uint32_t rows, columns;
    memory_read(f, 1, NULL, &options, result);
    size_t n = e2str_result_characters(result);
    assert_true(n > 0);
    assert_int_equal(e2str_result_attention(result, 0, &weights, &rows, &columns, NULL), E2STR_OK);
    assert_true(rows == f->model->vision.grid_height && columns <= f->model->vision.grid_width && columns > 0);
    assert_int_equal(e2str_result_attention(result, n, &weights, &rows, &columns, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_result_attention(result, 0, NULL, &rows, &columns, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_result_attention(NULL, 0, &weights, &rows, &columns, NULL), E2STR_ERROR_ARGUMENT);
    options.attention = 2;
    assert_int_equal(e2str_read(f->session, &f->images[0], NULL, &options, result, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "attention is 2"));
    fixture latents;
    assert_int_equal(fixture_open(&latents, &(tiny_model_options){.resampler_layers = 1}), 0);
    options.attention = 1;
    assert_int_equal(e2str_read(latents.session, &latents.images[0], NULL, &options, result, &error),
                     E2STR_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "resampler"));
    fixture_close(&latents);
    e2str_result_free(result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(weights_make_what_was_attended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_read_is_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_read_is_the_same, set_up_all_media, tear_down),
        cmocka_unit_test_setup_teardown(a_read_is_the_same, set_up_free, tear_down),
        cmocka_unit_test_setup_teardown(however_it_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(however_it_is_read, set_up_all_media, tear_down),
        cmocka_unit_test_setup_teardown(whatever_was_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
