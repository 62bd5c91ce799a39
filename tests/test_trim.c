/* SPDX-License-Identifier: MIT */
/* Trimming: what is cut, and above all what is not. Pictures are drawn here: bars for strokes, on papers of many
 * kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trim.h"

#define PAPER 220
#define PEN   40

typedef struct picture {
    uint8_t *pixels; /* grey */
    uint32_t width, height;
} picture;

static e2_arena arena;
static uint32_t state;

static int free_arena(void **unused) {
    (void)unused;
    e2_arena_free(&arena);
    return 0;
}

static int noise(int most) {
    state = state * 1664525u + 1013904223u;
    return (int)(state >> 16) % (2 * most + 1) - most;
}

static picture paper(uint32_t width, uint32_t height, int level) {
    picture p = {malloc((size_t)width * height), width, height};
    assert_non_null(p.pixels);
    memset(p.pixels, level, (size_t)width * height);
    state = width * 65536 + height;
    return p;
}

static void bar(const picture *p, uint32_t x, uint32_t y, uint32_t width, uint32_t height, int level) {
    for (uint32_t row = y; row < y + height; row++) memset(p->pixels + (size_t)row * p->width + x, level, width);
}

/* Like "HHH": `height` high, 3.5 heights wide for three letters; strokes are a sixth of the height. */
static void letters(const picture *p, uint32_t x, uint32_t y, uint32_t height, int n, int level) {
    uint32_t stroke = height / 6, step = height * 5 / 4;
    for (int i = 0; i < n; i++, x += step) {
        bar(p, x, y, stroke, height, level);
        bar(p, x + height - stroke, y, stroke, height, level);
        bar(p, x, y + height / 2, height, stroke, level);
    }
}

static uint32_t letters_width(uint32_t height, int n) { return height * 5 / 4 * (uint32_t)(n - 1) + height; }

static void roughen(const picture *p, int most) {
    for (size_t i = 0; i < (size_t)p->width * p->height; i++) {
        int level = p->pixels[i] + noise(most);
        p->pixels[i] = (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level);
    }
}

static e2str_image view_of(const picture *p) {
    return (e2str_image){.pixels = p->pixels,
                         .width = p->width,
                         .height = p->height,
                         .stride = (ptrdiff_t)p->width,
                         .format = E2STR_GREY,
                         .trim = E2STR_TRIM_ALWAYS};
}

static e2str_area area_of(const e2str_image *image) {
    e2str_area area;
    e2str_image view;
    e2str_error error = {{0}};
    if (e2_image_area(image, false, &area, &view, &arena, &error)) fail_msg("%s", error.message);
    assert_true(area.x + area.width <= image->width && area.y + area.height <= image->height);
    assert_int_equal(view.width, area.width);
    assert_int_equal(view.height, area.height);
    assert_int_equal(view.stride, image->stride);
    return area;
}

static void assert_whole(const picture *p) {
    e2str_image image = view_of(p);
    e2str_area area = area_of(&image);
    if (area.x || area.y || area.width != p->width || area.height != p->height)
        fail_msg("%u x %u at %u, %u is left of %u x %u", area.width, area.height, area.x, area.y, p->width, p->height);
    free(p->pixels);
}

/* No less than the ink, no more than a quarter of the text's height round it. */
static void assert_round(e2str_area area, uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint32_t text) {
    uint32_t more = text / 4 + 1;
    if (area.x > x || area.y > y || area.x + area.width < x + width || area.y + area.height < y + height)
        fail_msg("ink was cut: %u x %u at %u, %u", area.width, area.height, area.x, area.y);
    if (area.x + more < x || area.y + more < y || area.x + area.width > x + width + more ||
        area.y + area.height > y + height + more)
        fail_msg("too much is left: %u x %u at %u, %u", area.width, area.height, area.x, area.y);
}

static void loose_crops(void **unused) {
    (void)unused;
    static const int levels[][3] = {{PAPER, PEN, 0}, {PAPER, PEN, 12}, {30, 230, 0}, {30, 230, 12}, {128, 100, 0}};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        for (uint32_t height = 18; height < 400; height *= 3) { /* of the text: 18, 54 and 162 pixels */
            uint32_t x = 3 * height, y = height, width = letters_width(height, 3);
            picture p = paper(width + 7 * height, 3 * height, levels[i][0]);
            letters(&p, x, y, height, 3, levels[i][1]);
            roughen(&p, levels[i][2]);
            e2str_image image = view_of(&p);
            assert_round(area_of(&image), x, y, width, height, height);
            free(p.pixels);
        }
}

/* Weak ink that stands out of the paper's roughness, which is no ink. */
static void rough_paper(void **unused) {
    (void)unused;
    for (uint32_t height = 19; height <= 40; height += 7) {
        picture p = paper(300, 120, PAPER);
        letters(&p, 100, 40, height, 3, PAPER - 40);
        roughen(&p, 10);
        e2str_image image = view_of(&p);
        assert_round(area_of(&image), 100, 40, letters_width(height, 3), height, height);
        free(p.pixels);
    }
}

static void one_loose_side(void **unused) {
    (void)unused;
    picture p = paper(400, 44, PAPER);
    letters(&p, 309, 4, 36, 2, PEN);
    e2str_image image = view_of(&p);
    e2str_area area = area_of(&image);
    assert_int_equal(area.y, 0); /* the other borders are narrow, and stay as they are */
    assert_int_equal(area.height, 44);
    assert_int_equal(area.x + area.width, 400);
    assert_in_range(area.x, 297, 306);
    free(p.pixels);
}

static void slowly_changing_paper(void **unused) {
    (void)unused;
    picture p = paper(300, 100, 0);
    for (uint32_t y = 0; y < 100; y++)
        for (uint32_t x = 0; x < 300; x++) {
            int across = (int)x - 150;
            p.pixels[y * 300 + x] = (uint8_t)(150 + (int)x / 4 - (int)y / 3 + across * across / 900);
        }
    letters(&p, 120, 35, 30, 2, 20);
    roughen(&p, 3);
    e2str_image image = view_of(&p);
    assert_round(area_of(&image), 120, 35, letters_width(30, 2), 30, 30);
    free(p.pixels);
}

static void every_format_and_direction(void **unused) {
    (void)unused;
    static const e2str_format formats[] = {E2STR_RGB, E2STR_BGR, E2STR_RGBA};
    picture p = paper(220, 90, PAPER);
    letters(&p, 70, 25, 30, 2, PEN);
    e2str_image grey = view_of(&p);
    e2str_area wanted = area_of(&grey);
    for (size_t i = 0; i < 3; i++) {
        uint32_t pixel = formats[i] == E2STR_RGBA ? 4 : 3;
        uint8_t *colours = malloc((size_t)220 * 90 * pixel);
        assert_non_null(colours);
        memset(colours, 255, (size_t)220 * 90 * pixel);
        for (size_t j = 0; j < (size_t)220 * 90; j++) memset(colours + j * pixel, p.pixels[j], 3);
        e2str_image image = {.pixels = colours + (size_t)220 * 89 * pixel, /* bottom up */
                             .width = 220,
                             .height = 90,
                             .stride = -(ptrdiff_t)(220 * pixel),
                             .format = formats[i],
                             .trim = E2STR_TRIM_ALWAYS};
        e2str_area area = area_of(&image);
        assert_int_equal(area.x, wanted.x);
        assert_int_equal(area.width, wanted.width);
        assert_int_equal(area.height, wanted.height);
        assert_int_equal(area.y, 90 - wanted.y - wanted.height);
        free(colours);
    }
    free(p.pixels);
}

/* Ink that differs from the paper in its colour only. */
static void colours_count(void **unused) {
    (void)unused;
    enum { WIDTH = 240, HEIGHT = 40 };
    picture p = paper(WIDTH, HEIGHT, 0);
    letters(&p, 100, 5, 30, 1, 1);
    uint8_t *colours = malloc((size_t)WIDTH * HEIGHT * 3);
    assert_non_null(colours);
    for (size_t i = 0; i < (size_t)WIDTH * HEIGHT; i++)
        memcpy(colours + 3 * i, p.pixels[i] ? "\x40\x80\x40" : "\x40\x80\xc0", 3);
    e2str_image image = {.pixels = colours,
                         .width = WIDTH,
                         .height = HEIGHT,
                         .stride = (ptrdiff_t)WIDTH * 3,
                         .format = E2STR_RGB,
                         .trim = E2STR_TRIM_ALWAYS};
    e2str_area area = area_of(&image);
    assert_in_range(area.x, 90, 99);
    assert_in_range(area.x + area.width, 130, 140);
    free(colours);
    free(p.pixels);
}

/* Transparent pixels are paper, whatever colour they are said to have. */
static void transparent_paper(void **unused) {
    (void)unused;
    enum { WIDTH = 220, HEIGHT = 90 };
    picture p = paper(WIDTH, HEIGHT, PAPER);
    letters(&p, 70, 25, 30, 2, PEN);
    uint8_t *colours = malloc((size_t)WIDTH * HEIGHT * 4);
    assert_non_null(colours);
    for (size_t i = 0; i < (size_t)WIDTH * HEIGHT; i++) {
        bool is_ink = p.pixels[i] == PEN;
        memset(colours + 4 * i, is_ink ? PEN : noise(128) + 127, 3);
        colours[4 * i + 3] = is_ink ? 255 : 0;
    }
    e2str_image image = {.pixels = colours,
                         .width = WIDTH,
                         .height = HEIGHT,
                         .stride = (ptrdiff_t)WIDTH * 4,
                         .format = E2STR_RGBA,
                         .trim = E2STR_TRIM_ALWAYS};
    assert_round(area_of(&image), 70, 25, letters_width(30, 2), 30, 30);
    free(colours);
    free(p.pixels);
}

/* What is kept of a border goes by the height of the line of text, which may run up or down. */
static void turned_text(void **unused) {
    (void)unused;
    picture p = paper(90, 400, PAPER);
    for (uint32_t y = 150; y < 250; y += 25) bar(&p, 30, y, 30, 5, PEN); /* strokes across: 30 high, 80 long */
    bar(&p, 42, 150, 5, 80, PEN);
    e2str_image image = view_of(&p);
    image.rotate = 90;
    e2str_area area = area_of(&image);
    assert_int_equal(area.rotate, 90);
    assert_round(area, 30, 150, 30, 80, 30);
    free(p.pixels);
}

/* Marks far from the letters, and faint ones, are ink. */
static void marks_are_kept(void **unused) {
    (void)unused;
    picture p = paper(400, 80, PAPER);
    letters(&p, 60, 20, 36, 2, PEN);
    bar(&p, 300, 52, 4, 4, PEN); /* a point */
    roughen(&p, 4);
    e2str_image image = view_of(&p);
    e2str_area area = area_of(&image);
    assert_in_range(area.x + area.width, 304, 320);
    free(p.pixels);

    p = paper(400, 80, PAPER);
    letters(&p, 60, 20, 36, 2, PEN);
    letters(&p, 250, 20, 36, 1, PAPER - 50); /* a quarter of the others' contrast */
    roughen(&p, 4);
    image = view_of(&p);
    area = area_of(&image);
    assert_in_range(area.x + area.width, 286, 300);
    free(p.pixels);

    p = paper(400, 80, PAPER);
    letters(&p, 60, 20, 36, 2, PEN);
    bar(&p, 250, 20, 1, 36, PEN); /* the thinnest stroke */
    image = view_of(&p);
    area = area_of(&image);
    assert_in_range(area.x + area.width, 251, 265);
    free(p.pixels);
}

/* A speck of one pixel is none. */
static void specks_are_cut(void **unused) {
    (void)unused;
    picture p = paper(400, 80, PAPER);
    letters(&p, 60, 20, 36, 2, PEN);
    bar(&p, 300, 52, 1, 1, PEN);
    e2str_image image = view_of(&p);
    assert_round(area_of(&image), 60, 20, letters_width(36, 2), 36, 36);
    free(p.pixels);
}

static void doubt_cuts_nothing(void **unused) {
    (void)unused;
    picture p = paper(300, 60, PAPER); /* nothing there */
    assert_whole(&p);
    p = paper(300, 60, PAPER);
    roughen(&p, 30);
    assert_whole(&p);
    p = paper(1, 1, PAPER);
    assert_whole(&p);
    p = paper(300, 1, PAPER);
    assert_whole(&p);
    p = paper(1, 300, PAPER);
    p.pixels[150] = PEN;
    assert_whole(&p);
    p = paper(2, 2, PAPER);
    p.pixels[0] = PEN;
    assert_whole(&p);

    p = paper(100, 50, PAPER); /* a dash, a point: nothing says how high the text is */
    bar(&p, 35, 23, 30, 5, PEN);
    assert_whole(&p);
    p = paper(100, 50, PAPER);
    bar(&p, 45, 23, 7, 7, PEN);
    assert_whole(&p);

    p = paper(letters_width(40, 4) + 12, 52, PAPER); /* tight already */
    letters(&p, 6, 6, 40, 4, PEN);
    assert_whole(&p);

    p = paper(40, 40, PAPER); /* one letter that is most of its border: an E, a T */
    bar(&p, 0, 0, 10, 40, PEN);
    for (uint32_t y = 0; y <= 32; y += 16) bar(&p, 0, y, 40, 8, PEN);
    assert_whole(&p);
    p = paper(40, 40, PAPER);
    bar(&p, 0, 0, 40, 8, PEN);
    bar(&p, 16, 0, 8, 40, PEN);
    assert_whole(&p);

    p = paper(300, 80, PAPER); /* texture all over */
    for (uint32_t y = 0; y < 80; y++)
        for (uint32_t x = 0; x < 300; x++)
            if ((x / 5 + y / 5) % 2) p.pixels[y * 300 + x] = 120;
    letters(&p, 120, 25, 30, 2, PEN);
    assert_whole(&p);

    p = paper(300, 80, PAPER); /* a frame is ink */
    bar(&p, 0, 0, 300, 3, PEN);
    bar(&p, 0, 77, 300, 3, PEN);
    bar(&p, 0, 0, 3, 80, PEN);
    bar(&p, 297, 0, 3, 80, PEN);
    letters(&p, 120, 25, 30, 2, PEN);
    assert_whole(&p);
}

static void who_decides(void **unused) {
    (void)unused;
    picture p = paper(300, 60, PAPER);
    letters(&p, 120, 15, 30, 1, PEN);
    e2str_image image = view_of(&p), view;
    e2str_area area;
    e2str_error error = {{0}};
    for (int model = 0; model <= 1; model++)
        for (int choice = E2STR_TRIM_OF_MODEL; choice <= E2STR_TRIM_ALWAYS; choice++) {
            image.trim = (e2str_trim)choice;
            assert_int_equal(e2_image_area(&image, model, &area, &view, &arena, NULL), E2STR_OK);
            bool trims = choice == E2STR_TRIM_ALWAYS || (choice == E2STR_TRIM_OF_MODEL && model);
            assert_int_equal(area.width < 300, trims);
            assert_ptr_equal(view.pixels, p.pixels + area.y * 300 + area.x);
        }
    image.trim = (e2str_trim)3;
    assert_int_equal(e2_image_area(&image, true, &area, &view, &arena, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "image.trim is 3"));
    image.trim = E2STR_TRIM_NEVER;
    image.rotate = E2STR_ROTATE_AUTO;
    assert_int_equal(e2_image_area(&image, true, &area, &view, &arena, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "AUTO"));
    free(p.pixels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loose_crops),
        cmocka_unit_test(rough_paper),
        cmocka_unit_test(one_loose_side),
        cmocka_unit_test(slowly_changing_paper),
        cmocka_unit_test(every_format_and_direction),
        cmocka_unit_test(colours_count),
        cmocka_unit_test(turned_text),
        cmocka_unit_test(transparent_paper),
        cmocka_unit_test(marks_are_kept),
        cmocka_unit_test(specks_are_cut),
        cmocka_unit_test(doubt_cuts_nothing),
        cmocka_unit_test(who_decides),
    };
    return cmocka_run_group_tests(tests, NULL, free_arena);
}
