/* SPDX-License-Identifier: MIT */
/* A pool in an archive, used by threads at once: added to, taken from, saved, written anew, read with, refreshed. What
 * was changed while it was saved is a change all the same. For ThreadSanitizer, too. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "archive_fixture.h"

enum { ROUNDS = 60 };

static fixture f;
static char path[FOLDER_PATH];
static e2str_pool *pool, *reader;
static atomic_uint added, failed, saved;

static void check(bool right) { failed += !right; }

static void *add_and_remove(void *context) {
    e2str_session *session;
    (void)context;
    check(!e2str_session_new(f.model, NULL, &session, NULL));
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t id;
        check(!e2str_pool_add(pool, session, &f.images[i % FIXTURE_IMAGES], "thread", 6, &id, NULL));
        added++;
        if (i % 3) continue;
        check(!e2str_pool_remove(pool, i % 2 ? id : id / 2 + 1, NULL) || i % 2 == 0);
    }
    e2str_session_free(session);
    return NULL;
}

static void *save_now_and_then(void *context) {
    (void)context;
    for (int i = 0; i < ROUNDS; i++) {
        e2str_status status =
            i % 10 == 9 ? e2str_pool_save_archive(pool, path, NULL, NULL) : e2str_pool_save(pool, path, NULL);
        check(!status);
        saved += !status;
    }
    return NULL;
}

static void *read_on(void *context) {
    e2str_pool *with = context;
    e2str_session *session;
    e2str_result *result;
    check(!e2str_session_new(f.model, NULL, &session, NULL) && !e2str_result_new(&result, NULL));
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.max_tokens = 3;
    options.min_similarity = -1;
    for (int i = 0; i < ROUNDS; i++) {
        check(!e2str_read(session, &f.images[i % FIXTURE_IMAGES], with, &options, result, NULL));
        if (with == reader) check(!e2str_pool_refresh(reader, NULL));
    }
    e2str_result_free(result);
    e2str_session_free(session);
    return NULL;
}

static void all_at_once(void **state) {
    (void)state;
    pthread_t threads[5];
    pool = archive_pool(&f, E2STR_STORE_F16, 3);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    reader = archive_load(&f, path);
    assert_int_equal(pthread_create(&threads[0], NULL, add_and_remove, NULL), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, add_and_remove, NULL), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, save_now_and_then, NULL), 0);
    assert_int_equal(pthread_create(&threads[3], NULL, read_on, pool), 0);
    assert_int_equal(pthread_create(&threads[4], NULL, read_on, reader), 0);
    for (int i = 0; i < 5; i++) pthread_join(threads[i], NULL);
    assert_int_equal(failed, 0);
    assert_int_equal(saved, ROUNDS);
    assert_int_equal(added, 2 * ROUNDS);
    /* Memory and file say the same. */
    assert_ok(e2str_pool_save(pool, path, error));
    assert_ok(e2str_pool_refresh(reader, error));
    assert_ok(e2str_pool_verify(reader, error));
    archive_check_same(&f, pool, reader);
    assert_in_range(e2str_pool_count(pool), 3 + 2 * ROUNDS - ROUNDS, 3 + 2 * ROUNDS);
    e2str_pool_free(pool);
    e2str_pool_free(reader);
}

/* ---- an archive of another storage, while an example is on its way ---- */

static e2_layer_norm_fn *layer_norm; /* the model's, before it was wrapped */
static unsigned norms;

static void refresh_and_norm(const float *x, size_t rows, size_t n, const float *weight, const float *bias,
                             float epsilon, float *out) {
    if (!norms++) check(!e2str_pool_refresh(pool, NULL));
    layer_norm(x, rows, n, weight, bias, epsilon, out);
}

/* An example is stored as the pool's are when it comes in, not as they were when its encoding began. */
static void the_storage_changes_meanwhile(void **state) {
    (void)state;
    e2str_pool *twin = archive_pool(&f, E2STR_STORE_F32, 2);
    failed = 0;
    pool = archive_pool(&f, E2STR_STORE_F16, 3);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    assert_ok(e2str_pool_save_archive(twin, path, NULL, error));
    layer_norm = f.model->kernels->layer_norm;
    f.model->kernels->layer_norm = refresh_and_norm;
    assert_int_equal(memory_add(&f, pool, 5, "new"), 3);
    f.model->kernels->layer_norm = layer_norm;
    assert_int_equal(failed, 0);
    assert_int_equal(archive_info(pool).storage, E2STR_STORE_F32);
    memory_add(&f, twin, 5, "new");
    archive_check_same(&f, twin, pool);
    archive_check_reads(&f, twin, pool);
    assert_ok(e2str_pool_save(pool, path, error));
    assert_ok(e2str_pool_verify(pool, error));
    archive_check_reads(&f, twin, pool);
    e2_example *narrow; /* one that was made before, and comes after */
    float key[FIXTURE_KEY] = {1}, tokens[64 * FIXTURE_KEY] = {0};
    e2_label label;
    assert_ok(e2_label_read(f.model, "ab", 2, &label, error));
    const e2_encoded image = {tokens, f.model->visual_tokens, key};
    assert_ok(e2_example_new(f.model, E2STR_STORE_F16, &image, &label, &narrow, error));
    assert_int_equal(e2_pool_insert(pool, narrow, NULL, NULL), E2STR_ERROR_MISMATCH);
    assert_int_equal(e2str_pool_count(pool), 3);
    e2_example_release(narrow);
    e2_label_free(&label);
    e2str_pool_free(pool);
    e2str_pool_free(twin);
}

static int set_up(void **state) {
    (void)state;
    if (!folder_make()) return 1;
    folder_path(path, "pool");
    return fixture_open(&f, NULL);
}

static int tear_down(void **state) {
    (void)state;
    fixture_close(&f);
    remove(path);
    return folder_remove();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_at_once), cmocka_unit_test(the_storage_changes_meanwhile)};
    return cmocka_run_group_tests_name("archive_threads", tests, set_up, tear_down);
}
