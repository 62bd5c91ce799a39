/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic: one signature per operation, no knowledge of any model.
 *
 * kernels.def lists every implementation. ref/ is plain C and the specification of the others; a level overlays the one
 * below it. All f32 buffers are row-major; a stride is in elements. Any size, 0 included, unless said otherwise.
 * Nothing here allocates, and nothing depends on the number of threads: a caller splits work by panels, rows or heads,
 * and every output element is computed whole by one call in an order that depends on the operands' sizes only, never on
 * how many rows or panels a call got. So results are the same bits at any thread count and any batch size.
 */
#ifndef E2_KERNELS_H
#define E2_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- element-wise and row-wise ---- */

/* y[r][i] = (x[r][i] - mean_r) / sqrt(variance_r + epsilon) * weight[i] + bias[i]; biased variance. y may be x. */
typedef void e2_layer_norm_fn(const float *x, size_t rows, size_t width, const float *weight, const float *bias,
                              float epsilon, float *y);

/* Each of the rows x[r * stride .. + columns] becomes its softmax. */
typedef void e2_softmax_fn(float *x, size_t rows, size_t columns, size_t stride);

/* x = activation(x), n values: exact GELU x/2 (1 + erf(x/sqrt 2)); x * sigmoid(1.702 x); max(x, 0). */
typedef void e2_activation_fn(float *x, size_t n);
typedef e2_activation_fn e2_gelu_fn, e2_quick_gelu_fn, e2_relu_fn;

/* out[r] = sum of key[i] * rows[r][i]: cosine similarity when all have unit length. The order of the sum depends on
 * width only. */
typedef void e2_similarity_fn(const float *key, const float *rows, size_t n, size_t width, float *out);

/*
 * Codes of keys, scanned for those that may be near (lib/index.c). A block of E2_CODE_BLOCK of them, code by code side
 * by side: uint8_t [bytes][E2_CODE_BLOCK], float factor [E2_CODE_BLOCK], float offset [E2_CODE_BLOCK]; aligned to 64. A
 * code's sum is that of what each four of its bits look up: tables [bytes][2][16], of a byte's low and high bits, with
 * values of at most E2_CODE_MOST. bytes: at most E2_CODE_BYTES, so that a sum fits 16 bits.
 * out[i] = factor[i] * (line[0] * sum_i + line[1]) + offset[i], every operation rounded: the same bits at every level.
 * Returns which are at least `least`, code i in bit i; a NaN is not.
 */
#define E2_CODE_BLOCK 64
#define E2_CODE_MOST  60
#define E2_CODE_BYTES 512
typedef uint64_t e2_scan_codes_fn(const void *block, size_t bytes, const uint8_t *tables, const float line[2],
                                  float least, float *out);

/* ---- attention, never holding the full score matrix ---- */

/* One head: out[i] = sum_j softmax_j(scale * query_i . key_j) value_j. n_keys >= 1, head_size 1 to 256.
 * scratch: e2_attention_scratch(n_keys, head_size) floats, aligned to 64. */
typedef struct e2_attention_args {
    const float *query, *key, *value;
    float *out;
    size_t n_queries, n_keys, head_size;
    size_t query_stride, key_stride, value_stride, out_stride;
    float scale;
    float *scratch;
} e2_attention_args;
typedef void e2_attention_fn(const e2_attention_args *args);

/* The same beside products in int8, which are no more exact: a level may round queries, keys, values and weights to
 * integers. Then a NaN among them counts as 0, and an infinity makes the result NaN. */
typedef e2_attention_fn e2_attention_int_fn;

#define E2_ATTENTION_ROWS 32 /* most query rows whose scores are held at a time */
static inline size_t e2_attention_scratch(size_t n_keys, size_t head_size) {
    size_t keys = (n_keys + 63) / 64 * 64, width = (head_size + 63) / 64 * 64;
    return keys * width * 2 + E2_ATTENTION_ROWS * (keys + width);
}

/* One query row against chosen rows of a KV cache, all heads: head h uses columns h * head_size .. + head_size of
 * query, of row slots[j] of keys and values ([.][stride]), and of out. slots NULL: rows 0 .. n - 1. scores: room for
 * heads * n floats; afterwards the weights, [heads][n]. n >= 1. */
typedef void e2_cached_attention_fn(const float *query, const float *keys, const float *values, size_t stride,
                                    const uint32_t *slots, size_t n, size_t heads, size_t head_size, float scale,
                                    float *scores, float *out);

/* ---- matrix products with packed weights ---- */

typedef enum e2_weight_type { E2_WEIGHT_F32, E2_WEIGHT_BF16, E2_WEIGHT_Q8, E2_WEIGHT_TYPES } e2_weight_type;

/*
 * A weight matrix W [n][k], packed once (e2_pack_*, pack.c) in panels of E2_PANEL rows, the same for every level:
 *   F32   float    [panel][k][E2_PANEL]
 *   BF16  uint16_t [panel][k2 / 2][E2_PANEL][2]   k2 = k rounded up to 2; the pair is (k, k + 1)
 *   Q8    int8_t   [panel][k4 / 4][E2_PANEL][4]   k4 = k rounded up to 4; W = scales[row] * q, q in -127 .. 127
 * Rows from n to the end of the last panel, and columns from k on, are 0.
 */
#define E2_PANEL 32
typedef struct e2_matrix {
    e2_weight_type type;
    size_t n, k;
    const void *panels;  /* 64-byte aligned */
    const float *scales; /* Q8: [panels * E2_PANEL] */
    const int32_t *sums; /* Q8: sum over k of q, [panels * E2_PANEL]: lets a level use unsigned activations */
} e2_matrix;
static inline size_t e2_panels(size_t n) { return (n + E2_PANEL - 1) / E2_PANEL; }

/* Bytes of the panels alone, without scales and sums. No overflow check: the caller bounds n and k. */
size_t e2_packed_bytes(e2_weight_type type, size_t n, size_t k);
/* Packs rows first .. first + rows - 1 of W, given as f32 [rows][k]; call for all rows in any split (first a multiple
 * of E2_PANEL, all calls but the last with a multiple of E2_PANEL rows). For Q8 the row's scale is largest |w| / 127
 * and scales and sums are filled too. */
void e2_pack(e2_weight_type type, const float *w, size_t first, size_t rows, size_t k, void *panels, float *scales,
             int32_t *sums);

/* Row `row` of a packed matrix as f32 [k]. */
void e2_unpack_row(const e2_matrix *w, size_t row, float *out);

/* Activations x [m][k] in the form that a product with weights of this type reads (F32 reads x itself). `prepared` is
 * 64-byte aligned and has e2_prepared_bytes. Row i begins e2_prepared_bytes(type, i, k) bytes in and depends on row i
 * of x only, so rows may be prepared in any split; what a row holds is the level's own business. Q8: quantised per row
 * by largest |x| / 127. */
typedef void e2_prepare_fn(const float *x, size_t m, size_t k, size_t stride, void *prepared);
typedef e2_prepare_fn e2_prepare_bf16_fn, e2_prepare_q8_fn;
static inline size_t e2_prepared_values(size_t k) { return (k + 63) / 64 * 64; }
static inline size_t e2_prepared_bytes(e2_weight_type type, size_t m, size_t k) {
    size_t row = e2_prepared_values(k);
    if (type == E2_WEIGHT_BF16) return m * row * 2;
    return type == E2_WEIGHT_Q8 ? m * (2 * row + 64) : 0; /* some levels multiply them in 16 bits */
}

typedef enum e2_epilogue_activation {
    E2_NO_ACTIVATION,
    E2_EPILOGUE_GELU,
    E2_EPILOGUE_QUICK_GELU,
    E2_EPILOGUE_RELU
} e2_epilogue_activation;

/* What happens to a finished element v = sum over k of a w: c = (accumulate ? c : 0) + gate * activation(v + bias).
 * With Q8, whose factors are rounded by more, GELU may be off by 8e-5. */
typedef struct e2_epilogue {
    const float *bias; /* [n], or NULL */
    e2_epilogue_activation activation;
    float gate;
    int accumulate;
} e2_epilogue;

/* c [m][n] (stride c_stride), columns of the panels first_panel .. + n_panels only: from a, which is f32 with a_stride
 * (F32) or what prepare of the same level and type gave for these m rows (a_stride unused). m = 1 is the decoder's
 * matrix-vector product: it reads the panels once, at the speed of memory. */
typedef void e2_gemm_fn(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                        size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride);
typedef e2_gemm_fn e2_gemm_f32_fn, e2_gemm_bf16_fn, e2_gemm_q8_fn;

/* ---- levels and tables ---- */

/* Levels in ascending order: e2_level_ref, e2_level_avx2, ... Each holds everything below that it does not replace. */
typedef enum e2_level {
#define E2_LEVEL(level, ...) e2_level_##level,
#include "kernels.def"
    E2_LEVELS
} e2_level;

/* A level's functions. */
typedef struct e2_kernels {
    const char *name;       /* of the level: "ref", "avx2", ... */
    e2_weight_type fastest; /* products with such weights are the fastest (E2_FASTEST) */
    e2_layer_norm_fn *layer_norm;
    e2_softmax_fn *softmax;
    e2_gelu_fn *gelu;
    e2_quick_gelu_fn *quick_gelu;
    e2_relu_fn *relu;
    e2_similarity_fn *similarity;
    e2_scan_codes_fn *scan_codes;
    e2_attention_fn *attention;
    e2_attention_int_fn *attention_int;
    e2_cached_attention_fn *cached_attention;
    e2_prepare_bf16_fn *prepare_bf16;
    e2_prepare_q8_fn *prepare_q8;
    e2_gemm_f32_fn *gemm_f32;
    e2_gemm_bf16_fn *gemm_bf16;
    e2_gemm_q8_fn *gemm_q8;
} e2_kernels;

/* Fills the table of a level, whether or not this CPU can run it. */
void e2_kernels_at(e2_level level, e2_kernels *table);

/* Fills the table of the best level that CPU and operating system can run, but not above the one named `cap` ("": none
 * is). False when there is no level of that name; e2_kernels_names() lists them: "ref, avx2, ...". */
bool e2_kernels_best(const char *cap, e2_kernels *table);
const char *e2_kernels_names(void);

#define E2_KERNEL(operation, level, symbol, tolerance) e2_##operation##_fn symbol;
#include "kernels.def"

#endif
