/* SPDX-License-Identifier: MIT */
/*
 * Many crops of words with a small model: one at a time and as a batch, with one thread and with two.
 *
 *     batch SECONDS MODEL IMAGES
 */
#include <stdlib.h>

#include "support/subject.h"

#define CROPS 64

typedef struct reader {
    e2str_session *session;
    const e2str_image *images; /* [CROPS] */
    e2str_result *results[CROPS];
} reader;

static void run_batch(void *context) {
    reader *r = context;
    e2str_error error;
    if (e2str_read_batch(r->session, r->images, CROPS, NULL, NULL, r->results, &error)) bench_die("%s", error.message);
}

static void run_single(void *context) {
    reader *r = context;
    for (size_t i = 0; i < CROPS; i++) bench_read(r->session, &r->images[i], NULL, NULL, r->results[i]);
}

int main(int argc, char **argv) {
    size_t count;
    reader readers[2];
    bench_entry entries[4];
    e2str_image images[CROPS];
    if (argc != 4) bench_die("usage: batch SECONDS MODEL IMAGES");
    e2str_model *model = bench_model(argv[2], E2STR_PRECISION_AUTO);
    e2str_image *files = bench_images(argv[3], CROPS, &count);
    for (size_t i = 0; i < CROPS; i++) images[i] = files[i % count];
    for (unsigned i = 0; i < 2; i++) {
        readers[i].session = bench_session(model, i + 1, 0);
        readers[i].images = images;
        for (size_t j = 0; j < CROPS; j++) readers[i].results[j] = bench_result();
        entries[i] = (bench_entry){.by = "single", .run = run_single, .context = &readers[i]};
        entries[2 + i] = (bench_entry){.by = "batch", .run = run_batch, .context = &readers[i]};
    }
    bench_race(entries, 4, atof(argv[1]));
    bench_header();
    for (unsigned i = 0; i < 4; i++)
        bench_print(&(bench_row){"64 crops", entries[i].by, "", "small", "", i % 2 + 1, entries[i].seconds,
                                 CROPS / entries[i].seconds, "words/s", -1});
    for (unsigned i = 0; i < 2; i++) {
        e2str_session_free(readers[i].session);
        for (size_t j = 0; j < CROPS; j++) e2str_result_free(readers[i].results[j]);
    }
    e2str_model_close(model);
    free(files);
    return 0;
}
