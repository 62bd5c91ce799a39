/* SPDX-License-Identifier: MIT */
#include "confidence.h"

#include <math.h>

#include "head.h"

#define LEAST_PROBABILITY 0.001 /* and 1 less it the most: beyond, more is not more certain */
#define EVIDENCE_LEAST    (-5.0)
#define EVIDENCE_MOST     10.0
#define COLUMNS_NEEDED    2.0 /* of patches, by a character */

double e2_answer_log_probability(const e2_answer *answer) {
    double sum = answer->ended ? answer->end_log_probability : 0.0;
    for (uint32_t i = 0; i < answer->n; i++) sum += answer->tokens[i].log_probability;
    return sum;
}

float e2_answer_score(const e2_answer *answer) {
    uint32_t n = answer->n + answer->ended;
    return n ? (float)exp(e2_answer_log_probability(answer) / n) : 0.0f;
}

static double limited(double value, double least, double most) {
    return value > least ? value < most ? value : most : least; /* NaN: the least */
}

static double logistic(double x) { return 1.0 / (1.0 + exp(-x)); }

/* What is between the picture and the text: means over the characters. */
typedef struct support {
    uint32_t n;        /* characters that the head can look for */
    double mean, most; /* of their evidence */
} support;

/* The tokens that write something, as the head knows them: of a memory's new character the one that looks like it. */
static bool find_characters(const e2_compute *compute, const e2_answer *answer, const e2_evidence *evidence,
                            e2_span *spans, support *found) {
    const e2str_model *model = compute->model;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    uint32_t *ids = e2_arena_alloc(compute->arena, answer->n, sizeof *ids);
    uint32_t *owners = e2_arena_alloc(compute->arena, answer->n, sizeof *owners), n = 0;
    float *values = e2_arena_floats(compute->arena, answer->n * evidence->columns);
    e2_span *aligned = e2_arena_alloc(compute->arena, answer->n, sizeof *aligned);
    if (!ids || !owners || !values || !aligned) return false;
    for (uint32_t i = 0; i < answer->n; i++) {
        uint32_t id = e2_memory_fed(model, answer->memory, answer->tokens[i].token);
        spans[i] = (e2_span){0.0f, 0.0f, 0.0f};
        if (e2_tokenizer_is_special(model->tokenizer, id)) continue;
        ids[n] = id;
        owners[n++] = i;
    }
    if (n && (!e2_head_evidence(compute, evidence->tokens, evidence->rows, evidence->columns, ids, n, values) ||
              !e2_place_text(compute->arena, ids, values, n, evidence->columns, aligned)))
        return false;
    *found = (support){.n = n, .most = -INFINITY};
    for (uint32_t i = 0; i < n; i++) {
        double value = aligned[i].evidence;
        spans[owners[i]] = aligned[i];
        found->mean += limited(value, EVIDENCE_LEAST, EVIDENCE_MOST) / n;
        if (value > found->most) found->most = value;
    }
    e2_arena_release(compute->arena, mark);
    return true;
}

/* The logistic of a few features; the order of their weights is the file's. */
static float confidence_of(const e2_calibration *calibration, const e2_answer *answer, const e2_evidence *evidence,
                           const support *found) {
    const float *w = calibration->weights;
    double p = limited(exp(e2_answer_log_probability(answer)), LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
    double columns = (double)evidence->columns / (answer->n ? answer->n : 1);
    double x = w[0] + w[1] * log(p / (1.0 - p)) + w[2] * found->mean;
    x += w[3] * fmax(0.0, log(COLUMNS_NEEDED / columns)) + w[4] * fmax(0.0, log(evidence->squeeze));
    return (float)logistic(x + w[5] * (answer->factor > 0.0f));
}

bool e2_judge(const e2_compute *compute, const e2_answer *answer, const e2_evidence *evidence, bool places,
              e2_judgement *judgement) {
    const e2_calibration *calibration = &compute->model->calibration;
    bool head = e2_has_head(compute->model) && (places || calibration->there);
    e2_span *spans = head ? e2_arena_alloc(compute->arena, answer->n, sizeof *spans) : NULL;
    support found = {0};
    if (head && (!spans || !find_characters(compute, answer, evidence, spans, &found))) return false;
    *judgement = (e2_judgement){.confidence = e2_answer_score(answer), .spans = spans};
    if (!calibration->there) return true;
    bool remembers = answer->factor > 0.0f; /* then characters may be there that the head does not know */
    if (found.n && !remembers) {
        judgement->textless = (float)logistic(calibration->textless[0] + calibration->textless[1] * found.most);
    } else if (answer->n == 0) {
        judgement->textless = judgement->confidence;
        return true;
    }
    judgement->confidence =
        answer->ended ? (1.0f - judgement->textless) * confidence_of(calibration, answer, evidence, &found) : 0.0f;
    return true;
}
