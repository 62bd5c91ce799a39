/* SPDX-License-Identifier: MIT */
#include "head.h"

#include <string.h>

/* logits [patches] of one token. */
static void logits_of(const e2_compute *compute, const float *tokens, size_t patches, uint32_t id, float *logits) {
    const e2_patch_head *head = &compute->model->head;
    size_t width = compute->model->vision.width;
    compute->kernels->similarity(head->weight + id * width, tokens, patches, width, logits);
    for (size_t i = 0; i < patches; i++) logits[i] += head->bias[id];
}

/* Whatever the file's numbers are, the result is finite. */
static float within(float value) {
    if (!(value > -E2_EVIDENCE_MOST)) return -E2_EVIDENCE_MOST;
    return value < E2_EVIDENCE_MOST ? value : E2_EVIDENCE_MOST;
}

bool e2_head_evidence(const e2_compute *compute, const float *tokens, size_t rows, size_t columns, const uint32_t *ids,
                      size_t n, float *evidence) {
    size_t patches = rows * columns;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *none = e2_arena_floats(compute->arena, patches), *logits = e2_arena_floats(compute->arena, patches);
    if (!none || !logits) return false;
    logits_of(compute, tokens, patches, e2_tokenizer_padding(compute->model->tokenizer), none);
    for (size_t i = 0; i < n; i++) {
        float *out = evidence + i * columns;
        size_t same = 0;
        while (ids[same] != ids[i]) same++;
        if (same < i) {
            memcpy(out, evidence + same * columns, columns * sizeof *out);
            continue;
        }
        logits_of(compute, tokens, patches, ids[i], logits);
        for (size_t column = 0; column < columns; column++) out[column] = within(logits[column] - none[column]);
        for (size_t at = columns; at < patches; at++) {
            float value = within(logits[at] - none[at]);
            if (value > out[at % columns]) out[at % columns] = value;
        }
    }
    e2_arena_release(compute->arena, mark);
    return true;
}
