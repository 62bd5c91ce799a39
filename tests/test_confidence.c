/* SPDX-License-Identifier: MIT */
/* The confidence of a read: its formula, what it is without a calibration, rejection, pictures without text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memory_fixture.h"

static const float weights[6] = {0.3f, 0.8f, 0.2f, -0.5f, -0.7f, -0.4f}, seldom[2] = {-4.0f, -0.1f};
static const float always[2] = {20.0f, 0.0f};

static tiny_model_options tiny_options(const float *textless, bool head) {
    return (tiny_model_options){
        .alphabet = "abcABC", .head = head, .memory = true, .confidence = weights, .textless = textless};
}

static int open_with(fixture *f, const float *textless, bool head) {
    tiny_model_options options = tiny_options(textless, head);
    return fixture_open(f, &options);
}

static e2str_read_options plain_options(bool head) {
    e2str_read_options options = memory_options(0, 1);
    options.places = head;
    options.textless_from = 2.0f;
    return options;
}

static double logistic(double x) { return 1 / (1 + exp(-x)); }
static double within(double x, double least, double most) { return fmin(fmax(x, least), most); }

/* The formula of docs/model.md, section 13, from what the result tells. */
static double expected_confidence(const fixture *f, const e2str_image *image, const e2str_result *result, bool memory,
                                  double *textless) {
    size_t n = e2str_result_characters(result);
    double p = e2str_result_end_probability(result), evidence = 0, most = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        e2str_character character;
        e2str_box box = {0};
        assert_int_equal(e2str_result_character(result, i, &character, NULL), E2STR_OK);
        if (f->model->head.weight) assert_int_equal(e2str_result_box(result, i, &box, NULL), E2STR_OK);
        p *= character.probability;
        evidence += within(box.evidence, -5, 10) / (double)n;
        most = fmax(most, box.evidence);
    }
    p = within(p, 0.001, 0.999);
    double columns = (double)f->model->vision.grid_width / (double)n;
    double squeeze = (double)image->width / image->height / (128.0 / 32.0);
    double x = weights[0] + weights[1] * log(p / (1 - p)) + weights[2] * evidence;
    x += weights[3] * fmax(0, log(2 / columns)) + weights[4] * fmax(0, log(squeeze)) + (memory ? weights[5] : 0);
    *textless = f->model->head.weight && !memory ? logistic(seldom[0] + seldom[1] * most) : 0;
    return (1 - *textless) * logistic(x);
}

static void assert_expected(const fixture *f, const e2str_image *image, const e2str_result *result, bool memory) {
    double textless, confidence = expected_confidence(f, image, result, memory, &textless);
    if (e2str_result_truncated(result)) confidence = 0;
    if (fabs(confidence - e2str_result_confidence(result)) > 1e-4)
        fail_msg("'%s': confidence %g, expected %g", e2str_result_text(result), (double)e2str_result_confidence(result),
                 confidence);
    assert_true(fabs(textless - e2str_result_textless(result)) < 1e-4);
}

static void the_formula(void **state) {
    (void)state;
    size_t squeezed = 0, level = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        fixture f;
        bool head = seed % 2;
        tiny_model_options o = tiny_options(seldom, head);
        o.seed = seed;
        assert_int_equal(fixture_open(&f, &o), 0);
        e2str_read_options options = plain_options(head);
        e2str_result *result = memory_result();
        for (size_t i = 0; i < 8; i++) {
            e2str_image image = f.images[i / 2];
            if (i % 2) image.height = 1; /* one row of pixels is a very long line */
            options.beams = 1 + i / 2 % 2;
            assert_int_equal(e2str_read(f.session, &image, NULL, &options, result, NULL), E2STR_OK);
            if (!is_whole(result)) continue; /* special tokens count as well, but are not told */
            assert_expected(&f, &image, result, false);
            ++*(i % 2 ? &squeezed : &level);
        }
        e2str_result_free(result);
        fixture_close(&f);
    }
    if (squeezed < 5 || level < 5) fail_msg("only %zu and %zu reads end", squeezed, level);
}

static void with_a_memory(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(open_with(&f, seldom, true), 0);
    e2str_pool *pool = memory_pool(&f);
    e2str_read_options options = plain_options(true);
    e2str_result *result = memory_result();
    size_t whole = 0;
    for (size_t i = 0; i < 12; i++) memory_add(&f, pool, i, i % 2 ? "Ab" : "cAB");
    memory_learn(&f, pool);
    options.memory_everywhere = 1;
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        memory_read(&f, i, pool, &options, result);
        if (!is_whole(result)) continue; /* what is not shown counts as well, but is not told */
        assert_expected(&f, &f.images[i], result, true);
        whole++;
    }
    assert_true(whole > 4);
    e2str_result_free(result);
    e2str_pool_free(pool);
    fixture_close(&f);
}

static void without_calibration_it_is_the_score(void **state) {
    (void)state;
    for (int head = 0; head < 2; head++) {
        fixture f;
        assert_int_equal(fixture_open(&f, &(tiny_model_options){.head = head}), 0);
        e2str_read_options options = memory_options(0, 1);
        e2str_result *result = memory_result();
        e2str_model_info info;
        e2str_model_info_init(&info);
        assert_int_equal(e2str_model_get_info(f.model, &info, NULL), E2STR_OK);
        assert_int_equal(info.calibrated, 0);
        assert_int_equal(info.places, head);
        for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
            memory_read(&f, i, NULL, &options, result);
            assert_true(e2str_result_confidence(result) == e2str_result_score(result));
            assert_true(e2str_result_textless(result) == 0);
            assert_int_equal(e2str_result_rejected(result), 0);
        }
        e2str_result_free(result);
        fixture_close(&f);
    }
}

static void rejection(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(open_with(&f, seldom, true), 0);
    e2str_read_options options = plain_options(true);
    e2str_result *result = memory_result();
    e2str_model_info info;
    e2str_model_info_init(&info);
    assert_int_equal(e2str_model_get_info(f.model, &info, NULL), E2STR_OK);
    assert_int_equal(info.calibrated, 1);
    size_t image = 0;
    for (bool usable = false; !usable; image++) {
        assert_true(image < FIXTURE_IMAGES);
        memory_read(&f, image, NULL, &options, result);
        usable = !e2str_result_truncated(result) && e2str_result_characters(result);
    }
    float confidence = e2str_result_confidence(result);
    size_t characters = e2str_result_characters(result);
    options.reject_below = confidence;
    memory_read(&f, image - 1, NULL, &options, result);
    assert_int_equal(e2str_result_rejected(result), 0);
    options.reject_below = nextafterf(confidence, 1.0f);
    memory_read(&f, image - 1, NULL, &options, result);
    assert_int_equal(e2str_result_rejected(result), 1);
    assert_int_equal(e2str_result_characters(result), characters); /* the text is there all the same */
    e2str_result_free(result);
    assert_int_equal(e2str_result_rejected(NULL), 0);
    assert_true(e2str_result_confidence(NULL) == 0 && e2str_result_textless(NULL) == 0);
    fixture_close(&f);
}

static void where_there_is_no_text(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(open_with(&f, always, true), 0);
    e2str_read_options options = plain_options(true);
    e2str_result *result = memory_result(), *kept = memory_result();
    options.textless_from = 0.5f;
    e2str_read_options keep = options;
    keep.textless_from = 2.0f;
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        memory_read(&f, i, NULL, &keep, kept);
        memory_read(&f, i, NULL, &options, result);
        assert_string_equal(e2str_result_text(result), "");
        assert_int_equal(e2str_result_text_size(result), 0);
        assert_int_equal(e2str_result_characters(result), 0);
        assert_int_equal(e2str_result_tokens(result, NULL), 0);
        assert_true(e2str_result_score(result) == e2str_result_score(kept));
        assert_true(e2str_result_confidence(result) == e2str_result_textless(result));
        if (!e2str_result_characters(kept)) continue;
        assert_true(e2str_result_textless(result) > 0.999f);
        assert_true(e2str_result_confidence(kept) < 0.001f);
    }
    e2str_result_free(kept);
    e2str_result_free(result);
    fixture_close(&f);
}

static void options_out_of_range(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(open_with(&f, seldom, true), 0);
    e2str_result *result = memory_result();
    const float bad[] = {-0.01f, 2.01f, NAN, INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        e2str_error error = {""};
        e2str_read_options options = memory_options(0, 1);
        options.reject_below = bad[i];
        assert_int_equal(e2str_read(f.session, f.images, NULL, &options, result, &error), E2STR_ERROR_ARGUMENT);
        assert_non_null(strstr(error.message, "reject_below"));
        options = memory_options(0, 1);
        options.textless_from = bad[i];
        assert_int_equal(e2str_read(f.session, f.images, NULL, &options, result, &error), E2STR_ERROR_ARGUMENT);
        assert_non_null(strstr(error.message, "textless_from"));
    }
    e2str_result_free(result);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_formula),
        cmocka_unit_test(with_a_memory),
        cmocka_unit_test(without_calibration_it_is_the_score),
        cmocka_unit_test(rejection),
        cmocka_unit_test(where_there_is_no_text),
        cmocka_unit_test(options_out_of_range),
    };
    return cmocka_run_group_tests_name("confidence", tests, NULL, NULL);
}
