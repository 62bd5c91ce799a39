/* SPDX-License-Identifier: MIT */
#include "gaze.h"

#include <string.h>

/* The sequence's rows, and behind them those that feed all tokens of the answer but its last. slots: [rows]. */
static size_t answer_rows(const e2str_model *model, const e2_sequence *sequence, const e2_answer *answer,
                          uint32_t *slots, e2_decoder_row *rows) {
    const e2_decoder_row *query = &sequence->rows[sequence->n - 1];
    memcpy(rows, sequence->rows, sequence->n * sizeof *rows);
    for (uint32_t i = 0; i < sequence->length + answer->n; i++) slots[i] = i;
    for (uint32_t i = 1; i < answer->n; i++) {
        e2_decoder_row *row = &rows[sequence->n + i - 1];
        *row = *query;
        row->token = e2_memory_fed(model, answer->memory, answer->tokens[i - 1].token);
        row->position += i;
        row->slot = sequence->length + i - 1;
        row->context = slots;
        row->n_context = row->slot + 1;
    }
    return sequence->n + answer->n - 1;
}

/* The means over heads of the weights of a row, of the last n visual tokens of those that it saw. */
static void mean_of_heads(const float *weights, size_t heads, size_t seen, size_t n, float *mean) {
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (size_t h = 0; h < heads; h++) sum += weights[h * seen + seen - n + i];
        mean[i] = (float)(sum / (double)heads);
    }
}

bool e2_gaze_back(const e2_compute *compute, const e2_media *media, const e2_sequence_parts *parts,
                  uint32_t first_image, e2_answer *answer) {
    const e2_decoder *decoder = &compute->model->decoder;
    e2_arena *arena = compute->arena;
    size_t tokens = parts->query_tokens;
    float *attention = e2_arena_floats(arena, answer->n * tokens);
    answer->attention = attention;
    if (!attention) return false;
    if (!answer->n) return true;
    e2_arena_mark mark = e2_arena_begin(arena);
    e2_sequence sequence;
    e2_kv_cache cache;
    e2_gaze gaze;
    if (!e2_sequence_rows(compute, parts, first_image, 0, &sequence)) return false;
    size_t length = (size_t)sequence.length + answer->n;
    uint32_t *slots = e2_arena_alloc(arena, length, sizeof *slots);
    e2_decoder_row *rows = e2_arena_alloc(arena, length, sizeof *rows);
    float *hidden = e2_arena_floats(arena, length * decoder->width);
    if (!slots || !rows || !hidden || !e2_kv_cache_new(compute, length, &cache)) return false;
    e2_sequence_restore(compute->model, &sequence, &cache);
    size_t n = answer_rows(compute->model, &sequence, answer, slots, rows), first = n - answer->n;
    if (!e2_decode_watched(compute, media, &cache, rows, n, hidden, &gaze)) return false;
    for (size_t i = 0; i < answer->n; i++) {
        uint32_t last = first_image + sequence.images - 1;
        uint32_t begin = decoder->only_immediate_media ? last : first_image;
        mean_of_heads(gaze.weights + (first + i) * gaze.step, decoder->cross_heads,
                      media->first[last + 1] - media->first[begin], tokens, attention + i * tokens);
    }
    e2_arena_release(arena, mark);
    return true;
}
