/* SPDX-License-Identifier: MIT */
/* Which kernels run: the bits that a CPU must show for a level, names of levels, and the order of kernels.def. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cpu.h"
#include "kernels.h"

#define BIT(n) (UINT64_C(1) << (n))

/* Each bit that counts, and the level that is not there without it, with all below. */
static const struct {
    e2_level level;
    e2_cpu_word word;
    uint64_t bit;
} bits[] = {
#if defined(__x86_64__)
    {e2_level_avx2, E2_LEAF1_ECX, BIT(12)},         /* FMA */
    {e2_level_avx2, E2_LEAF1_ECX, BIT(27)},         /* OSXSAVE */
    {e2_level_avx2, E2_LEAF1_ECX, BIT(28)},         /* AVX */
    {e2_level_avx2, E2_LEAF7_EBX, BIT(5)},          /* AVX2 */
    {e2_level_avx2, E2_XCR0, BIT(1)},               /* the system saves SSE */
    {e2_level_avx2, E2_XCR0, BIT(2)},               /* ... AVX */
    {e2_level_avx512, E2_LEAF7_EBX, BIT(16)},       /* AVX512F */
    {e2_level_avx512, E2_LEAF7_EBX, BIT(17)},       /* AVX512DQ */
    {e2_level_avx512, E2_LEAF7_EBX, BIT(30)},       /* AVX512BW */
    {e2_level_avx512, E2_LEAF7_EBX, BIT(31)},       /* AVX512VL */
    {e2_level_avx512, E2_XCR0, BIT(5)},             /* opmask */
    {e2_level_avx512, E2_XCR0, BIT(6)},             /* ZMM_Hi256 */
    {e2_level_avx512, E2_XCR0, BIT(7)},             /* Hi16_ZMM */
    {e2_level_avx512_vnni, E2_LEAF7_ECX, BIT(11)},  /* AVX512_VNNI */
    {e2_level_avx512_bf16, E2_LEAF7_1_EAX, BIT(5)}, /* AVX512_BF16 */
#elif defined(__aarch64__)
    {e2_level_neon, E2_HWCAP, BIT(1)},        /* ASIMD */
    {e2_level_neon_dot, E2_HWCAP, BIT(20)},   /* ASIMDDP */
    {e2_level_neon_i8mm, E2_HWCAP2, BIT(13)}, /* I8MM */
    {e2_level_neon_bf16, E2_HWCAP2, BIT(14)}, /* BF16 */
#endif
    {E2_LEVELS, E2_CPU_WORDS, 0} /* the end */
};

static void each_bit_counts(void **unused) {
    (void)unused;
    e2_cpu all, enough = {{0}}, nothing = {{0}};
    memset(&all, 0xff, sizeof all);
    for (size_t i = 0; bits[i].bit; i++) enough.word[bits[i].word] |= bits[i].bit;
    assert_int_equal(e2_cpu_level_of(&all), E2_LEVELS - 1);
    assert_int_equal(e2_cpu_level_of(&enough), E2_LEVELS - 1);
    assert_int_equal(e2_cpu_level_of(&nothing), e2_level_ref);
    for (size_t i = 0; bits[i].bit; i++) {
        e2_cpu cpu = all;
        cpu.word[bits[i].word] &= ~bits[i].bit;
        assert_int_equal(e2_cpu_level_of(&cpu), bits[i].level - 1);
    }
}

/* A table has the lines of its own level, which dispatch.c takes for granted, and every operation. */
static void lines_ascend_and_are_complete(void **unused) {
    (void)unused;
    e2_level last = e2_level_ref;
    e2_kernels k;
    size_t operations = 0;
#define E2_KERNEL(operation, level, symbol, tolerance)                                                                 \
    assert_true(e2_level_##level >= last);                                                                             \
    last = e2_level_##level;                                                                                           \
    operations += last == e2_level_ref;                                                                                \
    e2_kernels_at(last, &k);                                                                                           \
    assert_true(k.operation == symbol);
#include "kernels.def"
    assert_int_equal(sizeof k, offsetof(e2_kernels, layer_norm) + operations * sizeof(void (*)(void))); /* all of ref */
}

/* Lines ascend, ref has one, and a level without a line has that of the one below. */
static void each_level_has_a_fastest_type(void **unused) {
    (void)unused;
    e2_level last = e2_level_ref;
    e2_kernels k;
    size_t lines = 0;
#define E2_FASTEST(level, type)                                                                                        \
    assert_true(e2_level_##level >= last);                                                                             \
    last = e2_level_##level;                                                                                           \
    lines += last == e2_level_ref;                                                                                     \
    e2_kernels_at(last, &k);                                                                                           \
    assert_int_equal(k.fastest, type);
#include "kernels.def"
    assert_int_equal(lines, 1);
    e2_kernels_at(E2_LEVELS - 1, &k);
    e2_weight_type top = k.fastest;
    e2_kernels_at(last, &k);
    assert_int_equal(k.fastest, top);
}

static void the_best_level_is_chosen(void **unused) {
    (void)unused;
    e2_kernels best, at;
    assert_true(e2_kernels_best("", &best));
    e2_kernels_at(e2_cpu_level(), &at);
    assert_memory_equal(&best, &at, sizeof best);
#if defined(__x86_64__) /* the compiler's own detection */
    bool fma = __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2");
    assert_int_equal(e2_cpu_level() >= e2_level_avx2, fma);
    assert_int_equal(e2_cpu_level() >= e2_level_avx512_vnni, fma && __builtin_cpu_supports("avx512vnni"));
#endif
}

/* Each level has a name, which caps the level, and the list has nothing else. */
static void each_known_name_caps_the_level(void **unused) {
    (void)unused;
    const char *names = e2_kernels_names();
    e2_kernels best, at;
#define E2_LEVEL(level, ...)                                                                                           \
    assert_int_equal(strncmp(names, #level, strlen(#level)), 0);                                                       \
    names += strlen(#level);                                                                                           \
    names += 2 * (strncmp(names, ", ", 2) == 0);                                                                       \
    assert_true(e2_kernels_best(#level, &best));                                                                       \
    e2_kernels_at(e2_cpu_level() < e2_level_##level ? e2_cpu_level() : e2_level_##level, &at);                         \
    assert_memory_equal(&best, &at, sizeof best);                                                                      \
    if (e2_cpu_level() >= e2_level_##level) assert_string_equal(best.name, #level);
#include "kernels.def"
    assert_string_equal(names, "");
}

static void unknown_names_are_refused(void **unused) {
    (void)unused;
#if defined(__x86_64__)
    static const char *const elsewhere = "neon";
#else
    static const char *const elsewhere = "avx2";
#endif
    const char *const names[] = {"avx", "REF", "ref ", " ref", "ref,", "avx5120", "best", "0", "unknown", elsewhere};
    e2_kernels kernels;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert_false(e2_kernels_best(names[i], &kernels));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bit_counts),           cmocka_unit_test(lines_ascend_and_are_complete),
        cmocka_unit_test(the_best_level_is_chosen),  cmocka_unit_test(each_known_name_caps_the_level),
        cmocka_unit_test(unknown_names_are_refused), cmocka_unit_test(each_level_has_a_fastest_type),
    };
    return cmocka_run_group_tests_name("dispatch", tests, NULL, NULL);
}
