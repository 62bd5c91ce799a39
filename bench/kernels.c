/*
 * The other operations: every line of kernels.def that this CPU can run, on the shapes of its operation. One thread.
 *
 *     kernels SHAPES SECONDS all|best
 *
 * Attention counts against the peak of f32, similarity against reading memory; the rest works in the caches on what was
 * just written, so there is no peak to compare with: elements per second.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "support/peaks.h"
#include "support/shapes.h"

/* A call of one line of kernels.def on one shape. */
typedef struct job {
    const bench_shape *shape;
    void (*symbol)(void);
    float *x, *y, *key, *value, *scratch, *weight;
    uint32_t *slots;
} job;

static void run_layer_norm(void *context) {
    const job *j = context;
    ((e2_layer_norm_fn *)j->symbol)(j->x, j->shape->m, j->shape->n, j->weight, j->weight, 1e-5f, j->y);
}

/* In place: the values stay what a softmax gives, and its time does not depend on them. */
static void run_softmax(void *context) {
    const job *j = context;
    ((e2_softmax_fn *)j->symbol)(j->x, j->shape->m, j->shape->n, j->shape->n);
}

/* In place, too: after some calls the values are 0 or so large that they stay. */
static void run_activation(void *context) {
    const job *j = context;
    ((e2_activation_fn *)j->symbol)(j->x, j->shape->m * j->shape->n);
}

static void run_prepare(void *context) {
    const job *j = context;
    ((e2_prepare_fn *)j->symbol)(j->x, j->shape->m, j->shape->k, j->shape->k, j->y);
}

static void run_similarity(void *context) {
    const job *j = context;
    ((e2_similarity_fn *)j->symbol)(j->x, j->key, j->shape->n, j->shape->k, j->y);
}

static void run_attention(void *context) {
    const job *j = context;
    const bench_shape *s = j->shape;
    ((e2_attention_fn *)j->symbol)(&(e2_attention_args){j->x, j->key, j->value, j->y, s->m, s->n, s->k, s->k, s->k,
                                                        s->k, s->k, 1.0f / sqrtf((float)s->k), j->scratch});
}

static void run_cached_attention(void *context) {
    const job *j = context;
    const bench_shape *s = j->shape;
    ((e2_cached_attention_fn *)j->symbol)(j->x, j->key, j->value, s->m * s->k, j->slots, s->n, s->m, s->k,
                                          1.0f / sqrtf((float)s->k), j->scratch, j->y);
}

/* An operation of kernels.def: its name in shapes.txt, its call, what a call does in `unit`s / 1e9 and against what. */
typedef struct operation {
    const char *name, *shapes;
    void (*run)(void *job);
    const char *unit;
    bench_peak peak; /* PEAKS: none */
} operation;
static const operation operations[] = {
    {"layer_norm", "layer_norm", run_layer_norm, "Gvalue/s", PEAKS},
    {"softmax", "softmax", run_softmax, "Gvalue/s", PEAKS},
    {"gelu", "activation", run_activation, "Gvalue/s", PEAKS},
    {"quick_gelu", "activation", run_activation, "Gvalue/s", PEAKS},
    {"relu", "activation", run_activation, "Gvalue/s", PEAKS},
    {"prepare_bf16", "prepare", run_prepare, "Gvalue/s", PEAKS},
    {"prepare_q8", "prepare", run_prepare, "Gvalue/s", PEAKS},
    {"similarity", "similarity", run_similarity, "GB/s", PEAK_READ},
    {"attention", "attention", run_attention, "GFLOP/s", PEAK_F32},
    {"cached_attention", "cached_attention", run_cached_attention, "GFLOP/s", PEAK_F32},
};

static double work_of(const operation *o, const bench_shape *s) {
    double m = (double)s->m, n = (double)s->n, k = (double)s->k;
    if (o->peak == PEAK_READ) return n * k * sizeof(float);
    if (o->peak == PEAK_F32) return 4 * m * n * k; /* two products */
    return m * (n > 0 ? n : k);
}

typedef struct line {
    const char *operation, *name;
    e2_level level;
    void (*symbol)(void);
} line;
static const line lines[] = {
/* bench/gemm.c has those */
#define E2_GEMM(type, level, symbol, tolerance)
#define E2_KERNEL(operation, level, symbol, tolerance) {#operation, #level, e2_level_##level, (void (*)(void))symbol},
#include "kernels.def"
};
#define LINES (sizeof lines / sizeof lines[0])

static job job_new(const bench_shape *s) {
    size_t m = s->m ? s->m : 1, n = s->n ? s->n : 1, k = s->k ? s->k : 1;
    bool attention = !strcmp(s->operation, "attention"), cached = !strcmp(s->operation, "cached_attention");
    size_t wide = m * (n > k ? n : k), rows = cached ? n * k * m : n * k; /* a cache has m heads side by side */
    job j = {.shape = s};
    j.x = bench_random(wide + m * k, strcmp(s->operation, "activation") ? 1.0f : 16.0f);
    j.y = bench_alloc(m * ((wide / m + 127) / 64 * 64 + 64) * sizeof(float));
    j.key = bench_random(rows, 1.0f);
    j.value = bench_random(attention || cached ? rows : 1, 1.0f);
    j.weight = bench_random(n > k ? n : k, 1.0f);
    j.scratch = bench_alloc((attention ? e2_attention_scratch(n, k) : n * m) * sizeof(float));
    j.slots = bench_alloc(n * sizeof *j.slots);
    for (size_t i = 0; i < n; i++) j.slots[i] = (uint32_t)i;
    return j;
}

static void job_free(job *j) {
    free(j->x), free(j->y), free(j->key), free(j->value), free(j->weight), free(j->scratch), free(j->slots);
}

static void race(const operation *o, const bench_shape *shape, double seconds, bool all, peak_job *peaks) {
    bench_entry entries[E2_LEVELS + 1];
    job jobs[E2_LEVELS + 1];
    size_t n = 0;
    for (size_t i = 0; i < LINES; i++) {
        if (strcmp(lines[i].operation, o->name) || lines[i].level > e2_cpu_level()) continue;
        if (!all && n) job_free(&jobs[--n]); /* a better level comes later in the list */
        jobs[n] = job_new(shape);
        jobs[n].symbol = lines[i].symbol;
        entries[n] = (bench_entry){.by = lines[i].name, .run = o->run, .context = &jobs[n]};
        n++;
    }
    size_t levels = n;
    if (o->peak != PEAKS) entries[n++] = (bench_entry){.by = "peak", .run = peak_run, .context = &peaks[o->peak]};
    bench_race(entries, n, seconds);
    for (size_t i = 0; i < levels; i++) {
        char text[64];
        snprintf(text, sizeof text, "%zux%zux%zu", shape->m, shape->n, shape->k);
        double rate = work_of(o, shape) / entries[i].seconds, top = -1;
        if (o->peak != PEAKS && (o->peak != PEAK_READ || shape->cold))
            top = peaks[o->peak].work / entries[levels].seconds;
        bench_print(&(bench_row){o->name, entries[i].by, "f32", shape->model, text, 1, entries[i].seconds, rate / 1e9,
                                 o->unit, top > 0 ? rate / top : -1});
        job_free(&jobs[i]);
    }
}

int main(int argc, char **argv) {
    size_t count;
    peak_job peaks[PEAKS];
    if (argc != 4) bench_die("usage: kernels SHAPES SECONDS all|best");
    bench_shape *shapes = bench_shapes(argv[1], &count);
    double seconds = atof(argv[2]);
    peak_jobs(NULL, peaks);
    bench_header();
    for (size_t o = 0; o < sizeof operations / sizeof operations[0]; o++)
        for (size_t i = 0; i < count; i++)
            if (!strcmp(shapes[i].operation, operations[o].shapes))
                race(&operations[o], &shapes[i], seconds, !strcmp(argv[3], "all"), peaks);
    free(shapes);
    return 0;
}
