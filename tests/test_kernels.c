/* SPDX-License-Identifier: MIT */
/*
 * Every line of kernels.def but the products (test_gemm.c) against double precision: random sizes with odd tails, in
 * poisoned memory that ends at a forbidden page, within the tolerance of the list. A line that this CPU lacks is
 * skipped.
 */
#include "kernel_test.h"

/* ---- layer norm ---- */

static void layer_norm_double(const float *x, size_t width, const float *weight, const float *bias, double *out) {
    double mean = 0.0, variance = 0.0;
    for (size_t i = 0; i < width; i++) mean += x[i];
    mean /= (double)width;
    for (size_t i = 0; i < width; i++) variance += (x[i] - mean) * (x[i] - mean);
    double scale = 1.0 / sqrt(variance / (double)width + 1e-5f);
    for (size_t i = 0; i < width; i++) out[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

static void check_layer_norm(e2_layer_norm_fn *layer_norm, double tolerance) {
    for (int round = 0; round < 120; round++) {
        size_t rows = random_below(6), width = 1 + random_below(round % 2 ? 70 : 1100), n = rows * width;
        float *x = buffer_new(n, 3.0f), *y = buffer_new(n, 0.0f), *one = buffer_new(width, 0.0f);
        float *weight = buffer_new(width, 2.0f), *bias = buffer_new(width, 1.0f);
        double *expected = doubles_new(n);
        for (size_t i = 0; i < n; i++) x[i] += 0.5f;
        for (size_t r = 0; r < rows; r++) layer_norm_double(x + r * width, width, weight, bias, expected + r * width);
        layer_norm(x, rows, width, weight, bias, 1e-5f, y);
        assert_close(y, expected, n, 1.0, tolerance);
        for (size_t r = 0; r < rows; r++) { /* a row alone is the same row */
            layer_norm(x + r * width, 1, width, weight, bias, 1e-5f, one);
            assert_memory_equal(one, y + r * width, width * sizeof *one);
        }
        layer_norm(x, rows, width, weight, bias, 1e-5f, x); /* in place */
        assert_memory_equal(x, y, n * sizeof *x);
        free(expected);
        buffer_free(x, n);
        buffer_free(y, n);
        buffer_free(one, width);
        buffer_free(weight, width);
        buffer_free(bias, width);
    }
}

/* ---- softmax ---- */

static void softmax_double(const double *x, size_t n, double *out) {
    double largest = -INFINITY, sum = 0.0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, x[i]);
    for (size_t i = 0; i < n; i++) sum += out[i] = exp(x[i] - largest);
    for (size_t i = 0; i < n; i++) out[i] /= sum;
}

/* Every third round some values are -inf, but never all. */
static void check_softmax(e2_softmax_fn *softmax, double tolerance) {
    static const float scales[] = {8.0f, 100.0f, 3.0f};
    for (int round = 0; round < 150; round++) {
        size_t rows = random_below(5), columns = random_below(round % 2 ? 40 : 500), stride = columns + random_below(3);
        size_t n = rows ? (rows - 1) * stride + columns : 0;
        float *x = buffer_new(n, scales[round % 3]), *before = buffer_new(n, 0.0f);
        double *input = doubles_new(n), *expected = doubles_new(n);
        for (size_t i = 0; i < n && round % 3 == 2; i++)
            if (i % stride && random_below(3) == 0) x[i] = -INFINITY;
        memcpy(before, x, n * sizeof *x);
        for (size_t i = 0; i < n; i++) input[i] = x[i];
        for (size_t r = 0; r < rows; r++) softmax_double(input + r * stride, columns, expected + r * stride);
        softmax(x, rows, columns, stride);
        for (size_t r = 0; r < rows; r++) assert_close(x + r * stride, expected + r * stride, columns, 0.0, tolerance);
        for (size_t i = 0; i < n; i++)
            if (i % stride >= columns) assert_true(x[i] == before[i]);
        for (size_t r = 0; r < rows; r++) { /* a row alone is the same row */
            softmax(before + r * stride, 1, columns, columns);
            assert_memory_equal(before + r * stride, x + r * stride, columns * sizeof *x);
        }
        free(input);
        free(expected);
        buffer_free(x, n);
        buffer_free(before, n);
    }
    float far[3] = {-3e38f, 3e38f, 3e38f}; /* a difference beyond f32 */
    softmax(far, 1, 3, 3);
    assert_true(far[0] < 1e-30f && fabsf(far[1] - 0.5f) < 1e-6f && far[1] == far[2]);
}

/* ---- activations ---- */

static void check_activation(e2_activation_fn *activation, double tolerance, double (*reference)(double)) {
    static const float scales[] = {0.01f, 1.0f, 6.0f, 40.0f};
    for (int round = 0; round < 120; round++) {
        size_t n = random_below(round % 2 ? 70 : 700);
        float scale = scales[round % 4], *x = buffer_new(n, scale), *one = buffer_new(1, 0.0f);
        double *expected = doubles_new(n);
        size_t chosen = n ? random_below((uint32_t)n) : 0;
        if (n) one[0] = x[chosen];
        for (size_t i = 0; i < n; i++) expected[i] = reference(x[i]);
        activation(x, n);
        assert_close(x, expected, n, scale, tolerance);
        activation(one, n ? 1 : 0); /* the same wherever it stands */
        if (n) assert_memory_equal(one, x + chosen, sizeof *x);
        free(expected);
        buffer_free(x, n);
        buffer_free(one, 1);
    }
}

static void check_gelu(e2_activation_fn *f, double tolerance) { check_activation(f, tolerance, gelu_double); }
static void check_quick_gelu(e2_activation_fn *f, double tolerance) {
    check_activation(f, tolerance, quick_gelu_double);
}
static void check_relu(e2_activation_fn *f, double tolerance) { check_activation(f, tolerance, relu_double); }

/* ---- similarity ---- */

static void check_similarity(e2_similarity_fn *similarity, double tolerance) {
    for (int round = 0; round < 150; round++) {
        size_t n = random_below(20), width = random_below(round % 2 ? 70 : 800);
        float *key = buffer_new(width, 1.0f), *rows = buffer_new(n * width, 1.0f), *out = buffer_new(n, 0.0f);
        similarity(key, rows, n, width, out);
        for (size_t r = 0; r < n; r++) {
            double sum = 0.0, magnitude = 0.0;
            for (size_t i = 0; i < width; i++) {
                sum += (double)key[i] * rows[r * width + i];
                magnitude += fabs((double)key[i] * rows[r * width + i]);
            }
            assert_close(out + r, &sum, 1, magnitude, tolerance);
            float alone;
            similarity(key, rows + r * width, 1, width, &alone);
            assert_memory_equal(&alone, out + r, sizeof alone);
        }
        buffer_free(key, width);
        buffer_free(rows, n * width);
        buffer_free(out, n);
    }
}

/* ---- scan of codes ---- */

/* Codes that use all tables, sums up to the largest; every bit as it is said to be computed. Some factors and offsets
 * are no numbers. */
static void check_scan_codes(e2_scan_codes_fn *scan, double tolerance) {
    assert_true(tolerance == 0);
    for (int round = 0; round < 120; round++) {
        size_t bytes = round == 0 ? E2_CODE_BYTES : random_below(round % 2 ? 6 : 100), n = E2_CODE_BLOCK;
        size_t size = bytes * n + 2 * n * sizeof(float), table_size = 32 * bytes;
        uint8_t *block = block_new(size), *tables = block_new(table_size);
        float *out = buffer_new(n, 0.0f), factors[2 * E2_CODE_BLOCK],
              line[2] = {random_float(0.1f), random_float(9.0f)};
        float least = round % 5 == 4 ? -INFINITY : random_float(2.0f);
        for (size_t i = 0; i < table_size; i++) tables[i] = round ? (uint8_t)random_below(61) : E2_CODE_MOST;
        for (size_t i = 0; i < bytes * n; i++) block[i] = (uint8_t)random_below(256);
        for (size_t i = 0; i < 2 * n; i++) factors[i] = random_below(40) ? random_float(1.0f) : NAN;
        memcpy(block + bytes * n, factors, sizeof factors);
        uint64_t found = scan(block, bytes, tables, line, least, out);
        for (size_t i = 0; i < n; i++) {
            uint32_t sum = 0;
            for (size_t b = 0; b < bytes; b++)
                for (size_t g = 0; g < 2; g++) sum += tables[(2 * b + g) * 16 + (block[b * n + i] >> 4 * g & 15)];
            volatile float expected = line[0] * (float)sum;
            expected = expected + line[1];
            expected = factors[i] * expected;
            expected = expected + factors[n + i];
            assert_true(out[i] == expected || (isnan(out[i]) && isnan(expected)));
            assert_int_equal(found >> i & 1, expected >= least);
        }
        block_free(block, size);
        block_free(tables, table_size);
        buffer_free(out, n);
    }
}

/* ---- attention ---- */

/* One query of one head; key j is row rows[j], or j without rows. Returns the largest score's magnitude: an error in a
 * score is relative to it. */
static double attention_double(const float *query, const float *keys, size_t key_stride, const float *values,
                               size_t value_stride, const uint32_t *rows, size_t n, size_t head_size, float scale,
                               double *out) {
    double *scores = doubles_new(n), largest = 0.0;
    for (size_t j = 0; j < n; j++) {
        const float *key = keys + (rows ? rows[j] : j) * key_stride;
        for (size_t i = 0; i < head_size; i++) scores[j] += (double)query[i] * key[i];
        scores[j] *= scale;
        largest = fmax(largest, fabs(scores[j]));
    }
    softmax_double(scores, n, scores);
    for (size_t i = 0; i < head_size; i++) out[i] = 0.0;
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < head_size; i++) out[i] += scores[j] * values[(rows ? rows[j] : j) * value_stride + i];
    free(scores);
    return largest;
}

static size_t random_head_size(void) {
    static const size_t usual[] = {16, 32, 48, 64, 80, 128, 256};
    return random_below(2) ? usual[random_below(7)] : 1 + random_below(256);
}

/* Floats from the first of `rows` rows to the end of the last one. */
static size_t extent(size_t rows, size_t width, size_t stride) { return rows ? (rows - 1) * stride + width : 0; }

static void check_attention_once(e2_attention_fn *attention, double tolerance, e2_attention_args args) {
    size_t width = args.head_size, n = args.n_queries, scratch = e2_attention_scratch(args.n_keys, width);
    size_t query_size = extent(n, width, args.query_stride), key_size = extent(args.n_keys, width, args.key_stride);
    size_t value_size = extent(args.n_keys, width, args.value_stride), out_size = extent(n, width, args.out_stride);
    float *query = buffer_new(query_size, random_below(3) ? 1.0f : 8.0f), *key = buffer_new(key_size, 1.0f);
    float *value = buffer_new(value_size, 1.0f), *out = buffer_new(out_size, 0.0f), *one = buffer_new(width, 0.0f);
    double *expected = doubles_new(width);
    args.query = query, args.key = key, args.value = value, args.out = out;
    args.scratch = buffer_new(scratch, 0.0f);
    attention(&args);
    for (size_t i = 0; i < n; i++) {
        float *row = out + i * args.out_stride;
        double score = attention_double(query + i * args.query_stride, key, args.key_stride, value, args.value_stride,
                                        NULL, args.n_keys, width, args.scale, expected);
        assert_close(row, expected, width, 1.0, tolerance * fmax(1.0, score));
        for (size_t j = width; j < args.out_stride && i + 1 < n; j++) assert_true(isnan(row[j]));
        e2_attention_args alone = args; /* a query alone gets the same bits */
        alone.query += i * args.query_stride, alone.n_queries = 1, alone.out = one;
        attention(&alone);
        assert_memory_equal(one, row, width * sizeof *one);
    }
    free(expected);
    buffer_free(query, query_size);
    buffer_free(key, key_size);
    buffer_free(value, value_size);
    buffer_free(out, out_size);
    buffer_free(one, width);
    buffer_free(args.scratch, scratch);
}

static void check_attention(e2_attention_fn *attention, double tolerance) {
    for (int round = 0; round < 60; round++) {
        e2_attention_args args = {.n_queries = random_below(round % 2 ? 6 : 80),
                                  .n_keys = 1 + random_below(round % 2 ? 40 : 150),
                                  .head_size = random_head_size()};
        args.query_stride = args.head_size + random_below(5);
        args.key_stride = args.head_size + random_below(5);
        args.value_stride = args.head_size + random_below(5);
        args.out_stride = args.head_size + random_below(5);
        args.scale = 1.0f / sqrtf((float)args.head_size);
        check_attention_once(attention, tolerance, args);
    }
}

static void check_attention_int(e2_attention_fn *attention, double tolerance) { check_attention(attention, tolerance); }

static void check_cached_attention(e2_cached_attention_fn *attention, double tolerance) {
    for (int round = 0; round < 100; round++) {
        size_t heads = 1 + random_below(4), head_size = random_head_size(), width = heads * head_size;
        size_t stride = width + random_below(5), n_rows = 1 + random_below(60), n = 1 + random_below(70);
        size_t cache = extent(n_rows, width, stride), n_slots = n;
        float scale = 1.0f / sqrtf((float)head_size);
        float *query = buffer_new(width, round % 3 ? 1.0f : 8.0f), *out = buffer_new(width, 0.0f);
        float *scores = buffer_new(heads * n, 0.0f), *keys = buffer_new(cache, 1.0f), *values = buffer_new(cache, 1.0f);
        uint32_t *slots = block_new(n * sizeof *slots);
        double *expected = doubles_new(head_size);
        for (size_t i = 0; i < n; i++) slots[i] = random_below((uint32_t)n_rows); /* in any order, some twice */
        if (round % 4 == 0) { /* no slots: the rows in their order */
            n = n < n_rows ? n : n_rows;
            for (size_t i = 0; i < n; i++) slots[i] = (uint32_t)i;
        }
        attention(query, keys, values, stride, round % 4 ? slots : NULL, n, heads, head_size, scale, scores, out);
        for (size_t h = 0; h < heads; h++) {
            size_t at = h * head_size;
            double score = attention_double(query + at, keys + at, stride, values + at, stride, slots, n, head_size,
                                            scale, expected);
            assert_close(out + at, expected, head_size, 1.0, tolerance * fmax(1.0, score));
        }
        free(expected);
        block_free(slots, n_slots * sizeof *slots);
        buffer_free(query, width);
        buffer_free(out, width);
        buffer_free(scores, heads * n_slots);
        buffer_free(keys, cache);
        buffer_free(values, cache);
    }
}

/* ---- activations of a product; what they are worth is seen in test_gemm.c ---- */

/* A row alone is the same row, and what lies behind a row's own values does not matter. */
static void check_prepare(e2_prepare_fn *prepare, e2_weight_type type) {
    for (int round = 0; round < 120; round++) {
        size_t m = random_below(9), k = random_below(round % 2 ? 70 : 700), stride = k + random_below(5);
        size_t bytes = e2_prepared_bytes(type, m, k), size = extent(m, k, stride);
        float *x = buffer_new(size, 3.0f);
        char *whole = block_new(bytes), *rows = block_new(bytes);
        prepare(x, m, k, stride, whole);
        for (size_t r = 0; r < m; r++) prepare(x + r * stride, 1, k, k, rows + e2_prepared_bytes(type, r, k));
        assert_memory_equal(rows, whole, bytes);
        block_free(whole, bytes);
        block_free(rows, bytes);
        buffer_free(x, size);
    }
}

static void check_prepare_bf16(e2_prepare_fn *f, double tolerance) {
    (void)tolerance;
    check_prepare(f, E2_WEIGHT_BF16);
}
static void check_prepare_q8(e2_prepare_fn *f, double tolerance) {
    (void)tolerance;
    check_prepare(f, E2_WEIGHT_Q8);
}

/* ---- one test for each line ---- */

#define E2_GEMM(type, level, symbol, tolerance) /* test_gemm.c */
#define E2_KERNEL(operation, level, symbol, tolerance)                                                                 \
    static void test_##symbol(void **unused) {                                                                         \
        (void)unused;                                                                                                  \
        if (e2_cpu_level() < e2_level_##level) skip();                                                                 \
        random_state = 1;                                                                                              \
        check_##operation(symbol, tolerance);                                                                          \
    }
#include "kernels.def"

int main(void) {
    const struct CMUnitTest tests[] = {
#define E2_GEMM(type, level, symbol, tolerance)
#define E2_KERNEL(operation, level, symbol, tolerance) cmocka_unit_test(test_##symbol),
#include "kernels.def"
    };
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
