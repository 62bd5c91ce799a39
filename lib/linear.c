/* SPDX-License-Identifier: MIT */
#include "linear.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "gemm.h"

static size_t part_count(const e2_compute *compute, size_t pieces, size_t nanoseconds) {
    size_t parts = 2 * (size_t)e2_threads_count(compute->threads);
    if (parts <= 2 || !e2_threads_for(compute->threads, nanoseconds)) return 1;
    return parts < pieces ? parts : pieces;
}

/* ------------------------------------------------------------------------------------------------------ linear -- */

typedef struct product {
    const e2_compute *compute;
    const e2_linear *linear;
    e2_epilogue epilogue;
    const float *x;
    void *prepared;
    size_t rows, parts;
    float *y;
} product;

static void prepare_part(void *context, size_t part, unsigned worker) {
    (void)worker;
    const product *p = context;
    const e2_kernels *kernels = p->compute->kernels;
    const e2_matrix *w = &p->linear->matrix;
    size_t begin = e2_part_begin(p->rows, part, p->parts), end = e2_part_begin(p->rows, part + 1, p->parts);
    char *out = (char *)p->prepared + e2_prepared_bytes(w->type, begin, w->k);
    e2_prepare_fn *prepare = w->type == E2_WEIGHT_BF16 ? kernels->prepare_bf16 : kernels->prepare_q8;
    prepare(p->x + begin * w->k, end - begin, w->k, w->k, out);
}

static void product_part(void *context, size_t part, unsigned worker) {
    (void)worker;
    const product *p = context;
    const e2_kernels *kernels = p->compute->kernels;
    const e2_matrix *w = &p->linear->matrix;
    size_t panels = e2_panels(w->n), begin = e2_part_begin(panels, part, p->parts);
    size_t count = e2_part_begin(panels, part + 1, p->parts) - begin;
    const void *a = w->type == E2_WEIGHT_F32 ? (const void *)p->x : p->prepared;
    e2_gemm_fn *gemm = w->type == E2_WEIGHT_F32    ? kernels->gemm_f32
                       : w->type == E2_WEIGHT_BF16 ? kernels->gemm_bf16
                                                   : kernels->gemm_q8;
    gemm(a, p->rows, w->k, w, begin, count, &p->epilogue, p->y, w->n);
}

static bool packed_product(product *p) {
    const e2_matrix *w = &p->linear->matrix;
    e2_arena_mark mark = e2_arena_begin(p->compute->arena);
    if (w->type != E2_WEIGHT_F32) {
        p->prepared = e2_arena_alloc(p->compute->arena, e2_prepared_bytes(w->type, p->rows, w->k), 1);
        if (!p->prepared) return false;
        p->parts = part_count(p->compute, p->rows, e2_nanoseconds(8 * p->rows * w->k, 0));
        e2_threads_run(p->compute->threads, p->parts, prepare_part, p);
    }
    size_t bytes = e2_packed_bytes(w->type, w->n, w->k);
    p->parts = part_count(p->compute, e2_panels(w->n), e2_nanoseconds(p->rows * w->n * w->k, bytes));
    e2_threads_run(p->compute->threads, p->parts, product_part, p);
    e2_arena_release(p->compute->arena, mark);
    return true;
}

static void activate(const e2_kernels *kernels, e2_epilogue_activation activation, float *x, size_t n) {
    switch (activation) {
    case E2_NO_ACTIVATION:
        break;
    case E2_EPILOGUE_GELU:
        kernels->gelu(x, n);
        break;
    case E2_EPILOGUE_QUICK_GELU:
        kernels->quick_gelu(x, n);
        break;
    case E2_EPILOGUE_RELU:
        kernels->relu(x, n);
        break;
    }
}

static void blas_apply(const product *p) {
    const e2_linear *linear = p->linear;
    const float *bias = linear->bias;
    for (size_t r = 0; bias && r < p->rows; r++) memcpy(p->y + r * linear->out, bias, linear->out * sizeof *p->y);
    e2_gemm_nt(&p->compute->model->openblas, p->rows, linear->out, linear->in, 1.0f, p->x, linear->in, linear->weight,
               linear->in, bias ? 1.0f : 0.0f, p->y, linear->out);
    activate(p->compute->kernels, p->epilogue.activation, p->y, p->rows * linear->out);
}

static void blas_add(const product *p) {
    const e2_linear *linear = p->linear;
    float gate = p->epilogue.gate;
    for (size_t r = 0; linear->bias && r < p->rows; r++)
        for (size_t i = 0; i < linear->out; i++) p->y[r * linear->out + i] += gate * linear->bias[i];
    e2_gemm_nt(&p->compute->model->openblas, p->rows, linear->out, linear->in, gate, p->x, linear->in, linear->weight,
               linear->in, 1.0f, p->y, linear->out);
}

bool e2_linear_apply(const e2_compute *compute, const e2_linear *linear, const float *x, size_t rows,
                     e2_epilogue_activation activation, float *y) {
    product p = {.compute = compute, .linear = linear, .x = x, .rows = rows, .y = y};
    p.epilogue = (e2_epilogue){.bias = linear->bias, .activation = activation, .gate = 1.0f};
    if (linear->matrix.panels) return packed_product(&p);
    blas_apply(&p);
    return true;
}

void e2_linear_row(const e2_linear *linear, uint32_t row, float *out) {
    if (linear->matrix.panels)
        e2_unpack_row(&linear->matrix, row, out);
    else
        memcpy(out, linear->weight + (size_t)row * linear->in, linear->in * sizeof *out);
}

/* y += gate * (x W^T + b): a residual connection. */
static bool linear_add(const e2_compute *compute, const e2_linear *linear, float gate, const float *x, size_t rows,
                       float *y) {
    product p = {.compute = compute, .linear = linear, .x = x, .rows = rows, .y = y};
    p.epilogue = (e2_epilogue){.bias = linear->bias, .gate = gate, .accumulate = 1};
    if (linear->matrix.panels) return packed_product(&p);
    blas_add(&p);
    return true;
}

/* -------------------------------------------------------------------------------------------------- rows alone -- */

/* Many rows are shared among the threads once for the whole chain of steps, few rows step by step by panels. */
typedef struct chain {
    const e2_compute *compute;
    e2_chain_fn *run;
    const void *context;
    size_t rows, parts;
    atomic_bool failed;
} chain;

static void chain_part(void *context, size_t part, unsigned worker) {
    chain *c = context;
    size_t begin = e2_part_begin(c->rows, part, c->parts), end = e2_part_begin(c->rows, part + 1, c->parts);
    const e2_compute *own = &c->compute->workers[worker];
    e2_arena_mark mark = e2_arena_begin(own->arena);
    if (!c->run(own, c->context, begin, end - begin)) atomic_store(&c->failed, true);
    e2_arena_release(own->arena, mark);
}

/* Rows that a thread should have at least, so that the products stay efficient. */
#define ROWS_PER_PART 24

bool e2_chain_run(const e2_compute *compute, size_t rows, e2_chain_fn *run, const void *context) {
    size_t threads = e2_threads_count(compute->threads);
    if (threads == 1 || rows < ROWS_PER_PART * threads) {
        e2_arena_mark mark = e2_arena_begin(compute->arena);
        bool ok = run(compute, context, 0, rows);
        e2_arena_release(compute->arena, mark);
        return ok;
    }
    chain c = {compute, run, context, rows, rows < 4 * ROWS_PER_PART * threads ? threads : 2 * threads, false};
    e2_threads_run(compute->threads, c.parts, chain_part, &c);
    return !atomic_load(&c.failed);
}

void e2_norm_apply(const e2_compute *compute, const e2_norm *norm, float epsilon, const float *x, size_t rows,
                   size_t width, float *y) {
    compute->kernels->layer_norm(x, rows, width, norm->weight, norm->bias, epsilon, y);
}

typedef struct norm_linear {
    const e2_norm *norm;
    float epsilon;
    const e2_linear *linear;
    const float *x;
    float *y;
} norm_linear;

static bool run_norm_linear(const e2_compute *compute, const void *context, size_t begin, size_t rows) {
    const norm_linear *c = context;
    size_t in = c->linear->in;
    float *normal = e2_arena_floats(compute->arena, rows * in);
    if (!normal) return false;
    e2_norm_apply(compute, c->norm, c->epsilon, c->x + begin * in, rows, in, normal);
    return e2_linear_apply(compute, c->linear, normal, rows, E2_NO_ACTIVATION, c->y + begin * c->linear->out);
}

bool e2_norm_linear(const e2_compute *compute, const e2_norm *norm, float epsilon, const e2_linear *linear,
                    const float *x, size_t rows, float *y) {
    return e2_chain_run(compute, rows, run_norm_linear, &(norm_linear){norm, epsilon, linear, x, y});
}

static e2_epilogue_activation epilogue_of(e2_activation activation) {
    return activation == E2_GELU         ? E2_EPILOGUE_GELU
           : activation == E2_QUICK_GELU ? E2_EPILOGUE_QUICK_GELU
                                         : E2_EPILOGUE_RELU;
}

typedef struct block_finish {
    const e2_block_end *end;
    const float *attended;
    float *x;
} block_finish;

static bool run_block_finish(const e2_compute *compute, const void *context, size_t begin, size_t rows) {
    const block_finish *c = context;
    const e2_block_end *end = c->end;
    size_t width = end->up->in;
    float *x = c->x + begin * width, *normal = e2_arena_floats(compute->arena, rows * width);
    float *hidden = e2_arena_floats(compute->arena, rows * end->up->out);
    if (!normal || !hidden ||
        !linear_add(compute, end->out, end->out_gate, c->attended + begin * end->out->in, rows, x))
        return false;
    e2_norm_apply(compute, end->norm, end->epsilon, x, rows, width, normal);
    return e2_linear_apply(compute, end->up, normal, rows, epilogue_of(end->activation), hidden) &&
           linear_add(compute, end->down, end->gate, hidden, rows, x);
}

bool e2_block_finish(const e2_compute *compute, const e2_block_end *end, const float *attended, float *x, size_t rows) {
    return e2_chain_run(compute, rows, run_block_finish, &(block_finish){end, attended, x});
}

/* --------------------------------------------------------------------------------------------------- attention -- */

typedef struct attention {
    e2_attention_fn *run;
    const e2_attention_job *jobs;
    uint32_t heads, head_size;
    float *scratch; /* [workers][scratch_step] */
    size_t scratch_step;
} attention;

/* Part = job * heads + head. */
static void attention_part(void *context, size_t part, unsigned worker) {
    const attention *a = context;
    const e2_attention_job *job = &a->jobs[part / a->heads];
    size_t column = part % a->heads * a->head_size;
    a->run(&(e2_attention_args){.query = job->query.data + column,
                                .key = job->key.data + column,
                                .value = job->value.data + column,
                                .out = job->out + column,
                                .n_queries = job->query.rows,
                                .n_keys = job->key.rows,
                                .head_size = a->head_size,
                                .query_stride = job->query.stride,
                                .key_stride = job->key.stride,
                                .value_stride = job->value.stride,
                                .out_stride = (size_t)a->heads * a->head_size,
                                .scale = 1.0f / sqrtf((float)a->head_size),
                                .scratch = a->scratch + worker * a->scratch_step});
}

bool e2_attention(const e2_compute *compute, const e2_attention_job *jobs, size_t n, uint32_t heads, uint32_t head_size,
                  bool exact) {
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    bool rounded = !exact && compute->model->precision == E2STR_PRECISION_INT8;
    attention a = {.jobs = jobs, .heads = heads, .head_size = head_size};
    a.run = rounded ? compute->kernels->attention_int : compute->kernels->attention;
    size_t longest = 0, work = 0, workers = e2_threads_count(compute->threads);
    for (size_t i = 0; i < n; i++) {
        if (jobs[i].key.rows > longest) longest = jobs[i].key.rows;
        work += 2 * jobs[i].query.rows * jobs[i].key.rows * heads * head_size;
    }
    a.scratch_step = e2_attention_scratch(longest, head_size);
    a.scratch = e2_arena_floats(compute->arena, workers * a.scratch_step);
    if (!a.scratch) return false;
    e2_threads_run(e2_threads_for(compute->threads, e2_nanoseconds(work, 0)), n * heads, attention_part, &a);
    e2_arena_release(compute->arena, mark);
    return true;
}
