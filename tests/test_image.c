/* SPDX-License-Identifier: MIT */
/* Views, rotation, resize and normalisation. Golden values: tests/golden/resize.bin, made by make_resize.py there,
 * whose text describes the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image.h"

enum { KIND_RGB, KIND_HARD, KIND_GREY };

static e2_arena arena;
static FILE *golden;

static int open_golden(void **state) {
    (void)state;
    golden = fopen("tests/golden/resize.bin", "rb");
    return golden && fseek(golden, 128, SEEK_SET) == 0 ? 0 : -1;
}

static int close_all(void **state) {
    (void)state;
    e2_arena_free(&arena);
    return fclose(golden);
}

static uint32_t next_u32(void) {
    uint8_t bytes[4];
    assert_int_equal(fread(bytes, 1, 4, golden), 4);
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static float next_float(void) {
    const uint32_t bits = next_u32();
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static void *memory(size_t size) {
    void *result = malloc(size);
    assert_non_null(result);
    return result;
}

/* The generator of make_resize.py. */
static uint8_t *generate(uint32_t width, uint32_t height, uint32_t kind) {
    const size_t size = (size_t)width * height * (kind == KIND_GREY ? 1 : 3);
    uint8_t *bytes = memory(size);
    uint32_t state = width * 65536 + height;
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = kind == KIND_HARD ? (uint8_t)(state >> 31 ? 255 : 0) : (uint8_t)(state >> 24);
    }
    return bytes;
}

static e2str_image view_of(const uint8_t *pixels, uint32_t width, uint32_t height, e2str_format format) {
    const ptrdiff_t pixel = format == E2STR_GREY ? 1 : format == E2STR_RGBA ? 4 : 3;
    return (e2str_image){
        .pixels = pixels, .width = width, .height = height, .stride = pixel * (ptrdiff_t)width, .format = format};
}

static uint8_t *resized(const e2str_image *image, uint32_t width, uint32_t height) {
    uint8_t *out = memory((size_t)width * height * 3);
    e2str_error error = {0};
    if (e2_image_resize(image, width, height, out, &arena, &error)) fail_msg("%s", error.message);
    return out;
}

static void resize_case(void) {
    const uint32_t width = next_u32(), height = next_u32(), kind = next_u32(), out_width = next_u32(),
                   out_height = next_u32();
    const size_t pixels = (size_t)out_width * out_height, channels = kind == KIND_GREY ? 1 : 3;
    uint8_t *wanted = memory(pixels * channels), *input = generate(width, height, kind);
    assert_int_equal(fread(wanted, channels, pixels, golden), pixels);
    const e2str_image image = view_of(input, width, height, kind == KIND_GREY ? E2STR_GREY : E2STR_RGB);
    uint8_t *out = resized(&image, out_width, out_height);
    for (size_t i = 0; i < pixels * 3; i++)
        if (out[i] != wanted[channels == 3 ? i : i / 3])
            fail_msg("%u x %u kind %u: byte %zu is %d, Pillow has %d", width, height, kind, i, out[i],
                     wanted[channels == 3 ? i : i / 3]);
    free(out);
    free(input);
    free(wanted);
}

/* The planes of a picture that holds every byte in every channel, at its own size. */
static void normalise_case(void) {
    e2_image_config config = {.width = 256, .height = 1};
    for (int c = 0; c < 3; c++) config.mean[c] = next_float();
    for (int c = 0; c < 3; c++) config.std[c] = next_float();
    float wanted[3 * 256], planes[3 * 256];
    for (int i = 0; i < 3 * 256; i++) wanted[i] = next_float();
    uint8_t ramp[256 * 3];
    for (int i = 0; i < 256; i++) {
        ramp[3 * i] = (uint8_t)i;
        ramp[3 * i + 1] = (uint8_t)(255 - i);
        ramp[3 * i + 2] = (uint8_t)(i ^ 85);
    }
    const e2str_image image = view_of(ramp, 256, 1, E2STR_RGB);
    assert_int_equal(e2_image_planes(&image, &config, planes, &arena, NULL), E2STR_OK);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++)
            assert_memory_equal(&planes[c * 256 + i], &wanted[c * 256 + ramp[3 * i + c]], sizeof(float));
    config.bgr = true; /* plane 0 holds blue, with mean[0] and std[0] */
    assert_int_equal(e2_image_planes(&image, &config, planes, &arena, NULL), E2STR_OK);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++)
            assert_memory_equal(&planes[c * 256 + i], &wanted[c * 256 + ramp[3 * i + 2 - c]], sizeof(float));
}

static void test_golden(void **state) {
    (void)state;
    const uint32_t cases = next_u32();
    assert_in_range(cases, 20, 100);
    for (uint32_t i = 0; i < cases; i++) resize_case();
    normalise_case();
    assert_int_equal(fgetc(golden), EOF);
}

/* The same picture in every format and with every kind of stride gives the same bytes. */
static void test_formats(void **state) {
    (void)state;
    enum { WIDTH = 61, HEIGHT = 45, STRIDE = WIDTH * 4 + 5 };
    uint8_t *rgb = generate(WIDTH, HEIGHT, KIND_RGB);
    const e2str_image plain = view_of(rgb, WIDTH, HEIGHT, E2STR_RGB);
    uint8_t *wanted = resized(&plain, 128, 32);
    static const struct {
        e2str_format format;
        int pixel, red, blue;
    } kinds[] = {{E2STR_RGB, 3, 0, 2}, {E2STR_BGR, 3, 2, 0}, {E2STR_RGBA, 4, 0, 2}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int flipped = 0; flipped < 2; flipped++) {
            uint8_t *padded = memory((size_t)STRIDE * HEIGHT);
            memset(padded, 0xA5, (size_t)STRIDE * HEIGHT);
            for (int y = 0; y < HEIGHT; y++)
                for (int x = 0; x < WIDTH; x++) {
                    uint8_t *to = padded + (flipped ? HEIGHT - 1 - y : y) * STRIDE + x * kinds[k].pixel;
                    const uint8_t *from = rgb + (y * WIDTH + x) * 3;
                    to[kinds[k].red] = from[0];
                    to[1] = from[1];
                    to[kinds[k].blue] = from[2];
                    if (kinds[k].pixel == 4) to[3] = 255;
                }
            e2str_image view = view_of(padded, WIDTH, HEIGHT, kinds[k].format);
            view.stride = flipped ? -STRIDE : STRIDE;
            if (flipped) view.pixels += (ptrdiff_t)STRIDE * (HEIGHT - 1);
            uint8_t *out = resized(&view, 128, 32);
            assert_memory_equal(out, wanted, 128 * 32 * 3);
            free(out);
            free(padded);
        }
    free(wanted);
    free(rgb);
}

static void test_grey_equals_rgb(void **state) {
    (void)state;
    enum { WIDTH = 61, HEIGHT = 45 };
    uint8_t *grey = generate(WIDTH, HEIGHT, KIND_GREY), *rgb = memory(WIDTH * HEIGHT * 3);
    for (int i = 0; i < WIDTH * HEIGHT * 3; i++) rgb[i] = grey[i / 3];
    const e2str_image one = view_of(grey, WIDTH, HEIGHT, E2STR_GREY), three = view_of(rgb, WIDTH, HEIGHT, E2STR_RGB);
    static const uint32_t sizes[][2] = {{128, 32}, {WIDTH, HEIGHT}, {WIDTH, 1}, {1, HEIGHT}, {1, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *a = resized(&one, sizes[i][0], sizes[i][1]), *b = resized(&three, sizes[i][0], sizes[i][1]);
        assert_memory_equal(a, b, (size_t)sizes[i][0] * sizes[i][1] * 3);
        free(a);
        free(b);
    }
    free(grey);
    free(rgb);
}

/* Turned by hand, one definition for all angles: a clockwise quarter turn, repeated. */
static uint8_t *quarter_turn(const uint8_t *pixels, uint32_t width, uint32_t height, size_t channels) {
    uint8_t *out = memory((size_t)width * height * channels);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            memcpy(out + ((size_t)x * height + (height - 1 - y)) * channels,
                   pixels + ((size_t)y * width + x) * channels, channels);
    return out;
}

static void test_rotate(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{128, 32}, {17, 53}}; /* also a size that some turns of the picture have */
    for (int kind = KIND_RGB; kind <= KIND_GREY; kind += KIND_GREY)
        for (size_t s = 0; s < 2; s++) {
            uint32_t width = 53, height = 17;
            const size_t channels = kind == KIND_GREY ? 1 : 3;
            const e2str_format format = kind == KIND_GREY ? E2STR_GREY : E2STR_RGB;
            uint8_t *stored = generate(width, height, (uint32_t)kind), *turned = memory(width * height * channels);
            memcpy(turned, stored, width * height * channels);
            e2str_image view = view_of(stored, width, height, format);
            for (view.rotate = 0; view.rotate < 360; view.rotate += 90) {
                const e2str_image upright = view_of(turned, width, height, format);
                uint8_t *wanted = resized(&upright, sizes[s][0], sizes[s][1]);
                uint8_t *out = resized(&view, sizes[s][0], sizes[s][1]);
                assert_memory_equal(out, wanted, (size_t)sizes[s][0] * sizes[s][1] * 3);
                free(out);
                free(wanted);
                uint8_t *next = quarter_turn(turned, width, height, channels);
                free(turned);
                turned = next;
                const uint32_t old_width = width;
                width = height;
                height = old_width;
            }
            free(turned);
            free(stored);
        }
}

/* 90 degrees clockwise, seen with the eye: 1 2 3 / 4 5 6 becomes 4 1 / 5 2 / 6 3. */
static void test_rotate_direction(void **state) {
    (void)state;
    static const uint8_t pixels[] = {1, 2, 3, 4, 5, 6}, wanted[] = {4, 1, 5, 2, 6, 3}, other[] = {3, 6, 2, 5, 1, 4};
    e2str_image view = view_of(pixels, 3, 2, E2STR_GREY);
    view.rotate = 90;
    uint8_t *out = resized(&view, 2, 3);
    for (int i = 0; i < 6; i++) assert_int_equal(out[3 * i], wanted[i]);
    free(out);
    view.rotate = 270;
    out = resized(&view, 2, 3);
    for (int i = 0; i < 6; i++) assert_int_equal(out[3 * i], other[i]);
    free(out);
}

static void refused(const e2str_image *image, const char *member) {
    e2str_error error = {0};
    uint8_t out[3];
    float planes[3];
    const e2_image_config config = {.width = 1, .height = 1, .std = {1, 1, 1}};
    assert_int_equal(e2_image_check(image, &error), E2STR_ERROR_ARGUMENT);
    if (!strstr(error.message, member)) fail_msg("\"%s\" does not name %s", error.message, member);
    assert_int_equal(e2_image_check(image, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2_image_resize(image, 1, 1, out, &arena, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2_image_planes(image, &config, planes, &arena, NULL), E2STR_ERROR_ARGUMENT);
}

static void test_check(void **state) {
    (void)state;
    static const uint8_t pixels[64];
    const e2str_image good = view_of(pixels, 4, 4, E2STR_RGB);
    assert_int_equal(e2_image_check(&good, NULL), E2STR_OK);
    e2str_image bad = good;
    refused(NULL, "image");
    bad.pixels = NULL, refused(&bad, "pixels"), bad = good;
    bad.width = 0, refused(&bad, "width"), bad = good;
    bad.height = 0, refused(&bad, "height"), bad = good;
    bad.width = 16385, bad.stride = 1 << 20, refused(&bad, "width"), bad = good;
    bad.height = UINT32_MAX, refused(&bad, "height"), bad = good;
    bad.format = 0, refused(&bad, "format"), bad = good;
    bad.format = 2, refused(&bad, "format"), bad = good;
    bad.format = 6, refused(&bad, "format"), bad = good;
    bad.stride = 0, refused(&bad, "stride"), bad = good;
    bad.stride = 11, refused(&bad, "stride"), bad = good;
    bad.stride = -11, refused(&bad, "stride"), bad = good;
    bad.stride = 15, bad.format = E2STR_RGBA, refused(&bad, "stride"), bad = good;
    bad.stride = PTRDIFF_MAX / 2, refused(&bad, "stride"), bad = good;
    bad.stride = PTRDIFF_MIN, refused(&bad, "stride"), bad = good;
    bad.rotate = 45, refused(&bad, "rotate"), bad = good;
    bad.rotate = 360, refused(&bad, "rotate"), bad = good;
    bad.rotate = UINT32_MAX - 89, refused(&bad, "rotate"), bad = good;
}

/* Reading again needs no new memory, and everything is given back. */
static void test_scratch(void **state) {
    (void)state;
    e2_arena own = {0};
    const e2_image_config config = {.width = 128, .height = 32, .std = {1, 1, 1}};
    uint8_t *pixels = generate(300, 100, KIND_RGB);
    float *planes = memory(sizeof(float) * 3 * 128 * 32);
    const e2str_image image = view_of(pixels, 300, 100, E2STR_RGB);
    size_t bytes = 0;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(e2_image_planes(&image, &config, planes, &own, NULL), E2STR_OK);
        if (i == 0) bytes = e2_arena_bytes(&own);
        assert_int_equal(e2_arena_bytes(&own), bytes);
        assert_true(!own.current || !e2_arena_begin(&own).used);
    }
    e2_arena_free(&own);
    free(planes);
    free(pixels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),  cmocka_unit_test(test_formats),          cmocka_unit_test(test_grey_equals_rgb),
        cmocka_unit_test(test_rotate),  cmocka_unit_test(test_rotate_direction), cmocka_unit_test(test_check),
        cmocka_unit_test(test_scratch),
    };
    return cmocka_run_group_tests(tests, open_golden, close_all);
}
