/* SPDX-License-Identifier: MIT */
/*
 * Learning from more examples than a memory holds: what is kept, that it depends on the examples only, and how much
 * memory it takes meanwhile. The linker wraps what takes and gives memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "memory_fixture.h"
#include "memory_learn.h"
#include "session.h"
#include "trace.h"

/* ------------------------------------------------------------------------------------------- counting of memory -- */

static atomic_size_t held, peak;

static void *took(void *block) {
    size_t now = atomic_fetch_add(&held, malloc_usable_size(block)) + malloc_usable_size(block), most = peak;
    while (now > most && !atomic_compare_exchange_weak(&peak, &most, now)) continue;
    return block;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *block);

void *__wrap_malloc(size_t size) { return took(__real_malloc(size)); }
void *__wrap_calloc(size_t count, size_t size) { return took(__real_calloc(count, size)); }
void *__wrap_aligned_alloc(size_t alignment, size_t size) { return took(__real_aligned_alloc(alignment, size)); }
void *__wrap_realloc(void *block, size_t size) {
    size_t before = malloc_usable_size(block);
    void *moved = __real_realloc(block, size);
    if (moved) atomic_fetch_sub(&held, before);
    return moved ? took(moved) : NULL;
}
void __wrap_free(void *block) {
    atomic_fetch_sub(&held, malloc_usable_size(block));
    __real_free(block);
}

/* ------------------------------------------------------------------------------------------------------ a pool -- */

static fixture f;

static int set_up(void **unused) {
    (void)unused;
    return memory_open(&f, (tiny_model_options){0});
}

static int tear_down(void **unused) {
    (void)unused;
    fixture_close(&f);
    return 0;
}

/* An example of noise. */
static uint64_t add(e2str_pool *pool, uint32_t *seed, const char *text) {
    float tokens[64 * FIXTURE_KEY], key[FIXTURE_KEY];
    e2_example *example;
    e2_label label;
    uint64_t id = 0;
    assert_true(f.model->visual_tokens <= 64);
    for (size_t i = 0; i < f.model->visual_tokens * (size_t)FIXTURE_KEY; i++)
        tokens[i] = (float)fixture_random(seed) / 2147483648.0f - 1.0f;
    fixture_key(seed, key);
    assert_int_equal(e2_label_read(f.model, text, strlen(text), &label, NULL), E2STR_OK);
    assert_int_equal(e2_example_new(f.model, E2STR_STORE_F32, &(e2_encoded){tokens, f.model->visual_tokens, key},
                                    &label, &example, NULL),
                     E2STR_OK);
    assert_int_equal(e2_pool_insert(pool, example, &id, NULL), E2STR_OK);
    e2_label_free(&label);
    return id;
}

/* n examples of three letters. */
static void add_many(e2str_pool *pool, uint32_t *seed, size_t n) {
    static const char letters[] = "abcde";
    for (size_t i = 0; i < n; i++) {
        char text[4] = "";
        for (size_t j = 0; j < 3; j++) text[j] = letters[fixture_random(seed) % 5];
        add(pool, seed, text);
    }
}

/* As memory_learn, on threads. */
static void learn_on(e2str_pool *pool, unsigned threads) {
    e2str_session_options options = {.size = sizeof options, .threads = threads};
    e2str_session *session;
    assert_int_equal(e2str_session_new(f.model, &options, &session, NULL), E2STR_OK);
    memory_learn_with(session, pool, 1.0f);
    e2str_session_free(session);
}

static void assert_same_memory(const e2str_pool *a, const e2str_pool *b) {
    const e2str_memory *x = a->memory, *y = b->memory;
    size_t features = f.model->memory.features;
    assert_non_null(x);
    assert_non_null(y);
    assert_memory_equal(&x->counts, &y->counts, sizeof x->counts);
    assert_memory_equal(x->tokens, y->tokens, x->counts.columns * sizeof *x->tokens);
    for (size_t i = 0; i < x->counts.steps; i++) {
        assert_int_equal(x->steps[i].example, y->steps[i].example);
        assert_int_equal(x->steps[i].target, y->steps[i].target);
    }
    assert_memory_equal(x->features, y->features, x->counts.steps * features * sizeof *x->features);
    assert_memory_equal(x->errors, y->errors, (size_t)x->counts.steps * x->counts.columns * sizeof *x->errors);
    assert_memory_equal(x->domain, y->domain, f.model->vision.width * sizeof *x->domain);
}

/* ------------------------------------------------------------------------------------------------------- tests -- */

/* Learning before, additions, removals and threads leave no trace: what is known of examples is what would be found. */
static void what_is_learnt_depends_on_the_examples_only(void **unused) {
    (void)unused;
    e2str_pool *pool = memory_pool(&f), *fresh = memory_pool(&f);
    uint32_t seed[2] = {3, 3};
    add_many(pool, &seed[0], 2300);
    memory_learn(&f, pool);
    e2str_memory_report report;
    e2str_memory_report_init(&report);
    assert_int_equal(e2str_pool_report(pool, &report, NULL), E2STR_OK);
    assert_true(report.characters > E2_MEMORY_MAX_ROWS / 2 && report.characters <= E2_MEMORY_MAX_ROWS);
    add_many(pool, &seed[0], 300);
    add_many(fresh, &seed[1], 2600);
    learn_on(fresh, 3);
    learn_on(pool, 2);
    assert_same_memory(pool, fresh);
    for (uint64_t id = 1; id < 200; id++) {
        assert_int_equal(e2str_pool_remove(pool, id, NULL), E2STR_OK);
        assert_int_equal(e2str_pool_remove(fresh, id, NULL), E2STR_OK);
    }
    for (size_t i = 0; i < fresh->count; i++) atomic_store(&fresh->examples[i]->judged, 0); /* as if just loaded */
    memory_learn(&f, pool);
    memory_learn(&f, fresh);
    assert_same_memory(pool, fresh);
    e2str_pool_free(pool);
    e2str_pool_free(fresh);
}

/* Ten characters are in three examples each, among thousands of which a fifth goes; all of these stay, read well or
 * not. */
static void rare_characters_stay(void **unused) {
    (void)unused;
    enum { RARE = 30 };
    e2str_pool *pool = memory_pool(&f);
    uint32_t seed = 11;
    uint64_t rare[RARE];
    for (size_t i = 0; i < RARE; i++) {
        char text[4] = {(char)('k' + i % 10), 'a', 'b', 0};
        add_many(pool, &seed, 84);
        rare[i] = add(pool, &seed, text);
    }
    memory_learn(&f, pool);
    const e2str_memory *memory = pool->memory;
    assert_true(memory->counts.steps <= E2_MEMORY_MAX_ROWS);
    for (size_t i = 0; i < RARE; i++) {
        size_t steps = 0;
        for (size_t s = 0; s < memory->counts.steps; s++) steps += memory->steps[s].example == rare[i];
        assert_int_equal(steps, 4);
    }
    e2str_pool_free(pool);
}

/* Bytes that n examples take while they are learnt from, for the first time. */
static size_t room_to_learn(size_t n) {
    e2str_pool_options options;
    e2str_pool *pool;
    e2str_pool_options_init(&options);
    options.storage = E2STR_STORE_F32;
    options.cache_bytes = 0;
    assert_int_equal(e2str_pool_new(f.model, &options, &pool, NULL), E2STR_OK);
    uint32_t seed = 7;
    add_many(pool, &seed, n);
    size_t before = held;
    atomic_store(&peak, before);
    memory_learn(&f, pool);
    size_t room = atomic_load(&peak) - before;
    e2str_pool_free(pool);
    return room;
}

/* Features, logits and what solving takes are of at most E2_MEMORY_MAX_ROWS steps, however many examples there are; an
 * example's own share is its reading, alignment and path. Here its features alone would take more. */
static void memory_is_bounded(void **unused) {
    (void)unused;
    fixture narrow = f;
    if (memory_open(&f, (tiny_model_options){.decoder_width = 256, .positions = 12})) fail();
    size_t features = 4 * f.model->memory.features * sizeof(uint16_t), share = 1536;
    assert_true(features > share * 5 / 4);
    size_t some = room_to_learn(2200), many = room_to_learn(4200);
    fixture_close(&f);
    f = narrow;
    assert_true(many < some + 2000 * share);
}

/* What learning takes beside the pool. */
static size_t room_beside(e2str_pool *pool) {
    size_t before = held;
    atomic_store(&peak, before);
    memory_learn(&f, pool);
    return atomic_load(&peak) - before;
}

/* Examples are listed without their visual tokens; where there are more of these than were listed there is no room. */
static void refuses_what_was_changed(e2str_pool *mapped) {
    e2_choice *all;
    size_t n;
    uint64_t last_id;
    e2str_error error;
    const e2_reading **readings;
    e2_compute compute = f.session->compute;
    assert_int_equal(e2_pool_choose_all(mapped, &all, &n, &last_id, NULL), E2STR_OK);
    all[n - 1].example->n_tokens--;
    readings = calloc(n, sizeof *readings);
    e2_arena_mark mark = e2_arena_begin(compute.arena);
    assert_int_equal(e2_trace_read(&compute, mapped, all, n, readings, &error), E2STR_ERROR_FORMAT);
    assert_non_null(strstr(error.message, "its file was changed"));
    e2_arena_release(compute.arena, mark);
    for (size_t i = 0; i < n; i++) e2_choice_release(&all[i]);
    free(all);
    free(readings);
}

/* Visual tokens of an archive's examples are in memory one by one: nothing that is learnt changes, and learning takes
 * less than a quarter of them beside what it takes of a pool in memory. */
static void visual_tokens_stay_on_the_disk(void **unused) {
    (void)unused;
    enum { EXAMPLES = 300 };
    static const char *const labels[] = {"one", "Two", "33333", "x"};
    fixture narrow = f;
    char path[64];
    e2str_pool *pools[2], *mapped;
    e2str_pool_options options;
    if (memory_open(&f, (tiny_model_options){.vision_width = 256})) fail();
    snprintf(path, sizeof path, "/tmp/e2str-test-thin-%ld", (long)getpid());
    e2str_pool_options_init(&options);
    options.cache_bytes = 0;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(e2str_pool_new(f.model, &options, &pools[i], NULL), E2STR_OK);
        for (size_t j = 0; j < EXAMPLES; j++) memory_add(&f, pools[i], j, labels[j % 4]);
    }
    assert_int_equal(e2str_pool_save_archive(pools[1], path, NULL, NULL), E2STR_OK);
    assert_int_equal(e2str_pool_load(f.model, path, &options, &mapped, NULL), E2STR_OK);
    size_t tokens = EXAMPLES * (size_t)f.model->visual_tokens * 256 * sizeof(uint16_t);
    size_t in_memory = room_beside(pools[0]), on_disk = room_beside(mapped);
    assert_same_memory(pools[0], mapped);
    assert_true(on_disk < in_memory + tokens / 4);
    refuses_what_was_changed(mapped);
    e2str_pool_free(mapped);
    for (size_t i = 0; i < 2; i++) e2str_pool_free(pools[i]);
    remove(path);
    fixture_close(&f);
    f = narrow;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_learnt_depends_on_the_examples_only),
        cmocka_unit_test(rare_characters_stay),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(visual_tokens_stay_on_the_disk),
    };
    return cmocka_run_group_tests_name("thin", tests, set_up, tear_down);
}
