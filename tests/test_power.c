/* SPDX-License-Identifier: MIT */
/*
 * The power goes during a save. What the save did (writes, syncs, renames) is recorded; then, for every moment of it,
 * every state is made that a disk may be in: what was not synced yet may be there, or not, or half, in any order. Each
 * of them must load, as the former pool or as the new one; once the save has said that all went well, as the new one.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "pool_fixture.h"

#define MOST_STEPS 512
#define MOST_BYTES (1 << 16)

typedef enum step_kind { WRITE, SYNC, RENAME, SYNC_DIRECTORY } step_kind;

typedef struct step {
    step_kind kind;
    size_t offset, size;
    uint8_t *data;
} step;

static struct {
    bool on;
    bool deaf[SYNC_DIRECTORY + 1]; /* steps of these kinds are not recorded, as if they had not been made */
    int file, directory;
    size_t end; /* where the next write goes */
    step steps[MOST_STEPS];
    size_t count;
} record;

int __real_openat(int directory, const char *path, int flags, ...);
ssize_t __real_write(int file, const void *data, size_t size);
ssize_t __real_pwrite(int file, const void *data, size_t size, off_t offset);
int __real_fsync(int file);
int __real_renameat(int from, const char *name, int to, const char *other);
int __wrap_openat(int directory, const char *path, int flags, ...);
ssize_t __wrap_write(int file, const void *data, size_t size);
ssize_t __wrap_pwrite(int file, const void *data, size_t size, off_t offset);
int __wrap_fsync(int file);
int __wrap_renameat(int from, const char *name, int to, const char *other);

static void remember(step_kind kind, size_t offset, const void *data, size_t size) {
    if (record.deaf[kind]) return;
    assert_true(record.count < MOST_STEPS);
    step *s = &record.steps[record.count++];
    *s = (step){kind, offset, size, tiny_checked(malloc(size ? size : 1))};
    if (size) memcpy(s->data, data, size);
}

int __wrap_openat(int directory, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? (mode_t)va_arg(arguments, int) : 0;
    va_end(arguments);
    int file = __real_openat(directory, path, flags, mode);
    if (record.on && flags & O_CREAT) record.file = file, record.directory = directory, record.end = 0;
    return file;
}

ssize_t __wrap_write(int file, const void *data, size_t size) {
    ssize_t written = __real_write(file, data, size > 3000 ? 3000 : size); /* some more steps */
    if (record.on && file == record.file && written > 0) {
        remember(WRITE, record.end, data, (size_t)written);
        record.end += (size_t)written;
    }
    return written;
}

ssize_t __wrap_pwrite(int file, const void *data, size_t size, off_t offset) {
    ssize_t written = __real_pwrite(file, data, size, offset);
    if (record.on && file == record.file && written > 0) remember(WRITE, (size_t)offset, data, (size_t)written);
    return written;
}

int __wrap_fsync(int file) {
    if (record.on && file == record.file) remember(SYNC, 0, NULL, 0);
    if (record.on && file == record.directory) remember(SYNC_DIRECTORY, 0, NULL, 0);
    return __real_fsync(file);
}

int __wrap_renameat(int from, const char *name, int to, const char *other) {
    if (record.on) remember(RENAME, 0, NULL, 0);
    return __real_renameat(from, name, to, other);
}

/* ---------------------------------------------------------------------------------------------------- the disk -- */

static fixture f;
static char directory[64], path[96];
static size_t states, bad; /* that were tried; that are no pool, or the wrong one */

static size_t load(const uint8_t *file, size_t size) {
    e2_gguf gguf;
    e2str_pool *pool = NULL;
    uint8_t *copy = tiny_checked(malloc(size ? size : 1));
    memcpy(copy, file, size);
    size_t count = SIZE_MAX;
    if (!e2_gguf_open_memory(copy, size, &gguf, NULL)) {
        if (!e2_pool_from_gguf(f.model, &gguf, NULL, &pool, NULL)) count = e2str_pool_count(pool);
        e2_gguf_close(&gguf);
    }
    e2str_pool_free(pool);
    free(copy);
    return count;
}

static void write_step(uint8_t *file, size_t *size, const step *s, size_t bytes) {
    assert_true(s->offset + bytes <= MOST_BYTES);
    memcpy(file + s->offset, s->data, bytes);
    if (*size < s->offset + bytes) *size = s->offset + bytes;
}

/* How the disk treats the writes that nobody synced. */
typedef enum write_fate { LOST, KEPT, ONLY, WITHOUT, TORN, FATES } write_fate;

/* The file as it is at `moment`, its steps before `synced` whole, the others as their fate is about step `which`. */
static void try_file(size_t moment, size_t synced, write_fate fate, size_t which, size_t expected) {
    static uint8_t file[MOST_BYTES];
    size_t size = 0;
    memset(file, 0, sizeof file);
    for (size_t i = 0; i < moment; i++) {
        const step *s = &record.steps[i];
        if (s->kind != WRITE) continue;
        bool whole = i < synced || fate == KEPT || (fate == ONLY && i == which) || (fate == WITHOUT && i != which) ||
                     (fate == TORN && i < which);
        if (whole) write_step(file, &size, s, s->size);
        if (i >= synced && fate == TORN && i == which) write_step(file, &size, s, s->size / 2);
        if (!whole && fate == WITHOUT && size < s->offset + s->size) size = s->offset + s->size; /* zeros */
    }
    states++;
    bad += load(file, size) != expected;
}

/* The path at a moment is the former pool's (nothing to try: the save did not touch it), or the new file. */
static void try_moment(size_t moment, bool promised, size_t expected) {
    size_t synced = 0;
    bool renamed = false, certain = false;
    for (size_t i = 0; i < moment; i++) {
        step_kind kind = record.steps[i].kind;
        if (kind == SYNC) synced = i;
        renamed |= kind == RENAME;
        certain |= kind == SYNC_DIRECTORY && renamed;
    }
    if (promised && !certain) bad++; /* the former one may come back */
    if (!renamed) return;
    try_file(moment, synced, LOST, 0, expected);
    try_file(moment, synced, KEPT, 0, expected);
    for (size_t i = synced; i < moment; i++)
        for (write_fate fate = ONLY; fate < FATES; fate++)
            if (record.steps[i].kind == WRITE) try_file(moment, synced, fate, i, expected);
}

/* ---------------------------------------------------------------------------------------------------- the saves -- */

static void forget(void) {
    for (size_t i = 0; i < record.count; i++) free(record.steps[i].data);
    record.count = 0;
    states = bad = 0;
}

/* Saves with one example more, and tries every moment of it. */
static void save_and_try(e2str_pool *pool) {
    uint64_t id;
    assert_int_equal(e2str_pool_add(pool, f.session, &f.images[0], "Ab1", 3, &id, NULL), E2STR_OK);
    forget();
    record.on = true;
    e2str_status status = e2str_pool_save(pool, path, NULL);
    record.on = false;
    assert_int_equal(status, E2STR_OK);
    for (size_t moment = 0; moment <= record.count; moment++)
        try_moment(moment, moment == record.count, e2str_pool_count(pool));
}

static e2str_pool *new_pool(void) {
    e2str_pool *pool;
    assert_int_equal(e2str_pool_new(f.model, NULL, &pool, NULL), E2STR_OK);
    memset(record.deaf, 0, sizeof record.deaf);
    return pool;
}

static void a_pool_or_the_one_before(void **state) {
    (void)state;
    e2str_pool *pool = new_pool();
    for (int i = 0; i < 5; i++) { /* the first one replaces nothing */
        save_and_try(pool);
        assert_true(states > 0);
        assert_int_equal(bad, 0);
    }
    e2str_pool_free(pool);
    remove(path);
}

/* Without one of the two syncs there is a state that is no pool, or a promise that is not kept: the search finds it. */
static void what_the_syncs_are_for(void **state) {
    (void)state;
    e2str_pool *pool = new_pool();
    record.deaf[SYNC] = true;
    save_and_try(pool);
    assert_true(bad > 10);
    record.deaf[SYNC] = false;
    record.deaf[SYNC_DIRECTORY] = true;
    save_and_try(pool);
    assert_int_equal(bad, 1);
    e2str_pool_free(pool);
    remove(path);
}

static int set_up(void **state) {
    (void)state;
    strcpy(directory, "/tmp/e2str-test-XXXXXX");
    if (!mkdtemp(directory)) return 1;
    snprintf(path, sizeof path, "%s/pool", directory);
    return fixture_open(&f, NULL);
}

static int tear_down(void **state) {
    (void)state;
    forget();
    fixture_close(&f);
    return rmdir(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_or_the_one_before),
        cmocka_unit_test(what_the_syncs_are_for),
    };
    return cmocka_run_group_tests_name("power", tests, set_up, tear_down);
}
