/* SPDX-License-Identifier: MIT */
#include "peers.h"

#ifdef BENCH_ONEDNN

#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdint.h>
#include <stdlib.h>

#include "bench.h"

struct peer_gemm {
    dnnl_primitive_t primitive;
    dnnl_memory_t a, bias, c, *w;
    size_t copies, next;
};

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void check(dnnl_status_t status, const char *what) {
    if (status != dnnl_success) bench_die("oneDNN: %s: status %d", what, (int)status);
}

static dnnl_memory_desc_t layout(size_t rows, size_t columns, dnnl_data_type_t type, dnnl_format_tag_t tag) {
    dnnl_memory_desc_t made;
    check(dnnl_memory_desc_init_by_tag(&made, columns ? 2 : 1, (dnnl_dims_t){(dnnl_dim_t)rows, (dnnl_dim_t)columns},
                                       type, tag),
          "memory description");
    return made;
}

static dnnl_memory_t memory(const dnnl_memory_desc_t *description, void *data) {
    dnnl_memory_t made;
    check(dnnl_memory_create(&made, description, engine, data), "memory");
    return made;
}

/* `data`, plain rows of `type`, as oneDNN wants it. */
static dnnl_memory_t packed(void *data, const dnnl_memory_desc_t *plain, const dnnl_memory_desc_t *wanted) {
    dnnl_memory_t from = memory(plain, data), to = memory(wanted, DNNL_MEMORY_ALLOCATE);
    dnnl_primitive_desc_t description;
    dnnl_primitive_t reorder;
    check(dnnl_reorder_primitive_desc_create(&description, plain, engine, wanted, engine, NULL), "reorder");
    check(dnnl_primitive_create(&reorder, description), "reorder");
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    check(dnnl_primitive_execute(reorder, stream, 2, arguments), "reorder");
    check(dnnl_stream_wait(stream), "reorder");
    dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(description);
    dnnl_memory_destroy(from);
    return to;
}

static float largest(const float *x, size_t n) {
    float most = 1e-30f;
    for (size_t i = 0; i < n; i++) most = fmaxf(most, fabsf(x[i]));
    return most;
}

/* The operands of an int8 product. Activations are shifted by 128 to be unsigned, which the bias takes back. */
typedef struct quantised {
    uint8_t *a;
    int8_t *w;
    float *scales, *bias;
} quantised;

static quantised quantise(const peer_problem *p) {
    quantised q = {bench_alloc(p->m * p->k), bench_alloc(p->n * p->k), bench_alloc(p->n * sizeof(float)),
                   bench_alloc(p->n * sizeof(float))};
    float a_scale = largest(p->a, p->m * p->k) / 127;
    for (size_t i = 0; i < p->m * p->k; i++) q.a[i] = (uint8_t)(128 + (int)rintf(p->a[i] / a_scale));
    for (size_t j = 0; j < p->n; j++) {
        float w_scale = largest(p->w + j * p->k, p->k) / 127;
        long sum = 0;
        for (size_t i = 0; i < p->k; i++) {
            q.w[j * p->k + i] = (int8_t)rintf(p->w[j * p->k + i] / w_scale);
            sum += q.w[j * p->k + i];
        }
        q.scales[j] = a_scale * w_scale;
        q.bias[j] = p->bias[j] / q.scales[j] - 128.0f * (float)sum;
    }
    return q;
}

peer_gemm *onednn_new(const peer_problem *p) {
    static const dnnl_data_type_t a_types[] = {dnnl_f32, dnnl_bf16, dnnl_u8},
                                  w_types[] = {dnnl_f32, dnnl_bf16, dnnl_s8};
    if (!engine) {
        check(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
        check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "stream");
    }
    dnnl_data_type_t a_type = a_types[p->type], w_type = w_types[p->type];
    dnnl_memory_desc_t a = layout(p->m, p->k, a_type, dnnl_ab), w = layout(p->n, p->k, w_type, dnnl_format_tag_any);
    dnnl_memory_desc_t bias = layout(p->n, 0, dnnl_f32, dnnl_a), c = layout(p->m, p->n, dnnl_f32, dnnl_ab);
    dnnl_inner_product_desc_t operation;
    dnnl_primitive_attr_t attributes;
    dnnl_primitive_desc_t description;
    quantised q = {0};
    check(dnnl_inner_product_forward_desc_init(&operation, dnnl_forward_inference, &a, &w, &bias, &c), "inner product");
    check(dnnl_primitive_attr_create(&attributes), "attributes");
    bool int8 = p->type == E2_WEIGHT_Q8;
    if (int8) {
        q = quantise(p);
        check(dnnl_primitive_attr_set_output_scales(attributes, (dnnl_dim_t)p->n, 1 << 1, q.scales), "scales");
    }
    dnnl_status_t status = dnnl_primitive_desc_create(&description, &operation, attributes, engine, NULL);
    if (status == dnnl_unimplemented) return NULL;
    check(status, "inner product");
    peer_gemm *gemm = bench_alloc(sizeof *gemm);
    gemm->copies = p->copies;
    gemm->w = bench_alloc(p->copies * sizeof *gemm->w);
    check(dnnl_primitive_create(&gemm->primitive, description), "inner product");
    dnnl_data_type_t a_from = int8 ? dnnl_u8 : dnnl_f32, w_from = int8 ? dnnl_s8 : dnnl_f32;
    dnnl_memory_desc_t plain_a = layout(p->m, p->k, a_from, dnnl_ab), plain_w = layout(p->n, p->k, w_from, dnnl_ab);
    const dnnl_memory_desc_t *wanted = dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
    gemm->a = packed(int8 ? (void *)q.a : (void *)p->a, &plain_a, &a);
    for (size_t i = 0; i < p->copies; i++) gemm->w[i] = packed(int8 ? (void *)q.w : (void *)p->w, &plain_w, wanted);
    gemm->bias = packed(int8 ? (void *)q.bias : (void *)p->bias, &bias, &bias);
    gemm->c = memory(&c, p->c);
    dnnl_primitive_desc_destroy(description);
    dnnl_primitive_attr_destroy(attributes);
    free(q.a), free(q.w), free(q.scales), free(q.bias);
    return gemm;
}

void onednn_run(void *context) {
    peer_gemm *gemm = context;
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, gemm->a},
                                   {DNNL_ARG_WEIGHTS, gemm->w[gemm->next++ % gemm->copies]},
                                   {DNNL_ARG_BIAS, gemm->bias},
                                   {DNNL_ARG_DST, gemm->c}};
    check(dnnl_primitive_execute(gemm->primitive, stream, 4, arguments), "inner product");
    check(dnnl_stream_wait(stream), "inner product");
}

void onednn_free(peer_gemm *gemm) {
    if (!gemm) return;
    dnnl_primitive_destroy(gemm->primitive);
    dnnl_memory_destroy(gemm->a);
    dnnl_memory_destroy(gemm->bias);
    dnnl_memory_destroy(gemm->c);
    for (size_t i = 0; i < gemm->copies; i++) dnnl_memory_destroy(gemm->w[i]);
    free(gemm->w);
    free(gemm);
}

#else

peer_gemm *onednn_new(const peer_problem *problem) {
    (void)problem;
    return NULL;
}
void onednn_run(void *context) { (void)context; }
void onednn_free(peer_gemm *gemm) { (void)gemm; }

#endif
