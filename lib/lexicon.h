/* SPDX-License-Identifier: MIT */
/* A list of texts as the smallest graph of their characters: beginnings and ends that texts share are there once. */
#ifndef E2_LEXICON_H
#define E2_LEXICON_H

#include "automaton.h"

#define E2_MAX_LEXICON_BYTES   ((size_t)64 << 20)
#define E2_MAX_LEXICON_ENTRIES ((size_t)1 << 22)
#define E2_MAX_ENTRY           255 /* characters */

/* Nodes stand behind those that they lead to, the root last. Edges ascend by symbol. */
typedef struct e2_lexicon_node {
    uint32_t first; /* edge */
    uint32_t n : 24;
    uint32_t distance : 8; /* characters to the nearest end of an entry; 0: one ends here */
} e2_lexicon_node;

typedef struct e2_lexicon_edge {
    uint32_t symbol, node;
} e2_lexicon_edge;

typedef struct e2_lexicon {
    e2_symbols symbols; /* one per character that occurs, ascending */
    e2_lexicon_node *nodes;
    e2_lexicon_edge *edges;
    size_t n_nodes, n_edges, n_entries;
} e2_lexicon;

#define E2_NO_NODE UINT32_MAX

/* text: one entry per line; a CR before the line's end, empty lines and a mark of byte order are left out, and so are
 * entries that `rules` does not accept. fold: entries in small letters. FORMAT: not UTF-8, a NUL; LIMIT; ARGUMENT: no
 * entry is left; MEMORY. The message names the line. */
e2str_status e2_lexicon_make(const char *text, size_t size, bool fold, const e2_automaton *rules, e2_lexicon *lexicon,
                             e2str_error *error);
void e2_lexicon_free(e2_lexicon *lexicon); /* a zeroed one is fine */

static inline uint32_t e2_lexicon_root(const e2_lexicon *lexicon) { return (uint32_t)lexicon->n_nodes - 1; }

/* The edge of a node that is not below this symbol; the node's last + 1 if there is none. */
uint32_t e2_lexicon_edge_from(const e2_lexicon *lexicon, uint32_t node, uint32_t symbol);

/* E2_NO_NODE: no entry goes on like this. */
uint32_t e2_lexicon_step(const e2_lexicon *lexicon, uint32_t node, uint32_t code);

#endif
