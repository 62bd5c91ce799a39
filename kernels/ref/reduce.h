/* SPDX-License-Identifier: MIT */
/* Sums and maxima in 16 lanes: an order that a compiler can turn into vector code without being allowed to reorder. */
#ifndef E2_REF_REDUCE_H
#define E2_REF_REDUCE_H

#include <stddef.h>

#define E2_LANES 16

static inline float e2_ref_lanes(const float *lanes) {
    float sums[8];
    for (int i = 0; i < 8; i++) sums[i] = lanes[i] + lanes[i + 8];
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

static inline float e2_ref_sum(const float *x, size_t n) {
    float lanes[E2_LANES] = {0}, tail = 0.0f;
    size_t i = 0;
    for (; i + E2_LANES <= n; i += E2_LANES)
        for (int j = 0; j < E2_LANES; j++) lanes[j] += x[i + j];
    for (; i < n; i++) tail += x[i];
    return e2_ref_lanes(lanes) + tail;
}

static inline float e2_ref_dot(const float *a, const float *b, size_t n) {
    float lanes[E2_LANES] = {0}, tail = 0.0f;
    size_t i = 0;
    for (; i + E2_LANES <= n; i += E2_LANES)
        for (int j = 0; j < E2_LANES; j++) lanes[j] += a[i + j] * b[i + j];
    for (; i < n; i++) tail += a[i] * b[i];
    return e2_ref_lanes(lanes) + tail;
}

/* n >= 1 */
static inline float e2_ref_max(const float *x, size_t n) {
    float lanes[E2_LANES], maximum = x[0];
    for (int j = 0; j < E2_LANES; j++) lanes[j] = x[0];
    size_t i = 0;
    for (; i + E2_LANES <= n; i += E2_LANES)
        for (int j = 0; j < E2_LANES; j++) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
    for (; i < n; i++) maximum = x[i] > maximum ? x[i] : maximum;
    for (int j = 0; j < E2_LANES; j++) maximum = lanes[j] > maximum ? lanes[j] : maximum;
    return maximum;
}

#endif
