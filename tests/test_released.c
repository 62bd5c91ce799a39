/* SPDX-License-Identifier: MIT */
/* Files as released versions wrote them (tests/released): they load for ever, and say what they said. And a process
 * that goes on for long keeps its size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <unistd.h>

#include "pool_fixture.h"

#define FOLDER "tests/released/"

static const uint64_t ids[] = {1, 2, 4, 5, 6, 7, 8};
static const char *const labels[] = {"a1", "b22", "dead", "beef", "f00d", "123", "9"};
enum { EXAMPLES = sizeof ids / sizeof *ids };

static fixture f; /* only its pictures */

static e2str_model *open_released(void) {
    e2str_model *model;
    e2str_error error = {0};
    if (e2str_model_open(FOLDER "model-0.1.0.gguf", NULL, &model, &error)) fail_msg("%s", error.message);
    assert_true(e2str_model_checksum(model) == 0xb3bedd1cd785e74a);
    return model;
}

static e2str_pool *load_released(const e2str_model *model, const char *name) {
    e2str_pool *pool;
    e2str_error error = {0};
    if (e2str_pool_load(model, name, NULL, &pool, &error)) fail_msg("%s", error.message);
    return pool;
}

static void check_pool(const e2str_model *model, const char *name, bool learnt) {
    e2str_pool *pool = load_released(model, name);
    uint64_t found[EXAMPLES + 1];
    char label[16];
    assert_int_equal(e2str_pool_ids(pool, found, EXAMPLES + 1), EXAMPLES);
    assert_memory_equal(found, ids, sizeof ids);
    for (size_t i = 0; i < EXAMPLES; i++) {
        assert_int_equal(e2str_pool_label(pool, ids[i], label, sizeof label, NULL, NULL), E2STR_OK);
        assert_string_equal(label, labels[i]);
    }
    e2str_memory_report report;
    e2str_memory_report_init(&report);
    assert_int_equal(e2str_pool_report(pool, &report, NULL), learnt ? E2STR_OK : E2STR_ERROR_NOT_FOUND);
    if (learnt) {
        assert_int_equal(report.examples, EXAMPLES);
        assert_int_equal(report.characters, 28);
        assert_int_equal(report.tokens, 11);
    }
    e2str_pool_free(pool);
}

static void files_of_0_1_0(void **state) {
    (void)state;
    e2str_model *model = open_released();
    check_pool(model, FOLDER "pool-0.1.0-1.gguf", false);
    check_pool(model, FOLDER "pool-0.1.0-2.gguf", true);
    e2str_model_close(model);
}

/* ------------------------------------------------------------------------------------------------- a long run -- */

static size_t descriptors(void) {
    DIR *list = opendir("/proc/self/fd");
    size_t n = 0;
    while (list && readdir(list)) n++;
    if (list) closedir(list);
    return n;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) /* which keep what was freed */
static long resident_pages(void) { return 0; }
#else
static long resident_pages(void) {
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%ld %ld", &size, &resident) != 2) resident = 0;
        fclose(file);
    }
    return resident;
}
#endif

/* Everything that opens, once, with an error of each kind on the way. */
static void live(size_t round) {
    e2str_model *model = open_released(), *none;
    e2str_session *session;
    e2str_session_options options;
    e2str_result *result;
    e2str_image image = {0};
    uint64_t id;
    char path[64];
    snprintf(path, sizeof path, "/tmp/e2str-test-long-%ld", (long)getpid());
    e2str_session_options_init(&options);
    options.threads = 1 + round % 3;
    assert_int_equal(e2str_session_new(model, &options, &session, NULL), E2STR_OK);
    assert_int_equal(e2str_result_new(&result, NULL), E2STR_OK);
    e2str_pool *pool = load_released(model, FOLDER "pool-0.1.0-2.gguf");
    assert_int_equal(e2str_pool_add(pool, session, &f.images[round % FIXTURE_IMAGES], "abc", 3, &id, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_remove(pool, ids[round % EXAMPLES], NULL), E2STR_OK);
    assert_int_equal(e2str_read(session, &f.images[0], pool, NULL, result, NULL), E2STR_OK);
    if (round % 4 == 0) assert_int_equal(e2str_pool_learn(pool, session, NULL, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_save(pool, "/nowhere/at/all", NULL), E2STR_ERROR_IO);
    assert_int_equal(e2str_image_load("tests/images/ok-baseline.jpg", NULL, &image, NULL), E2STR_OK);
    assert_int_equal(e2str_read(session, &image, pool, NULL, result, NULL), E2STR_OK);
    e2str_image_free(&image);
    assert_int_equal(e2str_image_load("tests/images/image-truncated-idat.png", NULL, &image, NULL), E2STR_ERROR_IMAGE);
    assert_true(e2str_model_open("tests/bad/format-wrong-shape.gguf", NULL, &none, NULL) != E2STR_OK);
    e2str_pool_free(pool);
    e2str_result_free(result);
    e2str_session_free(session);
    e2str_model_close(model);
    remove(path);
}

/* Sizes are compared behind a first part, after which what can be kept is kept. */
static void nothing_grows(void **state) {
    (void)state;
    for (size_t i = 0; i < 60; i++) live(i);
    size_t files = descriptors();
    long pages = resident_pages();
    for (size_t i = 0; i < 240; i++) live(i);
    assert_int_equal(descriptors(), files);
    assert_in_range(resident_pages(), 0, pages + 512);
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
        cmocka_unit_test(nothing_grows),
    };
    return cmocka_run_group_tests_name("released", tests, set_up, tear_down);
}
