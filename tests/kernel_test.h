/*
 * What the tests of kernels share: random numbers, buffers that catch every access out of bounds, tolerances.
 * To be included first: it needs more than POSIX from <sys/mman.h>.
 */
#ifndef E2_KERNEL_TEST_H
#define E2_KERNEL_TEST_H

#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu.h"
#include "kernels.h"

/* ---- random numbers ---- */

static uint64_t random_state = 1;

static inline uint32_t random_below(uint32_t n) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % n;
}

static inline float random_float(float scale) { return scale * ((float)random_below(2000001) / 1000000.0f - 1.0f); }

/* ---- buffers ---- */

#define GUARD 64                          /* bytes before a buffer that must stay as they are */
static const unsigned char poison = 0xff; /* four of them are a NaN */

static inline size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

/* `bytes` poisoned bytes that end where the page behind cannot be touched: one byte too far, read or written, is a
 * SIGSEGV. Aligned as `bytes` allows: a multiple of 64 bytes to 64. */
static inline void *block_new(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = round_up(bytes + GUARD, page);
    char *map = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + whole, page, PROT_NONE), 0);
    memset(map, poison, whole);
    return map + whole - bytes;
}

static inline void block_free(void *block, size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = round_up(bytes + GUARD, page);
    const unsigned char *before = (unsigned char *)block - GUARD;
    for (size_t i = 0; i < GUARD; i++) assert_int_equal(before[i], poison);
    assert_int_equal(munmap((char *)block + bytes - whole, whole + page), 0);
}

/* n floats: random, or poisoned where scale is 0. */
static inline float *buffer_new(size_t n, float scale) {
    float *buffer = block_new(n * sizeof *buffer);
    for (size_t i = 0; scale > 0 && i < n; i++) buffer[i] = random_float(scale);
    return buffer;
}

static inline void buffer_free(float *buffer, size_t n) { block_free(buffer, n * sizeof *buffer); }

/* n doubles; free() them. */
static inline double *doubles_new(size_t n) {
    double *doubles = calloc(n + 1, sizeof *doubles);
    assert_non_null(doubles);
    return doubles;
}

/* ---- comparing ---- */

/* Error against the largest magnitude, which is `magnitude` or that of the expected values. */
static inline void assert_close(const float *actual, const double *expected, size_t n, double magnitude,
                                double tolerance) {
    for (size_t i = 0; i < n; i++) magnitude = fmax(magnitude, fabs(expected[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs(actual[i] - expected[i]) <= tolerance * magnitude))
            fail_msg("value %zu of %zu: %.9g, expected %.9g, off by %.2g of %.2g", i, n, (double)actual[i], expected[i],
                     fabs(actual[i] - expected[i]) / magnitude, tolerance);
}

static inline double gelu_double(double x) { return 0.5 * x * (1.0 + erf(x / sqrt(2.0))); }
static inline double quick_gelu_double(double x) { return x / (1.0 + exp(-1.702 * x)); }
static inline double relu_double(double x) { return x > 0.0 ? x : 0.0; }

#endif
