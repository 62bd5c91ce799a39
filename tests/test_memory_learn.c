/* SPDX-License-Identifier: MIT */
/*
 * The learning of the memory: against a slow Newton method in double precision that knows nothing of whitening or dual
 * forms, and what holds of any solution: no gradient, the same bits at any number of threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory_learn.h"

/* ------------------------------------------------------------------------------------------------ material -- */

#define MOST_ROWS    1500
#define MOST_WIDTH   40
#define MOST_COLUMNS 24

/* Rows whose targets are a noisy function of their features, so that there is something to learn. */
typedef struct material {
    float features[MOST_ROWS * MOST_WIDTH], logits[MOST_ROWS * MOST_COLUMNS], rest[MOST_ROWS], peak[MOST_ROWS];
    uint32_t target[MOST_ROWS];
    float root[MOST_WIDTH * MOST_WIDTH]; /* the whitener, symmetric and positive definite */
    e2_memory_rows rows;
    e2_linear whitener;
    void *panels;
} material;

static uint64_t state;

static float uniform(void) { /* -1 .. 1 */
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(state >> 40) / 8388608.0f - 1.0f;
}

static void make_root(material *m, size_t width) {
    float wild[MOST_WIDTH * MOST_WIDTH];
    for (size_t i = 0; i < width * width; i++) wild[i] = uniform();
    for (size_t i = 0; i < width; i++)
        for (size_t j = 0; j < width; j++) {
            float sum = i == j ? 0.3f : 0.0f;
            for (size_t k = 0; k < width; k++) sum += wild[i * width + k] * wild[j * width + k] / (float)width;
            m->root[i * width + j] = sum;
        }
    size_t bytes = e2_packed_bytes(E2_WEIGHT_F32, width, width);
    m->panels = aligned_alloc(64, (bytes + 63) / 64 * 64);
    e2_pack(E2_WEIGHT_F32, m->root, 0, width, width, m->panels, NULL, NULL);
    m->whitener = (e2_linear){.matrix = {.type = E2_WEIGHT_F32, .n = width, .k = width, .panels = m->panels},
                              .in = (uint32_t)width,
                              .out = (uint32_t)width};
}

static material *material_new(size_t count, size_t width, size_t columns, uint64_t seed) {
    material *m = test_calloc(1, sizeof *m);
    state = seed;
    for (size_t i = 0; i < count * width; i++) m->features[i] = 3.0f * uniform();
    for (size_t i = 0; i < count * columns; i++) m->logits[i] = 2.0f * uniform();
    for (size_t i = 0; i < count; i++) {
        m->peak[i] = 2.0f * uniform();
        m->rest[i] = m->peak[i] + 0.5f;
        float wanted = m->features[i * width] + m->features[i * width + width / 2] + uniform();
        m->target[i] = (uint32_t)((wanted + 7.0f) / 14.0f * (float)columns) % (uint32_t)columns;
    }
    make_root(m, width);
    m->rows = (e2_memory_rows){count, width, columns, m->features, m->logits, m->rest, m->peak, m->target};
    return m;
}

static void material_free(material *m) {
    free(m->panels);
    test_free(m);
}

static e2_kernels kernels; /* the best of this CPU, unless a test says otherwise */

static e2_compute plain(e2_arena *arena) {
    assert_true(e2_kernels_best("", &kernels));
    return (e2_compute){.kernels = &kernels, .arena = arena};
}

static e2_memory_options exact(float strength) { return (e2_memory_options){strength, 1e-10f, 2000}; }

/* Learns with one thread; the problem goes to *problem if wanted. */
static e2_memory_solution *learnt(const material *m, const float *weight, e2_memory_options options,
                                  e2_memory_problem **problem) {
    e2_arena arena = {0};
    e2_compute compute = plain(&arena);
    e2_memory_problem *own;
    e2_memory_solution *solution;
    assert_int_equal(e2_memory_problem_new(&compute, &m->rows, &m->whitener, &own, NULL), E2STR_OK);
    assert_int_equal(e2_memory_learn(&compute, own, weight, &options, &solution, NULL), E2STR_OK);
    if (problem)
        *problem = own;
    else
        e2_memory_problem_free(own);
    e2_arena_free(&arena);
    return solution;
}

/* ----------------------------------------------------------------------------------------------- reference -- */

/* x = A^-1 b by elimination with pivots; a [n][n] and b [n][m] are overwritten, b by the result. */
static void eliminate(double *a, double *b, size_t n, size_t m) {
    for (size_t i = 0; i < n; i++) {
        size_t pivot = i;
        for (size_t r = i + 1; r < n; r++)
            if (fabs(a[r * n + i]) > fabs(a[pivot * n + i])) pivot = r;
        for (size_t c = 0; c < n; c++) {
            double kept = a[i * n + c];
            a[i * n + c] = a[pivot * n + c], a[pivot * n + c] = kept;
        }
        for (size_t c = 0; c < m; c++) {
            double kept = b[i * m + c];
            b[i * m + c] = b[pivot * m + c], b[pivot * m + c] = kept;
        }
        for (size_t r = 0; r < n; r++) {
            if (r == i) continue;
            double factor = a[r * n + i] / a[i * n + i];
            for (size_t c = i; c < n; c++) a[r * n + c] -= factor * a[i * n + c];
            for (size_t c = 0; c < m; c++) b[r * m + c] -= factor * b[i * m + c];
        }
    }
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < m; c++) b[i * m + c] /= a[i * n + i];
}

/* (S + eps I) = M^-2 for the whitener M. */
static void penalty_matrix(const material *m, double *out) {
    size_t n = m->rows.width;
    double *square = test_calloc(n * n, sizeof *square);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            for (size_t k = 0; k < n; k++) square[i * n + j] += (double)m->root[i * n + k] * m->root[k * n + j];
            out[i * n + j] = i == j;
        }
    eliminate(square, out, n, n);
    test_free(square);
}

/* Probabilities of row i over the columns with C' [columns][width]; returns the loss. */
static double reference_row(const material *m, const double *change, size_t i, double *p) {
    const e2_memory_rows *r = &m->rows;
    double peak = r->rest[i], total = 0.0, target = 0.0;
    for (size_t c = 0; c < r->columns; c++) {
        p[c] = r->logits[i * r->columns + c];
        for (size_t f = 0; f < r->width; f++) p[c] += change[c * r->width + f] * r->features[i * r->width + f];
        if (c == r->target[i]) target = p[c];
        peak = p[c] > peak ? p[c] : peak;
    }
    total = exp(r->rest[i] - peak);
    for (size_t c = 0; c < r->columns; c++) total += p[c] = exp(p[c] - peak);
    for (size_t c = 0; c < r->columns; c++) p[c] /= total;
    return log(total) + peak - target;
}

/* The objective and its gradient [columns][width] at C'. */
static double reference(const material *m, const float *weight, double strength, const double *change,
                        double *gradient) {
    const e2_memory_rows *r = &m->rows;
    size_t n = r->width;
    double *q = test_malloc(n * n * sizeof *q), p[MOST_COLUMNS], value = 0.0;
    penalty_matrix(m, q);
    memset(gradient, 0, r->columns * n * sizeof *gradient);
    for (size_t i = 0; i < r->count; i++) {
        double w = weight ? weight[i] : 1.0;
        value += w * reference_row(m, change, i, p);
        for (size_t c = 0; c < r->columns; c++)
            for (size_t f = 0; f < n; f++)
                gradient[c * n + f] += w * (p[c] - (c == r->target[i])) * r->features[i * n + f];
    }
    for (size_t c = 0; c < r->columns; c++)
        for (size_t f = 0; f < n; f++) {
            double sum = 0.0;
            for (size_t g = 0; g < n; g++) sum += q[f * n + g] * change[c * n + g];
            value += strength * sum * change[c * n + f];
            gradient[c * n + f] += 2.0 * strength * sum;
        }
    test_free(q);
    return value;
}

/* C' at the optimum by Newton's method with the whole Hessian, halving steps that do not descend. */
static double reference_solve(const material *m, const float *weight, double strength, double *change) {
    const e2_memory_rows *r = &m->rows;
    size_t n = r->width, size = r->columns * n;
    double *q = test_malloc(n * n * sizeof *q), *hessian = test_malloc(size * size * sizeof *hessian);
    double *step = test_malloc(size * sizeof *step), *next = test_malloc(size * sizeof *next), p[MOST_COLUMNS];
    penalty_matrix(m, q);
    memset(change, 0, size * sizeof *change);
    double value = reference(m, weight, strength, change, step);
    for (int iteration = 0; iteration < 60; iteration++) {
        memset(hessian, 0, size * size * sizeof *hessian);
        for (size_t c = 0; c < r->columns; c++)
            for (size_t f = 0; f < n; f++)
                for (size_t g = 0; g < n; g++) hessian[(c * n + f) * size + c * n + g] = 2.0 * strength * q[f * n + g];
        for (size_t i = 0; i < r->count; i++) {
            reference_row(m, change, i, p);
            const float *phi = r->features + i * n;
            for (size_t a = 0; a < size; a++)
                for (size_t b = 0; b < size; b++)
                    hessian[a * size + b] += (weight ? weight[i] : 1.0) * p[a / n] * ((a / n == b / n) - p[b / n]) *
                                             (double)phi[a % n] * phi[b % n];
        }
        value = reference(m, weight, strength, change, step);
        eliminate(hessian, step, size, 1);
        double *gradient = hessian, length = 1.0, moved = 0.0;
        do {
            for (size_t a = 0; a < size; a++) next[a] = change[a] - length * step[a];
            length *= 0.5;
        } while (reference(m, weight, strength, next, gradient) > value && length > 1e-9);
        for (size_t a = 0; a < size; a++) moved = fmax(moved, fabs(next[a] - change[a]));
        memcpy(change, next, size * sizeof *change);
        if (moved < 1e-11) break;
    }
    value = reference(m, weight, strength, change, step);
    test_free(q), test_free(hessian), test_free(step), test_free(next);
    return value;
}

/* -------------------------------------------------------------------------------------------------- optimum -- */

static void assert_is_reference(const material *m, const float *weight, float strength) {
    size_t size = m->rows.columns * m->rows.width;
    double *change = test_malloc(size * sizeof *change);
    double value = reference_solve(m, weight, strength, change);
    e2_memory_solution *s = learnt(m, weight, exact(strength), NULL);
    assert_true(fabs(s->objective - value) <= 1e-5 * (1.0 + fabs(value)));
    for (size_t i = 0; i < size; i++) assert_true(fabs(s->change[i] - change[i]) <= 2e-3 * (0.1 + fabs(change[i])));
    e2_memory_solution_free(s);
    test_free(change);
}

static void test_is_the_optimum(void **unused) {
    (void)unused;
    const struct {
        size_t count, width, columns;
        float strength;
    } cases[] = {{40, 7, 4, 0.1f}, {7, 9, 3, 0.05f}, {90, 5, 6, 1.0f},
                 {33, 6, 1, 0.2f}, {1, 4, 2, 0.1f},  {16, 1, 2, 3.0f}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        material *m = material_new(cases[i].count, cases[i].width, cases[i].columns, 11 + i);
        assert_is_reference(m, NULL, cases[i].strength);
        material_free(m);
    }
}

static void test_weights_count(void **unused) {
    (void)unused;
    material *m = material_new(50, 6, 4, 5);
    float weight[50];
    for (size_t i = 0; i < 50; i++) weight[i] = (float)(i % 4) * 0.7f;
    assert_is_reference(m, weight, 0.1f);
    material_free(m);
}

static void test_no_gradient_is_left(void **unused) {
    (void)unused;
    material *m = material_new(900, 24, 12, 3);
    size_t size = 12 * 24;
    double *change = test_calloc(size, sizeof *change), *gradient = test_malloc(size * sizeof *gradient), before = 0,
           after = 0;
    reference(m, NULL, 0.1, change, gradient);
    for (size_t i = 0; i < size; i++) before = fmax(before, fabs(gradient[i]));
    e2_memory_solution *s = learnt(m, NULL, exact(0.1f), NULL);
    for (size_t i = 0; i < size; i++) change[i] = s->change[i];
    double value = reference(m, NULL, 0.1, change, gradient);
    for (size_t i = 0; i < size; i++) after = fmax(after, fabs(gradient[i]));
    assert_true(after < 1e-4 * before);
    assert_true(fabs(value - s->objective) < 1e-4 * value);
    e2_memory_solution_free(s);
    test_free(change), test_free(gradient);
    material_free(m);
}

/* The bound on the distance to the least value holds, and the tolerance is kept. */
static void test_gap_is_a_bound(void **unused) {
    (void)unused;
    material *m = material_new(700, 20, 10, 8);
    e2_memory_solution *least = learnt(m, NULL, exact(0.1f), NULL);
    for (unsigned most = 1; most < 40; most += 6) {
        e2_memory_solution *s = learnt(m, NULL, (e2_memory_options){0.1f, 1e-3f, most}, NULL);
        assert_true(s->iterations <= most);
        assert_true(s->iterations == most || s->gap <= 1e-3 * 700);
        assert_true(s->objective - least->objective <= s->gap + 1e-3);
        e2_memory_solution_free(s);
    }
    e2_memory_solution_free(least);
    material_free(m);
}

static void test_every_level_agrees(void **unused) {
    (void)unused;
    material *m = material_new(300, 33, 9, 4);
    e2_memory_solution *best = learnt(m, NULL, exact(0.1f), NULL);
    for (int level = 0; level < E2_LEVELS; level++) {
        e2_kernels wanted, table;
        e2_kernels_at((e2_level)level, &wanted);
        assert_true(e2_kernels_best(wanted.name, &table));
        if (strcmp(table.name, wanted.name) != 0) continue; /* this CPU cannot run it */
        e2_arena arena = {0};
        e2_compute compute = {.kernels = &table, .arena = &arena};
        e2_memory_problem *problem;
        e2_memory_solution *s;
        assert_int_equal(e2_memory_problem_new(&compute, &m->rows, &m->whitener, &problem, NULL), E2STR_OK);
        assert_int_equal(e2_memory_learn(&compute, problem, NULL, &(e2_memory_options){0.1f, 1e-10f, 2000}, &s, NULL),
                         0);
        for (size_t i = 0; i < 33 * 9; i++) assert_true(fabsf(s->change[i] - best->change[i]) < 2e-3f);
        e2_memory_solution_free(s);
        e2_memory_problem_free(problem);
        e2_arena_free(&arena);
    }
    e2_memory_solution_free(best);
    material_free(m);
}

/* --------------------------------------------------------------------------------------------- same bits -- */

static void test_threads_change_no_bit(void **unused) {
    (void)unused;
    material *m = material_new(1501 - 2, 40, 24, 6);
    e2_memory_options options = E2_MEMORY_DEFAULTS;
    e2_memory_solution *one = learnt(m, NULL, options, NULL);
    size_t bytes = (one->columns * one->padded + 2 * one->columns * one->width) * sizeof(float);
    for (unsigned count = 1; count <= 3; count++) {
        e2_arena arenas[4] = {{0}};
        e2_compute workers[3], compute = plain(&arenas[3]);
        for (unsigned i = 0; i < count; i++) workers[i] = plain(&arenas[i]);
        assert_int_equal(e2_threads_new(count, &compute.threads, NULL), E2STR_OK);
        compute.workers = workers;
        e2_memory_problem *problem;
        e2_memory_solution *s;
        assert_int_equal(e2_memory_problem_new(&compute, &m->rows, &m->whitener, &problem, NULL), E2STR_OK);
        assert_int_equal(e2_memory_learn(&compute, problem, NULL, &options, &s, NULL), E2STR_OK);
        assert_memory_equal(s->dual, one->dual, bytes);
        assert_int_equal(s->iterations, one->iterations);
        e2_memory_solution_free(s);
        e2_memory_problem_free(problem);
        e2_threads_free(compute.threads);
        for (unsigned i = 0; i < 4; i++) e2_arena_free(&arenas[i]);
    }
    e2_memory_solution_free(one);
    material_free(m);
}

/* An example of weight 0 is as good as not there: what is learnt is what the others alone teach. */
static void test_left_out_is_not_there(void **unused) {
    (void)unused;
    material *m = material_new(200, 12, 5, 7), *fewer = material_new(200, 12, 5, 7);
    float weight[200];
    size_t kept = 0;
    for (size_t i = 0; i < 200; i++) {
        weight[i] = i % 5 ? 1.0f : 0.0f;
        if (i % 5 == 0) continue;
        memcpy(fewer->features + kept * 12, m->features + i * 12, 12 * sizeof(float));
        memcpy(fewer->logits + kept * 5, m->logits + i * 5, 5 * sizeof(float));
        fewer->rest[kept] = m->rest[i], fewer->target[kept] = m->target[i];
        kept++;
    }
    fewer->rows.count = kept;
    e2_memory_solution *a = learnt(m, weight, exact(0.1f), NULL), *b = learnt(fewer, NULL, exact(0.1f), NULL);
    for (size_t i = 0; i < 12 * 5; i++) assert_true(fabsf(a->change[i] - b->change[i]) < 1e-3f);
    for (size_t c = 0; c < 5; c++)
        for (size_t i = 0; i < 200; i += 5) assert_true(a->dual[c * a->padded + i] == 0.0f);
    e2_memory_solution_free(a);
    e2_memory_solution_free(b);
    material_free(m);
    material_free(fewer);
}

/* ------------------------------------------------------------------------------------- -------------- score -- */

static void test_score_is_the_loss(void **unused) {
    (void)unused;
    material *m = material_new(120, 10, 6, 10);
    e2_memory_problem *problem;
    e2_memory_solution *s = learnt(m, NULL, exact(0.1f), &problem);
    e2_arena arena = {0};
    e2_compute compute = plain(&arena);
    size_t right[2] = {0};
    for (int with = 0; with < 2; with++) {
        float loss[120];
        uint32_t best[120];
        double change[60], p[MOST_COLUMNS];
        for (size_t i = 0; i < 60; i++) change[i] = with ? s->change[i] : 0.0;
        assert_true(e2_memory_score(&compute, problem, with ? s : NULL, 1.0f, loss, best));
        for (size_t i = 0; i < 120; i++) {
            assert_true(fabs(loss[i] - reference_row(m, change, i, p)) < 1e-4);
            double peak = m->peak[i];
            uint32_t at = 6;
            for (uint32_t c = 0; c < 6; c++) {
                double v = m->logits[i * 6 + c];
                for (size_t f = 0; f < 10; f++) v += change[c * 10 + f] * m->features[i * 10 + f];
                if (v > peak) peak = v, at = c;
            }
            assert_int_equal(best[i], at);
            right[with] += at == m->target[i];
        }
    }
    assert_true(right[1] > right[0] + 30); /* it did learn */
    e2_arena_free(&arena);
    e2_memory_solution_free(s);
    e2_memory_problem_free(problem);
    material_free(m);
}

/* ------------------------------------------------------------------------------------------------ degenerate -- */

static void assert_nothing_learnt(const e2_memory_solution *s) {
    for (size_t i = 0; i < s->columns * s->width; i++) assert_true(s->change[i] == 0.0f);
}

static void assert_all_finite(const e2_memory_solution *s) {
    for (size_t i = 0; i < s->columns * s->width; i++) assert_true(isfinite(s->change[i]));
    for (size_t i = 0; i < s->columns * s->padded; i++) assert_true(isfinite(s->dual[i]));
}

static void test_nothing_to_learn(void **unused) {
    (void)unused;
    material *m = material_new(20, 5, 3, 12);
    float none[20] = {0};
    e2_memory_solution *s = learnt(m, none, E2_MEMORY_DEFAULTS, NULL);
    assert_nothing_learnt(s); /* all rows are left out */
    e2_memory_solution_free(s);
    memset(m->features, 0, sizeof m->features);
    s = learnt(m, NULL, E2_MEMORY_DEFAULTS, NULL);
    assert_nothing_learnt(s); /* no features */
    e2_memory_solution_free(s);
    material_free(m);
    m = material_new(20, 5, 1, 12);
    for (size_t i = 0; i < 20; i++) m->rest[i] = m->peak[i] = -INFINITY;
    s = learnt(m, NULL, E2_MEMORY_DEFAULTS, NULL);
    assert_nothing_learnt(s); /* one token is the whole vocabulary */
    e2_memory_solution_free(s);
    material_free(m);
}

/* Rows that are all the same, with labels that contradict each other; logits as good as excluded; strong and weak. */
static void test_odd_rows(void **unused) {
    (void)unused;
    material *m = material_new(1000, 8, 4, 13);
    for (size_t i = 0; i < 1000; i++) memcpy(m->features + i * 8, m->features, 8 * sizeof(float));
    for (size_t i = 0; i < 1000; i++) m->logits[i * 4] = -1e9f;
    for (float strength = 1e-6f; strength < 1e7f; strength *= 1e3f) {
        e2_memory_solution *s = learnt(m, NULL, (e2_memory_options){strength, 1e-6f, 50}, NULL);
        assert_all_finite(s);
        assert_true(s->iterations <= 50);
        e2_memory_solution_free(s);
    }
    material_free(m);
}

static e2str_status try_problem(const material *m) {
    e2_arena arena = {0};
    e2_compute compute = plain(&arena);
    e2_memory_problem *problem;
    e2str_error error = {{0}};
    e2str_status status = e2_memory_problem_new(&compute, &m->rows, &m->whitener, &problem, &error);
    if (status) assert_null(problem);
    if (status) assert_true(strlen(error.message) > 0);
    e2_memory_problem_free(problem);
    e2_arena_free(&arena);
    return status;
}

static void test_bad_rows_are_refused(void **unused) {
    (void)unused;
    material *m = material_new(20, 5, 3, 14);
    assert_int_equal(try_problem(m), E2STR_OK);
    float *values[] = {m->features + 7, m->logits + 59, m->rest + 19, m->peak};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        float kept = *values[i];
        *values[i] = NAN;
        assert_int_equal(try_problem(m), E2STR_ERROR_ARGUMENT);
        *values[i] = INFINITY;
        assert_int_equal(try_problem(m), E2STR_ERROR_ARGUMENT);
        *values[i] = kept;
    }
    m->target[19] = 3;
    assert_int_equal(try_problem(m), E2STR_ERROR_ARGUMENT);
    m->target[19] = 0;
    m->whitener.in = 6;
    assert_int_equal(try_problem(m), E2STR_ERROR_ARGUMENT);
    m->whitener.in = 5;
    size_t *sizes[] = {&m->rows.count, &m->rows.width, &m->rows.columns};
    for (size_t i = 0; i < 3; i++) {
        size_t kept = *sizes[i];
        *sizes[i] = 0;
        assert_int_equal(try_problem(m), E2STR_ERROR_ARGUMENT);
        *sizes[i] = kept;
    }
    m->rows.count = E2_MEMORY_MAX_ROWS + 1;
    assert_int_equal(try_problem(m), E2STR_ERROR_LIMIT);
    m->rows.count = 20, m->rows.columns = SIZE_MAX / 2;
    assert_int_equal(try_problem(m), E2STR_ERROR_LIMIT);
    material_free(m);
}

static void test_bad_options_are_refused(void **unused) {
    (void)unused;
    material *m = material_new(20, 5, 3, 15);
    e2_arena arena = {0};
    e2_compute compute = plain(&arena);
    e2_memory_problem *problem;
    e2_memory_solution *s;
    assert_int_equal(e2_memory_problem_new(&compute, &m->rows, NULL, &problem, NULL), E2STR_OK);
    const e2_memory_options bad[] = {
        {0.0f, 1e-4f, 9}, {-1.0f, 1e-4f, 9}, {NAN, 1e-4f, 9}, {INFINITY, 1e-4f, 9}, {1.0f, NAN, 9}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(e2_memory_learn(&compute, problem, NULL, &bad[i], &s, NULL), E2STR_ERROR_ARGUMENT);
        assert_null(s);
    }
    float weight[20] = {[19] = -1.0f};
    assert_int_equal(e2_memory_learn(&compute, problem, weight, &E2_MEMORY_DEFAULTS, &s, NULL), E2STR_ERROR_ARGUMENT);
    weight[19] = INFINITY;
    assert_int_equal(e2_memory_learn(&compute, problem, weight, &E2_MEMORY_DEFAULTS, &s, NULL), E2STR_ERROR_ARGUMENT);
    e2_memory_problem_free(problem);
    for (size_t i = 0; i < 100; i++) m->features[i] = i % 2 ? 3e38f : -3e38f; /* finite, but no sum of them is */
    assert_int_equal(e2_memory_problem_new(&compute, &m->rows, NULL, &problem, NULL), E2STR_OK);
    assert_int_equal(e2_memory_learn(&compute, problem, NULL, &E2_MEMORY_DEFAULTS, &s, NULL), E2STR_ERROR_LIMIT);
    assert_null(s);
    e2_memory_problem_free(problem);
    e2_arena_free(&arena);
    material_free(m);
}

/* ---------------------------------------------------------------------------------------------- thinning out -- */

static void test_choice(void **unused) {
    (void)unused;
    float loss[1000], weight[1000], again[1000], backwards[1000];
    state = 16;
    for (size_t i = 0; i < 1000; i++) loss[i] = fabsf(uniform()) * (i % 7 ? 0.01f : 5.0f);
    assert_true(e2_memory_choose(loss, 1000, 1000, weight));
    for (size_t i = 0; i < 1000; i++) assert_true(weight[i] == 1.0f);
    assert_true(e2_memory_choose(loss, 1000, 300, weight));
    double total = 0.0, least_whole = 1e9;
    size_t chosen = 0, whole = 0;
    for (size_t i = 0; i < 1000; i++) {
        total += weight[i];
        chosen += weight[i] > 0.0f;
        whole += weight[i] == 1.0f;
        if (weight[i] == 1.0f && loss[i] < least_whole) least_whole = loss[i];
    }
    assert_int_equal(chosen, 300);
    assert_int_equal(whole, 150);
    assert_true(total == 1000.0);
    for (size_t i = 0; i < 1000; i++)
        if (weight[i] != 1.0f) assert_true(loss[i] <= least_whole);
    assert_true(e2_memory_choose(loss, 1000, 300, again));
    assert_memory_equal(weight, again, sizeof weight);
    for (size_t i = 0; i < 1000; i++) backwards[i] = loss[999 - i];
    assert_true(e2_memory_choose(backwards, 1000, 300, again));
    for (size_t i = 0; i < 1000; i++) assert_true(again[i] == weight[999 - i]); /* no two losses are equal */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_the_optimum),
        cmocka_unit_test(test_weights_count),
        cmocka_unit_test(test_no_gradient_is_left),
        cmocka_unit_test(test_gap_is_a_bound),
        cmocka_unit_test(test_every_level_agrees),
        cmocka_unit_test(test_threads_change_no_bit),
        cmocka_unit_test(test_left_out_is_not_there),
        cmocka_unit_test(test_score_is_the_loss),
        cmocka_unit_test(test_nothing_to_learn),
        cmocka_unit_test(test_odd_rows),
        cmocka_unit_test(test_bad_rows_are_refused),
        cmocka_unit_test(test_bad_options_are_refused),
        cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
