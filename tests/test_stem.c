/* The convolutional stem: each layer against a convolution written down directly, in double; then whole models: the
 * same bits for any number of threads and in any batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convolution.h"
#include "pool_fixture.h"

/* All strides, and columns 9 * channels of every kind: 27, 63 (odd), 288 and 576 (whole blocks of Q8_0). */
static const tiny_model_options all_layers = {
    .stem = {{7, 1, 1}, {32, 2, 1}, {64, 1, 2}, {5, 2, 2}, {9, 2, 2}}, .patch_height = 8, .patch_width = 8};

static float noise(uint32_t *state) { return (float)fixture_random(state) / 2147483648.0f - 1.0f; }

/* The tensor as the file has it, in f32; free() it. */
static float *in_file(const e2str_model *model, uint32_t layer, const char *part) {
    char name[48];
    snprintf(name, sizeof name, "vision.stem.%u.%s", layer, part);
    const e2_tensor *tensor = e2_gguf_tensor(&model->gguf, name);
    assert_non_null(tensor);
    float *values = tiny_checked(malloc(tensor->elements * sizeof *values));
    e2_dequantize(tensor, 0, tensor->elements, values);
    return values;
}

/* weight [out][channels][3][3]: one output value. */
static double direct(const e2_pixels *x, const float *weight, size_t image, size_t row, size_t column) {
    double sum = 0;
    for (size_t c = 0; c < x->channels; c++)
        for (size_t dy = 0; dy < 3; dy++)
            for (size_t dx = 0; dx < 3; dx++) {
                size_t from_row = row + dy - 1, from_column = column + dx - 1; /* -1 is huge */
                if (from_row >= x->height || from_column >= x->width) continue;
                size_t pixel = (image * x->height + from_row) * x->width + from_column;
                sum += (double)weight[(c * 3 + dy) * 3 + dx] * x->data[pixel * x->channels + c];
            }
    return sum;
}

static void check_layer(const e2str_session *session, uint32_t index, size_t n, size_t height, size_t width,
                        double tolerance) {
    const e2str_model *model = session->compute.model;
    const e2_convolution *layer = &model->vision.stem[index];
    size_t channels = layer->linear.in / 9, out = layer->linear.out, at = 0;
    size_t rows = height * layer->stride_height, columns = width * layer->stride_width;
    float *data = tiny_checked(malloc(n * rows * columns * channels * sizeof *data));
    float *y = tiny_checked(malloc(n * height * width * out * sizeof *y));
    float *weight = in_file(model, index, "weight"), *bias = in_file(model, index, "bias");
    uint32_t state = 1 + index;
    for (size_t i = 0; i < n * rows * columns * channels; i++) data[i] = noise(&state);
    e2_pixels x = {data, n, rows, columns, channels};
    assert_true(e2_convolution_apply(&session->compute, layer, &x, y));
    for (size_t i = 0; i < n * height * width; i++)
        for (size_t o = 0; o < out; o++, at++) {
            size_t row = i / width % height * layer->stride_height, column = i % width * layer->stride_width;
            double v = bias[o] + direct(&x, weight + o * channels * 9, i / width / height, row, column);
            double expected = 0.5 * v * (1 + erf(v / sqrt(2)));
            if (!(fabs(y[at] - expected) <= tolerance))
                fail_msg("layer %u, %zu of %zu x %zu: value %zu of output pixel %zu is %g, not %g", index, n, height,
                         width, o, i, (double)y[at], expected);
        }
    free(bias);
    free(weight);
    free(y);
    free(data);
}

static void each_layer_is_the_convolution(void **state) {
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1}, {1, 1, 5}, {2, 4, 1}, {1, 3, 2}, {3, 7, 19}}; /* of the output */
    static const struct {
        e2_type type;
        e2str_precision precision;
        double tolerance; /* values are up to about 3 */
    } cases[] = {{E2_F32, E2STR_PRECISION_FILE, 1e-5}, {E2_F16, E2STR_PRECISION_FILE, 1e-5},
                 {E2_BF16, E2STR_PRECISION_F32, 1e-5}, {E2_BF16, E2STR_PRECISION_FILE, 2e-2},
                 {E2_Q8_0, E2STR_PRECISION_F32, 1e-5}, {E2_Q8_0, E2STR_PRECISION_FILE, 4e-2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned threads = 1; threads <= 3; threads += 2) {
            tiny_model_options options = all_layers;
            options.type = cases[i].type;
            size_t size;
            uint8_t *file = tiny_model_build(&options, &size);
            e2str_model_options open_options;
            e2str_session_options session_options;
            e2str_model_options_init(&open_options);
            e2str_session_options_init(&session_options);
            open_options.precision = cases[i].precision;
            session_options.threads = threads;
            e2str_model *model;
            e2str_session *session;
            e2str_error error = {""};
            if (e2str_model_open_memory(file, size, &open_options, &model, &error) ||
                e2str_session_new(model, &session_options, &session, &error))
                fail_msg("%s", error.message);
            assert_int_equal(model->vision.stem_layers, 5);
            for (uint32_t layer = 0; layer < 5; layer++)
                for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++)
                    check_layer(session, layer, sizes[j][0], sizes[j][1], sizes[j][2], cases[i].tolerance);
            e2str_session_free(session);
            e2str_model_close(model);
            free(file);
        }
}

/* The stem of the small model, and images that are not all alike. */
static void same_bits_in_batches_and_with_threads(void **state) {
    (void)state;
    static const e2_type types[] = {E2_F32, E2_BF16, E2_Q8_0};
    for (size_t i = 0; i < 3; i++) {
        fixture f;
        tiny_model_options options = {.stem = {{48, 2, 2}, {96, 2, 2}, {192, 2, 1}},
                                      .patch_height = 8,
                                      .patch_width = 4,
                                      .class_token = true,
                                      .type = types[i]};
        assert_int_equal(fixture_open(&f, &options), 0);
        if (f.model->blas) { /* what a BLAS does with a row depends on how many there are */
            fixture_close(&f);
            skip();
        }
        size_t step = (size_t)f.model->visual_tokens * f.model->vision.width, width = f.model->vision.width;
        float *alone = tiny_checked(malloc(FIXTURE_IMAGES * (step + width) * sizeof *alone));
        float *batch = tiny_checked(malloc(FIXTURE_IMAGES * (step + width) * sizeof *batch));
        float *keys = alone + FIXTURE_IMAGES * step, *batch_keys = batch + FIXTURE_IMAGES * step;
        for (size_t j = 0; j < FIXTURE_IMAGES; j++)
            assert_int_equal(e2str_encode(f.session, &f.images[j], 1, alone + j * step, keys + j * width, NULL),
                             E2STR_OK);
        assert_memory_not_equal(alone, alone + step, step * sizeof *alone);
        for (unsigned threads = 1; threads <= 3; threads++) {
            e2str_session_options session_options;
            e2str_session_options_init(&session_options);
            session_options.threads = threads;
            e2str_session *session;
            assert_int_equal(e2str_session_new(f.model, &session_options, &session, NULL), E2STR_OK);
            memset(batch, 0, FIXTURE_IMAGES * (step + width) * sizeof *batch);
            assert_int_equal(e2str_encode(session, f.images, FIXTURE_IMAGES, batch, batch_keys, NULL), E2STR_OK);
            assert_memory_equal(batch, alone, FIXTURE_IMAGES * (step + width) * sizeof *batch);
            e2str_session_free(session);
        }
        free(batch);
        free(alone);
        fixture_close(&f);
    }
}

static void keys_and_shapes(void **state) {
    (void)state;
    fixture f;
    assert_int_equal(fixture_open(&f, &all_layers), 0);
    const e2_vision *v = &f.model->vision;
    static const uint32_t in[5] = {27, 63, 288, 576, 45};
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(v->stem[i].linear.in, in[i]);
        assert_int_equal(v->stem[i].linear.out, all_layers.stem[i][0]);
        assert_int_equal(v->stem[i].stride_height, all_layers.stem[i][1]);
        assert_int_equal(v->stem[i].stride_width, all_layers.stem[i][2]);
    }
    assert_int_equal(v->patch.in, 9);
    assert_int_equal(v->patches, 4 * 16);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_shapes),
        cmocka_unit_test(each_layer_is_the_convolution),
        cmocka_unit_test(same_bits_in_batches_and_with_threads),
    };
    return cmocka_run_group_tests_name("stem", tests, NULL, NULL);
}
