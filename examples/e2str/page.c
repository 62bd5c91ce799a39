/* SPDX-License-Identifier: MIT */
/* e2str page: the words of a page, from the boxes that a detector found. */
#include "page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32 }; /* words read at once */

typedef struct reading {
    invocation *run;
    e2str_image picture;
    box_list boxes;
    page_layout layout;
    page_out page;
    const page_writer *to;
    e2str_result *results[BATCH];
    e2str_image crops[BATCH];
    page_word words[BATCH];
    size_t done;            /* words of the page */
    size_t line, open_line; /* in the layout: of the word that comes next; 1 + of the line that was begun last */
    bool failed, misused;   /* misused: by an option that would do nothing */
} reading;

/* ------------------------------------------------------------------------------------------------------- crops -- */

/* The rectangle in whole pixels of the picture, if the corners are those of one. */
static bool is_rectangle(const e2str_image *picture, const float *c) {
    for (int i = 0; i < 8; i++) {
        const float most = (float)(i % 2 ? picture->height : picture->width);
        if (!(c[i] >= 0 && c[i] <= most) || c[i] < truncf(c[i]) || c[i] > truncf(c[i])) return false;
    }
    const float corners[8] = {c[0], c[1], c[4], c[1], c[4], c[5], c[0], c[5]};
    return c[4] > c[0] && c[5] > c[1] && !memcmp(c, corners, sizeof corners);
}

/* A view, or pixels of its own where the box is no rectangle of whole pixels. */
static e2str_status make_crop(const reading *r, const page_box *box, e2str_image *crop, e2str_error *error) {
    const float *c = box->corners;
    const float left = fminf(fminf(c[0], c[2]), fminf(c[4], c[6])), right = fmaxf(fmaxf(c[0], c[2]), fmaxf(c[4], c[6]));
    const float top = fminf(fminf(c[1], c[3]), fminf(c[5], c[7])), bottom = fmaxf(fmaxf(c[1], c[3]), fmaxf(c[5], c[7]));
    if (right <= 0 || bottom <= 0 || left >= (float)r->picture.width || top >= (float)r->picture.height) {
        snprintf(error->message, sizeof error->message, "it lies outside of the picture of %u x %u pixels",
                 r->picture.width, r->picture.height);
        return E2STR_ERROR_ARGUMENT;
    }
    if (!is_rectangle(&r->picture, c)) return e2str_image_cut(&r->picture, c, 0, 0, crop, error);
    const ptrdiff_t pixel = r->picture.format == E2STR_GREY ? 1 : 3; /* as files are loaded */
    *crop = r->picture;
    crop->owned = NULL;
    crop->pixels += (ptrdiff_t)c[1] * crop->stride + (ptrdiff_t)c[0] * pixel;
    crop->width = (uint32_t)(c[4] - c[0]);
    crop->height = (uint32_t)(c[5] - c[1]);
    return E2STR_OK;
}

/* Reads the crops of words [count]; those that fail say so. */
static void read_crops(reading *r, size_t count) {
    e2str_image images[BATCH];
    e2str_result *results[BATCH];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (r->words[i].status) continue;
        images[n] = r->crops[i];
        results[n++] = r->results[i];
    }
    const invocation *run = r->run;
    e2str_error error;
    if (!n || !e2str_read_batch(run->session, images, n, run->pool, &run->read, results, &error)) return;
    for (size_t i = 0; i < count; i++) { /* one of them fails: which? */
        page_word *word = &r->words[i];
        if (!word->status)
            word->status = e2str_read(run->session, &r->crops[i], run->pool, &run->read, r->results[i], &word->error);
    }
}

/* ------------------------------------------------------------------------------------------------------ output -- */

static page_rect rect_of(const page_box *box) {
    const float *c = box->corners;
    return (page_rect){fminf(fminf(c[0], c[2]), fminf(c[4], c[6])), fminf(fminf(c[1], c[3]), fminf(c[5], c[7])),
                       fmaxf(fmaxf(c[0], c[2]), fmaxf(c[4], c[6])), fmaxf(fmaxf(c[1], c[3]), fmaxf(c[5], c[7]))};
}

/* Around the boxes of lines [count]; those that cannot be read count as well. */
static page_rect rect_of_lines(const reading *r, const page_line *lines, size_t count) {
    page_rect all = rect_of(&r->boxes.boxes[r->layout.order[lines->first]]);
    const size_t first = lines->first, end = lines[count - 1].first + lines[count - 1].count;
    for (size_t i = first; i < end; i++) {
        const page_rect one = rect_of(&r->boxes.boxes[r->layout.order[i]]);
        all.left = fmin(all.left, one.left);
        all.top = fmin(all.top, one.top);
        all.right = fmax(all.right, one.right);
        all.bottom = fmax(all.bottom, one.bottom);
    }
    return all;
}

static void end_line_and_block(reading *r, bool block) {
    if (r->page.line && r->to->end_line) r->to->end_line(&r->page);
    if (block && r->page.block && r->to->end_block) r->to->end_block(&r->page);
}

/* Begins what the word is the first of. */
static void begin_for_word(reading *r) {
    const page_line *lines = r->layout.lines, *line = &lines[r->line];
    if (r->open_line == r->line + 1) return;
    const bool block = !r->open_line || lines[r->open_line - 1].block != line->block;
    end_line_and_block(r, block);
    if (block) {
        size_t first = r->line, end = r->line;
        while (first && lines[first - 1].block == line->block) first--;
        while (end < r->layout.n_lines && lines[end].block == line->block) end++;
        const page_rect where = rect_of_lines(r, &lines[first], end - first);
        r->page.block++;
        r->page.line = 0;
        if (r->to->begin_block) r->to->begin_block(&r->page, &where);
    }
    const page_rect where = rect_of_lines(r, line, 1);
    r->page.line++;
    r->page.word = r->page.shown = 0;
    r->open_line = r->line + 1;
    if (r->to->begin_line) r->to->begin_line(&r->page, &where);
}

static const char *source_name(const reading *r) { return strcmp(r->page.path, "-") ? r->page.path : "standard input"; }

static void write_word(reading *r, const page_word *word) {
    while (r->done >= r->layout.lines[r->line].first + r->layout.lines[r->line].count) r->line++;
    r->done++;
    if (word->status) {
        complain("%s: box %zu: %s", source_name(r), word->box->number, word->error.message);
        r->failed = true;
        if (!r->to->failed_words) return;
    }
    begin_for_word(r);
    r->page.word++;
    const page_rect where = rect_of(word->box);
    r->to->word(&r->page, word, &where);
    r->page.shown += !word->status && *shown_text(word);
    if (!word->status && e2str_result_unmatched(word->result))
        complain("%s: box %zu: no text fits; this one is read freely", source_name(r), word->box->number);
}

const char *shown_text(const page_word *word) {
    return e2str_result_rejected(word->result) ? "" : e2str_result_text(word->result);
}

/* ---------------------------------------------------------------------------------------------------- the page -- */

static bool read_words(reading *r) {
    const size_t count = r->boxes.count;
    while (r->done < count && !ferror(stdout)) {
        const size_t n = count - r->done < BATCH ? count - r->done : BATCH;
        show_progress("reading", r->done, count);
        for (size_t i = 0; i < n; i++) {
            page_word *word = &r->words[i];
            const page_box *box = &r->boxes.boxes[r->layout.order[r->done + i]];
            *word = (page_word){.box = box, .result = r->results[i]};
            word->status = make_crop(r, box, &r->crops[i], &word->error);
            memcpy(word->place.corners, box->corners, sizeof box->corners);
            word->place.width = r->crops[i].width;
            word->place.height = r->crops[i].height;
        }
        read_crops(r, n);
        for (size_t i = 0; i < n; i++) write_word(r, &r->words[i]);
        for (size_t i = 0; i < n; i++) e2str_image_free(&r->crops[i]);
    }
    show_progress("reading", count, count);
    return !ferror(stdout);
}

static bool write_page(reading *r) {
    wipe_progress();
    if (r->to->begin) r->to->begin(&r->page);
    bool good = read_words(r);
    end_line_and_block(r, true);
    if (r->to->end) r->to->end(&r->page);
    return fflush(stdout) == 0 && good;
}

static bool make_results(reading *r) {
    e2str_error error = {{0}};
    for (int i = 0; i < BATCH; i++)
        if (e2str_result_new(&r->results[i], &error)) {
            complain("%s", error.message);
            return false;
        }
    return true;
}

/* Opens all that a page needs. */
static bool open_page(reading *r) {
    invocation *run = r->run;
    e2str_error error = {{0}};
    const char *path = run->operands[0];
    if (!boxes_load(&r->boxes, run->boxes_path, run->page_number)) return false;
    if (run->page_number && !r->boxes.paged && run->format == FORMAT_TEXT) {
        complain("--page-number is for boxes in pages, and %s has no column page_num", run->boxes_path);
        r->misused = true;
        return false;
    }
    if (load_image(run, path, &r->picture, stderr, &error)) {
        complain_of_image(stderr, 0, path, &error);
        return false;
    }
    if (run->split && !split_boxes(&r->boxes, &r->picture)) {
        complain("out of memory, or more than %d words", MAX_BOXES);
        return false;
    }
    if (!open_model(run, true) || !open_pool(run)) return false;
    if (!layout_make(&r->layout, &r->boxes)) {
        complain("out of memory");
        return false;
    }
    r->page = (page_out){.run = run,
                         .path = path,
                         .width = r->picture.width,
                         .height = r->picture.height,
                         .number = run->page_number ? run->page_number : 1};
    return make_results(r);
}

int run_page(invocation *run) {
    static const page_writer *const writers[] = {&page_text, &page_tsv, &page_hocr, &page_alto, &page_json};
    if (!run->boxes_path) {
        complain("page: --boxes FILE is needed: where the words are");
        return USAGE;
    }
    int wrong = make_constraint(run);
    if (wrong) return wrong;
    reading r = {.run = run, .to = writers[run->format]};
    bool good = open_page(&r) && write_page(&r) && !r.failed;
    for (int i = 0; i < BATCH; i++) e2str_result_free(r.results[i]);
    layout_free(&r.layout);
    boxes_free(&r.boxes);
    e2str_image_free(&r.picture);
    return r.misused ? USAGE : good ? OK : FAILED;
}
