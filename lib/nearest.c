/* SPDX-License-Identifier: MIT */
#include "nearest.h"

#include <math.h>
#include <stdlib.h>

/* ---------------------------------------------------------------------------------------------------- best k -- */

/* A total order, as no two examples of a pool have the same id: which k are the best, and their order, do not depend on
 * the order in which they were met. */
static bool worse(const e2_choice *a, const e2_choice *b) {
    return a->similarity < b->similarity || (a->similarity == b->similarity && a->id > b->id);
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
    e2str_status status; /* what became of the parts of an archive that it looked at */
    e2str_error error;
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
    const e2_archive *rows; /* or NULL */
    const float *key;
    size_t k;
    float minimum;
    bool with_tokens; /* rows without visual tokens are passed over */
    best_k *best;     /* [workers] */
} scan;

/* -1 is none, in spite of rounding. */
static float least_of(float min_similarity) { return min_similarity <= -1.0f ? -INFINITY : min_similarity; }

/* The caller holds the pool's lock. */
static scan scan_of(const e2str_pool *pool, const float *key, size_t k, float min_similarity, best_k *best) {
    return (scan){pool, e2_pool_rows_locked(pool), key, k, least_of(min_similarity), false, best};
}

/* A similarity that is NaN is below every minimum. */
static void scan_examples(const scan *s, size_t block, best_k *best) {
    const e2str_pool *pool = s->pool;
    float similarities[SIMILARITY_BLOCK];
    size_t begin = block * SIMILARITY_BLOCK, left = pool->count - begin, width = pool->model->vision.width;
    size_t n = left < SIMILARITY_BLOCK ? left : SIMILARITY_BLOCK;
    pool->model->kernels->similarity(s->key, pool->keys + begin * width, n, width, similarities);
    for (size_t i = 0; i < n; i++)
        if (similarities[i] >= s->minimum)
            offer(best, s->k,
                  (e2_choice){.example = pool->examples[begin + i],
                              .similarity = similarities[i],
                              .id = pool->examples[begin + i]->id});
}

/* Of most rows nothing but the key is looked at. */
static e2str_status offer_row(const scan *s, const e2_segment *segment, size_t row, float similarity, best_k *best) {
    e2_archive_row is;
    if (best->n == s->k && similarity < best->choices[0].similarity) return E2STR_OK;
    if (e2_archive_is_removed(segment, row)) return E2STR_OK;
    e2str_status status = e2_archive_row_at(s->rows, segment->first + row, &is, &best->error);
    if (status || e2_pool_is_gone_locked(s->pool, is.id) || (s->with_tokens && !is.tokens_at)) return status;
    offer(best, s->k, (e2_choice){.similarity = similarity, .id = is.id, .row = segment->first + row});
    return E2STR_OK;
}

static e2str_status scan_group(const scan *s, size_t group, float *scratch, best_k *best) {
    const e2_segment *segment = e2_archive_segment_of_group(s->rows, group);
    if (s->with_tokens && segment->is.tokenless == segment->is.rows) return E2STR_OK;
    size_t begin = (group - segment->first_group) * E2_ARCHIVE_GROUP, left = (size_t)segment->is.rows - begin;
    size_t n = left < E2_ARCHIVE_GROUP ? left : E2_ARCHIVE_GROUP;
    const float *keys;
    float similarities[E2_ARCHIVE_GROUP];
    e2str_status status = e2_archive_keys(s->rows, group, scratch, &keys, &best->error);
    if (status) return status;
    const e2str_model *model = s->pool->model;
    model->kernels->similarity(s->key, keys, n, model->vision.width, similarities);
    for (size_t i = 0; !status && i < n; i++)
        if (similarities[i] >= s->minimum) status = offer_row(s, segment, begin + i, similarities[i], best);
    return status;
}

static void scan_rows(const scan *s, size_t group, best_k *best) {
    float *scratch = NULL;
    if (best->status) return;
    if (!s->rows->map) scratch = e2_alloc(E2_ARCHIVE_GROUP * (size_t)s->pool->model->vision.width, sizeof *scratch);
    if (scratch || s->rows->map)
        best->status = scan_group(s, group, scratch, best);
    else
        best->status = e2_fail(&best->error, E2STR_ERROR_MEMORY, "out of memory for keys");
    free(scratch);
}

static void scan_block(void *context, size_t block, unsigned worker) {
    const scan *s = context;
    size_t groups = s->rows ? s->rows->groups : 0;
    if (block < groups)
        scan_rows(s, block, &s->best[worker]);
    else
        scan_examples(s, block - groups, &s->best[worker]);
}

/* The caller holds the pool's lock, so the others need not take it. Each worker keeps the best k of the blocks that it
 * got; best[0], of all of them in the end: *found. */
static e2str_status run_scan(scan *s, e2_threads *threads, size_t *found, e2str_error *error) {
    const e2str_pool *pool = s->pool;
    *found = 0;
    if (s->k == 0) return E2STR_OK;
    size_t groups = s->rows ? s->rows->groups : 0;
    size_t bytes = (pool->count + groups * E2_ARCHIVE_GROUP) * pool->model->vision.width * sizeof *pool->keys;
    threads = e2_threads_for(threads, e2_nanoseconds(0, bytes));
    e2_threads_run(threads, groups + (pool->count + SIMILARITY_BLOCK - 1) / SIMILARITY_BLOCK, scan_block, s);
    for (unsigned i = 0; i < e2_threads_count(threads); i++) {
        const best_k *b = &s->best[i];
        if (b->status) return e2_fail(error, b->status, "%s", b->error.message);
        for (size_t j = 0; i && j < b->n; j++) offer(&s->best[0], s->k, b->choices[j]);
    }
    sort_best_first(&s->best[0]);
    *found = s->best[0].n;
    return E2STR_OK;
}

/* -------------------------------------------------------------------------------------------------------- index -- */

/* Candidates of the index that are compared exactly when k are wanted (docs/performance.md has what that finds). */
#define CANDIDATES(k) (512 + 16 * (k))

/* Whether the pool's index is asked: it has all examples, and comparing as many as it proposes is worth sparing. The
 * rows of an archive have no index. */
static bool is_indexed(const e2str_pool *pool, size_t k) {
    if (e2_pool_rows_locked(pool) || pool->count < pool->index_from || k > pool->count) return false;
    return CANDIDATES(k) < pool->count && e2_index_count(pool->index) == pool->count;
}

/* As run_scan, by the pool's index. */
static e2str_status run_index(scan *s, e2_arena *arena, e2_threads *threads, size_t *found, e2str_error *error) {
    const e2str_pool *pool = s->pool;
    size_t n;
    e2_near *near = e2_arena_alloc(arena, s->k, sizeof *near);
    e2_index_query query = {.kernels = pool->model->kernels,
                            .arena = arena,
                            .threads = e2_threads_for(threads, e2_nanoseconds(0, e2_index_bytes(pool->index))),
                            .key = s->key,
                            .candidates = CANDIDATES(s->k)};
    *found = 0;
    if (!near || !e2_index_nearest(pool->index, &query, pool->keys, s->k, near, &n))
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the %zu nearest examples", s->k);
    for (size_t i = 0; i < n && near[i].similarity >= s->minimum; i++) {
        e2_example *example = pool->examples[near[i].at];
        s->best[0].choices[(*found)++] =
            (e2_choice){.example = example, .similarity = near[i].similarity, .id = example->id};
    }
    return E2STR_OK;
}

/* The best k, in best[0]; the caller holds the pool's lock. */
static e2str_status run(scan *s, e2_arena *arena, e2_threads *threads, size_t *found, e2str_error *error) {
    if (s->k && is_indexed(s->pool, s->k)) return run_index(s, arena, threads, found, error);
    return run_scan(s, threads, found, error);
}

/* Each worker's best k in a part of their own of `room`. */
static e2str_status search(scan *s, e2_threads *threads, e2_choice *room, size_t *found, e2str_error *error) {
    size_t workers = e2_threads_count(threads);
    s->best = e2_alloc(workers, sizeof *s->best);
    if (!s->best) return E2STR_ERROR_MEMORY;
    for (size_t i = 0; i < workers; i++) s->best[i] = (best_k){.choices = room + i * s->k};
    e2_arena arena = {0};
    e2str_status status = run(s, &arena, threads, found, error);
    e2_arena_free(&arena);
    free(s->best);
    return status;
}

e2str_status e2_pool_nearest(const e2str_pool *pool, e2_threads *threads, const float *key, size_t k,
                             float min_similarity, uint64_t *ids, float *similarities, size_t *found,
                             e2str_error *error) {
    size_t all;
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    if (k > e2_pool_count_locked(pool)) k = e2_pool_count_locked(pool);
    e2_choice *room = e2_mul(k, e2_threads_count(threads), &all) ? e2_alloc(all, sizeof *room) : NULL;
    scan s = scan_of(pool, key, k, min_similarity, NULL);
    *found = 0;
    e2str_status status = room ? search(&s, threads, room, found, error) : E2STR_ERROR_MEMORY;
    for (size_t i = 0; i < *found; i++) {
        ids[i] = room[i].id;
        similarities[i] = room[i].similarity;
    }
    pthread_rwlock_unlock(e2_pool_lock(pool));
    if (status == E2STR_ERROR_MEMORY) e2_fail(error, status, "out of memory for the %zu nearest examples", k);
    free(room);
    return status;
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
    return e2_pool_nearest(pool, NULL, key, k, min_similarity, ids, similarities, found, error);
}

/* --------------------------------------------------------------------------------------------------- choices -- */

/* The caller holds the lock. */
static void retain_choice(e2_choice *choice) {
    if (choice->example) choice->projection = e2_projection_retain(e2_example_retain(choice->example)->projection);
}

/* Makes the chosen rows of an archive examples, without the lock. On failure all n are released. */
static e2str_status fetch_choices(const e2str_pool *pool, e2_archive *archive, e2_choice *choices, size_t n,
                                  e2str_error *error) {
    e2str_status status = E2STR_OK;
    for (size_t i = 0; !status && i < n; i++) {
        e2_choice *choice = &choices[i];
        if (!choice->example)
            status =
                e2_pool_fetch_row(pool, archive, choice->row, choice->id, &choice->example, &choice->projection, error);
    }
    for (size_t i = 0; status && i < n; i++) e2_choice_release(&choices[i]);
    return status;
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
    for (size_t i = 0; i < workers; i++) all[i] = (best_k){.choices = i == 0 ? choices : others + (i - 1) * k};
    return all;
}

e2str_status e2_pool_choose(const e2_compute *compute, const e2str_pool *pool, const float *key, size_t k,
                            float min_similarity, e2_choice *choices, size_t *found, e2str_error *error) {
    *found = 0;
    if (isnan(min_similarity)) return e2_fail(error, E2STR_ERROR_ARGUMENT, "min_similarity is not a number");
    for (size_t i = 0; i < pool->model->vision.width; i++)
        if (!isfinite(key[i])) return e2_fail(error, E2STR_ERROR_ARGUMENT, "a number of the key is not finite");
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    best_k *best = best_of_workers(compute->arena, e2_threads_count(compute->threads), k, choices);
    e2str_status status = E2STR_OK;
    e2_archive *archive = NULL;
    if (best) {
        pthread_rwlock_rdlock(e2_pool_lock(pool));
        scan s = scan_of(pool, key, k, min_similarity, best);
        s.with_tokens = true;
        status = run(&s, compute->arena, compute->threads, found, error);
        for (size_t i = 0; i < *found; i++) retain_choice(&choices[i]);
        archive = e2_archive_retain(e2_pool_rows_locked(pool));
        pthread_rwlock_unlock(e2_pool_lock(pool));
    } else {
        status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the %zu nearest examples", k);
    }
    e2_arena_release(compute->arena, mark);
    if (!status) status = fetch_choices(pool, archive, choices, *found, error);
    if (status) *found = 0;
    e2_archive_release(archive);
    return status;
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

/* The proposed examples that there are, each once, are compared; those that are not chosen are let go. */
static e2str_status choose_of(const e2_compute *compute, const e2str_pool *pool, const float *key, const uint64_t *ids,
                              size_t n, best_k *best, const scan *s, e2str_error *error) {
    e2str_status status = E2STR_OK;
    e2_choice *all = e2_arena_alloc(compute->arena, n, sizeof *all);
    size_t count = 0;
    if (!all) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the nearest examples");
    for (size_t i = 0; !status && i < n; i++) {
        e2_choice choice = {.id = ids[i]};
        if (i && ids[i] == ids[i - 1]) continue;
        status = e2_pool_fetch(pool, ids[i], &choice.example, &choice.projection, error);
        if (status == E2STR_ERROR_NOT_FOUND || status == E2STR_ERROR_UNSUPPORTED) { /* none, or without tokens */
            status = E2STR_OK;
            continue;
        }
        if (status) break;
        compute->kernels->similarity(key, choice.example->key, 1, pool->model->vision.width, &choice.similarity);
        all[count++] = choice;
        if (choice.similarity >= s->minimum) offer(best, s->k, choice);
    }
    for (size_t i = 0; i < count; i++) {
        size_t chosen = 0;
        while (!status && chosen < best->n && best->choices[chosen].id != all[i].id) chosen++;
        if (status || chosen == best->n) e2_choice_release(&all[i]);
    }
    return status;
}

e2str_status e2_pool_choose_proposed(const e2_compute *compute, const e2str_pool *pool, const float *key,
                                     const e2str_read_options *options, e2_choice *choices, size_t *found,
                                     e2str_error *error) {
    size_t n = 0;
    *found = 0;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    uint64_t *ids = e2_arena_alloc(compute->arena, PROPOSED(options->k), sizeof *ids);
    e2str_status status = ids ? ask(options, key, pool->model->vision.width, ids, &n, error)
                              : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the nearest examples");
    if (!status) {
        best_k best = {.choices = choices};
        scan s = {.k = options->k, .minimum = least_of(options->min_similarity)};
        qsort(ids, n, sizeof *ids, by_id);
        status = choose_of(compute, pool, key, ids, n, &best, &s, error);
        sort_best_first(&best);
        if (!status) *found = best.n;
    }
    e2_arena_release(compute->arena, mark);
    return status;
}

/* -------------------------------------------------------------------------------------------------- given ones -- */

e2str_status e2_pool_choose_all(const e2str_pool *pool, e2_choice **choices, size_t *n, uint64_t *last_id,
                                e2str_error *error) {
    e2_pool_content content;
    *choices = NULL;
    *n = 0;
    e2str_status status = e2_pool_content_take(pool, &content, error);
    if (status) return status;
    status = e2_pool_content_load(pool, &content, error);
    e2_choice *all = status ? NULL : e2_alloc(content.count, sizeof *all);
    if (!status && !all) status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the pool's list");
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    for (size_t i = 0; !status && i < content.count; i++) {
        all[i] = (e2_choice){.example = content.examples[i]};
        retain_choice(&all[i]);
    }
    pthread_rwlock_unlock(e2_pool_lock(pool));
    if (!status) {
        *choices = all;
        *n = content.count;
        *last_id = *n ? all[*n - 1].example->id : 0;
    }
    e2_pool_content_free(&content);
    return status;
}

e2str_status e2_pool_choose_ids(const e2str_pool *pool, const uint64_t *ids, size_t n, e2_choice *choices,
                                e2str_error *error) {
    e2str_status status = E2STR_OK;
    size_t chosen = 0;
    for (; !status && chosen < n; chosen++) {
        e2_choice *choice = &choices[chosen];
        *choice = (e2_choice){.id = ids[chosen]};
        status = e2_pool_fetch(pool, ids[chosen], &choice->example, &choice->projection, error);
    }
    for (size_t i = 0; status && i < chosen; i++) e2_choice_release(&choices[i]);
    return status;
}
