/* SPDX-License-Identifier: MIT */
/* What a stage computes with: the model, its kernels, scratch memory, threads. */
#ifndef E2_COMPUTE_H
#define E2_COMPUTE_H

#include "arena.h"
#include "model.h"
#include "threads.h"

/* Stages take their scratch from the arena and give it back before they return true. A stage that returns false is out
 * of memory and leaves its marks: whoever began the outermost one releases it. */
typedef struct e2_compute {
    const e2str_model *model;
    const e2_kernels *kernels; /* the model's */
    e2_arena *arena;
    e2_threads *threads;              /* NULL: the caller's alone */
    const struct e2_compute *workers; /* [threads], each with its own arena and no threads; NULL with one thread */
} e2_compute;

/* Roughly how many nanoseconds one thread needs, and from how many on others are woken to help: that costs 10 to 50
 * microseconds, or one where they spin (docs/performance.md). */
#define E2_WORTH_WAKING  120000
#define E2_WORTH_SHARING 3000
static inline size_t e2_nanoseconds(size_t multiplications, size_t bytes_read) {
    return multiplications / 120 + bytes_read / 40;
}
/* The threads, if that much work is worth sharing, or NULL: the caller alone. */
static inline e2_threads *e2_threads_for(e2_threads *threads, size_t nanoseconds) {
    return nanoseconds < (e2_threads_spin(threads) ? E2_WORTH_SHARING : E2_WORTH_WAKING) ? NULL : threads;
}

/* Part i of n even parts of `total`: its first element. */
static inline size_t e2_part_begin(size_t total, size_t i, size_t n) {
    return total / n * i + (total % n < i ? total % n : i);
}

#endif
