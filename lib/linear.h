/* SPDX-License-Identifier: MIT */
/* The layers that every stage is made of: linear, norm, feed-forward, attention; spread over the session's threads. */
#ifndef E2_LINEAR_H
#define E2_LINEAR_H

#include "compute.h"

/* y [rows][out] = activation(x W^T + b), the rows of x `in` apart. false: out of memory. */
bool e2_linear_apply(const e2_compute *compute, const e2_linear *linear, const float *x, size_t rows,
                     e2_epilogue_activation activation, float *y);

/* Row `row` of W as f32 [in]. */
void e2_linear_row(const e2_linear *linear, uint32_t row, float *out);

void e2_norm_apply(const e2_compute *compute, const e2_norm *norm, float epsilon, const float *x, size_t rows,
                   size_t width, float *y);

/* y [rows][linear->out] = norm(x) W^T + b; x [rows][linear->in]. */
bool e2_norm_linear(const e2_compute *compute, const e2_norm *norm, float epsilon, const e2_linear *linear,
                    const float *x, size_t rows, float *y);

/* The second half of a transformer block, which every row goes through alone:
 *     x += out_gate * out(attended);  x += gate * down(activation(up(norm(x))))        x [rows][out->out] */
typedef struct e2_block_end {
    const e2_linear *out;
    float out_gate;
    const e2_norm *norm;
    float epsilon;
    const e2_linear *up, *down;
    e2_activation activation;
    float gate;
} e2_block_end;
/* That of a block, without gates. */
static inline e2_block_end e2_block_end_of(const e2_block *block, float epsilon, e2_activation activation) {
    return (e2_block_end){&block->out, 1.0f, &block->norm2, epsilon, &block->up, &block->down, activation, 1.0f};
}
bool e2_block_finish(const e2_compute *compute, const e2_block_end *end, const float *attended, float *x, size_t rows);

/* A chain: steps that every row goes through alone. `run` does them for the rows begin .. begin + rows - 1 with the
 * compute it is given, in one call or in shares that the threads take; what it leaves in the arena is given back. false
 * when one call returned false: out of memory. */
typedef bool e2_chain_fn(const e2_compute *compute, const void *context, size_t begin, size_t rows);
bool e2_chain_run(const e2_compute *compute, size_t rows, e2_chain_fn *run, const void *context);

/* One side of an attention: rows `stride` floats apart, head h at columns h * head_size. */
typedef struct e2_rows {
    const float *data;
    size_t rows, stride;
} e2_rows;

/* One attention without a mask: out = softmax(query key^T / sqrt(head_size)) value, head by head. `exact`: in f32; else
 * in integers beside products in int8, which suits the many layers of a vision transformer: in a resampler, a query
 * picks few keys and its error is that of the image. */
typedef struct e2_attention_job {
    e2_rows query, key, value; /* key and value have the same number of rows */
    float *out;                /* [query.rows][heads * head_size] */
} e2_attention_job;
bool e2_attention(const e2_compute *compute, const e2_attention_job *jobs, size_t n, uint32_t heads, uint32_t head_size,
                  bool exact);

#endif
