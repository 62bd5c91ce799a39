/*
 * Threads that share a model and a pool, each with a session of its own: readers, one that adds and removes, one that
 * saves and loads. Worth most under ThreadSanitizer (make tsan), but what each of them sees is checked, too.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool_fixture.h"

#define READERS   3
#define ROUNDS    60
#define PERMANENT 4 /* examples 1 to 4 are never removed */

static fixture f;
static e2str_pool *pool;
static char directory[64], path[96];
static char alone[FIXTURE_IMAGES][256], prompted[FIXTURE_IMAGES][256]; /* what each image reads with no other thread */

/* cmocka's asserts belong to the main thread: others count what was wrong. */
static atomic_uint wrong;
static void check(bool right) {
    if (!right) atomic_fetch_add(&wrong, 1);
}

static e2str_read_options with_permanent(const uint64_t ids[2]) {
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.examples = ids;
    options.n_examples = 2;
    options.max_tokens = 8;
    return options;
}

static const uint64_t permanent[2] = {3, 1};

static void read_text(e2str_session *session, size_t image, const e2str_pool *from, e2str_result *result, char *text) {
    e2str_read_options options = with_permanent(permanent);
    if (!from) options.n_examples = 0;
    check(e2str_read(session, &f.images[image], from, &options, result, NULL) == E2STR_OK);
    snprintf(text, 256, "%s", e2str_result_text(result));
}

static int set_up(void **state) {
    (void)state;
    strcpy(directory, "/tmp/e2str-test-XXXXXX");
    if (!mkdtemp(directory)) return 1;
    snprintf(path, sizeof path, "%s/pool.gguf", directory);
    if (fixture_open(&f, NULL) || e2str_pool_new(f.model, NULL, &pool, NULL)) return 1;
    uint64_t id;
    e2str_result *result;
    for (size_t i = 0; i < PERMANENT; i++)
        if (e2str_pool_add(pool, f.session, &f.images[i], "keep", 4, &id, NULL)) return 1;
    if (e2str_result_new(&result, NULL)) return 1;
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        read_text(f.session, i, NULL, result, alone[i]);
        read_text(f.session, i, pool, result, prompted[i]);
    }
    e2str_result_free(result);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    e2str_pool_free(pool);
    fixture_close(&f);
    remove(path);
    rmdir(directory);
    return 0;
}

/* Ids ascend and the permanent ones are there, whatever the writer does meanwhile. */
static void look_at_list(void) {
    uint64_t ids[32];
    size_t n = e2str_pool_ids(pool, ids, 32);
    check(n >= PERMANENT && n <= 32);
    for (size_t i = 0; i < n && i < 32; i++) check(i < PERMANENT ? ids[i] == i + 1 : ids[i] > ids[i - 1]);
    char label[8];
    check(e2str_pool_label(pool, 2, label, sizeof label, NULL, NULL) == E2STR_OK && strcmp(label, "keep") == 0);
    check(e2str_pool_bytes(pool) > 0);
}

/* Chosen examples are used after the lock is gone. */
static void look_at_nearest(e2str_session *session, size_t image) {
    float key[FIXTURE_KEY], similarities[3];
    uint64_t ids[3];
    size_t found;
    e2_choice choices[3];
    check(e2str_encode(session, &f.images[image], 1, NULL, key, NULL) == E2STR_OK);
    check(e2str_pool_nearest(pool, key, 3, -1, ids, similarities, &found, NULL) == E2STR_OK);
    check(found == 3 && similarities[0] >= similarities[1] && similarities[1] >= similarities[2]);
    check(e2_pool_choose(&session->compute, pool, key, 3, -1, choices, &found, NULL) == E2STR_OK && found == 3);
    size_t n = (size_t)f.model->visual_tokens * FIXTURE_KEY;
    float *tokens = malloc(n * sizeof *tokens);
    check(tokens != NULL);
    for (size_t i = 0; i < found; i++) {
        if (tokens) check(isfinite(e2_example_tokens(f.model, choices[i].example, tokens)[n - 1]));
        e2_choice_release(&choices[i]);
    }
    free(tokens);
}

static void *reader(void *argument) {
    uint32_t seed = 1 + (uint32_t)(uintptr_t)argument;
    e2str_session *session = NULL;
    e2str_result *result = NULL;
    check(e2str_session_new(f.model, NULL, &session, NULL) == E2STR_OK && e2str_result_new(&result, NULL) == E2STR_OK);
    for (int i = 0; session && result && i < ROUNDS; i++) {
        size_t image = fixture_random(&seed) % FIXTURE_IMAGES;
        char text[256];
        read_text(session, image, NULL, result, text);
        check(strcmp(text, alone[image]) == 0);
        read_text(session, image, pool, result, text);
        check(strcmp(text, prompted[image]) == 0);
        e2str_read_options options;
        e2str_read_options_init(&options);
        options.max_tokens = 8;
        check(e2str_read(session, &f.images[image], pool, &options, result, NULL) == E2STR_OK);
        check(e2str_result_examples(result) == 2);
        look_at_nearest(session, image);
        look_at_list();
    }
    e2str_result_free(result);
    e2str_session_free(session);
    return NULL;
}

/* Keeps at most 8 examples beside the permanent ones. */
static void *writer(void *argument) {
    (void)argument;
    uint64_t ids[8] = {0}, last = 0;
    e2str_session *session = NULL;
    check(e2str_session_new(f.model, NULL, &session, NULL) == E2STR_OK);
    for (size_t i = 0; session && i < 6 * ROUNDS; i++) {
        uint64_t *id = &ids[i % 8];
        if (*id) check(e2str_pool_remove(pool, *id, NULL) == E2STR_OK);
        check(e2str_pool_add(pool, session, &f.images[i % FIXTURE_IMAGES], "comes", 5, id, NULL) == E2STR_OK);
        check(*id > last);
        last = *id;
    }
    for (size_t i = 0; i < 8; i++) check(e2str_pool_remove(pool, ids[i], NULL) == E2STR_OK);
    e2str_session_free(session);
    return NULL;
}

/* Every file holds one moment of the pool: it loads, with all that is permanent. */
static void *saver(void *argument) {
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        e2str_pool *loaded = NULL;
        uint64_t ids[PERMANENT] = {0};
        check(e2str_pool_save(pool, path, NULL) == E2STR_OK);
        check(e2str_pool_load(f.model, path, NULL, &loaded, NULL) == E2STR_OK);
        check(e2str_pool_ids(loaded, ids, PERMANENT) >= PERMANENT && ids[PERMANENT - 1] == PERMANENT);
        e2str_pool_free(loaded);
    }
    return NULL;
}

static void test_shared_pool(void **state) {
    (void)state;
    pthread_t threads[READERS + 2];
    for (size_t i = 0; i < READERS + 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i < READERS    ? reader
                                        : i == READERS ? writer
                                                       : saver,
                                        (void *)(uintptr_t)i),
                         0);
    for (size_t i = 0; i < READERS + 2; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(e2str_pool_count(pool), PERMANENT);
}

/* The first calls for a model's checksum, all at once. */
static void *ask_checksum(void *argument) {
    *(uint64_t *)argument = e2str_model_checksum(f.model);
    return NULL;
}

static void test_checksum(void **state) {
    (void)state;
    pthread_t threads[4];
    uint64_t checksums[4];
    for (size_t i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, ask_checksum, &checksums[i]), 0);
    for (size_t i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (size_t i = 1; i < 4; i++) assert_true(checksums[i] == checksums[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_shared_pool),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
