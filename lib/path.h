/* SPDX-License-Identifier: MIT */
/* What an example says, step by step: its label aligned with what the model reads by itself. */
#ifndef E2_PATH_H
#define E2_PATH_H

#include "arena.h"
#include "example.h"
#include "memory.h"

/* A token, or with this bit a code point that the model has no token for. */
#define E2_NEW_CHARACTER 0x80000000u

/* One step: what is to be written, and where it stands in the label (bytes). */
typedef struct e2_path_step {
    uint32_t symbol;
    uint32_t offset; /* the label's size: the end; UINT32_MAX: not in the label (a silent character) */
} e2_path_step;

typedef struct e2_path {
    e2_path_step *steps;
    uint32_t n;
} e2_path;

/* A reading aligned with a label: pairs of least edit distance, where another case of a letter costs little. */
typedef struct e2_aligned {
    uint32_t read;      /* token, or UINT32_MAX: the label has one more */
    e2_path_step label; /* symbol UINT32_MAX: the reading has one more */
} e2_aligned;

typedef struct e2_alignment {
    e2_aligned *pairs;
    uint32_t n;
} e2_alignment;

/* From the arena; false: out of memory. reading: tokens without the end. The label is taken in the tokenizer's way: as
 * characters, or as the tokens that BPE makes of it. */
bool e2_align(e2_arena *arena, const e2str_model *model, const uint32_t *reading, uint32_t n, const e2_example *example,
              e2_alignment *alignment);

/* Tokens that labels leave out where the model reads them: one character, no letter or digit; at least twice, and in
 * 70 % of the cases. Ascending; *n of them, from the arena. false: out of memory. */
bool e2_silent_tokens(e2_arena *arena, const e2str_model *model, const e2_alignment *alignments, size_t count,
                      uint32_t **tokens, uint32_t *n);

/* Labels that write all letters in one case where the model reads the other: at least two such letters, in at least two
 * labels, and no letter of the other case in any label. */
e2_letter_case e2_case_of_labels(const e2str_model *model, const e2_alignment *alignments, size_t count);

/* How the labels of a pool are written. */
typedef struct e2_conventions {
    uint32_t *silent, n_silent;
    e2_letter_case letters;
} e2_conventions;

/* The label's symbols, with the silent tokens that were read between them, then the end token; at most `most` steps.
 * With a case for all letters, a path has them in the case in which they were read: the case is put on afterwards. */
bool e2_path_make(e2_arena *arena, const e2str_model *model, const e2_alignment *alignment, const e2_example *example,
                  const e2_conventions *conventions, uint32_t most, e2_path *path);

/* Whether the reading is the label. */
bool e2_alignment_is_equal(const e2_alignment *alignment);

#endif
