/* SPDX-License-Identifier: MIT */
#include "worth.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "pool.h"
#include "unicode.h"

#define FADES        0.99   /* of a use, per judged read: half of it is left after 69 */
#define TOO_LARGE    1e200  /* the scale */
#define BEFORE_DRIFT 2.0    /* more than a doubt can be */
#define LEFT_OUT     0.918f /* doubt above which learning leaves a label out (1 - exp(-WRONG_LOSS), learn.c) */

/* --------------------------------------------------------------------------------------------------------- uses -- */

void e2_worths_free(e2_worths *worths) {
    free(worths->rows);
    *worths = (e2_worths){0};
}

static e2_worth *find(const e2_worths *worths, uint64_t id) {
    size_t low = 0, high = worths->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (worths->rows[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < worths->n && worths->rows[low].id == id ? &worths->rows[low] : NULL;
}

/* All ids, malloc'ed; the pool may be another thread's, too. NULL: out of memory. */
static uint64_t *ids_of(const e2str_pool *pool, size_t *n) {
    uint64_t *ids = NULL;
    for (size_t room = 0, count = e2str_pool_count(pool);; count = *n) {
        if (count > room || !ids) {
            free(ids);
            room = count;
            ids = e2_alloc(room, sizeof *ids);
            if (!ids) return NULL;
        }
        *n = e2str_pool_ids(pool, ids, room);
        if (*n <= room) return ids;
    }
}

e2str_status e2_worths_follow(e2_worths *worths, const e2str_pool *pool, e2str_error *error) {
    size_t n;
    uint64_t *ids = ids_of(pool, &n);
    size_t capacity = n + n / 2 + 8;
    e2_worth *rows = ids ? e2_alloc(capacity, sizeof *rows) : NULL;
    if (!rows) {
        free(ids);
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for what examples are worth");
    }
    for (size_t i = 0, old = 0; i < n; i++) {
        float doubt;
        while (old < worths->n && worths->rows[old].id < ids[i]) old++;
        bool known = old < worths->n && worths->rows[old].id == ids[i];
        rows[i] = known ? worths->rows[old] : (e2_worth){ids[i], 0.0, -1.0f};
        if (!e2str_pool_doubt(pool, ids[i], &doubt, NULL)) rows[i].doubt = doubt;
    }
    free(ids);
    free(worths->rows);
    *worths = (e2_worths){rows, n, capacity, worths->scale > 0.0 ? worths->scale : 1.0, worths->old};
    return E2STR_OK;
}

static void fade(e2_worths *worths) {
    worths->scale /= FADES;
    if (worths->scale < TOO_LARGE) return;
    for (size_t i = 0; i < worths->n; i++) worths->rows[i].use /= worths->scale;
    worths->scale = 1.0;
}

double e2_worths_of(const e2_worths *worths, uint64_t id) {
    const e2_worth *row = find(worths, id);
    return row ? row->use / worths->scale : 0.0;
}

/* Characters (code points; bytes that are no UTF-8 count as one each). */
static size_t next_length(const char *text, size_t size) {
    size_t length = e2_utf8_next(text, size, NULL);
    return length ? length : 1;
}

static size_t count_characters(const char *text, size_t size) {
    size_t n = 0;
    for (size_t at = 0; at < size; at += next_length(text + at, size - at)) n++;
    return n;
}

/* Bytes that two texts begin with alike, up to the end of a character. */
static size_t common_start(const char *a, size_t a_size, const char *b, size_t b_size) {
    size_t at = 0;
    while (at < a_size) {
        size_t length = next_length(a + at, a_size - at);
        if (length > b_size - at || memcmp(a + at, b + at, length)) break;
        at += length;
    }
    return at;
}

/* Bytes that they end with alike, behind the first `start`. */
static size_t common_end(const char *a, size_t a_size, const char *b, size_t b_size, size_t start) {
    size_t least = a_size < b_size ? a_size : b_size, n = 0;
    while (n < least - start && a[a_size - 1 - n] == b[b_size - 1 - n]) n++;
    while (n && ((unsigned char)a[a_size - n] & 0xC0) == 0x80) n--; /* not within a character */
    return n;
}

void e2_worths_judge(e2_worths *worths, const e2str_result *result, const char *text, size_t size) {
    const char *read = e2str_result_text(result);
    size_t read_size = e2str_result_text_size(result), start = common_start(read, read_size, text, size);
    size_t end = common_end(read, read_size, text, size, start);
    size_t first_wrong = count_characters(read, start), behind = count_characters(read, read_size - end);
    fade(worths);
    for (size_t i = 0; i < e2str_result_characters(result); i++) {
        bool right = i < first_wrong || i >= behind;
        for (size_t rank = 0; rank < e2str_result_influences(result, i); rank++) {
            e2str_influence influence;
            if (e2str_result_influence(result, i, rank, &influence, NULL)) continue;
            e2_worth *row = find(worths, influence.example);
            if (row) row->use += worths->scale * (double)(right ? influence.amount : -influence.amount);
        }
    }
}

/* --------------------------------------------------------------------------------------------------- characters -- */

/* How many labels have each character. */
typedef struct carriers {
    uint32_t *codes; /* of example i from first[i] to first[i + 1], each once, ascending */
    size_t *first;   /* [n + 1] */
    uint32_t *known; /* [n_known]: all different ones, ascending */
    size_t *labels;  /* [n_known]: that have it */
    size_t n_known;
} carriers;

static void free_carriers(carriers *c) {
    free(c->codes);
    free(c->first);
    free(c->known);
    free(c->labels);
}

static int by_code(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Sorts [n] and leaves each code once; returns how many there are. */
static size_t sort_codes(uint32_t *codes, size_t n) {
    size_t kept = 0;
    qsort(codes, n, sizeof *codes, by_code);
    for (size_t i = 0; i < n; i++)
        if (!kept || codes[kept - 1] != codes[i]) codes[kept++] = codes[i];
    return kept;
}

static size_t codes_of(const char *label, size_t size, uint32_t *codes) {
    size_t n = 0;
    for (size_t at = 0, length; at < size; at += length) {
        length = e2_utf8_next(label + at, size - at, &codes[n++]);
        if (!length) length = 1; /* labels are UTF-8: never */
    }
    return sort_codes(codes, n);
}

static size_t *labels_with(const carriers *c, uint32_t code) {
    const uint32_t *at = bsearch(&code, c->known, c->n_known, sizeof code, by_code);
    return &c->labels[at - c->known];
}

/* The characters of a pool's labels; an example that is gone meanwhile has none. false: out of memory. */
static bool find_carriers(const e2str_pool *pool, const e2_worth *rows, size_t n, carriers *c) {
    enum { LONGEST = 4096 }; /* of labels */
    size_t capacity = 16 * n + LONGEST, used = 0;
    char *label = malloc(LONGEST + 1);
    *c = (carriers){.codes = e2_alloc(capacity, sizeof *c->codes), .first = e2_alloc(n + 1, sizeof *c->first)};
    bool good = label && c->codes && c->first;
    for (size_t i = 0; good && i < n; i++) {
        size_t size;
        if (capacity - used < LONGEST) {
            uint32_t *grown = realloc(c->codes, (capacity *= 2) * sizeof *grown);
            if (!(good = grown)) break;
            c->codes = grown;
        }
        c->first[i] = used;
        if (!e2str_pool_label(pool, rows[i].id, label, LONGEST + 1, &size, NULL))
            used += codes_of(label, size, c->codes + used);
    }
    free(label);
    if (!good) return false;
    c->first[n] = used;
    c->known = e2_alloc(used, sizeof *c->known);
    if (!c->known) return false;
    memcpy(c->known, c->codes, used * sizeof *c->known);
    c->n_known = sort_codes(c->known, used);
    c->labels = calloc(c->n_known + 1, sizeof *c->labels);
    if (!c->labels) return false;
    for (size_t i = 0; i < used; i++) ++*labels_with(c, c->codes[i]);
    return true;
}

static bool is_last_carrier(const carriers *c, size_t example) {
    for (size_t i = c->first[example]; i < c->first[example + 1]; i++)
        if (*labels_with(c, c->codes[i]) == 1) return true;
    return false;
}

/* ----------------------------------------------------------------------------------------------------- dropping -- */

typedef struct candidate {
    size_t at; /* in the rows */
    uint64_t id;
    double worth;
} candidate;

/* The order in which they go: the least first, of equals the older one. */
static int by_worth(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->worth < y->worth || x->worth > y->worth) return x->worth < y->worth ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Any number, the same for the same id and seed. */
static double draw(uint64_t seed, uint64_t id) { return (double)(e2_splitmix64(seed, id) >> 11); }

/* What example i is worth. One that is read well without it, by the model or by the memory of the others, teaches
 * nothing that is not known; one that learning leaves out teaches nothing at all: mostly its label is wrong. But what
 * is new looks like that as well: so only the older half is taken for that, and what was never learnt has not had its
 * turn. Those from before a drift go before all others. Measured (docs/stream.md), this tells more than what examples
 * did for the judged reads. */
static double worth(const e2_worths *worths, size_t i, e2str_drop how, uint64_t seed) {
    const e2_worth *row = &worths->rows[i];
    if (how == E2STR_DROP_OLDEST) return 0.0;
    if (how == E2STR_DROP_RANDOM) return draw(seed, row->id);
    bool by_doubt = how == E2STR_DROP_LEAST_USEFUL;
    if (by_doubt && row->id <= worths->old) return (double)row->doubt - BEFORE_DRIFT;
    if (row->doubt < 0.0f) return INFINITY;
    if (by_doubt && row->doubt > LEFT_OUT && i < worths->n / 2) return 0.0;
    return how == E2STR_DROP_LEAST_USED ? row->use / worths->scale : (double)row->doubt;
}

static candidate *candidates_of(const e2_worths *worths, e2str_drop how, uint64_t seed) {
    candidate *all = e2_alloc(worths->n, sizeof *all);
    for (size_t i = 0; all && i < worths->n; i++)
        all[i] = (candidate){i, worths->rows[i].id, worth(worths, i, how, seed)};
    if (all) qsort(all, worths->n, sizeof *all, by_worth);
    return all;
}

static bool is_above(const e2_cap *cap, uint64_t examples, uint64_t bytes) {
    return (cap->examples && examples > cap->examples) || (cap->bytes && bytes > cap->bytes);
}

bool e2_cap_is_exceeded(const e2_cap *cap, const e2str_pool *pool) {
    return is_above(cap, e2str_pool_count(pool), e2str_pool_bytes(pool));
}

/* Brings the candidates that are to go to the front, in their order; returns how many. *above: the pool is above `cap`
 * without them, too. One that takes no bytes, since it lies in an archive, goes for the number only. */
static size_t choose(const e2str_pool *pool, candidate *all, size_t n, carriers *c, uint64_t newest, const e2_cap *cap,
                     const e2_cap *wanted, bool *above) {
    uint64_t examples = e2str_pool_count(pool), bytes = e2str_pool_bytes(pool);
    size_t chosen = 0;
    for (size_t i = 0; i < n && is_above(wanted, examples, bytes); i++) {
        candidate is = all[i];
        uint64_t its = e2_pool_example_bytes(pool, is.id);
        bool helps = its || is_above(wanted, examples, 0);
        if (is.id == newest || !helps || is_last_carrier(c, is.at)) continue;
        for (size_t j = c->first[is.at]; j < c->first[is.at + 1]; j++) --*labels_with(c, c->codes[j]);
        examples -= examples > 0; /* others may have removed some meanwhile */
        bytes -= its < bytes ? its : bytes;
        all[chosen++] = is;
    }
    *above = is_above(cap, examples, bytes);
    return chosen;
}

e2str_status e2_drop_examples(e2str_pool *pool, e2_worths *worths, e2str_drop how, uint64_t seed, uint64_t newest,
                              const e2_cap *cap, const e2_cap *wanted, uint64_t *dropped, e2str_error *error) {
    carriers c = {0};
    *dropped = 0;
    e2str_status status = e2_worths_follow(worths, pool, error);
    if (status) return status;
    candidate *all = candidates_of(worths, how, seed);
    if (!all || !find_carriers(pool, worths->rows, worths->n, &c))
        status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while choosing which examples go");
    bool above = false;
    size_t n = status ? 0 : choose(pool, all, worths->n, &c, newest, cap, wanted, &above);
    if (above)
        status = e2_fail(error, E2STR_ERROR_FULL,
                         "the pool is above its cap, and too many of its examples are the last with some character: it "
                         "holds %zu examples of %" PRIu64 " bytes",
                         e2str_pool_count(pool), e2str_pool_bytes(pool));
    for (size_t i = 0; !status && i < n; i++) *dropped += !e2str_pool_remove(pool, all[i].id, NULL);
    free_carriers(&c);
    free(all);
    return status;
}
