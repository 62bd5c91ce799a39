/*
 * Matrix products with packed weights: every line of kernels.def for them that this CPU can run, against OpenBLAS,
 * oneDNN and the machine's peak, each shape a race of its own. One thread.
 *
 *     gemm SHAPES SECONDS all|best|openblas
 *
 * all: every level; best: the best one only; openblas: OpenBLAS and the peak alone, for a child process with another
 * OPENBLAS_CORETYPE. Activations are prepared before the race (bench/kernels.c times that). What a contender computed
 * is compared with the plain C: a fast wrong answer ends the bench.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "support/peaks.h"
#include "support/peers.h"
#include "support/shapes.h"

/* The lines of kernels.def for gemm. */
typedef struct line {
    const char *type, *name;
    e2_level level;
    e2_gemm_fn *gemm;
} line;
static const line lines[] = {
#define E2_GEMM(type, level, symbol, tolerance) {#type, #level, e2_level_##level, symbol},
#include "kernels.def"
};
#define LINES (sizeof lines / sizeof lines[0])

static const char *const type_names[E2_WEIGHT_TYPES] = {"f32", "bf16", "q8"};

static bool runs(const line *l, e2_weight_type type) {
    return !strcmp(l->type, type_names[type]) && l->level <= e2_cpu_level();
}

/* ---- our contender ---- */

typedef struct ours {
    const line *line;
    size_t m, copies, *next; /* of all our contenders: what one has just used is not what the next one begins with */
    void *prepared;
    const float *a;
    e2_matrix *w; /* [copies] */
    e2_epilogue epilogue;
    float *c;
} ours;

static void ours_run(void *context) {
    ours *o = context;
    const e2_matrix *w = &o->w[(*o->next)++ % o->copies];
    const void *a = o->prepared ? o->prepared : (const void *)o->a;
    o->line->gemm(a, o->m, w->k, w, 0, e2_panels(w->n), &o->epilogue, o->c, w->n);
}

static void ours_new(ours *o, const line *from, const peer_problem *p, e2_matrix *w, size_t *next) {
    *o = (ours){.line = from, .m = p->m, .copies = p->copies, .next = next, .a = p->a, .w = w, .c = p->c};
    o->epilogue = (e2_epilogue){.bias = p->bias, .gate = 1.0f};
    size_t bytes = e2_prepared_bytes(p->type, p->m, p->k);
    if (!bytes) return;
    e2_kernels kernels;
    e2_kernels_at(from->level, &kernels);
    o->prepared = bench_alloc(bytes);
    (p->type == E2_WEIGHT_BF16 ? kernels.prepare_bf16 : kernels.prepare_q8)(p->a, p->m, p->k, p->k, o->prepared);
}

static e2_matrix *pack(const peer_problem *p) {
    size_t rows = e2_panels(p->n) * E2_PANEL, bytes = e2_packed_bytes(p->type, p->n, p->k);
    e2_matrix *w = bench_alloc(p->copies * sizeof *w);
    float *scales = bench_alloc(rows * sizeof *scales);
    int32_t *sums = bench_alloc(rows * sizeof *sums);
    void *first = bench_alloc(bytes);
    e2_pack(p->type, p->w, 0, p->n, p->k, first, scales, sums);
    for (size_t i = 0; i < p->copies; i++) {
        void *panels = i ? memcpy(bench_alloc(bytes), first, bytes) : first;
        w[i] = (e2_matrix){p->type, p->n, p->k, panels, scales, sums};
    }
    return w;
}

static void unpack(e2_matrix *w, size_t copies) {
    for (size_t i = 0; i < copies; i++) free((void *)w[i].panels);
    free((void *)w[0].scales);
    free((void *)w[0].sums);
    free(w);
}

/* ---- one race ---- */

#define MOST 12 /* levels, peers, peak */

static void check_result(const char *by, const peer_problem *p, const float *right, const float *c, int has_bias) {
    double tolerance = p->type == E2_WEIGHT_Q8 ? 3e-2 : 1e-3, largest = 0, error = 0;
    for (size_t i = 0; i < p->m * p->n; i++) {
        double value = c[i] + (has_bias ? 0.0 : p->bias[i % p->n]);
        largest = fmax(largest, fabs(right[i]));
        error = fmax(error, isnan(value) ? INFINITY : fabs(value - right[i]));
    }
    if (!(error <= tolerance * largest))
        bench_die("%s %s %zux%zux%zu is wrong: off by %g of %g", by, type_names[p->type], p->m, p->n, p->k, error,
                  largest);
}

/* Two operations per multiply-add; where weights come from memory, the bytes of the packed weights. */
static void report(const bench_entry *e, const peer_problem *p, const bench_shape *shape, double peak_rate) {
    char text[64];
    snprintf(text, sizeof text, "%zux%zux%zu", p->m, p->n, p->k);
    double work =
        shape->cold ? (double)e2_packed_bytes(p->type, p->n, p->k) : 2.0 * (double)p->m * (double)p->n * (double)p->k;
    double rate = work / e->seconds;
    bench_print(&(bench_row){"gemm", e->by, type_names[p->type], shape->model, text, 1, e->seconds, rate / 1e9,
                             shape->cold ? "GB/s" : "GFLOP/s", rate / peak_rate});
}

static void race(const bench_shape *shape, e2_weight_type type, double seconds, const char *mode, peak_job *peaks) {
    static const bench_peak peak_of[] = {PEAK_F32, PEAK_BF16, PEAK_INT8};
    bool only_blas = !strcmp(mode, "openblas");
    peer_problem p = {type, shape->m, shape->n, shape->k, 1, NULL, NULL, NULL, NULL};
    if (shape->cold) p.copies = BENCH_COLD_BYTES / e2_packed_bytes(type, p.n, p.k) + 2;
    p.a = bench_random(p.m * p.k, 1.0f), p.w = bench_random(p.n * p.k, 0.05f), p.bias = bench_random(p.n, 1.0f);
    bench_entry entries[MOST];
    float *results[MOST];
    ours mine[MOST];
    e2_matrix *w = only_blas ? NULL : pack(&p);
    size_t n = 0, next = 0, size = p.m * p.n * sizeof(float);
    peak_job *peak = &peaks[shape->cold ? PEAK_READ : peak_of[type]];
    entries[n++] = (bench_entry){.by = "peak", .run = peak_run, .context = peak};
    e2_level best = e2_level_ref;
    for (size_t i = 0; i < LINES; i++)
        if (runs(&lines[i], type)) best = lines[i].level;
    float *right = bench_alloc(size);
    for (size_t i = 0; !only_blas && i < LINES; i++) {
        if (!runs(&lines[i], type)) continue;
        p.c = bench_alloc(size);
        ours_new(&mine[n], &lines[i], &p, w, &next);
        if (lines[i].level == e2_level_ref) {
            ours_run(&mine[n]);
            memcpy(right, p.c, size);
        }
        if (lines[i].level != best && strcmp(mode, "all")) {
            free(mine[n].prepared), free(p.c);
            continue;
        }
        results[n] = p.c;
        entries[n] = (bench_entry){.by = lines[i].name, .run = ours_run, .context = &mine[n]};
        n++;
    }
    size_t peers = n;
    p.c = results[n] = bench_alloc(size);
    peer_gemm *openblas = openblas_new(&p);
    if (openblas)
        entries[n++] = (bench_entry){.by = "OpenBLAS", .run = openblas_run, .context = openblas};
    else
        free(results[n]);
    p.c = results[n] = bench_alloc(size);
    peer_gemm *onednn = only_blas ? NULL : onednn_new(&p);
    if (onednn)
        entries[n++] = (bench_entry){.by = "oneDNN", .run = onednn_run, .context = onednn};
    else
        free(results[n]);

    bench_race(entries, n, seconds);
    double peak_rate = peak->work / entries[0].seconds;
    for (size_t i = 1; i < n; i++) {
        if (!only_blas) check_result(entries[i].by, &p, right, results[i], entries[i].run != openblas_run);
        report(&entries[i], &p, shape, peak_rate);
        if (i < peers) free(mine[i].prepared);
        free(results[i]);
    }
    openblas_free(openblas);
    onednn_free(onednn);
    if (w) unpack(w, p.copies);
    free(right), free((void *)p.a), free((void *)p.w), free((void *)p.bias);
}

int main(int argc, char **argv) {
    size_t count;
    peak_job peaks[PEAKS];
    if (argc != 4) bench_die("usage: gemm SHAPES SECONDS all|best|openblas");
    bench_shape *shapes = bench_shapes(argv[1], &count);
    double seconds = atof(argv[2]);
    bool blas = !strcmp(argv[3], "openblas");
    peak_jobs(NULL, peaks);
    bench_header();
    for (size_t i = 0; i < count; i++)
        for (int type = 0; type < (blas ? 1 : E2_WEIGHT_TYPES); type++)
            if (!strcmp(shapes[i].operation, "gemm")) race(&shapes[i], (e2_weight_type)type, seconds, argv[3], peaks);
    free(shapes);
    return 0;
}
