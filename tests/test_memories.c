/* SPDX-License-Identifier: MIT */
/* Many pools and memories on one model, read by several threads that take another one each time: what each read says is
 * what it says when nobody else reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "memory_fixture.h"

#define MEMORIES 60
#define THREADS  3
#define READS    400

static fixture f;
static e2str_pool *pools[MEMORIES];
static e2str_memory *memories[MEMORIES];
static char expected[MEMORIES][2][64]; /* of one image each: with the memory alone, with the pool */
static atomic_uint wrong;              /* cmocka's asserts belong to the main thread */

static size_t image_of(size_t which) { return which * 5 % FIXTURE_IMAGES; }

static e2str_status read_one(e2str_session *session, size_t which, bool with_pool, e2str_result *result) {
    e2str_read_options options = memory_options(with_pool ? 1 : 0, 1);
    if (!with_pool) options.memory = memories[which];
    return e2str_read(session, &f.images[image_of(which)], with_pool ? pools[which] : NULL, &options, result, NULL);
}

static int set_up(void **unused) {
    (void)unused;
    static const char *const words[] = {"ab", "ba", "cab", "abc", "bca", "aa", "cc\xe2\x82\xac"};
    if (memory_open(&f, (tiny_model_options){.alphabet = "abc"})) return 1;
    e2str_result *result = memory_result();
    for (size_t i = 0; i < MEMORIES; i++) {
        pools[i] = memory_pool(&f);
        for (size_t j = 0; j < 4; j++) memory_add(&f, pools[i], i + 3 * j, words[(i + j * j) % 7]);
        memory_learn(&f, pools[i]);
        if (e2str_pool_memory(pools[i], &memories[i], NULL)) return 1;
        for (size_t way = 0; way < 2; way++) {
            if (read_one(f.session, i, way, result)) return 1;
            snprintf(expected[i][way], sizeof expected[i][way], "%s %.9g", e2str_result_text(result),
                     (double)e2str_result_score(result));
        }
    }
    e2str_result_free(result);
    return 0;
}

static int tear_down(void **unused) {
    (void)unused;
    for (size_t i = 0; i < MEMORIES; i++) {
        e2str_memory_free(memories[i]);
        e2str_pool_free(pools[i]);
    }
    fixture_close(&f);
    return 0;
}

static void *read_in_turn(void *number) {
    uint32_t seed = 77 + (uint32_t)(uintptr_t)number;
    e2str_session *session = NULL;
    e2str_result *result = NULL;
    if (e2str_session_new(f.model, NULL, &session, NULL) || e2str_result_new(&result, NULL))
        atomic_fetch_add(&wrong, 1);
    for (size_t i = 0; session && result && i < READS; i++) {
        size_t which = fixture_random(&seed) % MEMORIES;
        char found[64] = "";
        bool with_pool = i % 2;
        if (!read_one(session, which, with_pool, result))
            snprintf(found, sizeof found, "%s %.9g", e2str_result_text(result), (double)e2str_result_score(result));
        if (strcmp(found, expected[which][with_pool]) != 0) atomic_fetch_add(&wrong, 1);
    }
    e2str_result_free(result);
    e2str_session_free(session);
    return NULL;
}

static void memories_do_not_mix(void **unused) {
    (void)unused;
    pthread_t threads[THREADS];
    size_t different = 0;
    for (size_t i = 1; i < MEMORIES; i++) different += strcmp(expected[i][0], expected[0][0]) != 0;
    assert_true(different > MEMORIES / 2); /* else a mixture would not show */
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_in_turn, (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&wrong), 0);
}

/* A memory stays when its pool goes, with all others in use. */
static void memories_outlive_their_pools(void **unused) {
    (void)unused;
    e2str_result *result = memory_result();
    for (size_t i = 0; i < MEMORIES; i += 2) {
        e2str_pool_free(pools[i]);
        pools[i] = NULL;
    }
    for (size_t i = 0; i < MEMORIES; i++) {
        char found[64];
        assert_int_equal(read_one(f.session, i, false, result), E2STR_OK);
        snprintf(found, sizeof found, "%s %.9g", e2str_result_text(result), (double)e2str_result_score(result));
        assert_string_equal(found, expected[i][0]);
    }
    e2str_result_free(result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memories_do_not_mix),
        cmocka_unit_test(memories_outlive_their_pools),
    };
    return cmocka_run_group_tests_name("memories", tests, set_up, tear_down);
}
