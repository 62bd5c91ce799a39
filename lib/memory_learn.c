/* SPDX-License-Identifier: MIT */
#include "memory_learn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ref/math.h"

/* Arrays of rows are [column][padded]: the rows of a column lie side by side, so that all that is done to rows is done
 * to LANES of them at a time, and both products have a packed matrix that never changes on their right. */
#define LANES     16
#define PART_ROWS 512 /* one part of a job: sums over rows are added up by parts, whatever the number of threads */

struct e2_memory_problem {
    e2_arena arena; /* holds all that follows */
    const e2_linear *whitener;
    size_t count, padded, width, columns;
    e2_linear by_row;     /* X [padded][width]; rows from count on are 0 */
    e2_linear by_feature; /* X' [width][padded] */
    float *logits;        /* [columns][padded] */
    float *rest, *peak;   /* [padded] */
    uint32_t *target;     /* [padded] */
};

static size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

/* --------------------------------------------------------------------------------------------------- sums -- */

static double dot(const float *a, const float *b, size_t n) {
    double lanes[LANES / 2] = {0}, sum = 0.0;
    size_t i = 0;
    for (; i + LANES / 2 <= n; i += LANES / 2)
        for (size_t lane = 0; lane < LANES / 2; lane++) lanes[lane] += (double)a[i + lane] * (double)b[i + lane];
    for (; i < n; i++) sum += (double)a[i] * (double)b[i];
    for (size_t lane = 0; lane < LANES / 2; lane++) sum += lanes[lane];
    return sum;
}

/* y += a x */
static void add_scaled(float *y, float a, const float *x, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++) y[i + lane] += a * x[i + lane];
    for (; i < n; i++) y[i] += a * x[i];
}

/* ------------------------------------------------------------------------------------------------ problem -- */

static bool all_finite(const float *values, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

static bool is_rest(const float *values, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!(values[i] < INFINITY)) return false;
    return true;
}

/* Every array of a problem has one of these products as its size. */
static bool fits(size_t a, size_t b) {
    size_t cells;
    return e2_mul(a, b, &cells) && cells <= E2_MEMORY_MAX_CELLS;
}

static e2str_status check_rows(const e2_memory_rows *rows, const e2_linear *whitener, e2str_error *error) {
    if (!rows->count || !rows->width || !rows->columns)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "memory: nothing to learn from");
    size_t padded = rows->count <= E2_MEMORY_MAX_ROWS ? round_up(rows->count, LANES) : rows->count;
    if (rows->count > E2_MEMORY_MAX_ROWS || !fits(padded, rows->columns) || !fits(padded, rows->width) ||
        !fits(rows->columns, rows->width))
        return e2_fail(error, E2STR_ERROR_LIMIT,
                       "memory: %zu rows of %zu features are too many to learn %zu tokens from", rows->count,
                       rows->width, rows->columns);
    if (whitener && (whitener->in != rows->width || whitener->out != rows->width || whitener->bias))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "memory: the whitener has %u columns, the features %zu",
                       whitener->in, rows->width);
    for (size_t i = 0; i < rows->count; i++)
        if (rows->target[i] >= rows->columns)
            return e2_fail(error, E2STR_ERROR_ARGUMENT, "memory: target %zu is not one of the columns", i);
    if (!all_finite(rows->features, rows->count * rows->width) ||
        !all_finite(rows->logits, rows->count * rows->columns) || !is_rest(rows->rest, rows->count) ||
        !is_rest(rows->rest_peak, rows->count))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "memory: features or logits are not finite");
    return E2STR_OK;
}

/* rows [n][k] packed as the right side of a product. */
static bool pack(e2_arena *arena, const float *rows, size_t n, size_t k, e2_linear *linear) {
    void *panels = e2_arena_alloc(arena, e2_packed_bytes(E2_WEIGHT_F32, n, k), 1);
    if (!panels) return false;
    e2_pack(E2_WEIGHT_F32, rows, 0, n, k, panels, NULL, NULL);
    *linear = (e2_linear){
        .matrix = {.type = E2_WEIGHT_F32, .n = n, .k = k, .panels = panels}, .in = (uint32_t)k, .out = (uint32_t)n};
    return true;
}

/* out [columns][stride] = transpose(in [rows][columns]); what lies between rows and stride is left as it is. */
static void transpose(const float *in, size_t rows, size_t columns, float *out, size_t stride) {
    for (size_t begin = 0; begin < rows; begin += LANES) {
        size_t end = begin + LANES < rows ? begin + LANES : rows;
        for (size_t c = 0; c < columns; c++)
            for (size_t r = begin; r < end; r++) out[c * stride + r] = in[r * columns + c];
    }
}

static bool fill_features(const e2_compute *compute, const e2_memory_rows *rows, e2_memory_problem *p) {
    size_t cells = p->padded * p->width;
    float *x = e2_arena_floats(compute->arena, cells), *across = e2_arena_floats(compute->arena, cells);
    if (!x || !across) return false;
    if (!p->whitener)
        memcpy(x, rows->features, p->count * p->width * sizeof *x);
    else if (!e2_linear_apply(compute, p->whitener, rows->features, p->count, E2_NO_ACTIVATION, x))
        return false;
    memset(x + p->count * p->width, 0, (p->padded - p->count) * p->width * sizeof *x);
    transpose(x, p->padded, p->width, across, p->padded);
    return pack(&p->arena, x, p->padded, p->width, &p->by_row) &&
           pack(&p->arena, across, p->width, p->padded, &p->by_feature);
}

static bool fill_problem(const e2_compute *compute, const e2_memory_rows *rows, e2_memory_problem *p) {
    p->logits = e2_arena_floats(&p->arena, p->columns * p->padded);
    p->rest = e2_arena_floats(&p->arena, p->padded);
    p->peak = e2_arena_floats(&p->arena, p->padded);
    p->target = e2_arena_alloc(&p->arena, p->padded, sizeof *p->target);
    if (!p->logits || !p->rest || !p->peak || !p->target) return false;
    memset(p->logits, 0, p->columns * p->padded * sizeof *p->logits);
    memset(p->target, 0, p->padded * sizeof *p->target);
    for (size_t i = 0; i < p->padded; i++) p->rest[i] = p->peak[i] = -INFINITY;
    transpose(rows->logits, p->count, p->columns, p->logits, p->padded);
    memcpy(p->rest, rows->rest, p->count * sizeof *p->rest);
    memcpy(p->peak, rows->rest_peak, p->count * sizeof *p->peak);
    memcpy(p->target, rows->target, p->count * sizeof *p->target);
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    bool ok = fill_features(compute, rows, p);
    e2_arena_release(compute->arena, mark);
    return ok;
}

e2str_status e2_memory_problem_new(const e2_compute *compute, const e2_memory_rows *rows, const e2_linear *whitener,
                                   e2_memory_problem **problem, e2str_error *error) {
    *problem = NULL;
    e2str_status status = check_rows(rows, whitener, error);
    if (status) return status;
    e2_memory_problem *fresh = e2_alloc(1, sizeof *fresh);
    if (!fresh) return e2_fail(error, E2STR_ERROR_MEMORY, "memory: out of memory");
    *fresh = (e2_memory_problem){.whitener = whitener,
                                 .count = rows->count,
                                 .padded = round_up(rows->count, LANES),
                                 .width = rows->width,
                                 .columns = rows->columns};
    if (!fill_problem(compute, rows, fresh)) {
        e2_memory_problem_free(fresh);
        return e2_fail(error, E2STR_ERROR_MEMORY, "memory: out of memory");
    }
    *problem = fresh;
    return E2STR_OK;
}

void e2_memory_problem_free(e2_memory_problem *problem) {
    if (!problem) return;
    e2_arena_free(&problem->arena);
    free(problem);
}

/* ---------------------------------------------------------------------------------------- passes over rows -- */

/* Along a direction of the logits: the derivatives of the sum of cross-entropies. */
typedef struct derivatives {
    double slope, curvature;
} derivatives;

/* A pass over all rows: p = softmax(logits + z + step d) and, with d, the derivatives by `step` there. */
typedef struct pass {
    const e2_memory_problem *problem;
    const float *weight; /* [padded] */
    const float *z, *d;  /* [columns][padded]; d may be NULL */
    float step;
    bool known;        /* p holds the softmax already */
    float *p;          /* [columns][padded]: probabilities */
    derivatives *sums; /* [parts] */
} pass;

/* p = softmax of LANES rows, over the columns and the rest. */
static void softmax_lanes(const pass *a, size_t at) {
    const e2_memory_problem *problem = a->problem;
    float peak[LANES], total[LANES];
    memcpy(peak, problem->rest + at, sizeof peak);
    for (size_t c = 0; c < problem->columns; c++) {
        size_t cell = c * problem->padded + at;
        const float *logits = problem->logits + cell, *z = a->z + cell;
        float *p = a->p + cell, v[LANES];
        for (size_t i = 0; i < LANES; i++) v[i] = logits[i] + z[i];
        if (a->d)
            for (size_t i = 0; i < LANES; i++) v[i] += a->step * a->d[cell + i];
        for (size_t i = 0; i < LANES; i++) peak[i] = v[i] > peak[i] ? v[i] : peak[i];
        memcpy(p, v, sizeof v);
    }
    for (size_t i = 0; i < LANES; i++) total[i] = e2_ref_exp(problem->rest[at + i] - peak[i]);
    for (size_t c = 0; c < problem->columns; c++) {
        float *p = a->p + c * problem->padded + at, v[LANES];
        for (size_t i = 0; i < LANES; i++) v[i] = e2_ref_exp(p[i] - peak[i]);
        for (size_t i = 0; i < LANES; i++) total[i] += v[i];
        memcpy(p, v, sizeof v);
    }
    for (size_t i = 0; i < LANES; i++) total[i] = 1.0f / total[i];
    for (size_t c = 0; c < problem->columns; c++) {
        float *p = a->p + c * problem->padded + at;
        for (size_t i = 0; i < LANES; i++) p[i] *= total[i];
    }
}

/* With the mean m = sum p d and the target's d_y: slope w (m - d_y), curvature w (sum p d^2 - m^2). */
static void add_derivatives(const pass *a, size_t at, derivatives *sums) {
    const e2_memory_problem *problem = a->problem;
    float mean[LANES] = {0}, square[LANES] = {0};
    for (size_t c = 0; c < problem->columns; c++) {
        const float *p = a->p + c * problem->padded + at, *d = a->d + c * problem->padded + at;
        for (size_t i = 0; i < LANES; i++) mean[i] += p[i] * d[i];
        for (size_t i = 0; i < LANES; i++) square[i] += p[i] * d[i] * d[i];
    }
    for (size_t i = 0; i < LANES; i++) {
        double w = a->weight[at + i], m = mean[i], spread = (double)square[i] - m * m;
        sums->slope += w * (m - (double)a->d[problem->target[at + i] * problem->padded + at + i]);
        sums->curvature += w * (spread > 0.0 ? spread : 0.0);
    }
}

static void pass_part(void *context, size_t part, unsigned worker) {
    (void)worker;
    const pass *a = context;
    size_t begin = part * PART_ROWS, end = begin + PART_ROWS;
    a->sums[part] = (derivatives){0};
    for (size_t at = begin; at < end && at < a->problem->padded; at += LANES) {
        if (!a->known) softmax_lanes(a, at);
        if (a->d) add_derivatives(a, at, &a->sums[part]);
    }
}

static derivatives run_pass(const e2_compute *compute, pass *a) {
    size_t parts = (a->problem->padded + PART_ROWS - 1) / PART_ROWS;
    e2_threads_run(compute->threads, parts, pass_part, a);
    derivatives sum = {0};
    for (size_t part = 0; part < parts; part++) {
        sum.slope += a->sums[part].slope;
        sum.curvature += a->sums[part].curvature;
    }
    return sum;
}

/* -------------------------------------------------------------------------------------------------- solver -- */

/* Of everything both forms are kept: [columns][padded] of the rows, [columns][width] of the whitened features. The
 * gradient is X'(residual + 2 strength a) = X'residual + 2 strength b. */
typedef struct solver {
    const e2_compute *compute;
    const e2_memory_problem *problem;
    const e2_memory_options *options;
    size_t cells, weights;               /* columns * padded, columns * width */
    float *weight;                       /* [padded] */
    float *z, *p, *a, *residual;         /* rows: change of the logits, probabilities, dual, w (p - target) */
    float *direction, *z_direction;      /* rows: of a, and the change of z along it */
    float *b, *gradient, *before, *step; /* features: B', the gradient, the last one, the direction */
    derivatives *sums;
    double total; /* of the weights */
} solver;

static bool solver_new(solver *s, const e2_compute *compute, const e2_memory_problem *problem, const float *weight,
                       const e2_memory_options *options) {
    *s = (solver){.compute = compute, .problem = problem, .options = options};
    s->cells = problem->columns * problem->padded, s->weights = problem->columns * problem->width;
    float **rows[] = {&s->z, &s->p, &s->a, &s->residual, &s->direction, &s->z_direction};
    float **features[] = {&s->b, &s->gradient, &s->before, &s->step};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!(*rows[i] = e2_arena_floats(compute->arena, s->cells))) return false;
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if (!(*features[i] = e2_arena_floats(compute->arena, s->weights))) return false;
    s->weight = e2_arena_floats(compute->arena, problem->padded);
    s->sums = e2_arena_alloc(compute->arena, problem->padded / PART_ROWS + 1, sizeof *s->sums);
    if (!s->weight || !s->sums) return false;
    memset(s->z, 0, s->cells * sizeof *s->z);
    memset(s->a, 0, s->cells * sizeof *s->a);
    memset(s->direction, 0, s->cells * sizeof *s->direction);
    memset(s->b, 0, s->weights * sizeof *s->b);
    memset(s->step, 0, s->weights * sizeof *s->step);
    for (size_t i = 0; i < problem->padded; i++) {
        s->weight[i] = i >= problem->count ? 0.0f : weight ? weight[i] : 1.0f;
        s->total += s->weight[i];
    }
    return true;
}

/* out [columns][width] = rows [columns][padded] X, and out [columns][padded] = features [columns][width] X'. */
static bool to_features(const solver *s, const float *rows, float *out) {
    return e2_linear_apply(s->compute, &s->problem->by_feature, rows, s->problem->columns, E2_NO_ACTIVATION, out);
}

static bool to_rows(const solver *s, const float *features, float *out) {
    return e2_linear_apply(s->compute, &s->problem->by_row, features, s->problem->columns, E2_NO_ACTIVATION, out);
}

static void find_residual(solver *s) {
    const e2_memory_problem *problem = s->problem;
    for (size_t c = 0; c < problem->columns; c++)
        for (size_t i = 0; i < problem->padded; i++)
            s->residual[c * problem->padded + i] = s->weight[i] * s->p[c * problem->padded + i];
    for (size_t i = 0; i < problem->count; i++) s->residual[problem->target[i] * problem->padded + i] -= s->weight[i];
}

static bool find_gradient(solver *s) {
    find_residual(s);
    if (!to_features(s, s->residual, s->gradient)) return false;
    add_scaled(s->gradient, 2.0f * s->options->strength, s->b, s->weights);
    return true;
}

/* The next direction: against the gradient, and on along the last one as Polak and Ribiere have it. */
static void turn(solver *s, double length, double length_before) {
    float on = 0.0f;
    if (length_before > 0.0) {
        double beta = (length - dot(s->gradient, s->before, s->weights)) / length_before;
        on = beta > 0.0 ? (float)beta : 0.0f;
        if (on * dot(s->step, s->gradient, s->weights) >= length) on = 0.0f; /* not downhill */
    }
    float twice = 2.0f * s->options->strength;
    for (size_t i = 0; i < s->weights; i++) s->step[i] = on * s->step[i] - s->gradient[i];
    for (size_t i = 0; i < s->cells; i++) s->direction[i] = on * s->direction[i] - (s->residual[i] + twice * s->a[i]);
}

/* Newton's method for the least value along the direction, between bounds; leaves the probabilities there in p. The
 * slope is known to be negative at 0. */
static float search(solver *s) {
    double strength = s->options->strength, along = dot(s->b, s->step, s->weights);
    double square = dot(s->step, s->step, s->weights), low = 0.0, high = INFINITY, at = 0.0, first = 0.0;
    pass a = {s->problem, s->weight, s->z, s->z_direction, 0.0f, true, s->p, s->sums};
    for (int tries = 0; tries < 12; tries++) {
        a.step = (float)at;
        derivatives sum = run_pass(s->compute, &a);
        a.known = false;
        sum.slope += 2.0 * strength * (along + at * square);
        sum.curvature += 2.0 * strength * square;
        if (!tries) first = fabs(sum.slope);
        if (tries && fabs(sum.slope) <= 0.25 * first) break;
        if (sum.slope < 0.0)
            low = at;
        else
            high = at;
        double next = at - sum.slope / sum.curvature;
        at = next > low && next < high ? next : high < INFINITY ? 0.5 * (low + high) : 2.0 * at + 1e-6;
    }
    return a.step;
}

/* False: out of memory. *gap is NaN when numbers left the range. */
static bool solve(solver *s, unsigned *iterations, double *gap) {
    double strength = s->options->strength, before = 0.0, wanted = s->options->tolerance * s->total;
    run_pass(s->compute, &(pass){s->problem, s->weight, s->z, NULL, 0.0f, false, s->p, s->sums});
    for (*iterations = 0;; ++*iterations) {
        if (!find_gradient(s)) return false;
        double length = dot(s->gradient, s->gradient, s->weights);
        *gap = length / (4.0 * strength); /* the objective is 2 strength-convex */
        if (!(*gap > wanted) || !isfinite(*gap) || *iterations == s->options->max_iterations) return true;
        turn(s, length, before);
        memcpy(s->before, s->gradient, s->weights * sizeof *s->before);
        before = length;
        if (!to_rows(s, s->step, s->z_direction)) return false;
        float step = search(s);
        add_scaled(s->a, step, s->direction, s->cells);
        add_scaled(s->z, step, s->z_direction, s->cells);
        add_scaled(s->b, step, s->step, s->weights);
    }
}

/* ------------------------------------------------------------------------------------------------ solution -- */

static e2_memory_solution *solution_new(const e2_memory_problem *problem) {
    size_t cells = problem->columns * problem->padded, weights = problem->columns * problem->width;
    e2_memory_solution *fresh = e2_alloc(1, sizeof *fresh + (cells + 2 * weights) * sizeof(float));
    if (!fresh) return NULL;
    *fresh = (e2_memory_solution){.padded = problem->padded, .columns = problem->columns, .width = problem->width};
    fresh->dual = (float *)(fresh + 1);
    fresh->whitened = fresh->dual + cells;
    fresh->change = fresh->whitened + weights;
    return fresh;
}

/* B and C anew from the dual, so that the sum of the rows' influences is the change of the logits. */
static bool solution_fill(const solver *s, e2_memory_solution *out) {
    const e2_memory_problem *problem = s->problem;
    memcpy(out->dual, s->a, s->cells * sizeof *s->a);
    if (!to_features(s, out->dual, out->whitened)) return false;
    if (problem->whitener)
        return e2_linear_apply(s->compute, problem->whitener, out->whitened, problem->columns, E2_NO_ACTIVATION,
                               out->change);
    memcpy(out->change, out->whitened, s->weights * sizeof *out->change);
    return true;
}

static e2str_status check_options(const e2_memory_problem *problem, const float *weight,
                                  const e2_memory_options *options, e2str_error *error) {
    if (!(options->strength > 0.0f) || !isfinite(options->strength))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "memory: strength %g is not above 0", (double)options->strength);
    if (!(options->tolerance >= 0.0f))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "memory: tolerance %g is below 0", (double)options->tolerance);
    for (size_t i = 0; weight && i < problem->count; i++)
        if (!(weight[i] >= 0.0f) || !isfinite(weight[i]))
            return e2_fail(error, E2STR_ERROR_ARGUMENT, "memory: weight %zu is %g", i, (double)weight[i]);
    return E2STR_OK;
}

static e2str_status learn(solver *s, e2_memory_solution **solution, e2str_error *error) {
    unsigned iterations;
    double gap, sum = 0.0;
    float *loss = e2_arena_floats(s->compute->arena, s->problem->count);
    if (!loss || !solve(s, &iterations, &gap)) return e2_fail(error, E2STR_ERROR_MEMORY, "memory: out of memory");
    if (!isfinite(gap))
        return e2_fail(error, E2STR_ERROR_LIMIT, "memory: features or logits are too large to learn from");
    e2_memory_solution *fresh = solution_new(s->problem);
    if (!fresh || !solution_fill(s, fresh) || !e2_memory_score(s->compute, s->problem, fresh, 1.0f, loss, NULL)) {
        e2_memory_solution_free(fresh);
        return e2_fail(error, E2STR_ERROR_MEMORY, "memory: out of memory");
    }
    for (size_t i = 0; i < s->problem->count; i++) sum += (double)s->weight[i] * loss[i];
    fresh->iterations = iterations;
    fresh->gap = gap;
    fresh->objective = sum + s->options->strength * dot(fresh->whitened, fresh->whitened, s->weights);
    *solution = fresh;
    return E2STR_OK;
}

e2str_status e2_memory_learn(const e2_compute *compute, const e2_memory_problem *problem, const float *weight,
                             const e2_memory_options *options, e2_memory_solution **solution, e2str_error *error) {
    *solution = NULL;
    e2str_status status = check_options(problem, weight, options, error);
    if (status) return status;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    solver s;
    if (solver_new(&s, compute, problem, weight, options))
        status = learn(&s, solution, error);
    else
        status = e2_fail(error, E2STR_ERROR_MEMORY, "memory: out of memory");
    e2_arena_release(compute->arena, mark);
    return status;
}

void e2_memory_solution_free(e2_memory_solution *solution) { free(solution); }

/* ----------------------------------------------------------------------------------------- what it gives -- */

static void score_row(const e2_memory_problem *problem, const float *z, size_t i, float *loss, uint32_t *best) {
    float peak = problem->peak[i], largest = problem->rest[i], target = 0.0f;
    uint32_t at = (uint32_t)problem->columns;
    for (size_t c = 0; c < problem->columns; c++) {
        float v = problem->logits[c * problem->padded + i] + z[c * problem->padded + i];
        if (v > peak) peak = v, at = (uint32_t)c;
        largest = v > largest ? v : largest;
        if (c == problem->target[i]) target = v;
    }
    if (best) best[i] = at;
    if (!loss) return;
    double total = exp((double)problem->rest[i] - (double)largest);
    for (size_t c = 0; c < problem->columns; c++) {
        size_t cell = c * problem->padded + i;
        total += exp((double)(problem->logits[cell] + z[cell]) - (double)largest);
    }
    loss[i] = (float)((double)largest + log(total) - (double)target);
}

bool e2_memory_score(const e2_compute *compute, const e2_memory_problem *problem, const e2_memory_solution *solution,
                     float factor, float *loss, uint32_t *best) {
    size_t cells = problem->columns * problem->padded;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *z = e2_arena_floats(compute->arena, cells);
    bool ok = z && (!solution || e2_linear_apply(compute, &problem->by_row, solution->whitened, problem->columns,
                                                 E2_NO_ACTIVATION, z));
    if (ok && !solution) memset(z, 0, cells * sizeof *z);
    for (size_t i = 0; ok && i < cells; i++) z[i] *= factor;
    for (size_t i = 0; ok && i < problem->count; i++) score_row(problem, z, i, loss, best);
    e2_arena_release(compute->arena, mark);
    return ok;
}

/* -------------------------------------------------------------------------------------------- thinning out -- */

typedef struct ranked {
    float loss;
    size_t row;
} ranked;

/* Largest loss first, earlier rows first: a total order. */
static int by_loss(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->loss != y->loss) return x->loss > y->loss ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

bool e2_memory_choose(const float *loss, size_t count, size_t limit, float *weight) {
    for (size_t i = 0; i < count; i++) weight[i] = count <= limit ? 1.0f : 0.0f;
    if (count <= limit) return true;
    ranked *order = e2_alloc(count, sizeof *order);
    if (!order) return false;
    for (size_t i = 0; i < count; i++) order[i] = (ranked){loss[i], i};
    qsort(order, count, sizeof *order, by_loss);
    size_t whole = limit / 2, parts = limit - whole;
    for (size_t i = 0; i < whole; i++) weight[order[i].row] = 1.0f;
    for (size_t i = 0; i < parts; i++) {
        size_t begin = whole + e2_part_begin(count - whole, i, parts);
        size_t end = whole + e2_part_begin(count - whole, i + 1, parts);
        weight[order[begin + (end - begin) / 2].row] = (float)(end - begin);
    }
    free(order);
    return true;
}
