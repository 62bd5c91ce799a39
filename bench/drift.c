/* SPDX-License-Identifier: MIT */
/* How soon a stream notices drift, and how often without there being any (docs/stream.md): drawn judgements. */
#include <stdio.h>
#include <stdlib.h>

#include "drift.h"

enum { RUNS = 400, STEADY = 1000, BEFORE = 400 };

static uint64_t state = 88172645463325252u;

static bool draw(double share) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0 < share;
}

static e2_drift begin(uint32_t window) {
    e2_drift drift;
    if (e2_drift_init(&drift, window)) return drift;
    fputs("out of memory\n", stderr);
    exit(1);
}

static void steady(uint32_t window, double level) {
    unsigned alarms = 0;
    for (int run = 0; run < RUNS; run++) {
        e2_drift drift = begin(window);
        for (int i = 0; i < STEADY; i++) alarms += e2_drift_judge(&drift, draw(level));
        e2_drift_free(&drift);
    }
    printf("%6u  %5.0f %%  %6.3f alarms in 1,000", window, 100 * level, alarms * 1000.0 / (RUNS * STEADY));
}

/* Noticed within four windows, and after how many judged reads in the mean. */
static void fallen(uint32_t window, double level, double fall) {
    unsigned noticed = 0;
    double after = 0;
    for (int run = 0; run < RUNS; run++) {
        e2_drift drift = begin(window);
        for (int i = 0; i < BEFORE; i++) e2_drift_judge(&drift, draw(level));
        for (unsigned i = 1; i <= 4 * window; i++) {
            if (!e2_drift_judge(&drift, draw(level - fall))) continue;
            noticed++;
            after += i;
            break;
        }
        e2_drift_free(&drift);
    }
    printf("; a fall by %.0f points: %3.0f %% after %.0f", 100 * fall, 100.0 * noticed / RUNS,
           after / (noticed ? noticed : 1));
}

int main(void) {
    static const double levels[] = {0.5, 0.8, 0.95};
    puts("window  right before  steady; noticed");
    for (uint32_t window = 25; window <= 100; window *= 2)
        for (int i = 0; i < 3; i++) {
            steady(window, levels[i]);
            fallen(window, levels[i], 0.2);
            fallen(window, levels[i], 0.4);
            putchar('\n');
        }
    return 0;
}
