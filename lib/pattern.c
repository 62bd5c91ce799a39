/* SPDX-License-Identifier: MIT */
/* Text to a tree (recursive descent, one level per group), the tree to states from its end to its beginning. */
#include "pattern.h"

#include <stdlib.h>
#include <string.h>

#include "unicode.h"

#define WITHOUT_END UINT32_MAX /* a count's most */

typedef enum node_kind { EMPTY, TAKE, THEN, OR, REPEAT } node_kind;

typedef struct node {
    node_kind kind;
    uint32_t a, b;        /* TAKE: the set; THEN, OR: nodes; REPEAT: node a */
    uint32_t least, most; /* of REPEAT */
} node;

/* Ranges in any order. */
typedef struct range_list {
    e2_range *list;
    uint32_t n, room;
} range_list;

typedef struct parser {
    const char *what; /* is parsed: for messages */
    const char *text;
    size_t size, at;
    bool fold;
    e2_range *allowed; /* what the sets are cut to; ascending, apart */
    uint32_t n_allowed;
    range_list items, others; /* scratch */
    node *nodes;              /* the first is EMPTY */
    uint32_t n_nodes;
    e2_pattern *out;
    e2str_status status;
    e2str_error *error;
} parser;

static const e2_range everything[] = {{1, 0xD7FF}, {0xE000, 0x10FFFF}};

/* --------------------------------------------------------------------------------------------------- messages -- */

static bool fail_as(parser *p, e2str_status status, const char *why) {
    size_t place = 1;
    for (size_t at = 0; at < p->at && at < p->size; place++) {
        size_t length = e2_utf8_next(p->text + at, p->size - at, NULL);
        at += length ? length : 1;
    }
    p->status = e2_fail(p->error, status, "%s: character %zu: %s", p->what, place, why);
    return false;
}

static bool fail_at(parser *p, size_t at, const char *why) {
    p->at = at;
    return fail_as(p, E2STR_ERROR_ARGUMENT, why);
}

static bool fail(parser *p, const char *why) { return fail_as(p, E2STR_ERROR_ARGUMENT, why); }

static bool no_memory(parser *p) {
    p->status = e2_fail(p->error, E2STR_ERROR_MEMORY, "%s: out of memory", p->what);
    return false;
}

/* ------------------------------------------------------------------------------------------------------- sets -- */

static bool add_range(parser *p, range_list *to, uint32_t first, uint32_t last) {
    if (to->n == to->room) {
        uint32_t room = to->room ? 2 * to->room : 64;
        e2_range *list = realloc(to->list, room * sizeof *list);
        if (!list) return no_memory(p);
        *to = (range_list){list, to->n, room};
    }
    to->list[to->n++] = (e2_range){first, last};
    return true;
}

static int by_first(const void *a, const void *b) {
    uint32_t x = ((const e2_range *)a)->first, y = ((const e2_range *)b)->first;
    return (x > y) - (x < y);
}

/* Ascending and apart. */
static void merge(range_list *set) {
    uint32_t n = 0;
    if (set->n) qsort(set->list, set->n, sizeof *set->list, by_first);
    for (uint32_t i = 0; i < set->n; i++) {
        e2_range range = set->list[i];
        if (n && range.first <= set->list[n - 1].last + 1) {
            if (range.last > set->list[n - 1].last) set->list[n - 1].last = range.last;
        } else {
            set->list[n++] = range;
        }
    }
    set->n = n;
}

/* to = what both have; all ascending and apart. */
static bool intersect(parser *p, const e2_range *a, uint32_t n_a, const e2_range *b, uint32_t n_b, range_list *to) {
    to->n = 0;
    for (uint32_t i = 0, j = 0; i < n_a && j < n_b;) {
        uint32_t first = a[i].first > b[j].first ? a[i].first : b[j].first;
        uint32_t last = a[i].last < b[j].last ? a[i].last : b[j].last;
        if (first <= last && !add_range(p, to, first, last)) return false;
        if (a[i].last < b[j].last)
            i++;
        else
            j++;
    }
    return true;
}

/* to = every character that is not in the set. */
static bool negate(parser *p, const range_list *set, range_list *to) {
    uint32_t from = 0;
    to->n = 0;
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->list[i].first > from && !add_range(p, to, from, set->list[i].first - 1)) return false;
        from = set->list[i].last + 1;
    }
    return from > 0x10FFFF || add_range(p, to, from, 0x10FFFF);
}

/* Small letters beside the capitals that are in the set: a text has none when it is compared. */
#define FIRST_WITH_CASE 0x41u
#define LAST_WITH_CASE  0x17Fu
static bool fold_items(parser *p) {
    for (uint32_t i = 0, n = p->items.n; i < n; i++) {
        e2_range range = p->items.list[i];
        uint32_t code = range.first > FIRST_WITH_CASE ? range.first : FIRST_WITH_CASE;
        for (; code <= range.last && code <= LAST_WITH_CASE; code++) {
            uint32_t small = e2_unicode_small(code);
            if (small != code && !add_range(p, &p->items, small, small)) return false;
        }
    }
    return true;
}

/* The items, negated or not, as a set of the pattern: one that is there already, or a new one. */
static bool keep_set(parser *p, bool negated, uint32_t *set) {
    e2_pattern *out = p->out;
    if (p->fold && !fold_items(p)) return false;
    merge(&p->items);
    range_list *wanted = &p->items, *cut = &p->others;
    if (negated) {
        if (!negate(p, wanted, cut)) return false;
        wanted = &p->others;
        cut = &p->items;
    }
    if (!intersect(p, wanted->list, wanted->n, p->allowed, p->n_allowed, cut)) return false;
    for (*set = 0; *set < out->n_sets; ++*set) {
        const e2_set *other = &out->sets[*set];
        if (other->n == cut->n &&
            (!cut->n || !memcmp(out->ranges + other->begin, cut->list, cut->n * sizeof *cut->list)))
            return true;
    }
    if (out->n_ranges + cut->n > E2_MAX_PATTERN_RANGES)
        return fail_as(p, E2STR_ERROR_LIMIT, "too many ranges of characters");
    if (cut->n) memcpy(out->ranges + out->n_ranges, cut->list, cut->n * sizeof *cut->list);
    out->sets[out->n_sets++] = (e2_set){out->n_ranges, cut->n};
    out->n_ranges += cut->n;
    return true;
}

/* ------------------------------------------------------------------------------------------------- characters -- */

static bool at_end(const parser *p) { return p->at == p->size; }
static bool next_is(const parser *p, char c) { return !at_end(p) && p->text[p->at] == c; }

static bool take_code(parser *p, uint32_t *code) {
    size_t length = e2_utf8_next(p->text + p->at, p->size - p->at, code);
    if (!length) return fail(p, "not UTF-8");
    if (*code == 0) return fail(p, "a NUL");
    p->at += length;
    return true;
}

/* Behind \u: {HEX}. */
static bool take_hex(parser *p, uint32_t *code) {
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    *code = 0;
    if (!next_is(p, '{')) return fail(p, "\\u is followed by a code point in braces: \\u{20AC}");
    for (p->at++; !at_end(p) && !next_is(p, '}'); p->at++, n++) {
        char c = (char)e2_unicode_small((uint8_t)p->text[p->at]);
        const char *digit = c ? strchr(digits, c) : NULL;
        if (!digit || n == 6) return fail(p, "not a code point of 1 to 6 hexadecimal digits");
        *code = *code << 4 | (uint32_t)(digit - digits);
    }
    if (at_end(p)) return fail(p, "a brace is not closed");
    bool surrogate = *code >= 0xD800 && *code <= 0xDFFF;
    if (!n || !*code || surrogate || *code > 0x10FFFF) return fail(p, "no character has this code point");
    p->at++;
    return true;
}

/* One of \d \w \s, or of their opposites. */
static bool add_class(parser *p, char letter) {
    static const e2_range digits[] = {{'0', '9'}}, spaces[] = {{'\t', '\t'}, {' ', ' '}, {0xA0, 0xA0}};
    static const e2_range word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    char small = (char)e2_unicode_small((uint8_t)letter);
    const e2_range *list = small == 'd' ? digits : small == 's' ? spaces : word;
    uint32_t n = small == 'd' ? 1 : small == 's' ? 3 : 4, from = 1;
    for (uint32_t i = 0; i < n; i++) {
        if (small == letter && !add_range(p, &p->items, list[i].first, list[i].last)) return false;
        if (small != letter && !add_range(p, &p->items, from, list[i].first - 1)) return false;
        from = list[i].last + 1;
    }
    return small == letter || add_range(p, &p->items, from, 0x10FFFF);
}

/* Behind a backslash: *code is the character, or 0 where a class was added to the items. */
static bool take_escape(parser *p, uint32_t *code) {
    if (at_end(p)) return fail(p, "a backslash at the end");
    char letter = p->text[p->at++];
    *code = 0;
    if (strchr("dDwWsS", letter)) return add_class(p, letter);
    if (letter == 'u') return take_hex(p, code);
    *code = letter == 't' ? '\t' : (uint8_t)letter;
    bool word = (letter >= '0' && letter <= '9') || e2_unicode_small(*code) != e2_unicode_capital(*code);
    if (letter == 't' || (letter > ' ' && letter < 0x7F && !word)) return true;
    p->at--;
    return fail(p, "no such escape: \\d \\w \\s \\D \\W \\S \\t \\u{HEX}, or a backslash before a sign");
}

/* The inside of a class, up to `end` or, with 0, the end of the text. */
static bool take_class(parser *p, char end, uint32_t *set) {
    bool negated = next_is(p, '^'), any = false;
    p->items.n = 0;
    for (p->at += negated; !at_end(p) && !(end && next_is(p, end)); any = true) {
        uint32_t first, last;
        size_t begin = p->at;
        bool escaped = next_is(p, '\\');
        p->at += escaped;
        if (!(escaped ? take_escape(p, &first) : take_code(p, &first))) return false;
        bool is_range = next_is(p, '-') && p->at + 1 < p->size && !(end && p->text[p->at + 1] == end);
        if (is_range && !first) return fail_at(p, begin, "a range begins with a class");
        if (!first) continue;
        last = first;
        if (is_range) {
            p->at++;
            escaped = next_is(p, '\\');
            p->at += escaped;
            if (!(escaped ? take_escape(p, &last) : take_code(p, &last))) return false;
            if (!last) return fail_at(p, begin, "a range ends with a class");
            if (last < first) return fail_at(p, begin, "a range runs backwards");
        }
        if (!add_range(p, &p->items, first, last)) return false;
    }
    if (end && at_end(p)) return fail(p, "a bracket is not closed");
    if (!any) return fail(p, "no characters");
    p->at += end != 0;
    return keep_set(p, negated, set);
}

/* ------------------------------------------------------------------------------------------------------- tree -- */

static uint32_t new_node(parser *p, node fresh) {
    p->nodes[p->n_nodes] = fresh;
    return p->n_nodes++;
}

static bool take_one(parser *p, uint32_t *found) {
    uint32_t code, set;
    bool escaped = next_is(p, '\\'), any = next_is(p, '.');
    p->items.n = 0;
    p->at += escaped || any;
    if (any) {
        if (!add_range(p, &p->items, 1, 0x10FFFF)) return false;
    } else {
        if (!(escaped ? take_escape(p, &code) : take_code(p, &code))) return false;
        if (code && !add_range(p, &p->items, code, code)) return false;
    }
    if (!keep_set(p, false, &set)) return false;
    *found = new_node(p, (node){.kind = TAKE, .a = set});
    return true;
}

static bool take_alternatives(parser *p, uint32_t depth, uint32_t *found);

static bool take_group(parser *p, uint32_t depth, uint32_t *found) {
    if (depth == E2_MAX_NESTING) return fail_as(p, E2STR_ERROR_LIMIT, "more than 32 groups in groups");
    size_t begin = p->at++;
    if (!take_alternatives(p, depth + 1, found)) return false;
    if (next_is(p, ')')) {
        p->at++;
        return true;
    }
    return fail_at(p, begin, "this group is not closed");
}

static bool take_atom(parser *p, uint32_t depth, uint32_t *found) {
    uint32_t set;
    switch (p->text[p->at]) {
    case '(':
        return take_group(p, depth, found);
    case '[':
        p->at++;
        if (!take_class(p, ']', &set)) return false;
        *found = new_node(p, (node){.kind = TAKE, .a = set});
        return true;
    case '?':
    case '*':
    case '+':
    case '{':
        return fail(p, "a count with nothing before it (the sign itself: a backslash before it)");
    case '^':
    case '$':
        return fail(p, "a pattern is always of the whole text (the sign itself: a backslash before it)");
    case ']':
    case '}':
        return fail(p, "nothing was opened (the sign itself: a backslash before it)");
    default:
        return take_one(p, found);
    }
}

static bool take_number(parser *p, uint32_t *number) {
    size_t begin = p->at;
    for (*number = 0; !at_end(p) && p->text[p->at] >= '0' && p->text[p->at] <= '9'; p->at++) {
        *number = 10 * *number + (uint32_t)(p->text[p->at] - '0');
        if (*number <= E2_MAX_COUNT) continue;
        p->at = begin;
        return fail_as(p, E2STR_ERROR_LIMIT, "a count above 255");
    }
    return p->at > begin || fail(p, "a count is {3}, {3,} or {3,5}");
}

/* The count behind an atom. */
static bool take_count(parser *p, uint32_t *least, uint32_t *most) {
    size_t begin = p->at;
    char sign = p->text[p->at];
    *least = sign == '+' ? 1 : 0;
    *most = sign == '?' ? 1 : WITHOUT_END;
    if (sign != '{') {
        p->at++;
        return true;
    }
    p->at++;
    if (!take_number(p, least)) return false;
    *most = *least;
    if (next_is(p, ',')) {
        p->at++;
        if (next_is(p, '}'))
            *most = WITHOUT_END;
        else if (!take_number(p, most))
            return false;
    }
    if (!next_is(p, '}')) return fail(p, "a count is {3}, {3,} or {3,5}");
    if (*most < *least) return fail_at(p, begin, "a count runs backwards");
    p->at++;
    return true;
}

static bool at_count(const parser *p) { return !at_end(p) && p->text[p->at] && strchr("?*+{", p->text[p->at]); }

static bool take_sequence(parser *p, uint32_t depth, uint32_t *found) {
    *found = 0;
    while (!at_end(p) && !next_is(p, '|') && !next_is(p, ')')) {
        uint32_t item;
        if (!take_atom(p, depth, &item)) return false;
        if (at_count(p)) {
            node repeat = {.kind = REPEAT, .a = item};
            if (!take_count(p, &repeat.least, &repeat.most)) return false;
            if (at_count(p)) return fail(p, "a count behind a count");
            item = new_node(p, repeat);
        }
        *found = *found ? new_node(p, (node){.kind = THEN, .a = *found, .b = item}) : item;
    }
    return true;
}

static bool take_alternatives(parser *p, uint32_t depth, uint32_t *found) {
    if (!take_sequence(p, depth, found)) return false;
    while (next_is(p, '|')) {
        uint32_t other;
        p->at++;
        if (!take_sequence(p, depth, &other)) return false;
        *found = new_node(p, (node){.kind = OR, .a = *found, .b = other});
    }
    return true;
}

/* ----------------------------------------------------------------------------------------------------- states -- */

/* 0, the end, when there are too many. */
static uint32_t new_state(parser *p, e2_pattern_state state) {
    if (p->out->n_states == E2_MAX_PATTERN_STATES) {
        if (!p->status)
            p->status = e2_fail(p->error, E2STR_ERROR_LIMIT, "%s: more than %d states; are its counts meant?", p->what,
                                E2_MAX_PATTERN_STATES);
        return 0;
    }
    p->out->states[p->out->n_states] = state;
    return p->out->n_states++;
}

static uint32_t emit(parser *p, uint32_t at, uint32_t next);

/* Each round makes a state at least, even of nothing: so hostile counts of counts come to an end. */
static uint32_t emit_repeat(parser *p, const node *repeat, uint32_t next) {
    bool endless = repeat->most == WITHOUT_END;
    uint32_t start = next;
    if (endless) {
        start = new_state(p, (e2_pattern_state){E2_SPLIT, next, next});
        uint32_t inner = emit(p, repeat->a, start);
        if (start) p->out->states[start].next = inner;
    }
    for (uint32_t i = repeat->least; !endless && i < repeat->most && !p->status; i++)
        start = new_state(p, (e2_pattern_state){E2_SPLIT, emit(p, repeat->a, start), next});
    for (uint32_t i = 0; i < repeat->least && !p->status; i++)
        start = emit(p, repeat->a, new_state(p, (e2_pattern_state){E2_SPLIT, start, start}));
    return start;
}

/* The state where the node begins, if what comes behind it begins at `next`. */
static uint32_t emit(parser *p, uint32_t at, uint32_t next) {
    for (; p->nodes[at].kind == THEN && !p->status; at = p->nodes[at].a) next = emit(p, p->nodes[at].b, next);
    const node *here = &p->nodes[at];
    if (p->status || here->kind == EMPTY) return next;
    if (here->kind == TAKE) return new_state(p, (e2_pattern_state){(int32_t)here->a, next, 0});
    if (here->kind == REPEAT) return emit_repeat(p, here, next);
    uint32_t start = emit(p, here->b, next);
    for (at = here->a; p->nodes[at].kind == OR && !p->status; at = p->nodes[at].a)
        start = new_state(p, (e2_pattern_state){E2_SPLIT, emit(p, p->nodes[at].b, next), start});
    return new_state(p, (e2_pattern_state){E2_SPLIT, emit(p, at, next), start});
}

/* -------------------------------------------------------------------------------------------------- the whole -- */

static void parse_characters(parser *p, const char *characters) {
    uint32_t set;
    p->what = "characters";
    p->text = characters;
    p->size = strlen(characters);
    if (p->size > E2_MAX_PATTERN) {
        p->status = e2_fail(p->error, E2STR_ERROR_LIMIT, "characters: more than %d bytes", E2_MAX_PATTERN);
        return;
    }
    if (!take_class(p, 0, &set)) return;
    uint32_t n = p->out->sets[set].n;
    e2_range *allowed = e2_alloc(n, sizeof *allowed);
    if (!allowed) {
        no_memory(p);
        return;
    }
    if (n) memcpy(allowed, p->out->ranges + p->out->sets[set].begin, n * sizeof *allowed);
    p->allowed = allowed;
    p->n_allowed = n;
}

static void parse_pattern(parser *p, const char *pattern) {
    uint32_t top = 0;
    p->what = "pattern";
    p->text = pattern;
    p->size = strlen(pattern);
    p->at = 0;
    if (p->size > E2_MAX_PATTERN) {
        p->status = e2_fail(p->error, E2STR_ERROR_LIMIT, "pattern: more than %d bytes", E2_MAX_PATTERN);
        return;
    }
    p->nodes = e2_alloc(3 * p->size + 4, sizeof *p->nodes);
    if (!p->nodes) {
        no_memory(p);
        return;
    }
    new_node(p, (node){.kind = EMPTY});
    if (!take_alternatives(p, 0, &top)) return;
    if (!at_end(p)) {
        fail(p, "no group is open (the sign itself: a backslash before it)");
        return;
    }
    new_state(p, (e2_pattern_state){E2_FINAL, 0, 0});
    p->out->start = emit(p, top, 0);
}

e2str_status e2_pattern_parse(const char *pattern, const char *characters, bool fold, e2_pattern *parsed,
                              e2str_error *error) {
    *parsed = (e2_pattern){.ranges = e2_alloc(E2_MAX_PATTERN_RANGES, sizeof *parsed->ranges),
                           .sets = e2_alloc(E2_MAX_PATTERN + 2, sizeof *parsed->sets),
                           .states = e2_alloc(E2_MAX_PATTERN_STATES, sizeof *parsed->states)};
    parser p = {.what = "pattern", .fold = fold, .out = parsed, .error = error, .n_allowed = 2};
    e2_range all[2] = {everything[0], everything[1]};
    p.allowed = all;
    if (!parsed->ranges || !parsed->sets || !parsed->states) no_memory(&p);
    if (!p.status && characters) parse_characters(&p, characters);
    if (!p.status) parse_pattern(&p, pattern ? pattern : ".*");
    if (p.allowed != all) free(p.allowed);
    free(p.items.list);
    free(p.others.list);
    free(p.nodes);
    if (p.status) e2_pattern_free(parsed);
    return p.status;
}

void e2_pattern_free(e2_pattern *pattern) {
    free(pattern->ranges);
    free(pattern->sets);
    free(pattern->states);
    *pattern = (e2_pattern){0};
}
