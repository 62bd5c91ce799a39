/* SPDX-License-Identifier: MIT */
/*
 * The nearest 2 in a pool of many examples, as a read chooses them by exact search, against reading their keys from
 * memory: with one thread and with two.
 *
 *     nearest SECONDS EXAMPLES
 *
 * The pool is filled with random keys from inside the library; its model has one visual token of 768, so that it fits.
 */
#include <math.h>
#include <stdlib.h>

#include "nearest.h"
#include "support/peaks.h"
#include "tiny_model.h"

#define WIDTH 768

typedef struct search {
    e2_compute compute;
    e2str_pool *pool;
    const float *key;
} search;

static void run_nearest(void *context) {
    const search *s = context;
    e2_choice choices[2];
    size_t found;
    e2str_error error;
    if (e2_pool_choose(&s->compute, s->pool, s->key, 2, -1.0f, choices, &found, &error))
        bench_die("nearest: %s", error.message);
    if (found != 2) bench_die("nearest: found %zu", found);
    for (size_t i = 0; i < found; i++) e2_choice_release(&choices[i]);
}

static void unit_length(float *key) {
    double sum = 0;
    for (size_t i = 0; i < WIDTH; i++) sum += (double)key[i] * key[i];
    for (size_t i = 0; i < WIDTH; i++) key[i] = (float)(key[i] / sqrt(sum));
}

static e2str_pool *pool_of(const e2str_model *model, float *keys, size_t n) {
    e2str_pool *pool;
    e2str_error error;
    e2_label label;
    e2str_pool_options options;
    e2str_pool_options_init(&options);
    options.index_from = UINT64_MAX; /* never by the index: build/bench/index measures that */
    e2str_status status = e2str_pool_new(model, &options, &pool, &error);
    if (!status) status = e2_label_read(model, "word", 4, &label, &error);
    for (size_t i = 0; !status && i < n; i++) {
        float *key = keys + i * WIDTH;
        e2_encoded image = {key, model->visual_tokens, key};
        e2_example *example;
        unit_length(key);
        status = e2_example_new(model, E2STR_STORE_F16, &image, &label, &example, &error);
        if (!status) status = e2_pool_insert(pool, example, NULL, &error);
    }
    if (status) bench_die("pool: %s", error.message);
    e2_label_free(&label);
    return pool;
}

static void race(e2str_pool *pool, const float *keys, double seconds) {
    e2_arena arena = {0};
    e2_threads *threads[2] = {NULL}; /* one, two */
    search searches[2];
    peak_job peaks[2][PEAKS];
    bench_entry entries[4]; /* searching and reading with one thread, then with two */
    e2str_error error;
    if (e2_threads_new(2, &threads[1], &error)) bench_die("%s", error.message);
    for (unsigned i = 0; i < 2; i++) {
        e2_compute compute = {.model = pool->model, .arena = &arena, .threads = threads[i]};
        compute.kernels = pool->model->kernels;
        searches[i] = (search){compute, pool, keys};
        peak_jobs(threads[i], peaks[i]);
        entries[2 * i] = (bench_entry){.by = "libe2str", .run = run_nearest, .context = &searches[i]};
        entries[2 * i + 1] = (bench_entry){.by = "peak", .run = peak_run, .context = &peaks[i][PEAK_READ]};
    }
    bench_race(entries, 4, seconds);
    char shape[64];
    snprintf(shape, sizeof shape, "%zux%d", pool->count, WIDTH);
    double bytes = (double)pool->count * WIDTH * sizeof(float);
    for (unsigned i = 0; i < 2; i++) {
        double rate = bytes / entries[2 * i].seconds, peak = peaks[i][PEAK_READ].work / entries[2 * i + 1].seconds;
        bench_print(&(bench_row){"nearest", "libe2str", "f32", "", shape, i + 1, entries[2 * i].seconds, rate / 1e9,
                                 "GB/s", rate / peak});
    }
    e2_arena_free(&arena);
    e2_threads_free(threads[1]);
}

int main(int argc, char **argv) {
    if (argc != 3) bench_die("usage: nearest SECONDS EXAMPLES");
    size_t size, n = (size_t)atol(argv[2]);
    uint8_t *file =
        tiny_model_build(&(tiny_model_options){.vision_width = WIDTH, .image_width = 16, .image_height = 8}, &size);
    e2str_model *model;
    e2str_error error;
    if (e2str_model_open_memory(file, size, NULL, &model, &error)) bench_die("%s", error.message);
    float *keys = bench_random(n * WIDTH, 1.0f);
    e2str_pool *pool = pool_of(model, keys, n);
    bench_header();
    race(pool, keys, atof(argv[1]));
    e2str_pool_free(pool);
    e2str_model_close(model);
    free(keys);
    free(file);
    return 0;
}
