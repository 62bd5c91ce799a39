/* SPDX-License-Identifier: MIT */
/* What the tests of archives share: pools that are filled, laid into files, and compared. */
#ifndef ARCHIVE_FIXTURE_H
#define ARCHIVE_FIXTURE_H

#include <fcntl.h>
#include <unistd.h>

#include "folder.h"
#include "memory_fixture.h"

static inline e2str_pool *archive_pool(const fixture *f, e2str_storage storage, size_t examples) {
    static const char *const labels[] = {"one", "Two", "33333", "x"};
    e2str_pool_options options;
    e2str_pool *pool;
    e2str_pool_options_init(&options);
    options.storage = storage;
    assert_int_equal(e2str_pool_new(f->model, &options, &pool, NULL), E2STR_OK);
    for (size_t i = 0; i < examples; i++) memory_add(f, pool, i, labels[i % 4]);
    return pool;
}

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        e2str_error error_ = {""};                                                                                     \
        e2str_error *error = &error_;                                                                                  \
        e2str_status status_ = (call);                                                                                 \
        if (status_ || error_.message[0])                                                                              \
            fail_msg("line %d: %s: %s", __LINE__, e2str_status_name(status_), error_.message);                         \
    } while (0)

/* Of a call whose last argument is `error`: the status, and a message that holds `part`. */
#define assert_fails(call, status, part)                                                                               \
    do {                                                                                                               \
        e2str_error error_ = {""};                                                                                     \
        e2str_error *error = &error_;                                                                                  \
        assert_int_equal((call), (status));                                                                            \
        if (!strstr(error_.message, part)) fail_msg("line %d: '%s' lacks '%s'", __LINE__, error_.message, part);       \
    } while (0)

static inline e2str_pool *archive_load_with(const fixture *f, const char *path, bool unmapped) {
    e2str_pool_options options;
    e2str_pool *pool = NULL;
    e2str_pool_options_init(&options);
    options.unmapped = unmapped;
    assert_ok(e2str_pool_load(f->model, path, &options, &pool, error));
    return pool;
}

static inline e2str_pool *archive_load(const fixture *f, const char *path) { return archive_load_with(f, path, false); }

static inline e2str_pool_info archive_info(const e2str_pool *pool) {
    e2str_pool_info info;
    e2str_pool_info_init(&info);
    assert_ok(e2str_pool_get_info(pool, &info, error));
    return info;
}

/* Both pools have the same examples, and a search finds the same, bit for bit. */
static inline void archive_check_same(const fixture *f, const e2str_pool *a, const e2str_pool *b) {
    enum { MOST = 700 };
    static uint64_t ids[2][MOST];
    static float similarities[2][MOST];
    size_t n = e2str_pool_count(a), found[2];
    assert_in_range(n, 0, MOST);
    assert_int_equal(e2str_pool_count(b), n);
    assert_int_equal(e2str_pool_ids(a, ids[0], MOST), n);
    assert_int_equal(e2str_pool_ids(b, ids[1], MOST), n);
    assert_memory_equal(ids[0], ids[1], n * sizeof **ids);
    for (size_t i = 0; i < n; i++) {
        char labels[2][64];
        float keys[2][FIXTURE_KEY];
        assert_ok(e2str_pool_label(a, ids[0][i], labels[0], sizeof *labels, NULL, error));
        assert_ok(e2str_pool_label(b, ids[0][i], labels[1], sizeof *labels, NULL, error));
        assert_string_equal(labels[0], labels[1]);
        assert_ok(e2str_pool_key(a, ids[0][i], keys[0], error));
        assert_ok(e2str_pool_key(b, ids[0][i], keys[1], error));
        assert_memory_equal(keys[0], keys[1], sizeof *keys);
    }
    for (size_t image = 0; image < 3; image++) {
        float key[FIXTURE_KEY];
        assert_ok(e2str_encode(f->session, &f->images[image], 1, NULL, key, error));
        for (float minimum = -1.0f; minimum < 1.0f; minimum += 1.25f) {
            assert_ok(e2str_pool_nearest(a, key, n, minimum, ids[0], similarities[0], &found[0], error));
            assert_ok(e2str_pool_nearest(b, key, n, minimum, ids[1], similarities[1], &found[1], error));
            assert_int_equal(found[0], found[1]);
            assert_memory_equal(ids[0], ids[1], found[0] * sizeof **ids);
            assert_memory_equal(similarities[0], similarities[1], found[0] * sizeof **similarities);
        }
    }
}

/* Reads with both find the same, bit for bit. */
static inline void archive_check_reads(const fixture *f, const e2str_pool *a, const e2str_pool *b) {
    e2str_result *x = memory_result(), *y = memory_result();
    for (uint32_t k = 0; k < 5; k++)
        for (size_t image = 0; image < 4; image++) {
            e2str_read_options options = memory_options(k, 1 + k % 2);
            options.min_similarity = -1.0f;
            memory_read(f, image, a, &options, x);
            for (int again = 0; again < 2; again++) { /* from the file, then from the cache */
                memory_read(f, image, b, &options, y);
                assert_same(x, y);
            }
        }
    e2str_result_free(x);
    e2str_result_free(y);
}

static inline uint8_t *archive_bytes(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = tiny_checked(malloc(*size + 1));
    assert_int_equal(fread(data, 1, *size, file), *size);
    fclose(file);
    return data;
}

/* In place: a file system may bring one that is made anew to the disk at once, which takes long. */
static inline void archive_write_bytes(const char *path, const void *data, size_t size) {
    int file = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, data, size, 0), size);
    assert_int_equal(ftruncate(file, (off_t)size), 0);
    close(file);
}

/* An example "ab" with this key, whose visual tokens are 0. */
static inline void archive_add_key(e2str_pool *pool, const float *key) {
    static const float tokens[64 * FIXTURE_KEY];
    e2_label label;
    e2_example *example;
    assert_ok(e2_label_read(pool->model, "ab", 2, &label, error));
    const e2_encoded image = {tokens, pool->model->visual_tokens, key};
    assert_ok(e2_example_new(pool->model, E2STR_STORE_F16, &image, &label, &example, error));
    e2_label_free(&label);
    assert_ok(e2_pool_insert(pool, example, NULL, error));
}

#endif
