/* SPDX-License-Identifier: MIT */
/*
 * Many memories on one model: what each takes, and whether reads that take another memory each time are slower than
 * reads with one.
 *
 *     memories MODEL SETS MEMORIES EXAMPLES SECONDS
 *
 * Each memory is learnt from EXAMPLES pictures of the first set of SETS (images/, labels.tsv), other ones each time as
 * far as there are; its pool is let go then, as a server would. Prints milliseconds of a read, processor time of the
 * one thread.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/subject.h"

#define MOST 2000

typedef struct server {
    e2str_session *session;
    e2str_result *result;
    e2str_image *images;
    char **labels;
    size_t n_images, n;
    e2str_memory **memories;
} server;

static void load(server *s, const char *set) {
    char path[8192], line[4096];
    snprintf(path, sizeof path, "%s/labels.tsv", set);
    FILE *file = fopen(path, "r");
    if (!file) bench_die("cannot read %s", path);
    s->images = bench_alloc(MOST * sizeof *s->images);
    s->labels = bench_alloc(MOST * sizeof *s->labels);
    while (s->n_images < MOST && fgets(line, sizeof line, file)) {
        char *label = strchr(line, '\t');
        if (!label) continue;
        *label++ = 0;
        label[strcspn(label, "\r\n")] = 0;
        snprintf(path, sizeof path, "%s/images/%s", set, line);
        if (!*label || e2str_image_load(path, NULL, &s->images[s->n_images], NULL)) continue;
        s->labels[s->n_images] = bench_alloc(strlen(label) + 1);
        strcpy(s->labels[s->n_images++], label);
    }
    fclose(file);
}

static void learn(server *s, const e2str_model *model, size_t number, size_t examples) {
    e2str_pool *pool;
    e2str_error error;
    uint64_t id;
    if (e2str_pool_new(model, NULL, &pool, &error)) bench_die("%s", error.message);
    for (size_t i = 0; i < examples; i++) {
        size_t at = (number * examples + i) % s->n_images;
        if (e2str_pool_add(pool, s->session, &s->images[at], s->labels[at], SIZE_MAX, &id, &error))
            bench_die("%s", error.message);
    }
    if (e2str_pool_learn(pool, s->session, NULL, &error) || e2str_pool_memory(pool, &s->memories[number], &error))
        bench_die("%s", error.message);
    e2str_pool_free(pool);
}

static double processor_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double read_with(server *s, size_t image, const e2str_memory *memory) {
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.memory = memory;
    options.memory_everywhere = 1;
    double begin = processor_seconds();
    bench_read(s->session, &s->images[image], NULL, &options, s->result);
    return processor_seconds() - begin;
}

int main(int argc, char **argv) {
    if (argc != 6) bench_die("usage: memories MODEL SETS MEMORIES EXAMPLES SECONDS");
    e2str_model *model = bench_model(argv[1], E2STR_PRECISION_AUTO);
    server s = {.session = bench_session(model, 1, 0), .result = bench_result(), .n = (size_t)atol(argv[3])};
    load(&s, argv[2]);
    s.memories = bench_alloc(s.n * sizeof *s.memories);
    uint64_t bytes = 0;
    double begin = bench_now();
    for (size_t i = 0; i < s.n; i++) {
        learn(&s, model, i, (size_t)atol(argv[4]));
        bytes += e2str_memory_bytes(s.memories[i]);
    }
    printf("# %zu memories of %s examples: %.0f KB each, made in %.1f s\n", s.n, argv[4],
           (double)bytes / (double)s.n / 1e3, bench_now() - begin);
    double one = 0, other = 0, end = bench_now() + atof(argv[5]);
    size_t reads = 0;
    for (; bench_now() < end; reads++) { /* in turn, the same pictures with either */
        size_t image = reads * 7 % s.n_images;
        one += read_with(&s, image, s.memories[0]);
        other += read_with(&s, image, s.memories[(reads * 613 + 1) % s.n]);
    }
    printf("# %zu reads each: %.3f ms with one memory, %.3f ms with another each time\n", reads,
           one / (double)reads * 1e3, other / (double)reads * 1e3);
    for (size_t i = 0; i < s.n; i++) e2str_memory_free(s.memories[i]);
    e2str_result_free(s.result);
    e2str_session_free(s.session);
    e2str_model_close(model);
    return 0;
}
