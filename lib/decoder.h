/* SPDX-License-Identifier: MIT */
/*
 * The language decoder with gated cross-attention (docs/model.md, sections 4 and 5).
 *
 * A batch of rows goes through all layers at once: the tokens of prompts (prefill), or one new token per beam, of one
 * sequence or of many. Each row writes its keys and values into a slot of the KV cache and names the slots that it may
 * look at, so a beam is a list of slots and nothing is ever copied when beams change places. What a row computes does
 * not depend on the other rows of the batch.
 */
#ifndef E2_DECODER_H
#define E2_DECODER_H

#include "linear.h"

/* Keys and values of images for every cross-attention layer: computed once per image, not per token. The images' tokens
 * stand one after another, in the order in which they were added. */
typedef struct e2_media {
    float *key_values; /* [cross_layers][tokens][2 * heads * head_size], keys first in a row */
    size_t *first;     /* [images + 1]: of each image's tokens; the last: where the next image's go */
    size_t tokens;     /* room for so many */
    uint32_t images;   /* added so far */
} e2_media;

typedef struct e2_kv_cache {
    float *keys, *values; /* [layers][slots][width] */
    size_t slots;
} e2_kv_cache;

typedef struct e2_decoder_row {
    uint32_t token;
    uint32_t position;       /* in the table of positions; the table's offset is added inside */
    uint32_t first_image;    /* of its sequence, in the media */
    uint32_t images;         /* number of <image> tokens at or before this one; 0: sees no image */
    uint32_t slot;           /* where this row's keys and values go */
    const uint32_t *context; /* slots to look at, its own among them */
    uint32_t n_context;
} e2_decoder_row;

/* All from the arena; false: out of memory. The media have room for so many images, of so many visual tokens in all. */
bool e2_media_new(const e2_compute *compute, size_t images, size_t tokens, e2_media *media);
bool e2_kv_cache_new(const e2_compute *compute, size_t slots, e2_kv_cache *cache);

/* Adds an image: projects its n visual tokens [n][vision width] for all layers. */
bool e2_media_add(const e2_compute *compute, e2_media *media, const float *tokens, size_t n);

/* The same keys and values taken out into, or added from, a block of e2_projection_values floats:
 * [cross_layers][n][2 * heads * head_size]. The number is SIZE_MAX where it does not fit: no memory has so much. */
size_t e2_projection_values(const e2str_model *model, size_t n);
void e2_media_get(const e2str_model *model, const e2_media *media, size_t index, float *values);
void e2_media_put(const e2str_model *model, e2_media *media, const float *values, size_t n);

/* Where rows look: the weights of the last cross-attention, of each row [heads][visual tokens that it sees], and as
 * many floats from row to row as the longest of these needs. From the arena, made by e2_decode_watched. */
typedef struct e2_gaze {
    float *weights;
    size_t step;
} e2_gaze;

/* Runs the rows through all layers; rows of one sequence in order. hidden [n][width]: after the final norm. attended
 * [n][attended_width], or NULL: what the attention of the last attended_layers cross-attentions gave, heads side by
 * side, before its output projection. false: out of memory. */
bool e2_decode(const e2_compute *compute, const e2_media *media, e2_kv_cache *cache, const e2_decoder_row *rows,
               size_t n, float *hidden, float *attended);
/* The same, and where the rows look. */
bool e2_decode_watched(const e2_compute *compute, const e2_media *media, e2_kv_cache *cache, const e2_decoder_row *rows,
                       size_t n, float *hidden, e2_gaze *gaze);

/* logits [n][vocabulary] of hidden rows [n][width]; the output matrix is the token table. */
bool e2_logits(const e2_compute *compute, const float *hidden, size_t n, float *logits);

#endif
