/* SPDX-License-Identifier: MIT */
/*
 * Learning from many examples: time and memory of the first time, of once more, and after 100 more examples.
 *
 *     learn MODEL SETS IMAGES EXAMPLES THREADS
 *
 * SETS is a folder of sets (images/ and labels.tsv, as for make accuracy), of which so many images are encoded, as many
 * of each set as it has at most; where there are fewer of them than examples, they come again with every visual token
 * moved by a hundredth of its length, so that nothing that is known of one is known of the other. The first time each
 * is read and run along its path; what that found is kept for the next times.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "pool.h"
#include "nearest.h"
#include "session.h"
#include "support/subject.h"

static long peak_megabytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
}

static double processor_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Adds labelled images of one set, so many at most; what cannot be added is passed over. */
static void add_set(e2str_pool *pool, e2str_session *session, const char *folder, size_t most) {
    char path[16384], line[8192];
    snprintf(path, sizeof path, "%s/labels.tsv", folder);
    FILE *labels = fopen(path, "r");
    if (!labels) return;
    for (size_t n = 0; n < most && fgets(line, sizeof line, labels);) {
        char *tab = strchr(line, '\t');
        if (!tab) continue;
        *tab++ = 0;
        tab[strcspn(tab, "\r\n")] = 0;
        e2str_image image = {0};
        uint64_t id;
        snprintf(path, sizeof path, "%s/images/%.1000s", folder, line);
        if (e2str_image_load(path, NULL, &image, NULL)) continue;
        if (!e2str_pool_add(pool, session, &image, tab, SIZE_MAX, &id, NULL)) n++;
        e2str_image_free(&image);
    }
    fclose(labels);
}

static void add_sets(e2str_pool *pool, e2str_session *session, const char *sets, size_t most) {
    struct dirent **names;
    int n = scandir(sets, &names, NULL, alphasort);
    size_t folders = 0;
    for (int i = 0; i < n; i++) folders += names[i]->d_name[0] != '.';
    for (int i = 0; i < n; i++) {
        char path[8192];
        snprintf(path, sizeof path, "%s/%s", sets, names[i]->d_name);
        if (names[i]->d_name[0] != '.') add_set(pool, session, path, most / folders + 1);
        free(names[i]);
    }
    free(names);
    if (!e2str_pool_count(pool)) bench_die("no images in %s", sets);
}

static uint32_t random_state = 1;
static float random_float(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return (float)random_state / 2147483648.0f - 1.0f;
}

/* Copies of the examples in the pool, from the first on. */
static void add_copies(e2str_pool *pool, size_t originals, size_t n) {
    const e2str_model *model = pool->model;
    float *tokens = bench_alloc((size_t)model->visual_tokens * model->vision.width * sizeof *tokens);
    for (size_t i = 0; i < n; i++) {
        const e2_example *from = pool->examples[i % originals];
        size_t values = (size_t)from->n_tokens * model->vision.width;
        e2_example *copy;
        e2str_error error;
        memcpy(tokens, e2_example_tokens(model, from, tokens), values * sizeof *tokens);
        for (size_t j = 0; j < values; j++) tokens[j] += 0.017f * tokens[j] * random_float();
        if (e2_example_new(model, pool->storage, &(e2_encoded){tokens, from->n_tokens, from->key},
                           &(e2_label){from->label, from->label_size, from->ids, from->n_ids}, &copy, &error) ||
            e2_pool_insert(pool, copy, NULL, &error))
            bench_die("%s", error.message);
    }
    free(tokens);
}

static void learn(e2str_pool *pool, e2str_session *session, const char *what) {
    long before = peak_megabytes();
    double begin = bench_now(), cpu = processor_seconds();
    e2str_error error;
    if (e2str_pool_learn(pool, session, NULL, &error)) bench_die("%s", error.message);
    e2str_memory_report report;
    e2str_memory *memory;
    e2str_memory_report_init(&report);
    if (e2str_pool_report(pool, &report, &error) || e2str_pool_memory(pool, &memory, &error))
        bench_die("%s", error.message);
    printf("%zu,%s,%.2f,%.2f,%ld,%llu,%llu,%u,%.2f,%llu\n", e2str_pool_count(pool), what, bench_now() - begin,
           processor_seconds() - cpu, peak_megabytes() - before, (unsigned long long)report.examples,
           (unsigned long long)report.characters, report.tokens, (double)report.strength,
           (unsigned long long)e2str_memory_bytes(memory) / 1024);
    fflush(stdout);
    e2str_memory_free(memory);
}

int main(int argc, char **argv) {
    if (argc != 6) bench_die("usage: learn MODEL SETS IMAGES EXAMPLES THREADS");
    size_t n = (size_t)atol(argv[4]);
    e2str_model *model = bench_model(argv[1], E2STR_PRECISION_AUTO);
    e2str_session *session = bench_session(model, (unsigned)atol(argv[5]), 0);
    e2str_pool *pool;
    e2str_error error;
    if (e2str_pool_new(model, NULL, &pool, &error)) bench_die("%s", error.message);
    add_sets(pool, session, argv[2], (size_t)atol(argv[3]));
    size_t originals = e2str_pool_count(pool);
    if (originals < n) add_copies(pool, originals, n - originals);
    printf("examples,learning,seconds,processor seconds,more MB at the peak,learnt from,steps,tokens,strength,KB\n");
    learn(pool, session, "first");
    learn(pool, session, "again");
    add_copies(pool, originals, 100);
    learn(pool, session, "after 100 more");
    e2str_pool_free(pool);
    e2str_session_free(session);
    e2str_model_close(model);
    return 0;
}
