/* SPDX-License-Identifier: MIT */
/* Decoding. tests/images holds the cases, made by make.py there: a file's name begins with the status it must give, and
 * beside each ok-* file lie its pixels. Of each ok-noted-* file the log must tell one line. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
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
    if (starts_with(name, "unsupported-")) return E2STR_ERROR_UNSUPPORTED;
    fail_msg("%s: no status in its name", name);
    return E2STR_OK;
}

/* What the decoder told. */
typedef struct told {
    size_t lines;
    char line[E2STR_ERROR_SIZE];
} told;

static void remember(void *user, const char *message) {
    told *log = user;
    log->lines++;
    snprintf(log->line, sizeof log->line, "%s", message);
}

static e2str_image_limits limits_with(told *log) {
    e2str_image_limits limits;
    e2str_image_limits_init(&limits);
    *log = (told){0};
    limits.log = remember;
    limits.log_user = log;
    return limits;
}

static void check_file(const char *name) {
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s", name);
    const e2str_status expected = expected_status(name);
    e2str_image image = {0};
    e2str_error error = {0};
    told log;
    const e2str_image_limits limits = limits_with(&log);
    e2str_status status = e2str_image_load(path, &limits, &image, &error);
    if (log.lines != starts_with(name, "ok-noted-")) fail_msg("%s: %zu lines, %s", name, log.lines, log.line);
    if (log.lines && (!starts_with(log.line, path) || strlen(log.line) < strlen(path) + 15))
        fail_msg("%s: poor note \"%s\"", name, log.line);
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
    int counts[E2STR_ERROR_LIMIT + 1] = {0};
    for (struct dirent *entry; (entry = readdir(folder));) {
        const char *name = entry->d_name;
        if (name[0] == '.' || !strcmp(name, "make.py") || ends_with(name, ".rgb")) continue;
        check_file(name);
        counts[expected_status(name)]++;
    }
    closedir(folder);
    assert_true(counts[E2STR_OK] >= 83 && counts[E2STR_ERROR_IMAGE] >= 70 && counts[E2STR_ERROR_LIMIT] >= 12 &&
                counts[E2STR_ERROR_UNSUPPORTED] == 2);
}

/* A file cut anywhere is refused, so that no picture is half made up; behind its last row it is read, with a note. */
static void test_every_truncation(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t spare; /* bytes at the end that it can do without: IEND, EOI, what follows, or digits */
    } cases[] = {{"ok-rgb.png", 12},          {"ok-interlaced.png", 12}, {"ok-baseline.jpg", 2},
                 {"ok-progressive.jpg", 2},   {"ok-100-scans.jpg", 0},   {"ok-scan-by-component.jpg", 2},
                 {"ok-palette-4-bit.bmp", 0}, {"ok-alpha.bmp", 0},       {"ok-bytes.ppm", 4},
                 {"ok-text.pgm", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[512];
        size_t size;
        snprintf(path, sizeof path, FOLDER "%s", cases[i].name);
        uint8_t *data = read_all(path, &size);
        for (size_t cut = 0; cut < size; cut++) {
            uint8_t *part = malloc(cut ? cut : 1);
            assert_non_null(part);
            memcpy(part, data, cut);
            e2str_image image = {0};
            told log;
            const e2str_image_limits limits = limits_with(&log);
            const bool good = cut >= size - cases[i].spare;
            const e2str_status status = e2str_image_load_memory(part, cut, &limits, &image, NULL);
            if (status != (good ? E2STR_OK : E2STR_ERROR_IMAGE) || is_zero(&image) == good)
                fail_msg("%s cut to %zu of %zu bytes: %s", path, cut, size, e2str_status_name(status));
            assert_int_equal(log.lines, good && (ends_with(path, ".png") || ends_with(path, ".jpg")));
            e2str_image_free(&image);
            free(part);
        }
        free(data);
    }
}

/* Each byte changed in turn: any answer is right, if it is an answer. For the sanitizers. */
static void test_every_byte_changed(void **state) {
    (void)state;
    static const char *const names[] = {"ok-palette-4-bit.png",
                                        "ok-baseline.jpg",
                                        "ok-progressive.jpg",
                                        "ok-orientation.jpg",
                                        "ok-cmyk-progressive.jpg",
                                        "ok-palette-alpha.png",
                                        "ok-palette-4-bit.bmp",
                                        "ok-alpha.bmp",
                                        "ok-text.pgm",
                                        "ok-16-bit.ppm",
                                        "ok-bytes.pbm"};
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
            assert_true(status == E2STR_OK || status == E2STR_ERROR_IMAGE || status == E2STR_ERROR_LIMIT ||
                        status == E2STR_ERROR_UNSUPPORTED);
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
    static const char *const names[] = {"ok-rgb.png",         "ok-interlaced.png", "ok-baseline.jpg",
                                        "ok-progressive.jpg", "ok-alpha.bmp",      "ok-text.pbm"};
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
    assert_int_equal(limits.ignore_orientation, 0);
    assert_true(!limits.log && !limits.log_user);
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
    limits = good, limits.ignore_orientation = 2;
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
    refused_file("/dev/null", E2STR_ERROR_IO, "neither a regular file nor a pipe");
    char path[] = "/tmp/e2str-image-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, ((off_t)512 << 20) + 1), 0); /* a hole: takes no room */
    close(file);
    refused_file(path, E2STR_ERROR_LIMIT, "512 MiB");
    assert_int_equal(unlink(path), 0);
}

/* Another process writes `size` bytes of data to the FIFO, over and over until `total` have gone, and ends. */
static pid_t write_to(const char *path, const uint8_t *data, size_t size, size_t total) {
    const pid_t writer = fork();
    assert_true(writer >= 0);
    if (writer) return writer;
    FILE *to = fopen(path, "wb");
    for (size_t done = 0; to && done < total; done += size)
        if (fwrite(data, 1, size, to) < size) break;
    _exit(!to || fclose(to));
}

/* A FIFO is read to its end, and no further than a file may be long. */
static void test_fifo(void **state) {
    (void)state;
    size_t size;
    uint8_t *data = read_all(FOLDER "ok-wide.png", &size), *much = calloc(1, 1 << 20);
    assert_non_null(much);
    char folder[] = "/tmp/e2str-fifo-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/fifo", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    signal(SIGPIPE, SIG_IGN);
    alarm(60);
    pid_t writer = write_to(path, data, size, size);
    e2str_image image = {0};
    e2str_error error = {0};
    if (e2str_image_load(path, NULL, &image, &error)) fail_msg("%s", error.message);
    compare_pixels(&image, FOLDER "ok-wide.png");
    e2str_image_free(&image);
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    writer = write_to(path, data, size / 2, size / 2);
    refused_file(path, E2STR_ERROR_IMAGE, "truncated");
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    writer = write_to(path, data, 1, 0);
    refused_file(path, E2STR_ERROR_IMAGE, "empty");
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    writer = write_to(path, much, 1 << 20, SIZE_MAX);
    refused_file(path, E2STR_ERROR_LIMIT, "512 MiB");
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    alarm(0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    free(much);
    free(data);
}

/* What a picture of one pixel after another shows when EXIF data say `kind`: from which stored pixel (x, y) comes. */
static void stored_at(uint32_t kind, uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint32_t *at_x,
                      uint32_t *at_y) {
    const uint32_t right = width - 1, bottom = height - 1;
    switch (kind) { /* "row 0 is the ..., column 0 is the ..." of the standard */
    case 2:         /* top, right */
        *at_x = right - x, *at_y = y;
        break;
    case 3: /* bottom, right */
        *at_x = right - x, *at_y = bottom - y;
        break;
    case 4: /* bottom, left */
        *at_x = x, *at_y = bottom - y;
        break;
    case 5: /* left, top */
        *at_x = y, *at_y = x;
        break;
    case 6: /* right, top */
        *at_x = y, *at_y = bottom - x;
        break;
    case 7: /* right, bottom */
        *at_x = right - y, *at_y = bottom - x;
        break;
    case 8: /* left, bottom */
        *at_x = right - y, *at_y = x;
        break;
    default:
        *at_x = x, *at_y = y;
    }
}

/* Inserts a segment behind SOI, or a chunk behind IHDR (its checksum left 0: libpng is told to skip it), with EXIF data
 * of one entry. */
static uint8_t *with_orientation(const uint8_t *data, size_t size, uint32_t kind, bool little, size_t *longer) {
    const uint8_t big_exif[] = {'M', 'M',           0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1,
                                0,   (uint8_t)kind, 0, 0,  0, 0, 0, 0};
    const uint8_t little_exif[] = {'I', 'I',           42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0,
                                   0,   (uint8_t)kind, 0,  0, 0, 0, 0, 0, 0};
    const uint8_t segment[] = {0xff, 0xe1, 0, 8 + sizeof big_exif, 'E', 'x', 'i', 'f', 0, 0};
    const uint8_t chunk[] = {0, 0, 0, sizeof big_exif, 'e', 'X', 'I', 'f'};
    const bool png = data[0] == 0x89;
    const size_t at = png ? 33 : 2, before = png ? sizeof chunk : sizeof segment, behind = png ? 4 : 0;
    *longer = size + before + sizeof big_exif + behind;
    uint8_t *result = calloc(1, *longer);
    assert_non_null(result);
    memcpy(result, data, at);
    memcpy(result + at, png ? chunk : segment, before);
    memcpy(result + at + before, little ? little_exif : big_exif, sizeof big_exif);
    memcpy(result + at + before + sizeof big_exif + behind, data + at, size - at);
    return result;
}

static void check_orientation(const e2str_image *stored, const e2str_image *upright, uint32_t kind) {
    const bool turned = kind >= 5 && kind <= 8;
    assert_int_equal(upright->width, turned ? stored->height : stored->width);
    assert_int_equal(upright->height, turned ? stored->width : stored->height);
    assert_int_equal(upright->format, stored->format);
    assert_int_equal(upright->rotate, 0);
    const ptrdiff_t pixel = stored->format == E2STR_GREY ? 1 : 3;
    for (uint32_t y = 0; y < upright->height; y++)
        for (uint32_t x = 0; x < upright->width; x++) {
            uint32_t at_x, at_y;
            stored_at(kind, x, y, stored->width, stored->height, &at_x, &at_y);
            assert_memory_equal(upright->pixels + y * upright->stride + x * pixel,
                                stored->pixels + at_y * stored->stride + at_x * pixel, (size_t)pixel);
        }
}

/* 0 and 9 to 255 are no orientation. */
static void test_orientation(void **state) {
    (void)state;
    static const char *const names[] = {"ok-baseline.jpg", "ok-grey-progressive.jpg", "ok-rgb.png", "ok-grey-8-bit.png",
                                        "ok-rgba.png"};
    e2str_image_limits ignoring;
    e2str_image_limits_init(&ignoring);
    ignoring.ignore_orientation = 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        size_t size, longer;
        snprintf(path, sizeof path, FOLDER "%s", names[i]);
        uint8_t *data = read_all(path, &size);
        e2str_image stored = {0}, image = {0};
        assert_int_equal(e2str_image_load_memory(data, size, NULL, &stored, NULL), E2STR_OK);
        for (uint32_t kind = 0; kind < 256; kind += kind < 10 ? 1 : 49)
            for (int little = 0; little < 2; little++) {
                uint8_t *oriented = with_orientation(data, size, kind, little, &longer);
                assert_int_equal(e2str_image_load_memory(oriented, longer, NULL, &image, NULL), E2STR_OK);
                check_orientation(&stored, &image, kind);
                e2str_image_free(&image);
                assert_int_equal(e2str_image_load_memory(oriented, longer, &ignoring, &image, NULL), E2STR_OK);
                check_orientation(&stored, &image, 1);
                e2str_image_free(&image);
                free(oriented);
            }
        e2str_image_free(&stored);
        free(data);
    }
}

/* Neither library may print. */
static void test_silent(void **state) {
    (void)state;
    static const char *const names[] = {"image-truncated-scan.jpg", "image-truncated-idat.png",
                                        "image-bad-huffman-code.jpg", "ok-noted-stray-bytes-before-marker.jpg",
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
        cmocka_unit_test(test_fifo),
        cmocka_unit_test(test_orientation),
        cmocka_unit_test(test_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
