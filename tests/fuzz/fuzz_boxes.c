/* SPDX-License-Identifier: MIT */
/* Fuzz target: any bytes as a file of boxes, table or JSON; then the layout of what was found. Every box is on one
 * line, once. */
#include "../quiet_command.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_layout(const box_list *list) {
    page_layout layout;
    if (!layout_make(&layout, list)) return;
    size_t at = 0;
    char *seen = calloc(list->count + 1, 1);
    for (size_t i = 0; i < layout.n_lines; i++) {
        const page_line *line = &layout.lines[i];
        if (line->first != at || !line->count || (i && line->block - line[-1].block > 1)) abort();
        at += line->count;
    }
    if (at != list->count) abort();
    for (size_t i = 0; i < at; i++) {
        if (layout.order[i] >= list->count || seen[layout.order[i]]) abort();
        seen[layout.order[i]] = 1;
    }
    free(seen);
    layout_free(&layout);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1); /* of exactly what boxes_parse may touch */
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = 0;
    box_list list;
    if (boxes_parse(&list, "fuzz", text, size, size % 3)) check_layout(&list);
    boxes_free(&list);
    free(text);
    return 0;
}
