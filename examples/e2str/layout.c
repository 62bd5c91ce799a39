/* SPDX-License-Identifier: MIT */
/* The order in which the boxes of a page are read, and their lines and blocks, by where they lie.
 *
 * The page is turned upright by the angle that most boxes have. Then it is cut, again and again (a recursive XY cut):
 * by a gap from top to bottom if what stands on both sides is wide enough for columns of text; else, so that titles and
 * the like come off columns, by the widest gap from side to side. What cannot be cut any more is a line, or lines that
 * reach into each other: boxes are put to the line whose last box stands most at their own height. Lines that follow
 * each other closely, one below the other, are a block. What is turned otherwise than the page comes behind it, in the
 * same way. */
#include "page.h"

#include <math.h>
#include <stdlib.h>

#define LEAST_GUTTER  1.0  /* of columns, in letter heights */
#define LEAST_COLUMN  6.0  /* letter heights that the words of one row take, in the mean: below, it is a table's */
#define LEAST_OVERLAP 0.5  /* of a box with its line, of the lower one's height */
#define CORE          0.25 /* of a box's height at top and bottom does not count where rows are told apart */
#define MOST_ANGLE    0.17 /* about 10 degrees: what is turned more against the page is read apart */
#define MOST_ANGLES   8    /* so many times; then the rest, whatever its angles */
#define NEXT_LINE     2.2  /* of the letters' height, from middle to middle: farther below, another block begins */
#define OTHER_SIZE    1.6  /* letters so much higher are another block */
#define WORK          200  /* times the number of boxes: beyond, cuts go through the middle, so that they end soon */

/* A box, turned with the page. */
typedef struct flat_box {
    double left, right, top, bottom; /* around its corners */
    double height;                   /* of its letters */
    size_t number;                   /* in the list */
} flat_box;

typedef struct layouter {
    flat_box *boxes; /* [count]; in the order of reading, as far as it is known */
    size_t count;
    double height; /* of letters: the median */
    size_t work;
    size_t before; /* boxes that are read before these */
    page_layout *to;
} layouter;

/* ------------------------------------------------------------------------------------------------------- angles -- */

static int compare_numbers(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare_numbers);
    return values[count / 2];
}

/* The direction of a box's lines, as a vector. */
static void direction(const page_box *box, double *x, double *y) {
    const float *c = box->corners;
    *x = (double)c[2] - c[0] + c[4] - c[6];
    *y = (double)c[3] - c[1] + c[5] - c[7];
}

static double angle_between(double angle, double other) { return remainder(angle - other, 6.283185307179586); }

/* The median of the angles of boxes [count], counted from their mean, so that it does not matter where a circle begins.
 * scratch: [count]. */
static double common_angle(const box_list *list, const size_t *boxes, size_t count, double *scratch) {
    double sum_x = 0, sum_y = 0, x, y;
    for (size_t i = 0; i < count; i++) {
        direction(&list->boxes[boxes[i]], &x, &y);
        sum_x += x;
        sum_y += y;
    }
    const double mean = atan2(sum_y, sum_x);
    for (size_t i = 0; i < count; i++) {
        direction(&list->boxes[boxes[i]], &x, &y);
        scratch[i] = angle_between(atan2(y, x), mean);
    }
    return mean + median(scratch, count);
}

/* hypot would ask for a newer C library than the wheel does otherwise (2.35), for ranges that pixels do not have. */
static double length(double x, double y) { return sqrt(x * x + y * y); }

static flat_box flatten(const page_box *box, size_t number, double angle) {
    const double c = cos(angle), s = sin(angle);
    flat_box flat = {.left = INFINITY, .right = -INFINITY, .top = INFINITY, .bottom = -INFINITY, .number = number};
    double x, y;
    for (int i = 0; i < 4; i++) {
        const double px = box->corners[2 * i], py = box->corners[2 * i + 1];
        x = px * c + py * s;
        y = py * c - px * s;
        flat.left = fmin(flat.left, x);
        flat.right = fmax(flat.right, x);
        flat.top = fmin(flat.top, y);
        flat.bottom = fmax(flat.bottom, y);
    }
    const float *p = box->corners;
    flat.height =
        (length((double)p[6] - p[0], (double)p[7] - p[1]) + length((double)p[4] - p[2], (double)p[5] - p[3])) / 2;
    return flat;
}

/* -------------------------------------------------------------------------------------------------------- cuts -- */

static int compare_left(const void *a, const void *b) {
    const flat_box *x = a, *y = b;
    if (x->left < y->left || x->left > y->left) return x->left < y->left ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static double core_top(const flat_box *box) { return box->top + CORE * (box->bottom - box->top); }
static double core_bottom(const flat_box *box) { return box->bottom - CORE * (box->bottom - box->top); }

static int compare_top(const void *a, const void *b) {
    const double x = core_top(a), y = core_top(b);
    if (x < y || x > y) return x < y ? -1 : 1;
    return compare_left(a, b);
}

/* Rows of boxes in the order of their tops, and the mean width of the words in one. */
static size_t count_rows(const flat_box *boxes, size_t count, double *width) {
    size_t rows = 0;
    double bottom = -INFINITY;
    *width = 0;
    for (size_t i = 0; i < count; i++) {
        rows += core_top(&boxes[i]) > bottom;
        bottom = fmax(bottom, core_bottom(&boxes[i]));
        *width += boxes[i].right - boxes[i].left;
    }
    *width /= (double)rows;
    return rows;
}

static bool is_tired(const layouter *l) { return l->work > WORK * l->count; }

static bool is_column(layouter *l, flat_box *boxes, size_t count) {
    double width;
    l->work += count;
    qsort(boxes, count, sizeof *boxes, compare_top);
    return count_rows(boxes, count, &width) >= 2 && width >= LEAST_COLUMN * l->height;
}

/* Where the right one of two columns begins, after which the boxes stand so; 0: there are none. */
static size_t find_columns(layouter *l, flat_box *boxes, size_t count) {
    size_t at = 0;
    double widest = LEAST_GUTTER * l->height, right = -INFINITY;
    l->work += count;
    qsort(boxes, count, sizeof *boxes, compare_left);
    for (size_t i = 0; i < count; i++) {
        if (i && boxes[i].left - right > widest) {
            widest = boxes[i].left - right;
            at = i;
        }
        right = fmax(right, boxes[i].right);
    }
    return at && is_column(l, boxes, at) && is_column(l, boxes + at, count - at) ? at : 0;
}

/* The same for what stands below the widest gap from side to side; of gaps as wide the first. Tired: below the one that
 * is nearest to the middle. */
static size_t find_gap(layouter *l, flat_box *boxes, size_t count) {
    size_t at = 0;
    double widest = 0, bottom = -INFINITY;
    l->work += count;
    qsort(boxes, count, sizeof *boxes, compare_top);
    for (size_t i = 0; i < count; i++) {
        const double gap = core_top(&boxes[i]) - bottom;
        if (i && gap > widest) {
            if (!is_tired(l)) widest = gap;
            at = i;
        }
        if (at && is_tired(l) && i >= count / 2) break;
        bottom = fmax(bottom, core_bottom(&boxes[i]));
    }
    return at;
}

/* ------------------------------------------------------------------------------------------------------- lines -- */

static double overlap(const flat_box *a, const flat_box *b) {
    const double common = fmin(a->bottom, b->bottom) - fmax(a->top, b->top);
    return common / fmax(fmin(a->bottom - a->top, b->bottom - b->top), 1e-3);
}

/* A line that is being found. */
typedef struct chain {
    size_t last, count; /* the box that it ends with so far; of its boxes */
    double middle;      /* sum of theirs */
    size_t place;       /* in the order of reading */
} chain;

static int compare_middles(const void *a, const void *b) {
    const chain *x = *(const chain *const *)a, *y = *(const chain *const *)b;
    const double p = x->middle / (double)x->count, q = y->middle / (double)y->count;
    if (p < q || p > q) return p < q ? -1 : 1;
    return (x > y) - (x < y);
}

/* Scratch memory: each [count of all boxes]. */
typedef struct chains {
    chain *chains;
    chain **sorted;
    size_t *of; /* which chain a box is in */
} chains;

/* Which of the chains a box goes on, of those before it; `count` if none does. Looks at the newest only, so that work
 * stays in bounds. */
static size_t find_chain(const flat_box *boxes, size_t i, const chain *all, size_t count) {
    size_t best = count;
    double most = LEAST_OVERLAP;
    for (size_t k = count > 64 ? count - 64 : 0; k < count; k++) {
        const flat_box *last = &boxes[all[k].last];
        const double shared = overlap(&boxes[i], last);
        if (shared <= most) continue;
        most = shared;
        best = k;
    }
    return best;
}

/* Boxes that no cut parts: the first of them is number `first` in the order of reading. */
static void add_lines(layouter *l, size_t first, size_t count, chains *s) {
    flat_box *boxes = l->boxes + first;
    size_t lines = 0;
    qsort(boxes, count, sizeof *boxes, compare_left);
    for (size_t i = 0; i < count; i++) {
        const size_t k = s->of[i] = find_chain(boxes, i, s->chains, lines);
        if (k == lines) s->chains[lines++] = (chain){0};
        s->chains[k].last = i;
        s->chains[k].count++;
        s->chains[k].middle += (boxes[i].top + boxes[i].bottom) / 2;
    }
    for (size_t k = 0; k < lines; k++) s->sorted[k] = &s->chains[k];
    qsort(s->sorted, lines, sizeof *s->sorted, compare_middles);
    size_t place = l->before + first;
    for (size_t k = 0; k < lines; k++) {
        s->sorted[k]->place = place;
        l->to->lines[l->to->n_lines++] = (page_line){.first = place, .count = s->sorted[k]->count};
        place += s->sorted[k]->count;
    }
    for (size_t i = 0; i < count; i++) l->to->order[s->chains[s->of[i]].place++] = boxes[i].number;
}

typedef struct part {
    size_t first, count;
} part;

/* Parts that are still to be cut are on a stack, the first to be read on top. */
static void cut_all(layouter *l, part *stack, chains *scratch) {
    size_t depth = 0;
    stack[depth++] = (part){0, l->count};
    while (depth) {
        const part p = stack[--depth];
        flat_box *boxes = l->boxes + p.first;
        size_t at = p.count > 1 && !is_tired(l) ? find_columns(l, boxes, p.count) : 0;
        if (!at && p.count > 1) at = find_gap(l, boxes, p.count);
        if (at) {
            stack[depth++] = (part){p.first + at, p.count - at};
            stack[depth++] = (part){p.first, at};
        } else {
            add_lines(l, p.first, p.count, scratch);
        }
    }
}

static bool cut_and_chain(layouter *l) {
    part *stack = malloc((l->count + 1) * sizeof *stack);
    chains scratch = {malloc(l->count * sizeof *scratch.chains), malloc(l->count * sizeof *scratch.sorted),
                      malloc(l->count * sizeof *scratch.of)};
    bool good = stack && scratch.chains && scratch.sorted && scratch.of;
    if (good) cut_all(l, stack, &scratch);
    free(stack);
    free(scratch.chains);
    free(scratch.sorted);
    free(scratch.of);
    return good;
}

/* ------------------------------------------------------------------------------------------------------ blocks -- */

/* The box around a line, with the mean height of its letters. */
static flat_box around(const page_layout *to, const page_line *line, const box_list *list, double angle) {
    flat_box all = flatten(&list->boxes[to->order[line->first]], 0, angle);
    double height = all.height;
    for (size_t i = 1; i < line->count; i++) {
        const flat_box box = flatten(&list->boxes[to->order[line->first + i]], 0, angle);
        all.left = fmin(all.left, box.left);
        all.right = fmax(all.right, box.right);
        all.top = fmin(all.top, box.top);
        all.bottom = fmax(all.bottom, box.bottom);
        height += box.height;
    }
    all.height = height / (double)line->count;
    return all;
}

static bool goes_on(const flat_box *above, const flat_box *below) {
    const double higher = fmax(above->height, below->height), lower = fmin(above->height, below->height);
    const double down = (below->top + below->bottom - above->top - above->bottom) / 2;
    const bool beside = fmin(above->right, below->right) <= fmax(above->left, below->left);
    return higher <= OTHER_SIZE * lower && down > 0 && down <= NEXT_LINE * higher && !beside;
}

/* Of the lines from `first` on. */
static void number_blocks(page_layout *to, size_t first, const box_list *list, double angle) {
    flat_box before = {0};
    for (size_t i = first; i < to->n_lines; i++) {
        const flat_box line = around(to, &to->lines[i], list, angle);
        if (i) to->lines[i].block = to->lines[i - 1].block + (i == first || !goes_on(&before, &line));
        before = line;
    }
}

/* The boxes `rest` [*count] that have the angle of most of them, or all if it is the last time; the others stay.
 * scratch: [*count]. false: out of memory. */
static bool read_angle(page_layout *layout, const box_list *list, size_t *rest, size_t *count, bool last,
                       double *scratch) {
    layouter l = {.to = layout, .boxes = malloc(*count * sizeof *l.boxes)};
    const size_t lines = layout->n_lines;
    if (!l.boxes) return false;
    if (lines) l.before = layout->lines[lines - 1].first + layout->lines[lines - 1].count;
    const double angle = common_angle(list, rest, *count, scratch);
    size_t left = 0;
    for (size_t i = 0; i < *count; i++) {
        double x, y;
        direction(&list->boxes[rest[i]], &x, &y);
        if (last || fabs(angle_between(atan2(y, x), angle)) <= MOST_ANGLE)
            l.boxes[l.count++] = flatten(&list->boxes[rest[i]], rest[i], angle);
        else
            rest[left++] = rest[i];
    }
    for (size_t i = 0; i < l.count; i++) scratch[i] = l.boxes[i].height;
    l.height = median(scratch, l.count); /* the box of the median angle is among them */
    const bool good = cut_and_chain(&l);
    if (good) number_blocks(layout, lines, list, angle);
    free(l.boxes);
    *count = left;
    return good;
}

static bool by_geometry(page_layout *layout, const box_list *list) {
    size_t *rest = malloc(list->count * sizeof *rest), count = list->count;
    double *scratch = malloc(list->count * sizeof *scratch);
    bool good = rest && scratch;
    for (size_t i = 0; i < count && good; i++) rest[i] = i;
    for (int times = 1; count && good; times++)
        good = read_angle(layout, list, rest, &count, times == MOST_ANGLES, scratch);
    free(rest);
    free(scratch);
    return good;
}

/* ----------------------------------------------------------------------------------------------- given numbers -- */

typedef struct given {
    int64_t block, paragraph, line;
    size_t number, first; /* first: box of the line */
} given;

static int compare_given(const void *a, const void *b) {
    const given *x = a, *y = b;
    if (x->block != y->block) return x->block < y->block ? -1 : 1;
    if (x->paragraph != y->paragraph) return x->paragraph < y->paragraph ? -1 : 1;
    if (x->line != y->line) return x->line < y->line ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static int compare_first(const void *a, const void *b) {
    const given *x = a, *y = b;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/* Lines in the order in which the file begins them, boxes in that of the file; a block is what its number says, or with
 * the same number the paragraph. */
static bool by_numbers(page_layout *layout, const box_list *list) {
    given *all = malloc(list->count * sizeof *all);
    if (!all) return false;
    for (size_t i = 0; i < list->count; i++) {
        const page_box *box = &list->boxes[i];
        all[i] = (given){box->block, box->paragraph, box->line, i, i};
    }
    qsort(all, list->count, sizeof *all, compare_given);
    for (size_t i = 1; i < list->count; i++) {
        const given *before = &all[i - 1];
        const bool same =
            all[i].block == before->block && all[i].paragraph == before->paragraph && all[i].line == before->line;
        if (same) all[i].first = before->first;
    }
    qsort(all, list->count, sizeof *all, compare_first);
    for (size_t i = 0; i < list->count; i++) {
        layout->order[i] = all[i].number;
        if (i && all[i].first == all[i - 1].first) {
            layout->lines[layout->n_lines - 1].count++;
            continue;
        }
        const bool same = i && all[i].block == all[i - 1].block && all[i].paragraph == all[i - 1].paragraph;
        const size_t block = i ? layout->lines[layout->n_lines - 1].block + !same : 0;
        layout->lines[layout->n_lines++] = (page_line){i, 1, block};
    }
    free(all);
    return true;
}

bool layout_make(page_layout *layout, const box_list *list) {
    *layout = (page_layout){0};
    if (!list->count) return true;
    layout->order = malloc(list->count * sizeof *layout->order);
    layout->lines = malloc(list->count * sizeof *layout->lines);
    bool good = layout->order && layout->lines;
    if (good) good = list->numbered == list->count ? by_numbers(layout, list) : by_geometry(layout, list);
    if (!good) layout_free(layout);
    return good;
}

void layout_free(page_layout *layout) {
    free(layout->order);
    free(layout->lines);
    *layout = (page_layout){0};
}
