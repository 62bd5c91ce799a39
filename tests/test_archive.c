/* SPDX-License-Identifier: MIT */
/* Archives: a pool in a mapped file is what it is in memory; what is saved is appended; readers keep their state. */
#define _XOPEN_SOURCE 700 /* mkdtemp, realpath */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "archive.h"
#include "archive_fixture.h"

static fixture f, other;
static char path[FOLDER_PATH], second[FOLDER_PATH];

static int set_up(void **state) {
    (void)state;
    if (!folder_make()) return 1;
    folder_path(path, "pool");
    folder_path(second, "second");
    return memory_open(&f, (tiny_model_options){0}) || fixture_open(&other, &(tiny_model_options){.seed = 5});
}

static int clean(void **state) {
    (void)state;
    remove(path);
    remove(second);
    return 0;
}

static int tear_down(void **state) {
    clean(state);
    fixture_close(&f);
    fixture_close(&other);
    return folder_remove(); /* nothing else may be left in it */
}

static size_t file_size(const char *name) {
    struct stat about;
    assert_int_equal(stat(name, &about), 0);
    return (size_t)about.st_size;
}

/* ---------------------------------------------------------------------------------------------------- round trip -- */

static void round_trip(e2str_storage storage, size_t examples, bool learn) {
    e2str_pool *pool = archive_pool(&f, storage, examples), *twin;
    (void)e2str_pool_remove(pool, 2, NULL);
    (void)e2str_pool_remove(pool, examples, NULL); /* the last id must not come back */
    if (learn) memory_learn(&f, pool);
    assert_ok(e2str_pool_save(pool, second, error));
    twin = archive_load(&f, second); /* the other kind of file: all in memory */
    assert_int_equal(archive_info(twin).archive, 0);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    for (int unmapped = 0; unmapped < 2; unmapped++) {
        e2str_pool *loaded = archive_load_with(&f, path, unmapped);
        e2str_pool_info info = archive_info(loaded);
        assert_true(info.archive && info.mapped == !unmapped && info.storage == storage && !info.added);
        assert_int_equal(info.examples, e2str_pool_count(twin));
        assert_int_equal(info.file_bytes, file_size(path));
        assert_int_equal(has_learnt(loaded), learn);
        archive_check_same(&f, twin, loaded);
        archive_check_reads(&f, twin, loaded);
        assert_ok(e2str_pool_verify(loaded, error));
        assert_int_equal(e2str_pool_bytes(loaded), 0);
        assert_int_equal(memory_add(&f, loaded, 0, "new"), examples + 1);
        e2str_pool_free(loaded);
    }
    archive_check_same(&f, twin, pool); /* which lies in the archive, too */
    archive_check_reads(&f, twin, pool);
    assert_int_equal(archive_info(pool).archive, 1);
    assert_int_equal(e2str_pool_bytes(pool), 0);
    /* And back to the other kind: the same bytes. */
    size_t sizes[2];
    uint8_t *before = archive_bytes(second, &sizes[0]);
    remove(second);
    assert_ok(e2str_pool_save(pool, second, error));
    uint8_t *after = archive_bytes(second, &sizes[1]);
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(before, after, sizes[0]);
    free(before);
    free(after);
    e2str_pool_free(pool);
    e2str_pool_free(twin);
}

static void the_same_as_in_memory(void **state) {
    (void)state;
    round_trip(E2STR_STORE_F16, 9, false);
    round_trip(E2STR_STORE_F32, 9, true);
    round_trip(E2STR_STORE_F16, 40, true);
    round_trip(E2STR_STORE_F16, 600, false); /* three groups under checksums of their own */
    round_trip(E2STR_STORE_F16, 1, false);   /* empty, but for the next id */
    round_trip(E2STR_STORE_F32, 0, false);
}

static void threads_find_the_same(void **state) {
    (void)state;
    e2str_pool *pool = archive_pool(&f, E2STR_STORE_F16, 0), *twin = archive_pool(&f, E2STR_STORE_F16, 0);
    uint32_t random = 7;
    for (size_t i = 0; i < 3000; i++)
        for (int both = 0; both < 2; both++) {
            float key[FIXTURE_KEY];
            uint32_t seed = random;
            fixture_key(&seed, key);
            if (both) random = seed;
            archive_add_key(both ? twin : pool, key);
        }
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    e2str_session_options options;
    e2str_session *session;
    e2str_session_options_init(&options);
    options.threads = 4;
    options.spin_microseconds = 100; /* so that they share a search as small as this */
    assert_ok(e2str_session_new(f.model, &options, &session, error));
    for (int i = 0; i < 20; i++) {
        float key[FIXTURE_KEY];
        e2_choice choices[2][7];
        size_t found[2];
        fixture_key(&random, key);
        assert_ok(e2_pool_choose(&session->compute, pool, key, 7, 0.1f, choices[0], &found[0], error));
        assert_ok(e2_pool_choose(&f.session->compute, twin, key, 7, 0.1f, choices[1], &found[1], error));
        assert_int_equal(found[0], found[1]);
        for (size_t j = 0; j < found[0]; j++) {
            assert_int_equal(choices[0][j].example->id, choices[1][j].example->id);
            assert_true(choices[0][j].similarity == choices[1][j].similarity);
            e2_choice_release(&choices[0][j]);
            e2_choice_release(&choices[1][j]);
        }
    }
    e2str_session_free(session);
    e2str_pool_free(pool);
    e2str_pool_free(twin);
}

/* ----------------------------------------------------------------------------------------------------- appending -- */

static void appended_and_refreshed(void **state) {
    (void)state;
    e2str_pool *pool = archive_pool(&f, E2STR_STORE_F16, 5), *twin = archive_pool(&f, E2STR_STORE_F16, 5);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    e2str_pool *reader = archive_load(&f, path), *before = archive_pool(&f, E2STR_STORE_F16, 5);
    size_t size = file_size(path);
    memory_add(&f, pool, 6, "six");
    memory_add(&f, twin, 6, "six");
    assert_ok(e2str_pool_remove(pool, 3, error));
    assert_ok(e2str_pool_remove(twin, 3, error));
    assert_fails(e2str_pool_remove(pool, 3, error), E2STR_ERROR_NOT_FOUND, "3");
    archive_check_same(&f, twin, pool); /* saved or not */
    archive_check_reads(&f, twin, pool);
    assert_int_equal(archive_info(pool).added, 1);
    assert_ok(e2str_pool_save(pool, path, error));
    assert_int_equal(archive_info(pool).added, 0);
    archive_check_same(&f, twin, pool);
    archive_check_reads(&f, twin, pool);
    size_t tokens = (size_t)f.model->visual_tokens * FIXTURE_KEY * 2;
    assert_in_range(file_size(path) - size, tokens, tokens + 4096); /* what is new, and no more */
    archive_check_same(&f, before, reader);                         /* until it looks anew */
    archive_check_reads(&f, before, reader);
    assert_ok(e2str_pool_refresh(reader, error));
    archive_check_same(&f, twin, reader);
    archive_check_reads(&f, twin, reader);
    assert_ok(e2str_pool_refresh(reader, error));
    assert_ok(e2str_pool_verify(reader, error));
    size = file_size(path);
    assert_ok(e2str_pool_save(pool, path, error)); /* nothing to save */
    assert_int_equal(file_size(path), size);
    e2str_pool *again = archive_load(&f, path);
    archive_check_same(&f, twin, again);
    assert_int_equal(memory_add(&f, again, 1, "x"), 7);
    e2str_pool_free(again);
    e2str_pool_free(before);
    e2str_pool_free(reader);
    e2str_pool_free(pool);
    e2str_pool_free(twin);
}

static void conflicts_are_seen(void **state) {
    (void)state;
    e2str_pool *pool = archive_pool(&f, E2STR_STORE_F16, 3);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    e2str_pool *a = archive_load(&f, path), *b = archive_load(&f, path), *before = archive_load(&f, path);
    memory_add(&f, a, 1, "a");
    memory_add(&f, b, 2, "b");
    assert_ok(e2str_pool_refresh(b, error)); /* nothing new yet */
    assert_ok(e2str_pool_save(a, path, error));
    assert_fails(e2str_pool_save(b, path, error), E2STR_ERROR_CONFLICT, "changed since");
    assert_fails(e2str_pool_refresh(b, error), E2STR_ERROR_CONFLICT, "changed since");
    assert_fails(e2str_pool_save_archive(b, path, NULL, error), E2STR_ERROR_CONFLICT, "changed since");
    assert_ok(e2str_pool_refresh(pool, error));
    archive_check_same(&f, a, pool);
    assert_ok(e2str_pool_overwrite(b, path, error)); /* all the same */
    assert_ok(e2str_pool_refresh(pool, error));
    archive_check_same(&f, b, pool);
    assert_ok(e2str_pool_overwrite(before, path, error)); /* one that has given fewer ids */
    assert_ok(e2str_pool_refresh(pool, error));
    assert_ok(e2str_pool_overwrite(b, path, error));
    assert_ok(e2str_pool_refresh(pool, error));
    archive_check_same(&f, b, pool);
    e2str_pool_free(before);
    /* Written anew: another file, which the others notice. */
    assert_ok(e2str_pool_refresh(a, error));
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    memory_add(&f, a, 3, "c");
    assert_fails(e2str_pool_save(a, path, error), E2STR_ERROR_CONFLICT, "changed since");
    /* Taken away: written again. */
    remove(path);
    memory_add(&f, pool, 3, "d");
    assert_ok(e2str_pool_save(pool, path, error));
    assert_ok(e2str_pool_refresh(b, error));
    archive_check_same(&f, pool, b);
    e2str_pool_free(a);
    e2str_pool_free(b);
    e2str_pool_free(pool);
}

/* Additions one by one: few segments, the same pool, each row written at most five times. */
static void many_small_saves(void **state) {
    (void)state;
    e2str_pool *pool = archive_pool(&f, E2STR_STORE_F16, 0), *twin = archive_pool(&f, E2STR_STORE_F16, 0);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    uint64_t most = 0;
    for (size_t i = 0; i < 600; i++) {
        memory_add(&f, pool, i, i % 3 ? "abc" : "d");
        memory_add(&f, twin, i, i % 3 ? "abc" : "d");
        uint64_t gone = i % 5 == 4 ? i / 2 + 1 : 0;
        if (gone) assert_int_equal(e2str_pool_remove(pool, gone, NULL), e2str_pool_remove(twin, gone, NULL));
        assert_ok(e2str_pool_save(pool, path, error));
        if (archive_info(pool).segments > most) most = archive_info(pool).segments;
    }
    assert_in_range(most, 16, 45);
    archive_check_same(&f, twin, pool);
    e2str_pool *loaded = archive_load(&f, path);
    archive_check_same(&f, twin, loaded);
    archive_check_reads(&f, twin, loaded);
    assert_ok(e2str_pool_verify(loaded, error));
    e2str_pool_info info = archive_info(loaded);
    size_t size = file_size(path);
    assert_true(info.unused_bytes > size / 10 && info.unused_bytes < size);
    assert_ok(e2str_pool_save_archive(loaded, path, NULL, error));
    assert_true(file_size(path) < size);
    assert_int_equal(archive_info(loaded).segments, 1);
    assert_in_range(archive_info(loaded).unused_bytes, 0, 1024);
    archive_check_same(&f, twin, loaded);
    archive_check_reads(&f, twin, loaded);
    e2str_pool_free(loaded);
    e2str_pool_free(pool);
    e2str_pool_free(twin);
}

static void cleared_and_filled_again(void **state) {
    (void)state;
    e2str_pool *pool = archive_pool(&f, E2STR_STORE_F16, 5), *twin = archive_pool(&f, E2STR_STORE_F16, 5);
    memory_learn(&f, pool);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    assert_true(has_learnt(pool));
    e2str_pool_clear(pool);
    e2str_pool_clear(twin);
    assert_false(has_learnt(pool));
    archive_check_same(&f, twin, pool);
    assert_fails(e2str_pool_remove(pool, 1, error), E2STR_ERROR_NOT_FOUND, "1");
    assert_int_equal(memory_add(&f, pool, 1, "z"), 6);
    memory_add(&f, twin, 1, "z");
    archive_check_reads(&f, twin, pool);
    assert_ok(e2str_pool_save(pool, path, error));
    archive_check_same(&f, twin, pool);
    e2str_pool *loaded = archive_load(&f, path);
    assert_false(has_learnt(loaded));
    archive_check_same(&f, twin, loaded);
    assert_ok(e2str_pool_remove(loaded, 6, error)); /* and one by one */
    assert_ok(e2str_pool_save(loaded, path, error));
    assert_int_equal(archive_info(loaded).segments, 0);
    assert_ok(e2str_pool_refresh(pool, error));
    assert_int_equal(e2str_pool_count(pool), 0);
    assert_int_equal(memory_add(&f, pool, 1, "z"), 7);
    e2str_pool_free(loaded);
    e2str_pool_free(pool);
    e2str_pool_free(twin);
}

/* -------------------------------------------------------------------------------------------------------- memory -- */

static void a_memory_is_kept(void **state) {
    (void)state;
    e2str_pool *pool = archive_pool(&f, E2STR_STORE_F32, 12), *twin = archive_pool(&f, E2STR_STORE_F32, 12);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    memory_learn(&f, pool); /* from rows of the file */
    memory_learn(&f, twin);
    archive_check_reads(&f, twin, pool);
    assert_ok(e2str_pool_save(pool, path, error));
    e2str_pool *loaded = archive_load(&f, path);
    assert_true(has_learnt(loaded));
    archive_check_reads(&f, twin, loaded);
    memory_add(&f, loaded, 13, "later"); /* does not change it */
    assert_ok(e2str_pool_save(loaded, path, error));
    assert_true(has_learnt(loaded));
    assert_ok(e2str_pool_refresh(pool, error));
    assert_true(has_learnt(pool));
    assert_ok(e2str_pool_remove(loaded, 4, error)); /* forgets it */
    assert_false(has_learnt(loaded));
    assert_ok(e2str_pool_save(loaded, path, error));
    assert_ok(e2str_pool_refresh(pool, error));
    assert_false(has_learnt(pool));
    memory_learn(&f, pool);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    assert_ok(e2str_pool_refresh(loaded, error));
    assert_true(has_learnt(loaded));
    e2str_pool_forget(loaded);
    assert_ok(e2str_pool_save(loaded, path, error));
    e2str_pool_free(loaded);
    loaded = archive_load(&f, path);
    assert_false(has_learnt(loaded));
    e2str_pool_free(loaded);
    e2str_pool_free(pool);
    e2str_pool_free(twin);
}

/* Of examples that are there only. The pool has 12 without tokens, and another one. */
static void tokenless_are_counted(e2str_pool *pool) {
    assert_ok(e2str_pool_remove(pool, 2, error));
    assert_ok(e2str_pool_remove(pool, 13, error));
    for (int saved = 0; saved < 2; saved++) {
        assert_int_equal(archive_info(pool).without_tokens, 11);
        assert_int_equal(archive_info(pool).examples, 11);
        assert_ok(e2str_pool_save(pool, path, error));
    }
    for (size_t i = 0; i < 16; i++) { /* until they stand in a segment with others */
        memory_add(&f, pool, i, "new");
        assert_ok(e2str_pool_save(pool, path, error));
    }
    const e2_archive_entry *mixed = &pool->archive->segments[0].is;
    assert_true(mixed->tokenless == 11 && mixed->rows > 11);
    assert_ok(e2str_pool_remove(pool, 3, error));
    assert_ok(e2str_pool_remove(pool, mixed->last_id, error));
    for (int saved = 0; saved < 2; saved++) {
        assert_int_equal(archive_info(pool).without_tokens, 10);
        assert_ok(e2str_pool_save(pool, path, error));
    }
    e2str_pool_clear(pool);
    assert_int_equal(archive_info(pool).without_tokens, 0);
}

static void without_tokens(void **state) {
    (void)state;
    e2str_archive_options options;
    e2str_archive_options_init(&options);
    options.without_tokens = 1;
    e2str_pool *pool = archive_pool(&f, E2STR_STORE_F16, 12), *twin = archive_pool(&f, E2STR_STORE_F16, 12);
    memory_learn(&f, pool);
    memory_learn(&f, twin);
    assert_ok(e2str_pool_save_archive(pool, second, NULL, error));
    assert_ok(e2str_pool_save_archive(pool, path, &options, error));
    assert_true(file_size(path) + 12 * f.model->visual_tokens * FIXTURE_KEY * 2 <= file_size(second));
    archive_check_same(&f, twin, pool);
    assert_int_equal(archive_info(pool).without_tokens, 12);
    assert_ok(e2str_pool_verify(pool, error));
    /* The memory acts, no example stands in the prompt. */
    e2str_result *a = memory_result(), *b = memory_result();
    e2str_read_options read = memory_options(0, 1);
    memory_read(&f, 3, twin, &read, a);
    read.k = 4;
    read.min_similarity = -1.0f;
    memory_read(&f, 3, pool, &read, b);
    assert_same(a, b);
    assert_int_equal(e2str_result_examples(b), 0);
    read.examples = (const uint64_t[]){2};
    read.n_examples = 1;
    assert_fails(e2str_read(f.session, &f.images[0], pool, &read, a, error), E2STR_ERROR_UNSUPPORTED, "example 2");
    assert_fails(e2str_pool_learn(pool, f.session, NULL, error), E2STR_ERROR_UNSUPPORTED, "left out");
    assert_true(has_learnt(pool));
    assert_fails(e2str_pool_save(pool, second, error), E2STR_ERROR_UNSUPPORTED, second);
    /* New ones have theirs, and are the ones to be chosen. */
    read = memory_options(4, 1);
    read.min_similarity = -1.0f;
    assert_int_equal(memory_add(&f, pool, 5, "new"), 13);
    for (int saved = 0; saved < 2; saved++) {
        uint64_t id;
        memory_read(&f, 3, pool, &read, b);
        assert_int_equal(e2str_result_examples(b), 1);
        assert_ok(e2str_result_example(b, 0, &id, NULL, error));
        assert_int_equal(id, 13);
        assert_ok(e2str_pool_save(pool, path, error));
    }
    assert_int_equal(archive_info(pool).without_tokens, 12);
    assert_ok(e2str_pool_verify(pool, error));
    tokenless_are_counted(pool);
    e2str_result_free(a);
    e2str_result_free(b);
    e2str_pool_free(pool);
    e2str_pool_free(twin);
}

/* ---------------------------------------------------------------------------------------- arguments, other files -- */

static void arguments_are_checked(void **state) {
    (void)state;
    e2str_pool *pool = archive_pool(&f, E2STR_STORE_F16, 1), *none;
    e2str_archive_options options;
    e2str_archive_options_init(&options);
    e2str_pool_info info;
    e2str_pool_info_init(&info);
    assert_fails(e2str_pool_save_archive(NULL, path, NULL, error), E2STR_ERROR_ARGUMENT, "pool");
    assert_fails(e2str_pool_save_archive(pool, NULL, NULL, error), E2STR_ERROR_ARGUMENT, "path");
    options.without_tokens = 2;
    assert_fails(e2str_pool_save_archive(pool, path, &options, error), E2STR_ERROR_ARGUMENT, "without_tokens");
    assert_fails(e2str_pool_refresh(NULL, error), E2STR_ERROR_ARGUMENT, "pool");
    assert_fails(e2str_pool_verify(NULL, error), E2STR_ERROR_ARGUMENT, "pool");
    assert_fails(e2str_pool_get_info(NULL, &info, error), E2STR_ERROR_ARGUMENT, "pool");
    assert_fails(e2str_pool_get_info(pool, NULL, error), E2STR_ERROR_ARGUMENT, "info");
    assert_ok(e2str_pool_refresh(pool, error)); /* of a pool that lies nowhere */
    assert_ok(e2str_pool_verify(pool, error));
    assert_int_equal(archive_info(pool).added, 1);
    assert_fails(e2str_pool_save_archive(pool, folder, NULL, error), E2STR_ERROR_IO, folder);
    assert_int_equal(archive_info(pool).archive, 0);
    e2str_pool_options wrong;
    e2str_pool_options_init(&wrong);
    wrong.unmapped = 2;
    assert_fails(e2str_pool_new(f.model, &wrong, &none, error), E2STR_ERROR_ARGUMENT, "unmapped");
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    assert_fails(e2str_pool_load(other.model, path, NULL, &none, error), E2STR_ERROR_MISMATCH, "another model");
    assert_null(none);
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid()) assert_fails(e2str_pool_load(f.model, path, NULL, &none, error), E2STR_ERROR_IO, path);
    e2str_pool_free(pool);
}

/* By a link, and in the place of the file that the pool came from. */
static void names_are_resolved(void **state) {
    (void)state;
    e2str_pool *pool = archive_pool(&f, E2STR_STORE_F16, 2);
    assert_ok(e2str_pool_save(pool, path, error));
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error)); /* converted in place */
    assert_int_equal(symlink(path, second), 0);
    e2str_pool *linked = archive_load(&f, second);
    memory_add(&f, linked, 3, "x");
    assert_ok(e2str_pool_save(linked, path, error));
    assert_int_equal(archive_info(linked).archive, 1);
    assert_ok(e2str_pool_refresh(pool, error));
    archive_check_same(&f, pool, linked);
    memory_add(&f, pool, 4, "y");
    assert_ok(e2str_pool_save(pool, second, error));
    struct stat about;
    assert_true(lstat(second, &about) == 0 && S_ISLNK(about.st_mode));
    assert_ok(e2str_pool_refresh(linked, error));
    archive_check_same(&f, pool, linked);
    e2str_pool_free(linked);
    e2str_pool_free(pool);
}

/* Taken away, it is written again by whatever name leads to its place: as an archive. */
static void a_lost_archive_has_the_name_it_had(void **state) {
    (void)state;
    char before[4096], linked[FOLDER_PATH + 8];
    snprintf(linked, sizeof linked, "%s/pool", second);
    const char *const names[] = {"pool", "./pool", "second/pool", linked, path};
    e2str_pool *pool = archive_pool(&f, E2STR_STORE_F16, 2);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(symlink(".", second), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(remove(path), 0);
        for (int again = 0; again < 2; again++) {
            memory_add(&f, pool, 3, "x");
            assert_ok(e2str_pool_save(pool, names[i], error));
            e2str_pool *loaded = archive_load(&f, path);
            assert_int_equal(archive_info(loaded).archive, 1);
            archive_check_same(&f, pool, loaded);
            e2str_pool_free(loaded);
        }
    }
    assert_fails(e2str_pool_save(pool, "gone/pool", error), E2STR_ERROR_IO, "gone/pool");
    assert_int_equal(chdir(before), 0);
    e2str_pool_free(pool);
}

/* ----------------------------------------------------------------------------------------------------- processes -- */

/* Writers that are killed at any moment, while a reader looks: what was promised stays, what a reader sees is whole. */
static void writers_are_killed(void **state) {
    (void)state;
    e2str_pool *pool = archive_pool(&f, E2STR_STORE_F16, 3);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    size_t promised = 3, kills = 0;
    for (unsigned i = 0; i < 40; i++) {
        int told[2];
        assert_int_equal(pipe(told), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) { /* adds and saves until it is killed, and says how much is saved */
            e2str_pool *own;
            uint64_t id;
            if (e2str_pool_load(f.model, path, NULL, &own, NULL)) _exit(1);
            for (;;) {
                if (e2str_pool_add(own, f.session, &f.images[0], "kill", 4, &id, NULL)) _exit(2);
                if (e2str_pool_save(own, path, NULL)) _exit(3);
                if (write(told[1], &id, sizeof id) != sizeof id) _exit(4);
            }
        }
        close(told[1]);
        uint64_t id;
        for (unsigned n = 0; n < 2 + i % 5; n++) assert_int_equal(read(told[0], &id, sizeof id), sizeof id);
        nanosleep(&(struct timespec){0, (long)(i * 97000 % 1500000)}, NULL);
        promised = id;
        assert_ok(e2str_pool_refresh(pool, error)); /* while it writes */
        assert_ok(e2str_pool_verify(pool, error));
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        kills += WIFSIGNALED(status);
        while (read(told[0], &id, sizeof id) == sizeof id) promised = id;
        close(told[0]);
        assert_ok(e2str_pool_refresh(pool, error));
        assert_ok(e2str_pool_verify(pool, error));
        assert_in_range(e2str_pool_count(pool), promised, promised + 1);
        promised = e2str_pool_count(pool);
    }
    assert_int_equal(kills, 40);
    e2str_pool_free(pool);
}

/* Processes that add at once: who meets a conflict refreshes and tries again, and nothing is lost. */
static void writers_side_by_side(void **state) {
    (void)state;
    enum { WRITERS = 4, EACH = 8 };
    e2str_pool *pool = archive_pool(&f, E2STR_STORE_F16, 0);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    for (int w = 0; w < WRITERS; w++) {
        if (fork()) continue;
        for (int done = 0; done < EACH;) {
            e2str_pool *own;
            uint64_t id;
            if (e2str_pool_load(f.model, path, NULL, &own, NULL)) _exit(1);
            if (e2str_pool_add(own, f.session, &f.images[w], "side", 4, &id, NULL)) _exit(2);
            e2str_status saved = w ? e2str_pool_save(own, path, NULL) : e2str_pool_save_archive(own, path, NULL, NULL);
            if (saved && saved != E2STR_ERROR_CONFLICT) _exit(3);
            done += !saved;
            e2str_pool_free(own);
        }
        _exit(0);
    }
    for (int w = 0; w < WRITERS; w++) {
        int status;
        wait(&status);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_ok(e2str_pool_refresh(pool, error));
    assert_ok(e2str_pool_verify(pool, error));
    assert_int_equal(e2str_pool_count(pool), WRITERS * EACH);
    e2str_pool_free(pool);
}

#define test(function) cmocka_unit_test_setup_teardown(function, NULL, clean)

int main(void) {
    const struct CMUnitTest tests[] = {
        test(the_same_as_in_memory),
        test(threads_find_the_same),
        test(appended_and_refreshed),
        test(conflicts_are_seen),
        test(many_small_saves),
        test(cleared_and_filled_again),
        test(a_memory_is_kept),
        test(without_tokens),
        test(arguments_are_checked),
        test(names_are_resolved),
        test(a_lost_archive_has_the_name_it_had),
        test(writers_are_killed),
        test(writers_side_by_side),
    };
    return cmocka_run_group_tests_name("archive", tests, set_up, tear_down);
}
