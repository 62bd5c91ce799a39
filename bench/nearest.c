/*
 * The nearest 2 in a pool of many examples, against reading their keys from memory.
 *
 *     nearest SECONDS EXAMPLES
 *
 * The pool is filled with random keys from inside the library; its model has one visual token of 768, so that it fits.
 */
#include <math.h>
#include <stdlib.h>

#include "pool.h"
#include "support/peaks.h"
#include "tiny_model.h"

#define WIDTH 768

typedef struct search {
    e2str_pool *pool;
    const float *key;
} search;

static void run_nearest(void *context) {
    const search *s = context;
    uint64_t ids[2];
    float similarities[2];
    size_t found;
    e2str_error error;
    if (e2str_pool_nearest(s->pool, s->key, 2, -1.0f, ids, similarities, &found, &error) || found != 2)
        bench_die("nearest: %s", error.message);
}

static void unit_length(float *key) {
    double sum = 0;
    for (size_t i = 0; i < WIDTH; i++) sum += (double)key[i] * key[i];
    for (size_t i = 0; i < WIDTH; i++) key[i] = (float)(key[i] / sqrt(sum));
}

static e2str_pool *pool_of(const e2str_model *model, float *keys, size_t n) {
    e2str_pool *pool;
    e2str_error error;
    uint32_t *ids, n_ids;
    e2str_status status = e2str_pool_new(model, NULL, &pool, &error);
    if (!status) status = e2_label_ids(model, "word", 4, &ids, &n_ids, &error);
    for (size_t i = 0; !status && i < n; i++) {
        float *key = keys + i * WIDTH;
        e2_example *example;
        unit_length(key);
        status = e2_example_new(model, E2STR_STORE_F16, key, key, "word", 4, ids, n_ids, &example, &error);
        if (!status) status = e2_pool_insert(pool, example, &error);
    }
    if (status) bench_die("pool: %s", error.message);
    free(ids);
    return pool;
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
    search s = {pool_of(model, keys, n), keys};
    peak_job peaks[2][PEAKS];
    bench_entry entries[3] = {{.by = "libe2str", .run = run_nearest, .context = &s}};
    e2_threads *two;
    if (e2_threads_new(2, &two, &error)) bench_die("%s", error.message);
    peak_jobs(NULL, peaks[0]);
    peak_jobs(two, peaks[1]);
    for (unsigned i = 0; i < 2; i++)
        entries[1 + i] = (bench_entry){.by = "peak", .run = peak_run, .context = &peaks[i][PEAK_READ]};
    bench_race(entries, 3, atof(argv[1]));
    bench_header();
    char shape[64];
    snprintf(shape, sizeof shape, "%zux%d", n, WIDTH);
    double bytes = (double)n * WIDTH * sizeof(float), rate = bytes / entries[0].seconds;
    for (unsigned i = 0; i < 2; i++) /* one thread searches; the reading is measured with one and with two */
        bench_print(&(bench_row){"nearest", "libe2str", "f32", "", shape, i + 1, entries[0].seconds, rate / 1e9, "GB/s",
                                 rate / (peaks[i][PEAK_READ].work / entries[1 + i].seconds)});
    e2_threads_free(two);
    e2str_pool_free(s.pool);
    e2str_model_close(model);
    free(keys);
    free(file);
    return 0;
}
