/* SPDX-License-Identifier: MIT */
/* Decoding. tests/images holds the cases, made by make.py there: a file's name begins with the status it must give, and
 * beside each ok-* file lie the pixels that Pillow makes of it. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "image.h"

#define FOLDER "tests/images/"

static bool starts_with(const char *text, const char *start) { return !strncmp(text, start, strlen(start)); }

static bool ends_with(const char *text, const char *end) {
    return strlen(text) >= strlen(end) && !strcmp(text + strlen(text) - strlen(end), end);
}

static bool is_zero(const e2str_image *image) {
    return !image->pixels && !image->width && !image->height && !image->stride && !image->format && !image->rotate &&
           !image->owned;
}

static uint8_t *read_all(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s cannot be opened", path);
    uint8_t *data = malloc(1 << 20);
    assert_non_null(data);
    *size = fread(data, 1, 1 << 20, file);
    assert_true(feof(file));
    fclose(file);
    uint8_t *exact = malloc(*size ? *size : 1); /* so that AddressSanitizer sees a read behind the end */
    assert_non_null(exact);
    memcpy(exact, data, *size);
    free(data);
    return exact;
}

static uint32_t little_endian(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void compare_pixels(const e2str_image *image, const char *path) {
    char beside[600];
    size_t size;
    snprintf(beside, sizeof beside, "%s.rgb", path);
    uint8_t *wanted = read_all(beside, &size);
    assert_true(size > 8);
    if (image->width != little_endian(wanted) || image->height != little_endian(wanted + 4))
        fail_msg("%s: %u x %u", path, image->width, image->height);
    assert_int_equal(size, 8 + (size_t)image->width * image->height * 3);
    assert_int_equal(e2_image_check(image, NULL), E2STR_OK);
    assert_ptr_equal(image->owned, image->pixels);
    assert_true(image->format == E2STR_GREY || image->format == E2STR_RGB);
    const bool grey = image->format == E2STR_GREY;
    for (uint32_t y = 0; y < image->height; y++)
        for (uint32_t x = 0; x < image->width; x++)
            for (uint32_t c = 0; c < 3; c++) {
                const size_t at = 8 + ((size_t)y * image->width + x) * 3 + c;
                const uint8_t is = image->pixels[(ptrdiff_t)y * image->stride + (grey ? x : 3 * x + c)];
                if (is != wanted[at]) fail_msg("%s: pixel %u, %u: %d, not %d", path, x, y, is, wanted[at]);
            }
    free(wanted);
}

static e2str_status expected_status(const char *name) {
    if (starts_with(name, "ok-")) return E2STR_OK;
    if (starts_with(name, "image-")) return E2STR_ERROR_IMAGE;
    if (starts_with(name, "limit-")) return E2STR_ERROR_LIMIT;
    fail_msg("%s: no status in its name", name);
    return E2STR_OK;
}

static void check_file(const char *name) {
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s", name);
    const e2str_status expected = expected_status(name);
    e2str_image image = {0};
    e2str_error error = {0};
    e2str_status status = e2str_image_load(path, NULL, &image, &error);
    if (status != expected) fail_msg("%s: %s (%s)", name, e2str_status_name(status), error.message);
    if (status) {
        assert_true(is_zero(&image));
        if (!strstr(error.message, path) || strlen(error.message) < strlen(path) + 5)
            fail_msg("%s: poor message \"%s\"", name, error.message);
    } else {
        assert_string_equal(error.message, "");
        compare_pixels(&image, path);
        e2str_image_free(&image);
        assert_true(is_zero(&image));
    }
    size_t size;
    uint8_t *data = read_all(path, &size);
    assert_int_equal(e2str_image_load_memory(data, size, NULL, &image, NULL), expected);
    assert_int_equal(is_zero(&image), expected != E2STR_OK);
    e2str_image_free(&image);
    free(data);
}

static void test_every_file(void **state) {
    (void)state;
    DIR *folder = opendir(FOLDER);
    assert_non_null(folder);
    int counts[3] = {0};
    for (struct dirent *entry; (entry = readdir(folder));) {
        const char *name = entry->d_name;
        if (name[0] == '.' || !strcmp(name, "make.py") || ends_with(name, ".rgb")) continue;
        check_file(name);
        counts[expected_status(name) == E2STR_OK ? 0 : expected_status(name) == E2STR_ERROR_IMAGE ? 1 : 2]++;
    }
    closedir(folder);
    assert_true(counts[0] >= 35 && counts[1] >= 45 && counts[2] >= 8);
}

/* A PNG or JPEG cut anywhere is refused: no picture is half made up. */
static void test_every_truncation(void **state) {
    (void)state;
    static const char *const names[] = {"ok-rgb.png", "ok-interlaced.png", "ok-baseline.jpg", "ok-progressive.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        size_t size;
        snprintf(path, sizeof path, FOLDER "%s", names[i]);
        uint8_t *data = read_all(path, &size);
        for (size_t cut = 0; cut < size; cut++) {
            uint8_t *part = malloc(cut ? cut : 1);
            assert_non_null(part);
            memcpy(part, data, cut);
            e2str_image image = {0};
            if (e2str_image_load_memory(part, cut, NULL, &image, NULL) != E2STR_ERROR_IMAGE || !is_zero(&image))
                fail_msg("%s cut to %zu bytes is not refused", names[i], cut);
            free(part);
        }
        free(data);
    }
}

/* Each byte changed in turn: any answer is right, if it is an answer. For the sanitizers. */
static void test_every_byte_changed(void **state) {
    (void)state;
    static const char *const names[] = {"ok-palette-4-bit.png", "ok-baseline.jpg", "ok-progressive.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        size_t size;
        snprintf(path, sizeof path, FOLDER "%s", names[i]);
        uint8_t *data = read_all(path, &size);
        e2str_image_limits limits;
        e2str_image_limits_init(&limits);
        limits.max_pixels = 1 << 16;
        for (size_t at = 0; at < size; at++) {
            const uint8_t before = data[at];
            data[at] ^= (uint8_t)(1 + at % 255);
            e2str_image image = {0};
            const e2str_status status = e2str_image_load_memory(data, size, &limits, &image, NULL);
            assert_true(status == E2STR_OK || status == E2STR_ERROR_IMAGE || status == E2STR_ERROR_LIMIT);
            e2str_image_free(&image);
            data[at] = before;
        }
        free(data);
    }
}

static e2str_status load_with(const char *name, uint64_t pixels, uint32_t side, uint32_t scans, e2str_error *error) {
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s", name);
    e2str_image_limits limits;
    e2str_image_limits_init(&limits);
    if (pixels) limits.max_pixels = pixels;
    if (side) limits.max_side = side;
    if (scans) limits.max_scans = scans;
    e2str_image image = {0};
    const e2str_status status = e2str_image_load(path, &limits, &image, error);
    assert_int_equal(is_zero(&image), status != E2STR_OK);
    e2str_image_free(&image);
    return status;
}

/* All pictures are 23 x 17. */
static void test_limits(void **state) {
    (void)state;
    static const char *const names[] = {"ok-rgb.png", "ok-interlaced.png", "ok-baseline.jpg", "ok-progressive.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        e2str_error error = {0};
        assert_int_equal(load_with(names[i], 23 * 17, 23, 0, NULL), E2STR_OK);
        assert_int_equal(load_with(names[i], 23 * 17 - 1, 0, 0, &error), E2STR_ERROR_LIMIT);
        assert_non_null(strstr(error.message, "23 x 17"));
        assert_non_null(strstr(error.message, "390"));
        assert_int_equal(load_with(names[i], 0, 22, 0, &error), E2STR_ERROR_LIMIT);
        assert_non_null(strstr(error.message, "22 a side"));
    }
    e2str_error error = {0};
    assert_int_equal(load_with("ok-baseline.jpg", 0, 0, 1, NULL), E2STR_OK);
    assert_int_equal(load_with("ok-progressive.jpg", 0, 0, 1, &error), E2STR_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "more than 1 scan"));
    assert_int_equal(load_with("limit-101-scans.jpg", 0, 0, 101, NULL), E2STR_OK);
    assert_int_equal(load_with("limit-127-scans.jpg", 0, 0, UINT32_MAX, NULL), E2STR_OK);
}

static void test_options(void **state) {
    (void)state;
    e2str_image_limits limits;
    e2str_image_limits_init(NULL);
    e2str_image_limits_init(&limits);
    assert_int_equal(limits.size, sizeof limits);
    assert_int_equal(limits.max_pixels, 64 * 1024 * 1024);
    assert_int_equal(limits.max_side, 16384);
    assert_int_equal(limits.max_scans, 100);
    const e2str_image_limits good = limits;
    e2str_image image = {0};
    const char *path = FOLDER "ok-rgb.png";
    limits.size = 0, assert_int_equal(e2str_image_load(path, &limits, &image, NULL), E2STR_ERROR_ARGUMENT);
    limits = good, limits.max_side = 0;
    assert_int_equal(e2str_image_load(path, &limits, &image, NULL), E2STR_ERROR_ARGUMENT);
    limits = good, limits.max_side = 16385;
    assert_int_equal(e2str_image_load(path, &limits, &image, NULL), E2STR_ERROR_ARGUMENT);
    limits = good, limits.max_pixels = 0;
    assert_int_equal(e2str_image_load(path, &limits, &image, NULL), E2STR_ERROR_ARGUMENT);
    limits = good, limits.max_scans = 0;
    assert_int_equal(e2str_image_load(path, &limits, &image, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_image_load(NULL, NULL, &image, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_image_load(path, NULL, NULL, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_image_load_memory(NULL, 5, NULL, &image, NULL), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_image_load_memory("", 0, NULL, &image, NULL), E2STR_ERROR_IMAGE);
    e2str_image_free(NULL);
}

/* Whatever lies in the structure beforehand does not get through; owned pixels are not lost. */
static void test_image_before(void **state) {
    (void)state;
    e2str_image image = {.width = 7, .rotate = 90, .format = E2STR_BGR};
    assert_int_equal(e2str_image_load(FOLDER "no such file", NULL, &image, NULL), E2STR_ERROR_IO);
    assert_true(is_zero(&image));
    image.rotate = 90;
    assert_int_equal(e2str_image_load(FOLDER "ok-rgb.png", NULL, &image, NULL), E2STR_OK);
    assert_int_equal(image.rotate, 0);
    const e2str_image before = image;
    e2str_error error = {0};
    assert_int_equal(e2str_image_load(FOLDER "ok-rgb.png", NULL, &image, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "owns"));
    assert_memory_equal(&image, &before, sizeof image);
    assert_int_equal(e2str_image_load_memory("x", 1, NULL, &image, NULL), E2STR_ERROR_ARGUMENT);
    e2str_image_free(&image);
}

static void refused_file(const char *path, e2str_status status, const char *words) {
    e2str_image image = {0};
    e2str_error error = {0};
    assert_int_equal(e2str_image_load(path, NULL, &image, &error), status);
    assert_true(is_zero(&image));
    if (!strstr(error.message, path) || !strstr(error.message, words)) fail_msg("poor message: %s", error.message);
}

static void test_not_a_file(void **state) {
    (void)state;
    refused_file(FOLDER "no such file", E2STR_ERROR_IO, "No such file");
    refused_file("tests/images", E2STR_ERROR_IO, "is a directory");
    refused_file("/dev/null", E2STR_ERROR_IO, "not a regular file");
    char path[] = "/tmp/e2str-image-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, ((off_t)512 << 20) + 1), 0); /* a hole: takes no room */
    close(file);
    refused_file(path, E2STR_ERROR_LIMIT, "512 MiB");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes: opening it must not wait */
    alarm(10);
    refused_file(path, E2STR_ERROR_IO, "not a regular file");
    alarm(0);
    assert_int_equal(unlink(path), 0);
}

/* Neither library may print. */
static void test_silent(void **state) {
    (void)state;
    static const char *const names[] = {"image-truncated-scan.jpg", "image-truncated-idat.png",
                                        "image-bad-huffman-code.jpg", "ok-stray-bytes-before-marker.jpg",
                                        "image-bad-crc-ihdr.png"};
    FILE *caught = tmpfile();
    assert_non_null(caught);
    fflush(NULL);
    const int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    assert_true(out >= 0 && err >= 0);
    dup2(fileno(caught), STDOUT_FILENO);
    dup2(fileno(caught), STDERR_FILENO);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) load_with(names[i], 0, 0, 0, NULL);
    fflush(NULL);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    struct stat about;
    assert_int_equal(fstat(fileno(caught), &about), 0);
    assert_int_equal(about.st_size, 0);
    fclose(caught);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_file),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_byte_changed),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_image_before),
        cmocka_unit_test(test_not_a_file),
        cmocka_unit_test(test_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
