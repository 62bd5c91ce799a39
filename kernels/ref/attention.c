/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "kernels.h"
#include "ref/reduce.h"

void e2_attention_ref(const e2_attention_args *args) {
    float *scores = args->scratch;
    for (size_t i = 0; i < args->n_queries; i++) {
        const float *query = args->query + i * args->query_stride;
        float *out = args->out + i * args->out_stride;
        for (size_t j = 0; j < args->n_keys; j++)
            scores[j] = args->scale * e2_ref_dot(query, args->key + j * args->key_stride, args->head_size);
        e2_softmax_ref(scores, 1, args->n_keys, args->n_keys);
        memset(out, 0, args->head_size * sizeof *out);
        for (size_t j = 0; j < args->n_keys; j++) {
            const float *value = args->value + j * args->value_stride;
            for (size_t d = 0; d < args->head_size; d++) out[d] += scores[j] * value[d];
        }
    }
}

void e2_cached_attention_ref(const float *query, const float *keys, const float *values, size_t stride,
                             const uint32_t *slots, size_t n, size_t heads, size_t head_size, float scale,
                             float *scores, float *out) {
    for (size_t h = 0; h < heads; h++) {
        const float *q = query + h * head_size, *k = keys + h * head_size, *v = values + h * head_size;
        float *o = out + h * head_size, *weights = scores + h * n;
        for (size_t j = 0; j < n; j++)
            weights[j] = scale * e2_ref_dot(q, k + (slots ? slots[j] : j) * stride, head_size);
        e2_softmax_ref(weights, 1, n, n);
        memset(o, 0, head_size * sizeof *o);
        for (size_t j = 0; j < n; j++) {
            const float *row = v + (slots ? slots[j] : j) * stride;
            for (size_t i = 0; i < head_size; i++) o[i] += weights[j] * row[i];
        }
    }
}

void e2_attention_int_ref(const e2_attention_args *args) { e2_attention_ref(args); }
