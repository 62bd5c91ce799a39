/* Attention of one query over a KV cache. The includer defines E2_SIMD(operation), the name of the level's kernel. */
#include "kernels.h"
#include "simd/reduce.h"

E2_INLINE float dot(const float *a, const float *b, size_t n) {
    const vec zero = vec_set(0.0f);
    vec sum = zero;
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES) sum = vec_fma(vec_load(a + i), vec_load(b + i), sum);
    if (i < n) sum = vec_fma(vec_load_part(a + i, n - i, zero), vec_load_part(b + i, n - i, zero), sum);
    return vec_sum(sum);
}

/* out = scale * sum of weights[j] * row slots[j] of values, for a constant number of vectors; of the last one only
 * `part` columns when that is not 0. */
E2_INLINE void mix(const float *weights, const float *values, size_t stride, const uint32_t *slots, size_t n, vec scale,
                   float *out, const size_t vectors, size_t part) {
    const vec zero = vec_set(0.0f);
    const size_t whole = part ? vectors - 1 : vectors;
    vec sum[4] = {zero, zero, zero, zero};
    for (size_t j = 0; j < n; j++) {
        const float *row = values + slots[j] * stride;
        const vec weight = vec_set(weights[j]);
        for (size_t v = 0; v < whole; v++) sum[v] = vec_fma(weight, vec_load(row + v * VEC_LANES), sum[v]);
        if (part) sum[whole] = vec_fma(weight, vec_load_part(row + whole * VEC_LANES, part, zero), sum[whole]);
    }
    for (size_t v = 0; v < whole; v++) vec_store(out + v * VEC_LANES, vec_mul(scale, sum[v]));
    if (part) vec_store_part(out + whole * VEC_LANES, part, vec_mul(scale, sum[whole]));
}

void E2_SIMD(attend)(const float *query, const float *keys, const float *values, size_t stride, const uint32_t *slots,
                     size_t n, size_t heads, size_t head_size, float scale, float *scores, float *out) {
    for (size_t h = 0; h < heads; h++, query += head_size, keys += head_size, values += head_size, out += head_size) {
        for (size_t j = 0; j < n; j++) scores[j] = scale * dot(query, keys + slots[j] * stride, head_size);
        const vec total = vec_set(1.0f / row_exp(scores, n));
        size_t i = 0;
        for (; i + 4 * VEC_LANES <= head_size; i += 4 * VEC_LANES)
            mix(scores, values + i, stride, slots, n, total, out + i, 4, 0);
        for (; i + VEC_LANES <= head_size; i += VEC_LANES)
            mix(scores, values + i, stride, slots, n, total, out + i, 1, 0);
        if (i < head_size) mix(scores, values + i, stride, slots, n, total, out + i, 1, head_size - i);
    }
}
