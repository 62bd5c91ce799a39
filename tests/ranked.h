/* SPDX-License-Identifier: MIT */
/* The order of nearest examples, for qsort: most similar first, then the lower id. */
#ifndef RANKED_H
#define RANKED_H

#include <stdint.h>

typedef struct ranked {
    uint64_t id;
    float similarity;
} ranked;

static int by_rank(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->similarity != y->similarity) return x->similarity < y->similarity ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

#endif
