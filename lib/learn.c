/* SPDX-License-Identifier: MIT */
/* Learning a pool's memory: gather the steps of its examples, leave out labels that contradict their pictures, let
 * held-out reads decide whether it is used, solve, keep. Everything depends on the examples in the order of their ids
 * only. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"
#include "thin.h"

/* docs/in-context.md has what was measured for these. */
#define MIN_CHECK   8     /* examples; fewer say nothing of labels that are wrong ... */
#define MIN_DECIDE  30    /* ... and, below this, nothing of whether a memory helps: it is taken to */
#define MANY        300   /* examples, from which on two folds do */
#define GENTLY      0.25f /* A memory is used, and all of it, unless this share of it already harms its examples, ... */
#define TOLERATED   1.03 /* ... which is a loss above this times the loss without. By convexity more of it harms more */
#define WRONG_SHARE 0.5  /* of a word's steps that neither reading writes as the label says ... */
#define WRONG_LOSS  2.5  /* ... and the mean loss of both, above which a label is left out */
#define CHECK_GAP   1e-3f
#define LEARN_GAP   1e-4f

static const e2str_learn_options default_options = {.size = sizeof default_options, .strength = E2STR_STRENGTH_CHECKED};

void e2str_learn_options_init_size(e2str_learn_options *options, size_t size) {
    e2_options_init(options, size, &default_options);
}

void e2str_memory_report_init_size(e2str_memory_report *report, size_t size) {
    e2_options_init(report, size, &(const e2str_memory_report){.size = sizeof *report});
}

/* How an example is read, along its path: steps that write something else, and the mean loss of all. */
typedef struct reading {
    size_t wrong;
    double loss;
} reading;

typedef struct student {
    const e2_compute *compute;
    const e2str_pool *pool;
    e2_lesson lesson;
    e2_memory_problem *problem;
    float *stands;   /* [examples]: for how many */
    bool *kept;      /* [examples]: not doubtful */
    float *weight;   /* [steps]: what is learnt from at the moment */
    float *loss;     /* [steps] */
    uint32_t *best;  /* [steps]: columns written */
    reading *alone;  /* [examples]: by the model */
    reading *others; /* [examples]: with the memory of other folds */
    reading *gently; /* [examples]: with a share of it */
    e2str_memory_report report;
} student;

/* ------------------------------------------------------------------------------------------------------ solving -- */

static e2str_status make_problem(student *s, e2str_error *error) {
    const e2_lesson *lesson = &s->lesson;
    size_t steps = e2_lesson_steps(lesson), f = s->compute->model->memory.features;
    e2_arena_mark mark = e2_arena_begin(s->compute->arena);
    float *features = e2_arena_floats(s->compute->arena, steps * f);
    if (!features) return e2_no_room_to_learn(error);
    for (size_t i = 0; i < steps * f; i++) features[i] = e2_f16_to_f32(lesson->features[i]);
    e2_memory_rows rows = {.count = steps,
                           .width = f,
                           .columns = e2_lesson_columns(lesson),
                           .features = features,
                           .logits = lesson->logits,
                           .rest = lesson->rest,
                           .rest_peak = lesson->rest_peak,
                           .target = lesson->targets};
    e2str_status status =
        e2_memory_problem_new(s->compute, &rows, &s->compute->model->memory.whitening, &s->problem, error);
    e2_arena_release(s->compute->arena, mark);
    if (status == E2STR_ERROR_ARGUMENT) /* no argument of the caller's, but the model's own numbers */
        status = e2_fail(error, E2STR_ERROR_LIMIT, "what the model makes of the examples is not finite");
    return status;
}

/* Learns from the kept examples outside fold `out` of `folds` (out = folds: from all). */
static e2str_status solve(student *s, size_t folds, size_t out, float tolerance, e2_memory_solution **solution,
                          e2str_error *error) {
    e2_memory_options options = E2_MEMORY_DEFAULTS;
    options.strength = s->compute->model->memory.strength;
    options.tolerance = tolerance;
    for (size_t i = 0; i < s->lesson.n; i++)
        for (size_t step = s->lesson.first[i]; step < s->lesson.first[i + 1]; step++)
            s->weight[step] = s->kept[i] && i % folds != out ? s->stands[i] : 0.0f;
    return e2_memory_learn(s->compute, s->problem, s->weight, &options, solution, error);
}

/* ----------------------------------------------------------------------------------------------------- checking -- */

static size_t steps_of(const student *s, size_t example) {
    return s->lesson.first[example + 1] - s->lesson.first[example];
}

/* A greedy read writes the path exactly when each of its steps does, so no decoding is needed. */
static reading read_example(const student *s, size_t example) {
    reading found = {0, 0.0};
    for (size_t step = s->lesson.first[example]; step < s->lesson.first[example + 1]; step++) {
        found.wrong += s->best[step] != s->lesson.targets[step];
        found.loss += (double)s->loss[step];
    }
    found.loss /= (double)steps_of(s, example);
    return found;
}

/* Reads the examples of fold `out` of `folds` with a share of what was learnt. false: out of memory. */
static bool read_fold(const student *s, const e2_memory_solution *solution, float share, size_t folds, size_t out,
                      reading *readings) {
    if (!e2_memory_score(s->compute, s->problem, solution, share, s->loss, s->best)) return false;
    for (size_t i = out; i < s->lesson.n; i += folds) readings[i] = read_example(s, i);
    return true;
}

/* Reads each example alone and with the memory of the folds that it is not in. */
static e2str_status read_held_out(student *s, e2str_error *error) {
    size_t folds = s->lesson.n < MANY ? 4 : 2;
    if (!read_fold(s, NULL, 0.0f, 1, 0, s->alone)) return e2_no_room_to_learn(error);
    for (size_t out = 0; out < folds; out++) {
        e2_memory_solution *solution = NULL;
        e2str_status status = solve(s, folds, out, CHECK_GAP, &solution, error);
        if (status) return status;
        bool ok = read_fold(s, solution, 1.0f, folds, out, s->others) &&
                  read_fold(s, solution, GENTLY, folds, out, s->gently);
        e2_memory_solution_free(solution);
        if (!ok) return e2_no_room_to_learn(error);
    }
    return E2STR_OK;
}

/* By the model alone or by all of the memory, whichever is nearer to the label. */
static double least_loss(const student *s, size_t i) { return fmin(s->alone[i].loss, s->others[i].loss); }

static bool is_doubtful(const student *s, size_t i) {
    size_t alone = s->alone[i].wrong, with = s->others[i].wrong, wrong = alone < with ? alone : with;
    return (double)wrong > WRONG_SHARE * (double)steps_of(s, i) && least_loss(s, i) > WRONG_LOSS;
}

/* Wrong labels spoil the memory that is to find them: so once more without those of the first round. */
static e2str_status check(student *s, bool keep_doubtful, e2str_error *error) {
    for (int round = 0, found = 1; round < 2 && found; round++) {
        e2str_status status = read_held_out(s, error);
        if (status) return status;
        found = 0;
        for (size_t i = 0; i < s->lesson.n; i++) {
            s->kept[i] = keep_doubtful || !is_doubtful(s, i);
            found |= !s->kept[i];
        }
    }
    return E2STR_OK;
}

static double sum_of_losses(const student *s, const reading *readings) {
    double sum = 0.0;
    for (size_t i = 0; i < s->lesson.n; i++)
        if (s->kept[i]) sum += readings[i].loss * (double)steps_of(s, i);
    return sum;
}

static bool helps(const student *s) {
    return s->lesson.n < MIN_DECIDE || sum_of_losses(s, s->gently) < TOLERATED * sum_of_losses(s, s->alone);
}

static void count(student *s, bool checked) {
    e2str_memory_report *r = &s->report;
    for (size_t i = 0; i < s->lesson.n; i++) {
        r->examples += s->kept[i];
        r->doubtful += !s->kept[i];
        r->characters += s->kept[i] ? steps_of(s, i) : 0;
        if (!checked || !s->kept[i]) continue;
        r->checked++;
        r->right_without += e2_alignment_is_equal(&s->lesson.alignments[i]);
        r->right_with += (s->report.strength > 0.0f ? &s->others[i] : &s->alone[i])->wrong == 0;
    }
    r->tokens = s->lesson.n_tokens;
    r->new_characters = s->lesson.n_new;
    r->silent = s->lesson.conventions.n_silent;
    r->letter_case = (uint32_t)s->lesson.conventions.letters;
}

/* ------------------------------------------------------------------------------------------------------ keeping -- */

static void keep_steps(const student *s, const e2_memory_solution *solution, e2str_memory *memory) {
    const e2_lesson *lesson = &s->lesson;
    size_t f = s->compute->model->memory.features, columns = e2_lesson_columns(lesson), to = 0;
    for (size_t i = 0; i < lesson->n; i++) {
        if (!s->kept[i]) continue;
        for (size_t step = lesson->first[i]; step < lesson->first[i + 1]; step++, to++) {
            const e2_path_step *at = &lesson->paths[i].steps[step - lesson->first[i]];
            memory->steps[to] = (e2_memory_step){lesson->examples[i].example->id, at->offset, lesson->targets[step]};
            memcpy(memory->features + to * f, lesson->features + step * f, f * sizeof *memory->features);
            for (size_t c = 0; c < columns; c++)
                memory->errors[to * columns + c] = e2_f32_to_f16(solution->dual[c * solution->padded + step]);
        }
    }
}

static bool find_domain(const student *s, e2str_memory *memory) {
    size_t width = s->compute->model->vision.width, n = 0;
    float *keys = e2_arena_floats(s->compute->arena, s->lesson.n * width);
    for (size_t i = 0; keys && i < s->lesson.n; i++)
        if (s->kept[i]) memcpy(keys + n++ * width, s->lesson.examples[i].example->key, width * sizeof *keys);
    return keys && e2_memory_find_domain(s->compute, keys, n, memory);
}

static e2str_status keep(student *s, const e2_memory_solution *solution, e2str_memory **memory, e2str_error *error) {
    const e2_lesson *lesson = &s->lesson;
    const e2str_model *model = s->compute->model;
    uint32_t columns = (uint32_t)e2_lesson_columns(lesson);
    e2str_memory *made = e2_memory_new(model, (e2_memory_counts){.columns = columns,
                                                                 .characters = lesson->n_new,
                                                                 .silent = lesson->conventions.n_silent,
                                                                 .steps = (uint32_t)s->report.characters,
                                                                 .verdicts = (uint32_t)lesson->n});
    if (!made) return e2_no_room_to_learn(error);
    for (uint32_t c = 0; c < columns; c++)
        made->tokens[c] = c < lesson->n_tokens ? lesson->tokens[c] : model->decoder.vocabulary + c - lesson->n_tokens;
    memcpy(made->characters, lesson->characters, lesson->n_new * sizeof *made->characters);
    memcpy(made->silent, lesson->conventions.silent, lesson->conventions.n_silent * sizeof *made->silent);
    keep_steps(s, solution, made);
    for (size_t i = 0; i < lesson->n; i++)
        made->verdicts[i] = (e2_memory_verdict){lesson->examples[i].example->id,
                                                s->report.checked ? (float)(1.0 - exp(-least_loss(s, i))) : 0.0f};
    made->strength = s->report.strength;
    made->letters = lesson->conventions.letters;
    if (!find_domain(s, made)) {
        e2_memory_release(made);
        return e2_no_room_to_learn(error);
    }
    made->report = s->report;
    bool finite, ok = e2_memory_finish(s->compute, made, &finite);
    if (ok && finite) {
        *memory = made;
        return E2STR_OK;
    }
    e2_memory_release(made);
    return ok ? e2_fail(error, E2STR_ERROR_LIMIT, "what the examples teach is not finite") : e2_no_room_to_learn(error);
}

/* ----------------------------------------------------------------------------------------------------- learning -- */

static e2str_status prepare(student *s, const e2_choice *examples, size_t n, e2str_error *error) {
    e2_arena *arena = s->compute->arena;
    s->kept = e2_arena_alloc(arena, n, sizeof *s->kept);
    s->alone = e2_arena_alloc(arena, n, sizeof *s->alone);
    s->others = e2_arena_alloc(arena, n, sizeof *s->others);
    s->gently = e2_arena_alloc(arena, n, sizeof *s->gently);
    if (!s->kept || !s->alone || !s->others || !s->gently) return e2_no_room_to_learn(error);
    for (size_t i = 0; i < n; i++) s->kept[i] = true;
    e2str_status status = e2_lesson_read(s->compute, s->pool, examples, n, &s->lesson, error);
    if (!status) status = e2_lesson_lay_out(s->compute, &s->lesson, error);
    if (!status) status = e2_thin(s->compute, s->pool, &s->lesson, &s->stands, error);
    if (!status) status = e2_lesson_run(s->compute, s->pool, &s->lesson, error);
    if (status) return status;
    size_t steps = e2_lesson_steps(&s->lesson);
    s->weight = e2_arena_floats(arena, steps);
    s->loss = e2_arena_floats(arena, steps);
    s->best = e2_arena_alloc(arena, steps, sizeof *s->best);
    if (!s->weight || !s->loss || !s->best) return e2_no_room_to_learn(error);
    return make_problem(s, error);
}

static e2str_status learn(student *s, const e2_choice *examples, size_t n, const e2str_learn_options *options,
                          e2str_memory **memory, e2str_error *error) {
    e2_memory_solution *solution = NULL;
    bool checked = n >= MIN_CHECK;
    e2str_status status = prepare(s, examples, n, error);
    if (!status && checked) status = check(s, options->keep_doubtful, error);
    if (status) return status;
    s->report.strength = options->strength >= 0.0f ? options->strength : !checked || helps(s) ? 1.0f : 0.0f;
    count(s, checked);
    status = solve(s, 1, 1, LEARN_GAP, &solution, error);
    if (!status) status = keep(s, solution, memory, error);
    e2_memory_solution_free(solution);
    return status;
}

static e2str_status check_arguments(const e2str_pool *pool, const e2str_session *session,
                                    const e2str_learn_options *options, e2str_error *error) {
    const e2str_model *model = pool->model;
    e2str_status status = e2_models_check(session->compute.model, model, "pool", error);
    if (status) return status;
    if (options->strength != E2STR_STRENGTH_CHECKED && !(options->strength >= 0.0f && options->strength <= 4.0f))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "strength is %g; from 0 to 4, or E2STR_STRENGTH_CHECKED",
                       (double)options->strength);
    if (options->keep_doubtful > 1)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "keep_doubtful is %u; 0 or 1", options->keep_doubtful);
    if (!(model->memory.hidden_scale > 0.0f))
        return e2_fail(error, E2STR_ERROR_UNSUPPORTED,
                       "the model file has no memory statistics (e2str.memory.hidden_scale, memory.whitening)");
    return E2STR_OK;
}

e2str_status e2str_pool_learn(e2str_pool *pool, e2str_session *session, const e2str_learn_options *given,
                              e2str_error *error) {
    if (!pool || !session) return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", pool ? "session" : "pool");
    e2str_learn_options options = default_options;
    e2str_status status = e2_options_read(&options, given, "e2str_learn_options", error);
    if (!status) status = check_arguments(pool, session, &options, error);
    if (status) return status;
    size_t n;
    uint64_t last_id;
    e2str_memory *memory = NULL;
    e2_choice *examples;
    status = e2_pool_choose_all(pool, &examples, &n, &last_id, error);
    if (status) return status;
    e2_arena arena = {0}; /* not the session's: that stays as large as it once was (its workers' have one group each) */
    e2_compute compute = session->compute;
    compute.arena = &arena;
    compute.model = pool->model; /* what is learnt stays with the pool */
    student s = {.report = {.size = sizeof s.report}, .compute = &compute, .pool = pool};
    if (n) status = learn(&s, examples, n, &options, &memory, error);
    e2_memory_problem_free(s.problem);
    e2_arena_free(&arena);
    for (size_t i = 0; i < n; i++) e2_choice_release(&examples[i]);
    free(examples);
    if (!status) e2_pool_remember(pool, memory, last_id);
    return status;
}
