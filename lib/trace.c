/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include <inttypes.h>
#include <stdlib.h>

#include "search.h"
#include "sequence.h"

e2str_status e2_no_room_to_learn(e2str_error *error) {
    return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a pool's memory");
}

uint32_t e2_trace_room(const e2str_model *model) { return e2_sequence_room(model, 2); }

/* One group of examples, as reads are grouped. */
typedef bool group_fn(const e2_compute *compute, const e2_media *media, void *context, size_t first, size_t n);

typedef struct groups {
    const e2_compute *compute;
    const e2str_pool *pool;
    const e2_choice *examples;
    group_fn *run;
    void *context;
    size_t *first; /* [WAVE + 1]: with which example each begins */
    e2str_status *statuses;
    e2str_error *errors;
} groups;

#define WAVE 64 /* groups that threads share among themselves before the next ones are looked at */

static e2str_status add_example(const e2_compute *compute, const e2str_pool *pool, const e2_choice *choice,
                                e2_media *media, e2str_error *error) {
    e2_choice whole;
    e2str_status status = e2_choice_fetch(pool, choice, &whole, error);
    if (status) return status;
    if (whole.example->n_tokens != choice->example->n_tokens) /* there is room for what was listed */
        status = e2_fail(error, E2STR_ERROR_FORMAT, "example %" PRIu64 " is not what it was: its file was changed",
                         whole.example->id);
    else if (!e2_sequence_example(compute, &whole, pool, media))
        status = e2_no_room_to_learn(error);
    e2_choice_release(&whole);
    return status;
}

static e2str_status run_group(const groups *g, const e2_compute *compute, size_t first, size_t end,
                              e2str_error *error) {
    size_t tokens = 0;
    for (size_t i = first; i < end; i++) tokens += g->examples[i].example->n_tokens;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    e2_media media;
    e2str_status status = e2_media_new(compute, end - first, tokens, &media) ? E2STR_OK : e2_no_room_to_learn(error);
    for (size_t i = first; !status && i < end; i++)
        status = add_example(compute, g->pool, &g->examples[i], &media, error);
    if (!status && !g->run(compute, &media, g->context, first, end - first)) status = e2_no_room_to_learn(error);
    e2_arena_release(compute->arena, mark);
    return status;
}

static void run_part(void *context, size_t part, unsigned worker) {
    const groups *g = context;
    g->statuses[part] =
        run_group(g, &g->compute->workers[worker], g->first[part], g->first[part + 1], &g->errors[part]);
}

/* The groups that begin with example g->first[0], at most WAVE. Returns how many. */
static size_t next_groups(const groups *g, size_t n) {
    size_t parts = 0;
    for (size_t end = g->first[0]; parts < WAVE && end < n; g->first[++parts] = end)
        for (size_t tokens = 0;
             end < n && e2_batch_takes(g->compute->model, tokens, g->examples[end].example->n_tokens, E2_BATCH_ROWS);
             end++)
            tokens += g->examples[end].example->n_tokens;
    return parts;
}

/* Groups side by side, each by one thread; one after the other, by all threads, where there are too few, or products
 * are another library's. Each is whole, and its scratch given back, before the next begins. The error is the first
 * group's that failed. */
static e2str_status run_groups(const e2_compute *compute, const e2str_pool *pool, const e2_choice *examples, size_t n,
                               group_fn *run, void *context, e2str_error *error) {
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    groups g = {.compute = compute,
                .pool = pool,
                .examples = examples,
                .run = run,
                .context = context,
                .first = e2_arena_alloc(compute->arena, WAVE + 1, sizeof *g.first),
                .statuses = e2_arena_alloc(compute->arena, WAVE, sizeof *g.statuses),
                .errors = e2_arena_alloc(compute->arena, WAVE, sizeof *g.errors)};
    if (!g.first || !g.statuses || !g.errors) return e2_no_room_to_learn(error);
    e2str_status status = E2STR_OK;
    g.first[0] = 0;
    for (size_t parts; !status && (parts = next_groups(&g, n)); g.first[0] = g.first[parts]) {
        bool shared = compute->workers && !compute->model->blas && parts >= e2_threads_count(compute->threads);
        if (shared) e2_threads_run(compute->threads, parts, run_part, &g);
        for (size_t i = 0; !status && i < parts; i++) {
            if (!shared)
                status = run_group(&g, compute, g.first[i], g.first[i + 1], error);
            else if (g.statuses[i])
                status = e2_fail(error, g.statuses[i], "%s", g.errors[i].message);
        }
    }
    e2_arena_release(compute->arena, mark);
    return status;
}

/* ----------------------------------------------------------------------------------------------------- reading -- */

typedef struct reader {
    e2_search_options search;
    const e2_choice *examples; /* that have no reading yet */
} reader;

static bool read_group(const e2_compute *compute, const e2_media *media, void *context, size_t first, size_t n) {
    const reader *r = context;
    e2_arena *arena = compute->arena;
    e2_sequence *sequences = e2_arena_alloc(arena, n, sizeof *sequences);
    e2_answer *answers = e2_arena_alloc(arena, n, sizeof *answers);
    size_t each = e2_search_slots(compute->model, 2, &r->search);
    if (!sequences || !answers) return false;
    for (size_t i = 0; i < n; i++) {
        const e2_sequence_parts alone = {.query_tokens = r->examples[first + i].example->n_tokens};
        if (!e2_sequence_rows(compute, &alone, (uint32_t)i, (uint32_t)(i * each), &sequences[i])) return false;
    }
    if (!e2_search(compute, media, sequences, n, n * each, &r->search, answers)) return false;
    for (size_t i = 0; i < n; i++) {
        e2_reading *reading = malloc(sizeof *reading + answers[i].n * sizeof *reading->tokens);
        if (!reading) return false;
        reading->n = answers[i].n;
        for (uint32_t j = 0; j < answers[i].n; j++) reading->tokens[j] = answers[i].tokens[j].token;
        e2_example_keep_reading(r->examples[first + i].example, reading);
    }
    return true;
}

e2str_status e2_trace_read(const e2_compute *compute, const e2str_pool *pool, const e2_choice *examples, size_t n,
                           const e2_reading **readings, e2str_error *error) {
    e2_choice *unread = e2_arena_alloc(compute->arena, n, sizeof *unread);
    size_t count = 0;
    if (!unread) return e2_no_room_to_learn(error);
    for (size_t i = 0; i < n; i++)
        if (!atomic_load_explicit(&examples[i].example->reading, memory_order_acquire)) unread[count++] = examples[i];
    reader r = {.search = {.beams = 1, .max_tokens = e2_trace_room(compute->model)}, .examples = unread};
    e2str_status status = run_groups(compute, pool, unread, count, read_group, &r, error);
    for (size_t i = 0; !status && i < n; i++)
        readings[i] = atomic_load_explicit(&examples[i].example->reading, memory_order_acquire);
    return status;
}

/* ---------------------------------------------------------------------------------------------------- features -- */

typedef struct recorder {
    const e2_path *paths;
    const size_t *first; /* [examples]: the step in which each path begins */
    uint16_t *features;
} recorder;

static uint32_t fed(const e2str_model *model, uint32_t symbol) {
    bool fresh = symbol & E2_NEW_CHARACTER;
    return fresh ? e2_tokenizer_stand_in(model->tokenizer, symbol & ~E2_NEW_CHARACTER) : symbol;
}

/* BOS <image> and the path without its end, each row looking at those before it. Returns the rows. */
static uint32_t path_rows(const e2str_model *model, const e2_path *path, uint32_t image, uint32_t *slots,
                          uint32_t first_slot, e2_decoder_row *rows) {
    uint32_t n = path->n + 1;
    for (uint32_t i = 0; i < n; i++) {
        slots[i] = first_slot + i;
        uint32_t token = i == 0   ? e2_tokenizer_bos(model->tokenizer)
                         : i == 1 ? e2_tokenizer_image(model->tokenizer)
                                  : fed(model, path->steps[i - 2].symbol);
        rows[i] = (e2_decoder_row){.token = token,
                                   .position = i, /* of the first segment, with and without a stride */
                                   .first_image = image,
                                   .images = i > 0,
                                   .slot = first_slot + i,
                                   .context = slots,
                                   .n_context = i + 1};
    }
    return n;
}

static bool record_group(const e2_compute *compute, const e2_media *media, void *context, size_t first, size_t n) {
    const recorder *r = context;
    const e2str_model *model = compute->model;
    size_t width = model->decoder.width, inner = model->decoder.attended_width, f = model->memory.features, total = 0;
    for (size_t i = 0; i < n; i++) total += r->paths[first + i].n + 1;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    e2_kv_cache cache;
    e2_decoder_row *rows = e2_arena_alloc(compute->arena, total, sizeof *rows);
    uint32_t *slots = e2_arena_alloc(compute->arena, total, sizeof *slots);
    float *hidden = e2_arena_floats(compute->arena, total * width), *phi = e2_arena_floats(compute->arena, f);
    float *attended = e2_arena_floats(compute->arena, total * inner);
    if (!rows || !slots || !hidden || !attended || !phi || !e2_kv_cache_new(compute, total, &cache)) return false;
    for (size_t i = 0, at = 0; i < n; i++)
        at += path_rows(model, &r->paths[first + i], (uint32_t)i, slots + at, (uint32_t)at, rows + at);
    if (!e2_decode(compute, media, &cache, rows, total, hidden, attended)) return false;
    uint16_t *features = r->features + r->first[first] * f;
    for (size_t row = 0; row < total; row++) {
        if (!rows[row].images) continue; /* BOS: nothing is written after it */
        e2_features_fill(model, hidden + row * width, attended + row * inner, 1, phi);
        for (size_t i = 0; i < f; i++) *features++ = e2_f32_to_f16(phi[i]);
    }
    e2_arena_release(compute->arena, mark);
    return true;
}

e2str_status e2_trace_features(const e2_compute *compute, const e2str_pool *pool, const e2_choice *examples, size_t n,
                               const e2_path *paths, uint16_t *features, e2str_error *error) {
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    size_t *first_step = e2_arena_alloc(compute->arena, n, sizeof *first_step), steps = 0;
    if (!first_step) return e2_no_room_to_learn(error);
    for (size_t i = 0; i < n; steps += paths[i++].n) first_step[i] = steps;
    recorder r = {paths, first_step, features};
    e2str_status status = run_groups(compute, pool, examples, n, record_group, &r, error);
    e2_arena_release(compute->arena, mark);
    return status;
}
