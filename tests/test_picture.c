/* SPDX-License-Identifier: MIT */
/* What happens to decoded pixels: EXIF data, alpha, CMYK. The files are tested in test_image_file.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alpha.h"
#include "cmyk.h"
#include "exif.h"
#include "image.h"

/* A copy of its own size, so that AddressSanitizer sees a read behind the end. */
static uint32_t orientation_of(const uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size ? size : 1);
    assert_non_null(exact);
    memcpy(exact, data, size);
    const uint32_t found = e2_exif_orientation(exact, size);
    free(exact);
    return found;
}

/* Two entries; the second is the orientation, 6. */
static const uint8_t little[] = {'E', 'x',  'i',  'f', 0, 0, 'I', 'I', 42, 0,   8,   0,   0, 0,    2,
                                 0,   0x0f, 0x01, 2,   0, 4, 0,   0,   0,  'a', 'b', 'c', 0, 0x12, 0x01,
                                 3,   0,    1,    0,   0, 0, 6,   0,   0,  0,   0,   0,   0, 0};
static const uint8_t big[] = {'M', 'M', 0, 42,   0,    0, 0, 8, 0, 2, 0x01, 0x0f, 0, 2, 0, 0, 0, 4, 'a',
                              'b', 'c', 0, 0x01, 0x12, 0, 3, 0, 0, 0, 1,    0,    6, 0, 0, 0, 0, 0, 0};

static void test_exif(void **state) {
    (void)state;
    assert_int_equal(orientation_of(little, sizeof little), 6);
    assert_int_equal(orientation_of(little + 6, sizeof little - 6), 6);
    assert_int_equal(orientation_of(big, sizeof big), 6);
    for (size_t cut = 0; cut < sizeof little; cut++) {
        const bool whole = cut >= sizeof little - 4; /* without the offset of the next directory */
        assert_int_equal(orientation_of(little, cut), whole ? 6 : 0);
        assert_int_equal(orientation_of(big, cut < sizeof big ? cut : 0),
                         cut >= sizeof big - 4 && cut < sizeof big ? 6 : 0);
    }
}

/* Any byte may be anything: the answer is an orientation or none. */
static void test_hostile_exif(void **state) {
    (void)state;
    uint8_t data[sizeof little];
    for (size_t at = 0; at < sizeof little; at++)
        for (int value = 0; value < 256; value++) {
            memcpy(data, little, sizeof data);
            data[at] = (uint8_t)value;
            assert_true(orientation_of(data, sizeof data) <= 8);
        }
    static const struct {
        size_t at;
        uint8_t bytes[4];
    } cases[] = {{10, {0xff, 0xff, 0xff, 0xff}}, /* the directory far away, */
                 {10, {0xfe, 0xff, 0xff, 0x7f}},
                 {10, {37, 0, 0, 0}}, /* and its count behind the end */
                 {30, {4, 0, 1, 0}},  /* a type that the orientation does not have */
                 {36, {0, 0, 0, 0}},  /* no such orientation */
                 {36, {9, 0, 0, 0}},
                 {36, {6, 1, 0, 0}},
                 {8, {43, 0, 8, 0}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(data, little, sizeof data);
        memcpy(data + cases[i].at, cases[i].bytes, 4);
        assert_int_equal(orientation_of(data, sizeof data), 0);
    }
    memcpy(data, little, sizeof data);
    data[14] = data[15] = 0xff; /* more entries than there are bytes: those that are there count */
    assert_int_equal(orientation_of(data, sizeof data), 6);
}

/* A picture of 10 x 10, of which the first `ink` pixels are visible, all of one colour. */
static uint8_t background(const uint8_t *color, uint32_t ink, uint8_t alpha) {
    uint8_t pixels[400];
    for (uint32_t i = 0; i < 100; i++) {
        memcpy(pixels + 4 * i, color, 3); /* where alpha is 0, colours do not count */
        if (i >= ink) memset(pixels + 4 * i, i % 2 ? 255 : 0, 3);
        pixels[4 * i + 3] = i < ink ? alpha : 0;
    }
    const uint8_t found = e2_alpha_background(pixels, 10, 10, 40);
    assert_int_equal(e2_alpha_background(pixels + 360, 10, 10, -40), found);
    return found;
}

static void test_background(void **state) {
    (void)state;
    static const uint8_t black[] = {0, 0, 0}, white[] = {255, 255, 255}, yellow[] = {255, 255, 0}, red[] = {255, 0, 0},
                         grey[] = {127, 127, 127}, lighter[] = {128, 128, 128};
    assert_int_equal(background(black, 30, 255), 255);
    assert_int_equal(background(red, 30, 255), 255);
    assert_int_equal(background(grey, 30, 200), 255);
    assert_int_equal(background(lighter, 30, 200), 0);
    assert_int_equal(background(yellow, 30, 255), 0);
    assert_int_equal(background(white, 30, 10), 0);
    assert_int_equal(background(white, 0, 0), 255); /* nothing to be seen */
    assert_int_equal(background(white, 75, 255), 0);
    assert_int_equal(background(white, 76, 255), 255); /* paper */
    assert_int_equal(background(black, 76, 255), 0);
    assert_int_equal(background(white, 90, 63), 0); /* a shadow is no paper */
}

static void test_over(void **state) {
    (void)state;
    for (int value = 0; value < 256; value++)
        for (int alpha = 0; alpha < 256; alpha++)
            for (int below = 0; below < 256; below += 255) {
                const double exact = (value * alpha + below * (255 - alpha)) / 255.0;
                const int is = e2_alpha_over((uint8_t)value, (uint8_t)alpha, (uint8_t)below);
                assert_true(is - exact <= 0.5 && exact - is <= 0.5);
                if (alpha == 255) assert_int_equal(is, value);
            }
}

/* An RGBA view reads as the RGB picture that it shows, whichever way it is turned and stored. */
static void test_rgba_view(void **state) {
    (void)state;
    enum { WIDTH = 13, HEIGHT = 9, PIXELS = WIDTH * HEIGHT };
    static const uint8_t inks[] = {20, 240};
    for (int i = 0; i < 2; i++)
        for (uint32_t rotate = 0; rotate < 360; rotate += 90) {
            uint8_t rgba[4 * PIXELS], rgb[3 * PIXELS], with[3 * 64], without[3 * 64];
            const int below = inks[i] < 128 ? 255 : 0;
            for (int p = 0; p < PIXELS; p++) {
                const int alpha = p % 5 ? p % 7 ? 0 : 111 : 255;
                for (int c = 0; c < 3; c++) {
                    const int value = alpha ? inks[i] + c + p % 3 : 99;
                    rgba[4 * p + c] = (uint8_t)value;
                    rgb[3 * p + c] = (uint8_t)((2 * (value * alpha + below * (255 - alpha)) + 255) / 510);
                }
                rgba[4 * p + 3] = (uint8_t)alpha;
            }
            e2str_image image = {.pixels = rgba,
                                 .width = WIDTH,
                                 .height = HEIGHT,
                                 .stride = 4 * WIDTH,
                                 .format = E2STR_RGBA,
                                 .rotate = rotate};
            e2_arena arena = {0};
            assert_int_equal(e2_image_resize(&image, 8, 8, with, &arena, NULL), E2STR_OK);
            image.pixels = rgb, image.stride = 3 * WIDTH, image.format = E2STR_RGB;
            assert_int_equal(e2_image_resize(&image, 8, 8, without, &arena, NULL), E2STR_OK);
            assert_memory_equal(with, without, sizeof with);
            e2_arena_free(&arena);
        }
}

/* Black, white, red, half of black's ink, as Adobe writes them and the other way. */
static void test_cmyk(void **state) {
    (void)state;
    static const uint8_t adobe[] = {255, 255, 255, 0, 255, 255, 255, 255, 255, 0, 0, 255, 255, 255, 255, 128};
    static const uint8_t wanted[] = {0, 0, 0, 255, 255, 255, 255, 0, 0, 128, 128, 128};
    uint8_t pixels[16];
    for (int sure = 0; sure < 2; sure++) {
        memcpy(pixels, adobe, sizeof pixels);
        e2_cmyk_to_rgb(pixels, 4, sure);
        assert_memory_equal(pixels, wanted, sizeof wanted);
    }
    for (int i = 0; i < 16; i++) pixels[i] = 255 - adobe[i];
    e2_cmyk_to_rgb(pixels, 4, false);
    assert_memory_equal(pixels, wanted, sizeof wanted);
    for (int i = 0; i < 16; i++) pixels[i] = 255 - adobe[i];
    e2_cmyk_to_rgb(pixels, 4, true); /* black, if the marker says that 0 is full ink */
    assert_int_equal(pixels[0], 0);
    assert_int_equal(pixels[3], 0);
    for (int ink = 0; ink < 3; ink++) { /* one ink alone tells, too: white and that ink, 255 being full */
        memset(pixels, 0, sizeof pixels);
        pixels[4 + ink] = pixels[12 + ink] = 255;
        e2_cmyk_to_rgb(pixels, 4, false);
        for (int i = 0; i < 12; i++) assert_int_equal(pixels[i], i / 3 % 2 && i % 3 == ink ? 0 : 255);
    }
    memset(pixels, 0, sizeof pixels); /* all of one colour: as browsers do it */
    e2_cmyk_to_rgb(pixels, 4, false);
    for (int i = 0; i < 12; i++) assert_int_equal(pixels[i], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exif), cmocka_unit_test(test_hostile_exif), cmocka_unit_test(test_background),
        cmocka_unit_test(test_over), cmocka_unit_test(test_rgba_view),    cmocka_unit_test(test_cmyk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
