/* SPDX-License-Identifier: MIT */
/* Attention. The includer defines E2_SIMD(operation), the name of the level's kernel. */
#include <string.h>

#include "kernels.h"
#include "simd/reduce.h"

/* ---- one head, many queries ---- */

/*
 * Keys and values are packed once per call into panels of PANEL columns: keys transposed, [panel][head_size][PANEL],
 * values [panel][n_keys][PANEL]; a last panel that needs no more than one vector is one vector wide. Both products are
 * then the same one, rows of a small matrix by panels, for a block of at most E2_ATTENTION_ROWS queries at a time:
 * scores = queries keys^T, their exponentials in place, out = exponentials values, divided by the sums at the end.
 */
#define PANEL     (2 * VEC_LANES)
#define TILE_ROWS (VEC_REGISTERS == 32 ? 8 : 6) /* accumulators: TILE_ROWS x 2 vectors */

static size_t round_up(size_t n) { return (n + VEC_LANES - 1) / VEC_LANES * VEC_LANES; }
static size_t panel_width(size_t columns_left) { return columns_left > VEC_LANES ? PANEL : VEC_LANES; }

/* VEC_LANES rows of head_size values to columns of a panel. */
static void pack_transposed(const float *const rows[VEC_LANES], size_t head_size, float *panel, size_t width) {
    size_t d = 0;
    for (; d + 4 <= head_size; d += 4, panel += 4 * width) {
        vec columns[4];
        vec_columns(rows, d, columns);
        for (size_t i = 0; i < 4; i++) vec_store(panel + i * width, columns[i]);
    }
    for (; d < head_size; d++, panel += width)
        for (size_t i = 0; i < VEC_LANES; i++) panel[i] = rows[i][d];
}

/* Columns beyond the last key repeat it; what they give is not used. */
static void pack_keys(const e2_attention_args *args, float *panels) {
    for (size_t first = 0; first < args->n_keys; first += PANEL) {
        size_t width = panel_width(args->n_keys - first);
        for (size_t column = 0; column < width; column += VEC_LANES) {
            const float *rows[VEC_LANES];
            for (size_t i = 0; i < VEC_LANES; i++) {
                size_t key = first + column + i;
                rows[i] = args->key + (key < args->n_keys ? key : args->n_keys - 1) * args->key_stride;
            }
            pack_transposed(rows, args->head_size, panels + column, width);
        }
        panels += width * args->head_size;
    }
}

/* Columns beyond head_size are 0. */
static void pack_values(const e2_attention_args *args, float *panels) {
    const vec zero = vec_set(0.0f);
    for (size_t column = 0; column < args->head_size;) {
        size_t width = panel_width(args->head_size - column);
        for (size_t v = 0; v < width; v += VEC_LANES, column += VEC_LANES) {
            const float *value = args->value + column;
            size_t left = args->head_size - column;
            for (size_t j = 0; j < args->n_keys; j++, value += args->value_stride)
                vec_store(panels + j * width + v,
                          left < VEC_LANES ? vec_load_part(value, left, zero) : vec_load(value));
        }
        panels += width * args->n_keys;
    }
}

/* c[rows][vectors] = a[rows][depth] panel[depth][vectors], each element summed in the order of depth. */
E2_INLINE void tile(const float *a, size_t a_stride, const float *panel, size_t depth, float *c, size_t c_stride,
                    const size_t rows, const size_t vectors) {
    vec sum[TILE_ROWS][2];
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++) sum[r][v] = vec_set(0.0f);
    for (size_t k = 0; k < depth; k++, panel += vectors * VEC_LANES) {
        vec right[2];
        for (size_t v = 0; v < vectors; v++) right[v] = vec_load(panel + v * VEC_LANES);
        for (size_t r = 0; r < rows; r++) {
            vec left = vec_set(a[r * a_stride + k]);
            for (size_t v = 0; v < vectors; v++) sum[r][v] = vec_fma(left, right[v], sum[r][v]);
        }
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++) vec_store(c + r * c_stride + v * VEC_LANES, sum[r][v]);
}

#define CASE(n)                                                                                                        \
    case n:                                                                                                            \
        if (width == PANEL)                                                                                            \
            tile(a, a_stride, panel, depth, c, c_stride, n, 2);                                                        \
        else                                                                                                           \
            tile(a, a_stride, panel, depth, c, c_stride, n, 1);                                                        \
        break
static void tile_of_rows(const float *a, size_t a_stride, const float *panel, size_t width, size_t depth, float *c,
                         size_t c_stride, size_t rows) {
    switch (rows) {
        CASE(1);
        CASE(2);
        CASE(3);
        CASE(4);
        CASE(5);
        CASE(6);
#if VEC_REGISTERS == 32
        CASE(7);
        CASE(8);
#endif
    }
}
#undef CASE

/* c[rows][columns] = a[rows][depth] panels; c has room for columns rounded up to whole vectors. The rows are split into
 * tiles of about the same height. */
static void product(const float *a, size_t rows, size_t a_stride, const float *panels, size_t depth, size_t columns,
                    float *c, size_t c_stride) {
    size_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS, least = rows / tiles, higher = rows % tiles;
    for (size_t column = 0; column < columns; column += PANEL) {
        size_t width = panel_width(columns - column);
        for (size_t t = 0, row = 0, n; t < tiles; t++, row += n) {
            n = least + (t < higher);
            tile_of_rows(a + row * a_stride, a_stride, panels, width, depth, c + row * c_stride + column, c_stride, n);
        }
        panels += width * depth;
    }
}

void E2_SIMD(attention)(const e2_attention_args *args) {
    const size_t width = round_up(args->head_size), n_scores = round_up(args->n_keys);
    float *keys = args->scratch, *values = keys + n_scores * args->head_size;
    float *scores = values + args->n_keys * width, *block = scores + E2_ATTENTION_ROWS * n_scores;
    pack_keys(args, keys);
    pack_values(args, values);
    const size_t blocks = (args->n_queries + E2_ATTENTION_ROWS - 1) / E2_ATTENTION_ROWS;
    for (size_t b = 0, first = 0; b < blocks; b++) {
        size_t end = (b + 1) * args->n_queries / blocks, rows = end - first;
        float sums[E2_ATTENTION_ROWS];
        for (size_t r = 0; r < rows; r++)
            row_scale(args->query + (first + r) * args->query_stride, args->head_size, vec_set(args->scale),
                      block + r * width);
        product(block, rows, width, keys, args->head_size, args->n_keys, scores, n_scores);
        for (size_t r = 0; r < rows; r++) sums[r] = row_exp(scores + r * n_scores, args->n_keys);
        product(scores, rows, n_scores, values, args->n_keys, args->head_size, block, width);
        for (size_t r = 0; r < rows; r++)
            row_scale(block + r * width, args->head_size, vec_set(1.0f / sums[r]),
                      args->out + (first + r) * args->out_stride);
        first = end;
    }
}

/* ---- one query, all heads, over a KV cache ---- */

/*
 * The cache is read once and in the order of its rows, four at a time and all heads of them before the next: memory is
 * what this kernel waits for. Each head's sums are in the order of the rows whether a row is one of four or alone.
 */
typedef struct cache {
    const float *rows;
    size_t stride;
    const uint32_t *slots;
    size_t n, heads, head_size;
} cache;

E2_INLINE const float *row_of(const cache *c, size_t j) { return c->rows + (c->slots ? c->slots[j] : j) * c->stride; }

/* scores[h][j] = query_h . key_jh for a constant number of rows from j on. */
E2_INLINE void score_rows(const cache *keys, size_t j, const size_t n_rows, const float *query, float *scores) {
    const size_t size = keys->head_size;
    const float *rows[4];
    for (size_t r = 0; r < n_rows; r++) rows[r] = row_of(keys, j + r);
    for (size_t h = 0; h < keys->heads; h++) {
        row_dots(query + h * size, rows, n_rows, size, scores + h * keys->n + j);
        for (size_t r = 0; r < n_rows; r++) rows[r] += size;
    }
}

/* out_h += sum of weights[h][j] * value_jh over a constant number of rows from j on. */
E2_INLINE void mix_rows(const cache *values, size_t j, const size_t n_rows, const float *weights, float *out) {
    const size_t size = values->head_size;
    const float *rows[4];
    for (size_t r = 0; r < n_rows; r++) rows[r] = row_of(values, j + r);
    for (size_t h = 0; h < values->heads; h++, out += size) {
        vec weight[4];
        for (size_t r = 0; r < n_rows; r++) weight[r] = vec_set(weights[h * values->n + j + r]);
        size_t i = 0;
        for (; i + VEC_LANES <= size; i += VEC_LANES) {
            vec sum = vec_load(out + i);
            for (size_t r = 0; r < n_rows; r++) sum = vec_fma(weight[r], vec_load(rows[r] + i), sum);
            vec_store(out + i, sum);
        }
        if (i < size) {
            vec sum = vec_load_part(out + i, size - i, vec_set(0.0f));
            for (size_t r = 0; r < n_rows; r++)
                sum = vec_fma(weight[r], vec_load_part(rows[r] + i, size - i, vec_set(0.0f)), sum);
            vec_store_part(out + i, size - i, sum);
        }
        for (size_t r = 0; r < n_rows; r++) rows[r] += size;
    }
}

void E2_SIMD(cached_attention)(const float *query, const float *keys, const float *values, size_t stride,
                               const uint32_t *slots, size_t n, size_t heads, size_t head_size, float scale,
                               float *scores, float *out) {
    const cache key_rows = {keys, stride, slots, n, heads, head_size};
    const cache value_rows = {values, stride, slots, n, heads, head_size};
    size_t j = 0;
    for (; j + 4 <= n; j += 4) score_rows(&key_rows, j, 4, query, scores);
    for (; j < n; j++) score_rows(&key_rows, j, 1, query, scores);
    for (size_t h = 0; h < heads; h++) {
        float *row = scores + h * n;
        row_scale(row, n, vec_set(scale), row);
        row_scale(row, n, vec_set(1.0f / row_exp(row, n)), row);
    }
    memset(out, 0, heads * head_size * sizeof *out);
    for (j = 0; j + 4 <= n; j += 4) mix_rows(&value_rows, j, 4, scores, out);
    for (; j < n; j++) mix_rows(&value_rows, j, 1, scores, out);
}
