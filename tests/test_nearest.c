/* SPDX-License-Identifier: MIT */
/*
 * The search for the nearest examples, shared by threads: the same examples, in the same order, with the same bits of
 * similarity at every number of threads. The similarity kernel is wrapped: its first calls wait for each other, so that
 * every thread gets a part of the pool and there is something to merge.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <time.h>

#include "pool_fixture.h"
#include "ranked.h"

#define WIDTH    768
#define EXAMPLES 3000 /* enough to be shared; the last block is not full */
#define KEYS     100  /* different ones: 30 examples have the same */
#define MOST     3    /* threads */

static fixture f;
static e2_similarity_fn *best_similarity; /* the model's, before it was wrapped */
static e2str_pool *pool;
static float keys[KEYS][WIDTH];

/* ------------------------------------------------------------------------------------------------- the meeting -- */

static struct meeting {
    pthread_mutex_t mutex;
    pthread_cond_t all_here;
    unsigned expected, here; /* threads */
    pthread_t ids[MOST];     /* of those that are here */
} meeting = {.mutex = PTHREAD_MUTEX_INITIALIZER, .all_here = PTHREAD_COND_INITIALIZER};

static bool came_before(pthread_t id) {
    for (unsigned i = 0; i < meeting.here; i++)
        if (pthread_equal(meeting.ids[i], id)) return true;
    return false;
}

/* Returns when as many threads as expected came here; after a minute without them nobody waits any more. */
static void meet(void) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 60;
    pthread_mutex_lock(&meeting.mutex);
    if (meeting.here < MOST && !came_before(pthread_self())) meeting.ids[meeting.here++] = pthread_self();
    if (meeting.here == meeting.expected) pthread_cond_broadcast(&meeting.all_here);
    while (meeting.here < meeting.expected)
        if (pthread_cond_timedwait(&meeting.all_here, &meeting.mutex, &end) == ETIMEDOUT) meeting.expected = 0;
    pthread_mutex_unlock(&meeting.mutex);
}

static void similarity_after_meeting(const float *key, const float *rows, size_t n, size_t width, float *out) {
    meet();
    best_similarity(key, rows, n, width, out);
}

/* The next search waits for so many threads; `here` says how many it got. */
static void expect_threads(unsigned expected) {
    meeting.expected = expected;
    meeting.here = 0;
}

/* ---------------------------------------------------------------------------------------------------- the pool -- */

static void add_key(const float *key) {
    e2_example *example;
    uint32_t ids[1] = {4};
    e2_encoded image = {key, f.model->visual_tokens, key};
    assert_int_equal(e2_example_new(f.model, E2STR_STORE_F16, &image, &(e2_label){"a", 1, ids, 1}, &example, NULL),
                     E2STR_OK);
    assert_int_equal(e2_pool_insert(pool, example, NULL, NULL), E2STR_OK);
}

static int set_up(void **state) {
    (void)state;
    const tiny_model_options one_patch = {.vision_width = WIDTH, .image_width = 16, .image_height = 8};
    if (fixture_open(&f, &one_patch) || e2str_pool_new(f.model, NULL, &pool, NULL)) return 1;
    best_similarity = f.model->kernels->similarity;
    f.model->kernels->similarity = similarity_after_meeting;
    uint32_t seed = 7;
    for (size_t i = 0; i < KEYS; i++) {
        double sum = 0;
        for (size_t j = 0; j < WIDTH; j++) {
            keys[i][j] = (float)fixture_random(&seed) / 4294967296.0f - 0.5f;
            sum += (double)keys[i][j] * keys[i][j];
        }
        for (size_t j = 0; j < WIDTH; j++) keys[i][j] = (float)(keys[i][j] / sqrt(sum));
    }
    for (size_t i = 0; i < EXAMPLES; i++) add_key(keys[fixture_random(&seed) % KEYS]);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    e2str_pool_free(pool);
    fixture_close(&f);
    return 0;
}

/* ------------------------------------------------------------------------------------------------- the choices -- */

/* The whole pool sorted: what is chosen must be a prefix of it. */
static size_t rank_all(const float *key, float minimum, ranked *all) {
    size_t n = 0;
    for (size_t i = 0; i < pool->count; i++) {
        float similarity;
        best_similarity(key, pool->examples[i]->key, 1, WIDTH, &similarity);
        if (similarity >= minimum) all[n++] = (ranked){pool->examples[i]->id, similarity};
    }
    qsort(all, n, sizeof *all, by_rank);
    return n;
}

static void check_choices(const e2_compute *compute, const float *key, size_t k, float minimum) {
    static ranked all[EXAMPLES];
    static e2_choice choices[EXAMPLES + 50];
    size_t n = rank_all(key, minimum, all), found;
    assert_int_equal(e2_pool_choose(compute, pool, key, k, minimum, choices, &found, NULL), E2STR_OK);
    assert_int_equal(meeting.here, meeting.expected);
    assert_int_equal(found, n < k ? n : k);
    for (size_t i = 0; i < found; i++) {
        assert_int_equal(choices[i].example->id, all[i].id);
        assert_memory_equal(&choices[i].similarity, &all[i].similarity, sizeof all[i].similarity);
        assert_int_equal(atomic_load(&choices[i].example->references), 2);
        e2_choice_release(&choices[i]);
    }
    assert_null(compute->arena->current);
}

static void choices_do_not_depend_on_threads(void **state) {
    (void)state;
    static const size_t ks[] = {0, 1, 7, 64, EXAMPLES - 1, EXAMPLES + 50};
    static const float minima[] = {-1, 0.02f, 1.5f}; /* of all, of some, of none */
    assert_true(e2_nanoseconds(0, EXAMPLES * WIDTH * sizeof(float)) >= E2_WORTH_WAKING);
    for (unsigned count = 1; count <= MOST; count++) {
        e2_arena arena = {0};
        e2_compute compute = {.model = f.model, .kernels = f.model->kernels, .arena = &arena};
        assert_int_equal(e2_threads_new(count, &compute.threads, NULL), E2STR_OK);
        for (size_t i = 0; i < sizeof ks / sizeof *ks * 3; i++) {
            size_t k = ks[i / 3];
            expect_threads(k ? count : 0);
            check_choices(&compute, keys[i], k, minima[i % 3]);
        }
        e2_threads_free(compute.threads);
        e2_arena_free(&arena);
    }
}

/* ---------------------------------------------------------------------------------------------------- the reads -- */

static void assert_same_examples(const e2str_result *a, const e2str_result *b) {
    uint64_t ids[2];
    float similarities[2];
    assert_int_equal(e2str_result_examples(a), 7);
    assert_int_equal(e2str_result_examples(b), 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(e2str_result_example(a, i, &ids[0], &similarities[0], NULL), E2STR_OK);
        assert_int_equal(e2str_result_example(b, i, &ids[1], &similarities[1], NULL), E2STR_OK);
        assert_int_equal(ids[0], ids[1]);
        assert_memory_equal(&similarities[0], &similarities[1], sizeof similarities[0]);
    }
    assert_string_equal(e2str_result_text(a), e2str_result_text(b));
}

/* A read shares its search over the session's threads, a batch searches in each of them; a warm session takes no more
 * memory. */
static void reads_share_the_search(void **state) {
    (void)state;
    e2str_session *session;
    e2str_result *alone[FIXTURE_IMAGES], *shared[FIXTURE_IMAGES];
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.k = 7;
    options.max_tokens = 8;
    e2str_session_options threads = {.size = sizeof threads, .threads = MOST};
    assert_int_equal(e2str_session_new(f.model, &threads, &session, NULL), E2STR_OK);
    size_t bytes = 0;
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        assert_int_equal(e2str_result_new(&alone[i], NULL), E2STR_OK);
        assert_int_equal(e2str_result_new(&shared[i], NULL), E2STR_OK);
        expect_threads(1);
        assert_int_equal(e2str_read(f.session, &f.images[i], pool, &options, alone[i], NULL), E2STR_OK);
        expect_threads(MOST);
        assert_int_equal(e2str_read(session, &f.images[i], pool, &options, shared[i], NULL), E2STR_OK);
        assert_int_equal(meeting.here, MOST);
        assert_same_examples(alone[i], shared[i]);
        if (i > 0) assert_int_equal(e2str_session_bytes(session), bytes);
        bytes = e2str_session_bytes(session);
    }
    expect_threads(0);
    assert_int_equal(e2str_read_batch(session, f.images, FIXTURE_IMAGES, pool, &options, shared, NULL), E2STR_OK);
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        assert_same_examples(alone[i], shared[i]);
        e2str_result_free(alone[i]);
        e2str_result_free(shared[i]);
    }
    e2str_session_free(session);
}

/* Too few to wake anybody for; nothing at all. */
static void small_pools_are_searched_alone(void **state) {
    (void)state;
    e2_arena arena = {0};
    e2_compute compute = {.model = f.model, .kernels = f.model->kernels, .arena = &arena};
    assert_int_equal(e2_threads_new(MOST, &compute.threads, NULL), E2STR_OK);
    e2str_pool_clear(pool);
    expect_threads(0);
    check_choices(&compute, keys[0], 7, -1);
    for (size_t i = 0; i < 300; i++) add_key(keys[i % KEYS]);
    expect_threads(1);
    check_choices(&compute, keys[1], 64, -1);
    e2_threads_free(compute.threads);
    e2_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choices_do_not_depend_on_threads),
        cmocka_unit_test(reads_share_the_search),
        cmocka_unit_test(small_pools_are_searched_alone),
    };
    return cmocka_run_group_tests_name("nearest", tests, set_up, tear_down);
}
