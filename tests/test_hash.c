/* SPDX-License-Identifier: MIT */
/* XXH64 against published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hash.h"

static uint64_t hash_of(const void *data, size_t size) {
    e2_hash hash;
    e2_hash_begin(&hash);
    e2_hash_add(&hash, data, size);
    return e2_hash_end(&hash);
}

/* The test buffer of xxHash's own self-test (cli/xsum_sanity_check.c). */
static void fill(uint8_t *buffer, size_t size) {
    uint64_t state = 2654435761u;
    for (size_t i = 0; i < size; i++, state *= 11400714785074694797u) buffer[i] = (uint8_t)(state >> 56);
}

/* Sizes 0, 1, 4, 14 and 222 are published there; the others come from libxxhash 0.8.1 and stand around the sizes of a
 * stripe. */
static const struct {
    size_t size;
    uint64_t hash;
} vectors[] = {
    {0, 0xEF46DB3751D8E999u},   {1, 0xE934A84ADB052768u},    {4, 0x9136A0DCA57457EEu},  {14, 0x8282DCC4994E35C8u},
    {31, 0x299B39A290E6D783u},  {32, 0x18B216492BB44B70u},   {33, 0x55C8DC3E578F5B59u}, {64, 0xEF558F8ACAC2B5CDu},
    {222, 0xB641AE8CB691C174u}, {1000, 0x52BD1358F22E9EF7u},
};
#define VECTORS (sizeof vectors / sizeof *vectors)

static void test_published_vectors(void **state) {
    (void)state;
    uint8_t buffer[1000];
    fill(buffer, sizeof buffer);
    for (size_t i = 0; i < VECTORS; i++) assert_true(hash_of(buffer, vectors[i].size) == vectors[i].hash);
    const char *text = "Nobody inspects the spammish repetition";
    assert_true(hash_of(text, strlen(text)) == 0xFBCEA83C8A378BF1u);
    assert_true(hash_of(NULL, 0) == vectors[0].hash);
}

/* The same in pieces of every size, from every alignment. */
static void test_pieces(void **state) {
    (void)state;
    uint8_t buffer[1000 + 8];
    for (size_t shift = 0; shift < 8; shift++) {
        fill(buffer + shift, 1000);
        for (size_t piece = 1; piece <= 100; piece++) {
            for (size_t i = 0; i < VECTORS; i++) {
                e2_hash hash;
                e2_hash_begin(&hash);
                for (size_t at = 0; at < vectors[i].size; at += piece) {
                    size_t left = vectors[i].size - at;
                    e2_hash_add(&hash, buffer + shift + at, left < piece ? left : piece);
                }
                assert_true(e2_hash_end(&hash) == vectors[i].hash);
            }
        }
    }
}

/* e2_hash_end only looks: adding may go on afterwards. */
static void test_end_does_not_end(void **state) {
    (void)state;
    uint8_t buffer[222];
    fill(buffer, sizeof buffer);
    e2_hash hash;
    e2_hash_begin(&hash);
    e2_hash_add(&hash, buffer, 33);
    assert_true(e2_hash_end(&hash) == 0x55C8DC3E578F5B59u);
    e2_hash_add(&hash, buffer + 33, sizeof buffer - 33);
    assert_true(e2_hash_end(&hash) == 0xB641AE8CB691C174u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_end_does_not_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
