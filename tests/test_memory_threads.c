/* SPDX-License-Identifier: MIT */
/*
 * One pool at once by threads that read, add and remove, learn and forget, save and load. Worth most under
 * ThreadSanitizer (make tsan), but what each of them sees is checked, too.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "memory_fixture.h"

#define ROUNDS    40
#define PERMANENT 4

static fixture f;
static e2str_pool *pool;
static e2str_memory *kept; /* learnt from the permanent examples, before all began */
static char directory[64], path[96];
static e2str_result *expected[FIXTURE_IMAGES]; /* read with it and no other thread */

/* cmocka's asserts belong to the main thread: others count what was wrong. */
static atomic_uint wrong;
static void check(bool right) {
    if (!right) atomic_fetch_add(&wrong, 1);
}

static int set_up(void **state) {
    (void)state;
    strcpy(directory, "/tmp/e2str-test-XXXXXX");
    if (!mkdtemp(directory)) return 1;
    snprintf(path, sizeof path, "%s/pool.gguf", directory);
    if (memory_open(&f, (tiny_model_options){.alphabet = "abc"})) return 1;
    pool = memory_pool(&f);
    for (size_t i = 0; i < PERMANENT; i++) memory_add(&f, pool, i, "ab\xe2\x82\xac");
    memory_learn(&f, pool);
    if (e2str_pool_memory(pool, &kept, NULL)) return 1;
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        e2str_read_options options = memory_options(0, 2);
        options.memory = kept;
        expected[i] = memory_result();
        memory_read(&f, i, NULL, &options, expected[i]);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) e2str_result_free(expected[i]);
    e2str_memory_free(kept);
    e2str_pool_free(pool);
    fixture_close(&f);
    remove(path);
    return rmdir(directory);
}

/* Each thread has a session of its own; the learner's has helpers. */
static e2str_session *new_session(uint32_t threads) {
    e2str_session *session = NULL;
    e2str_session_options options;
    e2str_session_options_init(&options);
    options.threads = threads;
    check(e2str_session_new(f.model, &options, &session, NULL) == E2STR_OK);
    return session;
}

/* A batch, by whatever memory there is. */
static void read_several(e2str_session *session, size_t image) {
    e2str_result *results[3] = {NULL, NULL, NULL};
    e2str_read_options options = memory_options(1, 1);
    for (size_t i = 0; i < 3; i++) check(e2str_result_new(&results[i], NULL) == E2STR_OK);
    check(e2str_read_batch(session, &f.images[image % (FIXTURE_IMAGES - 3)], 3, pool, &options, results, NULL) ==
          E2STR_OK);
    for (size_t i = 0; i < 3; i++) e2str_result_free(results[i]);
}

static void *reader(void *argument) {
    uint32_t seed = 1 + (uint32_t)(uintptr_t)argument;
    e2str_session *session = new_session(seed); /* one alone, one with a helper */
    e2str_result *result = NULL;
    check(e2str_result_new(&result, NULL) == E2STR_OK);
    for (int i = 0; session && result && i < ROUNDS; i++) {
        size_t image = fixture_random(&seed) % FIXTURE_IMAGES;
        e2str_read_options options = memory_options(2, 1); /* whatever the pool knows at the moment */
        check(e2str_read(session, &f.images[image], pool, &options, result, NULL) == E2STR_OK);
        for (size_t c = 0; c < e2str_result_characters(result); c++) {
            e2str_influence influence;
            for (size_t rank = 0; rank < e2str_result_influences(result, c); rank++)
                check(e2str_result_influence(result, c, rank, &influence, NULL) == E2STR_OK &&
                      isfinite(influence.amount) && influence.example > 0);
        }
        options = memory_options(0, 2);
        options.memory = kept;
        check(e2str_read(session, &f.images[image], pool, &options, result, NULL) == E2STR_OK);
        check(memory_same(expected[image], result));
        read_several(session, image);
        float doubt;
        e2str_status status = e2str_pool_doubt(pool, 1 + image % PERMANENT, &doubt, NULL);
        check(status == E2STR_OK ? doubt >= 0.0f && doubt <= 1.0f : status == E2STR_ERROR_NOT_FOUND);
    }
    e2str_result_free(result);
    e2str_session_free(session);
    return NULL;
}

/* Keeps at most 6 examples beside the permanent ones. */
static void *writer(void *argument) {
    (void)argument;
    uint64_t ids[6] = {0};
    e2str_session *session = new_session(1);
    for (size_t i = 0; session && i < 4 * ROUNDS; i++) {
        uint64_t *id = &ids[i % 6];
        if (*id) check(e2str_pool_remove(pool, *id, NULL) == E2STR_OK);
        check(e2str_pool_add(pool, session, &f.images[i % FIXTURE_IMAGES], i % 2 ? "c\xc3\xa9" : "bca", SIZE_MAX, id,
                             NULL) == E2STR_OK);
    }
    for (size_t i = 0; i < 6; i++) check(e2str_pool_remove(pool, ids[i], NULL) == E2STR_OK);
    e2str_session_free(session);
    return NULL;
}

static void *learner(void *argument) {
    e2str_session *session = new_session(1 + (uint32_t)(uintptr_t)argument % 2);
    e2str_learn_options options;
    e2str_learn_options_init(&options);
    options.strength = 1.0f;
    for (int i = 0; session && i < ROUNDS; i++) {
        check(e2str_pool_learn(pool, session, i % 3 ? &options : NULL, NULL) == E2STR_OK);
        e2str_memory_report report;
        e2str_memory_report_init(&report);
        e2str_status status = e2str_pool_report(pool, &report, NULL);
        check(status == E2STR_OK ? report.examples + report.doubtful >= PERMANENT : status == E2STR_ERROR_NOT_FOUND);
        if (i % 8 == 7) e2str_pool_forget(pool);
    }
    e2str_session_free(session);
    return NULL;
}

/* Every file holds one moment of the pool: its memory is of examples that are in it. */
static void *saver(void *argument) {
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        e2str_pool *loaded = NULL;
        check(e2str_pool_save(pool, path, NULL) == E2STR_OK);
        check(e2str_pool_load(f.model, path, NULL, &loaded, NULL) == E2STR_OK);
        check(loaded && e2str_pool_count(loaded) >= PERMANENT);
        e2str_pool_free(loaded);
    }
    return NULL;
}

static void a_pool_learns_while_it_is_used(void **state) {
    (void)state;
    static void *(*const roles[])(void *) = {reader, reader, writer, learner, learner, saver};
    pthread_t threads[6];
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, roles[i], (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < 6; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(e2str_pool_count(pool), PERMANENT);

    /* What is left learns what it would have learnt alone. */
    e2str_result *result = memory_result();
    memory_learn(&f, pool);
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        e2str_read_options options = memory_options(0, 2);
        memory_read(&f, i, pool, &options, result);
        assert_same(expected[i], result);
    }
    e2str_result_free(result);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_pool_learns_while_it_is_used)};
    return cmocka_run_group_tests_name("memory_threads", tests, set_up, tear_down);
}
