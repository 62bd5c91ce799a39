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

#define E2_TILE_ROWS   14            /* 14 x 2 accumulators, 2 vectors of weights, 1 of activations: 31 of 32 registers */
#define E2_STEP_BYTES  128           /* of a panel */
#define E2_BLOCK_BYTES (384u * 1024) /* of activations that stay in L2 while one panel after the other is used */

/* What the epilogue needs to know of 16 columns. */
typedef struct e2_columns {
    __mmask16 mask; /* those that exist */
    __m512 bias, scale;
    __m512i start; /* Q8: takes back what the offset of the activations adds to every sum */
} e2_columns;

/* The product of some rows of activations with one panel: out = (accumulate ? out : 0) + gate * (sum + bias). */
typedef struct e2_tile {
    const char *a;
    size_t a_stride, row_scale; /* bytes; row_scale: Q8, where in a row its scale is */
    const char *b;
    size_t steps;
    const char *ahead; /* prefetched meanwhile: ahead_step bytes at every step */
    size_t ahead_step;
    e2_columns columns[2];
    float gate;
    int accumulate;
    float *out;
    size_t out_stride;
} e2_tile;
typedef void e2_tile_fn(const e2_tile *tile);

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

/* columns[2] of a panel; those of the matrix that is left over are masked. */
static inline void e2_columns_of(const e2_matrix *w, size_t panel, const float *bias, int offset, e2_columns *columns) {
    for (size_t i = 0; i < 2; i++) {
        size_t column = panel * E2_PANEL + i * 16, n = w->n > column ? w->n - column : 0;
        __mmask16 mask = n < 16 ? (__mmask16)((1u << n) - 1) : 0xffff;
        columns[i].mask = mask;
        columns[i].bias = bias ? _mm512_maskz_loadu_ps(mask, bias + column) : _mm512_setzero_ps();
        if (w->type != E2_WEIGHT_Q8) continue;
        columns[i].scale = _mm512_loadu_ps(w->scales + column);
        columns[i].start = _mm512_mullo_epi32(_mm512_set1_epi32(-offset), _mm512_loadu_si512(w->sums + column));
    }
}

static inline void e2_write_avx512(__m512 v, float gate, int accumulate, __mmask16 mask, float *out) {
    __m512 before = accumulate ? _mm512_maskz_loadu_ps(mask, out) : _mm512_setzero_ps();
    _mm512_mask_storeu_ps(out, mask, _mm512_fmadd_ps(_mm512_set1_ps(gate), v, before));
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

/* The file that includes this defines for its type: e2_sum and e2_zero(), an accumulator; e2_weights and e2_weights_at(b),
 * 64 bytes of a panel; e2_row and e2_row_at(a), one step of a row; e2_step(sum, row, weights); and
 * e2_value(sum, columns, row_scale), f32. */
#define E2_TILE_START(r) e2_sum left##r = e2_start(&tile->columns[0]), right##r = e2_start(&tile->columns[1]);
#define E2_TILE_STEP(r)                                                       \
    {                                                                         \
        e2_row row = e2_row_at(a[(r) / 3] + (r) % 3 * a_stride + at);         \
        left##r = e2_step(left##r, row, left);                                \
        right##r = e2_step(right##r, row, right);                             \
    }
#define E2_TILE_FINISH(r)                                                                                            \
    {                                                                                                                \
        const char *row_scale = a[(r) / 3] + (r) % 3 * a_stride + tile->row_scale;                                   \
        float *out = tile->out + (r) * tile->out_stride;                                                             \
        e2_write_avx512(_mm512_add_ps(e2_value(left##r, &tile->columns[0], row_scale), tile->columns[0].bias), tile->gate,       \
                        accumulate, tile->columns[0].mask, out);                                                           \
        e2_write_avx512(_mm512_add_ps(e2_value(right##r, &tile->columns[1], row_scale), tile->columns[1].bias), tile->gate,      \
                        accumulate, tile->columns[1].mask, out + 16);                                                      \
    }
#define E2_TILE(rows)                                                                                                \
    static void tile_##rows(const e2_tile *tile) {                                                                   \
        const size_t a_stride = tile->a_stride, end = 4 * tile->steps, ahead_step = tile->ahead_step;                \
        const char *a[5], *b = tile->b, *ahead = tile->ahead;                                                        \
        for (size_t i = 0; i < 5; i++) a[i] = tile->a + 3 * i * a_stride;                                            \
        E2_ROWS_##rows(E2_TILE_START)                                                                                 \
        for (size_t at = 0; at < end; at += 4) {                                                                     \
            e2_weights left = e2_weights_at(b + 32 * at), right = e2_weights_at(b + 32 * at + 64);                   \
            _mm_prefetch(ahead, _MM_HINT_T1);                                                                        \
            ahead += ahead_step;                                                                                     \
            E2_ROWS_##rows(E2_TILE_STEP)                                                                             \
        }                                                                                                            \
        if (tile->accumulate) {                                                                                      \
            const int accumulate = 1;                                                                                \
            E2_ROWS_##rows(E2_TILE_FINISH)                                                                           \
        } else {                                                                                                     \
            const int accumulate = 0;                                                                                \
            E2_ROWS_##rows(E2_TILE_FINISH)                                                                           \
        }                                                                                                            \
    }
#define E2_TILES                                                                                                     \
    E2_TILE(1) E2_TILE(2) E2_TILE(3) E2_TILE(4) E2_TILE(5) E2_TILE(6) E2_TILE(7)                                     \
    E2_TILE(8) E2_TILE(9) E2_TILE(10) E2_TILE(11) E2_TILE(12) E2_TILE(13) E2_TILE(14)                                \
    static e2_tile_fn *const tiles[] = {tile_1, tile_2, tile_3,  tile_4,  tile_5,  tile_6,  tile_7,                  \
                                        tile_8, tile_9, tile_10, tile_11, tile_12, tile_13, tile_14};

/* ---- the product ---- */

typedef struct e2_product {
    e2_tile_fn *const *tiles; /* of 1 .. E2_TILE_ROWS rows */
    const char *a;
    size_t m, a_stride, row_scale, steps; /* as in e2_tile */
    int offset;                           /* Q8: what was added to the activations to make them unsigned */
} e2_product;

/* With an activation the tile leaves sum + bias in a buffer, and this brings it to c. */
static inline void e2_activated_tile(e2_tile_fn *tile_fn, e2_tile *tile, size_t rows, const e2_epilogue *epilogue,
                                     float *c, size_t c_stride) {
    _Alignas(64) float sums[E2_TILE_ROWS * E2_PANEL];
    tile->out = sums;
    tile_fn(tile);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < 2; i++) {
            __m512 v = e2_activate_avx512(_mm512_load_ps(sums + r * E2_PANEL + i * 16), epilogue->activation);
            e2_write_avx512(v, epilogue->gate, epilogue->accumulate, tile->columns[i].mask, c + r * c_stride + i * 16);
        }
}

static inline void e2_gemm_avx512(const e2_product *product, const e2_matrix *w, size_t first_panel, size_t n_panels,
                                  const e2_epilogue *epilogue, float *c, size_t c_stride) {
    int plain = epilogue->activation == E2_NO_ACTIVATION;
    e2_tile tile = {.a_stride = product->a_stride, .row_scale = product->row_scale, .steps = product->steps,
                    .gate = plain ? epilogue->gate : 1.0f, .accumulate = plain && epilogue->accumulate,
                    .out_stride = plain ? c_stride : E2_PANEL};
    /* Rows are spread evenly over as few tiles as there can be, and tiles over blocks. */
    size_t m = product->m, n_tiles = (m + E2_TILE_ROWS - 1) / E2_TILE_ROWS;
    size_t fitting = E2_BLOCK_BYTES / (E2_TILE_ROWS * product->a_stride + 1) + 1;
    size_t n_blocks = (n_tiles + fitting - 1) / fitting, panel_bytes = product->steps * E2_STEP_BYTES;
    for (size_t block = 0; block < n_blocks; block++) {
        size_t first = block * n_tiles / n_blocks, end = (block + 1) * n_tiles / n_blocks;
        tile.ahead_step = (E2_STEP_BYTES + end - first - 1) / (end - first);
        for (size_t p = first_panel; p < first_panel + n_panels; p++) {
            tile.b = (const char *)w->panels + p * panel_bytes;
            tile.ahead = tile.b + (end - first == 1 ? 4096 : panel_bytes);
            e2_columns_of(w, p, epilogue->bias, product->offset, tile.columns);
            for (size_t t = first; t < end; t++) {
                size_t row = t * m / n_tiles, rows = (t + 1) * m / n_tiles - row;
                tile.a = product->a + row * product->a_stride;
                tile.out = c + row * c_stride + p * E2_PANEL;
                if (plain) product->tiles[rows - 1](&tile);
                else e2_activated_tile(product->tiles[rows - 1], &tile, rows, epilogue, tile.out, c_stride);
                tile.ahead += tile.ahead_step * tile.steps;
            }
        }
    }
}

#endif
