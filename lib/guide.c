/* SPDX-License-Identifier: MIT */
#include "guide.h"

#include <string.h>

#include "unicode.h"

/* ------------------------------------------------------------------------------------------------------ costs -- */

static uint16_t sum(uint16_t a, uint32_t b) {
    return a == E2_NEVER || a + b >= E2_NEVER ? E2_NEVER : (uint16_t)(a + b);
}

/* The character that a token shows, if it shows exactly one; else 0. */
static uint32_t shown_code(const e2_guide *g, uint32_t token) {
    char buffer[4];
    uint32_t code = 0;
    e2_string shown = e2_memory_shown(g->model, g->memory, token, buffer);
    if (!shown.size || e2_utf8_next(shown.data, shown.size, &code) != shown.size) return 0;
    return g->constraint->fold ? e2_unicode_small(code) : code;
}

/* Whether characters outside ASCII can be written byte by byte. */
static bool has_all_bytes(const e2_guide *g) {
    bool seen[256] = {false}, all = e2_tokenizer_kind_of(g->model->tokenizer) == E2_TOKENIZER_BPE;
    for (uint32_t token = 0; all && token < g->model->decoder.vocabulary; token++) {
        e2_string bytes = e2_token_bytes(g->model->tokenizer, token);
        if (bytes.size == 1) seen[(uint8_t)bytes.data[0]] = true;
    }
    for (uint32_t byte = 0x80; byte < 0xF5; byte++) all &= seen[byte] || byte == 0xC0 || byte == 0xC1;
    return all;
}

/* costs [symbols]: tokens for the cheapest character of each. */
static void fill_costs(const e2_guide *g, const e2_symbols *symbols, uint16_t *costs) {
    for (uint32_t i = 0; i < symbols->n; i++) costs[i] = E2_NEVER;
    for (uint32_t token = 0; token < g->vocabulary; token++) {
        uint32_t code = shown_code(g, token), symbol = code ? e2_symbol(symbols, code) : E2_NO_SYMBOL;
        if (symbol != E2_NO_SYMBOL) costs[symbol] = 1;
    }
    for (uint32_t i = e2_symbols_range(symbols, 0x80); g->all_bytes && i < symbols->ranges; i++) {
        uint32_t code = symbols->starts[i] > 0x80 ? symbols->starts[i] : 0x80;
        uint16_t bytes = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        if (symbols->of[i] != E2_NO_SYMBOL && bytes < costs[symbols->of[i]]) costs[symbols->of[i]] = bytes;
    }
}

/* Ways of one character more in each round, and of many where states are numbered along them, as most are: longer ones
 * than `most` tokens need not be found. */
static void fill_rules(const e2_automaton *rules, const uint16_t *costs, uint32_t most, uint16_t *to_end) {
    uint32_t symbols = rules->symbols.n;
    for (uint32_t s = 0; s < rules->n; s++) to_end[s] = rules->accepts[s] ? 0 : E2_NEVER;
    bool changed = true;
    for (uint32_t round = 0; changed && round < most; round++) {
        changed = false;
        for (uint32_t s = rules->n; s-- > 1;)
            for (uint32_t i = 0; to_end[s] && i < symbols; i++) {
                uint16_t cost = sum(costs[i], to_end[rules->next[(size_t)s * symbols + i]]);
                if (cost >= to_end[s]) continue;
                to_end[s] = cost;
                changed = true;
            }
    }
}

/* Nodes stand behind those that they lead to. */
static void fill_nodes(const e2_lexicon *lexicon, const uint16_t *costs, uint16_t *to_end) {
    for (size_t i = 0; i < lexicon->n_nodes; i++) {
        const e2_lexicon_node *node = &lexicon->nodes[i];
        to_end[i] = node->distance ? E2_NEVER : 0;
        for (const e2_lexicon_edge *e = lexicon->edges + node->first; e < lexicon->edges + node->first + node->n; e++) {
            uint16_t cost = sum(costs[e->symbol], to_end[e->node]);
            if (cost < to_end[i]) to_end[i] = cost;
        }
    }
}

/* The distances of the lexicon's nodes serve where every character takes one token: no walk over it then. */
static bool reckon_nodes(e2_arena *arena, e2_guide *g) {
    const e2_lexicon *lexicon = &g->constraint->lexicon;
    uint16_t *costs = e2_arena_alloc(arena, lexicon->symbols.n, sizeof *costs), *to_end;
    if (!costs) return false;
    fill_costs(g, &lexicon->symbols, costs);
    bool plain = true;
    for (uint32_t i = 0; i < lexicon->symbols.n; i++) plain &= costs[i] == 1;
    if (plain) return true;
    to_end = e2_arena_alloc(arena, lexicon->n_nodes, sizeof *to_end);
    if (!to_end) return false;
    fill_nodes(lexicon, costs, to_end);
    g->nodes = to_end;
    return true;
}

static bool note_leads(e2_arena *arena, e2_guide *g) {
    uint8_t *leads = e2_arena_alloc(arena, g->vocabulary, 1);
    for (uint32_t token = 0; leads && token < g->vocabulary; token++) {
        char buffer[4];
        e2_string shown = e2_memory_shown(g->model, g->memory, token, buffer);
        leads[token] = shown.size ? (uint8_t)shown.data[0] : 0;
    }
    g->leads = leads;
    return leads != NULL;
}

bool e2_guide_make(e2_arena *arena, const e2str_model *model, const e2str_memory *memory, uint32_t vocabulary,
                   uint32_t most, const e2str_constraint *constraint, e2_guide *guide) {
    const e2_automaton *rules = &constraint->rules;
    *guide = (e2_guide){.constraint = constraint, .model = model, .memory = memory, .vocabulary = vocabulary};
    guide->all_bytes = has_all_bytes(guide);
    if (vocabulary >= E2_MANY_TOKENS && !note_leads(arena, guide)) return false;
    if (!rules->n) return reckon_nodes(arena, guide);
    uint16_t *costs = e2_arena_alloc(arena, rules->symbols.n, sizeof *costs);
    uint16_t *to_end = e2_arena_alloc(arena, rules->n, sizeof *to_end);
    if (!costs || !to_end) return false;
    fill_costs(guide, &rules->symbols, costs);
    fill_rules(rules, costs, most, to_end);
    guide->rules = to_end;
    return true;
}

/* --------------------------------------------------------------------------------------------------- following -- */

static uint16_t to_end(const e2_guide *g, const e2_place *place) {
    if (g->rules) return g->rules[place->rule];
    return g->nodes ? g->nodes[place->node] : g->constraint->lexicon.nodes[place->node].distance;
}

/* The same behind the cheapest character with a code point from first to last. */
static uint16_t to_end_by_rules(const e2_guide *g, uint32_t state, uint32_t first, uint32_t last) {
    const e2_automaton *rules = &g->constraint->rules;
    uint16_t least = E2_NEVER;
    for (uint32_t i = e2_symbols_range(&rules->symbols, first);
         i < rules->symbols.ranges && rules->symbols.starts[i] <= last; i++) {
        uint32_t symbol = rules->symbols.of[i];
        uint16_t cost =
            symbol == E2_NO_SYMBOL ? E2_NEVER : g->rules[rules->next[(size_t)state * rules->symbols.n + symbol]];
        if (cost < least) least = cost;
    }
    return least;
}

static uint16_t to_end_by_lexicon(const e2_guide *g, uint32_t node, uint32_t first, uint32_t last) {
    const e2_lexicon *lexicon = &g->constraint->lexicon;
    const e2_symbols *symbols = &lexicon->symbols;
    const e2_lexicon_node *at = &lexicon->nodes[node];
    uint16_t least = E2_NEVER;
    for (uint32_t i = e2_symbols_range(symbols, first); i < symbols->ranges && symbols->starts[i] <= last; i++) {
        uint32_t symbol = symbols->of[i];
        uint32_t edge = symbol == E2_NO_SYMBOL ? at->first + at->n : e2_lexicon_edge_from(lexicon, node, symbol);
        if (edge == at->first + at->n || lexicon->edges[edge].symbol != symbol) continue;
        uint16_t cost = to_end(g, &(e2_place){0, lexicon->edges[edge].node});
        if (cost < least) least = cost;
    }
    return least;
}

/* Tokens to the next end from here. A character that is begun is finished byte by byte. */
static uint16_t to_end_from(const e2_guide *g, const e2_stand *stand) {
    uint32_t first, last;
    if (!stand->n) return to_end(g, &stand->place);
    size_t length = e2_utf8_begun(stand->begun, stand->n, &first, &last);
    if (!length || !g->all_bytes) return E2_NEVER;
    uint16_t behind = g->rules ? to_end_by_rules(g, stand->place.rule, first, last)
                               : to_end_by_lexicon(g, stand->place.node, first, last);
    return sum(behind, (uint32_t)length - stand->n);
}

static bool take_byte(const e2_guide *g, e2_stand *stand, char byte) {
    char text[4];
    uint32_t code, last;
    memcpy(text, stand->begun, stand->n);
    text[stand->n] = byte;
    if (e2_utf8_next(text, stand->n + 1u, &code)) {
        stand->n = 0;
        return code && e2_constraint_step(g->constraint, &stand->place, code);
    }
    if (stand->n == 3 || !e2_utf8_begun(text, stand->n + 1u, &code, &last)) return false;
    stand->begun[stand->n++] = byte;
    return true;
}

static bool take_bytes(const e2_guide *g, e2_stand *stand, e2_string bytes) {
    for (size_t at = 0; at < bytes.size;) {
        uint32_t code;
        size_t length = stand->n ? 0 : e2_utf8_next(bytes.data + at, bytes.size - at, &code);
        if (!(length ? code && e2_constraint_step(g->constraint, &stand->place, code)
                     : take_byte(g, stand, bytes.data[at])))
            return false;
        at += length ? length : 1;
    }
    return true;
}

e2_stand e2_guide_start(const e2_guide *guide) { return (e2_stand){.place = e2_constraint_start(guide->constraint)}; }

bool e2_guide_follow(const e2_guide *guide, const e2_stand *from, uint32_t token, uint32_t left, e2_stand *to) {
    *to = *from;
    if (token == e2_tokenizer_end(guide->model->tokenizer))
        return !from->n && e2_constraint_ends(guide->constraint, &from->place);
    if (e2_memory_is_special(guide->model, guide->memory, token)) return false;
    char buffer[4];
    if (!take_bytes(guide, to, e2_memory_shown(guide->model, guide->memory, token, buffer))) return false;
    return to_end_from(guide, to) < left;
}

/* Whether a text may go on with a character from first to last. */
static bool goes_on(const e2_guide *g, const e2_place *place, uint32_t first, uint32_t last) {
    const e2_automaton *rules = &g->constraint->rules;
    const e2_symbols *symbols = g->rules ? &rules->symbols : &g->constraint->lexicon.symbols;
    bool on = false;
    for (uint32_t i = e2_symbols_range(symbols, first); !on && i < symbols->ranges && symbols->starts[i] <= last; i++) {
        uint32_t symbol = symbols->of[i];
        if (symbol == E2_NO_SYMBOL) continue;
        on = g->rules ? rules->next[(size_t)place->rule * symbols->n + symbol] != E2_DEAD
                      : e2_lexicon_step(&g->constraint->lexicon, place->node, symbols->starts[i]) != E2_NO_NODE;
    }
    return on;
}

void e2_guide_open(const e2_guide *guide, const e2_stand *from, bool open[256]) {
    for (uint32_t byte = 0; guide->leads && byte < 256; byte++) {
        e2_place place = from->place;
        char lead = (char)byte;
        uint32_t first, last;
        if (from->n)
            open[byte] = byte >= 0x80;
        else if (byte < 0x80)
            open[byte] = byte && e2_constraint_step(guide->constraint, &place, byte);
        else /* in small letters, a character may lie just beyond */
            open[byte] = e2_utf8_begun(&lead, 1, &first, &last) && goes_on(guide, &place, first - 1, last + 1);
    }
}

float e2_guide_loss(const e2_guide *guide, const e2_stand *from, uint32_t token, const e2_stand *to) {
    const e2str_constraint *c = guide->constraint;
    if (c->bonus == 0.0f || from->place.node == E2_NO_NODE) return 0.0f;
    bool ends = token == e2_tokenizer_end(guide->model->tokenizer);
    bool stays = ends ? c->lexicon.nodes[from->place.node].distance == 0 : to->place.node != E2_NO_NODE;
    return stays ? 0.0f : c->bonus;
}
