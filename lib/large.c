/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* madvise */
#include "large.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "error.h"

static void *allocate(size_t bytes) {
    size_t unit = bytes < 4 * E2_HUGE_PAGE ? 64 : E2_HUGE_PAGE, whole;
    if (!e2_add(bytes ? bytes : 1, unit - 1, &whole)) return NULL;
    whole = whole / unit * unit;
    void *block = aligned_alloc(unit, whole);
#ifdef MADV_HUGEPAGE
    if (block && unit == E2_HUGE_PAGE) (void)madvise(block, whole, MADV_HUGEPAGE); /* only a wish */
#endif
    return block;
}

void *e2_large_grow(void *block, size_t used, size_t bytes) {
    void *fresh = allocate(bytes);
    if (!fresh) return NULL;
    if (used) memcpy(fresh, block, used);
    free(block);
    return fresh;
}
