/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: an archive. An input that begins with "e2strarc" is the file; any other is a list of changes to a good
 * file, of four bytes each. Either way the checksums are made right again, so that the checks behind them are met. Of
 * even size it is mapped, of odd size not.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../archive_seal.h"
#include "../pool_fixture.h"
#include "input.h"

#define MAX_CHANGES 16

static fixture f;
static char path[64];
static uint8_t *good;
static size_t good_size;

static void add(e2str_pool *pool, size_t image, const char *label) {
    uint64_t id;
    require(e2str_pool_add(pool, f.session, &f.images[image], label, SIZE_MAX, &id, NULL) == E2STR_OK);
}

/* Two segments, one example removed, a memory. */
static void make_good_file(void) {
    e2str_pool *pool;
    e2str_learn_options options;
    e2str_learn_options_init(&options);
    options.strength = 1.0f;
    require(e2str_pool_new(f.model, NULL, &pool, NULL) == E2STR_OK);
    for (size_t i = 0; i < 20; i++) add(pool, i % FIXTURE_IMAGES, i % 2 ? "one" : "Tw\xc3\xb3");
    require(e2str_pool_save_archive(pool, path, NULL, NULL) == E2STR_OK);
    require(e2str_pool_remove(pool, 2, NULL) == E2STR_OK);
    add(pool, 3, "x");
    require(e2str_pool_learn(pool, f.session, &options, NULL) == E2STR_OK);
    require(e2str_pool_save(pool, path, NULL) == E2STR_OK);
    e2str_pool_free(pool);
    FILE *file = fopen(path, "rb");
    good = tiny_checked(malloc((size_t)1 << 20));
    good_size = fread(good, 1, (size_t)1 << 20, file);
    fclose(file);
}

static void write_file(const uint8_t *data, size_t size) {
    int file = open(path, O_RDWR | O_CREAT, 0600);
    require(file >= 0 && pwrite(file, data, size, 0) == (ssize_t)size && !ftruncate(file, (off_t)size));
    close(file);
}

static void check(e2str_status status, e2str_error *error) {
    check_status(status, error);
    error->message[0] = 0;
}

/* Whatever was loaded can be listed, searched, read with, verified and saved, or each says why not. */
static void use(e2str_pool *pool) {
    uint64_t ids[4] = {0}, nearest[4];
    float key[FIXTURE_KEY] = {1}, similarities[4], other[FIXTURE_KEY];
    size_t count = e2str_pool_ids(pool, ids, 4), found;
    char label[128];
    e2str_error error = {""};
    for (size_t i = 0; i < count && i < 4; i++) {
        e2str_status status = e2str_pool_label(pool, ids[i], label, sizeof label, NULL, &error);
        if (!status) require(is_utf8(label, strlen(label)));
        check(status, &error);
        check(e2str_pool_key(pool, ids[i], other, &error), &error);
    }
    check(e2str_pool_nearest(pool, key, 4, -1, nearest, similarities, &found, &error), &error);
    for (size_t i = 0; i < found; i++) require(nearest[i] && fabs((double)similarities[i]) <= 1.01);
    e2str_result *result = NULL;
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.k = 2;
    options.min_similarity = -1;
    options.max_tokens = 2;
    require(e2str_result_new(&result, NULL) == E2STR_OK);
    check(e2str_read(f.session, &f.images[0], pool, &options, result, &error), &error);
    check_result(result);
    e2str_result_free(result);
    check(e2str_pool_verify(pool, &error), &error);
    if (count) check(e2str_pool_remove(pool, ids[0], &error), &error);
    uint64_t id;
    if (e2str_pool_add(pool, f.session, &f.images[1], "new", 3, &id, NULL)) return; /* out of ids */
    check(e2str_pool_save(pool, path, &error), &error);
    check(e2str_pool_save_archive(pool, path, NULL, &error), &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!f.model) {
        snprintf(path, sizeof path, "/tmp/e2str-fuzz-%ld", (long)getpid());
        require(fixture_open(&f, &(tiny_model_options){.memory = true}) == 0);
        make_good_file();
    }
    size_t bytes = size >= 8 && !memcmp(data, "e2strarc", 8) ? size : good_size;
    uint8_t *file = tiny_checked(malloc(bytes));
    memcpy(file, bytes == size ? data : good, bytes);
    input in = {data, size};
    for (int i = 0; bytes != size && i < MAX_CHANGES && in.size >= 4; i++)
        change_file(file + 4096, bytes - 4096, bytes - 4096, &in);
    archive_seal(file, bytes, FIXTURE_KEY, e2str_model_checksum(f.model));
    write_file(file, bytes);
    e2str_pool_options options;
    e2str_pool *pool;
    e2str_error error = {""};
    e2str_pool_options_init(&options);
    options.unmapped = size % 2;
    e2str_status status = e2str_pool_load(f.model, path, &options, &pool, &error);
    require(!status == (pool != NULL));
    check_status(status, &error);
    if (pool) use(pool);
    e2str_pool_free(pool);
    unlink(path);
    free(file);
    return 0;
}
