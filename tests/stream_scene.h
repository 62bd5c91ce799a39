/* SPDX-License-Identifier: MIT */
/* A stream over an empty pool of a tiny model, pictures for it, and what is asked of it again and again. */
#ifndef STREAM_SCENE_H
#define STREAM_SCENE_H

#include "memory_fixture.h"

typedef struct scene {
    fixture f;
    e2str_pool *pool;
    e2str_stream *stream;
    e2str_result *result;
} scene;

static inline e2str_stream_options stream_options(void) {
    e2str_stream_options options;
    e2str_stream_options_init(&options);
    return options;
}

static inline void open_stream(scene *s, const e2str_stream_options *options) {
    e2str_error error = {""};
    if (e2str_stream_new(s->pool, s->f.session, options, &s->stream, &error)) fail_msg("%s", error.message);
}

static inline void open_scene(scene *s, const e2str_stream_options *options) {
    *s = (scene){.result = memory_result()};
    assert_int_equal(memory_open(&s->f, (tiny_model_options){.seed = 21}), 0);
    s->pool = memory_pool(&s->f);
    open_stream(s, options);
}

static inline void close_scene(scene *s) {
    e2str_stream_free(s->stream);
    e2str_pool_free(s->pool);
    e2str_result_free(s->result);
    fixture_close(&s->f);
}

static inline uint64_t read_image(scene *s, const e2str_image *image) {
    uint64_t ticket;
    e2str_error error = {""};
    if (e2str_stream_read(s->stream, image, NULL, s->result, &ticket, &error)) fail_msg("%s", error.message);
    return ticket;
}

static inline e2str_status correct(scene *s, uint64_t ticket, const char *text, e2str_correction *c) {
    e2str_correction_init(c);
    e2str_error error = {""};
    e2str_status status = e2str_stream_correct(s->stream, ticket, text, SIZE_MAX, c, &error);
    assert_int_equal(status || c->learning, error.message[0] != 0);
    return status;
}

/* Reads image i and corrects it. */
static inline e2str_correction teach(scene *s, size_t i, const char *text) {
    e2str_correction c;
    assert_int_equal(correct(s, read_image(s, &s->f.images[i]), text, &c), E2STR_OK);
    return c;
}

/* A picture like no other, of two columns of grey: for pools of more examples than the fixture has images. */
static inline e2str_image draw(uint8_t pixels[FIXTURE_WIDTH * FIXTURE_HEIGHT], uint32_t seed) {
    uint32_t state = 77 + seed * 2654435761u;
    for (size_t y = 0; y < FIXTURE_HEIGHT; y++)
        for (size_t x = 0; x < FIXTURE_WIDTH; x++) {
            uint8_t *at = &pixels[y * FIXTURE_WIDTH + x];
            *at = x % 8 ? at[-1] : (uint8_t)(fixture_random(&state) >> 24);
        }
    return (e2str_image){.pixels = pixels,
                         .width = FIXTURE_WIDTH,
                         .height = FIXTURE_HEIGHT,
                         .stride = FIXTURE_WIDTH,
                         .format = E2STR_GREY};
}

static inline e2str_correction teach_drawn(scene *s, uint32_t seed, const char *text) {
    uint8_t pixels[FIXTURE_WIDTH * FIXTURE_HEIGHT];
    e2str_image image = draw(pixels, seed);
    e2str_correction c;
    uint64_t ticket = read_image(s, &image);
    memset(pixels, 0, sizeof pixels); /* a ticket has its own */
    assert_int_equal(correct(s, ticket, text, &c), E2STR_OK);
    return c;
}

static inline e2str_stream_report report_of(const scene *s) {
    e2str_stream_report report;
    e2str_stream_report_init(&report);
    assert_int_equal(e2str_stream_get_report(s->stream, &report, NULL), E2STR_OK);
    return report;
}

static inline void assert_label(const scene *s, uint64_t id, const char *wanted) {
    char label[32];
    assert_int_equal(e2str_pool_label(s->pool, id, label, sizeof label, NULL, NULL), E2STR_OK);
    assert_string_equal(label, wanted);
}

#endif
