/* SPDX-License-Identifier: MIT */
/* Retrieval by doubt: of examples that look like a picture, those whose labels show the characters between which its
 * first reading hesitated (docs/two-looks.md). */
#ifndef E2_DOUBT_H
#define E2_DOUBT_H

#include "search.h"

#define E2_DOUBT_ALTERNATIVES 4   /* of each token, that a first reading keeps for this */
#define E2_DOUBT_CANDIDATES   32  /* nearest examples among which the choice is made */
#define E2_DOUBT_TRUST        0.5 /* the gate of a reading that is certain */

/* A character that may be there, and how much would be won by knowing how it looks. */
typedef struct e2_doubt {
    uint32_t code; /* code point, as the text would show it */
    double weight; /* 0..1, of all doubts 1 together */
} e2_doubt;

/* The doubts of a reading, each character once, by falling weight (ties: the lower code point): at a step whose
 * likeliest token has probability p, the characters of the tokens that stand there count for (1 - p) times their own
 * probability. From the arena; none where nothing is doubtful. false: out of memory. */
bool e2_doubts_of(const e2_compute *compute, const e2_answer *answer, e2_doubt **doubts, size_t *n);

/* How far the doubts of a reading with this score (0..1, e2_answer_score) are trusted against the picture: the poorer
 * it was, the less. 0 for a reading without doubts, or one that is empty. */
double e2_doubt_gate(const e2_answer *answer, float score, size_t n_doubts);

/* Brings the k best of n candidates, whose similarities are finite, to the front, in their order. Each time the
 * candidate is taken with the most
 *     (1 - gate) picture + gate (weight of the doubts that its label shows, those before have not)
 * where `picture` is its similarity, the candidates' least as 0 and most as 1; ties: the more similar one, then the
 * lower id. gate: 0..1; with 0 it is the order of similarity, as e2_pool_choose has it. Together the chosen ones cover
 * the doubts. false: out of memory. */
bool e2_doubt_rank(const e2_compute *compute, const e2_doubt *doubts, size_t n_doubts, double gate,
                   e2_choice *candidates, size_t n, size_t k);

#endif
