/* What the CPU and the operating system can run. No state: they are asked at every call. */
#ifndef E2_CPU_H
#define E2_CPU_H

#include <stdint.h>

#include "kernels.h"

/* The levels by their names in kernels.def: e2_level_##level. */
enum {
    e2_level_ref = E2_LEVEL_REF,
    e2_level_avx2 = E2_LEVEL_AVX2,
    e2_level_avx512 = E2_LEVEL_AVX512,
    e2_level_avx512_vnni = E2_LEVEL_AVX512_VNNI,
    e2_level_avx512_bf16 = E2_LEVEL_AVX512_BF16,
    e2_level_neon = E2_LEVEL_NEON,
    e2_level_neon_dot = E2_LEVEL_NEON_DOT
};

/* A set of levels: bit 1 << level. ref is always in it. */
typedef uint32_t e2_level_set;

/* The levels that can run here, whether or not there are kernels for them. */
e2_level_set e2_cpu_levels(void);

/* An x86-64 CPU in its own words: CPUID registers, 0 for leaves that it does not have, and XCR0 (0 without OSXSAVE). */
typedef struct e2_cpuid {
    uint32_t leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_1_eax;
    uint64_t xcr0;
} e2_cpuid;
e2_level_set e2_cpuid_levels(const e2_cpuid *cpu);

#endif
