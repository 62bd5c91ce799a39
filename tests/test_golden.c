/* SPDX-License-Identifier: MIT */
/*
 * Every stage against the PyTorch reference: tests/golden/README.md describes the files and how they were made.
 * Preprocessing is exact; other numbers within TOLERANCE of the largest magnitude; ids and orders are identical.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fusion.h"
#include "vision.h"
#include "head.h"
#include "nearest.h"
#include "sequence.h"
#include "session.h"

#define TOLERANCE 1e-4

/* For products in the weights' own type, BF16 or Q8_0, which round or quantise the activations, too. */
#define ROUNDED_TOLERANCE 5e-2

typedef struct golden {
    char name[64];
    e2str_model *model;
    e2str_session *session;
    e2_gguf file;
    uint32_t images;
} golden;

static const e2_tensor *tensor(const golden *g, const char *name) {
    const e2_tensor *found = e2_gguf_tensor(&g->file, name);
    if (!found) fail_msg("%s: no tensor '%s'", g->name, name);
    return found;
}

static const float *floats(const golden *g, const char *name) {
    const e2_tensor *t = tensor(g, name);
    assert_int_equal(t->type, E2_F32);
    return t->data;
}

static const int32_t *integers(const golden *g, const char *name, size_t *count) {
    const e2_tensor *t = tensor(g, name);
    assert_int_equal(t->type, E2_I32);
    if (count) *count = t->elements;
    return t->data;
}

static const e2_tensor *image_tensor(const golden *g, uint32_t index) {
    char name[32];
    snprintf(name, sizeof name, "image.%u", index);
    return e2_gguf_tensor(&g->file, name);
}

static e2str_image image_of(const golden *g, uint32_t index) {
    const e2_tensor *t = image_tensor(g, index);
    assert_non_null(t);
    return (e2str_image){.pixels = t->data,
                         .width = (uint32_t)t->dims[1],
                         .height = (uint32_t)t->dims[2],
                         .stride = (ptrdiff_t)t->dims[1] * 3,
                         .format = E2STR_RGB};
}

static void assert_within(const golden *g, const char *what, const float *actual, const float *expected, size_t n,
                          double tolerance) {
    double largest = 0.0, error = 0.0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)expected[i]));
        double difference = fabs((double)actual[i] - expected[i]);
        if (!(difference <= error)) error = difference; /* a NaN stays */
    }
    if (!(error <= tolerance * largest)) fail_msg("%s: %s differs by %g of %g", g->name, what, error, largest);
}

static void assert_close(const golden *g, const char *what, const float *actual, const float *expected, size_t n) {
    assert_within(g, what, actual, expected, n, TOLERANCE);
}

static void check_planes(const golden *g) {
    const e2_image_config *config = &g->model->image;
    float *planes = malloc((size_t)3 * config->height * config->width * sizeof *planes);
    for (uint32_t i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "planes.%u", i);
        e2str_image image = image_of(g, i);
        assert_int_equal(e2_image_planes(&image, config, planes, &g->session->arena, NULL), E2STR_OK);
        e2_arena_release(&g->session->arena, (e2_arena_mark){0});
        size_t n = (size_t)3 * config->height * e2_image_width(&image, config);
        assert_int_equal(tensor(g, name)->elements, n);
        assert_memory_equal(planes, floats(g, name), n * sizeof *planes);
    }
    free(planes);
}

static void check_vision_tokens(const golden *g) {
    const e2_tensor *expected = e2_gguf_tensor(&g->file, "vision_tokens");
    if (!expected) return;
    size_t most = (size_t)g->model->vision.patches * g->model->vision.width;
    float *tokens = malloc(most * sizeof *tokens);
    float *planes = malloc((size_t)3 * g->model->image.height * g->model->image.width * sizeof *planes);
    for (size_t i = 0, at = 0, step; at < expected->elements; i++, at += step) {
        e2str_image image = image_of(g, (uint32_t)i);
        uint32_t columns = e2_columns(g->model, &image);
        step = (size_t)e2_patches(g->model, columns) * g->model->vision.width;
        assert_int_equal(e2_image_planes(&image, &g->model->image, planes, &g->session->arena, NULL), E2STR_OK);
        assert_true(e2_vision_encode(&g->session->compute, planes, &columns, 1, tokens));
        e2_arena_release(&g->session->arena, (e2_arena_mark){0});
        assert_close(g, "vision tokens", tokens, (const float *)expected->data + at, step);
    }
    free(planes);
    free(tokens);
}

static void check_encoding(const golden *g) {
    size_t width = g->model->vision.width, at = 0;
    const e2_tensor *expected = tensor(g, "tokens");
    float *tokens = malloc(g->model->visual_tokens * width * sizeof *tokens), *key = malloc(width * sizeof *key);
    for (uint32_t i = 0, n; i < g->images; i++, at += n * width) {
        e2str_image image = image_of(g, i);
        assert_int_equal(e2str_visual_tokens(g->model, &image, &n, NULL), E2STR_OK);
        assert_int_equal(e2str_encode(g->session, &image, 1, tokens, key, NULL), E2STR_OK);
        assert_close(g, "key", key, floats(g, "keys") + i * width, width);
        if (at < expected->elements)
            assert_close(g, "visual tokens", tokens, (const float *)expected->data + at, n * width);
    }
    assert_true(at >= expected->elements);
    free(tokens);
    free(key);
}

static void check_head(const golden *g) {
    const e2_tensor *expected = e2_gguf_tensor(&g->file, "patch_evidence");
    assert_int_equal(expected != NULL, e2_has_head(g->model));
    if (!expected) return;
    const e2_vision *vision = &g->model->vision;
    uint32_t vocabulary = g->model->decoder.vocabulary;
    size_t step = (size_t)vocabulary * vision->grid_width, n = expected->elements / step;
    uint32_t *ids = malloc(vocabulary * sizeof *ids);
    for (uint32_t i = 0; i < vocabulary; i++) ids[i] = i;
    float *tokens = malloc((size_t)vision->patches * vision->width * sizeof *tokens);
    float *evidence = malloc(step * sizeof *evidence);
    assert_true(n > 1);
    for (uint32_t i = 0; i < n; i++) {
        e2str_image image = image_of(g, i);
        assert_int_equal(e2str_encode(g->session, &image, 1, tokens, NULL, NULL), E2STR_OK);
        assert_true(e2_head_evidence(&g->session->compute, tokens, vision->grid_height, vision->grid_width, ids,
                                     vocabulary, evidence));
        assert_close(g, "patch evidence", evidence, (const float *)expected->data + i * step, step);
    }
    free(evidence);
    free(tokens);
    free(ids);
}

/* The states fused with the visual tokens of the first images, as the golden file has these. tokens: of one image after
 * the other. */
static void check_fusion(const golden *g, const e2_compute *compute, double tolerance) {
    const e2_tensor *states = e2_gguf_tensor(&g->file, "fusion.states");
    assert_int_equal(states != NULL, e2_has_fusion(compute->model));
    if (!states) return;
    size_t width = compute->model->decoder.width, n = states->elements / width;
    const float *tokens = floats(g, "tokens");
    for (uint32_t i = 0, m; i < 2; i++, tokens += m * (size_t)compute->model->vision.width) {
        char name[32];
        snprintf(name, sizeof name, "fusion.fused.%u", i);
        e2str_image image = image_of(g, i);
        assert_int_equal(e2str_visual_tokens(g->model, &image, &m, NULL), E2STR_OK);
        e2_arena_mark mark = e2_arena_begin(compute->arena);
        float *key_values = e2_arena_floats(compute->arena, 2 * m * width);
        float *fused = e2_arena_floats(compute->arena, n * width), *one = e2_arena_floats(compute->arena, width);
        assert_true(e2_fusion_project(compute, tokens, m, key_values));
        assert_true(e2_fuse(compute, states->data, n, key_values, m, fused));
        assert_within(g, name, fused, floats(g, name), n * width, tolerance);
        for (size_t r = 0; r < n; r++) { /* a row is the same whatever stands beside it */
            assert_true(e2_fuse(compute, (const float *)states->data + r * width, 1, key_values, m, one));
            assert_memory_equal(one, fused + r * width, width * sizeof *one);
        }
        e2_arena_release(compute->arena, mark);
    }
}

/* Adds image `index` with a label given as token ids; every token is one character. */
static uint64_t add_example(const golden *g, e2str_pool *pool, uint32_t index, const int32_t *ids, size_t n) {
    char label[512];
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        e2_string bytes = e2_token_bytes(g->model->tokenizer, (uint32_t)ids[i]);
        assert_true(bytes.size > 0 && size + bytes.size < sizeof label);
        memcpy(label + size, bytes.data, bytes.size);
        size += bytes.size;
    }
    e2str_image image = image_of(g, index);
    uint64_t id = 0;
    e2str_error error = {0};
    if (e2str_pool_add(pool, g->session, &image, label, size, &id, &error)) fail_msg("%s: %s", g->name, error.message);
    return id;
}

static e2str_pool *new_pool(const golden *g) {
    e2str_pool_options options;
    e2str_pool_options_init(&options);
    options.storage = E2STR_STORE_F32;
    e2str_pool *pool = NULL;
    assert_int_equal(e2str_pool_new(g->model, &options, &pool, NULL), E2STR_OK);
    return pool;
}

static void check_nearest(const golden *g) {
    const e2_tensor *order = e2_gguf_tensor(&g->file, "nearest.order");
    if (!order) return;
    size_t n_queries;
    const int32_t *queries = integers(g, "nearest.query", &n_queries), label = 4;
    size_t n_pool = order->elements / n_queries, width = g->model->vision.width, found = 0;
    assert_true(n_pool >= 20);
    e2str_pool *pool = new_pool(g);
    for (uint32_t i = 0; i < n_pool; i++) add_example(g, pool, i, &label, 1);
    uint64_t *ids = malloc(n_pool * sizeof *ids);
    float *similarities = malloc(n_pool * sizeof *similarities);
    for (size_t q = 0; q < n_queries; q++) {
        const float *key = floats(g, "keys") + (size_t)queries[q] * width;
        assert_int_equal(e2str_pool_nearest(pool, key, n_pool, -1.0f, ids, similarities, &found, NULL), E2STR_OK);
        assert_int_equal(found, n_pool);
        for (size_t i = 0; i < n_pool; i++)
            assert_int_equal(ids[i], ((const int32_t *)order->data)[q * n_pool + i] + 1);
    }
    free(similarities);
    free(ids);
    e2str_pool_free(pool);
}

typedef struct golden_case {
    uint32_t query, max_tokens;
    uint64_t examples[8];
    size_t n_examples;
} golden_case;

/* Adds the case's examples to the pool and names them in prompt order. */
static golden_case load_case(const golden *g, e2str_pool *pool, size_t index) {
    const int32_t *prompts = integers(g, "case.prompt_offset", NULL), *images = integers(g, "prompt.image", NULL);
    const int32_t *labels = integers(g, "prompt.label", NULL), *offsets = integers(g, "prompt.label_offset", NULL);
    golden_case c = {.query = (uint32_t)integers(g, "case.query", NULL)[index],
                     .max_tokens = (uint32_t)integers(g, "case.max_new", NULL)[index]};
    for (int32_t p = prompts[index]; p < prompts[index + 1]; p++) {
        assert_true(c.n_examples < 8);
        c.examples[c.n_examples++] =
            add_example(g, pool, (uint32_t)images[p], labels + offsets[p], (size_t)(offsets[p + 1] - offsets[p]));
    }
    return c;
}

/* Reads with the public calls and compares the ids, special tokens left out. */
static void check_read(const golden *g, e2str_pool *pool, const golden_case *c, uint32_t beams, size_t index) {
    const char *what = beams == 1 ? "case.greedy" : "case.beam";
    const int32_t *offset = integers(g, beams == 1 ? "case.greedy_offset" : "case.beam_offset", NULL) + index;
    const int32_t *expected = (const int32_t *)tensor(g, what)->data;
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.examples = c->examples;
    options.n_examples = c->n_examples;
    options.k = 0;
    options.beams = beams;
    options.max_tokens = c->max_tokens;
    e2str_result *result = NULL;
    e2str_error error = {0};
    e2str_image image = image_of(g, c->query);
    assert_int_equal(e2str_result_new(&result, NULL), E2STR_OK);
    if (e2str_read(g->session, &image, pool, &options, result, &error)) fail_msg("%s: %s", g->name, error.message);
    const uint32_t *tokens;
    size_t n = e2str_result_tokens(result, &tokens), at = 0;
    for (int32_t i = offset[0]; i < offset[1]; i++) {
        if (expected[i] < 4) continue;
        if (at >= n || tokens[at] != (uint32_t)expected[i])
            fail_msg("%s: %s of case %zu differs at token %zu", g->name, what, index, at);
        at++;
    }
    assert_int_equal(at, n);
    assert_int_equal(e2str_result_truncated(result), (uint32_t)(offset[1] - offset[0]) == c->max_tokens);
    e2str_result_free(result);
}

/* Logits of the prompt's last row, through the stages themselves. */
static void check_logits(const golden *g, e2str_pool *pool, const golden_case *c, const float *expected) {
    const e2str_model *model = g->model;
    e2_arena *arena = &g->session->arena;
    size_t width = model->vision.width;
    float *tokens = malloc(model->visual_tokens * width * sizeof *tokens), *key = malloc(width * sizeof *key);
    float *logits = malloc(model->decoder.vocabulary * sizeof *logits);
    e2str_image image = image_of(g, c->query);
    assert_int_equal(e2str_encode(g->session, &image, 1, tokens, key, NULL), E2STR_OK);
    e2_choice choices[8];
    assert_int_equal(e2_pool_choose_ids(pool, c->examples, c->n_examples, choices, NULL), E2STR_OK);
    const e2_compute *compute = &g->session->compute;
    e2_sequence_parts parts = {.choices = choices, .n_choices = c->n_examples};
    e2_sequence_size size;
    e2_media media;
    e2_sequence sequence;
    e2_kv_cache cache;
    assert_int_equal(e2str_visual_tokens(model, &image, &parts.query_tokens, NULL), E2STR_OK);
    assert_int_equal(e2_sequence_measure(model, &parts, &size, NULL), E2STR_OK);
    assert_true(e2_media_new(compute, size.images, size.visual_tokens, &media));
    assert_true(e2_sequence_rows(compute, &parts, 0, 0, &sequence));
    assert_true(e2_sequence_media(compute, &parts, NULL, tokens, &media));
    assert_true(e2_kv_cache_new(compute, sequence.length, &cache));
    float *hidden = e2_arena_floats(arena, (size_t)sequence.n * model->decoder.width);
    assert_true(e2_decode(compute, &media, &cache, sequence.rows, sequence.n, hidden, NULL));
    assert_true(e2_logits(compute, hidden + (size_t)(sequence.n - 1) * model->decoder.width, 1, logits));
    assert_close(g, "logits", logits, expected, model->decoder.vocabulary);
    for (size_t i = 0; i < c->n_examples; i++) e2_choice_release(&choices[i]);
    e2_arena_release(arena, (e2_arena_mark){0});
    free(logits);
    free(key);
    free(tokens);
}

static size_t check_cases(const golden *g) {
    size_t n_cases, n_logits;
    integers(g, "case.query", &n_cases);
    const int32_t *with_logits = integers(g, "logits.case", &n_logits);
    for (size_t i = 0; i < n_cases; i++) {
        e2str_pool *pool = new_pool(g);
        golden_case c = load_case(g, pool, i);
        check_read(g, pool, &c, 1, i);
        check_read(g, pool, &c, 3, i);
        for (size_t j = 0; j < n_logits; j++)
            if (with_logits[j] == (int32_t)i)
                check_logits(g, pool, &c, floats(g, "logits") + j * g->model->decoder.vocabulary);
        e2str_pool_free(pool);
    }
    return n_cases;
}

/* The same model with products in the types of the file, in bf16, in int8. */
static void check_rounded(const golden *g, const char *model_path, e2str_precision precision) {
    golden own = *g;
    e2str_error error = {0};
    e2str_model_options options;
    e2str_model_options_init(&options);
    options.precision = precision;
    if (e2str_model_open(model_path, &options, &own.model, &error) ||
        e2str_session_new(own.model, NULL, &own.session, &error))
        fail_msg("%s: %s", g->name, error.message);
    size_t width = g->model->vision.width;
    float *tokens = malloc(g->model->visual_tokens * width * sizeof *tokens), *key = malloc(width * sizeof *key);
    e2str_image image = image_of(g, 0);
    uint32_t n;
    assert_int_equal(e2str_visual_tokens(own.model, &image, &n, NULL), E2STR_OK);
    assert_int_equal(e2str_encode(own.session, &image, 1, tokens, key, NULL), E2STR_OK);
    assert_within(g, "visual tokens, rounded", tokens, floats(g, "tokens"), n * width, ROUNDED_TOLERANCE);
    assert_within(g, "key, rounded", key, floats(g, "keys"), width, ROUNDED_TOLERANCE);
    check_fusion(&own, &own.session->compute, ROUNDED_TOLERANCE);
    free(key);
    free(tokens);
    e2str_session_free(own.session);
    e2str_model_close(own.model);
}

static size_t check_file(const char *path) {
    golden g = {.images = 0};
    const char *base = strrchr(path, '/') + 1;
    snprintf(g.name, sizeof g.name, "%.*s", (int)(strlen(base) - strlen(".golden.gguf")), base);
    char model_path[256];
    snprintf(model_path, sizeof model_path, "tests/golden/%s.gguf", g.name);
    e2str_error error = {0};
    e2str_model_options options; /* the reference does not round activations */
    e2str_model_options_init(&options);
    options.precision = E2STR_PRECISION_F32;
    if (e2_gguf_open(path, &g.file, &error) || e2_gguf_complete(&g.file, &error) ||
        e2str_model_open(model_path, &options, &g.model, &error) ||
        e2str_session_new(g.model, NULL, &g.session, &error))
        fail_msg("%s: %s", g.name, error.message);
    while (image_tensor(&g, g.images)) g.images++;
    check_planes(&g);
    check_vision_tokens(&g);
    check_encoding(&g);
    check_head(&g);
    check_fusion(&g, &g.session->compute, TOLERANCE);
    check_nearest(&g);
    size_t cases = check_cases(&g);
    check_rounded(&g, model_path, E2STR_PRECISION_FILE);
    check_rounded(&g, model_path, E2STR_PRECISION_BF16);
    check_rounded(&g, model_path, E2STR_PRECISION_INT8);
    e2str_session_free(g.session);
    e2str_model_close(g.model);
    e2_gguf_close(&g.file);
    return cases;
}

static glob_t files;

static void golden_file(void **state) { assert_true(check_file(*state) > 0); }

static void enough_prompts(void **state) {
    (void)state;
    size_t cases = 0;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        e2_gguf file;
        assert_int_equal(e2_gguf_open(files.gl_pathv[i], &file, NULL), E2STR_OK);
        const e2_tensor *queries = e2_gguf_tensor(&file, "case.query");
        assert_non_null(queries);
        cases += queries->elements;
        e2_gguf_close(&file);
    }
    assert_true(cases >= 200);
}

int main(void) {
    struct CMUnitTest tests[64] = {cmocka_unit_test(enough_prompts)};
    size_t n = 1;
    glob("tests/golden/*.golden.gguf", 0, NULL, &files);
    for (size_t i = 0; i < files.gl_pathc && n < 64; i++)
        tests[n++] = (struct CMUnitTest){files.gl_pathv[i], golden_file, NULL, NULL, files.gl_pathv[i]};
    int failed = _cmocka_run_group_tests("golden", tests, n, NULL, NULL);
    globfree(&files);
    return failed;
}
