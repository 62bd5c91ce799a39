/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: any bytes as a constraint: flags, a pattern, characters and a lexicon, one after the other with a
 * newline between them. What is made must walk any text, and its lexicon hold its own entries.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "e2str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next line as a string of its own. */
static char *take_line(const uint8_t **data, size_t *size) {
    const uint8_t *end = *size ? memchr(*data, '\n', *size) : NULL;
    size_t length = end ? (size_t)(end - *data) : *size;
    char *line = malloc(length + 1);
    if (!line) abort();
    if (length) memcpy(line, *data, length);
    line[length] = 0;
    *data += length + (end != NULL);
    *size -= length + (end != NULL);
    return line;
}

/* Every line of the lexicon that may be an entry; with rules beside it, it need not be. */
static void look_up(const e2str_constraint *constraint, const char *lexicon, size_t size, int all) {
    for (size_t at = 0, length; at < size; at += length + 1) {
        const char *end = memchr(lexicon + at, '\n', size - at);
        length = end ? (size_t)(end - lexicon) - at : size - at;
        size_t whole = length && lexicon[at + length - 1] == '\r' ? length - 1 : length;
        if (at == 0 && size >= 3 && !memcmp(lexicon, "\xEF\xBB\xBF", 3)) continue;
        if (whole && !e2str_constraint_matches(constraint, lexicon + at, whole) && all) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t flags = size ? data[0] : 0;
    if (size) data++, size--;
    char *pattern = take_line(&data, &size), *characters = take_line(&data, &size);
    char *lexicon = malloc(size ? size : 1);
    if (!lexicon) abort();
    if (size) memcpy(lexicon, data, size);
    e2str_constraint_options options;
    e2str_constraint_options_init(&options);
    options.pattern = flags & 1 ? NULL : pattern;
    options.characters = flags & 2 ? characters : NULL;
    options.lexicon = flags & 4 ? lexicon : NULL;
    options.lexicon_size = size;
    options.lexicon_bonus = (flags & 12) == 12 ? 1 : 0;
    options.ignore_case = flags >> 4 & 1;
    options.max_length = flags & 32 ? 9 : 0;
    options.min_length = flags & 64 ? 2 : 0;
    e2str_constraint *constraint = NULL;
    e2str_error error = {""};
    e2str_status status = e2str_constraint_new(&options, &constraint, &error);
    if (!status != (constraint != NULL) || (status && !error.message[0])) abort();
    if (!status) {
        int alone = !options.pattern && !options.characters && !options.max_length && !options.min_length;
        e2str_constraint_matches(constraint, pattern, SIZE_MAX);
        look_up(constraint, lexicon, size, alone && options.lexicon && !options.lexicon_bonus);
        if (!e2str_constraint_bytes(constraint)) abort();
    }
    e2str_constraint_free(constraint);
    free(pattern);
    free(characters);
    free(lexicon);
    return 0;
}
