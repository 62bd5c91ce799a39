/* SPDX-License-Identifier: MIT */
/* From kernels.def to the table of a level. */
#include <string.h>

#include "cpu.h"

static const char *const names[E2_LEVELS] = {
#define E2_LEVEL(level, ...) #level,
#include "kernels.def"
};

/* A climb: lines stand in ascending order of level (a test checks it), so the last one that is taken is the best. */
void e2_kernels_at(e2_level top, e2_kernels *table) {
    memset(table, 0, sizeof *table);
    table->name = names[top];
#define E2_KERNEL(operation, level, symbol, tolerance)                                                                 \
    if (top >= e2_level_##level) table->operation = symbol;
#define E2_FASTEST(level, type)                                                                                        \
    if (top >= e2_level_##level) table->fastest = type;
#include "kernels.def"
}

bool e2_kernels_best(const char *cap, e2_kernels *table) {
    unsigned level = 0, best = e2_cpu_level();
    while (level < E2_LEVELS && strcmp(names[level], *cap ? cap : names[E2_LEVELS - 1]) != 0) level++;
    if (level == E2_LEVELS) return false;
    e2_kernels_at((e2_level)(level < best ? level : best), table);
    return true;
}

const char *e2_kernels_names(void) {
    static const char list[] =
#define E2_LEVEL(level, ...) ", " #level
#include "kernels.def"
        ;
    return list + strlen(", ");
}
