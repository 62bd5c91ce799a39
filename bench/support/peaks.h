/* SPDX-License-Identifier: MIT */
/* What this machine can do at most: multiply-adds in f32, bf16 and int8, and reading memory; measured, not looked up.
 */
#ifndef BENCH_PEAKS_H
#define BENCH_PEAKS_H

#include "bench.h"
#include "threads.h"

typedef enum bench_peak { PEAK_F32, PEAK_BF16, PEAK_INT8, PEAK_READ, PEAKS } bench_peak;

/* One call of peak_run does the work of all threads once. Where there is no instruction for bf16 or int8 dot products,
 * what counts is the multiply-add in f32. */
typedef struct peak_job {
    const char *type;        /* "f32", "bf16", "int8", "read" */
    const char *instruction; /* what is measured: "AVX-512 FMA", ... */
    double work;             /* of a call: operations (2 per multiply-add), or bytes read */
    e2_threads *threads;
    void (*compute)(void);
    float (*read)(const float *p, size_t bytes);
    const float *buffer;
} peak_job;
void peak_run(void *job);

/* All jobs for so many threads; an entry of bench_race is peak_run with &jobs[peak]. The buffer is never freed. */
void peak_jobs(e2_threads *threads, peak_job jobs[PEAKS]);

#endif
