/* SPDX-License-Identifier: MIT */
/* Quadrangles cut out of pictures. Golden values: tests/golden/cut.bin, made with OpenCV by make_cut.py there, whose
 * text describes the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "e2str.h"

enum { SMOOTH, HARD, GREY };

/* OpenCV takes places in steps of 1/32 of a pixel. Where values change by at most 16 from pixel to pixel, as in smooth
 * pictures, that is less than rounding; on an edge from 0 to 255 it is 255 / 64 and what the cubic adds. */
#define SMOOTH_TOLERANCE 1
#define HARD_TOLERANCE   8
#define SHRUNK_TOLERANCE 2 /* the means are over other places of the same area */

static int wave(uint32_t n) {
    const int value = abs((int)(n % 512) - 256);
    return value < 255 ? value : 255;
}

static uint8_t *draw(uint32_t width, uint32_t height, uint32_t kind) {
    const uint32_t channels = kind == GREY ? 1 : 3;
    uint8_t *pixels = malloc((size_t)width * height * channels), *to = pixels;
    assert_non_null(pixels);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t c = 0; c < channels; c++) {
                const int value = wave((5 + 3 * c) * x + (7 - 2 * c) * y + 31 * c);
                *to++ = (uint8_t)(kind == HARD ? (value >= 128 ? 255 : 0) : value);
            }
    return pixels;
}

static e2str_image view(const uint8_t *pixels, uint32_t width, uint32_t height, e2str_format format) {
    const uint32_t bytes = format == E2STR_GREY ? 1 : format == E2STR_RGBA ? 4 : 3;
    return (e2str_image){
        .pixels = pixels, .width = width, .height = height, .stride = (ptrdiff_t)width * bytes, .format = format};
}

static uint32_t next_u32(FILE *file) {
    uint8_t bytes[4];
    assert_int_equal(fread(bytes, 1, 4, file), 4);
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void test_golden(void **state) {
    (void)state;
    FILE *file = fopen("tests/golden/cut.bin", "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 128, SEEK_SET), 0);
    const uint32_t cases = next_u32(file);
    assert_true(cases > 10);
    for (uint32_t n = 0; n < cases; n++) {
        uint32_t v[6];
        float corners[8];
        for (int i = 0; i < 6; i++) v[i] = next_u32(file);
        for (int i = 0; i < 8; i++) {
            const uint32_t bits = next_u32(file);
            memcpy(&corners[i], &bits, 4);
        }
        uint8_t *pixels = draw(v[0], v[1], v[2]);
        const e2str_image image = view(pixels, v[0], v[1], v[2] == GREY ? E2STR_GREY : E2STR_RGB);
        e2str_image cut = {0};
        assert_int_equal(e2str_image_cut(&image, corners, v[3], v[4], &cut, NULL), E2STR_OK);
        assert_int_equal(cut.width, v[3]);
        assert_int_equal(cut.height, v[4]);
        const size_t size = (size_t)v[3] * v[4] * (v[2] == GREY ? 1 : 3);
        uint8_t *expected = malloc(size);
        assert_int_equal(fread(expected, 1, size, file), size);
        const int tolerance = v[2] == HARD ? HARD_TOLERANCE : v[5] > 1 ? SHRUNK_TOLERANCE : SMOOTH_TOLERANCE;
        int most = 0;
        double sum = 0;
        for (size_t i = 0; i < size; i++) {
            const int apart = abs((int)cut.pixels[i] - expected[i]);
            most = apart > most ? apart : most;
            sum += apart;
        }
        print_message("# case %u: at most %d, %.3f in the mean\n", n, most, sum / (double)size);
        assert_true(most <= tolerance);
        free(expected);
        free(pixels);
        e2str_image_free(&cut);
    }
    fclose(file);
}

/* A rectangle on the edges of pixels has the picture's own, in each format, and its natural size. */
static void test_rectangle(void **state) {
    (void)state;
    enum { W = 40, H = 30 };
    const float corners[8] = {7, 5, 31, 5, 31, 22, 7, 22};
    for (int format = E2STR_GREY; format <= E2STR_BGR; format++) {
        if (format == 2) continue;
        const size_t bytes = format == E2STR_GREY ? 1 : format == E2STR_RGBA ? 4 : 3;
        uint8_t pixels[W * H * 4];
        uint32_t seed = 1;
        for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
        e2str_image image = view(pixels, W, H, (e2str_format)format);
        for (int flipped = 0; flipped < 2; flipped++) {
            if (flipped) {
                image.pixels += image.stride * (H - 1);
                image.stride = -image.stride;
            }
            image.rotate = 90;
            image.trim = E2STR_TRIM_NEVER;
            e2str_image cut = {0};
            assert_int_equal(e2str_image_cut(&image, corners, 0, 0, &cut, NULL), E2STR_OK);
            assert_int_equal(cut.width, 24);
            assert_int_equal(cut.height, 17);
            assert_int_equal(cut.rotate, 90);
            assert_int_equal(cut.trim, E2STR_TRIM_NEVER);
            assert_int_equal(cut.format, format == E2STR_GREY ? E2STR_GREY : E2STR_RGB);
            for (uint32_t y = 0; y < 17 && format != E2STR_RGBA; y++)
                for (uint32_t x = 0; x < 24; x++)
                    for (size_t c = 0; c < bytes; c++) {
                        const uint8_t *from = image.pixels + image.stride * (ptrdiff_t)(y + 5) + (x + 7) * bytes;
                        assert_int_equal(cut.pixels[cut.stride * (ptrdiff_t)y + (ptrdiff_t)(x * bytes + c)],
                                         from[format == E2STR_BGR ? 2 - c : c]);
                    }
            e2str_image_free(&cut);
        }
    }
}

/* Alpha is composed as for a view of the rectangle: light letters get a dark ground, whatever the rest holds. */
static void test_alpha(void **state) {
    (void)state;
    uint8_t pixels[20 * 10 * 4];
    for (int i = 0; i < 200; i++) {
        const bool right = i % 20 >= 10, ink = i % 3 == 0;
        memset(pixels + 4 * i, right ? 20 : 240, 3);
        pixels[4 * i + 3] = ink ? 255 : 0;
    }
    const e2str_image image = view(pixels, 20, 10, E2STR_RGBA);
    const float left[8] = {0, 0, 10, 0, 10, 10, 0, 10}, right[8] = {10, 0, 20, 0, 20, 10, 10, 10};
    const float outside[8] = {-15, -8, -5, -8, -5, -2, -15, -2};
    e2str_image cut = {0};
    assert_int_equal(e2str_image_cut(&image, left, 0, 0, &cut, NULL), E2STR_OK);
    assert_int_equal(cut.pixels[0], 240);
    assert_int_equal(cut.pixels[3], 0);
    e2str_image_free(&cut);
    assert_int_equal(e2str_image_cut(&image, right, 0, 0, &cut, NULL), E2STR_OK);
    assert_int_equal(cut.pixels[3 * 2], 20); /* pixel 12 is ink */
    assert_int_equal(cut.pixels[3], 255);
    e2str_image_free(&cut);
    assert_int_equal(e2str_image_cut(&image, outside, 0, 0, &cut, NULL), E2STR_OK);
    e2str_image_free(&cut);
}

/* A fine pattern that is shrunk becomes its mean: nothing of it is left. */
static void test_no_aliases(void **state) {
    (void)state;
    enum { W = 400, H = 80 };
    static uint8_t pixels[W * H];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = i % 2 ? 255 : 0;
    const e2str_image image = view(pixels, W, H, E2STR_GREY);
    const float corners[8] = {10, 10, 390, 14, 388, 70, 12, 66};
    e2str_image cut = {0};
    assert_int_equal(e2str_image_cut(&image, corners, 38, 6, &cut, NULL), E2STR_OK);
    for (size_t i = 0; i < 38 * 6; i++) assert_in_range(cut.pixels[i], 112, 143);
    e2str_image_free(&cut);
    assert_int_equal(e2str_image_cut(&image, corners, 1, 1, &cut, NULL), E2STR_OK);
    assert_in_range(cut.pixels[0], 120, 135);
    e2str_image_free(&cut);
}

/* What a detector may hand over by mistake is refused, and said. */
static void test_refused(void **state) {
    (void)state;
    static uint8_t pixels[100 * 100];
    const e2str_image image = view(pixels, 100, 100, E2STR_GREY);
    const struct {
        float corners[8];
        const char *says;
    } bad[] = {
        {{0, 0, NAN, 0, 50, 20, 0, 20}, "right upper one is not finite"},
        {{0, 0, 50, 0, 50, 20, 0, INFINITY}, "left lower one is not finite"},
        {{0, 0, 0, 20, 50, 20, 50, 0}, "counter-clockwise"},
        {{0, 0, 50, 20, 50, 0, 0, 20}, "angle"},                   /* crossed */
        {{0, 0, 50, 0, 10, 5, 0, 20}, "angle at the right lower"}, /* concave */
        {{0, 0, 50, 0, 50, 0.25f, 0, 0.25f}, "less than 0.5 pixels"},
        {{5, 5, 5, 5, 5, 5, 5, 5}, "less than 0.5 pixels"},
        {{0, 0, 50, 0, 90, 0, 0, 1}, "angle"}, /* three on a line */
        {{0, 0, 201, 0, 201, 20, 0, 20}, "far outside"},
        {{0, -101, 50, 0, 50, 20, 0, 20}, "far outside"},
        {{-3e38f, -3e38f, 3e38f, -3e38f, 3e38f, 3e38f, -3e38f, 3e38f}, "far outside"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        e2str_error error = {{0}};
        e2str_image cut = {0};
        assert_int_equal(e2str_image_cut(&image, bad[i].corners, 0, 0, &cut, &error), E2STR_ERROR_ARGUMENT);
        if (!strstr(error.message, bad[i].says)) fail_msg("%s, not %s", error.message, bad[i].says);
        assert_null(cut.pixels);
    }
    const float good[8] = {0, 0, 50, 0, 50, 20, 0, 20};
    e2str_error error = {{0}};
    e2str_image cut = {0}, wrong = image;
    assert_int_equal(e2str_image_cut(&image, good, 16385, 1, &cut, &error), E2STR_ERROR_LIMIT);
    assert_int_equal(e2str_image_cut(&image, good, 16384, 16384, &cut, &error), E2STR_ERROR_LIMIT);
    assert_int_equal(e2str_image_cut(NULL, good, 0, 0, &cut, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_image_cut(&image, NULL, 0, 0, &cut, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_image_cut(&image, good, 0, 0, NULL, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_image_cut(&wrong, good, 0, 0, &wrong, &error), E2STR_ERROR_ARGUMENT);
    wrong.stride = 10;
    assert_int_equal(e2str_image_cut(&wrong, good, 0, 0, &cut, &error), E2STR_ERROR_ARGUMENT);
    wrong = image;
    wrong.rotate = E2STR_ROTATE_AUTO; /* for the read */
    assert_int_equal(e2str_image_cut(&wrong, good, 0, 0, &cut, &error), E2STR_OK);
    assert_int_equal(cut.rotate, E2STR_ROTATE_AUTO);
    e2str_image_free(&cut);
}

/* Points of a cut lie where its pixels come from. */
static void test_points(void **state) {
    (void)state;
    const float corners[8] = {20, 12, 60, 18, 62, 38, 16, 44};
    const float places[4][2] = {{0, 0}, {64, 0}, {64, 32}, {0, 32}};
    float x, y;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(e2str_image_cut_point(corners, 64, 32, places[i][0], places[i][1], &x, &y, NULL), E2STR_OK);
        assert_true(fabsf(x - corners[2 * i]) < 1e-4f && fabsf(y - corners[2 * i + 1]) < 1e-4f);
    }
    /* The diagonals of a quadrangle cross where those of its rectangle do. */
    assert_int_equal(e2str_image_cut_point(corners, 64, 32, 32, 16, &x, &y, NULL), E2STR_OK);
    const double along = ((y - 12.0) * (62 - 20) - (x - 20.0) * (38 - 12)) / hypot(62 - 20, 38 - 12);
    const double across = ((y - 18.0) * (16 - 60) - (x - 60.0) * (44 - 18)) / hypot(16 - 60, 44 - 18);
    assert_true(fabs(along) < 1e-4 && fabs(across) < 1e-4);
    e2str_error error = {{0}};
    assert_int_equal(e2str_image_cut_point(corners, 64, 32, 65, 0, &x, &y, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_image_cut_point(corners, 64, 32, NAN, 0, &x, &y, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_image_cut_point(corners, 0, 32, 0, 0, &x, &y, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_image_cut_point(NULL, 64, 32, 0, 0, &x, &y, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_image_cut_point(corners, 64, 32, 0, 0, NULL, &y, &error), E2STR_ERROR_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),     cmocka_unit_test(test_rectangle), cmocka_unit_test(test_alpha),
        cmocka_unit_test(test_no_aliases), cmocka_unit_test(test_refused),   cmocka_unit_test(test_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
