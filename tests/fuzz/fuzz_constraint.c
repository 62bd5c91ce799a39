/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: any bytes as a constraint: flags, a pattern, characters and a lexicon, one after the other with a
 * newline between them. What is made must walk any text, and its lexicon hold its own entries.
 */
#include "input.h"

/* The next line as a string of its own. */
static char *take_string(input *in) {
    size_t length;
    const char *start = take_line(in, SIZE_MAX, &length);
    char *line = malloc(length + 1);
    require(line != NULL);
    if (length) memcpy(line, start, length);
    line[length] = 0;
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
    input in = {data, size};
    uint8_t flags = take(&in);
    char *pattern = take_string(&in), *characters = take_string(&in), *lexicon = malloc(in.size ? in.size : 1);
    require(lexicon != NULL);
    size = in.size;
    if (size) memcpy(lexicon, in.data, size);
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
