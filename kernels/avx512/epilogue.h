/*
 * What the AVX-512 matrix products share: the loop over tiles, the fused epilogue and the macros that make a tile.
 *
 * In all three weight types one step of k reads 128 bytes of a panel (E2_PANEL lanes of 4 bytes: one f32, a pair of bf16
 * or four int8) and 4 bytes of each row of activations, so that one driver serves all: only the tile differs. A tile
 * adds up its sums over the whole of k in registers, one step after the other in every lane whatever its shape; a shape
 * therefore never changes a bit of the result.
 */
#ifndef E2_AVX512_EPILOGUE_H
#define E2_AVX512_EPILOGUE_H

#include <immintrin.h>

#include "kernels.h"

#define E2_TILE_ROWS   14            /* rows of the largest tile: 14 x 2 accumulators, 2 of weights, 1 of activations */
#define E2_STEP_BYTES  128           /* of a panel */
#define E2_BLOCK_BYTES (384u * 1024) /* of activations that are used with one panel after the other, out of L2 */

/* sums[row][panels * E2_PANEL] (f32 or int32) of `rows` rows of a, stride a_stride bytes, and of panels that lie one
 * behind the other at b. Meanwhile, at every step, it prefetches from `ahead`, which then moves by ahead_step bytes. */
typedef void e2_tile_fn(const char *a, size_t a_stride, const char *b, size_t steps, const char *ahead,
                        size_t ahead_step, void *sums);

/* ---- epilogue ---- */

static inline __m512 e2_erf_avx512(__m512 z) { /* as e2_ref_erf */
    z = _mm512_min_ps(_mm512_set1_ps(3.95f), _mm512_max_ps(_mm512_set1_ps(-3.95f), z));
    __m512 u = _mm512_mul_ps(z, z);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(2.026067676e-6f), u, _mm512_set1_ps(2.846721025e-4f));
    __m512 q = _mm512_fmadd_ps(_mm512_set1_ps(3.783265917e-5f), u, _mm512_set1_ps(1.170540668e-3f));
    p = _mm512_fmadd_ps(p, u, _mm512_set1_ps(3.807379707e-3f));
    q = _mm512_fmadd_ps(q, u, _mm512_set1_ps(1.505351012e-2f));
    p = _mm512_fmadd_ps(p, u, _mm512_set1_ps(5.287300678e-2f));
    q = _mm512_fmadd_ps(q, u, _mm512_set1_ps(1.145519797e-1f));
    p = _mm512_fmadd_ps(p, u, _mm512_set1_ps(1.915317917e-1f));
    q = _mm512_fmadd_ps(q, u, _mm512_set1_ps(5.030733097e-1f));
    p = _mm512_fmadd_ps(p, u, _mm512_set1_ps(1.128379144f));
    q = _mm512_fmadd_ps(q, u, _mm512_set1_ps(1.0f));
    return _mm512_div_ps(_mm512_mul_ps(z, p), q);
}

static inline __m512 e2_exp_avx512(__m512 x) { /* as e2_ref_exp */
    x = _mm512_min_ps(_mm512_set1_ps(88.0f), _mm512_max_ps(_mm512_set1_ps(-87.0f), x));
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(1.381446194e-3f), r, _mm512_set1_ps(8.368781551e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.166839436e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.666652010e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.999999341e-1f));
    p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
    return _mm512_scalef_ps(p, n);
}

static inline __m512 e2_activate_avx512(__m512 v, e2_epilogue_activation activation) {
    const __m512 half = _mm512_mul_ps(v, _mm512_set1_ps(0.5f)), one = _mm512_set1_ps(1.0f);
    switch (activation) {
    case E2_EPILOGUE_GELU:
        return _mm512_fmadd_ps(half, e2_erf_avx512(_mm512_mul_ps(v, _mm512_set1_ps(0.70710678f))), half);
    case E2_EPILOGUE_QUICK_GELU:
        return _mm512_div_ps(v, _mm512_add_ps(one, e2_exp_avx512(_mm512_mul_ps(v, _mm512_set1_ps(-1.702f)))));
    case E2_EPILOGUE_RELU: return _mm512_max_ps(v, _mm512_setzero_ps());
    default: return v;
    }
}

/* What the epilogue needs of 16 columns. */
typedef struct e2_columns {
    __mmask16 mask; /* those that exist */
    __m512 bias, scale;
    __m512i extra; /* Q8: what the offset of the activations adds to every sum */
} e2_columns;

static inline e2_columns e2_columns_of(const e2_matrix *w, const e2_epilogue *epilogue, int offset, size_t column) {
    size_t n = w->n > column ? w->n - column : 0;
    e2_columns columns = {.mask = n < 16 ? (__mmask16)((1u << n) - 1) : 0xffff, .bias = _mm512_setzero_ps()};
    if (epilogue->bias) columns.bias = _mm512_maskz_loadu_ps(columns.mask, epilogue->bias + column);
    if (w->type == E2_WEIGHT_Q8) {
        columns.scale = _mm512_loadu_ps(w->scales + column);
        columns.extra = _mm512_mullo_epi32(_mm512_set1_epi32(offset), _mm512_loadu_si512(w->sums + column));
    }
    return columns;
}

/* row_scale: that of a Q8 row, whose sums are integers; NULL otherwise. */
static inline void e2_finish_avx512(const void *sums, const float *row_scale, const e2_columns *columns,
                                    const e2_epilogue *epilogue, float *c) {
    __m512 v = _mm512_load_ps(sums);
    if (row_scale) {
        v = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_castps_si512(v), columns->extra));
        v = _mm512_mul_ps(v, _mm512_mul_ps(_mm512_set1_ps(*row_scale), columns->scale));
    }
    v = e2_activate_avx512(_mm512_add_ps(v, columns->bias), epilogue->activation);
    __m512 before = epilogue->accumulate ? _mm512_maskz_loadu_ps(columns->mask, c) : _mm512_setzero_ps();
    _mm512_mask_storeu_ps(c, columns->mask, _mm512_fmadd_ps(_mm512_set1_ps(epilogue->gate), v, before));
}

/* ---- tiles ---- */

#define E2_ROWS_1(X)  X(0)
#define E2_ROWS_2(X)  E2_ROWS_1(X) X(1)
#define E2_ROWS_3(X)  E2_ROWS_2(X) X(2)
#define E2_ROWS_4(X)  E2_ROWS_3(X) X(3)
#define E2_ROWS_5(X)  E2_ROWS_4(X) X(4)
#define E2_ROWS_6(X)  E2_ROWS_5(X) X(5)
#define E2_ROWS_7(X)  E2_ROWS_6(X) X(6)
#define E2_ROWS_8(X)  E2_ROWS_7(X) X(7)
#define E2_ROWS_9(X)  E2_ROWS_8(X) X(8)
#define E2_ROWS_10(X) E2_ROWS_9(X) X(9)
#define E2_ROWS_11(X) E2_ROWS_10(X) X(10)
#define E2_ROWS_12(X) E2_ROWS_11(X) X(11)
#define E2_ROWS_13(X) E2_ROWS_12(X) X(12)
#define E2_ROWS_14(X) E2_ROWS_13(X) X(13)

/* Accumulators of a tile: vectors of 16 lanes, two to a panel. The file that includes this defines, for its type,
 * e2_sum (the vector), e2_zero(), e2_weights_at(b), e2_row_at(a) and e2_step(sum, row, weights). */
#define E2_TILE_ZERO(r) e2_sum s##r##a = e2_zero(), s##r##b = e2_zero();
#define E2_TILE_STEP(r)                                     \
    {                                                       \
        e2_row x = e2_row_at(group[(r) / 3] + (r) % 3 * a_stride + at); \
        s##r##a = e2_step(s##r##a, x, left);                \
        s##r##b = e2_step(s##r##b, x, right);               \
    }
#define E2_TILE_STORE(r)                                    \
    e2_store((char *)sums + (r) * E2_STEP_BYTES, s##r##a);  \
    e2_store((char *)sums + (r) * E2_STEP_BYTES + 64, s##r##b);
#define E2_TILE(rows)                                                                                               \
    static void tile_##rows(const char *a, size_t a_stride, const char *b, size_t steps, const char *ahead,         \
                            size_t ahead_step, void *sums) {                                                        \
        const char *group[5] = {a, a + 3 * a_stride, a + 6 * a_stride, a + 9 * a_stride, a + 12 * a_stride};        \
        E2_ROWS_##rows(E2_TILE_ZERO)                                                                                \
        for (size_t at = 0; at < 4 * steps; at += 4) {                                                              \
            e2_weights left = e2_weights_at(b + 32 * at), right = e2_weights_at(b + 32 * at + 64);                  \
            _mm_prefetch(ahead, _MM_HINT_T1);                                                                       \
            ahead += ahead_step;                                                                                    \
            E2_ROWS_##rows(E2_TILE_STEP)                                                                            \
        }                                                                                                           \
        E2_ROWS_##rows(E2_TILE_STORE)                                                                               \
    }

#define E2_TILES                                                                                                    \
    E2_TILE(1) E2_TILE(2) E2_TILE(3) E2_TILE(4) E2_TILE(5) E2_TILE(6) E2_TILE(7)                                    \
    E2_TILE(8) E2_TILE(9) E2_TILE(10) E2_TILE(11) E2_TILE(12) E2_TILE(13) E2_TILE(14)                               \
    static e2_tile_fn *const tiles[] = {tile_1, tile_2, tile_3,  tile_4,  tile_5,  tile_6,  tile_7,                 \
                                        tile_8, tile_9, tile_10, tile_11, tile_12, tile_13, tile_14};

typedef struct e2_product {
    e2_tile_fn *const *tiles;
    const char *a;
    size_t m, a_stride;   /* bytes */
    size_t steps;         /* of k */
    size_t row_scale;     /* Q8: where in a row its scale is */
    int offset;           /* Q8: what was added to the activations to make them unsigned */
} e2_product;

/* Rows `row` .. + rows - 1 of one panel: the tile, then its epilogue. */
static inline void e2_tile_avx512(const e2_product *product, const e2_matrix *w, size_t row, size_t rows, const char *b,
                                  const char *ahead, size_t ahead_step, const e2_columns columns[2],
                                  const e2_epilogue *epilogue, float *c, size_t c_stride) {
    _Alignas(64) float sums[E2_TILE_ROWS * E2_PANEL];
    const char *a = product->a + row * product->a_stride;
    product->tiles[rows - 1](a, product->a_stride, b, product->steps, ahead, ahead_step, sums);
    for (size_t r = 0; r < rows; r++) {
        const float *row_scale = product->row_scale ? (const float *)(a + r * product->a_stride + product->row_scale) : NULL;
        e2_finish_avx512(sums + r * E2_PANEL, row_scale, &columns[0], epilogue, c + (row + r) * c_stride);
        if (columns[1].mask)
            e2_finish_avx512(sums + r * E2_PANEL + 16, row_scale, &columns[1], epilogue, c + (row + r) * c_stride + 16);
    }
}

static inline void e2_gemm_avx512(const e2_product *product, const e2_matrix *w, size_t first_panel, size_t n_panels,
                                  const e2_epilogue *epilogue, float *c, size_t c_stride) {
    size_t m = product->m, n_tiles = (m + E2_TILE_ROWS - 1) / E2_TILE_ROWS;
    size_t fitting = E2_BLOCK_BYTES / (E2_TILE_ROWS * product->a_stride + 1) + 1, n_blocks = (n_tiles + fitting - 1) / fitting;
    size_t panel_bytes = product->steps * E2_STEP_BYTES;
    for (size_t block = 0; block < n_blocks; block++) {
        size_t first_tile = block * n_tiles / n_blocks, end = (block + 1) * n_tiles / n_blocks;
        size_t share = (E2_STEP_BYTES + end - first_tile - 1) / (end - first_tile);
        for (size_t p = first_panel; p < first_panel + n_panels; p++) {
            const char *b = (const char *)w->panels + p * panel_bytes;
            size_t column = p * E2_PANEL;
            e2_columns columns[2] = {e2_columns_of(w, epilogue, product->offset, column),
                                     e2_columns_of(w, epilogue, product->offset, column + 16)};
            for (size_t t = first_tile; t < end; t++) {
                size_t row = t * m / n_tiles, rows = (t + 1) * m / n_tiles - row;
                const char *ahead = b + panel_bytes + (t - first_tile) * share * product->steps;
                if (end - first_tile == 1) ahead = b + 4096;
                e2_tile_avx512(product, w, row, rows, b, ahead, share, columns, epilogue, c + column, c_stride);
            }
        }
    }
}

#endif
