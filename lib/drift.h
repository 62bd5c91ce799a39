/* SPDX-License-Identifier: MIT */
/* Drift: do the reads that somebody judged lately come out worse than those before them? */
#ifndef E2_DRIFT_H
#define E2_DRIFT_H

#include <stdbool.h>
#include <stdint.h>

/* Judged reads in the order of their judgement: the last `window` of them against the E2_DRIFT_BEFORE windows before
 * those. */
typedef struct e2_drift {
    uint8_t *right;    /* ring [capacity]: 1 or 0 */
    uint32_t window;   /* 1 or more */
    uint32_t capacity; /* (1 + E2_DRIFT_BEFORE) * window */
    uint32_t count;    /* in the ring */
    uint32_t next;     /* where the next one goes */
    uint32_t recent_right, before_right;
    uint64_t judged; /* all of them, ever */
    uint64_t drifts; /* noticed so far */
    uint64_t at;     /* judged when it was noticed last */
    float from, to;  /* accuracy before and in the window, when it was noticed last */
} e2_drift;

#define E2_DRIFT_BEFORE 4u

/* false: out of memory. */
bool e2_drift_init(e2_drift *drift, uint32_t window);
void e2_drift_free(e2_drift *drift);

/* One more. true: drift is noticed with this one; what came before the window is forgotten then, so the same fall is
 * told once. Never before there are two windows. */
bool e2_drift_judge(e2_drift *drift, bool right);

/* Shares that were right, 0..1; 0 of none. */
float e2_drift_recent(const e2_drift *drift);
float e2_drift_before(const e2_drift *drift);

#endif
