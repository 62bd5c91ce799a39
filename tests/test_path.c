/* SPDX-License-Identifier: MIT */
/* What an example says: readings aligned with labels, characters that labels leave out, paths; and the characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "path.h"
#include "pool_fixture.h"
#include "unicode.h"

static fixture f, bpe;
static e2_arena arena;

static int open_fixtures(void **state) {
    (void)state;
    const char *alphabet = "abcdefgABCDEFG01-. \xc3\xa9\xc3\x89"; /* é É */
    return fixture_open(&f, &(tiny_model_options){.alphabet = alphabet, .memory = true}) ||
           fixture_open(&bpe, &(tiny_model_options){.bpe = true, .alphabet = "abcABC01-x", .memory = true});
}

static int close_fixtures(void **state) {
    (void)state;
    e2_arena_free(&arena);
    fixture_close(&f);
    fixture_close(&bpe);
    return 0;
}

/* An example of a label alone. */
typedef struct lesson {
    e2_label label;
    e2_example example;
    uint32_t reading[64], n;
    e2_alignment alignment;
} lesson;

/* `read`: the model's tokens of this text; "<" stands for <pad>. */
static lesson align(const fixture *with, const char *read, const char *label) {
    lesson l = {.n = 0};
    e2str_error error = {""};
    if (e2_label_read(with->model, label, strlen(label), &l.label, &error)) fail_msg("'%s': %s", label, error.message);
    l.example = (e2_example){
        .ids = l.label.ids, .n_ids = l.label.n_ids, .label = (char *)(uintptr_t)label, .label_size = strlen(label)};
    if (with == &bpe && *read) {
        e2_label tokens;
        assert_int_equal(e2_label_read(with->model, read, strlen(read), &tokens, NULL), E2STR_OK);
        memcpy(l.reading, tokens.ids, tokens.n_ids * sizeof *l.reading);
        l.n = tokens.n_ids;
        e2_label_free(&tokens);
    }
    for (size_t at = 0, size = strlen(read), length; with == &f && at < size; at += length) {
        uint32_t code;
        length = e2_utf8_next(read + at, size - at, &code);
        l.reading[l.n++] = code == '<' ? 0 : e2_tokenizer_character(with->model->tokenizer, code);
        assert_true(l.reading[l.n - 1] != E2_NO_TOKEN);
    }
    assert_true(e2_align(&arena, with->model, l.reading, l.n, &l.example, &l.alignment));
    return l;
}

/* "a=b" for a pair, "-" where one side has none, "!" for a new character, "#" for another token. */
static void show_symbol(const fixture *with, uint32_t symbol, char *text) {
    char buffer[8] = {0};
    if (symbol == UINT32_MAX)
        strcat(text, "_");
    else if (symbol & E2_NEW_CHARACTER)
        e2_utf8_put(symbol & ~E2_NEW_CHARACTER, buffer), strcat(strcat(text, "!"), buffer);
    else if (e2_tokenizer_is_special(with->model->tokenizer, symbol))
        strcat(text, symbol == e2_tokenizer_end(with->model->tokenizer) ? "$" : "<");
    else
        strncat(text, e2_token_bytes(with->model->tokenizer, symbol).data,
                e2_token_bytes(with->model->tokenizer, symbol).size);
}

static void expect_pairs(const fixture *with, const char *read, const char *label, const char *expected, bool equal) {
    lesson l = align(with, read, label);
    char text[256] = "";
    for (uint32_t i = 0; i < l.alignment.n; i++) {
        if (i) strcat(text, " ");
        show_symbol(with, l.alignment.pairs[i].read, text);
        show_symbol(with, l.alignment.pairs[i].label.symbol, text);
    }
    assert_string_equal(text, expected);
    assert_int_equal(e2_alignment_is_equal(&l.alignment), equal);
    e2_label_free(&l.label);
}

static void readings_align_with_labels(void **state) {
    (void)state;
    expect_pairs(&f, "abc", "abc", "aa bb cc", true);
    expect_pairs(&f, "", "ab", "_a _b", false);
    expect_pairs(&f, "abe", "abc", "aa bb ec", false);
    expect_pairs(&f, "ac", "abc", "aa _b cc", false);
    expect_pairs(&f, "abbc", "abc", "aa b_ bb cc", false);
    expect_pairs(&f, "ABC", "abc", "Aa Bb Cc", false); /* only the case */
    expect_pairs(&f, "\xc3\x89", "\xc3\xa9", "\xc3\x89\xc3\xa9", false);
    expect_pairs(&f, "Aab", "ab", "A_ aa bb", false); /* the same letter rather than the other case */
    expect_pairs(&f, "a-b", "ab", "aa -_ bb", false);
    expect_pairs(&f, "a.b", "a-b", "aa .- bb", false);
    expect_pairs(&f, "de", "01", "d0 e1", false);
    expect_pairs(&f, "a-1", "b1", "ab -_ 11", false); /* letters go with letters */
    expect_pairs(&f, "ad-", "ab", "aa db -_", false);
    expect_pairs(&f, "a-", "-b", "a_ -- _b", false);
    expect_pairs(&f, "ae", "a\xe2\x82\xac", "aa e!\xe2\x82\xac", false);
    expect_pairs(&f, "ab", "a\xc3\x9f", "aa b!\xc3\x9f", false); /* ß is a letter */
    expect_pairs(&f, "a<b", "ab", "aa <_ bb", false);
    expect_pairs(&f, "-", ".", "-.", false);
}

/* With BPE the tokens are aligned. */
static void tokens_align_with_labels(void **state) {
    (void)state;
    expect_pairs(&bpe, "abcx", "abcx", "abcabc xx", true);
    expect_pairs(&bpe, "100x", "10x", "10010 xx", false);
    expect_pairs(&bpe, "ab-x", "abx", "abab -_ xx", false);
    expect_pairs(&bpe, "", "abc", "_abc", false);
    expect_pairs(&bpe, "A", "a", "Aa", false);
}

static void offsets_are_places_in_the_label(void **state) {
    (void)state;
    lesson l = align(&f, "ab",
                     "a\xe2\x82\xac"
                     "b\xc3\xa9");
    const uint32_t expected[] = {0, 1, 4, 5};
    uint32_t n = 0;
    for (uint32_t i = 0; i < l.alignment.n; i++)
        if (l.alignment.pairs[i].label.symbol != UINT32_MAX)
            assert_int_equal(l.alignment.pairs[i].label.offset, expected[n++]);
    assert_int_equal(n, 4);
    e2_label_free(&l.label);
    l = align(&bpe, "", "xabc100-ab");
    const uint32_t starts[] = {0, 1, 4, 7, 8};
    assert_int_equal(l.alignment.n, 5);
    for (uint32_t i = 0; i < 5; i++) assert_int_equal(l.alignment.pairs[i].label.offset, starts[i]);
    e2_label_free(&l.label);
}

/* ------------------------------------------------------------------------------------------------ conventions -- */

static void expect_silent(const fixture *with, const char *const pairs[][2], size_t n, const char *expected) {
    lesson lessons[16] = {{.n = 0}};
    e2_alignment alignments[16] = {{0}};
    uint32_t *tokens, count;
    char text[64] = "";
    for (size_t i = 0; i < n; i++) {
        lessons[i] = align(with, pairs[i][0], pairs[i][1]);
        alignments[i] = lessons[i].alignment;
    }
    assert_true(e2_silent_tokens(&arena, with->model, alignments, n, &tokens, &count));
    for (uint32_t i = 0; i < count; i++) {
        show_symbol(with, tokens[i], text);
        assert_true(!i || tokens[i] > tokens[i - 1]);
    }
    assert_string_equal(text, expected);
    for (size_t i = 0; i < n; i++) e2_label_free(&lessons[i].label);
}

static void labels_may_leave_signs_out(void **state) {
    (void)state;
    expect_silent(&f, NULL, 0, "");
    expect_silent(&f, (const char *const[][2]){{"a-b", "ab"}}, 1, ""); /* once is no convention */
    expect_silent(&f, (const char *const[][2]){{"a-b", "ab"}, {"c-d", "cd"}}, 2, "-");
    expect_silent(&f, (const char *const[][2]){{"a-b-c", "abc"}}, 1, "-");
    expect_silent(&f, (const char *const[][2]){{"aab", "b"}, {"aac", "c"}}, 2, ""); /* letters are errors */
    expect_silent(&f, (const char *const[][2]){{"0.b", "b"}, {"0.c", "c"}}, 2, ".");
    expect_silent(&f, (const char *const[][2]){{"a- b", "ab"}, {"c -d", "cd"}}, 2, "- ");
    expect_silent(&f, (const char *const[][2]){{"a<b", "ab"}, {"c<d", "cd"}}, 2, ""); /* special: no character */
    /* 7 of 10 times is enough, 6 of 9 is not; read wrongly is not left out */
    expect_silent(&f, (const char *const[][2]){{"-a-b-c-d-e-f-g", "abcdefg"}, {"-a-b-c", "-a-b-c"}}, 2, "-");
    expect_silent(&f, (const char *const[][2]){{"-a-b-c-d-e-f", "abcdef"}, {"-a-b-c", "-a-b-c"}}, 2, "");
    expect_silent(&f, (const char *const[][2]){{"a-b", "a.b"}, {"c-d", "c.d"}}, 2, "");
    /* with BPE: one sign, but no token of several characters */
    expect_silent(&bpe, (const char *const[][2]){{"x-x", "xx"}, {"x-A", "xA"}}, 2, "-");
    expect_silent(&bpe, (const char *const[][2]){{"x100", "x"}, {"A100", "A"}}, 2, "");
}

static void expect_path(const fixture *with, const char *read, const char *label, bool dash, uint32_t most,
                        const char *expected) {
    lesson l = align(with, read, label);
    uint32_t silent[1] = {e2_tokenizer_character(f.model->tokenizer, '-')};
    e2_conventions conventions = {silent, dash ? 1 : 0, E2_AS_READ};
    e2_path path;
    char text[128] = "";
    assert_true(e2_path_make(&arena, with->model, &l.alignment, &l.example, &conventions, most, &path));
    for (uint32_t i = 0; i < path.n; i++) {
        show_symbol(with, path.steps[i].symbol, text);
        bool is_silent = dash && path.steps[i].symbol == silent[0] && path.steps[i].offset == UINT32_MAX;
        assert_true(is_silent || path.steps[i].offset <= strlen(label));
        if (i + 1 == path.n) assert_int_equal(path.steps[i].offset, strlen(label));
    }
    assert_in_range(path.n, 1, most);
    assert_string_equal(text, expected);
    e2_label_free(&l.label);
}

static void paths_are_labels_with_silent_characters(void **state) {
    (void)state;
    expect_path(&f, "a-b", "ab", true, 60, "a-b$");
    expect_path(&f, "a-b", "ab", false, 60, "ab$");
    expect_path(&f, "a-b", "a-b", true, 60, "a-b$"); /* the label's own dash */
    expect_path(&f, "-ad-", "ab", true, 60, "-ab-$");
    expect_path(&f, "", "a\xe2\x82\xac", true, 60, "a!\xe2\x82\xac$");
    expect_path(&f, "a-b-c-d", "abcd", true, 5, "a-b-$"); /* no more than there is room for */
    expect_path(&bpe, "x", "abc100x", false, 60, "abc100x$");
}

static void expect_case(const char *const pairs[][2], size_t n, e2_letter_case expected) {
    lesson lessons[8] = {{.n = 0}};
    e2_alignment alignments[8] = {{0}};
    for (size_t i = 0; i < n; i++) {
        lessons[i] = align(&f, pairs[i][0], pairs[i][1]);
        alignments[i] = lessons[i].alignment;
    }
    assert_int_equal(e2_case_of_labels(f.model, alignments, n), expected);
    for (size_t i = 0; i < n; i++) e2_label_free(&lessons[i].label);
}

static void labels_may_have_one_case(void **state) {
    (void)state;
    expect_case(NULL, 0, E2_AS_READ);
    expect_case((const char *const[][2]){{"ab", "AB"}, {"cd", "CD"}}, 2, E2_CAPITALS);
    expect_case((const char *const[][2]){{"AB", "ab"}, {"C0", "c0"}}, 2, E2_SMALL_LETTERS);
    expect_case((const char *const[][2]){{"\xc3\xa9", "\xc3\x89"}, {"cd", "CD"}}, 2, E2_CAPITALS);
    expect_case((const char *const[][2]){{"abc", "ABC"}}, 1, E2_AS_READ);             /* one label is no convention */
    expect_case((const char *const[][2]){{"ab", "AB"}, {"CD", "CD"}}, 2, E2_AS_READ); /* nothing but one error */
    expect_case((const char *const[][2]){{"ab", "AB"}, {"cd", "Cd"}}, 2, E2_AS_READ); /* small letters, too */
    expect_case((const char *const[][2]){{"AB", "AB"}, {"CD", "CD"}}, 2, E2_AS_READ); /* as read */
    expect_case((const char *const[][2]){{"01", "01"}, {"-.", "-."}}, 2, E2_AS_READ); /* no letters */
}

/* The path has letters in the case that is read; what the label alone has follows most of the word. */
static void paths_have_the_case_that_is_read(void **state) {
    (void)state;
    static const struct {
        const char *read, *label, *expected;
        e2_letter_case letters;
    } cases[] = {{"abc", "ABC", "abc$", E2_CAPITALS},     {"abc", "ABC", "ABC$", E2_AS_READ},
                 {"aBc", "ABC", "aBc$", E2_CAPITALS},     {"ab", "ABC", "abc$", E2_CAPITALS},
                 {"AB", "abc", "ABC$", E2_SMALL_LETTERS}, {"a0", "AD", "ad$", E2_CAPITALS},
                 {"", "AB", "AB$", E2_CAPITALS},          {"ab", "A-B", "a-b$", E2_CAPITALS},
                 {"ab", "AX", "a!X$", E2_CAPITALS}}; /* X is new, and stays what the label has */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lesson l = align(&f, cases[i].read, cases[i].label);
        e2_conventions conventions = {NULL, 0, cases[i].letters};
        e2_path path;
        char text[64] = "";
        assert_true(e2_path_make(&arena, f.model, &l.alignment, &l.example, &conventions, 60, &path));
        for (uint32_t j = 0; j < path.n; j++) show_symbol(&f, path.steps[j].symbol, text);
        assert_string_equal(text, cases[i].expected);
        e2_label_free(&l.label);
    }
}

/* --------------------------------------------------------------------------------------------------- characters -- */

static void cases_of_letters(void **state) {
    (void)state;
    static const uint32_t pairs[][2] = {{'A', 'a'},     {'Z', 'z'},     {0xC9, 0xE9},   {0xDE, 0xFE},
                                        {0x100, 0x101}, {0x136, 0x137}, {0x139, 0x13A}, {0x147, 0x148},
                                        {0x14A, 0x14B}, {0x160, 0x161}, {0x176, 0x177}, {0x17D, 0x17E}};
    static const uint32_t others[] = {0,     '0',   '@',   '[',   '`',   '{',   0xD7,  0xDF,  0xF7,    0xFF,
                                      0x130, 0x131, 0x138, 0x149, 0x178, 0x17F, 0x391, 0x410, 0x10FFFF};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_int_equal(e2_unicode_small(pairs[i][0]), pairs[i][1]);
        assert_int_equal(e2_unicode_capital(pairs[i][1]), pairs[i][0]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(e2_unicode_small(others[i]), others[i]);
        assert_int_equal(e2_unicode_capital(others[i]), others[i]);
    }
    for (uint32_t code = 0; code < 0x3000; code++) { /* each has one other case at most */
        uint32_t small = e2_unicode_small(code), capital = e2_unicode_capital(code);
        assert_true(small == code || (capital == code && e2_unicode_capital(small) == code));
        assert_true(capital == code || (small == code && e2_unicode_small(capital) == code));
    }
}

static void utf8_round_trip(void **state) {
    (void)state;
    for (uint32_t code = 1; code <= 0x10FFFF; code++) {
        if (code >= 0xD800 && code <= 0xDFFF) continue;
        char text[4];
        uint32_t back = 0;
        size_t length = e2_utf8_put(code, text);
        if (e2_utf8_next(text, length, &back) != length || back != code) fail_msg("U+%04X", (unsigned)code);
        if (e2_utf8_next(text, length - 1, &back) != 0) fail_msg("U+%04X: one byte less is valid", (unsigned)code);
    }
}

static void bases_look_alike(void **state) {
    (void)state;
    static const struct {
        uint32_t code;
        char base;
    } samples[] = {{0xE9, 'e'}, {0xC9, 'E'}, {0xE7, 'c'},   {0xDF, 's'},   {0xA3, 'L'},
                   {0xB0, 'o'}, {' ', '-'},  {0x20AC, 'E'}, {0x2116, 'N'}, {0x17E, 'z'},
                   {'a', 'a'},  {0x4E00, 0}, {0, 0},        {0x10FFFF, 0}, {0x10000 + 0xE9, 0}};
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        if (e2_unicode_base(samples[i].code) != samples[i].base)
            fail_msg("U+%04X: '%c', not '%c'", (unsigned)samples[i].code, e2_unicode_base(samples[i].code),
                     samples[i].base);
}

static void stand_ins_are_tokens_of_the_alphabet(void **state) {
    (void)state;
    const e2_tokenizer *t = f.model->tokenizer;
    assert_int_equal(e2_tokenizer_stand_in(t, 0xC7), e2_tokenizer_character(t, 'C')); /* Ç */
    assert_int_equal(e2_tokenizer_stand_in(t, 0xA0), e2_tokenizer_character(t, '-'));
    assert_int_equal(e2_tokenizer_stand_in(t, 0x4E00), e2_tokenizer_character(t, '0')); /* no o, no O */
    assert_int_equal(e2_tokenizer_stand_in(t, 0x17E), e2_tokenizer_character(t, '0'));  /* no z */
    for (uint32_t code = 1; code < 0x3000; code++) {
        uint32_t token = e2_tokenizer_stand_in(t, code);
        assert_true(token < e2_tokenizer_size(t) && !e2_tokenizer_is_special(t, token));
    }
    assert_int_equal(e2_tokenizer_character(t, 0), E2_NO_TOKEN);
    assert_int_equal(e2_tokenizer_character(t, 'Z'), E2_NO_TOKEN);
    assert_int_equal(e2_tokenizer_character(t, '<'), E2_NO_TOKEN);
    assert_int_equal(e2_tokenizer_character(bpe.model->tokenizer, 'a'), E2_NO_TOKEN);
    fixture rare;
    assert_int_equal(fixture_open(&rare, &(tiny_model_options){.alphabet = "xy", .memory = true}), 0);
    assert_int_equal(e2_tokenizer_stand_in(rare.model->tokenizer, 0x4E00), 4); /* any */
    fixture_close(&rare);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readings_align_with_labels),
        cmocka_unit_test(tokens_align_with_labels),
        cmocka_unit_test(offsets_are_places_in_the_label),
        cmocka_unit_test(labels_may_leave_signs_out),
        cmocka_unit_test(paths_are_labels_with_silent_characters),
        cmocka_unit_test(labels_may_have_one_case),
        cmocka_unit_test(paths_have_the_case_that_is_read),
        cmocka_unit_test(cases_of_letters),
        cmocka_unit_test(utf8_round_trip),
        cmocka_unit_test(bases_look_alike),
        cmocka_unit_test(stand_ins_are_tokens_of_the_alphabet),
    };
    return cmocka_run_group_tests_name("path", tests, open_fixtures, close_fixtures);
}
