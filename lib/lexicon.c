/* SPDX-License-Identifier: MIT */
/*
 * The incremental construction of Daciuk, Mihov, Watson and Watson (2000) for sorted entries: the nodes along the last
 * entry stay open; when the next entry leaves its path, those behind the fork are closed from the end on, each as the
 * node that is equal to it, if there is one.
 */
#include "lexicon.h"

#include <stdlib.h>
#include <string.h>

#include "unicode.h"

typedef struct entry {
    const char *text;
    uint32_t size;
} entry;

typedef struct maker {
    e2_lexicon *out;
    char *text; /* a copy, in small letters where that is asked for */
    entry *entries;
    size_t n_entries, room_entries;

    uint32_t path[E2_MAX_ENTRY + 1];   /* symbols of the last entry; of path[i] is the edge from node i to node i + 1 */
    size_t begin[E2_MAX_ENTRY + 2];    /* of the open nodes' edges in `open` */
    uint8_t nearest[E2_MAX_ENTRY + 2]; /* their distance so far */
    uint32_t depth;                    /* of the last entry */
    e2_lexicon_edge *open;
    size_t n_open, room_open, room_nodes, room_edges;
    uint32_t *table; /* closed nodes by hash; E2_NO_NODE: free */
    size_t table_size;
} maker;

/* ---------------------------------------------------------------------------------------------------- entries -- */

/* The list with room for an element more; NULL: out of memory, and it is as it was. */
static void *grow(void *list, size_t n, size_t *room, size_t size) {
    if (n < *room) return list;
    size_t wanted = *room ? 2 * *room : 1024, bytes;
    void *grown = e2_mul(wanted, size, &bytes) ? realloc(list, bytes) : NULL;
    if (grown) *room = wanted;
    return grown;
}

static e2str_status no_memory(e2str_error *error) {
    return e2_fail(error, E2STR_ERROR_MEMORY, "lexicon: out of memory");
}

/* Checks one line, folds it where it lies, and notes it if the rules accept it. */
static e2str_status take_line(maker *m, char *line, size_t size, size_t number, bool fold, const e2_automaton *rules,
                              e2str_error *error) {
    uint32_t state = E2_START, characters = 0;
    for (size_t at = 0, length; at < size; at += length, characters++) {
        uint32_t code;
        length = e2_utf8_next(line + at, size - at, &code);
        if (!length || !code)
            return e2_fail(error, E2STR_ERROR_FORMAT, "lexicon: line %zu: %s", number, length ? "a NUL" : "not UTF-8");
        if (fold) code = e2_unicode_small(code);
        if (fold) e2_utf8_put(code, line + at); /* as long as the capital */
        if (rules) state = e2_automaton_step(rules, state, code);
    }
    if (characters > E2_MAX_ENTRY)
        return e2_fail(error, E2STR_ERROR_LIMIT, "lexicon: line %zu: more than %d characters", number, E2_MAX_ENTRY);
    if (!size || (rules && !rules->accepts[state])) return E2STR_OK;
    if (m->n_entries == E2_MAX_LEXICON_ENTRIES)
        return e2_fail(error, E2STR_ERROR_LIMIT, "lexicon: line %zu: more than %zu entries", number,
                       E2_MAX_LEXICON_ENTRIES);
    entry *entries = grow(m->entries, m->n_entries, &m->room_entries, sizeof *entries);
    if (!entries) return no_memory(error);
    m->entries = entries;
    m->entries[m->n_entries++] = (entry){line, (uint32_t)size};
    return E2STR_OK;
}

static e2str_status take_lines(maker *m, size_t size, bool fold, const e2_automaton *rules, e2str_error *error) {
    size_t at = size >= 3 && !memcmp(m->text, "\xEF\xBB\xBF", 3) ? 3 : 0, number = 1;
    e2str_status status = E2STR_OK;
    for (; !status && at < size; number++) {
        char *line = m->text + at, *end = memchr(line, '\n', size - at);
        size_t length = end ? (size_t)(end - line) : size - at;
        at += length + 1;
        if (length && line[length - 1] == '\r') length--;
        status = take_line(m, line, length, number, fold, rules, error);
    }
    if (!status && !m->n_entries)
        status = e2_fail(error, E2STR_ERROR_ARGUMENT, "lexicon: no entry%s",
                         rules ? " has the pattern, characters and length that are asked for" : "");
    return status;
}

/* The order of bytes is that of code points. */
static int by_text(const void *a, const void *b) {
    const entry *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

#define N_CODES 0x110000u

static bool find_symbols(maker *m) {
    e2_symbols *symbols = &m->out->symbols;
    uint8_t *seen = calloc(N_CODES / 8, 1);
    uint32_t n = 0;
    if (!seen) return false;
    for (size_t i = 0; i < m->n_entries; i++)
        for (size_t at = 0; at < m->entries[i].size;) {
            uint32_t code;
            at += e2_utf8_next(m->entries[i].text + at, m->entries[i].size - at, &code);
            n += !(seen[code / 8] >> code % 8 & 1);
            seen[code / 8] |= (uint8_t)(1u << code % 8);
        }
    symbols->starts = e2_alloc(2 * (size_t)n + 1, sizeof *symbols->starts);
    symbols->of = e2_alloc(2 * (size_t)n + 1, sizeof *symbols->of);
    if (symbols->starts && symbols->of) {
        bool former = true; /* code point 0 is no character: a range begins there */
        for (uint32_t code = 0; code < N_CODES; code++) {
            bool here = seen[code / 8] >> code % 8 & 1;
            if (here || former) {
                symbols->starts[symbols->ranges] = code;
                symbols->of[symbols->ranges++] = here ? symbols->n++ : E2_NO_SYMBOL;
            }
            former = here;
        }
    }
    free(seen);
    return symbols->starts && symbols->of;
}

/* ------------------------------------------------------------------------------------------------------ graph -- */

static uint32_t hash_of(const e2_lexicon_edge *edges, size_t n, bool ends) {
    uint32_t hash = 2166136261u ^ ends;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ edges[i].symbol) * 16777619u;
        hash = (hash ^ edges[i].node) * 16777619u;
    }
    return hash ^ hash >> 16;
}

static uint32_t hash_of_node(const e2_lexicon *l, uint32_t node) {
    return hash_of(l->edges + l->nodes[node].first, l->nodes[node].n, l->nodes[node].distance == 0);
}

/* Twice as large, when it is half full. */
static bool make_room(maker *m) {
    e2_lexicon *l = m->out;
    if (2 * l->n_nodes < m->table_size) return true;
    size_t size = m->table_size ? 2 * m->table_size : 4096;
    uint32_t *table = e2_alloc(size, sizeof *table);
    if (!table) return false;
    memset(table, 0xFF, size * sizeof *table);
    for (uint32_t i = 0; i < l->n_nodes; i++) {
        size_t at = hash_of_node(l, i) % size;
        while (table[at] != E2_NO_NODE) at = (at + 1) % size;
        table[at] = i;
    }
    free(m->table);
    m->table = table;
    m->table_size = size;
    return true;
}

static bool is_equal(const e2_lexicon *l, uint32_t node, const e2_lexicon_edge *edges, size_t n, bool ends) {
    const e2_lexicon_node *other = &l->nodes[node];
    return other->n == n && (other->distance == 0) == ends &&
           (!n || !memcmp(l->edges + other->first, edges, n * sizeof *edges));
}

/* Closes the open node at this depth, the deepest. */
static bool close_node(maker *m, uint32_t depth, uint32_t *closed) {
    e2_lexicon *l = m->out;
    size_t n = m->n_open - m->begin[depth];
    const e2_lexicon_edge *edges = n ? m->open + m->begin[depth] : NULL;
    bool ends = m->nearest[depth] == 0;
    if (!make_room(m)) return false;
    m->n_open = m->begin[depth];
    size_t at = hash_of(edges, n, ends) % m->table_size;
    for (; m->table[at] != E2_NO_NODE; at = (at + 1) % m->table_size)
        if (is_equal(l, m->table[at], edges, n, ends)) {
            *closed = m->table[at];
            return true;
        }
    while (l->n_edges + n > m->room_edges) {
        void *list = grow(l->edges, m->room_edges, &m->room_edges, sizeof *l->edges);
        if (!list) return false;
        l->edges = list;
    }
    void *nodes = grow(l->nodes, l->n_nodes, &m->room_nodes, sizeof *l->nodes);
    if (!nodes) return false;
    l->nodes = nodes;
    if (n) memcpy(l->edges + l->n_edges, edges, n * sizeof *edges);
    l->nodes[l->n_nodes] = (e2_lexicon_node){(uint32_t)l->n_edges, (uint32_t)n & 0xFFFFFF, m->nearest[depth]};
    l->n_edges += n;
    *closed = m->table[at] = (uint32_t)l->n_nodes++;
    return true;
}

/* Closes the nodes behind `depth` along the last entry. */
static bool close_behind(maker *m, uint32_t depth) {
    for (; m->depth > depth; m->depth--) {
        uint32_t closed, above = m->depth - 1;
        if (!close_node(m, m->depth, &closed)) return false;
        void *open = grow(m->open, m->n_open, &m->room_open, sizeof *m->open);
        if (!open) return false;
        m->open = open;
        m->open[m->n_open++] = (e2_lexicon_edge){m->path[above], closed};
        uint8_t distance = m->out->nodes[closed].distance + 1u;
        if (distance < m->nearest[above]) m->nearest[above] = distance;
    }
    return true;
}

static bool add_entry(maker *m, const entry *e) {
    uint32_t n = 0, same = 0, symbols[E2_MAX_ENTRY];
    for (size_t at = 0; at < e->size;) {
        uint32_t code;
        at += e2_utf8_next(e->text + at, e->size - at, &code);
        symbols[n++] = e2_symbol(&m->out->symbols, code);
    }
    while (same < n && same < m->depth && symbols[same] == m->path[same]) same++;
    if (same == n && n == m->depth) return true; /* twice */
    if (!close_behind(m, same)) return false;
    for (; m->depth < n; m->depth++) {
        m->path[m->depth] = symbols[m->depth];
        m->begin[m->depth + 1] = m->n_open;
        m->nearest[m->depth + 1] = UINT8_MAX;
    }
    m->nearest[n] = 0;
    m->out->n_entries++;
    return true;
}

static bool build(maker *m) {
    uint32_t root;
    m->nearest[0] = UINT8_MAX;
    for (size_t i = 0; i < m->n_entries; i++)
        if (!add_entry(m, &m->entries[i])) return false;
    return close_behind(m, 0) && close_node(m, 0, &root);
}

e2str_status e2_lexicon_make(const char *text, size_t size, bool fold, const e2_automaton *rules, e2_lexicon *lexicon,
                             e2str_error *error) {
    *lexicon = (e2_lexicon){0};
    if (size > E2_MAX_LEXICON_BYTES)
        return e2_fail(error, E2STR_ERROR_LIMIT, "lexicon: %zu bytes, at most %zu", size, E2_MAX_LEXICON_BYTES);
    maker *m = calloc(1, sizeof *m);
    if (!m) return no_memory(error);
    m->out = lexicon;
    m->text = e2_alloc(size, 1);
    e2str_status status = m->text ? E2STR_OK : no_memory(error);
    if (!status) {
        if (size) memcpy(m->text, text, size);
        status = take_lines(m, size, fold, rules, error);
    }
    if (!status) {
        qsort(m->entries, m->n_entries, sizeof *m->entries, by_text);
        if (!find_symbols(m) || !build(m)) status = no_memory(error);
    }
    free(m->text);
    free(m->entries);
    free(m->open);
    free(m->table);
    free(m);
    if (status) {
        e2_lexicon_free(lexicon);
        return status;
    }
    lexicon->nodes = e2_shrink(lexicon->nodes, lexicon->n_nodes, sizeof *lexicon->nodes);
    lexicon->edges = e2_shrink(lexicon->edges, lexicon->n_edges, sizeof *lexicon->edges);
    return E2STR_OK;
}

void e2_lexicon_free(e2_lexicon *lexicon) {
    free(lexicon->symbols.starts);
    free(lexicon->symbols.of);
    free(lexicon->nodes);
    free(lexicon->edges);
    *lexicon = (e2_lexicon){0};
}

/* ------------------------------------------------------------------------------------------------------ using -- */

uint32_t e2_lexicon_edge_from(const e2_lexicon *lexicon, uint32_t node, uint32_t symbol) {
    uint32_t low = lexicon->nodes[node].first, high = low + lexicon->nodes[node].n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (lexicon->edges[middle].symbol < symbol)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t e2_lexicon_step(const e2_lexicon *lexicon, uint32_t node, uint32_t code) {
    uint32_t symbol = e2_symbol(&lexicon->symbols, code);
    if (symbol == E2_NO_SYMBOL) return E2_NO_NODE;
    uint32_t edge = e2_lexicon_edge_from(lexicon, node, symbol);
    const e2_lexicon_node *at = &lexicon->nodes[node];
    return edge < at->first + at->n && lexicon->edges[edge].symbol == symbol ? lexicon->edges[edge].node : E2_NO_NODE;
}
