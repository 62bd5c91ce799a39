/* SPDX-License-Identifier: MIT */
/*
 * The second look. The first reading says between which characters it hesitates; examples that show them stand before
 * the picture the second time, and states of the second decoding are fused with the picture where the model has that.
 * Two readings that differ are weighed under both conditions, so that neither is judged by its own examples alone.
 */
#include "second_look.h"

#include <stdlib.h>
#include <string.h>

#include "confidence.h"
#include "fusion.h"

/* ---- what to look with ---- */

/* Whether a text is what an answer shows. */
static bool is_text(const e2str_model *model, const e2_answer *answer, const char *text, size_t size) {
    char buffer[4];
    for (uint32_t i = 0; i < answer->n; i++) {
        e2_string shown = e2_memory_shown(model, answer->memory, answer->tokens[i].token, buffer);
        if (shown.size > size || memcmp(shown.data, text, shown.size) != 0) return false;
        text += shown.size;
        size -= shown.size;
    }
    return size == 0;
}

/* Leaves out examples that are labelled with the first reading. Were it right, there would be nothing to change; were
 * it wrong, they could only confirm it. */
static void leave_out_confirming(const e2str_model *model, const e2_answer *answer, e2_query *q) {
    size_t kept = 0;
    for (size_t i = 0; i < q->n_choices; i++) {
        e2_choice choice = q->choices[i];
        if (is_text(model, answer, choice.example->label, choice.example->label_size))
            e2_choice_release(&choice);
        else
            q->choices[kept++] = choice;
    }
    q->n_choices = kept;
}

static void keep_first(e2_query *q, size_t n) {
    while (q->n_choices > n) e2_choice_release(&q->choices[--q->n_choices]);
}

static e2str_status choose(const e2_compute *compute, e2_look *look, const e2str_pool *pool,
                           const e2str_read_options *options, e2str_error *error) {
    e2_query *q = &look->second;
    e2_doubt *doubts;
    size_t n, k = options->k ? options->k : E2_SECOND_EXAMPLES;
    e2str_status status = e2_pool_choose(compute, pool, q->key, E2STR_MAX_EXAMPLES, options->min_similarity, q->choices,
                                         &q->n_choices, error);
    if (status) return status;
    leave_out_confirming(compute->model, look->answer, q);
    keep_first(q, k > E2_DOUBT_CANDIDATES ? k : E2_DOUBT_CANDIDATES);
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    bool ok = e2_doubts_of(compute, look->answer, &doubts, &n);
    double gate = ok ? e2_doubt_gate(look->answer, e2_answer_score(look->answer), n) : 0.0;
    ok = ok && e2_doubt_rank(compute, doubts, n, gate, q->choices, q->n_choices, k);
    e2_arena_release(compute->arena, mark);
    if (!ok) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    keep_first(q, k);
    while (q->n_choices && e2_query_measure(compute, q, NULL)) keep_first(q, q->n_choices - 1);
    return E2STR_OK;
}

/* Whether an example that stood before the first reading is labelled with it: two pictures that look alike and a
 * decoder say the same then. Without that example, as a second look would be, the text has lost its best witness. */
static bool is_confirmed(const e2str_model *model, const e2_query *first, const e2_answer *answer) {
    bool found = false;
    for (size_t i = 0; !found && i < first->n_choices; i++) {
        const e2_example *example = first->choices[i].example;
        found = is_text(model, answer, example->label, example->label_size);
    }
    return found;
}

static bool same_examples(const e2_query *a, const e2_query *b) {
    bool same = a->n_choices == b->n_choices;
    for (size_t i = 0; same && i < a->n_choices; i++) same = a->choices[i].example == b->choices[i].example;
    return same;
}

/* The picture in the fusion block. false: out of memory. */
static bool fuse(const e2_compute *compute, e2_query *q) {
    if (!e2_has_fusion(compute->model)) return true;
    float *key_values = e2_arena_floats(compute->arena, 2 * (size_t)q->n_tokens * compute->model->decoder.width);
    q->fused = key_values;
    return key_values && e2_fusion_project(compute, q->tokens, q->n_tokens, key_values);
}

static e2str_status prepare(const e2_compute *compute, e2_look *look, const e2str_pool *pool,
                            const e2str_read_options *options, e2str_error *error) {
    const e2_query *first = look->first;
    look->second = (e2_query){.choices = look->second.choices,
                              .tokens = first->tokens,
                              .key = first->key,
                              .n_tokens = first->n_tokens,
                              .draft = look->answer};
    if (is_confirmed(compute->model, first, look->answer)) return E2STR_OK;
    e2str_status status = pool ? choose(compute, look, pool, options, error) : E2STR_OK;
    if (!status && !fuse(compute, &look->second))
        status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    look->looked = !status && (!same_examples(first, &look->second) || look->second.fused);
    return status;
}

/* ---- which is better ---- */

static bool same_tokens(const e2_answer *a, const e2_answer *b) {
    bool same = a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++) same = a->tokens[i].token == b->tokens[i].token;
    return same;
}

/* Of a look that was taken. */
static bool can_replace(const e2_look *look) {
    const e2_answer *other = &look->other;
    return other->ended && !other->unmatched && other->draft_whole && !same_tokens(look->answer, other);
}

/* The probabilities of both texts under both conditions, of which only the second's under the first is not known. */
static e2str_status weigh(const e2_compute *compute, e2_look **open, size_t n, const e2str_pool *pool,
                          const e2str_read_options *options, e2str_error *error) {
    e2_query *queries = e2_arena_alloc(compute->arena, n, sizeof *queries);
    e2_answer *answers = e2_arena_alloc(compute->arena, n, sizeof *answers);
    if (!queries || !answers) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    for (size_t i = 0; i < n; i++) {
        queries[i] = *open[i]->first;
        queries[i].draft = &open[i]->other;
    }
    e2str_status status = n ? e2_queries_answer(compute, queries, n, pool, options, true, answers, error) : E2STR_OK;
    for (size_t i = 0; !status && i < n; i++) {
        e2_look *look = open[i];
        double first = e2_answer_log_probability(look->answer) + look->other.draft_log_probability;
        double second = answers[i].draft_log_probability + e2_answer_log_probability(&look->other);
        look->changed = answers[i].draft_whole && second > first;
    }
    return status;
}

e2str_status e2_look_again(const e2_compute *compute, e2_look *looks, size_t n, const e2str_pool *pool,
                           const e2str_read_options *options, e2str_error *error) {
    e2str_status status = E2STR_OK;
    e2_query *queries = e2_arena_alloc(compute->arena, n, sizeof *queries);
    e2_answer *answers = e2_arena_alloc(compute->arena, n, sizeof *answers);
    e2_look **open = e2_arena_alloc(compute->arena, n, sizeof *open);
    if (!queries || !answers || !open) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    size_t looked = 0, differ = 0;
    for (size_t i = 0; !status && i < n; i++) {
        status = prepare(compute, &looks[i], pool, options, error);
        if (looks[i].looked) queries[looked++] = looks[i].second;
    }
    if (!status && looked) status = e2_queries_answer(compute, queries, looked, pool, options, false, answers, error);
    for (size_t i = 0; !status && i < n; i++) {
        if (!looks[i].looked) continue;
        looks[i].other = *answers++;
        if (can_replace(&looks[i])) open[differ++] = &looks[i];
    }
    return status ? status : weigh(compute, open, differ, pool, options, error);
}
