/* SPDX-License-Identifier: MIT */
/* Boxes around whole lines of text, which many detectors give, parted into words.
 *
 * A line is pulled straight and each column looked at: has it ink? Gaps between letters and gaps between words differ
 * in width, so the widths are put in order, and the greatest step between two of them, as a ratio, parts the two kinds.
 * Where there is no such step, a gap of WORD_GAP line heights is one between words. */
#include "page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_WORD_GAP  0.17 /* of the line's height: less never parts words */
#define WORD_GAP        0.20
#define MOST_LETTER_GAP 0.45 /* more always does */
#define CLEAR_STEP      1.6  /* between widths of the two kinds */
#define MARGIN          0.08 /* of the line's height, that a word keeps at its ends */
#define INK_OF_COLUMN   0.03 /* of the line's height: less is a speck */

typedef struct gap {
    uint32_t from, to; /* columns without ink */
} gap;

/* Grey values of the straightened line. */
static uint8_t luma(const e2str_image *line, uint32_t x, uint32_t y) {
    const uint8_t *pixel = line->pixels + (ptrdiff_t)y * line->stride;
    if (line->format == E2STR_GREY) return pixel[x];
    pixel += (size_t)3 * x;
    return (uint8_t)((77u * pixel[0] + 150u * pixel[1] + 29u * pixel[2]) >> 8);
}

/* Otsu's threshold: the two classes that it parts vary least in themselves. */
static int threshold(const e2str_image *line) {
    uint32_t histogram[256] = {0};
    for (uint32_t y = 0; y < line->height; y++)
        for (uint32_t x = 0; x < line->width; x++) histogram[luma(line, x, y)]++;
    double total = 0, sum = 0, below = 0, sum_below = 0, best = -1;
    int found = 127;
    for (int i = 0; i < 256; i++) {
        total += histogram[i];
        sum += (double)i * histogram[i];
    }
    for (int i = 0; i < 255; i++) {
        below += histogram[i];
        sum_below += (double)i * histogram[i];
        if (below <= 0 || below >= total) continue;
        const double apart = sum_below / below - (sum - sum_below) / (total - below);
        const double between = below * (total - below) * apart * apart;
        if (between > best) {
            best = between;
            found = i;
        }
    }
    return found;
}

/* The edges of a line are mostly paper: is that light? */
static bool is_paper_light(const e2str_image *line, int level) {
    size_t light = 0;
    for (uint32_t x = 0; x < line->width; x++)
        light += (luma(line, x, 0) > level) + (luma(line, x, line->height - 1) > level);
    return light >= line->width;
}

/* The gaps between first and last ink; how many. gaps: [width / 2 + 1]. *left, *right: where ink begins and ends. */
static size_t find_gaps(const e2str_image *line, gap *gaps, uint32_t *left, uint32_t *right) {
    const int level = threshold(line);
    const bool light = is_paper_light(line, level);
    const double least = fmax(1, INK_OF_COLUMN * line->height);
    size_t count = 0;
    uint32_t last = UINT32_MAX;
    for (uint32_t x = 0; x < line->width; x++) {
        uint32_t ink = 0;
        for (uint32_t y = 0; y < line->height; y++) ink += (luma(line, x, y) > level) != light;
        if (ink < least) continue;
        if (last == UINT32_MAX)
            *left = x;
        else if (x > last + 1)
            gaps[count++] = (gap){last + 1, x};
        last = x;
    }
    if (last == UINT32_MAX) return SIZE_MAX;
    *right = last + 1;
    return count;
}

static int compare_widths(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The least width of a gap between words. widths: [count], in any order. */
static double word_gap(double *widths, size_t count, double height) {
    double best = CLEAR_STEP, found = WORD_GAP * height;
    qsort(widths, count, sizeof *widths, compare_widths);
    for (size_t i = 1; i < count; i++) {
        const double step = widths[i] / widths[i - 1];
        if (step < best || widths[i] < LEAST_WORD_GAP * height || widths[i - 1] > MOST_LETTER_GAP * height) continue;
        best = step;
        found = sqrt(widths[i] * widths[i - 1]);
    }
    return fmin(fmax(found, LEAST_WORD_GAP * height), MOST_LETTER_GAP * height);
}

/* The part of a line's box from column `left` to `right` of the straightened line. */
static bool add_word(box_list *words, const page_box *box, const e2str_image *line, double left, double right) {
    page_box word = *box;
    const float x[4] = {(float)left, (float)right, (float)right, (float)left};
    for (int i = 0; i < 4; i++)
        e2str_image_cut_point(box->corners, line->width, line->height, x[i], i < 2 ? 0 : (float)line->height,
                              &word.corners[2 * i], &word.corners[2 * i + 1], NULL);
    if (words->count == MAX_BOXES || !boxes_add(words, &word)) return false;
    words->boxes[words->count - 1].number = box->number;
    return true;
}

static bool split_line(box_list *words, const page_box *box, const e2str_image *line) {
    const double height = line->height, margin = MARGIN * height;
    gap *gaps = malloc((line->width / 2 + 1) * sizeof *gaps);
    double *widths = malloc((line->width / 2 + 1) * sizeof *widths);
    bool good = gaps && widths;
    if (good) {
        uint32_t left = 0, right = 0;
        const size_t count = find_gaps(line, gaps, &left, &right);
        size_t n = count == SIZE_MAX ? 0 : count;
        for (size_t i = 0; i < n; i++) widths[i] = gaps[i].to - gaps[i].from;
        const double least = word_gap(widths, n, height);
        double from = fmax(left - margin, 0);
        for (size_t i = 0; i < n && good; i++) {
            const double width = gaps[i].to - gaps[i].from, room = fmin(margin, width / 2);
            if (width < least) continue;
            good = add_word(words, box, line, from, gaps[i].from + room);
            from = gaps[i].to - room;
        }
        if (count == SIZE_MAX) { /* no ink: as it is */
            from = 0;
            right = line->width;
        }
        good = good && add_word(words, box, line, from, fmin(right + margin, line->width));
    }
    free(gaps);
    free(widths);
    return good;
}

bool split_boxes(box_list *list, const e2str_image *picture) {
    box_list words = {0};
    bool good = true;
    for (size_t i = 0; i < list->count && good; i++) {
        const page_box *box = &list->boxes[i];
        e2str_image line = {0};
        if (e2str_image_cut(picture, box->corners, 0, 0, &line, NULL)) { /* which is told when it is to be read */
            good = boxes_add(&words, box);
            if (good) words.boxes[words.count - 1].number = box->number;
        } else {
            good = split_line(&words, box, &line);
        }
        e2str_image_free(&line);
    }
    boxes_free(good ? list : &words);
    if (good) *list = words;
    return good;
}
