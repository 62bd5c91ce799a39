/* SPDX-License-Identifier: MIT */
/* What the CPU and the operating system can run. No state: they are asked at every call. */
#ifndef E2_CPU_H
#define E2_CPU_H

#include <stdint.h>

#include "kernels.h"

/* A CPU in its own words, whose bits are those of E2_LEVEL in kernels.def. x86-64: CPUID registers, 0 for leaves that
 * it does not have, and XCR0, 0 without OSXSAVE. AArch64: Linux's AT_HWCAP and AT_HWCAP2. What the other architecture
 * says is 0. */
typedef enum e2_cpu_word {
    E2_LEAF1_ECX,
    E2_LEAF7_EBX,
    E2_LEAF7_ECX,
    E2_LEAF7_1_EAX,
    E2_XCR0,
    E2_HWCAP,
    E2_HWCAP2,
    E2_CPU_WORDS
} e2_cpu_word;
typedef struct e2_cpu {
    uint64_t word[E2_CPU_WORDS];
} e2_cpu;

/* The highest level that can run here, and on such a CPU: one that has the bits of this level and of all below. */
e2_level e2_cpu_level(void);
e2_level e2_cpu_level_of(const e2_cpu *cpu);

#endif
