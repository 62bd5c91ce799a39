/* SPDX-License-Identifier: MIT */
#include "drift.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"

/* Deviations of the difference of two shares that are taken for drift. With windows of 50, a steady stream has an alarm
 * in 16,000 judged reads or more (bench/drift.c, docs/stream.md). */
#define DRIFT_DEVIATIONS 3.5

bool e2_drift_init(e2_drift *drift, uint32_t window) {
    *drift = (e2_drift){.window = window, .capacity = (1 + E2_DRIFT_BEFORE) * window};
    drift->right = e2_alloc(drift->capacity, 1);
    return drift->right;
}

void e2_drift_free(e2_drift *drift) {
    free(drift->right);
    *drift = (e2_drift){0};
}

/* The one judged `back` before the last; 0: the last. */
static uint8_t judged_before(const e2_drift *drift, uint32_t back) {
    return drift->right[(drift->next + drift->capacity - 1 - back) % drift->capacity];
}

static uint32_t recent_count(const e2_drift *drift) {
    return drift->count < drift->window ? drift->count : drift->window;
}

static float share(uint32_t right, uint32_t of) { return of ? (float)right / (float)of : 0.0f; }

float e2_drift_recent(const e2_drift *drift) { return share(drift->recent_right, recent_count(drift)); }

float e2_drift_before(const e2_drift *drift) { return share(drift->before_right, drift->count - recent_count(drift)); }

/* The test of two proportions, with the share of both together: 0.5 added to each count, so that shares of 0 and 1 have
 * a variance, too. */
static bool has_fallen(const e2_drift *drift) {
    double n = drift->window, m = drift->count - drift->window;
    double both = (drift->recent_right + drift->before_right + 1.0) / (n + m + 2.0);
    double fall = drift->before_right / m - drift->recent_right / n;
    return fall > DRIFT_DEVIATIONS * sqrt(both * (1.0 - both) * (1.0 / n + 1.0 / m));
}

bool e2_drift_judge(e2_drift *drift, bool right) {
    drift->judged++;
    if (drift->count == drift->capacity) {
        drift->before_right -= judged_before(drift, drift->count - 1);
        drift->count--;
    }
    if (drift->count >= drift->window) { /* one leaves the window, backwards */
        uint8_t leaving = judged_before(drift, drift->window - 1);
        drift->recent_right -= leaving;
        drift->before_right += leaving;
    }
    drift->right[drift->next] = right;
    drift->next = (drift->next + 1) % drift->capacity;
    drift->count++;
    drift->recent_right += right;
    if (drift->count < 2 * drift->window || !has_fallen(drift)) return false;
    drift->drifts++;
    drift->at = drift->judged;
    drift->from = e2_drift_before(drift);
    drift->to = e2_drift_recent(drift);
    drift->count = drift->window;
    drift->before_right = 0;
    return true;
}
