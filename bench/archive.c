/* SPDX-License-Identifier: MIT */
/*
 * What a pool costs that lies in an archive (docs/scale.md): opening it, memory of its own, searching it exactly and by
 * the codes of its keys, appending to it, many of them at once.
 *
 *     archive MODEL EXAMPLES tokens|keys FOLDER      one archive of so many examples, with visual tokens or without
 *     archive MODEL POOLS pools FOLDER               so many archives of 30 examples each, open together
 *
 * Keys are random, of unit length; labels are words of 3 to 10 letters; visual tokens are random. A line per measure:
 * name TAB value TAB unit; times are the least of 21 (cold and first ones: of 1; of an
 * example the median of 201). The files are removed at the end.
 */
#define _DEFAULT_SOURCE /* posix_fadvise */
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nearest.h"
#include "support/peaks.h"

#define BATCH  4096 /* examples in memory while an archive is made */
#define TOKENS 128  /* visual tokens of an example, at most: a picture four times as wide as high has so many */

static e2str_error error;
static char path[4096];

static void need(e2str_status status) {
    if (status) bench_die("archive: %s", error.message);
}

static void print(const char *what, double value, const char *unit) {
    printf("%s\t%.6g\t%s\n", what, value, unit);
    fflush(stdout);
}

static uint32_t tokens_of(const e2str_model *model) {
    return model->visual_tokens < TOKENS ? model->visual_tokens : TOKENS;
}

static uint64_t random_state = 88172645463325252u;
static uint64_t draw(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void draw_key(float *key, size_t width) {
    double sum = 0;
    for (size_t i = 0; i < width; i++) {
        key[i] = (float)(draw() >> 40) / 16777216.0f - 0.5f;
        sum += (double)key[i] * key[i];
    }
    for (size_t i = 0; i < width; i++) key[i] = (float)(key[i] / sqrt(sum));
}

static void add(e2str_pool *pool, const uint16_t *tokens) {
    const e2str_model *model = pool->model;
    float *key = bench_alloc(model->vision.width * sizeof *key);
    char text[16];
    size_t size = 3 + draw() % 8;
    for (size_t i = 0; i < size; i++) text[i] = (char)('a' + draw() % 26);
    e2_label label;
    e2_example *example;
    draw_key(key, model->vision.width);
    const e2_encoded image = {tokens, tokens_of(model), key};
    need(e2_label_read(model, text, size, &label, &error));
    need(e2_example_new_stored(model, E2STR_STORE_F16, &image, &label, &example, &error));
    need(e2_pool_insert(pool, example, NULL, &error));
    e2_label_free(&label);
    free(key);
}

/* Finite halves below 1; each example begins elsewhere in them. */
static uint16_t *draw_tokens(const e2str_model *model) {
    size_t n = (size_t)tokens_of(model) * model->vision.width + BATCH;
    uint16_t *tokens = bench_alloc(n * sizeof *tokens);
    for (size_t i = 0; i < n; i++) tokens[i] = (uint16_t)(draw() & 0xBBFF);
    return tokens;
}

/* Without tokens: only for a pool that is saved without them. */
static void add_key(e2str_pool *pool) {
    size_t width = pool->model->vision.width, size = 3 + draw() % 8;
    e2_example *example = bench_alloc(sizeof *example + width * sizeof(float) + 16);
    *example = (e2_example){.bytes = sizeof *example,
                            .storage = E2STR_STORE_F16,
                            .n_tokens = tokens_of(pool->model),
                            .key = (float *)(example + 1),
                            .label_size = size};
    atomic_init(&example->references, 1);
    atomic_init(&example->reading, NULL);
    example->label = (char *)(example->key + width);
    for (size_t i = 0; i < size; i++) example->label[i] = (char)('a' + draw() % 26);
    draw_key(example->key, width);
    need(e2_pool_insert(pool, example, NULL, &error));
}

static void make(const e2str_model *model, const uint16_t *tokens, size_t n, bool with_tokens) {
    e2str_pool *pool;
    e2str_archive_options options;
    e2str_archive_options_init(&options);
    options.without_tokens = !with_tokens;
    need(e2str_pool_new(model, NULL, &pool, &error));
    if (with_tokens) need(e2str_pool_save_archive(pool, path, &options, &error));
    for (size_t i = 0; i < n; i++) {
        if (!with_tokens)
            add_key(pool);
        else
            add(pool, tokens + i % BATCH);
        if (with_tokens && (i + 1 == n || (i + 1) % BATCH == 0)) need(e2str_pool_save(pool, path, &error));
    }
    if (!with_tokens) need(e2str_pool_save_archive(pool, path, &options, &error));
    e2str_pool_free(pool);
}

/* Kilobytes, of /proc/self/status. */
static double memory_of(const char *what) {
    char line[256];
    double value = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, what, strlen(what))) value = strtod(line + strlen(what) + 1, NULL);
    if (file) fclose(file);
    return value;
}

/* Its pages leave the cache. */
static void cool(void) {
    int file = open(path, O_RDONLY);
    if (file < 0 || fsync(file) || posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)) bench_die("archive: cannot cool it");
    close(file);
}

static e2str_pool *load_from(const e2str_model *model, uint64_t index_from) {
    e2str_pool *pool;
    e2str_pool_options options;
    e2str_pool_options_init(&options);
    options.index_from = index_from;
    need(e2str_pool_load(model, path, &options, &pool, &error));
    return pool;
}

static e2str_pool *load(const e2str_model *model, double *seconds) {
    double begin = bench_now();
    e2str_pool *pool = load_from(model, E2STR_INDEX_FROM);
    *seconds = bench_now() - begin;
    return pool;
}

/* The least of many times: what others do on the machine makes them longer, nothing makes them shorter. */
static double least(const double *times, size_t n) {
    double best = times[0];
    for (size_t i = 1; i < n; i++)
        if (times[i] < best) best = times[i];
    return best;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of examples that differ, in the cache or not, on the disk near to another or not. */
static double median(double *times, size_t n) {
    qsort(times, n, sizeof *times, compare);
    return times[n / 2];
}

static double search(const e2str_pool *pool, e2_threads *threads, float *key) {
    uint64_t ids[2];
    float similarities[2];
    size_t found;
    draw_key(key, pool->model->vision.width);
    double begin = bench_now();
    need(e2_pool_nearest(pool, threads, key, 2, -1, ids, similarities, &found, &error));
    return bench_now() - begin;
}

/* The first search checks the checksums. */
static void measure_search(const e2str_model *model, e2_threads *two, uint64_t index_from) {
    double seconds, times[21], before = memory_of("RssAnon:"), pages = memory_of("RssFile:");
    float *key = bench_alloc(model->vision.width * sizeof *key);
    printf("%s\n", index_from == UINT64_MAX ? "exact" : "by codes");
    cool();
    e2str_pool *pool = load_from(model, index_from);
    print("search, cold, first", search(pool, NULL, key), "s");
    e2str_pool_free(pool);
    pool = load_from(model, index_from);
    print("search, warm, first", search(pool, NULL, key), "s");
    print("memory of its own behind it", memory_of("RssAnon:") - before, "KB");
    print("pages of the file that it maps", memory_of("RssFile:") - pages, "KB");
    double bytes = (double)pool->archive->rows * model->vision.width * sizeof(float);
    for (int threads = 1; threads <= 2; threads++) {
        for (int i = 0; i < 21; i++) times[i] = search(pool, threads == 2 ? two : NULL, key);
        seconds = least(times, 21);
        print(threads == 1 ? "search, one thread" : "search, two threads", seconds, "s");
        print("", bytes / seconds / 1e9, "GB/s");
        peak_job peaks[PEAKS];
        bench_entry entry = {.by = "peak", .run = peak_run, .context = &peaks[PEAK_READ]};
        peak_jobs(threads == 2 ? two : NULL, peaks);
        bench_race(&entry, 1, 0.5);
        print("", peaks[PEAK_READ].work / entry.seconds / 1e9, "GB/s that memory gives");
    }
    free(key);
    e2str_pool_free(pool);
}

static void measure_open(const e2str_model *model) {
    double seconds, times[21], before = memory_of("RssAnon:");
    cool();
    e2str_pool *pool = load(model, &seconds);
    print("open, cold", seconds * 1e3, "ms");
    print("memory of its own", memory_of("RssAnon:") - before, "KB");
    double bytes = (double)pool->archive->root.length;
    print("file", bytes, "bytes");
    print("", bytes / (double)pool->archive->rows, "bytes an example");
    print("segments", (double)pool->archive->directory.segments, "");
    e2str_pool_free(pool);
    for (int i = 0; i < 21; i++) {
        pool = load(model, &times[i]);
        e2str_pool_free(pool);
    }
    print("open, warm", least(times, 21) * 1e3, "ms");
}

static void measure_append(const e2str_model *model, const uint16_t *tokens, size_t n) {
    double seconds, times[21];
    e2str_pool *pool = load(model, &seconds);
    double before = (double)pool->archive->root.length;
    for (int i = 0; i < 21; i++) {
        for (size_t j = 0; j < n; j++) add(pool, tokens + j);
        double begin = bench_now();
        need(e2str_pool_save(pool, path, &error));
        times[i] = bench_now() - begin;
    }
    printf("append %zu\t%.6g\tms\n", n, least(times, 21) * 1e3);
    print("", ((double)pool->archive->root.length - before) / 21 / (double)n, "bytes an example");
    print("segments", (double)pool->archive->directory.segments, "");
    e2str_pool_free(pool);
}

/* An example is made whole as a read needs it. */
static void measure_fetch(const e2str_model *model) {
    double seconds, times[201];
    e2_example *example;
    e2_projection *projection;
    for (int warm = 0; warm < 2; warm++) {
        if (!warm) cool();
        e2str_pool *pool = load(model, &seconds);
        for (int i = 0; i < 201; i++) {
            uint64_t id = 1 + draw() % pool->archive->rows;
            double begin = bench_now();
            need(e2_pool_fetch(pool, id, &example, &projection, &error));
            times[i] = bench_now() - begin;
            e2_projection_release(projection);
            e2_example_release(example);
        }
        print(warm ? "example, warm" : "example, cold", median(times, 201) * 1e6, "us");
        e2str_pool_free(pool);
    }
}

static void measure_compact(const e2str_model *model) {
    double seconds;
    e2str_pool *pool = load(model, &seconds), *reader = load(model, &seconds);
    double begin = bench_now();
    need(e2str_pool_save_archive(pool, path, NULL, &error));
    print("compact", bench_now() - begin, "s");
    begin = bench_now();
    need(e2str_pool_refresh(reader, &error));
    print("refresh", (bench_now() - begin) * 1e3, "ms");
    e2str_pool_free(pool);
    e2str_pool_free(reader);
}

static void one_archive(const e2str_model *model, const uint16_t *tokens, size_t n, bool with_tokens,
                        const char *folder) {
    e2_threads *two;
    snprintf(path, sizeof path, "%s/bench.pool", folder);
    need(e2_threads_new(2, &two, &error));
    double begin = bench_now();
    make(model, tokens, n, with_tokens);
    print("made", bench_now() - begin, "s");
    measure_open(model);
    measure_search(model, two, UINT64_MAX);
    measure_search(model, two, E2STR_INDEX_FROM);
    if (with_tokens) measure_fetch(model);
    measure_append(model, tokens, 1);
    measure_append(model, tokens, 100);
    if (with_tokens) measure_compact(model);
    double seconds;
    begin = bench_now();
    e2str_pool *pool = load(model, &seconds);
    need(e2str_pool_verify(pool, &error));
    print("verify", bench_now() - begin, "s");
    e2str_pool_free(pool);
    e2_threads_free(two);
    unlink(path);
}

static void many_archives(const e2str_model *model, const uint16_t *tokens, size_t n, const char *folder) {
    e2str_pool **pools = bench_alloc(n * sizeof *pools);
    double seconds, sum = 0, before = memory_of("RssAnon:"), bytes = 0;
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/bench-%zu.pool", folder, i);
        make(model, tokens, 30, true);
    }
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/bench-%zu.pool", folder, i);
        pools[i] = load(model, &seconds);
        sum += seconds;
        bytes += (double)pools[i]->archive->root.length;
    }
    print("open, each", sum / (double)n * 1e6, "us");
    print("memory of its own, each", (memory_of("RssAnon:") - before) / (double)n, "KB");
    print("file, each", bytes / (double)n, "bytes");
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/bench-%zu.pool", folder, i);
        e2str_pool_free(pools[i]);
        unlink(path);
    }
    free(pools);
}

int main(int count, char **arguments) {
    if (count != 5) bench_die("usage: archive MODEL EXAMPLES tokens|keys FOLDER, or archive MODEL POOLS pools FOLDER");
    e2str_model *model;
    size_t n = strtoul(arguments[2], NULL, 10);
    need(e2str_model_open(arguments[1], NULL, &model, &error));
    if (!n) bench_die("archive: %s is no number", arguments[2]);
    uint16_t *tokens = draw_tokens(model);
    if (!strcmp(arguments[3], "pools"))
        many_archives(model, tokens, n, arguments[4]);
    else
        one_archive(model, tokens, n, !strcmp(arguments[3], "tokens"), arguments[4]);
    free(tokens);
    e2str_model_close(model);
    return 0;
}
