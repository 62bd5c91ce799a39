/* SPDX-License-Identifier: MIT */
/* Patterns, characters, lengths and lexicons against matchers that are slow and simple; faults and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "constraint.h"
#include "unicode.h"

static uint32_t random_state = 1;

static uint32_t below(uint32_t n) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % n;
}

static e2str_status make(const e2str_constraint_options *options, e2str_constraint **constraint, e2str_error *error) {
    e2str_constraint_options o = *options;
    o.size = sizeof o;
    return e2str_constraint_new(&o, constraint, error);
}

static e2str_constraint *made(e2str_constraint_options options) {
    e2str_error error = {""};
    e2str_constraint *constraint = NULL;
    if (make(&options, &constraint, &error)) fail_msg("%s: %s", options.pattern ? options.pattern : "", error.message);
    return constraint;
}

static int fits(const e2str_constraint *constraint, const char *text) {
    return e2str_constraint_matches(constraint, text, SIZE_MAX);
}

/* -------------------------------------------------------------------------------------------- a simple matcher -- */

/* A random pattern as a tree: what it means is read from the tree, its text is what the library gets. */
typedef struct tree {
    enum { ONE, CLASS, ANY, BOTH, EITHER, COUNT } kind;
    uint32_t code;
    uint32_t members[3][2], n_members;
    int negated, least, most; /* most: -1 without end */
    struct tree *a, *b;
} tree;

/* Of one, two, three and four bytes, with a letter in both cases. */
static const uint32_t letters[] = {'a', 'A', 'b', 'z', '0', '-', 0xE9, 0x20AC, 0x1F600};
#define N_LETTERS (sizeof letters / sizeof *letters)

static tree *grow(int depth) {
    tree *t = calloc(1, sizeof *t);
    uint32_t kind = below(depth ? 9 : 4);
    t->kind = kind < 2 ? ONE : kind == 2 ? CLASS : kind == 3 ? ANY : kind < 6 ? BOTH : kind < 7 ? EITHER : COUNT;
    t->code = letters[below(N_LETTERS)];
    t->negated = below(3) == 0;
    t->n_members = 1 + below(3);
    for (uint32_t i = 0; i < t->n_members; i++) {
        uint32_t first = letters[below(N_LETTERS)], last = letters[below(N_LETTERS)];
        t->members[i][0] = first < last ? first : last;
        t->members[i][1] = first < last ? last : first;
    }
    t->least = (int)below(3);
    t->most = below(3) ? t->least + (int)below(3) : -1;
    if (t->kind >= BOTH) t->a = grow(depth - 1);
    if (t->kind == BOTH || t->kind == EITHER) t->b = grow(depth - 1);
    return t;
}

static void fell(tree *t) {
    if (!t) return;
    fell(t->a);
    fell(t->b);
    free(t);
}

static void put(char *out, uint32_t code) {
    char text[5] = {0};
    if (code == '-' || code == '0') { /* either way of writing it */
        sprintf(out + strlen(out), code == '-' ? "\\-" : "\\u{%x}", (unsigned)code);
        return;
    }
    text[e2_utf8_put(code, text)] = 0;
    strcat(out, text);
}

static void print(const tree *t, char *out) {
    switch (t->kind) {
    case ONE:
        put(out, t->code);
        break;
    case ANY:
        strcat(out, ".");
        break;
    case CLASS:
        strcat(out, t->negated ? "[^" : "[");
        for (uint32_t i = 0; i < t->n_members; i++) {
            put(out, t->members[i][0]);
            if (t->members[i][0] == t->members[i][1]) continue;
            strcat(out, "-");
            put(out, t->members[i][1]);
        }
        strcat(out, "]");
        break;
    case BOTH:
        strcat(out, "(");
        print(t->a, out);
        strcat(out, ")(");
        print(t->b, out);
        strcat(out, ")");
        break;
    case EITHER:
        strcat(out, "(");
        print(t->a, out);
        strcat(out, "|");
        print(t->b, out);
        strcat(out, ")");
        break;
    case COUNT:
        strcat(out, "(");
        print(t->a, out);
        strcat(out, ")");
        if (t->least < 2 && t->most == -1)
            strcat(out, t->least ? "+" : "*");
        else if (t->least == 0 && t->most == 1)
            strcat(out, "?");
        else if (t->most == -1)
            sprintf(out + strlen(out), "{%d,}", t->least);
        else
            sprintf(out + strlen(out), t->least == t->most ? "{%d}" : "{%d,%d}", t->least, t->most);
    }
}

static uint32_t same_case(uint32_t code, int fold) { return fold ? e2_unicode_small(code) : code; }

static int is_member(const tree *t, uint32_t code, int fold) {
    int in = 0;
    for (uint32_t i = 0; i < t->n_members; i++)
        for (int other = 0; other < 3; other++) {
            uint32_t as = !other ? code : other == 1 ? e2_unicode_small(code) : e2_unicode_capital(code);
            in |= (!other || fold) && as >= t->members[i][0] && as <= t->members[i][1];
        }
    return in != t->negated;
}

#define LONGEST 8

/* The places (bits 0 .. n) where what began at one of `from` can have ended. */
static uint32_t ends_of(const tree *t, uint32_t from, const uint32_t *text, uint32_t n, int fold) {
    uint32_t to = 0;
    for (uint32_t i = 0; t->kind <= ANY && i < n; i++) {
        int here = t->kind == ANY || (t->kind == ONE ? same_case(t->code, fold) == same_case(text[i], fold)
                                                     : is_member(t, text[i], fold));
        if (here && from >> i & 1) to |= 2u << i;
    }
    if (t->kind == BOTH) return ends_of(t->b, ends_of(t->a, from, text, n, fold), text, n, fold);
    if (t->kind == EITHER) return ends_of(t->a, from, text, n, fold) | ends_of(t->b, from, text, n, fold);
    if (t->kind == COUNT) {
        uint32_t at = from;
        for (int i = 0; i < t->least; i++) at = ends_of(t->a, at, text, n, fold);
        to = at;
        for (int i = t->least; t->most == -1 ? i < t->least + LONGEST + 1 : i < t->most; i++)
            to |= at = ends_of(t->a, at, text, n, fold);
    }
    return to;
}

/* A text that the tree may well mean. */
static uint32_t draw(const tree *t, uint32_t *text, uint32_t n) {
    if (t->kind == BOTH) return draw(t->b, text, draw(t->a, text, n));
    if (t->kind == EITHER) return draw(below(2) ? t->a : t->b, text, n);
    if (t->kind == COUNT) {
        uint32_t times = (uint32_t)t->least + below(2);
        for (uint32_t i = 0; i < times; i++) n = draw(t->a, text, n);
        return n;
    }
    uint32_t code = t->kind == ONE ? t->code : t->kind == ANY ? letters[below(N_LETTERS)] : t->members[0][below(2)];
    if (n < LONGEST) text[n] = code;
    return n < LONGEST ? n + 1 : n;
}

static void compare(const tree *t, const char *pattern, const e2str_constraint *c, const e2str_constraint_options *o) {
    for (int round = 0; round < 40; round++) {
        uint32_t text[LONGEST], n = round < 30 ? draw(t, text, 0) : below(LONGEST + 1), size = 0;
        for (uint32_t i = 0; i < n; i++)
            if (round >= 30 || below(12) == 0) text[i] = letters[below(N_LETTERS)];
        char bytes[4 * LONGEST + 1];
        int wanted = ends_of(t, 1, text, n, (int)o->ignore_case) >> n & 1;
        wanted &= n >= o->min_length && (!o->max_length || n <= o->max_length);
        for (uint32_t i = 0; i < n; i++) {
            size += (uint32_t)e2_utf8_put(text[i], bytes + size);
            if (o->characters) /* "a-z\u{20ac}0" */
                wanted &= (text[i] >= 'a' && text[i] <= 'z') || text[i] == '0' || text[i] == 0x20AC ||
                          (o->ignore_case && text[i] == 'A');
        }
        bytes[size] = 0;
        if (e2str_constraint_matches(c, bytes, size) != wanted)
            fail_msg("'%s' (case %u, length %u to %u, characters %s): '%s' should %sfit", pattern, o->ignore_case,
                     o->min_length, o->max_length, o->characters ? o->characters : "all", bytes, wanted ? "" : "not ");
    }
}

static void patterns_mean_what_a_simple_matcher_finds(void **state) {
    (void)state;
    random_state = 7;
    int compared = 0;
    for (int i = 0; i < 3000; i++) {
        static char pattern[1 << 16];
        tree *t = grow(1 + (int)below(4));
        *pattern = 0;
        print(t, pattern);
        e2str_constraint_options o = {.pattern = pattern, .ignore_case = below(2)};
        if (below(3) == 0) o.characters = "a-z\\u{20ac}0";
        if (below(3) == 0) o.min_length = below(4);
        if (below(3) == 0) o.max_length = o.min_length + 1 + below(4);
        e2str_constraint *c;
        e2str_error error = {""};
        e2str_status status = make(&o, &c, &error);
        if (!status) compare(t, pattern, c, &o);
        if (status == E2STR_ERROR_ARGUMENT && !strstr(error.message, "no text has"))
            fail_msg("%s: %s", pattern, error.message);
        compared += !status;
        e2str_constraint_free(c);
        fell(t);
    }
    assert_true(compared > 1500);
}

/* ------------------------------------------------------------------------------------------------------ syntax -- */

static void the_syntax_is_what_the_page_says(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *fit, *unfit; /* words between blanks; _ is a blank, % the empty text */
    } cases[] = {
        {"[A-Z]{2}[0-9]{6}", "AB123456 ZZ000000", "AB12345 ab123456 AB1234567 % AB12345O"},
        {"\\d{1,3}(,\\d{3})*\\.\\d\\d", "1.00 12.50 1,234.56 999,999,999.99", "1,23.00 1234.00 .50 1.0 1,234,.00"},
        {"(0[1-9]|[12]\\d|3[01])\\.(0[1-9]|1[0-2])\\.(19|20)\\d\\d", "31.12.1999 01.01.2026",
         "32.12.1999 00.01.2000 1.1.2000 31.13.1999 31.12.1899"},
        {"a|bc|", "a bc %", "b c abc abcc"},
        {"", "%", "a _"},
        {"()", "%", "a"},
        {"(a|b)?c+", "c ac bcc", "abc a %"},
        {"a{2,}", "aa aaaa", "a %"},
        {"a{0}b", "b", "ab %"},
        {"[^a-c\\d]", "d - \xe2\x82\xac", "a b 1 % dd"},
        {"[-a]", "- a", "b"},
        {"[a-]", "- a", "b"},
        {"[\\]\\^]", "] ^", "\\"},
        {"[]]", NULL, NULL},
        {"\\w\\W", "a- _\xc3\xa9 0.", "aa -a"},
        {"\\S\\s\\D", "a_b 1_-", "a_1 __a"},
        {"\\u{41}\\u{20AC}\\t?", "A\xe2\x82\xac", "A a\xe2\x82\xac"},
        {".", "a \xf0\x9f\x98\x80 _", "% aa"},
        {"[\xc3\xa0-\xc3\xbf]+", "\xc3\xa9 \xc3\xa0\xc3\xbf", "e \xc3\x80"},
        {"\\(\\*\\)", "(*)", "( *"},
        {"[[]", "[", "]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!cases[i].fit) continue;
        e2str_constraint *c = made((e2str_constraint_options){.pattern = cases[i].pattern});
        for (int fit = 0; fit < 2; fit++) {
            char words[128];
            strcpy(words, fit ? cases[i].fit : cases[i].unfit);
            for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
                char text[64];
                strcpy(text, strcmp(word, "%") ? word : "");
                if (strcmp(cases[i].pattern, "\\w\\W"))
                    for (char *at = text; (at = strchr(at, '_'));) *at = ' ';
                if (fits(c, text) != fit) fail_msg("'%s' and '%s'", cases[i].pattern, text);
            }
        }
        e2str_constraint_free(c);
    }
}

static void faults_are_named_with_their_place(void **state) {
    (void)state;
    static const struct {
        e2str_constraint_options options;
        e2str_status status;
        const char *message;
    } cases[] = {
        {{.pattern = "ab)"}, E2STR_ERROR_ARGUMENT, "pattern: character 3: no group is open"},
        {{.pattern = "a(b|c"}, E2STR_ERROR_ARGUMENT, "pattern: character 2: this group is not closed"},
        {{.pattern = "*a"}, E2STR_ERROR_ARGUMENT, "pattern: character 1: a count with nothing before it"},
        {{.pattern = "a|+"}, E2STR_ERROR_ARGUMENT, "pattern: character 3: a count with nothing before it"},
        {{.pattern = "a{2}{3}"}, E2STR_ERROR_ARGUMENT, "pattern: character 5: a count behind a count"},
        {{.pattern = "a+?"}, E2STR_ERROR_ARGUMENT, "pattern: character 3: a count behind a count"},
        {{.pattern = "a{x}"}, E2STR_ERROR_ARGUMENT, "pattern: character 3: a count is {3}, {3,} or {3,5}"},
        {{.pattern = "a{3"}, E2STR_ERROR_ARGUMENT, "pattern: character 4: a count is"},
        {{.pattern = "a{3,2}"}, E2STR_ERROR_ARGUMENT, "pattern: character 2: a count runs backwards"},
        {{.pattern = "a{256}"}, E2STR_ERROR_LIMIT, "pattern: character 3: a count above 255"},
        {{.pattern = "\xe2\x82\xac[a"}, E2STR_ERROR_ARGUMENT, "pattern: character 4: a bracket is not closed"},
        {{.pattern = "[]]"}, E2STR_ERROR_ARGUMENT, "pattern: character 2: no characters"},
        {{.pattern = "[z-a]"}, E2STR_ERROR_ARGUMENT, "pattern: character 2: a range runs backwards"},
        {{.pattern = "[\\d-z]"}, E2STR_ERROR_ARGUMENT, "pattern: character 2: a range begins with a class"},
        {{.pattern = "[a-\\d]"}, E2STR_ERROR_ARGUMENT, "pattern: character 2: a range ends with a class"},
        {{.pattern = "a]"}, E2STR_ERROR_ARGUMENT, "pattern: character 2: nothing was opened"},
        {{.pattern = "^a$"}, E2STR_ERROR_ARGUMENT, "pattern: character 1: a pattern is always of the whole text"},
        {{.pattern = "a\\"}, E2STR_ERROR_ARGUMENT, "pattern: character 3: a backslash at the end"},
        {{.pattern = "\\q"}, E2STR_ERROR_ARGUMENT, "pattern: character 2: no such escape"},
        {{.pattern = "\\1"}, E2STR_ERROR_ARGUMENT, "pattern: character 2: no such escape"},
        {{.pattern = "\\\xc3\xa9"}, E2STR_ERROR_ARGUMENT, "pattern: character 2: no such escape"},
        {{.pattern = "\\u{}"}, E2STR_ERROR_ARGUMENT, "pattern: character 4: no character has this code point"},
        {{.pattern = "\\u{D800}"}, E2STR_ERROR_ARGUMENT, "no character has this code point"},
        {{.pattern = "\\u{110000}"}, E2STR_ERROR_ARGUMENT, "no character has this code point"},
        {{.pattern = "\\u{0}"}, E2STR_ERROR_ARGUMENT, "no character has this code point"},
        {{.pattern = "\\u{1g}"}, E2STR_ERROR_ARGUMENT, "not a code point"},
        {{.pattern = "\\u{12"}, E2STR_ERROR_ARGUMENT, "a brace is not closed"},
        {{.pattern = "\\u41"}, E2STR_ERROR_ARGUMENT, "\\u is followed by"},
        {{.pattern = "a\xff"}, E2STR_ERROR_ARGUMENT, "pattern: character 2: not UTF-8"},
        {{.characters = ""}, E2STR_ERROR_ARGUMENT, "characters: character 1: no characters"},
        {{.characters = "9-0"}, E2STR_ERROR_ARGUMENT, "characters: character 1: a range runs backwards"},
        {{.pattern = "[a-c]", .characters = "x-z"}, E2STR_ERROR_ARGUMENT, "no text has this pattern"},
        {{.pattern = "a{3}", .max_length = 2}, E2STR_ERROR_ARGUMENT, "no text has this pattern"},
        {{.min_length = 3, .max_length = 2}, E2STR_ERROR_ARGUMENT, "lengths are 3 to 2"},
        {{.max_length = 256}, E2STR_ERROR_ARGUMENT, "at most 255"},
        {{.ignore_case = 2, .pattern = "a"}, E2STR_ERROR_ARGUMENT, "ignore_case is 2"},
        {{.lexicon_bonus = 1, .pattern = "a"}, E2STR_ERROR_ARGUMENT, "without a lexicon"},
        {{.lexicon_bonus = -1, .lexicon = "a"}, E2STR_ERROR_ARGUMENT, "lexicon_bonus is -1"},
        {{.lexicon = "a", .lexicon_path = "b"}, E2STR_ERROR_ARGUMENT, "both lexicon and lexicon_path"},
        {{0}, E2STR_ERROR_ARGUMENT, "a constraint without anything in it"},
        {{.lexicon = "\n\r\n", .lexicon_size = 3}, E2STR_ERROR_ARGUMENT, "lexicon: no entry"},
        {{.lexicon = "ab\ncd", .lexicon_size = 5, .pattern = "x"}, E2STR_ERROR_ARGUMENT, "no entry has the pattern"},
        {{.lexicon = "ab\n\xc3", .lexicon_size = 4}, E2STR_ERROR_FORMAT, "lexicon: line 2: not UTF-8"},
        {{.lexicon = "ab\n\0", .lexicon_size = 4}, E2STR_ERROR_FORMAT, "lexicon: line 2: a NUL"},
        {{.lexicon_path = "/nonexistent/list"}, E2STR_ERROR_IO, "/nonexistent/list: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        e2str_error error = {""};
        e2str_constraint *c = (e2str_constraint *)&error;
        e2str_status status = make(&cases[i].options, &c, &error);
        if (status != cases[i].status || c || !strstr(error.message, cases[i].message))
            fail_msg("case %zu: status '%s', message '%s', not '%s'", i, e2str_status_name(status), error.message,
                     cases[i].message);
    }
    assert_int_equal(e2str_constraint_new(NULL, NULL, NULL), E2STR_ERROR_ARGUMENT);
    e2str_constraint_options_init(NULL);
    e2str_constraint_free(NULL);
    assert_int_equal(e2str_constraint_bytes(NULL), 0);
    assert_int_equal(e2str_constraint_matches(NULL, "a", 1), 0);
}

/* ------------------------------------------------------------------------------------------------------- limits -- */

static char *repeated(const char *what, size_t times, const char *behind) {
    char *text = malloc(strlen(what) * times + strlen(behind) + 1), *at = text;
    for (size_t i = 0; i < times; i++, at += strlen(what)) strcpy(at, what);
    strcpy(at, behind);
    return text;
}

static void hostile_patterns_meet_a_limit(void **state) {
    (void)state;
    char *deep = repeated("(", 33, "a"), *open = repeated("(", 4000, ""), *empty = repeated("(", 31, "");
    empty = realloc(empty, 512);
    for (int i = 0; i < 31; i++) strcat(empty, "){255}");
    char *long_one = repeated("ab", 2049, ""), *classes = malloc(5000), *most = repeated("ab", 2000, "");
    size_t size = 0;
    for (uint32_t i = 0; size < 4000; i++) { /* as many different characters as fit */
        if (i) classes[size++] = '|';
        size += e2_utf8_put(0x4E00 + i, classes + size);
    }
    classes[size] = 0;
    const struct {
        const char *pattern;
        e2str_status status;
    } cases[] = {
        {deep, E2STR_ERROR_LIMIT},     {open, E2STR_ERROR_LIMIT},
        {empty, E2STR_ERROR_LIMIT}, /* nothing, 255 to the 31st times */
        {long_one, E2STR_ERROR_LIMIT}, {"((((a{255}){255}){255}){255}){255}", E2STR_ERROR_LIMIT},
        {"(((a*)*)*)*", E2STR_OK},     {"(a|b)*a(a|b){20}", E2STR_ERROR_LIMIT}, /* 2^21 states */
        {"(a|b)*a(a|b){8}", E2STR_OK}, {"(.{0,200}a){0,9}", E2STR_ERROR_LIMIT},
        {".{0,255}", E2STR_OK},        {"(a?){200}a{200}", E2STR_OK},
        {classes, E2STR_OK},           {most, E2STR_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        e2str_error error = {""};
        e2str_constraint *c;
        e2str_status status = make(&(e2str_constraint_options){.pattern = cases[i].pattern}, &c, &error);
        if (status != cases[i].status) fail_msg("case %zu: '%s' %s", i, e2str_status_name(status), error.message);
        e2str_constraint_free(c);
    }
    e2str_constraint *c = made((e2str_constraint_options){.pattern = "(a|b)*a(a|b){8}"});
    assert_true(fits(c, "aabbbbbbbb") && fits(c, "babbbbbbbb") && !fits(c, "abbbbbbbbb"));
    e2str_constraint_free(c);
    free(deep);
    free(open);
    free(empty);
    free(long_one);
    free(classes);
    free(most);
}

/* 512 symbols, and as many states as there may be with them: 512 characters one after the other, then any number of one
 * of them. */
static void as_many_transitions_as_there_may_be(void **state) {
    (void)state;
    char pattern[2048], counted[64];
    size_t size = 0, most = 0, symbols = 0;
    for (uint32_t code = 0x4E00; code < 0x4E00 + 512; code++) size += e2_utf8_put(code, pattern + size);
    for (size_t low = 1000, high = 2000; low + 1 < high;) {
        size_t n = low + (high - low) / 2; /* in counts of at most 255 */
        snprintf(counted, sizeof counted, "(\xE4\xB8\x80{250}){%zu}\xE4\xB8\x80{%zu}", n / 250, n % 250);
        memcpy(pattern + size, counted, strlen(counted) + 1);
        e2str_constraint *c = NULL;
        e2str_constraint_options options;
        e2str_constraint_options_init(&options);
        options.pattern = pattern;
        e2str_status status = e2str_constraint_new(&options, &c, NULL);
        assert_true(status == E2STR_OK || status == E2STR_ERROR_LIMIT);
        if (!status) {
            low = n;
            most = c->rules.n;
            symbols = c->rules.symbols.n;
        } else {
            high = n;
        }
        e2str_constraint_free(c);
    }
    assert_int_equal(symbols, 512);
    assert_int_equal(most * symbols, E2_MAX_AUTOMATON_CELLS);
}

/* ----------------------------------------------------------------------------------------------------- lexicons -- */

static void lexicons_hold_their_entries(void **state) {
    (void)state;
    random_state = 11;
    for (int round = 0; round < 60; round++) {
        char list[8192] = "", words[64][40];
        size_t n = 1 + below(64), size = round % 2 ? 3 : 0;
        if (size) memcpy(list, "\xef\xbb\xbf", 3);
        uint32_t fold = below(2);
        for (size_t i = 0; i < n; i++) {
            size_t length = 0;
            for (uint32_t j = 1 + below(6); j > 0; j--)
                length += e2_utf8_put(letters[below(N_LETTERS)], words[i] + length);
            words[i][length] = 0;
            size += (size_t)sprintf(list + size, below(2) ? "%s\n" : "%s\r\n\n", words[i]);
        }
        e2str_constraint *c =
            made((e2str_constraint_options){.lexicon = list, .lexicon_size = size, .ignore_case = fold});
        assert_true(e2str_constraint_bytes(c) > sizeof *c);
        for (size_t i = 0; i < n; i++)
            if (!fits(c, words[i])) fail_msg("'%s' is missing", words[i]);
        for (int i = 0; i < 200; i++) {
            char text[40];
            size_t length = 0;
            for (uint32_t j = below(5); j > 0; j--) length += e2_utf8_put(letters[below(N_LETTERS)], text + length);
            text[length] = 0;
            int wanted = 0;
            for (size_t j = 0; j < n; j++) {
                const char *a = words[j], *b = text;
                uint32_t x = 1, y = 1;
                while (x == y && *a && *b) {
                    a += e2_utf8_next(a, strlen(a), &x);
                    b += e2_utf8_next(b, strlen(b), &y);
                    x = same_case(x, (int)fold);
                    y = same_case(y, (int)fold);
                }
                wanted |= x == y && !*a && !*b;
            }
            if (fits(c, text) != wanted) fail_msg("'%s' should %sfit", text, wanted ? "" : "not ");
        }
        e2str_constraint_free(c);
    }
}

static void a_lexicon_shares_beginnings_and_ends(void **state) {
    (void)state;
    e2str_constraint *c =
        made((e2str_constraint_options){.lexicon = "tapping\ntopping\ntap\ntops\ntaps\ntop", .lexicon_size = SIZE_MAX});
    /* t, a or o, p, then nothing, s or ping: 8 nodes, and 8 edges since a and o lead to the same one */
    assert_int_equal(c->lexicon.n_nodes, 8);
    assert_int_equal(c->lexicon.n_entries, 6);
    assert_int_equal(c->lexicon.nodes[e2_lexicon_root(&c->lexicon)].distance, 3);
    assert_true(fits(c, "taps") && fits(c, "topping") && !fits(c, "tapp") && !fits(c, "") && !fits(c, "tapss"));
    e2str_constraint_free(c);
}

/* Serial numbers, which share little: many nodes. */
static void a_lexicon_may_be_large(void **state) {
    (void)state;
    enum { N = 200000 };
    char *list = malloc(N * 9 + 1);
    size_t size = 0;
    for (uint32_t i = 0; i < N; i++) size += (size_t)sprintf(list + size, "%08x\n", (unsigned)(i * 2654435761u));
    e2str_constraint *c = made((e2str_constraint_options){.lexicon = list, .lexicon_size = size});
    assert_int_equal(c->lexicon.n_entries, N);
    for (uint32_t i = 0; i < N; i += 97) {
        char text[16];
        sprintf(text, "%08x", (unsigned)(i * 2654435761u));
        assert_true(fits(c, text));
        text[7] = 'g';
        assert_false(fits(c, text));
    }
    e2str_constraint_free(c);
    c = made((e2str_constraint_options){.lexicon = list, .lexicon_size = size, .pattern = "0[0-9]+"});
    assert_true(c->lexicon.n_entries > 0 && c->lexicon.n_entries < N / 20 && !c->rules.n);
    assert_true(fits(c, "00000000") && !fits(c, "9e3779b1"));
    e2str_constraint_free(c);
    free(list);
}

static void a_lexicon_comes_from_a_file(void **state) {
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "/tmp/e2str-test-lexicon-%ld", (long)getpid());
    FILE *file = fopen(path, "wb");
    fputs("Bern\nZ\xc3\xbcrich\nB\xc3\xa2le", file);
    fclose(file);
    e2str_constraint *c = made((e2str_constraint_options){.lexicon_path = path, .ignore_case = 1, .max_length = 5});
    assert_true(fits(c, "BERN") && fits(c, "b\xc3\x82le") && !fits(c, "Z\xc3\xbcrich") && !fits(c, "Ber"));
    e2str_constraint_free(c);
    file = fopen(path, "wb");
    for (int i = 0; i < 256; i++) fputc('a', file);
    fclose(file);
    e2str_error error = {""};
    assert_int_equal(make(&(e2str_constraint_options){.lexicon_path = path}, &c, &error), E2STR_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "line 1: more than 255 characters"));
    assert_int_equal(make(&(e2str_constraint_options){.lexicon_path = "/tmp"}, &c, &error), E2STR_ERROR_IO);
    remove(path);
}

/* --------------------------------------------------------------------------------------------------- the caller -- */

static int even(void *user, const char *text, size_t size) {
    ++*(int *)user;
    return size > 0 && (text[size - 1] - '0') % 2 == 0;
}

static void the_caller_has_the_last_word(void **state) {
    (void)state;
    int asked = 0;
    e2str_constraint *c = made((e2str_constraint_options){.characters = "0-9", .accept = even, .accept_user = &asked});
    assert_true(fits(c, "12") && !fits(c, "13") && !fits(c, ""));
    assert_int_equal(asked, 3);
    assert_false(fits(c, "1a")); /* not asked about what does not fit anyway */
    assert_int_equal(asked, 3);
    assert_true(e2str_constraint_matches(c, "123", 2));
    assert_false(e2str_constraint_matches(c, "1\xc3", 2));
    assert_false(e2str_constraint_matches(c, "\0", 1));
    e2str_constraint_free(c);
    c = made((e2str_constraint_options){.lexicon = "ab", .lexicon_size = 2, .lexicon_bonus = 2, .characters = "a-z"});
    assert_true(fits(c, "zz") && fits(c, "ab") && !fits(c, "1"));
    e2str_constraint_free(c);
}

static void begun_characters_have_a_range(void **state) {
    (void)state;
    for (uint32_t code = 0x80; code <= 0x10FFFF; code += code < 0x3000 ? 1 : 61) {
        if (code >= 0xD800 && code <= 0xDFFF) continue;
        char text[4];
        size_t length = e2_utf8_put(code, text);
        for (size_t n = 1; n < length; n++) {
            uint32_t first, last;
            assert_int_equal(e2_utf8_begun(text, n, &first, &last), length);
            assert_true(first <= code && code <= last);
            char end[2][4];
            assert_int_equal(e2_utf8_put(first, end[0]), length);
            assert_int_equal(e2_utf8_put(last, end[1]), length);
            assert_true(!memcmp(end[0], text, n) && !memcmp(end[1], text, n)); /* no wider than what begins so */
        }
        uint32_t first, last;
        assert_int_equal(e2_utf8_begun(text, length, &first, &last), 0);
    }
    static const char *const wrong[] = {"a",        "\x80",     "\xC0",     "\xC1", "\xE0\x80",
                                        "\xED\xA0", "\xF0\x80", "\xF4\x90", "\xF5", "\xE2\x41"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint32_t first, last;
        assert_int_equal(e2_utf8_begun(wrong[i], strlen(wrong[i]), &first, &last), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_mean_what_a_simple_matcher_finds),
        cmocka_unit_test(the_syntax_is_what_the_page_says),
        cmocka_unit_test(faults_are_named_with_their_place),
        cmocka_unit_test(hostile_patterns_meet_a_limit),
        cmocka_unit_test(as_many_transitions_as_there_may_be),
        cmocka_unit_test(lexicons_hold_their_entries),
        cmocka_unit_test(a_lexicon_shares_beginnings_and_ends),
        cmocka_unit_test(a_lexicon_may_be_large),
        cmocka_unit_test(a_lexicon_comes_from_a_file),
        cmocka_unit_test(the_caller_has_the_last_word),
        cmocka_unit_test(begun_characters_have_a_range),
    };
    return cmocka_run_group_tests_name("constraint", tests, NULL, NULL);
}
