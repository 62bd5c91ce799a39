/* SPDX-License-Identifier: MIT */
/* Pool files that nobody saved: each check behind the checksum, which is right in all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool_fixture.h"

static fixture f;

static int set_up(void **state) {
    (void)state;
    return fixture_open(&f, NULL);
}

static int tear_down(void **state) {
    (void)state;
    fixture_close(&f);
    return 0;
}

typedef struct bytes {
    uint8_t *data;
    size_t size;
} bytes;

/* A file of two examples that loads, but for what a case changes. */
typedef struct recipe {
    const char *architecture, *storage, *extra_key, *extra_tensor;
    uint32_t version;
    uint64_t next_id, ids[2];
    size_t n_ids, n_labels;
    e2_string labels[2];
    bool narrow_checksum, no_checksum, no_version, no_model, narrow_ids, no_ids, no_labels, no_keys, no_tokens;
    bool no_next_id, fourth_dimension;
    e2_type token_type;
    uint64_t key_dims[2], token_dims[3];
    float key[FIXTURE_KEY];
    uint16_t token;
    uint32_t counts[3]; /* of visual tokens; written where n_counts or wide_counts says so */
    size_t n_counts;
    bool wide_counts;
} recipe;

#define TOKENS 32 /* of the tiny model */

static recipe good(void) {
    return (recipe){.architecture = "e2str-pool",
                    .storage = "f16",
                    .version = 1,
                    .next_id = 8,
                    .ids = {3, 7},
                    .n_ids = 2,
                    .n_labels = 2,
                    .labels = {{"ab", 2}, {"c", 1}},
                    .token_type = E2_F16,
                    .key_dims = {FIXTURE_KEY, 2},
                    .token_dims = {FIXTURE_KEY, TOKENS, 2},
                    .key = {1},
                    .token = 0x3c00};
}

static e2str_status to_bytes(void *user, const void *data, size_t size, e2str_error *error) {
    (void)error;
    bytes *to = user;
    assert_in_range(to->size + size, 0, 1 << 20);
    memcpy(to->data + to->size, data, size);
    to->size += size;
    return E2STR_OK;
}

static void write_tensors(e2_gguf_writer *writer, const recipe *r, const float *keys, const void *tokens) {
    const void *key_pieces[] = {keys}, *token_pieces[] = {tokens};
    size_t key_bytes = (size_t)(r->key_dims[0] * r->key_dims[1]) * 4;
    size_t token_bytes = (size_t)(r->token_dims[0] * r->token_dims[1] * r->token_dims[2]);
    token_bytes *= r->token_type == E2_F32 ? 4 : 2;
    const uint64_t four[] = {r->key_dims[0], r->key_dims[1], 1, 2};
    if (r->fourth_dimension)
        e2_gguf_write_tensor(writer, "keys", E2_F32, 4, four, key_pieces, 1, 2 * key_bytes);
    else if (!r->no_keys)
        e2_gguf_write_tensor(writer, "keys", E2_F32, 2, r->key_dims, key_pieces, 1, key_bytes);
    if (!r->no_tokens)
        e2_gguf_write_tensor(writer, "tokens", r->token_type, 3, r->token_dims, token_pieces, 1, token_bytes);
    if (r->extra_tensor)
        e2_gguf_write_tensor(writer, r->extra_tensor, E2_F32, 2, r->key_dims, key_pieces, 1, key_bytes);
}

static void write_metadata(e2_gguf_writer *writer, const recipe *r) {
    e2_string architecture = {r->architecture, strlen(r->architecture)}, storage = {r->storage, strlen(r->storage)};
    const uint32_t narrow[2] = {3, 7};
    e2_gguf_write_string(writer, "general.architecture", architecture);
    if (r->narrow_checksum)
        e2_gguf_write_u32(writer, "e2str.pool.checksum", 0);
    else if (!r->no_checksum)
        e2_gguf_write_u64(writer, "e2str.pool.checksum", 0);
    if (!r->no_version) e2_gguf_write_u32(writer, "e2str.pool.version", r->version);
    if (!r->no_model) e2_gguf_write_u64(writer, "e2str.pool.model_checksum", e2str_model_checksum(f.model));
    if (!r->no_next_id) e2_gguf_write_u64(writer, "e2str.pool.next_id", r->next_id);
    e2_gguf_write_string(writer, "e2str.pool.storage", storage);
    if (r->narrow_ids)
        e2_gguf_write_array(writer, "e2str.pool.ids", E2_KV_U32, narrow, 2);
    else if (!r->no_ids)
        e2_gguf_write_array(writer, "e2str.pool.ids", E2_KV_U64, r->ids, r->n_ids);
    if (!r->no_labels) e2_gguf_write_string_array(writer, "e2str.pool.labels", r->labels, r->n_labels);
    if (r->n_counts) e2_gguf_write_array(writer, "e2str.pool.token_counts", E2_KV_U32, r->counts, r->n_counts);
    if (r->wide_counts) e2_gguf_write_array(writer, "e2str.pool.token_counts", E2_KV_U64, r->ids, 2);
    if (r->extra_key) e2_gguf_write_u32(writer, r->extra_key, 1);
}

/* Gives a file the right checksum again, so that the checks behind it are met. What is no GGUF file stays as it is. */
static void seal(bytes file) {
    e2_gguf gguf;
    if (e2_gguf_open_memory(file.data, file.size, &gguf, NULL)) return;
    const e2_kv *kv = e2_gguf_kv(&gguf, "e2str.pool.checksum");
    if (kv && kv->type == E2_KV_U64) {
        uint64_t checksum = e2_pool_checksum(&gguf, kv);
        memcpy(file.data + (kv->data - gguf.data), &checksum, sizeof checksum);
    }
    e2_gguf_close(&gguf);
}

static bytes bake(const recipe *r) {
    static float keys[4 * FIXTURE_KEY];
    static uint32_t tokens[3 * FIXTURE_KEY * TOKENS]; /* enough for f32 */
    bytes file = {malloc(1 << 20), 0};
    e2_gguf_writer *writer = e2_gguf_writer_new();
    e2str_error error = {0};
    for (size_t i = 0; i < 3 * FIXTURE_KEY; i++)
        keys[i] = i / FIXTURE_KEY == 1 ? r->key[i % FIXTURE_KEY] : !(i % FIXTURE_KEY);
    memset(tokens, 0, sizeof tokens);
    if (r->token_type == E2_F16) memcpy((char *)tokens + 2 * (2 * FIXTURE_KEY * TOKENS - 1), &r->token, 2);
    if (r->token_type == E2_F32) tokens[2 * FIXTURE_KEY * TOKENS - 1] = (uint32_t)r->token << 16;
    write_metadata(writer, r);
    write_tensors(writer, r, keys, tokens);
    assert_non_null(file.data);
    if (e2_gguf_writer_finish(writer, to_bytes, &file, &error)) fail_msg("%s", error.message);
    e2_gguf_writer_free(writer);
    seal(file);
    return file;
}

static void expect(const char *what, recipe r, e2str_status expected, const char *message) {
    bytes file = bake(&r);
    e2str_error error = {{0}};
    e2str_status status = fixture_load(&f, file.data, file.size, &error);
    free(file.data);
    if (status != expected || (message && !strstr(error.message, message)))
        fail_msg("%s: expected %s with \"%s\", got %s: %s", what, e2str_status_name(expected), message ? message : "",
                 e2str_status_name(status), error.message);
}

#define CASE(change, status, message)                                                                                  \
    do {                                                                                                               \
        recipe r = good();                                                                                             \
        change;                                                                                                        \
        expect(#change, r, E2STR_##status, message);                                                                   \
    } while (0)

static void test_hostile_metadata(void **state) {
    (void)state;
    CASE((void)0, OK, NULL);
    CASE(r.architecture = "e2str", ERROR_FORMAT, "not a pool file");
    CASE(r.no_checksum = true, ERROR_FORMAT, "e2str.pool.checksum");
    CASE(r.narrow_checksum = true, ERROR_FORMAT, "e2str.pool.checksum");
    CASE(r.no_version = true, ERROR_FORMAT, "e2str.pool.version");
    CASE(r.version = 3, ERROR_FORMAT, "its model has one for all pictures");
    CASE(r.version = 5, ERROR_UNSUPPORTED, "version 5");
    CASE((r.counts[0] = r.counts[1] = 32, r.n_counts = 2), ERROR_UNSUPPORTED, "e2str.pool.token_counts");
    CASE(r.version = 0, ERROR_UNSUPPORTED, "version 0");
    CASE(r.no_model = true, ERROR_FORMAT, "e2str.pool.model_checksum");
    CASE(r.extra_key = "e2str.pool.compression", ERROR_UNSUPPORTED, "e2str.pool.compression");
    CASE(r.extra_key = "general.quantization_version", OK, NULL);
    CASE(r.storage = "bf16", ERROR_UNSUPPORTED, "bf16");
    CASE(r.no_next_id = true, ERROR_FORMAT, "e2str.pool.next_id");
    CASE(r.next_id = 0, ERROR_FORMAT, "e2str.pool.next_id");
    CASE(r.next_id = 7, ERROR_FORMAT, "id 7");
    CASE(r.next_id = UINT64_MAX, OK, NULL);
    CASE(r.ids[0] = 0, ERROR_FORMAT, "id 0");
    CASE(r.ids[0] = 7, ERROR_FORMAT, "id 7");
    CASE(r.ids[0] = UINT64_MAX, ERROR_FORMAT, "id 18446744073709551615");
    CASE((r.ids[0] = 5, r.ids[1] = 4), ERROR_FORMAT, "id 4");
    CASE(r.narrow_ids = true, ERROR_FORMAT, "e2str.pool.ids");
    CASE(r.no_ids = true, ERROR_FORMAT, "e2str.pool.ids");
    CASE(r.n_ids = 1, ERROR_FORMAT, "1 ids but 2 labels");
    CASE(r.n_labels = 1, ERROR_FORMAT, "2 ids but 1 labels");
    CASE(r.no_labels = true, ERROR_FORMAT, "e2str.pool.labels");
    CASE(r.labels[1].size = 0, ERROR_FORMAT, "example 7");
    CASE(r.labels[0].data = "a!", ERROR_FORMAT, "example 3");
    CASE((r.labels[0] = (e2_string){"a\xc3\xa9", 3}), ERROR_FORMAT, "example 3");
    static char longest[60];
    memset(longest, 'a', sizeof longest);
    CASE((r.labels[0] = (e2_string){longest, 59}), OK, NULL);
    CASE((r.labels[0] = (e2_string){longest, 60}), ERROR_FORMAT, "60 tokens");
}

static void test_hostile_tensors(void **state) {
    (void)state;
    CASE(r.no_keys = true, ERROR_FORMAT, "tensor keys is missing");
    CASE(r.no_tokens = true, ERROR_FORMAT, "tensor tokens is missing");
    CASE(r.extra_tensor = "more", ERROR_UNSUPPORTED, "tensor more");
    CASE((r.key_dims[0] = 2, r.key_dims[1] = FIXTURE_KEY), ERROR_FORMAT, "tensor keys is F32 [2, 16");
    CASE(r.key_dims[0] = 8, ERROR_FORMAT, "tensor keys is F32 [8, 2");
    CASE(r.key_dims[1] = 1, ERROR_FORMAT, "tensor keys is F32 [16, 1");
    CASE(r.key_dims[1] = 3, ERROR_FORMAT, "tensor keys is F32 [16, 3");
    CASE(r.fourth_dimension = true, ERROR_FORMAT, "tensor keys is F32 [16, 2, 1, 2]");
    CASE(r.token_dims[2] = 1, ERROR_FORMAT, "tensor tokens is F16 [16, 32, 1");
    CASE(r.token_dims[2] = 3, ERROR_FORMAT, "tensor tokens is F16 [16, 32, 3");
    CASE((r.token_dims[0] = 32, r.token_dims[1] = 16), ERROR_FORMAT, "tensor tokens is F16 [32, 16, 2");
    CASE(r.token_dims[1] = 31, ERROR_FORMAT, "tensor tokens is F16 [16, 31, 2");
    CASE(r.token_type = E2_F32, ERROR_FORMAT, "tensor tokens is F32");
    CASE(r.storage = "f32", ERROR_FORMAT, "tensor tokens is F16");
    CASE((r.storage = "f32", r.token_type = E2_F32), OK, NULL);
    CASE((r.n_ids = 0, r.n_labels = 0), ERROR_FORMAT, "empty");
    CASE((r.n_ids = 0, r.n_labels = 0, r.no_keys = r.no_tokens = true), OK, NULL);
    CASE(r.token = 0x7c00, ERROR_FORMAT, "not finite");
    CASE(r.token = 0x7e01, ERROR_FORMAT, "not finite");
    CASE(r.token = 0xfc00, ERROR_FORMAT, "not finite");
    CASE(r.token = 0xfbff, OK, NULL);
    CASE((r.storage = "f32", r.token_type = E2_F32, r.token = 0x7f80), ERROR_FORMAT, "not finite");
    CASE((r.storage = "f32", r.token_type = E2_F32, r.token = 0x7fc0), ERROR_FORMAT, "not finite");
    CASE(r.key[0] = 0, ERROR_FORMAT, "length");
    CASE(r.key[0] = 1.002f, ERROR_FORMAT, "length");
    CASE(r.key[0] = 0.998f, ERROR_FORMAT, "length");
    CASE(r.key[0] = -0.9995f, OK, NULL);
    CASE(r.key[3] = NAN, ERROR_FORMAT, "length");
    CASE(r.key[3] = INFINITY, ERROR_FORMAT, "length");
}

/* Of a model with free widths: 2 to 16 columns of 4 visual tokens. These two examples have 20 and 44. */
static recipe good_of_free(void) {
    recipe r = good();
    r.version = 3;
    r.counts[0] = 20;
    r.counts[1] = 44;
    r.n_counts = 2;
    r.token_dims[1] = 64;
    r.token_dims[2] = 1;
    return r;
}

#define FREE_CASE(change, status, message)                                                                             \
    do {                                                                                                               \
        recipe r = good_of_free();                                                                                     \
        change;                                                                                                        \
        expect(#change, r, E2STR_##status, message);                                                                   \
    } while (0)

static void test_hostile_counts(void **state) {
    (void)state;
    fixture former = f;
    assert_int_equal(fixture_open(&f, &(tiny_model_options){.image_width = 256, .min_width = 32}), 0);
    FREE_CASE((void)0, OK, NULL);
    FREE_CASE((r.counts[0] = 44, r.counts[1] = 20), OK, NULL);
    FREE_CASE((r.counts[0] = 8, r.counts[1] = 56), OK, NULL);
    FREE_CASE((r.counts[0] = 64, r.counts[1] = 0), ERROR_FORMAT, "0 visual tokens: not 8 to 64");
    FREE_CASE((r.counts[0] = 4, r.counts[1] = 60), ERROR_FORMAT, "4 visual tokens: not 8 to 64");
    FREE_CASE((r.counts[0] = 68, r.counts[1] = 4), ERROR_FORMAT, "68 visual tokens: not 8 to 64");
    FREE_CASE((r.counts[0] = 21, r.counts[1] = 43), ERROR_FORMAT, "21 visual tokens: not 8 to 64 in columns of 4");
    FREE_CASE(r.counts[1] = UINT32_MAX - 19, ERROR_FORMAT, "visual tokens: not 8 to 64");
    FREE_CASE(r.counts[1] = 40, ERROR_FORMAT, "tensor tokens is F16 [16, 64, 1, 1], expected F16 [16, 60, 1, 1]");
    FREE_CASE(r.counts[1] = 48, ERROR_FORMAT, "tensor tokens is F16 [16, 64, 1, 1], expected F16 [16, 68, 1, 1]");
    FREE_CASE(r.n_counts = 1, ERROR_FORMAT, "2 ids but 1 numbers of visual tokens");
    FREE_CASE((r.n_counts = 3, r.counts[2] = 8), ERROR_FORMAT, "2 ids but 3 numbers of visual tokens");
    FREE_CASE(r.n_counts = 0, ERROR_FORMAT, "e2str.pool.token_counts");
    FREE_CASE((r.n_counts = 0, r.wide_counts = true), ERROR_FORMAT, "e2str.pool.token_counts");
    FREE_CASE((r.token_dims[1] = 32, r.token_dims[2] = 2), ERROR_FORMAT, "tensor tokens is F16 [16, 32, 2");
    FREE_CASE((r.version = 1, r.n_counts = 0), ERROR_FORMAT, "its model has one for each picture");
    FREE_CASE(r.version = 1, ERROR_UNSUPPORTED, "e2str.pool.token_counts");
    FREE_CASE(r.version = 2, ERROR_UNSUPPORTED, "e2str.pool.token_counts");
    FREE_CASE(r.version = 4, ERROR_FORMAT, "no memory statistics");
    FREE_CASE(r.token = 0x7c00, ERROR_FORMAT, "not finite");
    fixture_close(&f);
    f = former;
}

/* general.alignment 1 lets tensors begin anywhere: floats there could not be used in place. */
static void test_odd_alignment(void **state) {
    (void)state;
    const size_t data = 2 * FIXTURE_KEY * 4 + 2 * FIXTURE_KEY * TOKENS * 2;
    size_t odd = 0;
    for (size_t label = 1; label <= 4; label++) {
        recipe r = good();
        r.extra_key = "general.alignment"; /* with the value 1 */
        r.labels[0] = (e2_string){"abcd", label};
        for (size_t padding = 0; padding < 32; padding++) {
            bytes file = bake(&r);
            uint8_t *start = file.data + file.size - data;
            memmove(start - padding, start, data);
            file.size -= padding;
            e2str_error error = {0};
            seal(file);
            (void)fixture_load(&f, file.data, file.size, &error);
            odd += strstr(error.message, "not aligned") != NULL;
            free(file.data);
        }
    }
    assert_int_equal(odd, 3); /* of four labels, one leaves the tensors at a multiple of 4 */
}

/* Every number of the metadata in turn becomes something large or small, under a right checksum: no crash, no lie. */
static void test_hostile_numbers(void **state) {
    (void)state;
    static const uint64_t values[] = {0, 1, 0x7fffffff, 0xffffffff, (uint64_t)1 << 61, UINT64_MAX};
    recipe r = good();
    bytes file = bake(&r);
    size_t metadata = file.size - (2 * FIXTURE_KEY * 4 + 2 * FIXTURE_KEY * TOKENS * 2);
    for (size_t at = 8; at + 8 <= metadata; at++) {
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            uint8_t *copy = malloc(file.size);
            assert_non_null(copy);
            memcpy(copy, file.data, file.size);
            memcpy(copy + at, &values[i], 8);
            seal((bytes){copy, file.size});
            (void)fixture_load(&f, copy, file.size, NULL);
            free(copy);
        }
    }
    free(file.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_metadata), cmocka_unit_test(test_hostile_tensors),
        cmocka_unit_test(test_hostile_counts),   cmocka_unit_test(test_odd_alignment),
        cmocka_unit_test(test_hostile_numbers),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
