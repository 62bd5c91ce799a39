/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sorted.h"
#include "unicode.h"

void e2_features_fill(const e2str_model *model, const float *hidden, const float *attended, size_t n, float *phi) {
    size_t width = model->decoder.width, inner = model->decoder.attended_width;
    float factor = 1.0f / model->memory.hidden_scale;
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < width; i++) *phi++ = hidden[r * width + i] * factor;
        memcpy(phi, attended + r * inner, inner * sizeof *phi);
        phi += inner;
        *phi++ = 1.0f;
    }
}

/* ------------------------------------------------------------------------------------------------------- making -- */

typedef struct layout {
    size_t bytes;
    bool overflow;
} layout;

static size_t take(layout *l, size_t count, size_t size) {
    size_t bytes = 0, at = (l->bytes + 63) & ~(size_t)63;
    if (!e2_mul(count, size, &bytes) || !e2_add(at, bytes, &l->bytes)) l->overflow = true;
    return at;
}

/* One block: the structure and its lists. The packed columns are a block of their own. */
e2str_memory *e2_memory_new(const e2str_model *model, e2_memory_counts n) {
    size_t cells, values;
    if (!e2_mul(n.steps, n.columns, &cells) || !e2_mul(n.steps, model->memory.features, &values)) return NULL;
    layout l = {sizeof(e2str_memory), false};
    size_t steps = take(&l, n.steps, sizeof(e2_memory_step)), tokens = take(&l, n.columns, sizeof(uint32_t));
    size_t characters = take(&l, n.characters, sizeof(e2_new_character)), silent = take(&l, n.silent, sizeof(uint32_t));
    size_t features = take(&l, values, sizeof(uint16_t)), errors = take(&l, cells, sizeof(uint16_t));
    size_t domain = take(&l, model->vision.width, sizeof(float));
    size_t verdicts = take(&l, n.verdicts, sizeof(e2_memory_verdict));
    take(&l, 0, 1);
    char *block = l.overflow ? NULL : calloc(1, l.bytes);
    if (!block) return NULL;
    e2str_memory *memory = (e2str_memory *)block;
    *memory = (e2str_memory){.bytes = l.bytes,
                             .model = model,
                             .counts = n,
                             .tokens = (uint32_t *)(block + tokens),
                             .characters = (e2_new_character *)(block + characters),
                             .silent = (uint32_t *)(block + silent),
                             .steps = (e2_memory_step *)(block + steps),
                             .features = (uint16_t *)(block + features),
                             .errors = (uint16_t *)(block + errors),
                             .domain = (float *)(block + domain),
                             .verdicts = (e2_memory_verdict *)(block + verdicts)};
    e2str_memory_report_init(&memory->report);
    atomic_init(&memory->references, 1);
    return memory;
}

e2str_memory *e2_memory_retain(e2str_memory *memory) {
    if (memory) atomic_fetch_add_explicit(&memory->references, 1, memory_order_relaxed);
    return memory;
}

void e2_memory_release(e2str_memory *memory) {
    if (!memory || atomic_fetch_sub_explicit(&memory->references, 1, memory_order_acq_rel) != 1) return;
    free(memory->owned);
    free(memory);
}

/* sums [n_columns][features] = sum over the steps, in order, of error times features. */
static void sum_steps(const e2str_memory *memory, float *phi, float *sums) {
    size_t f = memory->model->memory.features;
    memset(sums, 0, memory->counts.columns * f * sizeof *sums);
    for (size_t s = 0; s < memory->counts.steps; s++) {
        for (size_t i = 0; i < f; i++) phi[i] = e2_f16_to_f32(memory->features[s * f + i]);
        for (size_t c = 0; c < memory->counts.columns; c++) {
            float error = e2_f16_to_f32(memory->errors[s * memory->counts.columns + c]), *sum = sums + c * f;
            for (size_t i = 0; error != 0.0f && i < f; i++) sum[i] += error * phi[i];
        }
    }
}

/* c [n][features] = sums P. */
static bool precondition(const e2_compute *compute, size_t n, const float *sums, float *c) {
    const e2_linear *whitening = &compute->model->memory.whitening;
    float *white = e2_arena_floats(compute->arena, n * compute->model->memory.features);
    return white && e2_linear_apply(compute, whitening, sums, n, E2_NO_ACTIVATION, white) &&
           e2_linear_apply(compute, whitening, white, n, E2_NO_ACTIVATION, c);
}

/* The columns in the form that products read. */
static bool bind_columns(e2str_memory *memory, const float *c) {
    size_t n = memory->counts.columns, f = memory->model->memory.features, bytes;
    bool packed = !memory->model->blas;
    bytes = packed ? e2_packed_bytes(E2_WEIGHT_F32, n, f) : n * f * sizeof *c;
    bytes = (bytes + 63) & ~(size_t)63;
    memory->owned = aligned_alloc(64, bytes ? bytes : 64);
    if (!memory->owned) return false;
    memory->bytes += bytes;
    memory->columns = (e2_linear){.in = (uint32_t)f, .out = (uint32_t)n};
    if (packed) {
        e2_pack(E2_WEIGHT_F32, c, 0, n, f, memory->owned, NULL, NULL);
        memory->columns.matrix = (e2_matrix){E2_WEIGHT_F32, n, f, memory->owned, NULL, NULL};
    } else {
        memcpy(memory->owned, c, n * f * sizeof *c);
        memory->columns.weight = memory->owned;
    }
    return true;
}

bool e2_memory_finish(const e2_compute *compute, e2str_memory *memory, bool *finite) {
    size_t n = memory->counts.columns, f = memory->model->memory.features;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *sums = e2_arena_floats(compute->arena, n * f), *c = e2_arena_floats(compute->arena, n * f);
    float *phi = e2_arena_floats(compute->arena, f);
    bool ok = sums && c && phi;
    if (ok) sum_steps(memory, phi, sums);
    ok = ok && precondition(compute, n, sums, c) && bind_columns(memory, c);
    *finite = true;
    for (size_t i = 0; ok && i < n * f; i++) *finite &= isfinite(c[i]) != 0;
    for (size_t i = 0; i < memory->model->vision.width; i++) *finite &= isfinite(memory->domain[i]) != 0;
    e2_arena_release(compute->arena, mark);
    return ok;
}

/* -------------------------------------------------------------------------------------------------------- using -- */

uint32_t e2_memory_vocabulary(const e2str_model *model, const e2str_memory *memory) {
    return model->decoder.vocabulary + (memory ? memory->counts.characters : 0);
}

/* u [n][vision width] = whitening (key - mean). */
static bool whiten_keys(const e2_compute *compute, const float *keys, size_t n, float *u) {
    const e2_memory_statistics *m = &compute->model->memory;
    size_t width = compute->model->vision.width;
    float *centred = e2_arena_floats(compute->arena, n * width);
    if (!centred) return false;
    for (size_t i = 0; i < n * width; i++) centred[i] = keys[i] - m->key_mean[i % width];
    return e2_linear_apply(compute, &m->key_whitening, centred, n, E2_NO_ACTIVATION, u);
}

static double inner(const float *a, const float *b, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
    return sum;
}

static float cosine(double product, double square_a, double square_b) {
    return square_a > 0.0 && square_b > 0.0 ? (float)(product / sqrt(square_a * square_b)) : 0.0f;
}

/* Of the examples to the domain of the others: the mean less the standard deviation. */
static float own_nearness(const float *u, size_t n, size_t width, const float *sum, float *nearness) {
    double all = inner(sum, sum, width);
    for (size_t i = 0; i < n; i++) { /* without the example itself: sum - u */
        double product = inner(u + i * width, sum, width), square = inner(u + i * width, u + i * width, width);
        nearness[i] = cosine(product - square, square, all - 2.0 * product + square);
    }
    double mean = 0.0, variance = 0.0;
    for (size_t i = 0; i < n; i++) mean += nearness[i] / (double)n;
    for (size_t i = 0; i < n; i++) variance += (nearness[i] - mean) * (nearness[i] - mean) / (double)n;
    return (float)(mean - sqrt(variance));
}

static float within(float value, float least, float most) {
    return value < least ? least : value > most ? most : value;
}

bool e2_memory_find_domain(const e2_compute *compute, const float *keys, size_t n, e2str_memory *memory) {
    const e2_memory_statistics *m = &compute->model->memory;
    size_t width = compute->model->vision.width;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *u = e2_arena_floats(compute->arena, n * width), *nearness = e2_arena_floats(compute->arena, n);
    float *sum = memory->domain;
    if (!u || !nearness || !whiten_keys(compute, keys, n, u)) return false;
    memset(sum, 0, width * sizeof *sum);
    for (size_t i = 0; i < n * width; i++) sum[i % width] += u[i];
    float own = n > 1 ? own_nearness(u, n, width, sum, nearness) : m->gate_to;
    memory->gate = within(own, (m->gate_from + m->gate_to) / 2, m->gate_to);
    double length = sqrt(inner(sum, sum, width));
    for (size_t i = 0; length > 0.0 && i < width; i++) sum[i] = (float)(sum[i] / length);
    e2_arena_release(compute->arena, mark);
    return true;
}

bool e2_memory_gate(const e2_compute *compute, const e2str_memory *memory, const float *key, float *gate) {
    size_t width = compute->model->vision.width;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *u = e2_arena_floats(compute->arena, width), least = compute->model->memory.gate_from;
    if (!u || !whiten_keys(compute, key, 1, u)) return false;
    float nearness = cosine(inner(memory->domain, u, width), 1.0, inner(u, u, width));
    *gate = nearness >= memory->gate ? 1.0f : nearness <= least ? 0.0f : (nearness - least) / (memory->gate - least);
    e2_arena_release(compute->arena, mark);
    return true;
}

/* Rows of `from` columns become rows of `to`, the new ones 0; from the last row on, since they lie in one place. */
static void widen(float *logits, size_t n, size_t from, size_t to) {
    if (from == to) return;
    for (size_t r = n; r-- > 0;) {
        memmove(logits + r * to, logits + r * from, from * sizeof *logits);
        for (size_t i = from; i < to; i++) logits[r * to + i] = 0.0f;
    }
}

bool e2_memory_apply(const e2_compute *compute, const e2str_memory *memory, const float *factors, const float *phi,
                     size_t n, float *logits) {
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    size_t columns = memory->counts.columns, vocabulary = e2_memory_vocabulary(memory->model, memory);
    float *added = e2_arena_floats(compute->arena, n * columns);
    if (!added || !e2_linear_apply(compute, &memory->columns, phi, n, E2_NO_ACTIVATION, added)) return false;
    widen(logits, n, memory->model->decoder.vocabulary, vocabulary);
    for (size_t r = 0; r < n; r++) {
        for (size_t c = 0; c < columns; c++)
            logits[r * vocabulary + memory->tokens[c]] += factors[r] * added[r * columns + c];
        for (size_t i = memory->model->decoder.vocabulary; factors[r] == 0.0f && i < vocabulary; i++)
            logits[r * vocabulary + i] = -INFINITY;
    }
    e2_arena_release(compute->arena, mark);
    return true;
}

/* Index in an ascending list, or n. */
static uint32_t find(const uint32_t *list, uint32_t n, uint32_t wanted) {
    uint32_t at = e2_lower_bound(list, n, wanted);
    return at < n && list[at] == wanted ? at : n;
}

bool e2_memory_added(const e2_compute *compute, const e2str_memory *memory, const float *phi, uint32_t token,
                     float *added) {
    uint32_t column = find(memory->tokens, memory->counts.columns, token);
    *added = 0.0f;
    if (column == memory->counts.columns) return true;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *all = e2_arena_floats(compute->arena, memory->counts.columns);
    bool ok = all && e2_linear_apply(compute, &memory->columns, phi, 1, E2_NO_ACTIVATION, all);
    if (ok) *added = all[column]; /* the same product as in e2_memory_apply, to the bit */
    e2_arena_release(compute->arena, mark);
    return ok;
}

/* error_sc * (phi . P phi_s), for every step s. */
bool e2_memory_influences(const e2_compute *compute, const e2str_memory *memory, const float *phi, uint32_t token,
                          float *influences) {
    size_t f = memory->model->memory.features;
    uint32_t column = find(memory->tokens, memory->counts.columns, token);
    memset(influences, 0, memory->counts.steps * sizeof *influences);
    if (column == memory->counts.columns) return true;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *row = e2_arena_floats(compute->arena, f);
    float *direction = e2_arena_floats(compute->arena, f); /* P phi */
    if (!row || !direction || !precondition(compute, 1, phi, direction)) return false;
    for (size_t s = 0; s < memory->counts.steps; s++) {
        float error = e2_f16_to_f32(memory->errors[s * memory->counts.columns + column]), kernel;
        if (error == 0.0f) continue;
        for (size_t i = 0; i < f; i++) row[i] = e2_f16_to_f32(memory->features[s * f + i]);
        compute->kernels->similarity(direction, row, 1, f, &kernel);
        influences[s] = error * kernel;
    }
    e2_arena_release(compute->arena, mark);
    return true;
}

uint32_t e2_memory_fed(const e2str_model *model, const e2str_memory *memory, uint32_t token) {
    uint32_t vocabulary = model->decoder.vocabulary;
    return token < vocabulary ? token : memory->characters[token - vocabulary].fed;
}

bool e2_memory_is_special(const e2str_model *model, const e2str_memory *memory, uint32_t token) {
    return (!memory || token < model->decoder.vocabulary) && e2_tokenizer_is_special(model->tokenizer, token);
}

static bool is_silent(const e2str_memory *memory, uint32_t token) {
    return memory && find(memory->silent, memory->counts.silent, token) < memory->counts.silent;
}

static uint32_t in_case(e2_letter_case letters, uint32_t code) {
    if (letters == E2_AS_READ) return code;
    return letters == E2_CAPITALS ? e2_unicode_capital(code) : e2_unicode_small(code);
}

e2_string e2_memory_shown(const e2str_model *model, const e2str_memory *memory, uint32_t token, char buffer[4]) {
    uint32_t vocabulary = model->decoder.vocabulary, code;
    if (e2_memory_is_special(model, memory, token) || is_silent(memory, token)) return (e2_string){"", 0};
    if (!memory || (token < vocabulary && memory->letters == E2_AS_READ))
        return e2_token_bytes(model->tokenizer, token);
    if (token >= vocabulary) {
        code = memory->characters[token - vocabulary].code;
    } else {
        e2_string bytes = e2_token_bytes(model->tokenizer, token);
        if (e2_utf8_next(bytes.data, bytes.size, &code) != bytes.size) return bytes;
    }
    return (e2_string){buffer, e2_utf8_put(in_case(memory->letters, code), buffer)};
}
