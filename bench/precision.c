/* SPDX-License-Identifier: MIT */
/*
 * Single words of one model file with one thread and no pool: every level that this CPU has, in every type of products,
 * all in one race. What E2STR_PRECISION_AUTO chooses follows from this table (E2_FASTEST in kernels.def).
 *
 *     precision SECONDS MODEL IMAGES
 */
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "support/subject.h"

#define IMAGES 4
#define TYPES  3

static const char *const levels[] = {
#define E2_LEVEL(level, ...) #level,
#include "kernels.def"
};

static const struct {
    const char *name;
    e2str_precision precision;
} types[TYPES] = {{"f32", E2STR_PRECISION_F32}, {"bf16", E2STR_PRECISION_BF16}, {"int8", E2STR_PRECISION_INT8}};

typedef struct subject {
    const e2str_image *images;
    size_t n;
    e2str_model *model;
    e2str_session *session;
    e2str_result *result;
} subject;

static void run_words(void *context) {
    subject *s = context;
    for (size_t i = 0; i < s->n; i++) bench_read(s->session, &s->images[i], NULL, NULL, s->result);
}

/* A model takes its level from the environment, once, when it is opened. */
static void subject_open(subject *s, const char *path, const char *level, e2str_precision precision) {
    setenv("E2STR_CPU", level, 1);
    s->model = bench_model(path, precision);
    s->session = bench_session(s->model, 1, 0);
    s->result = bench_result();
}

int main(int argc, char **argv) {
    if (argc != 4) bench_die("usage: precision SECONDS MODEL IMAGES");
    enum { MOST = E2_LEVELS * TYPES };
    subject subjects[MOST];
    bench_entry entries[MOST];
    size_t n_images, n = 0;
    const e2str_image *images = bench_images(argv[3], IMAGES, &n_images);
    for (unsigned level = 0; level <= e2_cpu_level(); level++)
        for (size_t i = 0; i < TYPES; i++, n++) {
            subjects[n] = (subject){.images = images, .n = n_images};
            subject_open(&subjects[n], argv[2], levels[level], types[i].precision);
            entries[n] = (bench_entry){.by = levels[level], .run = run_words, .context = &subjects[n]};
        }
    bench_race(entries, n, atof(argv[1]));
    bench_header();
    char shape[32];
    snprintf(shape, sizeof shape, "%zu crops", n_images);
    for (size_t i = 0; i < n; i++) {
        double each = entries[i].seconds / (double)n_images;
        bench_print(&(bench_row){"precision", entries[i].by, types[i % TYPES].name, "small", shape, 1, each, 1 / each,
                                 "words/s", -1});
        e2str_session_free(subjects[i].session);
        e2str_result_free(subjects[i].result);
        e2str_model_close(subjects[i].model);
    }
    return 0;
}
