/* SPDX-License-Identifier: MIT */
/* PNG and JPEG to pixels, by libpng and libjpeg-turbo.
 *
 * Both libraries leave an error by longjmp. The function that calls setjmp therefore holds nothing: all that decoding
 * changes lives in a structure of its caller. Both are made silent, and both get their input from memory. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>
#include <jerror.h>
#include <png.h>

#include "image.h"

#define MAX_FILE_BYTES   ((size_t)512 << 20)
#define JPEG_BASE_MEMORY ((size_t)64 << 20) /* libjpeg's own tables and rows: far more than it needs */
#define PNG_TAIL_BYTES   ((size_t)64 << 10) /* see png_limit_tail */

static const e2str_image_limits default_limits = {
    .size = sizeof default_limits, .max_pixels = 64u << 20, .max_side = E2_MAX_SIDE, .max_scans = 100};

/* One image on its way. status and *error say why it stopped. */
typedef struct decoder {
    const uint8_t *data;
    size_t size;
    const e2str_image_limits *limits;
    const char *kind; /* "PNG" or "JPEG", for messages */
    e2str_error *error;
    e2str_status status;
    uint32_t width, height;
    uint8_t *pixels; /* malloc'ed */
    size_t stride;
    e2str_format format; /* E2STR_GREY or E2STR_RGB */
} decoder;

/* From the header, before anything is allocated for pixels. */
static bool within_limits(decoder *d, size_t width, size_t height) {
    const e2str_image_limits *limits = d->limits;
    const size_t side = width > height ? width : height;
    if (side > limits->max_side)
        d->status = e2_fail(d->error, E2STR_ERROR_LIMIT, "%s of %zu x %zu pixels: the limit is %lu a side", d->kind,
                            width, height, (unsigned long)limits->max_side);
    else if ((uint64_t)width * height > limits->max_pixels)
        d->status = e2_fail(d->error, E2STR_ERROR_LIMIT, "%s of %zu x %zu pixels: the limit is %llu pixels", d->kind,
                            width, height, (unsigned long long)limits->max_pixels);
    d->width = (uint32_t)width;
    d->height = (uint32_t)height;
    return !d->status;
}

static bool allocate_pixels(decoder *d, size_t channels) {
    d->format = channels == 1 ? E2STR_GREY : E2STR_RGB;
    d->stride = d->width * channels;
    d->pixels = e2_alloc(d->height, d->stride);
    if (!d->pixels)
        d->status = e2_fail(d->error, E2STR_ERROR_MEMORY, "out of memory for a %s of %lu x %lu pixels", d->kind,
                            (unsigned long)d->width, (unsigned long)d->height);
    return d->pixels;
}

/* ---------------------------------------------------------------------------------------------------------- PNG -- */

typedef struct png_decoder {
    decoder base;
    png_structp png;
    png_infop info;
    size_t offset, end; /* next byte to read; where reading must stop */
    bool out_of_memory;
} png_decoder;

static void png_on_error(png_structp png, png_const_charp message) {
    png_decoder *p = png_get_error_ptr(png);
    p->base.status =
        e2_fail(p->base.error, p->out_of_memory ? E2STR_ERROR_MEMORY : E2STR_ERROR_IMAGE, "PNG: %s", message);
    png_longjmp(png, 1);
}

static void png_on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

static png_voidp png_allocate(png_structp png, png_alloc_size_t size) {
    png_decoder *p = png_get_mem_ptr(png);
    void *memory = malloc(size);
    if (!memory) p->out_of_memory = true;
    return memory;
}

static void png_release(png_structp png, png_voidp memory) {
    (void)png;
    free(memory);
}

static void png_read_bytes(png_structp png, png_bytep out, size_t count) {
    png_decoder *p = png_get_io_ptr(png);
    if (count > p->end - p->offset) png_error(png, p->end < p->base.size ? "data behind the image" : "truncated");
    memcpy(out, p->base.data + p->offset, count);
    p->offset += count;
}

/* The last row makes libpng inflate the rest of the image data, however much that becomes, only to throw it away.
 * Input is therefore limited from there on: a row of 16-bit RGBA, even in chunks of one byte, and a generous rest. */
static void png_limit_tail(png_decoder *p) {
    const size_t most = PNG_TAIL_BYTES + (size_t)128 * p->base.width;
    if (most < p->end - p->offset) p->end = p->offset + most;
}

static void png_read_pixels(png_decoder *p) {
    decoder *d = &p->base;
    png_structp png = p->png;
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);         /* within_limits knows better, and says why */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1); /* text, profiles, ...: skipped unread */
    png_read_info(png, p->info);
    if (!within_limits(d, png_get_image_width(png, p->info), png_get_image_height(png, p->info))) return;
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    if (png_get_color_type(png, p->info) == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    else
        png_set_expand_gray_1_2_4_to_8(png);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, p->info);
    if (!allocate_pixels(d, png_get_channels(png, p->info))) return;
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < d->height; y++) {
            if (pass == passes - 1 && y == d->height - 1) png_limit_tail(p);
            png_read_row(png, d->pixels + y * d->stride, NULL);
        }
    p->end = d->size;
    png_read_end(png, NULL);
}

static void png_protected(png_decoder *p) {
    if (!setjmp(png_jmpbuf(p->png))) png_read_pixels(p);
}

static void decode_png(decoder *d) {
    png_decoder p = {.base = *d, .end = d->size};
    p.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &p, png_on_error, png_on_warning, &p, png_allocate,
                                     png_release);
    if (p.png) p.info = png_create_info_struct(p.png);
    if (p.info) {
        png_set_read_fn(p.png, &p, png_read_bytes);
        png_protected(&p);
    } else if (!p.base.status) {
        p.base.status = e2_fail(d->error, E2STR_ERROR_MEMORY, "out of memory for reading a PNG");
    }
    png_destroy_read_struct(&p.png, &p.info, NULL);
    *d = p.base;
}

/* --------------------------------------------------------------------------------------------------------- JPEG -- */

typedef struct jpeg_decoder {
    decoder base;
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
} jpeg_decoder;

static void jpeg_on_error(j_common_ptr info) {
    jpeg_decoder *j = info->client_data;
    char message[JMSG_LENGTH_MAX];
    info->err->format_message(info, message);
    const int code = info->err->msg_code;
    const e2str_status status = code == JERR_OUT_OF_MEMORY   ? E2STR_ERROR_MEMORY
                                : code == JERR_IMAGE_TOO_BIG ? E2STR_ERROR_LIMIT
                                                             : E2STR_ERROR_IMAGE;
    j->base.status = e2_fail(j->base.error, status, "JPEG: %s", message);
    longjmp(j->escape, 1);
}

/* A warning (level -1) means that pixels were lost and made up, except for these. */
static void jpeg_on_message(j_common_ptr info, int level) {
    const int code = info->err->msg_code;
    const bool harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM;
    if (level < 0 && !harmless) jpeg_on_error(info);
}

static void jpeg_on_output(j_common_ptr info) { (void)info; }

/* Called for every row of blocks that is decoded: a scan can cost much time and few bytes. */
static void jpeg_on_progress(j_common_ptr info) {
    jpeg_decoder *j = info->client_data;
    if ((uint32_t)j->info.input_scan_number <= j->base.limits->max_scans) return;
    j->base.status = e2_fail(j->base.error, E2STR_ERROR_LIMIT, "JPEG: more than %lu scans",
                             (unsigned long)j->base.limits->max_scans);
    longjmp(j->escape, 1);
}

/* a * b / 255, rounded as Pillow does it. */
static uint8_t scale_byte(uint32_t a, uint32_t b) {
    const uint32_t product = a * b + 128;
    return (uint8_t)(((product >> 8) + product) >> 8);
}

/* Adobe's inverted CMYK: 255 is no ink. */
static void cmyk_to_rgb(const uint8_t *cmyk, uint32_t width, uint8_t *rgb) {
    for (uint32_t x = 0; x < width; x++, cmyk += 4, rgb += 3)
        for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)(cmyk[3] - scale_byte(255u - cmyk[c], cmyk[3]));
}

static void jpeg_read_rows(jpeg_decoder *j) {
    decoder *d = &j->base;
    struct jpeg_decompress_struct *info = &j->info;
    uint8_t *cmyk = NULL;
    if (info->out_color_space == JCS_CMYK)
        cmyk = info->mem->alloc_large((j_common_ptr)info, JPOOL_IMAGE, (size_t)4 * d->width);
    while (info->output_scanline < info->output_height) {
        uint8_t *row = d->pixels + info->output_scanline * d->stride;
        JSAMPROW to = cmyk ? cmyk : row;
        jpeg_read_scanlines(info, &to, 1);
        if (cmyk) cmyk_to_rgb(cmyk, d->width, row);
    }
}

static void jpeg_read_pixels(jpeg_decoder *j) {
    decoder *d = &j->base;
    struct jpeg_decompress_struct *info = &j->info;
    jpeg_create_decompress(info);
    info->progress = &j->progress;
    jpeg_mem_src(info, d->data, (unsigned long)d->size);
    jpeg_read_header(info, TRUE);
    if (!within_limits(d, info->image_width, info->image_height)) return;
    /* What a progressive image may take: 16-bit coefficients of 4 channels, padded to whole blocks of up to 32 pixels.
     */
    info->mem->max_memory_to_use = (long)(JPEG_BASE_MEMORY + (size_t)8 * (d->width + 64) * (d->height + 64));
    if (info->num_components == 4)
        info->out_color_space = JCS_CMYK;
    else
        info->out_color_space = info->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    if (!allocate_pixels(d, info->num_components == 1 ? 1 : 3)) return;
    jpeg_start_decompress(info);
    jpeg_read_rows(j);
    jpeg_finish_decompress(info); /* reads up to the end marker */
}

static void jpeg_protected(jpeg_decoder *j) {
    if (!setjmp(j->escape)) jpeg_read_pixels(j);
}

static void decode_jpeg(decoder *d) {
    jpeg_decoder j = {.base = *d, .progress.progress_monitor = jpeg_on_progress};
    j.info.err = jpeg_std_error(&j.errors);
    j.info.client_data = &j;
    j.errors.error_exit = jpeg_on_error;
    j.errors.emit_message = jpeg_on_message;
    j.errors.output_message = jpeg_on_output;
    jpeg_protected(&j);
    jpeg_destroy_decompress(&j.info);
    *d = j.base;
}

/* ------------------------------------------------------------------------------------------------------- public -- */

void e2str_image_limits_init_size(e2str_image_limits *limits, size_t size) {
    e2_options_init(limits, size, &default_limits);
}

/* Options, into *limits, and output, before anything is read. An image that owns pixels is left as it is: they would be
 * lost. */
static e2str_status check_call(const void *input, const e2str_image_limits *given, e2str_image_limits *limits,
                               e2str_image *image, e2str_error *error) {
    if (!image) return e2_fail(error, E2STR_ERROR_ARGUMENT, "image is NULL");
    if (image->owned) return e2_fail(error, E2STR_ERROR_ARGUMENT, "image owns pixels: free it first");
    *image = (e2str_image){0};
    if (!input) return e2_fail(error, E2STR_ERROR_ARGUMENT, "there is no image: path or data is NULL");
    *limits = default_limits;
    e2str_status status = e2_options_read(limits, given, "e2str_image_limits", error);
    if (status) return status;
    if (limits->max_side < 1 || limits->max_side > E2_MAX_SIDE)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "limits.max_side is %lu: must be 1 to %u",
                       (unsigned long)limits->max_side, E2_MAX_SIDE);
    if (!limits->max_pixels) return e2_fail(error, E2STR_ERROR_ARGUMENT, "limits.max_pixels is 0");
    if (!limits->max_scans) return e2_fail(error, E2STR_ERROR_ARGUMENT, "limits.max_scans is 0");
    return E2STR_OK;
}

e2str_status e2str_image_load_memory(const void *data, size_t size, const e2str_image_limits *given, e2str_image *image,
                                     e2str_error *error) {
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, jpeg[] = {0xff, 0xd8, 0xff};
    e2str_image_limits limits;
    const e2str_status status = check_call(data, given, &limits, image, error);
    if (status) return status;
    decoder d = {.data = data, .size = size, .limits = &limits, .error = error};
    if (size >= sizeof png && !memcmp(data, png, sizeof png)) {
        d.kind = "PNG";
        decode_png(&d);
    } else if (size >= sizeof jpeg && !memcmp(data, jpeg, sizeof jpeg)) {
        d.kind = "JPEG";
        decode_jpeg(&d);
    } else {
        d.status = e2_fail(error, E2STR_ERROR_IMAGE, size ? "neither PNG nor JPEG" : "empty");
    }
    if (d.status) {
        free(d.pixels);
        return d.status;
    }
    *image = (e2str_image){.pixels = d.pixels,
                           .width = d.width,
                           .height = d.height,
                           .stride = (ptrdiff_t)d.stride,
                           .format = d.format,
                           .owned = d.pixels};
    return E2STR_OK;
}

/* The whole file, malloc'ed. */
static e2str_status read_open_file(int file, const char *path, uint8_t **data, size_t *size, e2str_error *error) {
    struct stat about;
    if (fstat(file, &about)) return e2_fail(error, E2STR_ERROR_IO, "%s: %s", path, strerror(errno));
    if (S_ISDIR(about.st_mode)) return e2_fail(error, E2STR_ERROR_IO, "%s: is a directory", path);
    if (!S_ISREG(about.st_mode)) return e2_fail(error, E2STR_ERROR_IO, "%s: not a regular file", path);
    if ((uintmax_t)about.st_size > MAX_FILE_BYTES)
        return e2_fail(error, E2STR_ERROR_LIMIT, "%s: larger than %zu MiB", path, MAX_FILE_BYTES >> 20);
    const size_t wanted = (size_t)about.st_size;
    *data = e2_alloc(wanted, 1);
    if (!*data) return e2_fail(error, E2STR_ERROR_MEMORY, "%s: out of memory for reading it", path);
    for (*size = 0; *size < wanted;) {
        const ssize_t got = read(file, *data + *size, wanted - *size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return e2_fail(error, E2STR_ERROR_IO, "%s: %s", path, strerror(errno));
        if (got == 0) return e2_fail(error, E2STR_ERROR_IO, "%s: became shorter while it was read", path);
        *size += (size_t)got;
    }
    return E2STR_OK;
}

static e2str_status read_file(const char *path, uint8_t **data, size_t *size, e2str_error *error) {
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not make it wait */
    if (file < 0) return e2_fail(error, E2STR_ERROR_IO, "%s: %s", path, strerror(errno));
    const e2str_status status = read_open_file(file, path, data, size, error);
    close(file);
    return status;
}

e2str_status e2str_image_load(const char *path, const e2str_image_limits *limits, e2str_image *image,
                              e2str_error *error) {
    e2str_image_limits checked;
    e2str_status status = check_call(path, limits, &checked, image, error);
    if (status) return status;
    uint8_t *data = NULL;
    size_t size = 0;
    status = read_file(path, &data, &size, error);
    if (!status) {
        status = e2str_image_load_memory(data, size, limits, image, error);
        if (status) e2_within(error, status, path);
    }
    free(data);
    return status;
}

void e2str_image_free(e2str_image *image) {
    if (!image) return;
    free(image->owned);
    *image = (e2str_image){0};
}
