/* SPDX-License-Identifier: MIT */
/* Files when something goes wrong: each call to the system fails in turn, transfers are short, signals interrupt, a
 * file is cut or overwritten while it is read, and the power goes at every point of a save. The linker puts our
 * functions in the place of the system's (Makefile). */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pool_fixture.h"

/* ------------------------------------------------------------------------------------------------- the system -- */

typedef enum call { OPEN, OPENAT, READ, PREAD, WRITE, PWRITE, FSYNC, RENAMEAT, FSTAT, CALLS } call;

static struct {
    size_t calls, fail_at; /* 0: none */
    int error;             /* what the call fails with; 0: a transfer of nothing */
    call failed;           /* which it was */
    bool interrupt;        /* every call that can be is interrupted once */
    bool again;
    size_t most; /* bytes of a transfer; 0: all */
    void (*meddle)(void);
    size_t meddle_at; /* before this transfer, of those that read */
    size_t reads;
    bool same_time;
} plan;

/* What a save wrote, as the disk has it: for the loss of power. */
static struct {
    bool on;
    int file, directory;
    uint8_t written[1 << 16], durable[1 << 16];
    size_t size, durable_size, offset;
    bool renamed, directory_synced;
} disk;

static bool fails(call which) {
    if (plan.interrupt && which != FSTAT && which != RENAMEAT && (plan.again = !plan.again)) {
        errno = EINTR;
        return true;
    }
    if (++plan.calls != plan.fail_at) return false;
    plan.failed = which;
    errno = plan.error;
    return true;
}

static size_t shorter(size_t size) { return plan.most && size > plan.most ? plan.most : size; }

static void meddle(void) {
    if (plan.meddle && ++plan.reads == plan.meddle_at) plan.meddle();
}

int __real_open(const char *path, int flags, ...);
int __real_openat(int directory, const char *path, int flags, ...);
ssize_t __real_read(int file, void *data, size_t size);
ssize_t __real_pread(int file, void *data, size_t size, off_t offset);
ssize_t __real_write(int file, const void *data, size_t size);
ssize_t __real_pwrite(int file, const void *data, size_t size, off_t offset);
int __real_fsync(int file);
int __real_renameat(int from, const char *name, int to, const char *other);
int __real_fstat(int file, struct stat *about);
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int directory, const char *path, int flags, ...);
ssize_t __wrap_read(int file, void *data, size_t size);
ssize_t __wrap_pread(int file, void *data, size_t size, off_t offset);
ssize_t __wrap_write(int file, const void *data, size_t size);
ssize_t __wrap_pwrite(int file, const void *data, size_t size, off_t offset);
int __wrap_fsync(int file);
int __wrap_renameat(int from, const char *name, int to, const char *other);
int __wrap_fstat(int file, struct stat *about);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_open(const char *path, int flags, ...) { return fails(OPEN) ? -1 : __real_open(path, flags); }

int __wrap_openat(int directory, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? (mode_t)va_arg(arguments, int) : 0;
    va_end(arguments);
    if (fails(OPENAT)) return -1;
    int file = __real_openat(directory, path, flags, mode);
    if (disk.on && flags & O_CREAT) disk.file = file, disk.directory = directory;
    return file;
}

ssize_t __wrap_read(int file, void *data, size_t size) {
    meddle();
    return fails(READ) ? errno ? -1 : 0 : __real_read(file, data, shorter(size));
}

ssize_t __wrap_pread(int file, void *data, size_t size, off_t offset) {
    meddle();
    return fails(PREAD) ? errno ? -1 : 0 : __real_pread(file, data, shorter(size), offset);
}

static void keep(int file, const void *data, size_t size, size_t offset) {
    if (!disk.on || file != disk.file) return;
    assert_true(offset + size <= sizeof disk.written);
    memcpy(disk.written + offset, data, size);
    if (disk.size < offset + size) disk.size = offset + size;
}

ssize_t __wrap_write(int file, const void *data, size_t size) {
    if (fails(WRITE)) return -1;
    keep(file, data, shorter(size), disk.offset);
    disk.offset += shorter(size);
    return __real_write(file, data, shorter(size));
}

ssize_t __wrap_pwrite(int file, const void *data, size_t size, off_t offset) {
    if (fails(PWRITE)) return -1;
    keep(file, data, shorter(size), (size_t)offset);
    return __real_pwrite(file, data, shorter(size), offset);
}

int __wrap_fsync(int file) {
    if (fails(FSYNC)) return -1;
    if (disk.on && file == disk.file) {
        memcpy(disk.durable, disk.written, disk.size);
        disk.durable_size = disk.size;
    }
    if (disk.on && disk.renamed && file == disk.directory) disk.directory_synced = true;
    return __real_fsync(file);
}

int __wrap_renameat(int from, const char *name, int to, const char *other) {
    if (fails(RENAMEAT)) return -1;
    disk.renamed = true;
    return __real_renameat(from, name, to, other);
}

int __wrap_fstat(int file, struct stat *about) { return fails(FSTAT) ? -1 : __real_fstat(file, about); }

int __wrap_clock_gettime(clockid_t clock, struct timespec *now) {
    int result = __real_clock_gettime(clock, now);
    if (plan.same_time) *now = (struct timespec){1, 2};
    return result;
}

/* --------------------------------------------------------------------------------------------- what is tried -- */

static fixture f;
static char directory[64], path[96], model_path[96], image_path[] = "tests/images/ok-baseline.jpg";
static e2str_pool *pool; /* what is saved: one example more than the file has */
static size_t count;     /* of the pool's examples, or of what was loaded */

static e2str_status save(e2str_error *error) {
    count = e2str_pool_count(pool);
    return e2str_pool_overwrite(pool, path, error);
}

static e2str_status load(e2str_error *error) {
    e2str_pool *loaded;
    e2str_status status = e2str_pool_load(f.model, path, NULL, &loaded, error);
    assert_true(!status == (loaded != NULL));
    count = e2str_pool_count(loaded);
    e2str_pool_free(loaded);
    return status;
}

static e2str_status open_model(e2str_error *error) {
    e2str_model *model;
    e2str_status status = e2str_model_open(model_path, NULL, &model, error);
    assert_true(!status == (model != NULL));
    if (!status) assert_true(e2str_model_checksum(model) == e2str_model_checksum(f.model));
    e2str_model_close(model);
    return status;
}

static e2str_status load_image(e2str_error *error) {
    e2str_image image = {0};
    e2str_status status = e2str_image_load(image_path, NULL, &image, error);
    e2str_image_free(&image);
    return status;
}

static e2str_status load_lexicon(e2str_error *error) {
    e2str_constraint *constraint;
    e2str_constraint_options options;
    e2str_constraint_options_init(&options);
    options.lexicon_path = "tests/metric.tsv";
    e2str_status status = e2str_constraint_new(&options, &constraint, error);
    if (!status) assert_int_equal(e2str_constraint_matches(constraint, "# text", SIZE_MAX), 0);
    assert_true(!status == (constraint != NULL));
    e2str_constraint_free(constraint);
    return status;
}

typedef e2str_status operation(e2str_error *error);
static operation *const operations[] = {save, load, open_model, load_image, load_lexicon};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static void write_file(const char *name, const void *data, size_t size) {
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

static size_t entries(void) {
    DIR *list = opendir(directory);
    size_t n = 0;
    while (readdir(list)) n++;
    closedir(list);
    return n - 2;
}

static void add(void) {
    uint64_t id;
    assert_int_equal(e2str_pool_add(pool, f.session, &f.images[0], "Ab1", 3, &id, NULL), E2STR_OK);
}

static void plan_nothing(void) { memset(&plan, 0, sizeof plan); }

/* One example at the path, two in the pool. */
static void begin_save(void) {
    plan_nothing();
    uint64_t ids[2];
    if (e2str_pool_ids(pool, ids, 2) == 2) assert_int_equal(e2str_pool_remove(pool, ids[1], NULL), E2STR_OK);
    assert_int_equal(e2str_pool_overwrite(pool, path, NULL), E2STR_OK);
    add();
    plan_nothing();
}

static int set_up(void **state) {
    (void)state;
    strcpy(directory, "/tmp/e2str-test-XXXXXX");
    if (!mkdtemp(directory) || fixture_open(&f, NULL)) return 1;
    snprintf(path, sizeof path, "%s/pool", directory);
    snprintf(model_path, sizeof model_path, "%s/model", directory);
    write_file(model_path, f.file, f.model->gguf.size);
    if (e2str_pool_new(f.model, NULL, &pool, NULL)) return 1;
    add();
    return e2str_pool_save(pool, path, NULL) != E2STR_OK;
}

static int tear_down(void **state) {
    (void)state;
    memset(&plan, 0, sizeof plan);
    memset(&disk, 0, sizeof disk);
    remove(path);
    remove(model_path);
    e2str_pool_free(pool);
    fixture_close(&f);
    return rmdir(directory);
}

/* -------------------------------------------------------------------------------------------------------- faults -- */

/* After a save: the old pool whole, or the new one; and nothing beside it. */
static void check_saved(e2str_status status, const char *message) {
    bool in_place = strstr(message, "in place") != NULL;
    assert_int_equal(load(NULL), E2STR_OK);
    assert_int_equal(count, status && !in_place ? 1 : 2);
    assert_int_equal(entries(), 2);
}

static void every_call_fails(void **state) {
    (void)state;
    static const int errors[] = {EIO,   ENOSPC, EACCES, EMFILE, ENFILE, EDQUOT, ESTALE, EROFS,
                                 EPERM, EFBIG,  ENXIO,  ENODEV, EBUSY,  EAGAIN, ENOMEM, EINVAL};
    size_t failures[CALLS] = {0};
    for (size_t o = 0; o < OPERATIONS; o++)
        for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
            for (size_t n = 1;; n++) {
                e2str_error error = {0};
                begin_save();
                plan.fail_at = n;
                plan.error = errors[e];
                e2str_status status = operations[o](&error);
                bool done = plan.calls < n;
                call which = plan.failed;
                plan_nothing();
                if (operations[o] == save) check_saved(status, error.message);
                if (done) {
                    assert_int_equal(status, E2STR_OK);
                    break;
                }
                /* Looking for leftovers may fail, and what is replaced need not be readable. */
                bool needless = operations[o] == save && (which == OPENAT || which == FSTAT);
                bool memory = errors[e] == ENOMEM && !strstr(error.message, "in place");
                e2str_status expected = memory ? E2STR_ERROR_MEMORY : E2STR_ERROR_IO;
                needless |= errors[e] == EINVAL && which == FSYNC; /* of a directory: some file systems have none */
                if (status != expected && !(needless && !status))
                    fail_msg("operation %zu, call %zu (%d), error %d: status %d: %s", o, n, (int)which, errors[e],
                             (int)status, error.message);
                if (status) {
                    failures[which]++;
                    assert_non_null(strstr(error.message, "/"));
                }
            }
    for (size_t i = 0; i < CALLS; i++) assert_true(failures[i] > 0);
}

static void interrupted_calls_go_on(void **state) {
    (void)state;
    for (size_t o = 0; o < OPERATIONS; o++) {
        e2str_error error = {0};
        plan.interrupt = true;
        if (operations[o](&error)) fail_msg("operation %zu: %s", o, error.message);
    }
    plan_nothing();
    for (size_t o = 0; o < OPERATIONS; o++) /* and one interruption at each call */
        for (size_t n = 1; plan.calls + 2 > n; n++) {
            plan_nothing();
            plan.fail_at = n;
            plan.error = EINTR;
            e2str_error error = {0};
            e2str_status status = operations[o](&error);
            if (status && plan.failed != FSTAT && plan.failed != RENAMEAT)
                fail_msg("operation %zu, call %zu: %s", o, n, error.message);
        }
}

static void short_transfers_go_on(void **state) {
    (void)state;
    static const size_t most[] = {1, 7, 1000};
    for (size_t i = 0; i < sizeof most / sizeof *most; i++)
        for (size_t o = 0; o < OPERATIONS; o++) {
            e2str_error error = {0};
            plan_nothing();
            plan.most = most[i];
            if (operations[o](&error)) fail_msg("operation %zu by %zu bytes: %s", o, most[i], error.message);
        }
}

static void files_that_end_early(void **state) {
    (void)state;
    for (size_t o = 1; o < 3; o++) { /* an image that is cut is no image */
        size_t shorter_ones = 0;
        for (size_t n = 1;; n++) {
            e2str_error error = {0};
            plan_nothing();
            plan.fail_at = n;
            e2str_status status = operations[o](&error);
            if (plan.calls < n) break;
            if (plan.failed != READ && plan.failed != PREAD) continue;
            assert_int_equal(status, E2STR_ERROR_IO);
            shorter_ones += strstr(error.message, "became shorter") != NULL;
        }
        assert_true(shorter_ones > 0);
    }
}

/* --------------------------------------------------------------------------------------------- changing files -- */

static void cut_files(void) {
    assert_int_equal(truncate(path, 500), 0);
    assert_int_equal(truncate(model_path, 5000), 0);
}

/* As `cp` does it: the same file, other bytes. Lengths and counts become huge. */
static void spoil(const char *name) {
    uint8_t rubbish[4096];
    memset(rubbish, 0xFF, sizeof rubbish);
    FILE *file = fopen(name, "r+b");
    struct stat about;
    assert_non_null(file);
    assert_int_equal(stat(name, &about), 0);
    for (off_t at = 0; at < about.st_size; at += (off_t)sizeof rubbish)
        assert_true(fwrite(rubbish, 1, (size_t)(about.st_size - at < 4096 ? about.st_size - at : 4096), file) > 0);
    fclose(file);
}

static void spoil_files(void) {
    spoil(path);
    spoil(model_path);
}

static void replace_files(void) {
    char other[128];
    snprintf(other, sizeof other, "%s/other", directory);
    write_file(other, "other", 5);
    assert_int_equal(rename(other, path), 0);
    write_file(other, "other", 5);
    assert_int_equal(rename(other, model_path), 0);
}

/* Before each read of the file; the transfers are short, so that there are many. Reading on is never more than an
 * error, and where the file was only replaced, nothing. */
static void files_that_change_while_they_are_read(void **state) {
    (void)state;
    static void (*const meddlers[])(void) = {cut_files, spoil_files, replace_files};
    static const e2str_status expected[] = {E2STR_ERROR_IO, E2STR_ERROR_FORMAT, E2STR_ERROR_UNSUPPORTED,
                                            E2STR_ERROR_LIMIT};
    for (size_t m = 0; m < 3; m++)
        for (size_t o = 1; o < 3; o++) {
            size_t refused = 0;
            for (size_t n = 1, reads = 1; n <= reads; n++) {
                plan_nothing();
                write_file(model_path, f.file, f.model->gguf.size);
                assert_int_equal(save(NULL), E2STR_OK);
                plan.most = 700;
                plan.meddle = meddlers[m];
                plan.meddle_at = n;
                e2str_error error = {0};
                e2str_status status = operations[o](&error);
                reads = plan.reads;
                bool known = !status;
                for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) known |= status == expected[i];
                if (!known) fail_msg("status %d: %s", (int)status, error.message);
                if (meddlers[m] == replace_files) assert_int_equal(status, E2STR_OK);
                refused += status != E2STR_OK;
            }
            assert_true(meddlers[m] == replace_files || refused > 0);
        }
    plan_nothing();
    write_file(model_path, f.file, f.model->gguf.size);
}

/* Read with, encode with, add with: nothing looks at the file any more. */
static void files_that_change_behind_an_open_model(void **state) {
    (void)state;
    e2str_model *model;
    e2str_session *session;
    float before[FIXTURE_KEY], after[FIXTURE_KEY];
    assert_int_equal(e2str_model_open(model_path, NULL, &model, NULL), E2STR_OK);
    assert_int_equal(e2str_session_new(model, NULL, &session, NULL), E2STR_OK);
    assert_int_equal(e2str_encode(f.session, &f.images[0], 1, NULL, before, NULL), E2STR_OK);
    spoil_files();
    assert_int_equal(truncate(model_path, 0), 0);
    e2str_result *result, *same;
    assert_int_equal(e2str_result_new(&result, NULL), E2STR_OK);
    assert_int_equal(e2str_result_new(&same, NULL), E2STR_OK);
    assert_int_equal(e2str_encode(session, &f.images[0], 1, NULL, after, NULL), E2STR_OK);
    assert_memory_equal(before, after, sizeof after);
    assert_int_equal(e2str_read(session, &f.images[0], NULL, NULL, result, NULL), E2STR_OK);
    assert_int_equal(e2str_read(f.session, &f.images[0], NULL, NULL, same, NULL), E2STR_OK);
    assert_string_equal(e2str_result_text(result), e2str_result_text(same));
    assert_true(e2str_model_checksum(model) == e2str_model_checksum(f.model));
    e2str_result_free(result);
    e2str_result_free(same);
    e2str_session_free(session);
    e2str_model_close(model);
}

/* -------------------------------------------------------------------------------------------------------- saving -- */

/* At each call of a save the power goes: what the disk has then, and what it may have of it, is a whole pool. */
static void loss_of_power(void **state) {
    (void)state;
    char other[128];
    snprintf(other, sizeof other, "%s/after", directory);
    for (size_t n = 1;; n++) {
        begin_save();
        memset(&disk, 0, sizeof disk);
        disk.on = true;
        plan.fail_at = n; /* from here on nothing counts: the save gives up */
        plan.error = EIO;
        e2str_status status = save(NULL);
        bool done = plan.calls < n;
        plan_nothing();
        disk.on = false;
        if (disk.renamed) { /* the rename may be on the disk, and of the file only what was synced */
            write_file(other, disk.durable, disk.durable_size);
            e2str_pool *found;
            assert_int_equal(e2str_pool_load(f.model, other, NULL, &found, NULL), E2STR_OK);
            assert_int_equal(e2str_pool_count(found), 2);
            e2str_pool_free(found);
            remove(other);
        }
        if (!status) assert_true(disk.renamed && disk.directory_synced); /* what it promised */
        if (done) break;
    }
}

static void directory_that_cannot_be_synced(void **state) {
    (void)state;
    size_t syncs = 0;
    for (size_t n = 1; syncs < 2; n++) {
        e2str_error error = {0};
        assert_true(n < 1000);
        begin_save();
        plan.fail_at = n;
        plan.error = EIO;
        e2str_status status = e2str_pool_save(pool, path, &error);
        bool synced = plan.failed == FSYNC && plan.calls >= n;
        plan_nothing();
        if (!synced) continue;
        syncs++;
        assert_int_equal(status, E2STR_ERROR_IO);
        assert_int_equal(strstr(error.message, "the new file is in place") != NULL, syncs == 2);
        assert_int_equal(load(NULL), E2STR_OK);
        assert_int_equal(count, syncs == 2 ? 2 : 1);
        assert_int_equal(e2str_pool_save(pool, path, NULL), E2STR_OK); /* and is known as ours */
    }
}

/* Somebody put a link where the temporary file is to be: it is neither followed nor removed. */
static void names_that_are_taken(void **state) {
    (void)state;
    char name[128], victim[128], text[8] = "";
    snprintf(victim, sizeof victim, "%s/victim", directory);
    write_file(victim, "victim", 6);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/.e2str-%ld-%llx", directory, (long)getpid(), 1000000002ull + (unsigned)i);
        assert_int_equal(i < 2 ? symlink("victim", name) : symlink("nowhere", name), 0);
    }
    plan.same_time = true;
    assert_int_equal(save(NULL), E2STR_OK);
    plan_nothing();
    FILE *file = fopen(victim, "rb");
    assert_int_equal(fread(text, 1, 7, file), 6);
    fclose(file);
    assert_string_equal(text, "victim");
    assert_int_equal(load(NULL), E2STR_OK);
    assert_int_equal(entries(), 2 + 1 + 3);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/.e2str-%ld-%llx", directory, (long)getpid(), 1000000002ull + (unsigned)i);
        remove(name);
    }
    remove(victim);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_call_fails),
        TEST(interrupted_calls_go_on),
        TEST(short_transfers_go_on),
        TEST(files_that_end_early),
        TEST(files_that_change_while_they_are_read),
        TEST(files_that_change_behind_an_open_model),
        TEST(loss_of_power),
        TEST(directory_that_cannot_be_synced),
        TEST(names_that_are_taken),
    };
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
