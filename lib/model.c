/* SPDX-License-Identifier: MIT */
/* A model's life: opened from a file or memory, asked about, closed. */
#include "model.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gemm.h"

void e2_log(const e2str_model *model, const char *format, ...) {
    if (!model->log) return;
    char message[E2STR_ERROR_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    model->log(model->log_user, message);
}

static const e2str_model_options default_options = {.size = sizeof default_options,
                                                    .precision = E2STR_PRECISION_AUTO,
                                                    .max_operations = E2STR_MAX_OPERATIONS,
                                                    .threads = 1};

void e2str_model_options_init_size(e2str_model_options *options, size_t size) {
    e2_options_init(options, size, &default_options);
}

static e2str_status read_arguments(const e2str_model_options *given, e2str_model_options *options, e2str_model **model,
                                   e2str_error *error) {
    *options = default_options;
    if (!model) return e2_fail(error, E2STR_ERROR_ARGUMENT, "model is NULL");
    *model = NULL;
    e2str_status status = e2_options_read(options, given, "e2str_model_options", error);
    if (!status && (options->precision < E2STR_PRECISION_FILE || options->precision > E2STR_PRECISION_BF16))
        status = e2_fail(error, E2STR_ERROR_ARGUMENT, "precision is %d; 0 to %d (e2str_precision)",
                         (int)options->precision, (int)E2STR_PRECISION_BF16);
    if (!status && (options->products < E2STR_PRODUCTS_AUTO || options->products > E2STR_PRODUCTS_OWN))
        status =
            e2_fail(error, E2STR_ERROR_ARGUMENT, "products is %d; one of E2STR_PRODUCTS_*", (int)options->products);
    if (!status && (options->threads < 1 || options->threads > E2STR_MAX_THREADS))
        status =
            e2_fail(error, E2STR_ERROR_ARGUMENT, "threads is %u; from 1 to %d", options->threads, E2STR_MAX_THREADS);
    return status;
}

/* The level of kernels that E2STR_CPU allows at most; "" when it caps nothing. */
static const char *cpu_cap(void) {
    const char *cap = getenv("E2STR_CPU");
    return cap ? cap : "";
}

const char *e2str_cpu_name(void) {
    e2_kernels kernels;
    return e2_kernels_best(cpu_cap(), &kernels) ? kernels.name : "unknown";
}

/* Who multiplies. Whoever names a level gets its kernels, not the BLAS: the bits of "ref" are the same on every
 * machine.
 */
static e2str_status choose_products(e2str_model *model, e2str_products products, e2str_error *error) {
    bool faster = !*cpu_cap() && e2_blas_is_faster(model->kernels);
    if (products == E2STR_PRODUCTS_OWN || (products == E2STR_PRODUCTS_AUTO && !faster)) return E2STR_OK;
    e2str_error why;
    e2str_status status = e2_blas_open(&model->openblas, &why);
    model->blas = !status;
    if (status && products == E2STR_PRODUCTS_OPENBLAS) return e2_fail(error, status, "%s", why.message);
    if (status) e2_log(model, "products in plain C: %s", why.message);
    return E2STR_OK;
}

static e2str_status choose_kernels(e2str_model *model, e2str_error *error) {
    const char *cap = cpu_cap();
    if (!e2_kernels_best(cap, model->kernels))
        return e2_fail(error, E2STR_ERROR_ARGUMENT,
                       "the environment variable E2STR_CPU is '%.40s'; it may be one of %s", cap, e2_kernels_names());
    return E2STR_OK;
}

/* With threads of its own, which end here. */
static e2str_status bind_tensors(e2str_model *model, uint32_t count, e2str_error *error) {
    e2_threads *threads = NULL;
    e2str_status status = count > 1 ? e2_threads_new(count, &threads, error) : E2STR_OK;
    if (!status) status = e2_model_bind_tensors(model, threads, error);
    e2_threads_free(threads);
    return status;
}

/* Makes the model of a parsed file, which it takes over, closing it on failure. */
static e2str_status load(e2_gguf *gguf, const e2str_model_options *options, e2str_model **model, e2str_error *error) {
    e2str_model *made = calloc(1, sizeof *made);
    if (!made || pthread_mutex_init(&made->checksum_lock, NULL)) {
        free(made);
        e2_gguf_close(gguf);
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for the model");
    }
    made->gguf = *gguf;
    made->log = options->log;
    made->log_user = options->log_user;
    made->precision = options->precision;
    e2str_status status = choose_kernels(made, error);
    if (!status) status = choose_products(made, options->products, error);
    if (!status) status = e2_model_read_config(made, error);
    if (!status) status = e2_model_check_work(made, options->max_operations, error);
    if (!status) status = bind_tensors(made, options->threads, error);
    made->checksum_known = made->gguf.source != NULL; /* a file is read now or never */
    if (!status && made->checksum_known) status = e2_gguf_hash(&made->gguf, &made->checksum, error);
    if (!status) status = e2_gguf_leave_data(&made->gguf, error);
    if (status)
        e2str_model_close(made);
    else
        *model = made;
    return status;
}

e2str_status e2str_model_open(const char *path, const e2str_model_options *given, e2str_model **model,
                              e2str_error *error) {
    e2_gguf gguf;
    e2str_model_options options;
    e2str_status status = read_arguments(given, &options, model, error);
    if (!status) status = e2_gguf_open(path, &gguf, error);
    if (status) return status;
    status = load(&gguf, &options, model, error);
    return status ? e2_within(error, status, path) : E2STR_OK;
}

e2str_status e2str_model_open_memory(const void *data, size_t size, const e2str_model_options *given,
                                     e2str_model **model, e2str_error *error) {
    e2_gguf gguf;
    e2str_model_options options;
    e2str_status status = read_arguments(given, &options, model, error);
    if (!status && (uintptr_t)data % 4) status = e2_fail(error, E2STR_ERROR_ARGUMENT, "data is not aligned to 4 bytes");
    if (!status) status = e2_gguf_open_memory(data, size, &gguf, error);
    return status ? status : load(&gguf, &options, model, error);
}

void e2str_model_info_init_size(e2str_model_info *info, size_t size) {
    e2_options_init(info, size, &(const e2str_model_info){.size = sizeof *info});
}

e2str_status e2str_model_get_info(const e2str_model *model, e2str_model_info *info, e2str_error *error) {
    if (!model) return e2_fail(error, E2STR_ERROR_ARGUMENT, "model is NULL");
    if (!info) return e2_fail(error, E2STR_ERROR_ARGUMENT, "info is NULL");
    e2str_model_info all = {
        .size = sizeof all,
        .parameters = model->parameters,
        .file_bytes = model->gguf.size,
        .image_width = model->image.width,
        .image_height = model->image.height,
        .visual_tokens = model->visual_tokens,
        .visual_width = model->vision.width,
        .vision_layers = model->vision.layers,
        .resampler_layers = model->resampler.layers,
        .decoder_layers = model->decoder.layers,
        .decoder_width = model->decoder.width,
        .vocabulary = model->decoder.vocabulary,
        .positions = model->decoder.positions,
        .segment_stride = model->decoder.segment_stride,
        .min_similarity = model->min_similarity,
        .memory = model->memory.hidden_scale > 0.0f,
        .trim = model->image.trim,
        .precision = model->precision,
        .calibrated = model->calibration.there,
        .places = model->head.weight != NULL,
        .min_width = model->image.min_width ? model->image.min_width : model->image.width,
        .max_width = model->image.width,
        .tokenizer = e2_tokenizer_kind_of(model->tokenizer) == E2_TOKENIZER_BPE ? "bpe" : "characters",
    };
    memcpy(all.name, model->name, sizeof all.name);
    return e2_answer_write(info, &all, "e2str_model_info", error);
}

uint64_t e2str_model_checksum(const e2str_model *model) {
    if (!model) return 0;
    e2str_model *cache = (e2str_model *)model; /* every model is made by load() above, so none is really const */
    pthread_mutex_lock(&cache->checksum_lock);
    if (!cache->checksum_known) {
        (void)e2_gguf_hash(&model->gguf, &cache->checksum, NULL); /* from memory: nothing to fail */
        cache->checksum_known = true;
    }
    uint64_t checksum = cache->checksum;
    pthread_mutex_unlock(&cache->checksum_lock);
    return checksum;
}

e2str_status e2_model_check_pool(const e2str_model *model, uint64_t made_with, e2str_error *error) {
    uint64_t given = e2str_model_checksum(model);
    if (given == made_with) return E2STR_OK;
    return e2_fail(error, E2STR_ERROR_MISMATCH,
                   "the pool was made with another model (checksum %016" PRIx64 ", this model has %016" PRIx64
                   "): read with that one, or add the examples' images to a new pool",
                   made_with, given);
}

e2str_status e2_models_check(const e2str_model *session, const e2str_model *other, const char *what,
                             e2str_error *error) {
    const e2str_model *a = session, *b = other;
    if (a == b) return E2STR_OK;
    if (a->gguf.size != b->gguf.size || e2str_model_checksum(a) != e2str_model_checksum(b))
        return e2_fail(error, E2STR_ERROR_MISMATCH, "the %s and the session were made with different models", what);
    if (strcmp(a->kernels->name, b->kernels->name) != 0 || a->precision != b->precision || a->blas != b->blas)
        return e2_fail(error, E2STR_ERROR_MISMATCH,
                       "the model of the %s was opened with other kernels, precision or products than the session's",
                       what);
    return E2STR_OK;
}

void e2str_model_close(e2str_model *model) {
    if (!model) return;
    e2_tokenizer_free(model->tokenizer);
    for (size_t i = 0; i < model->n_owned; i++) free(model->owned[i]);
    free(model->owned);
    pthread_mutex_destroy(&model->checksum_lock);
    e2_gguf_close(&model->gguf);
    free(model);
}
