/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BURST_SECONDS  4e-3 /* of one entry before the next one's turn */
#define SAMPLE_SECONDS 3e-5 /* shorter ones would measure the clock */

void bench_die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

double bench_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void *bench_alloc(size_t bytes) {
    size_t whole = (bytes / 64 + 1) * 64;
    void *memory = aligned_alloc(64, whole);
    if (!memory) bench_die("out of memory for %zu bytes", bytes);
    return memset(memory, 0, whole);
}

float *bench_random(size_t n, float scale) {
    uint64_t state = 88172645463325252u;
    float *values = bench_alloc(n * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        values[i] = scale * (float)(int32_t)(state >> 32) / 2147483648.0f;
    }
    return values;
}

static void sample(bench_entry *entry) {
    double begin = bench_now();
    for (size_t i = 0; i < entry->calls; i++) entry->run(entry->context);
    double spent = bench_now() - begin, seconds = spent / (double)entry->calls;
    if (seconds < entry->seconds) entry->seconds = seconds;
    entry->spent += spent;
}

/* The first call of a turn brings back what the others evicted and is not counted, unless it is long. */
static void turn(bench_entry *entry) {
    if (!entry->calls) {
        double begin = bench_now();
        entry->run(entry->context);
        double once = bench_now() - begin;
        entry->calls = once < SAMPLE_SECONDS ? (size_t)(SAMPLE_SECONDS / (once + 1e-8)) + 1 : 1;
        entry->seconds = 1e30;
    } else if (entry->seconds < BURST_SECONDS) {
        entry->run(entry->context);
    }
    double until = bench_now() + BURST_SECONDS;
    do sample(entry);
    while (bench_now() < until);
}

void bench_race(bench_entry *entries, size_t n, double seconds) {
    for (size_t i = 0; i < n; i++) entries[i].calls = 0, entries[i].spent = 0.0;
    for (size_t round = 0, left = n; left; round++) {
        left = 0;
        for (size_t i = 0; i < n; i++) {
            if (round >= 2 && entries[i].spent >= seconds) continue;
            turn(&entries[i]);
            left++;
        }
    }
}

void bench_header(void) { puts("what,by,type,model,shape,threads,us,rate,unit,of_peak"); }

void bench_print(const bench_row *row) {
    printf("%s,%s,%s,%s,%s,%u,%.3f,", row->what, row->by, row->type, row->model, row->shape, row->threads,
           row->seconds * 1e6);
    if (*row->unit) printf("%.4g", row->rate);
    printf(",%s,", row->unit);
    if (row->of_peak >= 0) printf("%.3f", row->of_peak);
    putchar('\n');
    fflush(stdout);
}
