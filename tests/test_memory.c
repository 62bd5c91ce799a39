/* SPDX-License-Identifier: MIT */
/* The pool's memory in reads: exactly the sum of its examples' steps, off when it is off, the same bits however read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memory_fixture.h"
#include "trace.h"

static const char *const words[] = {"abc", "Ab1", "b0", "100"};

/* Models that differ in what the memory looks at. */
static const tiny_model_options variants[] = {
    {.alphabet = "abcA10Bx"},
    {.seed = 2, .bpe = true},
    {.seed = 3, .resampler_layers = 1},
    {.seed = 4, .cross_every = 2}, /* one cross-attention layer */
    {.seed = 5, .decoder_layers = 3, .segment_stride = 16, .all_media = true},
    {.seed = 6, .type = E2_F16, .class_token = true},
    {.seed = 7, .type = E2_BF16, .memory_scale = 3},
    {.seed = 8, .type = E2_Q8_0, .decoder_width = 31, .decoder_heads = 1, .vision_width = 32},
};
#define VARIANTS (sizeof variants / sizeof *variants)

/* 15 steps or less: a read can tell what each of them did. */
static e2str_pool *taught(const fixture *f) {
    e2str_pool *pool = memory_pool(f);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) memory_add(f, pool, i, words[i]);
    memory_learn(f, pool);
    assert_in_range(pool->memory->counts.steps, 1, E2STR_MAX_INFLUENCES);
    return pool;
}

/* -------------------------------------------------------------------------------------------------- exactness -- */

/* rows [n][width] of a matrix as doubles. */
static double *matrix(const e2_linear *linear) {
    double *rows = tiny_checked(malloc((size_t)linear->out * linear->in * sizeof *rows));
    float *row = tiny_checked(malloc(linear->in * sizeof *row));
    for (uint32_t i = 0; i < linear->out; i++) {
        e2_linear_row(linear, i, row);
        for (uint32_t j = 0; j < linear->in; j++) rows[(size_t)i * linear->in + j] = row[j];
    }
    free(row);
    return rows;
}

static void multiply(const double *rows, size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) {
        y[i] = 0.0;
        for (size_t j = 0; j < n; j++) y[i] += rows[i * n + j] * x[j];
    }
}

/* What each step adds to each column at phi, from what the memory stores: parts [steps][columns]; *scale: the sum of
 * their sizes, the measure of what rounding may do. */
static double *by_hand(const e2str_memory *memory, const float *phi, double *scale) {
    const e2_linear *whitening = &memory->model->memory.whitening;
    size_t f = whitening->in, columns = memory->counts.columns;
    double *w = matrix(whitening), *x = tiny_checked(malloc(3 * f * sizeof *x)), *once = x + f, *twice = once + f;
    double *parts = tiny_checked(malloc(memory->counts.steps * columns * sizeof *parts));
    for (size_t i = 0; i < f; i++) x[i] = phi[i];
    multiply(w, f, x, once);
    multiply(w, f, once, twice);
    *scale = 0.0;
    for (size_t s = 0; s < memory->counts.steps; s++) {
        double product = 0.0, size = 0.0;
        for (size_t i = 0; i < f; i++) {
            double value = e2_f16_to_f32(memory->features[s * f + i]);
            product += value * twice[i];
            size += fabs(value * twice[i]);
        }
        for (size_t c = 0; c < columns; c++) {
            double error = e2_f16_to_f32(memory->errors[s * columns + c]);
            parts[s * columns + c] = error * product;
            *scale += fabs(error) * size;
        }
    }
    free(w);
    free(x);
    return parts;
}

static double column_sum(const e2str_memory *memory, const double *parts, size_t column) {
    double sum = 0.0;
    for (size_t s = 0; s < memory->counts.steps; s++) sum += parts[s * memory->counts.columns + column];
    return sum;
}

/* All of its columns and steps at one phi; nothing else changes. */
static void check_phi(const e2_compute *compute, const e2str_memory *memory, const float *phi) {
    size_t vocabulary = e2_memory_vocabulary(memory->model, memory), steps = memory->counts.steps;
    double scale, *parts = by_hand(memory, phi, &scale);
    float *logits = tiny_checked(calloc(vocabulary, sizeof *logits)), factor = 0.5f, added;
    float *influences = tiny_checked(malloc(steps * sizeof *influences));
    assert_true(e2_memory_apply(compute, memory, &factor, phi, 1, logits));
    assert_true(scale > 0.01);
    for (uint32_t token = 0, c = 0; token < vocabulary; token++) {
        bool has = c < memory->counts.columns && memory->tokens[c] == token;
        double expected = has ? column_sum(memory, parts, c) : 0.0;
        assert_true(fabs((double)logits[token] - 0.5 * expected) <= 2e-6 * scale);
        assert_true(e2_memory_added(compute, memory, phi, token, &added) && 0.5f * added == logits[token]);
        assert_true(e2_memory_influences(compute, memory, phi, token, influences));
        for (size_t s = 0; s < steps; s++) {
            double part = has ? parts[s * memory->counts.columns + c] : 0.0;
            assert_true(fabs((double)influences[s] - part) <= 2e-6 * scale);
        }
        c += has;
    }
    assert_true(vocabulary > memory->counts.columns); /* some have no column */
    free(parts);
    free(logits);
    free(influences);
}

static void the_change_is_the_sum_of_the_steps(void **state) {
    (void)state;
    for (size_t v = 0; v < VARIANTS; v++) {
        fixture f;
        assert_int_equal(memory_open(&f, variants[v]), 0);
        e2str_pool *pool = taught(&f);
        const e2str_memory *memory = pool->memory;
        size_t width = f.model->memory.features;
        float *phi = tiny_checked(malloc(width * sizeof *phi));
        for (size_t s = 0; s < memory->counts.steps; s++) {
            for (size_t i = 0; i < width; i++) phi[i] = e2_f16_to_f32(memory->features[s * width + i]);
            check_phi(&f.session->compute, memory, phi);
        }
        free(phi);
        e2str_pool_free(pool);
        fixture_close(&f);
    }
}

/* The features at each token of an answer, end included, run through the decoder anew: [n + 1][features]. */
static float *retrace(const fixture *f, const e2str_memory *memory, size_t image, const e2str_result *result) {
    const uint32_t *tokens;
    size_t n = e2str_result_tokens(result, &tokens), width = f->model->memory.features, found;
    uint32_t vocabulary = f->model->decoder.vocabulary;
    e2_path_step steps[64];
    assert_in_range(n, 0, 62);
    for (size_t i = 0; i <= n; i++) {
        uint32_t token = i < n ? tokens[i] : e2_tokenizer_end(f->model->tokenizer);
        bool fresh = token >= vocabulary;
        steps[i].symbol = fresh ? memory->characters[token - vocabulary].code | E2_NEW_CHARACTER : token;
    }
    uint64_t last;
    e2str_pool *pool = memory_pool(f);
    memory_add(f, pool, image, "1");
    e2_choice *example;
    assert_int_equal(e2_pool_choose_all(pool, &example, &found, &last, NULL), E2STR_OK);
    uint16_t *halves = tiny_checked(malloc((n + 1) * width * sizeof *halves));
    float *features = tiny_checked(malloc((n + 1) * width * sizeof *features));
    e2_arena arena = {0};
    e2_compute compute = {.model = f->model, .kernels = f->model->kernels, .arena = &arena};
    assert_int_equal(e2_trace_features(&compute, pool, example, 1, &(e2_path){steps, (uint32_t)n + 1}, halves, NULL),
                     E2STR_OK);
    for (size_t i = 0; i < (n + 1) * width; i++) features[i] = e2_f16_to_f32(halves[i]);
    e2_arena_free(&arena);
    free(halves);
    e2_choice_release(example);
    free(example);
    e2str_pool_free(pool);
    return features;
}

/* A read says of each character what a second run of the decoder over its answer says, up to f16. */
static void check_answer(const fixture *f, const e2str_pool *pool, size_t image, const e2str_result *result) {
    const uint32_t *tokens;
    const e2str_memory *memory = pool->memory;
    size_t n = e2str_result_tokens(result, &tokens), width = f->model->memory.features;
    float *features = retrace(f, memory, image, result);
    for (size_t i = 0; i < n; i++) {
        double scale, *parts = by_hand(memory, features + i * width, &scale), expected = 0.0;
        for (size_t c = 0; c < memory->counts.columns; c++)
            if (memory->tokens[c] == tokens[i]) expected = column_sum(memory, parts, c);
        assert_true(fabs((double)e2str_result_memory(result, i) - expected) <= 2e-5 * scale);
        free(parts);
    }
    free(features);
}

static void a_read_tells_what_the_memory_did(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, variants[0]), 0);
    e2str_pool *pool = taught(&f);
    e2str_result *result = memory_result();
    size_t checked = 0;
    for (size_t image = 0; image < FIXTURE_IMAGES; image++)
        for (uint32_t beams = 1; beams <= 3; beams++) {
            e2str_read_options options = memory_options(0, beams);
            memory_read(&f, image, pool, &options, result);
            if (!is_whole(result)) continue;
            check_answer(&f, pool, image, result);
            checked += e2str_result_characters(result);
        }
    assert_in_range(checked, 40, 10000);
    e2str_result_free(result);
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* The probabilities of the first character move as the memory says: log p(a) - log p(b) by the difference of what it
 * adds to a and b. */
static void probabilities_move_by_it(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.alphabet = "abcd"}), 0);
    e2str_pool *pool = memory_pool(&f);
    memory_add(&f, pool, 0, "ad");
    memory_add(&f, pool, 1, "cb");
    memory_learn(&f, pool);
    double log_p[2][4] = {{0}}, scale;
    e2str_result *result = memory_result();
    for (int with = 0; with < 2; with++) {
        e2str_read_options options = memory_options(0, 1);
        options.alternatives = 8; /* the whole vocabulary */
        options.max_tokens = 1;
        options.memory_factor = with ? 0.75f : 0.0f;
        memory_read(&f, 5, pool, &options, result);
        assert_int_equal(e2str_result_alternatives(result, 0), 8);
        for (size_t i = 0; i < 8; i++) {
            const char *text;
            float probability;
            assert_int_equal(e2str_result_alternative(result, 0, i, &text, &probability, NULL), E2STR_OK);
            if (text[0]) log_p[with][text[0] - 'a'] = log(probability);
        }
    }
    float *features = retrace(&f, pool->memory, 5, result);
    double *parts = by_hand(pool->memory, features, &scale), most = 0.0;
    for (size_t c = 1; c < 4; c++) {
        uint32_t first = 4, token = 4 + (uint32_t)c;
        double added[2] = {0};
        for (size_t column = 0; column < pool->memory->counts.columns; column++) {
            if (pool->memory->tokens[column] == first) added[0] = column_sum(pool->memory, parts, column);
            if (pool->memory->tokens[column] == token) added[1] = column_sum(pool->memory, parts, column);
        }
        double moved = (log_p[1][c] - log_p[0][c]) - (log_p[1][0] - log_p[0][0]);
        assert_true(fabs(moved - 0.75 * (added[1] - added[0])) <= 1e-3 * scale);
        most = fmax(most, fabs(moved));
    }
    assert_true(most > 0.05);
    free(features);
    free(parts);
    e2str_result_free(result);
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* Each influence is of a step of an example in the pool, the strongest come first, and all sum to the total. Returns
 * how many characters had one. */
static size_t check_influences(const e2str_pool *pool, const e2str_result *result) {
    size_t moved = 0;
    for (size_t i = 0; i < e2str_result_characters(result); i++) {
        size_t n = e2str_result_influences(result, i);
        double sum = 0.0, scale = 0.0, before = INFINITY, total = e2str_result_memory(result, i);
        for (size_t rank = 0; rank < n; rank++) {
            e2str_influence influence;
            size_t label_size;
            assert_int_equal(e2str_result_influence(result, i, rank, &influence, NULL), E2STR_OK);
            assert_int_equal(e2str_pool_label(pool, influence.example, NULL, 0, &label_size, NULL), E2STR_OK);
            assert_true(influence.offset <= label_size);
            assert_true(fabs(influence.amount) <= before);
            before = fabs(influence.amount);
            sum += influence.amount;
            scale += before;
        }
        assert_true(fabs(sum - total) <= 1e-4 * scale + 1e-6);
        moved += n > 0;
        e2str_influence none;
        assert_int_equal(e2str_result_influence(result, i, n, &none, NULL), E2STR_ERROR_ARGUMENT);
    }
    return moved;
}

static void influences_sum_to_the_total(void **state) {
    (void)state;
    for (size_t v = 0; v < VARIANTS; v++) {
        fixture f;
        assert_int_equal(memory_open(&f, variants[v]), 0);
        e2str_pool *pool = taught(&f);
        e2str_result *result = memory_result();
        size_t moved = 0;
        for (uint32_t k = 0; k <= 2; k += 2)
            for (uint32_t beams = 1; beams <= 4; beams += 3)
                for (size_t image = 0; image < FIXTURE_IMAGES; image++) {
                    e2str_read_options options = memory_options(k, beams);
                    memory_read(&f, image, pool, &options, result);
                    moved += check_influences(pool, result);
                }
        assert_in_range(moved, 10, 100000);
        e2str_result_free(result);
        e2str_pool_free(pool);
        fixture_close(&f);
    }
}

/* -------------------------------------------------------------------------------------------------- off is off -- */

static void off_is_the_same_bits_as_without(void **state) {
    (void)state;
    for (size_t v = 0; v < VARIANTS; v++) {
        fixture f;
        assert_int_equal(memory_open(&f, variants[v]), 0);
        e2str_pool *pool = taught(&f), *plain = memory_pool(&f), *weak = memory_pool(&f);
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            memory_add(&f, plain, i, words[i]);
            memory_add(&f, weak, i, words[i]);
        }
        memory_learn_with(f.session, weak, 0.0f);
        assert_non_null(weak->memory);
        e2str_result *expected = memory_result(), *result = memory_result();
        size_t changed = 0;
        for (uint32_t k = 0; k <= 2; k++)
            for (size_t image = 0; image < FIXTURE_IMAGES; image++) {
                e2str_read_options options = memory_options(k, k + 1);
                memory_read(&f, image, k ? plain : NULL, &options, expected);
                memory_read(&f, image, weak, &options, result);
                assert_same(expected, result);
                memory_read(&f, image, pool, &options, result);
                changed += e2str_result_score(expected) != e2str_result_score(result);
                options.memory_factor = 0.0f;
                memory_read(&f, image, pool, &options, result);
                assert_same(expected, result);
                for (size_t i = 0; i < e2str_result_characters(result); i++)
                    assert_true(e2str_result_memory(result, i) == 0.0f && e2str_result_influences(result, i) == 0);
            }
        assert_in_range(changed, 2 * FIXTURE_IMAGES, 3 * FIXTURE_IMAGES);
        e2str_pool_forget(pool);
        e2str_read_options options = memory_options(1, 1);
        memory_read(&f, 7, plain, &options, expected);
        memory_read(&f, 7, pool, &options, result);
        assert_same(expected, result);
        e2str_result_free(expected);
        e2str_result_free(result);
        e2str_pool_free(pool);
        e2str_pool_free(plain);
        e2str_pool_free(weak);
        fixture_close(&f);
    }
}

/* How near the examples are to each other, whichever comes first, and within what the model says. */
static void the_gate_is_of_the_examples(void **state) {
    (void)state;
    fixture f;
    float gates[2];
    assert_int_equal(memory_open(&f, (tiny_model_options){.memory_gate = {-1.0f, 0.999f}}), 0);
    for (size_t order = 0; order < 2; order++) {
        e2str_pool *pool = memory_pool(&f);
        for (size_t i = 0; i < 6; i++) memory_add(&f, pool, order ? 5 - i : i, "ab");
        memory_learn(&f, pool);
        gates[order] = pool->memory->gate;
        e2str_pool_free(pool);
    }
    assert_true(gates[0] > 0.0f && gates[0] < 0.99f);
    assert_true(fabsf(gates[0] - gates[1]) < 1e-4f);
    fixture_close(&f);
}

/* A query that the gate leaves out reads as without, though the memory has characters of its own, and beside others in
 * a batch. */
static void a_closed_gate_is_off(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, (tiny_model_options){.alphabet = "ab1", .memory_gate = {0.9f, 0.95f}}), 0);
    e2str_pool *pool = memory_pool(&f);
    for (size_t i = 0; i < 3; i++)
        memory_add(&f, pool, 0,
                   "a\xe2\x82\xac"
                   "b");
    memory_learn(&f, pool);
    assert_int_equal(pool->memory->counts.characters, 1);
    e2str_result *batch[FIXTURE_IMAGES], *expected = memory_result(), *result = memory_result();
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) batch[i] = memory_result();
    size_t closed = 0, open = 0;
    for (uint32_t beams = 1; beams <= 3; beams += 2) {
        e2str_read_options options = memory_options(0, beams);
        options.alternatives = 8; /* more than the vocabulary has */
        assert_int_equal(e2str_read_batch(f.session, f.images, FIXTURE_IMAGES, pool, &options, batch, NULL), E2STR_OK);
        for (size_t i = 0; i < FIXTURE_IMAGES; i++) {
            float key[FIXTURE_KEY], gate;
            assert_int_equal(e2str_encode(f.session, &f.images[i], 1, NULL, key, NULL), E2STR_OK);
            assert_true(e2_memory_gate(&f.session->compute, pool->memory, key, &gate) && gate >= 0.0f && gate <= 1.0f);
            memory_read(&f, i, pool, &options, result);
            assert_same(batch[i], result);
            memory_read(&f, i, NULL, &options, expected);
            if (gate == 0.0f) assert_same(expected, result);
            if (gate == 1.0f) assert_true(e2str_result_score(expected) != e2str_result_score(result));
            closed += gate == 0.0f;
            open += gate == 1.0f;
        }
    }
    assert_true(closed >= 2 && open >= 2);
    for (size_t i = 0; i < FIXTURE_IMAGES; i++) e2str_result_free(batch[i]);
    e2str_result_free(expected);
    e2str_result_free(result);
    e2str_pool_free(pool);
    fixture_close(&f);
}

/* --------------------------------------------------------------------------------------------- however it is read --
 */

static void a_batch_reads_as_single_reads_do(void **state) {
    (void)state;
    for (size_t v = 0; v < VARIANTS; v++) {
        fixture f;
        assert_int_equal(memory_open(&f, variants[v]), 0);
        e2str_pool *pool = taught(&f);
        e2str_result *expected[FIXTURE_IMAGES], *result[FIXTURE_IMAGES];
        for (size_t i = 0; i < FIXTURE_IMAGES; i++) expected[i] = memory_result(), result[i] = memory_result();
        e2str_read_options options = memory_options(2, v % 2 ? 1 : 3);
        for (size_t i = 0; i < FIXTURE_IMAGES; i++) memory_read(&f, i, pool, &options, expected[i]);
        for (uint32_t threads = 1; threads <= 3; threads++) {
            e2str_session *session;
            e2str_session_options with;
            e2str_session_options_init(&with);
            with.threads = threads;
            assert_int_equal(e2str_session_new(f.model, &with, &session, NULL), E2STR_OK);
            assert_int_equal(e2str_read_batch(session, f.images, FIXTURE_IMAGES, pool, &options, result, NULL),
                             E2STR_OK);
            for (size_t i = 0; i < FIXTURE_IMAGES; i++) assert_same(expected[i], result[i]);
            assert_int_equal(e2str_read(session, &f.images[3], pool, &options, result[3], NULL), E2STR_OK);
            assert_same(expected[3], result[3]);
            e2str_session_free(session);
        }
        for (size_t i = 0; i < FIXTURE_IMAGES; i++) e2str_result_free(expected[i]), e2str_result_free(result[i]);
        e2str_pool_free(pool);
        fixture_close(&f);
    }
}

/* The same examples before the query, chosen or prepared; the memory from the pool, or apart from it. */
static void a_prepared_prompt_reads_the_same(void **state) {
    (void)state;
    for (size_t v = 0; v < VARIANTS; v++) {
        fixture f;
        assert_int_equal(memory_open(&f, variants[v]), 0);
        e2str_pool *pool = taught(&f);
        const uint64_t ids[] = {3, 1};
        e2str_prompt *prompt;
        e2str_memory *memory;
        assert_int_equal(e2str_prompt_new(f.session, pool, ids, 2, &prompt, NULL), E2STR_OK);
        assert_int_equal(e2str_pool_memory(pool, &memory, NULL), E2STR_OK);
        assert_true(e2str_memory_bytes(memory) > 0);
        e2str_result *expected = memory_result(), *result = memory_result();
        for (size_t image = 0; image < 6; image++) {
            e2str_read_options options = memory_options(0, 1 + image % 2);
            options.examples = ids;
            options.n_examples = 2;
            memory_read(&f, image, pool, &options, expected);
            options.n_examples = 0;
            options.prompt = prompt;
            memory_read(&f, image, pool, &options, result);
            assert_same(expected, result);
            options.memory = memory;
            memory_read(&f, image, NULL, &options, result);
            assert_same(expected, result);
        }
        e2str_memory_free(memory);
        e2str_prompt_free(prompt);
        e2str_result_free(expected);
        e2str_result_free(result);
        e2str_pool_free(pool);
        fixture_close(&f);
    }
}

/* The factor is of what is added: twice the factor, twice the logit, as long as the answer is the same. */
static void the_factor_scales_it(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(memory_open(&f, variants[0]), 0);
    e2str_pool *pool = taught(&f);
    e2str_result *half = memory_result(), *whole = memory_result();
    size_t compared = 0;
    for (size_t image = 0; image < FIXTURE_IMAGES; image++) {
        e2str_read_options options = memory_options(0, 1);
        memory_read(&f, image, pool, &options, whole);
        options.memory_factor = 0.5f;
        memory_read(&f, image, pool, &options, half);
        if (!is_whole(half) || !is_whole(whole)) continue;
        if (memcmp(half->tokens.data, whole->tokens.data, sizeof(uint32_t)) != 0) continue;
        assert_true(e2str_result_memory(half, 0) == 0.5f * e2str_result_memory(whole, 0)); /* a power of 2 */
        compared++;
    }
    assert_in_range(compared, 3, FIXTURE_IMAGES);
    e2str_result_free(half);
    e2str_result_free(whole);
    e2str_pool_free(pool);
    fixture_close(&f);
}

static void options_are_checked(void **state) {
    (void)state;
    fixture f, other;
    assert_int_equal(memory_open(&f, variants[0]), 0);
    tiny_model_options another = variants[0];
    another.seed = 99;
    assert_int_equal(memory_open(&other, another), 0);
    e2str_pool *pool = taught(&f);
    e2str_result *result = memory_result();
    e2str_error error = {""};
    static const float bad[] = {-0.5f, 4.5f, NAN, INFINITY};
    for (size_t i = 0; i < 4; i++) {
        e2str_read_options options = memory_options(0, 1);
        options.memory_factor = bad[i];
        assert_int_equal(e2str_read(f.session, f.images, pool, &options, result, &error), E2STR_ERROR_ARGUMENT);
        assert_non_null(strstr(error.message, "memory_factor"));
        e2str_learn_options learn;
        e2str_learn_options_init(&learn);
        learn.strength = bad[i];
        assert_int_equal(e2str_pool_learn(pool, f.session, &learn, &error), E2STR_ERROR_ARGUMENT);
        assert_non_null(strstr(error.message, "strength"));
    }
    e2str_read_options options = memory_options(0, 1);
    options.influences = E2STR_MAX_INFLUENCES + 1;
    assert_int_equal(e2str_read(f.session, f.images, pool, &options, result, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "influences"));
    options = memory_options(0, 1);
    options.memory = pool->memory;
    assert_int_equal(e2str_read(other.session, f.images, NULL, &options, result, &error), E2STR_ERROR_MISMATCH);
    assert_non_null(strstr(error.message, "memory"));
    assert_int_equal(e2str_pool_learn(pool, other.session, NULL, &error), E2STR_ERROR_MISMATCH);
    assert_int_equal(e2str_pool_learn(NULL, f.session, NULL, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_learn(pool, NULL, NULL, &error), E2STR_ERROR_ARGUMENT);
    e2str_learn_options learn;
    e2str_learn_options_init(&learn);
    learn.keep_doubtful = 2;
    assert_int_equal(e2str_pool_learn(pool, f.session, &learn, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(pool->memory); /* the former one */
    assert_int_equal(e2str_pool_memory(pool, NULL, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_report(pool, NULL, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_report(pool, &(e2str_memory_report){0}, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_pool_doubt(pool, 1, NULL, &error), E2STR_ERROR_ARGUMENT);
    e2str_memory_free(NULL);
    e2str_pool_forget(NULL);
    assert_int_equal(e2str_memory_bytes(NULL), 0);
    assert_true(e2str_result_memory(NULL, 0) == 0.0f && e2str_result_influences(NULL, 0) == 0);
    e2str_result_free(result);
    e2str_pool_free(pool);
    fixture_close(&f);
    fixture_close(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_change_is_the_sum_of_the_steps),
        cmocka_unit_test(a_read_tells_what_the_memory_did),
        cmocka_unit_test(probabilities_move_by_it),
        cmocka_unit_test(influences_sum_to_the_total),
        cmocka_unit_test(off_is_the_same_bits_as_without),
        cmocka_unit_test(the_gate_is_of_the_examples),
        cmocka_unit_test(a_closed_gate_is_off),
        cmocka_unit_test(a_batch_reads_as_single_reads_do),
        cmocka_unit_test(a_prepared_prompt_reads_the_same),
        cmocka_unit_test(the_factor_scales_it),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
