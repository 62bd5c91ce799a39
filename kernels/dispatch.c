/*
 * From kernels.def to one table per level. The tables are constant and the choice between them is a pure function of
 * the CPU and the environment, made anew at every call: a few CPUID instructions, meant for once per model.
 */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "e2str.h"

/* The levels that have a line. One without is the level below it and is not offered under a name of its own. */
#define E2_KERNEL(operation, level, symbol, tolerance) | 1u << e2_level_##level
static const e2_level_set built = 0
#include "kernels.def"
    ;
#undef E2_KERNEL

/* A table takes the lines of its level and of those below. Lines stand in ascending order of level (a test checks it),
 * so that the last initialiser of a member, which is the one that counts in C, is the best: the warning is off for it.
 * Lines of other architectures are not there at all. */
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
#define E2_TAKE(operation, symbol) .operation = symbol,
#define E2_LEAVE(operation, symbol)
#define E2_KERNEL(operation, level, symbol, tolerance) E2_LINE_##level(operation, symbol)
static const e2_kernels tables[E2_LEVELS] = {
    [E2_LEVEL_REF] =
        {
            .name = "ref",
#define E2_LINE_ref         E2_TAKE
#define E2_LINE_avx2        E2_LEAVE
#define E2_LINE_avx512      E2_LEAVE
#define E2_LINE_avx512_vnni E2_LEAVE
#define E2_LINE_avx512_bf16 E2_LEAVE
#define E2_LINE_neon        E2_LEAVE
#define E2_LINE_neon_dot    E2_LEAVE
#include "kernels.def"
        },
    [E2_LEVEL_AVX2] =
        {
            .name = "avx2",
#undef E2_LINE_avx2
#define E2_LINE_avx2 E2_TAKE
#include "kernels.def"
        },
    [E2_LEVEL_AVX512] =
        {
            .name = "avx512",
#undef E2_LINE_avx512
#define E2_LINE_avx512 E2_TAKE
#include "kernels.def"
        },
    [E2_LEVEL_AVX512_VNNI] =
        {
            .name = "avx512_vnni",
#undef E2_LINE_avx512_vnni
#define E2_LINE_avx512_vnni E2_TAKE
#include "kernels.def"
        },
    [E2_LEVEL_AVX512_BF16] =
        {
            .name = "avx512_bf16",
#undef E2_LINE_avx512_bf16
#define E2_LINE_avx512_bf16 E2_TAKE
#include "kernels.def"
        },
    [E2_LEVEL_NEON] =
        {
            .name = "neon",
#undef E2_LINE_neon
#define E2_LINE_neon E2_TAKE
#include "kernels.def"
        },
    [E2_LEVEL_NEON_DOT] =
        {
            .name = "neon_dot",
#undef E2_LINE_neon_dot
#define E2_LINE_neon_dot E2_TAKE
#include "kernels.def"
        },
};
#undef E2_KERNEL
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/* The levels of this architecture. */
#if defined(__x86_64__)
static const e2_level_set known = 1u << E2_LEVEL_REF | 1u << E2_LEVEL_AVX2 | 1u << E2_LEVEL_AVX512 |
                                  1u << E2_LEVEL_AVX512_VNNI | 1u << E2_LEVEL_AVX512_BF16;
const char *e2_kernels_names(void) { return "ref, avx2, avx512, avx512_vnni, avx512_bf16"; }
#elif defined(__aarch64__)
static const e2_level_set known = 1u << E2_LEVEL_REF | 1u << E2_LEVEL_NEON | 1u << E2_LEVEL_NEON_DOT;
const char *e2_kernels_names(void) { return "ref, neon, neon_dot"; }
#else
static const e2_level_set known = 1u << E2_LEVEL_REF;
const char *e2_kernels_names(void) { return "ref"; }
#endif

const e2_kernels *e2_kernels_at(e2_level level) {
    return (unsigned)level < E2_LEVELS && (built & e2_cpu_levels()) >> level & 1u ? &tables[level] : NULL;
}

/* The level that E2STR_CPU allows at most, E2_LEVELS when its value is unknown. Unset and empty cap nothing. */
static unsigned level_cap(void) {
    const char *name = getenv("E2STR_CPU");
    if (!name || !*name) return E2_LEVELS - 1;
    for (unsigned level = 0; level < E2_LEVELS; level++)
        if ((known >> level & 1u) && strcmp(name, tables[level].name) == 0) return level;
    return E2_LEVELS;
}

const e2_kernels *e2_kernels_best(void) {
    unsigned level = level_cap();
    if (level == E2_LEVELS) return NULL;
    e2_level_set here = built & e2_cpu_levels();
    while (!(here >> level & 1u)) level--; /* ends at ref */
    return &tables[level];
}

const char *e2str_cpu_name(void) {
    const e2_kernels *best = e2_kernels_best();
    return best ? best->name : "unknown";
}
