/* SPDX-License-Identifier: MIT */
/* How likely an answer is right, whether there is a text at all, and where its characters lie (docs/model.md, sections
 * 12 and 13). */
#ifndef E2_CONFIDENCE_H
#define E2_CONFIDENCE_H

#include "places.h"
#include "search.h"

/* What is known of the picture beside the answer. */
typedef struct e2_evidence {
    const float *tokens;  /* [rows * columns][vision width] */
    size_t rows, columns; /* of patches */
    float squeeze;        /* how many times narrower the network sees the picture than it is, against its height */
} e2_evidence;

typedef struct e2_judgement {
    float confidence; /* 0..1: probability that the text is right; the score where nothing is calibrated */
    float textless; /* 0..1: probability that there is no text; 0 where nothing is calibrated, without a head, or with a
                       memory that acts */
    const e2_span *spans; /* [answer's tokens] in the arena, of those that write nothing empty; NULL without a head */
} e2_judgement;

/* Sum of the log-probabilities of the tokens written, the end included. */
double e2_answer_log_probability(const e2_answer *answer);

/* exp of the mean log-probability of the tokens written, the end included. */
float e2_answer_score(const e2_answer *answer);

/* places: spans are wanted. Without them, and with no calibration, next to nothing is computed. What depends on the
 * image depends on it alone. false: out of memory. */
bool e2_judge(const e2_compute *compute, const e2_answer *answer, const e2_evidence *evidence, bool places,
              e2_judgement *judgement);

#endif
