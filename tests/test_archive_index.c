/* SPDX-License-Identifier: MIT */
/* The nearest in an archive by the codes of its keys: the same as of a pool in memory with its index, whatever was
 * added, removed and written again; old archives without codes; codes that are damaged or made to do harm. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "archive_fixture.h"
#include "archive_seal.h"

enum { FROM = 700, ROWS = 3000, MOST = 7, QUERIES = 25 };

static fixture f;
static e2str_session *four; /* threads */
static char directory[64], path[96];
static uint32_t random_state;

static int set_up(void **state) {
    (void)state;
    strcpy(directory, "/tmp/e2str-test-XXXXXX");
    if (!mkdtemp(directory) || memory_open(&f, (tiny_model_options){0})) return 1;
    snprintf(path, sizeof path, "%s/pool", directory);
    e2str_session_options options;
    e2str_session_options_init(&options);
    options.threads = 4;
    options.spin_microseconds = 100; /* so that they share a search as small as this */
    return e2str_session_new(f.model, &options, &four, NULL) != E2STR_OK;
}

static int clean(void **state) {
    (void)state;
    remove(path);
    random_state = 7;
    return 0;
}

static int tear_down(void **state) {
    clean(state);
    e2str_session_free(four);
    fixture_close(&f);
    return rmdir(directory);
}

static e2str_pool_options options_of(uint64_t index_from, bool unmapped) {
    e2str_pool_options options;
    e2str_pool_options_init(&options);
    options.index_from = index_from;
    options.unmapped = unmapped;
    return options;
}

static e2str_pool *pool_of(uint64_t index_from) {
    e2str_pool_options options = options_of(index_from, false);
    e2str_pool *pool;
    assert_ok(e2str_pool_new(f.model, &options, &pool, error));
    return pool;
}

static e2str_pool *load(uint64_t index_from, bool unmapped) {
    e2str_pool_options options = options_of(index_from, unmapped);
    e2str_pool *pool;
    assert_ok(e2str_pool_load(f.model, path, &options, &pool, error));
    return pool;
}

/* The same random keys to each of the pools. */
static void add(e2str_pool *const pools[], size_t n_pools, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float key[FIXTURE_KEY];
        fixture_key(&random_state, key);
        for (size_t j = 0; j < n_pools; j++) archive_add_key(pools[j], key);
    }
}

typedef struct answer {
    uint64_t ids[MOST];
    float similarities[MOST];
    size_t found;
} answer;

static answer nearest(const e2str_pool *pool, const float *key, size_t k) {
    answer a = {0};
    assert_ok(e2str_pool_nearest(pool, key, k, -1.0f, a.ids, a.similarities, &a.found, error));
    return a;
}

/* As a read chooses them. */
static answer chosen(const e2str_session *session, const e2str_pool *pool, const float *key, size_t k) {
    answer a = {0};
    e2_choice choices[MOST];
    assert_ok(e2_pool_choose(&session->compute, pool, key, k, 0.1f, choices, &a.found, error));
    for (size_t i = 0; i < a.found; i++) {
        a.ids[i] = choices[i].example->id;
        a.similarities[i] = choices[i].similarity;
        e2_choice_release(&choices[i]);
    }
    return a;
}

#define assert_same_answers(a, b)                                                                                      \
    do {                                                                                                               \
        answer a_ = (a), b_ = (b);                                                                                     \
        assert_int_equal(a_.found, b_.found);                                                                          \
        assert_memory_equal(a_.ids, b_.ids, a_.found * sizeof *a_.ids);                                                \
        assert_memory_equal(a_.similarities, b_.similarities, a_.found * sizeof *a_.similarities);                     \
    } while (0)

/* By one thread and four, mapped or not. */
static void check_same(const e2str_pool *twin, const e2str_pool *pool) {
    uint32_t seed = 99;
    assert_int_equal(e2str_pool_count(twin), e2str_pool_count(pool));
    assert_int_equal(e2_index_count(twin->index), twin->count); /* it is asked */
    for (size_t i = 0; i < QUERIES; i++) {
        float key[FIXTURE_KEY];
        size_t k = 1 + i % MOST;
        fixture_key(&seed, key);
        assert_same_answers(nearest(twin, key, k), nearest(pool, key, k));
        answer expected = chosen(f.session, twin, key, k);
        assert_same_answers(expected, chosen(f.session, pool, key, k));
        assert_same_answers(expected, chosen(four, pool, key, k));
    }
}

static void the_same_as_in_memory(void **state) {
    (void)state;
    e2str_pool *pool = pool_of(FROM), *twin = pool_of(FROM), *both[] = {twin, pool};
    add(both, 2, ROWS);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    assert_int_equal(pool->archive->coded, ROWS);
    check_same(twin, pool);
    e2str_pool *reader = load(FROM, false), *unmapped = load(FROM, true);
    check_same(twin, reader);
    check_same(twin, unmapped);
    for (uint64_t id = 5; id < ROWS; id += 30) /* not saved yet, then saved */
        for (size_t i = 0; i < 2; i++) assert_ok(e2str_pool_remove(both[i], id, error));
    check_same(twin, pool);
    assert_ok(e2str_pool_save(pool, path, error));
    check_same(twin, pool);
    for (size_t more = 1; more < 300; more += 99) {
        add(both, 2, more);
        assert_ok(e2str_pool_save(pool, path, error));
        check_same(twin, pool);
        assert_ok(e2str_pool_refresh(reader, error));
        check_same(twin, reader);
    }
    assert_int_equal(pool->archive->coded, pool->archive->rows);
    assert_true(archive_info(pool).segments > 1);
    assert_ok(e2str_pool_verify(pool, error));
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error)); /* compaction */
    assert_int_equal(archive_info(pool).segments, 1);
    check_same(twin, pool);
    assert_ok(e2str_pool_refresh(unmapped, error));
    check_same(twin, unmapped);
    assert_ok(e2str_pool_verify(unmapped, error));
    e2str_pool_free(pool);
    e2str_pool_free(twin);
    e2str_pool_free(reader);
    e2str_pool_free(unmapped);
}

/* Of `pool`'s nearest two and those of exact search. */
static double recall(const e2str_pool *exact, const e2str_pool *pool) {
    uint32_t seed = 4;
    size_t same = 0;
    for (size_t i = 0; i < 200; i++) {
        float key[FIXTURE_KEY];
        fixture_key(&seed, key);
        answer a = nearest(exact, key, 2), b = nearest(pool, key, 2);
        assert_int_equal(b.found, 2);
        for (size_t x = 0; x < 2; x++)
            for (size_t y = 0; y < 2; y++) same += a.ids[x] == b.ids[y];
    }
    return (double)same / 400.0;
}

/* What is added and not saved is found, too: exactly, or by an index of its own where it is much. */
static void with_additions(void **state) {
    (void)state;
    e2str_pool *pool = pool_of(FROM), *exact = pool_of(UINT64_MAX), *both[] = {exact, pool};
    add(both, 2, ROWS);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    assert_int_equal(e2_index_count(pool->index), 0); /* it went with the examples */
    add(both, 2, 40);
    assert_true(recall(exact, pool) > 0.95);
    float key[FIXTURE_KEY];
    assert_ok(e2str_pool_key(pool, ROWS + 17, key, error));
    assert_int_equal(nearest(pool, key, 1).ids[0], ROWS + 17);
    add(both, 2, 1000);
    assert_int_equal(e2_index_count(pool->index), pool->count);
    assert_true(recall(exact, pool) > 0.95);
    assert_ok(e2str_pool_key(pool, ROWS + 1017, key, error));
    assert_int_equal(nearest(pool, key, 1).ids[0], ROWS + 1017);
    e2str_pool_free(pool);
    e2str_pool_free(exact);
}

/* The index of a pool that moves to an archive is not that of what is added afterwards. */
static void an_index_goes_with_its_examples(void **state) {
    (void)state;
    e2str_pool *pool = pool_of(16);
    add(&pool, 1, 20);
    assert_int_equal(e2_index_count(pool->index), 20);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    add(&pool, 1, 30);
    assert_int_equal(e2_index_count(pool->index), 30);
    e2str_pool_free(pool);
}

/* ------------------------------------------------------------------------------------------------ changed files -- */

/* Entry of a segment. */
static uint8_t *entry_of(uint8_t *file, size_t segment) {
    return file + seal_u64(file + 4096 + 24) + 128 + 128 * segment;
}

static void seal(uint8_t *file, size_t size) {
    archive_seal(file, size, FIXTURE_KEY, e2str_model_checksum(f.model));
    archive_write_bytes(path, file, size);
}

/* As they were written before there were codes. */
static void strip(void) {
    size_t size;
    uint8_t *file = archive_bytes(path, &size);
    memset(entry_of(file, 0) + 112, 0, 16);
    seal(file, size);
    free(file);
}

static void without_codes(void **state) {
    (void)state;
    e2str_pool *made = pool_of(FROM), *exact = pool_of(UINT64_MAX), *both[] = {exact, made};
    add(both, 2, ROWS);
    assert_ok(e2str_pool_save_archive(made, path, NULL, error));
    e2str_pool_free(made);
    strip();
    e2str_pool *pool = load(FROM, false);
    both[1] = pool;
    assert_int_equal(pool->archive->coded, 0);
    assert_true(recall(exact, pool) >= 1.0);
    add(both, 2, 1000);
    assert_ok(e2str_pool_save(pool, path, error)); /* a segment with codes behind one without */
    assert_int_equal(pool->archive->coded, 1000);
    assert_true(recall(exact, pool) > 0.97);
    assert_ok(e2str_pool_verify(pool, error));
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    assert_int_equal(pool->archive->coded, ROWS + 1000);
    assert_true(recall(exact, pool) > 0.95);
    e2str_pool_free(pool);
    e2str_pool_free(exact);
}

static e2str_status ask(bool unmapped, e2str_error *error) {
    e2str_pool *pool = load(FROM, unmapped);
    uint32_t seed = 4;
    float key[FIXTURE_KEY], similarities[2], similarity;
    uint64_t ids[2];
    size_t found;
    e2str_status status = E2STR_OK;
    for (size_t i = 0; !status && i < 5; i++) {
        fixture_key(&seed, key);
        status = e2str_pool_nearest(pool, key, 2, -1.0f, ids, similarities, &found, error);
        for (size_t j = 0; !status && j < found; j++) { /* what is found is there, and as near as is said */
            float own[FIXTURE_KEY];
            assert_int_equal(e2str_pool_key(pool, ids[j], own, error), E2STR_OK);
            f.model->kernels->similarity(key, own, 1, FIXTURE_KEY, &similarity);
            assert_true(similarity == similarities[j]);
        }
    }
    e2str_pool_free(pool);
    return status;
}

static void damaged_and_hostile(void **state) {
    (void)state;
    e2str_pool *pool = pool_of(FROM);
    add(&pool, 1, ROWS);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    e2str_pool_free(pool);
    size_t size, bytes = e2_archive_code_bytes(FIXTURE_KEY, ROWS);
    uint8_t *good = archive_bytes(path, &size), *file = tiny_checked(malloc(size));
    uint64_t codes = seal_u64(entry_of(good, 0) + 112), keys = seal_u64(entry_of(good, 0) + 56);
    for (int unmapped = 0; unmapped < 2; unmapped++) {
        archive_write_bytes(path, good, size);
        assert_ok(ask(unmapped, error));
        for (size_t i = 0; i < 3; i++) { /* of a code, of the last one, of a checksum */
            memcpy(file, good, size);
            file[codes + (size_t[]){5, bytes - 1, bytes + 9}[i]] ^= 1;
            archive_write_bytes(path, file, size);
            if (i < 2) assert_fails(ask(unmapped, error), E2STR_ERROR_FORMAT, "codes");
            pool = NULL;
            e2str_status status = e2str_pool_load(f.model, path, NULL, &pool, NULL);
            assert_int_equal(status, i < 2 ? E2STR_OK : E2STR_ERROR_FORMAT);
            if (!status) assert_fails(e2str_pool_verify(pool, error), E2STR_ERROR_FORMAT, "codes");
            e2str_pool_free(pool);
        }
        for (int value = 0; value < 256;
             value += 15) { /* no numbers, infinite, huge ones: but what is found is right */
            memcpy(file, good, size);
            memset(file + codes, value, bytes);
            seal(file, size);
            assert_ok(ask(unmapped, error));
        }
        memcpy(file, good, size); /* keys that are not of unit length, with checksums that are right */
        for (size_t i = 0; i < ROWS; i++) memcpy(file + keys + i * FIXTURE_KEY * 4, &(float){INFINITY}, 4);
        seal(file, size);
        assert_fails(ask(unmapped, error), E2STR_ERROR_FORMAT, "key");
        memcpy(file, good, size); /* a bit of each: only the checksum tells */
        for (size_t i = 0; i < ROWS; i++) file[keys + i * FIXTURE_KEY * 4] ^= 1;
        archive_write_bytes(path, file, size);
        assert_fails(ask(unmapped, error), E2STR_ERROR_FORMAT, "keys");
    }
    free(file);
    free(good);
}

#define test(function) cmocka_unit_test_setup_teardown(function, clean, clean)

int main(void) {
    const struct CMUnitTest tests[] = {
        test(the_same_as_in_memory), test(with_additions),      test(an_index_goes_with_its_examples),
        test(without_codes),         test(damaged_and_hostile),
    };
    return cmocka_run_group_tests_name("archive_index", tests, set_up, tear_down);
}
