/* SPDX-License-Identifier: MIT */
/* Bounds that no file of ordinary size reaches: work and memory per image, numbers that are none, most entries, tokens
 * and ids, and what the JPEG library may take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <jpeglib.h>

#include "pool_fixture.h"

/* ------------------------------------------------------------------------------------------------------- work -- */

static e2str_status open_with(const tiny_model_options *tiny, const e2str_model_options *options, e2str_error *error) {
    size_t size;
    e2str_model *model;
    uint8_t *file = tiny_model_build(tiny, &size);
    e2str_status status = e2str_model_open_memory(file, size, options, &model, error);
    assert_true(!status == (model != NULL));
    e2str_model_close(model);
    free(file);
    return status;
}

/* Small files that ask for much: 16,384 patches, a large image in large patches, a long decoder. */
static void work_is_known_before_it_is_begun(void **state) {
    (void)state;
    static const tiny_model_options much[] = {
        {.image_width = 2048, .image_height = 1024, .vision_width = 32, .vision_layers = 12},
        {.image_width = 4096, .image_height = 4096, .patch_width = 512, .patch_height = 512, .vision_width = 2},
    };
    static const char *const words[] = {"reading an image takes", "reading images takes memory"};
    e2str_model_options options;
    for (size_t i = 0; i < sizeof much / sizeof *much; i++) {
        e2str_error error = {0};
        assert_int_equal(open_with(&much[i], NULL, &error), E2STR_ERROR_LIMIT);
        if (!strstr(error.message, words[i]) || !strstr(error.message, "max_operations")) fail_msg("%s", error.message);
        e2str_model_options_init(&options);
        options.max_operations *= 64;
        assert_int_equal(open_with(&much[i], &options, &error), E2STR_OK);
    }
}

/* The estimate itself, for one model worked out by hand: 32 patches of 128 x 3 pixels and width 16, a block with 32. */
static void work_is_counted(void **state) {
    (void)state;
    const double vision = 32 * 16 * 384 + 32 * (4 * 16 * 16 + 2 * 16 * 32) + 2 * 32 * 32 * 16;
    const double media = 2 * 32 * 16 * 2 * 16; /* two cross-attentions of 2 heads of 8 */
    const double block = 4 * 16 * 16 + 2 * 16 * 32 + 2 * 50 * 16, cross = 2 * 16 * 16 + 2 * 16 * 32 + 2 * 32 * 16;
    const double operations = vision + media + 48 * (2 * block + 2 * cross + 16 * 66);
    e2str_model_options options;
    e2str_error error;
    fixture f;
    assert_int_equal(fixture_open(&f, NULL), 0);
    assert_int_equal(e2_model_check_work(f.model, UINT64_MAX, &error), E2STR_OK);
    assert_int_equal(e2_model_check_work(f.model, (uint64_t)operations - 1, &error), E2STR_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "reading an image"));
    assert_int_equal(e2_model_check_work(f.model, (uint64_t)operations, &error), E2STR_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "memory for"));
    e2str_model_options_init(&options);
    assert_true(options.max_operations == E2STR_MAX_OPERATIONS);
    options.max_operations = 0;
    assert_int_equal(open_with(NULL, &options, &error), E2STR_ERROR_LIMIT);
    fixture_close(&f);
}

/* ----------------------------------------------------------------------------------- numbers that are none, later --
 */

/* The weights are finite, what comes of them is not. */
static void overflow_is_reported(void **state) {
    (void)state;
    static const struct {
        const char *tensors[2];
        bool encodes;
    } cases[] = {{{"vision.blk.0.attn_out.bias", "vision.blk.0.ffn_down.bias"}, false},
                 {{"decoder.norm.weight", "decoder.norm.bias"}, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (uint32_t beams = 1; beams <= 3; beams += 2) {
            fixture f;
            e2str_model *model;
            e2str_session *session;
            e2str_result *result;
            e2str_pool *pool;
            e2str_error error = {0};
            assert_int_equal(fixture_open(&f, NULL), 0);
            for (size_t t = 0; t < 2; t++) {
                const e2_tensor *tensor = e2_gguf_tensor(&f.model->gguf, cases[i].tensors[t]);
                float *at = (float *)(void *)(f.file + ((const uint8_t *)tensor->data - f.file));
                for (size_t j = 0; j < tensor->elements; j++) at[j] = j % 2 ? 3e38f : -3e38f;
            }
            assert_int_equal(e2str_model_open_memory(f.file, f.model->gguf.size, NULL, &model, NULL), E2STR_OK);
            assert_int_equal(e2str_session_new(model, NULL, &session, NULL), E2STR_OK);
            assert_int_equal(e2str_result_new(&result, NULL), E2STR_OK);
            assert_int_equal(e2str_pool_new(model, NULL, &pool, NULL), E2STR_OK);
            e2str_read_options options;
            e2str_read_options_init(&options);
            options.beams = beams;
            assert_int_equal(e2str_read(session, &f.images[0], NULL, &options, result, &error), E2STR_ERROR_LIMIT);
            assert_non_null(strstr(error.message, "not finite"));
            assert_int_equal(e2str_result_text_size(result), 0);
            assert_true(e2str_result_score(result) == 0.0f);
            float key[FIXTURE_KEY];
            uint64_t id;
            e2str_status expected = cases[i].encodes ? E2STR_OK : E2STR_ERROR_LIMIT;
            assert_int_equal(e2str_encode(session, &f.images[0], 1, NULL, key, &error), expected);
            assert_int_equal(e2str_pool_add(pool, session, &f.images[0], "a", 1, &id, &error), expected);
            e2str_pool_free(pool);
            e2str_result_free(result);
            e2str_session_free(session);
            e2str_model_close(model);
            fixture_close(&f);
        }
}

/* ----------------------------------------------------------------------------------------------------- counts -- */

/* A header before nothing but zeros, of which the kernel needs no page until they are looked at. */
static void most_entries(void **state) {
    (void)state;
    enum { MOST = 1 << 24 };
    const size_t size = 24 + (size_t)36 * (MOST + 1);
    uint8_t *file = calloc(size, 1);
    assert_non_null(file);
    for (int tensors = 0; tensors < 2; tensors++) {
        e2_gguf gguf;
        e2str_error error;
        uint64_t counts[2] = {tensors ? MOST + 1 : 0, tensors ? 0 : MOST + 1};
        memcpy(file, "GGUF\3\0\0\0", 8);
        memcpy(file + 8, counts, sizeof counts);
        assert_int_equal(e2_gguf_open_memory(file, size, &gguf, &error), E2STR_ERROR_LIMIT);
        assert_non_null(strstr(error.message, "more than 16777216"));
    }
    free(file);
}

static void collect(uint8_t **data, size_t *size, e2_gguf_writer *writer) {
    tiny_builder b = {.writer = writer};
    assert_int_equal(e2_gguf_writer_finish(writer, tiny_sink, &b, NULL), E2STR_OK);
    *data = b.file;
    *size = b.size;
}

static void open_vocabulary(const e2_string *tokens, size_t count, const uint32_t *specials, size_t n_specials,
                            const char *words) {
    e2_gguf_writer *writer = e2_gguf_writer_new();
    e2_gguf gguf;
    e2_tokenizer *tokenizer;
    e2str_error error;
    uint8_t *file;
    size_t size;
    e2_gguf_write_string(writer, "tokenizer.ggml.model", (e2_string){"characters", 10});
    e2_gguf_write_string_array(writer, "tokenizer.ggml.tokens", tokens, count);
    e2_gguf_write_array(writer, "e2str.tokenizer.special_token_ids", E2_KV_U32, specials, n_specials);
    collect(&file, &size, writer);
    e2_gguf_writer_free(writer);
    assert_int_equal(e2_gguf_open_memory(file, size, &gguf, &error), E2STR_OK);
    assert_int_equal(e2_tokenizer_open(&gguf, &tokenizer, &error), E2STR_ERROR_LIMIT);
    if (!strstr(error.message, words)) fail_msg("%s", error.message);
    e2_gguf_close(&gguf);
    free(file);
}

static void most_tokens(void **state) {
    (void)state;
    const size_t count = 1048577;
    e2_string *tokens = tiny_checked(malloc(count * sizeof *tokens));
    for (size_t i = 0; i < count; i++) tokens[i] = (e2_string){"a", 1};
    open_vocabulary(tokens, count, (uint32_t[]){0}, 1, "1048577 tokens");
    char *text = tiny_checked(malloc(65537));
    memset(text, 'a', 65537);
    tokens[0] = (e2_string){text, 32768};
    tokens[1] = (e2_string){text, 32769};
    open_vocabulary(tokens, 2, (uint32_t[]){0, 1}, 2, "65536 bytes together");
    free(text);
    free(tokens);
}

static void the_last_id(void **state) {
    (void)state;
    fixture f;
    e2str_pool *pool;
    e2str_error error;
    uint64_t id;
    assert_int_equal(fixture_open(&f, NULL), 0);
    assert_int_equal(e2str_pool_new(f.model, NULL, &pool, NULL), E2STR_OK);
    pool->next_id = UINT64_MAX - 1;
    assert_int_equal(e2str_pool_add(pool, f.session, &f.images[0], "a", 1, &id, &error), E2STR_OK);
    assert_true(id == UINT64_MAX - 1);
    assert_int_equal(e2str_pool_add(pool, f.session, &f.images[0], "a", 1, &id, &error), E2STR_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "out of ids"));
    assert_int_equal(e2str_pool_count(pool), 1);
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------------- JPEG -- */

static long allowed; /* when decoding began; 0: it did not */

boolean __real_jpeg_start_decompress(j_decompress_ptr info);
boolean __wrap_jpeg_start_decompress(j_decompress_ptr info);
boolean __wrap_jpeg_start_decompress(j_decompress_ptr info) {
    allowed = info->mem->max_memory_to_use;
    return __real_jpeg_start_decompress(info);
}

static void what_a_jpeg_may_take(void **state) {
    (void)state;
    e2str_image image = {0};
    allowed = 0;
    assert_int_equal(e2str_image_load("tests/images/ok-progressive.jpg", NULL, &image, NULL), E2STR_OK);
    /* Its coefficients, and some for tables. */
    assert_in_range(allowed, 8 * (long)image.width * (long)image.height,
                    (64 << 20) + 8 * (long)(image.width + 64) * (long)(image.height + 64));
    e2str_image_free(&image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_known_before_it_is_begun),
        cmocka_unit_test(work_is_counted),
        cmocka_unit_test(overflow_is_reported),
        cmocka_unit_test(most_entries),
        cmocka_unit_test(most_tokens),
        cmocka_unit_test(the_last_id),
        cmocka_unit_test(what_a_jpeg_may_take),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
