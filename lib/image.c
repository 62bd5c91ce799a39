/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <string.h>

#include "alpha.h"

/* Pillow's fixed point: coefficients have 22 fraction bits, so 255 * sum fits an int32. */
#define FRACTION_BITS 22
#define HALF          (1 << (FRACTION_BITS - 1))

/* A view with its rotation applied: pixel (x, y) starts at origin + y * y_step + x * x_step. */
typedef struct source {
    const uint8_t *origin;
    ptrdiff_t x_step, y_step;
    uint32_t width, height;
    uint32_t channels; /* of an unpacked row: 1 for grey, otherwise 3 in the order R, G, B */
    bool bgr, alpha;
    uint8_t background; /* of RGBA */
} source;

/* One axis of the resize: output i is the sum of weights[i * stride + j] * input[first[i] + j], j < count[i]. */
typedef struct filter {
    uint32_t *first, *count;
    int32_t *weights;
    size_t stride;
} filter;

ptrdiff_t e2_pixel_bytes(e2str_format format) {
    switch (format) {
    case E2STR_GREY:
        return 1;
    case E2STR_RGB:
    case E2STR_BGR:
        return 3;
    case E2STR_RGBA:
        return 4;
    }
    return 0;
}

e2str_status e2_image_check(const e2str_image *image, e2str_error *error) {
    if (!image) return e2_fail(error, E2STR_ERROR_ARGUMENT, "image is NULL");
    if (!image->pixels) return e2_fail(error, E2STR_ERROR_ARGUMENT, "image.pixels is NULL");
    if (image->width < 1 || image->width > E2_MAX_SIDE || image->height < 1 || image->height > E2_MAX_SIDE)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "image.width x height is %lu x %lu: both must be 1 to %u",
                       (unsigned long)image->width, (unsigned long)image->height, E2_MAX_SIDE);
    const ptrdiff_t pixel = e2_pixel_bytes(image->format);
    if (!pixel) return e2_fail(error, E2STR_ERROR_ARGUMENT, "image.format %d is unknown", (int)image->format);
    const ptrdiff_t row = pixel * (ptrdiff_t)image->width, most = PTRDIFF_MAX / (ptrdiff_t)image->height;
    if (image->stride > -row && image->stride < row)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "image.stride %td is shorter than a row of %td bytes",
                       image->stride, row);
    if (image->stride > most || image->stride < -most)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "image.stride %td times height %lu does not fit memory",
                       image->stride, (unsigned long)image->height);
    if (image->rotate == E2STR_ROTATE_AUTO)
        return e2_fail(error, E2STR_ERROR_ARGUMENT,
                       "image.rotate is E2STR_ROTATE_AUTO, which only reads and pools know");
    if (image->rotate != 0 && image->rotate != 90 && image->rotate != 180 && image->rotate != 270)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "image.rotate is %lu: must be 0, 90, 180, 270 or E2STR_ROTATE_AUTO",
                       (unsigned long)image->rotate);
    if ((unsigned)image->trim > E2STR_TRIM_ALWAYS)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "image.trim is %d: must be 0, 1 or 2", (int)image->trim);
    return E2STR_OK;
}

/* Clockwise by 90: the left column, read upwards, becomes the top row. */
static source rotated(const e2str_image *image) {
    const ptrdiff_t pixel = e2_pixel_bytes(image->format), stride = image->stride;
    const ptrdiff_t right = pixel * (ptrdiff_t)(image->width - 1), bottom = stride * (ptrdiff_t)(image->height - 1);
    source result = {.origin = image->pixels, .x_step = pixel, .y_step = stride};
    switch (image->rotate) {
    case 90:
        result = (source){.origin = image->pixels + bottom, .x_step = -stride, .y_step = pixel};
        break;
    case 180:
        result = (source){.origin = image->pixels + bottom + right, .x_step = -pixel, .y_step = -stride};
        break;
    case 270:
        result = (source){.origin = image->pixels + right, .x_step = stride, .y_step = -pixel};
        break;
    default:
        break;
    }
    const bool turned = image->rotate == 90 || image->rotate == 270;
    result.width = turned ? image->height : image->width;
    result.height = turned ? image->width : image->height;
    result.channels = image->format == E2STR_GREY ? 1 : 3;
    result.bgr = image->format == E2STR_BGR;
    result.alpha = image->format == E2STR_RGBA;
    if (result.alpha) result.background = e2_alpha_background(image->pixels, image->width, image->height, stride);
    return result;
}

static void compose_row(const source *view, const uint8_t *from, uint8_t *rgb) {
    for (uint32_t x = 0; x < view->width; x++, from += view->x_step, rgb += 3)
        for (int c = 0; c < 3; c++) rgb[c] = e2_alpha_over(from[c], from[3], view->background);
}

/* Row y, packed: the caller's own memory if it has that form, otherwise unpacked into buffer [width][channels]. */
static const uint8_t *row_of(const source *view, uint32_t y, uint8_t *buffer) {
    const uint8_t *from = view->origin + view->y_step * (ptrdiff_t)y;
    const ptrdiff_t step = view->x_step, width = (ptrdiff_t)view->width;
    if (step == (ptrdiff_t)view->channels && !view->bgr) return from;
    if (view->channels == 1) {
        for (ptrdiff_t x = 0; x < width; x++) buffer[x] = from[x * step];
        return buffer;
    }
    if (view->alpha) {
        compose_row(view, from, buffer);
        return buffer;
    }
    const int red = view->bgr ? 2 : 0;
    for (ptrdiff_t x = 0; x < width; x++) {
        const uint8_t *pixel = from + x * step;
        buffer[3 * x] = pixel[red];
        buffer[3 * x + 1] = pixel[1];
        buffer[3 * x + 2] = pixel[2 - red];
    }
    return buffer;
}

/* Weight of an input pixel, not yet normalised: a triangle around center, 1 / inverse wide on each side. */
static double triangle(uint32_t index, double center, double inverse) {
    double t = ((double)index - center + 0.5) * inverse;
    if (t < 0.0) t = -t;
    return t < 1.0 ? 1.0 - t : 0.0;
}

/* docs/model.md, section 1a. Every double operation is in Pillow's order: the rounding of the coefficients depends on
 * it. */
static bool filter_make(filter *axis, uint32_t in, uint32_t out, e2_arena *scratch) {
    const double scale = (double)in / (double)out, support = scale < 1.0 ? 1.0 : scale, inverse = 1.0 / support;
    axis->stride = 2 * ((size_t)support + 1) + 1;
    axis->first = e2_arena_alloc(scratch, out, sizeof *axis->first);
    axis->count = e2_arena_alloc(scratch, out, sizeof *axis->count);
    axis->weights = e2_arena_alloc(scratch, out, axis->stride * sizeof *axis->weights);
    if (!axis->first || !axis->count || !axis->weights) return false;
    for (uint32_t i = 0; i < out; i++) {
        const double center = ((double)i + 0.5) * scale;
        const double from = center - support + 0.5, to = center + support + 0.5;
        const uint32_t first = from > 0.0 ? (uint32_t)from : 0, end = to < (double)in ? (uint32_t)to : in;
        int32_t *weights = axis->weights + i * axis->stride;
        double sum = 0.0;
        for (uint32_t j = first; j < end; j++) sum += triangle(j, center, inverse);
        for (uint32_t j = first; j < end; j++)
            weights[j - first] = (int32_t)(0.5 + triangle(j, center, inverse) / sum * (1 << FRACTION_BITS));
        axis->first[i] = first;
        axis->count[i] = end - first;
    }
    return true;
}

/* Rounded weights can add up to more than 1: only the upper bound needs a clamp. */
static uint8_t to_byte(int32_t sum) {
    sum >>= FRACTION_BITS;
    return (uint8_t)(sum > 255 ? 255 : sum);
}

static void resize_row_grey(const uint8_t *row, const filter *axis, uint32_t width, uint8_t *out) {
    for (uint32_t x = 0; x < width; x++) {
        const uint8_t *in = row + axis->first[x];
        const int32_t *weights = axis->weights + x * axis->stride;
        const uint32_t count = axis->count[x];
        int32_t sum = HALF;
        for (uint32_t j = 0; j < count; j++) sum += weights[j] * in[j];
        out[x] = to_byte(sum);
    }
}

static void resize_row_rgb(const uint8_t *row, const filter *axis, uint32_t width, uint8_t *out) {
    for (uint32_t x = 0; x < width; x++, out += 3) {
        const uint8_t *in = row + (size_t)3 * axis->first[x];
        const int32_t *weights = axis->weights + x * axis->stride;
        const uint32_t count = axis->count[x];
        int32_t r = HALF, g = HALF, b = HALF;
        for (uint32_t j = 0; j < count; j++, in += 3) {
            r += weights[j] * in[0];
            g += weights[j] * in[1];
            b += weights[j] * in[2];
        }
        out[0] = to_byte(r);
        out[1] = to_byte(g);
        out[2] = to_byte(b);
    }
}

/* Columns of `rows`, row_bytes apart; sums: [row_bytes]. */
static void resize_columns(const uint8_t *rows, size_t row_bytes, const filter *axis, uint32_t height, int32_t *sums,
                           uint8_t *out) {
    for (uint32_t y = 0; y < height; y++, out += row_bytes) {
        const uint8_t *in = rows + axis->first[y] * row_bytes;
        const int32_t *weights = axis->weights + y * axis->stride;
        for (size_t i = 0; i < row_bytes; i++) sums[i] = HALF;
        for (uint32_t j = 0; j < axis->count[y]; j++, in += row_bytes) {
            const int32_t weight = weights[j];
            for (size_t i = 0; i < row_bytes; i++) sums[i] += weight * in[i];
        }
        for (size_t i = 0; i < row_bytes; i++) out[i] = to_byte(sums[i]);
    }
}

/* Horizontal pass into 8-bit rows, then vertical; an axis that has its size already is left alone.
 * out: [height][width][view->channels]. False: out of memory. */
static bool resize(const source *view, uint32_t width, uint32_t height, uint8_t *out, e2_arena *scratch) {
    const bool across = width != view->width, down = height != view->height;
    const size_t row_bytes = (size_t)width * view->channels;
    filter horizontal = {0}, vertical = {0};
    int32_t *sums = NULL;
    uint8_t *rows = out, *buffer = e2_arena_alloc(scratch, view->width, view->channels);
    if (!buffer || (across && !filter_make(&horizontal, view->width, width, scratch))) return false;
    if (down) {
        rows = e2_arena_alloc(scratch, view->height, row_bytes);
        sums = e2_arena_alloc(scratch, row_bytes, sizeof *sums);
        if (!rows || !sums || !filter_make(&vertical, view->height, height, scratch)) return false;
    }
    for (uint32_t y = 0; y < view->height; y++) {
        const uint8_t *row = row_of(view, y, buffer);
        uint8_t *to = rows + y * row_bytes;
        if (!across)
            memcpy(to, row, row_bytes);
        else if (view->channels == 1)
            resize_row_grey(row, &horizontal, width, to);
        else
            resize_row_rgb(row, &horizontal, width, to);
    }
    if (down) resize_columns(rows, row_bytes, &vertical, height, sums, out);
    return true;
}

e2str_status e2_image_resize(const e2str_image *image, uint32_t width, uint32_t height, uint8_t *rgb_out,
                             e2_arena *scratch, e2str_error *error) {
    const e2str_status status = e2_image_check(image, error);
    if (status) return status;
    const source view = rotated(image);
    const size_t pixels = (size_t)width * height;
    /* Grey goes to the last third of the output and is spread forwards from there: a pixel is read before the writes
     * reach it. */
    uint8_t *out = view.channels == 1 ? rgb_out + 2 * pixels : rgb_out;
    const e2_arena_mark mark = e2_arena_begin(scratch);
    const bool done = resize(&view, width, height, out, scratch);
    e2_arena_release(scratch, mark);
    if (!done) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for resizing an image");
    if (view.channels == 1)
        for (size_t i = 0; i < pixels; i++) {
            const uint8_t grey = out[i];
            rgb_out[3 * i] = rgb_out[3 * i + 1] = rgb_out[3 * i + 2] = grey;
        }
    return E2STR_OK;
}

uint32_t e2_image_width(const e2str_image *image, const e2_image_config *config) {
    if (!config->min_width) return config->width;
    const source view = rotated(image);
    const uint64_t across = (uint64_t)config->height * view.width, down = (uint64_t)config->width_step * view.height;
    const uint64_t steps = (2 * across + down) / (2 * down); /* the nearest; of two the larger */
    const uint32_t least = config->min_width / config->width_step, most = config->width / config->width_step;
    return config->width_step * (steps < least ? least : steps > most ? most : (uint32_t)steps);
}

e2str_status e2_image_planes(const e2str_image *image, const e2_image_config *config, float *planes, e2_arena *scratch,
                             e2str_error *error) {
    e2str_status status = e2_image_check(image, error);
    if (status) return status;
    const uint32_t width = e2_image_width(image, config);
    const size_t pixels = (size_t)width * config->height;
    const e2_arena_mark mark = e2_arena_begin(scratch);
    uint8_t *rgb = e2_arena_alloc(scratch, pixels, 3);
    status = rgb ? e2_image_resize(image, width, config->height, rgb, scratch, error)
                 : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for resizing an image");
    for (uint32_t c = 0; c < 3 && !status; c++) {
        float values[256]; /* in float32 throughout, as torch does it */
        for (int i = 0; i < 256; i++) values[i] = ((float)i / 255.0f - config->mean[c]) / config->std[c];
        const uint8_t *channel = rgb + (config->bgr ? 2 - c : c);
        for (size_t i = 0; i < pixels; i++) planes[c * pixels + i] = values[channel[3 * i]];
    }
    e2_arena_release(scratch, mark);
    return status;
}
