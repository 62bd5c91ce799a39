/* SPDX-License-Identifier: MIT */
/* A pool of threads owned by a session. */
#ifndef E2_THREADS_H
#define E2_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

typedef struct e2_threads e2_threads;

#define E2_MAX_THREADS 256

/* `count` threads including the caller's own: 1 starts none. They sleep between jobs and take no signals. ARGUMENT when
 * count is not in 1 .. E2_MAX_THREADS, MEMORY when a thread cannot be started. */
e2str_status e2_threads_new(unsigned count, e2_threads **threads, e2str_error *error);

/* How long a thread looks for the next job, or the caller for the end of the last part, before it sleeps: 0 at first.
 * It takes its CPU meanwhile, and saves what being woken takes. No job may be running; NULL is fine. */
void e2_threads_set_spin(e2_threads *threads, uint64_t microseconds);
bool e2_threads_spin(const e2_threads *threads);      /* whether they do; false for NULL */
unsigned e2_threads_count(const e2_threads *threads); /* 1 for NULL */
void e2_threads_free(e2_threads *threads);            /* no job may be running; NULL is fine */

/* One part of a job; worker is below the count, and two parts that run at the same time have different workers. */
typedef void e2_work_fn(void *context, size_t part, unsigned worker);

/* Runs work for the parts 0 .. parts - 1, the caller taking part, and returns when all are done. threads may be NULL:
 * then the caller does all of it. Which worker gets a part depends on timing. One caller at a time, and not from inside
 * work. */
void e2_threads_run(e2_threads *threads, size_t parts, e2_work_fn *work, void *context);

#endif
