/* SPDX-License-Identifier: MIT */
/* Structures that begin with their size, between a program and a library of different versions: nothing is written or
 * read behind a shorter one, what it lacks has its default, and what a longer one has must be 0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "error.h"
#include "tiny_model.h"

#define ROOM   512
#define CANARY 0xa5

/* A caller's structure of some size, and what lies behind it. */
typedef union place {
    size_t size;
    uint8_t bytes[ROOM];
    e2str_read_options read;
    e2str_model_options model;
    e2str_session_options session;
    e2str_pool_options pool;
    e2str_image_limits limits;
    e2str_model_info info;
    e2str_learn_options learn;
    e2str_memory_report report;
    e2str_constraint_options constraint;
    e2str_archive_options archive;
    e2str_pool_info pool_info;
} place;

static void assert_canary(const place *p, size_t from) {
    for (size_t i = from; i < ROOM; i++) assert_int_equal(p->bytes[i], CANARY);
}

#define KIND(name)                                                                                                     \
    static void init_##name(void *at, size_t size) { e2str_##name##_init_size(at, size); }                             \
    static void init_default_##name(place *p) { e2str_##name##_init((e2str_##name *)p); }
KIND(model_options)
KIND(model_info)
KIND(session_options)
KIND(image_limits)
KIND(pool_options)
KIND(learn_options)
KIND(memory_report)
KIND(read_options)
KIND(constraint_options)
KIND(archive_options)
KIND(pool_info)

static const struct kind {
    const char *name;
    void (*init_size)(void *at, size_t size);
    void (*init)(place *p);
    size_t size;
} kinds[] = {
#define ROW(name)                                                                                                      \
    { #name, init_##name, init_default_##name, sizeof(e2str_##name) }
    ROW(model_options),      ROW(model_info),      ROW(session_options), ROW(image_limits),
    ROW(pool_options),       ROW(learn_options),   ROW(memory_report),   ROW(read_options),
    ROW(constraint_options), ROW(archive_options), ROW(pool_info),
};
#define N_KINDS (sizeof kinds / sizeof *kinds)

static void init_stays_within_the_callers_size(void **state) {
    (void)state;
    for (size_t k = 0; k < N_KINDS; k++) {
        place whole, p;
        memset(&whole, CANARY, sizeof whole);
        kinds[k].init(&whole);
        assert_int_equal(whole.size, kinds[k].size);
        assert_canary(&whole, kinds[k].size);
        for (size_t size = sizeof(size_t); size <= kinds[k].size + 64; size += sizeof(size_t)) {
            memset(&p, CANARY, sizeof p);
            kinds[k].init_size(&p, size);
            assert_int_equal(p.size, size);
            assert_canary(&p, size);
            size_t known = size < kinds[k].size ? size : kinds[k].size;
            assert_memory_equal(p.bytes + sizeof size, whole.bytes + sizeof size, known - sizeof size);
            for (size_t i = known; i < size; i++) assert_int_equal(p.bytes[i], 0);
        }
        memset(&p, CANARY, sizeof p);
        kinds[k].init_size(&p, 3);
        assert_canary(&p, 0);
        kinds[k].init_size(NULL, kinds[k].size);
    }
}

typedef struct fixture {
    uint8_t *file, pixels[32 * 128];
    size_t file_size;
    e2str_model *model;
    e2str_session *session;
    e2str_result *result;
    e2str_image image;
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    f->file = tiny_model_build(NULL, &f->file_size);
    for (size_t i = 0; i < sizeof f->pixels; i++) f->pixels[i] = (uint8_t)(i * 37);
    f->image = (e2str_image){.pixels = f->pixels, .width = 128, .height = 32, .stride = 128, .format = E2STR_GREY};
    return e2str_model_open_memory(f->file, f->file_size, NULL, &f->model, NULL) ||
           e2str_session_new(f->model, NULL, &f->session, NULL) || e2str_result_new(&f->result, NULL);
}

static int tear_down(void **state) {
    fixture *f = *state;
    e2str_result_free(f->result);
    e2str_session_free(f->session);
    e2str_model_close(f->model);
    free(f->file);
    free(f);
    return 0;
}

/* One call with the structure at p. */
typedef e2str_status attempt(fixture *f, const place *p, e2str_error *error);

static e2str_status try_read(fixture *f, const place *p, e2str_error *error) {
    return e2str_read(f->session, &f->image, NULL, &p->read, f->result, error);
}
static e2str_status try_model(fixture *f, const place *p, e2str_error *error) {
    e2str_model *model;
    e2str_status status = e2str_model_open_memory(f->file, f->file_size, &p->model, &model, error);
    e2str_model_close(model);
    return status;
}
static e2str_status try_session(fixture *f, const place *p, e2str_error *error) {
    e2str_session *session;
    e2str_status status = e2str_session_new(f->model, &p->session, &session, error);
    e2str_session_free(session);
    return status;
}
static e2str_status try_pool(fixture *f, const place *p, e2str_error *error) {
    e2str_pool *pool;
    e2str_status status = e2str_pool_new(f->model, &p->pool, &pool, error);
    e2str_pool_free(pool);
    return status;
}
static e2str_status try_load(fixture *f, const place *p, e2str_error *error) {
    (void)f;
    e2str_image image = {0};
    e2str_status status = e2str_image_load("examples/images/open.png", &p->limits, &image, error);
    e2str_image_free(&image);
    return status;
}
static e2str_status try_learn(fixture *f, const place *p, e2str_error *error) {
    e2str_pool *pool;
    e2str_status status = e2str_pool_new(f->model, NULL, &pool, error);
    if (!status) status = e2str_pool_learn(pool, f->session, &p->learn, error);
    e2str_pool_free(pool);
    return status == E2STR_ERROR_UNSUPPORTED && strstr(error->message, "statistics") ? E2STR_OK : status;
}

/* Into a place where no file can be. */
static e2str_status try_archive(fixture *f, const place *p, e2str_error *error) {
    e2str_pool *pool;
    e2str_status status = e2str_pool_new(f->model, NULL, &pool, error);
    if (!status) status = e2str_pool_save_archive(pool, "tests", &p->archive, error);
    e2str_pool_free(pool);
    return status == E2STR_ERROR_IO ? E2STR_OK : status;
}

static e2str_status try_constraint(fixture *f, const place *p, e2str_error *error) {
    (void)f;
    e2str_constraint *constraint;
    e2str_status status = e2str_constraint_new(&p->constraint, &constraint, error);
    e2str_constraint_free(constraint);
    return status == E2STR_ERROR_ARGUMENT && strstr(error->message, "without anything") ? E2STR_OK : status;
}

/* From the size alone to the whole: a member that a shorter structure lacks is not looked for in the canary behind it,
 * where it would be out of range. */
static void options_may_be_shorter_and_longer(void **state) {
    fixture *f = *state;
    static const struct {
        const char *kind;
        attempt *call;
    } calls[] = {{"read_options", try_read},
                 {"model_options", try_model},
                 {"session_options", try_session},
                 {"pool_options", try_pool},
                 {"image_limits", try_load},
                 {"learn_options", try_learn},
                 {"constraint_options", try_constraint},
                 {"archive_options", try_archive}};
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
        const struct kind *kind = kinds;
        while (strcmp(kind->name, calls[c].kind) != 0) kind++;
        place p;
        e2str_error error;
        for (size_t size = sizeof(size_t); size <= kind->size + 32; size += sizeof(size_t)) {
            memset(&p, CANARY, sizeof p);
            kind->init_size(&p, size);
            e2str_status status = calls[c].call(f, &p, &error);
            if (status) print_error("%s of %zu bytes: %s\n", kind->name, size, error.message);
            assert_int_equal(status, E2STR_OK);
            assert_canary(&p, size);
        }
        memset(&p, CANARY, sizeof p);
        kind->init_size(&p, kind->size + 32);
        p.bytes[kind->size + 31] = 1; /* set by a newer program */
        assert_int_equal(calls[c].call(f, &p, &error), E2STR_ERROR_UNSUPPORTED);
        static const size_t impossible[] = {0, 3, sizeof(size_t) + 1, 4104, SIZE_MAX};
        for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
            p.size = impossible[i];
            assert_int_equal(calls[c].call(f, &p, &error), E2STR_ERROR_ARGUMENT);
        }
    }
}

/* A program of before `memory` was there, in the version's own words. */
static void an_old_program_reads_as_the_defaults_do(void **state) {
    fixture *f = *state;
    struct old_read_options {
        size_t size;
        uint32_t k;
        float min_similarity;
        const uint64_t *examples;
        size_t n_examples;
        const e2str_prompt *prompt;
        uint32_t beams, max_tokens, alternatives, clean_up;
    };
    struct {
        struct old_read_options options;
        uint8_t behind[256];
    } old;
    memset(&old, CANARY, sizeof old);
    e2str_read_options_init_size((e2str_read_options *)&old.options, sizeof old.options);
    for (size_t i = 0; i < sizeof old.behind; i++) assert_int_equal(old.behind[i], CANARY);
    old.options.max_tokens = 5;
    const e2str_read_options *seen = (const e2str_read_options *)&old.options;
    assert_int_equal(e2str_read(f->session, &f->image, NULL, seen, f->result, NULL), E2STR_OK);
    char text[64];
    strcpy(text, e2str_result_text(f->result));
    float score = e2str_result_score(f->result);
    e2str_read_options today;
    e2str_read_options_init(&today);
    today.max_tokens = 5;
    assert_int_equal(e2str_read(f->session, &f->image, NULL, &today, f->result, NULL), E2STR_OK);
    assert_string_equal(text, e2str_result_text(f->result));
    assert_true(score == e2str_result_score(f->result));
}

static void answers_stay_within_the_callers_size(void **state) {
    fixture *f = *state;
    place whole, p;
    memset(&whole, CANARY, sizeof whole);
    e2str_model_info_init(&whole.info);
    assert_int_equal(e2str_model_get_info(f->model, &whole.info, NULL), E2STR_OK);
    for (size_t size = sizeof(size_t); size <= sizeof whole.info + 32; size += sizeof(size_t)) {
        memset(&p, CANARY, sizeof p);
        e2str_model_info_init_size(&p.info, size);
        assert_int_equal(e2str_model_get_info(f->model, &p.info, NULL), E2STR_OK);
        assert_int_equal(p.size, size);
        assert_canary(&p, size);
        size_t known = size < sizeof whole.info ? size : sizeof whole.info;
        assert_memory_equal(p.bytes + sizeof size, whole.bytes + sizeof size, known - sizeof size);
        for (size_t i = known; i < size; i++) assert_int_equal(p.bytes[i], 0);
    }
    p.size = 3;
    assert_int_equal(e2str_model_get_info(f->model, &p.info, NULL), E2STR_ERROR_ARGUMENT);
    memset(&p, CANARY, sizeof p); /* what e2str_pool_report calls */
    p.size = offsetof(e2str_memory_report, doubtful);
    e2str_memory_report report = {.size = sizeof report, .examples = 7, .doubtful = 1};
    assert_int_equal(e2_answer_write(&p, &report, "e2str_memory_report", NULL), E2STR_OK);
    assert_int_equal(p.report.examples, 7);
    assert_canary(&p, p.size);
}

static void every_status_has_its_name(void **state) {
    (void)state;
    static const char *const names[] = {"ok",    "argument", "memory", "io",   "format",    "unsupported", "mismatch",
                                        "image", "limit",    "label",  "full", "not found", "conflict"};
    for (int i = 0; i < 13; i++) assert_string_equal(e2str_status_name((e2str_status)i), names[i]);
    assert_string_equal(e2str_status_name((e2str_status)13), "unknown");
    assert_string_equal(e2str_status_name((e2str_status)-1), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_name),
        cmocka_unit_test(init_stays_within_the_callers_size),
        cmocka_unit_test_setup_teardown(options_may_be_shorter_and_longer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_old_program_reads_as_the_defaults_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_stay_within_the_callers_size, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
