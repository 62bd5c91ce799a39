/* SPDX-License-Identifier: MIT */
#include "cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#define BIT(n) (UINT64_C(1) << (n))

static const e2_cpu needs[E2_LEVELS] = {
#define E2_LEVEL(level, ...) {{__VA_ARGS__}},
#include "kernels.def"
};

static bool has(const e2_cpu *cpu, const e2_cpu *bits) {
    for (size_t i = 0; i < E2_CPU_WORDS; i++)
        if (bits->word[i] & ~cpu->word[i]) return false;
    return true;
}

e2_level e2_cpu_level_of(const e2_cpu *cpu) {
    unsigned level = e2_level_ref;
    while (level + 1 < E2_LEVELS && has(cpu, &needs[level + 1])) level++;
    return (e2_level)level;
}

#if defined(__x86_64__)

/* Only where CPUID shows OSXSAVE. */
static uint64_t read_xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static e2_cpu this_cpu(void) {
    e2_cpu cpu = {{0}};
    unsigned eax, ebx, ecx, edx; /* __get_cpuid_count is false for a leaf above the CPU's last one */
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) cpu.word[E2_LEAF1_ECX] = ecx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
        unsigned last_subleaf = eax;
        cpu.word[E2_LEAF7_EBX] = ebx;
        cpu.word[E2_LEAF7_ECX] = ecx;
        if (last_subleaf >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx)) cpu.word[E2_LEAF7_1_EAX] = eax;
    }
    if (cpu.word[E2_LEAF1_ECX] & BIT(27)) cpu.word[E2_XCR0] = read_xcr0();
    return cpu;
}

#elif defined(__aarch64__) && defined(__linux__)

static e2_cpu this_cpu(void) {
    return (e2_cpu){{[E2_HWCAP] = getauxval(AT_HWCAP), [E2_HWCAP2] = getauxval(AT_HWCAP2)}};
}

#else

static e2_cpu this_cpu(void) { return (e2_cpu){{0}}; }

#endif

e2_level e2_cpu_level(void) {
    e2_cpu cpu = this_cpu();
    return e2_cpu_level_of(&cpu);
}
