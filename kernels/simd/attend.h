/*
 * Attention of one query over a KV cache. The includer defines E2_SIMD(operation), the name of the level's kernel.
 *
 * The cache is read once and in the order of its rows, four at a time and all heads of them before the next: memory is
 * what this kernel waits for. Each head's sums are in the order of the rows whether a row is one of four or alone.
 */
#include <string.h>

#include "kernels.h"
#include "simd/reduce.h"

typedef struct cache {
    const float *rows;
    size_t stride;
    const uint32_t *slots;
    size_t n, heads, head_size;
} cache;

/* scores[h][j] = query_h . key_jh for a constant number of rows from j on. */
E2_INLINE void score_rows(const cache *keys, size_t j, const size_t n_rows, const float *query, float *scores) {
    const size_t size = keys->head_size;
    const float *rows[4];
    for (size_t r = 0; r < n_rows; r++) rows[r] = keys->rows + keys->slots[j + r] * keys->stride;
    for (size_t h = 0; h < keys->heads; h++) {
        row_dots(query + h * size, rows, n_rows, size, scores + h * keys->n + j);
        for (size_t r = 0; r < n_rows; r++) rows[r] += size;
    }
}

/* out_h += sum of weights[h][j] * value_jh over a constant number of rows from j on. */
E2_INLINE void mix_rows(const cache *values, size_t j, const size_t n_rows, const float *weights, float *out) {
    const size_t size = values->head_size;
    const float *rows[4];
    for (size_t r = 0; r < n_rows; r++) rows[r] = values->rows + values->slots[j + r] * values->stride;
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

void E2_SIMD(attend)(const float *query, const float *keys, const float *values, size_t stride, const uint32_t *slots,
                     size_t n, size_t heads, size_t head_size, float scale, float *scores, float *out) {
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
