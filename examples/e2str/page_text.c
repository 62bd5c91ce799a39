/* SPDX-License-Identifier: MIT */
/* Pages as text, as a table with Tesseract's columns, and as JSON lines. */
#include "page.h"

#include <math.h>

/* ---- text: a line per line, an empty one between blocks ---- */

static void text_block(const page_out *p, const page_rect *where) {
    (void)where;
    if (p->block > 1) putchar('\n');
}

static void text_word(const page_out *p, const page_word *word, const page_rect *where) {
    (void)where;
    if (*shown_text(word)) write_text(stdout, p->shown ? " " : "", shown_text(word));
}

static void text_end_line(const page_out *p) {
    (void)p;
    putchar('\n');
}

const page_writer page_text = {.begin_block = text_block, .word = text_word, .end_line = text_end_line};

/* ---- the table ---- */

/* `where` in whole pixels around it; a paragraph is a block. */
static void row(const page_out *p, int level, size_t block, size_t line, size_t word, const page_rect *where) {
    const double left = floor(where->left), top = floor(where->top);
    printf("%d\t%u\t%zu\t%d\t%zu\t%zu\t%.0f\t%.0f\t%.0f\t%.0f\t", level, p->number, block, level > 2, line, word, left,
           top, ceil(where->right) - left, ceil(where->bottom) - top);
}

static void tsv_begin(const page_out *p) {
    puts("level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext");
    row(p, 1, 0, 0, 0, &(page_rect){0, 0, p->width, p->height});
    puts("-1\t");
}

static void tsv_block(const page_out *p, const page_rect *where) {
    for (int level = 2; level <= 3; level++) {
        row(p, level, p->block, 0, 0, where);
        puts("-1\t");
    }
}

static void tsv_line(const page_out *p, const page_rect *where) {
    row(p, 4, p->block, p->line, 0, where);
    puts("-1\t");
}

static void tsv_word(const page_out *p, const page_word *word, const page_rect *where) {
    row(p, 5, p->block, p->line, p->word, where);
    printf("%.6f", 100 * (double)e2str_result_confidence(word->result));
    write_text(stdout, "\t", shown_text(word));
    putchar('\n');
}

const page_writer page_tsv = {.begin = tsv_begin, .begin_block = tsv_block, .begin_line = tsv_line, .word = tsv_word};

/* ---- JSON: an object per word ---- */

static void json_word(const page_out *p, const page_word *word, const page_rect *where) {
    (void)where;
    write_json_name(stdout, "{", "image", p->path);
    printf(",\"page\":%u,\"block\":%zu,\"line\":%zu,\"word\":%zu,\"number\":%zu", p->number, p->block, p->line, p->word,
           word->box->number);
    for (int i = 0; i < 8; i += 2) {
        write_number(stdout, i ? ",[" : ",\"corners\":[[", word->box->corners[i]);
        write_number(stdout, ",", word->box->corners[i + 1]);
        putchar(']');
    }
    fputs("],", stdout);
    if (word->status)
        write_error(stdout, word->status, &word->error);
    else
        write_reading(stdout, p->run, word->result, &word->place);
    puts("}");
}

const page_writer page_json = {.word = json_word, .failed_words = true};
