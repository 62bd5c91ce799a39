/* SPDX-License-Identifier: MIT */
/*
 * The pool's memory: a change of the output layer, made of every character of every example (docs/in-context.md).
 *
 * At each decoder step phi = [h / scale; a; 1]: h the final hidden state, a the attended vectors of the last
 * cross-attention layers (decoder.h). A memory adds  strength * C phi  to the logits of its columns, which are the
 * tokens that occur in the pool. C is a sum over the steps of the examples, so that what each of them did to a logit
 * can be told exactly:
 *
 *     C = sum_i error_i (P phi_i)',   P = (S + epsilon I)^-1 = W W
 *
 * S is how the features vary on ordinary text; its root W, symmetric, comes with the model (memory.whitening).
 */
#ifndef E2_MEMORY_H
#define E2_MEMORY_H

#include <stdatomic.h>

#include "linear.h"

/* A character that the model has no token for. Its column's token is the vocabulary's size plus its index. */
typedef struct e2_new_character {
    uint32_t code; /* code point */
    uint32_t fed;  /* the token that the decoder goes on with */
} e2_new_character;

#define E2_MAX_NEW_CHARACTERS 256

/* How a pool's labels write letters: as they are read, or all in one case whatever is read. */
typedef enum e2_letter_case { E2_AS_READ, E2_CAPITALS, E2_SMALL_LETTERS, E2_LETTER_CASES } e2_letter_case;

/* Where a step of an example comes from. */
typedef struct e2_memory_step {
    uint64_t example;
    uint32_t
        offset; /* of its character in the label, bytes; the label's size: its end; UINT32_MAX: no character of it */
    uint32_t target; /* column */
} e2_memory_step;

/* What learning found of an example, left out or not. */
typedef struct e2_memory_verdict {
    uint64_t example;
    float doubt; /* 0..1: how far its label is from what the model and the others' memory read */
} e2_memory_verdict;

typedef struct e2_memory_counts {
    uint32_t columns, characters, silent, steps, verdicts;
} e2_memory_counts;

/* Immutable once it is made; shared by pools, readers and callers. */
struct e2str_memory {
    atomic_uint references;
    uint64_t bytes;
    const e2str_model *model;
    float strength; /* 0: off, but for silent characters and the case of letters */
    e2_letter_case letters;
    e2_memory_counts counts;
    uint32_t *tokens;             /* [columns], ascending */
    e2_linear columns;            /* C [columns][features], packed */
    e2_new_character *characters; /* [characters], ascending by code */
    uint32_t *silent;             /* [silent]: tokens that the labels leave out; written, but not shown */
    e2_memory_step *steps;        /* [steps], ascending by example and offset */
    uint16_t *features;           /* [steps][features] f16 */
    float gate;                   /* how near to the domain a query must be for all of the memory */
    float *domain;                /* [vision width], unit length: where the examples' keys lie from ordinary ones */
    uint16_t *errors;             /* [steps][columns] f16 */
    void *owned;                  /* what columns points to */
    e2_memory_verdict *verdicts;  /* [verdicts], ascending by example */
    e2str_memory_report report;
};

/* phi [n][features] of decoded rows: hidden [n][width], attended [n][attended_width]. */
void e2_features_fill(const e2str_model *model, const float *hidden, const float *attended, size_t n, float *phi);

/* An empty memory with room for these counts, references = 1; NULL when memory is out or a size overflows. */
e2str_memory *e2_memory_new(const e2str_model *model, e2_memory_counts counts);
e2str_memory *e2_memory_retain(e2str_memory *memory); /* returns it; NULL is fine */
void e2_memory_release(e2str_memory *memory);         /* NULL is fine */

/* C from the features and errors of the steps, and whether all of it and the domain are finite. false: out of memory.
 */
bool e2_memory_finish(const e2_compute *compute, e2str_memory *memory, bool *finite);

/* Tokens of the vocabulary and new characters together: the width of a row of logits with this memory (or NULL). */
uint32_t e2_memory_vocabulary(const e2str_model *model, const e2str_memory *memory);

/* How much of the memory is for a query with this key, 0..1. Keys are whitened by
 * those of ordinary images; a query is near to the domain by the cosine of both directions from the ordinary mean,
 * which is about 0 for ordinary images. false: out of memory. */
bool e2_memory_gate(const e2_compute *compute, const e2str_memory *memory, const float *key, float *gate);

/* The domain of n keys [n][vision width], and the gate: as near as most of them are to the domain of the others, within
 * the upper half of the model's range; below that range nothing of the memory is used. false: out of memory. */
bool e2_memory_find_domain(const e2_compute *compute, const float *keys, size_t n, e2str_memory *memory);

/* logits [n][vocabulary], of rows with these features, become [n][e2_memory_vocabulary] with the memory's part added,
 * times the row's factor; a row with factor 0 is as without a memory. false: out of memory. */
bool e2_memory_apply(const e2_compute *compute, const e2str_memory *memory, const float *factors, const float *phi,
                     size_t n, float *logits);

/* What was added to the logit of a token at phi, per unit of factor. false: out of memory. */
bool e2_memory_added(const e2_compute *compute, const e2str_memory *memory, const float *phi, uint32_t token,
                     float *added);

/* What each step of the examples added to the logit of a token at phi, per unit of factor: [steps]; all 0 for a token
 * without a column. Their sum is what e2_memory_apply added, to rounding. false: out of memory. */
bool e2_memory_influences(const e2_compute *compute, const e2str_memory *memory, const float *phi, uint32_t token,
                          float *influences);

/* The token that the decoder goes on with after this one. */
uint32_t e2_memory_fed(const e2str_model *model, const e2str_memory *memory, uint32_t token);

/* Whether a token stands for no text at all. memory may be NULL. */
bool e2_memory_is_special(const e2str_model *model, const e2str_memory *memory, uint32_t token);

/* The bytes that a token adds to the text, its letter in the memory's case; buffer may hold them. None of a special
 * token, or one that the memory keeps silent. memory may be NULL. */
e2_string e2_memory_shown(const e2str_model *model, const e2str_memory *memory, uint32_t token, char buffer[4]);

#endif
