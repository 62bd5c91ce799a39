#include "kernels.h"

#include "e2str.h"

/* The table of a level is filled from kernels.def: a line there is all it takes. */
#define E2_KERNEL(operation, level, symbol, tolerance) .operation = symbol,
static const e2_kernels ref = {
    .name = "ref",
#include "kernels.def"
};
#undef E2_KERNEL

const e2_kernels *e2_kernels_at(e2_level level) { return level == E2_LEVEL_REF ? &ref : NULL; }

const e2_kernels *e2_kernels_best(void) { return &ref; }

const char *e2_kernels_names(void) { return "ref"; }

const char *e2str_cpu_name(void) { return e2_kernels_best()->name; }
