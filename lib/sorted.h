/* Ascending lists of tokens. */
/* SPDX-License-Identifier: MIT */
#ifndef E2_SORTED_H
#define E2_SORTED_H

#include <stdint.h>

/* Index of the first that is not below `value`; n when all are. */
static inline uint32_t e2_lower_bound(const uint32_t *list, uint32_t n, uint32_t value) {
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

#endif
