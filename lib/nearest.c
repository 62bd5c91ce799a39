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
    uint8_t *scratch;    /* for codes of an archive that is not mapped */
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
    bool coded;       /* rows that have codes were looked at already, by these, */
    bool indexed;     /* and examples by the pool's index */
    size_t groups;    /* of rows that are left */
} scan;

/* -1 is none, in spite of rounding. */
static float least_of(float min_similarity) { return min_similarity <= -1.0f ? -INFINITY : min_similarity; }

/* The caller holds the pool's lock. */
static scan scan_of(const e2str_pool *pool, const float *key, size_t k, float min_similarity, best_k *best) {
    return (scan){.pool = pool,
                  .rows = e2_pool_rows_locked(pool),
                  .key = key,
                  .k = k,
                  .minimum = least_of(min_similarity),
                  .best = best};
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
    if (s->coded && segment->is.codes_at) return E2STR_OK;
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
    if (block < s->groups)
        scan_rows(s, block, &s->best[worker]);
    else
        scan_examples(s, block - s->groups, &s->best[worker]);
}

/* The first failure of a worker. */
static e2str_status first_failure(const scan *s, e2_threads *threads, e2str_error *error) {
    for (unsigned i = 0; i < e2_threads_count(threads); i++)
        if (s->best[i].status) return e2_fail(error, s->best[i].status, "%s", s->best[i].error.message);
    return E2STR_OK;
}

/* All that codes and index were not asked about. The caller holds the pool's lock, so the others need not take it. Each
 * worker keeps the best k of the blocks that it got; best[0] has those of all of them in the end. */
static e2str_status run_scan(scan *s, e2_threads *threads, e2str_error *error) {
    const e2str_pool *pool = s->pool;
    size_t examples = s->indexed ? 0 : pool->count, rows = !s->rows ? 0 : s->rows->rows;
    if (s->coded) rows -= s->rows->coded;
    s->groups = rows ? s->rows->groups : 0;
    threads =
        e2_threads_for(threads, e2_nanoseconds(0, (examples + rows) * pool->model->vision.width * sizeof *pool->keys));
    e2_threads_run(threads, s->groups + (examples + SIMILARITY_BLOCK - 1) / SIMILARITY_BLOCK, scan_block, s);
    e2str_status status = first_failure(s, threads, error);
    for (unsigned i = 1; !status && i < e2_threads_count(threads); i++)
        for (size_t j = 0; j < s->best[i].n; j++) offer(&s->best[0], s->k, s->best[i].choices[j]);
    return status;
}

/* -------------------------------------------------------------------------------------------------------- index -- */

/* Candidates of the index that are compared exactly when k are wanted (docs/performance.md has what that finds). */
#define CANDIDATES(k) (512 + 16 * (k))

static e2str_status out_of_memory(const scan *s, e2str_error *error) {
    return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the %zu nearest examples", s->k);
}

/* Whether the pool's index is asked: it has all examples of the list, and comparing as many as it proposes is worth
 * sparing. */
static bool is_indexed(const e2str_pool *pool, size_t k) {
    if (pool->count < pool->index_from || k > pool->count) return false;
    return CANDIDATES(k) < pool->count && e2_index_count(pool->index) == pool->count;
}

/* Whether the codes of an archive's rows are, likewise. */
static bool is_coded(const scan *s) {
    if (!s->rows || e2_pool_count_locked(s->pool) < s->pool->index_from || s->k > s->rows->coded) return false;
    return CANDIDATES(s->k) < s->rows->coded;
}

static e2_index_query query_of(const scan *s, e2_arena *arena, e2_threads *threads, size_t bytes) {
    return (e2_index_query){.kernels = s->pool->model->kernels,
                            .arena = arena,
                            .threads = e2_threads_for(threads, e2_nanoseconds(0, bytes)),
                            .key = s->key,
                            .candidates = CANDIDATES(s->k)};
}

/* Offers the nearest of the list to best[0], by the pool's index. */
static e2str_status run_index(scan *s, e2_arena *arena, e2_threads *threads, e2str_error *error) {
    const e2str_pool *pool = s->pool;
    size_t n;
    e2_near *near = e2_arena_alloc(arena, s->k, sizeof *near);
    e2_index_query query = query_of(s, arena, threads, e2_index_bytes(pool->index));
    if (!near || !e2_index_nearest(pool->index, &query, pool->keys, s->k, near, &n)) return out_of_memory(s, error);
    for (size_t i = 0; i < n && near[i].similarity >= s->minimum; i++) {
        e2_example *example = pool->examples[near[i].at];
        offer(&s->best[0], s->k, (e2_choice){.example = example, .similarity = near[i].similarity, .id = example->id});
    }
    return E2STR_OK;
}

/* ---------------------------------------------------------------------------------------- codes of an archive -- */

static void next_codes(void *user, size_t run, unsigned worker, e2_code_run *codes) {
    const scan *s = user;
    best_k *best = &s->best[worker];
    const e2_segment *segment = e2_archive_segment_of_run(s->rows, run);
    if (best->status || (s->with_tokens && segment->is.tokenless == segment->is.rows)) return;
    best->status = e2_archive_codes(s->rows, run, best->scratch, codes, &best->error);
}

/* Of most candidates, too, nothing but the code is looked at. */
static bool row_counts(void *user, size_t row, unsigned worker) {
    const scan *s = user;
    best_k *best = &s->best[worker];
    const e2_segment *segment = e2_archive_segment_of_row(s->rows, row);
    e2_archive_row is;
    if (best->status || e2_archive_is_removed(segment, row - segment->first)) return false;
    if (!s->pool->n_gone && !(s->with_tokens && segment->is.tokenless)) return true;
    best->status = e2_archive_row_at(s->rows, row, &is, &best->error);
    return !best->status && !e2_pool_is_gone_locked(s->pool, is.id) && (!s->with_tokens || is.tokens_at);
}

/* Offers those of the candidates that are near enough to best[0]. */
static e2str_status compare_rows(const scan *s, const e2_near *near, size_t n, float *key, e2str_error *error) {
    const e2str_model *model = s->pool->model;
    best_k *best = &s->best[0];
    for (size_t i = 0; i < n; i++) {
        float similarity;
        const e2_segment *segment = e2_archive_segment_of_row(s->rows, near[i].at);
        e2str_status status = e2_archive_glance(s->rows, near[i].at, key, error);
        if (status) return status;
        model->kernels->similarity(s->key, key, 1, model->vision.width, &similarity);
        if (similarity >= s->minimum) status = offer_row(s, segment, near[i].at - segment->first, similarity, best);
        if (status) return e2_fail(error, status, "%s", best->error.message);
    }
    return E2STR_OK;
}

/* Offers the nearest rows that have codes to best[0]. */
static e2str_status run_codes(scan *s, e2_arena *arena, e2_threads *threads, e2str_error *error) {
    size_t width = s->pool->model->vision.width, n, workers = e2_threads_count(threads);
    e2_index_query query = query_of(s, arena, threads, e2_archive_code_bytes(width, s->rows->coded));
    e2_near *near = e2_arena_alloc(arena, query.candidates, sizeof *near);
    float *key = e2_arena_floats(arena, width);
    e2_code_source source = {s->rows->runs, s->rows->coded, next_codes, row_counts, s};
    if (!near || !key) return out_of_memory(s, error);
    for (size_t i = 0; !s->rows->map && i < workers; i++) {
        s->best[i].scratch = e2_arena_alloc(arena, e2_archive_code_bytes(width, E2_ARCHIVE_RUN), 1);
        if (!s->best[i].scratch) return out_of_memory(s, error);
    }
    if (!e2_index_candidates(s->rows->coder, &query, &source, near, &n)) return out_of_memory(s, error);
    e2str_status status = first_failure(s, threads, error);
    return status ? status : compare_rows(s, near, n, key, error);
}

/* What was only glanced at is checked before it is answered. */
static e2str_status check_keys(const scan *s, e2_arena *arena, e2str_error *error) {
    float *key = e2_arena_floats(arena, s->pool->model->vision.width);
    e2str_status status = key ? E2STR_OK : out_of_memory(s, error);
    for (size_t i = 0; !status && i < s->best[0].n; i++)
        if (!s->best[0].choices[i].example) status = e2_archive_key(s->rows, s->best[0].choices[i].row, key, error);
    return status;
}

/* The best k, in best[0]; the caller holds the pool's lock. */
static e2str_status run(scan *s, e2_arena *arena, e2_threads *threads, size_t *found, e2str_error *error) {
    *found = 0;
    if (!s->k) return E2STR_OK;
    s->indexed = is_indexed(s->pool, s->k);
    s->coded = is_coded(s);
    e2str_status status = E2STR_OK;
    if (s->coded) status = run_codes(s, arena, threads, error);
    if (!status && s->indexed) status = run_index(s, arena, threads, error);
    if (!status) status = run_scan(s, threads, error);
    if (!status && s->coded) status = check_keys(s, arena, error);
    if (status) return status;
    sort_best_first(&s->best[0]);
    *found = s->best[0].n;
    return E2STR_OK;
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
    e2_archive_release(choice->archive);
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
        e2str_error reason; /* which is not the caller's if the example is passed over */
        if (i && ids[i] == ids[i - 1]) continue;
        status = e2_pool_fetch(pool, ids[i], &choice.example, &choice.projection, &reason);
        if (status == E2STR_ERROR_NOT_FOUND || status == E2STR_ERROR_UNSUPPORTED) { /* none, or without tokens */
            status = E2STR_OK;
            continue;
        }
        if (status) {
            e2_fail(error, status, "%s", reason.message);
            break;
        }
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

/* The rows that count, without visual tokens, into all [room]. */
static e2str_status list_rows(const e2_pool_content *content, e2_choice *all, size_t room, size_t *n,
                              e2str_error *error) {
    e2_archive *archive = content->archive;
    e2str_status status = E2STR_OK;
    for (size_t i = 0; !status && archive && i < archive->rows && *n < room; i++) {
        const e2_segment *s = e2_archive_segment_of_row(archive, i);
        e2_archive_row row;
        e2_example *example;
        if (e2_archive_is_removed(s, i - s->first)) continue;
        status = e2_archive_row_at(archive, i, &row, error);
        if (status || e2_pool_content_is_gone(content, row.id)) continue;
        status = e2_archive_example(archive, i, false, &example, error);
        if (!status)
            all[(*n)++] =
                (e2_choice){.example = example, .id = row.id, .row = i, .archive = e2_archive_retain(archive)};
    }
    return status;
}

e2str_status e2_pool_choose_all(const e2str_pool *pool, e2_choice **choices, size_t *n, uint64_t *last_id,
                                e2str_error *error) {
    e2_pool_content content;
    *choices = NULL;
    *n = 0;
    e2str_status status = e2_pool_content_take(pool, &content, error);
    if (status) return status;
    size_t rows = e2_pool_content_rows(&content), count = 0;
    e2_choice *all = e2_alloc(rows + content.count, sizeof *all);
    status = all ? list_rows(&content, all, rows, &count, error)
                 : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the pool's list");
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    for (size_t i = 0; !status && i < content.count; i++, count++) {
        all[count] = (e2_choice){.example = content.examples[i]};
        retain_choice(&all[count]);
    }
    pthread_rwlock_unlock(e2_pool_lock(pool));
    while (status && count) e2_choice_release(&all[--count]);
    if (status) {
        free(all);
    } else {
        *choices = all;
        *n = count;
        *last_id = count ? all[count - 1].example->id : 0;
    }
    e2_pool_content_free(&content);
    return status;
}

e2str_status e2_choice_fetch(const e2str_pool *pool, const e2_choice *choice, e2_choice *whole, e2str_error *error) {
    *whole = (e2_choice){.id = choice->id};
    if (choice->archive)
        return e2_pool_fetch_row(pool, choice->archive, choice->row, choice->id, &whole->example, &whole->projection,
                                 error);
    whole->example = e2_example_retain(choice->example);
    whole->projection = e2_projection_retain(choice->projection);
    return E2STR_OK;
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
