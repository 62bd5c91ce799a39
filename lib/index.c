/* SPDX-License-Identifier: MIT */
#include "index.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "large.h"

#define BLOCK  E2_CODE_BLOCK
#define ROUNDS 3  /* of the rotation */
#define LEVELS 15 /* a query's values are rounded to 0 .. 15 of as many steps */
#define PART   16 /* blocks that a thread takes at a time */

struct e2_index {
    size_t width, bytes;    /* of a key, floats; of a code */
    size_t count, capacity; /* keys, blocks */
    uint8_t *blocks;        /* [capacity] of block_bytes each (kernels.h) */
    float *centre;          /* [width] */
    float *signs;           /* [ROUNDS][width], 1 or -1 */
};

/* A block's codes, factors and offsets. */
static size_t block_bytes(const e2_index *index) { return e2_code_block_bytes(index->width); }
static uint8_t *block_at(const e2_index *index, size_t block) { return index->blocks + block * block_bytes(index); }
static float *factors_of(const e2_index *index, uint8_t *block) {
    return (float *)(void *)(block + index->bytes * BLOCK);
}

/* ----------------------------------------------------------------------------------------------------- rotation -- */

/* The largest power of two that is not above the width. */
static size_t window_of(size_t width) {
    size_t window = 1;
    while (2 * window <= width) window *= 2;
    return window;
}

/* Random ones from a fixed seed. */
static void make_signs(e2_index *index) {
    for (size_t i = 0; i < ROUNDS * index->width; i++)
        index->signs[i] = e2_splitmix64(0x6532737472, i) >> 63 ? 1.0f : -1.0f;
}

/* Walsh and Hadamard's transform of n values, n a power of two, times `scale`. */
static void transform(float *x, size_t n, float scale) {
    for (size_t half = 1; half < n; half *= 2)
        for (size_t i = 0; i < n; i += 2 * half)
            for (size_t j = i; j < i + half; j++) {
                float a = x[j], b = x[j + half];
                x[j] = a + b;
                x[j + half] = a - b;
            }
    for (size_t i = 0; i < n; i++) x[i] *= scale;
}

/* x becomes P x, of the same length: in each round signs are changed, then the first and the last values, which overlap
 * where the width is no power of two, are transformed. */
static void rotate(const e2_index *index, float *x) {
    size_t width = index->width, window = window_of(width);
    float scale = 1.0f / sqrtf((float)window);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < width; i++) x[i] *= index->signs[round * width + i];
        transform(x, window, scale);
        if (window < width) transform(x + width - window, window, scale);
    }
}

/* --------------------------------------------------------------------------------------------------------- codes -- */

e2_index *e2_index_new(size_t width, const float *centre) {
    if (width < 1 || width > E2_INDEX_MAX_WIDTH) return NULL;
    e2_index *fresh = e2_alloc(1, sizeof *fresh + (ROUNDS + 1) * width * sizeof(float));
    if (!fresh) return NULL;
    *fresh = (e2_index){.width = width, .bytes = (width + 7) / 8, .centre = (float *)(fresh + 1)};
    fresh->signs = fresh->centre + width;
    for (size_t i = 0; i < width; i++) fresh->centre[i] = centre ? centre[i] : 0.0f;
    make_signs(fresh);
    return fresh;
}

void e2_index_free(e2_index *index) {
    if (!index) return;
    free(index->blocks);
    free(index);
}

size_t e2_index_count(const e2_index *index) { return index ? index->count : 0; }

size_t e2_index_bytes(const e2_index *index) {
    if (!index) return 0;
    return sizeof *index + (ROUNDS + 1) * index->width * sizeof(float) + index->capacity * block_bytes(index);
}

const uint8_t *e2_index_codes(const e2_index *index, size_t *bytes) {
    *bytes = (index->count + BLOCK - 1) / BLOCK * block_bytes(index);
    return index->blocks;
}

/* An eighth more than there was: an index is to be small. What is not used yet is not touched. */
static bool reserve(e2_index *index, size_t keys) {
    size_t blocks, bytes;
    if (!e2_add(keys, BLOCK - 1, &blocks)) return false;
    blocks /= BLOCK;
    if (blocks <= index->capacity) return true;
    size_t more = index->capacity + index->capacity / 8 + 16;
    if (blocks < more) blocks = more;
    if (!e2_mul(blocks, block_bytes(index), &bytes)) return false;
    size_t used = (index->count + BLOCK - 1) / BLOCK * block_bytes(index);
    uint8_t *grown = e2_large_grow(index->blocks, used, bytes);
    if (!grown) return false;
    index->blocks = grown;
    index->capacity = blocks;
    return true;
}

/* The code of one key, in its place; row: scratch [width]. */
static void put(const e2_index *index, const float *key, size_t at, float *row) {
    uint8_t *block = block_at(index, at / BLOCK), *code = block + at % BLOCK;
    float *factor = factors_of(index, block) + at % BLOCK;
    float square = 0.0f, sum = 0.0f, along = 0.0f;
    for (size_t i = 0; i < index->width; i++) {
        row[i] = key[i] - index->centre[i];
        along += key[i] * index->centre[i];
    }
    rotate(index, row);
    for (size_t i = 0; i < index->width; i++) {
        square += row[i] * row[i];
        sum += fabsf(row[i]);
    }
    for (size_t b = 0; b < index->bytes; b++) {
        unsigned bits = 0;
        for (size_t i = 8 * b; i < 8 * b + 8 && i < index->width; i++) bits |= (unsigned)(row[i] > 0.0f) << i % 8;
        code[b * BLOCK] = (uint8_t)bits;
    }
    factor[0] = sum == 0.0f ? 0.0f : square / sum;
    factor[BLOCK] = along;
}

typedef struct coding {
    const e2_index *index;
    const float *keys;
    size_t first, n; /* places */
} coding;

/* A part is the keys of one block, so that no two threads write into the same. */
static void code_part(void *context, size_t part, unsigned worker) {
    (void)worker;
    const coding *c = context;
    size_t begin = c->first / BLOCK * BLOCK + part * BLOCK, end = begin + BLOCK, last = c->first + c->n;
    float row[E2_INDEX_MAX_WIDTH];
    if (begin >= c->first) memset(block_at(c->index, begin / BLOCK), 0, block_bytes(c->index));
    for (size_t at = begin < c->first ? c->first : begin; at < end && at < last; at++)
        put(c->index, c->keys + (at - c->first) * c->index->width, at, row);
}

bool e2_index_append(e2_index *index, const float *keys, size_t n, e2_threads *threads) {
    size_t count;
    if (!e2_add(index->count, n, &count) || !reserve(index, count)) return false;
    coding c = {index, keys, index->count, n};
    size_t blocks = n ? (count - 1) / BLOCK - index->count / BLOCK + 1 : 0;
    e2_threads_run(blocks > 1 ? threads : NULL, blocks, code_part, &c);
    index->count = count;
    return true;
}

/* Moves what is behind `at` in a row of a block up, and `next`, of the following block, in at its end. */
#define MOVE_UP(row, at, next)                                                                                         \
    (memmove((row) + (at), (row) + (at) + 1, (BLOCK - 1 - (at)) * sizeof *(row)), (row)[BLOCK - 1] = (next))

void e2_index_remove(e2_index *index, size_t at) {
    size_t last = (index->count - 1) / BLOCK, from = at % BLOCK;
    for (size_t b = at / BLOCK; b <= last; b++, from = 0) {
        uint8_t *block = block_at(index, b), *next = b < last ? block_at(index, b + 1) : NULL;
        for (size_t i = 0; i < index->bytes; i++) MOVE_UP(block + i * BLOCK, from, next ? next[i * BLOCK] : 0);
        float *factors = factors_of(index, block), *others = next ? factors_of(index, next) : NULL;
        for (size_t i = 0; i < 2; i++) MOVE_UP(factors + i * BLOCK, from, others ? others[i * BLOCK] : 0.0f);
    }
    index->count--;
}

/* ------------------------------------------------------------------------------------------------------- search -- */

static bool worse(const e2_near *a, const e2_near *b) {
    return a->similarity < b->similarity || (a->similarity == b->similarity && a->at > b->at);
}

/* The best of those offered so far: a heap with the worst at its root. */
typedef struct best {
    e2_near *heap; /* [most] */
    size_t n;
} best;

static void sift_down(best *b, size_t at, e2_near moved) {
    for (size_t child; (child = 2 * at + 1) < b->n; at = child) {
        if (child + 1 < b->n && worse(&b->heap[child + 1], &b->heap[child])) child++;
        if (!worse(&b->heap[child], &moved)) break;
        b->heap[at] = b->heap[child];
    }
    b->heap[at] = moved;
}

static void offer(best *b, size_t most, e2_near candidate) {
    if (b->n < most) {
        b->heap[b->n++] = candidate;
        for (size_t at = b->n == most ? most / 2 : 0; at-- > 0;) sift_down(b, at, b->heap[at]);
    } else if (worse(&b->heap[0], &candidate)) {
        sift_down(b, 0, candidate);
    }
}

typedef struct scan {
    const e2_index *index;
    const e2_code_source *source;
    e2_scan_codes_fn *kernel;
    uint8_t *tables; /* [bytes][2][16] */
    float line[2];
    size_t most;
    best *best; /* [workers] */
} scan;

/* What the signs s make of the rotated query y: s.y is about  step (sum - LEVELS / 2 * width)  where a bit adds k, or
 * LEVELS - k where it is 0, and k = y / step + LEVELS / 2, rounded. Bits behind the last dimension add nothing. */
static void make_tables(const e2_index *index, const float *key, float *row, scan *s) {
    size_t width = index->width;
    float largest = 0.0f;
    for (size_t i = 0; i < width; i++) row[i] = key[i] - index->centre[i];
    rotate(index, row);
    for (size_t i = 0; i < width; i++) largest = fmaxf(largest, fabsf(row[i]));
    float step = 2.0f * largest / LEVELS, scale = step > 0.0f ? 1.0f / step : 0.0f;
    if (!isfinite(scale)) scale = 0.0f;
    for (size_t group = 0; group < 2 * index->bytes; group++) {
        uint8_t *table = s->tables + group * 16;
        memset(table, 0, 16);
        for (size_t i = 4 * group; i < 4 * group + 4 && i < width; i++) {
            float level = row[i] * scale + LEVELS / 2.0f + 0.5f;
            unsigned k = !(level >= 0.0f) ? 0 : level > LEVELS ? LEVELS : (unsigned)level; /* 0 of a NaN */
            for (unsigned bits = 0; bits < 16; bits++)
                table[bits] = (uint8_t)(table[bits] + (bits >> i % 4 & 1 ? k : LEVELS - k));
        }
    }
    s->line[0] = step;
    s->line[1] = -step * LEVELS / 2.0f * (float)width;
}

static void scan_part(void *context, size_t part, unsigned worker) {
    const scan *s = context;
    const e2_code_source *source = s->source;
    best *b = &s->best[worker];
    e2_code_run run = {0};
    float estimates[BLOCK];
    source->run(source->user, part, worker, &run);
    for (size_t done = 0; done < run.count; done += BLOCK, run.blocks += block_bytes(s->index)) {
        float least = b->n < s->most ? -INFINITY : b->heap[0].similarity;
        uint64_t found = s->kernel(run.blocks, s->index->bytes, s->tables, s->line, least, estimates);
        size_t left = run.count - done;
        if (left < BLOCK) found &= (UINT64_C(1) << left) - 1;
        for (; found; found &= found - 1) {
            size_t i = (size_t)__builtin_ctzll(found);
            e2_near candidate = {run.first + done + i, estimates[i]};
            if (b->n == s->most && !worse(&b->heap[0], &candidate)) continue;
            if (!source->counts || source->counts(source->user, candidate.at, worker)) offer(b, s->most, candidate);
        }
    }
}

/* An index's own codes. */
static void own_run(void *user, size_t part, unsigned worker, e2_code_run *run) {
    (void)worker;
    const e2_index *index = user;
    size_t first = part * PART * BLOCK, left = index->count - first;
    *run = (e2_code_run){block_at(index, part * PART), first, left < PART * BLOCK ? left : PART * BLOCK};
}

static int by_place(const void *a, const void *b) {
    const e2_near *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

bool e2_index_candidates(const e2_index *index, const e2_index_query *query, const e2_code_source *source,
                         e2_near *near, size_t *found) {
    size_t most = query->candidates < source->count ? query->candidates : source->count;
    size_t workers = e2_threads_count(query->threads), others;
    *found = 0;
    if (!most) return true;
    if (!e2_mul(workers - 1, most, &others)) return false;
    e2_arena_mark mark = e2_arena_begin(query->arena);
    scan s = {.index = index,
              .source = source,
              .kernel = query->kernels->scan_codes,
              .tables = e2_arena_alloc(query->arena, index->bytes, 32),
              .most = most,
              .best = e2_arena_alloc(query->arena, workers, sizeof *s.best)};
    e2_near *heaps = e2_arena_alloc(query->arena, others, sizeof *heaps);
    float *row = e2_arena_floats(query->arena, index->width);
    bool ok = s.tables && s.best && heaps && row;
    if (ok) {
        make_tables(index, query->key, row, &s);
        for (size_t i = 0; i < workers; i++) s.best[i] = (best){i ? heaps + (i - 1) * most : near, 0};
        e2_threads_run(query->threads, source->parts, scan_part, &s);
        for (size_t i = 1; i < workers; i++)
            for (size_t j = 0; j < s.best[i].n; j++) offer(&s.best[0], most, s.best[i].heap[j]);
        *found = s.best[0].n;
        qsort(near, *found, sizeof *near, by_place);
    }
    e2_arena_release(query->arena, mark);
    return ok;
}

static void fetch(const float *row, size_t width) {
    for (size_t i = 0; i < width; i += 16) __builtin_prefetch(row + i);
}

static int by_nearness(const void *a, const void *b) {
    const e2_near *x = a, *y = b;
    if (x->similarity != y->similarity) return x->similarity > y->similarity ? -1 : 1;
    return by_place(a, b);
}

bool e2_index_nearest(const e2_index *index, const e2_index_query *query, const float *keys, size_t k, e2_near *near,
                      size_t *found) {
    size_t n, width = index->width, kept = 0;
    e2_arena_mark mark = e2_arena_begin(query->arena);
    e2_near *all = e2_arena_alloc(query->arena, query->candidates, sizeof *all);
    size_t parts = (index->count + BLOCK * PART - 1) / (BLOCK * PART);
    e2_code_source own = {parts, index->count, own_run, NULL, (void *)index};
    bool ok = all && e2_index_candidates(index, query, &own, all, &n);
    for (size_t i = 0; ok && i < n; i++) {
        if (i + 4 < n) fetch(keys + all[i + 4].at * width, width);
        query->kernels->similarity(query->key, keys + all[i].at * width, 1, width, &all[i].similarity);
        if (!isnan(all[i].similarity)) all[kept++] = all[i];
    }
    *found = ok && kept > k ? k : kept;
    if (kept) qsort(all, kept, sizeof *all, by_nearness);
    if (*found) memcpy(near, all, *found * sizeof *near);
    e2_arena_release(query->arena, mark);
    return ok;
}
