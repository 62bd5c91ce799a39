/* SPDX-License-Identifier: MIT */
/* The second look: retrieval by doubt, drafts, which reading wins, what does not change (docs/two-looks.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memory_fixture.h"
#include "fusion.h"
#include "second_look.h"

/* ------------------------------------------------------------------------------------------- retrieval by doubt -- */

static const char *const words[] = {"ab", "ba", "cd", "abcd", "x", "0", "10", "aa", "bd", "Zz"};

/* A pool of `n` examples; every image comes again after FIXTURE_IMAGES, so that similarities tie. */
static e2str_pool *pool_of(const fixture *f, size_t n) {
    e2str_pool *pool = memory_pool(f);
    for (size_t i = 0; i < n; i++) memory_add(f, pool, i, words[i % 10]);
    return pool;
}

static void release(e2_choice *choices, size_t n) {
    for (size_t i = 0; i < n; i++) e2_choice_release(&choices[i]);
}

/* With a gate of 0 the first k are those of plain retrieval, in its order and with its numbers. */
static void gate_of_0_is_plain_retrieval(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){0}), 0);
    const e2_doubt doubts[] = {{'a', 0.5}, {'b', 0.3}, {'Z', 0.2}};
    uint32_t random = 7;
    for (size_t n = 0; n <= 48; n += n < 3 ? 1 : 15) {
        e2str_pool *pool = pool_of(&f, n);
        for (size_t k = 0; k <= 8; k++) {
            float key[FIXTURE_KEY];
            e2_choice plain[64], ranked[64];
            size_t n_plain, n_ranked;
            fixture_key(&random, key);
            assert_int_equal(e2_pool_choose(&f.session->compute, pool, key, k, -1.0f, plain, &n_plain, NULL), 0);
            assert_int_equal(e2_pool_choose(&f.session->compute, pool, key, 48, -1.0f, ranked, &n_ranked, NULL), 0);
            assert_true(e2_doubt_rank(&f.session->compute, doubts, 3, 0.0, ranked, n_ranked, k));
            for (size_t i = 0; i < n_plain; i++) assert_memory_equal(&plain[i], &ranked[i], sizeof plain[i]);
            release(plain, n_plain);
            release(ranked, n_ranked);
        }
        e2str_pool_free(pool);
    }
    fixture_close(&f);
}

/* Candidates of the caller's similarities, whatever their order; ids count from 1. */
static void candidates_of(const fixture *f, e2str_pool *pool, const float *similarities, size_t n, e2_choice *choices) {
    uint64_t ids[64];
    for (size_t i = 0; i < n; i++) ids[i] = i + 1;
    assert_int_equal(e2_pool_choose_ids(pool, ids, n, choices, NULL), E2STR_OK);
    for (size_t i = 0; i < n; i++) choices[i].similarity = similarities[i];
    (void)f;
}

static void check_rank(const fixture *f, const char *const *labels, const float *similarities, size_t n,
                       const e2_doubt *doubts, size_t n_doubts, double gate, const uint64_t *expected, size_t k) {
    e2str_pool *pool = memory_pool(f);
    e2_choice choices[64];
    for (size_t i = 0; i < n; i++) memory_add(f, pool, i, labels[i]);
    candidates_of(f, pool, similarities, n, choices);
    assert_true(e2_doubt_rank(&f->session->compute, doubts, n_doubts, gate, choices, n, k));
    for (size_t i = 0; i < k; i++) assert_int_equal(choices[i].example->id, expected[i]);
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++) all |= (uint64_t)1 << choices[i].example->id; /* none is lost, none twice */
    assert_int_equal(all, ((uint64_t)2 << n) - 2);
    release(choices, n);
    e2str_pool_free(pool);
}

static void ranks_by_doubt(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){0}), 0);
    const e2_doubt doubts[] = {{'a', 0.6}, {'b', 0.4}};
    const char *const labels[] = {"x", "a", "aa", "b", "ab"};
    const float similarities[] = {0.9f, 0.5f, 0.6f, 0.5f, 0.1f};
    /* The text alone: who covers both; then nothing is left to cover, and the more similar ones follow. */
    check_rank(&f, labels, similarities, 5, doubts, 2, 1.0, (uint64_t[]){5, 1, 3, 2, 4}, 5);
    /* Half and half: x 0.5, a 0.25 + 0.3, aa 0.3125 + 0.3, b 0.25 + 0.2, ab 0 + 0.5; then a is covered. */
    check_rank(&f, labels, similarities, 5, doubts, 2, 0.5, (uint64_t[]){3, 1, 4, 2, 5}, 5);
    /* Without 5, the text alone takes one that shows a, the more similar, then the one that shows b. */
    check_rank(&f, labels, similarities, 4, doubts, 2, 1.0, (uint64_t[]){3, 4, 1, 2}, 4);
    /* All equal: by id. */
    const float same[] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f};
    const char *const equal[] = {"a", "a", "a", "a", "a"};
    check_rank(&f, equal, same, 5, doubts, 2, 0.5, (uint64_t[]){1, 2, 3, 4, 5}, 5);
    check_rank(&f, equal, same, 1, doubts, 2, 0.5, (uint64_t[]){1}, 1);
    check_rank(&f, equal, same, 5, doubts, 0, 0.5, (uint64_t[]){1, 2, 3, 4, 5}, 5);
    fixture_close(&f);
}

static void doubts_of_a_reading(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.alphabet = "abcd"}), 0);
    const e2_compute *compute = &f.session->compute;
    const e2_candidate sure[] = {{4, 1.0f}, {5, 0.0f}}, torn[] = {{6, 0.5f}, {5, 0.25f}}; /* a; c or b */
    e2_written tokens[] = {{.token = 4, .alternatives = sure}, {.token = 6, .alternatives = torn}};
    e2_answer answer = {.tokens = tokens, .n = 2, .n_alternatives = 2, .finite = true, .ended = true};
    e2_doubt *doubts;
    size_t n;
    assert_true(e2_doubts_of(compute, &answer, &doubts, &n));
    assert_int_equal(n, 2);
    assert_int_equal(doubts[0].code, 'c');
    assert_int_equal(doubts[1].code, 'b');
    assert_true(fabs(doubts[0].weight - 2.0 / 3.0) < 1e-12 && fabs(doubts[1].weight - 1.0 / 3.0) < 1e-12);
    assert_true(e2_doubt_gate(&answer, 0.5f, n) == 0.5 * E2_DOUBT_TRUST);
    assert_true(e2_doubt_gate(&answer, 0.25f, n) < e2_doubt_gate(&answer, 0.5f, n));
    assert_true(e2_doubt_gate(&answer, 0.0f, n) == 0.0);
    answer.n = 1; /* nothing is doubtful */
    assert_true(e2_doubts_of(compute, &answer, &doubts, &n));
    assert_int_equal(n, 0);
    assert_true(e2_doubt_gate(&answer, 1.0f, n) == 0.0);
    answer.n = 0; /* an empty reading */
    assert_true(e2_doubts_of(compute, &answer, &doubts, &n));
    assert_int_equal(n, 0);
    assert_true(e2_doubt_gate(&answer, 1.0f, n) == 0.0);
    e2_arena_release(&f.session->arena, (e2_arena_mark){0});
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------------- drafts -- */

/* An image encoded, as a query without examples, or with the nearest `k` of a pool. */
typedef struct encoded {
    float *tokens, key[FIXTURE_KEY];
    e2_choice choices[E2STR_MAX_EXAMPLES];
} encoded;

static e2_query query_of(const fixture *f, size_t image, const e2str_pool *pool, const e2str_read_options *options,
                         encoded *e) {
    uint32_t n;
    assert_int_equal(e2str_visual_tokens(f->model, &f->images[image], &n, NULL), E2STR_OK);
    e->tokens = tiny_checked(malloc(n * FIXTURE_KEY * sizeof *e->tokens));
    assert_int_equal(e2str_encode(f->session, &f->images[image], 1, e->tokens, e->key, NULL), E2STR_OK);
    e2_query q = {.choices = e->choices, .tokens = e->tokens, .key = e->key, .n_tokens = n};
    assert_int_equal(e2_query_choose(&f->session->compute, pool, options, &q, NULL), E2STR_OK);
    return q;
}

static void assert_same_answer(const e2_answer *a, const e2_answer *b) {
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->ended, b->ended);
    assert_int_equal(a->unmatched, b->unmatched);
    assert_true(a->end_log_probability == b->end_log_probability && a->factor == b->factor);
    assert_int_equal(a->n_alternatives, b->n_alternatives);
    for (uint32_t i = 0; i < a->n; i++) {
        const e2_written *x = &a->tokens[i], *y = &b->tokens[i];
        assert_true(x->token == y->token && x->log_probability == y->log_probability);
        assert_memory_equal(x->alternatives, y->alternatives, a->n_alternatives * sizeof *x->alternatives);
        assert_int_equal(x->features != NULL, y->features != NULL);
    }
}

/* The answer with a draft of these tokens: the same as without. Returns the draft's log-probability. */
static double check_draft(const fixture *f, e2_query q, const e2str_pool *pool, const e2str_read_options *options,
                          const e2_answer *plain, const uint32_t *ids, uint32_t n) {
    e2_written tokens[64];
    for (uint32_t i = 0; i < n; i++) tokens[i] = (e2_written){.token = ids[i]};
    e2_answer draft = {.tokens = tokens, .n = n}, checked, only;
    q.draft = &draft;
    const e2_compute *compute = &f->session->compute;
    assert_int_equal(e2_queries_answer(compute, &q, 1, pool, options, false, &checked, NULL), E2STR_OK);
    assert_same_answer(plain, &checked);
    assert_int_equal(checked.draft_whole, n < options->max_tokens);
    assert_int_equal(e2_queries_answer(compute, &q, 1, pool, options, true, &only, NULL), E2STR_OK);
    assert_true(only.draft_log_probability == checked.draft_log_probability && only.n == 0);
    return checked.draft_log_probability;
}

static void check_drafts(const fixture *f, size_t image, const e2str_pool *pool, const e2str_read_options *options) {
    encoded e;
    e2_answer plain;
    e2_query q = query_of(f, image, pool, options, &e);
    assert_int_equal(e2_queries_answer(&f->session->compute, &q, 1, pool, options, false, &plain, NULL), E2STR_OK);
    uint32_t ids[64], n = plain.n, random = 99 + (uint32_t)image;
    double sum = plain.ended ? (double)plain.end_log_probability : 0.0;
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = plain.tokens[i].token;
        sum += (double)plain.tokens[i].log_probability;
    }
    double same = check_draft(f, q, pool, options, &plain, ids, n);
    if (plain.ended && options->beams == 1) assert_true(same == sum);
    if (plain.ended) assert_true(fabs(same - sum) < 1e-4);
    for (uint32_t at = 0; at <= n; at++) { /* too short, and wrong from here on */
        check_draft(f, q, pool, options, &plain, ids, at);
        uint32_t right = ids[at];
        for (uint32_t i = at; i < n + 2; i++) ids[i] = 4 + fixture_random(&random) % 60;
        check_draft(f, q, pool, options, &plain, ids, n + 2);
        for (uint32_t i = at; i < n; i++) ids[i] = plain.tokens[i].token;
        (void)right;
    }
    e2_query_release(&q);
    free(e.tokens);
    e2_arena_release(&f->session->arena, (e2_arena_mark){0});
}

static void a_draft_changes_no_answer(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 11}), 0);
    e2str_pool *pool = pool_of(&f, 12);
    memory_learn(&f, pool);
    e2str_memory *memory;
    assert_int_equal(e2str_pool_memory(pool, &memory, NULL), E2STR_OK);
    for (uint32_t i = 0; i < 12; i++) {
        e2str_read_options options = memory_options(i % 3, i % 4 == 3 ? 3 : 1);
        options.min_similarity = -1.0f;
        options.memory = i % 2 ? memory : NULL;
        options.max_tokens = i < 9 ? 24 : 2;
        check_drafts(&f, i, pool, &options);
    }
    e2str_constraint_options rules;
    e2str_constraint *constraint;
    e2str_constraint_options_init(&rules);
    rules.pattern = "[a-f]{2,4}";
    assert_int_equal(e2str_constraint_new(&rules, &constraint, NULL), E2STR_OK);
    for (uint32_t i = 0; i < 6; i++) {
        e2str_read_options options = memory_options(1, i % 3 == 2 ? 3 : 1);
        options.min_similarity = -1.0f;
        options.constraint = constraint;
        check_drafts(&f, i, pool, &options);
    }
    e2str_constraint_free(constraint);
    e2str_memory_free(memory);
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* -------------------------------------------------------------------------------------------------------- reads -- */

static e2str_read_options looking(uint32_t k, uint32_t beams, float threshold) {
    e2str_read_options options = memory_options(k, beams);
    options.min_similarity = -1.0f;
    options.max_tokens = 40;
    options.second_look = threshold;
    return options;
}

/* A memory of 20 examples: with it the tiny model ends its texts. */
static e2str_memory *memory_of(const fixture *f) {
    e2str_pool *pool = pool_of(f, 20);
    e2str_memory *memory;
    memory_learn(f, pool);
    assert_int_equal(e2str_pool_memory(pool, &memory, NULL), E2STR_OK);
    e2str_pool_free(pool);
    return memory;
}

/* A reading that stays is that of a read without a second look, in everything; one that changes names its examples. */
static void check_reads(const fixture *f, const e2str_pool *pool, const e2str_memory *memory, uint32_t k,
                        uint32_t beams, size_t counts[3]) {
    e2str_read_options plain = looking(k, beams, 0.0f), twice = looking(k, beams, 1.0f);
    plain.memory = twice.memory = memory;
    e2str_result *before = memory_result(), *after = memory_result();
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        memory_read(f, i, pool, &plain, before);
        memory_read(f, i, pool, &twice, after);
        assert_int_equal(e2str_result_second_look(before), 0);
        int looked = e2str_result_second_look(after);
        assert_in_range(looked, 0, 2);
        counts[looked]++;
        if (looked < 2) assert_same(before, after);
        if (looked == 2) assert_string_not_equal(e2str_result_text(before), e2str_result_text(after));
        if (looked == 2 && pool) assert_in_range(e2str_result_examples(after), 1, k ? k : E2_SECOND_EXAMPLES);
    }
    e2str_result_free(before);
    e2str_result_free(after);
}

static void what_stays_is_the_same(void **state) {
    (void)state;
    size_t counts[3] = {0};
    for (uint64_t seed = 1; seed <= 3; seed++) {
        fixture f;
        assert_int_equal(memory_open(&f, (tiny_model_options){.seed = seed}), 0);
        e2str_pool *pool = pool_of(&f, 20);
        check_reads(&f, pool, NULL, 0, 1, counts);
        check_reads(&f, pool, NULL, 2, 1, counts);
        check_reads(&f, pool, NULL, 1, 3, counts);
        memory_learn(&f, pool);
        check_reads(&f, pool, NULL, 0, 1, counts);
        check_reads(&f, pool, NULL, 3, 2, counts);
        e2str_pool_free(pool);
        fixture_close(&f);
    }
    assert_true(counts[1] > 0 && counts[2] > 0);
}

static void small_pools(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){0}), 0);
    size_t counts[3] = {0};
    e2str_memory *memory = memory_of(&f);
    check_reads(&f, NULL, memory, 0, 1, counts);
    e2str_pool *pool = memory_pool(&f);
    check_reads(&f, pool, memory, 2, 1, counts);
    assert_int_equal(counts[0], 2 * FIXTURE_IMAGES); /* there is nothing to look with */
    memory_add(&f, pool, 3, "ab");
    check_reads(&f, pool, memory, 0, 1, counts);
    assert_true(counts[1] + counts[2] > 0);
    counts[0] = 0;
    check_reads(&f, pool, memory, 2, 1, counts); /* nothing else than the first time */
    assert_int_equal(counts[0], FIXTURE_IMAGES);
    e2str_memory_free(memory);
    e2str_pool_free(pool);
    fixture_close(&f);
}

static void threads_and_batches(void **state) {
    (void)state;
    for (int fusion = 0; fusion < 2; fusion++) {
        fixture f;
        size_t changed = 0;
        assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 2, .fusion = fusion != 0}), 0);
        assert_int_equal(e2_has_fusion(f.model), fusion);
        e2str_pool *pool = pool_of(&f, 20);
        memory_learn(&f, pool);
        e2str_read_options options = looking(0, 1, 0.9f);
        e2str_result *one = memory_result(), *all[FIXTURE_IMAGES];
        for (size_t i = 0; i < FIXTURE_IMAGES; i++) all[i] = memory_result();
        for (uint32_t threads = 1; threads <= 3; threads++) {
            e2str_session_options session_options;
            e2str_session *session;
            e2str_session_options_init(&session_options);
            session_options.threads = threads;
            assert_int_equal(e2str_session_new(f.model, &session_options, &session, NULL), E2STR_OK);
            assert_int_equal(e2str_read_batch(session, f.images, FIXTURE_IMAGES, pool, &options, all, NULL), E2STR_OK);
            for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
                memory_read(&f, i, pool, &options, one);
                assert_same(one, all[i]);
                assert_int_equal(e2str_result_second_look(one), e2str_result_second_look(all[i]));
                changed += e2str_result_second_look(one) == 2;
            }
            e2str_session_free(session);
        }
        assert_true(changed > 0);
        for (size_t i = 0; i < FIXTURE_IMAGES; i++) e2str_result_free(all[i]);
        e2str_result_free(one);
        e2str_pool_free(pool);
        fixture_close(&f);
    }
}

/* Pictures whose way up is to be found: one by one as together. */
static void any_way_up(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 2}), 0);
    e2str_pool *pool = pool_of(&f, 20);
    memory_learn(&f, pool);
    e2str_read_options options = looking(0, 1, 1.0f);
    e2str_result *one = memory_result(), *all[FIXTURE_IMAGES];
    size_t looked = 0;
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        f.images[i].rotate = i % 2 ? E2STR_ROTATE_AUTO : 0;
        all[i] = memory_result();
    }
    assert_int_equal(e2str_read_batch(f.session, f.images, FIXTURE_IMAGES, pool, &options, all, NULL), E2STR_OK);
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        memory_read(&f, i, pool, &options, one);
        assert_same(one, all[i]);
        assert_int_equal(e2str_result_second_look(one), e2str_result_second_look(all[i]));
        if (i % 2) looked += e2str_result_second_look(one) > 0;
        e2str_result_free(all[i]);
    }
    assert_true(looked > 0);
    e2str_result_free(one);
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* Examples labelled with what was read first, right or wrong, have no part in a second look. */
static void no_confirmation(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 2}), 0);
    e2str_read_options plain = looking(0, 1, 0.0f), twice = looking(0, 1, 1.0f);
    e2str_result *first = memory_result(), *without = memory_result(), *with = memory_result();
    e2str_memory *memory = memory_of(&f);
    plain.memory = twice.memory = memory;
    size_t looked = 0, changed = 0;
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        e2str_pool *pool = pool_of(&f, 12);
        memory_read(&f, i, pool, &plain, first);
        if (!e2str_result_characters(first)) {
            e2str_pool_free(pool);
            continue;
        }
        memory_read(&f, i, pool, &twice, without);
        for (size_t j = 0; j < 3; j++) /* the picture itself, which is nearest to it, and others */
            memory_add(&f, pool, i + j, e2str_result_text(first));
        memory_read(&f, i, pool, &twice, with);
        assert_same(without, with);
        for (size_t j = 0; e2str_result_second_look(with) == 2 && j < e2str_result_examples(with); j++) {
            uint64_t id;
            assert_int_equal(e2str_result_example(with, j, &id, NULL, NULL), E2STR_OK);
            assert_in_range(id, 1, 12);
        }
        looked += e2str_result_second_look(with) > 0;
        changed += e2str_result_second_look(with) == 2;
        e2str_pool_free(pool);
    }
    assert_true(looked > 0 && changed > 0);
    e2str_memory_free(memory);
    e2str_result_free(first);
    e2str_result_free(without);
    e2str_result_free(with);
    fixture_close(&f);
}

/* The text that wins is the likelier under both conditions together, reckoned here from four plain runs. */
static void the_likelier_wins(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 3}), 0);
    e2str_pool *pool = pool_of(&f, 20);
    e2str_read_options options = looking(0, 1, 1.0f);
    const e2_compute *compute = &f.session->compute;
    size_t replaced = 0, kept = 0;
    e2str_memory *memory = memory_of(&f);
    options.memory = memory;
    options.alternatives = E2_DOUBT_ALTERNATIVES;
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        encoded e;
        e2_choice choices[E2STR_MAX_EXAMPLES];
        e2_query q = query_of(&f, i, NULL, &options, &e);
        e2_answer answer, crossed[2];
        assert_int_equal(e2_queries_answer(compute, &q, 1, pool, &options, false, &answer, NULL), E2STR_OK);
        e2_look look = {.first = &q, .answer = &answer, .second = {.choices = choices}};
        if (answer.ended) {
            assert_int_equal(e2_look_again(compute, &look, 1, pool, &options, NULL), E2STR_OK);
            e2_query under_first = q, under_second = look.second;
            under_first.draft = &look.other;
            under_second.draft = &answer;
            if (look.looked && look.other.ended) {
                assert_int_equal(e2_queries_answer(compute, &under_first, 1, pool, &options, true, &crossed[0], NULL),
                                 0);
                assert_int_equal(e2_queries_answer(compute, &under_second, 1, pool, &options, true, &crossed[1], NULL),
                                 0);
                double first = e2_answer_log_probability(&answer) + crossed[1].draft_log_probability;
                double second = e2_answer_log_probability(&look.other) + crossed[0].draft_log_probability;
                assert_int_equal(look.changed, second > first);
                replaced += look.changed;
                kept += !look.changed && second != first;
            }
            e2_query_release(&look.second);
        }
        e2_query_release(&q);
        free(e.tokens);
        e2_arena_release(&f.session->arena, (e2_arena_mark){0});
    }
    assert_true(replaced > 0 && kept > 0);
    e2str_memory_free(memory);
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* Where an example that stood before the first reading is labelled with it, there is no second look. */
static void a_confirmed_reading_stays(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 3}), 0);
    e2str_memory *memory = memory_of(&f);
    e2str_read_options options = looking(0, 1, 0.0f);
    e2str_result *result = memory_result();
    size_t tried = 0;
    options.memory = memory;
    options.alternatives = E2_DOUBT_ALTERNATIVES;
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        memory_read(&f, i, NULL, &options, result);
        if (!e2str_result_characters(result) || e2str_result_truncated(result)) continue;
        if (!strcmp(e2str_result_text(result), words[11 % 10])) continue; /* 12 says that */
        e2str_pool *pool = pool_of(&f, 12);
        memory_add(&f, pool, i, e2str_result_text(result));
        for (uint64_t id = 12; id <= 13; id++) { /* 13 says what was read */
            encoded e;
            e2_choice choices[E2STR_MAX_EXAMPLES];
            e2_query q = query_of(&f, i, NULL, &options, &e);
            e2_answer answer;
            assert_int_equal(e2_queries_answer(&f.session->compute, &q, 1, pool, &options, false, &answer, NULL), 0);
            assert_int_equal(e2_pool_choose_ids(pool, &id, 1, q.choices, NULL), E2STR_OK);
            q.n_choices = 1;
            e2_look look = {.first = &q, .answer = &answer, .second = {.choices = choices}};
            assert_int_equal(e2_look_again(&f.session->compute, &look, 1, pool, &options, NULL), E2STR_OK);
            assert_int_equal(look.looked, id == 12);
            e2_query_release(&look.second);
            e2_query_release(&q);
            free(e.tokens);
            e2_arena_release(&f.session->arena, (e2_arena_mark){0});
        }
        e2str_pool_free(pool);
        tried++;
    }
    assert_true(tried > 0);
    e2str_result_free(result);
    e2str_memory_free(memory);
    fixture_close(&f);
}

static void options_are_checked(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){0}), 0);
    e2str_pool *pool = pool_of(&f, 2);
    e2str_result *result = memory_result();
    e2str_error error;
    const float bad[] = {-0.1f, 1.1f, NAN, INFINITY};
    e2str_read_options options = looking(0, 1, 0.0f);
    assert_true(e2str_result_second_look(NULL) == 0);
    for (size_t i = 0; i < 4; i++) {
        options.second_look = bad[i];
        assert_int_equal(e2str_read(f.session, f.images, pool, &options, result, &error), E2STR_ERROR_ARGUMENT);
        assert_non_null(strstr(error.message, "second_look"));
    }
    options.second_look = 0.5f;
    options.examples = (const uint64_t[]){1};
    options.n_examples = 1;
    assert_int_equal(e2str_read(f.session, f.images, pool, &options, result, &error), E2STR_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "second_look"));
    options.n_examples = 0;
    e2str_prompt *prompt;
    assert_int_equal(e2str_prompt_new(f.session, pool, (const uint64_t[]){1}, 1, &prompt, NULL), E2STR_OK);
    options.prompt = prompt;
    assert_int_equal(e2str_read(f.session, f.images, pool, &options, result, &error), E2STR_ERROR_UNSUPPORTED);
    e2str_prompt_free(prompt);
    e2str_result_free(result);
    e2str_pool_free(pool);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gate_of_0_is_plain_retrieval),
        cmocka_unit_test(ranks_by_doubt),
        cmocka_unit_test(doubts_of_a_reading),
        cmocka_unit_test(a_draft_changes_no_answer),
        cmocka_unit_test(what_stays_is_the_same),
        cmocka_unit_test(small_pools),
        cmocka_unit_test(threads_and_batches),
        cmocka_unit_test(any_way_up),
        cmocka_unit_test(no_confirmation),
        cmocka_unit_test(the_likelier_wins),
        cmocka_unit_test(a_confirmed_reading_stays),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests_name("two_looks", tests, NULL, NULL);
}
