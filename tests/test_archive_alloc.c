/* SPDX-License-Identifier: MIT */
/* Archives out of memory: each allocation of each call fails in turn, alone and with all behind it; the call says
 * MEMORY, the pool and its file are as before, and the next try works. The linker wraps the library's allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "archive_fixture.h"

static struct {
    size_t calls, fail_at; /* 0: none */
    bool all_behind;
} plan;

static bool fails(void) {
    size_t n = ++plan.calls;
    bool failed = plan.fail_at && (plan.all_behind ? n >= plan.fail_at : n == plan.fail_at);
    if (failed) errno = ENOMEM;
    return failed;
}

#define WRAPPED(type, name, parameters, arguments, failure)                                                            \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters { return fails() ? failure : __real_##name arguments; }
WRAPPED(void *, malloc, (size_t size), (size), NULL)
WRAPPED(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAPPED(void *, realloc, (void *old, size_t size), (old, size), NULL)
WRAPPED(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size), NULL)
WRAPPED(char *, strdup, (const char *text), (text), NULL)
WRAPPED(char *, realpath, (const char *path, char *to), (path, to), NULL)

static fixture f;
static char path[64], second[64], third[64];
static e2str_pool *many[2]; /* enough that codes are asked: mapped, not mapped */
static e2str_pool *pool;    /* lies in the archive, with a memory, and has one example more and one less */
static e2str_pool *behind;  /* lies in it, too */

/* saved: what the pool has is in the archive. */
static void begin(bool saved) {
    plan.fail_at = 0;
    e2str_pool_free(pool);
    e2str_pool_free(behind);
    pool = archive_pool(&f, E2STR_STORE_F16, 4);
    memory_learn(&f, pool);
    assert_ok(e2str_pool_save_archive(pool, path, NULL, error));
    behind = archive_load(&f, path);
    memory_add(&f, pool, 4, "four");
    assert_ok(e2str_pool_remove(pool, 3, error));
    memory_learn(&f, pool);
    if (saved) assert_ok(e2str_pool_save(pool, path, error));
}

static e2str_status load(e2str_error *error) {
    e2str_pool *own;
    e2str_status status = e2str_pool_load(f.model, path, NULL, &own, error);
    e2str_pool_free(own);
    return status;
}

static e2str_status load_unmapped(e2str_error *error) {
    e2str_pool_options options;
    e2str_pool *own;
    float key[FIXTURE_KEY] = {1}, similarity;
    uint64_t id;
    size_t found;
    e2str_pool_options_init(&options);
    options.unmapped = 1;
    e2str_status status = e2str_pool_load(f.model, path, &options, &own, error);
    if (!status) status = e2str_pool_nearest(own, key, 1, -1, &id, &similarity, &found, error);
    if (!status) status = e2str_pool_key(own, id, key, error);
    if (!status) status = e2str_pool_verify(own, error);
    e2str_pool_free(own);
    return status;
}

static e2str_status append(e2str_error *error) { return e2str_pool_save(pool, path, error); }
static e2str_status rewrite(e2str_error *error) { return e2str_pool_save_archive(pool, path, NULL, error); }
static e2str_status elsewhere(e2str_error *error) { return e2str_pool_save_archive(pool, second, NULL, error); }
static e2str_status other_kind(e2str_error *error) { return e2str_pool_save(pool, second, error); }
static e2str_status take_away(e2str_error *error) { return e2str_pool_remove(pool, 1, error); }

static e2str_status look(e2str_error *error) {
    char label[8];
    e2str_status status = e2str_pool_label(pool, 2, label, sizeof label, NULL, error);
    if (!status) status = e2str_pool_verify(pool, error);
    return status;
}

static e2str_status refresh(e2str_error *error) { return e2str_pool_refresh(behind, error); }

static e2str_status read_chosen(e2str_error *error) {
    e2str_read_options options = memory_options(2, 1);
    e2str_result *result;
    options.min_similarity = -1;
    e2str_status status = e2str_result_new(&result, error);
    if (!status) status = e2str_read(f.session, &f.images[0], pool, &options, result, error);
    e2str_result_free(result);
    return status;
}

static e2str_status near_many(e2str_error *error) {
    float key[FIXTURE_KEY] = {1}, similarity;
    uint64_t id;
    size_t found;
    e2str_status status = E2STR_OK;
    for (size_t i = 0; !status && i < 2; i++)
        status = e2str_pool_nearest(many[i], key, 1, -1, &id, &similarity, &found, error);
    return status;
}

/* As learning looks at all of them. */
static e2str_status all_in_turn(e2str_error *error) {
    e2_choice *choices, whole;
    uint64_t last;
    size_t n;
    e2str_status status = e2_pool_choose_all(pool, &choices, &n, &last, error);
    for (size_t i = 0; i < n; i++) {
        if (!status) status = e2_choice_fetch(pool, &choices[i], &whole, error);
        if (!status) e2_choice_release(&whole);
        e2_choice_release(&choices[i]);
    }
    free(choices);
    return status;
}

static const struct {
    const char *name;
    e2str_status (*call)(e2str_error *error);
    size_t spare; /* allocations that it can do without */
    bool saved;
} calls[] = {{"load", load, 1, false},
             {"load unmapped", load_unmapped, 1, false},
             {"append", append, 0, false},
             {"rewrite", rewrite, 1, false},
             {"elsewhere", elsewhere, 1, false},
             {"other kind", other_kind, 1, false},
             {"remove", take_away, 0, false},
             {"look", look, 0, false},
             {"refresh", refresh, 0, true},
             {"read", read_chosen, 4, true},
             {"nearest by codes", near_many, 0, true},
             {"all in turn", all_in_turn, 4, true}};

static void every_allocation(void **state) {
    (void)state;
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
        size_t spared = 0;
        for (size_t n = 1, done = 0; !done; n++)
            for (int all = 0; all < 2; all++) {
                e2str_error message = {""};
                begin(calls[c].saved);
                plan.calls = 0;
                plan.fail_at = n;
                plan.all_behind = all;
                e2str_status status = calls[c].call(&message);
                done = plan.calls < n;
                plan.fail_at = 0;
                spared += !done && !status;
                if (status && (status != E2STR_ERROR_MEMORY || !message.message[0]))
                    fail_msg("%s, allocation %zu: status %d: '%s'", calls[c].name, n, (int)status, message.message);
                if (status && !all) assert_ok(calls[c].call(error));
                if (status) assert_true(e2str_pool_count(pool) == 4 || calls[c].call == take_away);
            }
        if (spared > 2 * calls[c].spare) fail_msg("%s: %zu failures were not noticed", calls[c].name, spared);
    }
}

static int set_up(void **state) {
    (void)state;
    snprintf(path, sizeof path, "/tmp/e2str-test-archive-%ld", (long)getpid());
    snprintf(second, sizeof second, "/tmp/e2str-test-archive-%ld-2", (long)getpid());
    snprintf(third, sizeof third, "/tmp/e2str-test-archive-%ld-3", (long)getpid());
    if (memory_open(&f, (tiny_model_options){0})) return 1;
    e2str_pool_options options;
    e2str_pool_options_init(&options);
    options.index_from = 100;
    e2str_pool *made = archive_pool(&f, E2STR_STORE_F16, 600);
    if (e2str_pool_save_archive(made, third, NULL, NULL)) return 1;
    e2str_pool_free(made);
    for (size_t i = 0; i < 2; i++) {
        options.unmapped = i;
        if (e2str_pool_load(f.model, third, &options, &many[i], NULL)) return 1;
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    e2str_pool_free(pool);
    e2str_pool_free(behind);
    fixture_close(&f);
    remove(path);
    for (size_t i = 0; i < 2; i++) e2str_pool_free(many[i]);
    remove(second);
    remove(third);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation)};
    return cmocka_run_group_tests_name("archive_alloc", tests, set_up, tear_down);
}
