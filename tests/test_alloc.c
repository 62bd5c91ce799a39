/* SPDX-License-Identifier: MIT */
/*
 * Out of memory at every place: each call is repeated with its first, second, third ... allocation failing, and must
 * return MEMORY with a message, leave nothing behind (the sanitizer run sees leaks), and work again afterwards. And a
 * warm session allocates nothing per read. The linker wraps the library's allocation calls, and those that make threads
 * and locks (see the Makefile); with glibc and no sanitizer the allocations of libpng and libjpeg fail as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "e2str.h"
#include "tiny_model.h"

static atomic_size_t allocations; /* since the last reset */
static size_t fail_at;            /* this one fails; 0: none */
static bool for_ever;             /* and all behind it */
static atomic_bool foreign;       /* what failed was not asked for by the library: the C library can do without some */

static bool fails(void) {
    size_t n = ++allocations;
    bool failed = fail_at && (for_ever ? n >= fail_at : n == fail_at);
    if (failed) errno = ENOMEM;
    return failed;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
#else /* who defines malloc in the program defines it for all libraries */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
static bool fails_elsewhere(void) {
    bool failed = fails();
    if (failed) foreign = true;
    return failed;
}
#pragma GCC visibility push(default)
void *malloc(size_t size) { return fails_elsewhere() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails_elsewhere() ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fails_elsewhere() ? NULL : __libc_realloc(old, size); }
#pragma GCC visibility pop
#define __real_malloc        __libc_malloc
#define __real_calloc        __libc_calloc
#define __real_realloc       __libc_realloc
#define __real_aligned_alloc __libc_memalign
#endif

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size) { return fails() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *old, size_t size) { return fails() ? NULL : __real_realloc(old, size); }
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

#define WRAPPED(name, parameters, arguments, failure)                                                                  \
    int __real_##name parameters;                                                                                      \
    int __wrap_##name parameters;                                                                                      \
    int __wrap_##name parameters { return fails() ? failure : __real_##name arguments; }
WRAPPED(pthread_create, (pthread_t * id, const pthread_attr_t *how, void *(*run)(void *), void *user),
        (id, how, run, user), EAGAIN)
WRAPPED(pthread_mutex_init, (pthread_mutex_t * lock, const pthread_mutexattr_t *how), (lock, how), ENOMEM)
WRAPPED(pthread_cond_init, (pthread_cond_t * condition, const pthread_condattr_t *how), (condition, how), ENOMEM)
WRAPPED(pthread_rwlock_init, (pthread_rwlock_t * lock, const pthread_rwlockattr_t *how), (lock, how), ENOMEM)

typedef struct world {
    uint8_t *file;
    uint32_t places; /* option of its reads */
    size_t size;
    e2str_model *model;
    e2str_session *session;
    e2str_pool *pool;
    e2str_result *result;
    e2str_constraint *constraint;
    uint8_t pixels[20 * 30];
    e2str_image image;
    char path[64], model_path[64];
} world;

typedef e2str_status step(world *w, e2str_error *error);

/* Runs a step with allocation n failing; its status goes to *status. false: it does not come so far. */
static bool try_without(world *w, step *run, size_t n, bool all_behind, e2str_status *status) {
    e2str_error error = {0};
    allocations = 0;
    fail_at = n;
    for_ever = all_behind;
    foreign = false;
    *status = run(w, &error);
    fail_at = 0;
    bool reached = allocations >= n;
    if (*status && (!reached || *status != E2STR_ERROR_MEMORY || !error.message[0]))
        fail_msg("allocation %zu fails%s: status '%s', message '%s'", n, all_behind ? ", as all behind it" : "",
                 e2str_status_name(*status), error.message);
    return reached;
}

/* Runs a step with each of its allocations failing in turn, together with all behind it and alone, until it gets by
 * with none failing. `spare`: how many of them the step can do without. */
static void exhaust(world *w, step *run, size_t spare) {
    size_t spared = 0;
    e2str_status status;
    for (size_t n = 1; n < 100000; n++) {
        if (!try_without(w, run, n, true, &status)) {
            assert_int_equal(spared, spare);
            return;
        }
        assert_true(status || spare || foreign);
        if (try_without(w, run, n, false, &status) && !status && !foreign) spared++;
        assert_in_range(spared, 0, spare);
    }
    fail_msg("it never stops allocating");
}

static e2str_status open_model(world *w, e2str_error *error) {
    return e2str_model_open_memory(w->file, w->size, NULL, &w->model, error);
}
static e2str_status open_file(world *w, e2str_error *error) {
    e2str_model *model;
    e2str_status status = e2str_model_open(w->model_path, NULL, &model, error);
    e2str_model_close(model);
    return status;
}
static e2str_status new_session(world *w, e2str_error *error) {
    return e2str_session_new(w->model, NULL, &w->session, error);
}
static e2str_status new_result(world *w, e2str_error *error) { return e2str_result_new(&w->result, error); }
static e2str_status new_pool(world *w, e2str_error *error) { return e2str_pool_new(w->model, NULL, &w->pool, error); }
static e2str_status add(world *w, e2str_error *error) {
    uint64_t id;
    return e2str_pool_add(w->pool, w->session, &w->image, "Ab1", 3, &id, error);
}
static e2str_status save(world *w, e2str_error *error) { return e2str_pool_save(w->pool, w->path, error); }
static e2str_status load(world *w, e2str_error *error) {
    e2str_pool *pool;
    e2str_status status = e2str_pool_load(w->model, w->path, NULL, &pool, error);
    e2str_pool_free(pool);
    return status;
}
static e2str_status load_image(const char *path, e2str_error *error) {
    e2str_image image = {0};
    e2str_status status = e2str_image_load(path, NULL, &image, error);
    e2str_image_free(&image);
    return status;
}
static e2str_status load_png(world *w, e2str_error *error) {
    (void)w;
    return load_image("tests/images/ok-palette-8-bit.png", error);
}
static e2str_status load_jpeg(world *w, e2str_error *error) {
    (void)w;
    return load_image("tests/images/ok-progressive.jpg", error);
}
static e2str_status load_oriented(world *w, e2str_error *error) {
    (void)w;
    return load_image("tests/images/ok-orientation.jpg", error);
}
static e2str_status load_bmp(world *w, e2str_error *error) {
    (void)w;
    return load_image("tests/images/ok-alpha.bmp", error);
}
static e2str_status load_netpbm(world *w, e2str_error *error) {
    (void)w;
    return load_image("tests/images/ok-text.pgm", error);
}
static e2str_status cut(world *w, e2str_error *error) {
    (void)w;
    static const uint8_t pixels[40 * 30];
    static const float corners[8] = {2, 3, 30, 1, 31, 20, 3, 22};
    const e2str_image image = {pixels, 40, 30, 40, E2STR_GREY, 0, NULL, E2STR_TRIM_OF_MODEL};
    e2str_image made = {0};
    e2str_status status = e2str_image_cut(&image, corners, 0, 0, &made, error);
    e2str_image_free(&made);
    return status;
}
static e2str_status learn(world *w, e2str_error *error) {
    e2str_learn_options options;
    e2str_learn_options_init(&options);
    options.strength = 1.0f;
    return e2str_pool_learn(w->pool, w->session, &options, error);
}
static e2str_status read_beams(world *w, e2str_error *error) {
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.beams = 3;
    options.alternatives = 3;
    options.influences = 3;
    options.clean_up = 1;
    options.places = w->places;
    return e2str_read(w->session, &w->image, w->pool, &options, w->result, error);
}

static int accept_all(void *user, const char *text, size_t size) {
    (void)user;
    return text && size < 1000;
}

/* Of characters, lengths and a lexicon from a file, which does not decide alone. */
static e2str_status new_constraint(world *w, e2str_error *error) {
    e2str_constraint_options options;
    e2str_constraint_options_init(&options);
    options.characters = "^x";
    options.pattern = "[0-9A-Z]{2}.*|(a|b)+";
    options.max_length = 6;
    options.lexicon_path = "tests/metric.tsv";
    options.lexicon_bonus = 2;
    options.accept = accept_all;
    e2str_constraint_free(w->constraint);
    return e2str_constraint_new(&options, &w->constraint, error);
}
/* A hard one, of more characters than the model has: each read reckons with that. */
static e2str_status new_list(world *w, e2str_error *error) {
    e2str_constraint_options options;
    e2str_constraint_options_init(&options);
    options.lexicon = "\xc3\xa9\nAB\nABBA\n\xe2\x82\xac";
    options.lexicon_size = SIZE_MAX;
    e2str_constraint_free(w->constraint);
    return e2str_constraint_new(&options, &w->constraint, error);
}
static e2str_status read_bound(world *w, e2str_error *error) {
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.beams = 3;
    options.constraint = w->constraint;
    return e2str_read(w->session, &w->image, w->pool, &options, w->result, error);
}
/* Greedy, with too few tokens for anything that fits: read twice. */
static e2str_status read_unmatched(world *w, e2str_error *error) {
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.constraint = w->constraint;
    options.max_tokens = 2;
    return e2str_read(w->session, &w->image, w->pool, &options, w->result, error);
}

/* A fresh session and result: otherwise only the first try would allocate. */
static void chill(world *w, e2str_error *error) {
    size_t former = fail_at;
    fail_at = 0;
    e2str_session_free(w->session);
    e2str_result_free(w->result);
    if (new_session(w, error) || new_result(w, error)) fail_msg("%s", error->message);
    fail_at = former;
    allocations = 0;
}

static e2str_status read_cold(world *w, e2str_error *error) {
    chill(w, error);
    return read_beams(w, error);
}

/* The picture's border and its way up are found out. */
static e2str_status turned(world *w, e2str_status (*call)(world *, e2str_error *), e2str_error *error) {
    chill(w, error);
    w->image.rotate = E2STR_ROTATE_AUTO;
    w->image.trim = E2STR_TRIM_ALWAYS;
    e2str_status status = call(w, error);
    w->image.rotate = 0;
    w->image.trim = E2STR_TRIM_OF_MODEL;
    return status;
}
static e2str_status read_turned(world *w, e2str_error *error) { return turned(w, read_beams, error); }
static e2str_status add_turned(world *w, e2str_error *error) { return turned(w, add, error); }
static e2str_status read_bound_cold(world *w, e2str_error *error) {
    chill(w, error);
    return read_bound(w, error);
}

static e2str_status read_unmatched_cold(world *w, e2str_error *error) {
    chill(w, error);
    return read_unmatched(w, error);
}

/* A pool that has not learnt stays so, one that has keeps what it knew. */
static e2str_status learn_cold(world *w, e2str_error *error) {
    e2str_memory *former, *present;
    (void)e2str_pool_memory(w->pool, &former, NULL);
    chill(w, error);
    e2str_status status = learn(w, error);
    (void)e2str_pool_memory(w->pool, &present, NULL);
    if (status) assert_ptr_equal(former, present);
    e2str_memory_free(former);
    e2str_memory_free(present);
    return status;
}

/* Threads that share the stages of one image, and that read one image each. */
static e2str_status read_by_threads(world *w, e2str_error *error) {
    e2str_session_options options;
    e2str_session *session;
    e2str_image images[6];
    e2str_result *results[6] = {0};
    e2str_session_options_init(&options);
    options.threads = 3;
    e2str_status status = e2str_session_new(w->model, &options, &session, error);
    for (size_t i = 0; i < 6; i++) images[i] = w->image;
    for (size_t i = 0; !status && i < 6; i++) status = e2str_result_new(&results[i], error);
    if (!status) status = e2str_read(session, images, NULL, NULL, results[0], error);
    if (!status) status = e2str_read_batch(session, images, 6, NULL, NULL, results, error);
    for (size_t i = 0; i < 6; i++) e2str_result_free(results[i]);
    e2str_session_free(session);
    return status;
}

static e2str_status prepare(world *w, e2str_error *error) {
    e2str_prompt *prompt;
    uint64_t id = 1;
    chill(w, error);
    e2str_status status = e2str_prompt_new(w->session, w->pool, &id, 1, &prompt, error);
    e2str_prompt_free(prompt);
    return status;
}

static e2str_status read_prepared(world *w, e2str_error *error) {
    e2str_prompt *prompt;
    e2str_read_options options;
    uint64_t id = 1;
    chill(w, error);
    e2str_status status = e2str_prompt_new(w->session, w->pool, &id, 1, &prompt, error);
    e2str_read_options_init(&options);
    options.prompt = prompt;
    if (!status) status = e2str_read(w->session, &w->image, w->pool, &options, w->result, error);
    e2str_prompt_free(prompt);
    return status;
}

/* Keys, the nearest examples to one, what is learnt of them, and what an image will take. */
static e2str_status look(world *w, e2str_error *error) {
    float keys[2 * 16], similarities[2], doubt;
    uint64_t ids[2];
    size_t found;
    uint32_t tokens;
    e2str_image images[2] = {w->image, w->image};
    e2str_memory *memory = NULL;
    chill(w, error);
    e2str_status status = e2str_encode(w->session, images, 2, NULL, keys, error);
    if (!status) status = e2str_pool_nearest(w->pool, keys, 2, -1, ids, similarities, &found, error);
    if (!status) status = e2str_pool_doubt(w->pool, 1, &doubt, error);
    if (!status) status = e2str_pool_memory(w->pool, &memory, error);
    if (!status) status = e2str_visual_tokens(w->model, &images[0], &tokens, error);
    e2str_memory_free(memory);
    return status;
}

/* Several images with a pool's nearest examples and its memory. */
static e2str_status read_several(world *w, e2str_error *error) {
    e2str_read_options options;
    e2str_result *results[3] = {NULL, NULL, NULL};
    e2str_image images[3] = {w->image, w->image, w->image};
    chill(w, error);
    e2str_read_options_init(&options);
    options.k = 2;
    options.alternatives = options.influences = 2;
    e2str_status status = E2STR_OK;
    for (size_t i = 0; !status && i < 3; i++) status = e2str_result_new(&results[i], error);
    if (!status) status = e2str_read_batch(w->session, images, 3, w->pool, &options, results, error);
    for (size_t i = 0; i < 3; i++) e2str_result_free(results[i]);
    return status;
}

/* The same, each looked at again, with what the fusion block makes of the states. */
static e2str_status read_twice(world *w, e2str_error *error) {
    e2str_read_options options;
    e2str_result *results[2] = {w->result, NULL};
    e2str_image images[2] = {w->image, w->image};
    e2str_read_options_init(&options);
    options.k = 0;
    options.min_similarity = -1;
    options.second_look = 1;
    e2str_status status = e2str_result_new(&results[1], error);
    if (!status) status = e2str_read_batch(w->session, images, 2, w->pool, &options, results, error);
    e2str_result_free(results[1]);
    return status;
}
static e2str_status read_twice_cold(world *w, e2str_error *error) {
    chill(w, error);
    return read_twice(w, error);
}

static int set_up_with(void **state, const tiny_model_options *options) {
    world *w = calloc(1, sizeof *w);
    w->file = tiny_model_build(options, &w->size);
    w->places = options->head;
    for (size_t i = 0; i < sizeof w->pixels; i++) w->pixels[i] = (uint8_t)(i * 37);
    w->image = (e2str_image){w->pixels, 30, 20, 30, E2STR_GREY, 0, NULL, E2STR_TRIM_OF_MODEL};
    snprintf(w->path, sizeof w->path, "/tmp/e2str-test-alloc-%ld.pool", (long)getpid());
    snprintf(w->model_path, sizeof w->model_path, "/tmp/e2str-test-alloc-%ld.gguf", (long)getpid());
    FILE *file = fopen(w->model_path, "wb");
    if (!file || fwrite(w->file, 1, w->size, file) != w->size || fclose(file)) return 1;
    *state = w;
    return 0;
}

static int set_up(void **state) {
    return set_up_with(state, &(tiny_model_options){.resampler_layers = 1,
                                                    .type = E2_F16,
                                                    .memory = true,
                                                    .fusion = true,
                                                    .stem = {{8, 2, 2}, {9, 2, 2}, {5, 1, 2}, {7, 2, 2}}});
}

/* With a patch head and a calibration: places are found, and a confidence. */
static int set_up_head(void **state) {
    static const float weights[6] = {0.1f, 0.5f, 0.2f, -1, -1, 0}, textless[2] = {-5, -0.1f};
    return set_up_with(
        state, &(tiny_model_options){.type = E2_F16, .head = true, .confidence = weights, .textless = textless});
}

static int set_up_free_widths(void **state) {
    return set_up_with(state,
                       &(tiny_model_options){.min_width = 32, .all_media = true, .memory = true, .fusion = true});
}

static int tear_down(void **state) {
    world *w = *state;
    e2str_constraint_free(w->constraint);
    e2str_result_free(w->result);
    e2str_pool_free(w->pool);
    e2str_session_free(w->session);
    e2str_model_close(w->model);
    remove(w->path);
    remove(w->model_path);
    free(w->file);
    free(w);
    return 0;
}

static void every_allocation_may_fail(void **state) {
    world *w = *state;
    exhaust(w, open_model, 0);
    exhaust(w, open_file, 0);
    exhaust(w, read_by_threads, 0);
    exhaust(w, new_session, 0);
    exhaust(w, new_result, 0);
    exhaust(w, cut, 0);
    exhaust(w, new_pool, 0);
    exhaust(w, add, 0);
    assert_int_equal(e2str_pool_count(w->pool), 1);
    exhaust(w, read_cold, 1); /* the cached projection of the example */
    assert_true(e2str_result_characters(w->result) > 0);
    exhaust(w, prepare, 0);
    exhaust(w, save, 0);
    exhaust(w, load, 0);
    exhaust(w, learn_cold, 0);
    exhaust(w, learn_cold, 0);
    exhaust(w, read_turned, 0);
    exhaust(w, read_prepared, 0);
    exhaust(w, look, 0);
    exhaust(w, read_several, 0);
    exhaust(w, read_twice_cold, 0);
    assert_true(e2str_result_second_look(w->result) > 0);
    exhaust(w, read_cold, 0);
    assert_true(e2str_result_influences(w->result, 0) > 0);
    exhaust(w, new_constraint, 4); /* what is cut to size at the end */
    exhaust(w, read_bound_cold, 0);
    assert_true(!e2str_result_unmatched(w->result));
    exhaust(w, new_list, 2);
    exhaust(w, read_bound_cold, 0);
    assert_true(!e2str_result_unmatched(w->result));
    exhaust(w, read_unmatched_cold, 0);
    assert_true(e2str_result_unmatched(w->result));
    exhaust(w, save, 0);
    exhaust(w, load, 0);
    exhaust(w, add, 0); /* enough of them to be checked; a projection may fail */
    for (int i = 0; i < 8; i++) assert_int_equal(add(w, NULL), E2STR_OK);
    exhaust(w, learn_cold, 1);
    exhaust(w, add_turned, 0);
    exhaust(w, load_png, 0);
    exhaust(w, load_jpeg, 0);
    exhaust(w, load_oriented, 0);
    exhaust(w, load_bmp, 0);
    exhaust(w, load_netpbm, 0);
}

static void a_warm_read_allocates_nothing(void **state) {
    world *w = *state;
    e2str_error error;
    if (open_model(w, &error) || new_session(w, &error) || new_result(w, &error) || new_pool(w, &error) ||
        add(w, &error) || read_beams(w, &error))
        fail_msg("%s", error.message);
    allocations = 0;
    for (int i = 0; i < 3; i++) assert_int_equal(read_beams(w, &error), E2STR_OK);
    assert_int_equal(allocations, 0);
    assert_int_equal(learn(w, &error), E2STR_OK);
    assert_int_equal(read_beams(w, &error), E2STR_OK);
    allocations = 0;
    for (int i = 0; i < 3; i++) assert_int_equal(read_beams(w, &error), E2STR_OK);
    assert_int_equal(allocations, 0); /* with a memory, too */
    assert_int_equal(new_constraint(w, &error), E2STR_OK);
    assert_int_equal(read_bound(w, &error), E2STR_OK);
    allocations = 0;
    for (int i = 0; i < 3; i++) assert_int_equal(read_bound(w, &error), E2STR_OK);
    assert_int_equal(allocations, 0); /* with a constraint */
}

static void places_and_confidence(void **state) {
    world *w = *state;
    exhaust(w, open_model, 0);
    exhaust(w, new_session, 0);
    exhaust(w, new_result, 0);
    exhaust(w, new_pool, 0);
    exhaust(w, read_cold, 0);
    assert_true(e2str_result_characters(w->result) > 0);
    assert_int_equal(e2str_result_box(w->result, 0, &(e2str_box){0}, NULL), E2STR_OK);
    assert_int_equal(read_beams(w, NULL), E2STR_OK);
    allocations = 0;
    assert_int_equal(read_beams(w, NULL), E2STR_OK);
    assert_int_equal(allocations, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(places_and_confidence, set_up_head, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up_free_widths, tear_down),
        cmocka_unit_test_setup_teardown(a_warm_read_allocates_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_warm_read_allocates_nothing, set_up_free_widths, tear_down),
    };
    return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
