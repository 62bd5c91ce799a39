/* SPDX-License-Identifier: MIT */
/* A pattern as the caller writes it (docs/constraints.md): its text becomes sets of characters and a nondeterministic
 * automaton over them. */
#ifndef E2_PATTERN_H
#define E2_PATTERN_H

#include "error.h"

#define E2_MAX_PATTERN        4096 /* bytes */
#define E2_MAX_NESTING        32   /* groups in groups */
#define E2_MAX_COUNT          255
#define E2_MAX_PATTERN_STATES 4096
#define E2_MAX_PATTERN_RANGES 16384 /* of all sets */

typedef struct e2_range {
    uint32_t first, last; /* code points */
} e2_range;

typedef struct e2_set {
    uint32_t begin, n; /* of the pattern's ranges: ascending, apart */
} e2_set;

/* A state that takes one character of a set, or splits into two without taking any, or is the end. */
enum { E2_SPLIT = -1, E2_FINAL = -2 };

typedef struct e2_pattern_state {
    int32_t set; /* or E2_SPLIT, E2_FINAL */
    uint32_t next, other;
} e2_pattern_state;

typedef struct e2_pattern {
    e2_range *ranges;
    e2_set *sets;
    e2_pattern_state *states;
    uint32_t n_ranges, n_sets, n_states, start;
} e2_pattern;

/* pattern: NULL for any text; characters: what may be at all, written like the inside of [...], NULL for all. With
 * fold, both in small letters: the automaton then takes e2_unicode_small of a text. ARGUMENT: the message says at which
 * character what is wrong. LIMIT, MEMORY. */
e2str_status e2_pattern_parse(const char *pattern, const char *characters, bool fold, e2_pattern *parsed,
                              e2str_error *error);
void e2_pattern_free(e2_pattern *pattern); /* a zeroed one is fine */

#endif
