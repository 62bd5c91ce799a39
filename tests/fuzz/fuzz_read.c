/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a model file, and all that can be done with what opens. An input that begins with "GGUF" is the file;
 * of any other the first byte chooses a good one, and the others are changes to it.
 */
#include "../pool_fixture.h"
#include "input.h"

#define MAX_CHANGES 16
#define SIDE        48

static const float weights[6] = {0.1f, 0.5f, 0.2f, -1, -1, 0}, textless[2] = {-5, -0.1f};
static const tiny_model_options kinds[] = {
    {.memory = true},
    {.resampler_layers = 1, .type = E2_F16, .class_token = true},
    {.min_width = 32, .all_media = true, .memory = true, .trim = true},
    {.head = true, .confidence = weights, .textless = textless, .type = E2_BF16},
    {.stem = {{8, 2, 2}, {9, 2, 2}, {5, 1, 2}, {7, 2, 2}}, .bpe = true, .norm_post = true},
    {.vision_width = 32, .decoder_width = 32, .type = E2_Q8_0, .segment_stride = 12, .head = true},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void read_with(e2str_session *session, const e2str_pool *pool, const e2str_model_info *info) {
    static uint8_t pixels[3][SIDE * SIDE];
    e2str_image images[3];
    e2str_result *results[3];
    e2str_read_options options;
    e2str_error error = {""};
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i / sizeof *pixels][i % sizeof *pixels] = (uint8_t)(i * i >> 5);
    for (uint32_t i = 0; i < 3; i++) {
        images[i] = (e2str_image){.pixels = pixels[i], .width = SIDE - 9 * i, .height = SIDE / (i + 1)};
        images[i].stride = SIDE;
        images[i].format = E2STR_GREY;
        images[i].rotate = i == 2 ? E2STR_ROTATE_AUTO : 0;
        require(!e2str_result_new(&results[i], NULL));
    }
    e2str_read_options_init(&options);
    options.beams = 2;
    options.max_tokens = 6;
    options.alternatives = 3;
    options.influences = 2;
    options.places = info->places;
    e2str_status status = e2str_read_batch(session, images, 3, pool, &options, results, &error);
    check_status(status, &error);
    require(!status || status == E2STR_ERROR_LIMIT);
    for (int i = 0; i < 3; i++) {
        check_result(results[i]);
        e2str_result_free(results[i]);
    }
}

static void use(const e2str_model *model) {
    static uint8_t pixels[SIDE * SIDE] = {255, 7};
    e2str_image image = {.pixels = pixels, .width = SIDE, .height = SIDE / 2, .stride = SIDE, .format = E2STR_GREY};
    e2str_session *session;
    e2str_pool *pool = NULL;
    e2str_model_info info;
    e2str_error error = {""};
    uint64_t id;
    e2str_model_info_init(&info);
    require(!e2str_model_get_info(model, &info, NULL));
    require(!e2str_session_new(model, NULL, &session, NULL) && !e2str_pool_new(model, NULL, &pool, NULL));
    read_with(session, pool, &info);
    e2str_status status = e2str_pool_add(pool, session, &image, "A1", 2, &id, &error);
    check_status(status, &error);
    if (!status) {
        memset(&error, 0, sizeof error);
        status = e2str_pool_learn(pool, session, NULL, &error);
        check_status(status, &error);
        require(!status || status == E2STR_ERROR_UNSUPPORTED || status == E2STR_ERROR_LIMIT);
        read_with(session, pool, &info);
    }
    e2str_pool_free(pool);
    e2str_session_free(session);
}

/* A good file of a kind; metadata: the bytes before the tensors'. */
static uint8_t *good_file(size_t kind, size_t *size, size_t *metadata) {
    static struct {
        uint8_t *data;
        size_t size, metadata;
    } files[KINDS];
    if (!files[kind].data) {
        e2_gguf gguf;
        files[kind].data = tiny_model_build(&kinds[kind], &files[kind].size);
        require(!e2_gguf_open_memory(files[kind].data, files[kind].size, &gguf, NULL));
        files[kind].metadata = gguf.metadata;
        e2_gguf_close(&gguf);
    }
    uint8_t *copy = tiny_checked(malloc(files[kind].size));
    *size = files[kind].size;
    *metadata = files[kind].metadata;
    return memcpy(copy, files[kind].data, *size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    uint8_t *file, kind = size >= 4 && !memcmp(data, "GGUF", 4) ? 255 : take(&in);
    if (kind == 255) {
        file = tiny_checked(malloc(size));
        memcpy(file, data, size);
    } else {
        size_t metadata;
        file = good_file(kind % KINDS, &size, &metadata);
        for (int i = 0; i < MAX_CHANGES && in.size >= 4; i++) change_file(file, size, metadata, &in);
    }
    e2str_model_options options;
    e2str_model *model;
    e2str_error error = {""};
    e2str_model_options_init(&options);
    options.max_operations = (uint64_t)1 << 24; /* that keep a run short */
    options.precision = (e2str_precision)(kind / KINDS % 5);
    e2str_status status = e2str_model_open_memory(file, size, &options, &model, &error);
    check_status(status, &error);
    require(!status == (model != NULL));
    if (!status) use(model);
    e2str_model_close(model);
    free(file);
    return 0;
}
