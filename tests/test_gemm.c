/* SPDX-License-Identifier: MIT */
/*
 * Packing, and the products of every level: what a level prepares goes into the product of the same level, as a caller
 * does it. The expected value is computed in double precision from the packed weights, unpacked, and from activations
 * rounded or quantised here as kernels.h says. A level that this CPU lacks is skipped.
 */
#include "kernel_test.h"

/* ---- weights ---- */

static float float_of_bf16(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The nearest value with 8 significant bits, ties to even; for normal numbers and 0. */
static double round_to_bf16(double x) {
    int exponent;
    double fraction = frexp(x, &exponent);
    return ldexp(nearbyint(ldexp(fraction, 8)), exponent - 8);
}

/* Half way between two bf16 values: 9 significant bits, the last one set. */
static float bf16_tie(void) { return (float)(257 + 2 * random_below(127)) * (random_below(2) ? 0x1p-8f : -0x1p-10f); }

/* Element [row][column] of a packed matrix. */
static double unpack(const e2_matrix *w, size_t row, size_t column) {
    size_t panel = row / E2_PANEL, lane = row % E2_PANEL;
    size_t k2 = round_up(w->k, 2), k4 = round_up(w->k, 4);
    switch (w->type) {
    case E2_WEIGHT_F32:
        return ((const float *)w->panels)[(panel * w->k + column) * E2_PANEL + lane];
    case E2_WEIGHT_BF16:
        return float_of_bf16(
            ((const uint16_t *)w->panels)[((panel * k2 + column / 2 * 2) * E2_PANEL) + lane * 2 + column % 2]);
    default:
        return (double)w->scales[row] *
               ((const int8_t *)w->panels)[((panel * k4 + column / 4 * 4) * E2_PANEL) + lane * 4 + column % 4];
    }
}

typedef struct weights {
    e2_matrix matrix;
    size_t bytes, lanes;
    void *panels;
    float *scales;
    int32_t *sums;
} weights;

static void weights_pack(weights *w, e2_weight_type type, const float *values, size_t n, size_t k, size_t step) {
    w->bytes = e2_packed_bytes(type, n, k);
    w->lanes = type == E2_WEIGHT_Q8 ? e2_panels(n) * E2_PANEL : 0;
    w->panels = block_new(w->bytes);
    w->scales = block_new(w->lanes * sizeof *w->scales);
    w->sums = block_new(w->lanes * sizeof *w->sums);
    for (size_t first = 0; first < n; first += step)
        e2_pack(type, values + first * k, first, n - first < step ? n - first : step, k, w->panels, w->scales, w->sums);
    w->matrix = (e2_matrix){type, n, k, w->panels, w->scales, w->sums};
}

static void weights_free(weights *w) {
    block_free(w->panels, w->bytes);
    block_free(w->scales, w->lanes * sizeof *w->scales);
    block_free(w->sums, w->lanes * sizeof *w->sums);
}

static void check_packed_row(const e2_matrix *w, const float *row, size_t r) {
    float largest = 0.0f;
    int32_t sum = 0;
    for (size_t i = 0; i < w->k; i++) largest = fmaxf(largest, fabsf(row[i]));
    for (size_t i = 0; i < w->k; i++) {
        double actual = unpack(w, r, i);
        if (w->type == E2_WEIGHT_F32) assert_true(actual == row[i]);
        if (w->type == E2_WEIGHT_BF16) assert_true(actual == round_to_bf16(row[i]));
        if (w->type == E2_WEIGHT_Q8) {
            assert_true(fabs(actual - row[i]) <= 0.50001 * w->scales[r]);
            sum += (int32_t)lrint(w->scales[r] > 0 ? actual / w->scales[r] : 0.0);
        }
    }
    if (w->type != E2_WEIGHT_Q8) return;
    assert_true(fabsf(w->scales[r] - largest / 127.0f) <= 1e-6f * largest);
    assert_int_equal(w->sums[r], sum);
}

/* Rows and columns that the matrix does not have: all bytes of the panels beyond those that were checked are 0. */
static void check_padding(const e2_matrix *w) {
    e2_matrix padded = *w;
    size_t group = w->type == E2_WEIGHT_F32 ? 1 : w->type == E2_WEIGHT_BF16 ? 2 : 4;
    padded.k = round_up(w->k, group); /* the layout is the same */
    for (size_t r = 0; r < e2_panels(w->n) * E2_PANEL; r++)
        for (size_t i = r < w->n ? w->k : 0; i < padded.k; i++) assert_true(unpack(&padded, r, i) == 0.0);
    for (size_t r = w->n; w->type == E2_WEIGHT_Q8 && r < e2_panels(w->n) * E2_PANEL; r++)
        assert_true(w->sums[r] == 0 && w->scales[r] == 0.0f);
}

static void packing_keeps_every_weight(void **unused) {
    (void)unused;
    random_state = 7;
    for (int round = 0; round < 60; round++) {
        e2_weight_type type = (e2_weight_type)(round % E2_WEIGHT_TYPES);
        size_t n = random_below(150), k = random_below(90);
        float *values = buffer_new(n * k, 2.0f);
        for (size_t i = 0; i < n * k; i += 1 + random_below(20)) values[i] = bf16_tie();
        for (size_t i = 0; n > 3 && i < k; i++) values[3 * k + i] = 0.0f; /* a row without a scale */
        weights whole, parts;
        weights_pack(&whole, type, values, n, k, n + 1);
        weights_pack(&parts, type, values, n, k, 2 * E2_PANEL);
        assert_memory_equal(whole.panels, parts.panels, whole.bytes);
        assert_memory_equal(whole.scales, parts.scales, whole.lanes * sizeof *whole.scales);
        assert_memory_equal(whole.sums, parts.sums, whole.lanes * sizeof *whole.sums);
        for (size_t r = 0; r < n; r++) check_packed_row(&whole.matrix, values + r * k, r);
        check_padding(&whole.matrix);
        weights_free(&whole);
        weights_free(&parts);
        buffer_free(values, n * k);
    }
}

/* ---- activations ---- */

/* A row of x. Some rows are 0. For bf16 some values are ties; for q8 none is near one, so that its step is not in
 * doubt. */
static void fill_row(e2_weight_type type, float *x, size_t k) {
    float step = 0.004f + (float)random_below(1000) * 1e-5f;
    int zero = random_below(12) == 0;
    for (size_t i = 0; i < k; i++) {
        float steps = (float)random_below(253) - 126.0f + 0.49f * random_float(1.0f);
        x[i] = zero ? 0.0f : steps * step;
        if (type == E2_WEIGHT_BF16 && random_below(8) == 0) x[i] = bf16_tie();
    }
    if (k && !zero) x[random_below((uint32_t)k)] = random_below(2) ? 127.0f * step : -127.0f * step;
}

/* The row as a product with weights of this type takes it. */
static void operand_row(e2_weight_type type, const float *x, size_t k, double *out) {
    double largest = 0.0;
    for (size_t i = 0; i < k; i++) largest = fmax(largest, fabs(x[i]));
    for (size_t i = 0; i < k; i++) {
        out[i] = x[i];
        if (type == E2_WEIGHT_BF16) out[i] = round_to_bf16(x[i]);
        if (type == E2_WEIGHT_Q8) out[i] = largest > 0.0 ? nearbyint(x[i] * 127.0 / largest) * largest / 127.0 : 0.0;
    }
}

/* ---- one product ---- */

typedef struct product {
    e2_prepare_fn *prepare; /* NULL for f32 */
    e2_gemm_fn *gemm;
    double tolerance;
} product;

typedef struct problem {
    size_t m, n, k, a_stride, c_stride, a_size, c_size, prepared_bytes;
    float *x, *bias, *c, *before; /* `before` is c as it was */
    void *prepared;
    weights w;
    e2_epilogue epilogue;
} problem;

static void problem_init(problem *p, e2_weight_type type, size_t m, size_t n, size_t k, unsigned combination) {
    static const e2_epilogue_activation activations[] = {E2_NO_ACTIVATION, E2_EPILOGUE_GELU, E2_EPILOGUE_QUICK_GELU,
                                                         E2_EPILOGUE_RELU};
    *p = (problem){.m = m, .n = n, .k = k, .a_stride = k + random_below(4), .c_stride = n + random_below(4)};
    p->a_size = m ? (m - 1) * p->a_stride + k : 0;
    p->c_size = m ? (m - 1) * p->c_stride + n : 0;
    p->x = buffer_new(p->a_size, 0.0f);
    for (size_t r = 0; r < m; r++) fill_row(type, p->x + r * p->a_stride, k);
    float *values = buffer_new(n * k, 1.0f);
    weights_pack(&p->w, type, values, n, k, n + 1);
    buffer_free(values, n * k);
    p->prepared_bytes = e2_prepared_bytes(type, m, k);
    p->prepared = block_new(p->prepared_bytes);
    p->bias = buffer_new(n, 1.0f);
    p->epilogue = (e2_epilogue){.bias = combination & 1 ? p->bias : NULL,
                                .activation = activations[combination >> 2 & 3],
                                .gate = combination & 16 ? random_float(1.0f) : 1.0f,
                                .accumulate = combination >> 1 & 1};
    /* c is read only when it is added to: else it holds what makes any sum a NaN. */
    p->c = buffer_new(p->c_size, p->epilogue.accumulate ? 1.0f : 0.0f);
    p->before = buffer_new(p->c_size, 0.0f);
    memcpy(p->before, p->c, p->c_size * sizeof *p->c);
}

static void problem_free(problem *p) {
    weights_free(&p->w);
    block_free(p->prepared, p->prepared_bytes);
    buffer_free(p->x, p->a_size);
    buffer_free(p->bias, p->n);
    buffer_free(p->c, p->c_size);
    buffer_free(p->before, p->c_size);
}

/* Rows first .. + rows of x through the panels, into the same rows of c. */
static void multiply(const product *f, problem *p, size_t first, size_t rows, size_t panel, size_t panels, float *c) {
    const float *x = p->x + first * p->a_stride;
    void *prepared = (char *)p->prepared + e2_prepared_bytes(p->w.matrix.type, first, p->k);
    if (f->prepare) f->prepare(x, rows, p->k, p->a_stride, prepared);
    f->gemm(f->prepare ? prepared : (const void *)x, rows, p->a_stride, &p->w.matrix, panel, panels, &p->epilogue,
            c + first * p->c_stride, p->c_stride);
}

static double activate(e2_epilogue_activation activation, double v) {
    switch (activation) {
    case E2_EPILOGUE_GELU:
        return gelu_double(v);
    case E2_EPILOGUE_QUICK_GELU:
        return quick_gelu_double(v);
    case E2_EPILOGUE_RELU:
        return relu_double(v);
    default:
        return v;
    }
}

#define ROUGH_GELU 8e-5 /* int8: so far may it be from GELU (kernels.h) */

/* Columns first .. end of every row against double precision; everything else in c as it was. The slope of no
 * activation is above 1.13. */
static void check_result(const problem *p, size_t first, size_t end, double tolerance) {
    const e2_epilogue *e = &p->epilogue;
    double *a = doubles_new(p->k), *w = doubles_new((end - first) * p->k);
    for (size_t j = first; j < end; j++)
        for (size_t i = 0; i < p->k; i++) w[(j - first) * p->k + i] = unpack(&p->w.matrix, j, i);
    for (size_t r = 0; r < p->m; r++) {
        operand_row(p->w.matrix.type, p->x + r * p->a_stride, p->k, a);
        for (size_t j = 0; j < p->c_stride && r * p->c_stride + j < p->c_size; j++) {
            const float *c = p->c + r * p->c_stride + j, *before = p->before + r * p->c_stride + j;
            if (j < first || j >= end) {
                assert_memory_equal(c, before, sizeof *c);
                continue;
            }
            double v = e->bias ? e->bias[j] : 0.0, magnitude = fabs(v), old = e->accumulate ? *before : 0.0;
            for (size_t i = 0; i < p->k; i++) {
                double term = a[i] * w[(j - first) * p->k + i];
                v += term;
                magnitude += fabs(term);
            }
            double expected = old + e->gate * activate(e->activation, v);
            bool rough = p->w.matrix.type == E2_WEIGHT_Q8 && e->activation == E2_EPILOGUE_GELU;
            if (rough && fabs(*c - expected) <= ROUGH_GELU * fabs(e->gate)) continue;
            assert_close(c, &expected, 1, 1.13 * fabs(e->gate) * magnitude + fabs(old), tolerance);
        }
    }
    free(a);
    free(w);
}

/* Some panels only, every size of m that a tile may leave over, every epilogue. */
static void check_products(e2_weight_type type, const product *f) {
    for (unsigned round = 0; round < 160; round++) {
        problem p;
        problem_init(&p, type, round % 41, random_below(round % 4 ? 140 : 40), random_below(round % 3 ? 60 : 330),
                     random_below(32));
        size_t panels = e2_panels(p.n), panel = random_below((uint32_t)panels + 1);
        size_t some = random_below((uint32_t)(panels - panel) + 1);
        if (round % 2) panel = 0, some = panels;
        multiply(f, &p, 0, p.m, panel, some, p.c);
        size_t first = panel * E2_PANEL < p.n ? panel * E2_PANEL : p.n;
        size_t end = (panel + some) * E2_PANEL < p.n ? (panel + some) * E2_PANEL : p.n;
        check_result(&p, first, end, f->tolerance);
        problem_free(&p);
    }
}

/* The same bits for all rows and panels at once, row by row, panel by panel and in uneven blocks of rows. */
static void check_splits(e2_weight_type type, const product *f) {
    for (unsigned round = 0; round < 24; round++) {
        problem p;
        if (round == 0) /* more rows and columns than a kernel takes at a time */
            problem_init(&p, type, 140, 40, 1100, round);
        else
            problem_init(&p, type, 1 + random_below(40), 1 + random_below(140), 1 + random_below(round % 2 ? 60 : 330),
                         round);
        size_t panels = e2_panels(p.n), bytes = p.c_size * sizeof *p.c;
        float *c = buffer_new(p.c_size, 0.0f);
        multiply(f, &p, 0, p.m, 0, panels, p.c);
        memcpy(c, p.before, bytes);
        for (size_t r = 0; r < p.m; r++) multiply(f, &p, r, 1, 0, panels, c);
        assert_memory_equal(c, p.c, bytes);
        memcpy(c, p.before, bytes);
        for (size_t panel = 0; panel < panels; panel++) multiply(f, &p, 0, p.m, panel, 1, c);
        assert_memory_equal(c, p.c, bytes);
        memcpy(c, p.before, bytes);
        for (size_t r = 0, rows; r < p.m; r += rows) {
            rows = 1 + random_below((uint32_t)(p.m - r));
            multiply(f, &p, r, rows, 0, panels, c);
        }
        assert_memory_equal(c, p.c, bytes);
        buffer_free(c, p.c_size);
        problem_free(&p);
    }
}

/* ---- one test for each level and type ---- */

/* Of the line that the level's table took. */
static double tolerance_of(e2_gemm_fn *gemm) {
#define E2_GEMM(type, level, symbol, tolerance)                                                                        \
    if (gemm == symbol) return tolerance;
#include "kernels.def"
    fail_msg("a product that kernels.def does not list");
    return 0.0;
}

static void test_level(e2_level level, e2_weight_type type) {
    e2_kernels k;
    if (e2_cpu_level() < level) skip();
    e2_kernels_at(level, &k);
    e2_prepare_fn *const prepare[] = {NULL, k.prepare_bf16, k.prepare_q8};
    e2_gemm_fn *const gemm[] = {k.gemm_f32, k.gemm_bf16, k.gemm_q8};
    product f = {prepare[type], gemm[type], tolerance_of(gemm[type])};
    random_state = 11 + (uint64_t)type;
    check_products(type, &f);
    check_splits(type, &f);
}

#define E2_LEVEL(level, ...)                                                                                           \
    static void f32_at_##level(void **unused) { (void)unused, test_level(e2_level_##level, E2_WEIGHT_F32); }           \
    static void bf16_at_##level(void **unused) { (void)unused, test_level(e2_level_##level, E2_WEIGHT_BF16); }         \
    static void q8_at_##level(void **unused) { (void)unused, test_level(e2_level_##level, E2_WEIGHT_Q8); }
#include "kernels.def"

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packing_keeps_every_weight),
#define E2_LEVEL(level, ...)                                                                                           \
    cmocka_unit_test(f32_at_##level), cmocka_unit_test(bf16_at_##level), cmocka_unit_test(q8_at_##level),
#include "kernels.def"
    };
    return cmocka_run_group_tests_name("gemm", tests, NULL, NULL);
}
