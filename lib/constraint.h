/* SPDX-License-Identifier: MIT */
/* What a text may be (docs/constraints.md): rules for its characters, a lexicon, the caller's word on a whole text. */
#ifndef E2_CONSTRAINT_H
#define E2_CONSTRAINT_H

#include "lexicon.h"

/* Immutable. A hard lexicon holds only what the rules accept, so it stands alone: then there are none. */
struct e2str_constraint {
    e2_automaton rules;     /* with n = 0: none */
    e2_lexicon lexicon;     /* with n_nodes = 0: none */
    float bonus;            /* 0: the text must be an entry */
    bool fold;              /* texts are compared in small letters */
    e2str_accept_fn accept; /* or NULL */
    void *accept_user;
};

/* How far a text has come: a state of the rules, and a node of the lexicon, E2_NO_NODE where it has left that. */
typedef struct e2_place {
    uint32_t rule, node;
} e2_place;

e2_place e2_constraint_start(const e2str_constraint *constraint);

/* One character more; false: no text goes on like this. */
bool e2_constraint_step(const e2str_constraint *constraint, e2_place *place, uint32_t code);

/* Whether a text may end here, but for the caller's word. */
bool e2_constraint_ends(const e2str_constraint *constraint, const e2_place *place);

#endif
