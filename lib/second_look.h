/* SPDX-License-Identifier: MIT */
/* A second look at pictures whose first reading was doubtful (docs/two-looks.md). */
#ifndef E2_SECOND_LOOK_H
#define E2_SECOND_LOOK_H

#include "doubt.h"
#include "query.h"

#define E2_SECOND_EXAMPLES 2 /* before a second look, where the first had none by its options */

/* One query that is looked at again. */
typedef struct e2_look {
    const e2_query *first;
    const e2_answer *answer; /* the first reading's, ended, with E2_DOUBT_ALTERNATIVES or more; not unmatched */
    e2_query second;         /* what stood before it then; .choices is the caller's room for E2STR_MAX_EXAMPLES */
    e2_answer other;         /* the second reading */
    bool looked;  /* there was something else to look with, and no example before the first says the same as it */
    bool changed; /* the second reading is another text, and the better one */
} e2_look;

/* Looks again at n queries: fills the looks, whose `second` the caller releases (e2_query_release), whatever the
 * status. A reading that stays is to be told as it was first: nothing of it changes. LIMIT, MEMORY, ARGUMENT. */
e2str_status e2_look_again(const e2_compute *compute, e2_look *looks, size_t n, const e2str_pool *pool,
                           const e2str_read_options *options, e2str_error *error);

#endif
