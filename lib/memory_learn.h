/* SPDX-License-Identifier: MIT */
/*
 * The learning of the pool's memory: a change of the output layer, learnt from the steps of the decoder on labelled
 * examples. Of a step i are known its features φ_i [width], the logits of the model z_i, the token y_i that should
 * follow and a weight w_i. Tokens that the examples do not hold keep their logits; only the others have a column:
 *
 *     minimise over C [width][columns]  sum_i w_i CE(z_i + C'φ_i, y_i) + strength tr(C' (S + eps I) C)
 *
 * where CE is the cross-entropy of the softmax over the whole vocabulary. S = E[φφ'] over ordinary text, so the penalty
 * is the expected change of the logits of ordinary text. All is done in whitened features x = Mφ with the symmetric
 * root M = (S + eps I)^(-1/2), in which the penalty is strength |B|^2 and C = MB.
 *
 * B is kept in its dual form B = sum_i x_i a_i', a_i [columns]: so what a row adds to the logits at any φ is
 * ((Mφ)'x_i) a_i, and the sum over the rows is the whole change, up to rounding, also if learning stopped early.
 *
 * The solver is a non-linear conjugate gradient method in the inner product of B (a functional gradient: its direction
 * is a direction of the a_i), with a Newton search along each direction. Measured against L-BFGS, Newton with conjugate
 * gradients and bounds on the Hessian, it needs the fewest products, and it is the one whose steps are steps of a.
 * Results are the same bits at every number of threads.
 */
#ifndef E2_MEMORY_LEARN_H
#define E2_MEMORY_LEARN_H

#include "linear.h"

/* Of a problem: rows, of which e2_thin keeps no more, and each of rows * columns, rows * width and columns * width.
 * Other values are for measuring (docs/scale.md). */
#ifndef E2_MEMORY_MAX_ROWS
#define E2_MEMORY_MAX_ROWS  8192
#define E2_MEMORY_MAX_CELLS ((size_t)1 << 24)
#endif

/* What is learnt from, row by row: the order of the rows decides the last bits. All values finite but `rest`. */
typedef struct e2_memory_rows {
    size_t count, width, columns; /* each at least 1 */
    const float *features;        /* [count][width] */
    const float *logits;          /* [count][columns], of the tokens that have a column */
    const float *rest;            /* [count]: log of the sum of the exponentials of all other logits; -INFINITY: none */
    const float *rest_peak;       /* [count]: the largest of all other logits, -INFINITY: none; for e2_memory_score */
    const uint32_t *target;       /* [count]: column of the token that should follow */
} e2_memory_rows;

/* Rows ready to be learnt from, any number of times: immutable. */
typedef struct e2_memory_problem e2_memory_problem;

/* whitener: M [width][width], symmetric, without bias, kept by reference; NULL: the identity. The rows are copied.
 * ARGUMENT: sizes or targets out of range, a value that is not finite. LIMIT: more rows or cells than the maxima. */
e2str_status e2_memory_problem_new(const e2_compute *compute, const e2_memory_rows *rows, const e2_linear *whitener,
                                   e2_memory_problem **problem, e2str_error *error);
void e2_memory_problem_free(e2_memory_problem *problem); /* NULL is fine */

typedef struct e2_memory_options {
    float strength;          /* > 0 */
    float tolerance;         /* stop when the objective is within this much per unit of weight of its least value */
    unsigned max_iterations; /* two products of rows x width x columns each */
} e2_memory_options;
#define E2_MEMORY_DEFAULTS ((e2_memory_options){.strength = 0.3f, .tolerance = 1e-4f, .max_iterations = 100})

/* What was learnt. Immutable; use it with the problem it came from. */
typedef struct e2_memory_solution {
    size_t padded, columns, width; /* padded: from one column of `dual` to the next */
    float *dual;                   /* [columns][padded]: a, 0 for rows of weight 0 */
    float *whitened;               /* [columns][width]: B' */
    float *change;                 /* [columns][width]: C', what a read adds to the logits is C'φ */
    double objective;              /* at the end */
    double gap;                    /* at most this far above its least value (strong convexity) */
    unsigned iterations;
} e2_memory_solution;

/* weight [count]: finite, not negative; a row of weight 0 is as good as not there. NULL: all 1. ARGUMENT: weights or
 * options out of range; LIMIT: numbers left the range of f32. Stopping at max_iterations is no failure: see `gap`. */
e2str_status e2_memory_learn(const e2_compute *compute, const e2_memory_problem *problem, const float *weight,
                             const e2_memory_options *options, e2_memory_solution **solution, e2str_error *error);
void e2_memory_solution_free(e2_memory_solution *solution); /* NULL is fine */

/* How the rows read with factor times what was learnt (solution NULL: without), held-out rows too: loss [count] is
 * their cross-entropy, best [count] the column of the largest logit, `columns` if another token has it. Either may be
 * NULL. false: out of memory. */
bool e2_memory_score(const e2_compute *compute, const e2_memory_problem *problem, const e2_memory_solution *solution,
                     float factor, float *loss, uint32_t *best);

/* Thins out `count` rows to at most `limit`: weight [count] is 1 for the limit / 2 rows of largest loss (the model's
 * own cross-entropy, finite), of the rest every n-th in order of their loss stands for its n neighbours, and the others
 * get 0. All 1 when count <= limit. Depends on the losses in their order only. false: out of memory. */
bool e2_memory_choose(const float *loss, size_t count, size_t limit, float *weight);

#endif
