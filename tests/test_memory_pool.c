/* SPDX-License-Identifier: MIT */
/* Learning from a pool: the same bits however it is done, forgotten with its examples, reported, and what it refuses.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "memory_fixture.h"
#include "trace.h"
#include "unicode.h"

#define EURO "\xe2\x82\xac"

static char directory[64], path[96];

static int make_directory(void **state) {
    (void)state;
    strcpy(directory, "/tmp/e2str-test-XXXXXX");
    if (!mkdtemp(directory)) return 1;
    snprintf(path, sizeof path, "%s/pool.gguf", directory);
    return 0;
}

static int remove_directory(void **state) {
    (void)state;
    remove(path);
    return rmdir(directory);
}

/* The bytes of the pool's file: all of a memory is in it. */
static uint8_t *saved(const e2str_pool *pool, size_t *size) {
    e2str_error error = {""};
    if (e2str_pool_overwrite(pool, path, &error)) /* of several pools, in turn */
        fail_msg("%s", error.message);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    uint8_t *data = tiny_checked(malloc(1 << 22));
    *size = fread(data, 1, 1 << 22, file);
    fclose(file);
    assert_in_range(*size, 1, (1 << 22) - 1);
    return data;
}

static void assert_same_file(const e2str_pool *a, const e2str_pool *b) {
    size_t sizes[2];
    uint8_t *files[2] = {saved(a, &sizes[0]), saved(b, &sizes[1])};
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(files[0], files[1], sizes[0]);
    free(files[0]);
    free(files[1]);
}

static const char *const words[] = {"one", "Two", "3three", "x4", "fIVe", "66", "7s", "eight8"};

static void add_words(const fixture *f, e2str_pool *pool, size_t n) {
    for (size_t i = 0; i < n; i++) memory_add(f, pool, i, words[i % 8]);
}

/* ------------------------------------------------------------------------------------------------ determinism -- */

/* Large enough that products are shared by the threads. */
static void threads_change_no_bit(void **state) {
    (void)state;
    static const tiny_model_options models[] = {{.seed = 11}, {.seed = 12, .decoder_width = 128, .bpe = true}};
    for (size_t m = 0; m < 2; m++) {
        fixture f;
        assert_int_equal(memory_open(&f, models[m]), 0);
        e2str_pool *pools[3];
        for (uint32_t i = 0; i < 3; i++) {
            e2str_session *session;
            e2str_session_options with;
            e2str_session_options_init(&with);
            with.threads = i + 1;
            assert_int_equal(e2str_session_new(f.model, &with, &session, NULL), E2STR_OK);
            pools[i] = memory_pool(&f);
            for (size_t j = 0; j < (m ? 40 : 60); j++) memory_add(&f, pools[i], j, words[j % 7]);
            assert_int_equal(e2str_pool_learn(pools[i], session, NULL, NULL), E2STR_OK);
            assert_non_null(pools[i]->memory);
            e2str_session_free(session);
        }
        assert_same_file(pools[0], pools[1]);
        assert_same_file(pools[0], pools[2]);
        for (size_t i = 0; i < 3; i++) e2str_pool_free(pools[i]);
        fixture_close(&f);
    }
}

/* What was added and removed, read and learnt before leaves no trace. */
static void the_past_leaves_no_trace(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 13}), 0);
    e2str_pool *plain = memory_pool(&f), *eventful = memory_pool(&f);
    memory_add(&f, plain, 15, "gone"); /* id 1 in both */
    add_words(&f, plain, 10);
    assert_int_equal(e2str_pool_remove(plain, 1, NULL), E2STR_OK);

    uint64_t first = memory_add(&f, eventful, 9, EURO "unlike");
    add_words(&f, eventful, 5);
    assert_int_equal(e2str_pool_learn(eventful, f.session, NULL, NULL), E2STR_OK);
    e2str_result *result = memory_result();
    e2str_read_options options = memory_options(2, 2);
    for (size_t i = 0; i < 4; i++) memory_read(&f, i, eventful, &options, result); /* fills the cache of projections */
    for (size_t i = 5; i < 10; i++) memory_add(&f, eventful, i, words[i % 8]);
    assert_int_equal(e2str_pool_remove(eventful, first, NULL), E2STR_OK);
    memory_learn(&f, eventful);

    assert_int_equal(e2str_pool_learn(plain, f.session, NULL, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_learn(eventful, f.session, NULL, NULL), E2STR_OK);
    assert_same_file(plain, eventful);
    assert_int_equal(e2str_pool_learn(plain, f.session, NULL, NULL), E2STR_OK); /* once more */
    assert_same_file(plain, eventful);
    e2str_pool_forget(plain);
    e2str_pool_forget(eventful);
    assert_same_file(plain, eventful);
    e2str_result_free(result);
    e2str_pool_free(plain);
    e2str_pool_free(eventful);
    fixture_close(&f);
}

/* -------------------------------------------------------------------------------------------------- forgetting -- */

static void removing_forgets(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 14}), 0);
    e2str_pool *pool = memory_pool(&f);
    add_words(&f, pool, 4);
    assert_false(has_learnt(pool));
    memory_learn(&f, pool);
    assert_true(has_learnt(pool));
    uint64_t later = memory_add(&f, pool, 5, "later");
    float doubt;
    assert_int_equal(e2str_pool_doubt(pool, 4, &doubt, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_doubt(pool, later, &doubt, NULL), E2STR_ERROR_NOT_FOUND);
    assert_int_equal(e2str_pool_remove(pool, later, NULL), E2STR_OK);
    assert_true(has_learnt(pool)); /* it was not learnt from */
    assert_int_equal(e2str_pool_remove(pool, 99, NULL), E2STR_ERROR_NOT_FOUND);
    assert_true(has_learnt(pool));
    for (uint64_t id = 4; id >= 3; id--) {
        assert_int_equal(e2str_pool_remove(pool, id, NULL), E2STR_OK);
        assert_false(has_learnt(pool));
        assert_int_equal(e2str_pool_doubt(pool, 1, &doubt, NULL), E2STR_ERROR_NOT_FOUND);
        memory_learn(&f, pool);
        assert_true(has_learnt(pool));
    }
    e2str_pool_clear(pool);
    assert_false(has_learnt(pool));
    memory_learn(&f, pool); /* nothing to learn from */
    assert_false(has_learnt(pool));
    memory_add(&f, pool, 0, "a");
    memory_learn(&f, pool);
    assert_true(has_learnt(pool));
    for (size_t i = 0; i < 2; i++) {
        e2str_pool_forget(pool);
        assert_false(has_learnt(pool));
    }
    memory_learn(&f, pool);
    assert_int_equal(e2str_pool_remove(pool, e2str_pool_count(pool) ? 6 : 0, NULL), E2STR_OK);
    memory_learn(&f, pool); /* an empty pool forgets */
    assert_false(has_learnt(pool));
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* Learning ends after one of its examples was removed, one that it left out as doubtful: the memory must not come. */
static void a_memory_of_a_removed_example_does_not_come(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 14}), 0);
    for (uint64_t gone = 1; gone <= 3; gone++) {
        e2str_pool *pool = memory_pool(&f);
        add_words(&f, pool, 3);
        e2_memory_counts counts = {.columns = 1, .steps = 1, .verdicts = 3};
        e2str_memory *memory = e2_memory_new(f.model, counts);
        assert_non_null(memory);
        memory->steps[0].example = 2; /* the others were left out */
        for (uint32_t i = 0; i < 3; i++) memory->verdicts[i].example = i + 1;
        assert_int_equal(e2str_pool_remove(pool, gone, NULL), E2STR_OK);
        e2_pool_remember(pool, memory, 3);
        assert_false(has_learnt(pool));
        e2str_pool_free(pool);
    }
    fixture_close(&f);
}

/* A reader's memory stays as it was, whatever happens to the pool. */
static void a_memory_outlives_its_pool(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 15}), 0);
    e2str_pool *pool = memory_pool(&f);
    add_words(&f, pool, 4);
    memory_learn(&f, pool);
    e2str_result *expected = memory_result(), *result = memory_result();
    e2str_read_options options = memory_options(0, 2);
    memory_read(&f, 9, pool, &options, expected);
    e2str_memory *memory;
    assert_int_equal(e2str_pool_memory(pool, &memory, NULL), E2STR_OK);
    options.memory = memory;
    for (int event = 0; event < 5; event++) {
        if (event == 1) memory_add(&f, pool, 9, "zzzz"), memory_learn(&f, pool);
        if (event == 2) assert_int_equal(e2str_pool_remove(pool, 1, NULL), E2STR_OK);
        if (event == 3) e2str_pool_clear(pool);
        if (event == 4) e2str_pool_free(pool), pool = NULL;
        memory_read(&f, 9, pool, &options, result);
        assert_same(expected, result);
    }
    e2str_memory_free(memory);
    e2str_result_free(expected);
    e2str_result_free(result);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------ the report -- */

static void reports_add_up(void **state) {
    (void)state;
    for (size_t n = 1; n <= 24; n += n < 10 ? 3 : 7)
        for (uint32_t bpe = 0; bpe < 2; bpe++) {
            fixture f;
            assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 16, .bpe = bpe}), 0);
            e2str_pool *pool = memory_pool(&f);
            /* Bytes of an earlier read, where what learning does not set would show. */
            e2_arena_mark mark = e2_arena_begin(&f.session->arena);
            memset(e2_arena_alloc(&f.session->arena, 1 << 19, 1), 0xA5, 1 << 19);
            e2_arena_release(&f.session->arena, mark);
            for (size_t i = 0; i < n; i++) memory_add(&f, pool, i, words[i % 3]);
            assert_int_equal(e2str_pool_learn(pool, f.session, NULL, NULL), E2STR_OK);
            e2str_memory_report r;
            e2str_memory_report_init(&r);
            assert_int_equal(e2str_pool_report(pool, &r, NULL), E2STR_OK);
            const e2_memory_counts *counts = &pool->memory->counts;
            assert_int_equal(r.examples + r.doubtful, n);
            assert_int_equal(r.characters, counts->steps);
            assert_int_equal(r.tokens + r.new_characters, counts->columns);
            assert_int_equal(r.silent, counts->silent);
            assert_int_equal(r.checked, n < 8 ? 0 : r.examples);
            assert_true(r.strength == 1.0f); /* of fewer than 30 nothing speaks against it */
            assert_true(r.right_with <= r.checked && r.right_without <= r.checked);
            assert_true(r.strength == pool->memory->strength);
            for (uint64_t id = 1; id <= n; id++) {
                float doubt = -1.0f;
                assert_int_equal(e2str_pool_doubt(pool, id, &doubt, NULL), E2STR_OK);
                assert_true(doubt >= 0.0f && doubt <= 1.0f);
            }
            e2str_memory_report older = {.size = offsetof(e2str_memory_report, tokens), .tokens = 77};
            assert_int_equal(e2str_pool_report(pool, &older, NULL), E2STR_OK); /* of a caller with a shorter header */
            assert_true(older.characters == r.characters && older.tokens == 77);
            e2str_pool_free(pool);
            fixture_close(&f);
        }
}

/* Labels that say what the model reads are right without a memory: with BPE, too. */
static void what_the_model_reads_is_counted_as_right(void **state) {
    (void)state;
    for (uint32_t bpe = 0; bpe < 2; bpe++) {
        size_t n = 0, right = 0;
        for (uint64_t seed = 40; right == 0; seed++) { /* a model that ends its readings */
            fixture f;
            assert_true(seed < 80);
            assert_int_equal(memory_open(&f, (tiny_model_options){.seed = seed, .bpe = bpe, .alphabet = "abc10"}), 0);
            e2str_pool *pool = memory_pool(&f);
            e2str_result *result = memory_result();
            e2str_read_options options = memory_options(0, 1);
            options.max_tokens = 64;
            for (size_t i = n = 0; i < FIXTURE_IMAGES; i++) {
                const uint32_t *tokens;
                memory_read(&f, i, NULL, &options, result);
                if (e2str_result_truncated(result) || !e2str_result_tokens(result, &tokens)) continue;
                memory_add(&f, pool, i, e2str_result_text(result));
                const e2_example *example = pool->examples[pool->count - 1];
                right += is_whole(result) && result->tokens.count == example->n_ids &&
                         !memcmp(tokens, example->ids, example->n_ids * sizeof *tokens);
                n++;
            }
            if (n < 8) right = 0;
            if (right) {
                memory_learn(&f, pool);
                assert_int_equal(pool->memory->report.checked, n);
                assert_int_equal(pool->memory->report.right_without, right);
            }
            e2str_result_free(result);
            e2str_pool_free(pool);
            fixture_close(&f);
        }
    }
}

/* ------------------------------------------------------------------------------------------------------ safety -- */

/* Learns from one picture's labels and reads all of them with it. */
static void use(const fixture *f, e2str_pool *pool) {
    e2str_result *result = memory_result();
    memory_learn(f, pool);
    for (uint32_t k = 0; k < 3; k++) {
        e2str_read_options options = memory_options(k, 1 + k);
        options.max_tokens = 1000;
        memory_read(f, k, pool, &options, result);
        assert_true(isfinite(e2str_result_score(result)));
    }
    e2str_result_free(result);
}

static void labels_at_the_limit(void **state) {
    (void)state;
    for (uint32_t stride = 0; stride <= 20; stride += 20) {
        fixture f;
        assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 18, .segment_stride = stride}), 0);
        e2str_pool *pool = memory_pool(&f);
        char label[200];
        size_t most = stride ? stride - 3 : 64 - 5, n = 0;
        for (size_t i = 0; i < most; i++) n += e2_utf8_put(i % 3 ? 0x20AC : 'a', label + n);
        label[n] = 0;
        memory_add(&f, pool, 0, label);
        assert_int_equal(pool->examples[0]->n_ids, most);
        use(&f, pool);
        assert_int_equal(pool->memory->counts.steps, most + 1);
        memory_add(&f, pool, 1, "a");
        memory_add(&f, pool, 2, "b");
        e2str_memory *memory;
        memory_learn(&f, pool);
        assert_int_equal(e2str_pool_memory(pool, &memory, NULL), E2STR_OK);
        e2str_memory_free(memory);
        e2str_pool_free(pool);
        fixture_close(&f);
    }
}

static void small_pools(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 19}), 0);
    e2str_pool *pool = memory_pool(&f);
    e2str_memory *memory;
    assert_int_equal(e2str_pool_learn(pool, f.session, NULL, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_memory(pool, &memory, NULL), E2STR_ERROR_NOT_FOUND);
    memory_add(&f, pool, 0, "a");
    use(&f, pool);
    assert_int_equal(pool->memory->counts.steps, 2);
    for (size_t i = 0; i < 12; i++) memory_add(&f, pool, 0, "a"); /* the same, over and over */
    use(&f, pool);
    assert_int_equal(pool->memory->report.right_with, 13);
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* Labels that say nothing of their pictures: all may be left out, and what is left is still a memory. */
static void nothing_but_doubt(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 20}), 0);
    e2str_pool *pool = memory_pool(&f);
    for (size_t i = 0; i < 16; i++) {
        char label[9] = {0};
        for (size_t j = 0; j < 8; j++) label[j] = (char)('A' + (i * 31 + j * 7) % 26);
        memory_add(&f, pool, i, label);
    }
    assert_int_equal(e2str_pool_learn(pool, f.session, NULL, NULL), E2STR_OK);
    e2str_memory_report report;
    e2str_memory_report_init(&report);
    assert_int_equal(e2str_pool_report(pool, &report, NULL), E2STR_OK);
    assert_true(report.doubtful > 0 && report.examples + report.doubtful == 16);
    e2str_result *result = memory_result();
    e2str_read_options options = memory_options(2, 1);
    memory_read(&f, 3, pool, &options, result);
    e2str_pool *loaded;
    size_t size;
    free(saved(pool, &size));
    assert_int_equal(e2str_pool_load(f.model, path, NULL, &loaded, NULL), E2STR_OK);
    assert_same_file(pool, loaded);
    e2str_result_free(result);
    e2str_pool_free(loaded);
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* A number of one tensor is changed in the model's file. */
static e2str_status open_changed(fixture *f, const tiny_model_options *options, const char *tensor, float value,
                                 e2str_error *error) {
    size_t size;
    e2_gguf gguf;
    *f = (fixture){.file = tiny_model_build(options, &size)};
    assert_int_equal(e2_gguf_open_memory(f->file, size, &gguf, NULL), E2STR_OK);
    const e2_tensor *found = e2_gguf_tensor(&gguf, tensor);
    assert_true(found && found->type == E2_F32);
    memcpy(f->file + ((const uint8_t *)found->data - f->file), &value, sizeof value);
    e2_gguf_close(&gguf);
    fixture pictures;
    assert_int_equal(fixture_open(&pictures, options), 0);
    memcpy(f->pixels, pictures.pixels, sizeof f->pixels);
    memcpy(f->images, pictures.images, sizeof f->images);
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) f->images[i].pixels = f->pixels[i];
    fixture_close(&pictures);
    e2str_status status = e2str_model_open_memory(f->file, size, NULL, &f->model, error);
    return status ? status : e2str_session_new(f->model, NULL, &f->session, error);
}

/* Numbers that are none: whoever meets them first says so, and no memory is made of them. */
static void broken_models_teach_nothing(void **state) {
    (void)state;
    static const char *const tensors[] = {"memory.whitening",
                                          "memory.key_whitening",
                                          "memory.key_mean",
                                          "decoder.norm.weight",
                                          "decoder.blk.1.cross.attn_query.weight",
                                          "decoder.tokens",
                                          "decoder.blk.0.ffn_down.bias"};
    static const float values[] = {NAN, INFINITY, 3e38f};
    const tiny_model_options options = {.seed = 22, .memory = true};
    for (size_t t = 0; t < sizeof tensors / sizeof *tensors; t++)
        for (size_t v = 0; v < 3; v++) {
            fixture f;
            e2str_error error = {""};
            e2str_pool *pool = NULL;
            e2str_status status = open_changed(&f, &options, tensors[t], values[v], &error);
            if (!status) status = e2str_pool_new(f.model, NULL, &pool, &error);
            for (size_t i = 0; !status && i < 9; i++) {
                uint64_t id;
                status = e2str_pool_add(pool, f.session, &f.images[i], words[i % 8], SIZE_MAX, &id, &error);
            }
            e2str_learn_options keep;
            e2str_learn_options_init(&keep);
            keep.keep_doubtful = 1;
            if (!status) status = e2str_pool_learn(pool, f.session, &keep, &error);
            if (!status) { /* large, but not too large for it: then it is a memory like any other */
                size_t size;
                e2str_pool *loaded = NULL;
                if (v != 2 || !has_learnt(pool)) fail_msg("%s %g teaches", tensors[t], (double)values[v]);
                free(saved(pool, &size));
                if (e2str_pool_load(f.model, path, NULL, &loaded, &error))
                    fail_msg("%s: %s", tensors[t], error.message);
                e2str_pool_free(loaded);
            } else if ((status != E2STR_ERROR_LIMIT && status != E2STR_ERROR_FORMAT) || !error.message[0]) {
                fail_msg("%s %g: %s: %s", tensors[t], (double)values[v], e2str_status_name(status), error.message);
            } else {
                assert_false(pool && has_learnt(pool));
            }
            e2str_pool_free(pool);
            fixture_close(&f);
        }
}

/* Scratch does not grow with the examples: one group's is given back before the next. */
static void learning_needs_no_more_scratch_for_more_groups(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.seed = 23, .image_width = 512}), 0);
    size_t group = E2_BATCH_ROWS / f.model->visual_tokens, n, bytes[2];
    uint64_t last;
    e2str_pool *pool = memory_pool(&f);
    for (size_t i = 0; i < 12 * group; i++) memory_add(&f, pool, i, "ab");
    e2_choice *all;
    assert_int_equal(e2_pool_choose_all(pool, &all, &n, &last, NULL), E2STR_OK);
    e2_path_step steps[2] = {{4, 0}, {2, 1}};
    e2_path *paths = tiny_checked(malloc(n * sizeof *paths));
    const e2_reading **readings = tiny_checked(malloc(n * sizeof *readings));
    uint16_t *features = tiny_checked(malloc(2 * n * f.model->memory.features * sizeof *features));
    for (size_t i = 0; i < n; i++) paths[i] = (e2_path){steps, 2};
    for (size_t i = 0; i < 2; i++) {
        e2_arena arena = {0};
        e2_compute compute = {.model = f.model, .kernels = f.model->kernels, .arena = &arena};
        assert_int_equal(e2_trace_features(&compute, NULL, all, i ? n : group, paths, features, NULL), E2STR_OK);
        assert_int_equal(e2_trace_read(&compute, NULL, all, i ? n : group, readings, NULL), E2STR_OK);
        bytes[i] = e2_arena_bytes(&arena);
        e2_arena_free(&arena);
    }
    assert_in_range(bytes[1], bytes[0], bytes[0] + n * 64 * sizeof(uint32_t));
    for (size_t i = 0; i < n; i++) e2_choice_release(&all[i]);
    free(all);
    free(paths);
    free(readings);
    free(features);
    e2str_pool_free(pool);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(the_past_leaves_no_trace),
        cmocka_unit_test(removing_forgets),
        cmocka_unit_test(a_memory_of_a_removed_example_does_not_come),
        cmocka_unit_test(a_memory_outlives_its_pool),
        cmocka_unit_test(reports_add_up),
        cmocka_unit_test(what_the_model_reads_is_counted_as_right),
        cmocka_unit_test(labels_at_the_limit),
        cmocka_unit_test(small_pools),
        cmocka_unit_test(nothing_but_doubt),
        cmocka_unit_test(broken_models_teach_nothing),
        cmocka_unit_test(learning_needs_no_more_scratch_for_more_groups),
    };
    return cmocka_run_group_tests_name("memory_pool", tests, make_directory, remove_directory);
}
