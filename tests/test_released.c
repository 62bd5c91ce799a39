/* SPDX-License-Identifier: MIT */
/* Files as released versions wrote them (tests/released): they load for ever, and say what they said. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "archive_fixture.h"

#define FOLDER "tests/released/"

/* Of all pools but one, which has another example; the third was removed. */
static const uint64_t ids[] = {1, 2, 4, 5, 6, 7, 8};
static const char *const labels[] = {"a1", "b22", "dead", "beef", "f00d", "123", "9"};
enum { EXAMPLES = sizeof ids / sizeof *ids };

static fixture f; /* only its pictures */

static e2str_model *open_released(const char *name, uint64_t checksum) {
    e2str_model *model = NULL;
    assert_ok(e2str_model_open(name, NULL, &model, error));
    assert_true(e2str_model_checksum(model) == checksum);
    return model;
}

static e2str_pool *load_released(const e2str_model *model, const char *name) {
    const fixture with = {.model = (e2str_model *)model};
    return archive_load(&with, name);
}

static void check_label(const e2str_pool *pool, uint64_t id, const char *expected) {
    char label[16] = "";
    assert_ok(e2str_pool_label(pool, id, label, sizeof label, NULL, error));
    assert_string_equal(label, expected);
}

static void check_pool(const e2str_model *model, const char *name, bool learnt) {
    e2str_pool *pool = load_released(model, name);
    uint64_t found[EXAMPLES + 1];
    assert_int_equal(e2str_pool_ids(pool, found, EXAMPLES + 1), EXAMPLES);
    assert_memory_equal(found, ids, sizeof ids);
    for (size_t i = 0; i < EXAMPLES; i++) check_label(pool, ids[i], labels[i]);
    e2str_memory_report report;
    e2str_memory_report_init(&report);
    assert_int_equal(e2str_pool_report(pool, &report, NULL), learnt ? E2STR_OK : E2STR_ERROR_NOT_FOUND);
    if (learnt) {
        assert_int_equal(report.examples, EXAMPLES);
        assert_int_equal(report.characters, 28);
        assert_int_equal(report.tokens, 11);
    }
    assert_ok(e2str_pool_verify(pool, error));
    e2str_pool_free(pool);
}

/* Each example of a that b has, too: their keys, bit for bit. */
static void check_keys(const e2str_model *model, const char *a, const char *b) {
    e2str_pool *pools[] = {load_released(model, a), load_released(model, b)};
    for (size_t i = 0; i < EXAMPLES; i++) {
        float keys[2][FIXTURE_KEY];
        if (e2str_pool_key(pools[1], ids[i], keys[1], NULL) == E2STR_ERROR_NOT_FOUND) continue;
        for (size_t n = 0; n < 2; n++) assert_ok(e2str_pool_key(pools[n], ids[i], keys[n], error));
        assert_memory_equal(keys[0], keys[1], sizeof *keys);
    }
    e2str_pool_free(pools[0]);
    e2str_pool_free(pools[1]);
}

/* A read of it, with examples in the prompt unless it has no visual tokens. */
static void check_read(const e2str_model *model, const char *name, size_t examples) {
    e2str_pool *pool = load_released(model, name);
    e2str_session *session = NULL;
    e2str_result *result = memory_result();
    e2str_read_options options = memory_options(2, 1);
    options.min_similarity = -1.0f;
    assert_ok(e2str_session_new(model, NULL, &session, error));
    assert_ok(e2str_read(session, &f.images[0], pool, &options, result, error));
    assert_int_equal(e2str_result_examples(result), examples);
    e2str_result_free(result);
    e2str_session_free(session);
    e2str_pool_free(pool);
}

static void files_of_0_1_0(void **state) {
    (void)state;
    e2str_model *model = open_released(FOLDER "model-0.1.0.gguf", 0xb3bedd1cd785e74a);
    check_pool(model, FOLDER "pool-0.1.0-1.gguf", false);
    check_pool(model, FOLDER "pool-0.1.0-2.gguf", true);
    check_pool(model, FOLDER "archive-0.1.0-memory", true);
    check_keys(model, FOLDER "pool-0.1.0-2.gguf", FOLDER "archive-0.1.0-memory");
    check_read(model, FOLDER "pool-0.1.0-2.gguf", 2);
    check_read(model, FOLDER "archive-0.1.0-memory", 2);
    e2str_model_close(model);
}

/* The model has all that model files may have; its widths are free, so pools have token counts. */
static void files_of_0_1_0_with_free_widths(void **state) {
    (void)state;
    e2str_model *model = open_released(FOLDER "model-0.1.0-widths.gguf", 0xdf9d64a2a355ed06);
    e2str_model_info info;
    e2str_model_info_init(&info);
    assert_ok(e2str_model_get_info(model, &info, error));
    assert_true(info.memory && info.places && info.calibrated && info.trim && info.min_width < info.max_width);
    check_pool(model, FOLDER "pool-0.1.0-3.gguf", false);
    check_pool(model, FOLDER "pool-0.1.0-4.gguf", true);
    check_pool(model, FOLDER "archive-0.1.0-widths", true);
    check_pool(model, FOLDER "archive-0.1.0-no-tokens", true);
    check_keys(model, FOLDER "pool-0.1.0-3.gguf", FOLDER "pool-0.1.0-4.gguf");
    check_keys(model, FOLDER "pool-0.1.0-3.gguf", FOLDER "archive-0.1.0-widths");
    check_keys(model, FOLDER "pool-0.1.0-3.gguf", FOLDER "archive-0.1.0-no-tokens");
    check_read(model, FOLDER "pool-0.1.0-4.gguf", 2);
    check_read(model, FOLDER "archive-0.1.0-widths", 2);
    check_read(model, FOLDER "archive-0.1.0-no-tokens", 0);
    e2str_model_close(model);
}

/* Of two segments, one with a removal: example 9 was added, then 2 removed. A copy takes more, as one of today does. */
static void an_archive_of_0_1_0_is_appended_to(void **state) {
    (void)state;
    char path[FOLDER_PATH];
    size_t size;
    uint64_t found[EXAMPLES + 1], id = 0;
    e2str_model *model = open_released(FOLDER "model-0.1.0.gguf", 0xb3bedd1cd785e74a);
    e2str_session *session = NULL;
    check_keys(model, FOLDER "pool-0.1.0-1.gguf", FOLDER "archive-0.1.0-segments");
    assert_true(folder_make());
    folder_path(path, "archive");
    uint8_t *bytes = archive_bytes(FOLDER "archive-0.1.0-segments", &size);
    archive_write_bytes(path, bytes, size);
    free(bytes);
    e2str_pool *pool = load_released(model, path);
    assert_int_equal(archive_info(pool).segments, 2);
    assert_ok(e2str_pool_verify(pool, error));
    assert_int_equal(e2str_pool_ids(pool, found, EXAMPLES + 1), EXAMPLES);
    assert_memory_equal(found, ((uint64_t[]){1, 4, 5, 6, 7, 8, 9}), sizeof ids);
    check_label(pool, 9, "new");
    assert_ok(e2str_session_new(model, NULL, &session, error));
    assert_ok(e2str_pool_add(pool, session, &f.images[1], "more", SIZE_MAX, &id, error));
    assert_int_equal(id, 10);
    assert_ok(e2str_pool_save(pool, path, error));
    e2str_pool_free(pool);
    pool = load_released(model, path);
    assert_ok(e2str_pool_verify(pool, error));
    check_label(pool, 8, "9");
    check_label(pool, 10, "more");
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    assert_ok(e2str_pool_verify(pool, error));
    assert_int_equal(e2str_pool_count(pool), EXAMPLES + 1);
    e2str_pool_free(pool);
    e2str_session_free(session);
    e2str_model_close(model);
    remove(path);
    assert_int_equal(folder_remove(), 0);
}

static int set_up(void **state) {
    (void)state;
    return fixture_open(&f, NULL);
}

static int tear_down(void **state) {
    (void)state;
    fixture_close(&f);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_0_1_0),
        cmocka_unit_test(files_of_0_1_0_with_free_widths),
        cmocka_unit_test(an_archive_of_0_1_0_is_appended_to),
    };
    return cmocka_run_group_tests_name("released", tests, set_up, tear_down);
}
