/* SPDX-License-Identifier: MIT */
/*
 * Matrix products with packed weights for AVX2 and NEON: the loop over tiles and the fused epilogue.
 *
 * In all three weight types one step of k is 128 bytes of a panel (E2_PANEL lanes of 4 bytes: one f32, a pair of bf16
 * or four int8) and 4 bytes of each row of activations, so that one driver serves all. The includer defines what a step
 * does, step_fn, and makes the tiles from it with TILES_OF_4 or TILES_OF_6; and, before this header, GROUP, the steps
 * that are done at once, 1 or 4, and ROW_STEP where a step is more than 4 bytes of a row. A lane adds up its sum step
 * after step whatever the shape of the tile, so a shape never changes a bit of the result.
 *
 * A tile is some rows, half a panel (all of it when there are no more than 3 rows) and at most BLOCK_STEPS steps, whose
 * weights stay in L1 while one tile after the other uses them. From one block of steps to the next, sums are in memory.
 */
#ifndef E2_SIMD_GEMM_H
#define E2_SIMD_GEMM_H

#include <string.h>

#include "kernels.h"
#include "simd/math.h"

#ifndef ROUGH_GELU /* int8 defines it as 1 */
#define ROUGH_GELU 0
#endif

#define PANEL_VECS (E2_PANEL / VEC_LANES)
#ifndef ROW_STEP
#define ROW_STEP 4 /* bytes of a row of activations in a step */
#endif
#define STEP_BYTES  128  /* of a panel */
#define BLOCK_STEPS 256  /* a multiple of GROUP */
#define BLOCK_ROWS  132  /* whose sums are held */
#define WIDE_ROWS   3    /* up to here a tile is a whole panel wide */
#define AHEAD       4096 /* bytes of a panel from where it is read to where it is fetched */

/* Loops of constant length over arrays of vectors: only unrolled early do the arrays become registers. */
#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 8")
#endif

/* sum[r][v] += n steps of row r of a and vector v of a panel b; n is GROUP or 1. All counts are constants where it is
 * inlined, strides are in bytes. sum holds f32 or, for q8, 32-bit integers. */
typedef void step_fn(size_t rows, size_t vecs, size_t n, const char *a, size_t a_stride, const char *b,
                     vec sum[][PANEL_VECS]);
/* The same with sums [rows][E2_PANEL] in memory and any number of steps. */
typedef void tile_fn(const char *a, size_t a_stride, const char *b, size_t steps, float *sums);

typedef struct product {
    tile_fn *const *wide; /* of 1 .. WIDE_ROWS rows and a whole panel */
    tile_fn *const *half; /* of up to tile_rows rows and half a panel */
    size_t tile_rows;
    const char *a;
    size_t m, a_stride, steps;
    size_t row_scale; /* q8: where in a row its scale is */
} product;

/* ---- tiles ---- */

/* Where SUMS_TURNED is defined, the includer has another order for a tile's sums while they are in registers: this
 * brings them into it, and, done once more, back. */
#ifdef SUMS_TURNED
E2_INLINE void turn_sums(size_t rows, size_t vecs, vec sum[][PANEL_VECS]);
#else
E2_INLINE void turn_sums(size_t rows, size_t vecs, vec sum[][PANEL_VECS]) { (void)rows, (void)vecs, (void)sum; }
#endif

E2_INLINE void tile(step_fn *step, size_t rows, size_t vecs, const char *a, size_t a_stride, const char *b,
                    size_t steps, float *sums) {
    vec sum[6][PANEL_VECS];
    UNROLLED
    for (size_t r = 0; r < rows; r++) {
        UNROLLED
        for (size_t v = 0; v < vecs; v++) sum[r][v] = vec_load(sums + r * E2_PANEL + v * VEC_LANES);
    }
    turn_sums(rows, vecs, sum);
    for (; steps >= GROUP; steps -= GROUP, a += ROW_STEP * GROUP, b += STEP_BYTES * GROUP) {
        if (vecs == PANEL_VECS) /* at the speed of memory: nothing is read twice */
            for (size_t i = 0; i < STEP_BYTES * GROUP; i += 64) __builtin_prefetch(b + AHEAD + i);
        step(rows, vecs, GROUP, a, a_stride, b, sum);
    }
    for (; steps > 0; steps--, a += ROW_STEP, b += STEP_BYTES) step(rows, vecs, 1, a, a_stride, b, sum);
    turn_sums(rows, vecs, sum);
    UNROLLED
    for (size_t r = 0; r < rows; r++) {
        UNROLLED
        for (size_t v = 0; v < vecs; v++) vec_store(sums + r * E2_PANEL + v * VEC_LANES, sum[r][v]);
    }
}

#define TILE(name, step, rows, vecs)                                                                                   \
    static void name(const char *a, size_t a_stride, const char *b, size_t steps, float *sums) {                       \
        tile(step, rows, vecs, a, a_stride, b, steps, sums);                                                           \
    }
#define WIDE_TILES(step)                                                                                               \
    TILE(wide_1, step, 1, PANEL_VECS)                                                                                  \
    TILE(wide_2, step, 2, PANEL_VECS)                                                                                  \
    TILE(wide_3, step, 3, PANEL_VECS)                                                                                  \
    static tile_fn *const wide[] = {wide_1, wide_2, wide_3};
/* The tables `wide` and `half` for tiles of at most 4 or 6 rows, as many as there are registers for. Rows are spread
 * evenly over tiles, so that in half a panel no tile has fewer than half of the most. */
#define TILES_OF_4(step)                                                                                               \
    WIDE_TILES(step)                                                                                                   \
    TILE(half_2, step, 2, PANEL_VECS / 2)                                                                              \
    TILE(half_3, step, 3, PANEL_VECS / 2)                                                                              \
    TILE(half_4, step, 4, PANEL_VECS / 2)                                                                              \
    static tile_fn *const half[] = {NULL, half_2, half_3, half_4};
#define TILES_OF_6(step)                                                                                               \
    WIDE_TILES(step)                                                                                                   \
    TILE(half_3, step, 3, PANEL_VECS / 2)                                                                              \
    TILE(half_4, step, 4, PANEL_VECS / 2)                                                                              \
    TILE(half_5, step, 5, PANEL_VECS / 2)                                                                              \
    TILE(half_6, step, 6, PANEL_VECS / 2)                                                                              \
    static tile_fn *const half[] = {NULL, NULL, half_3, half_4, half_5, half_6};

/* ---- epilogue ---- */

/* The rows of a panel one after the other, each written whole: the rows of c may be a page apart. */
E2_INLINE void finish_rows(const product *p, const e2_epilogue *e, e2_epilogue_activation activation,
                           const float *scales, const vec *bias, size_t columns, const char *a, size_t rows,
                           const float *sums, float *c, size_t c_stride) {
    const vec zero = vec_set(0.0f), gate = vec_set(e->gate);
    for (size_t r = 0; r < rows; r++, a += p->a_stride, sums += E2_PANEL, c += c_stride) {
        const vec row_scale = scales ? vec_set(*(const float *)(const void *)(a + p->row_scale)) : zero;
        for (size_t lane = 0; lane < columns; lane += VEC_LANES) {
            vec v = vec_load(sums + lane);
            if (scales) v = vec_mul(vec_of_int(v), vec_mul(row_scale, vec_load(scales + lane)));
            v = vec_activated(vec_add(v, bias[lane / VEC_LANES]), activation, ROUGH_GELU);
            v = vec_fma(gate, v, e->accumulate ? load_columns(c + lane, columns - lane) : zero);
            store_columns(c + lane, columns - lane, v);
        }
    }
}

/* sums [rows][E2_PANEL] of one panel to c, its first column; a: the same rows, for the scales of q8. */
static inline void finish(const product *p, const e2_matrix *w, size_t panel, const e2_epilogue *e, const char *a,
                          size_t rows, const float *sums, float *c, size_t c_stride) {
    size_t column = panel * E2_PANEL, columns = w->n - column < E2_PANEL ? w->n - column : E2_PANEL;
    const float *scales = w->type == E2_WEIGHT_Q8 ? w->scales + column : NULL;
    vec bias[PANEL_VECS];
    for (size_t i = 0; i < PANEL_VECS; i++) {
        size_t lane = i * VEC_LANES;
        bias[i] = e->bias && lane < columns ? load_columns(e->bias + column + lane, columns - lane) : vec_set(0.0f);
    }
    switch (e->activation) {
    case E2_NO_ACTIVATION:
        finish_rows(p, e, E2_NO_ACTIVATION, scales, bias, columns, a, rows, sums, c, c_stride);
        break;
    case E2_EPILOGUE_GELU:
        finish_rows(p, e, E2_EPILOGUE_GELU, scales, bias, columns, a, rows, sums, c, c_stride);
        break;
    case E2_EPILOGUE_QUICK_GELU:
        finish_rows(p, e, E2_EPILOGUE_QUICK_GELU, scales, bias, columns, a, rows, sums, c, c_stride);
        break;
    case E2_EPILOGUE_RELU:
        finish_rows(p, e, E2_EPILOGUE_RELU, scales, bias, columns, a, rows, sums, c, c_stride);
        break;
    }
}

/* ---- the product ---- */

/* The steps of one block: b are its weights, which have `columns` lanes, at most E2_PANEL of them here. Meanwhile the
 * weights that follow in memory, mostly the next to be used, are fetched, a share before every tile. */
static inline void multiply_block(const product *p, const char *a, size_t rows, const char *b, size_t steps,
                                  size_t columns, float *sums) {
    tile_fn *const *tiles = rows <= WIDE_ROWS ? p->wide : p->half;
    size_t width = rows <= WIDE_ROWS ? E2_PANEL : E2_PANEL / 2, n_tiles = (rows + p->tile_rows - 1) / p->tile_rows;
    size_t least = rows / n_tiles, higher = rows % n_tiles; /* so many tiles have a row more: a division costs a step */
    const char *ahead = b + STEP_BYTES * steps;
    size_t share = STEP_BYTES * steps / (2 * n_tiles);
    for (size_t column = 0; column < E2_PANEL && column < columns; column += width)
        for (size_t t = 0, first = 0, n; t < n_tiles; t++, first += n) {
            n = least + (t < higher);
            for (size_t i = 0; i < share && width < E2_PANEL; i += 64) __builtin_prefetch(ahead + i);
            ahead += share;
            tiles[n - 1](a + first * p->a_stride, p->a_stride, b + 4 * column, steps, sums + first * E2_PANEL + column);
        }
}

static inline void multiply(const product *p, const char *a, size_t rows, const char *b, size_t columns, float *sums) {
    memset(sums, 0, rows * E2_PANEL * sizeof *sums);
    for (size_t i = 0; i < p->steps; i += BLOCK_STEPS) {
        size_t steps = p->steps - i < BLOCK_STEPS ? p->steps - i : BLOCK_STEPS;
        multiply_block(p, a + ROW_STEP * i, rows, b + STEP_BYTES * i, steps, columns, sums);
    }
}

static inline void gemm(const product *p, const e2_matrix *w, size_t first_panel, size_t n_panels,
                        const e2_epilogue *epilogue, float *c, size_t c_stride) {
    _Alignas(64) float sums[BLOCK_ROWS * E2_PANEL];
    size_t n_blocks = (p->m + BLOCK_ROWS - 1) / BLOCK_ROWS;
    for (size_t block = 0; block < n_blocks; block++) {
        size_t first = block * p->m / n_blocks, rows = (block + 1) * p->m / n_blocks - first;
        const char *a = p->a + first * p->a_stride;
        for (size_t panel = first_panel; panel < first_panel + n_panels; panel++) {
            const char *b = (const char *)w->panels + panel * p->steps * STEP_BYTES;
            multiply(p, a, rows, b, w->n - panel * E2_PANEL, sums);
            finish(p, w, panel, epilogue, a, rows, sums, c + first * c_stride + panel * E2_PANEL, c_stride);
        }
    }
}

#endif
