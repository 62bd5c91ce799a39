/* SPDX-License-Identifier: MIT */
/* What one read found, in buffers that are kept for the next read. */
#ifndef E2_RESULT_H
#define E2_RESULT_H

#include "confidence.h"

typedef struct e2_result_character {
    e2str_character shown;
    uint32_t first_alternative, n_alternatives;
    uint32_t first_influence, n_influences;
    float memory;                     /* logit that the memory added to its token */
    uint32_t first_token, last_token; /* of the answer, that hold its bytes */
    e2str_box box;                    /* where places were asked for */
} e2_result_character;

typedef struct e2_result_alternative {
    size_t text; /* offset into strings, NUL-terminated */
    float probability;
} e2_result_alternative;

/* A buffer that grows and is never given back before the end. */
typedef struct e2_buffer {
    void *data;
    size_t count, capacity; /* elements */
} e2_buffer;

typedef struct e2_result_example {
    uint64_t id;
    float similarity;
} e2_result_example;

struct e2str_result {
    e2_buffer raw;          /* char: the tokens' bytes as written */
    e2_buffer owners;       /* uint32_t per byte of raw: the token that wrote it */
    e2_buffer text;         /* char: valid UTF-8, NUL-terminated once something was read */
    e2_buffer characters;   /* e2_result_character */
    e2_buffer alternatives; /* e2_result_alternative */
    e2_buffer influences;   /* e2str_influence */
    e2_buffer strings;      /* char: the alternatives' texts */
    e2_buffer tokens;       /* uint32_t, without special tokens */
    e2_buffer attention;    /* float: [characters][rows * columns], where it was asked for */
    e2_result_example examples[E2STR_MAX_EXAMPLES];
    size_t n_examples;
    float score, end_probability, confidence, textless;
    int truncated, rejected, unmatched;
    bool has_boxes;
    uint32_t attention_rows, attention_columns; /* 0: not asked for */
    int second_look;                            /* as e2str_result_second_look */
    size_t place;                               /* in the batch that is being read */
    e2str_area area;                            /* that was read; width 0: the result is empty */
};

void e2_result_clear(e2str_result *result);
void e2_result_release(e2str_result *result); /* its buffers, not itself */

/* Fills a cleared result from an answer, with at most n_influences for each character. MEMORY. */
e2str_status e2_result_fill(e2str_result *result, const e2_compute *compute, const e2_answer *answer, bool clean_up,
                            uint32_t n_influences, e2str_error *error);

/* Keeps where a filled result's answer looked on a grid of patches, if that is known. MEMORY. */
e2str_status e2_result_attention(e2str_result *result, const e2_answer *answer, uint32_t rows, uint32_t columns,
                                 e2str_error *error);

/* What a judgement adds to a filled result, whose area is known: confidence, an empty text where there is none, a
 * rejection, and with options->places the boxes of the characters, in the pixels of the image as it is stored. */
void e2_result_judge(e2str_result *result, const e2_judgement *judgement, const e2str_read_options *options);

#endif
