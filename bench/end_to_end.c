/* SPDX-License-Identifier: MIT */
/*
 * Models of one size in several types, in one race: encoding an image, reading it without and with two examples of a
 * pool, and, from inside the library, the prefill of the text and one decode step. With one thread and with two.
 *
 *     end_to_end SECONDS IMAGES TYPE=FILE...
 *
 * Also says whether the numbers are the same bits at 1, 2 and 3 threads.
 */
#include <stdlib.h>
#include <string.h>

#include "decoder.h"
#include "session.h"
#include "support/peaks.h"
#include "support/subject.h"

#define SPIN 300 /* microseconds for which threads look on before they sleep */

#define EXAMPLES   2
#define NEW_TOKENS 8
#define LABELS                                                                                                         \
    { "abcd", "wxyz" }
#define PREFILL 14 /* positions of that prompt: BOS, <image> and 4 letters and end of each example, <image> */
#define TYPES   3
#define STAGES  5

/* A model at work with so many threads. */
typedef struct subject {
    const char *type;
    const e2str_model *model;
    e2str_session *session;
    const e2str_image *image;
    e2str_pool *pool;
    e2str_result *result;
    float *tokens;
    e2str_read_options alone, prompted;
    /* stages: a session of its own, whose arena holds media and cache for good */
    e2str_session *inner;
    e2_media media;
    e2_kv_cache cache;
    e2_decoder_row rows[PREFILL + 1];
    uint32_t context[PREFILL + 1];
    float *hidden, *logits;
} subject;

static void run_encode(void *context) {
    subject *s = context;
    e2str_error error;
    if (e2str_encode(s->session, s->image, 1, s->tokens, NULL, &error)) bench_die("encode: %s", error.message);
}

static void run_alone(void *context) {
    subject *s = context;
    bench_read(s->session, s->image, NULL, &s->alone, s->result);
}

static void run_prompted(void *context) {
    subject *s = context;
    bench_read(s->session, s->image, s->pool, &s->prompted, s->result);
}

/* The query's keys and values for the decoder (those of examples are kept in the pool), the rows, the last logits. */
static void run_prefill(void *context) {
    subject *s = context;
    const e2_compute *compute = &s->inner->compute;
    size_t last = (PREFILL - 1) * (size_t)s->model->decoder.width;
    s->media.images = EXAMPLES; /* the query's is added anew */
    if (!e2_media_add(compute, &s->media, s->tokens, s->model->visual_tokens) ||
        !e2_decode(compute, &s->media, &s->cache, s->rows, PREFILL, s->hidden, NULL) ||
        !e2_logits(compute, s->hidden + last, 1, s->logits))
        bench_die("out of memory");
}

static void run_step(void *context) {
    subject *s = context;
    const e2_compute *compute = &s->inner->compute;
    if (!e2_decode(compute, &s->media, &s->cache, &s->rows[PREFILL], 1, s->hidden, NULL) ||
        !e2_logits(compute, s->hidden, 1, s->logits))
        bench_die("out of memory");
}

static e2str_pool *pool_of(const e2str_model *model, e2str_session *session, const e2str_image *images) {
    static const char *const labels[EXAMPLES] = LABELS;
    e2str_pool *pool;
    e2str_error error;
    uint64_t id;
    e2str_status status = e2str_pool_new(model, NULL, &pool, &error);
    for (size_t i = 0; !status && i < EXAMPLES; i++)
        status = e2str_pool_add(pool, session, &images[i], labels[i], 4, &id, &error);
    if (status) bench_die("pool: %s", error.message);
    return pool;
}

static void stages_new(subject *s, unsigned threads) {
    const e2str_model *model = s->model;
    size_t width = model->decoder.width;
    s->inner = bench_session(model, threads, SPIN);
    size_t tokens = model->visual_tokens;
    if (!e2_media_new(&s->inner->compute, EXAMPLES + 1, (EXAMPLES + 1) * tokens, &s->media) ||
        !e2_kv_cache_new(&s->inner->compute, PREFILL + 1, &s->cache))
        bench_die("out of memory");
    for (size_t i = 0; i <= EXAMPLES; i++)
        if (!e2_media_add(&s->inner->compute, &s->media, s->tokens, tokens)) bench_die("out of memory");
    for (uint32_t i = 0; i <= PREFILL; i++) {
        s->context[i] = i;
        s->rows[i] = (e2_decoder_row){10 + i, i, 0, i == 0 ? 0 : (i - 1) / 6 + 1, i, s->context, i + 1};
    }
    s->rows[PREFILL].images = EXAMPLES + 1;
    s->hidden = bench_alloc(PREFILL * width * sizeof(float));
    s->logits = bench_alloc(model->decoder.vocabulary * sizeof(float));
}

static void subject_new(subject *s, const char *type, const e2str_model *model, unsigned threads,
                        const e2str_image *images) {
    *s = (subject){.type = type, .model = model, .image = &images[EXAMPLES], .result = bench_result()};
    s->session = bench_session(model, threads, SPIN);
    s->pool = pool_of(model, s->session, images);
    s->tokens = bench_alloc((size_t)model->visual_tokens * model->vision.width * sizeof(float));
    run_encode(s);
    e2str_read_options_init(&s->alone);
    s->alone.max_tokens = NEW_TOKENS;
    s->prompted = s->alone;
    s->alone.k = 0;
    s->prompted.k = EXAMPLES;
    stages_new(s, threads);
    run_prefill(s);
    run_prompted(s);
    const uint32_t *written;
    size_t n = e2str_result_tokens(s->result, &written);
    if (n != NEW_TOKENS) bench_die("%s: the read wrote %zu tokens, not %d: use another seed", type, n, NEW_TOKENS);
}

static void subject_free(subject *s) {
    e2str_session_free(s->session);
    e2str_session_free(s->inner);
    e2str_pool_free(s->pool);
    e2str_result_free(s->result);
    free(s->tokens), free(s->hidden), free(s->logits);
}

/* ---- what the work is ---- */

static double linear_flops(const e2_linear *linear, size_t rows) {
    return 2.0 * (double)rows * linear->in * linear->out;
}

/* Two per multiply-add, matrix products only (docs/model.md, section 8). */
static double encode_flops(const e2str_model *model) {
    const e2_vision *v = &model->vision;
    const e2_resampler *r = &model->resampler;
    size_t rows = (size_t)v->patches + v->class_token, both = (size_t)v->patches + r->latents;
    double flops = linear_flops(&v->patch, v->patches);
    for (uint32_t i = 0; i < v->layers; i++) {
        const e2_block *b = &v->blocks[i];
        flops += linear_flops(&b->qkv, rows) + linear_flops(&b->out, rows) + linear_flops(&b->up, rows) +
                 linear_flops(&b->down, rows) + 4.0 * (double)rows * (double)rows * v->width;
    }
    for (uint32_t i = 0; i < r->layers; i++) {
        const e2_resampler_layer *l = &r->blocks[i];
        flops += linear_flops(&l->query, r->latents) + linear_flops(&l->key_value, both) +
                 linear_flops(&l->out, r->latents) + linear_flops(&l->up, r->latents) +
                 linear_flops(&l->down, r->latents) + 4.0 * r->latents * (double)both * r->heads * r->head_size;
    }
    return flops;
}

static double linear_bytes(const e2_linear *linear) {
    if (linear->weight) return 4.0 * linear->in * linear->out;
    return (double)e2_packed_bytes(linear->matrix.type, linear->out, linear->in);
}

/* Weights that one decode step reads: all of the decoder but the projections of images. */
static double step_bytes(const e2str_model *model) {
    const e2_decoder *d = &model->decoder;
    double bytes = linear_bytes(&d->output);
    for (uint32_t i = 0; i < d->layers; i++) {
        const e2_block *b = &d->blocks[i].block;
        bytes += linear_bytes(&b->qkv) + linear_bytes(&b->out) + linear_bytes(&b->up) + linear_bytes(&b->down);
        const e2_cross *c = d->blocks[i].cross;
        if (c) bytes += linear_bytes(&c->query) + linear_bytes(&c->out) + linear_bytes(&c->up) + linear_bytes(&c->down);
    }
    return bytes;
}

/* ---- races ---- */

static const struct {
    const char *name;
    void (*run)(void *subject);
} stages[STAGES] = {{"encode", run_encode},
                    {"read k=0", run_alone},
                    {"read k=2", run_prompted},
                    {"prefill", run_prefill},
                    {"step", run_step}};

static bench_peak peak_of(const char *type) {
    return !strcmp(type, "bf16") ? PEAK_BF16 : !strcmp(type, "q8") ? PEAK_INT8 : PEAK_F32;
}

static void report(const subject *s, const bench_entry *entries, unsigned threads, const peak_job *peaks,
                   const bench_entry *peak_entries) {
    for (size_t i = 0; i < STAGES; i++) {
        bench_row row = {stages[i].name, "libe2str", s->type, "paper", "", threads, entries[i].seconds, 0, "", -1};
        bench_peak peak = i == 0 ? peak_of(s->type) : PEAK_READ;
        double work = i == 0 ? encode_flops(s->model) : step_bytes(s->model);
        if (i == 0 || i == STAGES - 1) {
            row.rate = work / row.seconds / 1e9;
            row.unit = i == 0 ? "GFLOP/s" : "GB/s";
            row.of_peak = work / row.seconds / (peaks[peak].work / peak_entries[peak].seconds);
        }
        bench_print(&row);
    }
}

static void race(e2str_model **models, const char *const *types, size_t n_types, unsigned threads,
                 const e2str_image *images, double seconds) {
    subject subjects[TYPES];
    bench_entry entries[TYPES * STAGES + PEAKS];
    peak_job peaks[PEAKS];
    e2_threads *pool;
    e2str_error error;
    size_t n = 0;
    if (e2_threads_new(threads, &pool, &error)) bench_die("%s", error.message);
    peak_jobs(pool, peaks);
    for (size_t i = 0; i < n_types; i++) {
        subject_new(&subjects[i], types[i], models[i], threads, images);
        for (size_t j = 0; j < STAGES; j++)
            entries[n++] = (bench_entry){.by = "libe2str", .run = stages[j].run, .context = &subjects[i]};
    }
    for (int i = 0; i < PEAKS; i++) entries[n + (size_t)i] = (bench_entry){.run = peak_run, .context = &peaks[i]};
    bench_race(entries, n + PEAKS, seconds);
    for (size_t i = 0; i < n_types; i++) {
        report(&subjects[i], entries + i * STAGES, threads, peaks, entries + n);
        subject_free(&subjects[i]);
    }
    e2_threads_free(pool);
}

/* Visual tokens, answer and its score at several thread counts. */
static void compare_bits(const e2str_model *model, const char *type, const e2str_image *images) {
    subject one, other;
    subject_new(&one, type, model, 1, images);
    bool same = true;
    for (unsigned threads = 2; threads <= 3; threads++) {
        subject_new(&other, type, model, threads, images);
        float a = e2str_result_score(one.result), b = e2str_result_score(other.result);
        same = same && !memcmp(one.tokens, other.tokens, (size_t)model->visual_tokens * model->vision.width * 4) &&
               !memcmp(one.logits, other.logits, model->decoder.vocabulary * 4) && !memcmp(&a, &b, sizeof a) &&
               !strcmp(e2str_result_text(one.result), e2str_result_text(other.result));
        subject_free(&other);
    }
    subject_free(&one);
    bench_print(&(bench_row){"same bits", "libe2str", type, "paper", "1 2 3 threads", 3, 0, same, "1 = yes", -1});
}

int main(int argc, char **argv) {
    size_t n_images, n = 0;
    e2str_model *models[TYPES];
    const char *types[TYPES];
    if (argc < 4 || argc > 3 + TYPES) bench_die("usage: end_to_end SECONDS IMAGES TYPE=FILE...");
    e2str_image *images = bench_images(argv[2], EXAMPLES + 1, &n_images);
    if (n_images <= EXAMPLES) bench_die("fewer than %d images in %s", EXAMPLES + 1, argv[2]);
    for (int i = 3; i < argc; i++) {
        char *file = strchr(argv[i], '=');
        if (!file) bench_die("%s is not TYPE=FILE", argv[i]);
        *file++ = '\0';
        types[n] = argv[i];
        models[n++] = bench_model(file, E2STR_PRECISION_FILE);
    }
    bench_header();
    for (size_t i = 0; i < n; i++) compare_bits(models[i], types[i], images);
    for (unsigned threads = 1; threads <= 2; threads++) race(models, types, n, threads, images, atof(argv[1]));
    for (size_t i = 0; i < n; i++) e2str_model_close(models[i]);
    return 0;
}
