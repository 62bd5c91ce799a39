/* SPDX-License-Identifier: MIT */
/* What the programs of `make bench` share: time, memory, races, rows of CSV. They end the process when they fail. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdio.h>

#include "error.h"

/* Copies that are used in turn take so much: several times a last-level cache, so that they are read from memory. */
#define BENCH_COLD_BYTES ((size_t)160 << 20)

_Noreturn void bench_die(const char *format, ...) E2_PRINTF(1, 2);
double bench_now(void);                     /* seconds */
void *bench_alloc(size_t bytes);            /* zeroed, aligned to 64; free() it */
float *bench_random(size_t n, float scale); /* uniform in -scale .. scale; free() it */

/* One contender. The time of a call is the least over many; a short call is timed in groups. */
typedef struct bench_entry {
    const char *by;
    void (*run)(void *context);
    void *context;
    double seconds; /* result */
    size_t calls;   /* per sample; 0 at the start */
    double spent;
} bench_entry;

/* Runs the entries in turn (A B C A B C ...), a few milliseconds at a time, until each was measured for `seconds` and
 * at least twice: what slows the machine down for a while slows all of them, and ratios between them hold. */
void bench_race(bench_entry *entries, size_t n, double seconds);

/* A row of CSV; the columns of bench_header. `rate` in `unit` ("" for none); of_peak < 0: left empty. */
typedef struct bench_row {
    const char *what, *by, *type, *model, *shape;
    unsigned threads;
    double seconds, rate;
    const char *unit;
    double of_peak;
} bench_row;
void bench_header(void);
void bench_print(const bench_row *row);

#endif
