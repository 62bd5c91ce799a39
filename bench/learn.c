/* SPDX-License-Identifier: MIT */
/*
 * Learning from many examples: time and memory of the first time, of once more, and after 100 more examples.
 *
 *     learn MODEL SETS IMAGES EXAMPLES THREADS [HELD]
 *
 * SETS is a folder of sets (images/ and labels.tsv, as for make accuracy), of which so many images are encoded, as many
 * of each set as it has at most; where there are fewer of them than examples, they come again with every visual token
 * moved by a hundredth of its length, so that nothing that is known of one is known of the other. The first time each
 * is read and run along its path; what that found is kept for the next times.
 *
 * With HELD so many other images, the first of each set, are read with what was learnt the first time, and without: how
 * many are right to the letter, the same ones whatever IMAGES and EXAMPLES are. E2_MEMORY_MAX_ROWS and _CELLS, given
 * when the library is compiled (CFLAGS), say from which number of steps on examples are thinned out.
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

typedef struct bench {
    e2str_pool *pool;
    e2str_session *session;
    size_t most, held;   /* images of each set */
    e2str_image *images; /* [count]: held out */
    char **labels;
    size_t count;
} bench;

static void hold(bench *b, const e2str_image *image, const char *label) {
    b->images = realloc(b->images, (b->count + 1) * sizeof *b->images);
    b->labels = realloc(b->labels, (b->count + 1) * sizeof *b->labels);
    if (!b->images || !b->labels || !(b->labels[b->count] = strdup(label))) bench_die("out of memory");
    b->images[b->count++] = *image;
}

/* Adds labelled images of one set, behind those that are held out; what cannot be added is passed over. */
static void add_set(bench *b, const char *folder) {
    char path[16384], line[8192];
    snprintf(path, sizeof path, "%s/labels.tsv", folder);
    FILE *labels = fopen(path, "r");
    if (!labels) return;
    for (size_t n = 0, held = 0; n < b->most && fgets(line, sizeof line, labels);) {
        char *tab = strchr(line, '\t');
        if (!tab) continue;
        *tab++ = 0;
        tab[strcspn(tab, "\r\n")] = 0;
        e2str_image image = {0};
        uint64_t id;
        snprintf(path, sizeof path, "%s/images/%.1000s", folder, line);
        if (e2str_image_load(path, NULL, &image, NULL)) continue;
        if (held++ < b->held) {
            hold(b, &image, tab);
            continue;
        }
        if (!e2str_pool_add(b->pool, b->session, &image, tab, SIZE_MAX, &id, NULL)) n++;
        e2str_image_free(&image);
    }
    fclose(labels);
}

static void add_sets(bench *b, const char *sets, size_t most, size_t held) {
    struct dirent **names;
    int n = scandir(sets, &names, NULL, alphasort);
    size_t folders = 0;
    for (int i = 0; i < n; i++) folders += names[i]->d_name[0] != '.';
    for (int i = 0; i < n; i++) {
        char path[8192];
        snprintf(path, sizeof path, "%s/%s", sets, names[i]->d_name);
        b->most = most / folders + 1;
        b->held = held / folders;
        if (names[i]->d_name[0] != '.') add_set(b, path);
        free(names[i]);
    }
    free(names);
    if (!e2str_pool_count(b->pool)) bench_die("no images in %s", sets);
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

static void read_held(const bench *b, const e2str_pool *pool, const char *what) {
    e2str_result *result = bench_result();
    e2str_read_options options;
    size_t right = 0;
    e2str_read_options_init(&options);
    options.k = 0;
    for (size_t i = 0; i < b->count; i++) {
        bench_read(b->session, &b->images[i], pool, &options, result);
        right += !strcmp(e2str_result_text(result), b->labels[i]);
    }
    printf("# held out, %s: %zu of %zu right, %.2f %%\n", what, right, b->count,
           100.0 * (double)right / (double)b->count);
    fflush(stdout);
    e2str_result_free(result);
}

int main(int argc, char **argv) {
    if (argc != 6 && argc != 7) bench_die("usage: learn MODEL SETS IMAGES EXAMPLES THREADS [HELD]");
    size_t n = (size_t)atol(argv[4]);
    e2str_model *model = bench_model(argv[1], E2STR_PRECISION_AUTO);
    e2str_session *session = bench_session(model, (unsigned)atol(argv[5]), 0);
    e2str_pool *pool;
    e2str_error error;
    if (e2str_pool_new(model, NULL, &pool, &error)) bench_die("%s", error.message);
    bench b = {.pool = pool, .session = session};
    add_sets(&b, argv[2], (size_t)atol(argv[3]), argc == 7 ? (size_t)atol(argv[6]) : 0);
    size_t originals = e2str_pool_count(pool);
    if (originals < n) add_copies(pool, originals, n - originals);
    printf("examples,learning,seconds,processor seconds,more MB at the peak,learnt from,steps,tokens,strength,KB\n");
    learn(pool, session, "first");
    if (b.count) {
        read_held(&b, NULL, "without what was learnt");
        read_held(&b, pool, "with it");
    }
    learn(pool, session, "again");
    add_copies(pool, originals, 100);
    learn(pool, session, "after 100 more");
    for (size_t i = 0; i < b.count; i++) {
        e2str_image_free(&b.images[i]);
        free(b.labels[i]);
    }
    free(b.images);
    free(b.labels);
    e2str_pool_free(pool);
    e2str_session_free(session);
    e2str_model_close(model);
    return 0;
}
