/* SPDX-License-Identifier: MIT */
/* Parts of e2str page: the JSON parser, files of boxes, and the order in which boxes are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../examples/e2str/json.h"
#include "quiet_command.h"

/* -------------------------------------------------------------------------------------------------------- JSON -- */

static bool parses(const char *text, size_t size, json_document *document) {
    static char copy[1 << 20];
    const char *why;
    size_t at;
    assert_true(size <= sizeof copy);
    memcpy(copy, text, size);
    bool good = json_parse(document, copy, size, &why, &at);
    assert_true(at <= size);
    assert_true(good == !why);
    return good;
}

static void test_json_accepts(void **state) {
    (void)state;
    static const char *const good[] = {
        "0",
        "-0",
        "-0.5e-7",
        "1E+2",
        " [ ] ",
        "{}",
        "\"\"",
        "true",
        "false",
        "null",
        "[1,2,[3,{\"a\":[]}]]",
        "{\"a\":1,\"a\":2}",
        "\"\\u0000\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\ud83d\\ude00\"",
        "\"\xc3\xa9\xf0\x9f\x98\x80\"",
        "\t\r\n1\n",
        "\"\x7f\"",
        "1e-400",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        json_document document;
        if (!parses(good[i], strlen(good[i]), &document)) fail_msg("refused: %s", good[i]);
        assert_int_equal(document.nodes[0].next, document.count);
        json_free(&document);
    }
}

static void test_json_refuses(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "-",
        "0x1",
        "Infinity",
        "NaN",
        "1e400",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "'a'",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud83d\"",
        "\"\\ud83dx\"",
        "\"\\ud83d\\u0041\"",
        "\"\\ude00\"",
        "\"\n\"",
        "\"\x01\"",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xe2\x82\"",
        "nan",
        "nul",
        "True",
        "1 2",
        "[]]",
        "// a\n1",
        "\357\273\2771", // a byte order mark
        "\"\\",
        "[\"a\",\n4\n,1,",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_document document;
        if (parses(bad[i], strlen(bad[i]), &document)) fail_msg("accepted: %s", bad[i]);
        assert_null(document.nodes);
    }
    json_document document;
    assert_false(parses("1\0", 2, &document));
    assert_false(parses("\"a\0b\"", 5, &document));
    char deep[2 * (JSON_MAX_DEPTH + 1) + 1] = {0};
    memset(deep, '[', JSON_MAX_DEPTH + 1);
    memset(deep + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
    assert_false(parses(deep, strlen(deep), &document));
    assert_true(parses(deep + 1, strlen(deep) - 2, &document));
    json_free(&document);
}

static void test_json_values(void **state) {
    (void)state;
    static const char text[] = "{\"a\":[-1.5e2,\"x\\u00e9\\ud83d\\ude00\\n\"],\"b\":{\"a\":true},\"a\":7}";
    json_document d;
    assert_true(parses(text, sizeof text - 1, &d));
    const json_node *a = json_member(&d, d.nodes, "a"), *b = json_member(&d, d.nodes, "b");
    assert_int_equal(d.nodes[0].count, 3);
    assert_int_equal(a->kind, JSON_ARRAY);
    assert_true(a[1].number <= -150 && a[1].number >= -150);
    assert_int_equal(a[2].size, 8);
    assert_memory_equal(a[2].text, "x\xc3\xa9\xf0\x9f\x98\x80\n", 8);
    assert_int_equal(json_member(&d, b, "a")->kind, JSON_TRUE);
    assert_null(json_member(&d, d.nodes, "c"));
    assert_null(json_member(&d, a, "a"));
    json_free(&d);
}

/* ------------------------------------------------------------------------------------------------------- boxes -- */

static bool load(box_list *list, const char *text, uint32_t page) {
    static char copy[1 << 16];
    *last_message = 0;
    snprintf(copy, sizeof copy, "%s", text);
    return boxes_parse(list, "boxes", copy, strlen(copy), page);
}

static void has_corners(const page_box *box, float a, float b, float c, float d, float e, float f, float g, float h) {
    const float wanted[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++) assert_true(fabsf(box->corners[i] - wanted[i]) < 1e-6f);
}

static void test_box_files(void **state) {
    (void)state;
    static const char *const two[] = {
        "left\ttop\twidth\theight\n10\t20\t30\t10\n50\t20\t30\t10\n",
        "top\tleft\tname\tright\tbottom\r\n20\t10\ta\t40\t30\r\n\r\n20\t50\tb\t80\t30",
        "x0\ty0\tx1\ty1\tx2\ty2\tx3\ty3\n10\t20\t40\t20\t40\t30\t10\t30\n50\t20\t80\t20\t80\t30\t50\t30\n",
        "\xef\xbb\xbfleft\ttop\twidth\theight\n10\t20\t30\t10\n50\t20\t30\t10\n",
        "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n"
        "1\t1\t0\t0\t0\t0\t0\t0\t99\t99\t-1\t\n5\t1\t1\t1\t1\t1\t10\t20\t30\t10\t96\tThis\n"
        "5\t1\t1\t1\t1\t2\t50\t20\t30\t10\t96\tis\n",
        "[[[10,20],[40,20],[40,30],[10,30]],[[50,20],[80,20],[80,30],[50,30]]]",
        "[[[[10,20],[40,20],[40,30],[10,30]],[[50,20],[80,20],[80,30],[50,30]]]]",
        "[[[[[10,20],[40,20],[40,30],[10,30]],[\"a\",0.9]],[[[50,20],[80,20],[80,30],[50,30]],[\"b\",1]]]]",
        "[[[[10,20],[40,20],[40,30],[10,30]],\"a\",0.9],[[[50,20],[80,20],[80,30],[50,30]],\"b\",1]]",
        " {\"boxes\":[{\"left\":10,\"top\":20,\"width\":30,\"height\":10},"
        "{\"points\":[[50,20],[80,20],[80,30],[50,30]],\"transcription\":\"x\"}]}",
        "[{\"box\":[[10,20],[40,20],[40,30],[10,30]],\"txt\":\"a\"},{\"left\":50,\"top\":20,\"right\":80,\"bottom\":30}"
        "]",
        "{\"input_path\":null,\"dt_polys\":[[[10,20],[40,20],[40,30],[10,30]],[[50,20],[80,20],[80,30],[50,30]]]}",
    };
    for (size_t i = 0; i < sizeof two / sizeof *two; i++) {
        box_list list;
        if (!load(&list, two[i], 0)) fail_msg("%s: %s", last_message, two[i]);
        assert_int_equal(list.count, 2);
        has_corners(&list.boxes[0], 10, 20, 40, 20, 40, 30, 10, 30);
        has_corners(&list.boxes[1], 50, 20, 80, 20, 80, 30, 50, 30);
        assert_int_equal(list.boxes[1].number, 2);
        assert_int_equal(list.numbered, i == 4 ? 2 : 0);
        boxes_free(&list);
    }
    box_list list;
    assert_true(load(&list, "left\ttop\twidth\theight\n", 0));
    assert_int_equal(list.count, 0);
    assert_true(load(&list, "[]", 0));
    assert_int_equal(list.count, 0);
}

static void test_wrong_box_files(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "empty"},
        {"left\ttop\n1\t2\n", "boxes:1: no header"},
        {"left\tleft\ttop\twidth\theight\n", "there twice"},
        {"1\t2\t3\t4\n", "boxes:1: no header"},
        {"left\ttop\twidth\theight\n1\t2\t3\n", "boxes:2: 3 columns"},
        {"left\ttop\twidth\theight\n1\t2\tx\t4\n", "boxes:2: 'x' is no number"},
        {"left\ttop\twidth\theight\n1\t2\tnan\t4\n", "'nan' is no number"},
        {"left\ttop\twidth\theight\n1\t2\t1e10\t4\n", "'1e10' is no number"},
        {"left\ttop\twidth\theight\n1\t\t3\t4\n", "'' is no number"},
        {"left\ttop\twidth\theight\tpage_num\n1\t2\t3\t4\t1\n1\t2\t3\t4\t2\n", "several pages"},
        {"[", "JSON, byte 1: it ends too early"},
        {"[1]", "box 1: neither a quadrangle nor an object"},
        {"[[[1,2],[3,4],[5,6]]]", "box 1: neither"},
        {"{\"a\":[]}", "no object with \"boxes\""},
        {"[{\"left\":1}]", "box 1: neither corners nor left and top"},
        {"[{\"left\":1,\"top\":1,\"width\":3}]", "box 1: neither width and height"},
        {"[{\"left\":1,\"top\":1,\"width\":3,\"height\":3},{\"points\":[[1,2],[3,4],[5,6],[7,8],[9,10]]}]",
         "box 2: not four corners"},
        {"[[[1,2],[3,4],[5,6],[7,\"8\"]]]", "box 1: neither"},
        {"[[[[1,2],[3,4],[5,6],[7,8]],7]]", "box 2: neither"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        box_list list;
        if (load(&list, bad[i].text, 0)) fail_msg("accepted: %s", bad[i].text);
        if (!strstr(last_message, bad[i].says)) fail_msg("%s, not %s", last_message, bad[i].says);
        assert_null(list.boxes);
    }
    box_list list;
    assert_true(load(&list, "left\ttop\twidth\theight\tpage_num\n1\t2\t3\t4\t1\n5\t2\t3\t4\t2\n", 2));
    assert_int_equal(list.count, 1);
    has_corners(&list.boxes[0], 5, 2, 8, 2, 8, 6, 5, 6);
    boxes_free(&list);
}

/* ------------------------------------------------------------------------------------------------------ layout -- */

static void put(box_list *list, double left, double top, double width, double height) {
    const page_box box = {.corners = {(float)left, (float)top, (float)(left + width), (float)top, (float)(left + width),
                                      (float)(top + height), (float)left, (float)(top + height)}};
    assert_true(boxes_add(list, &box));
}

/* Two columns of text below a title, then a table: in the order of reading, the title's words larger. */
static void draw_page(box_list *list) {
    *list = (box_list){0};
    for (int i = 0; i < 3; i++) put(list, 50 + 140 * i, 40, 120, 40);
    for (int column = 0; column < 2; column++)
        for (int line = 0; line < 5; line++)
            for (int word = 0; word < 5; word++)
                put(list, 50 + 400 * column + 70 * word, 120 + 36 * line + (word % 2) * 5, 60, 20 - word % 3);
    for (int row = 0; row < 4; row++)
        for (int cell = 0; cell < 3; cell++) put(list, 50 + 200 * cell, 400 + 36 * row, 50, 20);
}

/* The page turned around a point by some degrees; boxes are mixed. */
static void turn(box_list *list, double degrees) {
    const double c = cos(degrees * 3.141592653589793 / 180), s = sin(degrees * 3.141592653589793 / 180);
    for (size_t i = 0; i < list->count; i++)
        for (int k = 0; k < 8; k += 2) {
            const double x = list->boxes[i].corners[k] - 300, y = list->boxes[i].corners[k + 1] - 300;
            list->boxes[i].corners[k] = (float)(500 + x * c - y * s);
            list->boxes[i].corners[k + 1] = (float)(500 + x * s + y * c);
        }
    for (size_t i = 0; i < list->count; i++) { /* numbers keep what the order was */
        const size_t other = i * 7919 % list->count;
        const page_box box = list->boxes[i];
        list->boxes[i] = list->boxes[other];
        list->boxes[other] = box;
    }
}

static void test_layout(void **state) {
    (void)state;
    static const double angles[] = {0, 4, -6, 30, 90, 180, -90, 179};
    for (size_t n = 0; n < sizeof angles / sizeof *angles; n++) {
        box_list list;
        page_layout layout;
        draw_page(&list);
        turn(&list, angles[n]);
        assert_true(layout_make(&layout, &list));
        assert_int_equal(layout.n_lines, 1 + 10 + 4);
        for (size_t i = 0; i < list.count; i++) assert_int_equal(list.boxes[layout.order[i]].number, i + 1);
        static const size_t blocks[] = {0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3};
        for (size_t i = 0; i < layout.n_lines; i++) assert_int_equal(layout.lines[i].block, blocks[i]);
        layout_free(&layout);
        boxes_free(&list);
    }
}

/* What is turned otherwise than the page comes behind it, in an order of its own. */
static void test_other_angles(void **state) {
    (void)state;
    box_list list, margin = {0};
    page_layout layout;
    draw_page(&list);
    const size_t upright = list.count;
    for (int i = 0; i < 3; i++) put(&margin, 0, 500 - 100 * i, 20, 80); /* read upwards: its letters lie on the side */
    for (size_t i = 0; i < margin.count; i++) {
        const float *c = margin.boxes[i].corners;
        const page_box box = {.corners = {c[6], c[7], c[0], c[1], c[2], c[3], c[4], c[5]}};
        assert_true(boxes_add(&list, &box));
    }
    assert_true(layout_make(&layout, &list));
    for (size_t i = 0; i < list.count; i++) assert_int_equal(list.boxes[layout.order[i]].number, i + 1);
    const page_line *last = &layout.lines[layout.n_lines - 1];
    assert_int_equal(last->first, upright);
    assert_int_equal(last->count, 3);
    assert_int_equal(last->block, last[-1].block + 1);
    layout_free(&layout);
    boxes_free(&margin);
    boxes_free(&list);
}

static void test_given_lines(void **state) {
    (void)state;
    box_list list;
    page_layout layout;
    assert_true(
        load(&list,
             "left\ttop\twidth\theight\tline\tblock\n10\t10\t9\t9\t2\t1\n30\t90\t9\t9\t1\t1\n10\t50\t9\t9\t1\t2\n"
             "20\t10\t9\t9\t2\t1\n40\t50\t9\t9\t1\t2\n",
             0));
    assert_true(layout_make(&layout, &list));
    assert_int_equal(layout.n_lines, 3);
    static const size_t order[] = {0, 3, 1, 2, 4}, blocks[] = {0, 0, 1};
    for (size_t i = 0; i < 5; i++) assert_int_equal(layout.order[i], order[i]);
    for (size_t i = 0; i < 3; i++) assert_int_equal(layout.lines[i].block, blocks[i]);
    layout_free(&layout);
    boxes_free(&list);
    /* Where one box has no line, all go by where they lie. */
    assert_true(load(&list, "left\ttop\twidth\theight\tline\n10\t50\t9\t9\t1\n10\t10\t9\t9\t0\n", 0));
    assert_true(layout_make(&layout, &list));
    assert_int_equal(layout.order[0], 1);
    layout_free(&layout);
    boxes_free(&list);
    list = (box_list){0};
    assert_true(layout_make(&layout, &list));
    assert_int_equal(layout.n_lines, 0);
}

/* -------------------------------------------------------------------------------------------------------- lines -- */

enum { LINE_WIDTH = 320, LINE_HEIGHT = 40 };

/* Letters, 8 pixels wide, at the given gaps behind each other, from column 20 on; where the last one ends. */
static int draw_line(uint8_t *pixels, const int *gaps, size_t count, int ink, int paper) {
    int x = 20;
    memset(pixels, paper, (size_t)LINE_WIDTH * LINE_HEIGHT);
    for (size_t i = 0; i <= count; i++) {
        for (int y = 8; y < 32; y++) memset(pixels + y * LINE_WIDTH + x, ink, 8);
        x += 8 + (i < count ? gaps[i] : 0);
    }
    return x;
}

static void split(const uint8_t *pixels, const float *corners, box_list *list) {
    const e2str_image picture = {pixels, LINE_WIDTH, LINE_HEIGHT, LINE_WIDTH, E2STR_GREY, 0, NULL, 0};
    page_box box = {.line = 7};
    memcpy(box.corners, corners, sizeof box.corners);
    *list = (box_list){0};
    assert_true(boxes_add(list, &box));
    assert_true(split_boxes(list, &picture));
    for (size_t i = 0; i < list->count; i++) {
        assert_int_equal(list->boxes[i].number, 1);
        assert_int_equal(list->boxes[i].line, 7);
    }
}

static void test_split(void **state) {
    (void)state;
    static uint8_t pixels[LINE_WIDTH * LINE_HEIGHT];
    static const float whole[8] = {0, 0, LINE_WIDTH, 0, LINE_WIDTH, LINE_HEIGHT, 0, LINE_HEIGHT};
    static const int words[] = {3, 4, 3, 12, 3, 3, 13, 4}, loose[] = {6, 7, 6, 6, 7}, two[] = {12};
    box_list list;
    for (int light = 0; light < 2; light++) { /* dark on light paper, and the other way round */
        const int end = draw_line(pixels, words, 8, light ? 230 : 20, light ? 40 : 240);
        split(pixels, whole, &list);
        assert_int_equal(list.count, 3);
        const float margin = 0.08f * LINE_HEIGHT;
        has_corners(&list.boxes[0], 20 - margin, 0, 62 + margin, 0, 62 + margin, 40, 20 - margin, 40);
        has_corners(&list.boxes[1], 74 - margin, 0, 104 + margin, 0, 104 + margin, 40, 74 - margin, 40);
        assert_true(fabsf(list.boxes[2].corners[2] - (float)end - margin) < 1e-4f);
        boxes_free(&list);
    }
    draw_line(pixels, loose, 5, 20, 240); /* one word, wide set */
    split(pixels, whole, &list);
    assert_int_equal(list.count, 1);
    boxes_free(&list);
    draw_line(pixels, two, 1, 20, 240); /* two words of one letter */
    pixels[5 * LINE_WIDTH + 34] = 20;   /* a speck between them */
    split(pixels, whole, &list);
    assert_int_equal(list.count, 2);
    boxes_free(&list);
    memset(pixels, 200, sizeof pixels); /* nothing */
    split(pixels, whole, &list);
    assert_int_equal(list.count, 1);
    has_corners(&list.boxes[0], 0, 0, LINE_WIDTH, 0, LINE_WIDTH, LINE_HEIGHT, 0, LINE_HEIGHT);
    boxes_free(&list);
    static const float mirrored[8] = {0, 0, 0, 40, 320, 40, 320, 0}; /* is kept, and told when it is read */
    split(pixels, mirrored, &list);
    assert_int_equal(list.count, 1);
    assert_memory_equal(list.boxes[0].corners, mirrored, sizeof mirrored);
    boxes_free(&list);
    draw_line(pixels, words, 8, 20, 240); /* a slanted box: its words lie along it */
    static const float slanted[8] = {0, 4, LINE_WIDTH, 0, LINE_WIDTH, LINE_HEIGHT - 4, 0, LINE_HEIGHT};
    split(pixels, slanted, &list);
    assert_int_equal(list.count, 3);
    for (size_t i = 0; i < 3; i++) {
        const float *c = list.boxes[i].corners;
        assert_true(fabsf(c[1] - (4 - c[0] / 80)) < 0.01f && fabsf(c[5] - (40 - c[4] / 80)) < 0.01f);
    }
    boxes_free(&list);
}

/* As many boxes as there may be, in the shapes that cost most: work stays in bounds. */
static void test_many_boxes(void **state) {
    (void)state;
    for (int shape = 0; shape < 5; shape++) {
        box_list list = {0};
        page_layout layout;
        uint32_t seed = 1;
        for (int i = 0; i < MAX_BOXES; i++) {
            seed = seed * 1664525u + 1013904223u;
            const double x = seed >> 18, y = (seed >> 4) % 16384, k = i;
            switch (shape) {
            case 0: /* one below the other, gaps that grow */
                put(&list, 0, k * k / 1e3 + k * 3, 20, 2);
                break;
            case 1: /* anywhere */
                put(&list, x, y, 20, 10);
                break;
            case 2: /* one on the other */
                put(&list, 5, 5, 20, 10);
                break;
            case 3: /* stairs */
                put(&list, k * 30, k * 3, 20, 10);
                break;
            default: /* columns of two */
                put(&list, floor(k / 2) * 400, (i % 2) * 30, 200, 20);
                break;
            }
        }
        const clock_t begin = clock();
        assert_true(layout_make(&layout, &list));
        const double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
        print_message("# shape %d: %.2f s, %zu lines\n", shape, seconds, layout.n_lines);
        assert_true(seconds < 30);
        layout_free(&layout);
        boxes_free(&list);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_accepts), cmocka_unit_test(test_json_refuses),    cmocka_unit_test(test_json_values),
        cmocka_unit_test(test_box_files),    cmocka_unit_test(test_wrong_box_files), cmocka_unit_test(test_layout),
        cmocka_unit_test(test_other_angles), cmocka_unit_test(test_given_lines),     cmocka_unit_test(test_split),
        cmocka_unit_test(test_many_boxes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
