/* Writing the answer: greedy decoding and beam search (spec section 6). */
#ifndef E2_SEARCH_H
#define E2_SEARCH_H

#include "prompt.h"

typedef struct e2_candidate {
    uint32_t token;
    float probability;
} e2_candidate;

/* One token written, and what stood beside it. */
typedef struct e2_written {
    uint32_t token;
    float log_probability;
    const e2_candidate *alternatives; /* the likeliest tokens at this place, best first */
} e2_written;

typedef struct e2_answer {
    e2_written *tokens; /* without the end token */
    uint32_t n;
    uint32_t n_alternatives;   /* per token */
    bool ended;                /* false: cut at the limit */
    float end_log_probability; /* if ended */
} e2_answer;

/* beams 1: greedy. max_tokens counts the end token and is cut to the positions that are left. <image> is never written.
 * The answer lives in `arena`. false: out of memory. */
bool e2_search(const e2str_model *model, const e2_prompt *prompt, uint32_t beams, uint32_t max_tokens,
               uint32_t n_alternatives, e2_answer *answer, e2_arena *arena);

#endif
