/* SPDX-License-Identifier: MIT */
/*
 * A process that goes on for long: mixed operations by dice, of every kind that takes memory, files or threads, with
 * broken input and allocations that fail among them. Ten times on the way everything is given back; what the process
 * has then is what it had after the first tenth: memory, descriptors, threads, mappings.
 *
 *     build/tests/test_long [OPERATIONS [SEED]]     5000 and 1 by default; figures are printed as comments
 *
 * The same numbers make the same operations. Files lie in memory where that can be, and nothing is synced: disks take
 * time, and nothing else.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "long_operations.h"
#include "process.h"

enum { PARTS = 10 };

static long operations = 5000;

/* ----------------------------------------------------------------------------------------------------- the dice -- */

static const struct kind {
    const char *name;
    void (*run)(void);
    uint32_t share; /* of all operations, in thousandths */
} kinds[] = {
    {"open or close a model", open_or_close, 10},
    {"session", renew_session, 10},
    {"new or loaded pool", renew_pool, 25},
    {"add", add, 100},
    {"remove", take_away, 50},
    {"save", save, 30},
    {"search", search, 110},
    {"ask", ask, 100},
    {"learn", learn, 5},
    {"open an archive", open_archive, 25},
    {"append", append, 50},
    {"remove from an archive", remove_from_archive, 30},
    {"refresh", refresh, 70},
    {"compact", compact, 15},
    {"convert", convert, 10},
    {"verify", verify, 25},
    {"read", read_one, 30},
    {"read several", read_some, 5},
    {"result", renew_result, 10},
    {"memory", take_memory, 30},
    {"prepare", prepare, 20},
    {"constraint", constrain, 30},
    {"decode", decode, 30},
    {"new stream", renew_stream, 5},
    {"stream", stream_on, 30},
    {"explain", explain, 5},
    {"JSON", parse_json, 60},
    {"broken pool", broken_pool, 30},
    {"broken model", broken_model, 15},
    {"broken picture", broken_picture, 20},
    {"wrong arguments", wrong_arguments, 15},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const struct kind *rolled(void) {
    uint32_t total = 0, at;
    const struct kind *kind = kinds;
    for (size_t i = 0; i < KINDS; i++) total += kinds[i].share;
    for (at = roll(total); at >= kind->share; kind++) at -= kind->share;
    return kind;
}

/* A good pool file and two archives, whatever was made of them before. */
static void lay_files(void) {
    static const char *const words[] = {"one", "Two", "33", "x"};
    e2str_pool *pool = memory_pool(&f);
    for (size_t i = 0; i < 6; i++) memory_add(&f, pool, i, words[i % 4]);
    memory_learn(&f, pool);
    assert_int_equal(e2str_pool_overwrite(pool, pool_path, NULL), E2STR_OK);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(e2str_pool_save_archive(pool, archive_paths[i], NULL, NULL), E2STR_OK);
    e2str_pool_free(pool);
}

#define GIVE_BACK(array, give)                                                                                         \
    for (size_t i = 0; i < sizeof array / sizeof *array; i++) give(array[i]), array[i] = NULL

static void give_all_back(void) {
    GIVE_BACK(streams, e2str_stream_free);
    GIVE_BACK(streamed, e2str_pool_free);
    GIVE_BACK(prompts, e2str_prompt_free);
    GIVE_BACK(memories, e2str_memory_free);
    GIVE_BACK(constraints, e2str_constraint_free);
    GIVE_BACK(results, e2str_result_free);
    GIVE_BACK(pools, e2str_pool_free);
    GIVE_BACK(archived, e2str_pool_free);
    GIVE_BACK(sessions, e2str_session_free);
    GIVE_BACK(models, e2str_model_close);
    e2str_session_free(f.session); /* it keeps what its largest read took */
    assert_int_equal(e2str_session_new(f.model, NULL, &f.session, NULL), E2STR_OK);
}

static process_size measure(size_t threads) {
    process_size size = process_measure();
    for (int i = 0; i < 1000 && threads && size.threads > threads; i++) {
        nanosleep(&(struct timespec){0, 1000000}, NULL);
        size = process_measure();
    }
    return size;
}

static void nothing_grows(void **state) {
    (void)state;
    static calls tallies[KINDS];
    process_size first = {0}, now = {0};
    size_t first_used = 0, used = 0; /* before everything is given back */
    for (long part = 0; part < PARTS; part++) {
        for (long i = 0; i < operations / PARTS; i++) {
            const struct kind *kind = rolled();
            tally = &tallies[kind - kinds];
            hungry = !roll(20);
            kind->run();
            hungry = false;
        }
        used = process_kilobytes();
        give_all_back();
        lay_files();
        now = measure(first.threads);
        print_message("# %ld: %zu KB in use; given back: %zu KB, %zu bytes allocated, %zu descriptors, %zu threads, "
                      "%zu mappings\n",
                      operations / PARTS * (part + 1), used, now.kilobytes, now.allocated, now.descriptors, now.threads,
                      now.mappings);
        if (!part) first = now, first_used = used;
    }
    for (size_t i = 0; i < KINDS; i++) {
        print_message("# %s: %ld calls, %ld failed\n", kinds[i].name, tallies[i].good + tallies[i].bad, tallies[i].bad);
        assert_true(tallies[i].good + tallies[i].bad > 0);
    }
    assert_int_equal(now.descriptors, first.descriptors);
    assert_int_equal(now.threads, first.threads);
    assert_in_range(now.allocated, 0, first.allocated + 128);
    assert_in_range(now.mappings, 0, first.mappings + 4);
    assert_in_range(now.kilobytes, 0, first.kilobytes + 1024);
    assert_in_range(used, 0, first_used + 4096);
}

static int set_up(void **state) {
    (void)state;
    if (!folder_make_in_memory() || memory_open(&f, (tiny_model_options){.head = true, .fusion = true})) return 1;
    folder_path(model_path, "model");
    folder_path(pool_path, "pool");
    folder_path(archive_paths[0], "one");
    folder_path(archive_paths[1], "two");
    folder_path(broken_path, "broken");
    folder_path(page_path, "page");
    FILE *file = fopen(model_path, "wb");
    if (!file || fwrite(f.file, 1, f.model->gguf.size, file) != f.model->gguf.size || fclose(file)) return 1;
    lay_files();
    /* The C library keeps the stacks of threads that have ended, up to a limit: more threads than there are later. */
    e2str_session_options options;
    e2str_session_options_init(&options);
    options.threads = 16;
    if (e2str_session_new(f.model, &options, &sessions[0], NULL)) return 1;
    give_all_back();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    hungry = false;
    give_all_back();
    fixture_close(&f);
    remove(model_path);
    remove(pool_path);
    remove(archive_paths[0]);
    remove(archive_paths[1]);
    remove(broken_path);
    remove(page_path);
    return folder_remove();
}

/* glibc counts what threads keep for their next allocations as allocated, and so what it needs to do so: with these
 * settings, which it reads at the start, there is none of either. */
static void begin_anew(char **arguments) {
    static const char settings[] = "glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1";
    if (!getenv("GLIBC_TUNABLES") && !setenv("GLIBC_TUNABLES", settings, 1)) execv("/proc/self/exe", arguments);
}

int main(int count, char **arguments) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_grows)};
    begin_anew(arguments);
    if (count > 1) operations = atol(arguments[1]);
    if (count > 2) dice = (uint32_t)atol(arguments[2]);
    if (operations < PARTS || !dice) return 2;
    return cmocka_run_group_tests_name("long", tests, set_up, tear_down);
}
