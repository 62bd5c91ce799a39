/* SPDX-License-Identifier: MIT */
/*
 * The power goes while a pool is appended to its archive, or the writer is killed: all that two saves in a row wrote
 * and synced is recorded; then, for every moment of it, every state is made that a disk may be in (what was not synced
 * is lost, kept, alone there, alone missing, torn). Each must load and be whole, as one of the states that there were,
 * and not one before what was promised; and saving must go on from it.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "archive_fixture.h"

#define MOST_STEPS 64
#define MOST_BYTES (1 << 16)

typedef enum step_kind { WRITE, SYNC, CUT, PROMISE } step_kind; /* PROMISE: a save has said that all is well */

typedef struct step {
    step_kind kind;
    size_t offset, size;
    uint8_t *data;
} step;

static struct {
    bool on;
    int syncs, deaf_sync; /* of each save; this one is not made (0: all are) */
    bool deaf_twin;       /* the second root is not written */
    dev_t device;
    ino_t inode;
    step steps[MOST_STEPS];
    size_t count;
} record;

ssize_t __real_pwrite(int file, const void *data, size_t size, off_t offset);
int __real_fsync(int file);
int __real_ftruncate(int file, off_t size);
ssize_t __wrap_pwrite(int file, const void *data, size_t size, off_t offset);
int __wrap_fsync(int file);
int __wrap_ftruncate(int file, off_t size);

static bool is_ours(int file) {
    struct stat about;
    return record.on && !fstat(file, &about) && about.st_dev == record.device && about.st_ino == record.inode;
}

static void remember(step_kind kind, size_t offset, const void *data, size_t size) {
    assert_true(record.count < MOST_STEPS);
    step *s = &record.steps[record.count++];
    *s = (step){kind, offset, size, tiny_checked(malloc(size ? size : 1))};
    if (data) memcpy(s->data, data, size);
}

ssize_t __wrap_pwrite(int file, const void *data, size_t size, off_t offset) {
    if (size > 700 && record.on) size = 700; /* some more steps */
    if (record.deaf_twin && is_ours(file) && offset == 8192) return (ssize_t)size;
    ssize_t written = __real_pwrite(file, data, size, offset);
    if (written > 0 && is_ours(file)) remember(WRITE, (size_t)offset, data, (size_t)written);
    return written;
}

int __wrap_fsync(int file) {
    if (is_ours(file) && ++record.syncs != record.deaf_sync) remember(SYNC, 0, NULL, 0);
    return __real_fsync(file);
}

int __wrap_ftruncate(int file, off_t size) {
    if (is_ours(file)) remember(CUT, 0, NULL, (size_t)size);
    return __real_ftruncate(file, size);
}

/* ------------------------------------------------------------------------------------------------------ the disk -- */

static fixture f;
static char path[FOLDER_PATH], trial[FOLDER_PATH];
static uint8_t base[MOST_BYTES], disk[MOST_BYTES]; /* before the saves; at a moment */
static size_t base_size, disk_size;
static size_t states, bad;

typedef enum write_fate { LOST, KEPT, ONLY, WITHOUT, TORN, FATES } write_fate;

static void write_step(const step *s, size_t bytes) {
    assert_true(s->offset + bytes <= MOST_BYTES);
    memcpy(disk + s->offset, s->data, bytes);
    if (disk_size < s->offset + bytes) disk_size = s->offset + bytes;
}

/* The disk at `moment`: steps before `synced` whole, the others as their fate is about step `which`. */
static void make_disk(size_t moment, size_t synced, write_fate fate, size_t which) {
    memset(disk, 0, sizeof disk);
    memcpy(disk, base, base_size);
    disk_size = base_size;
    for (size_t i = 0; i < moment; i++) {
        const step *s = &record.steps[i];
        bool whole = i < synced || fate == KEPT || (fate == ONLY && i == which) || (fate == WITHOUT && i != which) ||
                     (fate == TORN && i < which);
        if (s->kind == CUT && whole && disk_size > s->size) {
            memset(disk + s->size, 0, disk_size - s->size);
            disk_size = s->size;
        }
        if (s->kind != WRITE) continue;
        if (whole) write_step(s, s->size);
        if (i >= synced && fate == TORN && i == which) write_step(s, s->size / 2);
        if (!whole && fate == WITHOUT && disk_size < s->offset + s->size) disk_size = s->offset + s->size;
    }
}

/* Loads and is whole, and has one of these numbers of examples; then it can be added to. */
static bool is_whole_pool(size_t least, size_t most) {
    e2str_pool *pool, *again = NULL;
    archive_write_bytes(trial, disk, disk_size);
    if (e2str_pool_load(f.model, trial, NULL, &pool, NULL)) return false;
    size_t count = e2str_pool_count(pool);
    bool whole = !e2str_pool_verify(pool, NULL) && count >= least && count <= most;
    if (whole && states % 7 == 0) {
        memory_add(&f, pool, 3, "on");
        whole = !e2str_pool_save(pool, trial, NULL) && !e2str_pool_load(f.model, trial, NULL, &again, NULL) &&
                !e2str_pool_verify(again, NULL) && e2str_pool_count(again) == count + 1;
    }
    e2str_pool_free(again);
    e2str_pool_free(pool);
    return whole;
}

static void try_state(size_t moment, size_t synced, write_fate fate, size_t which, size_t least, size_t most) {
    make_disk(moment, synced, fate, which);
    states++;
    bad += !is_whole_pool(least, most);
}

static void try_moment(size_t moment, size_t before) {
    size_t synced = 0, promised = before;
    for (size_t i = 0; i < moment; i++) {
        if (record.steps[i].kind == SYNC) synced = i;
        promised += record.steps[i].kind == PROMISE;
    }
    size_t most = promised + 1;
    try_state(moment, synced, LOST, 0, promised, most);
    try_state(moment, synced, KEPT, 0, promised, most);
    for (size_t i = synced; i < moment; i++)
        for (write_fate fate = ONLY; fate < FATES; fate++)
            if (record.steps[i].kind == WRITE || (record.steps[i].kind == CUT && fate != TORN))
                try_state(moment, synced, fate, i, promised, most);
}

/* ----------------------------------------------------------------------------------------------------- the saves -- */

static void forget(void) {
    for (size_t i = 0; i < record.count; i++) free(record.steps[i].data);
    record.count = states = bad = 0;
}

/* Two saves of one example more each; what the tail holds beforehand is rubbish, as a killed writer leaves it. */
static void save_twice_and_try(size_t examples, size_t rubbish) {
    e2str_pool *pool = archive_pool(&f, E2STR_STORE_F16, 0);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    for (size_t i = 0; i < examples; i++) {
        memory_add(&f, pool, i, "be");
        assert_ok(e2str_pool_save(pool, path, error));
    }
    uint8_t *file = archive_bytes(path, &base_size);
    assert_true(base_size + rubbish < MOST_BYTES);
    memcpy(base, file, base_size);
    memset(base + base_size, 0xA5, rubbish);
    base_size += rubbish;
    archive_write_bytes(path, base, base_size);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    forget();
    record.device = about.st_dev;
    record.inode = about.st_ino;
    for (int i = 0; i < 2; i++) {
        memory_add(&f, pool, 5, "new");
        record.syncs = 0;
        record.on = true;
        assert_ok(e2str_pool_save(pool, path, error));
        remember(PROMISE, 0, NULL, 0);
        record.on = false;
    }
    for (size_t moment = 0; moment <= record.count; moment++) try_moment(moment, examples);
    free(file);
    e2str_pool_free(pool);
    remove(path);
    remove(trial);
}

static void a_state_or_the_one_before(void **state) {
    (void)state;
    save_twice_and_try(0, 0);
    assert_int_equal(bad, 0);
    save_twice_and_try(3, 777);
    assert_true(states > 100);
    assert_int_equal(bad, 0);
    save_twice_and_try(14, 0); /* the second save folds fifteen segments */
    assert_int_equal(bad, 0);
}

/* Without one of the syncs, or the second root, there is a state that is none, or a promise that is not kept. */
static void what_they_are_for(void **state) {
    (void)state;
    record.deaf_sync = 1;
    save_twice_and_try(2, 0);
    assert_true(bad > 4);
    record.deaf_sync = 2;
    save_twice_and_try(2, 0);
    assert_true(bad > 0);
    record.deaf_sync = 0;
    record.deaf_twin = true;
    save_twice_and_try(2, 0);
    record.deaf_twin = false;
    assert_true(bad > 0);
}

static int set_up(void **state) {
    (void)state;
    if (!folder_make()) return 1;
    folder_path(path, "pool");
    folder_path(trial, "trial");
    return fixture_open(&f, NULL);
}

static int tear_down(void **state) {
    (void)state;
    forget();
    fixture_close(&f);
    return folder_remove();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_state_or_the_one_before),
                                       cmocka_unit_test(what_they_are_for)};
    return cmocka_run_group_tests_name("archive_power", tests, set_up, tear_down);
}
