/* SPDX-License-Identifier: MIT */
/*
 * Dynamic programming over the parts of all columns. State 2 i is the gap before character i, state 2 i + 1 the
 * character; the last state is the gap behind the text. A part moves on by one state or none, or from a character
 * straight to the next.
 */
#include "places.h"

#include <math.h>

typedef struct grid {
    const float *evidence; /* [n][columns] */
    size_t n, columns, parts, steps, states;
    double *scores; /* [states]: of the best path to each */
    uint8_t *moves; /* [steps][states]: by how many states it came there */
} grid;

/* The evidence for character i at a step: linear between the columns' centres, level beyond the outer ones. */
static double evidence_at(const grid *g, size_t i, size_t step) {
    const float *row = g->evidence + i * g->columns;
    double x = ((double)step + 0.5) / (double)g->parts - 0.5;
    if (x <= 0.0) return row[0];
    size_t left = (size_t)x;
    if (left + 1 >= g->columns) return row[g->columns - 1];
    double share = x - (double)left;
    return (1.0 - share) * row[left] + share * row[left + 1];
}

/* One step for all states, from the last on: each takes what its predecessors had before. Ties: the shorter move. */
static void advance(grid *g, size_t step) {
    uint8_t *moves = g->moves + step * g->states;
    for (size_t state = g->states; state-- > 0;) {
        double best = g->scores[state];
        moves[state] = 0;
        for (uint8_t move = 1; move <= 2 && move <= state; move++)
            if ((move == 1 || state % 2) && g->scores[state - move] > best) {
                best = g->scores[state - move];
                moves[state] = move;
            }
        g->scores[state] = best + (state % 2 ? evidence_at(g, state / 2, step) : 0.0);
    }
}

/* Walks back from the better of the last two states; marks each character's first step and the one behind its last. */
static void walk_back(const grid *g, e2_span *spans) {
    size_t state = g->states - (g->scores[g->states - 1] >= g->scores[g->states - 2] ? 1 : 2);
    double width = (double)g->steps;
    for (size_t i = 0; i < g->n; i++) spans[i] = (e2_span){0.0f, 0.0f, -INFINITY};
    for (size_t step = g->steps; step-- > 0;) {
        if (state % 2) {
            e2_span *span = &spans[state / 2];
            float evidence = (float)evidence_at(g, state / 2, step);
            if (span->to == 0.0f) span->to = (float)((double)(step + 1) / width);
            span->from = (float)((double)step / width);
            if (evidence > span->evidence) span->evidence = evidence;
        }
        state -= g->moves[step * g->states + state];
    }
}

/* Where two equal characters touch nothing says where one ends. */
static void share_runs(const uint32_t *ids, size_t n, e2_span *spans) {
    for (size_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && ids[end] == ids[first] && spans[end].from == spans[end - 1].to;) end++;
        float from = spans[first].from, width = spans[end - 1].to - from, count = (float)(end - first);
        for (size_t i = first + 1; i < end; i++)
            spans[i - 1].to = spans[i].from = from + width * (float)(i - first) / count;
    }
}

bool e2_place_text(e2_arena *arena, const uint32_t *ids, const float *evidence, size_t n, size_t columns,
                   e2_span *spans) {
    e2_arena_mark mark = e2_arena_begin(arena);
    grid g = {.evidence = evidence, .n = n, .columns = columns, .parts = E2_PLACE_PARTS, .states = 2 * n + 1};
    if (g.parts * columns < 2 * n) g.parts = (2 * n + columns - 1) / columns;
    g.steps = g.parts * columns;
    g.scores = e2_arena_alloc(arena, g.states, sizeof *g.scores);
    g.moves = e2_arena_alloc(arena, g.steps, g.states);
    if (!g.scores || !g.moves) return false;
    for (size_t state = 0; state < g.states; state++) g.scores[state] = state ? -INFINITY : 0.0;
    for (size_t step = 0; step < g.steps; step++) advance(&g, step);
    walk_back(&g, spans);
    share_runs(ids, n, spans);
    e2_arena_release(arena, mark);
    return true;
}
