/* SPDX-License-Identifier: MIT */
/* The fusion block against its formula in double precision, over sizes, threads and CPU levels; golden values of
 * PyTorch are in test_golden.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fusion.h"
#include "linear.h"
#include "pool_fixture.h"

#define TOLERANCE 1e-5 /* of the largest magnitude: f32 against double */

static float *random_floats(size_t n, uint32_t state) {
    float *values = tiny_checked(malloc(n * sizeof *values));
    for (size_t i = 0; i < n; i++) values[i] = (float)fixture_random(&state) / 2147483648.0f - 1.0f;
    return values;
}

/* y [out] = W x + b, of the packed weights as they are. */
static void linear(const e2_linear *l, const double *x, double *y) {
    float *row = tiny_checked(malloc(l->in * sizeof *row));
    for (uint32_t o = 0; o < l->out; o++) {
        e2_linear_row(l, o, row);
        y[o] = l->bias[o];
        for (uint32_t i = 0; i < l->in; i++) y[o] += (double)row[i] * x[i];
    }
    free(row);
}

static void formula(const e2str_model *model, const float *state, const float *tokens, size_t m, double *fused) {
    const e2_fusion *f = &model->fusion;
    size_t d = model->decoder.width, w = model->vision.width;
    double *x = tiny_checked(calloc(w + 10 * d + 2 * m * d + m, sizeof *x)), *v = x + w, *h = v + d, *q = h + d;
    double *kv = q + d, *scores = kv + 2 * m * d, *seen = scores + m, *both = seen + d, *gate = both + 2 * d, sum = 0;
    for (size_t t = 0; t < m; t++) {
        for (size_t i = 0; i < w; i++) x[i] = tokens[t * w + i];
        linear(&f->visual, x, v);
        linear(&f->key_value, v, kv + 2 * t * d);
    }
    for (size_t i = 0; i < d; i++) h[i] = state[i];
    linear(&f->query, h, q);
    for (size_t t = 0; t < m; t++) {
        for (size_t i = 0; i < d; i++) scores[t] += q[i] * kv[2 * t * d + i] / sqrt((double)d);
        sum += scores[t] = exp(scores[t]);
    }
    for (size_t t = 0; t < m; t++)
        for (size_t i = 0; i < d; i++) seen[i] += scores[t] / sum * kv[(2 * t + 1) * d + i];
    memcpy(both, h, d * sizeof *both);
    linear(&f->out, seen, both + d);
    linear(&f->gate, both, gate);
    for (size_t i = 0; i < d; i++) {
        double g = 1.0 / (1.0 + exp(-gate[i]));
        fused[i] = (1.0 - g) * h[i] + g * both[d + i];
    }
    free(x);
}

/* Fuses with so many threads. */
static void fuse(const fixture *f, uint32_t threads, const float *states, size_t n, const float *tokens, size_t m,
                 float *fused) {
    e2str_session_options options;
    e2str_session *session;
    e2str_session_options_init(&options);
    options.threads = threads;
    options.spin_microseconds = 50; /* little work is shared, too */
    assert_int_equal(e2str_session_new(f->model, &options, &session, NULL), E2STR_OK);
    float *key_values = tiny_checked(malloc(2 * m * f->model->decoder.width * sizeof *key_values));
    assert_true(e2_fusion_project(&session->compute, tokens, m, key_values));
    assert_true(e2_fuse(&session->compute, states, n, key_values, m, fused));
    free(key_values);
    e2str_session_free(session);
}

static void check_size(tiny_model_options o, size_t n, size_t m) {
    fixture f;
    o.fusion = true;
    assert_int_equal(fixture_open(&f, &o), 0);
    assert_true(e2_has_fusion(f.model));
    size_t d = f.model->decoder.width, bytes = n * d * sizeof(float);
    float *states = random_floats(n * d, 1), *tokens = random_floats(m * f.model->vision.width, 2);
    float *fused = tiny_checked(malloc(bytes)), *other = tiny_checked(malloc(bytes));
    double *expected = tiny_checked(malloc(d * sizeof *expected));
    fuse(&f, 1, states, n, tokens, m, fused);
    for (size_t r = 0; r < n; r++) {
        formula(f.model, states + r * d, tokens, m, expected);
        double most = 0, error = 0;
        for (size_t i = 0; i < d; i++) {
            most = fmax(most, fabs(expected[i]));
            error = fmax(error, fabs(expected[i] - (double)fused[r * d + i]));
            assert_true(isfinite(fused[r * d + i]));
        }
        if (!(error <= TOLERANCE * most)) fail_msg("row %zu of %zu: off by %g of %g", r, n, error, most);
    }
    for (uint32_t threads = 2; threads <= 4; threads++) {
        fuse(&f, threads, states, n, tokens, m, other);
        assert_memory_equal(other, fused, bytes);
    }
    memcpy(other, states, bytes); /* in place */
    fuse(&f, 1, other, n, tokens, m, other);
    assert_memory_equal(other, fused, bytes);
    free(expected);
    free(other);
    free(fused);
    free(tokens);
    free(states);
    fixture_close(&f);
}

static void is_the_formula(void **state) {
    (void)state;
    check_size((tiny_model_options){0}, 1, 1);
    check_size((tiny_model_options){.decoder_width = 36, .seed = 3}, 7, 32);
    check_size((tiny_model_options){.vision_width = 40, .decoder_width = 66, .seed = 4}, 130, 33);
    check_size((tiny_model_options){.decoder_width = 300, .seed = 5}, 2, 9); /* wider than a head elsewhere may be */
}

static void is_optional(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(fixture_open(&f, NULL), 0);
    assert_false(e2_has_fusion(f.model));
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_the_formula), cmocka_unit_test(is_optional)};
    return cmocka_run_group_tests_name("fusion", tests, NULL, NULL);
}
