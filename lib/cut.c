/* SPDX-License-Identifier: MIT */
/* Quadrangles cut out of pictures and pulled straight by perspective. */
#include <math.h>

#include "alpha.h"
#include "image.h"

#define MAX_PIXELS  ((uint64_t)1 << 26)
#define MAX_SAMPLES 64     /* of one output pixel along one axis */
#define LEAST_SINE  0.0523 /* of 3 degrees */
#define LEAST_EDGE  0.5
#define SLACK       (1.0 / 64) /* a pixel of the cut may cover so much more than one of the picture and be one sample */

/* From the unit square to the picture: x = (a u + b v + c) / (g u + h v + 1), y = (d u + e v + f) / (same). */
typedef struct projection {
    double a, b, c, d, e, f, g, h;
} projection;

/* The picture that is sampled; `red` is the place of that channel in a pixel. */
typedef struct source {
    const uint8_t *pixels;
    ptrdiff_t stride, step;
    int32_t width, height;
    int red;
    bool grey, alpha;
    uint8_t background;
} source;

/* ---------------------------------------------------------------------------------------------------- geometry -- */

static const char *const corner_names[] = {"left upper", "right upper", "right lower", "left lower"};

static e2str_status check_corners(const float *corners, e2str_error *error) {
    if (!corners) return e2_fail(error, E2STR_ERROR_ARGUMENT, "corners is NULL");
    for (int i = 0; i < 8; i++)
        if (!isfinite(corners[i]))
            return e2_fail(error, E2STR_ERROR_ARGUMENT, "corners: the %s one is not finite", corner_names[i / 2]);
    double sines[4];
    int against = 0;
    for (int i = 0; i < 4; i++) {
        const float *at = corners + 2 * i, *before = corners + 2 * ((i + 3) % 4), *next = corners + 2 * ((i + 1) % 4);
        const double x = (double)at[0] - before[0], y = (double)at[1] - before[1];
        const double x2 = (double)next[0] - at[0], y2 = (double)next[1] - at[1];
        const double edge = sqrt(x * x + y * y), edge2 = sqrt(x2 * x2 + y2 * y2);
        if (edge2 < LEAST_EDGE)
            return e2_fail(error, E2STR_ERROR_ARGUMENT, "corners: from the %s to the %s one is less than %g pixels",
                           corner_names[i], corner_names[(i + 1) % 4], LEAST_EDGE);
        sines[i] = edge >= LEAST_EDGE ? (x * y2 - y * x2) / (edge * edge2) : 1; /* a short one is told in its turn */
        against += sines[i] < 0;
    }
    if (against == 4)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "corners: they run counter-clockwise, as in a mirror");
    for (int i = 0; i < 4; i++)
        if (!(sines[i] >= LEAST_SINE))
            return e2_fail(error, E2STR_ERROR_ARGUMENT,
                           "corners: the angle at the %s one is not between 3 and 177 degrees", corner_names[i]);
    return E2STR_OK;
}

/* Of a strictly convex quadrangle the denominator is above 0 all over the square. */
static projection project(const float *corners) {
    const double x0 = corners[0], y0 = corners[1], x1 = corners[2], y1 = corners[3];
    const double x2 = corners[4], y2 = corners[5], x3 = corners[6], y3 = corners[7];
    const double dx1 = x1 - x2, dx2 = x3 - x2, sx = x0 - x1 + x2 - x3;
    const double dy1 = y1 - y2, dy2 = y3 - y2, sy = y0 - y1 + y2 - y3;
    const double area = dx1 * dy2 - dx2 * dy1;
    projection p = {.g = (sx * dy2 - dx2 * sy) / area, .h = (dx1 * sy - sx * dy1) / area};
    p.a = x1 - x0 + p.g * x1;
    p.b = x3 - x0 + p.h * x3;
    p.c = x0;
    p.d = y1 - y0 + p.g * y1;
    p.e = y3 - y0 + p.h * y3;
    p.f = y0;
    return p;
}

static double length(const float *corners, int from, int to) {
    const double x = (double)corners[2 * to] - corners[2 * from],
                 y = (double)corners[2 * to + 1] - corners[2 * from + 1];
    return sqrt(x * x + y * y);
}

/* Rounded, at least 1. */
static double natural(double one, double other) {
    const double longer = one > other ? one : other;
    return longer < 1.5 ? 1 : floor(longer + 0.5);
}

/* How many pixels of the picture lie along a step of one pixel in the cut. */
static int samples_along(double x, double y) {
    const double square = x * x + y * y;
    if (square <= (1 + SLACK) * (1 + SLACK)) return 1;
    const double along = ceil(sqrt(square) - SLACK);
    return along < MAX_SAMPLES ? (int)along : MAX_SAMPLES;
}

/* ---------------------------------------------------------------------------------------------------- sampling -- */

/* Keys' cubic with a = -0.75, as OpenCV has it, for the pixels at -1, 0, 1 and 2 of a place t beyond 0. */
static void cubic(float t, float *weights) {
    const float a = -0.75f, s = 1 - t;
    weights[0] = a * t * s * s;
    weights[1] = 1 - t * t * ((a + 3) - (a + 2) * t);
    weights[2] = 1 - s * s * ((a + 3) - (a + 2) * s);
    weights[3] = a * s * t * t;
}

/* The first of four neighbours of a coordinate, and their weights. */
static int32_t around(double at, int32_t size, float *weights) {
    at -= 0.5;
    if (at < -2) at = -2; /* the same as the edge pixel */
    if (at > (double)size + 1) at = (double)size + 1;
    const double whole = floor(at);
    cubic((float)(at - whole), weights);
    return (int32_t)whole - 1;
}

static int32_t within(int32_t at, int32_t size) { return at < 0 ? 0 : at >= size ? size - 1 : at; }

static float channel(const source *from, const uint8_t *pixel, int c) {
    if (from->grey) return pixel[0];
    const uint8_t value = pixel[c == 0 ? from->red : c == 2 ? 2 - from->red : 1];
    return from->alpha ? e2_alpha_over(value, pixel[3], from->background) : value;
}

/* Adds the value at (x, y) to sum [channels]. */
static void sample(const source *from, double x, double y, int channels, float *sum) {
    float across[4], down[4];
    const int32_t left = around(x, from->width, across), top = around(y, from->height, down);
    ptrdiff_t columns[4];
    for (int i = 0; i < 4; i++) columns[i] = from->step * within(left + i, from->width);
    for (int j = 0; j < 4; j++) {
        const uint8_t *row = from->pixels + from->stride * within(top + j, from->height);
        for (int c = 0; c < channels; c++) {
            float value = 0;
            for (int i = 0; i < 4; i++) value += across[i] * channel(from, row + columns[i], c);
            sum[c] += down[j] * value;
        }
    }
}

/* The pixel of the cut whose left upper corner is (i, j): the mean over the part of the picture that it covers. */
static void cut_pixel(const source *from, const projection *p, double i, double j, double width, double height,
                      int channels, uint8_t *to) {
    const double u = (i + 0.5) / width, v = (j + 0.5) / height, scale = 1 / (p->g * u + p->h * v + 1);
    const double x = (p->a * u + p->b * v + p->c) * scale, y = (p->d * u + p->e * v + p->f) * scale;
    const int across = samples_along((p->a - p->g * x) * scale / width, (p->d - p->g * y) * scale / width);
    const int down = samples_along((p->b - p->h * x) * scale / height, (p->e - p->h * y) * scale / height);
    float sum[3] = {0};
    if (across == 1 && down == 1) {
        sample(from, x, y, channels, sum);
    } else {
        for (int n = 0; n < down; n++)
            for (int m = 0; m < across; m++) {
                const double s = (i + (m + 0.5) / across) / width, t = (j + (n + 0.5) / down) / height;
                const double w = 1 / (p->g * s + p->h * t + 1);
                sample(from, (p->a * s + p->b * t + p->c) * w, (p->d * s + p->e * t + p->f) * w, channels, sum);
            }
    }
    for (int c = 0; c < channels; c++) {
        const float value = sum[c] / (float)(across * down);
        to[c] = value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5f);
    }
}

/* ---------------------------------------------------------------------------------------------------- the call -- */

/* Of transparent pixels: what a view of the rectangle around the corners would have. */
static uint8_t background_of(const e2str_image *image, const float *corners) {
    double low[2] = {image->width, image->height}, high[2] = {0, 0};
    const double size[2] = {image->width, image->height};
    for (int i = 0; i < 8; i++) {
        low[i % 2] = fmin(low[i % 2], floor(corners[i]));
        high[i % 2] = fmax(high[i % 2], ceil(corners[i]));
    }
    uint32_t first[2], count[2];
    for (int axis = 0; axis < 2; axis++) { /* a corner outside stands for the edge pixel */
        const double from = fmin(fmax(low[axis], 0), size[axis] - 1), to = fmin(fmax(high[axis], from + 1), size[axis]);
        first[axis] = (uint32_t)from;
        count[axis] = (uint32_t)(to - from);
    }
    const uint8_t *pixels = image->pixels + image->stride * (ptrdiff_t)first[1] + (ptrdiff_t)4 * first[0];
    return e2_alpha_background(pixels, count[0], count[1], image->stride);
}

static source source_of(const e2str_image *image, const float *corners) {
    source from = {.pixels = image->pixels,
                   .stride = image->stride,
                   .step = e2_pixel_bytes(image->format),
                   .width = (int32_t)image->width,
                   .height = (int32_t)image->height,
                   .red = image->format == E2STR_BGR ? 2 : 0,
                   .grey = image->format == E2STR_GREY,
                   .alpha = image->format == E2STR_RGBA};
    if (from.alpha) from.background = background_of(image, corners);
    return from;
}

static e2str_status check_inside(const e2str_image *image, const float *corners, e2str_error *error) {
    for (int i = 0; i < 4; i++) {
        const double x = corners[2 * i], y = corners[2 * i + 1], width = image->width, height = image->height;
        if (x < -width || x > 2 * width || y < -height || y > 2 * height)
            return e2_fail(error, E2STR_ERROR_ARGUMENT,
                           "corners: the %s one, (%g, %g), is far outside of the picture of %lu x %lu pixels",
                           corner_names[i], x, y, (unsigned long)image->width, (unsigned long)image->height);
    }
    return E2STR_OK;
}

e2str_status e2str_image_cut(const e2str_image *image, const float *corners, uint32_t width, uint32_t height,
                             e2str_image *cut, e2str_error *error) {
    if (!cut || cut == image)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, cut ? "cut is the picture itself" : "cut is NULL");
    *cut = (e2str_image){0};
    if (!image) return e2_fail(error, E2STR_ERROR_ARGUMENT, "image is NULL");
    e2str_image plain = *image;
    if (plain.rotate == E2STR_ROTATE_AUTO) plain.rotate = 0; /* what it is read with later */
    e2str_status status = e2_image_check(&plain, error);
    if (!status) status = check_corners(corners, error);
    if (!status) status = check_inside(image, corners, error);
    if (status) return status;
    const double across = width ? width : natural(length(corners, 0, 1), length(corners, 3, 2));
    const double down = height ? height : natural(length(corners, 1, 2), length(corners, 0, 3));
    if (across > E2_MAX_SIDE || down > E2_MAX_SIDE || across * down > (double)MAX_PIXELS)
        return e2_fail(error, E2STR_ERROR_LIMIT, "a cut of %.0f x %.0f pixels: the limit is %u a side and %llu in all",
                       across, down, E2_MAX_SIDE, (unsigned long long)MAX_PIXELS);
    const source from = source_of(image, corners);
    const projection p = project(corners);
    const int channels = from.grey ? 1 : 3;
    uint8_t *pixels = e2_alloc((size_t)down, (size_t)across * (size_t)channels), *to = pixels;
    if (!pixels)
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a cut of %.0f x %.0f pixels", across, down);
    for (double j = 0; j < down; j++)
        for (double i = 0; i < across; i++, to += channels) cut_pixel(&from, &p, i, j, across, down, channels, to);
    *cut = (e2str_image){.pixels = pixels,
                         .width = (uint32_t)across,
                         .height = (uint32_t)down,
                         .stride = (ptrdiff_t)across * channels,
                         .format = from.grey ? E2STR_GREY : E2STR_RGB,
                         .rotate = image->rotate,
                         .owned = pixels,
                         .trim = image->trim};
    return E2STR_OK;
}

e2str_status e2str_image_cut_point(const float *corners, uint32_t width, uint32_t height, float x, float y,
                                   float *picture_x, float *picture_y, e2str_error *error) {
    const e2str_status status = check_corners(corners, error);
    if (status) return status;
    if (!picture_x || !picture_y) return e2_fail(error, E2STR_ERROR_ARGUMENT, "picture_x or picture_y is NULL");
    if (!width || !height) return e2_fail(error, E2STR_ERROR_ARGUMENT, "width or height is 0");
    if (!(x >= 0 && (double)x <= width && y >= 0 && (double)y <= height))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "point (%g, %g) is not in a cut of %lu x %lu pixels", (double)x,
                       (double)y, (unsigned long)width, (unsigned long)height);
    const projection p = project(corners);
    const double u = (double)x / width, v = (double)y / height, scale = 1 / (p.g * u + p.h * v + 1);
    *picture_x = (float)((p.a * u + p.b * v + p.c) * scale);
    *picture_y = (float)((p.d * u + p.e * v + p.f) * scale);
    return E2STR_OK;
}
