/* SPDX-License-Identifier: MIT */
/* How a pool is searched: by its index as the option says, and by the caller's own search. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pool_fixture.h"

#define FROM 20000

static fixture f;

static int set_up(void **unused) {
    (void)unused;
    return fixture_open(&f, &(tiny_model_options){0});
}

static int tear_down(void **unused) {
    (void)unused;
    fixture_close(&f);
    return 0;
}

static e2str_pool *pool_of(uint64_t index_from) {
    e2str_pool_options options;
    e2str_pool *pool;
    e2str_pool_options_init(&options);
    assert_int_equal(options.index_from, E2STR_INDEX_FROM);
    options.index_from = index_from;
    assert_int_equal(e2str_pool_new(f.model, &options, &pool, NULL), E2STR_OK);
    return pool;
}

static void add_keys(e2str_pool *pool, uint32_t *seed, size_t n) {
    float *tokens = calloc(f.model->visual_tokens, FIXTURE_KEY * sizeof *tokens);
    assert_non_null(tokens);
    for (size_t i = 0; i < n; i++) {
        float key[FIXTURE_KEY];
        uint32_t ids[1] = {4};
        e2_example *example;
        e2_encoded image = {tokens, 1, key};
        fixture_key(seed, key);
        image.n = f.model->visual_tokens;
        assert_int_equal(e2_example_new(f.model, E2STR_STORE_F16, &image, &(e2_label){"a", 1, ids, 1}, &example, NULL),
                         E2STR_OK);
        assert_int_equal(e2_pool_insert(pool, example, NULL, NULL), E2STR_OK);
    }
    free(tokens);
}

/* ------------------------------------------------------------------------------------------------- by the index -- */

#define QUERIES 100

/* How many of the nearest two of QUERIES keys both pools find; the similarities of what both find are the same. */
static size_t agreement(const e2str_pool *pool, const e2str_pool *exact) {
    uint32_t seed = 99;
    size_t same = 0;
    for (size_t q = 0; q < QUERIES; q++) {
        float key[FIXTURE_KEY], a[2], b[2];
        uint64_t ids[2], expected[2];
        size_t found[2];
        fixture_key(&seed, key);
        assert_int_equal(e2str_pool_nearest(pool, key, 2, -1, ids, a, &found[0], NULL), E2STR_OK);
        assert_int_equal(e2str_pool_nearest(exact, key, 2, -1, expected, b, &found[1], NULL), E2STR_OK);
        assert_int_equal(found[0], 2);
        for (size_t i = 0; i < 2; i++)
            for (size_t j = 0; j < 2; j++) {
                if (ids[i] != expected[j]) continue;
                assert_memory_equal(&a[i], &b[j], sizeof *a);
                same++;
            }
        assert_true(a[0] >= a[1] && a[0] <= b[0]);
    }
    return same;
}

static void an_index_finds_what_exact_search_finds(void **unused) {
    (void)unused;
    e2str_pool *pool = pool_of(0), *exact = pool_of(UINT64_MAX);
    uint32_t seed[2] = {5, 5};
    add_keys(pool, &seed[0], 4000);
    add_keys(exact, &seed[1], 4000);
    assert_int_equal(e2_index_count(pool->index), 4000);
    assert_null(exact->index);
    size_t same = agreement(pool, exact);
    assert_true(same >= 2 * QUERIES * 0.97 && same <= 2 * QUERIES); /* keys of 16 numbers: codes of 16 bits */
    for (uint64_t id = 100; id < 1100; id++) {
        assert_int_equal(e2str_pool_remove(pool, id, NULL), E2STR_OK);
        assert_int_equal(e2str_pool_remove(exact, id, NULL), E2STR_OK);
    }
    assert_int_equal(e2_index_count(pool->index), 3000);
    assert_true(agreement(pool, exact) >= 2 * QUERIES * 0.97);
    e2str_pool_clear(pool);
    assert_null(pool->index);
    add_keys(pool, &seed[0], 3);
    assert_int_equal(e2_index_count(pool->index), 3);
    e2str_pool_free(pool);
    e2str_pool_free(exact);
}

/* Below the limit exactly, from it on by an index that was made on the way; and back. */
static void many_examples_are_indexed_on_the_way(void **unused) {
    (void)unused;
    e2str_pool *pool = pool_of(FROM), *exact = pool_of(UINT64_MAX);
    uint32_t seed[2] = {8, 8};
    add_keys(pool, &seed[0], FROM / 2);
    assert_int_equal(e2_index_count(pool->index), 0);
    add_keys(pool, &seed[0], FROM - 1 - FROM / 2);
    add_keys(exact, &seed[1], FROM - 1);
    assert_int_equal(e2_index_count(pool->index), FROM - 1);
    assert_int_equal(agreement(pool, exact), 2 * QUERIES);
    add_keys(pool, &seed[0], 1);
    add_keys(exact, &seed[1], 1);
    size_t same = agreement(pool, exact);
    assert_true(same >= 2 * QUERIES / 2 && same < 2 * QUERIES); /* codes of 16 bits are few for so many keys */
    assert_int_equal(e2str_pool_remove(pool, 7, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_remove(exact, 7, NULL), E2STR_OK);
    assert_int_equal(agreement(pool, exact), 2 * QUERIES);
    e2str_pool_free(pool);
    e2str_pool_free(exact);
}

/* --------------------------------------------------------------------------------------- by the caller's search -- */

typedef struct proposal {
    e2str_status status;
    size_t n, asked, most;
    uint64_t ids[64];
    float key[FIXTURE_KEY];
} proposal;

static e2str_status propose(void *user, const float *key, size_t width, size_t most, uint64_t *ids, size_t *found) {
    proposal *p = user;
    assert_int_equal(width, FIXTURE_KEY);
    memcpy(p->key, key, sizeof p->key);
    p->asked++;
    p->most = most;
    for (size_t i = 0; i < p->n && i < most; i++) ids[i] = p->ids[i];
    *found = p->n;
    return p->status;
}

typedef struct asking {
    e2str_pool *pool;
    e2str_result *result;
    proposal proposal;
    e2str_read_options options;
    e2str_error error;
} asking;

static void asking_open(asking *a) {
    a->pool = pool_of(FROM);
    a->proposal = (proposal){.status = E2STR_OK};
    a->error = (e2str_error){""};
    for (size_t i = 1; i < FIXTURE_IMAGES; i++) {
        uint64_t id;
        assert_int_equal(e2str_pool_add(a->pool, f.session, &f.images[i], "a", 1, &id, NULL), E2STR_OK);
    }
    assert_int_equal(e2str_result_new(&a->result, NULL), E2STR_OK);
    e2str_read_options_init(&a->options);
    a->options.k = 2;
    a->options.min_similarity = -1;
    a->options.max_tokens = 4;
    a->options.nearest = propose;
    a->options.nearest_user = &a->proposal;
}

static void asking_close(asking *a) {
    e2str_pool_free(a->pool);
    e2str_result_free(a->result);
}

static e2str_status ask(asking *a) {
    return e2str_read(f.session, &f.images[0], a->pool, &a->options, a->result, &a->error);
}

/* The best of what is proposed, in their order; strangers and repetitions are passed over. */
static void proposals_are_compared_exactly(void **unused) {
    (void)unused;
    asking a;
    asking_open(&a);
    uint64_t ids[FIXTURE_IMAGES], id;
    float similarities[FIXTURE_IMAGES], similarity;
    size_t n;
    a.proposal.n = 6;
    memcpy(a.proposal.ids, (uint64_t[]){9, 4, 1000, 9, 0, 12}, 6 * sizeof *a.proposal.ids);
    assert_int_equal(ask(&a), E2STR_OK);
    assert_string_equal(a.error.message, ""); /* the read did not fail */
    assert_int_equal(a.proposal.asked, 1);
    assert_int_equal(a.proposal.most, 8);
    assert_int_equal(e2str_pool_nearest(a.pool, a.proposal.key, FIXTURE_IMAGES, -1, ids, similarities, &n, NULL),
                     E2STR_OK);
    size_t place = 0;
    assert_int_equal(e2str_result_examples(a.result), 2);
    for (size_t i = 0; i < n && place < 2; i++) {
        if (ids[i] != 9 && ids[i] != 4 && ids[i] != 12) continue;
        assert_int_equal(e2str_result_example(a.result, place++, &id, &similarity, NULL), E2STR_OK);
        assert_int_equal(id, ids[i]);
        assert_memory_equal(&similarity, &similarities[i], sizeof similarity);
    }
    assert_int_equal(place, 2);
    a.options.min_similarity = 1.0f; /* of nobody */
    assert_int_equal(ask(&a), E2STR_OK);
    assert_int_equal(e2str_result_examples(a.result), 0);
    a.options.min_similarity = -1.0f;
    a.proposal.n = 0;
    assert_int_equal(ask(&a), E2STR_OK);
    assert_int_equal(e2str_result_examples(a.result), 0);
    asking_close(&a);
}

static void all_examples_proposed_read_as_the_pool_does(void **unused) {
    (void)unused;
    asking a;
    asking_open(&a);
    a.options.k = 4;
    a.proposal.n = FIXTURE_IMAGES - 1;
    for (size_t i = 0; i < a.proposal.n; i++) a.proposal.ids[i] = FIXTURE_IMAGES - 1 - i;
    assert_int_equal(ask(&a), E2STR_OK);
    e2str_result *plain;
    assert_int_equal(e2str_result_new(&plain, NULL), E2STR_OK);
    a.options.nearest = NULL;
    assert_int_equal(e2str_read(f.session, &f.images[0], a.pool, &a.options, plain, NULL), E2STR_OK);
    for (size_t i = 0; i < 4; i++) {
        uint64_t id[2];
        float similarity[2];
        assert_int_equal(e2str_result_example(a.result, i, &id[0], &similarity[0], NULL), E2STR_OK);
        assert_int_equal(e2str_result_example(plain, i, &id[1], &similarity[1], NULL), E2STR_OK);
        assert_int_equal(id[0], id[1]);
        assert_memory_equal(&similarity[0], &similarity[1], sizeof *similarity);
    }
    assert_string_equal(e2str_result_text(a.result), e2str_result_text(plain));
    e2str_result_free(plain);
    asking_close(&a);
}

static void failures_of_the_search_are_the_reads(void **unused) {
    (void)unused;
    asking a;
    asking_open(&a);
    a.proposal.n = 9;
    assert_int_equal(ask(&a), E2STR_ERROR_ARGUMENT);
    assert_string_equal(a.error.message, "the caller's search proposed 9 examples of at most 8");
    a.proposal.n = SIZE_MAX;
    assert_int_equal(ask(&a), E2STR_ERROR_ARGUMENT);
    assert_string_equal(e2str_result_text(a.result), "");
    a.proposal = (proposal){.status = E2STR_ERROR_IO};
    assert_int_equal(ask(&a), E2STR_ERROR_IO);
    assert_string_equal(a.error.message, "the caller's search failed: io");
    a.proposal.status = (e2str_status)77;
    assert_int_equal(ask(&a), E2STR_ERROR_ARGUMENT);
    a.proposal.status = (e2str_status)-1;
    assert_int_equal(ask(&a), E2STR_ERROR_ARGUMENT);
    assert_string_equal(a.error.message, "the caller's search returned -1, which is no status");
    asking_close(&a);
}

static void it_is_asked_only_where_its_answer_counts(void **unused) {
    (void)unused;
    asking a;
    asking_open(&a);
    a.options.k = 0;
    assert_int_equal(ask(&a), E2STR_OK);
    uint64_t chosen = 3;
    a.options.k = 2;
    a.options.examples = &chosen;
    a.options.n_examples = 1;
    assert_int_equal(ask(&a), E2STR_OK);
    a.options.n_examples = 0;
    assert_int_equal(e2str_read(f.session, &f.images[0], NULL, &a.options, a.result, NULL), E2STR_OK);
    assert_int_equal(a.proposal.asked, 0);
    assert_int_equal(ask(&a), E2STR_OK);
    assert_int_equal(a.proposal.asked, 1);
    asking_close(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_finds_what_exact_search_finds),
        cmocka_unit_test(many_examples_are_indexed_on_the_way),
        cmocka_unit_test(proposals_are_compared_exactly),
        cmocka_unit_test(all_examples_proposed_read_as_the_pool_does),
        cmocka_unit_test(failures_of_the_search_are_the_reads),
        cmocka_unit_test(it_is_asked_only_where_its_answer_counts),
    };
    return cmocka_run_group_tests_name("search", tests, set_up, tear_down);
}
