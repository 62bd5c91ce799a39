/* Learning a pool's memory: gather the steps of its examples, leave out labels that contradict their pictures, let
 * held-out reads choose the strength, solve, keep. Everything depends on the examples in the order of their ids only.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lesson.h"
#include "session.h"

#define FOLDS     4
#define MIN_CHECK 8    /* examples; fewer say nothing */
#define DOUBTFUL  0.6f /* share of a word that neither the model nor the others' memory reads as the label says */

void e2str_learn_options_init(e2str_learn_options *options) {
    if (options) *options = (e2str_learn_options){.size = sizeof *options, .strength = E2STR_STRENGTH_CHECKED};
}

void e2str_memory_report_init(e2str_memory_report *report) {
    if (report) *report = (e2str_memory_report){.size = sizeof *report};
}

typedef struct student {
    const e2_compute *compute;
    const e2str_pool *pool;
    e2_lesson lesson;
    e2_memory_problem *problem;
    bool *kept;        /* [examples]: not doubtful */
    float *weight;     /* [steps]: what is learnt from at the moment */
    uint32_t *best;    /* [steps]: columns written */
    float *doubt;      /* [examples]: how far the label is from both readings; 0 when nothing was checked */
    bool *right;       /* [examples]: read held out as the label says */
    bool *right_alone; /* by the model alone */
    e2str_memory_report report;
} student;

static e2str_status out_of_memory(e2str_error *error) {
    return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a pool's memory");
}

/* ------------------------------------------------------------------------------------------------------ solving -- */

static e2str_status make_problem(student *s, e2str_error *error) {
    const e2_lesson *lesson = &s->lesson;
    size_t steps = e2_lesson_steps(lesson), f = s->compute->model->memory.features;
    e2_arena_mark mark = e2_arena_begin(s->compute->arena);
    float *features = e2_arena_floats(s->compute->arena, steps * f);
    if (!features) return out_of_memory(error);
    for (size_t i = 0; i < steps * f; i++) features[i] = e2_f16_to_f32(lesson->features[i]);
    e2_memory_rows rows = {.count = steps,
                           .width = f,
                           .columns = e2_lesson_columns(lesson),
                           .features = features,
                           .logits = lesson->logits,
                           .rest = lesson->rest,
                           .rest_peak = lesson->rest_peak,
                           .target = lesson->targets};
    e2_memory_problem_free(s->problem);
    s->problem = NULL;
    e2str_status status =
        e2_memory_problem_new(s->compute, &rows, &s->compute->model->memory.whitening, &s->problem, error);
    e2_arena_release(s->compute->arena, mark);
    return status;
}

/* Learns from the kept examples outside fold `out` (FOLDS: from all). */
static e2str_status solve(student *s, size_t out, e2_memory_solution **solution, e2str_error *error) {
    e2_memory_options options = E2_MEMORY_DEFAULTS;
    options.strength = s->compute->model->memory.strength;
    for (size_t i = 0; i < s->lesson.n; i++)
        for (size_t step = s->lesson.first[i]; step < s->lesson.first[i + 1]; step++)
            s->weight[step] = s->kept[i] && i % FOLDS != out ? 1.0f : 0.0f;
    return e2_memory_learn(s->compute, s->problem, s->weight, &options, solution, error);
}

/* ----------------------------------------------------------------------------------------------------- checking -- */

/* Steps of an example at which another column, or another token, would be written. */
static size_t wrong_steps(const student *s, size_t example) {
    size_t wrong = 0;
    for (size_t step = s->lesson.first[example]; step < s->lesson.first[example + 1]; step++)
        wrong += s->best[step] != s->lesson.targets[step];
    return wrong;
}

/* Reads each example as the memory of the other folds does. A greedy read writes the path exactly when each of its
 * steps does, so no decoding is needed. distance [examples]: share of steps that differ. */
static e2str_status read_held_out(student *s, double *distance, e2str_error *error) {
    for (size_t i = 0; i < s->lesson.n; i++) s->right_alone[i] = e2_alignment_is_equal(&s->lesson.alignments[i]);
    for (size_t out = 0; out < FOLDS; out++) {
        e2_memory_solution *solution = NULL;
        e2str_status status = solve(s, out, &solution, error);
        if (status) return status;
        bool ok = e2_memory_score(s->compute, s->problem, solution, NULL, s->best);
        e2_memory_solution_free(solution);
        if (!ok) return out_of_memory(error);
        for (size_t i = out; i < s->lesson.n; i += FOLDS) {
            size_t wrong = wrong_steps(s, i), steps = s->lesson.first[i + 1] - s->lesson.first[i];
            s->right[i] = wrong == 0;
            distance[i] = (double)wrong / (double)steps;
        }
    }
    return E2STR_OK;
}

/* A label is doubtful when neither the model's own reading nor the held-out one comes near it. */
static e2str_status find_doubtful(student *s, bool *changed, e2str_error *error) {
    e2_arena_mark mark = e2_arena_begin(s->compute->arena);
    double *distance = e2_arena_alloc(s->compute->arena, s->lesson.n, sizeof *distance);
    if (!distance) return out_of_memory(error);
    e2str_status status = read_held_out(s, distance, error);
    *changed = false;
    for (size_t i = 0; !status && i < s->lesson.n; i++) {
        double alone = e2_alignment_distance(s->compute->model, &s->lesson.alignments[i]);
        s->doubt[i] = (float)(distance[i] < alone ? distance[i] : alone);
        bool keep = s->doubt[i] <= DOUBTFUL;
        *changed |= keep != s->kept[i];
        s->kept[i] = keep;
    }
    e2_arena_release(s->compute->arena, mark);
    return status;
}

static void count(student *s) {
    e2str_memory_report *r = &s->report;
    for (size_t i = 0; i < s->lesson.n; i++) {
        r->examples += s->kept[i];
        r->doubtful += !s->kept[i];
        r->characters += s->kept[i] ? s->lesson.paths[i].n : 0;
        r->checked += s->kept[i];
        r->right_with += s->kept[i] && s->right[i];
        r->right_without += s->kept[i] && s->right_alone[i];
    }
    r->tokens = s->lesson.n_tokens;
    r->new_characters = s->lesson.n_new;
    r->silent = s->lesson.n_silent;
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

/* The mean direction of the kept examples' keys from ordinary ones, of unit length (0 if they have none). */
static bool find_domain(const student *s, float *domain) {
    size_t width = s->compute->model->vision.width;
    double square = 0.0;
    for (size_t i = 0; i < s->lesson.n; i++)
        if (s->kept[i] && !e2_memory_add_domain(s->compute, s->lesson.examples[i].example->key, domain)) return false;
    for (size_t i = 0; i < width; i++) square += (double)domain[i] * domain[i];
    for (size_t i = 0; square > 0.0 && i < width; i++) domain[i] = (float)(domain[i] / sqrt(square));
    return true;
}

static e2str_status keep(student *s, const e2_memory_solution *solution, e2str_memory **memory, e2str_error *error) {
    const e2_lesson *lesson = &s->lesson;
    const e2str_model *model = s->compute->model;
    uint32_t columns = (uint32_t)e2_lesson_columns(lesson);
    e2str_memory *made = e2_memory_new(model, (e2_memory_counts){.columns = columns,
                                                                 .characters = lesson->n_new,
                                                                 .silent = lesson->n_silent,
                                                                 .steps = (uint32_t)s->report.characters,
                                                                 .verdicts = (uint32_t)lesson->n});
    if (!made) return out_of_memory(error);
    for (uint32_t c = 0; c < columns; c++)
        made->tokens[c] = c < lesson->n_tokens ? lesson->tokens[c] : model->decoder.vocabulary + c - lesson->n_tokens;
    memcpy(made->characters, lesson->characters, lesson->n_new * sizeof *made->characters);
    memcpy(made->silent, lesson->silent, lesson->n_silent * sizeof *made->silent);
    keep_steps(s, solution, made);
    for (size_t i = 0; i < lesson->n; i++)
        made->verdicts[i] = (e2_memory_verdict){lesson->examples[i].example->id, s->doubt[i]};
    made->strength = s->report.strength;
    if (!find_domain(s, made->domain)) {
        e2_memory_release(made);
        return out_of_memory(error);
    }
    made->report = s->report;
    bool finite, ok = e2_memory_finish(s->compute, made, &finite);
    if (ok && finite) {
        *memory = made;
        return E2STR_OK;
    }
    e2_memory_release(made);
    return ok ? e2_fail(error, E2STR_ERROR_LIMIT, "what the examples teach is not finite") : out_of_memory(error);
}

/* ----------------------------------------------------------------------------------------------------- learning -- */

static e2str_status begin(student *s, const e2_choice *examples, size_t n, e2str_error *error) {
    e2_arena *arena = s->compute->arena;
    s->kept = e2_arena_alloc(arena, n, sizeof *s->kept);
    s->right = e2_arena_alloc(arena, n, sizeof *s->right);
    s->right_alone = e2_arena_alloc(arena, n, sizeof *s->right_alone);
    s->doubt = e2_arena_floats(arena, n);
    if (!s->kept || !s->right || !s->right_alone || !s->doubt) return out_of_memory(error);
    for (size_t i = 0; i < n; i++) s->kept[i] = true;
    memset(s->doubt, 0, n * sizeof *s->doubt);
    return e2_lesson_read(s->compute, s->pool, examples, n, &s->lesson, error);
}

/* Paths and features by the conventions of the kept examples, and the problem made of them. */
static e2str_status prepare(student *s, e2str_error *error) {
    e2str_status status = e2_lesson_prepare(s->compute, s->pool, s->kept, &s->lesson, error);
    if (status) return status;
    size_t steps = e2_lesson_steps(&s->lesson);
    s->weight = e2_arena_floats(s->compute->arena, steps);
    s->best = e2_arena_alloc(s->compute->arena, steps, sizeof *s->best);
    if (!s->weight || !s->best) return out_of_memory(error);
    return make_problem(s, error);
}

static e2str_status check(student *s, const e2str_learn_options *options, e2str_error *error) {
    e2str_status status = E2STR_OK;
    bool changed = s->lesson.n >= MIN_CHECK && !options->keep_doubtful;
    for (int round = 0; !status && changed && round < 2; round++) {
        status = find_doubtful(s, &changed, error);
        if (!status && changed) status = prepare(s, error);
    }
    if (status || s->lesson.n < MIN_CHECK) return status;
    double *distance = e2_arena_alloc(s->compute->arena, s->lesson.n, sizeof *distance);
    return distance ? read_held_out(s, distance, error) : out_of_memory(error);
}

static e2str_status learn(student *s, const e2_choice *examples, size_t n, const e2str_learn_options *options,
                          e2str_memory **memory, e2str_error *error) {
    e2_memory_solution *solution = NULL;
    e2str_status status = begin(s, examples, n, error);
    if (!status) status = prepare(s, error);
    if (!status) status = check(s, options, error);
    if (status) return status;
    count(s);
    bool checked = options->strength < 0.0f;
    if (n < MIN_CHECK) s->report.checked = s->report.right_with = s->report.right_without = 0;
    s->report.strength = !checked ? options->strength : s->report.right_with >= s->report.right_without ? 1.0f : 0.0f;
    status = solve(s, FOLDS, &solution, error);
    if (!status) status = keep(s, solution, memory, error);
    e2_memory_solution_free(solution);
    return status;
}

static e2str_status check_arguments(const e2str_pool *pool, const e2str_session *session,
                                    const e2str_learn_options *options, e2str_error *error) {
    const e2str_model *model = session->compute.model;
    if (model != pool->model)
        return e2_fail(error, E2STR_ERROR_MISMATCH, "the session belongs to another model than the pool");
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
    e2str_learn_options options;
    e2str_learn_options_init(&options);
    e2str_status status = e2_options_read(&options, given, "e2str_learn_options", error);
    if (!status) status = check_arguments(pool, session, &options, error);
    if (status) return status;
    size_t n;
    uint64_t last_id;
    e2str_memory *memory = NULL;
    e2_choice *examples = e2_pool_choose_all(pool, &n, &last_id);
    if (!examples) return out_of_memory(error);
    student s = {.report = {.size = sizeof s.report}, .compute = &session->compute, .pool = pool};
    e2_arena_mark mark = e2_arena_begin(&session->arena);
    if (n) status = learn(&s, examples, n, &options, &memory, error);
    e2_memory_problem_free(s.problem);
    e2_arena_release(&session->arena, mark);
    for (size_t i = 0; i < n; i++) e2_choice_release(&examples[i]);
    free(examples);
    if (!status) e2_pool_remember(pool, memory, last_id);
    return status;
}
