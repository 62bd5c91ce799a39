/* SPDX-License-Identifier: MIT */
#include "result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "unicode.h"

/* Room for `more` elements of `size` bytes behind those there are; NULL when memory is out. */
static void *grow(e2_buffer *buffer, size_t more, size_t size) {
    size_t wanted;
    if (!e2_add(buffer->count, more, &wanted)) return NULL;
    if (wanted > buffer->capacity || !buffer->data) {
        size_t bytes, capacity = wanted > 2 * buffer->capacity ? wanted : 2 * buffer->capacity;
        if (capacity < 64) capacity = 64;
        if (!e2_mul(capacity, size, &bytes)) return NULL;
        void *data = realloc(buffer->data, bytes);
        if (!data) return NULL;
        buffer->data = data;
        buffer->capacity = capacity;
    }
    return (char *)buffer->data + buffer->count * size;
}

static bool append_bytes(e2_buffer *buffer, const char *data, size_t size) {
    char *at = grow(buffer, size, 1);
    if (!at) return false;
    memcpy(at, data, size);
    buffer->count += size;
    return true;
}

#define REPLACEMENT "\xEF\xBF\xBD"

/* The next character of raw bytes: how many it takes, and what to write for it. */
static size_t next_character(const char *raw, size_t size, const char **shown, size_t *shown_size) {
    size_t length = raw[0] ? e2_utf8_next(raw, size, NULL) : 0; /* a NUL would end the text early */
    *shown = length ? raw : REPLACEMENT;
    *shown_size = length ? length : 3;
    return length ? length : 1;
}

static bool append_valid(e2_buffer *buffer, const char *raw, size_t size) {
    while (size > 0) {
        const char *shown;
        size_t shown_size, length = next_character(raw, size, &shown, &shown_size);
        if (!append_bytes(buffer, shown, shown_size)) return false;
        raw += length;
        size -= length;
    }
    return true;
}

/* The bytes of all tokens one after the other, and for each byte its token's index in the answer. */
static bool collect_bytes(e2str_result *result, const e2str_model *model, const e2_answer *answer) {
    for (uint32_t i = 0; i < answer->n; i++) {
        uint32_t token = answer->tokens[i].token;
        char buffer[4];
        if (e2_memory_is_special(model, answer->memory, token)) continue;
        e2_string bytes = e2_memory_shown(model, answer->memory, token, buffer);
        uint32_t *id = grow(&result->tokens, 1, sizeof *id), *owner = grow(&result->owners, bytes.size, sizeof *owner);
        if (!id || !owner || !append_bytes(&result->raw, bytes.data, bytes.size)) return false;
        *id = token;
        result->tokens.count++;
        for (size_t j = 0; j < bytes.size; j++) owner[j] = i;
        result->owners.count += bytes.size;
    }
    return true;
}

/* Cleans the raw bytes up. It only takes blanks away, so walking both texts tells which bytes stayed. */
static bool clean_raw(e2str_result *result) {
    size_t size = result->raw.count;
    char *cleaned = grow(&result->raw, size, 1); /* scratch behind the text */
    if (!cleaned) return false;
    char *raw = result->raw.data;
    uint32_t *owners = result->owners.data;
    memcpy(cleaned, raw, size);
    size_t cleaned_size = e2_clean_up(cleaned, size);
    for (size_t i = 0, j = 0; i < size && j < cleaned_size; i++)
        if (raw[i] == cleaned[j]) {
            raw[j] = raw[i];
            owners[j++] = owners[i];
        }
    result->raw.count = result->owners.count = cleaned_size;
    return true;
}

static bool append_alternatives(e2str_result *result, const e2str_model *model, const e2_answer *answer,
                                const e2_candidate *candidates, e2_result_character *character) {
    character->first_alternative = (uint32_t)result->alternatives.count;
    for (uint32_t i = 0; i < answer->n_alternatives; i++) {
        e2_result_alternative *alternative = grow(&result->alternatives, 1, sizeof *alternative);
        if (!alternative) return false;
        *alternative = (e2_result_alternative){result->strings.count, candidates[i].probability};
        char buffer[4];
        e2_string bytes = e2_memory_shown(model, answer->memory, candidates[i].token, buffer);
        if (!append_valid(&result->strings, bytes.data, bytes.size) || !append_bytes(&result->strings, "", 1))
            return false;
        result->alternatives.count++;
        character->n_alternatives++;
    }
    return true;
}

static bool append_influence(e2str_result *result, const e2str_memory *memory, size_t step, float amount) {
    e2str_influence *influence = grow(&result->influences, 1, sizeof *influence);
    if (!influence) return false;
    uint32_t offset = memory->steps[step].offset;
    *influence = (e2str_influence){memory->steps[step].example, offset == UINT32_MAX ? SIZE_MAX : offset, amount};
    result->influences.count++;
    return true;
}

/* The strongest `most` of the amounts, by size; ties: the earlier step. */
static bool append_strongest(e2str_result *result, const e2str_memory *memory, float factor, const float *amounts,
                             uint32_t most, e2_result_character *character) {
    size_t best[E2STR_MAX_INFLUENCES], n = 0;
    for (size_t step = 0; step < memory->counts.steps; step++) {
        float size = fabsf(amounts[step]);
        if (size == 0.0f || (n == most && !(size > fabsf(amounts[best[n - 1]])))) continue;
        size_t i = n < most ? n++ : most - 1;
        for (; i > 0 && size > fabsf(amounts[best[i - 1]]); i--) best[i] = best[i - 1];
        best[i] = step;
    }
    character->first_influence = (uint32_t)result->influences.count;
    for (size_t i = 0; i < n; i++, character->n_influences++)
        if (!append_influence(result, memory, best[i], factor * amounts[best[i]])) return false;
    return true;
}

/* What the memory did to a token that was written. */
static bool explain(e2str_result *result, const e2_compute *compute, const e2_answer *answer, const e2_written *token,
                    uint32_t most, e2_result_character *character) {
    const e2str_memory *memory = answer->memory;
    if (!memory || answer->factor == 0.0f) return true;
    if (!e2_memory_added(compute, memory, token->features, token->token, &character->memory)) return false;
    character->memory *= answer->factor;
    if (!most) return true;
    e2_arena_mark mark = e2_arena_begin(compute->arena);
    float *amounts = e2_arena_floats(compute->arena, memory->counts.steps);
    bool ok = amounts && e2_memory_influences(compute, memory, token->features, token->token, amounts) &&
              append_strongest(result, memory, answer->factor, amounts, most, character);
    e2_arena_release(compute->arena, mark);
    return ok;
}

/* One character: raw bytes begin .. begin + length - 1. */
static bool append_character(e2str_result *result, const e2_compute *compute, const e2_answer *answer,
                             uint32_t n_influences, size_t begin, size_t length, const char *shown, size_t shown_size) {
    const uint32_t *owners = result->owners.data;
    double log_probability = 0.0;
    for (size_t i = 0; i < length; i++)
        if (i == 0 || owners[begin + i] != owners[begin + i - 1])
            log_probability += answer->tokens[owners[begin + i]].log_probability;
    e2_result_character *character = grow(&result->characters, 1, sizeof *character);
    if (!character) return false;
    *character = (e2_result_character){.shown = {result->text.count, shown_size, (float)exp(log_probability)},
                                       .first_token = owners[begin],
                                       .last_token = owners[begin + length - 1]};
    bool begins_token = begin == 0 || owners[begin] != owners[begin - 1];
    const e2_written *token = &answer->tokens[owners[begin]];
    if (begins_token && (!append_alternatives(result, compute->model, answer, token->alternatives, character) ||
                         !explain(result, compute, answer, token, n_influences, character)))
        return false;
    result->characters.count++;
    return append_bytes(&result->text, shown, shown_size);
}

static bool append_characters(e2str_result *result, const e2_compute *compute, const e2_answer *answer,
                              uint32_t n_influences) {
    const char *raw = result->raw.data;
    for (size_t i = 0, length; i < result->raw.count; i += length) {
        const char *shown;
        size_t shown_size;
        length = next_character(raw + i, result->raw.count - i, &shown, &shown_size);
        if (!append_character(result, compute, answer, n_influences, i, length, shown, shown_size)) return false;
    }
    if (!append_bytes(&result->text, "", 1)) return false;
    result->text.count--;
    return true;
}

e2str_status e2_result_fill(e2str_result *result, const e2_compute *compute, const e2_answer *answer, bool clean_up,
                            uint32_t n_influences, e2str_error *error) {
    if (!collect_bytes(result, compute->model, answer) || (clean_up && result->raw.count && !clean_raw(result)) ||
        !append_characters(result, compute, answer, n_influences)) {
        e2_result_clear(result);
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a result");
    }
    result->score = e2_answer_score(answer);
    result->end_probability = answer->ended ? expf(answer->end_log_probability) : 0.0f;
    result->truncated = !answer->ended;
    result->unmatched = answer->unmatched;
    return E2STR_OK;
}

/* Of each character as when its first token was written. */
e2str_status e2_result_attention(e2str_result *result, const e2_answer *answer, uint32_t rows, uint32_t columns,
                                 e2str_error *error) {
    if (!answer->attention) return E2STR_OK;
    size_t tokens = (size_t)rows * columns, count;
    const e2_result_character *all = result->characters.data;
    bool good = e2_mul(tokens, result->characters.count, &count);
    float *at = good ? grow(&result->attention, count, sizeof *at) : NULL;
    if (!at) {
        e2_result_clear(result);
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a result");
    }
    for (size_t i = 0; i < result->characters.count; i++, at += tokens)
        memcpy(at, answer->attention + all[i].first_token * tokens, tokens * sizeof *at);
    result->attention.count += count;
    result->attention_rows = rows;
    result->attention_columns = columns;
    return E2STR_OK;
}

static void clear_text(e2str_result *result) {
    e2_buffer *buffers[] = {&result->raw,        &result->owners,       &result->text,
                            &result->characters, &result->alternatives, &result->influences,
                            &result->strings,    &result->tokens,       &result->attention};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) buffers[i]->count = 0;
    if (result->text.data) *(char *)result->text.data = 0;
}

void e2_result_clear(e2str_result *result) {
    clear_text(result);
    result->n_examples = 0;
    result->score = result->end_probability = result->confidence = result->textless = 0.0f;
    result->truncated = result->rejected = result->unmatched = 0;
    result->has_boxes = false;
    result->attention_rows = result->attention_columns = 0;
    result->second_look = 0;
    result->area = (e2str_area){0};
}

/* The part from .. to of an area along its lines of text, which `rotate` makes upright, in the picture's pixels. */
static e2str_box box_of(const e2str_area *area, float from, float to) {
    bool turned = area->rotate == 90 || area->rotate == 270, backwards = area->rotate == 90 || area->rotate == 180;
    float x = (float)area->x, y = (float)area->y, width = (float)area->width, height = (float)area->height;
    float along = turned ? height : width;
    float begin = along * (backwards ? 1.0f - to : from), end = along * (backwards ? 1.0f - from : to);
    return turned ? (e2str_box){x, y + begin, x + width, y + end, 0.0f}
                  : (e2str_box){x + begin, y, x + end, y + height, 0.0f};
}

/* Characters of one token share its span evenly; one of several tokens has theirs together. */
static void place_characters(e2str_result *result, const e2_span *spans) {
    e2_result_character *all = result->characters.data;
    for (size_t first = 0, end; first < result->characters.count; first = end) {
        float from = spans[all[first].first_token].from, to = spans[all[first].last_token].to;
        for (end = first + 1; end < result->characters.count; end++)
            if (all[end].first_token != all[first].first_token || all[end].last_token != all[first].last_token) break;
        for (size_t i = first; i < end; i++) {
            float width = to - from, count = (float)(end - first), before = (float)(i - first);
            all[i].box = box_of(&result->area, from + width * before / count, from + width * (before + 1.0f) / count);
            all[i].box.evidence = spans[all[first].first_token].evidence;
        }
    }
    result->has_boxes = true;
}

void e2_result_judge(e2str_result *result, const e2_judgement *judgement, const e2str_read_options *options) {
    result->confidence = judgement->confidence;
    result->textless = judgement->textless;
    bool empty = judgement->textless > 0.0f && judgement->textless >= options->textless_from;
    if (result->characters.count && empty && !options->constraint) {
        clear_text(result);
        result->confidence = judgement->textless;
    }
    result->rejected = result->confidence < options->reject_below;
    if (options->places) place_characters(result, judgement->spans);
}

e2str_status e2str_result_new(e2str_result **result, e2str_error *error) {
    if (!result) return e2_fail(error, E2STR_ERROR_ARGUMENT, "result is NULL");
    *result = calloc(1, sizeof **result);
    return *result ? E2STR_OK : e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a result");
}

void e2_result_release(e2str_result *result) {
    free(result->raw.data);
    free(result->owners.data);
    free(result->text.data);
    free(result->characters.data);
    free(result->alternatives.data);
    free(result->influences.data);
    free(result->strings.data);
    free(result->tokens.data);
    free(result->attention.data);
}

void e2str_result_free(e2str_result *result) {
    if (!result) return;
    e2_result_release(result);
    free(result);
}

const char *e2str_result_text(const e2str_result *result) {
    return result && result->text.data ? result->text.data : "";
}

size_t e2str_result_text_size(const e2str_result *result) { return result ? result->text.count : 0; }
float e2str_result_score(const e2str_result *result) { return result ? result->score : 0.0f; }
int e2str_result_truncated(const e2str_result *result) { return result ? result->truncated : 0; }
int e2str_result_unmatched(const e2str_result *result) { return result ? result->unmatched : 0; }
float e2str_result_end_probability(const e2str_result *result) { return result ? result->end_probability : 0.0f; }
float e2str_result_confidence(const e2str_result *result) { return result ? result->confidence : 0.0f; }
float e2str_result_textless(const e2str_result *result) { return result ? result->textless : 0.0f; }
int e2str_result_second_look(const e2str_result *result) { return result ? result->second_look : 0; }
int e2str_result_rejected(const e2str_result *result) { return result ? result->rejected : 0; }
size_t e2str_result_characters(const e2str_result *result) { return result ? result->characters.count : 0; }
size_t e2str_result_examples(const e2str_result *result) { return result ? result->n_examples : 0; }

static const e2_result_character *character_at(const e2str_result *result, size_t index) {
    if (!result || index >= result->characters.count) return NULL;
    return (const e2_result_character *)result->characters.data + index;
}

e2str_status e2str_result_character(const e2str_result *result, size_t index, e2str_character *character,
                                    e2str_error *error) {
    const e2_result_character *found = character_at(result, index);
    if (!found || !character)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "character %zu of %zu, or a NULL", index,
                       e2str_result_characters(result));
    *character = found->shown;
    return E2STR_OK;
}

e2str_status e2str_result_box(const e2str_result *result, size_t index, e2str_box *box, e2str_error *error) {
    const e2_result_character *found = character_at(result, index);
    if (!found || !box)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "character %zu of %zu, or a NULL", index,
                       e2str_result_characters(result));
    if (!result->has_boxes) return e2_fail(error, E2STR_ERROR_NOT_FOUND, "read without the option places");
    *box = found->box;
    return E2STR_OK;
}

e2str_status e2str_result_attention(const e2str_result *result, size_t index, const float **weights, uint32_t *rows,
                                    uint32_t *columns, e2str_error *error) {
    if (!character_at(result, index) || !weights || !rows || !columns)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "character %zu of %zu, or a NULL", index,
                       e2str_result_characters(result));
    if (!result->attention_rows) return e2_fail(error, E2STR_ERROR_NOT_FOUND, "read without the option attention");
    *rows = result->attention_rows;
    *columns = result->attention_columns;
    *weights = (const float *)result->attention.data + index * *rows * *columns;
    return E2STR_OK;
}

size_t e2str_result_alternatives(const e2str_result *result, size_t index) {
    const e2_result_character *found = character_at(result, index);
    return found ? found->n_alternatives : 0;
}

e2str_status e2str_result_alternative(const e2str_result *result, size_t index, size_t rank, const char **text,
                                      float *probability, e2str_error *error) {
    const e2_result_character *found = character_at(result, index);
    if (!found || rank >= found->n_alternatives)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "alternative %zu of %zu at character %zu of %zu", rank,
                       e2str_result_alternatives(result, index), index, e2str_result_characters(result));
    const e2_result_alternative *alternative =
        (const e2_result_alternative *)result->alternatives.data + found->first_alternative + rank;
    if (text) *text = (const char *)result->strings.data + alternative->text;
    if (probability) *probability = alternative->probability;
    return E2STR_OK;
}

float e2str_result_memory(const e2str_result *result, size_t index) {
    const e2_result_character *found = character_at(result, index);
    return found ? found->memory : 0.0f;
}

size_t e2str_result_influences(const e2str_result *result, size_t index) {
    const e2_result_character *found = character_at(result, index);
    return found ? found->n_influences : 0;
}

e2str_status e2str_result_influence(const e2str_result *result, size_t index, size_t rank, e2str_influence *influence,
                                    e2str_error *error) {
    const e2_result_character *found = character_at(result, index);
    if (!found || rank >= found->n_influences || !influence)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "influence %zu of %zu at character %zu of %zu, or a NULL", rank,
                       e2str_result_influences(result, index), index, e2str_result_characters(result));
    *influence = ((const e2str_influence *)result->influences.data)[found->first_influence + rank];
    return E2STR_OK;
}

e2str_status e2str_result_example(const e2str_result *result, size_t index, uint64_t *id, float *similarity,
                                  e2str_error *error) {
    if (!result || index >= result->n_examples)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "example %zu of %zu", index, e2str_result_examples(result));
    if (id) *id = result->examples[index].id;
    if (similarity) *similarity = result->examples[index].similarity;
    return E2STR_OK;
}

e2str_status e2str_result_area(const e2str_result *result, e2str_area *area, e2str_error *error) {
    if (!result || !area || !result->area.width)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "the result is empty, or a NULL");
    *area = result->area;
    return E2STR_OK;
}

size_t e2str_result_tokens(const e2str_result *result, const uint32_t **tokens) {
    if (tokens) *tokens = result ? result->tokens.data : NULL;
    return result ? result->tokens.count : 0;
}
