/* SPDX-License-Identifier: MIT */
#include "thin.h"

#include <math.h>
#include <string.h>

#include "decoder.h"

/* --------------------------------------------------------------------------------------------- how it is read -- */

/* What an example's loss is the loss of: its path, and how many characters there are beside the model's. Never 0. */
static uint32_t name_of(const e2_lesson *lesson, const e2_path *path) {
    uint64_t hash = lesson->n_new;
    for (uint32_t i = 0; i < path->n; i++) hash = (hash ^ path->steps[i].symbol) * 0x9e3779b97f4a7c15ull ^ hash >> 29;
    return (uint32_t)(hash >> 32) | 1u;
}

static bool known_loss(const e2_example *example, uint32_t name, float *loss) {
    uint64_t known = atomic_load_explicit(&example->judged, memory_order_relaxed);
    uint32_t bits = (uint32_t)known;
    if (known >> 32 != name) return false;
    memcpy(loss, &bits, sizeof *loss);
    return true;
}

static void keep_loss(e2_example *example, uint32_t name, float loss) {
    uint32_t bits;
    memcpy(&bits, &loss, sizeof bits);
    atomic_store_explicit(&example->judged, (uint64_t)name << 32 | bits, memory_order_relaxed);
}

/* -log of the share of exp(logit of the symbol) in the sum over the vocabulary and the new characters, whose logits are
 * 0. It does not depend on what other examples write. */
static double loss_of(const e2str_model *model, uint32_t n_new, const float *logits, uint32_t symbol) {
    uint32_t image = e2_tokenizer_image(model->tokenizer);
    double peak = n_new ? 0.0 : -INFINITY, sum;
    for (uint32_t i = 0; i < model->decoder.vocabulary; i++)
        if (i != image && logits[i] > peak) peak = logits[i];
    sum = n_new ? n_new * exp(-peak) : 0.0;
    for (uint32_t i = 0; i < model->decoder.vocabulary; i++)
        if (i != image) sum += exp((double)logits[i] - peak);
    return peak + log(sum) - (symbol & E2_NEW_CHARACTER ? 0.0 : (double)logits[symbol]);
}

#define ROWS 1024 /* steps that are looked at together */

/* Examples whose loss is asked for. */
typedef struct some {
    e2_choice *examples;
    e2_path *paths;
    float **losses; /* where each is wanted */
    size_t n, steps;
} some;

static e2str_status judge(const e2_compute *compute, const e2str_pool *pool, const e2_lesson *lesson, some *s,
                          e2str_error *error) {
    const e2str_model *model = compute->model;
    size_t f = model->memory.features, width = model->decoder.width, values;
    if (!s->n) return E2STR_OK;
    if (!e2_mul(s->steps, f, &values)) return e2_no_room_to_learn(error);
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    uint16_t *features = e2_arena_alloc(compute->arena, values, sizeof *features);
    float *hidden = e2_arena_floats(compute->arena, s->steps * width);
    float *logits = e2_arena_floats(compute->arena, s->steps * model->decoder.vocabulary), *row = logits;
    if (!features || !hidden || !logits) return e2_no_room_to_learn(error);
    e2str_status status = e2_trace_features(compute, pool, s->examples, s->n, s->paths, features, error);
    if (status) return status;
    for (size_t i = 0; i < s->steps * width; i++)
        hidden[i] = e2_f16_to_f32(features[i / width * f + i % width]) * model->memory.hidden_scale;
    if (!e2_logits(compute, hidden, s->steps, logits)) return e2_no_room_to_learn(error);
    for (size_t i = 0; i < s->n; i++) {
        double sum = 0.0;
        for (uint32_t j = 0; j < s->paths[i].n; j++, row += model->decoder.vocabulary)
            sum += loss_of(model, lesson->n_new, row, s->paths[i].steps[j].symbol);
        *s->losses[i] = (float)(sum / s->paths[i].n);
        keep_loss(s->examples[i].example, name_of(lesson, &s->paths[i]), *s->losses[i]);
    }
    e2_arena_release(compute->arena, mark);
    s->n = s->steps = 0;
    return E2STR_OK;
}

/* loss [n]: an example's mean over its steps, by the model alone. */
static e2str_status find_losses(const e2_compute *compute, const e2str_pool *pool, const e2_lesson *lesson, float *loss,
                                e2str_error *error) {
    e2str_status status = E2STR_OK;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    some s = {.examples = e2_arena_alloc(compute->arena, ROWS, sizeof *s.examples),
              .paths = e2_arena_alloc(compute->arena, ROWS, sizeof *s.paths),
              .losses = e2_arena_alloc(compute->arena, ROWS, sizeof *s.losses)};
    if (!s.examples || !s.paths || !s.losses) return e2_no_room_to_learn(error);
    for (size_t i = 0; !status && i < lesson->n; i++) {
        if (known_loss(lesson->examples[i].example, name_of(lesson, &lesson->paths[i]), &loss[i])) continue;
        if (s.n && s.steps + lesson->paths[i].n > ROWS) status = judge(compute, pool, lesson, &s, error);
        s.examples[s.n] = lesson->examples[i];
        s.losses[s.n] = &loss[i];
        s.paths[s.n++] = lesson->paths[i];
        s.steps += lesson->paths[i].n;
    }
    if (!status) status = judge(compute, pool, lesson, &s, error);
    if (!status) e2_arena_release(compute->arena, mark);
    return status;
}

/* -------------------------------------------------------------------------------------------------- the choice -- */

static size_t steps_of(const e2_lesson *lesson, size_t example) {
    return lesson->first[example + 1] - lesson->first[example];
}

#define CARRIERS 32 /* examples that a symbol keeps, if it has so many and room allows */

/* Whether step `at` of an example is the first with its symbol there. */
static bool is_first(const e2_lesson *lesson, size_t example, size_t at) {
    for (size_t i = lesson->first[example]; i < at; i++)
        if (lesson->targets[i] == lesson->targets[at]) return false;
    return true;
}

/* Marks `quota` examples of each symbol that is in more than `quota`, spread over them, all of the others, but none of
 * symbols that are in `common` or more. Returns their steps. carriers: examples of each; met: scratch [columns]. */
static size_t mark_rare(const e2_lesson *lesson, const size_t *carriers, size_t *met, size_t quota, size_t common,
                        float *stands) {
    size_t steps = 0;
    memset(met, 0, e2_lesson_columns(lesson) * sizeof *met);
    for (size_t i = 0; i < lesson->n; i++) {
        bool rare = false;
        for (size_t at = lesson->first[i]; at < lesson->first[i + 1]; at++) {
            size_t c = lesson->targets[at], all = carriers[c], place;
            if (all >= common || !is_first(lesson, i, at)) continue;
            place = met[c]++;
            rare |= all <= quota || place * quota / all != (place + 1) * quota / all;
        }
        stands[i] = rare ? 1.0f : 0.0f;
        steps += rare ? steps_of(lesson, i) : 0;
    }
    return steps;
}

/* Examples of symbols of which the choice by loss would leave few; at most a quarter of the room. false: out of
 * memory. */
static bool keep_rare(const e2_compute *compute, const e2_lesson *lesson, float *stands, size_t *steps) {
    size_t columns = e2_lesson_columns(lesson), all = e2_lesson_steps(lesson), quota = CARRIERS;
    size_t *carriers = e2_arena_alloc(compute->arena, columns, sizeof *carriers);
    size_t *met = e2_arena_alloc(compute->arena, columns, sizeof *met);
    if (!carriers || !met) return false;
    memset(carriers, 0, columns * sizeof *carriers);
    for (size_t i = 0; i < lesson->n; i++)
        for (size_t at = lesson->first[i]; at < lesson->first[i + 1]; at++)
            carriers[lesson->targets[at]] += is_first(lesson, i, at);
    for (*steps = SIZE_MAX; quota; quota /= 2) { /* common: as many as leave `quota` where steps become MAX_ROWS */
        *steps = mark_rare(lesson, carriers, met, quota, quota * (all / E2_MEMORY_MAX_ROWS + 1), stands);
        if (*steps <= E2_MEMORY_MAX_ROWS / 4) return true;
    }
    *steps = 0;
    memset(stands, 0, lesson->n * sizeof *stands);
    return true;
}

/* Of those that are not kept yet, as e2_memory_choose, with at most `room` steps. */
static bool keep_by_loss(const e2_compute *compute, const e2_lesson *lesson, const float *loss, size_t room,
                         float *stands) {
    size_t n = 0, steps = 0, limit;
    size_t *which = e2_arena_alloc(compute->arena, lesson->n, sizeof *which);
    float *left = e2_arena_floats(compute->arena, lesson->n), *weight = e2_arena_floats(compute->arena, lesson->n);
    if (!which || !left || !weight) return false;
    for (size_t i = 0; i < lesson->n; i++) {
        if (stands[i] > 0.0f) continue;
        which[n] = i;
        left[n++] = loss[i];
        steps += steps_of(lesson, i);
    }
    for (limit = n; steps > room && limit > 1;) {
        limit = (size_t)((double)limit * (double)room / (double)steps * 15 / 16);
        if (!limit) limit = 1;
        if (!e2_memory_choose(left, n, limit, weight)) return false;
        steps = 0;
        for (size_t i = 0; i < n; i++) steps += weight[i] > 0.0f ? steps_of(lesson, which[i]) : 0;
    }
    for (size_t i = 0; i < n; i++) stands[which[i]] = limit == n ? 1.0f : weight[i];
    return true;
}

e2str_status e2_thin(const e2_compute *compute, const e2str_pool *pool, e2_lesson *lesson, float **stands,
                     e2str_error *error) {
    size_t rare;
    float *weight = *stands = e2_arena_floats(compute->arena, lesson->n);
    if (!weight) return e2_no_room_to_learn(error);
    for (size_t i = 0; i < lesson->n; i++) weight[i] = 1.0f;
    if (e2_lesson_steps(lesson) <= E2_MEMORY_MAX_ROWS) return E2STR_OK;
    float *loss = e2_arena_floats(compute->arena, lesson->n);
    if (!loss) return e2_no_room_to_learn(error);
    e2str_status status = find_losses(compute, pool, lesson, loss, error);
    if (status) return status;
    bool ok = keep_rare(compute, lesson, weight, &rare) &&
              keep_by_loss(compute, lesson, loss, E2_MEMORY_MAX_ROWS - rare, weight) &&
              e2_lesson_keep(compute, weight, lesson);
    return ok ? E2STR_OK : e2_no_room_to_learn(error);
}
