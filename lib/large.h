/* SPDX-License-Identifier: MIT */
/* Large blocks that are read from end to end: in huge pages where the system has them, which a search through a million
 * keys reads a fifth faster (docs/performance.md). */
#ifndef E2_LARGE_H
#define E2_LARGE_H

#include <stddef.h>

#define E2_HUGE_PAGE ((size_t)2 << 20)

/* A block of `bytes`, for free(), aligned to 64, and to a huge page from four of them on: with the first `used` bytes
 * of `block` (may be NULL), which is freed; what follows is undefined. On failure NULL, and `block` is as it was. */
void *e2_large_grow(void *block, size_t used, size_t bytes);

#endif
