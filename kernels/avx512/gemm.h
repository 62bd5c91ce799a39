/* SPDX-License-Identifier: MIT */
/*
 * Matrix products with packed weights for AVX-512: the loop over tiles, the fused epilogue, the macros that make tiles.
 *
 * In all three weight types one step of k is 128 bytes of a panel (E2_PANEL lanes of 4 bytes: one f32, a pair of bf16
 * or four int8) and 4 bytes of each row of activations, so that one driver serves all. A tile is up to 12 rows by one
 * panel. It adds up its sums over the whole of k in registers, one step after the other in every lane, so that the
 * shape of the tile never changes a bit of the result, and finishes them there.
 *
 * 12 x 2 vectors of sums leave registers for a type without an instruction of its own (four vectors of weights, two of
 * activations, constants); 14 loads serve 24 products, and 6 rows have the 12 independent sums that hide a latency of 6
 * at two products a cycle. Measured on Zen 5, one thread, in % of the peak of the same run, 64 to 257 rows, K >= 512
 * (in brackets K = 192):
 * - f32 95 to 98 (96), bf16 96 to 98 (94), int8 93 to 98 (85);
 * - 14 rows: the same within 1, but f32 with K 1024 or 3072 2 to 3 less (rows pages apart share one set of L1, 12
 * ways);
 * - 10 rows: the same within 1;
 * - sums through memory to a common epilogue: f32 97 (95), bf16 96 (92), int8 94 (82);
 * - without the prefetch of c: f32 89, bf16 84, int8 83 where c exceeds L2 (257 x 3072), int8 73 when adding to it;
 * - blocks of 128 KiB to no blocks: the same within 3 up to 257 rows, blocks are for large batches;
 * - one row, weights out of memory: 85 to 95 % of the read bandwidth; other distances of prefetch, both lines of a
 *   step, into L1: no better.
 */
#ifndef E2_AVX512_GEMM_H
#define E2_AVX512_GEMM_H

#include "kernels.h"
#include "simd/math.h"

#ifndef ROUGH_GELU /* int8 defines it as 1 */
#define ROUGH_GELU 0
#endif

#define TILE_ROWS 12
#ifndef ROW_STEP
#define ROW_STEP 4 /* bytes of a row of activations in a step */
#endif
#define STEP_BYTES  128           /* of a panel */
#define BLOCK_BYTES (384u * 1024) /* of activations that stay in L2 while one panel after the other is used */
#define AHEAD_BYTES 4096          /* where a panel is used once only, it is prefetched this far ahead */

/* What the epilogue needs to know of 16 columns. */
typedef struct columns {
    __mmask16 mask; /* those that exist */
    vec bias, scale;
    __m512i start; /* of the sums. Q8: takes back what the offset of the activations adds */
} columns;

/* The product of some rows with one panel: out = (accumulate ? out : 0) + gate * (sum + bias). a_stride in bytes. */
typedef struct tile {
    const char *a, *b;
    size_t a_stride, row_scale; /* row_scale: Q8, where in a row its scale is */
    size_t steps;
    const char *ahead; /* prefetched meanwhile, ahead_step bytes further at every step */
    size_t ahead_step;
    columns columns[2];
    float gate;
    int accumulate;
    float *out;
    size_t out_stride;
} tile;
typedef void tile_fn(const tile *t);

/* What a type of weights gives to the driver. */
typedef struct product {
    tile_fn *const *tiles; /* of 1 .. TILE_ROWS rows */
    const char *a;
    size_t m, a_stride, row_scale, steps; /* as in tile */
    int offset;                           /* Q8: what was added to the activations to make them unsigned */
} product;

/* ---- epilogue ---- */

E2_INLINE void columns_of(const e2_matrix *w, size_t panel, const float *bias, int offset, columns out[2]) {
    for (size_t i = 0; i < 2; i++) {
        size_t column = panel * E2_PANEL + i * VEC_LANES, n = w->n > column ? w->n - column : 0;
        out[i].mask = n < VEC_LANES ? vec_mask(n) : 0xffff;
        out[i].bias = bias ? _mm512_maskz_loadu_ps(out[i].mask, bias + column) : vec_set(0.0f);
        out[i].scale = vec_set(1.0f);
        out[i].start = _mm512_setzero_si512();
        if (w->type != E2_WEIGHT_Q8) continue;
        out[i].scale = vec_load(w->scales + column);
        out[i].start = _mm512_mullo_epi32(_mm512_set1_epi32(-offset), _mm512_loadu_si512(w->sums + column));
    }
}

E2_INLINE void write_out(vec v, float gate, int accumulate, __mmask16 mask, float *out) {
    vec before = accumulate ? _mm512_maskz_loadu_ps(mask, out) : vec_set(0.0f);
    _mm512_mask_storeu_ps(out, mask, vec_fma(vec_set(gate), v, before));
}

/* ---- tiles ---- */

#define ROWS_1(X)  X(0)
#define ROWS_2(X)  ROWS_1(X) X(1)
#define ROWS_3(X)  ROWS_2(X) X(2)
#define ROWS_4(X)  ROWS_3(X) X(3)
#define ROWS_5(X)  ROWS_4(X) X(4)
#define ROWS_6(X)  ROWS_5(X) X(5)
#define ROWS_7(X)  ROWS_6(X) X(6)
#define ROWS_8(X)  ROWS_7(X) X(7)
#define ROWS_9(X)  ROWS_8(X) X(8)
#define ROWS_10(X) ROWS_9(X) X(9)
#define ROWS_11(X) ROWS_10(X) X(10)
#define ROWS_12(X) ROWS_11(X) X(11)

/*
 * The includer defines for its type: sums_t, an accumulator, and sums_start(columns); weights_t and weights_at(b), 64
 * bytes of a panel; row_t and row_at(a), one step of a row; sums_step(sums, row, weights); and
 * sums_value(sums, columns, row_scale), the f32.
 * Rows are addressed from four pointers, three to each: base, base + stride, base + 2 stride.
 */
/* clang-format off */
#define TILE_START(r) sums_t left##r = sums_start(&t->columns[0]), right##r = sums_start(&t->columns[1]);
#define TILE_STEP(r)                                                                                                   \
    {                                                                                                                  \
        row_t row = row_at(a[(r) / 3] + (r) % 3 * a_stride + ROW_STEP / 4 * at);                                       \
        left##r = sums_step(left##r, row, left);                                                                       \
        right##r = sums_step(right##r, row, right);                                                                    \
    }
#define TILE_FINISH(r)                                                                                                 \
    write_out(vec_add(sums_value(left##r, &low, row_scale), low.bias), gate, accumulate, low.mask, out);               \
    write_out(vec_add(sums_value(right##r, &high, row_scale), high.bias), gate, accumulate, high.mask, out + 16);      \
    row_scale += a_stride;                                                                                             \
    out += t->out_stride;
#define TILE(rows)                                                                                                     \
    static void tile_##rows(const tile *t) {                                                                           \
        const size_t a_stride = t->a_stride, end = 4 * t->steps, ahead_step = t->ahead_step;                           \
        const char *a[4], *b = t->b, *ahead = t->ahead;                                                                \
        for (size_t i = 0; i < 4; i++) a[i] = t->a + 3 * i * a_stride;                                                 \
        ROWS_##rows(TILE_START)                                                                                        \
        for (size_t at = 0; at < end; at += 4) {                                                                       \
            weights_t left = weights_at(b + STEP_BYTES / 4 * at), right = weights_at(b + STEP_BYTES / 4 * at + 64);    \
            _mm_prefetch(ahead, _MM_HINT_T1);                                                                          \
            ahead += ahead_step;                                                                                       \
            ROWS_##rows(TILE_STEP)                                                                                     \
        }                                                                                                              \
        const columns low = t->columns[0], high = t->columns[1];                                                       \
        const char *row_scale = t->a + t->row_scale;                                                                   \
        const float gate = t->gate;                                                                                    \
        float *out = t->out;                                                                                           \
        if (t->accumulate) {                                                                                           \
            const int accumulate = 1;                                                                                  \
            ROWS_##rows(TILE_FINISH)                                                                                   \
        } else {                                                                                                       \
            const int accumulate = 0;                                                                                  \
            ROWS_##rows(TILE_FINISH)                                                                                   \
        }                                                                                                              \
    }
#define TILES                                                                                                          \
    TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)                 \
    static tile_fn *const tiles[TILE_ROWS] = {tile_1, tile_2, tile_3, tile_4,  tile_5,  tile_6,                        \
                                              tile_7, tile_8, tile_9, tile_10, tile_11, tile_12};
/* clang-format on */

/* ---- the product ---- */

/* With an activation the tile leaves sum + bias in a buffer, and this brings it to c. */
static inline void tile_activated(tile_fn *multiply, tile *t, size_t rows, const e2_epilogue *epilogue,
                                  size_t c_stride) {
    _Alignas(64) float sums[TILE_ROWS * E2_PANEL];
    float *c = t->out;
    t->out = sums;
    multiply(t);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < 2; i++) {
            vec v = vec_activated(vec_load(sums + r * E2_PANEL + i * VEC_LANES), epilogue->activation, ROUGH_GELU);
            write_out(v, epilogue->gate, epilogue->accumulate, t->columns[i].mask, c + r * c_stride + i * VEC_LANES);
        }
}

/* All panels with the rows of tiles first .. end - 1 of n_tiles. Meanwhile each tile fetches its share of the next
 * panel; a single tile fetches its own panel, a little ahead. */
static inline void gemm_block(const product *p, size_t first, size_t end, size_t n_tiles, const e2_matrix *w,
                              size_t first_panel, size_t n_panels, const e2_epilogue *epilogue, float *c,
                              size_t c_stride) {
    const int plain = epilogue->activation == E2_NO_ACTIVATION;
    const size_t panel_bytes = p->steps * STEP_BYTES;
    const size_t least = p->m / n_tiles, higher = p->m % n_tiles; /* so many tiles have a row more */
    tile t = {.a_stride = p->a_stride, .row_scale = p->row_scale, .steps = p->steps};
    t.ahead_step = (STEP_BYTES + end - first - 1) / (end - first);
    t.gate = plain ? epilogue->gate : 1.0f;
    t.accumulate = plain && epilogue->accumulate;
    t.out_stride = plain ? c_stride : E2_PANEL;
    for (size_t panel = first_panel; panel < first_panel + n_panels; panel++) {
        t.b = (const char *)w->panels + panel * panel_bytes;
        t.ahead = t.b + (end - first == 1 ? AHEAD_BYTES : panel_bytes);
        columns_of(w, panel, epilogue->bias, p->offset, t.columns);
        size_t row = first * least + (first < higher ? first : higher), rows;
        for (size_t i = first; i < end; i++, row += rows, t.ahead += t.ahead_step * t.steps) {
            rows = least + (i < higher); /* no division here: it takes as long as a tile's epilogue */
            t.a = p->a + row * p->a_stride;
            t.out = c + row * c_stride + panel * E2_PANEL;
            for (size_t r = 0; r < rows; r++) { /* c is often not in the cache, and its rows may be a page apart */
                _mm_prefetch((const char *)(t.out + r * c_stride), _MM_HINT_T1);
                _mm_prefetch((const char *)(t.out + r * c_stride + 16), _MM_HINT_T1);
            }
            if (plain)
                p->tiles[rows - 1](&t);
            else
                tile_activated(p->tiles[rows - 1], &t, rows, epilogue, c_stride);
        }
    }
}

/* Rows are spread evenly over as few tiles as there can be, tiles over blocks. */
static inline void gemm(const product *p, const e2_matrix *w, size_t first_panel, size_t n_panels,
                        const e2_epilogue *epilogue, float *c, size_t c_stride) {
    size_t n_tiles = (p->m + TILE_ROWS - 1) / TILE_ROWS;
    size_t fitting = BLOCK_BYTES / (TILE_ROWS * p->a_stride + 1) + 1, n_blocks = (n_tiles + fitting - 1) / fitting;
    for (size_t i = 0; i < n_blocks; i++)
        gemm_block(p, i * n_tiles / n_blocks, (i + 1) * n_tiles / n_blocks, n_tiles, w, first_panel, n_panels, epilogue,
                   c, c_stride);
}

#endif
