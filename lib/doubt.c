/* SPDX-License-Identifier: MIT */
#include "doubt.h"

#include <string.h>

#include "unicode.h"

/* ---- what is doubtful ---- */

/* Adds weight to a character; the list has room. */
static void add(e2_doubt *doubts, size_t *n, uint32_t code, double weight) {
    size_t i = 0;
    while (i < *n && doubts[i].code != code) i++;
    if (i == *n) doubts[(*n)++] = (e2_doubt){code, 0.0};
    doubts[i].weight += weight;
}

/* Adds the characters that a token shows, as far as it holds whole ones. */
static void add_token(const e2_compute *compute, const e2_answer *answer, uint32_t token, double weight,
                      e2_doubt *doubts, size_t *n) {
    char buffer[4];
    e2_string shown = e2_memory_shown(compute->model, answer->memory, token, buffer);
    for (size_t at = 0, length; at < shown.size; at += length) {
        uint32_t code;
        length = e2_utf8_next(shown.data + at, shown.size - at, &code);
        if (!length) return;
        add(doubts, n, code, weight);
    }
}

static bool before(const e2_doubt *a, const e2_doubt *b) {
    return a->weight > b->weight || (a->weight == b->weight && a->code < b->code);
}

static void sort(e2_doubt *doubts, size_t n) {
    for (size_t i = 1; i < n; i++) {
        e2_doubt moved = doubts[i];
        size_t to = i;
        for (; to > 0 && before(&moved, &doubts[to - 1]); to--) doubts[to] = doubts[to - 1];
        doubts[to] = moved;
    }
}

/* Characters that all the alternatives can show. */
static size_t most_characters(const e2_compute *compute, const e2_answer *answer) {
    size_t most = 0;
    char buffer[4];
    for (uint32_t i = 0; i < answer->n; i++)
        for (uint32_t j = 0; j < answer->n_alternatives; j++)
            most +=
                e2_memory_shown(compute->model, answer->memory, answer->tokens[i].alternatives[j].token, buffer).size;
    return most;
}

bool e2_doubts_of(const e2_compute *compute, const e2_answer *answer, e2_doubt **doubts, size_t *n) {
    double all = 0.0;
    *n = 0;
    *doubts = e2_arena_alloc(compute->arena, most_characters(compute, answer), sizeof **doubts);
    if (!*doubts) return false;
    for (uint32_t i = 0; answer->n_alternatives && i < answer->n; i++) {
        const e2_candidate *there = answer->tokens[i].alternatives;
        double hesitation = 1.0 - (double)there[0].probability;
        for (uint32_t j = 0; hesitation > 0.0 && j < answer->n_alternatives; j++)
            if (there[j].probability > 0.0f)
                add_token(compute, answer, there[j].token, hesitation * (double)there[j].probability, *doubts, n);
    }
    for (size_t i = 0; i < *n; i++) all += (*doubts)[i].weight;
    if (!(all > 0.0)) *n = 0;
    for (size_t i = 0; i < *n; i++) (*doubts)[i].weight /= all;
    sort(*doubts, *n);
    return true;
}

double e2_doubt_gate(const e2_answer *answer, float score, size_t n_doubts) {
    return answer->n && n_doubts && score > 0.0f ? E2_DOUBT_TRUST * (score < 1.0f ? (double)score : 1.0) : 0.0;
}

/* ---- who shows it ---- */

static bool shows(const e2_example *example, uint32_t wanted) {
    for (size_t at = 0, length; at < example->label_size; at += length) {
        uint32_t code;
        length = e2_utf8_next(example->label + at, example->label_size - at, &code);
        if (!length) return false;
        if (code == wanted) return true;
    }
    return false;
}

/* The candidates as they are chosen among. In double, so that different similarities stay different. */
typedef struct ranking {
    const e2_choice *candidates;
    const bool *shown; /* [n][n_doubts] */
    bool *covered;     /* [n_doubts], by the labels chosen so far */
    const e2_doubt *doubts;
    size_t n_doubts;
    double gate, least, most;
} ranking;

static double value_of(const ranking *r, const e2_choice *candidate, const bool *shown) {
    double text = 0.0, similarity = (double)candidate->similarity;
    for (size_t i = 0; i < r->n_doubts; i++)
        if (shown[i] && !r->covered[i]) text += r->doubts[i].weight;
    double picture = r->most > r->least ? (similarity - r->least) / (r->most - r->least) : 1.0;
    return (1.0 - r->gate) * picture + r->gate * text;
}

static bool better(const e2_choice *a, double value, const e2_choice *b, double than) {
    if (value != than) return value > than;
    if (a->similarity != b->similarity) return a->similarity > b->similarity;
    return a->example->id < b->example->id;
}

/* Moves element `from` to place `to` before it, the others behind it in their order. */
static void move(char *list, size_t size, size_t from, size_t to, char *spare) {
    memcpy(spare, list + from * size, size);
    memmove(list + (to + 1) * size, list + to * size, (from - to) * size);
    memcpy(list + to * size, spare, size);
}

bool e2_doubt_rank(const e2_compute *compute, const e2_doubt *doubts, size_t n_doubts, double gate,
                   e2_choice *candidates, size_t n, size_t k) {
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    bool *shown = e2_arena_alloc(compute->arena, n * n_doubts, sizeof *shown);
    bool *covered = e2_arena_alloc(compute->arena, n_doubts, sizeof *covered);
    bool *spare = e2_arena_alloc(compute->arena, n_doubts, sizeof *spare);
    if (!shown || !covered || !spare) return false;
    ranking r = {.shown = shown, .covered = covered, .doubts = doubts, .n_doubts = n_doubts, .gate = gate};
    memset(covered, 0, n_doubts * sizeof *covered);
    for (size_t i = 0; i < n; i++) {
        double similarity = (double)candidates[i].similarity;
        if (i == 0 || similarity < r.least) r.least = similarity;
        if (i == 0 || similarity > r.most) r.most = similarity;
        for (size_t j = 0; j < n_doubts; j++) shown[i * n_doubts + j] = shows(candidates[i].example, doubts[j].code);
    }
    for (size_t taken = 0; taken < k && taken < n; taken++) {
        size_t best = taken;
        double most = value_of(&r, &candidates[taken], shown + taken * n_doubts);
        for (size_t i = taken + 1; i < n; i++) {
            double value = value_of(&r, &candidates[i], shown + i * n_doubts);
            if (!better(&candidates[i], value, &candidates[best], most)) continue;
            best = i;
            most = value;
        }
        e2_choice moved;
        move((char *)candidates, sizeof *candidates, best, taken, (char *)&moved);
        move((char *)shown, n_doubts * sizeof *shown, best, taken, (char *)spare);
        for (size_t j = 0; j < n_doubts; j++) covered[j] |= shown[taken * n_doubts + j];
    }
    e2_arena_release(compute->arena, mark);
    return true;
}
