/* The token sequence before an answer (spec section 6): BOS, then <image> label <|endofchunk|> per example, then <image>. */
#ifndef E2_PROMPT_H
#define E2_PROMPT_H

#include "decoder.h"
#include "pool.h"

/* A prompt ready to run: rows with positions, image counts, and slots 0 .. n - 1. The last row is the query's <image>. */
typedef struct e2_prompt {
    e2_decoder_row *rows;
    uint32_t n;
    e2_media media; /* projected: the examples' images in order, then the query's */
} e2_prompt;

/* Everything from `arena`. LIMIT when the model has no position left for an answer; MEMORY. tokens: the query's. */
e2str_status e2_prompt_build(const e2str_model *model, const e2_choice *choices, size_t n_choices, const float *tokens,
                             e2_prompt *prompt, e2_arena *arena, e2str_error *error);

#endif
