/* SPDX-License-Identifier: MIT */
/* Reading through the public calls: what the header promises, on a tiny random model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "result.h"
#include "tiny_model.h"

#define WIDTH  96
#define HEIGHT 24

typedef struct fixture {
    uint8_t *file;
    e2str_model *model;
    e2str_session *session;
    e2str_pool *pool;
    e2str_result *result, *other;
    uint8_t pixels[8][WIDTH * HEIGHT * 3];
    e2str_image images[8];
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    size_t size;
    f->file = tiny_model_build(&(tiny_model_options){.seed = 3, .class_token = true}, &size);
    e2str_error error = {0};
    if (e2str_model_open_memory(f->file, size, NULL, &f->model, &error) ||
        e2str_session_new(f->model, NULL, &f->session, &error) || e2str_pool_new(f->model, NULL, &f->pool, &error) ||
        e2str_result_new(&f->result, &error) || e2str_result_new(&f->other, &error))
        fail_msg("%s", error.message);
    uint32_t seed = 1;
    for (int i = 0; i < 8; i++) {
        for (size_t j = 0; j < sizeof f->pixels[i]; j++) {
            seed = seed * 1664525u + 1013904223u;
            f->pixels[i][j] = (uint8_t)((seed >> 27) + (uint32_t)i * 28);
        }
        f->images[i] = (e2str_image){f->pixels[i], WIDTH, HEIGHT, WIDTH * 3, E2STR_RGB, 0, NULL, E2STR_TRIM_OF_MODEL};
    }
    *state = f;
    return 0;
}

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

static uint64_t add(fixture *f, int image, const char *label) {
    uint64_t id = 0;
    e2str_error error = {0};
    if (e2str_pool_add(f->pool, f->session, &f->images[image], label, SIZE_MAX, &id, &error))
        fail_msg("%s", error.message);
    return id;
}

static e2str_read_options options(uint32_t beams, uint32_t alternatives) {
    e2str_read_options o;
    e2str_read_options_init(&o);
    o.beams = beams;
    o.alternatives = alternatives;
    return o;
}

static void read_into(fixture *f, e2str_result *result, int image, const e2str_pool *pool,
                      const e2str_read_options *o) {
    e2str_error error = {0};
    if (e2str_read(f->session, &f->images[image], pool, o, result, &error)) fail_msg("%s", error.message);
}

/* Bit for bit, the examples apart. */
static void assert_same(const e2str_result *a, const e2str_result *b) {
    assert_string_equal(e2str_result_text(a), e2str_result_text(b));
    assert_true(e2str_result_score(a) == e2str_result_score(b));
    assert_true(e2str_result_end_probability(a) == e2str_result_end_probability(b));
    assert_int_equal(e2str_result_truncated(a), e2str_result_truncated(b));
    assert_int_equal(e2str_result_characters(a), e2str_result_characters(b));
    for (size_t i = 0; i < e2str_result_characters(a); i++) {
        e2str_character x, y;
        assert_int_equal(e2str_result_character(a, i, &x, NULL), E2STR_OK);
        assert_int_equal(e2str_result_character(b, i, &y, NULL), E2STR_OK);
        assert_true(x.offset == y.offset && x.length == y.length && x.probability == y.probability);
    }
}

static void empty_pool_is_no_pool(void **state) {
    fixture *f = *state;
    for (uint32_t beams = 1; beams <= 4; beams += 3) {
        e2str_read_options o = options(beams, 0);
        read_into(f, f->result, 0, NULL, &o);
        read_into(f, f->other, 0, f->pool, &o);
        assert_same(f->result, f->other);
        uint64_t id = add(f, 1, "abc");
        read_into(f, f->other, 0, f->pool, &o);
        assert_int_equal(e2str_result_examples(f->other), 1);
        assert_true(e2str_result_score(f->other) != e2str_result_score(f->result));
        assert_int_equal(e2str_pool_remove(f->pool, id, NULL), E2STR_OK);
        read_into(f, f->other, 0, f->pool, &o);
        assert_same(f->result, f->other);
        assert_int_equal(e2str_result_examples(f->other), 0);
    }
}

static void batch_is_single(void **state) {
    fixture *f = *state;
    add(f, 6, "one");
    add(f, 7, "two");
    e2str_result *results[8];
    for (int i = 0; i < 8; i++) assert_int_equal(e2str_result_new(&results[i], NULL), E2STR_OK);
    e2str_read_options o = options(3, 2);
    assert_int_equal(e2str_read_batch(f->session, f->images, 8, f->pool, &o, results, NULL), E2STR_OK);
    for (int i = 0; i < 8; i++) {
        read_into(f, f->result, i, f->pool, &o);
        assert_same(f->result, results[i]);
        assert_int_equal(e2str_result_examples(results[i]), 2);
    }
    for (int i = 0; i < 8; i++) e2str_result_free(results[i]);
    assert_int_equal(e2str_read_batch(f->session, NULL, 0, NULL, NULL, NULL, NULL), E2STR_OK);
}

static void batch_names_the_bad_image(void **state) {
    fixture *f = *state;
    e2str_result *results[2] = {f->result, f->other};
    read_into(f, f->result, 0, NULL, NULL);
    e2str_image images[2] = {f->images[0], f->images[1]};
    images[1].stride = 5;
    e2str_error error = {0};
    assert_int_equal(e2str_read_batch(f->session, images, 2, NULL, NULL, results, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "image 1"));
    assert_int_equal(e2str_result_characters(f->result), 0);
    assert_string_equal(e2str_result_text(f->result), "");
}

static void examples_are_reported(void **state) {
    fixture *f = *state;
    uint64_t ids[3] = {add(f, 1, "a"), add(f, 2, "b"), add(f, 1, "c")}, id;
    float similarity, former = 2.0f;
    e2str_read_options o = options(1, 0);
    o.k = 3;
    read_into(f, f->result, 1, f->pool, &o);
    assert_int_equal(e2str_result_examples(f->result), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(e2str_result_example(f->result, i, &id, &similarity, NULL), E2STR_OK);
        assert_true(similarity <= former);
        former = similarity;
        if (i == 0) assert_true(id == ids[0] && fabsf(similarity - 1.0f) < 1e-5f);
        if (i == 1) assert_true(id == ids[2]); /* as similar: the lower id first */
    }
    assert_int_equal(e2str_result_example(f->result, 3, &id, &similarity, NULL), E2STR_ERROR_ARGUMENT);
    uint64_t chosen[2] = {ids[1], ids[0]};
    o.examples = chosen;
    o.n_examples = 2;
    read_into(f, f->result, 1, f->pool, &o);
    assert_int_equal(e2str_result_examples(f->result), 2);
    assert_int_equal(e2str_result_example(f->result, 0, &id, &similarity, NULL), E2STR_OK);
    assert_int_equal(id, ids[1]);
    assert_int_equal(e2str_result_example(f->result, 1, &id, &similarity, NULL), E2STR_OK);
    assert_true(id == ids[0] && fabsf(similarity - 1.0f) < 1e-5f);
    o.n_examples = 0;
    o.min_similarity = 0.99999f;
    read_into(f, f->result, 1, f->pool, &o);
    assert_int_equal(e2str_result_examples(f->result), 2); /* the example of image 2 is below the floor */
    o.k = 0;
    read_into(f, f->result, 1, f->pool, &o);
    assert_int_equal(e2str_result_examples(f->result), 0);
    chosen[1] = 99;
    o.n_examples = 2;
    e2str_error error = {0};
    assert_int_equal(e2str_read(f->session, &f->images[1], f->pool, &o, f->result, &error), E2STR_ERROR_NOT_FOUND);
    assert_non_null(strstr(error.message, "99"));
    assert_int_equal(e2str_result_examples(f->result), 0);
}

/* Special tokens write no character but count for the score: then the numbers cannot be compared here. */
static bool wrote_special(const e2str_result *result, size_t n) { return e2str_result_truncated(result) && n < 48; }

/* With one token per character the numbers of a result are tied to each other. */
static void probabilities_agree(void **state) {
    fixture *f = *state;
    size_t read = 0;
    for (int image = 0; image < 8; image++) {
        e2str_read_options o = options(1, 5);
        read_into(f, f->result, image, NULL, &o);
        size_t n = e2str_result_characters(f->result), at = 0;
        const uint32_t *tokens;
        assert_int_equal(e2str_result_tokens(f->result, &tokens), n);
        if (n == 0 || wrote_special(f->result, n)) continue;
        double sum = 0.0;
        for (size_t i = 0; i < n; i++) {
            e2str_character c;
            assert_int_equal(e2str_result_character(f->result, i, &c, NULL), E2STR_OK);
            assert_true(c.offset == at && c.length == 1 && c.probability > 0.0f && c.probability <= 1.0f);
            at += c.length;
            sum += log(c.probability);
            assert_int_equal(e2str_result_alternatives(f->result, i), 5);
            const char *text;
            float p, former = 1.0f, total = 0.0f;
            for (size_t j = 0; j < 5; j++, former = p, total += p) {
                assert_int_equal(e2str_result_alternative(f->result, i, j, &text, &p, NULL), E2STR_OK);
                assert_true(p <= former);
                if (j == 0) { /* greedy writes the likeliest */
                    assert_int_equal(strncmp(text, e2str_result_text(f->result) + c.offset, 1), 0);
                    assert_true(fabsf(p - c.probability) < 1e-5f);
                }
            }
            assert_true(total <= 1.0001f);
            assert_int_equal(e2str_result_alternative(f->result, i, 5, &text, &p, NULL), E2STR_ERROR_ARGUMENT);
        }
        assert_int_equal(at, e2str_result_text_size(f->result));
        if (!e2str_result_truncated(f->result)) sum += log(e2str_result_end_probability(f->result));
        double expected = exp(sum / (double)(n + !e2str_result_truncated(f->result)));
        assert_true(fabs(expected - e2str_result_score(f->result)) < 1e-5);
        read++;
    }
    assert_true(read > 0);
}

static void limits(void **state) {
    fixture *f = *state;
    e2str_read_options o = options(1, 0);
    o.max_tokens = 1;
    read_into(f, f->result, 0, NULL, &o);
    assert_true(e2str_result_characters(f->result) <= 1);
    assert_int_equal(e2str_result_truncated(f->result), e2str_result_end_probability(f->result) == 0.0f);
    o.max_tokens = UINT32_MAX;
    read_into(f, f->result, 0, NULL, &o);
    o.beams = 16;
    read_into(f, f->result, 0, NULL, &o);
    for (int i = 0; i < 4; i++) add(f, i, "abcdefghijklmnopqr");
    o.k = 4; /* 2 + 4 * 20 tokens, 64 positions */
    e2str_error error = {0};
    assert_int_equal(e2str_read(f->session, &f->images[0], f->pool, &o, f->result, &error), E2STR_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "64"));
}

static void bad_options(void **state) {
    fixture *f = *state;
    e2str_read_options good = options(1, 0), o;
    e2str_error error;
#define REFUSED(change)                                                                                                \
    do {                                                                                                               \
        o = good;                                                                                                      \
        change;                                                                                                        \
        error.message[0] = 0;                                                                                          \
        assert_int_equal(e2str_read(f->session, f->images, f->pool, &o, f->result, &error), E2STR_ERROR_ARGUMENT);     \
        assert_true(error.message[0] != 0);                                                                            \
    } while (0)
    REFUSED(o.size = 0);
    REFUSED(o.size = 3);
    REFUSED(o.k = 65);
    REFUSED(o.min_similarity = NAN);
    REFUSED(o.min_similarity = 1.5f);
    REFUSED(o.beams = 0);
    REFUSED(o.beams = 17);
    REFUSED(o.max_tokens = 0);
    REFUSED(o.alternatives = 9);
    REFUSED(o.clean_up = 2);
    REFUSED(o.n_examples = 1);
    struct {
        e2str_read_options known;
        uint64_t future;
    } longer = {good, 1};
    longer.known.size = sizeof longer;
    assert_int_equal(e2str_read(f->session, f->images, NULL, &longer.known, f->result, NULL), E2STR_ERROR_UNSUPPORTED);
    longer.future = 0;
    assert_int_equal(e2str_read(f->session, f->images, NULL, &longer.known, f->result, NULL), E2STR_OK);
    assert_int_equal(e2str_read(NULL, f->images, NULL, NULL, f->result, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_read(f->session, NULL, NULL, NULL, f->result, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_read(f->session, f->images, NULL, NULL, NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_encode(f->session, NULL, 1, NULL, NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_session_new(NULL, NULL, &(e2str_session *){NULL}, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_session_new(f->model, NULL, NULL, NULL), E2STR_ERROR_ARGUMENT);
}

static void another_models_pool(void **state) {
    fixture *f = *state;
    size_t size;
    uint8_t *file = tiny_model_build(&(tiny_model_options){.seed = 4}, &size);
    e2str_model *model = NULL;
    e2str_pool *pool = NULL;
    assert_int_equal(e2str_model_open_memory(file, size, NULL, &model, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_new(model, NULL, &pool, NULL), E2STR_OK);
    assert_int_equal(e2str_read(f->session, f->images, pool, NULL, f->result, NULL), E2STR_ERROR_MISMATCH);
    e2str_pool_free(pool);
    e2str_model_close(model);
    free(file);
}

static void warm_sessions_do_not_grow(void **state) {
    fixture *f = *state;
    add(f, 1, "abc");
    add(f, 2, "defg");
    e2str_read_options o = options(3, 3);
    read_into(f, f->result, 0, f->pool, &o);
    size_t bytes = e2str_session_bytes(f->session);
    assert_in_range(bytes, 100000, (size_t)64 << 20);
    for (int i = 0; i < 8; i++) read_into(f, f->result, i, f->pool, &o);
    assert_int_equal(e2str_session_bytes(f->session), bytes);
}

static void null_is_fine(void **state) {
    (void)state;
    e2str_result_free(NULL);
    e2str_session_free(NULL);
    assert_string_equal(e2str_result_text(NULL), "");
    assert_int_equal(e2str_result_characters(NULL), 0);
    assert_int_equal(e2str_result_examples(NULL), 0);
    assert_int_equal(e2str_result_tokens(NULL, NULL), 0);
    assert_string_equal(e2str_version(), "0.1.0");
    assert_int_equal(e2str_version_number(), E2STR_VERSION_NUMBER);
    assert_int_equal(E2STR_VERSION_NUMBER, 100);
    assert_string_equal(e2str_status_name(E2STR_ERROR_NOT_FOUND), "not found");
    assert_string_equal(e2str_status_name((e2str_status)1000), "unknown");
    assert_true(strlen(e2str_cpu_name()) > 0);
}

/* ---- how tokens become characters, with the byte-level BPE of the tokenizer's golden file ---- */

typedef struct bpe {
    e2_gguf file;
    e2str_model model; /* only its tokenizer is used */
    e2str_result *result;
} bpe;

static int bpe_set_up(void **state) {
    bpe *b = calloc(1, sizeof *b);
    e2str_error error = {0};
    if (e2_gguf_open("tests/golden/tokenizer.gguf", &b->file, &error) ||
        e2_tokenizer_open(&b->file, &b->model.tokenizer, &error) || e2str_result_new(&b->result, &error))
        fail_msg("%s", error.message);
    *state = b;
    return 0;
}

static int bpe_tear_down(void **state) {
    bpe *b = *state;
    e2str_result_free(b->result);
    e2_tokenizer_free(b->model.tokenizer);
    e2_gguf_close(&b->file);
    free(b);
    return 0;
}

/* The token that writes exactly these bytes. */
static e2_written token_of(const bpe *b, const char *bytes, float probability) {
    for (uint32_t i = 0; i < e2_tokenizer_size(b->model.tokenizer); i++)
        if (!e2_tokenizer_is_special(b->model.tokenizer, i) &&
            e2_string_is(e2_token_bytes(b->model.tokenizer, i), bytes))
            return (e2_written){.token = i, .log_probability = logf(probability)};
    fail_msg("no token writes '%s'", bytes);
    return (e2_written){0};
}

static void assert_character(const bpe *b, size_t index, size_t offset, size_t length, float probability) {
    e2str_character c;
    assert_int_equal(e2str_result_character(b->result, index, &c, NULL), E2STR_OK);
    assert_int_equal(c.offset, offset);
    assert_int_equal(c.length, length);
    assert_true(fabsf(c.probability - probability) < 1e-6f);
}

static void characters_of_bytes(void **state) {
    bpe *b = *state;
    /* "a", the two halves of U+00E9, a byte that is no UTF-8, "b" */
    e2_candidate alternatives[5] = {{e2_tokenizer_end(b->model.tokenizer), 0.75f}};
    e2_written tokens[] = {token_of(b, "a", 0.5f), token_of(b, "\xC3", 0.5f), token_of(b, "\xA9", 0.25f),
                           token_of(b, "\xFF", 0.125f), token_of(b, "b", 1.0f)};
    for (int i = 0; i < 5; i++) {
        alternatives[i] = (e2_candidate){i ? tokens[i].token : e2_tokenizer_end(b->model.tokenizer), 0.75f};
        tokens[i].alternatives = &alternatives[i];
    }
    e2_answer answer = {
        .tokens = tokens, .n = 5, .n_alternatives = 1, .ended = true, .end_log_probability = logf(0.5f)};
    assert_int_equal(e2_result_fill(b->result, &(e2_compute){.model = &b->model}, &answer, false, 0, NULL), E2STR_OK);
    assert_string_equal(e2str_result_text(b->result), "a\xC3\xA9\xEF\xBF\xBD"
                                                      "b");
    assert_int_equal(e2str_result_characters(b->result), 4);
    assert_character(b, 0, 0, 1, 0.5f);
    assert_character(b, 1, 1, 2, 0.125f); /* two tokens */
    assert_character(b, 2, 3, 3, 0.125f);
    assert_character(b, 3, 6, 1, 1.0f);
    const char *text;
    float probability;
    assert_int_equal(e2str_result_alternative(b->result, 0, 0, &text, &probability, NULL), E2STR_OK);
    assert_string_equal(text, ""); /* the end token */
    assert_int_equal(e2str_result_alternative(b->result, 2, 0, &text, &probability, NULL), E2STR_OK);
    assert_string_equal(text, "\xEF\xBF\xBD");
    double expected = exp(log(0.5 * 0.5 * 0.25 * 0.125 * 1.0 * 0.5) / 6);
    assert_true(fabs(e2str_result_score(b->result) - expected) < 1e-6);
    assert_true(fabsf(e2str_result_end_probability(b->result) - 0.5f) < 1e-6f);
}

static void clean_up_keeps_characters(void **state) {
    bpe *b = *state;
    e2_written tokens[] = {token_of(b, "a", 0.5f), token_of(b, " ", 0.9f), token_of(b, ".", 0.25f),
                           token_of(b, "b", 0.75f)};
    e2_answer answer = {.tokens = tokens, .n = 4};
    assert_int_equal(e2_result_fill(b->result, &(e2_compute){.model = &b->model}, &answer, true, 0, NULL), E2STR_OK);
    assert_string_equal(e2str_result_text(b->result), "a.b");
    assert_int_equal(e2str_result_characters(b->result), 3);
    assert_character(b, 1, 1, 1, 0.25f);
    assert_character(b, 2, 2, 1, 0.75f);
    assert_int_equal(e2str_result_truncated(b->result), 1);
    assert_true(e2str_result_end_probability(b->result) == 0.0f);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(empty_pool_is_no_pool),
        TEST(batch_is_single),
        TEST(batch_names_the_bad_image),
        TEST(examples_are_reported),
        TEST(probabilities_agree),
        TEST(limits),
        TEST(bad_options),
        TEST(another_models_pool),
        TEST(warm_sessions_do_not_grow),
        cmocka_unit_test(null_is_fine),
        cmocka_unit_test_setup_teardown(characters_of_bytes, bpe_set_up, bpe_tear_down),
        cmocka_unit_test_setup_teardown(clean_up_keeps_characters, bpe_set_up, bpe_tear_down),
    };
    return cmocka_run_group_tests_name("read", tests, NULL, NULL);
}
