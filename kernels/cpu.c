#include "cpu.h"

#include <stdbool.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

static bool has(uint64_t word, uint64_t bits) { return (word & bits) == bits; }
static uint32_t bit(unsigned n) { return UINT32_C(1) << n; }

/* Names after a shift are those of Intel's manual, volume 2, CPUID, and volume 1, 13.3 (XCR0). */
e2_level_set e2_cpuid_levels(const e2_cpuid *cpu) {
    const uint64_t ymm_state = bit(1) | bit(2);                      /* SSE, AVX */
    const uint64_t zmm_state = ymm_state | bit(5) | bit(6) | bit(7); /* opmask, ZMM_Hi256, Hi16_ZMM */
    const uint32_t avx = bit(12) | bit(27) | bit(28);                /* FMA, OSXSAVE, AVX */
    const uint32_t avx512 = bit(16) | bit(17) | bit(30) | bit(31);   /* F, DQ, BW, VL */
    const uint32_t avx2 = bit(5), vnni = bit(11), bf16 = bit(5);

    e2_level_set levels = 1u << E2_LEVEL_REF;
    if (!has(cpu->leaf1_ecx, avx) || !has(cpu->leaf7_ebx, avx2) || !has(cpu->xcr0, ymm_state)) return levels;
    levels |= 1u << E2_LEVEL_AVX2;
    if (!has(cpu->leaf7_ebx, avx512) || !has(cpu->xcr0, zmm_state)) return levels;
    levels |= 1u << E2_LEVEL_AVX512;
    if (!has(cpu->leaf7_ecx, vnni)) return levels;
    levels |= 1u << E2_LEVEL_AVX512_VNNI;
    if (!has(cpu->leaf7_1_eax, bf16)) return levels;
    return levels | 1u << E2_LEVEL_AVX512_BF16;
}

#if defined(__x86_64__)

/* Only where CPUID shows OSXSAVE. */
static uint64_t read_xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

e2_level_set e2_cpu_levels(void) {
    e2_cpuid cpu = {0};
    unsigned eax, ebx, ecx, edx; /* __get_cpuid_count is false for a leaf above the CPU's last one */
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) cpu.leaf1_ecx = ecx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
        unsigned last_subleaf = eax;
        cpu.leaf7_ebx = ebx;
        cpu.leaf7_ecx = ecx;
        if (last_subleaf >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx)) cpu.leaf7_1_eax = eax;
    }
    if (cpu.leaf1_ecx & bit(27)) cpu.xcr0 = read_xcr0();
    return e2_cpuid_levels(&cpu);
}

#elif defined(__aarch64__) && defined(__linux__)

e2_level_set e2_cpu_levels(void) {
    unsigned long features = getauxval(AT_HWCAP);
    e2_level_set levels = 1u << E2_LEVEL_REF;
    if (!has(features, HWCAP_ASIMD)) return levels;
    levels |= 1u << E2_LEVEL_NEON;
    if (!has(features, HWCAP_ASIMDDP)) return levels;
    return levels | 1u << E2_LEVEL_NEON_DOT;
}

#else

e2_level_set e2_cpu_levels(void) { return 1u << E2_LEVEL_REF; }

#endif
