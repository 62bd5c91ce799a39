/* SPDX-License-Identifier: MIT */
/* Writing the answer: greedy decoding and beam search (docs/model.md, section 6). */
#ifndef E2_SEARCH_H
#define E2_SEARCH_H

#include "guide.h"
#include "sequence.h"

typedef struct e2_candidate {
    uint32_t token;
    float probability;
} e2_candidate;

/* One token written, and what stood beside it. */
typedef struct e2_written {
    uint32_t token;
    float log_probability;
    const e2_candidate *alternatives; /* the likeliest tokens at this place, best first */
    const float *features;            /* [features] where it was written; NULL without a memory */
} e2_written;

typedef struct e2_answer {
    const e2str_memory *memory; /* that was read with, or NULL */
    float factor;               /* of what it added */
    e2_written *tokens;         /* without the end token */
    uint32_t n;
    uint32_t n_alternatives;      /* per token */
    bool finite;                  /* the logits; otherwise nothing else of it means anything */
    bool ended;                   /* false: cut at the limit */
    float end_log_probability;    /* if ended */
    bool unmatched;               /* no text was found that fits the constraint: there are no tokens */
    bool draft_whole;             /* the sequence had a draft, and room for all of it */
    double draft_log_probability; /* of it and the end behind it, where it is whole */
    const float *attention;       /* [tokens][query's visual tokens], by e2_gaze_back; else NULL */
} e2_answer;

typedef struct e2_search_options {
    uint32_t beams;                     /* 1: greedy */
    uint32_t max_tokens;                /* the end token included; cut to the positions that are left */
    uint32_t n_alternatives;            /* per token */
    const e2str_memory *memory;         /* or NULL: the model alone */
    const e2str_constraint *constraint; /* or NULL: any text */
    bool drafts_only; /* the probabilities of the drafts are all that is asked for: nothing is written */
} e2_search_options;

/* Slots of the KV cache that the search needs for a prompt of this length. */
size_t e2_search_slots(const e2str_model *model, uint32_t length, const e2_search_options *options);

/* Answers n sequences side by side; what is written for a prompt does not depend on the others. The sequences' slots
 * lie e2_search_slots apart; `slots` is their sum. <image> is never written. The answers live in the arena. A draft
 * changes no answer: its tokens are run with the prompt, and a greedy search takes the steps in which it would have
 * written the same from there: with our kernels to the bit. false: out of memory. */
bool e2_search(const e2_compute *compute, const e2_media *media, const e2_sequence *sequences, size_t n, size_t slots,
               const e2_search_options *options, e2_answer *answers);

#endif
