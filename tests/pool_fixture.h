/* SPDX-License-Identifier: MIT */
/* What the pool's tests share: a tiny model with its session, images of noise, random unit keys. */
#ifndef POOL_FIXTURE_H
#define POOL_FIXTURE_H

#include "nearest.h"
#include "session.h"
#include "tiny_model.h"

#define FIXTURE_WIDTH  40
#define FIXTURE_HEIGHT 20
#define FIXTURE_IMAGES 16
#define FIXTURE_KEY    16 /* vision width of the tiny model */

typedef struct fixture {
    uint8_t *file;
    e2str_model *model;
    e2str_session *session;
    uint8_t pixels[FIXTURE_IMAGES][FIXTURE_WIDTH * FIXTURE_HEIGHT];
    e2str_image images[FIXTURE_IMAGES];
} fixture;

static inline uint32_t fixture_random(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static inline int fixture_open(fixture *f, const tiny_model_options *options) {
    size_t size;
    *f = (fixture){.file = tiny_model_build(options, &size)};
    uint32_t state = 2463534242u;
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
        /* Blocks, not single pixels: noise that fine looks the same everywhere after resizing. */
        for (size_t y = 0; y < FIXTURE_HEIGHT; y++)
            for (size_t x = 0; x < FIXTURE_WIDTH; x++)
                f->pixels[i][y * FIXTURE_WIDTH + x] =
                    x % 8 ? f->pixels[i][y * FIXTURE_WIDTH + x - 1] : (uint8_t)(fixture_random(&state) >> 24);
        f->images[i] = (e2str_image){.pixels = f->pixels[i],
                                     .width = FIXTURE_WIDTH,
                                     .height = FIXTURE_HEIGHT,
                                     .stride = FIXTURE_WIDTH,
                                     .format = E2STR_GREY};
    }
    return e2str_model_open_memory(f->file, size, NULL, &f->model, NULL) ||
           e2str_session_new(f->model, NULL, &f->session, NULL);
}

static inline void fixture_close(fixture *f) {
    e2str_session_free(f->session);
    e2str_model_close(f->model);
    free(f->file);
}

static inline void fixture_key(uint32_t *state, float key[FIXTURE_KEY]) {
    double sum = 0;
    for (int i = 0; i < FIXTURE_KEY; i++) {
        key[i] = (float)fixture_random(state) / 4294967296.0f - 0.5f;
        sum += (double)key[i] * key[i];
    }
    for (int i = 0; i < FIXTURE_KEY; i++) key[i] = (float)(key[i] / sqrt(sum));
}

/* A pool file from memory. */
static inline e2str_status fixture_load(const fixture *f, const uint8_t *data, size_t size, e2str_error *error) {
    e2_gguf gguf;
    e2str_pool *pool = NULL;
    uint8_t *copy = tiny_checked(malloc(size ? size : 1)); /* exactly as large: a sanitizer sees the byte after it */
    memcpy(copy, data, size);
    e2str_status status = e2_gguf_open_memory(copy, size, &gguf, error);
    if (!status) {
        status = e2_pool_from_gguf(f->model, &gguf, NULL, &pool, error);
        e2_gguf_close(&gguf);
    }
    if (!status != (pool != NULL)) abort();
    e2str_pool_free(pool);
    free(copy);
    return status;
}

#endif
