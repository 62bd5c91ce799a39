/* SPDX-License-Identifier: MIT */
/* What the examples of a pool are worth to a stream, and which of them go when the pool is above its cap. */
#ifndef E2_WORTH_H
#define E2_WORTH_H

#include "error.h"

typedef struct e2_worth {
    uint64_t id;
    double use;  /* as e2_worths.scale says */
    float doubt; /* e2str_pool_doubt of the last learning that knew the example; below 0: none did */
} e2_worth;

/* Uses fade: each judged read makes a new one count for more, instead of all others for less. */
typedef struct e2_worths {
    e2_worth *rows; /* [n], ascending ids */
    size_t n, capacity;
    double scale; /* what a use of 1 counts for now */
    uint64_t old; /* examples up to this id are from before a drift */
} e2_worths;

/* Rows for the examples that are in the pool now, with what its memory knows of them; those of others go. MEMORY leaves
 * all as it was. */
e2str_status e2_worths_follow(e2_worths *worths, const e2str_pool *pool, e2str_error *error);
void e2_worths_free(e2_worths *worths);

/* What the examples did to the characters of a read with influences, whose picture says `text`: for them where it was
 * right, against them where it was wrong. Characters that the read and the text begin and end with alike are right.
 * Examples without a row are passed over. */
void e2_worths_judge(e2_worths *worths, const e2str_result *result, const char *text, size_t size);
double e2_worths_of(const e2_worths *worths, uint64_t id); /* 0: nothing is known */

typedef struct e2_cap {
    uint64_t examples, bytes; /* 0: none */
} e2_cap;

/* Whether a pool is above it. */
bool e2_cap_is_exceeded(const e2_cap *cap, const e2str_pool *pool);

/* Takes examples out of a pool that is above `cap` until it is within `wanted`, as far as that goes: never `newest`,
 * and never the last example that has some character in its label. The worths follow the pool. FULL: it would be above
 * the cap still, MEMORY: nothing has been taken out then. */
e2str_status e2_drop_examples(e2str_pool *pool, e2_worths *worths, e2str_drop how, uint64_t seed, uint64_t newest,
                              const e2_cap *cap, const e2_cap *wanted, uint64_t *dropped, e2str_error *error);

#endif
