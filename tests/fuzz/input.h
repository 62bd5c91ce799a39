/* SPDX-License-Identifier: MIT */
/* What fuzz targets share: an input that is taken byte by byte, and what must hold of every answer. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "e2str.h"
#include "unicode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input {
    const uint8_t *data;
    size_t size;
} input;

static inline void require(bool right) {
    if (!right) abort();
}

/* 0 behind the end. */
static inline uint8_t take(input *in) {
    if (!in->size) return 0;
    in->size--;
    return *in->data++;
}

/* The next line, at most `most` bytes of it, without its newline: a pointer into the input. */
static inline const char *take_line(input *in, size_t most, size_t *length) {
    const uint8_t *line = in->data, *end = in->size ? memchr(line, '\n', in->size) : NULL;
    size_t whole = end ? (size_t)(end - line) : in->size;
    *length = whole < most ? whole : most;
    in->data += whole + (end != NULL);
    in->size -= whole + (end != NULL);
    return (const char *)line;
}

/* A number that checks like to get wrong. */
static inline uint64_t odd_number(uint8_t which) {
    static const uint64_t numbers[] = {0, 1, 2, 3, 0x7fffffff, 0xffffffff, (uint64_t)1 << 61, UINT64_MAX};
    return numbers[which % 8];
}

/* Changes a file by four bytes of the input: where (two bytes), how, and with which value. */
static inline void change_file(uint8_t *file, size_t size, size_t metadata, input *in) {
    uint8_t record[4];
    for (int i = 0; i < 4; i++) record[i] = take(in);
    size_t at = (record[0] | (size_t)record[1] << 8) % (size - 8);
    if (record[2] & 1) at %= metadata;
    uint64_t number = odd_number(record[3]);
    if (record[2] & 2)
        memcpy(file + at, &number, record[2] & 4 ? 8 : 4);
    else
        file[at] = record[3];
}

static inline bool is_utf8(const char *text, size_t size) {
    for (size_t at = 0, length; at < size; at += length)
        if (!(length = e2_utf8_next(text + at, size - at, NULL))) return false;
    return true;
}

/* A status is one of those that the header names, and a failure says something. */
static inline void check_status(e2str_status status, const e2str_error *error) {
    require(status >= E2STR_OK && status <= E2STR_ERROR_CONFLICT && strcmp(e2str_status_name(status), "unknown"));
    if (error) require(!status == !error->message[0] && memchr(error->message, 0, sizeof error->message));
}

static inline bool is_share(double x) { return x >= 0 && x <= 1.0001; }

/* All that a result tells is in range, and consistent. */
static inline void check_result(const e2str_result *result) {
    const char *text = e2str_result_text(result), *other;
    size_t size = e2str_result_text_size(result), behind = 0;
    const uint32_t *tokens;
    float probability;
    e2str_box box;
    e2str_influence influence;
    require(strlen(text) <= size && !text[size] && is_utf8(text, size));
    require(is_share(e2str_result_score(result)) && is_share(e2str_result_confidence(result)));
    require(is_share(e2str_result_textless(result)) && is_share(e2str_result_end_probability(result)));
    for (size_t i = 0; i < e2str_result_characters(result); i++) {
        e2str_character c;
        require(e2str_result_character(result, i, &c, NULL) == E2STR_OK && is_share(c.probability));
        require(c.offset >= behind && c.length > 0 && c.offset + c.length <= size);
        behind = c.offset + c.length;
        require(isfinite(e2str_result_memory(result, i)));
        if (!e2str_result_box(result, i, &box, NULL)) require(box.left <= box.right && box.top <= box.bottom);
        for (size_t n = 0; n < e2str_result_alternatives(result, i); n++)
            require(!e2str_result_alternative(result, i, n, &other, &probability, NULL) && is_share(probability));
        for (size_t n = 0; n < e2str_result_influences(result, i); n++)
            require(!e2str_result_influence(result, i, n, &influence, NULL) && isfinite(influence.amount));
    }
    for (size_t i = 0; i < e2str_result_tokens(result, &tokens); i++) require(tokens[i] < (uint32_t)1 << 21);
}

#endif
