/* SPDX-License-Identifier: MIT */
#include "fusion.h"

#include <math.h>
#include <string.h>

#include "linear.h"

bool e2_fusion_project(const e2_compute *compute, const float *tokens, size_t m, float *key_values) {
    const e2_fusion *fusion = &compute->model->fusion;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *visual = e2_arena_floats(compute->arena, m * fusion->visual.out);
    bool ok = visual && e2_linear_apply(compute, &fusion->visual, tokens, m, E2_NO_ACTIVATION, visual) &&
              e2_linear_apply(compute, &fusion->key_value, visual, m, E2_NO_ACTIVATION, key_values);
    if (ok) e2_arena_release(compute->arena, mark);
    return ok;
}

/* One head as wide as the states: z [n][width] before its output projection. */
static bool attend(const e2_compute *compute, const float *query, size_t n, const float *key_values, size_t m,
                   float *z) {
    size_t width = compute->model->decoder.width;
    float *scores = e2_arena_floats(compute->arena, m);
    if (!scores) return false;
    for (size_t r = 0; r < n; r++)
        compute->kernels->cached_attention(query + r * width, key_values, key_values + width, 2 * width, NULL, m, 1,
                                           width, 1.0f / sqrtf((float)width), scores, z + r * width);
    return true;
}

/* values become their sigmoids, each as the first of the softmax of itself and 0. */
static bool squash(const e2_compute *compute, float *values, size_t n) {
    float *pairs = e2_arena_floats(compute->arena, 2 * n);
    if (!pairs) return false;
    for (size_t i = 0; i < n; i++) {
        pairs[2 * i] = values[i];
        pairs[2 * i + 1] = 0.0f;
    }
    compute->kernels->softmax(pairs, n, 2, 2);
    for (size_t i = 0; i < n; i++) values[i] = pairs[2 * i];
    return true;
}

typedef struct fuse {
    const float *states, *key_values;
    size_t m;
    float *fused;
} fuse;

static bool run_fuse(const e2_compute *compute, const void *context, size_t begin, size_t n) {
    const fuse *f = context;
    const e2_fusion *fusion = &compute->model->fusion;
    size_t width = compute->model->decoder.width, count = n * width;
    const float *states = f->states + begin * width;
    float *query = e2_arena_floats(compute->arena, count), *seen = e2_arena_floats(compute->arena, count);
    float *z = e2_arena_floats(compute->arena, count), *gate = e2_arena_floats(compute->arena, count);
    float *both = e2_arena_floats(compute->arena, 2 * count), *fused = f->fused + begin * width;
    if (!query || !seen || !z || !gate || !both) return false;
    if (!e2_linear_apply(compute, &fusion->query, states, n, E2_NO_ACTIVATION, query) ||
        !attend(compute, query, n, f->key_values, f->m, seen) ||
        !e2_linear_apply(compute, &fusion->out, seen, n, E2_NO_ACTIVATION, z))
        return false;
    for (size_t r = 0; r < n; r++) {
        memcpy(both + 2 * r * width, states + r * width, width * sizeof *both);
        memcpy(both + (2 * r + 1) * width, z + r * width, width * sizeof *both);
    }
    if (!e2_linear_apply(compute, &fusion->gate, both, n, E2_NO_ACTIVATION, gate) || !squash(compute, gate, count))
        return false;
    for (size_t i = 0; i < count; i++) fused[i] = (1.0f - gate[i]) * states[i] + gate[i] * z[i];
    return true;
}

bool e2_fuse(const e2_compute *compute, const float *states, size_t n, const float *key_values, size_t m,
             float *fused) {
    return e2_chain_run(compute, n, run_fuse, &(fuse){states, key_values, m, fused});
}
