/* SPDX-License-Identifier: MIT */
#include "query.h"

#include "gaze.h"

float e2_key_similarity(const e2_compute *compute, const float *key, const e2_example *example) {
    float value;
    compute->kernels->similarity(key, example->key, 1, compute->model->vision.width, &value);
    return value;
}

e2str_status e2_query_choose(const e2_compute *compute, const e2str_pool *pool, const e2str_read_options *options,
                             e2_query *q, e2str_error *error) {
    e2str_status status = E2STR_OK;
    if (!pool || options->prompt) return status;
    if (!options->n_examples && options->nearest && options->k)
        return e2_pool_choose_proposed(compute, pool, q->key, options, q->choices, &q->n_choices, error);
    if (!options->n_examples)
        return e2_pool_choose(compute, pool, q->key, options->k, options->min_similarity, q->choices, &q->n_choices,
                              error);
    status = e2_pool_choose_ids(pool, options->examples, options->n_examples, q->choices, error);
    if (!status) q->n_choices = options->n_examples;
    for (size_t i = 0; i < q->n_choices; i++)
        q->choices[i].similarity = e2_key_similarity(compute, q->key, q->choices[i].example);
    return status;
}

void e2_query_release(e2_query *q) {
    for (size_t i = 0; i < q->n_choices; i++) e2_choice_release(&q->choices[i]);
    q->n_choices = 0;
}

e2str_status e2_query_measure(const e2_compute *compute, e2_query *q, e2str_error *error) {
    q->parts = (e2_sequence_parts){
        .choices = q->choices, .n_choices = q->n_choices, .prefix = q->prefix, .query_tokens = q->n_tokens};
    return e2_sequence_measure(compute->model, &q->parts, &q->size, error);
}

/* How much of the memory a query gets. false: out of memory. */
static bool remember(const e2_compute *compute, const e2str_read_options *options, const e2_query *q,
                     e2_sequence *sequence) {
    float gate = 0.0f;
    if (options->memory && options->memory_everywhere)
        gate = 1.0f;
    else if (options->memory && !e2_memory_gate(compute, options->memory, q->key, &gate))
        return false;
    sequence->remembers = gate > 0.0f;
    sequence->memory_factor = gate > 0.0f ? gate * options->memory_factor * options->memory->strength : 0.0f;
    return true;
}

/* The draft's tokens. false: out of memory. */
static bool take_draft(const e2_compute *compute, const e2_answer *draft, e2_sequence *sequence) {
    if (!draft) return true;
    uint32_t *tokens = e2_arena_alloc(compute->arena, draft->n, sizeof *tokens);
    if (!tokens) return false;
    for (uint32_t i = 0; i < draft->n; i++) tokens[i] = draft->tokens[i].token;
    sequence->draft = tokens;
    sequence->n_draft = draft->n;
    return true;
}

/* Answers n sequences; those of which no text fits the constraint without it. sequences is scratch afterwards. */
static bool search_all(const e2_compute *compute, const e2_media *media, e2_sequence *sequences, size_t n, size_t slots,
                       e2_search_options *options, e2_answer *answers) {
    if (!e2_search(compute, media, sequences, n, slots, options, answers)) return false;
    size_t left = 0;
    for (size_t i = 0; i < n; i++)
        if (answers[i].unmatched) sequences[left++] = sequences[i];
    if (!left) return true;
    e2_answer *fresh = e2_arena_alloc(compute->arena, left, sizeof *fresh);
    options->constraint = NULL;
    if (!fresh || !e2_search(compute, media, sequences, left, slots, options, fresh)) return false;
    for (size_t i = 0; i < n; i++) {
        if (!answers[i].unmatched) continue;
        answers[i] = *fresh++;
        answers[i].unmatched = true;
    }
    return true;
}

static e2_search_options search_of(const e2str_read_options *options, bool drafts_only) {
    return (e2_search_options){.beams = drafts_only ? 1 : options->beams,
                               .max_tokens = options->max_tokens,
                               .n_alternatives = options->alternatives,
                               .memory = options->memory,
                               .constraint = drafts_only ? NULL : options->constraint,
                               .drafts_only = drafts_only};
}

/* Where each answer looked, if that was asked. false: out of memory. */
static bool look_back(const e2_compute *compute, const e2_media *media, const e2_query *queries, size_t n,
                      const e2str_read_options *options, e2_answer *answers) {
    uint32_t image = 0;
    for (size_t i = 0; options->attention && i < n; image += queries[i++].size.images)
        if (!e2_gaze_back(compute, media, &queries[i].parts, image, &answers[i])) return false;
    return true;
}

e2str_status e2_queries_answer(const e2_compute *compute, e2_query *queries, size_t n, const e2str_pool *pool,
                               const e2str_read_options *options, bool drafts_only, e2_answer *answers,
                               e2str_error *error) {
    const e2str_model *model = compute->model;
    e2_search_options search = search_of(options, drafts_only);
    size_t slots = 0, images = 0, visual_tokens = 0;
    for (size_t i = 0; i < n; i++) {
        e2str_status status = e2_query_measure(compute, &queries[i], error);
        if (status) return status;
        slots += e2_search_slots(model, queries[i].size.length, &search);
        images += queries[i].size.images;
        visual_tokens += queries[i].size.visual_tokens;
    }
    e2_media media;
    e2_sequence *sequences = e2_arena_alloc(compute->arena, n, sizeof *sequences);
    bool ok = sequences && slots <= UINT32_MAX && e2_media_new(compute, images, visual_tokens, &media);
    uint32_t slot = 0, image = 0;
    for (size_t i = 0; ok && i < n; i++) {
        const e2_query *q = &queries[i];
        ok = e2_sequence_rows(compute, &q->parts, image, slot, &sequences[i]) &&
             remember(compute, options, q, &sequences[i]) && take_draft(compute, q->draft, &sequences[i]) &&
             e2_sequence_media(compute, &q->parts, pool, q->tokens, &media);
        sequences[i].fused = q->fused;
        slot += (uint32_t)e2_search_slots(model, q->size.length, &search);
        image += q->size.images;
    }
    ok = ok && search_all(compute, &media, sequences, n, slots, &search, answers) &&
         (drafts_only || look_back(compute, &media, queries, n, options, answers));
    if (!ok) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    for (size_t i = 0; i < n; i++)
        if (!answers[i].finite)
            return e2_fail(error, E2STR_ERROR_LIMIT, "what the model makes of the image is not finite");
    return E2STR_OK;
}
