/* SPDX-License-Identifier: MIT */
#include "trim.h"

#include <math.h>
#include <string.h>

#include "alpha.h"

/* Chosen by the sets of docs/crops.md. */
#define FROM       0.35 /* of the ink's height: a border this wide is cut ... */
#define KEEP       0.15 /* ... to this; pictures in training had 0 to 0.2 for the most part */
#define INK        0.2  /* of the contrast: a pixel this far from the background is ink, ... */
#define NOISES     4.0  /* ... if it is so many times the border's noise, and ... */
#define LEVELS     5.0  /* ... so many levels of 255 */
#define CLEAR      2.5  /* times as much as makes a pixel ink is a contrast that leaves no doubt */
#define RUN        0.6  /* of the ink's height: a mean run of ink longer than this is no stroke */
#define LOW        6    /* ink lower than this, in reduced pixels, is no text */
#define SHORT_SIDE 96   /* a picture is looked at as if its shorter side had once to twice as many pixels */
#define SAMPLES    128  /* of the border: at most */
#define TERMS      6    /* of a background: 1, u, v, u v, u u, v v; places u and v run from -1 to 1 */
#define ROUNDS     6    /* of the robust fit */

/* The picture averaged by blocks of factor x factor pixels, then by 3 x 3: [height][width][channels]. The thinnest
 * stroke keeps a third of its contrast, a speck of one pixel a ninth. */
typedef struct reduced {
    uint8_t *pixels;
    uint32_t width, height, channels, factor;
} reduced;

/* Pixels of the border. */
typedef struct sample {
    double terms[TERMS], value[3];
} sample;

/* What the border says that the background is: a smooth surface for each channel. */
typedef struct background {
    double terms[3][TERMS];
    double noise; /* one and a half times the median distance of the border's pixels from it */
} background;

/* In pixels of the reduced picture. */
typedef struct box {
    uint32_t left, top, right, bottom; /* right and bottom are the last ones */
} box;

/* ---------------------------------------------------------------------------------------------------- reducing -- */

/* A row of pixels, packed: the image's own, or composed over what is behind it into buffer [width][3]. */
static const uint8_t *row_of(const e2str_image *image, uint32_t y, uint8_t behind, uint8_t *buffer) {
    const uint8_t *row = image->pixels + image->stride * (ptrdiff_t)y;
    if (image->format != E2STR_RGBA) return row;
    for (uint32_t x = 0; x < image->width; x++)
        for (uint32_t c = 0; c < 3; c++) buffer[3 * x + c] = e2_alpha_over(row[4 * x + c], row[4 * x + 3], behind);
    return buffer;
}

/* Adds a row to the sums of its blocks [width][channels]. */
static void add_row(const uint8_t *row, uint32_t width, const reduced *r, uint32_t *sums) {
    for (uint32_t x = 0, in_block = 0; x < width; x++, row += r->channels) {
        if (in_block == r->factor) {
            sums += r->channels;
            in_block = 0;
        }
        in_block++;
        sums[0] += row[0];
        if (r->channels == 1) continue;
        sums[1] += row[1];
        sums[2] += row[2];
    }
}

static uint32_t in_block(uint32_t size, uint32_t index, uint32_t factor) {
    const uint32_t left = size - index * factor;
    return left < factor ? left : factor;
}

/* Means of the blocks; sums: scratch [width][channels], buffer: [the image's width][3]. */
static void average(const e2str_image *image, const reduced *r, uint32_t *sums, uint8_t *buffer) {
    const size_t row = (size_t)r->width * r->channels;
    const bool alpha = image->format == E2STR_RGBA;
    const uint8_t behind = alpha ? e2_alpha_background(image->pixels, image->width, image->height, image->stride) : 0;
    uint8_t *out = r->pixels;
    for (uint32_t y = 0; y < r->height; y++) {
        if (r->factor == 1) {
            memcpy(out, row_of(image, y, behind, buffer), row);
            out += row;
            continue;
        }
        const uint32_t rows = in_block(image->height, y, r->factor);
        memset(sums, 0, row * sizeof *sums);
        for (uint32_t i = 0; i < rows; i++)
            add_row(row_of(image, y * r->factor + i, behind, buffer), image->width, r, sums);
        for (size_t i = 0; i < row; i++) {
            const uint32_t count = rows * in_block(image->width, (uint32_t)i / r->channels, r->factor);
            *out++ = (uint8_t)((sums[i] + count / 2) / count);
        }
    }
}

/* 21846 / 65536 is a third as far as sums of three bytes go: 16 bits are enough, which vectors do fast. */
static void mean_of_three(const uint8_t *a, const uint8_t *b, const uint8_t *c, size_t count, uint8_t *restrict out) {
    for (size_t i = 0; i < count; i++) {
        const uint16_t sum = (uint16_t)(a[i] + b[i] + c[i] + 1);
        out[i] = (uint8_t)(sum * 21846u >> 16);
    }
}

/* By 3 x 3, in place; the ends have themselves for the neighbour they lack. */
static void smooth(const reduced *r, uint8_t *rows) {
    const size_t row = (size_t)r->width * r->channels, step = r->channels, last = row - step;
    for (uint32_t y = 0; y < r->height; y++) {
        const uint8_t *in = r->pixels + y * row;
        uint8_t *out = rows + y * row;
        if (r->width < 2) {
            memcpy(out, in, row);
            continue;
        }
        mean_of_three(in, in, in + step, step, out);
        mean_of_three(in, in + step, in + 2 * step, row - 2 * step, out + step);
        mean_of_three(in + last - step, in + last, in + last, step, out + last);
    }
    for (uint32_t y = 0; y < r->height; y++) {
        const uint8_t *in = rows + y * row, *above = y ? in - row : in, *below = y + 1 < r->height ? in + row : in;
        mean_of_three(above, in, below, row, r->pixels + y * row);
    }
}

static bool reduce(const e2str_image *image, reduced *r, e2_arena *scratch) {
    const uint32_t side = image->width < image->height ? image->width : image->height;
    r->factor = side > SHORT_SIDE ? side / SHORT_SIDE : 1;
    r->width = (image->width + r->factor - 1) / r->factor;
    r->height = (image->height + r->factor - 1) / r->factor;
    r->channels = image->format == E2STR_GREY ? 1 : 3;
    const size_t row = (size_t)r->width * r->channels;
    uint32_t *sums = e2_arena_alloc(scratch, row, sizeof *sums);
    uint8_t *rows = e2_arena_alloc(scratch, r->height, row);
    r->pixels = e2_arena_alloc(scratch, r->height, row);
    uint8_t *buffer = e2_arena_alloc(scratch, image->width, 3);
    if (!sums || !rows || !buffer || !r->pixels) return false;
    average(image, r, sums, buffer);
    smooth(r, rows);
    return true;
}

/* -------------------------------------------------------------------------------------------------- background -- */

static double place(uint32_t at, uint32_t size) { return (2.0 * at + 1.0) / size - 1.0; }

static uint32_t border_pixels(const reduced *r) {
    return r->width < 2 || r->height < 2 ? r->width * r->height : 2 * (r->width + r->height) - 4;
}

/* Pixel i of the border: the first row, the last, then the sides between them. */
static sample sample_at(const reduced *r, uint32_t i) {
    uint32_t x = i, y = 0;
    if (i >= 2 * r->width && r->height > 1) {
        y = 1 + (i - 2 * r->width) / 2;
        x = i % 2 ? r->width - 1 : 0;
    } else if (i >= r->width) {
        y = r->width > 1 ? r->height - 1 : i;
        x = r->width > 1 ? i - r->width : 0;
    }
    const double u = place(x, r->width), v = place(y, r->height);
    sample s = {.terms = {1.0, u, v, u * v, u * u, v * v}};
    for (uint32_t c = 0; c < r->channels; c++) s.value[c] = r->pixels[((size_t)y * r->width + x) * r->channels + c];
    return s;
}

/* How far a sample is from the background, in the channel where it is farthest. */
static double distance(const background *b, const sample *s, uint32_t channels) {
    double most = 0.0;
    for (uint32_t c = 0; c < channels; c++) {
        double value = -s->value[c];
        for (int i = 0; i < TERMS; i++) value += b->terms[c][i] * s->terms[i];
        if (value < 0.0) value = -value;
        if (value > most) most = value;
    }
    return most;
}

/* The largest value that more than `above` of a histogram's entries reach. */
static uint32_t upper(const uint32_t histogram[256], uint32_t above) {
    uint32_t value = 255, count = histogram[255];
    while (value && count <= above) count += histogram[--value];
    return value;
}

/* Solves matrix x = right for each channel by elimination; the matrix is symmetric and positive. */
static void solve(double matrix[TERMS][TERMS], double right[3][TERMS], uint32_t channels, double out[3][TERMS]) {
    for (int i = 0; i < TERMS; i++)
        for (int j = i + 1; j < TERMS; j++) {
            const double factor = matrix[j][i] / matrix[i][i];
            for (int k = i; k < TERMS; k++) matrix[j][k] -= factor * matrix[i][k];
            for (uint32_t c = 0; c < channels; c++) right[c][j] -= factor * right[c][i];
        }
    for (uint32_t c = 0; c < channels; c++)
        for (int i = TERMS - 1; i >= 0; i--) {
            double sum = right[c][i];
            for (int k = i + 1; k < TERMS; k++) sum -= matrix[i][k] * out[c][k];
            out[c][i] = sum / matrix[i][i];
        }
}

/* One round: a sample counts by how near it was to the background before; half as far as `scale` is near. */
static void refit(const sample *samples, uint32_t n, uint32_t channels, double scale, background *b) {
    double matrix[TERMS][TERMS] = {{0}}, right[3][TERMS] = {{0}};
    for (uint32_t i = 0; i < n; i++) {
        const sample *s = &samples[i];
        const double far = distance(b, s, channels) / scale, near = 1.0 / (1.0 + far * far), weight = near * near;
        for (int j = 0; j < TERMS; j++) {
            const double part = weight * s->terms[j];
            for (int k = j; k < TERMS; k++) matrix[j][k] += part * s->terms[k];
            for (uint32_t c = 0; c < channels; c++) right[c][j] += part * s->value[c];
        }
    }
    for (int j = 0; j < TERMS; j++) {
        matrix[j][j] += j ? 1e-3 * n : 1e-6; /* a slope that little speaks for is none */
        for (int k = 0; k < j; k++) matrix[j][k] = matrix[k][j];
    }
    solve(matrix, right, channels, b->terms);
}

/* A robust fit that begins with the border's median: ink that touches the border does not count. */
static bool find_background(const reduced *r, background *b, e2_arena *scratch) {
    const uint32_t border = border_pixels(r), n = border < SAMPLES ? border : SAMPLES;
    sample *samples = e2_arena_alloc(scratch, n, sizeof *samples);
    if (!samples) return false;
    for (uint32_t i = 0; i < n; i++) samples[i] = sample_at(r, (uint32_t)((uint64_t)i * border / n));
    *b = (background){0};
    for (uint32_t c = 0; c < r->channels; c++) {
        uint32_t histogram[256] = {0};
        for (uint32_t i = 0; i < n; i++) histogram[(int)samples[i].value[c]]++;
        b->terms[c][0] = upper(histogram, n / 2);
    }
    for (int round = 0; round <= ROUNDS; round++) {
        uint32_t histogram[256] = {0}; /* in quarters of a level */
        for (uint32_t i = 0; i < n; i++) {
            const double far = 0.5 + 4.0 * distance(b, &samples[i], r->channels);
            histogram[far < 255.0 ? (int)far : 255]++;
        }
        b->noise = 1.5 * upper(histogram, n / 2) / 4.0;
        if (round < ROUNDS) refit(samples, n, r->channels, b->noise > 2.0 ? 2.0 * b->noise : 4.0, b);
    }
    return true;
}

/* --------------------------------------------------------------------------------------------------------- ink -- */

/* The background along a row: for each channel a + u (b + c u). */
typedef struct curve {
    float a[3], b[3], c[3];
} curve;

static curve along(const background *b, double v) {
    curve row = {{0}, {0}, {0}};
    for (int c = 0; c < 3; c++) {
        const double *terms = b->terms[c];
        row.a[c] = (float)(terms[0] + terms[2] * v + terms[5] * v * v);
        row.b[c] = (float)(terms[1] + terms[3] * v);
        row.c[c] = (float)terms[4];
    }
    return row;
}

static inline float far_from(const curve *row, int channel, float u, uint8_t value) {
    return fabsf(row->a[channel] + u * (row->b[channel] + u * row->c[channel]) - value);
}

static inline float larger(float a, float b) { return a > b ? a : b; }

/* Distances of a row's pixels from the background, in the channel where they are farthest; us: [width] places. */
static void row_distances(const reduced *r, const curve *row, const uint8_t *pixel, const float *us, uint8_t *out) {
    for (uint32_t x = 0; x < r->width; x++, pixel += r->channels) {
        float far = far_from(row, 0, us[x], pixel[0]);
        if (r->channels == 3)
            far = larger(far, larger(far_from(row, 1, us[x], pixel[1]), far_from(row, 2, us[x], pixel[2])));
        far = far < 254.5f ? far + 0.5f : 255.0f;
        out[x] = (uint8_t)far;
    }
}

/* [height][width]; NULL: out of memory. */
static uint8_t *distances(const reduced *r, const background *b, uint32_t histogram[256], e2_arena *scratch) {
    uint8_t *far = e2_arena_alloc(scratch, r->height, r->width);
    float *us = e2_arena_floats(scratch, r->width);
    if (!far || !us) return NULL;
    for (uint32_t x = 0; x < r->width; x++) us[x] = (float)place(x, r->width);
    memset(histogram, 0, 256 * sizeof *histogram);
    for (uint32_t y = 0; y < r->height; y++) {
        uint8_t *row = far + (size_t)y * r->width;
        const curve background_row = along(b, place(y, r->height));
        row_distances(r, &background_row, r->pixels + (size_t)y * r->width * r->channels, us, row);
        for (uint32_t x = 0; x < r->width; x++) histogram[row[x]]++;
    }
    return far;
}

/* The box of all pixels that are far enough, and whether they look like strokes: runs along the line of text are short
 * against its height. A dash, a dot or a patch alone has no height to go by. turned: the line runs up or down. */
static bool find_ink(const reduced *r, const uint8_t *far, uint32_t least, bool turned, box *ink) {
    const ptrdiff_t before = turned ? (ptrdiff_t)r->width : 1;
    uint32_t pixels = 0, runs = 0;
    *ink = (box){r->width, r->height, 0, 0};
    for (uint32_t y = 0; y < r->height; y++)
        for (uint32_t x = 0; x < r->width; x++, far++) {
            if (*far < least) continue;
            pixels++;
            runs += (turned ? y : x) == 0 || far[-before] < least;
            if (x < ink->left) ink->left = x;
            if (x > ink->right) ink->right = x;
            if (y < ink->top) ink->top = y;
            ink->bottom = y;
        }
    if (!pixels) return false;
    const uint32_t height = turned ? ink->right - ink->left + 1 : ink->bottom - ink->top + 1;
    return height >= LOW && pixels <= RUN * runs * height;
}

/* ---------------------------------------------------------------------------------------------------- trimming -- */

/* How much of a border is cut, in pixels of the picture; `height` is the ink's. */
static uint32_t excess(uint32_t border, double height, uint32_t factor) {
    const double rest = border - KEEP * height;
    return border >= FROM * height && rest >= 1.0 ? (uint32_t)rest * factor : 0;
}

static void cut(const reduced *r, const box *ink, bool turned, e2str_area *area) {
    const double height = turned ? ink->right - ink->left + 1 : ink->bottom - ink->top + 1;
    area->x = excess(ink->left, height, r->factor);
    area->y = excess(ink->top, height, r->factor);
    area->width -= area->x + excess(r->width - 1 - ink->right, height, r->factor);
    area->height -= area->y + excess(r->height - 1 - ink->bottom, height, r->factor);
}

/* `area` is the whole image before. false: out of memory. */
static bool trim(const e2str_image *image, e2str_area *area, e2_arena *scratch) {
    const bool turned = image->rotate == 90 || image->rotate == 270;
    reduced r;
    background b;
    uint32_t histogram[256];
    if (!reduce(image, &r, scratch) || !find_background(&r, &b, scratch)) return false;
    const uint8_t *far = distances(&r, &b, histogram, scratch);
    if (!far) return false;
    const uint32_t pixels = r.width * r.height, few = pixels / 500 > 8 ? pixels / 500 : 8;
    const double contrast = upper(histogram, few), noise = NOISES * b.noise > LEVELS ? NOISES * b.noise : LEVELS;
    const double least = INK * contrast > noise ? INK * contrast : noise;
    box ink;
    if (contrast >= CLEAR * noise && find_ink(&r, far, (uint32_t)(least + 0.5), turned, &ink))
        cut(&r, &ink, turned, area);
    return true;
}

e2str_status e2_image_area(const e2str_image *image, bool trims, e2str_area *area, e2str_image *view, e2_arena *scratch,
                           e2str_error *error) {
    e2str_status status = e2_image_check(image, error);
    if (status) return status;
    *area = (e2str_area){0, 0, image->width, image->height, image->rotate};
    const e2_arena_mark mark = e2_arena_begin(scratch);
    if (image->trim == E2STR_TRIM_ALWAYS || (image->trim == E2STR_TRIM_OF_MODEL && trims))
        if (!trim(image, area, scratch)) status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while trimming");
    e2_arena_release(scratch, mark);
    *view = *image;
    view->pixels += image->stride * (ptrdiff_t)area->y + e2_pixel_bytes(image->format) * (ptrdiff_t)area->x;
    view->width = area->width;
    view->height = area->height;
    return status;
}
