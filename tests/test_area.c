/* SPDX-License-Identifier: MIT */
/* Which part of a picture is read, and which way up: through the public calls, on a tiny random model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "tiny_model.h"

#define WIDTH  180
#define HEIGHT 60
#define N      4

typedef struct fixture {
    uint8_t *file;
    e2str_model *model;
    e2str_session *session;
    e2str_pool *pool;
    e2str_result *result, *other;
    uint8_t pixels[N][WIDTH * HEIGHT];
    e2str_image images[N];
} fixture;

/* Strokes in the middle of even paper, others in each picture. */
static void draw(uint8_t *pixels, uint32_t seed) {
    memset(pixels, 200, (size_t)WIDTH * HEIGHT);
    for (uint32_t x = 50; x < 120; x += 4) {
        seed = seed * 1664525u + 1013904223u;
        for (uint32_t y = 20; y < 22 + (seed >> 28); y++) memset(pixels + y * WIDTH + x, 30, 2);
    }
    for (uint32_t y = 20; y < 40; y++) memset(pixels + y * WIDTH + 50, 30, 2);
}

static fixture *open_fixture(bool trim, bool head) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    size_t size;
    f->file = tiny_model_build(&(tiny_model_options){.seed = 5, .trim = trim, .head = head, .positions = 40}, &size);
    e2str_error error = {0};
    e2str_session_options options;
    e2str_session_options_init(&options);
    options.threads = 2;
    if (e2str_model_open_memory(f->file, size, NULL, &f->model, &error) ||
        e2str_session_new(f->model, &options, &f->session, &error) ||
        e2str_pool_new(f->model, NULL, &f->pool, &error) || e2str_result_new(&f->result, &error) ||
        e2str_result_new(&f->other, &error))
        fail_msg("%s", error.message);
    for (uint32_t i = 0; i < N; i++) {
        draw(f->pixels[i], i + 1);
        f->images[i] = (e2str_image){
            .pixels = f->pixels[i], .width = WIDTH, .height = HEIGHT, .stride = WIDTH, .format = E2STR_GREY};
    }
    return f;
}

static int plain(void **state) { return *state = open_fixture(false, false), 0; }
static int trims(void **state) { return *state = open_fixture(true, false), 0; }
static int heads(void **state) { return *state = open_fixture(true, true), 0; }

static int tear_down(void **state) {
    fixture *f = *state;
    e2str_result_free(f->result);
    e2str_result_free(f->other);
    e2str_pool_free(f->pool);
    e2str_session_free(f->session);
    e2str_model_close(f->model);
    free(f->file);
    free(f);
    return 0;
}

static e2str_area area_of(const e2str_result *result) {
    e2str_area area;
    assert_int_equal(e2str_result_area(result, &area, NULL), E2STR_OK);
    return area;
}

static void read_image(fixture *f, const e2str_image *image, e2str_result *result) {
    e2str_error error = {0};
    if (e2str_read(f->session, image, NULL, NULL, result, &error)) fail_msg("%s", error.message);
}

static void assert_same(const e2str_result *a, const e2str_result *b) {
    assert_string_equal(e2str_result_text(a), e2str_result_text(b));
    assert_true(e2str_result_score(a) == e2str_result_score(b));
    assert_true(e2str_result_end_probability(a) == e2str_result_end_probability(b));
}

static void key_of(fixture *f, const e2str_image *image, float *key) {
    assert_int_equal(e2str_encode(f->session, image, 1, NULL, key, NULL), E2STR_OK);
}

static void whole_by_default(void **state) {
    fixture *f = *state;
    e2str_model_info info;
    e2str_model_info_init(&info);
    assert_int_equal(e2str_model_get_info(f->model, &info, NULL), E2STR_OK);
    assert_int_equal(info.trim, 0);
    e2str_area area = {0};
    assert_int_equal(e2str_result_area(f->result, &area, NULL), E2STR_ERROR_ARGUMENT);
    read_image(f, &f->images[0], f->result);
    area = area_of(f->result);
    assert_true(area.x == 0 && area.y == 0 && area.width == WIDTH && area.height == HEIGHT && area.rotate == 0);
    f->images[0].stride = 0;
    assert_int_equal(e2str_read(f->session, &f->images[0], NULL, NULL, f->result, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_result_area(f->result, &area, NULL), E2STR_ERROR_ARGUMENT);
}

/* A trimmed picture is read as a view of its area is, bit for bit; so it is encoded and added. */
static void trimmed_is_cropped(void **state) {
    fixture *f = *state;
    e2str_model_info info;
    e2str_model_info_init(&info);
    assert_int_equal(e2str_model_get_info(f->model, &info, NULL), E2STR_OK);
    assert_int_equal(info.trim, 1);
    for (uint32_t rotate = 0; rotate < 360; rotate += 90) {
        e2str_image image = f->images[1], crop = image, whole = image;
        image.rotate = crop.rotate = whole.rotate = rotate;
        read_image(f, &image, f->result);
        e2str_area area = area_of(f->result);
        assert_true(area.width < WIDTH);
        assert_int_equal(area.rotate, rotate);
        crop.pixels += area.y * WIDTH + area.x;
        crop.width = area.width;
        crop.height = area.height;
        crop.trim = whole.trim = E2STR_TRIM_NEVER;
        read_image(f, &crop, f->other);
        assert_same(f->result, f->other);
        read_image(f, &whole, f->other);
        assert_true(e2str_result_score(f->result) != e2str_result_score(f->other));

        float key[64], its[64];
        assert_true(f->model->vision.width <= 64);
        size_t bytes = f->model->vision.width * sizeof *key;
        uint64_t id;
        key_of(f, &image, key);
        key_of(f, &crop, its);
        assert_memory_equal(key, its, bytes);
        assert_int_equal(e2str_pool_add(f->pool, f->session, &image, "abc", 3, &id, NULL), E2STR_OK);
        assert_int_equal(e2str_pool_key(f->pool, id, its, NULL), E2STR_OK);
        assert_memory_equal(key, its, bytes);
    }
}

/* The best of the four by score, of equals the one tried first. */
static void auto_is_the_best(void **state) {
    fixture *f = *state;
    static const uint32_t order[] = {0, 180, 90, 270};
    for (int i = 0; i < N; i++) {
        e2str_image image = f->images[i];
        float best = -1.0f;
        uint32_t rotate = 0;
        for (int turn = 0; turn < 4; turn++) {
            image.rotate = order[turn];
            read_image(f, &image, f->other);
            float score = e2str_result_score(f->other);
            assert_true(score < 0.98f); /* a random model is not sure of anything: all four are tried */
            if (score > best) best = score, rotate = order[turn];
        }
        image.rotate = rotate;
        read_image(f, &image, f->other);
        image.rotate = E2STR_ROTATE_AUTO;
        read_image(f, &image, f->result);
        assert_same(f->result, f->other);
        assert_int_equal(area_of(f->result).rotate, rotate);
    }
}

static void read_by_rules(fixture *f, const e2str_image *image, const e2str_constraint_options *rules,
                          e2str_result *result) {
    e2str_read_options options;
    e2str_read_options_init(&options);
    e2str_constraint *constraint;
    assert_int_equal(e2str_constraint_new(rules, &constraint, NULL), E2STR_OK);
    options.constraint = constraint;
    assert_int_equal(e2str_read(f->session, image, NULL, &options, result, NULL), E2STR_OK);
    e2str_constraint_free(constraint);
}

/* Rules have no say in which way is up, though another way may fit them with a better score. */
static void auto_by_rules(void **state) {
    fixture *f = *state;
    e2str_constraint_options rules;
    e2str_constraint_options_init(&rules);
    rules.pattern = "[a-c]{3}";
    int tempting = 0;
    for (int i = 0; i < N; i++) {
        e2str_image image = f->images[i];
        image.rotate = E2STR_ROTATE_AUTO;
        read_image(f, &image, f->other);
        image.rotate = area_of(f->other).rotate;
        read_by_rules(f, &image, &rules, f->other);
        image.rotate = E2STR_ROTATE_AUTO;
        read_by_rules(f, &image, &rules, f->result);
        assert_same(f->result, f->other);
        assert_int_equal(area_of(f->result).rotate, area_of(f->other).rotate);
        for (image.rotate = 0; image.rotate < 360; image.rotate += 90) {
            read_by_rules(f, &image, &rules, f->other);
            tempting += e2str_result_score(f->other) > e2str_result_score(f->result);
        }
    }
    assert_true(tempting > 0);
}

/* With rules, too, a picture that lies as its view says reads the same beside one that has to be turned. */
static void rules_in_a_batch(void **state) {
    fixture *f = *state;
    e2str_constraint_options rules;
    e2str_constraint_options_init(&rules);
    rules.pattern = "[a-c]{3}";
    e2str_image images[2] = {f->images[0], f->images[1]};
    images[0].rotate = 90;
    images[1].rotate = E2STR_ROTATE_AUTO;
    e2str_read_options options;
    e2str_read_options_init(&options);
    e2str_constraint *constraint;
    assert_int_equal(e2str_constraint_new(&rules, &constraint, NULL), E2STR_OK);
    options.constraint = constraint;
    e2str_result *results[2] = {f->result, f->other}, *alone;
    assert_int_equal(e2str_result_new(&alone, NULL), E2STR_OK);
    assert_int_equal(e2str_read_batch(f->session, images, 2, NULL, &options, results, NULL), E2STR_OK);
    for (int i = 0; i < 2; i++) {
        read_by_rules(f, &images[i], &rules, alone);
        assert_same(results[i], alone);
        assert_int_equal(area_of(results[i]).rotate, area_of(alone).rotate);
    }
    assert_int_equal(area_of(results[0]).rotate, 90);
    e2str_result_free(alone);
    e2str_constraint_free(constraint);
}

/* Boxes of characters are those of the cropped picture, moved to where it lies. */
static void boxes_lie_in_the_area(void **state) {
    fixture *f = *state;
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.places = 1;
    for (uint32_t rotate = 0; rotate < 360; rotate += 90) {
        e2str_image image = f->images[1], crop = image;
        image.rotate = crop.rotate = rotate;
        crop.trim = E2STR_TRIM_NEVER;
        assert_int_equal(e2str_read(f->session, &image, NULL, &options, f->result, NULL), E2STR_OK);
        e2str_area area = area_of(f->result);
        assert_true(area.x > 0 || area.y > 0);
        crop.pixels += area.y * WIDTH + area.x;
        crop.width = area.width;
        crop.height = area.height;
        assert_int_equal(e2str_read(f->session, &crop, NULL, &options, f->other, NULL), E2STR_OK);
        size_t n = e2str_result_characters(f->result);
        assert_true(n > 0 && n == e2str_result_characters(f->other));
        for (size_t i = 0; i < n; i++) {
            e2str_box box, its;
            assert_int_equal(e2str_result_box(f->result, i, &box, NULL), E2STR_OK);
            assert_int_equal(e2str_result_box(f->other, i, &its, NULL), E2STR_OK);
            assert_float_equal(box.left - its.left, area.x, 1e-3);
            assert_float_equal(box.right - its.right, area.x, 1e-3);
            assert_float_equal(box.top - its.top, area.y, 1e-3);
            assert_float_equal(box.bottom - its.bottom, area.y, 1e-3);
        }
    }
}

/* The same bits alone and among others, known and unknown, over two threads. */
static void auto_in_a_batch(void **state) {
    fixture *f = *state;
    e2str_image images[2 * N];
    e2str_result *results[2 * N];
    for (int i = 0; i < 2 * N; i++) {
        images[i] = f->images[i % N];
        images[i].rotate = i % 3 ? E2STR_ROTATE_AUTO : 90;
        assert_int_equal(e2str_result_new(&results[i], NULL), E2STR_OK);
    }
    assert_int_equal(e2str_read_batch(f->session, images, 2 * N, NULL, NULL, results, NULL), E2STR_OK);
    for (int i = 0; i < 2 * N; i++) {
        read_image(f, &images[i], f->result);
        assert_same(f->result, results[i]);
        assert_int_equal(area_of(f->result).rotate, area_of(results[i]).rotate);
        e2str_result_free(results[i]);
    }
}

/* An example is turned as the read that is nearest to its label was. */
static void auto_by_label(void **state) {
    fixture *f = *state;
    char texts[4][256];
    e2str_image image = f->images[2];
    float key[64], its[64];
    size_t bytes = f->model->vision.width * sizeof *key;
    for (uint32_t i = 0; i < 4; i++) {
        image.rotate = 90 * i;
        read_image(f, &image, f->result);
        snprintf(texts[i], sizeof texts[i], "%.16s", e2str_result_text(f->result)); /* a label has to fit */
    }
    int checked = 0;
    for (uint32_t i = 0; i < 4; i++) {
        bool alone = texts[i][0] != 0;
        for (uint32_t j = 0; j < 4; j++) alone = alone && (i == j || strcmp(texts[i], texts[j]) != 0);
        if (!alone) continue;
        uint64_t id;
        image.rotate = E2STR_ROTATE_AUTO;
        e2str_error error = {0};
        if (e2str_pool_add(f->pool, f->session, &image, texts[i], SIZE_MAX, &id, &error)) fail_msg("%s", error.message);
        image.rotate = 90 * i;
        key_of(f, &image, key);
        assert_int_equal(e2str_pool_key(f->pool, id, its, NULL), E2STR_OK);
        assert_memory_equal(key, its, bytes);
        checked++;
    }
    assert_true(checked >= 2);
}

static void refused(void **state) {
    fixture *f = *state;
    e2str_error error = {0};
    float key[64];
    f->images[0].rotate = E2STR_ROTATE_AUTO;
    assert_int_equal(e2str_encode(f->session, f->images, 1, NULL, key, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "E2STR_ROTATE_AUTO"));
    f->images[0].rotate = 360;
    assert_int_equal(e2str_read(f->session, f->images, NULL, NULL, f->result, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "image.rotate is 360"));
    f->images[0].rotate = E2STR_ROTATE_AUTO;
    f->images[0].width = 0;
    assert_int_equal(e2str_read(f->session, f->images, NULL, NULL, f->result, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "image.width"));
}

int main(void) {
#define TEST(name, set_up) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(whole_by_default, plain), TEST(trimmed_is_cropped, trims),
        TEST(auto_is_the_best, plain), TEST(auto_is_the_best, trims),
        TEST(auto_in_a_batch, trims),  TEST(auto_by_label, plain),
        TEST(refused, plain),          TEST(auto_by_rules, plain),
        TEST(rules_in_a_batch, plain), TEST(boxes_lie_in_the_area, heads),
    };
    return cmocka_run_group_tests_name("area", tests, NULL, NULL);
}
