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
    best_k b = {e2_alloc(k, sizeof *b.choices), 0};
    scan s = scan_of(pool, key, k, min_similarity, &b);
    if (b.choices) *found = run_scan(&s, NULL);
    for (size_t i = 0; i < *found; i++) {
        ids[i] = b.choices[i].example->id;
        similarities[i] = b.choices[i].similarity;
    }
    pthread_rwlock_unlock(e2_pool_lock(pool));
    if (!b.choices) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the %zu nearest examples", k);
    free(b.choices);
    return E2STR_OK;
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
    if (s.best) {
        pthread_rwlock_rdlock(e2_pool_lock(pool));
        *found = run_scan(&s, compute->threads);
        for (size_t i = 0; i < *found; i++) retain_choice(&choices[i]);
        pthread_rwlock_unlock(e2_pool_lock(pool));
    }
    e2_arena_release(compute->arena, mark);
    return s.best ? E2STR_OK : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the %zu nearest examples", k);
}

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
