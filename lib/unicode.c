#include "unicode.h"

#include <stddef.h>

typedef struct range {
    uint32_t first, last;
    e2_class class;
} range;

/* Ascending, not overlapping; what no range holds is OTHER. */
static const range ranges[] = {
#define L(first, last)                                                                                                 \
    { first, last, E2_CLASS_LETTER }
#define N(first, last)                                                                                                 \
    { first, last, E2_CLASS_NUMBER }
#define S(first, last)                                                                                                 \
    { first, last, E2_CLASS_SPACE }
#include "unicode_ranges.h"
#undef L
#undef N
#undef S
};

e2_class e2_unicode_class(uint32_t code) {
    size_t low = 0, high = sizeof ranges / sizeof ranges[0];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof ranges / sizeof ranges[0] && code >= ranges[low].first ? ranges[low].class : E2_CLASS_OTHER;
}
