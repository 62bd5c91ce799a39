/* SPDX-License-Identifier: MIT */
#include "lesson.h"

#include <math.h>
#include <string.h>

#include "decoder.h"
#include "sorted.h"

e2str_status e2_lesson_read(const e2_compute *compute, const e2str_pool *pool, const e2_choice *examples, size_t n,
                            e2_lesson *lesson, e2str_error *error) {
    e2_arena *arena = compute->arena;
    *lesson = (e2_lesson){.examples = examples, .n = n};
    lesson->readings = e2_arena_alloc(arena, n, sizeof *lesson->readings);
    lesson->alignments = e2_arena_alloc(arena, n, sizeof *lesson->alignments);
    if (!lesson->readings || !lesson->alignments) return e2_no_room_to_learn(error);
    e2str_status status = e2_trace_read(compute, pool, examples, n, lesson->readings, error);
    bool ok = true;
    if (status) return status;
    for (size_t i = 0; ok && i < n; i++)
        ok = e2_align(arena, compute->model, lesson->readings[i]->tokens, lesson->readings[i]->n, examples[i].example,
                      &lesson->alignments[i]);
    return ok ? E2STR_OK : e2_no_room_to_learn(error);
}

/* ------------------------------------------------------------------------------------------------------- paths -- */

static bool make_paths(const e2_compute *compute, e2_lesson *lesson) {
    e2_arena *arena = compute->arena;
    size_t most = e2_trace_room(compute->model);
    lesson->paths = e2_arena_alloc(arena, lesson->n, sizeof *lesson->paths);
    lesson->first = e2_arena_alloc(arena, lesson->n + 1, sizeof *lesson->first);
    if (!lesson->paths || !lesson->first) return false;
    e2_conventions *conventions = &lesson->conventions;
    if (!e2_silent_tokens(arena, compute->model, lesson->alignments, lesson->n, &conventions->silent,
                          &conventions->n_silent))
        return false;
    conventions->letters = e2_case_of_labels(compute->model, lesson->alignments, lesson->n);
    lesson->first[0] = 0;
    for (size_t i = 0; i < lesson->n; i++) {
        if (!e2_path_make(arena, compute->model, &lesson->alignments[i], lesson->examples[i].example, conventions,
                          (uint32_t)most, &lesson->paths[i]))
            return false;
        lesson->first[i + 1] = lesson->first[i] + lesson->paths[i].n;
    }
    return true;
}

/* ----------------------------------------------------------------------------------------------------- columns -- */

/* Puts a symbol into an ascending list that has room; false when the room is gone. */
static bool insert(uint32_t *list, uint32_t *n, uint32_t room, uint32_t symbol) {
    uint32_t at = e2_lower_bound(list, *n, symbol);
    if (at < *n && list[at] == symbol) return true;
    if (*n == room) return false;
    memmove(list + at + 1, list + at, (*n - at) * sizeof *list);
    list[at] = symbol;
    ++*n;
    return true;
}

/* Tokens come before new characters, as E2_NEW_CHARACTER is the highest bit. */
static e2str_status make_columns(const e2_compute *compute, e2_lesson *lesson, e2str_error *error) {
    const e2str_model *model = compute->model;
    size_t steps = e2_lesson_steps(lesson);
    uint32_t room = model->decoder.vocabulary + E2_MAX_NEW_CHARACTERS, n = 0;
    if (steps < room) room = (uint32_t)steps;
    uint32_t *symbols = e2_arena_alloc(compute->arena, room, sizeof *symbols);
    lesson->targets = e2_arena_alloc(compute->arena, steps, sizeof *lesson->targets);
    lesson->characters = e2_arena_alloc(compute->arena, E2_MAX_NEW_CHARACTERS, sizeof *lesson->characters);
    if (!symbols || !lesson->targets || !lesson->characters) return e2_no_room_to_learn(error);
    bool fits = true;
    for (size_t i = 0; i < lesson->n; i++)
        for (uint32_t j = 0; j < lesson->paths[i].n; j++)
            fits &= insert(symbols, &n, room, lesson->paths[i].steps[j].symbol);
    lesson->n_tokens = e2_lower_bound(symbols, n, E2_NEW_CHARACTER);
    lesson->n_new = n - lesson->n_tokens;
    if (!fits || lesson->n_new > E2_MAX_NEW_CHARACTERS)
        return e2_fail(error, E2STR_ERROR_LIMIT,
                       "the labels hold more than %d characters that the model has no token for",
                       E2_MAX_NEW_CHARACTERS);
    lesson->tokens = symbols;
    for (uint32_t i = 0; i < lesson->n_new; i++) {
        uint32_t code = symbols[lesson->n_tokens + i] & ~E2_NEW_CHARACTER;
        lesson->characters[i] = (e2_new_character){code, e2_tokenizer_stand_in(model->tokenizer, code)};
    }
    for (size_t i = 0, step = 0; i < lesson->n; i++)
        for (uint32_t j = 0; j < lesson->paths[i].n; j++)
            lesson->targets[step++] = e2_lower_bound(symbols, n, lesson->paths[i].steps[j].symbol);
    return E2STR_OK;
}

/* ------------------------------------------------------------------------------------------------------ logits -- */

/* Takes the columns out of one row of logits; the others are summed up. A new character's logit is 0. */
static void split_logits(const e2str_model *model, e2_lesson *lesson, size_t step, float *all) {
    size_t columns = e2_lesson_columns(lesson);
    float *own = lesson->logits + step * columns, peak = -INFINITY;
    all[e2_tokenizer_image(model->tokenizer)] = -INFINITY; /* never written */
    for (size_t c = 0; c < columns; c++) own[c] = c < lesson->n_tokens ? all[lesson->tokens[c]] : 0.0f;
    for (size_t c = 0; c < lesson->n_tokens; c++) all[lesson->tokens[c]] = -INFINITY;
    for (size_t i = 0; i < model->decoder.vocabulary; i++) peak = all[i] > peak ? all[i] : peak;
    double sum = 0.0;
    for (size_t i = 0; peak > -INFINITY && i < model->decoder.vocabulary; i++)
        sum += exp((double)all[i] - (double)peak);
    lesson->rest_peak[step] = peak;
    lesson->rest[step] = peak > -INFINITY ? (float)(peak + log(sum)) : -INFINITY;
}

#define ROWS 256 /* logits of so many steps are held at a time: a vocabulary may be large */

static bool make_logits(const e2_compute *compute, e2_lesson *lesson) {
    const e2str_model *model = compute->model;
    size_t steps = e2_lesson_steps(lesson), width = model->decoder.width, f = model->memory.features;
    size_t vocabulary = model->decoder.vocabulary;
    lesson->logits = e2_arena_floats(compute->arena, steps * e2_lesson_columns(lesson));
    lesson->rest = e2_arena_floats(compute->arena, steps);
    lesson->rest_peak = e2_arena_floats(compute->arena, steps);
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *hidden = e2_arena_floats(compute->arena, ROWS * width);
    float *all = e2_arena_floats(compute->arena, ROWS * vocabulary);
    if (!lesson->logits || !lesson->rest || !lesson->rest_peak || !hidden || !all) return false;
    for (size_t first = 0; first < steps; first += ROWS) {
        size_t n = steps - first < ROWS ? steps - first : ROWS;
        for (size_t r = 0; r < n; r++)
            for (size_t i = 0; i < width; i++)
                hidden[r * width + i] =
                    e2_f16_to_f32(lesson->features[(first + r) * f + i]) * model->memory.hidden_scale;
        if (!e2_logits(compute, hidden, n, all)) return false;
        for (size_t r = 0; r < n; r++) split_logits(model, lesson, first + r, all + r * vocabulary);
    }
    e2_arena_release(compute->arena, mark);
    return true;
}

e2str_status e2_lesson_lay_out(const e2_compute *compute, e2_lesson *lesson, e2str_error *error) {
    return make_paths(compute, lesson) ? make_columns(compute, lesson, error) : e2_no_room_to_learn(error);
}

e2str_status e2_lesson_run(const e2_compute *compute, const e2str_pool *pool, e2_lesson *lesson, e2str_error *error) {
    size_t values;
    if (!e2_mul(e2_lesson_steps(lesson), compute->model->memory.features, &values)) return e2_no_room_to_learn(error);
    lesson->features = e2_arena_alloc(compute->arena, values, sizeof *lesson->features);
    if (!lesson->features) return e2_no_room_to_learn(error);
    e2str_status status =
        e2_trace_features(compute, pool, lesson->examples, lesson->n, lesson->paths, lesson->features, error);
    if (status) return status;
    return make_logits(compute, lesson) ? E2STR_OK : e2_no_room_to_learn(error);
}

/* Example `from` becomes example `to`, which is not behind it. */
static void move_example(size_t from, size_t to, e2_lesson *lesson) {
    size_t at = lesson->first[from], n = lesson->first[from + 1] - at, place = lesson->first[to];
    lesson->readings[to] = lesson->readings[from];
    lesson->alignments[to] = lesson->alignments[from];
    lesson->paths[to] = lesson->paths[from];
    memmove(lesson->targets + place, lesson->targets + at, n * sizeof *lesson->targets);
    lesson->first[to + 1] = place + n;
}

bool e2_lesson_keep(const e2_compute *compute, float *weight, e2_lesson *lesson) {
    e2_choice *examples = e2_arena_alloc(compute->arena, lesson->n, sizeof *examples);
    size_t kept = 0;
    if (!examples) return false;
    for (size_t i = 0; i < lesson->n; i++) {
        if (weight[i] == 0.0f) continue;
        examples[kept] = lesson->examples[i];
        weight[kept] = weight[i];
        move_example(i, kept++, lesson); /* `first` beyond `kept` is still as it was */
    }
    lesson->examples = examples;
    lesson->n = kept;
    return true;
}
