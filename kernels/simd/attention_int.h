/* SPDX-License-Identifier: MIT */
/*
 * Attention with factors rounded to integers. The includer defines E2_SIMD(operation), the name of the level's kernel;
 * GROUP, how many values and weights a 32-bit lane holds: 2 of 16 bits or 4 of 8, weights without a sign; and
 *   ivec dot_keys(ivec sums, ivec row, ivec panel): sums + the 2 products of 16 bits in each lane;
 *   ivec dot_values(ivec sums, ivec row, ivec panel): sums + the GROUP products of weights and values;
 *   void store_16(void *out, ivec values), store_weights(...): VEC_LANES of them, in 16 bits or those of a weight.
 *
 * Keys and values are taken from the middle of their column: the one adds the same to all scores of a row, which
 * changes no weight, the other the same to all that is summed up with weights of 1 in all. Each of their columns is
 * scaled so that its largest magnitude is KEY_RANGE or VALUE_RANGE; the keys' scales go to the queries, which are then
 * scaled row by row. A row's weights are exponentials whose largest is rounded to 2^most, the largest that no sum can
 * overflow with, and its sum is that of the rounded weights. A NaN counts as the middle of its column, or 0; an
 * infinity makes the result NaN.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "simd/reduce.h"

#define PANEL       (2 * VEC_LANES)
#define TILE_ROWS   (VEC_REGISTERS == 32 ? 12 : 4) /* accumulators: TILE_ROWS x 2 vectors */
#define KEY_RANGE   2047.0f                        /* of a query, too: 256 products fit 32 bits */
#define VALUE_RANGE (GROUP == 2 ? 2047.0f : 127.0f)
#define LOG2_E      1.44269504f
#define WEIGHTS     (GROUP == 2 ? 8191.0f : 255.0f)

static size_t round_up(size_t n) { return (n + VEC_LANES - 1) / VEC_LANES * VEC_LANES; }
static size_t panel_width(size_t columns_left) { return columns_left > VEC_LANES ? PANEL : VEC_LANES; }

/* ---- rounding ---- */

/* Per column, up to a whole number of vectors: the middle of its values, the scale that brings the one farthest from it
 * to the range, and the inverse of the scale. */
typedef struct columns {
    float middle[256], scale[256], inverse[256];
} columns;

E2_INLINE vec inverse_of(vec scale) {
    const vec inverse = vec_div(vec_set(1.0f), scale);
    return vec_or_zero(vec_mul(inverse, vec_sub(vec_set(1.0f), vec_mul(vec_set(0.0f), inverse)))); /* infinite: 0 */
}

static void measure_columns(const float *rows, size_t n, size_t stride, size_t width, float range, columns *c) {
    for (size_t i = 0; i < width; i += VEC_LANES) {
        vec low = vec_or_zero(load_columns(rows + i, width - i)), high = low;
        for (size_t r = 1; r < n; r++) {
            vec v = load_columns(rows + r * stride + i, width - i);
            low = vec_min(v, low);
            high = vec_max(v, high);
        }
        vec scale = vec_mul(vec_set(0.5f / range), vec_sub(high, low));
        vec_store(c->middle + i, vec_mul(vec_set(0.5f), vec_add(low, high)));
        vec_store(c->scale + i, scale);
        vec_store(c->inverse + i, inverse_of(scale));
    }
}

E2_INLINE ivec rounded(vec v) { return ivec_rounded(vec_or_zero(v)); }

/* (x - middle) / scale, the first n < VEC_LANES or all columns from i on. */
E2_INLINE ivec rounded_columns(const float *x, size_t n, const columns *c, size_t i) {
    vec v = vec_sub(load_columns(x + i, n), vec_load(c->middle + i));
    return rounded(vec_mul(v, vec_load(c->inverse + i)));
}

/* Up to a whole number of vectors, in 16 bits each. */
E2_INLINE void narrow_key(const float *key, size_t width, const columns *c, void *out) {
    for (size_t i = 0; i < width; i += VEC_LANES) store_16((char *)out + 2 * i, rounded_columns(key, width - i, c, i));
}

/* The query times the keys' scales, scaled to KEY_RANGE; a NaN counts as 0. Returns the scale. */
E2_INLINE float narrow_query(const float *query, size_t width, const columns *keys, void *out) {
    vec largest = vec_set(0.0f);
    for (size_t i = 0; i < width; i += VEC_LANES) {
        vec v = vec_mul(load_columns(query + i, width - i), vec_load(keys->scale + i));
        largest = vec_max(largest, vec_positive(vec_max(v, vec_sub(vec_set(0.0f), v))));
    }
    const float scale = vec_largest(largest) * (1.0f / KEY_RANGE), inverse = 1.0f / scale;
    const vec factor = vec_set(inverse <= FLT_MAX ? inverse : 0.0f);
    for (size_t i = 0; i < width; i += VEC_LANES) {
        vec v = vec_mul(load_columns(query + i, width - i), vec_load(keys->scale + i));
        store_16((char *)out + 2 * i, rounded(vec_mul(v, factor)));
    }
    return scale;
}

/* ---- panels ---- */

/* Keys: [panel][head_size / 2][PANEL] lanes. Columns beyond the last key repeat it. */
static void pack_keys(const e2_attention_args *args, const columns *c, size_t depth, ivec *panels) {
    int32_t rows[VEC_LANES][256 / 2 + VEC_LANES];
    for (size_t first = 0; first < args->n_keys; first += PANEL) {
        size_t width = panel_width(args->n_keys - first), vectors = width / VEC_LANES;
        for (size_t v = 0; v < vectors; v++) {
            const float *lanes[VEC_LANES];
            for (size_t i = 0; i < VEC_LANES; i++) {
                size_t key = first + v * VEC_LANES + i;
                if (key >= args->n_keys) key = args->n_keys - 1;
                narrow_key(args->key + key * args->key_stride, args->head_size, c, rows[i]);
                lanes[i] = (const float *)(const void *)rows[i];
            }
            for (size_t d = 0; d < depth; d += 4) {
                vec lane[4];
                vec_columns(lanes, d, lane);
                for (size_t i = 0; i < 4 && d + i < depth; i++) panels[(d + i) * vectors + v] = (ivec)lane[i];
            }
        }
        panels += depth * vectors;
    }
}

/* Values: [panel][n_keys / GROUP][PANEL] lanes. Columns beyond head_size and keys beyond the last are 0. */
static void pack_values(const e2_attention_args *args, const columns *c, size_t depth, ivec *panels) {
    const ivec mask = ivec_set(GROUP == 2 ? 0xffff : 0xff);
    for (size_t column = 0; column < args->head_size;) {
        size_t vectors = panel_width(args->head_size - column) / VEC_LANES;
        for (size_t v = 0; v < vectors; v++, column += VEC_LANES)
            for (size_t j = 0; j < depth; j++) {
                ivec lanes = ivec_set(0);
                for (size_t g = 0; g < GROUP && j * GROUP + g < args->n_keys; g++) {
                    const float *value = args->value + (j * GROUP + g) * args->value_stride;
                    ivec one = rounded_columns(value, args->head_size - column, c, column);
                    lanes |= (one & mask) << (int)(32 / GROUP * g);
                }
                panels[j * vectors + v] = lanes;
            }
        panels += depth * vectors;
    }
}

/* ---- products ---- */

typedef ivec dot_fn(ivec sums, ivec row, ivec panel);

/* c[rows][vectors] = a[rows][depth] panel[depth][vectors]; strides in lanes. */
E2_INLINE void tile(dot_fn *dot, const int32_t *a, size_t a_stride, const ivec *panel, size_t depth, int32_t *c,
                    size_t c_stride, const size_t rows, const size_t vectors) {
    ivec sum[TILE_ROWS][2];
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++) sum[r][v] = ivec_set(0);
    for (size_t k = 0; k < depth; k++, panel += vectors) {
        ivec right[2];
        for (size_t v = 0; v < vectors; v++) right[v] = panel[v];
        for (size_t r = 0; r < rows; r++) {
            ivec left = ivec_set(a[r * a_stride + k]);
            for (size_t v = 0; v < vectors; v++) sum[r][v] = dot(sum[r][v], left, right[v]);
        }
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++) ivec_store(c + r * c_stride + v * VEC_LANES, sum[r][v]);
}

#define CASE(n)                                                                                                        \
    case n:                                                                                                            \
        if (vectors == 2)                                                                                              \
            tile(dot, a, a_stride, panel, depth, c, c_stride, n, 2);                                                   \
        else                                                                                                           \
            tile(dot, a, a_stride, panel, depth, c, c_stride, n, 1);                                                   \
        break
E2_INLINE void tile_of_rows(dot_fn *dot, const int32_t *a, size_t a_stride, const ivec *panel, size_t vectors,
                            size_t depth, int32_t *c, size_t c_stride, size_t rows) {
    switch (rows) {
        CASE(1);
        CASE(2);
        CASE(3);
        CASE(4);
#if VEC_REGISTERS == 32
        CASE(5);
        CASE(6);
        CASE(7);
        CASE(8);
        CASE(9);
        CASE(10);
        CASE(11);
        CASE(12);
#endif
    }
}
#undef CASE

/* c[rows][n] = a[rows][depth] panels; c has room for n rounded up to whole vectors. */
E2_INLINE void product(dot_fn *dot, const int32_t *a, size_t rows, size_t a_stride, const ivec *panels, size_t depth,
                       size_t n, int32_t *c, size_t c_stride) {
    size_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS, least = rows / tiles, higher = rows % tiles;
    for (size_t column = 0; column < n; column += PANEL) {
        size_t vectors = panel_width(n - column) / VEC_LANES;
        for (size_t t = 0, row = 0, count; t < tiles; t++, row += count) {
            count = least + (t < higher);
            tile_of_rows(dot, a + row * a_stride, a_stride, panels, vectors, depth, c + row * c_stride + column,
                         c_stride, count);
        }
        panels += vectors * depth;
    }
}

static void products_of_keys(const int32_t *a, size_t rows, size_t a_stride, const ivec *panels, size_t depth, size_t n,
                             int32_t *c, size_t c_stride) {
    product(dot_keys, a, rows, a_stride, panels, depth, n, c, c_stride);
}

static void products_of_values(const int32_t *a, size_t rows, size_t a_stride, const ivec *panels, size_t depth,
                               size_t n, int32_t *c, size_t c_stride) {
    product(dot_values, a, rows, a_stride, panels, depth, n, c, c_stride);
}

/* ---- weights ---- */

/* 2^x for x above -100, relative error below 7.5e-5. */
E2_INLINE vec power_of_2(vec x) {
    const vec round = vec_set(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer, kept in the low bits */
    vec shifted = vec_add(x, round), r = vec_sub(x, vec_sub(shifted, round));
    vec p = vec_fma(vec_set(5.517167e-2f), r, vec_set(2.4261113e-1f));
    p = vec_fma(vec_fma(p, r, vec_set(6.9326099e-1f)), r, vec_set(0.99992807f));
    return vec_ldexp(p, shifted);
}

/* The scores become weights, in place: round(2^(most + factor * (score - the largest score))), in 32 / GROUP bits.
 * Returns their sum. */
static float weigh(int32_t *scores, size_t n, float factor, float most) {
    ivec largest = ivec_load(scores), sum = ivec_set(0);
    for (size_t i = VEC_LANES; i < n; i += VEC_LANES) largest = ivec_max(largest, ivec_load(scores + i));
    const vec slope = vec_set(factor), start = vec_set(most - factor * (float)ivec_largest(largest));
    for (size_t i = 0; i < n; i += VEC_LANES) {
        vec x = vec_fma(vec_of_int((vec)ivec_load(scores + i)), slope, start);
        ivec weight = ivec_rounded(power_of_2(vec_max(vec_set(-20.0f), x)));
        if (n - i < VEC_LANES) weight &= ivec_below(n - i);
        sum += weight;
        store_weights((char *)scores + 4 / GROUP * i, weight);
    }
    return (float)ivec_sum(sum);
}

void E2_SIMD(attention_int)(const e2_attention_args *args) {
    const size_t width = round_up(args->head_size), n_scores = round_up(args->n_keys), row = width / 2;
    const size_t key_depth = (args->head_size + 1) / 2, value_depth = (args->n_keys + GROUP - 1) / GROUP;
    columns key_columns, value_columns;
    const float most = log2f(fminf(WEIGHTS, 2147483647.0f / VALUE_RANGE / (float)(args->n_keys + 1)));
    int32_t *keys = (int32_t *)(void *)args->scratch, *values = keys + n_scores * width;
    int32_t *scores = values + n_scores * width, *block = scores + E2_ATTENTION_ROWS * n_scores;
    measure_columns(args->key, args->n_keys, args->key_stride, args->head_size, KEY_RANGE, &key_columns);
    measure_columns(args->value, args->n_keys, args->value_stride, args->head_size, VALUE_RANGE, &value_columns);
    pack_keys(args, &key_columns, key_depth, (ivec *)(void *)keys);
    pack_values(args, &value_columns, value_depth, (ivec *)(void *)values);
    const size_t blocks = (args->n_queries + E2_ATTENTION_ROWS - 1) / E2_ATTENTION_ROWS;
    for (size_t b = 0, first = 0; b < blocks; b++) {
        size_t end = (b + 1) * args->n_queries / blocks, rows = end - first;
        float factors[E2_ATTENTION_ROWS], sums[E2_ATTENTION_ROWS];
        for (size_t r = 0; r < rows; r++) {
            const float *query = args->query + (first + r) * args->query_stride;
            factors[r] = narrow_query(query, args->head_size, &key_columns, block + r * row) * args->scale * LOG2_E;
        }
        products_of_keys(block, rows, row, (const ivec *)(const void *)keys, key_depth, args->n_keys, scores, n_scores);
        for (size_t r = 0; r < rows; r++) {
            const float factor = factors[r] <= FLT_MAX ? factors[r] : 0.0f; /* or a sum of weights would overflow */
            sums[r] = weigh(scores + r * n_scores, args->n_keys, factor, most);
        }
        products_of_values(scores, rows, n_scores, (const ivec *)(const void *)values, value_depth, args->head_size,
                           block, width);
        for (size_t r = 0; r < rows; r++) {
            const vec share = vec_set(1.0f / sums[r] + 0.0f * factors[r]);
            float *out = args->out + (first + r) * args->out_stride;
            for (size_t i = 0; i < args->head_size; i += VEC_LANES) {
                vec v = vec_mul(vec_of_int((vec)ivec_load(block + r * width + i)), share);
                v = vec_fma(v, vec_load(value_columns.scale + i), vec_load(value_columns.middle + i));
                store_columns(out + i, args->head_size - i, v);
            }
        }
        first = end;
    }
}
