/* SPDX-License-Identifier: MIT */
/*
 * The machine's own peaks, with one thread and with two, and how long so much work takes as a job of the library's
 * threads: what waking one costs every matrix product with two.
 *
 *     machine SECONDS
 */
#include <stdlib.h>

#include "e2str.h"
#include "support/peaks.h"

static void measure(unsigned count, double seconds) {
    e2_threads *threads;
    e2str_error error;
    peak_job jobs[PEAKS];
    bench_entry entries[PEAKS];
    if (e2_threads_new(count, &threads, &error)) bench_die("%s", error.message);
    peak_jobs(threads, jobs);
    for (int i = 0; i < PEAKS; i++)
        entries[i] = (bench_entry){.by = jobs[i].instruction, .run = peak_run, .context = &jobs[i]};
    bench_race(entries, PEAKS, seconds);
    for (int i = 0; i < PEAKS; i++)
        bench_print(&(bench_row){.what = "peak",
                                 .by = entries[i].by,
                                 .type = jobs[i].type,
                                 .model = "",
                                 .shape = "",
                                 .threads = count,
                                 .seconds = entries[i].seconds,
                                 .rate = jobs[i].work / entries[i].seconds / 1e9,
                                 .unit = i == PEAK_READ ? "GB/s" : "GFLOP/s",
                                 .of_peak = 1.0});
    e2_threads_free(threads);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A part that takes so long wherever it runs. */
static void wait_part(void *context, size_t part, unsigned worker) {
    (void)part, (void)worker;
    double until = bench_now() + *(const double *)context;
    while (bench_now() < until) {
    }
}

/* Median time of jobs of four parts, a little apart, as products of a model follow each other. */
static void measure_jobs(double work) {
    enum { JOBS = 1000, PARTS = 4 };
    e2_threads *threads;
    e2str_error error;
    double seconds[JOBS], part = work / PARTS, gap = 5e-6;
    if (e2_threads_new(2, &threads, &error)) bench_die("%s", error.message);
    for (size_t i = 0; i < JOBS; i++) {
        wait_part(&gap, 0, 0);
        double begin = bench_now();
        e2_threads_run(threads, PARTS, wait_part, &part);
        seconds[i] = bench_now() - begin;
    }
    qsort(seconds, JOBS, sizeof *seconds, ascending);
    char shape[32];
    snprintf(shape, sizeof shape, "%.0f us of work", work * 1e6);
    bench_print(&(bench_row){"job", "libe2str", "", "", shape, 2, seconds[JOBS / 2], 0, "", -1});
    e2_threads_free(threads);
}

int main(int argc, char **argv) {
    if (argc != 2) bench_die("usage: machine SECONDS");
    double seconds = atof(argv[1]);
    bench_header();
    measure(1, seconds);
    measure(2, seconds);
    static const double work[] = {20e-6, 50e-6, 100e-6, 200e-6, 400e-6, 800e-6};
    for (size_t i = 0; i < sizeof work / sizeof work[0]; i++) measure_jobs(work[i]);
    return 0;
}
