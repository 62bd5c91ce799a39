/* SPDX-License-Identifier: MIT */
/* Archives when something goes wrong: each call to the system fails in turn, is interrupted, or transfers little. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "archive_fixture.h"

typedef enum call { OPEN, OPENAT, READ, PREAD, WRITE, PWRITE, FSYNC, RENAMEAT, FSTAT, FTRUNCATE, MMAP, CALLS } call;

static struct {
    size_t calls, fail_at; /* 0: none */
    int error;
    call failed;
    bool interrupt, again; /* every call that can be is interrupted once */
    size_t most;           /* bytes of a transfer; 0: all */
    size_t cut_at;         /* before which call another process cuts a file to `cut_to` bytes; 0: never */
    const char *cut;
    off_t cut_to;
    size_t meanwhile_at; /* before which call another thread does something; 0: never */
    void (*meanwhile)(void);
} plan;

static bool fails(call which) {
    bool can_be_interrupted = which < RENAMEAT;
    if (plan.interrupt && can_be_interrupted && (plan.again = !plan.again)) {
        errno = EINTR;
        return true;
    }
    if (++plan.calls == plan.cut_at) assert_int_equal(truncate(plan.cut, plan.cut_to), 0);
    if (plan.calls == plan.meanwhile_at) {
        plan.meanwhile_at = 0;
        plan.meanwhile();
    }
    if (plan.calls != plan.fail_at) return false;
    plan.failed = which;
    errno = plan.error;
    return true;
}

static size_t shorter(size_t size) { return plan.most && size > plan.most ? plan.most : size; }

#define WRAPPED(type, name, parameters, arguments, which, failure)                                                     \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters { return fails(which) ? failure : __real_##name arguments; }
WRAPPED(ssize_t, read, (int file, void *data, size_t size), (file, data, shorter(size)), READ, -1)
WRAPPED(ssize_t, pread, (int file, void *data, size_t size, off_t at), (file, data, shorter(size), at), PREAD, -1)
WRAPPED(ssize_t, write, (int file, const void *data, size_t size), (file, data, shorter(size)), WRITE, -1)
WRAPPED(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), (file, data, shorter(size), at), PWRITE,
        -1)
WRAPPED(int, fsync, (int file), (file), FSYNC, -1)
WRAPPED(int, renameat, (int from, const char *name, int to, const char *other), (from, name, to, other), RENAMEAT, -1)
WRAPPED(int, fstat, (int file, struct stat *about), (file, about), FSTAT, -1)
WRAPPED(int, ftruncate, (int file, off_t size), (file, size), FTRUNCATE, -1)

/* Of files; other memory is the allocator's. */
void *__real_mmap(void *at, size_t size, int rights, int how, int file, off_t from);
void *__wrap_mmap(void *at, size_t size, int rights, int how, int file, off_t from);
void *__wrap_mmap(void *at, size_t size, int rights, int how, int file, off_t from) {
    return file >= 0 && fails(MMAP) ? MAP_FAILED : __real_mmap(at, size, rights, how, file, from);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? (mode_t)va_arg(arguments, int) : 0;
    va_end(arguments);
    return fails(OPEN) ? -1 : __real_open(path, flags, mode);
}

int __real_openat(int directory, const char *path, int flags, ...);
int __wrap_openat(int directory, const char *path, int flags, ...);
int __wrap_openat(int directory, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? (mode_t)va_arg(arguments, int) : 0;
    va_end(arguments);
    return fails(OPENAT) ? -1 : __real_openat(directory, path, flags, mode);
}

static fixture f;
static char path[FOLDER_PATH];
static e2str_pool *pool; /* lies in the archive, and has one example more */
static size_t saved;     /* examples in the archive */

/* ------------------------------------------------------------------------------------------------- what is tried -- */

static e2str_status append(e2str_error *error) { return e2str_pool_save(pool, path, error); }
static e2str_status rewrite(e2str_error *error) { return e2str_pool_save_archive(pool, path, NULL, error); }

/* Opens it, searches, reads two examples of it, looks whether there is something new. */
static e2str_status look(e2str_error *error) {
    e2str_pool *own;
    e2str_result *result = memory_result();
    e2str_read_options options = memory_options(2, 1);
    options.min_similarity = -1.0f;
    e2str_status status = e2str_pool_load(f.model, path, NULL, &own, error);
    assert_true(!status == (own != NULL));
    if (!status) status = e2str_read(f.session, &f.images[0], own, &options, result, error);
    if (!status) status = e2str_pool_refresh(own, error);
    if (!status) status = e2str_pool_verify(own, error);
    if (!status) assert_int_equal(e2str_pool_count(own), saved);
    e2str_result_free(result);
    e2str_pool_free(own);
    return status;
}

static e2str_status look_unmapped(e2str_error *error) {
    e2str_pool_options options;
    e2str_pool *own;
    uint64_t ids[8];
    float key[FIXTURE_KEY] = {1}, similarities[8];
    size_t found;
    e2str_pool_options_init(&options);
    options.unmapped = 1;
    e2str_status status = e2str_pool_load(f.model, path, &options, &own, error);
    if (!status) status = e2str_pool_nearest(own, key, 8, -1, ids, similarities, &found, error);
    if (!status) status = e2str_pool_key(own, ids[0], key, error);
    if (!status) status = e2str_pool_verify(own, error);
    e2str_pool_free(own);
    return status;
}

typedef e2str_status operation(e2str_error *error);
static operation *const operations[] = {append, rewrite, look, look_unmapped};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static void plan_nothing(void) { memset(&plan, 0, sizeof plan); }

/* The archive with three examples, one of them removed, and a pool with another one. */
static void begin(void) {
    plan_nothing();
    e2str_pool_free(pool);
    pool = archive_pool(&f, E2STR_STORE_F16, 3);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    assert_ok(e2str_pool_remove(pool, 2, error));
    assert_ok(e2str_pool_save(pool, path, error));
    memory_add(&f, pool, 4, "four");
    saved = 2;
    plan_nothing();
}

/* After a save: the former state whole, or the new one; the pool as it was, and a second try brings it there. */
static void check_saved(size_t o, e2str_status status, const char *message) {
    e2str_pool *loaded = archive_load(&f, path);
    bool doubtful = strstr(message, "not known") != NULL || strstr(message, "in place") != NULL;
    size_t count = e2str_pool_count(loaded);
    assert_ok(e2str_pool_verify(loaded, error));
    assert_true(count == (status ? 2 : 3) || (doubtful && count == 3));
    assert_int_equal(e2str_pool_count(pool), 3);
    e2str_status again = operations[o](NULL);
    assert_true(!again || (doubtful && again == E2STR_ERROR_CONFLICT));
    assert_ok(e2str_pool_refresh(loaded, error));
    assert_int_equal(e2str_pool_count(loaded), 3);
    assert_ok(e2str_pool_verify(loaded, error));
    e2str_pool_free(loaded);
}

static void every_call_fails(void **state) {
    (void)state;
    static const int errors[] = {EIO, ENOSPC, EACCES, EMFILE, EDQUOT, EROFS, ENOMEM, EINVAL};
    size_t failures[CALLS] = {0};
    for (size_t o = 0; o < OPERATIONS; o++)
        for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
            for (size_t n = 1;; n++) {
                e2str_error error = {""};
                begin();
                plan.fail_at = n;
                plan.error = errors[e];
                e2str_status status = operations[o](&error);
                bool done = plan.calls < n;
                call which = plan.failed;
                plan_nothing();
                if (o < 2) check_saved(o, status, error.message);
                if (done) {
                    assert_int_equal(status, E2STR_OK);
                    break;
                }
                if (status) failures[which]++;
                bool known = status == E2STR_ERROR_IO || status == E2STR_ERROR_MEMORY ||
                             status == E2STR_ERROR_CONFLICT || status == E2STR_ERROR_FORMAT;
                if (status && !(known && error.message[0]))
                    fail_msg("operation %zu, call %zu (%d), error %d: status %d: %s", o, n, (int)which, errors[e],
                             (int)status, error.message);
                if (o == 0 && status == E2STR_ERROR_CONFLICT) /* nobody else has changed it */
                    fail_msg("call %zu (%d), error %d: %s", n, (int)which, errors[e], error.message);
                /* What can be done without: the map, cutting off what is left, the second root, and what only a
                 * new file's writer looks at. */
                bool needless = which == MMAP || which == FTRUNCATE || which == PWRITE || o == 1 ||
                                which == FSTAT; /* the lock is tried again, the file opened anew */
                if (!status && !needless)
                    fail_msg("operation %zu, call %zu (%d), error %d: not noticed", o, n, (int)which, errors[e]);
            }
    for (size_t i = 0; i < CALLS; i++)
        if (i != MMAP && i != FTRUNCATE && i != READ && !failures[i]) fail_msg("call %zu never failed", i);
    assert_int_equal(failures[MMAP] + failures[FTRUNCATE], 0);
}

static void interrupted_and_short(void **state) {
    (void)state;
    static const size_t most[] = {0, 1, 7, 1000};
    for (size_t o = 0; o < OPERATIONS; o++)
        for (size_t i = 0; i < 4; i++) {
            e2str_error error = {""};
            begin();
            plan.interrupt = i == 0;
            plan.most = most[i];
            e2str_status status = operations[o](&error);
            plan_nothing();
            if (status) fail_msg("operation %zu, %zu: %s", o, i, error.message);
            if (o < 2) check_saved(o, status, "");
        }
}

/* A file that is cut while it is not mapped: an error. */
static void cut_behind_the_back(void **state) {
    (void)state;
    begin();
    e2str_pool *own = archive_load_with(&f, path, true);
    float key[FIXTURE_KEY] = {1}, similarity;
    uint64_t id;
    size_t found;
    assert_int_equal(truncate(path, 12288), 0);
    assert_fails(e2str_pool_nearest(own, key, 1, -1, &id, &similarity, &found, error), E2STR_ERROR_FORMAT, "cut");
    assert_fails(e2str_pool_label(own, 1, NULL, 0, NULL, error), E2STR_ERROR_FORMAT, "cut");
    assert_fails(e2str_pool_verify(own, error), E2STR_ERROR_FORMAT, "cut");
    e2str_pool_free(own);
}

/* The next writer takes away what a killed one left behind the end: whoever opens the archive meanwhile does not care,
 * between whatever calls it comes. */
static void leftovers_go_while_it_is_opened(void **state) {
    (void)state;
    struct stat about;
    size_t calls = 1;
    begin();
    assert_int_equal(stat(path, &about), 0);
    for (size_t at = 1; at <= calls; at++) {
        assert_int_equal(truncate(path, about.st_size + 100000), 0);
        plan.cut_at = at;
        plan.cut = path;
        plan.cut_to = about.st_size;
        e2str_error error = {""};
        e2str_status status = look_unmapped(&error);
        calls = plan.calls;
        plan_nothing();
        if (status) fail_msg("cut before call %zu: %s", at, error.message);
    }
    assert_true(calls > 5);
}

/* Nor is damage taken for what somebody else has saved. */
static void damage_is_no_conflict(void **state) {
    (void)state;
    static const uint8_t zeros[2 * E2_ARCHIVE_ROOT];
    begin();
    int file = open(path, O_RDWR);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, zeros, sizeof zeros, E2_ARCHIVE_ROOT), sizeof zeros);
    close(file);
    for (size_t o = 0; o < 2; o++) {
        assert_fails(operations[o](error), E2STR_ERROR_FORMAT, "both of its roots");
        assert_fails(operations[o](error), E2STR_ERROR_FORMAT, path);
    }
    assert_ok(e2str_pool_overwrite(pool, path, error));
    check_saved(0, E2STR_OK, "");
}

/* --------------------------------------------------------------------------------------------- other threads -- */

static e2str_pool *reader;

static void add_one(void) { memory_add(&f, reader, 5, "mine"); }
static void remove_one(void) { assert_ok(e2str_pool_remove(reader, 1, error)); }
static void learn_anew(void) { memory_learn(&f, reader); }
static void forget(void) { e2str_pool_forget(reader); }
static void clear(void) { e2str_pool_clear(reader); }

/* What another thread does to a pool that looks whether there is something new, between whatever calls it comes: that
 * is a conflict, and nothing of it is lost. */
static void changed_while_it_is_refreshed(void **state) {
    (void)state;
    static const struct {
        void (*change)(void);
        size_t examples;
        bool learnt;
    } cases[] = {
        {add_one, 4, true}, {remove_one, 2, false}, {learn_anew, 3, true}, {forget, 3, false}, {clear, 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t at = 1;; at++) {
            plan_nothing();
            e2str_pool_free(pool);
            pool = archive_pool(&f, E2STR_STORE_F16, 3);
            memory_learn(&f, pool);
            assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
            reader = archive_load_with(&f, path, true);
            memory_add(&f, pool, 4, "four");
            memory_learn(&f, pool);
            assert_ok(e2str_pool_save(pool, path, error));
            e2str_error reason = {""};
            plan_nothing();
            plan.meanwhile_at = at;
            plan.meanwhile = cases[i].change;
            e2str_status status = e2str_pool_refresh(reader, &reason);
            bool done = plan.meanwhile_at != 0;
            plan_nothing();
            if (status != (done ? E2STR_OK : E2STR_ERROR_CONFLICT))
                fail_msg("case %zu, call %zu: %d: %s", i, at, (int)status, reason.message);
            if (!done) {
                assert_int_equal(e2str_pool_count(reader), cases[i].examples);
                assert_int_equal(has_learnt(reader), cases[i].learnt);
                assert_ok(e2str_pool_overwrite(reader, path, error));
            }
            e2str_pool *loaded = archive_load(&f, path);
            assert_ok(e2str_pool_verify(loaded, error));
            archive_check_same(&f, reader, loaded);
            e2str_pool_free(loaded);
            e2str_pool_free(reader);
            if (!done) continue;
            assert_in_range(at, 8, 100);
            break;
        }
}

static int set_up(void **state) {
    (void)state;
    if (!folder_make()) return 1;
    folder_path(path, "pool");
    return memory_open(&f, (tiny_model_options){0});
}

static int tear_down(void **state) {
    (void)state;
    plan_nothing();
    e2str_pool_free(pool);
    fixture_close(&f);
    remove(path);
    return folder_remove();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_fails),      cmocka_unit_test(interrupted_and_short),
        cmocka_unit_test(cut_behind_the_back),   cmocka_unit_test(leftovers_go_while_it_is_opened),
        cmocka_unit_test(damage_is_no_conflict), cmocka_unit_test(changed_while_it_is_refreshed)};
    return cmocka_run_group_tests_name("archive_faults", tests, set_up, tear_down);
}
