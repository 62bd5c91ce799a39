/* SPDX-License-Identifier: MIT */
/* Characters as an automaton sees them: those that it never tells apart are one symbol. */
#ifndef E2_SYMBOLS_H
#define E2_SYMBOLS_H

#include "sorted.h"

#define E2_NO_SYMBOL  UINT32_MAX
#define E2_LAST_CODE  0x10FFFFu
#define E2_SURROGATES 0xD800u /* to 0xDFFF: code points that are no characters */

typedef struct e2_symbols {
    uint32_t n;       /* symbols are 0 .. n - 1 */
    uint32_t ranges;  /* of code points: range i is starts[i] .. starts[i + 1] - 1 */
    uint32_t *starts; /* [ranges], ascending from 0 */
    uint32_t *of;     /* [ranges]: the symbol, or E2_NO_SYMBOL */
} e2_symbols;

/* Index of the range that holds a code point. */
static inline uint32_t e2_symbols_range(const e2_symbols *symbols, uint32_t code) {
    return e2_lower_bound(symbols->starts, symbols->ranges, code + 1) - 1;
}

static inline uint32_t e2_symbol(const e2_symbols *symbols, uint32_t code) {
    return symbols->of[e2_symbols_range(symbols, code)];
}

#endif
