/* SPDX-License-Identifier: MIT */
/* What the tests of the pool's memory share: a tiny model with statistics, pools that learn, results bit for bit. */
#ifndef MEMORY_FIXTURE_H
#define MEMORY_FIXTURE_H

#include "pool_fixture.h"
#include "result.h"

/* The tiny model with memory statistics; what o says on top. */
static inline int memory_open(fixture *f, tiny_model_options o) {
    o.memory = true;
    return fixture_open(f, &o);
}

static inline e2str_pool *memory_pool(const fixture *f) {
    e2str_pool_options options;
    e2str_pool *pool;
    e2str_pool_options_init(&options);
    options.storage = E2STR_STORE_F32; /* as the query's visual tokens are */
    assert_int_equal(e2str_pool_new(f->model, &options, &pool, NULL), E2STR_OK);
    return pool;
}

static inline uint64_t memory_add(const fixture *f, e2str_pool *pool, size_t image, const char *label) {
    uint64_t id = 0;
    e2str_error error = {""};
    if (e2str_pool_add(pool, f->session, &f->images[image % FIXTURE_IMAGES], label, SIZE_MAX, &id, &error))
        fail_msg("%s", error.message);
    return id;
}

/* Learns at full strength, whatever held-out reads say. */
static inline void memory_learn_with(e2str_session *session, e2str_pool *pool, float strength) {
    e2str_learn_options options;
    e2str_error error = {""};
    e2str_learn_options_init(&options);
    options.strength = strength;
    options.keep_doubtful = 1;
    if (e2str_pool_learn(pool, session, &options, &error)) fail_msg("%s", error.message);
}

static inline void memory_learn(const fixture *f, e2str_pool *pool) { memory_learn_with(f->session, pool, 1.0f); }

static inline e2str_read_options memory_options(uint32_t k, uint32_t beams) {
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.k = k;
    options.beams = beams;
    options.max_tokens = 12;
    options.alternatives = 4;
    options.influences = E2STR_MAX_INFLUENCES;
    return options;
}

static inline e2str_result *memory_result(void) {
    e2str_result *result;
    assert_int_equal(e2str_result_new(&result, NULL), E2STR_OK);
    return result;
}

static inline void memory_read(const fixture *f, size_t image, const e2str_pool *pool,
                               const e2str_read_options *options, e2str_result *result) {
    e2str_error error = {""};
    if (e2str_read(f->session, &f->images[image % FIXTURE_IMAGES], pool, options, result, &error))
        fail_msg("%s", error.message);
}

static inline bool same_buffer(const e2_buffer *a, const e2_buffer *b, size_t size) {
    return a->count == b->count && (a->count == 0 || memcmp(a->data, b->data, a->count * size) == 0);
}

/* Everything that two reads found, bit for bit. */
static inline bool memory_same(const e2str_result *a, const e2str_result *b) {
    bool same = same_buffer(&a->text, &b->text, 1) && same_buffer(&a->tokens, &b->tokens, sizeof(uint32_t)) &&
                same_buffer(&a->strings, &b->strings, 1) && same_buffer(&a->attention, &b->attention, sizeof(float)) &&
                a->characters.count == b->characters.count && a->influences.count == b->influences.count &&
                a->score == b->score && a->confidence == b->confidence && a->textless == b->textless &&
                a->rejected == b->rejected && a->has_boxes == b->has_boxes &&
                a->end_probability == b->end_probability && a->truncated == b->truncated &&
                a->n_examples == b->n_examples && a->alternatives.count == b->alternatives.count;
    const e2_result_character *x = a->characters.data, *y = b->characters.data;
    for (size_t i = 0; same && i < a->characters.count; i++)
        same = x[i].shown.offset == y[i].shown.offset && x[i].shown.length == y[i].shown.length &&
               x[i].shown.probability == y[i].shown.probability && x[i].memory == y[i].memory &&
               memcmp(&x[i].box, &y[i].box, sizeof x[i].box) == 0 && x[i].n_alternatives == y[i].n_alternatives &&
               x[i].n_influences == y[i].n_influences;
    const e2_result_alternative *p = a->alternatives.data, *q = b->alternatives.data;
    for (size_t i = 0; same && i < a->alternatives.count; i++)
        same = p[i].text == q[i].text && p[i].probability == q[i].probability;
    const e2str_influence *v = a->influences.data, *w = b->influences.data;
    for (size_t i = 0; same && i < a->influences.count; i++)
        same = v[i].example == w[i].example && v[i].offset == w[i].offset && v[i].amount == w[i].amount;
    for (size_t i = 0; same && i < a->n_examples; i++)
        same = a->examples[i].id == b->examples[i].id && a->examples[i].similarity == b->examples[i].similarity;
    return same;
}

static inline bool has_learnt(const e2str_pool *pool) {
    e2str_memory *memory;
    e2str_memory_report report;
    e2str_memory_report_init(&report);
    e2str_status status = e2str_pool_memory(pool, &memory, NULL);
    assert_true(status == E2STR_OK || status == E2STR_ERROR_NOT_FOUND);
    assert_int_equal(memory != NULL, status == E2STR_OK);
    assert_int_equal(e2str_pool_report(pool, &report, NULL), status);
    e2str_memory_free(memory);
    return status == E2STR_OK;
}

/* Whether the tokens of a read are all that was written: special ones are not told. */
static inline bool is_whole(const e2str_result *result) {
    size_t n = e2str_result_characters(result);
    double sum = log(e2str_result_end_probability(result));
    for (size_t i = 0; i < n; i++) {
        e2str_character c;
        assert_int_equal(e2str_result_character(result, i, &c, NULL), E2STR_OK);
        sum += log(c.probability);
    }
    return n && fabs(sum / (double)(n + 1) - log(e2str_result_score(result))) < 1e-5;
}

#define assert_same(a, b)                                                                                              \
    do {                                                                                                               \
        if (!memory_same(a, b))                                                                                        \
            fail_msg("line %d: '%s' (%.9g) and '%s' (%.9g) are not the same", __LINE__, e2str_result_text(a),          \
                     (double)e2str_result_score(a), e2str_result_text(b), (double)e2str_result_score(b));              \
    } while (0)

#endif
