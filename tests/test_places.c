/* SPDX-License-Identifier: MIT */
/* Where characters lie: the alignment against a search through all of them, boxes of reads, what a head cannot say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "head.h"
#include "memory_fixture.h"

#define MOST_CHARACTERS 48
#define MOST_COLUMNS    40

static float random_evidence(uint32_t *state) {
    return (float)(fixture_random(state) % 2001) / 100.0f - 10.0f; /* -10 .. 10 */
}

/* The evidence at the middle of part `step` of the columns, as places.h promises it: written anew. */
static double evidence_at(const float *row, size_t columns, size_t parts, size_t step) {
    double x = ((double)step + 0.5) / (double)parts - 0.5;
    double at = x < 0 ? 0 : x > (double)(columns - 1) ? (double)(columns - 1) : x;
    size_t left = (size_t)at < columns - 1 ? (size_t)at : columns - 1, right = left + 1 < columns ? left + 1 : left;
    return row[left] + (at - (double)left) * (row[right] - row[left]);
}

/* The best sum of all ways to give characters i.. disjoint runs of parts, in order, from part `first` on. */
static double best_of_all(const float *evidence, size_t n, size_t columns, size_t parts, size_t i, size_t first) {
    double best = -INFINITY;
    if (i == n) return 0.0;
    for (size_t begin = first; begin < columns * parts; begin++) {
        double sum = 0.0;
        for (size_t end = begin + 1; end <= columns * parts; end++) {
            sum += evidence_at(evidence + i * columns, columns, parts, end - 1);
            double rest = best_of_all(evidence, n, columns, parts, i + 1, end);
            if (sum + rest > best) best = sum + rest;
        }
    }
    return best;
}

static double sum_of_spans(const float *evidence, size_t n, size_t columns, size_t parts, const e2_span *spans) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        for (size_t step = 0; step < columns * parts; step++) {
            double middle = ((double)step + 0.5) / (double)(columns * parts);
            if (middle > spans[i].from && middle < spans[i].to)
                sum += evidence_at(evidence + i * columns, columns, parts, step);
        }
    return sum;
}

static void the_best_of_all_alignments(void **state) {
    (void)state;
    e2_arena arena = {0};
    uint32_t seed = 1;
    for (size_t round = 0; round < 60; round++) {
        size_t n = 1 + round % 3, columns = n == 3 ? 2 : 1 + round / 3 % 3;
        float evidence[3 * 3];
        const uint32_t ids[3] = {7, 8, 9}; /* equal ones share their span: another sum */
        e2_span spans[3];
        for (size_t i = 0; i < n * columns; i++) evidence[i] = random_evidence(&seed);
        assert_true(e2_place_text(&arena, ids, evidence, n, columns, spans));
        double found = sum_of_spans(evidence, n, columns, E2_PLACE_PARTS, spans);
        double best = best_of_all(evidence, n, columns, E2_PLACE_PARTS, 0, 0);
        if (fabs(found - best) > 1e-4) fail_msg("round %zu: sum %g, best %g", round, found, best);
    }
    e2_arena_free(&arena);
}

static void spans_stand_in_order(void **state) {
    (void)state;
    e2_arena arena = {0};
    uint32_t seed = 2, ids[MOST_CHARACTERS];
    float *evidence = tiny_checked(malloc(MOST_CHARACTERS * MOST_COLUMNS * sizeof *evidence));
    e2_span spans[MOST_CHARACTERS];
    for (size_t round = 0; round < 300; round++) {
        size_t n = 1 + fixture_random(&seed) % MOST_CHARACTERS, columns = 1 + fixture_random(&seed) % MOST_COLUMNS;
        for (size_t i = 0; i < n; i++) ids[i] = fixture_random(&seed) % 3;
        for (size_t i = 0; i < n * columns; i++) evidence[i] = round % 7 ? random_evidence(&seed) : 0.0f;
        assert_true(e2_place_text(&arena, ids, evidence, n, columns, spans));
        for (size_t i = 0; i < n; i++) {
            assert_true(spans[i].from >= 0 && spans[i].from < spans[i].to && spans[i].to <= 1);
            assert_true(i == 0 || spans[i].from >= spans[i - 1].to);
            assert_true(spans[i].evidence >= -10 && spans[i].evidence <= 10);
        }
    }
    free(evidence);
    e2_arena_free(&arena);
}

static void assert_near(float found, double expected) {
    if (fabs((double)found - expected) > 1e-6) fail_msg("%g is not %g", (double)found, expected);
}

/* A character where the evidence is above 0; its edges where the line between two columns crosses 0. */
static void edges_lie_between_columns(void **state) {
    (void)state;
    e2_arena arena = {0};
    const float one[8] = {-4, -4, 4, 4, 4, -12, -4, -4};
    const uint32_t id = 5;
    e2_span span;
    assert_true(e2_place_text(&arena, &id, one, 1, 8, &span));
    assert_near(span.from, 2.0 / 8);
    assert_near(span.to, 4.75 / 8); /* a quarter of the way from the middle of column 4 to that of column 5 */
    assert_near(span.evidence, 4);
    const uint32_t same[4] = {5, 5, 5, 6};
    const float touching[4][8] = {{1, 1, 1, 1, 1, 1, -9, -9},
                                  {1, 1, 1, 1, 1, 1, -9, -9},
                                  {1, 1, 1, 1, 1, 1, -9, -9},
                                  {-9, -9, -9, -9, -9, -9, 9, 9}};
    e2_span spans[4];
    assert_true(e2_place_text(&arena, same, touching[0], 4, 8, spans));
    for (int i = 0; i < 3; i++) { /* three equal ones without a gap share evenly */
        assert_near(spans[i].from, (double)i * spans[2].to / 3);
        assert_near(spans[i].to, (double)(i + 1) * spans[2].to / 3);
    }
    assert_true(spans[3].from >= spans[2].to);
    const float apart[2][8] = {{5, 5, 5, -5, -5, 5, 5, 5}, {5, 5, 5, -5, -5, 5, 5, 5}};
    assert_true(e2_place_text(&arena, same, apart[0], 2, 8, spans));
    assert_near(spans[0].to, 3.0 / 8); /* with one they do not */
    assert_near(spans[1].from, 5.0 / 8);
    e2_arena_free(&arena);
}

/* ---- reads ---- */

static int set_up(void **state) {
    fixture *f = tiny_checked(malloc(sizeof *f));
    *state = f;
    return fixture_open(f, &(tiny_model_options){.head = true, .memory = true});
}

static int tear_down(void **state) {
    fixture_close(*state);
    free(*state);
    return 0;
}

static e2str_read_options with_places(void) {
    e2str_read_options options = memory_options(0, 1);
    options.places = 1;
    return options;
}

static e2str_box box_at(const e2str_result *result, size_t index) {
    e2str_box box;
    e2str_error error = {""};
    if (e2str_result_box(result, index, &box, &error)) fail_msg("%s", error.message);
    return box;
}

/* The head's evidence is what its matrix says of the tokens that e2str_encode gives. */
static void evidence_is_the_heads(void **state) {
    const fixture *f = *state;
    const e2_vision *vision = &f->model->vision;
    size_t width = vision->width, rows = vision->grid_height, columns = vision->grid_width;
    float *tokens = tiny_checked(malloc(rows * columns * width * sizeof *tokens)), evidence[3][64];
    const uint32_t ids[3] = {10, 20, 10};
    assert_true(columns <= 64);
    assert_int_equal(e2str_encode(f->session, &f->images[0], 1, tokens, NULL, NULL), E2STR_OK);
    float *packed = tiny_checked(malloc(3 * columns * sizeof *packed));
    assert_true(e2_head_evidence(&f->session->compute, tokens, rows, columns, ids, 3, packed));
    for (size_t i = 0; i < 3; i++)
        for (size_t c = 0; c < columns; c++) {
            double most = -INFINITY;
            for (size_t r = 0; r < rows; r++) {
                const float *token = tokens + (r * columns + c) * width;
                double sum = f->model->head.bias[ids[i]] - f->model->head.bias[0];
                for (size_t k = 0; k < width; k++)
                    sum += (f->model->head.weight[ids[i] * width + k] - f->model->head.weight[k]) * (double)token[k];
                most = fmax(most, sum);
            }
            evidence[i][c] = packed[i * columns + c];
            if (fabs(evidence[i][c] - most) > 1e-3)
                fail_msg("%zu, %zu: %g, not %g", i, c, (double)evidence[i][c], most);
        }
    free(packed);
    free(tokens);
}

static void boxes_of_a_read(void **state) {
    const fixture *f = *state;
    e2str_read_options options = with_places();
    e2str_result *result = memory_result(), *plain = memory_result();
    size_t characters = 0;
    for (size_t image = 0; image < FIXTURE_IMAGES; image++) {
        memory_read(f, image, NULL, &options, result);
        size_t n = e2str_result_characters(result);
        float before = 0;
        for (size_t i = 0; i < n; i++) {
            e2str_box box = box_at(result, i);
            assert_true(box.left >= before && box.right > box.left && box.right <= FIXTURE_WIDTH);
            assert_true(box.top == 0 && box.bottom == FIXTURE_HEIGHT);
            before = box.right;
        }
        characters += n;
        e2str_read_options without = memory_options(0, 1); /* places change nothing else */
        memory_read(f, image, NULL, &without, plain);
        assert_string_equal(e2str_result_text(plain), e2str_result_text(result));
        assert_true(e2str_result_score(plain) == e2str_result_score(result));
        if (n) assert_int_equal(e2str_result_box(plain, 0, &(e2str_box){0}, NULL), E2STR_ERROR_NOT_FOUND);
        assert_int_equal(e2str_result_box(result, n, &(e2str_box){0}, NULL), E2STR_ERROR_ARGUMENT);
        if (n) assert_int_equal(e2str_result_box(result, 0, NULL, NULL), E2STR_ERROR_ARGUMENT);
    }
    assert_true(characters > FIXTURE_IMAGES);
    options.max_tokens = 1; /* truncated, or empty */
    memory_read(f, 0, NULL, &options, result);
    assert_true(e2str_result_characters(result) <= 1);
    if (e2str_result_characters(result)) assert_true(box_at(result, 0).right > box_at(result, 0).left);
    e2str_result_free(plain);
    e2str_result_free(result);
}

/* The same picture stored in another direction: the boxes turn with it. */
static void boxes_turn_with_the_picture(void **state) {
    const fixture *f = *state;
    e2str_read_options options = with_places();
    e2str_result *upright = memory_result(), *result = memory_result();
    memory_read(f, 1, NULL, &options, upright);
    size_t n = e2str_result_characters(upright), w = FIXTURE_WIDTH, h = FIXTURE_HEIGHT;
    assert_true(n > 1);
    for (uint32_t rotate = 90; rotate < 360; rotate += 90) {
        uint8_t stored[FIXTURE_WIDTH * FIXTURE_HEIGHT];
        bool turned = rotate != 180;
        size_t width = turned ? h : w, height = turned ? w : h;
        for (size_t y = 0; y < height; y++)
            for (size_t x = 0; x < width; x++) { /* where `rotate` takes the stored pixel */
                size_t to_x = rotate == 90 ? height - 1 - y : rotate == 180 ? width - 1 - x : y;
                size_t to_y = rotate == 90 ? x : rotate == 180 ? height - 1 - y : width - 1 - x;
                stored[y * width + x] = f->pixels[1][to_y * w + to_x];
            }
        e2str_image image = {stored, (uint32_t)width,    (uint32_t)height, (ptrdiff_t)width, E2STR_GREY, rotate,
                             NULL,   E2STR_TRIM_OF_MODEL};
        assert_int_equal(e2str_read(f->session, &image, NULL, &options, result, NULL), E2STR_OK);
        assert_string_equal(e2str_result_text(result), e2str_result_text(upright));
        for (size_t i = 0; i < n; i++) {
            e2str_box a = box_at(upright, i), b = box_at(result, i);
            float begin = rotate == 90 ? (float)w - b.bottom : rotate == 180 ? (float)w - b.right : b.top;
            float end = rotate == 90 ? (float)w - b.top : rotate == 180 ? (float)w - b.left : b.bottom;
            assert_true(fabsf(begin - a.left) < 1e-4f && fabsf(end - a.right) < 1e-4f);
            if (turned) assert_true(b.left == 0 && b.right == (float)h);
            if (!turned) assert_true(b.top == 0 && b.bottom == (float)h);
        }
    }
    e2str_result_free(result);
    e2str_result_free(upright);
}

static void a_batch_finds_the_same(void **state) {
    const fixture *f = *state;
    e2str_read_options options = with_places();
    e2str_result *results[FIXTURE_IMAGES], *one = memory_result();
    e2str_session *session;
    e2str_session_options threads;
    e2str_session_options_init(&threads);
    threads.threads = 3;
    assert_int_equal(e2str_session_new(f->model, &threads, &session, NULL), E2STR_OK);
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) results[i] = memory_result();
    for (options.beams = 1; options.beams <= 3; options.beams += 2) {
        assert_int_equal(e2str_read_batch(session, f->images, FIXTURE_IMAGES, NULL, &options, results, NULL), E2STR_OK);
        for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
            memory_read(f, i, NULL, &options, one);
            assert_same(one, results[i]);
        }
    }
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) e2str_result_free(results[i]);
    e2str_result_free(one);
    e2str_session_free(session);
}

/* Characters that the model has no token for are looked for as what they look like. */
static void new_characters_have_places(void **state) {
    const fixture *f = *state;
    e2str_pool *pool = memory_pool(f);
    e2str_read_options options = with_places();
    e2str_result *result = memory_result();
    for (size_t i = 0; i < 12; i++) memory_add(f, pool, i, "\xCE\xA9\xCE\xA9");
    memory_learn_with(f->session, pool, 4.0f);
    options.memory_everywhere = 1;
    size_t found = 0;
    for (size_t i = 0; i < 12; i++) {
        memory_read(f, i, pool, &options, result);
        const uint32_t *tokens;
        size_t n = e2str_result_tokens(result, &tokens);
        for (size_t j = 0; j < n; j++) found += tokens[j] >= f->model->decoder.vocabulary;
        for (size_t j = 0; j < e2str_result_characters(result); j++)
            assert_true(box_at(result, j).right > box_at(result, j).left);
    }
    assert_true(found > 0);
    e2str_result_free(result);
    e2str_pool_free(pool);
}

/* A token of several characters shares its room among them. */
static void characters_of_one_token(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(fixture_open(&f, &(tiny_model_options){.head = true, .bpe = true, .alphabet = "01abc", .seed = 3}),
                     0);
    e2str_read_options options = with_places();
    e2str_result *result = memory_result();
    size_t shared = 0;
    for (size_t image = 0; image < FIXTURE_IMAGES; image++) {
        memory_read(&f, image, NULL, &options, result);
        const e2_result_character *all = result->characters.data;
        for (size_t i = 1; i < result->characters.count; i++) {
            e2str_box a = box_at(result, i - 1), b = box_at(result, i);
            assert_true(b.left >= a.right && b.right > b.left);
            if (all[i].first_token != all[i - 1].first_token) continue;
            shared++;
            assert_true(fabsf((b.right - b.left) - (a.right - a.left)) < 1e-3f && b.left == a.right);
        }
    }
    assert_true(shared > 0);
    e2str_result_free(result);
    fixture_close(&f);
}

static void without_a_head(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(fixture_open(&f, NULL), 0);
    e2str_read_options options = with_places();
    e2str_result *result = memory_result();
    e2str_error error = {""};
    assert_int_equal(e2str_read(f.session, &f.images[0], NULL, &options, result, &error), E2STR_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "patch head"));
    options.places = 2;
    assert_int_equal(e2str_read(f.session, &f.images[0], NULL, &options, result, &error), E2STR_ERROR_ARGUMENT);
    e2str_model_info info;
    e2str_model_info_init(&info);
    assert_int_equal(e2str_model_get_info(f.model, &info, NULL), E2STR_OK);
    assert_int_equal(info.places, 0);
    e2str_result_free(result);
    fixture_close(&f);
    size_t size; /* a resampler leaves nothing for it to look at */
    uint8_t *file = tiny_model_build(&(tiny_model_options){.head = true, .resampler_layers = 1}, &size);
    e2str_model *model;
    assert_int_equal(e2str_model_open_memory(file, size, NULL, &model, &error), E2STR_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "vision.head.weight"));
    free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_of_all_alignments),
        cmocka_unit_test(spans_stand_in_order),
        cmocka_unit_test(edges_lie_between_columns),
        cmocka_unit_test_setup_teardown(evidence_is_the_heads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(boxes_of_a_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(boxes_turn_with_the_picture, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_batch_finds_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(new_characters_have_places, set_up, tear_down),
        cmocka_unit_test(characters_of_one_token),
        cmocka_unit_test(without_a_head),
    };
    return cmocka_run_group_tests_name("places", tests, NULL, NULL);
}
