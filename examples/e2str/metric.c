/* SPDX-License-Identifier: MIT */
/* How two words are compared. bench/metric.py has the rules and writes the table. */
#include "command.h"

/* Characters that are not compared as they are: every `step`th from `first` to `last`. */
typedef struct metric_row {
    uint32_t first, last, step;
    int32_t distance; /* to the character they are compared as; 0: they are left out */
} metric_row;

static const metric_row table[] = {
#include "metric_table.h"
};

static const metric_row *find(uint32_t code) {
    size_t low = 0, high = sizeof table / sizeof *table;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > table[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    const metric_row *row = &table[low];
    bool found = low < sizeof table / sizeof *table && code >= row->first && (code - row->first) % row->step == 0;
    return found ? row : NULL;
}

/* The next character as it is compared; 0 at the end. Bytes that are no UTF-8 are left out, or compared as they are. */
static uint32_t next(const char **text, bool alphanumeric) {
    uint32_t code;
    for (size_t length; (length = utf8_next(*text, SIZE_MAX, &code)); *text += length) {
        const metric_row *row = find(code);
        if (alphanumeric && (code == NO_CHARACTER || (row && !row->distance))) continue;
        if (code == NO_CHARACTER) code += (unsigned char)**text;
        *text += length;
        return row ? code + (uint32_t)row->distance : code;
    }
    return 0;
}

bool same_word(const char *a, const char *b, bool alphanumeric) {
    uint32_t code;
    do
        if ((code = next(&a, alphanumeric)) != next(&b, alphanumeric)) return false;
    while (code);
    return true;
}
