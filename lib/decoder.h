/*
 * The language decoder with gated cross-attention (spec sections 4 and 5).
 *
 * A batch of rows goes through all layers at once: the tokens of a prompt (prefill), or one new token per beam. Each row
 * writes its keys and values into a slot of the KV cache and names the slots that it may look at, so a beam is a list of
 * slots and nothing is ever copied when beams change places.
 */
#ifndef E2_DECODER_H
#define E2_DECODER_H

#include "arena.h"
#include "model.h"

/* Keys and values of all images of a prompt, for every cross-attention layer: computed once per image. */
typedef struct e2_media {
    float *key_values; /* [cross_layers][images][media_tokens][2 * heads * head_size], keys first in a row */
    uint32_t images;   /* room */
} e2_media;

typedef struct e2_kv_cache {
    float *keys, *values; /* [layers][slots][width] */
    uint32_t slots;
} e2_kv_cache;

typedef struct e2_decoder_row {
    uint32_t token;
    uint32_t position;       /* index in the sequence, from 0; the table's offset is added inside */
    uint32_t images;         /* number of <image> tokens at or before this one; 0: sees no image */
    uint32_t slot;           /* where this row's keys and values go */
    const uint32_t *context; /* slots to look at, its own among them */
    uint32_t n_context;
} e2_decoder_row;

/* All from `arena`; false: out of memory. */
bool e2_media_new(const e2str_model *model, uint32_t images, e2_media *media, e2_arena *arena);
bool e2_kv_cache_new(const e2str_model *model, size_t slots, e2_kv_cache *cache, e2_arena *arena);

/* Projects the visual tokens [media_tokens][vision width] of image `index` for all layers. */
void e2_media_set(const e2str_model *model, e2_media *media, uint32_t index, const float *tokens);

/* Runs the rows through all layers; rows of one sequence in order. hidden [n][width]: after the final norm.
 * false: out of memory. */
bool e2_decode(const e2str_model *model, const e2_media *media, e2_kv_cache *cache, const e2_decoder_row *rows, size_t n,
               float *hidden, e2_arena *scratch);

/* logits [n][vocabulary] of hidden rows [n][width]; the output matrix is the token table. */
void e2_logits(const e2str_model *model, const float *hidden, size_t n, float *logits);

#endif
