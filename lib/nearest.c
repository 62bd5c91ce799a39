/* SPDX-License-Identifier: MIT */
#include "nearest.h"

#include <math.h>
#include <stdlib.h>

/* ---------------------------------------------------------------------------------------------------- best k -- */

/* A total order, as no two examples of a pool have the same id: which k are the best, and their order, do not depend on
 * the order in which they were met. */
static bool worse(const e2_choice *a, const e2_choice *b) {
    return a->similarity < b->similarity || (a->similarity == b->similarity && a->example->id > b->example->id);
}

static void swap(e2_choice *a, e2_choice *b) {
    e2_choice kept = *a;
    *a = *b;
    *b = kept;
}

/* A binary heap with the worst choice at its root. */
static void sift_down(e2_choice *heap, size_t n, size_t at) {
    for (;;) {
        size_t worst = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < n && worse(&heap[child], &heap[worst])) worst = child;
        if (worst == at) return;
        swap(&heap[at], &heap[worst]);
        at = worst;
    }
}

static void make_heap(e2_choice *choices, size_t n) {
    for (size_t at = n / 2; at-- > 0;) sift_down(choices, n, at);
}

/* The best k >= 1 of those offered so far: a heap once there are k. No references are taken. */
typedef struct best_k {
    e2_choice *choices; /* [k] */
    size_t n;
} best_k;

static void offer(best_k *b, size_t k, e2_choice choice) {
    if (b->n < k) {
        b->choices[b->n++] = choice;
        if (b->n == k) make_heap(b->choices, k);
    } else if (worse(&b->choices[0], &choice)) {
        b->choices[0] = choice;
        sift_down(b->choices, k, 0);
    }
}

static void sort_best_first(best_k *b) {
    make_heap(b->choices, b->n);
    for (size_t end = b->n; end > 1;) {
        swap(&b->choices[0], &b->choices[--end]);
        sift_down(b->choices, end, 0);
    }
}

/* -------------------------------------------------------------------------------------------------------- scan -- */

#define SIMILARITY_BLOCK 256

typedef struct scan {
    const e2str_pool *pool;
    const float *key;
    size_t k;
    float minimum;
    best_k *best; /* [workers] */
} scan;

static scan scan_of(const e2str_pool *pool, const float *key, size_t k, float min_similarity, best_k *best) {
    float minimum = min_similarity <= -1.0f ? -INFINITY : min_similarity; /* -1 is none, in spite of rounding */
    return (scan){pool, key, k, minimum, best};
}

/* A similarity that is NaN is below every minimum. */
static void scan_block(void *context, size_t block, unsigned worker) {
    const scan *s = context;
    const e2str_pool *pool = s->pool;
    float similarities[SIMILARITY_BLOCK];
    size_t begin = block * SIMILARITY_BLOCK, left = pool->count - begin, width = pool->model->vision.width;
    size_t n = left < SIMILARITY_BLOCK ? left : SIMILARITY_BLOCK;
    pool->model->kernels->similarity(s->key, pool->keys + begin * width, n, width, similarities);
    for (size_t i = 0; i < n; i++)
        if (similarities[i] >= s->minimum)
            offer(&s->best[worker], s->k, (e2_choice){pool->examples[begin + i], similarities[i], NULL});
}

/* The caller holds the pool's lock, so the others need not take it. Each worker keeps the best k of the blocks that it
 * got; best[0], of all of them in the end. Returns how many those are. */
static size_t run_scan(scan *s, e2_threads *threads) {
    const e2str_pool *pool = s->pool;
    if (s->k == 0) return 0;
    size_t bytes = pool->count * pool->model->vision.width * sizeof *pool->keys;
    threads = e2_threads_for(threads, e2_nanoseconds(0, bytes));
    e2_threads_run(threads, (pool->count + SIMILARITY_BLOCK - 1) / SIMILARITY_BLOCK, scan_block, s);
    for (unsigned i = 1; i < e2_threads_count(threads); i++)
        for (size_t j = 0; j < s->best[i].n; j++) offer(&s->best[0], s->k, s->best[i].choices[j]);
    sort_best_first(&s->best[0]);
    return s->best[0].n;
}

/* -------------------------------------------------------------------------------------------------------- index -- */

/* Candidates of the index that are compared exactly when k are wanted (docs/performance.md has what that finds). */
#define CANDIDATES(k) (512 + 16 * (k))

/* Whether the pool's index is asked: it has all examples, and comparing as many as it proposes is worth sparing. */
static bool is_indexed(const e2str_pool *pool, size_t k) {
    if (pool->count < pool->index_from || k > pool->count) return false;
    return CANDIDATES(k) < pool->count && e2_index_count(pool->index) == pool->count;
}

/* As run_scan, by the pool's index. false: out of memory. */
static bool run_index(scan *s, e2_arena *arena, e2_threads *threads, size_t *found) {
    const e2str_pool *pool = s->pool;
    size_t n;
    e2_near *near = e2_arena_alloc(arena, s->k, sizeof *near);
    e2_index_query query = {.kernels = pool->model->kernels,
                            .arena = arena,
                            .threads = e2_threads_for(threads, e2_nanoseconds(0, e2_index_bytes(pool->index))),
                            .key = s->key,
                            .candidates = CANDIDATES(s->k)};
    if (!near || !e2_index_nearest(pool->index, &query, pool->keys, s->k, near, &n)) return false;
    for (size_t i = 0; i < n && near[i].similarity >= s->minimum; i++)
        s->best[0].choices[(*found)++] = (e2_choice){pool->examples[near[i].at], near[i].similarity, NULL};
    return true;
}

/* The best k, in best[0]; the caller holds the pool's lock. false: out of memory. */
static bool run(scan *s, e2_arena *arena, e2_threads *threads, size_t *found) {
    if (s->k && is_indexed(s->pool, s->k)) return run_index(s, arena, threads, found);
    *found = run_scan(s, threads);
    return true;
}

e2str_status e2str_pool_nearest(const e2str_pool *pool, const float *key, size_t k, float min_similarity, uint64_t *ids,
                                float *similarities, size_t *found, e2str_error *error) {
    if (found) *found = 0;
    if (!pool || !key || (k && !ids) || (k && !similarities) || !found)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL",
                       !pool    ? "pool"
                       : !key   ? "key"
                       : !found ? "found"
                       : !ids   ? "ids"
                                : "similarities");
    if (!(min_similarity >= -1.0f && min_similarity <= 1.0f))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "min_similarity is %g; from -1 to 1", (double)min_similarity);
    for (size_t i = 0; i < pool->model->vision.width; i++)
        if (!isfinite(key[i]))
            return e2_fail(error, E2STR_ERROR_ARGUMENT, "value %zu of the key is %g", i, (double)key[i]);
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    if (k > pool->count) k = pool->count;
    e2_arena arena = {0};
    best_k b = {e2_alloc(k, sizeof *b.choices), 0};
    scan s = scan_of(pool, key, k, min_similarity, &b);
    bool ok = b.choices && run(&s, &arena, NULL, found);
    for (size_t i = 0; i < *found; i++) {
        ids[i] = b.choices[i].example->id;
        similarities[i] = b.choices[i].similarity;
    }
    pthread_rwlock_unlock(e2_pool_lock(pool));
    e2_arena_free(&arena);
    free(b.choices);
    return ok ? E2STR_OK : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the %zu nearest examples", k);
}

/* --------------------------------------------------------------------------------------------------- choices -- */

/* The caller holds the lock. */
static void retain_choice(e2_choice *choice) {
    choice->projection = e2_projection_retain(e2_example_retain(choice->example)->projection);
}

void e2_choice_release(e2_choice *choice) {
    e2_example_release(choice->example);
    e2_projection_release(choice->projection);
}

/* Nothing met yet by any worker; the first keeps its best in `choices`. NULL: out of memory. */
static best_k *best_of_workers(e2_arena *arena, size_t workers, size_t k, e2_choice *choices) {
    best_k *all = e2_arena_alloc(arena, workers, sizeof *all);
    e2_choice *others = e2_arena_alloc(arena, (workers - 1) * k, sizeof *others);
    if (!all || !others) return NULL;
    for (size_t i = 0; i < workers; i++) all[i] = (best_k){i == 0 ? choices : others + (i - 1) * k, 0};
    return all;
}

e2str_status e2_pool_choose(const e2_compute *compute, const e2str_pool *pool, const float *key, size_t k,
                            float min_similarity, e2_choice *choices, size_t *found, e2str_error *error) {
    *found = 0;
    if (isnan(min_similarity)) return e2_fail(error, E2STR_ERROR_ARGUMENT, "min_similarity is not a number");
    for (size_t i = 0; i < pool->model->vision.width; i++)
        if (!isfinite(key[i])) return e2_fail(error, E2STR_ERROR_ARGUMENT, "a number of the key is not finite");
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    scan s = scan_of(pool, key, k, min_similarity,
                     best_of_workers(compute->arena, e2_threads_count(compute->threads), k, choices));
    bool ok = s.best != NULL;
    if (ok) {
        pthread_rwlock_rdlock(e2_pool_lock(pool));
        ok = run(&s, compute->arena, compute->threads, found);
        for (size_t i = 0; i < *found; i++) retain_choice(&choices[i]);
        pthread_rwlock_unlock(e2_pool_lock(pool));
    }
    e2_arena_release(compute->arena, mark);
    return ok ? E2STR_OK : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the %zu nearest examples", k);
}

/* ------------------------------------------------------------------------------------------- the caller's search -- */

#define PROPOSED(k) (4 * (size_t)(k))

static int by_id(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Asks for ids [PROPOSED(k)]; no lock is held. */
static e2str_status ask(const e2str_read_options *options, const float *key, size_t width, uint64_t *ids, size_t *n,
                        e2str_error *error) {
    size_t most = PROPOSED(options->k);
    *n = 0;
    e2str_status status = options->nearest(options->nearest_user, key, width, most, ids, n);
    if ((unsigned)status > E2STR_ERROR_CONFLICT)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "the caller's search returned %d, which is no status", (int)status);
    if (status) return e2_fail(error, status, "the caller's search failed: %s", e2str_status_name(status));
    if (*n > most)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "the caller's search proposed %zu examples of at most %zu", *n,
                       most);
    return E2STR_OK;
}

e2str_status e2_pool_choose_proposed(const e2_compute *compute, const e2str_pool *pool, const float *key,
                                     const e2str_read_options *options, e2_choice *choices, size_t *found,
                                     e2str_error *error) {
    size_t n = 0, width = pool->model->vision.width;
    *found = 0;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    uint64_t *ids = e2_arena_alloc(compute->arena, PROPOSED(options->k), sizeof *ids);
    e2str_status status = ids ? ask(options, key, width, ids, &n, error)
                              : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the nearest examples");
    best_k best = {choices, 0};
    scan s = scan_of(pool, key, options->k, options->min_similarity, &best);
    if (!status) {
        qsort(ids, n, sizeof *ids, by_id);
        pthread_rwlock_rdlock(e2_pool_lock(pool));
        for (size_t i = 0; i < n; i++) {
            size_t at = i && ids[i] == ids[i - 1] ? pool->count : e2_pool_find_locked(pool, ids[i]);
            if (at == pool->count) continue;
            float similarity;
            compute->kernels->similarity(key, pool->keys + at * width, 1, width, &similarity);
            if (similarity >= s.minimum) offer(&best, s.k, (e2_choice){pool->examples[at], similarity, NULL});
        }
        sort_best_first(&best);
        *found = best.n;
        for (size_t i = 0; i < *found; i++) retain_choice(&choices[i]);
        pthread_rwlock_unlock(e2_pool_lock(pool));
    }
    e2_arena_release(compute->arena, mark);
    return status;
}

/* -------------------------------------------------------------------------------------------------- given ones -- */

e2_choice *e2_pool_choose_all(const e2str_pool *pool, size_t *n, uint64_t *last_id) {
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    e2_choice *choices = e2_alloc(pool->count, sizeof *choices);
    *n = choices ? pool->count : 0;
    *last_id = *n ? pool->examples[*n - 1]->id : 0;
    for (size_t i = 0; i < *n; i++) {
        choices[i] = (e2_choice){.example = pool->examples[i]};
        retain_choice(&choices[i]);
    }
    pthread_rwlock_unlock(e2_pool_lock(pool));
    return choices;
}

e2str_status e2_pool_choose_ids(const e2str_pool *pool, const uint64_t *ids, size_t n, e2_choice *choices,
                                e2str_error *error) {
    size_t chosen = 0;
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    for (; chosen < n; chosen++) {
        size_t at = e2_pool_find_locked(pool, ids[chosen]);
        if (at == pool->count) break;
        choices[chosen] = (e2_choice){.example = pool->examples[at]};
        retain_choice(&choices[chosen]);
    }
    pthread_rwlock_unlock(e2_pool_lock(pool));
    if (chosen == n) return E2STR_OK;
    for (size_t i = 0; i < chosen; i++) e2_choice_release(&choices[i]);
    return e2_pool_not_found(ids[chosen], error);
}
