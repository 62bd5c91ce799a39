/* SPDX-License-Identifier: MIT */
/*
 * The index of keys against exact search: memory, time with one thread and with two, and how many of the nearest 2 it
 * finds, for growing numbers of keys.
 *
 *     index MODEL KEYS QUERIES MOST SECONDS
 *
 * KEYS and QUERIES are files of floats, retrieval keys of the model (bench/keys.py writes them). Where KEYS has fewer
 * than are asked for, copies follow, each moved by 0.41 of the difference of two other keys and brought back to unit
 * length: as far from its original as a real key is from its nearest. Runs with 10^3, 10^4, ... keys up to MOST.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "index.h"
#include "large.h"
#include "model.h"
#include "support/subject.h"

#define K     2
#define ASKED 400 /* queries for recall */
#define MOVED 0.41f

typedef struct bench {
    e2_kernels kernels;
    size_t width, n;
    float *keys, *queries;
    size_t n_queries;
} bench;

typedef struct run {
    const bench *b;
    const e2_index *index;
    e2_threads *threads;
    e2_arena *arena;
    size_t candidates, next;
    e2_near best[256][K]; /* exact, by worker */
    e2_near near[K];
} run;

static float *load(const char *path, size_t width, size_t *n) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) bench_die("cannot read %s", path);
    *n = (size_t)ftell(file) / (width * sizeof(float));
    float *all = bench_alloc(*n * width * sizeof *all + 1);
    rewind(file);
    if (fread(all, width * sizeof *all, *n, file) != *n || !*n) bench_die("cannot read %s", path);
    fclose(file);
    return all;
}

static uint64_t random_state = 1;
static size_t random_below(size_t n) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(random_state >> 33) % n;
}

/* The keys of the file, then copies of them. */
static void enlarge(bench *b, const float *real, size_t n_real, size_t most) {
    size_t w = b->width;
    b->n = most;
    b->keys = e2_large_grow(NULL, 0, most * w * sizeof *b->keys);
    if (!b->keys) bench_die("out of memory for %zu keys", most);
    for (size_t i = 0; i < most; i++) {
        float *key = b->keys + i * w;
        memcpy(key, real + i % n_real * w, w * sizeof *key);
        if (i < n_real) continue;
        const float *one = real + random_below(n_real) * w, *other = real + random_below(n_real) * w;
        double square = 0.0;
        for (size_t j = 0; j < w; j++) key[j] += MOVED * (one[j] - other[j]);
        for (size_t j = 0; j < w; j++) square += (double)key[j] * key[j];
        for (size_t j = 0; j < w; j++) key[j] = (float)(key[j] / sqrt(square));
    }
}

static void offer(e2_near best[K], e2_near candidate) {
    for (size_t i = 0; i < K; i++) {
        if (candidate.similarity < best[i].similarity ||
            (candidate.similarity == best[i].similarity && candidate.at > best[i].at))
            continue;
        e2_near kept = best[i];
        best[i] = candidate;
        candidate = kept;
    }
}

#define BLOCK 256
static void exact_part(void *context, size_t part, unsigned worker) {
    run *r = context;
    const bench *b = r->b;
    size_t begin = part * BLOCK, count = e2_index_count(r->index), n = count - begin < BLOCK ? count - begin : BLOCK;
    float out[BLOCK];
    b->kernels.similarity(b->queries + r->next * b->width, b->keys + begin * b->width, n, b->width, out);
    for (size_t i = 0; i < n; i++)
        if (out[i] >= r->best[worker][K - 1].similarity) offer(r->best[worker], (e2_near){begin + i, out[i]});
}

static void next_query(run *r) { r->next = (r->next + 1) % r->b->n_queries; }

static void run_exact(void *context) {
    run *r = context;
    next_query(r);
    for (size_t i = 0; i < e2_threads_count(r->threads); i++)
        for (size_t j = 0; j < K; j++) r->best[i][j] = (e2_near){0, -2.0f};
    e2_threads_run(r->threads, (e2_index_count(r->index) + BLOCK - 1) / BLOCK, exact_part, r);
    for (size_t i = 1; i < e2_threads_count(r->threads); i++)
        for (size_t j = 0; j < K; j++) offer(r->best[0], r->best[i][j]);
    memcpy(r->near, r->best[0], sizeof r->near);
}

static void run_index(void *context) {
    run *r = context;
    next_query(r);
    size_t found;
    e2_index_query query = {&r->b->kernels, r->arena, r->threads, r->b->queries + r->next * r->b->width, r->candidates};
    if (!e2_index_nearest(r->index, &query, r->b->keys, K, r->near, &found) || found != K)
        bench_die("the index found %zu", found);
}

static void print_recall(run *r) {
    static const size_t candidates[] = {64, 128, 256, 544, 1024, 2048};
    enum { CANDIDATES = sizeof candidates / sizeof *candidates };
    size_t found[CANDIDATES] = {0}, asked = ASKED * 1000000 / (e2_index_count(r->index) + 1) / 2 + 1;
    if (asked > ASKED) asked = ASKED;
    if (asked > r->b->n_queries) asked = r->b->n_queries;
    for (size_t q = 0; q < asked; q++) {
        r->next = q;
        run_exact(r);
        e2_near exact[K];
        memcpy(exact, r->near, sizeof exact);
        for (size_t c = 0; c < CANDIDATES; c++) {
            r->next = q;
            r->candidates = candidates[c];
            run_index(r);
            for (size_t i = 0; i < K; i++)
                for (size_t j = 0; j < K; j++) found[c] += exact[i].at == r->near[j].at;
        }
    }
    for (size_t c = 0; c < CANDIDATES; c++)
        printf("# %zu keys, %zu candidates: %.4f of the nearest %d of %zu queries\n", e2_index_count(r->index),
               candidates[c], (double)found[c] / (double)(asked * K), K, asked);
    r->candidates = 512 + 16 * K;
}

static void race(run *runs, double seconds) {
    bench_entry entries[4];
    for (size_t i = 0; i < 4; i++) entries[i] = (bench_entry){"", i < 2 ? run_exact : run_index, &runs[i % 2], 0, 0, 0};
    bench_race(entries, 4, seconds);
    size_t n = e2_index_count(runs[0].index);
    for (size_t i = 0; i < 4; i++) {
        char shape[64];
        snprintf(shape, sizeof shape, "%zux%zu", n, runs[0].b->width);
        double bytes = i < 2 ? (double)n * (double)runs[0].b->width * 4 : (double)e2_index_bytes(runs[0].index);
        bench_print(&(bench_row){"nearest", i < 2 ? "exact" : "index", i < 2 ? "f32" : "1 bit", "", shape,
                                 (unsigned)(1 + i % 2), entries[i].seconds, bytes / entries[i].seconds / 1e9, "GB/s",
                                 -1});
    }
}

int main(int argc, char **argv) {
    if (argc != 6) bench_die("usage: index MODEL KEYS QUERIES MOST SECONDS");
    bench b = {0};
    static run runs[2];
    size_t most = (size_t)atol(argv[4]), n_real;
    e2_arena arena = {0};
    e2str_error error;
    e2str_model *model = bench_model(argv[1], E2STR_PRECISION_AUTO);
    b.width = model->vision.width;
    b.kernels = *model->kernels;
    float *real = load(argv[2], b.width, &n_real);
    b.queries = load(argv[3], b.width, &b.n_queries);
    enlarge(&b, real, n_real, most);
    free(real);
    e2_index *index = e2_index_new(b.width, model->memory.key_mean);
    if (!index) bench_die("no index");
    for (unsigned i = 0; i < 2; i++) {
        runs[i] = (run){.b = &b, .index = index, .arena = &arena, .candidates = 512 + 16 * K};
        if (e2_threads_new(i + 1, &runs[i].threads, &error)) bench_die("%s", error.message);
    }
    printf("# %zu keys of the file, then copies; %zu queries\n", n_real, b.n_queries);
    bench_header();
    for (size_t n = 1000; n <= most; n *= 10) {
        double begin = bench_now();
        size_t before = e2_index_count(index);
        if (!e2_index_append(index, b.keys + before * b.width, n - before, NULL)) bench_die("out of memory");
        begin = bench_now() - begin;
        printf("# %zu keys: %.2f us to code one, %.1f bytes each\n", n, begin / (double)(n - before) * 1e6,
               (double)e2_index_bytes(index) / (double)n);
        if (atof(argv[5]) > 0) race(runs, atof(argv[5]));
        print_recall(&runs[1]);
    }
    e2_index_free(index);
    e2str_model_close(model);
    free(b.keys);
    free(b.queries);
    for (size_t i = 0; i < 2; i++) e2_threads_free(runs[i].threads);
    e2_arena_free(&arena);
    return 0;
}
