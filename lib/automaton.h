/* SPDX-License-Identifier: MIT */
/* A pattern and a range of lengths as one deterministic automaton over characters. */
#ifndef E2_AUTOMATON_H
#define E2_AUTOMATON_H

#include "pattern.h"
#include "symbols.h"

#define E2_MAX_AUTOMATON_STATES 8192
#define E2_MAX_AUTOMATON_CELLS  (1u << 20) /* states times symbols */
#define E2_MAX_AUTOMATON_WORK   (1u << 27) /* steps of making it: a second or less */

enum { E2_DEAD = 0, E2_START = 1 }; /* states; from every other than the dead one an end can be reached */

typedef struct e2_automaton {
    e2_symbols symbols;
    uint32_t n;     /* states */
    uint16_t *next; /* [n][symbols] */
    bool *accepts;  /* [n]: a text may end here */
} e2_automaton;

/* Texts of the pattern with `least` to `most` characters (0: no limit). LIMIT: a cap above; ARGUMENT: no text is left;
 * MEMORY. */
e2str_status e2_automaton_make(const e2_pattern *pattern, uint32_t least, uint32_t most, e2_automaton *automaton,
                               e2str_error *error);
void e2_automaton_free(e2_automaton *automaton); /* a zeroed one is fine */

static inline uint32_t e2_automaton_step(const e2_automaton *a, uint32_t state, uint32_t code) {
    uint32_t symbol = e2_symbol(&a->symbols, code);
    return symbol == E2_NO_SYMBOL ? E2_DEAD : a->next[(size_t)state * a->symbols.n + symbol];
}

#endif
