/* SPDX-License-Identifier: MIT */
/* The prompt pool: adding and removing, limits, nearest examples, references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels.h"
#include "pool_fixture.h"
#include "ranked.h"

static fixture f, other; /* other: the same sizes, different weights */

static int open_fixtures(void **state) {
    (void)state;
    const char *alphabet = "abcdefghijklmnopqrstuvwxyz\xc3\xa9"; /* the last is two bytes long */
    return fixture_open(&f, &(tiny_model_options){.alphabet = alphabet}) ||
           fixture_open(&other, &(tiny_model_options){.alphabet = alphabet, .seed = 5});
}

static int close_fixtures(void **state) {
    (void)state;
    fixture_close(&f);
    fixture_close(&other);
    return 0;
}

static e2str_pool *new_pool(uint64_t max_bytes, e2str_storage storage) {
    e2str_pool_options options;
    e2str_pool *pool;
    e2str_pool_options_init(&options);
    options.max_bytes = max_bytes;
    options.storage = storage;
    assert_int_equal(e2str_pool_new(f.model, &options, &pool, NULL), E2STR_OK);
    return pool;
}

static uint64_t add(e2str_pool *pool, size_t image, const char *label) {
    uint64_t id = 0;
    e2str_error error = {0};
    if (e2str_pool_add(pool, f.session, &f.images[image], label, SIZE_MAX, &id, &error)) fail_msg("%s", error.message);
    return id;
}

/* A made-up example: its tokens are all `value`. */
static uint64_t add_key(e2str_pool *pool, const float *key, float value) {
    size_t n = (size_t)f.model->visual_tokens * FIXTURE_KEY;
    float *tokens = malloc(n * sizeof *tokens);
    uint32_t ids[1] = {4};
    e2_example *example;
    assert_non_null(tokens);
    for (size_t i = 0; i < n; i++) tokens[i] = value;
    e2_encoded image = {tokens, f.model->visual_tokens, key};
    assert_int_equal(e2_example_new(f.model, pool->storage, &image, &(e2_label){"a", 1, ids, 1}, &example, NULL),
                     E2STR_OK);
    free(tokens);
    assert_int_equal(e2_pool_insert(pool, example, NULL, NULL), E2STR_OK);
    return example->id;
}

/* ------------------------------------------------------------------------------------------------------ list -- */

static void test_options(void **state) {
    (void)state;
    e2str_pool_options options;
    e2str_pool *pool;
    e2str_pool_options_init(&options);
    assert_int_equal(options.max_bytes, 0);
    assert_int_equal(options.storage, E2STR_STORE_F16);
    options.storage = (e2str_storage)7;
    assert_int_equal(e2str_pool_new(f.model, &options, &pool, NULL), E2STR_ERROR_ARGUMENT);
    assert_null(pool);
    e2str_pool_options_init(&options);
    options.size = 0;
    assert_int_equal(e2str_pool_new(f.model, &options, &pool, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_new(NULL, NULL, &pool, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_new(f.model, NULL, NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_new(f.model, NULL, &pool, NULL), E2STR_OK);
    assert_int_equal(pool->storage, E2STR_STORE_F16);
    e2str_pool_free(pool);
    e2str_pool_options_init(NULL);
    e2str_pool_free(NULL);
}

static void check_ids(const e2str_pool *pool, const uint64_t *expected, size_t n) {
    uint64_t ids[8] = {0};
    assert_int_equal(e2str_pool_count(pool), n);
    assert_int_equal(e2str_pool_ids(pool, ids, 8), n);
    for (size_t i = 0; i < n; i++) assert_int_equal(ids[i], expected[i]);
    assert_int_equal(e2str_pool_ids(pool, NULL, 0), n);
}

static void test_add_and_remove(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(0, E2STR_STORE_F16);
    uint64_t ids[2] = {99, 99};
    assert_int_equal(e2str_pool_bytes(pool), 0);
    assert_int_equal(add(pool, 0, "one"), 1);
    uint64_t bytes = e2str_pool_bytes(pool);
    assert_true(bytes > (uint64_t)f.model->visual_tokens * FIXTURE_KEY * 2);
    assert_int_equal(add(pool, 1, "two"), 2);
    assert_int_equal(e2str_pool_bytes(pool), 2 * bytes); /* labels of the same length */
    assert_int_equal(add(pool, 2, "six"), 3);
    check_ids(pool, (const uint64_t[]){1, 2, 3}, 3);
    assert_int_equal(e2str_pool_ids(pool, ids, 1), 3);
    assert_true(ids[0] == 1 && ids[1] == 99);

    assert_int_equal(e2str_pool_remove(pool, 2, NULL), E2STR_OK);
    check_ids(pool, (const uint64_t[]){1, 3}, 2);
    assert_int_equal(e2str_pool_bytes(pool), 2 * bytes);
    e2str_error error = {0};
    assert_int_equal(e2str_pool_remove(pool, 2, &error), E2STR_ERROR_NOT_FOUND);
    assert_non_null(strstr(error.message, "id 2"));
    assert_int_equal(e2str_pool_remove(pool, 0, NULL), E2STR_ERROR_NOT_FOUND);
    assert_int_equal(e2str_pool_remove(pool, UINT64_MAX, NULL), E2STR_ERROR_NOT_FOUND);
    assert_int_equal(add(pool, 3, "ten"), 4); /* not 2 again */
    check_ids(pool, (const uint64_t[]){1, 3, 4}, 3);

    e2str_pool_clear(pool);
    check_ids(pool, NULL, 0);
    assert_int_equal(e2str_pool_bytes(pool), 0);
    assert_int_equal(add(pool, 0, "one"), 5);
    e2str_pool_free(pool);
}

static void test_labels(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(0, E2STR_STORE_F16);
    char text[8];
    size_t size;
    uint64_t id;
    add(pool, 0, "abc");
    assert_int_equal(e2str_pool_add(pool, f.session, &f.images[1], "a\xc3\xa9zzz", 4, &id, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_label(pool, 1, text, sizeof text, &size, NULL), E2STR_OK);
    assert_string_equal(text, "abc");
    assert_int_equal(size, 3);
    assert_int_equal(e2str_pool_label(pool, id, text, sizeof text, NULL, NULL), E2STR_OK);
    assert_string_equal(text, "a\xc3\xa9z");
    assert_int_equal(e2str_pool_label(pool, id, text, 4, &size, NULL), E2STR_OK);
    assert_string_equal(text, "a\xc3\xa9");
    assert_int_equal(size, 4);
    assert_int_equal(e2str_pool_label(pool, id, text, 3, NULL, NULL), E2STR_OK);
    assert_string_equal(text, "a"); /* not half of the second character */
    assert_int_equal(e2str_pool_label(pool, id, text, 1, NULL, NULL), E2STR_OK);
    assert_string_equal(text, "");
    assert_int_equal(e2str_pool_label(pool, id, NULL, 0, &size, NULL), E2STR_OK);
    assert_int_equal(size, 4);
    assert_int_equal(e2str_pool_label(pool, 9, text, sizeof text, &size, NULL), E2STR_ERROR_NOT_FOUND);
    assert_int_equal(e2str_pool_label(pool, 1, NULL, 4, NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_label(NULL, 1, text, sizeof text, NULL, NULL), E2STR_ERROR_ARGUMENT);
    e2str_pool_free(pool);
}

static void test_refused_adds(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(0, E2STR_STORE_F16);
    e2str_error error = {0};
    uint64_t id;
    char label[61];
    const struct {
        const char *label;
        size_t size;
        e2str_status status;
    } labels[] = {{"", SIZE_MAX, E2STR_ERROR_LABEL},    {"abc", 0, E2STR_ERROR_LABEL},
                  {"aBc", SIZE_MAX, E2STR_ERROR_LABEL}, {"a\xc3", SIZE_MAX, E2STR_ERROR_LABEL},
                  {"a\0b", 3, E2STR_ERROR_LABEL},       {"<image>", SIZE_MAX, E2STR_ERROR_LABEL}};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        id = 77;
        error.message[0] = 0;
        assert_int_equal(e2str_pool_add(pool, f.session, &f.images[0], labels[i].label, labels[i].size, &id, &error),
                         labels[i].status);
        assert_int_equal(id, 0);
        assert_true(error.message[0] != 0);
    }
    /* 64 positions: BOS, <image>, label, end, <image> and one of the answer. */
    memset(label, 'a', 60);
    label[60] = 0;
    assert_int_equal(e2str_pool_add(pool, f.session, &f.images[0], label, SIZE_MAX, &id, &error), E2STR_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "65"));
    assert_non_null(strstr(error.message, "64"));
    e2str_image bad = f.images[0];
    bad.stride = 1;
    assert_int_equal(e2str_pool_add(pool, f.session, &bad, "a", 1, &id, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_add(pool, other.session, &f.images[0], "a", 1, &id, NULL), E2STR_ERROR_MISMATCH);
    assert_int_equal(e2str_pool_add(NULL, f.session, &f.images[0], "a", 1, &id, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_add(pool, NULL, &f.images[0], "a", 1, &id, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_add(pool, f.session, NULL, "a", 1, &id, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_add(pool, f.session, &f.images[0], NULL, 1, &id, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_add(pool, f.session, &f.images[0], "a", 1, NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_count(pool), 0);
    assert_int_equal(add(pool, 0, label + 1), 1); /* 59 fit, and no refused one took an id */
    e2str_pool_free(pool);
}

static void test_byte_cap(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(0, E2STR_STORE_F16);
    add(pool, 0, "abc");
    uint64_t one = e2str_pool_bytes(pool), id;
    e2str_pool_free(pool);
    pool = new_pool(2 * one, E2STR_STORE_F16);
    e2str_error error = {0};
    add(pool, 0, "abc");
    add(pool, 1, "abc");
    assert_int_equal(e2str_pool_add(pool, f.session, &f.images[2], "abc", 3, &id, &error), E2STR_ERROR_FULL);
    assert_int_equal(id, 0);
    char number[32];
    snprintf(number, sizeof number, "%llu", (unsigned long long)one);
    assert_non_null(strstr(error.message, number));
    snprintf(number, sizeof number, "%llu", (unsigned long long)(2 * one));
    assert_non_null(strstr(error.message, number));
    assert_int_equal(e2str_pool_count(pool), 2);
    assert_int_equal(e2str_pool_remove(pool, 1, NULL), E2STR_OK);
    assert_int_equal(add(pool, 2, "abc"), 3);
    e2str_pool_free(pool);
    pool = new_pool(one - 1, E2STR_STORE_F16);
    assert_int_equal(e2str_pool_add(pool, f.session, &f.images[2], "abc", 3, &id, &error), E2STR_ERROR_FULL);
    e2str_pool_free(pool);
}

static void test_null_pools(void **state) {
    (void)state;
    uint64_t id;
    assert_int_equal(e2str_pool_count(NULL), 0);
    assert_int_equal(e2str_pool_bytes(NULL), 0);
    assert_int_equal(e2str_pool_ids(NULL, &id, 1), 0);
    assert_int_equal(e2str_pool_remove(NULL, 1, NULL), E2STR_ERROR_ARGUMENT);
    e2str_pool_clear(NULL);
}

/* --------------------------------------------------------------------------------------------------- examples -- */

/* What add keeps is what e2str_encode gives. */
static void test_stored_values(void **state) {
    (void)state;
    size_t n = (size_t)f.model->visual_tokens * FIXTURE_KEY;
    float *tokens = malloc(n * sizeof *tokens), *buffer = malloc(n * sizeof *buffer), key[FIXTURE_KEY];
    assert_true(tokens && buffer);
    assert_int_equal(e2str_encode(f.session, &f.images[4], 1, tokens, key, NULL), E2STR_OK);
    e2str_pool *half = new_pool(0, E2STR_STORE_F16), *full = new_pool(0, E2STR_STORE_F32);
    add(half, 4, "abc");
    add(full, 4, "abc");
    assert_true(e2str_pool_bytes(half) < e2str_pool_bytes(full));
    const float *kept = e2_example_tokens(f.model, full->examples[0], buffer);
    assert_memory_equal(kept, tokens, n * sizeof *tokens);
    assert_memory_equal(full->examples[0]->key, key, sizeof key);
    assert_memory_equal(half->examples[0]->key, key, sizeof key);
    assert_int_equal((uintptr_t)full->examples[0]->tokens % 64, 0);
    kept = e2_example_tokens(f.model, half->examples[0], buffer);
    for (size_t i = 0; i < n; i++) {
        float expected = e2_f16_to_f32(e2_f32_to_f16(tokens[i]));
        assert_memory_equal(&kept[i], &expected, sizeof expected);
    }
    assert_int_equal(half->examples[0]->n_ids, 3);
    assert_int_equal(half->examples[0]->ids[0], 4);
    assert_int_equal(half->examples[0]->ids[2], 6);
    e2str_pool_free(half);
    e2str_pool_free(full);
    free(tokens);
    free(buffer);
}

static void test_values_that_could_not_be_loaded_again(void **state) {
    (void)state;
    size_t n = (size_t)f.model->visual_tokens * FIXTURE_KEY;
    float *tokens = calloc(n, sizeof *tokens), key[FIXTURE_KEY] = {1};
    uint32_t ids[1] = {4};
    e2_example *example;
    e2_encoded image = {tokens, f.model->visual_tokens, key};
    assert_non_null(tokens);
    tokens[n - 1] = 70000;
    assert_int_equal(e2_example_new(f.model, E2STR_STORE_F16, &image, &(e2_label){"a", 1, ids, 1}, &example, NULL),
                     E2STR_ERROR_LIMIT);
    assert_null(example);
    assert_int_equal(e2_example_new(f.model, E2STR_STORE_F32, &image, &(e2_label){"a", 1, ids, 1}, &example, NULL),
                     E2STR_OK);
    e2_example_release(example);
    tokens[n - 1] = NAN;
    assert_int_equal(e2_example_new(f.model, E2STR_STORE_F16, &image, &(e2_label){"a", 1, ids, 1}, &example, NULL),
                     E2STR_ERROR_LIMIT);
    assert_int_equal(e2_example_new(f.model, E2STR_STORE_F32, &image, &(e2_label){"a", 1, ids, 1}, &example, NULL),
                     E2STR_ERROR_LIMIT);
    tokens[n - 1] = 0;
    key[1] = 0.1f; /* length 1.005 */
    assert_int_equal(e2_example_new(f.model, E2STR_STORE_F32, &image, &(e2_label){"a", 1, ids, 1}, &example, NULL),
                     E2STR_ERROR_LIMIT);
    key[1] = NAN;
    assert_int_equal(e2_example_new(f.model, E2STR_STORE_F32, &image, &(e2_label){"a", 1, ids, 1}, &example, NULL),
                     E2STR_ERROR_LIMIT);
    free(tokens);
}

/* -------------------------------------------------------------------------------------------------- nearest -- */

/* The whole pool sorted: what nearest must be a prefix of. */
static size_t rank_all(const e2str_pool *pool, const float *key, float minimum, ranked *all) {
    size_t n = 0;
    for (size_t i = 0; i < pool->count; i++) {
        float similarity;
        f.model->kernels->similarity(key, pool->examples[i]->key, 1, FIXTURE_KEY, &similarity);
        if (similarity >= minimum) all[n++] = (ranked){pool->examples[i]->id, similarity};
    }
    qsort(all, n, sizeof *all, by_rank);
    return n;
}

#define MANY 300

static void check_nearest(const e2str_pool *pool, const float *key, float minimum) {
    static const size_t ks[] = {0, 1, 2, 3, 7, 64, MANY - 1, MANY, MANY + 50, SIZE_MAX};
    ranked all[MANY];
    uint64_t ids[MANY];
    float similarities[MANY];
    size_t n = rank_all(pool, key, minimum, all), found;
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
        assert_int_equal(e2str_pool_nearest(pool, key, ks[i], minimum, ids, similarities, &found, NULL), E2STR_OK);
        assert_int_equal(found, n < ks[i] ? n : ks[i]);
        for (size_t j = 0; j < found; j++) {
            assert_int_equal(ids[j], all[j].id);
            assert_true(similarities[j] == all[j].similarity);
        }
    }
}

static void test_nearest(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(0, E2STR_STORE_F16);
    uint32_t seed = 1;
    float key[FIXTURE_KEY], twice[FIXTURE_KEY];
    fixture_key(&seed, key);
    check_nearest(pool, key, -1); /* empty */
    fixture_key(&seed, twice);
    for (size_t i = 0; i < MANY; i++) {
        float fresh[FIXTURE_KEY];
        fixture_key(&seed, fresh);
        add_key(pool, i % 5 == 3 ? twice : fresh, 0); /* many ties */
    }
    for (int round = 0; round < 20; round++) {
        check_nearest(pool, round % 4 ? key : twice, -1);
        check_nearest(pool, key, 0.3f);
        check_nearest(pool, key, 1.0f);
        fixture_key(&seed, key);
        uint64_t id = 1 + fixture_random(&seed) % MANY; /* the keys must stay in step with the list */
        (void)e2str_pool_remove(pool, id, NULL);
        (void)e2str_pool_remove(pool, 1 + (uint64_t)round, NULL);
        (void)e2str_pool_remove(pool, MANY - (uint64_t)round, NULL);
    }
    e2str_pool_clear(pool);
    check_nearest(pool, key, -1);
    add_key(pool, twice, 0);
    check_nearest(pool, twice, -1);
    e2str_pool_free(pool);
}

static void test_nearest_of_strange_numbers(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(0, E2STR_STORE_F16);
    float key[FIXTURE_KEY] = {1}, opposite[FIXTURE_KEY] = {-1.0005f}, similarity[2];
    uint64_t ids[2];
    size_t found = 9;
    add_key(pool, opposite, 0);
    /* -1 leaves nothing out, even what rounding put below. */
    assert_int_equal(e2str_pool_nearest(pool, key, 2, -1, ids, similarity, &found, NULL), E2STR_OK);
    assert_int_equal(found, 1);
    assert_true(similarity[0] < -1);
    for (int i = 0; i < 2; i++) {
        key[3] = i ? NAN : INFINITY;
        found = 9;
        assert_int_equal(e2str_pool_nearest(pool, key, 2, -1, ids, similarity, &found, NULL), E2STR_ERROR_ARGUMENT);
        assert_int_equal(found, 0);
    }
    key[3] = 0;
    found = 9;
    static const float no_limits[] = {NAN, E2STR_SIMILARITY_OF_MODEL, 1.01f, INFINITY};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(e2str_pool_nearest(pool, key, 2, no_limits[i], ids, similarity, &found, NULL),
                         E2STR_ERROR_ARGUMENT);
    assert_int_equal(found, 0);
    assert_int_equal(e2str_pool_nearest(NULL, key, 2, -1, ids, similarity, &found, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_nearest(pool, NULL, 2, -1, ids, similarity, &found, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_nearest(pool, key, 2, -1, NULL, similarity, &found, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_nearest(pool, key, 2, -1, ids, NULL, &found, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_nearest(pool, key, 2, -1, ids, similarity, NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_nearest(pool, key, 0, -1, NULL, NULL, &found, NULL), E2STR_OK);
    e2str_pool_free(pool);
}

/* An image in the pool is nearest to itself. */
static void test_nearest_to_an_image(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(0, E2STR_STORE_F16);
    float key[FIXTURE_KEY], similarity[1];
    uint64_t id;
    size_t found;
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) add(pool, i, "abc");
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        assert_int_equal(e2str_encode(f.session, &f.images[i], 1, NULL, key, NULL), E2STR_OK);
        assert_int_equal(e2str_pool_nearest(pool, key, 1, -1, &id, similarity, &found, NULL), E2STR_OK);
        assert_int_equal(found, 1);
        assert_int_equal(id, i + 1);
        assert_true(fabsf(similarity[0] - 1) < 1e-5f);
    }
    e2str_pool_free(pool);
}

/* A chosen example outlives its removal. */
static void test_chosen_examples_stay(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(0, E2STR_STORE_F32);
    uint32_t seed = 3;
    float keys[4][FIXTURE_KEY];
    for (int i = 0; i < 4; i++) {
        fixture_key(&seed, keys[i]);
        add_key(pool, keys[i], (float)i);
    }
    e2_choice choices[4];
    size_t found;
    assert_int_equal(e2_pool_choose(&f.session->compute, pool, keys[2], 2, -1, choices, &found, NULL), E2STR_OK);
    assert_int_equal(found, 2);
    assert_int_equal(choices[0].example->id, 3);
    assert_int_equal(e2str_pool_remove(pool, 3, NULL), E2STR_OK);
    e2str_pool_clear(pool);
    e2str_pool_free(pool);
    assert_int_equal(atomic_load(&choices[0].example->references), 1);
    assert_true(e2_example_tokens(f.model, choices[0].example, NULL)[0] == 2.0f);
    for (size_t i = 0; i < found; i++) e2_choice_release(&choices[i]);
    e2_example_release(NULL);
}

static void test_choosing_ids(void **state) {
    (void)state;
    e2str_pool *pool = new_pool(0, E2STR_STORE_F16);
    uint32_t seed = 3;
    float keys[4][FIXTURE_KEY];
    for (int i = 0; i < 4; i++) {
        fixture_key(&seed, keys[i]);
        add_key(pool, keys[i], 0);
    }
    e2_choice choices[4];
    e2str_error error = {0};
    assert_int_equal(e2_pool_choose_ids(pool, (const uint64_t[]){4, 2, 1, 2}, 4, choices, NULL), E2STR_OK);
    assert_int_equal(choices[0].example->id, 4);
    assert_int_equal(choices[1].example->id, 2);
    assert_int_equal(choices[2].example->id, 1);
    assert_ptr_equal(choices[3].example, choices[1].example);
    assert_int_equal(atomic_load(&choices[1].example->references), 3);
    for (size_t i = 0; i < 4; i++) e2_choice_release(&choices[i]);
    assert_int_equal(e2_pool_choose_ids(pool, (const uint64_t[]){1, 2, 9}, 3, choices, &error), E2STR_ERROR_NOT_FOUND);
    assert_non_null(strstr(error.message, "id 9"));
    for (size_t i = 0; i < 4; i++) assert_int_equal(atomic_load(&pool->examples[i]->references), 1);
    e2str_pool_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_add_and_remove),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_refused_adds),
        cmocka_unit_test(test_byte_cap),
        cmocka_unit_test(test_null_pools),
        cmocka_unit_test(test_stored_values),
        cmocka_unit_test(test_values_that_could_not_be_loaded_again),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_nearest_of_strange_numbers),
        cmocka_unit_test(test_nearest_to_an_image),
        cmocka_unit_test(test_chosen_examples_stay),
        cmocka_unit_test(test_choosing_ids),
    };
    return cmocka_run_group_tests(tests, open_fixtures, close_fixtures);
}
