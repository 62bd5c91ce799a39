/* SPDX-License-Identifier: MIT */
/* A text laid along a row of columns: where each of its characters lies (docs/model.md, section 12). */
#ifndef E2_PLACES_H
#define E2_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"

/* Columns from .. to, as shares of the row's width: 0 <= from < to <= 1. */
typedef struct e2_span {
    float from, to;
    float evidence; /* the most for the character within it */
} e2_span;

/* Parts that each column is cut into at least: the resolution of the edges. */
#define E2_PLACE_PARTS 4

/* ids [n]: the text. evidence [n][columns], finite: how much a column looks like character i rather than like no
 * character (0: as much). Between the columns' centres it is interpolated. The spans [n] do not overlap, stand in
 * order, and have the largest sum of evidence; equal characters without a gap between them share their span evenly.
 * n and columns are 1 or more. false: out of memory. */
bool e2_place_text(e2_arena *arena, const uint32_t *ids, const float *evidence, size_t n, size_t columns,
                   e2_span *spans);

#endif
