/* SPDX-License-Identifier: MIT */
/*
 * The same input gives the same bits: on each CPU level and in each precision, whatever the number of threads, the
 * images that are read together, where in memory the caller's pixels lie and how far their rows are apart, and whether
 * the caller's thread flushes denormal numbers.
 */
#define _XOPEN_SOURCE 700 /* setenv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "memory_fixture.h"

static const char *const levels[] = {"ref", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "neon", "neon_dot"};
static const uint32_t threads[] = {1, 2, 3, 5};
static const size_t batches[] = {1, 2, 5, 16};
static const size_t moves[] = {0, 1, 3, 7, 13, 32};
static const e2str_precision precisions[] = {E2STR_PRECISION_F32, E2STR_PRECISION_BF16, E2STR_PRECISION_INT8};

enum { SIDE = 64, PICTURES = 16, ROOM = 3 * SIDE * SIDE };

static uint8_t source[PICTURES][ROOM];

/* A picture with its rows `move` bytes further apart than they must be, and its first pixel at an odd place. */
static e2str_image place(size_t picture, uint8_t *room, size_t move) {
    uint32_t width = 40 + (uint32_t)picture, height = 20 + (uint32_t)picture % 7;
    bool colour = picture % 3 == 0;
    size_t row = width * (colour ? 3 : 1);
    e2str_image image = {.width = width, .height = height, .format = colour ? E2STR_RGB : E2STR_GREY};
    image.pixels = room + move;
    image.stride = (ptrdiff_t)(row + move);
    for (size_t y = 0; y < height; y++) memcpy(room + move + y * (row + move), source[picture] + y * row, row);
    return image;
}

typedef struct run {
    e2str_model *model;
    e2str_pool *pool;
    e2str_result *expected[PICTURES];
    size_t compared;
} run;

static const e2str_read_options *how(void) {
    static e2str_read_options options;
    options = memory_options(2, 2);
    options.places = options.attention = 1;
    return &options;
}

static e2str_session *new_session(const e2str_model *model, uint32_t count) {
    e2str_session_options options;
    e2str_session *session;
    e2str_session_options_init(&options);
    options.threads = count;
    assert_int_equal(e2str_session_new(model, &options, &session, NULL), E2STR_OK);
    return session;
}

/* All pictures, `batch` at a time, against what each read alone. */
static void compare(run *r, uint32_t count, size_t batch, size_t move) {
    static uint8_t rooms[PICTURES][ROOM + SIDE * SIDE];
    e2str_image images[PICTURES];
    e2str_result *results[PICTURES];
    e2str_session *session = new_session(r->model, count);
    e2str_error error = {""};
    for (size_t i = 0; i < PICTURES; i++) {
        images[i] = place(i, rooms[i], move);
        results[i] = memory_result();
    }
    for (size_t i = 0; i < PICTURES; i += batch) {
        size_t n = batch < PICTURES - i ? batch : PICTURES - i;
        if (e2str_read_batch(session, images + i, n, r->pool, how(), results + i, &error))
            fail_msg("%s", error.message);
    }
    for (size_t i = 0; i < PICTURES; i++) {
        if (!memory_same(r->expected[i], results[i]))
            fail_msg("%u threads, %zu together, moved by %zu: picture %zu reads '%s' (%.9g), not '%s' (%.9g)", count,
                     batch, move, i, e2str_result_text(results[i]), (double)e2str_result_score(results[i]),
                     e2str_result_text(r->expected[i]), (double)e2str_result_score(r->expected[i]));
        r->compared++;
        e2str_result_free(results[i]);
    }
    e2str_session_free(session);
}

/* What one thread reads of each picture alone, as it lies in memory by itself; the pool has learnt. */
static void begin(run *r, const tiny_model_options *tiny, e2str_precision precision, uint8_t **file) {
    size_t size;
    static uint8_t room[ROOM];
    e2str_model_options options;
    e2str_error error = {""};
    e2str_model_options_init(&options);
    options.precision = precision;
    *file = tiny_model_build(tiny, &size);
    if (e2str_model_open_memory(*file, size, &options, &r->model, &error)) fail_msg("%s", error.message);
    e2str_session *session = new_session(r->model, 1);
    assert_int_equal(e2str_pool_new(r->model, NULL, &r->pool, NULL), E2STR_OK);
    for (size_t i = 0; i < 4; i++) {
        uint64_t id;
        e2str_image image = place(i, room, 0);
        assert_int_equal(e2str_pool_add(r->pool, session, &image, i % 2 ? "ab1" : "Ba", SIZE_MAX, &id, NULL), E2STR_OK);
    }
    memory_learn_with(session, r->pool, 1.0f);
    for (size_t i = 0; i < PICTURES; i++) {
        e2str_image image = place(i, room, 0);
        r->expected[i] = memory_result();
        assert_int_equal(e2str_read(session, &image, r->pool, how(), r->expected[i], NULL), E2STR_OK);
    }
    e2str_session_free(session);
}

static void end(run *r, uint8_t *file) {
    for (size_t i = 0; i < PICTURES; i++) e2str_result_free(r->expected[i]);
    e2str_pool_free(r->pool);
    e2str_model_close(r->model);
    free(file);
}

static unsigned flush_denormals(bool on) {
#ifdef __SSE__
    unsigned before = _mm_getcsr();
    _mm_setcsr(on ? before | 0x8040 : before & ~0x8040u); /* FTZ, DAZ */
    return before;
#else
    (void)on;
    return 0;
#endif
}

static void on_every_level(void **state) {
    static const tiny_model_options fixed = {.memory = true,
                                             .head = true,
                                             .vision_width = 32,
                                             .decoder_width = 32,
                                             .type = E2_BF16},
                                    free_widths = {.memory = true, .head = true, .min_width = 32, .all_media = true};
    const tiny_model_options *const kinds[] = {&fixed, &free_widths};
    const char *before = getenv("E2STR_CPU");
    size_t compared = 0, known = 0;
    (void)state;
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        setenv("E2STR_CPU", levels[l], 1);
        if (strcmp(e2str_cpu_name(), levels[l])) continue; /* not on this machine */
        known++;
        for (size_t k = 0; k < 2; k++)
            for (size_t p = 0; p < 3; p++) {
                run r = {0};
                uint8_t *file;
                begin(&r, kinds[k], precisions[p], &file);
                for (size_t t = 0; t < 4; t++) compare(&r, threads[t], batches[(t + p) % 4], moves[(t + l) % 6]);
                for (size_t b = 0; b < 4; b++) compare(&r, threads[(b + p + 1) % 4], batches[b], moves[(b + k) % 6]);
                for (size_t m = 0; m < 6; m++) compare(&r, 1, 1 + m, moves[m]);
                flush_denormals(true); /* the threads of a new session inherit it */
                compare(&r, 1, 1, 0);
                compare(&r, 3, 16, 1);
                flush_denormals(false);
                compared += r.compared;
                end(&r, file);
            }
    }
    if (before)
        setenv("E2STR_CPU", before, 1);
    else
        unsetenv("E2STR_CPU");
    assert_true(known > 0);
    print_message("# %zu results on %zu levels\n", compared, known);
}

int main(void) {
    uint32_t seed = 5;
    for (size_t i = 0; i < PICTURES; i++)
        for (size_t j = 0; j < ROOM; j++) source[i][j] = (uint8_t)(fixture_random(&seed) >> 24);
    const struct CMUnitTest tests[] = {cmocka_unit_test(on_every_level)};
    return cmocka_run_group_tests_name("determinism", tests, NULL, NULL);
}
