/* SPDX-License-Identifier: MIT */
/* Whether what is said about examples is true: with the shipped weights, price tags of examples/demo, and one of them
 * that is read while it is itself among the examples. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "e2str.h"

#define QUERY  "examples/demo/queries/149-200.jpg"
#define TEXT   "149.20" /* without its sign, which is in every example */
#define TAGS   "examples/demo/pool/"
#define MOST   32
#define TRIALS 6 /* examples left out at random */

typedef struct fixture {
    e2str_model *model;
    e2str_session *session;
    e2str_result *result;
    e2str_image query;
    e2str_pool *pool;
    uint64_t itself, stranger; /* ids */
} fixture;

static void must(e2str_status status, const e2str_error *error) {
    if (status) fail_msg("%s: %s", e2str_status_name(status), error->message);
}

static uint64_t add(fixture *f, const char *path, const char *label) {
    e2str_error error = {""};
    e2str_image image = {0};
    uint64_t id = 0;
    must(e2str_image_load(path, NULL, &image, &error), &error);
    must(e2str_pool_add(f->pool, f->session, &image, label, SIZE_MAX, &id, &error), &error);
    e2str_image_free(&image);
    return id;
}

static void learn(fixture *f) {
    e2str_error error = {""};
    e2str_learn_options options;
    e2str_learn_options_init(&options);
    options.strength = 1.0f;
    must(e2str_pool_learn(f->pool, f->session, &options, &error), &error);
}

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    e2str_error error = {""};
    char line[256], path[512];
    *state = f;
    must(e2str_model_open("weights/e2str-small.gguf", NULL, &f->model, &error), &error);
    must(e2str_session_new(f->model, NULL, &f->session, &error), &error);
    must(e2str_result_new(&f->result, &error), &error);
    must(e2str_pool_new(f->model, NULL, &f->pool, &error), &error);
    must(e2str_image_load(QUERY, NULL, &f->query, &error), &error);
    FILE *labels = fopen(TAGS "labels.tsv", "r");
    assert_non_null(labels);
    while (fgets(line, sizeof line, labels)) {
        char *tab = strchr(line, '\t');
        if (!tab) continue;
        *tab = 0;
        tab[1 + strcspn(tab + 1, "\n")] = 0;
        snprintf(path, sizeof path, TAGS "%s", line);
        add(f, path, tab + 1);
    }
    fclose(labels);
    assert_int_equal(e2str_pool_count(f->pool), 20);
    f->itself = add(f, QUERY, "\xE2\x82\xA9" TEXT);
    f->stranger = add(f, "examples/images/coffee.jpg", "Coffee");
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    e2str_image_free(&f->query);
    e2str_pool_free(f->pool);
    e2str_result_free(f->result);
    e2str_session_free(f->session);
    e2str_model_close(f->model);
    free(f);
    return 0;
}

static void read_query(fixture *f, const e2str_constraint *constraint) {
    e2str_error error = {""};
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.k = 0;
    options.influences = E2STR_MAX_INFLUENCES;
    options.memory_everywhere = 1;
    options.constraint = constraint;
    must(e2str_read(f->session, &f->query, f->pool, &options, f->result, &error), &error);
}

/* How much of what moved the text each example did, by id. */
static void influence_of_examples(const fixture *f, double totals[MOST]) {
    memset(totals, 0, MOST * sizeof *totals);
    for (size_t i = 0; i < e2str_result_characters(f->result); i++)
        for (size_t rank = 0; rank < e2str_result_influences(f->result, i); rank++) {
            e2str_influence influence;
            assert_int_equal(e2str_result_influence(f->result, i, rank, &influence, NULL), E2STR_OK);
            assert_true(influence.example < MOST);
            totals[influence.example] += (double)influence.amount;
        }
}

static void the_query_itself_moves_it_most(void **state) {
    fixture *f = *state;
    double totals[MOST];
    learn(f);
    read_query(f, NULL);
    assert_string_equal(e2str_result_text(f->result), "\xE2\x82\xA9" TEXT);
    influence_of_examples(f, totals);
    for (uint64_t id = 0; id < MOST; id++)
        if (id != f->itself && !(totals[id] < totals[f->itself]))
            fail_msg("example %llu: %g, the query itself %g", (unsigned long long)id, totals[id], totals[f->itself]);
    if (!(fabs(totals[f->stranger]) < 0.1 * totals[f->itself]))
        fail_msg("a word of another kind: %g, the query itself %g", totals[f->stranger], totals[f->itself]);
}

/* Log-probability of the true text with what the pool has learnt. */
static double likelihood(fixture *f, const e2str_constraint *truth) {
    learn(f);
    read_query(f, truth);
    assert_false(e2str_result_unmatched(f->result));
    double sum = log((double)e2str_result_end_probability(f->result));
    for (size_t i = 0; i < e2str_result_characters(f->result); i++) {
        e2str_character character;
        assert_int_equal(e2str_result_character(f->result, i, &character, NULL), E2STR_OK);
        sum += log((double)character.probability);
    }
    return sum;
}

static void leave_out(fixture *f, uint64_t id) {
    e2str_error error = {""};
    must(e2str_pool_remove(f->pool, id, &error), &error);
}

/* Without the example that moved the text most it is less likely than without one drawn at random. */
static void what_is_named_matters(void **state) {
    fixture *f = *state;
    e2str_constraint_options wanted;
    e2str_constraint *truth;
    e2str_error error = {""};
    e2str_constraint_options_init(&wanted);
    wanted.lexicon = "\xE2\x82\xA9" TEXT;
    wanted.lexicon_size = SIZE_MAX;
    must(e2str_constraint_new(&wanted, &truth, &error), &error);
    double all = likelihood(f, truth), others = 0.0;
    uint32_t random = 12345;
    for (int trial = 0; trial < TRIALS; trial++) {
        random = random * 1664525u + 1013904223u;
        leave_out(f, 1 + (random >> 16) % 20);
        others += (all - likelihood(f, truth)) / TRIALS;
        tear_down(state);
        set_up(state);
        f = *state;
    }
    leave_out(f, f->itself);
    double top = all - likelihood(f, truth);
    if (!(top > others)) fail_msg("without the strongest %g less, without another %g", top, others);
    e2str_constraint_free(truth);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_query_itself_moves_it_most, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_named_matters, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
