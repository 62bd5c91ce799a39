/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: lines of any bytes as labels of examples, which are then learnt and read with. The first byte chooses
 * the model: characters with and without what learning needs, or BPE.
 */
#include "../pool_fixture.h"
#include "input.h"

#define MODELS 3
#define LABELS 12

static const tiny_model_options kinds[MODELS] = {
    {.memory = true}, {.alphabet = "abc\xC3\xA9"}, {.bpe = true, .memory = true}};

/* Cut anywhere, it is still text. */
static void check_label(const e2str_pool *pool, uint64_t id, const char *label, size_t size) {
    char copy[4200];
    size_t whole;
    require(!e2str_pool_label(pool, id, copy, sizeof copy, &whole, NULL));
    require(whole == size && !memcmp(copy, label, size) && !copy[size] && is_utf8(copy, size));
    for (size_t capacity = 1; capacity < 6; capacity++) {
        require(!e2str_pool_label(pool, id, copy, capacity, NULL, NULL));
        require(strlen(copy) < capacity && is_utf8(copy, strlen(copy)));
    }
}

static void learn_and_read(fixture *f, e2str_pool *pool, uint8_t flags) {
    e2str_learn_options learning;
    e2str_read_options options;
    e2str_result *result;
    e2str_error error = {""};
    e2str_learn_options_init(&learning);
    if (flags & 4) learning.strength = 1;
    learning.keep_doubtful = flags >> 3 & 1;
    e2str_status status = e2str_pool_learn(pool, f->session, &learning, &error);
    check_status(status, &error);
    require(!status || status == E2STR_ERROR_UNSUPPORTED || status == E2STR_ERROR_LIMIT);
    e2str_read_options_init(&options);
    options.max_tokens = 8;
    options.k = flags >> 4 & 3;
    options.influences = 3;
    require(!e2str_result_new(&result, NULL));
    memset(&error, 0, sizeof error);
    status = e2str_read(f->session, &f->images[0], pool, &options, result, &error);
    check_status(status, &error);
    require(!status || status == E2STR_ERROR_LIMIT); /* long labels leave no place */
    check_result(result);
    e2str_result_free(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fixture models[MODELS];
    input in = {data, size};
    uint8_t flags = take(&in);
    fixture *f = &models[flags % 4 % MODELS];
    if (!f->model) require(!fixture_open(f, &kinds[f - models]));
    e2str_pool *pool;
    require(!e2str_pool_new(f->model, NULL, &pool, NULL));
    size_t added = 0;
    for (size_t i = 0, length; in.size && i < LABELS; i++) {
        const char *label = take_line(&in, 4100, &length);
        uint64_t id = 0;
        e2str_error error = {""};
        e2str_status status =
            e2str_pool_add(pool, f->session, &f->images[i % FIXTURE_IMAGES], label, length, &id, &error);
        check_status(status, &error);
        require(!status || status == E2STR_ERROR_LABEL || status == E2STR_ERROR_LIMIT);
        if (!is_utf8(label, length) || !length) require(status == E2STR_ERROR_LABEL || length > 4096);
        if (!status) check_label(pool, id, label, length);
        added += !status;
        require(e2str_pool_count(pool) == added);
    }
    learn_and_read(f, pool, flags);
    e2str_pool_free(pool);
    return 0;
}
