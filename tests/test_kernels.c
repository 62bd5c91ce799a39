/*
 * Every line of kernels.def against double precision: random sizes with odd tails, poisoned output, guard floats before
 * and behind it, the tolerance that the list gives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#define GUARD 16
#define POISON -7.25e30f

static uint64_t state;

static uint32_t random_below(uint32_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % n;
}

static float random_float(float scale) { return scale * ((float)random_below(2000001) / 1000000.0f - 1.0f); }

/* n random floats with guards around them; n may be 0. */
static float *buffer_new(size_t n, float scale) {
    float *buffer = malloc((n + 2 * GUARD) * sizeof *buffer);
    assert_non_null(buffer);
    for (size_t i = 0; i < n + 2 * GUARD; i++) buffer[i] = POISON;
    for (size_t i = 0; scale > 0 && i < n; i++) buffer[GUARD + i] = random_float(scale);
    return buffer + GUARD;
}

static void buffer_free(float *buffer, size_t n) {
    for (size_t i = 0; i < GUARD; i++) assert_true(buffer[(ptrdiff_t)i - GUARD] == POISON && buffer[n + i] == POISON);
    free(buffer - GUARD);
}

static void assert_close(const float *actual, const double *expected, size_t n, double magnitude, double tolerance) {
    for (size_t i = 0; i < n; i++) magnitude = fmax(magnitude, fabs(expected[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs(actual[i] - expected[i]) <= tolerance * magnitude))
            fail_msg("value %zu of %zu: %.9g, expected %.9g", i, n, (double)actual[i], expected[i]);
}

static void check_layer_norm(e2_layer_norm_fn *layer_norm, double tolerance) {
    for (int round = 0; round < 60; round++) {
        size_t rows = random_below(4), width = 1 + random_below(round % 2 ? 40 : 800), n = rows * width;
        float *x = buffer_new(n, 3.0f), *y = buffer_new(n, 0.0f);
        float *weight = buffer_new(width, 2.0f), *bias = buffer_new(width, 1.0f);
        for (size_t i = 0; i < n; i++) x[i] += 0.5f;
        double *expected = malloc((n + 1) * sizeof *expected);
        for (size_t r = 0; r < rows; r++) {
            double mean = 0.0, variance = 0.0;
            for (size_t i = 0; i < width; i++) mean += x[r * width + i];
            mean /= (double)width;
            for (size_t i = 0; i < width; i++) variance += (x[r * width + i] - mean) * (x[r * width + i] - mean);
            double scale = 1.0 / sqrt(variance / (double)width + 1e-5f);
            for (size_t i = 0; i < width; i++)
                expected[r * width + i] = (x[r * width + i] - mean) * scale * weight[i] + bias[i];
        }
        layer_norm(x, rows, width, weight, bias, 1e-5f, y);
        assert_close(y, expected, n, 1.0, tolerance);
        layer_norm(x, rows, width, weight, bias, 1e-5f, x); /* in place */
        assert_memory_equal(x, y, n * sizeof *x);
        free(expected);
        buffer_free(x, n);
        buffer_free(y, n);
        buffer_free(weight, width);
        buffer_free(bias, width);
    }
}

static void softmax_double(const float *x, size_t n, double scale, double *out) {
    double largest = -INFINITY, sum = 0.0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, scale * x[i]);
    for (size_t i = 0; i < n; i++) sum += out[i] = exp(scale * x[i] - largest);
    for (size_t i = 0; i < n; i++) out[i] /= sum;
}

static void check_softmax(e2_softmax_fn *softmax, double tolerance) {
    for (int round = 0; round < 60; round++) {
        size_t rows = random_below(4), columns = 1 + random_below(round % 2 ? 20 : 400), stride = columns + random_below(3);
        size_t n = rows ? (rows - 1) * stride + columns : 0;
        float *x = buffer_new(n, round % 3 ? 8.0f : 100.0f);
        double *expected = malloc((n + 1) * sizeof *expected);
        for (size_t i = 0; i < n; i++) expected[i] = x[i]; /* what lies between the rows stays */
        for (size_t r = 0; r < rows; r++) softmax_double(x + r * stride, columns, 1.0, expected + r * stride);
        softmax(x, rows, columns, stride);
        for (size_t r = 0; r < rows; r++) assert_close(x + r * stride, expected + r * stride, columns, 0.0, tolerance);
        for (size_t i = 0; i < n; i++)
            if (i % stride >= columns) assert_true(x[i] == (float)expected[i]);
        free(expected);
        buffer_free(x, n);
    }
    float forbidden[3] = {-INFINITY, 1.0f, 1.0f};
    softmax(forbidden, 1, 3, 3);
    assert_true(forbidden[0] < 1e-30f && fabsf(forbidden[1] - 0.5f) < 1e-6f);
}

static double gelu_double(double x) { return 0.5 * x * (1.0 + erf(x / sqrt(2.0))); }
static double quick_gelu_double(double x) { return x / (1.0 + exp(-1.702 * x)); }
static double relu_double(double x) { return x > 0.0 ? x : 0.0; }

static void check_activation(e2_activation_fn *activation, double tolerance, double (*reference)(double)) {
    static const float scales[] = {0.01f, 1.0f, 6.0f, 40.0f};
    for (int round = 0; round < 80; round++) {
        size_t n = random_below(700);
        float *x = buffer_new(n, scales[round % 4]);
        double *expected = malloc((n + 1) * sizeof *expected);
        for (size_t i = 0; i < n; i++) expected[i] = reference(x[i]);
        activation(x, n);
        assert_close(x, expected, n, 0.0, tolerance);
        free(expected);
        buffer_free(x, n);
    }
}

static void check_gelu(e2_activation_fn *f, double tolerance) { check_activation(f, tolerance, gelu_double); }
static void check_quick_gelu(e2_activation_fn *f, double tolerance) { check_activation(f, tolerance, quick_gelu_double); }
static void check_relu(e2_activation_fn *f, double tolerance) { check_activation(f, tolerance, relu_double); }

static void check_dot(e2_dot_fn *dot, double tolerance) {
    for (int round = 0; round < 200; round++) {
        size_t n = random_below(round % 2 ? 40 : 800);
        float *a = buffer_new(n, 2.0f), *b = buffer_new(n, 2.0f);
        double sum = 0.0, magnitude = 0.0;
        for (size_t i = 0; i < n; i++) {
            sum += (double)a[i] * b[i];
            magnitude += fabs((double)a[i] * b[i]);
        }
        float actual = dot(a, b, n);
        assert_close(&actual, &sum, 1, magnitude, tolerance);
        buffer_free(a, n);
        buffer_free(b, n);
    }
}

static void check_attend(e2_attend_fn *attend, double tolerance) {
    for (int round = 0; round < 60; round++) {
        size_t heads = 1 + random_below(4), head_size = 1 + random_below(70), width = heads * head_size;
        size_t stride = width + random_below(5), n_slots = 1 + random_below(60), n = 1 + random_below((uint32_t)n_slots);
        float *query = buffer_new(width, 1.0f), *out = buffer_new(width, 0.0f), *scores = buffer_new(n, 0.0f);
        float *keys = buffer_new(n_slots * stride, 1.0f), *values = buffer_new(n_slots * stride, 1.0f);
        uint32_t *slots = malloc(n * sizeof *slots);
        for (size_t i = 0; i < n; i++) slots[i] = random_below((uint32_t)n_slots);
        double expected[4 * 70] = {0}, weights[60];
        for (size_t h = 0; h < heads; h++) {
            float products[60];
            for (size_t j = 0; j < n; j++) {
                double sum = 0.0;
                for (size_t i = h * head_size; i < (h + 1) * head_size; i++)
                    sum += (double)query[i] * keys[slots[j] * stride + i];
                products[j] = (float)sum;
            }
            softmax_double(products, n, 0.3f, weights);
            for (size_t j = 0; j < n; j++)
                for (size_t i = h * head_size; i < (h + 1) * head_size; i++)
                    expected[i] += weights[j] * values[slots[j] * stride + i];
        }
        attend(query, keys, values, stride, slots, n, heads, head_size, 0.3f, scores, out);
        assert_close(out, expected, width, 1.0, tolerance);
        free(slots);
        buffer_free(query, width);
        buffer_free(out, width);
        buffer_free(scores, n);
        buffer_free(keys, n_slots * stride);
        buffer_free(values, n_slots * stride);
    }
}

#define E2_KERNEL(operation, level, symbol, tolerance) \
    static void test_##symbol(void **unused) {         \
        (void)unused;                                  \
        state = 1;                                     \
        check_##operation(symbol, tolerance);          \
    }
#include "kernels.def"
#undef E2_KERNEL

static void a_level_is_complete(void **unused) {
    (void)unused;
    const e2_kernels *k = e2_kernels_best();
    assert_true(k->name && k->layer_norm && k->softmax && k->gelu && k->quick_gelu && k->relu && k->dot && k->attend);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define E2_KERNEL(operation, level, symbol, tolerance) cmocka_unit_test(test_##symbol),
#include "kernels.def"
#undef E2_KERNEL
        cmocka_unit_test(a_level_is_complete)};
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
