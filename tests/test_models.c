/* SPDX-License-Identifier: MIT */
/* Models among each other: two opens of one file are one model, other files are not; who multiplies; where the shipped
 * model is; messages about long paths. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "memory_fixture.h"

/* Opens the same file as the fixture's model, with its own session, in `again`. */
static void open_again(fixture *f, fixture *again) {
    assert_int_equal(memory_open(f, (tiny_model_options){0}), 0);
    assert_int_equal(memory_open(again, (tiny_model_options){0}), 0);
    assert_ptr_not_equal(f->model, again->model);
}

static void two_opens_are_one_model(void **state) {
    (void)state;
    fixture a, b;
    open_again(&a, &b);
    static const char *const labels[] = {"abc", "cab", "bca", "aab"};
    e2str_pool *pool = memory_pool(&a), *alone = memory_pool(&a);
    for (size_t i = 0; i < 4; i++) {
        memory_add(i % 2 ? &a : &b, pool, i, labels[i]);
        memory_add(&a, alone, i, labels[i]);
    }
    memory_learn(&b, pool);
    memory_learn(&a, alone);
    e2str_result *expected = memory_result(), *found = memory_result();
    e2str_prompt *prompt;
    e2str_memory *memory;
    const uint64_t ids[] = {2, 1};
    assert_int_equal(e2str_prompt_new(b.session, pool, ids, 2, &prompt, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_memory(pool, &memory, NULL), E2STR_OK);
    e2str_read_options options = memory_options(2, 2);
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        memory_read(&a, i, alone, &options, expected);
        memory_read(&a, i, pool, &options, found);
        assert_same(expected, found);
        memory_read(&b, i, pool, &options, found);
        assert_same(expected, found);
    }
    fixture_close(&b); /* nothing of the pool was its */
    options.prompt = prompt;
    options.memory = memory;
    memory_read(&a, 1, NULL, &options, found);
    options.prompt = NULL;
    options.memory = NULL;
    options.examples = ids;
    options.n_examples = 2;
    memory_read(&a, 1, alone, &options, expected);
    assert_string_equal(e2str_result_text(expected), e2str_result_text(found));
    assert_true(e2str_result_score(expected) == e2str_result_score(found));
    e2str_memory_free(memory);
    e2str_prompt_free(prompt);
    e2str_result_free(found);
    e2str_result_free(expected);
    e2str_pool_free(alone);
    e2str_pool_free(pool);
    fixture_close(&a);
}

/* Every call that takes a session and something of another model. */
static void assert_mismatch(const fixture *a, const fixture *b, const char *words) {
    e2str_pool *pool = memory_pool(a);
    uint64_t id = memory_add(a, pool, 0, "abc");
    e2str_prompt *prompt = NULL;
    e2str_result *result = memory_result();
    e2str_error error;
    assert_int_equal(e2str_pool_add(pool, b->session, &b->images[0], "ab", 2, &id, &error), E2STR_ERROR_MISMATCH);
    assert_non_null(strstr(error.message, words));
    id = 1;
    assert_int_equal(e2str_pool_learn(pool, b->session, NULL, &error), E2STR_ERROR_MISMATCH);
    assert_int_equal(e2str_prompt_new(b->session, pool, &id, 1, &prompt, &error), E2STR_ERROR_MISMATCH);
    assert_null(prompt);
    assert_int_equal(e2str_prompt_new(a->session, pool, &id, 1, &prompt, &error), E2STR_OK);
    e2str_read_options options = memory_options(0, 1);
    assert_int_equal(e2str_read(b->session, b->images, pool, &options, result, &error), E2STR_ERROR_MISMATCH);
    assert_non_null(strstr(error.message, "pool"));
    options.prompt = prompt;
    assert_int_equal(e2str_read(b->session, b->images, NULL, &options, result, &error), E2STR_ERROR_MISMATCH);
    assert_non_null(strstr(error.message, "prompt"));
    e2str_prompt_free(prompt);
    e2str_result_free(result);
    e2str_pool_free(pool);
}

static void other_models_are_not(void **state) {
    (void)state;
    fixture a, b;
    assert_int_equal(memory_open(&a, (tiny_model_options){0}), 0);
    assert_int_equal(memory_open(&b, (tiny_model_options){.seed = 4}), 0); /* another file of the same size */
    assert_int_equal(a.model->gguf.size, b.model->gguf.size);
    assert_mismatch(&a, &b, "different models");
    fixture_close(&b);
    fixture_close(&a);
}

/* The same file in another precision gives other bits: what a pool keeps of its reads would depend on who came first.
 */
static void nor_is_another_precision(void **state) {
    (void)state;
    fixture a, b;
    open_again(&a, &b);
    e2str_session_free(b.session);
    e2str_model_close(b.model);
    e2str_model_options options;
    e2str_model_options_init(&options);
    options.precision = E2STR_PRECISION_BF16;
    size_t size;
    uint8_t *file = tiny_model_build(&(tiny_model_options){.memory = true}, &size);
    assert_int_equal(e2str_model_open_memory(file, size, &options, &b.model, NULL), E2STR_OK);
    assert_int_equal(e2str_session_new(b.model, NULL, &b.session, NULL), E2STR_OK);
    assert_mismatch(&a, &b, "precision");
    fixture_close(&b);
    fixture_close(&a);
    free(file);
}

static void results_of_a_batch_are_different_ones(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){0}), 0);
    e2str_result *results[3] = {memory_result(), memory_result(), NULL};
    results[2] = results[0];
    e2str_error error;
    assert_int_equal(e2str_read_batch(f.session, f.images, 3, NULL, NULL, results, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "image 0"));
    assert_non_null(strstr(error.message, "image 2"));
    assert_string_equal(e2str_result_text(results[0]), "");
    assert_int_equal(e2str_read_batch(f.session, f.images, 2, NULL, NULL, results, &error), E2STR_OK);
    e2str_result_free(results[0]);
    e2str_result_free(results[1]);
    fixture_close(&f);
}

/* OpenBLAS and our kernels in f32 read the same, with a pool and what it learnt. */
static void either_multiplies(void **state) {
    (void)state;
    size_t size;
    uint8_t *file = tiny_model_build(&(tiny_model_options){.memory = true}, &size);
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){0}), 0);
    e2str_result *results[2] = {memory_result(), memory_result()}, *plain[2] = {memory_result(), memory_result()};
    e2str_model_options options;
    e2str_model_options_init(&options);
    options.precision = E2STR_PRECISION_F32;
    for (int i = 0; i < 2; i++) {
        e2str_error error;
        fixture g = f;
        options.products = i ? E2STR_PRODUCTS_OPENBLAS : E2STR_PRODUCTS_OWN;
        e2str_status status = e2str_model_open_memory(file, size, &options, &g.model, &error);
#ifndef E2_BLAS
        if (i) {
            assert_int_equal(status, E2STR_ERROR_UNSUPPORTED);
            assert_non_null(strstr(error.message, "BLAS=none"));
            for (int j = 0; j < 2; j++) e2str_result_free(results[j]), e2str_result_free(plain[j]);
            fixture_close(&f);
            free(file);
            skip();
        }
#endif
        if (status) fail_msg("%s", error.message);
        assert_int_equal(g.model->blas, i);
        assert_int_equal(e2str_session_new(g.model, NULL, &g.session, NULL), E2STR_OK);
        e2str_pool *pool = memory_pool(&g);
        for (size_t j = 0; j < 4; j++) memory_add(&g, pool, j, "abca");
        memory_learn(&g, pool);
        e2str_read_options read = memory_options(2, 1);
        memory_read(&g, 5, pool, &read, results[i]);
        read.memory_factor = 0.0f;
        memory_read(&g, 5, pool, &read, plain[i]);
        e2str_pool_free(pool);
        e2str_session_free(g.session);
        e2str_model_close(g.model);
    }
    assert_string_equal(e2str_result_text(plain[0]), e2str_result_text(plain[1]));
    assert_true(fabsf(e2str_result_score(plain[0]) - e2str_result_score(plain[1])) < 1e-5f);
    assert_string_equal(e2str_result_text(results[0]), e2str_result_text(results[1]));
    /* Learning ends within a gap of the best: how it got there shows. */
    assert_true(fabsf(e2str_result_score(results[0]) - e2str_result_score(results[1])) < 0.02f);
    options.products = (e2str_products)3;
    e2str_model *model;
    assert_int_equal(e2str_model_open_memory(file, size, &options, &model, NULL), E2STR_ERROR_ARGUMENT);
    for (int j = 0; j < 2; j++) e2str_result_free(results[j]), e2str_result_free(plain[j]);
    fixture_close(&f);
    free(file);
}

static void the_environment_names_the_model(void **state) {
    (void)state;
    char path[4096];
    e2str_error error;
    const char *given = getenv("E2STR_MODEL");
    char *before = given ? strdup(given) : NULL;
    setenv("E2STR_MODEL", "/nowhere/model.gguf", 1);
    assert_int_equal(e2str_default_model_path(path, sizeof path, &error), E2STR_OK);
    assert_string_equal(path, "/nowhere/model.gguf");
    assert_int_equal(e2str_default_model_path(path, 19, &error), E2STR_ERROR_LIMIT);
    assert_int_equal(e2str_default_model_path(path, 20, &error), E2STR_OK);
    assert_int_equal(e2str_default_model_path(NULL, 20, &error), E2STR_ERROR_ARGUMENT);
    setenv("E2STR_MODEL", "", 1);
    if (e2str_default_model_path(path, sizeof path, &error)) {
        assert_string_equal(path, "");
        assert_non_null(strstr(error.message, "e2str-small.gguf"));
    } else {
        assert_non_null(strstr(path, "/e2str-small.gguf"));
    }
    if (before)
        setenv("E2STR_MODEL", before, 1);
    else
        unsetenv("E2STR_MODEL");
    free(before);
}

/* Of a path too long for a message its begin and its end are told, and the reason whole. */
static void long_paths_leave_the_reason(void **state) {
    (void)state;
    static const char reason[] = "No such file or directory", end[] = "/\xc3\xa4/the-end";
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){0}), 0);
    char path[3000] = "/no/such/folder";
    for (size_t i = strlen(path); i < 2900; i++) path[i] = i % 100 ? 'x' : '/';
    strcpy(path + 2900, end);
    e2str_error error;
    e2str_model *model;
    e2str_pool *pool = memory_pool(&f);
    e2str_image image = {0};
    for (int call = 0; call < 4; call++) {
        e2str_pool *loaded;
        memset(&error, 'x', sizeof error);
        e2str_status status = call == 0   ? e2str_model_open(path, NULL, &model, &error)
                              : call == 1 ? e2str_image_load(path, NULL, &image, &error)
                              : call == 2 ? e2str_pool_load(f.model, path, NULL, &loaded, &error)
                                          : e2str_pool_save(pool, path, &error);
        assert_int_equal(status, E2STR_ERROR_IO);
        size_t size = strlen(error.message);
        assert_true(size < sizeof error.message);
        assert_string_equal(error.message + size - strlen(reason), reason);
        assert_non_null(strstr(error.message, "the-end: "));
        assert_memory_equal(error.message, path, strlen("/no/such/folder"));
    }
    e2str_pool_free(pool);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_opens_are_one_model),     cmocka_unit_test(other_models_are_not),
        cmocka_unit_test(nor_is_another_precision),    cmocka_unit_test(results_of_a_batch_are_different_ones),
        cmocka_unit_test(either_multiplies),           cmocka_unit_test(the_environment_names_the_model),
        cmocka_unit_test(long_paths_leave_the_reason),
    };
    return cmocka_run_group_tests_name("models", tests, NULL, NULL);
}
