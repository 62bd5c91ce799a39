/* Which level runs: CPUID and XCR0 in every combination that matters, E2STR_CPU, and the order of kernels.def. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "e2str.h"
#include "kernels.h"

#define BIT(n) (UINT32_C(1) << (n))

/* What a CPU with everything shows. */
static const e2_cpuid full = {.leaf1_ecx = BIT(12) | BIT(27) | BIT(28),
                              .leaf7_ebx = BIT(5) | BIT(16) | BIT(17) | BIT(30) | BIT(31),
                              .leaf7_ecx = BIT(11),
                              .leaf7_1_eax = BIT(5),
                              .xcr0 = 0xe7};

/* Levels are taken from the lowest: `count` of them, ref included. */
static void assert_levels(e2_cpuid cpu, unsigned count) {
    e2_level_set expected = 0;
    for (unsigned level = 0; level < count; level++) expected |= BIT(E2_LEVEL_REF + level);
    assert_int_equal(e2_cpuid_levels(&cpu), expected);
}

static void each_bit_of_cpuid_counts(void **unused) {
    (void)unused;
    assert_levels(full, 5);
    e2_cpuid everything = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX};
    assert_levels(everything, 5);
    assert_levels((e2_cpuid){0}, 1);
    static const struct {
        e2_cpuid without; /* these bits are taken away */
        unsigned levels;
    } cases[] = {
        {{.leaf1_ecx = BIT(12)}, 1},  /* FMA */
        {{.leaf1_ecx = BIT(27)}, 1},  /* OSXSAVE */
        {{.leaf1_ecx = BIT(28)}, 1},  /* AVX */
        {{.leaf7_ebx = BIT(5)}, 1},   /* AVX2 */
        {{.xcr0 = BIT(1)}, 1},        /* the system does not save SSE */
        {{.xcr0 = BIT(2)}, 1},        /* ... AVX */
        {{.xcr0 = UINT64_MAX}, 1},    /* ... anything */
        {{.leaf7_ebx = BIT(16)}, 2},  /* AVX512F */
        {{.leaf7_ebx = BIT(17)}, 2},  /* AVX512DQ */
        {{.leaf7_ebx = BIT(30)}, 2},  /* AVX512BW */
        {{.leaf7_ebx = BIT(31)}, 2},  /* AVX512VL */
        {{.xcr0 = BIT(5)}, 2},        /* opmask */
        {{.xcr0 = BIT(6)}, 2},        /* ZMM_Hi256 */
        {{.xcr0 = BIT(7)}, 2},        /* Hi16_ZMM */
        {{.leaf7_ecx = BIT(11)}, 3},  /* AVX512_VNNI, with BF16: a level has all of those below */
        {{.leaf7_1_eax = BIT(5)}, 4}, /* AVX512_BF16 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        e2_cpuid cpu = full;
        cpu.leaf1_ecx &= ~cases[i].without.leaf1_ecx;
        cpu.leaf7_ebx &= ~cases[i].without.leaf7_ebx;
        cpu.leaf7_ecx &= ~cases[i].without.leaf7_ecx;
        cpu.leaf7_1_eax &= ~cases[i].without.leaf7_1_eax;
        cpu.xcr0 &= ~cases[i].without.xcr0;
        assert_levels(cpu, cases[i].levels);
    }
}

static void ref_is_always_there(void **unused) {
    (void)unused;
    assert_true(e2_cpu_levels() & BIT(E2_LEVEL_REF));
    assert_non_null(e2_kernels_at(E2_LEVEL_REF));
    assert_string_equal(e2_kernels_at(E2_LEVEL_REF)->name, "ref");
    assert_null(e2_kernels_at(E2_LEVELS));
    assert_null(e2_kernels_at((e2_level)-1));
}

/* No level is offered that the CPU lacks or that has no kernel, and each one that is has all operations. */
static void every_level_is_complete(void **unused) {
    (void)unused;
    unsigned lines[E2_LEVELS] = {0};
#define E2_KERNEL(operation, level, symbol, tolerance) lines[e2_level_##level]++;
#include "kernels.def"
#undef E2_KERNEL
    for (unsigned level = 0; level < E2_LEVELS; level++) {
        const e2_kernels *k = e2_kernels_at((e2_level)level);
        assert_int_equal(k != NULL, (e2_cpu_levels() >> level & 1u) && lines[level] > 0);
        if (!k) continue;
        assert_true(k->layer_norm && k->softmax && k->gelu && k->quick_gelu && k->relu && k->similarity);
        assert_true(k->attention && k->attend && k->prepare_bf16 && k->prepare_q8);
        assert_true(k->gemm_f32 && k->gemm_bf16 && k->gemm_q8);
    }
}

/* What dispatch.c relies on, and its result: a table has the lines of its own level. */
static void levels_ascend_in_the_list(void **unused) {
    (void)unused;
    unsigned last = E2_LEVEL_REF;
#define E2_KERNEL(operation, level, symbol, tolerance)                                                                 \
    assert_true(e2_level_##level >= last);                                                                             \
    last = e2_level_##level;                                                                                           \
    if (e2_kernels_at((e2_level)e2_level_##level))                                                                     \
        assert_true(e2_kernels_at((e2_level)e2_level_##level)->operation == symbol);
#include "kernels.def"
#undef E2_KERNEL
}

static unsigned level_of(const e2_kernels *k) {
    for (unsigned level = 0; level < E2_LEVELS; level++)
        if (e2_kernels_at((e2_level)level) == k) return level;
    fail_msg("%s is not a level of this machine", k->name);
    return E2_LEVELS;
}

static const e2_kernels *best_with(const char *value) {
    if (value)
        assert_int_equal(setenv("E2STR_CPU", value, 1), 0);
    else
        assert_int_equal(unsetenv("E2STR_CPU"), 0);
    return e2_kernels_best();
}

static void the_best_level_is_chosen(void **unused) {
    (void)unused;
    const e2_kernels *best = best_with(NULL);
    assert_non_null(best);
    for (unsigned level = level_of(best) + 1; level < E2_LEVELS; level++) assert_null(e2_kernels_at((e2_level)level));
    assert_string_equal(e2str_cpu_name(), best->name);
    assert_ptr_equal(best_with(""), best);
}

/* Every name in the list is accepted: names ascend, so does what they allow, and one that can run is chosen itself. */
static void each_known_name_caps_the_level(void **unused) {
    (void)unused;
    char names[256];
    assert_true(strlen(e2_kernels_names()) < sizeof names);
    strcpy(names, e2_kernels_names());
    unsigned last = 0, seen = 0;
    const e2_kernels *best = NULL;
    for (char *rest = NULL, *name = strtok_r(names, ", ", &rest); name; name = strtok_r(NULL, ", ", &rest), seen++) {
        best = best_with(name);
        assert_non_null(best);
        assert_true(level_of(best) >= last);
        last = level_of(best);
        assert_string_equal(e2str_cpu_name(), best->name);
        for (unsigned level = 0; level < E2_LEVELS; level++) {
            const e2_kernels *k = e2_kernels_at((e2_level)level);
            if (k && strcmp(k->name, name) == 0) assert_ptr_equal(best, k);
        }
        if (seen == 0) assert_string_equal(best->name, "ref");
    }
    assert_true(seen >= 1);
    assert_ptr_equal(best, best_with(NULL)); /* the last name allows everything */
}

static void every_level_has_a_known_name(void **unused) {
    (void)unused;
    for (unsigned level = 0; level < E2_LEVELS; level++) {
        const e2_kernels *k = e2_kernels_at((e2_level)level);
        if (k) assert_ptr_equal(best_with(k->name), k);
    }
}

static void unknown_names_are_refused(void **unused) {
    (void)unused;
#if defined(__x86_64__)
    static const char *const elsewhere = "neon";
#else
    static const char *const elsewhere = "avx2";
#endif
    const char *const names[] = {"avx", "REF", "ref ", " ref", "ref,", "avx5120", "best", "0", "unknown", elsewhere};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_null(best_with(names[i]));
        assert_string_equal(e2str_cpu_name(), "unknown");
    }
    assert_non_null(best_with(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bit_of_cpuid_counts),     cmocka_unit_test(ref_is_always_there),
        cmocka_unit_test(every_level_is_complete),      cmocka_unit_test(levels_ascend_in_the_list),
        cmocka_unit_test(the_best_level_is_chosen),     cmocka_unit_test(each_known_name_caps_the_level),
        cmocka_unit_test(every_level_has_a_known_name), cmocka_unit_test(unknown_names_are_refused),
    };
    return cmocka_run_group_tests_name("dispatch", tests, NULL, NULL);
}
