/* What the files of e2str page share: boxes of words, their order, and the formats that pages are written in.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PAGE_H
#define PAGE_H

#include "command.h"

#define MAX_BOXES      65536
#define MAX_BOXES_FILE ((size_t)64 << 20)

/* Where a word is: left upper, right upper, right lower, left lower corner as it is read, in pixels. */
typedef struct page_box {
    float corners[8];
    size_t number;                  /* in the file, from 1 */
    int64_t block, paragraph, line; /* as the file says, or 0 */
} page_box;

typedef struct box_list {
    page_box *boxes;
    size_t count, capacity;
    size_t numbered; /* those with a line */
    bool paged;      /* the file tells the pages that they are of */
} box_list;

/* ---- boxes.c: every failure is a message ---- */

/* `path` may be "-"; `page` is that of the column page_num, 0: there is one page only. */
bool boxes_load(box_list *list, const char *path, uint32_t page);
void boxes_free(box_list *list);
/* The same from memory; text is changed. `name` is for messages. */
bool boxes_parse(box_list *list, const char *name, char *text, size_t size, uint32_t page);
bool boxes_add(box_list *list, const page_box *box);

/* ---- split.c ---- */

/* Boxes around lines become boxes around their words, with the lines' numbers. false: out of memory, or too many. */
bool split_boxes(box_list *list, const e2str_image *picture);

/* ---- layout.c ---- */

typedef struct page_line {
    size_t first, count; /* in `order` */
    size_t block;        /* from 0, ascending */
} page_line;

typedef struct page_layout {
    size_t *order; /* of boxes, as they are read */
    page_line *lines;
    size_t n_lines;
} page_layout;

/* Lines as the boxes' own numbers say, in the order in which they first occur, where all have one; else by where the
 * boxes lie. false: out of memory. */
bool layout_make(page_layout *layout, const box_list *list);
void layout_free(page_layout *layout);

/* ---- formats ---- */

typedef struct page_rect {
    double left, top, right, bottom;
} page_rect;

/* A word that was read, or not: then status is not 0. */
typedef struct page_word {
    const page_box *box;
    const e2str_result *result;
    crop_place place;
    e2str_status status;
    e2str_error error;
} page_word;

/* What is written, with counts from 1: block in the page, line in the block, word in the line. */
typedef struct page_out {
    const invocation *run;
    const char *path;
    uint32_t width, height, number;
    size_t block, line, word;
    size_t shown; /* words of the line before this one that have a text */
} page_out;

/* Called in this order; any may be NULL. A block or line begins with its first word that was read. */
typedef struct page_writer {
    void (*begin)(const page_out *p);
    void (*begin_block)(const page_out *p, const page_rect *where);
    void (*begin_line)(const page_out *p, const page_rect *where);
    void (*word)(const page_out *p, const page_word *word, const page_rect *where);
    void (*end_line)(const page_out *p);
    void (*end_block)(const page_out *p);
    void (*end)(const page_out *p);
    bool failed_words; /* `word` is for those that could not be read, too */
} page_writer;

extern const page_writer page_text, page_tsv, page_json, page_hocr, page_alto;

/* The text of a word that is shown: empty where it was rejected. */
const char *shown_text(const page_word *word);

#endif
