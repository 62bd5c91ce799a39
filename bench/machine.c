/*
 * The machine's own peaks, with one thread and with two, and how long a sleeping thread takes to begin its part of a
 * job: what every matrix product with two threads pays.
 *
 *     machine SECONDS
 */
#include <stdatomic.h>
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

typedef struct meeting {
    e2_threads *threads;
    atomic_uint arrived;
} meeting;

/* Each of the two parts waits until the other was begun, too. */
static void meet(void *context, size_t part, unsigned worker) {
    (void)part, (void)worker;
    meeting *m = context;
    atomic_fetch_add(&m->arrived, 1);
    while (atomic_load(&m->arrived) < 2) {
    }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median: the least is that of a thread that had not fallen asleep yet. */
static void measure_waking(void) {
    enum { JOBS = 2000 };
    meeting m;
    e2str_error error;
    double seconds[JOBS];
    if (e2_threads_new(2, &m.threads, &error)) bench_die("%s", error.message);
    for (size_t i = 0; i < JOBS; i++) {
        for (double until = bench_now() + 5e-5; bench_now() < until;) {
        }
        atomic_store(&m.arrived, 0);
        double begin = bench_now();
        e2_threads_run(m.threads, 2, meet, &m);
        seconds[i] = bench_now() - begin;
    }
    qsort(seconds, JOBS, sizeof *seconds, ascending);
    bench_print(&(bench_row){"waking a thread", "libe2str", "", "", "", 2, seconds[JOBS / 2], 0, "", -1});
    e2_threads_free(m.threads);
}

int main(int argc, char **argv) {
    if (argc != 2) bench_die("usage: machine SECONDS");
    double seconds = atof(argv[1]);
    bench_header();
    measure(1, seconds);
    measure(2, seconds);
    measure_waking();
    return 0;
}
