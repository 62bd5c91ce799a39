/* SPDX-License-Identifier: MIT */
/*
 * The sets of a pattern cut the code points into ranges; ranges that lie in the same sets are one symbol. Then the
 * subset construction, with the number of characters so far as a part of each state.
 */
#include "automaton.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------- symbols -- */

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* starts: where any set begins or has ended. */
static bool find_ranges(const e2_pattern *pattern, e2_symbols *symbols) {
    uint32_t *starts = e2_alloc(2 * (size_t)pattern->n_ranges + 1, sizeof *starts), n = 0, kept = 0;
    if (!starts) return false;
    symbols->starts = starts;
    starts[n++] = 0;
    for (uint32_t i = 0; i < pattern->n_ranges; i++) {
        starts[n++] = pattern->ranges[i].first;
        starts[n++] = pattern->ranges[i].last + 1;
    }
    qsort(starts, n, sizeof *starts, by_value);
    for (uint32_t i = 0; i < n; i++)
        if (!kept || starts[i] != starts[kept - 1]) starts[kept++] = starts[i];
    symbols->ranges = kept;
    symbols->of = e2_alloc(kept, sizeof *symbols->of);
    return symbols->of != NULL;
}

/* Classes of ranges, told apart set by set. The first two lists are of classes: [ranges]. */
typedef struct partition {
    uint32_t *size, *inside; /* ranges of a class; those of them in the set at hand */
    uint32_t *fresh;         /* the class for those */
    uint32_t n;
} partition;

static void split_by(const e2_pattern *pattern, const e2_set *set, e2_symbols *symbols, partition *p) {
    for (int pass = 0; pass < 3; pass++)
        for (uint32_t i = set->begin; i < set->begin + set->n; i++) {
            uint32_t at = e2_symbols_range(symbols, pattern->ranges[i].first);
            for (; at < symbols->ranges && symbols->starts[at] <= pattern->ranges[i].last; at++) {
                uint32_t *class = &symbols->of[at], old = *class;
                if (pass == 0) {
                    p->inside[old]++;
                } else if (pass == 2) {
                    p->inside[old] = 0; /* of new classes, too: they had none */
                } else if (p->inside[old] && p->inside[old] < p->size[old]) {
                    if (p->fresh[old] == E2_NO_SYMBOL) p->fresh[old] = p->n++;
                    *class = p->fresh[old];
                    p->size[*class]++;
                }
            }
        }
}

static void settle(partition *p, uint32_t former) {
    for (uint32_t c = 0; c < former; c++) {
        if (p->fresh[c] == E2_NO_SYMBOL) continue;
        p->size[c] -= p->size[p->fresh[c]];
        p->inside[c] = 0;
        p->fresh[c] = E2_NO_SYMBOL;
    }
}

/* Classes become symbols; what no set holds is none. */
static void number_symbols(const e2_pattern *pattern, e2_symbols *symbols, uint32_t *numbers) {
    for (uint32_t i = 0; i < symbols->ranges; i++) numbers[i] = E2_NO_SYMBOL;
    for (uint32_t i = 0; i < pattern->n_ranges; i++) {
        uint32_t at = e2_symbols_range(symbols, pattern->ranges[i].first);
        for (; at < symbols->ranges && symbols->starts[at] <= pattern->ranges[i].last; at++)
            numbers[symbols->of[at]] = 0;
    }
    for (uint32_t i = 0; i < symbols->ranges; i++)
        if (numbers[i] != E2_NO_SYMBOL) numbers[i] = symbols->n++;
    for (uint32_t i = 0; i < symbols->ranges; i++) symbols->of[i] = numbers[symbols->of[i]];
}

static bool find_symbols(const e2_pattern *pattern, e2_symbols *symbols) {
    if (!find_ranges(pattern, symbols)) return false;
    uint32_t ranges = symbols->ranges;
    uint32_t *lists = calloc(3 * (size_t)ranges, sizeof *lists);
    if (!lists) return false;
    partition p = {lists, lists + ranges, lists + 2 * ranges, 1};
    p.size[0] = ranges;
    for (uint32_t i = 0; i < ranges; i++) {
        symbols->of[i] = 0;
        p.fresh[i] = E2_NO_SYMBOL;
    }
    for (uint32_t s = 0; s < pattern->n_sets; s++) {
        uint32_t former = p.n;
        split_by(pattern, &pattern->sets[s], symbols, &p);
        settle(&p, former);
    }
    number_symbols(pattern, symbols, p.fresh);
    free(lists);
    return true;
}

/* ---------------------------------------------------------------------------------------------------- subsets -- */

/* A state while it is made: states of the pattern, ascending, and how many characters led to it. */
typedef struct subset {
    uint32_t begin, n, length;
} subset;

#define TABLE (4u * E2_MAX_AUTOMATON_STATES) /* of subsets by hash; a power of two */

typedef struct maker {
    const e2_pattern *pattern;
    uint32_t least, most;
    e2_automaton *out;
    uint8_t *has;      /* [sets][symbols]: the set holds the symbol */
    subset *subsets;   /* [E2_MAX_AUTOMATON_STATES] */
    uint16_t *members; /* of all subsets */
    size_t n_members, room;
    uint16_t *table;              /* [TABLE]: subset, or 0 */
    uint32_t *reached, n_reached; /* states of the pattern that are being put together */
    uint32_t *stack;
    uint8_t *marks; /* [states]: reached */
    uint64_t work;
    e2str_status status;
    e2str_error *error;
} maker;

static bool stop(maker *m, e2str_status status, const char *why) {
    if (!m->status) m->status = e2_fail(m->error, status, "pattern: %s", why);
    return false;
}

static bool works(maker *m, uint64_t steps) {
    m->work += steps;
    return m->work <= E2_MAX_AUTOMATON_WORK ||
           stop(m, E2STR_ERROR_LIMIT, "too much work to make an automaton of it; fewer or smaller counts?");
}

/* Adds a state of the pattern, and where it leads to without a character. */
static void reach(maker *m, uint32_t state) {
    uint32_t n = 0;
    m->stack[n++] = state;
    while (n) {
        uint32_t at = m->stack[--n];
        if (m->marks[at]) continue;
        m->marks[at] = 1;
        m->reached[m->n_reached++] = at;
        const e2_pattern_state *s = &m->pattern->states[at];
        if (s->set != E2_SPLIT) continue;
        m->stack[n++] = s->other;
        m->stack[n++] = s->next;
    }
}

/* What was reached, ascending; splits are left out. */
static void collect(maker *m) {
    uint32_t n = 0;
    m->work += m->n_reached;
    for (uint32_t i = 0; i < m->n_reached; i++) {
        m->marks[m->reached[i]] = 0;
        if (m->pattern->states[m->reached[i]].set != E2_SPLIT) m->reached[n++] = m->reached[i];
    }
    if (n > 1) qsort(m->reached, n, sizeof *m->reached, by_value);
    m->n_reached = n;
}

static bool is_subset(const maker *m, const subset *s, uint32_t length) {
    if (s->n != m->n_reached || s->length != length) return false;
    for (uint32_t i = 0; i < s->n; i++)
        if (m->members[s->begin + i] != m->reached[i]) return false;
    return true;
}

static bool new_subset(maker *m, uint32_t length) {
    e2_automaton *out = m->out;
    if (out->n == E2_MAX_AUTOMATON_STATES || (out->n + 1) * (uint64_t)out->symbols.n > E2_MAX_AUTOMATON_CELLS)
        return stop(m, E2STR_ERROR_LIMIT, "its automaton would be too large; fewer or smaller counts?");
    if (m->n_members + m->n_reached > m->room) {
        size_t room = 2 * m->room + m->n_reached;
        uint16_t *members = realloc(m->members, room * sizeof *members);
        if (!members) return stop(m, E2STR_ERROR_MEMORY, "out of memory");
        m->members = members;
        m->room = room;
    }
    m->subsets[out->n] = (subset){(uint32_t)m->n_members, m->n_reached, length};
    for (uint32_t i = 0; i < m->n_reached; i++) {
        m->members[m->n_members++] = (uint16_t)m->reached[i];
        bool final = m->pattern->states[m->reached[i]].set == E2_FINAL;
        out->accepts[out->n] |= final && length >= m->least;
    }
    out->n++;
    return true;
}

/* The state of what was reached with so many characters; the dead one where that is nothing. */
static bool find_subset(maker *m, uint32_t length, uint16_t *found) {
    collect(m);
    *found = E2_DEAD;
    if (!m->n_reached || (m->most && length > m->most)) return true;
    if (!m->most && length > m->least) length = m->least;
    uint32_t hash = length * 2654435761u;
    for (uint32_t i = 0; i < m->n_reached; i++) hash = (hash ^ m->reached[i]) * 16777619u;
    uint32_t at = (hash ^ hash >> 15) % TABLE;
    for (; m->table[at]; at = (at + 1) % TABLE)
        if (is_subset(m, &m->subsets[m->table[at]], length)) {
            *found = m->table[at];
            return true;
        }
    if (!new_subset(m, length)) return false;
    *found = m->table[at] = (uint16_t)(m->out->n - 1);
    return true;
}

static bool expand(maker *m, uint32_t state) {
    uint32_t symbols = m->out->symbols.n;
    const subset from = m->subsets[state];
    for (uint32_t symbol = 0; symbol < symbols; symbol++) {
        m->n_reached = 0;
        for (uint32_t i = 0; i < from.n; i++) {
            const e2_pattern_state *s = &m->pattern->states[m->members[from.begin + i]];
            if (s->set >= 0 && m->has[(size_t)s->set * symbols + symbol]) reach(m, s->next);
        }
        uint16_t to;
        if (!works(m, from.n + 1) || !find_subset(m, from.length + 1, &to)) return false;
        m->out->next[(size_t)state * symbols + symbol] = to;
    }
    return true;
}

/* Transitions to states from which no end can be reached lead to the dead one. */
static bool trim(maker *m, bool *live) {
    e2_automaton *out = m->out;
    uint32_t symbols = out->symbols.n;
    for (bool changed = true; changed;) {
        changed = false;
        if (!works(m, (uint64_t)out->n * symbols)) return false;
        for (uint32_t s = out->n; s-- > 1;) {
            bool lives = out->accepts[s];
            for (uint32_t i = 0; !lives && !live[s] && i < symbols; i++)
                lives = live[out->next[(size_t)s * symbols + i]];
            changed |= lives && !live[s];
            live[s] |= lives;
        }
    }
    for (size_t i = 0; i < (size_t)out->n * symbols; i++)
        if (!live[out->next[i]]) out->next[i] = E2_DEAD;
    return live[E2_START] ||
           stop(m, E2STR_ERROR_ARGUMENT, "no text has this pattern, these characters and this length");
}

static void fill_has(maker *m) {
    const e2_symbols *symbols = &m->out->symbols;
    for (uint32_t s = 0; s < m->pattern->n_sets; s++)
        for (uint32_t i = 0; i < m->pattern->sets[s].n; i++) {
            const e2_range *range = &m->pattern->ranges[m->pattern->sets[s].begin + i];
            uint32_t at = e2_symbols_range(symbols, range->first);
            for (; at < symbols->ranges && symbols->starts[at] <= range->last; at++)
                m->has[(size_t)s * symbols->n + symbols->of[at]] = 1;
        }
}

static void make(maker *m) {
    uint16_t start;
    memset(m->out->next, 0, m->out->symbols.n * sizeof *m->out->next);
    fill_has(m);
    m->subsets[0] = (subset){0};
    m->out->n = 1;
    reach(m, m->pattern->start);
    if (!find_subset(m, 0, &start)) return;
    for (uint32_t state = E2_START; state < m->out->n; state++)
        if (!expand(m, state)) return;
    bool *live = calloc(m->out->n, sizeof *live);
    if (!live)
        stop(m, E2STR_ERROR_MEMORY, "out of memory");
    else
        trim(m, live);
    free(live);
}

e2str_status e2_automaton_make(const e2_pattern *pattern, uint32_t least, uint32_t most, e2_automaton *automaton,
                               e2str_error *error) {
    *automaton = (e2_automaton){0};
    maker m = {.pattern = pattern, .least = least, .most = most, .out = automaton, .error = error};
    uint32_t states = pattern->n_states;
    bool ok = find_symbols(pattern, &automaton->symbols);
    if (ok && (size_t)automaton->symbols.n * (pattern->n_sets + 1) > 4 * E2_MAX_AUTOMATON_CELLS) {
        stop(&m, E2STR_ERROR_LIMIT, "too many characters to tell apart; a lexicon?");
    } else if (ok) {
        automaton->next = e2_alloc(E2_MAX_AUTOMATON_CELLS, sizeof *automaton->next);
        automaton->accepts = calloc(E2_MAX_AUTOMATON_STATES, sizeof *automaton->accepts);
        m.has = calloc((size_t)automaton->symbols.n * pattern->n_sets + 1, 1);
        m.subsets = e2_alloc(E2_MAX_AUTOMATON_STATES, sizeof *m.subsets);
        m.table = calloc(TABLE, sizeof *m.table);
        m.reached = e2_alloc(states, sizeof *m.reached);
        m.stack = e2_alloc(2 * (size_t)states + 2, sizeof *m.stack);
        m.marks = calloc(states, 1);
        ok = automaton->next && automaton->accepts && m.has && m.subsets && m.table && m.reached && m.stack && m.marks;
        if (ok) make(&m);
    }
    if (!ok) stop(&m, E2STR_ERROR_MEMORY, "out of memory");
    free(m.has);
    free(m.subsets);
    free(m.members);
    free(m.table);
    free(m.reached);
    free(m.stack);
    free(m.marks);
    if (m.status) {
        e2_automaton_free(automaton);
        return m.status;
    }
    size_t cells = (size_t)automaton->n * automaton->symbols.n;
    automaton->next = e2_shrink(automaton->next, cells, sizeof *automaton->next);
    automaton->accepts = e2_shrink(automaton->accepts, automaton->n, sizeof *automaton->accepts);
    return E2STR_OK;
}

void e2_automaton_free(e2_automaton *automaton) {
    free(automaton->symbols.starts);
    free(automaton->symbols.of);
    free(automaton->next);
    free(automaton->accepts);
    *automaton = (e2_automaton){0};
}
