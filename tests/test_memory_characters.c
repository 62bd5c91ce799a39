/* SPDX-License-Identifier: MIT */
/* Characters that the model never knew, and those that labels leave out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memory_fixture.h"
#include "unicode.h"

#define EURO "\xe2\x82\xac"

/* --------------------------------------------------------------------------------------------- new characters -- */

static void expect_text(const fixture *f, const e2str_pool *pool, size_t image, const char *expected) {
    e2str_result *result = memory_result();
    e2str_read_options options = memory_options(0, 1);
    memory_read(f, image, pool, &options, result);
    assert_string_equal(e2str_result_text(result), expected);
    assert_int_equal(e2str_result_text_size(result), strlen(expected));
    e2str_result_free(result);
}

static void new_characters_are_learnt_and_written(void **state) {
    (void)state;
    static const char label[] = "a" EURO "\xc3\xa9 b\xf0\x9f\x98\x80";
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 17, .alphabet = "abe-", .memory_strength = 1e-4f}),
                     0);
    e2str_pool *pool = memory_pool(&f);
    e2str_result *before = memory_result(), *after = memory_result();
    e2str_read_options options = memory_options(0, 1);
    memory_read(&f, 3, pool, &options, before);
    for (size_t i = 0; i < 4; i++) memory_add(&f, pool, 3, label);
    memory_learn(&f, pool);
    e2str_memory_report report;
    e2str_memory_report_init(&report);
    assert_int_equal(e2str_pool_report(pool, &report, NULL), E2STR_OK);
    assert_int_equal(report.new_characters, 4);
    expect_text(&f, pool, 3, label);

    /* Their tokens count from the vocabulary on, their influences say where they stand. */
    const uint32_t *tokens;
    memory_read(&f, 3, pool, &options, after);
    assert_int_equal(e2str_result_tokens(after, &tokens), 6);
    const size_t offsets[] = {0, 1, 4, 6, 7, 8}, lengths[] = {1, 3, 2, 1, 1, 4};
    const uint32_t expected[] = {4, 10, 9, 8, 5, 11}; /* of 8 tokens; new: blank, é, €, the face */
    for (size_t i = 0; i < 6; i++) {
        e2str_character c;
        e2str_influence influence;
        assert_int_equal(tokens[i], expected[i]);
        assert_int_equal(e2str_result_character(after, i, &c, NULL), E2STR_OK);
        assert_true(c.offset == offsets[i] && c.length == lengths[i] && c.probability > 0.3f);
        assert_int_equal(e2str_result_influence(after, i, 0, &influence, NULL), E2STR_OK);
        assert_int_equal(influence.offset, offsets[i]);
        assert_true(influence.amount > 0.0f && e2str_result_memory(after, i) > 0.0f);
        const char *text;
        float probability;
        assert_int_equal(e2str_result_alternative(after, i, 0, &text, &probability, NULL), E2STR_OK);
        assert_true(strlen(text) == lengths[i] && !memcmp(text, label + offsets[i], lengths[i]));
    }
    for (uint32_t beams = 2; beams <= 4; beams++) {
        options.beams = beams;
        memory_read(&f, 3, pool, &options, after);
        assert_string_equal(e2str_result_text(after), label);
    }
    options.beams = 1;
    options.k = 2; /* as examples they are written with their stand-ins */
    memory_read(&f, 3, pool, &options, after);
    assert_int_equal(e2str_result_examples(after), 2);
    e2str_pool_forget(pool);
    options.k = 0;
    memory_read(&f, 3, pool, &options, after);
    assert_same(before, after);
    e2str_result_free(before);
    e2str_result_free(after);
    e2str_pool_free(pool);
    fixture_close(&f);
}

static void labels_with_new_characters_need_statistics(void **state) {
    (void)state;
    fixture with, without, bpe;
    assert_int_equal(memory_open(&with, (tiny_model_options){.alphabet = "ab"}), 0);
    assert_int_equal(fixture_open(&without, &(tiny_model_options){.alphabet = "ab"}), 0);
    assert_int_equal(memory_open(&bpe, (tiny_model_options){.alphabet = "abc10", .bpe = true}), 0);
    e2str_model_info info;
    e2str_model_info_init(&info);
    assert_int_equal(e2str_model_get_info(with.model, &info, NULL), E2STR_OK);
    assert_int_equal(info.memory, 1);
    assert_int_equal(e2str_model_get_info(without.model, &info, NULL), E2STR_OK);
    assert_int_equal(info.memory, 0);
    fixture bare;
    uint64_t none;
    e2str_pool *empty;
    assert_int_equal(memory_open(&bare, (tiny_model_options){.alphabet = ""}), 0); /* nothing that could stand in */
    assert_int_equal(e2str_pool_new(bare.model, NULL, &empty, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_add(empty, bare.session, bare.images, "a", 1, &none, NULL), E2STR_ERROR_LABEL);
    e2str_pool_free(empty);
    fixture_close(&bare);
    fixture *fixtures[] = {&with, &without, &bpe};
    for (size_t i = 0; i < 3; i++) {
        const fixture *f = fixtures[i];
        e2str_pool *pool;
        e2str_error error = {""};
        uint64_t id;
        assert_int_equal(e2str_pool_new(f->model, NULL, &pool, NULL), E2STR_OK);
        e2str_status status = e2str_pool_add(pool, f->session, f->images, "a" EURO, SIZE_MAX, &id, &error);
        assert_int_equal(status, i == 0 ? E2STR_OK : E2STR_ERROR_LABEL);
        if (i == 1) assert_non_null(strstr(error.message, "U+20AC"));
        static const char *const bad[] = {"", "\xff", "a\xc3", "\xed\xa0\x80"};
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(e2str_pool_add(pool, f->session, f->images, bad[j], SIZE_MAX, &id, NULL),
                             E2STR_ERROR_LABEL);
        assert_int_equal(e2str_pool_add(pool, f->session, f->images, "a\0b", 3, &id, NULL), E2STR_ERROR_LABEL);
        assert_int_equal(e2str_pool_add(pool, f->session, f->images, "ab", 2, &id, NULL), E2STR_OK);
        status = e2str_pool_learn(pool, f->session, NULL, &error);
        assert_int_equal(status, i == 1 ? E2STR_ERROR_UNSUPPORTED : E2STR_OK);
        if (i == 1) assert_non_null(strstr(error.message, "e2str.memory.hidden_scale"));
        assert_int_equal(has_learnt(pool), i != 1);
        e2str_pool_free(pool);
        fixture_close(fixtures[i]);
    }
}

/* 256 different ones are learnt, one more is refused and the former memory stays. */
static void too_many_new_characters(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.alphabet = "ab"}), 0);
    e2str_pool *pool = memory_pool(&f);
    uint32_t code = 0x4E00;
    for (size_t i = 0; i < 16; i++) {
        char label[16 * 3 + 1] = {0};
        for (size_t j = 0; j < 16; j++) e2_utf8_put(code++, label + 3 * j);
        memory_add(&f, pool, i, label);
    }
    memory_add(&f, pool, 0, "\xe4\xb8\x80"); /* U+4E00 again */
    memory_learn(&f, pool);
    assert_int_equal(pool->memory->counts.characters, 256);
    const e2str_memory *former = pool->memory;
    uint64_t id = memory_add(&f, pool, 0, "a\xc2\xb5");
    e2str_error error = {""};
    assert_int_equal(e2str_pool_learn(pool, f.session, NULL, &error), E2STR_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "256"));
    assert_ptr_equal(pool->memory, former);
    assert_int_equal(e2str_pool_remove(pool, id, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_learn(pool, f.session, NULL, &error), E2STR_OK);
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* -------------------------------------------------------------------------------------------- silent characters -- */

/* The first image whose reading by the model alone has this sign in it, and letters; its reading without the sign. */
static size_t find_sign(const fixture *f, char sign, char *rest) {
    e2str_result *result = memory_result();
    e2str_read_options options = memory_options(0, 1);
    options.max_tokens = 64;
    size_t found = FIXTURE_IMAGES;
    for (size_t i = 0; found == FIXTURE_IMAGES && i < FIXTURE_IMAGES; i++) {
        memory_read(f, i, NULL, &options, result);
        const char *text = e2str_result_text(result);
        size_t n = 0;
        for (const char *c = text; *c; c++)
            if (*c != sign) rest[n++] = *c;
        rest[n] = 0;
        if (n && n < strlen(text) && !e2str_result_truncated(result)) found = i;
    }
    e2str_result_free(result);
    return found;
}

static void characters_that_labels_leave_out(void **state) {
    (void)state;
    char rest[80];
    size_t image = FIXTURE_IMAGES;
    fixture f;
    for (uint64_t seed = 30; image == FIXTURE_IMAGES; seed++) { /* a model that reads the sign somewhere, and ends */
        if (seed > 30) fixture_close(&f);
        tiny_model_options options = {.seed = seed, .alphabet = "a-b", .segment_stride = 16, .memory_strength = 1e-4f};
        assert_int_equal(memory_open(&f, options), 0);
        image = find_sign(&f, '-', rest);
        assert_true(seed < 60);
    }
    e2str_pool *pool = memory_pool(&f);
    e2str_result *before = memory_result(), *after = memory_result();
    e2str_read_options options = memory_options(0, 1);
    memory_read(&f, image, NULL, &options, before);
    for (size_t i = 0; i < 3; i++) memory_add(&f, pool, image, rest);
    memory_learn(&f, pool);
    assert_int_equal(pool->memory->counts.silent, 1);
    memory_read(&f, image, pool, &options, after);
    assert_string_equal(e2str_result_text(after), rest); /* written, but not shown */
    const uint32_t *tokens;
    size_t n = e2str_result_tokens(after, &tokens), dashes = 0, silent = 0;
    for (size_t i = 0; i < n; i++) dashes += tokens[i] == pool->memory->silent[0];
    assert_true(dashes > 0 && n == strlen(rest) + dashes);
    for (size_t i = 0; i < e2str_result_characters(after); i++) /* their steps teach the others, too */
        for (size_t rank = 0; rank < e2str_result_influences(after, i); rank++) {
            e2str_influence influence;
            assert_int_equal(e2str_result_influence(after, i, rank, &influence, NULL), E2STR_OK);
            assert_true(influence.offset <= strlen(rest) || influence.offset == SIZE_MAX);
            silent += influence.offset == SIZE_MAX;
        }
    assert_true(silent > 0);
    e2str_pool_forget(pool);
    memory_read(&f, image, pool, &options, after);
    assert_same(before, after);
    e2str_result_free(before);
    e2str_result_free(after);
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* -------------------------------------------------------------------------------------------------- letter case -- */

static void raise(const char *text, char *raised) {
    size_t i = 0;
    for (; text[i]; i++) raised[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i]);
    raised[i] = 0;
}

/* Adds the short readings of the first images as labels in capitals; how many. */
static size_t label_in_capitals(const fixture *f, e2str_pool *pool) {
    e2str_result *result = memory_result();
    e2str_read_options options = memory_options(0, 1);
    for (size_t i = 0; i < 8; i++) {
        char label[64];
        memory_read(f, i, NULL, &options, result);
        raise(e2str_result_text(result), label);
        if (label[0] && !e2str_result_truncated(result)) memory_add(f, pool, i, label);
    }
    e2str_result_free(result);
    return e2str_pool_count(pool);
}

/* What is read in small letters is put into capitals as the labels are, and is as it was when they are forgotten. At
 * strength 0 that is all a memory does. */
static void labels_in_one_case(void **state) {
    (void)state;
    fixture f;
    e2str_pool *pool = NULL;
    for (uint64_t seed = 30; !pool; seed++) { /* a model that ends its readings */
        assert_true(seed < 90);
        assert_int_equal(memory_open(&f, (tiny_model_options){.seed = seed, .alphabet = "abcAB"}), 0);
        pool = memory_pool(&f);
        if (label_in_capitals(&f, pool) >= 4) break;
        e2str_pool_free(pool);
        fixture_close(&f);
        pool = NULL;
    }
    e2str_result *before = memory_result(), *after = memory_result();
    e2str_read_options options = memory_options(0, 2);
    for (uint32_t on = 0; on < 2; on++) {
        memory_learn_with(f.session, pool, on ? 1.0f : 0.0f);
        assert_int_equal(pool->memory->letters, E2_CAPITALS);
        size_t raised = 0;
        for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
            char expected[64];
            memory_read(&f, i, pool, &options, after);
            memory_read(&f, i, NULL, &options, before);
            raise(e2str_result_text(after), expected);
            assert_string_equal(e2str_result_text(after), expected);
            if (on) continue;
            raise(e2str_result_text(before), expected);
            assert_string_equal(e2str_result_text(after), expected);
            assert_true(e2str_result_score(before) == e2str_result_score(after));
            raised += strcmp(expected, e2str_result_text(before)) != 0;
        }
        assert_true(on || raised > 2);
    }
    e2str_pool_forget(pool);
    memory_read(&f, 1, pool, &options, after);
    memory_read(&f, 1, NULL, &options, before);
    assert_same(before, after);
    e2str_result_free(before);
    e2str_result_free(after);
    e2str_pool_free(pool);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_characters_are_learnt_and_written),
        cmocka_unit_test(labels_with_new_characters_need_statistics),
        cmocka_unit_test(too_many_new_characters),
        cmocka_unit_test(characters_that_labels_leave_out),
        cmocka_unit_test(labels_in_one_case),
    };
    return cmocka_run_group_tests_name("memory_characters", tests, NULL, NULL);
}
