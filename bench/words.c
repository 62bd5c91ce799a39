/* SPDX-License-Identifier: MIT */
/*
 * Single words without a pool, with one thread and with two that spin, against Tesseract 5 (--psm 8) where it is
 * installed: the same crops in the same race, models loaded once. The driver sets OMP_THREAD_LIMIT to 1 for Tesseract.
 *
 *     words SECONDS MODEL IMAGES
 */
#include <stdlib.h>

#include "support/subject.h"

#define SPIN 300 /* microseconds */

#ifdef BENCH_TESSERACT
#include <tesseract/capi.h>
#endif

typedef struct words {
    const e2str_image *images;
    size_t n;
    e2str_session *session;
    e2str_result *result;
    void *tesseract;
} words;

static void run_library(void *context) {
    words *w = context;
    for (size_t i = 0; i < w->n; i++) bench_read(w->session, &w->images[i], NULL, NULL, w->result);
}

#ifdef BENCH_TESSERACT
static void run_tesseract(void *context) {
    words *w = context;
    TessBaseAPI *api = w->tesseract;
    for (size_t i = 0; i < w->n; i++) {
        const e2str_image *image = &w->images[i];
        int channels = image->format == E2STR_GREY ? 1 : 3;
        TessBaseAPISetImage(api, image->pixels, (int)image->width, (int)image->height, channels, (int)image->stride);
        TessBaseAPISetSourceResolution(api, 70); /* what it assumes; unset, it says so for every word */
        char *text = TessBaseAPIGetUTF8Text(api);
        if (!text) bench_die("Tesseract failed");
        TessDeleteText(text);
    }
}

static int tesseract_new(words *w) {
    TessBaseAPI *api = TessBaseAPICreate();
    if (TessBaseAPIInit3(api, NULL, "eng")) {
        fprintf(stderr, "bench: Tesseract has no English model (tesseract-ocr-eng): left out\n");
        TessBaseAPIDelete(api);
        return 0;
    }
    TessBaseAPISetPageSegMode(api, PSM_SINGLE_WORD);
    w->tesseract = api;
    return 1;
}
#endif

int main(int argc, char **argv) {
    if (argc != 4) bench_die("usage: words SECONDS MODEL IMAGES");
    e2str_model *model = bench_model(argv[2], E2STR_PRECISION_AUTO);
    words w = {.session = bench_session(model, 1, 0), .result = bench_result()};
    w.images = bench_images(argv[3], 100, &w.n);
    words two = w;
    two.session = bench_session(model, 2, SPIN);
    size_t n = 2;
    bench_entry entries[3] = {{.by = "libe2str", .run = run_library, .context = &w},
                              {.by = "libe2str", .run = run_library, .context = &two}};
#ifdef BENCH_TESSERACT
    if (tesseract_new(&w)) entries[n++] = (bench_entry){.by = "Tesseract", .run = run_tesseract, .context = &w};
#endif
    bench_race(entries, n, atof(argv[1]));
    bench_header();
    char shape[32];
    snprintf(shape, sizeof shape, "%zu crops", w.n);
    for (size_t i = 0; i < n; i++) {
        double each = entries[i].seconds / (double)w.n;
        bench_print(
            &(bench_row){"word", entries[i].by, "", "small", shape, i == 1 ? 2 : 1, each, 1 / each, "words/s", -1});
    }
#ifdef BENCH_TESSERACT
    if (w.tesseract) TessBaseAPIDelete(w.tesseract);
#endif
    e2str_session_free(w.session);
    e2str_session_free(two.session);
    e2str_result_free(w.result);
    e2str_model_close(model);
    return 0;
}
