/* SPDX-License-Identifier: MIT */
/* The model loader: what it makes of a good file, and what it says of bad ones (tests/bad). */
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "hash.h"
#include "model.h"
#include "tiny_model.h"

static e2str_model *open_tiny(const tiny_model_options *options, uint8_t **file) {
    size_t size;
    e2str_model *model;
    e2str_error error = {""};
    *file = tiny_model_build(options, &size);
    if (e2str_model_open_memory(*file, size, NULL, &model, &error)) fail_msg("%s", error.message);
    return model;
}

/* Where the file has this tensor. */
static const float *in_file(const e2str_model *model, const char *name) {
    const e2_tensor *tensor = e2_gguf_tensor(&model->gguf, name);
    assert_non_null(tensor);
    return tensor->data;
}

/* The same values as the file's tensor, in place or copied. */
static void check_table(const e2str_model *model, const float *values, const char *name) {
    const e2_tensor *tensor = e2_gguf_tensor(&model->gguf, name);
    assert_non_null(tensor);
    assert_memory_equal(values, tensor->data, tensor->elements * sizeof *values);
}

/* W [row][column] as the kernels see it. */
static float weight_at(const e2_linear *linear, size_t row, size_t column) {
    const e2_matrix *w = &linear->matrix;
    if (!w->panels) return linear->weight[row * linear->in + column];
    size_t group = w->type == E2_WEIGHT_F32 ? 1 : w->type == E2_WEIGHT_BF16 ? 2 : 4;
    size_t panel = (w->k + group - 1) / group * group * E2_PANEL * (row / E2_PANEL);
    size_t at = panel + (column / group * E2_PANEL + row % E2_PANEL) * group + column % group;
    if (w->type == E2_WEIGHT_F32) return ((const float *)w->panels)[at];
    if (w->type == E2_WEIGHT_Q8) return w->scales[row] * (float)((const int8_t *)w->panels)[at];
    uint32_t bits = (uint32_t)((const uint16_t *)w->panels)[at] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void check_linear(const e2str_model *model, e2_linear linear, uint32_t out, uint32_t in, const char *name,
                         bool bias) {
    char full[96];
    assert_int_equal(linear.out, out);
    assert_int_equal(linear.in, in);
    snprintf(full, sizeof full, "%s.weight", name);
    const float *expected = in_file(model, full);
    for (size_t i = 0; i < (size_t)out * in; i++) assert_true(weight_at(&linear, i / in, i % in) == expected[i]);
    snprintf(full, sizeof full, "%s.bias", name);
    if (bias)
        check_table(model, linear.bias, full);
    else
        assert_null(linear.bias);
}

static void check_norm(const e2str_model *model, e2_norm norm, const char *name) {
    char full[96];
    snprintf(full, sizeof full, "%s.weight", name);
    check_table(model, norm.weight, full);
    snprintf(full, sizeof full, "%s.bias", name);
    check_table(model, norm.bias, full);
}

static void check_block(const e2str_model *model, const e2_block *block, uint32_t width, uint32_t feed_forward,
                        const char *prefix) {
    char name[64];
#define NAMED(part) (snprintf(name, sizeof name, "%s.%s", prefix, part), name)
    check_norm(model, block->norm1, NAMED("norm1"));
    check_linear(model, block->qkv, 3 * width, width, NAMED("attn_qkv"), true);
    check_linear(model, block->out, width, width, NAMED("attn_out"), true);
    check_norm(model, block->norm2, NAMED("norm2"));
    check_linear(model, block->up, feed_forward, width, NAMED("ffn_up"), true);
    check_linear(model, block->down, width, feed_forward, NAMED("ffn_down"), true);
#undef NAMED
}

static void every_weight_in_its_place(void **state) {
    (void)state;
    uint8_t *file;
    e2str_model *model = open_tiny(&(tiny_model_options){.resampler_layers = 2,
                                                         .vision_layers = 2,
                                                         .decoder_layers = 4,
                                                         .cross_every = 2,
                                                         .decoder_width = 24,
                                                         .vision_feed_forward = 40,
                                                         .decoder_feed_forward = 48,
                                                         .class_token = true,
                                                         .norm_post = true},
                                   &file);
    const e2_vision *v = &model->vision;
    assert_int_equal(v->grid_width, 8);
    assert_int_equal(v->grid_height, 4);
    assert_int_equal(v->patches, 32);
    check_linear(model, v->patch, 16, 3 * 8 * 16, "vision.patch", true);
    check_table(model, v->class_embedding, "vision.class_embedding");
    check_table(model, v->positions, "vision.positions");
    check_norm(model, v->post, "vision.norm_post");
    check_block(model, &v->blocks[1], 16, 40, "vision.blk.1");

    const e2_resampler *r = &model->resampler;
    assert_int_equal(model->visual_tokens, TINY_LATENTS);
    check_table(model, r->latent_table, "resampler.latents");
    check_norm(model, r->norm, "resampler.norm");
    check_norm(model, r->blocks[1].norm_media, "resampler.blk.1.norm_media");
    check_norm(model, r->blocks[1].norm_latents, "resampler.blk.1.norm_latents");
    check_linear(model, r->blocks[1].query, 16, 16, "resampler.blk.1.attn_query", false);
    check_linear(model, r->blocks[1].key_value, 32, 16, "resampler.blk.1.attn_key_value", false);
    check_linear(model, r->blocks[1].out, 16, 16, "resampler.blk.1.attn_out", false);
    check_norm(model, r->blocks[1].norm_ff, "resampler.blk.1.norm_ff");
    check_linear(model, r->blocks[1].up, 32, 16, "resampler.blk.1.ffn_up", false);
    check_linear(model, r->blocks[1].down, 16, 32, "resampler.blk.1.ffn_down", false);

    const e2_decoder *d = &model->decoder;
    assert_int_equal(d->cross_layers, 2);
    assert_null(d->blocks[0].cross);
    assert_ptr_equal(d->blocks[1].cross, &d->crosses[0]);
    assert_null(d->blocks[2].cross);
    assert_ptr_equal(d->blocks[3].cross, &d->crosses[1]);
    const float *tokens = in_file(model, "decoder.tokens");
    for (size_t i = 0; i < (size_t)d->vocabulary * d->width; i++)
        assert_true(weight_at(&d->output, i / d->width, i % d->width) == tokens[i]);
    assert_ptr_equal(d->position_table->data, in_file(model, "decoder.positions"));
    check_norm(model, d->norm, "decoder.norm");
    check_block(model, &d->blocks[3].block, 24, 48, "decoder.blk.3");
    const e2_cross *cross = &d->crosses[1];
    check_norm(model, cross->norm, "decoder.blk.3.cross.norm");
    check_linear(model, cross->query, 16, 24, "decoder.blk.3.cross.attn_query", false);
    check_linear(model, cross->key_value, 32, 16, "decoder.blk.3.cross.attn_key_value", false);
    check_linear(model, cross->out, 24, 16, "decoder.blk.3.cross.attn_out", false);
    assert_true(cross->attention_gate == tanhf(*in_file(model, "decoder.blk.3.cross.attn_gate")));
    assert_true(cross->feed_forward_gate == tanhf(*in_file(model, "decoder.blk.3.cross.ffn_gate")));
    assert_true(cross->attention_gate != cross->feed_forward_gate);
    check_norm(model, cross->norm_ff, "decoder.blk.3.cross.norm_ff");
    check_linear(model, cross->up, 32, 24, "decoder.blk.3.cross.ffn_up", false);
    check_linear(model, cross->down, 24, 32, "decoder.blk.3.cross.ffn_down", false);
    e2str_model_close(model);
    free(file);
}

static void every_key_in_its_place(void **state) {
    (void)state;
    uint8_t *file;
    e2str_model *model = open_tiny(&(tiny_model_options){.vision_activation = "quick_gelu",
                                                         .channels = "bgr",
                                                         .key = "vision_tokens",
                                                         .all_media = true,
                                                         .positions = 50},
                                   &file);
    assert_int_equal(model->image.width, 128);
    assert_int_equal(model->image.height, 32);
    assert_true(model->image.bgr);
    assert_true(model->image.mean[0] == 0.48f && model->image.mean[1] == 0.46f && model->image.mean[2] == 0.41f);
    assert_true(model->image.std[0] == 0.27f && model->image.std[1] == 0.26f && model->image.std[2] == 0.28f);
    assert_int_equal(model->vision.activation, E2_QUICK_GELU);
    assert_int_equal(model->vision.heads, 2);
    assert_false(model->vision.class_token || model->vision.norm_post);
    assert_true(model->vision.epsilon == 1e-5f && model->decoder.epsilon == 1e-5f);
    assert_null(model->vision.class_embedding);
    assert_int_equal(model->resampler.layers, 0);
    assert_int_equal(model->visual_tokens, 32);
    assert_int_equal(model->decoder.activation, E2_RELU);
    assert_int_equal(model->decoder.vocabulary, 66);
    assert_int_equal(model->decoder.positions, 50);
    assert_int_equal(model->decoder.position_offset, 2);
    assert_int_equal(model->decoder.cross_heads, TINY_HEADS);
    assert_int_equal(model->decoder.cross_head_size, TINY_HEAD_SIZE);
    assert_false(model->decoder.only_immediate_media);
    assert_true(model->key_from_vision_tokens);
    e2str_model_close(model);
    free(file);

    model = open_tiny(&(tiny_model_options){.decoder_activation = "gelu"}, &file);
    assert_int_equal(model->vision.activation, E2_GELU);
    assert_int_equal(model->decoder.activation, E2_GELU);
    assert_false(model->image.bgr || model->key_from_vision_tokens);
    assert_true(model->decoder.only_immediate_media);
    e2str_model_close(model);
    free(file);
}

static void info_counts_each_weight_once(void **state) {
    (void)state;
    uint8_t *file;
    e2str_model *model = open_tiny(NULL, &file);
    e2str_model_info info;
    e2str_error error;
    e2str_model_info_init(&info);
    assert_int_equal(e2str_model_get_info(model, &info, &error), E2STR_OK);
    uint64_t weights = 0;
    for (size_t i = 0; i < model->gguf.n_tensors; i++) weights += model->gguf.tensors[i].elements;
    assert_int_equal(info.parameters, weights);
    assert_int_equal(info.file_bytes, model->gguf.size);
    assert_string_equal(info.name, "tiny random model");
    assert_string_equal(info.tokenizer, "characters");
    assert_int_equal(info.image_width, 128);
    assert_int_equal(info.image_height, 32);
    assert_int_equal(info.visual_tokens, 32);
    assert_int_equal(info.visual_width, 16);
    assert_int_equal(info.vision_layers, 1);
    assert_int_equal(info.resampler_layers, 0);
    assert_int_equal(info.decoder_layers, 2);
    assert_int_equal(info.decoder_width, 16);
    assert_int_equal(info.vocabulary, 66);
    assert_int_equal(info.positions, 64);
    info.size = 0;
    assert_int_equal(e2str_model_get_info(model, &info, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_model_get_info(model, NULL, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_model_get_info(NULL, &info, &error), E2STR_ERROR_ARGUMENT);
    e2str_model_close(model);
    free(file);
}

typedef struct log_lines {
    int count;
    char last[256];
} log_lines;

static void remember(void *user, const char *message) {
    log_lines *lines = user;
    lines->count++;
    snprintf(lines->last, sizeof lines->last, "%s", message);
}

/* The same weights in another type: packed within the type's precision, 64-byte aligned, and said to the log. */
static void other_types_are_packed(void **state) {
    (void)state;
    static const struct {
        e2_type type;
        float tolerance; /* of the largest weight, 1.7 / sqrt(32) */
    } cases[] = {{E2_F16, 1e-3f}, {E2_BF16, 8e-3f}, {E2_Q8_0, 5e-3f}};
    tiny_model_options options = {.vision_width = 32, .decoder_width = 32, .resampler_layers = 1};
    uint8_t *file, *other_file;
    e2str_model *model = open_tiny(&options, &file);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size;
        e2str_model *other;
        e2str_model_options open_options;
        log_lines lines = {0};
        options.type = cases[i].type;
        other_file = tiny_model_build(&options, &size);
        e2str_model_options_init(&open_options);
        open_options.precision = E2STR_PRECISION_FILE;
        open_options.log = remember;
        open_options.log_user = &lines;
        assert_int_equal(e2str_model_open_memory(other_file, size, &open_options, &other, NULL), E2STR_OK);
        assert_in_range(lines.count, 1, 2); /* before it, that there is no OpenBLAS, where it would multiply */
        assert_non_null(strstr(lines.last, other->blas ? "expanded to f32" : "packed for"));
        assert_int_equal(other->parameters, model->parameters);
        const e2_linear *a = &model->decoder.blocks[1].block.qkv, *b = &other->decoder.blocks[1].block.qkv;
        assert_int_equal((uintptr_t)b->matrix.panels % 64, 0);
        bool exact = true;
        for (size_t j = 0; j < (size_t)a->in * a->out; j++) {
            float x = weight_at(a, j / a->in, j % a->in), y = weight_at(b, j / a->in, j % a->in);
            assert_true(fabsf(x - y) <= cases[i].tolerance * 0.31f);
            exact = exact && x == y;
        }
        assert_false(exact);
        assert_memory_equal(a->bias, b->bias, a->out * sizeof(float));
        e2str_model_close(other);
        free(other_file);
    }
    e2str_model_close(model);
    free(file);
}

/* Tokens of a grey image: the bits that a precision gives. To be freed. */
static float *tokens_at(const uint8_t *file, size_t size, e2str_precision asked, e2str_precision *used,
                        e2_matrix *matrix, e2_matrix *whitening, size_t *n) {
    e2str_model_options options;
    e2str_model *model;
    e2str_session *session;
    e2str_error error = {""};
    e2str_model_options_init(&options);
    assert_int_equal(options.precision, E2STR_PRECISION_AUTO);
    options.precision = asked;
    if (e2str_model_open_memory(file, size, &options, &model, &error) ||
        e2str_session_new(model, NULL, &session, &error))
        fail_msg("%s", error.message);
    e2str_model_info info;
    e2str_model_info_init(&info);
    assert_int_equal(e2str_model_get_info(model, &info, &error), E2STR_OK);
    *used = info.precision;
    *n = (size_t)info.visual_tokens * info.visual_width;
    float *tokens = tiny_checked(malloc(*n * sizeof *tokens));
    uint8_t pixels[32 * 128];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 37 % 251);
    e2str_image image = {.pixels = pixels, .width = 128, .height = 32, .stride = 128, .format = E2STR_GREY};
    assert_int_equal(e2str_encode(session, &image, 1, tokens, NULL, &error), E2STR_OK);
    *matrix = model->decoder.blocks[1].block.qkv.matrix;
    *whitening = model->memory.key_whitening.matrix;
    e2str_session_free(session);
    e2str_model_close(model);
    return tokens;
}

/* The type of products is the one asked for, whatever the file's; AUTO is one of them and gives its bits. Only what a
 * pool's memory learns with stays as it is stored. */
static void precision_is_what_is_asked_for(void **state) {
    (void)state;
    static const e2_type types[] = {E2_F32, E2_F16, E2_BF16, E2_Q8_0};
    static const e2_weight_type stored[] = {E2_WEIGHT_F32, E2_WEIGHT_F32, E2_WEIGHT_BF16, E2_WEIGHT_Q8};
    e2_kernels kernels;
    assert_true(e2_kernels_best(getenv("E2STR_CPU") ? getenv("E2STR_CPU") : "", &kernels));
    for (size_t i = 0; i < 4; i++) {
        tiny_model_options options = {.vision_width = 32, .decoder_width = 32, .memory = true, .type = types[i]};
        e2_matrix matrix, whitening;
        e2str_precision used, chosen;
        size_t size, n;
        uint8_t *file = tiny_model_build(&options, &size);
        float *automatic = tokens_at(file, size, E2STR_PRECISION_AUTO, &chosen, &matrix, &whitening, &n);
        if (!matrix.panels) { /* by the BLAS: always in f32 */
            assert_int_equal(chosen, E2STR_PRECISION_F32);
        } else {
            bool wide = types[i] == E2_F32 || kernels.fastest == E2_WEIGHT_F32;
            assert_int_equal(chosen, wide                                ? E2STR_PRECISION_F32
                                     : kernels.fastest == E2_WEIGHT_BF16 ? E2STR_PRECISION_BF16
                                                                         : E2STR_PRECISION_INT8);
        }
        size_t same = 0;
        for (e2str_precision p = E2STR_PRECISION_F32; p <= E2STR_PRECISION_BF16; p++) {
            if (p == E2STR_PRECISION_AUTO) continue;
            float *tokens = tokens_at(file, size, p, &used, &matrix, &whitening, &n);
            assert_int_equal(used, matrix.panels ? p : E2STR_PRECISION_F32);
            if (matrix.panels) {
                assert_int_equal(matrix.type, p == E2STR_PRECISION_INT8   ? E2_WEIGHT_Q8
                                              : p == E2STR_PRECISION_BF16 ? E2_WEIGHT_BF16
                                                                          : E2_WEIGHT_F32);
                assert_int_equal(whitening.type, p == E2STR_PRECISION_F32 ? E2_WEIGHT_F32 : stored[i]);
                bool equal = !memcmp(tokens, automatic, n * sizeof *tokens);
                assert_int_equal(equal, p == chosen);
                same += equal;
            }
            free(tokens);
        }
        if (matrix.panels) assert_int_equal(same, 1);
        free(automatic);
        free(file);
    }
    uint8_t *file;
    size_t size;
    e2str_model *model;
    e2str_model_options wrong;
    e2str_model_options_init(&wrong);
    file = tiny_model_build(NULL, &size);
    static const int values[] = {-1, 5, 1 << 30};
    for (size_t i = 0; i < 3; i++) {
        wrong.precision = (e2str_precision)values[i];
        assert_int_equal(e2str_model_open_memory(file, size, &wrong, &model, NULL), E2STR_ERROR_ARGUMENT);
        assert_null(model);
    }
    free(file);
}

static void check_name(const char *given, const char *expected) {
    uint8_t *file;
    e2str_model *model = open_tiny(&(tiny_model_options){.name = given}, &file);
    assert_string_equal(model->name, expected);
    e2str_model_close(model);
    free(file);
}

static void name_is_safe_and_cut_between_characters(void **state) {
    (void)state;
#define TEN "0123456789"
    check_name("caf\xc3\xa9", "caf\xc3\xa9");
    check_name("a\x1b[2J\xff\xc2\x80\x7f", "a?[2J???");
    check_name(TEN TEN TEN TEN TEN TEN "123456", TEN TEN TEN TEN TEN TEN "123");
    check_name(TEN TEN TEN TEN TEN TEN "1\xc3\xa9x", TEN TEN TEN TEN TEN TEN "1\xc3\xa9");
    check_name(TEN TEN TEN TEN TEN TEN "12\xc3\xa9", TEN TEN TEN TEN TEN TEN "12");
#undef TEN
}

static void weights_that_are_no_numbers(void **state) {
    (void)state;
    static const struct {
        e2_type type;
        const char *tensor;
        size_t offset; /* bytes */
        uint32_t bits;
        size_t bytes;
    } cases[] = {
        {E2_F32, "decoder.blk.1.cross.attn_gate", 0, 0x7FC00000, 4},
        {E2_F32, "vision.blk.0.ffn_up.weight", 4, 0x7F800000, 4},
        {E2_F32, "decoder.norm.bias", 60, 0xFF800000, 4},
        {E2_F32, "decoder.positions", 64, 0x7FC00001, 4},
        {E2_F32, "decoder.tokens", 0, 0xFFFFFFFF, 4},
        {E2_F16, "decoder.blk.0.ffn_up.weight", 2, 0x7C00, 2},
        {E2_BF16, "decoder.blk.0.ffn_up.weight", 2, 0x7F80, 2},
        {E2_BF16, "vision.positions", 0, 0xFFC0, 2},
        {E2_Q8_0, "vision.blk.0.ffn_down.weight", 34, 0xFC00, 2}, /* the scale of the second block */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *file;
        e2str_error error;
        e2str_model *model = open_tiny(&(tiny_model_options){.type = cases[i].type}, &file), *other;
        const e2_tensor *tensor = e2_gguf_tensor(&model->gguf, cases[i].tensor);
        if (tensor->type != cases[i].type) fail_msg("%s has another type", cases[i].tensor);
        uint8_t *at = file + ((const uint8_t *)tensor->data - file) + cases[i].offset;
        memcpy(at, &cases[i].bits, cases[i].bytes);
        assert_int_equal(e2str_model_open_memory(file, model->gguf.size, NULL, &other, &error), E2STR_ERROR_FORMAT);
        assert_null(other);
        if (!strstr(error.message, cases[i].tensor) || !strstr(error.message, "not finite"))
            fail_msg("%s: '%s'", cases[i].tensor, error.message);
        e2str_model_close(model);
        free(file);
    }
}

typedef struct checksum_thread {
    pthread_t thread;
    const e2str_model *model;
    uint64_t checksum;
} checksum_thread;

static void *ask_checksum(void *user) {
    checksum_thread *self = user;
    self->checksum = e2str_model_checksum(self->model);
    return NULL;
}

static void checksum_of_the_whole_file(void **state) {
    (void)state;
    size_t size;
    uint8_t *file = tiny_model_build(NULL, &size);
    e2str_model *model;
    assert_int_equal(e2str_model_open_memory(file, size, NULL, &model, NULL), E2STR_OK);
    e2_hash hash;
    e2_hash_begin(&hash);
    e2_hash_add(&hash, file, size);
    checksum_thread threads[4];
    for (int i = 0; i < 4; i++) {
        threads[i].model = model;
        assert_int_equal(pthread_create(&threads[i].thread, NULL, ask_checksum, &threads[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i].thread, NULL);
        assert_true(threads[i].checksum == e2_hash_end(&hash));
    }
    assert_true(e2str_model_checksum(model) == e2_hash_end(&hash));
    assert_true(e2str_model_checksum(NULL) == 0);
    e2str_model_close(model);
    free(file);
}

/* Also: a level that is named is not replaced by the BLAS, and an empty name is none. */
static void the_environment_caps_the_cpu_level(void **state) {
    (void)state;
    size_t size;
    uint8_t *file = tiny_model_build(NULL, &size);
    e2str_model *model = NULL;
    e2str_error error;
    const char *named = getenv("E2STR_CPU");
    char *before = named ? strdup(named) : NULL;
    static const char *const levels[] = {"", "ref"};
    for (size_t i = 0; i < 2; i++) {
        setenv("E2STR_CPU", levels[i], 1);
        assert_int_equal(e2str_model_open_memory(file, size, NULL, &model, &error), E2STR_OK);
        assert_string_equal(model->kernels->name, e2str_cpu_name());
        if (*levels[i]) assert_true(!strcmp(e2str_cpu_name(), levels[i]) && !model->blas);
        e2str_model_close(model);
    }
    setenv("E2STR_CPU", "pentium", 1);
    assert_string_equal(e2str_cpu_name(), "unknown");
    assert_int_equal(e2str_model_open_memory(file, size, NULL, &model, &error), E2STR_ERROR_ARGUMENT);
    assert_null(model);
    assert_non_null(strstr(error.message, "pentium"));
    assert_non_null(strstr(error.message, e2_kernels_names()));
    if (before)
        setenv("E2STR_CPU", before, 1);
    else
        unsetenv("E2STR_CPU");
    free(before);
    free(file);
}

/* All that is packed of a matrix. */
static void assert_same_matrix(const e2_matrix *a, const e2_matrix *b) {
    assert_true(a->type == b->type && a->n == b->n && a->k == b->k);
    assert_memory_equal(a->panels, b->panels, e2_packed_bytes(a->type, a->n, a->k));
    if (a->type != E2_WEIGHT_Q8) return;
    assert_memory_equal(a->scales, b->scales, e2_panels(a->n) * E2_PANEL * sizeof *a->scales);
    assert_memory_equal(a->sums, b->sums, e2_panels(a->n) * E2_PANEL * sizeof *a->sums);
}

static void threads_pack_the_same(void **state) {
    (void)state;
    size_t size;
    uint8_t *file = tiny_model_build(&(tiny_model_options){.vision_width = 128,
                                                           .vision_feed_forward = 512,
                                                           .stem = {{32, 2, 2}, {160, 2, 2}, {160, 2, 2}},
                                                           .patch_height = 8,
                                                           .patch_width = 8},
                                     &size);
    e2str_model_options options;
    e2str_model_options_init(&options);
    options.products = E2STR_PRODUCTS_OWN;
    for (e2str_precision precision = E2STR_PRECISION_FILE; precision <= E2STR_PRECISION_BF16; precision++) {
        e2str_model *models[2];
        options.precision = precision;
        for (int i = 0; i < 2; i++) {
            options.threads = i ? 3 : 1;
            assert_int_equal(e2str_model_open_memory(file, size, &options, &models[i], NULL), E2STR_OK);
        }
        const e2_vision *a = &models[0]->vision, *b = &models[1]->vision;
        assert_same_matrix(&a->blocks[0].qkv.matrix, &b->blocks[0].qkv.matrix);
        assert_same_matrix(&a->blocks[0].up.matrix, &b->blocks[0].up.matrix);
        assert_same_matrix(&a->stem[1].linear.matrix, &b->stem[1].linear.matrix);
        for (int i = 0; i < 2; i++) e2str_model_close(models[i]);
    }
    e2str_model *model;
    e2str_error error;
    static const uint32_t wrong[] = {0, E2STR_MAX_THREADS + 1};
    for (size_t i = 0; i < 2; i++) {
        options.threads = wrong[i];
        assert_int_equal(e2str_model_open_memory(file, size, &options, &model, &error), E2STR_ERROR_ARGUMENT);
        assert_non_null(strstr(error.message, "threads is"));
    }
    free(file);
}

/* Files whose tensors come in the order in which they are wanted, and others: stems, resamplers, free widths. */
static void hashed_on_the_way(void **state) {
    (void)state;
    static const char *const names[] = {"stem", "resampler", "free", "odd", "plain", "free-resampler", "no-class"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        e2str_model *model;
        snprintf(path, sizeof path, "tests/golden/%s.gguf", names[i]);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        static uint8_t data[1 << 19];
        size_t size = fread(data, 1, sizeof data, file);
        fclose(file);
        assert_true(size > 0 && size < sizeof data);
        e2_hash hash;
        e2_hash_begin(&hash);
        e2_hash_add(&hash, data, size);
        assert_int_equal(e2str_model_open(path, NULL, &model, NULL), E2STR_OK);
        assert_true(e2str_model_checksum(model) == e2_hash_end(&hash));
        e2str_model_close(model);
    }
}

static void from_a_file_as_from_memory(void **state) {
    (void)state;
    char path[] = "/tmp/e2str-model-XXXXXX";
    uint8_t *file;
    size_t size;
    e2str_model *model, *opened;
    e2str_error error;
    file = tiny_model_build(NULL, &size);
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, file, size), size);
    close(descriptor);
    assert_int_equal(e2str_model_open_memory(file, size, NULL, &model, NULL), E2STR_OK);
    assert_int_equal(e2str_model_open(path, NULL, &opened, NULL), E2STR_OK);
    assert_int_equal(truncate(path, 100), 0); /* nothing of it is needed any more */
    unlink(path);
    assert_true(e2str_model_checksum(model) == e2str_model_checksum(opened));
    assert_memory_equal(model->decoder.position_table->data, opened->decoder.position_table->data,
                        66 * 16 * sizeof(float));
    e2str_model_close(model);
    e2str_model_close(opened);
    assert_int_equal(e2str_model_open(path, NULL, &opened, &error), E2STR_ERROR_IO);
    assert_null(opened);
    assert_non_null(strstr(error.message, path));
    assert_int_equal(e2str_model_open("/tmp", NULL, &opened, &error), E2STR_ERROR_IO);
    assert_string_equal(error.message, "/tmp: is a directory");
    free(file);
}

static void arguments_are_checked(void **state) {
    (void)state;
    size_t size;
    uint8_t *file = tiny_model_build(NULL, &size), *odd = malloc(size + 1);
    e2str_model *model = (e2str_model *)file;
    e2str_model_options options = {0};
    e2str_error error;
    assert_int_equal(e2str_model_open(NULL, NULL, &model, &error), E2STR_ERROR_ARGUMENT);
    assert_null(model);
    assert_int_equal(e2str_model_open("x", NULL, NULL, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_model_open_memory(file, size, NULL, NULL, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_model_open_memory(NULL, 0, NULL, &model, &error), E2STR_ERROR_ARGUMENT);
    assert_int_equal(e2str_model_open_memory(file, size, &options, &model, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "e2str_model_options_init"));
    memcpy(odd + 1, file, size);
    assert_int_equal(e2str_model_open_memory(odd + 1, size, NULL, &model, &error), E2STR_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "aligned"));
    assert_null(model);
    e2str_model_close(NULL);
    e2str_model_options_init(NULL);
    e2str_model_info_init(NULL);
    free(odd);
    free(file);
}

/* The status that a file's name begins with, and the words of expected.tsv. */
static void check_bad_file(const char *name, const char *words) {
    char path[512];
    snprintf(path, sizeof path, "tests/bad/%s", name);
    e2str_model *model;
    e2str_error error = {""};
    e2str_status status = e2str_model_open(path, NULL, &model, &error);
    const char *expected = e2str_status_name(status);
    if (strncmp(name, expected, strlen(expected)) != 0 || name[strlen(expected)] != '-')
        fail_msg("%s: status %s, message \"%s\"", name, expected, error.message);
    if (status) {
        assert_null(model);
        if (strncmp(error.message, path, strlen(path)) != 0 || !strstr(error.message + strlen(path), words))
            fail_msg("%s: the message \"%s\" lacks \"%s\"", name, error.message, words);
    }
    e2str_model_close(model);
}

static void bad_files(void **state) {
    (void)state;
    char line[400];
    size_t listed = 0, present = 0;
    FILE *list = fopen("tests/bad/expected.tsv", "r");
    assert_non_null(list);
    while (fgets(line, sizeof line, list)) {
        char *words = strchr(line, '\t');
        assert_non_null(words);
        *words++ = 0;
        words[strcspn(words, "\n")] = 0;
        if (sizeof(size_t) == 4 && !strcmp(words, "more bytes")) words = "more elements"; /* are too many already */
        check_bad_file(line, words);
        listed++;
    }
    fclose(list);
    DIR *folder = opendir("tests/bad");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        size_t length = strlen(entry->d_name);
        present += length > 5 && strcmp(entry->d_name + length - 5, ".gguf") == 0;
    }
    closedir(folder);
    assert_true(listed >= 90);
    assert_int_equal(present, listed);
}

/* Every proper prefix of a model, from a buffer of exactly its size: FORMAT, and nothing is read beyond. */
static void every_truncation(void **state) {
    (void)state;
    size_t size;
    uint8_t *file = tiny_model_build(&(tiny_model_options){.resampler_layers = 1, .alphabet = "ab"}, &size);
    for (size_t cut = 0; cut + 32 < size; cut += cut < 8192 ? 1 : 997) {
        uint8_t *part = malloc(cut + !cut);
        assert_non_null(part);
        memcpy(part, file, cut);
        e2str_model *model;
        e2str_error error = {""};
        assert_int_equal(e2str_model_open_memory(part, cut, NULL, &model, &error), E2STR_ERROR_FORMAT);
        assert_null(model);
        assert_true(error.message[0]);
        free(part);
    }
    free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_weight_in_its_place),
        cmocka_unit_test(every_key_in_its_place),
        cmocka_unit_test(info_counts_each_weight_once),
        cmocka_unit_test(other_types_are_packed),
        cmocka_unit_test(precision_is_what_is_asked_for),
        cmocka_unit_test(name_is_safe_and_cut_between_characters),
        cmocka_unit_test(weights_that_are_no_numbers),
        cmocka_unit_test(threads_pack_the_same),
        cmocka_unit_test(hashed_on_the_way),
        cmocka_unit_test(checksum_of_the_whole_file),
        cmocka_unit_test(the_environment_caps_the_cpu_level),
        cmocka_unit_test(from_a_file_as_from_memory),
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(every_truncation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
