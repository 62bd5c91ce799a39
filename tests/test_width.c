/* SPDX-License-Identifier: MIT */
/* Free widths: pictures keep their shape, so they differ in their number of visual tokens. Whatever stands beside a
 * picture, in a batch, a prompt, a pool or its file, changes no bit of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "memory_fixture.h"

/* 2 to 16 columns of 16 pixels. */
#define FREE .image_width = 256, .min_width = 32

static const tiny_model_options kinds[] = {
    {FREE, .memory = true},
    {FREE, .memory = true, .class_token = true, .norm_post = true, .all_media = true, .type = E2_BF16},
    {FREE, .memory = true, .resampler_layers = 1, .all_media = true, .key = "vision_tokens", .type = E2_F16},
    {FREE, .memory = true, .class_token = true, .segment_stride = 12, .head = true,
     .stem = {{8, 2, 2}, {9, 2, 2}, {7, 1, 2}, {5, 2, 2}}, .type = E2_Q8_0},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* The fixture's images, cut to shapes from 1 : 2 to 10 : 1. */
static void open_free(fixture *f, const tiny_model_options *options) {
    static const uint32_t sides[][2] = {{40, 20}, {10, 20}, {40, 4}, {20, 20}, {33, 7}, {40, 10}, {7, 5}, {12, 9}};
    assert_int_equal(fixture_open(f, options), 0);
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        f->images[i].width = sides[i % 8][0];
        f->images[i].height = sides[i % 8][1];
    }
}

static uint32_t tokens_of(const fixture *f, size_t image) {
    uint32_t n;
    assert_int_equal(e2str_visual_tokens(f->model, &f->images[image], &n, NULL), E2STR_OK);
    return n;
}

static e2str_session *session_of(const fixture *f, uint32_t threads) {
    e2str_session_options options;
    e2str_session *session;
    e2str_session_options_init(&options);
    options.threads = threads;
    options.spin_microseconds = threads == 3 ? 100 : 0; /* shorter jobs are shared then */
    assert_int_equal(e2str_session_new(f->model, &options, &session, NULL), E2STR_OK);
    return session;
}

static e2str_pool *pool_of(const fixture *f, e2str_storage storage, uint64_t cache_bytes, size_t n) {
    static const char *const labels[] = {"ab", "Cde1", "x", "hello", "07", "Zz9"};
    e2str_pool_options options;
    e2str_pool *pool;
    e2str_pool_options_init(&options);
    options.storage = storage;
    options.cache_bytes = cache_bytes;
    assert_int_equal(e2str_pool_new(f->model, &options, &pool, NULL), E2STR_OK);
    for (size_t i = 0; i < n; i++) memory_add(f, pool, i, labels[i % 6]);
    return pool;
}

/* ---------------------------------------------------------------------------------------------------- the rule -- */

static void a_width_is_the_nearest_step(void **state) {
    (void)state;
    static const struct {
        uint32_t width, height, rotate, columns;
    } cases[] = {
        {128, 32, 0, 8},   {120, 32, 0, 8},   {119, 32, 0, 7}, /* 7.5 and a little less */
        {1, 1, 0, 2},      {1, 9, 0, 2},      {256, 32, 0, 16},   {1000, 3, 0, 16}, {1, 16384, 0, 2},
        {16384, 1, 0, 16}, {20, 100, 90, 10}, {20, 100, 270, 10}, {20, 100, 0, 2},  {100, 20, 180, 10},
    };
    fixture f;
    open_free(&f, &kinds[0]);
    static uint8_t pixels[16384];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        e2str_image image = {.pixels = pixels,
                             .width = cases[i].width,
                             .height = cases[i].height,
                             .stride = cases[i].width,
                             .format = E2STR_GREY,
                             .rotate = cases[i].rotate};
        uint32_t n;
        assert_int_equal(e2str_visual_tokens(f.model, &image, &n, NULL), E2STR_OK);
        if (n != 4 * cases[i].columns)
            fail_msg("%u x %u: %u tokens, not 4 x %u", image.width, image.height, n, cases[i].columns);
    }
    fixture_close(&f);
}

static void the_model_tells(void **state) {
    (void)state;
    for (size_t i = 0; i <= KINDS; i++) {
        fixture f;
        e2str_model_info info;
        e2str_error error = {""};
        uint32_t n = 1;
        open_free(&f, i < KINDS ? &kinds[i] : NULL);
        e2str_model_info_init(&info);
        assert_int_equal(e2str_model_get_info(f.model, &info, NULL), E2STR_OK);
        bool resampler = info.resampler_layers > 0;
        assert_int_equal(info.min_width, i < KINDS ? 32 : 128);
        assert_int_equal(info.max_width, i < KINDS ? 256 : 128);
        assert_int_equal(info.image_width, info.max_width);
        assert_int_equal(info.visual_tokens, resampler ? TINY_LATENTS : i < KINDS ? 64 : 32);
        assert_int_equal(tokens_of(&f, 1), resampler ? TINY_LATENTS : i < KINDS ? 8 : 32);
        assert_int_equal(e2str_visual_tokens(NULL, &f.images[0], &n, &error), E2STR_ERROR_ARGUMENT);
        assert_int_equal(e2str_visual_tokens(f.model, &f.images[0], NULL, &error), E2STR_ERROR_ARGUMENT);
        assert_int_equal(e2str_visual_tokens(f.model, NULL, &n, &error), E2STR_ERROR_ARGUMENT);
        assert_int_equal(n, 0);
        f.images[0].height = 0;
        assert_int_equal(e2str_visual_tokens(f.model, &f.images[0], &n, &error), E2STR_ERROR_ARGUMENT);
        assert_non_null(strstr(error.message, "height"));
        fixture_close(&f);
    }
}

/* Of a loose crop the part that is read has the shape that counts. */
static void a_trimmed_picture_is_as_wide_as_its_ink(void **state) {
    (void)state;
    static uint8_t pixels[60 * 200];
    fixture f;
    open_free(&f, &kinds[0]);
    memset(pixels, 240, sizeof pixels);
    for (size_t y = 20; y < 40; y++) /* strokes of a text, 40 x 20 */
        for (size_t x = 80; x < 120; x++)
            if (x % 8 < 3 || (y % 10 < 3 && x % 16 < 8)) pixels[y * 200 + x] = 20;
    e2str_image image = {.pixels = pixels, .width = 200, .height = 60, .stride = 200, .format = E2STR_GREY};
    uint32_t whole, trimmed;
    image.trim = E2STR_TRIM_NEVER;
    assert_int_equal(e2str_visual_tokens(f.model, &image, &whole, NULL), E2STR_OK);
    image.trim = E2STR_TRIM_ALWAYS;
    assert_int_equal(e2str_visual_tokens(f.model, &image, &trimmed, NULL), E2STR_OK);
    assert_int_equal(whole, 4 * 7);
    e2str_result *result = memory_result();
    e2str_area area;
    assert_int_equal(e2str_read(f.session, &image, NULL, NULL, result, NULL), E2STR_OK);
    assert_int_equal(e2str_result_area(result, &area, NULL), E2STR_OK);
    assert_in_range(area.width, 40, 60);
    assert_int_equal(trimmed, 4 * ((4 * area.width + area.height) / (2 * area.height)));
    assert_true(trimmed < whole);
    e2str_result_free(result);
    fixture_close(&f);
}

/* ---------------------------------------------------------------------------------------------------- encoding -- */

static void encoding_is_packed_and_the_same_alone(void **state) {
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        fixture f;
        open_free(&f, &kinds[kind]);
        if (f.model->blas) { /* what a BLAS does with a row depends on how many there are */
            fixture_close(&f);
            skip();
        }
        enum { N = 3 * FIXTURE_IMAGES }; /* more than one group */
        e2str_image images[N];
        size_t width = f.model->vision.width, total = 0, at = 0;
        for (size_t i = 0; i < N; i++) images[i] = f.images[i % FIXTURE_IMAGES];
        for (size_t i = 0; i < N; i++) total += tokens_of(&f, i % FIXTURE_IMAGES) * width;
        float *alone = tiny_checked(malloc(total * sizeof *alone)),
              *batch = tiny_checked(malloc(total * sizeof *batch));
        float keys[N][FIXTURE_KEY], batch_keys[N][FIXTURE_KEY];
        for (size_t i = 0; i < N; at += tokens_of(&f, i++ % FIXTURE_IMAGES) * width)
            assert_int_equal(e2str_encode(f.session, &images[i], 1, alone + at, keys[i], NULL), E2STR_OK);
        assert_int_equal(at, total);
        for (unsigned threads = 1; threads <= 3; threads++) {
            e2str_session *session = session_of(&f, threads);
            memset(batch, 0, total * sizeof *batch);
            assert_int_equal(e2str_encode(session, images, N, batch, batch_keys[0], NULL), E2STR_OK);
            assert_memory_equal(batch, alone, total * sizeof *batch);
            assert_memory_equal(batch_keys, keys, sizeof keys);
            e2str_session_free(session);
        }
        images[N - 1].stride = 1;
        assert_int_equal(e2str_encode(f.session, images, N, batch, NULL, NULL), E2STR_ERROR_ARGUMENT);
        free(batch);
        free(alone);
        fixture_close(&f);
    }
}

/* The tensor as the file has it, in f32; free() it. */
static float *in_file(const e2str_model *model, const char *name) {
    const e2_tensor *tensor = e2_gguf_tensor(&model->gguf, name);
    assert_non_null(tensor);
    float *values = tiny_checked(malloc(tensor->elements * sizeof *values));
    e2_dequantize(tensor, 0, tensor->elements, values);
    return values;
}

static void positions_are_sums(void **state) {
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        fixture f;
        open_free(&f, &kinds[kind]);
        const e2_vision *v = &f.model->vision;
        const float *at = v->positions;
        float *rows = in_file(f.model, "vision.row_positions"), *columns = in_file(f.model, "vision.column_positions");
        assert_int_equal(v->grid_height * v->grid_width, 4 * 16);
        for (size_t i = 0; v->class_token && i < FIXTURE_KEY; i++) assert_true(*at++ == 0.0f);
        for (size_t y = 0; y < 4; y++)
            for (size_t x = 0; x < 16; x++)
                for (size_t i = 0; i < FIXTURE_KEY; i++)
                    assert_true(*at++ == rows[y * FIXTURE_KEY + i] + columns[x * FIXTURE_KEY + i]);
        free(rows);
        free(columns);
        fixture_close(&f);
    }
}

/* ----------------------------------------------------------------------------------------------------- reading -- */

static void assert_same_places(const e2str_result *a, const e2str_result *b) {
    for (size_t i = 0; i < e2str_result_characters(a); i++) {
        e2str_box x, y;
        assert_int_equal(e2str_result_box(a, i, &x, NULL), E2STR_OK);
        assert_int_equal(e2str_result_box(b, i, &y, NULL), E2STR_OK);
        assert_memory_equal(&x, &y, sizeof x);
    }
}

/* Alone, in batches with any number of threads, with and without cached projections, with a prepared prompt. */
static void reads_do_not_depend_on_their_neighbours(void **state) {
    (void)state;
    enum { N = 40 };
    e2str_result *alone[N], *batch[N];
    for (size_t i = 0; i < N; i++) {
        alone[i] = memory_result();
        batch[i] = memory_result();
    }
    for (size_t run = 0; run < 2 * KINDS; run++) {
        fixture f;
        open_free(&f, &kinds[run / 2]);
        if (f.model->blas) {
            fixture_close(&f);
            continue;
        }
        e2str_pool *pool = pool_of(&f, E2STR_STORE_F16, 0, 6), *cached = pool_of(&f, E2STR_STORE_F16, 1 << 20, 6);
        e2str_read_options options = memory_options(3, run % 2 ? 3 : 1);
        options.places = kinds[run / 2].head;
        e2str_image images[N];
        for (size_t i = 0; i < N; i++) images[i] = f.images[(5 * i + i / 16) % FIXTURE_IMAGES];
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(e2str_read(f.session, &images[i], pool, &options, alone[i], NULL), E2STR_OK);
            assert_int_equal(e2str_result_examples(alone[i]), 3);
        }
        for (unsigned threads = 1; threads <= 3; threads++) {
            e2str_session *session = session_of(&f, threads);
            for (size_t n = N; n > 0; n /= 3) {
                const e2str_pool *from = n % 2 ? pool : cached;
                assert_int_equal(e2str_read_batch(session, images, n, from, &options, batch, NULL), E2STR_OK);
                for (size_t i = 0; i < n; i++) assert_same(alone[i], batch[i]);
                for (size_t i = 0; options.places && i < n; i++) assert_same_places(alone[i], batch[i]);
            }
            e2str_session_free(session);
        }
        static const uint64_t ids[] = {3, 2, 6};
        options.k = 0;
        options.examples = ids;
        options.n_examples = 3;
        assert_int_equal(e2str_read(f.session, &images[0], cached, &options, alone[0], NULL), E2STR_OK);
        options.n_examples = 0;
        e2str_prompt *prompt;
        assert_int_equal(e2str_prompt_new(f.session, cached, ids, 3, &prompt, NULL), E2STR_OK);
        options.prompt = prompt;
        assert_int_equal(e2str_read(f.session, &images[0], NULL, &options, batch[0], NULL), E2STR_OK);
        assert_same(alone[0], batch[0]);
        assert_true(e2str_prompt_bytes(prompt) > 0);
        e2str_prompt_free(prompt);
        e2str_pool_free(cached);
        e2str_pool_free(pool);
        fixture_close(&f);
    }
    for (size_t i = 0; i < N; i++) {
        e2str_result_free(alone[i]);
        e2str_result_free(batch[i]);
    }
}

/* -------------------------------------------------------------------------------------------------------- pools -- */

static void an_example_takes_what_it_needs(void **state) {
    (void)state;
    fixture f;
    open_free(&f, &kinds[0]);
    e2str_pool *pool = pool_of(&f, E2STR_STORE_F32, 0, 0);
    memory_add(&f, pool, 1, "ab"); /* 2 columns */
    uint64_t narrow = e2str_pool_bytes(pool);
    memory_add(&f, pool, 2, "ab"); /* 16 columns */
    assert_int_equal(pool->examples[0]->n_tokens, 8);
    assert_int_equal(pool->examples[1]->n_tokens, 64);
    assert_int_equal(e2str_pool_bytes(pool) - 2 * narrow, (64 - 8) * FIXTURE_KEY * sizeof(float));
    e2str_pool_free(pool);
    fixture_close(&f);
}

typedef struct file_bytes {
    uint8_t *data;
    size_t size;
} file_bytes;

static file_bytes contents(const char *path) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    file_bytes found = {tiny_checked(malloc(1 << 20)), 0};
    found.size = fread(found.data, 1, 1 << 20, file);
    fclose(file);
    assert_in_range(found.size, 1, (1 << 20) - 1);
    return found;
}

/* Saves, loads, reads with it, saves again: the same bits, the same bytes. */
static void check_file(const fixture *f, const e2str_pool *pool, uint32_t expected_version) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/e2str-test-width-%ld.pool", (long)getpid());
    e2str_error error = {""};
    e2str_pool *loaded;
    assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK);
    file_bytes first = contents(path);
    e2_gguf gguf;
    uint32_t version;
    assert_int_equal(e2_gguf_open_memory(first.data, first.size, &gguf, NULL), E2STR_OK);
    assert_int_equal(e2_gguf_u32(&gguf, "e2str.pool.version", &version, NULL), E2STR_OK);
    assert_int_equal(version, expected_version);
    e2_gguf_close(&gguf);
    if (e2str_pool_load(f->model, path, NULL, &loaded, &error)) fail_msg("%s", error.message);
    assert_int_equal(e2str_pool_count(loaded), e2str_pool_count(pool));
    assert_int_equal(e2str_pool_bytes(loaded), e2str_pool_bytes(pool));
    e2str_read_options options = memory_options(2, 1);
    e2str_result *before = memory_result(), *after = memory_result();
    for (size_t i = 0; i < 8; i++) {
        memory_read(f, i, pool, &options, before);
        memory_read(f, i, loaded, &options, after);
        assert_same(before, after);
    }
    e2str_result_free(before);
    e2str_result_free(after);
    assert_int_equal(e2str_pool_save(loaded, path, NULL), E2STR_OK);
    file_bytes second = contents(path);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    e2str_pool_free(loaded);
    free(first.data);
    free(second.data);
    remove(path);
}

static void pool_files_come_back(void **state) {
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++)
        for (int storage = E2STR_STORE_F16; storage <= E2STR_STORE_F32; storage++) {
            fixture f;
            open_free(&f, &kinds[kind]);
            uint32_t version = kinds[kind].resampler_layers ? 1 : 3;
            e2str_pool *pool = pool_of(&f, (e2str_storage)storage, 1 << 20, 0);
            check_file(&f, pool, version);
            for (size_t i = 0; i < 9; i++) memory_add(&f, pool, i, "aB1");
            assert_int_equal(e2str_pool_remove(pool, 3, NULL), E2STR_OK);
            check_file(&f, pool, version);
            memory_learn(&f, pool);
            check_file(&f, pool, version + 1);
            e2str_pool_free(pool);
            fixture_close(&f);
        }
}

/* The memory depends on the examples only, and acts the same with any number of threads. */
static void learning_takes_every_width(void **state) {
    (void)state;
    e2str_result *one = memory_result(), *other = memory_result();
    for (size_t kind = 0; kind < KINDS; kind++) {
        fixture f;
        open_free(&f, &kinds[kind]);
        e2str_pool *pools[2] = {pool_of(&f, E2STR_STORE_F32, 1 << 20, 12), pool_of(&f, E2STR_STORE_F32, 0, 12)};
        e2str_session *session = session_of(&f, 3);
        memory_learn(&f, pools[0]);
        memory_learn_with(session, pools[1], 1.0f);
        e2str_read_options options = memory_options(0, 1);
        size_t influenced = 0;
        for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
            memory_read(&f, i, pools[0], &options, one);
            memory_read(&f, i, pools[1], &options, other);
            influenced += e2str_result_influences(one, 0) > 0;
            assert_same(one, other);
        }
        assert_true(influenced > 0);
        e2str_session_free(session);
        e2str_pool_free(pools[0]);
        e2str_pool_free(pools[1]);
        fixture_close(&f);
    }
    e2str_result_free(one);
    e2str_result_free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_width_is_the_nearest_step),
        cmocka_unit_test(the_model_tells),
        cmocka_unit_test(a_trimmed_picture_is_as_wide_as_its_ink),
        cmocka_unit_test(encoding_is_packed_and_the_same_alone),
        cmocka_unit_test(positions_are_sums),
        cmocka_unit_test(reads_do_not_depend_on_their_neighbours),
        cmocka_unit_test(an_example_takes_what_it_needs),
        cmocka_unit_test(pool_files_come_back),
        cmocka_unit_test(learning_takes_every_width),
    };
    return cmocka_run_group_tests_name("width", tests, NULL, NULL);
}
