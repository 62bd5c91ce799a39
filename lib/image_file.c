/* SPDX-License-Identifier: MIT */
/* Files to pixels: PNG by libpng, JPEG by libjpeg-turbo, other formats by decoders of our own (picture.h).
 *
 * Both libraries leave an error by longjmp. The function that calls setjmp therefore holds nothing: all that decoding
 * changes lives in a structure of its caller. Both are made silent, and both get their input from memory. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>
#include <png.h>

#include "cmyk.h"
#include "exif.h"
#include "image.h"
#include "picture.h"
#include "whole_file.h"

#define MAX_FILE_BYTES   ((size_t)512 << 20)
#define JPEG_BASE_MEMORY ((size_t)64 << 20) /* libjpeg's own tables and rows: far more than it needs */
#define PNG_TAIL_BYTES   ((size_t)64 << 10) /* see png_limit_tail */

static const e2str_image_limits default_limits = {
    .size = sizeof default_limits, .max_pixels = 64u << 20, .max_side = E2_MAX_SIDE, .max_scans = 100};

/* ---------------------------------------------------------------------------------------------------------- PNG -- */

typedef struct png_decoder {
    e2_picture base;
    png_structp png;
    png_infop info;
    size_t offset, end; /* next byte to read; where reading must stop */
    bool out_of_memory;
    bool has_rows; /* all of them, checked by zlib: what is wrong behind them does no harm */
} png_decoder;

static void png_on_error(png_structp png, png_const_charp message) {
    png_decoder *p = png_get_error_ptr(png);
    if (p->has_rows)
        e2_fail(&p->base.note, E2STR_OK, "PNG: behind the last row: %s", message);
    else
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

/* RGB, or grey; with alpha, also where one colour is said to be transparent, RGBA. */
static void png_choose_format(png_structp png, png_infop info) {
    const int color = png_get_color_type(png, info);
    const bool alpha = color & PNG_COLOR_MASK_ALPHA || png_get_valid(png, info, PNG_INFO_tRNS);
    png_set_strip_16(png);
    png_set_expand(png);
    if (alpha && !(color & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(png);
}

/* From the chunk eXIf, wherever it stands: libpng is told to skip it. */
static uint32_t png_orientation(const uint8_t *data, size_t size) {
    size_t at = 8;
    while (size - at >= 12) {
        const uint8_t *chunk = data + at;
        const size_t length = png_get_uint_32(chunk), there = size - at - 12;
        if (length > there) return 0;
        if (!memcmp(chunk + 4, "eXIf", 4)) return e2_exif_orientation(chunk + 8, length);
        at += 12 + length;
    }
    return 0;
}

static void png_read_pixels(png_decoder *p) {
    e2_picture *d = &p->base;
    png_structp png = p->png;
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);         /* e2_picture_size knows better, and says why */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1); /* text, profiles, ...: skipped unread */
    png_read_info(png, p->info);
    if (!e2_picture_size(d, png_get_image_width(png, p->info), png_get_image_height(png, p->info))) return;
    png_choose_format(png, p->info);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, p->info);
    const size_t channels = png_get_channels(png, p->info), row = d->width * channels;
    if (!e2_picture_allocate(d, channels)) return;
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < d->height; y++) {
            if (pass == passes - 1 && y == d->height - 1) png_limit_tail(p);
            png_read_row(png, d->pixels + y * row, NULL);
        }
    p->has_rows = true;
    p->end = d->size;
    png_read_end(png, NULL);
}

static void png_protected(png_decoder *p) {
    if (!setjmp(png_jmpbuf(p->png))) png_read_pixels(p);
}

static void decode_png(e2_picture *d) {
    d->kind = "PNG";
    d->orientation = png_orientation(d->data, d->size);
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
    e2_picture base;
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    bool ended;    /* the file did, before the end marker */
    bool has_rows; /* all of them: what is wrong behind them does no harm */
} jpeg_decoder;

static void jpeg_refuse(jpeg_decoder *j, e2str_status status, const char *why) {
    if (j->has_rows)
        e2_fail(&j->base.note, E2STR_OK, "JPEG: behind the last row: %s", why);
    else
        j->base.status = e2_fail(j->base.error, status, "JPEG: %s", why);
    longjmp(j->escape, 1);
}

static void jpeg_on_error(j_common_ptr info) {
    jpeg_decoder *j = info->client_data;
    char message[JMSG_LENGTH_MAX];
    info->err->format_message(info, message);
    const int code = info->err->msg_code;
    const e2str_status status = code == JERR_OUT_OF_MEMORY   ? E2STR_ERROR_MEMORY
                                : code == JERR_IMAGE_TOO_BIG ? E2STR_ERROR_LIMIT
                                                             : E2STR_ERROR_IMAGE;
    jpeg_refuse(j, status, message);
}

/* A warning (level -1) means that pixels were lost and made up, except for these. */
static bool jpeg_is_harmless(jpeg_decoder *j) {
    switch (j->errors.msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
    case JWRN_NOT_SEQUENTIAL: /* the range of coefficients, which a sequential scan has no use for */
        return true;
    case JWRN_JPEG_EOF: /* if rows miss by that, another warning follows; not so with arithmetic coding */
        j->ended = true;
        return j->info.input_scan_number && !j->info.arith_code;
    default:
        return false;
    }
}

static void jpeg_on_message(j_common_ptr info, int level) {
    jpeg_decoder *j = info->client_data;
    if (level >= 0) return;
    if (jpeg_is_harmless(j)) {
        char message[JMSG_LENGTH_MAX];
        info->err->format_message(info, message);
        if (!*j->base.note.message) e2_fail(&j->base.note, E2STR_OK, "JPEG: %s", message);
    } else if (j->ended) {
        jpeg_refuse(j, E2STR_ERROR_IMAGE, "truncated");
    } else {
        jpeg_on_error(info);
    }
}

static void jpeg_on_output(j_common_ptr info) { (void)info; }

/* Called for every row of blocks that is decoded: a scan can cost much time and few bytes. */
static void jpeg_on_progress(j_common_ptr info) {
    jpeg_decoder *j = info->client_data;
    if ((uint32_t)j->info.input_scan_number <= j->base.limits->max_scans) return;
    char why[64];
    snprintf(why, sizeof why, "more than %lu scans", (unsigned long)j->base.limits->max_scans);
    jpeg_refuse(j, E2STR_ERROR_LIMIT, why);
}

/* Application segment 1, of which EXIF data are one kind. All input is in memory already. */
static boolean jpeg_on_app1(j_decompress_ptr info) {
    jpeg_decoder *j = info->client_data;
    struct jpeg_source_mgr *source = info->src;
    if (source->bytes_in_buffer < 2) jpeg_refuse(j, E2STR_ERROR_IMAGE, "truncated");
    const uint8_t *segment = source->next_input_byte;
    const size_t length = (size_t)segment[0] << 8 | segment[1], there = source->bytes_in_buffer;
    if (length < 2) jpeg_refuse(j, E2STR_ERROR_IMAGE, "a segment of no length");
    if (!j->base.orientation && length <= there) j->base.orientation = e2_exif_orientation(segment + 2, length - 2);
    source->skip_input_data(info, (long)length);
    return TRUE;
}

/* Of an image in several scans, all of which have been read by now: is any component left out, or, where the file ends
 * without saying so, any coefficient not yet exact? Those would be made up. */
static bool jpeg_lacks_scans(const jpeg_decoder *j) {
    const struct jpeg_decompress_struct *info = &j->info;
    for (int c = 0; c < info->num_components; c++)
        if (!info->comp_info[c].quant_table) return true; /* set when its first scan begins */
    for (int c = 0; info->progressive_mode && j->ended && c < info->num_components; c++)
        for (int k = 0; k < DCTSIZE2; k++)
            if (info->coef_bits[c][k]) return true;
    return false;
}

static void jpeg_read_rows(jpeg_decoder *j, size_t channels) {
    e2_picture *d = &j->base;
    struct jpeg_decompress_struct *info = &j->info;
    jpeg_start_decompress(info);
    if (jpeg_has_multiple_scans(info) && jpeg_lacks_scans(j)) jpeg_refuse(j, E2STR_ERROR_IMAGE, "scans are missing");
    while (info->output_scanline < info->output_height) {
        JSAMPROW row = d->pixels + info->output_scanline * (d->width * channels);
        jpeg_read_scanlines(info, &row, 1);
    }
    j->has_rows = true;
    if (channels == 4) {
        e2_cmyk_to_rgb(d->pixels, (size_t)d->width * d->height, info->saw_Adobe_marker);
        d->format = E2STR_RGB;
    }
    jpeg_finish_decompress(info); /* reads up to the end marker */
}

static void jpeg_read_pixels(jpeg_decoder *j) {
    e2_picture *d = &j->base;
    struct jpeg_decompress_struct *info = &j->info;
    jpeg_create_decompress(info);
    info->progress = &j->progress;
    jpeg_mem_src(info, d->data, (unsigned long)d->size);
    jpeg_set_marker_processor(info, JPEG_APP0 + 1, jpeg_on_app1);
    jpeg_read_header(info, TRUE);
    if (!e2_picture_size(d, info->image_width, info->image_height)) return;
    /* What a progressive image may take: 16-bit coefficients of 4 channels, padded to whole blocks of up to 32 pixels.
     */
    info->mem->max_memory_to_use = (long)(JPEG_BASE_MEMORY + (size_t)8 * (d->width + 64) * (d->height + 64));
    const size_t channels = info->num_components == 1 ? 1 : info->num_components == 4 ? 4 : 3;
    info->out_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 4 ? JCS_CMYK : JCS_RGB;
    if (e2_picture_allocate(d, channels)) jpeg_read_rows(j, channels);
}

static void jpeg_protected(jpeg_decoder *j) {
    if (!setjmp(j->escape)) jpeg_read_pixels(j);
}

static void decode_jpeg(e2_picture *d) {
    d->kind = "JPEG";
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
    *limits = default_limits;
    if (!image) return e2_fail(error, E2STR_ERROR_ARGUMENT, "image is NULL");
    if (image->owned) return e2_fail(error, E2STR_ERROR_ARGUMENT, "image owns pixels: free it first");
    *image = (e2str_image){0};
    if (!input) return e2_fail(error, E2STR_ERROR_ARGUMENT, "there is no image: path or data is NULL");
    e2str_status status = e2_options_read(limits, given, "e2str_image_limits", error);
    if (status) return status;
    if (limits->max_side < 1 || limits->max_side > E2_MAX_SIDE)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "limits.max_side is %lu: must be 1 to %u",
                       (unsigned long)limits->max_side, E2_MAX_SIDE);
    if (!limits->max_pixels) return e2_fail(error, E2STR_ERROR_ARGUMENT, "limits.max_pixels is 0");
    if (!limits->max_scans) return e2_fail(error, E2STR_ERROR_ARGUMENT, "limits.max_scans is 0");
    if (limits->ignore_orientation > 1)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "limits.ignore_orientation is %lu: must be 0 or 1",
                       (unsigned long)limits->ignore_orientation);
    return E2STR_OK;
}

static void decode_any(e2_picture *p) {
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, jpeg[] = {0xff, 0xd8};
    if (p->size >= sizeof png && !memcmp(p->data, png, sizeof png))
        decode_png(p);
    else if (p->size >= sizeof jpeg && !memcmp(p->data, jpeg, sizeof jpeg))
        decode_jpeg(p);
    else if (e2_is_bmp(p->data, p->size))
        e2_decode_bmp(p);
    else if (e2_is_netpbm(p->data, p->size))
        e2_decode_netpbm(p);
    else
        p->status = e2_fail(p->error, E2STR_ERROR_IMAGE, p->size ? "not PNG, JPEG, BMP, PBM, PGM or PPM" : "empty");
}

/* path: for the note, or NULL. */
static e2str_status decode(const uint8_t *data, size_t size, const char *path, const e2str_image_limits *limits,
                           e2str_image *image, e2str_error *error) {
    e2_picture p = {.data = data, .size = size, .limits = limits, .error = error};
    decode_any(&p);
    if (!p.status) e2_picture_flatten(&p);
    if (!p.status && !limits->ignore_orientation) e2_picture_upright(&p);
    if (p.status) {
        free(p.pixels);
        return p.status;
    }
    if (*p.note.message && limits->log) {
        if (path) e2_within(&p.note, E2STR_OK, path);
        limits->log(limits->log_user, p.note.message);
    }
    const ptrdiff_t channels = p.format == E2STR_GREY ? 1 : 3;
    *image = (e2str_image){.pixels = p.pixels,
                           .width = p.width,
                           .height = p.height,
                           .stride = channels * (ptrdiff_t)p.width,
                           .format = p.format,
                           .owned = p.pixels};
    return E2STR_OK;
}

e2str_status e2str_image_load_memory(const void *data, size_t size, const e2str_image_limits *limits,
                                     e2str_image *image, e2str_error *error) {
    e2str_image_limits known;
    const e2str_status status = check_call(data, limits, &known, image, error);
    return status ? status : decode(data, size, NULL, &known, image, error);
}

e2str_status e2str_image_load(const char *path, const e2str_image_limits *limits, e2str_image *image,
                              e2str_error *error) {
    e2str_image_limits known;
    e2str_status status = check_call(path, limits, &known, image, error);
    if (status) return status;
    uint8_t *data = NULL;
    size_t size = 0;
    status = e2_read_whole_file(path, MAX_FILE_BYTES, &data, &size, error);
    if (!status) {
        status = decode(data, size, path, &known, image, error);
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
