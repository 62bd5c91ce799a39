/* SPDX-License-Identifier: MIT */
/* Archives that are damaged, cut, or made to do harm: a status, or the same answers as of the good one. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "archive_fixture.h"
#include "archive_seal.h"

static fixture f;
static char path[FOLDER_PATH];
static uint8_t *good; /* some segments, examples that were removed, a memory */
static size_t good_size;

/* All that a pool answers, as a checksum; or the first failure. */
static e2str_status ask(const char *name, bool unmapped, uint64_t *answers, e2str_error *error) {
    e2str_pool_options options;
    e2str_pool *pool;
    e2str_pool_options_init(&options);
    options.unmapped = unmapped;
    e2str_status status = e2str_pool_load(f.model, name, &options, &pool, error);
    if (status) {
        assert_null(pool);
        return status;
    }
    e2_hash hash;
    e2_hash_begin(&hash);
    uint64_t ids[16] = {0}, nearest[16], last;
    size_t n = e2str_pool_ids(pool, ids, 16), found, all;
    if (n > 16) n = 16;
    e2_hash_add(&hash, ids, sizeof ids);
    float key[FIXTURE_KEY] = {1}, similarities[16];
    status = e2str_pool_nearest(pool, key, 16, -1, nearest, similarities, &found, error);
    e2_hash_add(&hash, nearest, found * sizeof *nearest);
    e2_hash_add(&hash, similarities, found * sizeof *similarities);
    for (size_t i = 0; !status && i < n; i++) {
        char label[64] = "";
        status = e2str_pool_label(pool, ids[i], label, sizeof label, NULL, error);
        if (!status) status = e2str_pool_key(pool, ids[i], key, error);
        e2_hash_add(&hash, label, sizeof label);
        e2_hash_add(&hash, key, sizeof key);
    }
    e2_choice *choices = NULL;
    if (!status) status = e2_pool_choose_all(pool, &choices, &all, &last, error);
    for (size_t i = 0; choices && i < all; i++) {
        e2_choice whole = {0};
        if (!status) status = e2_choice_fetch(pool, &choices[i], &whole, error);
        if (!status) e2_hash_add(&hash, whole.example->tokens, (size_t)whole.example->n_tokens * FIXTURE_KEY * 2);
        e2_choice_release(&whole);
        e2_choice_release(&choices[i]);
    }
    free(choices);
    e2str_memory_report report;
    e2str_memory_report_init(&report);
    (void)e2str_pool_report(pool, &report, NULL);
    e2_hash_add(&hash, &report, sizeof report);
    e2str_status verified = e2str_pool_verify(pool, NULL);
    if (!verified) assert_int_equal(status, E2STR_OK);
    *answers = e2_hash_end(&hash);
    e2str_pool_free(pool);
    return status;
}

static int set_up(void **state) {
    (void)state;
    if (!folder_make() || memory_open(&f, (tiny_model_options){0})) return 1;
    folder_path(path, "pool");
    e2str_pool *pool = archive_pool(&f, E2STR_STORE_F16, 4);
    if (e2str_pool_remove(pool, 2, NULL) || e2str_pool_save_archive(pool, path, NULL, NULL)) return 1;
    memory_add(&f, pool, 5, "five");
    memory_add(&f, pool, 6, "six");
    if (e2str_pool_remove(pool, 3, NULL)) return 1;
    memory_learn(&f, pool);
    if (e2str_pool_save(pool, path, NULL) || archive_info(pool).segments != 2) return 1;
    e2str_pool_free(pool);
    good = archive_bytes(path, &good_size);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    remove(path);
    free(good);
    fixture_close(&f);
    return folder_remove();
}

/* Of a bit in every byte: the answers are those of the good file, or there is a failure. */
static void every_byte(void **state) {
    (void)state;
    uint64_t expected, answers;
    size_t refused = 0, the_same = 0;
    assert_ok(ask(path, false, &expected, error));
    uint8_t *file = tiny_checked(malloc(good_size));
    memcpy(file, good, good_size);
    for (size_t at = 0; at<good_size; at += at> 200 && at < 4000 ? 97 : 1) {
        e2str_error error = {""};
        file[at] ^= (uint8_t)(1u << at % 8);
        archive_write_bytes(path, file, good_size);
        e2str_status status = ask(path, at % 2, &answers, &error);
        if (status) assert_true(error.message[0]);
        if (!status && answers != expected) fail_msg("byte %zu: other answers", at);
        refused += status != E2STR_OK;
        the_same += !status;
        file[at] ^= (uint8_t)(1u << at % 8);
        if (at >= 4096 && at < 4160) assert_int_equal(status, E2STR_OK); /* one of the roots: there is a twin */
        if (at >= 8192 && at < 8256) assert_int_equal(status, E2STR_OK);
    }
    assert_true(refused > good_size / 4 && the_same > 128);
    free(file);
}

static void every_length(void **state) {
    (void)state;
    for (size_t size = 0; size<good_size; size += size> 100 && size < 12000 ? 61 : 1) {
        uint64_t answers;
        e2str_error error = {""};
        archive_write_bytes(path, good, size);
        e2str_status status = ask(path, size % 2, &answers, &error);
        if (status != E2STR_ERROR_FORMAT) fail_msg("%zu bytes: status %d: %s", size, (int)status, error.message);
    }
    uint64_t expected, answers; /* what stands behind the end belongs to nobody */
    uint8_t *file = tiny_checked(calloc(good_size + 999, 1));
    memcpy(file, good, good_size);
    archive_write_bytes(path, good, good_size);
    assert_ok(ask(path, false, &expected, error));
    memset(file + good_size, 0xFF, 999);
    archive_write_bytes(path, file, good_size + 999);
    assert_ok(ask(path, false, &answers, error));
    assert_true(answers == expected);
    free(file);
}

/* Counts and places of any size, with checksums that are right: nothing but a status comes of it. */
static void hostile_numbers(void **state) {
    (void)state;
    static const uint64_t numbers[] = {
        0, 1, 3, 40, 64, 4096, 12288, 12352, 0x7FFFFFFF, 0xFFFFFFFF, (uint64_t)1 << 61, UINT64_MAX - 63, UINT64_MAX};
    uint64_t directory_at = seal_u64(good + 4096 + 24), bytes = seal_u64(good + 4096 + 32);
    uint64_t rows_at[2] = {seal_u64(good + directory_at + 128 + 32), seal_u64(good + directory_at + 256 + 32)};
    const struct {
        uint64_t from, to;
    } parts[] = {{8, 56},
                 {4096, 4152},
                 {8192, 8248},
                 {directory_at, directory_at + bytes},
                 {rows_at[0], rows_at[0] + 120},
                 {rows_at[1], rows_at[1] + 80}};
    size_t outcomes[E2STR_ERROR_CONFLICT + 1] = {0};
    uint8_t *file = tiny_checked(malloc(good_size));
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
        for (uint64_t at = parts[p].from; at < parts[p].to; at += 4)
            for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
                for (size_t wide = 4; wide <= 8 && at + wide <= good_size; wide += 4) {
                    uint64_t answers;
                    e2str_error error = {""};
                    memcpy(file, good, good_size);
                    memcpy(file + at, &numbers[n], wide);
                    if (p == 1 || p == 2) memcpy(file + 4096 * (3 - p), file + 4096 * p, 64); /* both roots */
                    archive_seal(file, good_size, FIXTURE_KEY, e2str_model_checksum(f.model));
                    archive_write_bytes(path, file, good_size);
                    e2str_status status = ask(path, n % 2, &answers, &error);
                    assert_in_range(status, E2STR_OK, E2STR_ERROR_CONFLICT);
                    outcomes[status]++;
                }
    assert_true(outcomes[E2STR_OK] > 10 && outcomes[E2STR_ERROR_FORMAT] > 1000);
    assert_true(outcomes[E2STR_ERROR_UNSUPPORTED] > 10);
    /* Nothing but a status of these: a hostile file asks for no more memory than it has bytes. */
    assert_int_equal(outcomes[E2STR_ERROR_MEMORY], 0);
    assert_int_equal(outcomes[E2STR_ERROR_ARGUMENT], 0);
    free(file);
}

/* Rubbish of a given checksum in the parts that have meaning: labels, keys, tokens. */
static void hostile_content(void **state) {
    (void)state;
    uint64_t entry = seal_u64(good + 4096 + 24) + 128, answers;
    uint64_t rows = seal_u64(good + entry + 32), labels = seal_u64(good + entry + 40),
             keys = seal_u64(good + entry + 56);
    uint64_t tokens = seal_u64(good + rows + 8);
    const struct {
        uint64_t at;
        uint8_t value[4];
        const char *part;
    } cases[] = {{labels, {0xFF, 0xFE, 'a', 'b'}, "example 1"}, /* no UTF-8 */
                 {keys, {0, 0, 0xC0, 0x7F}, "keys"},            /* not a number */
                 {keys, {0, 0, 0x80, 0x40}, "keys"},            /* 4 */
                 {tokens, {0, 0x7C, 0, 0}, "example 1"}};       /* infinity */
    uint8_t *file = tiny_checked(malloc(good_size));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(file, good, good_size);
        memcpy(file + cases[i].at, cases[i].value, 4);
        if (cases[i].at == tokens) seal_put(file + rows + 16, seal_hash(file + tokens, 2 * FIXTURE_KEY * 32));
        archive_seal(file, good_size, FIXTURE_KEY, e2str_model_checksum(f.model));
        archive_write_bytes(path, file, good_size);
        assert_fails(ask(path, i % 2, &answers, error), E2STR_ERROR_FORMAT, cases[i].part);
    }
    assert_int_equal(f.model->visual_tokens, 32);
    free(file);
}

/* A damaged example harms nobody but who wants it. */
static void others_go_on(void **state) {
    (void)state;
    uint64_t rows = seal_u64(good + seal_u64(good + 4096 + 24) + 128 + 32), tokens = seal_u64(good + rows + 8);
    uint8_t *file = tiny_checked(malloc(good_size));
    memcpy(file, good, good_size);
    file[tokens + 5] ^= 1; /* of example 1 */
    archive_write_bytes(path, file, good_size);
    e2str_pool *pool = archive_load(&f, path);
    e2str_result *result = memory_result();
    e2str_read_options options = memory_options(1, 1);
    options.examples = (const uint64_t[]){4, 1};
    options.n_examples = 1;
    assert_ok(e2str_read(f.session, &f.images[0], pool, &options, result, error));
    options.n_examples = 2;
    assert_fails(e2str_read(f.session, &f.images[0], pool, &options, result, error), E2STR_ERROR_FORMAT, "example 1");
    assert_fails(e2str_pool_verify(pool, error), E2STR_ERROR_FORMAT, "example 1");
    /* And it can be removed. */
    assert_ok(e2str_pool_remove(pool, 1, error));
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    assert_ok(e2str_pool_verify(pool, error));
    e2str_result_free(result);
    e2str_pool_free(pool);
    free(file);
    /* A damaged row: its group cannot be told, the others can. A memory asks for all that it judged. */
    archive_write_bytes(path, good, good_size);
    pool = archive_load(&f, path);
    e2str_pool_forget(pool);
    assert_ok(e2str_pool_save(pool, path, error));
    e2str_pool_free(pool);
    size_t size;
    file = archive_bytes(path, &size);
    file[rows] ^= 8;
    archive_write_bytes(path, file, size);
    pool = archive_load(&f, path);
    uint64_t ids[4];
    assert_int_equal(e2str_pool_ids(pool, ids, 4), 4);
    assert_true(ids[0] == 0 && ids[1] == 0 && ids[2] == 5 && ids[3] == 6);
    e2str_pool_free(pool);
    free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_byte), cmocka_unit_test(every_length),
                                       cmocka_unit_test(hostile_numbers), cmocka_unit_test(hostile_content),
                                       cmocka_unit_test(others_go_on)};
    return cmocka_run_group_tests_name("archive_hostile", tests, set_up, tear_down);
}
