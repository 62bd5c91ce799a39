/* SPDX-License-Identifier: MIT */
/*
 * A constraint as one sequence's search sees it: which tokens may follow a text, so that a text that fits can still be
 * finished with the tokens that are left. Walked beside each beam.
 */
#ifndef E2_GUIDE_H
#define E2_GUIDE_H

#include "constraint.h"
#include "memory.h"

/* Tokens that it takes to come to the next end of a text, the end token not counted. */
#define E2_NEVER UINT16_MAX

typedef struct e2_guide {
    const e2str_constraint *constraint;
    const e2str_model *model;
    const e2str_memory *memory; /* that shows the text, or NULL */
    uint32_t vocabulary;        /* tokens that can be written, the memory's characters included */
    bool all_bytes;             /* every byte of a character outside ASCII has a token of its own */
    const uint16_t *rules;      /* [states] of the rules: tokens to an end */
    const uint16_t *nodes;      /* [nodes] of a hard lexicon, or NULL: its own distances */
    const uint8_t *leads;       /* [vocabulary]: the first byte that a token shows, 0 if none; NULL for few tokens */
} e2_guide;

#define E2_MANY_TOKENS 1024u

/* Where the text of a beam stands. */
typedef struct e2_stand {
    e2_place place;
    uint8_t n; /* bytes of a character that is begun, but not whole: only with BPE */
    char begun[3];
} e2_stand;

/* For texts of at most `most` tokens; from the arena. false: out of memory. */
bool e2_guide_make(e2_arena *arena, const e2str_model *model, const e2str_memory *memory, uint32_t vocabulary,
                   uint32_t most, const e2str_constraint *constraint, e2_guide *guide);

e2_stand e2_guide_start(const e2_guide *guide);

/* Where the text stands with a token more; false: it may not be written here. left: how many may be written after it,
 * the end token included. The end token may follow where a text may end (the caller's word not asked). */
bool e2_guide_follow(const e2_guide *guide, const e2_stand *from, uint32_t token, uint32_t left, e2_stand *to);

/* With many tokens: which bytes may be the next one of a text, so that tokens which begin with another one need not be
 * followed. */
void e2_guide_open(const e2_guide *guide, const e2_stand *from, bool open[256]);
static inline bool e2_guide_refuses(const e2_guide *guide, const bool open[256], uint32_t token) {
    uint8_t lead = guide->leads ? guide->leads[token] : 0;
    return lead && !open[lead];
}

/* What a text loses of its log-probability by this token: the bonus, where it ceases to be an entry's beginning, or
 * ends as none. */
float e2_guide_loss(const e2_guide *guide, const e2_stand *from, uint32_t token, const e2_stand *to);

#endif
