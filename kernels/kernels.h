/*
 * The arithmetic between the matrix products: one signature per operation, no knowledge of any model.
 * kernels.def lists every implementation; ref/ is plain C and the specification of the others.
 * All buffers are f32, row-major and without padding unless a stride is given. Any size, 0 included.
 */
#ifndef E2_KERNELS_H
#define E2_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* y[r][i] = (x[r][i] - mean_r) / sqrt(variance_r + epsilon) * weight[i] + bias[i]; biased variance. y may be x. */
typedef void e2_layer_norm_fn(const float *x, size_t rows, size_t width, const float *weight, const float *bias,
                              float epsilon, float *y);

/* Each of the rows x[r * stride .. + columns] becomes its softmax. */
typedef void e2_softmax_fn(float *x, size_t rows, size_t columns, size_t stride);

/* x = activation(x), n values: exact GELU x/2 (1 + erf(x/sqrt 2)); x * sigmoid(1.702 x); max(x, 0). */
typedef void e2_activation_fn(float *x, size_t n);

/* Sum of a[i] * b[i], in an order that depends on n only. */
typedef float e2_dot_fn(const float *a, const float *b, size_t n);

/* One query row against chosen rows of a KV cache, all heads: head h uses columns h * head_size .. + head_size of
 * query, of row slots[j] of keys and values ([.][stride]), and of out. scores: scratch of n floats.
 * out = sum_j softmax_j(scale * query . key_j) value_j. n >= 1. */
typedef void e2_attend_fn(const float *query, const float *keys, const float *values, size_t stride,
                          const uint32_t *slots, size_t n, size_t heads, size_t head_size, float scale, float *scores,
                          float *out);

typedef struct e2_kernels {
    const char *name; /* of the level: "ref", ... */
    e2_layer_norm_fn *layer_norm;
    e2_softmax_fn *softmax;
    e2_activation_fn *gelu, *quick_gelu, *relu;
    e2_dot_fn *dot;
    e2_attend_fn *attend;
} e2_kernels;

/* The best level for this CPU. */
const e2_kernels *e2_kernels_best(void);

#define E2_KERNEL(operation, level, symbol, tolerance) extern e2_##operation##_fn symbol;
#include "kernels.def"
#undef E2_KERNEL

#endif
