/* The layers that every stage is made of: linear, norm, activation, feed-forward, attention. */
#ifndef E2_LINEAR_H
#define E2_LINEAR_H

#include "arena.h"
#include "kernels.h"
#include "model.h"

/* y [rows][out] = x [rows][in] W^T + b; x's rows are `in` apart, y's `out`. */
void e2_linear_apply(const e2_linear *linear, const float *x, size_t rows, float *y);

/* y += gate * (x W^T + b): a residual connection. */
void e2_linear_add(const e2_linear *linear, float gate, const float *x, size_t rows, float *y);

void e2_norm_apply(const e2_norm *norm, float epsilon, const float *x, size_t rows, size_t width, float *y);

void e2_activate(e2_activation activation, float *x, size_t n);

/* x += gate * down(activation(up(norm(x)))); x [rows][up->in]. false: out of memory. */
bool e2_feed_forward(const e2_norm *norm, float epsilon, const e2_linear *up, const e2_linear *down,
                     e2_activation activation, float gate, float *x, size_t rows, e2_arena *scratch);

/* One side of an attention: `rows` rows, `stride` floats apart, head h at columns h * head_size. */
typedef struct e2_rows {
    const float *data;
    size_t rows, stride;
} e2_rows;

/* out [query.rows][heads * head_size] = softmax(query key^T / sqrt(head_size)) value, head by head, no mask; key and
 * value have the same number of rows. false: out of memory. */
bool e2_attention(e2_rows query, e2_rows key, e2_rows value, uint32_t heads, uint32_t head_size, float *out,
                  e2_arena *scratch);

#endif
