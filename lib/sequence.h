/* SPDX-License-Identifier: MIT */
/* The token sequence before an answer (docs/model.md, section 6): BOS, then <image> label <|endofchunk|> per example,
 * then <image>. */
#ifndef E2_SEQUENCE_H
#define E2_SEQUENCE_H

#include "decoder.h"
#include "nearest.h"

/* A prepared prompt: examples that were run through the decoder once. Immutable. */
struct e2str_prompt {
    const e2str_model *model;
    uint32_t n;           /* tokens: BOS and the examples, without the query's <image> */
    float *keys, *values; /* [layers][n][width] of the decoder's KV cache */
    float *media;         /* the examples' projections, or NULL when text sees its latest image only */
    size_t n_choices;
    e2_choice choices[E2STR_MAX_EXAMPLES]; /* each holds its references */
};

/* Token rows ready to run. Its slots in the KV cache are first_slot .. first_slot + length - 1. */
typedef struct e2_sequence {
    const e2str_prompt *prefix; /* what stands before the rows, or NULL */
    e2_decoder_row *rows;
    uint32_t n;           /* rows; the last is the query's <image> */
    uint32_t length;      /* tokens of prefix and rows together */
    uint32_t first_image; /* of its images in the media */
    uint32_t images;      /* of them; the query's is the last */
    uint32_t first_slot;
    uint32_t query_tokens; /* visual tokens of the query's image */
    bool remembers;        /* a memory is for it: its characters, what it leaves out, its case */
    float memory_factor;   /* of what the memory adds to its logits; 0: nothing */
    const uint32_t *draft; /* [n_draft] tokens that may be the answer, the end left out: checked in one pass; or NULL */
    uint32_t n_draft;
    const float *fused; /* [query_tokens][.] of the fusion block, where the logits are of fused states; or NULL */
} e2_sequence;

/* What a prompt is made of: either examples to run, or a prefix where they have been run; and the query. */
typedef struct e2_sequence_parts {
    const e2_choice *choices;
    size_t n_choices;
    const e2str_prompt *prefix;
    uint32_t query_tokens; /* visual tokens of the query's image; 0: there is none yet */
} e2_sequence_parts;

typedef struct e2_sequence_size {
    uint32_t length;      /* tokens of text */
    uint32_t images;      /* that it looks at */
    size_t visual_tokens; /* of all of these */
} e2_sequence_size;

/* What the prompt will take. LIMIT when the model has no position left for an answer. */
e2str_status e2_sequence_measure(const e2str_model *model, const e2_sequence_parts *parts, e2_sequence_size *size,
                                 e2str_error *error);

/* Most tokens of an answer after a prompt of this length, the end token included. */
uint32_t e2_sequence_room(const e2str_model *model, uint32_t length);

/* Rows with positions, image numbers and slots; from the arena. false: out of memory. */
bool e2_sequence_rows(const e2_compute *compute, const e2_sequence_parts *parts, uint32_t first_image,
                      uint32_t first_slot, e2_sequence *sequence);

/* Adds the projection of one example's image to the media, the cached one where it has one. A new projection is offered
 * to the pool (may be NULL). false: out of memory. */
bool e2_sequence_example(const e2_compute *compute, const e2_choice *choice, const e2str_pool *pool, e2_media *media);

/* Adds the keys and values of the examples' images to the media, from their projections where they have one. New
 * projections are offered to the pool (may be NULL). false: out of memory. */
bool e2_sequence_examples(const e2_compute *compute, const e2_sequence_parts *parts, const e2str_pool *pool,
                          e2_media *media);

/* The same, and those of the query's image from its visual tokens: sequences in the order of their first_image. */
bool e2_sequence_media(const e2_compute *compute, const e2_sequence_parts *parts, const e2str_pool *pool,
                       const float *tokens, e2_media *media);

/* Copies the prefix's keys and values into the prompt's first slots. */
void e2_sequence_restore(const e2str_model *model, const e2_sequence *sequence, e2_kv_cache *cache);

#endif
