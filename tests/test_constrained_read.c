/* SPDX-License-Identifier: MIT */
/*
 * Reading under a constraint, on tiny random models. What is right is found by brute force: a read whose pattern is one
 * text alone tells what the model thinks of that text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>

#include "memory_fixture.h"
#include "unicode.h"

#define EURO   "\xe2\x82\xac"
#define ACUTE  "\xc3\xa9" /* e with it */
#define TEXTS  15         /* of none to three letters out of two */
#define LETTER 4          /* token of the first letter */

static e2str_constraint *made(e2str_constraint_options o) {
    e2str_error error = {""};
    e2str_constraint *constraint;
    o.size = sizeof o;
    if (e2str_constraint_new(&o, &constraint, &error)) fail_msg("%s", error.message);
    return constraint;
}

static e2str_constraint *of_pattern(const char *pattern) {
    return made((e2str_constraint_options){.pattern = pattern});
}

static e2str_read_options reading(const e2str_constraint *constraint, uint32_t beams, uint32_t max_tokens) {
    e2str_read_options options = memory_options(0, beams);
    options.max_tokens = max_tokens;
    options.constraint = constraint;
    return options;
}

/* The sum of log-probabilities of a text and its end, by a greedy read that can write nothing else. */
static double think(const fixture *f, size_t image, const char *text, const e2str_pool *pool) {
    e2str_result *result = memory_result();
    e2str_constraint *constraint = of_pattern(text);
    e2str_read_options options = reading(constraint, 1, 12);
    memory_read(f, image, pool, &options, result);
    assert_string_equal(e2str_result_text(result), text);
    assert_false(e2str_result_unmatched(result) || e2str_result_truncated(result));
    double sum = log(e2str_result_score(result)) * (double)(e2str_result_characters(result) + 1);
    e2str_result_free(result);
    e2str_constraint_free(constraint);
    return sum;
}

/* ------------------------------------------------------------------------------------------------- brute force -- */

/* All texts of up to three of the letters a and b, and what the model thinks of them. */
typedef struct table {
    char texts[TEXTS][4];
    double thought[TEXTS];
} table;

static void fill(table *t, const fixture *f, size_t image) {
    int n = 0;
    for (int length = 0; length < 4; length++)
        for (int bits = 0; bits < 1 << length; bits++, n++) {
            for (int i = 0; i < length; i++) t->texts[n][i] = (char)('a' + (bits >> i & 1));
            t->texts[n][length] = 0;
            t->thought[n] = think(f, image, t->texts[n], NULL);
        }
}

/* The best of the texts that are not left out, less what some lose; -1: none. */
static int best_of(const table *t, const bool *out, const double *losses) {
    int best = -1;
    double most = -INFINITY;
    for (int i = 0; i < TEXTS; i++) {
        double score = (t->thought[i] - (losses ? losses[i] : 0)) / (double)(strlen(t->texts[i]) + 1);
        if (out[i] || !(score > most)) continue;
        most = score;
        best = i;
    }
    return best;
}

typedef struct word {
    const bool *out;
    const table *t;
} word;

/* The caller's word: whatever is not left out. */
static int not_out(void *user, const char *text, size_t size) {
    const word *w = user;
    for (int i = 0; i < TEXTS; i++)
        if (strlen(w->t->texts[i]) == size && !memcmp(w->t->texts[i], text, size)) return !w->out[i];
    return 0;
}

/* Every text that is not left out, as a pattern, or as lines. */
static void list_texts(const table *t, const bool *out, const char *between, char *list) {
    *list = 0;
    const char *before = "";
    for (int i = 0; i < TEXTS; i++) {
        if (out[i]) continue;
        strcat(strcat(list, before), t->texts[i]);
        before = between;
    }
}

static void expect(const fixture *f, size_t image, const e2str_constraint *c, const table *t, int wanted) {
    e2str_result *result = memory_result();
    e2str_read_options options = reading(c, 16, 4); /* as many beams as texts: nothing is lost on the way */
    memory_read(f, image, NULL, &options, result);
    assert_int_equal(e2str_result_unmatched(result), wanted < 0);
    if (wanted >= 0 && strcmp(e2str_result_text(result), t->texts[wanted]))
        fail_msg("image %zu: '%s', not '%s'", image, e2str_result_text(result), t->texts[wanted]);
    if (wanted >= 0) {
        double score = log(e2str_result_score(result)) * (double)(strlen(t->texts[wanted]) + 1);
        assert_true(fabs(score - t->thought[wanted]) < 1e-4); /* the model's own, whatever was left out or lost */
    }
    e2str_result_free(result);
}

static void beams_find_what_brute_force_finds(void **state) {
    (void)state;
    uint32_t random = 5;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        fixture f;
        assert_int_equal(memory_open(&f, (tiny_model_options){.seed = seed, .alphabet = "ab"}), 0);
        for (size_t image = 0; image < 3; image++) {
            table t;
            fill(&t, &f, image);
            double total = 0;
            for (int i = 0; i < TEXTS; i++) total += exp(t.thought[i]);
            assert_true(total > 0 && total < 1.0001);
            for (int round = 0; round < 12; round++) {
                bool out[TEXTS];
                char list[128], lines[128];
                double losses[TEXTS];
                for (int i = 0; i < TEXTS; i++) {
                    out[i] = fixture_random(&random) % 3 != 0;
                    losses[i] = out[i] || i == 0 ? 1.5 : 0; /* the empty text is no entry */
                }
                int wanted = best_of(&t, out, NULL);
                list_texts(&t, out, "|", list);
                list_texts(&t, out, "\n", lines);
                e2str_constraint *c;
                if (wanted >= 0) {
                    c = of_pattern(list);
                    expect(&f, image, c, &t, wanted);
                    e2str_constraint_free(c);
                }
                word w = {out, &t};
                c = made((e2str_constraint_options){.characters = "a-b", .accept = not_out, .accept_user = &w});
                expect(&f, image, c, &t, wanted);
                e2str_constraint_free(c);
                bool none = true;
                for (int i = 1; i < TEXTS; i++) none = none && out[i];
                if (none) continue;
                c = made((e2str_constraint_options){
                    .characters = "a-b", .lexicon = lines, .lexicon_size = SIZE_MAX, .lexicon_bonus = 1.5f});
                bool all[TEXTS] = {false};
                expect(&f, image, c, &t, best_of(&t, all, losses));
                e2str_constraint_free(c);
                out[0] = true;
                c = made((e2str_constraint_options){.lexicon = lines, .lexicon_size = SIZE_MAX});
                expect(&f, image, c, &t, best_of(&t, out, NULL));
                e2str_constraint_free(c);
            }
        }
        fixture_close(&f);
    }
}

/* ------------------------------------------------------------------------------------------- what always holds -- */

/* With each model, pattern, number of beams and of tokens: a text that fits and ends, or the free reading. */
static void walk(const tiny_model_options *model, const char *const *patterns, size_t n) {
    fixture f;
    assert_int_equal(memory_open(&f, *model), 0);
    e2str_result *bound = memory_result(), *unbound = memory_result();
    size_t matched = 0, unmatched = 0;
    for (size_t p = 0; p < n; p++) {
        e2str_constraint *c = of_pattern(patterns[p]);
        for (uint32_t round = 0; round < 24; round++) {
            e2str_read_options options = reading(c, round % 3 ? round % 3 * 2 : 1, 1 + round % 8);
            memory_read(&f, round, NULL, &options, bound);
            bool fits = e2str_constraint_matches(c, e2str_result_text(bound), e2str_result_text_size(bound));
            if (e2str_result_unmatched(bound)) {
                options.constraint = NULL;
                memory_read(&f, round, NULL, &options, unbound);
                assert_same(bound, unbound);
                unmatched++;
            } else if (!fits || e2str_result_truncated(bound)) {
                fail_msg("'%s' read '%s'", patterns[p], e2str_result_text(bound));
            } else {
                matched++;
            }
        }
        e2str_constraint_free(c);
    }
    assert_true(matched > 0 && unmatched > 0);
    e2str_result_free(bound);
    e2str_result_free(unbound);
    fixture_close(&f);
}

static const char *const patterns[] = {"[0-9]*",     "[A-Z]{2}[0-9]{3}", "(0[1-9]|[12]\\d|3[01])-?(0[1-9]|1[0-2])",
                                       "abc(10)+",   "(abc|100|1a)*",    "[^a-z]+",
                                       "a{0,3}b{2}", "(ab|abcab|1)?c1"};
#define N_PATTERNS (sizeof patterns / sizeof *patterns)

static void what_is_read_fits(void **state) {
    (void)state;
    walk(&(tiny_model_options){.seed = 3}, patterns, N_PATTERNS);
    walk(&(tiny_model_options){.seed = 4, .alphabet = "abc10"}, patterns + 3, N_PATTERNS - 3);
    walk(&(tiny_model_options){.seed = 5, .bpe = true}, patterns, N_PATTERNS);
    walk(&(tiny_model_options){.seed = 6, .bpe = true, .alphabet = "abc10"}, patterns + 3, N_PATTERNS - 3);
}

/* Every byte as GPT-2's vocabulary spells it. */
static char *all_bytes(void) {
    char *alphabet = malloc(2 * 256 + 1);
    size_t size = 0;
    uint32_t other = 256;
    for (uint32_t byte = 0; byte < 256; byte++) {
        bool itself = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
        size += e2_utf8_put(itself ? byte : other++, alphabet + size);
    }
    alphabet[size] = 0;
    return alphabet;
}

/* Tokens are single bytes here: a character of several is begun before it is whole. */
static void characters_are_never_left_begun(void **state) {
    (void)state;
    static const char *const of_bytes[] = {"[\xc3\xa0-\xc3\xbf]{2}", "(" EURO "|" ACUTE "){1,3}", ".{2}",
                                           "a?\xf0\x9f\x98\x80", "[^\\u{1}-\\u{7FF}]+"};
    char *alphabet = all_bytes();
    for (uint64_t seed = 7; seed < 10; seed++)
        walk(&(tiny_model_options){.seed = seed, .bpe = true, .alphabet = alphabet}, of_bytes, 5);
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 7, .bpe = true, .alphabet = alphabet}), 0);
    e2str_result *result = memory_result();
    static const char list[] = EURO ACUTE "\n" ACUTE "abc\n\xe2\x82\xad\n\xe2\x83\xad" ACUTE;
    e2str_constraint *c = made((e2str_constraint_options){.lexicon = list, .lexicon_size = SIZE_MAX});
    for (uint32_t most = 1; most < 8; most++) { /* the shortest entry takes three bytes */
        e2str_read_options options = reading(c, 1, most);
        memory_read(&f, most, NULL, &options, result);
        assert_int_equal(e2str_result_unmatched(result), most < 4);
        assert_int_equal(e2str_constraint_matches(c, e2str_result_text(result), SIZE_MAX), most >= 4);
    }
    e2str_constraint_free(c);
    c = made((e2str_constraint_options){.lexicon = ACUTE, .lexicon_size = 2}); /* one way to go on */
    e2str_read_options few = reading(c, 1, 3);
    memory_read(&f, 0, NULL, &few, result);
    assert_string_equal(e2str_result_text(result), ACUTE);
    e2str_constraint_free(c);
    fixture_close(&f);

    /* Where some bytes have no token, a character cannot be relied on to be finished: it is not begun. */
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 7, .bpe = true, .alphabet = "abc10\xc3\x83\xc2\xa9"}),
                     0);
    c = of_pattern("a" ACUTE);
    e2str_read_options options = reading(c, 2, 8);
    memory_read(&f, 0, NULL, &options, result);
    assert_int_equal(e2str_result_unmatched(result), 1);
    e2str_constraint_free(c);
    e2str_result_free(result);
    fixture_close(&f);
    free(alphabet);
}

/* With many tokens most are refused by their first byte: none that might follow. */
static void first_bytes_refuse_nothing_that_may_follow(void **state) {
    (void)state;
    static const char *const of_many[] = {"[0-9]{3}",
                                          ("(a|\xe4\xb8\x90"
                                           "b)+"),
                                          "[^a-z]{2}", ".*"};
    char alphabet[4 * 1200], *end = alphabet;
    for (uint32_t code = '!'; code < 0x7F; code++) *end++ = (char)code;
    for (uint32_t code = 0x4E00; code < 0x4E00 + 1024; code++) end += e2_utf8_put(code, end);
    *end = 0;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 9, .alphabet = alphabet}), 0);
    uint32_t vocabulary = f.model->decoder.vocabulary, refused = 0, followed = 0;
    e2_arena arena = {0};
    const size_t n_patterns = sizeof of_many / sizeof *of_many;
    for (size_t p = 0; p <= n_patterns; p++) {
        const e2str_constraint_options list = {.lexicon = "\xe4\xb8\x90\xe4\xb8\x90", .lexicon_size = 6};
        e2str_constraint *c = p < n_patterns ? of_pattern(of_many[p]) : made(list);
        e2_guide guide;
        assert_true(e2_guide_make(&arena, f.model, NULL, vocabulary, 9, c, &guide) && guide.leads);
        e2_stand stand = e2_guide_start(&guide), to;
        bool open[256];
        for (uint32_t step = 0; step < 3; step++) {
            e2_stand next = stand;
            e2_guide_open(&guide, &stand, open);
            for (uint32_t token = 0; token < vocabulary; token++) {
                bool refuses = e2_guide_refuses(&guide, open, token);
                bool follows = e2_guide_follow(&guide, &stand, token, 9 - step, &to);
                assert_false(refuses && follows);
                refused += refuses;
                followed += follows;
                if (follows && token > LETTER) next = to;
            }
            stand = next;
        }
        e2str_constraint_free(c);
    }
    assert_true(refused > 300 && followed > 3000);
    e2_arena_free(&arena);
    fixture_close(&f);
    walk(&(tiny_model_options){.seed = 9, .alphabet = alphabet}, of_many, 3);
}

/* A text is given up only where none fits in the tokens there are. */
static void lengths_decide_whether_anything_fits(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 3}), 0);
    e2str_result *result = memory_result();
    for (uint32_t length = 1; length < 7; length++) {
        char list[16] = "00000000";
        list[length] = 0;
        e2str_constraint *cs[] = {made((e2str_constraint_options){.characters = "0-9", .min_length = length}),
                                  made((e2str_constraint_options){.lexicon = list, .lexicon_size = SIZE_MAX})};
        for (int i = 0; i < 2; i++) {
            for (uint32_t most = 1; most < 9; most++)
                for (uint32_t beams = 1; beams < 4; beams++) {
                    e2str_read_options options = reading(cs[i], beams, most);
                    memory_read(&f, most, NULL, &options, result);
                    assert_int_equal(e2str_result_unmatched(result), length + 1 > most);
                    assert_true(e2str_result_characters(result) >= length || length + 1 > most);
                }
            e2str_constraint_free(cs[i]);
        }
    }
    e2str_constraint *c =
        of_pattern("[" EURO ACUTE "]*[x\xc3\xa8]"); /* what the model has no token for is no way out */
    e2str_read_options options = reading(c, 1, 5);
    memory_read(&f, 0, NULL, &options, result);
    assert_string_equal(e2str_result_text(result), "x");
    e2str_constraint_free(c);
    e2str_result_free(result);
    fixture_close(&f);
}

/* What a greedy read finds by itself it finds under a constraint that this fits, to the bit. */
static void a_reading_that_fits_stays(void **state) {
    (void)state;
    size_t kept = 0;
    for (uint64_t seed = 1; seed < 30; seed++) {
        fixture f;
        assert_int_equal(memory_open(&f, (tiny_model_options){.seed = seed, .alphabet = "abc"}), 0);
        e2str_result *bound = memory_result(), *unbound = memory_result();
        for (size_t image = 0; image < 4; image++) {
            e2str_read_options options = reading(NULL, 1, 24);
            memory_read(&f, image, NULL, &options, unbound);
            uint32_t length = (uint32_t)e2str_result_text_size(unbound);
            if (e2str_result_truncated(unbound) || !is_whole(unbound)) continue;
            e2str_constraint *c = made((e2str_constraint_options){.characters = "a-c", .max_length = length});
            options.constraint = c;
            memory_read(&f, image, NULL, &options, bound);
            assert_same(bound, unbound);
            assert_false(e2str_result_unmatched(bound));
            kept++;
            e2str_constraint_free(c);
        }
        e2str_result_free(bound);
        e2str_result_free(unbound);
        fixture_close(&f);
    }
    assert_true(kept > 3);
}

/* ---------------------------------------------------------------------------------------------------- a memory -- */

static void new_characters_are_written_where_they_may_be(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 17, .alphabet = "abe-", .memory_strength = 1e-4f}),
                     0);
    e2str_pool *pool = memory_pool(&f);
    e2str_result *result = memory_result();
    e2str_constraint *money = of_pattern("a?[" EURO ACUTE "]{2,3}");
    static const char list[] = "b" EURO "\n" ACUTE ACUTE "\nabba" EURO "x";
    e2str_constraint *listed = made((e2str_constraint_options){.lexicon = list, .lexicon_size = SIZE_MAX});
    for (size_t i = 0; i < 4; i++) memory_add(&f, pool, 3, "a" EURO ACUTE);
    for (int learnt = 0; learnt < 2; learnt++) {
        for (uint32_t beams = 1; beams < 4; beams++) {
            e2str_read_options options = reading(money, beams, 8);
            memory_read(&f, 3, pool, &options, result);
            assert_int_equal(e2str_result_unmatched(result), !learnt);
            if (learnt) assert_string_equal(e2str_result_text(result), "a" EURO ACUTE);
            options.constraint = listed;
            memory_read(&f, 3, pool, &options, result);
            assert_int_equal(e2str_result_unmatched(result), !learnt);
            assert_int_equal(e2str_constraint_matches(listed, e2str_result_text(result), SIZE_MAX), learnt);
        }
        memory_learn(&f, pool);
    }
    e2str_constraint_free(money);
    e2str_constraint_free(listed);
    e2str_result_free(result);
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* Silent characters pass: the constraint is on what is shown. */
static void silent_characters_pass(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 30, .alphabet = "a-b"}), 0);
    e2str_pool *pool = memory_pool(&f);
    for (size_t i = 0; i < 3; i++) memory_add(&f, pool, i, "ab");
    memory_learn(&f, pool);
    e2str_memory *memory = pool->memory;
    if (!memory->counts.silent) { /* as if the labels had left the dash out */
        static uint32_t dash = LETTER + 1;
        memory->silent = &dash;
        memory->counts.silent = 1;
    }
    e2str_result *result = memory_result();
    e2str_constraint *c = of_pattern("[ab]{3}");
    size_t passed = 0;
    for (size_t image = 0; image < FIXTURE_IMAGES; image++)
        for (uint32_t beams = 1; beams < 4; beams++) {
            const uint32_t *tokens;
            e2str_read_options options = reading(c, beams, 9);
            memory_read(&f, image, pool, &options, result);
            assert_false(e2str_result_unmatched(result));
            assert_true(e2str_constraint_matches(c, e2str_result_text(result), SIZE_MAX));
            passed += e2str_result_tokens(result, &tokens) > 3;
        }
    assert_true(passed > 0);
    e2str_constraint_free(c);
    e2str_result_free(result);
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* Letters count as they are shown: a memory that writes capitals has no small ones. */
static void letters_count_in_the_case_that_is_shown(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 31, .alphabet = "abA1"}), 0);
    e2str_pool *pool = memory_pool(&f);
    for (size_t i = 0; i < 3; i++) memory_add(&f, pool, i, "AB");
    memory_learn(&f, pool);
    pool->memory->letters = E2_CAPITALS;
    e2str_result *result = memory_result();
    e2str_constraint *cs[] = {
        of_pattern("[A-Z]{2,3}"), of_pattern("[a-z]{2,3}"),
        made((e2str_constraint_options){.pattern = "[a-z]{2,3}", .ignore_case = 1}),
        made((e2str_constraint_options){.lexicon = "Ab\nba1", .lexicon_size = SIZE_MAX, .ignore_case = 1})};
    for (int i = 0; i < 4; i++) {
        for (size_t image = 0; image < 6; image++) {
            e2str_read_options options = reading(cs[i], 1 + (uint32_t)image % 3, 6);
            memory_read(&f, image, pool, &options, result);
            assert_int_equal(e2str_result_unmatched(result), i == 1);
            if (i == 1) continue;
            assert_true(e2str_constraint_matches(cs[i], e2str_result_text(result), SIZE_MAX));
            for (const char *c = e2str_result_text(result); *c; c++) assert_true(*c == '1' || (*c >= 'A' && *c <= 'B'));
        }
        e2str_constraint_free(cs[i]);
    }
    e2str_result_free(result);
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------- callers, batches -- */

static int never(void *user, const char *text, size_t size) {
    (void)text;
    *(size_t *)user += size + 1;
    return 0;
}

static void when_all_is_refused_the_reading_is_free(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 3}), 0);
    e2str_result *bound = memory_result(), *unbound = memory_result();
    size_t asked = 0;
    e2str_constraint *c =
        made((e2str_constraint_options){.pattern = "\\d{1,3}", .accept = never, .accept_user = &asked});
    for (uint32_t beams = 1; beams < 5; beams++) {
        asked = 0;
        e2str_read_options options = reading(c, beams, 9);
        memory_read(&f, beams, NULL, &options, bound);
        assert_int_equal(e2str_result_unmatched(bound), 1);
        assert_true(asked > 0);
        options.constraint = NULL;
        memory_read(&f, beams, NULL, &options, unbound);
        assert_int_equal(e2str_result_unmatched(unbound), 0);
        assert_same(bound, unbound);
    }
    e2str_read_options options = reading(c, 1, 9);
    options.clean_up = 1;
    e2str_error error = {""};
    assert_int_equal(e2str_read(f.session, &f.images[0], NULL, &options, bound, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "clean_up"));
    assert_int_equal(e2str_result_unmatched(bound), 0);
    assert_int_equal(e2str_result_unmatched(NULL), 0);
    e2str_constraint_free(c);
    e2str_result_free(bound);
    e2str_result_free(unbound);
    fixture_close(&f);
}

static int odd_sum(void *user, const char *text, size_t size) {
    (void)user;
    int sum = 0;
    for (size_t i = 0; i < size; i++) sum += text[i];
    return sum & 1;
}

typedef struct shared {
    const fixture *f;
    const e2str_read_options *options;
    e2str_result *results[FIXTURE_IMAGES];
} shared;

static void *read_all(void *context) {
    shared *s = context;
    e2str_session *session;
    e2str_session_options options;
    e2str_session_options_init(&options);
    options.threads = 2;
    if (e2str_session_new(s->f->model, &options, &session, NULL)) abort();
    if (e2str_read_batch(session, s->f->images, FIXTURE_IMAGES, NULL, s->options, s->results, NULL)) abort();
    e2str_session_free(session);
    return NULL;
}

/* One constraint for several threads: each batch reads what single reads do, matched and unmatched side by side. */
static void batches_and_threads_share_a_constraint(void **state) {
    (void)state;
    static const char list[] = "ab\nabba\nbab\na1";
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 3, .alphabet = "ab1"}), 0);
    e2str_result *single = memory_result();
    for (uint32_t beams = 1; beams < 4; beams++) {
        e2str_constraint *c = made((e2str_constraint_options){
            .lexicon = list, .lexicon_size = SIZE_MAX, .lexicon_bonus = beams > 2 ? 2.0f : 0.0f, .accept = odd_sum});
        e2str_read_options options = reading(c, beams, 7);
        shared shares[3];
        pthread_t threads[3];
        for (int t = 0; t < 3; t++) {
            shares[t] = (shared){.f = &f, .options = &options};
            for (size_t i = 0; i < FIXTURE_IMAGES; i++) shares[t].results[i] = memory_result();
            if (pthread_create(&threads[t], NULL, read_all, &shares[t])) abort();
        }
        for (int t = 0; t < 3; t++) pthread_join(threads[t], NULL);
        for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
            memory_read(&f, i, NULL, &options, single);
            for (int t = 0; t < 3; t++) {
                assert_same(single, shares[t].results[i]);
                assert_int_equal(e2str_result_unmatched(single), e2str_result_unmatched(shares[t].results[i]));
                e2str_result_free(shares[t].results[i]);
            }
        }
        e2str_constraint_free(c);
    }
    e2str_result_free(single);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beams_find_what_brute_force_finds),
        cmocka_unit_test(what_is_read_fits),
        cmocka_unit_test(characters_are_never_left_begun),
        cmocka_unit_test(first_bytes_refuse_nothing_that_may_follow),
        cmocka_unit_test(lengths_decide_whether_anything_fits),
        cmocka_unit_test(a_reading_that_fits_stays),
        cmocka_unit_test(new_characters_are_written_where_they_may_be),
        cmocka_unit_test(silent_characters_pass),
        cmocka_unit_test(letters_count_in_the_case_that_is_shown),
        cmocka_unit_test(when_all_is_refused_the_reading_is_free),
        cmocka_unit_test(batches_and_threads_share_a_constraint),
    };
    return cmocka_run_group_tests_name("constrained_read", tests, NULL, NULL);
}
