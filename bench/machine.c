/* The machine's own peaks, with one thread and with two. usage: machine SECONDS */
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

int main(int argc, char **argv) {
    if (argc != 2) bench_die("usage: machine SECONDS");
    double seconds = atof(argv[1]);
    bench_header();
    measure(1, seconds);
    measure(2, seconds);
    return 0;
}
