/* SPDX-License-Identifier: MIT */
/* Reading: encode the query, choose examples, build the prompt, search, fill the result. */
#include <stdio.h>

#include "encode.h"
#include "result.h"
#include "session.h"
#include "upright.h"

static const e2str_read_options default_options = {.size = sizeof default_options,
                                                   .k = E2STR_K_DEFAULT,
                                                   .min_similarity = E2STR_SIMILARITY_OF_MODEL,
                                                   .beams = 1,
                                                   .max_tokens = 48,
                                                   .memory_factor = 1.0f,
                                                   .textless_from = 0.5f};

void e2str_read_options_init_size(e2str_read_options *options, size_t size) {
    e2_options_init(options, size, &default_options);
}

static e2str_status read_options(const e2str_read_options *given, e2str_read_options *options, e2str_error *error) {
    *options = default_options;
    e2str_status status = e2_options_read(options, given, "e2str_read_options", error);
    if (status) return status;
    if (options->k > E2STR_MAX_EXAMPLES && options->k != E2STR_K_DEFAULT)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "k is %u; at most %d", options->k, E2STR_MAX_EXAMPLES);
    bool of_model = options->min_similarity == E2STR_SIMILARITY_OF_MODEL;
    if (!of_model && !(options->min_similarity >= -1.0f && options->min_similarity <= 1.0f))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "min_similarity is %g; from -1 to 1",
                       (double)options->min_similarity);
    if (options->n_examples > E2STR_MAX_EXAMPLES || (options->n_examples && !options->examples))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "examples is NULL, or n_examples (%zu) is above %d",
                       options->n_examples, E2STR_MAX_EXAMPLES);
    if (options->prompt && options->n_examples)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "both a prepared prompt and examples are given");
    if (options->beams < 1 || options->beams > E2STR_MAX_BEAMS)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "beams is %u; from 1 to %d", options->beams, E2STR_MAX_BEAMS);
    if (options->max_tokens < 1) return e2_fail(error, E2STR_ERROR_ARGUMENT, "max_tokens is 0; at least 1");
    if (options->alternatives > E2STR_MAX_ALTERNATIVES)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "alternatives is %u; at most %d", options->alternatives,
                       E2STR_MAX_ALTERNATIVES);
    if (!(options->memory_factor >= 0.0f && options->memory_factor <= 4.0f))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "memory_factor is %g; from 0 to 4", (double)options->memory_factor);
    if (options->influences > E2STR_MAX_INFLUENCES)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "influences is %u; at most %d", options->influences,
                       E2STR_MAX_INFLUENCES);
    if (options->memory_everywhere > 1)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "memory_everywhere is %u; 0 or 1", options->memory_everywhere);
    if (options->places > 1) return e2_fail(error, E2STR_ERROR_ARGUMENT, "places is %u; 0 or 1", options->places);
    if (!(options->reject_below >= 0.0f && options->reject_below <= 1.0f))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "reject_below is %g; from 0 to 1", (double)options->reject_below);
    if (!(options->textless_from >= 0.0f && options->textless_from <= 2.0f))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "textless_from is %g; from 0 to 2", (double)options->textless_from);
    if (options->clean_up > 1) return e2_fail(error, E2STR_ERROR_ARGUMENT, "clean_up is %u; 0 or 1", options->clean_up);
    if (options->clean_up && options->constraint)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "clean_up would change a text that a constraint has let pass");
    return E2STR_OK;
}

/* Everything that can be known before the first image is read. */
static e2str_status check_arguments(const e2str_session *session, const e2str_image *images, size_t n,
                                    const e2str_pool *pool, const e2str_read_options *options,
                                    e2str_result *const *results, e2str_error *error) {
    if (!session) return e2_fail(error, E2STR_ERROR_ARGUMENT, "session is NULL");
    const e2str_model *model = session->compute.model;
    e2str_status status = E2STR_OK;
    if (pool) status = e2_models_check(model, pool->model, "pool", error);
    if (!status && options->prompt) status = e2_models_check(model, options->prompt->model, "prompt", error);
    if (!status && options->memory) status = e2_models_check(model, options->memory->model, "memory", error);
    if (status) return status;
    if (options->n_examples && !pool)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "examples are chosen by id but the pool is NULL");
    if (options->places && !model->head.weight)
        return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "places: the model file has no patch head");
    for (size_t i = 0; i < n; i++)
        if (results[i]) results[i]->place = i;
    for (size_t i = 0; i < n; i++) {
        e2str_image image = images[i];
        e2_upright_next(&image, 0, 0.0f, &image.rotate);
        status = e2_image_check(&image, error);
        if (results[i] && results[i]->place != i)
            status = e2_fail(error, E2STR_ERROR_ARGUMENT, "result is that of image %zu, too", results[i]->place);
        if (!results[i]) status = e2_fail(error, E2STR_ERROR_ARGUMENT, "result is NULL");
        if (!status) continue;
        char which[32];
        snprintf(which, sizeof which, "image %zu", i);
        return n > 1 ? e2_within(error, status, which) : status;
    }
    return E2STR_OK;
}

/* One image of a group. */
typedef struct query {
    e2_choice *choices; /* [E2STR_MAX_EXAMPLES]; each holds references */
    size_t n_choices;
    e2_sequence_parts parts;
    e2_sequence_size size; /* of its prompt */
} query;

static float similarity(const e2_compute *compute, const float *key, const e2_example *example) {
    float value;
    compute->kernels->similarity(key, example->key, 1, compute->model->vision.width, &value);
    return value;
}

/* The examples that go into the prompt. */
static e2str_status choose(const e2_compute *compute, const e2str_pool *pool, const float *key,
                           const e2str_read_options *options, query *q, e2str_error *error) {
    e2str_status status = E2STR_OK;
    if (!pool || options->prompt) return status;
    if (!options->n_examples && options->nearest && options->k)
        return e2_pool_choose_proposed(compute, pool, key, options, q->choices, &q->n_choices, error);
    if (!options->n_examples)
        return e2_pool_choose(compute, pool, key, options->k, options->min_similarity, q->choices, &q->n_choices,
                              error);
    status = e2_pool_choose_ids(pool, options->examples, options->n_examples, q->choices, error);
    if (!status) q->n_choices = options->n_examples;
    for (size_t i = 0; i < q->n_choices; i++)
        q->choices[i].similarity = similarity(compute, key, q->choices[i].example);
    return status;
}

/* How much of the memory a query with this key gets. false: out of memory. */
static bool remember(const e2_compute *compute, const e2str_read_options *options, const float *key,
                     e2_sequence *sequence) {
    float gate = 0.0f;
    if (options->memory && options->memory_everywhere)
        gate = 1.0f;
    else if (options->memory && !e2_memory_gate(compute, options->memory, key, &gate))
        return false;
    sequence->remembers = gate > 0.0f;
    sequence->memory_factor = gate > 0.0f ? gate * options->memory_factor * options->memory->strength : 0.0f;
    return true;
}

/* Answers n sequences; those of which no text fits the constraint without it. sequences is scratch afterwards. */
static bool search_all(const e2_compute *compute, const e2_media *media, e2_sequence *sequences, size_t n, size_t slots,
                       e2_search_options *options, e2_answer *answers) {
    if (!e2_search(compute, media, sequences, n, slots, options, answers)) return false;
    size_t left = 0;
    for (size_t i = 0; i < n; i++)
        if (answers[i].unmatched) sequences[left++] = sequences[i];
    if (!left) return true;
    e2_answer *fresh = e2_arena_alloc(compute->arena, left, sizeof *fresh);
    options->constraint = NULL;
    if (!fresh || !e2_search(compute, media, sequences, left, slots, options, fresh)) return false;
    for (size_t i = 0; i < n; i++) {
        if (!answers[i].unmatched) continue;
        answers[i] = *fresh++;
        answers[i].unmatched = true;
    }
    return true;
}

/* Builds the sequences of a group side by side and answers them. */
static e2str_status answer(const e2_compute *compute, query *queries, size_t n, const e2str_pool *pool,
                           const float *tokens, const float *keys, const e2str_read_options *options,
                           e2_answer *answers, e2str_error *error) {
    const e2str_model *model = compute->model;
    e2_search_options search = {.beams = options->beams,
                                .max_tokens = options->max_tokens,
                                .n_alternatives = options->alternatives,
                                .memory = options->memory,
                                .constraint = options->constraint};
    size_t slots = 0, images = 0, visual_tokens = 0;
    for (size_t i = 0; i < n; i++) {
        e2_sequence_size *size = &queries[i].size;
        e2str_status status = e2_sequence_measure(model, &queries[i].parts, size, error);
        if (status) return status;
        slots += e2_search_slots(model, size->length, &search);
        images += size->images;
        visual_tokens += size->visual_tokens;
    }
    e2_media media;
    e2_sequence *sequences = e2_arena_alloc(compute->arena, n, sizeof *sequences);
    bool ok = sequences && slots <= UINT32_MAX && e2_media_new(compute, images, visual_tokens, &media);
    uint32_t slot = 0, image = 0;
    for (size_t i = 0; ok && i < n; i++) {
        const query *q = &queries[i];
        ok = e2_sequence_rows(compute, &q->parts, image, slot, &sequences[i]) &&
             remember(compute, options, keys + i * model->vision.width, &sequences[i]) &&
             e2_sequence_media(compute, &q->parts, pool, tokens, &media);
        slot += (uint32_t)e2_search_slots(model, q->size.length, &search);
        image += q->size.images;
        tokens += q->parts.query_tokens * (size_t)model->vision.width;
    }
    ok = ok && search_all(compute, &media, sequences, n, slots, &search, answers);
    if (!ok) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    for (size_t i = 0; i < n; i++)
        if (!answers[i].finite)
            return e2_fail(error, E2STR_ERROR_LIMIT, "what the model makes of the image is not finite");
    return E2STR_OK;
}

/* The examples that stood in the prompt; those of a prepared one are compared with the query only now. */
static void report_examples(const e2_compute *compute, const query *q, const float *key, e2str_result *result) {
    const e2str_prompt *prefix = q->parts.prefix;
    result->n_examples = prefix ? prefix->n_choices : q->n_choices;
    for (size_t i = 0; i < result->n_examples; i++) {
        const e2_choice *choice = prefix ? &prefix->choices[i] : &q->choices[i];
        float value = prefix ? similarity(compute, key, choice->example) : choice->similarity;
        result->examples[i] = (e2_result_example){choice->example->id, value};
    }
}

/* How many times narrower the network sees the area than it is, against its height. */
static float squeeze_of(const e2str_model *model, const e2_measured *image) {
    const e2str_area *area = &image->area;
    bool turned = area->rotate == 90 || area->rotate == 270;
    double width = turned ? area->height : area->width, height = turned ? area->width : area->height;
    return (float)(width / height * model->image.height / (image->columns * model->vision.patch_width));
}

static e2str_status fill(const e2_compute *compute, const e2_measured *image, const float *tokens,
                         const e2_answer *answer, const e2str_read_options *options, e2str_result *result,
                         e2str_error *error) {
    const e2str_model *model = compute->model;
    e2_evidence evidence = {tokens, model->vision.grid_height, image->columns, squeeze_of(model, image)};
    e2_judgement judgement;
    e2str_status status = e2_result_fill(result, compute, answer, options->clean_up, options->influences, error);
    if (status) return status;
    result->area = image->area;
    if (!e2_judge(compute, answer, &evidence, options->places, &judgement))
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    e2_result_judge(result, &judgement, options);
    return E2STR_OK;
}

/* Images that go through all stages together, with arguments already checked. */
static e2str_status read_group(const e2_compute *compute, const e2_measured *images, size_t n, const e2str_pool *pool,
                               const e2str_read_options *options, e2str_result *const *results, e2str_error *error) {
    const e2str_model *model = compute->model;
    e2_arena *arena = compute->arena;
    e2_arena_mark mark = e2_arena_begin(arena);
    size_t width = model->vision.width, chosen = 0, visual_tokens = 0;
    for (size_t i = 0; i < n; i++) visual_tokens += e2_visual_tokens(model, images[i].columns);
    float *tokens = e2_arena_floats(arena, visual_tokens * width), *keys = e2_arena_floats(arena, n * width);
    query *queries = e2_arena_alloc(arena, n, sizeof *queries);
    e2_answer *answers = e2_arena_alloc(arena, n, sizeof *answers);
    e2_choice *choices = e2_arena_alloc(arena, n * E2STR_MAX_EXAMPLES, sizeof *choices);
    e2str_status status = E2STR_OK;
    if (!tokens || !keys || !queries || !answers || !choices)
        status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    if (!status) status = e2_encode_images(compute, images, n, tokens, keys, error);
    for (; !status && chosen < n; chosen++) {
        query *q = &queries[chosen];
        *q = (query){.choices = choices + chosen * E2STR_MAX_EXAMPLES};
        status = choose(compute, pool, keys + chosen * width, options, q, error);
        q->parts = (e2_sequence_parts){.choices = q->choices,
                                       .n_choices = q->n_choices,
                                       .prefix = options->prompt,
                                       .query_tokens = e2_visual_tokens(model, images[chosen].columns)};
    }
    if (!status) status = answer(compute, queries, n, pool, tokens, keys, options, answers, error);
    const float *own = tokens;
    for (size_t i = 0; !status && i < n; i++) {
        status = fill(compute, &images[i], own, &answers[i], options, results[i], error);
        own += queries[i].parts.query_tokens * width;
        if (!status) report_examples(compute, &queries[i], keys + i * width, results[i]);
    }
    for (size_t i = 0; i < chosen; i++)
        for (size_t j = 0; j < queries[i].n_choices; j++) e2_choice_release(&queries[i].choices[j]);
    e2_arena_release(arena, mark);
    return status;
}

/* A batch in parts of even size, each a group of its own. */
typedef struct batch {
    const e2_compute *compute;
    const e2str_image *images;
    size_t n;
    const e2str_pool *pool;
    const e2str_read_options *options;
    e2str_result *const *results;
    e2_measured *measured; /* [n] */
    size_t parts;
    size_t *first;          /* [parts + 1]: image with which each part begins */
    e2str_status *statuses; /* [parts] */
    e2str_error *errors;    /* [parts] */
} batch;

static e2str_status read_part_with(const batch *b, const e2_compute *compute, size_t part, e2str_error *error) {
    size_t begin = b->first[part], n = b->first[part + 1] - begin;
    if (!n) return E2STR_OK; /* the images beside it are large */
    return read_group(compute, b->measured + begin, n, b->pool, b->options, b->results + begin, error);
}

static void read_part(void *context, size_t part, unsigned worker) {
    const batch *b = context;
    b->statuses[part] = read_part_with(b, &b->compute->workers[worker], part, &b->errors[part]);
}

/* Groups side by side, each by one thread from pixels to text: nobody waits for anybody. The error is the first part's
 * that failed. */
static e2str_status read_parts(batch *b, e2str_error *error) {
    e2_arena *arena = b->compute->arena;
    b->statuses = e2_arena_alloc(arena, b->parts, sizeof *b->statuses);
    b->errors = e2_arena_alloc(arena, b->parts, sizeof *b->errors);
    e2str_status status = E2STR_OK;
    if (!b->statuses || !b->errors) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    e2_threads_run(b->compute->threads, b->parts, read_part, b);
    for (size_t i = 0; !status && i < b->parts; i++)
        if (b->statuses[i]) status = e2_fail(error, b->statuses[i], "%s", b->errors[i].message);
    return status;
}

/* Long answers with many beams would need much memory each: they are read one by one. */
#define BATCH_SLOTS 1024

/* Parts of as many rows as go together; where threads share them, as many as give each thread the same number. Images
 * keep their order, and each goes to the part in which its middle row lies. false: out of memory. */
static bool divide(batch *b, bool shared) {
    const e2str_model *model = b->compute->model;
    bool alone = (uint64_t)b->options->beams * b->options->max_tokens > BATCH_SLOTS || model->blas;
    size_t total = 0, rows = 0, part = 0, threads = e2_threads_count(b->compute->threads);
    for (size_t i = 0; i < b->n; i++) {
        size_t more = e2_vision_rows(model, b->measured[i].columns);
        bool together = b->parts && !alone && e2_batch_takes(model, rows, more, E2_BATCH_ROWS);
        rows = together ? rows + more : more;
        b->parts += !together;
        total += more;
    }
    if (shared) b->parts = (b->parts + threads - 1) / threads * threads;
    if (b->parts > b->n) b->parts = b->n;
    b->first = e2_arena_alloc(b->compute->arena, b->parts + 1, sizeof *b->first);
    if (!b->first) return false;
    bool each = b->parts == b->n;
    if (each) total = b->n;
    b->first[0] = rows = 0;
    for (size_t i = 0, own; i < b->n; i++, rows += own) {
        own = each ? 1 : e2_vision_rows(model, b->measured[i].columns);
        while (2 * rows + own >= 2 * e2_part_begin(total, part + 1, b->parts)) b->first[++part] = i;
    }
    while (part < b->parts) b->first[++part] = b->n;
    return true;
}

static e2str_status read_measured(batch *b, e2str_error *error) {
    const e2_compute *compute = b->compute;
    size_t threads = e2_threads_count(compute->threads);
    bool shared = threads > 1 && b->n >= threads && !compute->model->blas;
    b->parts = 0;
    b->measured = e2_arena_alloc(compute->arena, b->n, sizeof *b->measured);
    if (!b->measured) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    e2str_status status = e2_measure_images(compute->model, b->images, b->n, b->measured, compute->arena, error);
    if (status) return status;
    if (!divide(b, shared)) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    if (shared) return read_parts(b, error);
    for (size_t i = 0; !status && i < b->parts; i++) status = read_part_with(b, compute, i, error);
    return status;
}

static e2str_status read_all(batch *b, e2str_error *error) {
    e2_arena_mark mark = e2_arena_begin(b->compute->arena);
    e2str_status status = read_measured(b, error);
    e2_arena_release(b->compute->arena, mark);
    return status;
}

/* Images that are read together in one turn. */
typedef struct turn {
    size_t *which, n;      /* [n]: in the batch */
    e2str_image *images;   /* [n]: the view, turned */
    e2str_result **into;   /* [n] */
    e2str_result *results; /* of turns after the first */
} turn;

/* Those that ask for this turn, of those that asked for the one before; the better read is kept. */
static e2str_status read_turn(const batch *all, unsigned number, turn *t, e2str_error *error) {
    size_t before = t->n;
    t->n = 0;
    for (size_t i = 0; i < before; i++) {
        size_t which = t->which[i];
        uint32_t rotate;
        if (!e2_upright_next(&all->images[which], number, all->results[which]->score, &rotate)) continue;
        t->images[t->n] = all->images[which];
        t->images[t->n].rotate = rotate;
        t->into[t->n] = number ? &t->results[t->n] : all->results[which];
        t->which[t->n++] = which;
    }
    batch part = *all;
    part.images = t->images;
    part.n = t->n;
    part.results = t->into;
    for (size_t i = 0; number && i < t->n; i++) e2_result_clear(t->into[i]);
    e2str_status status = t->n ? read_all(&part, error) : E2STR_OK;
    for (size_t i = 0; !status && number && i < t->n; i++) {
        e2str_result *best = all->results[t->which[i]], other = t->results[i];
        if (!(other.score > best->score)) continue;
        t->results[i] = *best;
        *best = other;
    }
    return status;
}

/* All, those whose way up was not known as they were found to lie, with the constraint. */
static e2str_status read_constrained(const batch *all, turn *t, e2str_error *error) {
    batch part = *all;
    part.images = t->images;
    for (size_t i = 0; i < all->n; i++) {
        t->images[i] = all->images[i];
        if (t->images[i].rotate != E2STR_ROTATE_AUTO) continue;
        t->images[i].rotate = all->results[i]->area.rotate;
        e2_result_clear(all->results[i]);
    }
    return read_all(&part, error);
}

/* Turn by turn, as far as some image asks for it; without the constraint, which a wrong way up may fit by chance. */
static e2str_status read_turns(batch *all, e2str_error *error) {
    size_t unknown = 0;
    for (size_t i = 0; i < all->n; i++) unknown += all->images[i].rotate == E2STR_ROTATE_AUTO;
    if (!unknown) return read_all(all, error);
    e2str_read_options freely = *all->options;
    freely.constraint = NULL;
    batch unbound = *all;
    unbound.options = &freely;
    e2_arena *arena = all->compute->arena;
    e2_arena_mark mark = e2_arena_begin(arena);
    turn t = {.which = e2_arena_alloc(arena, all->n, sizeof *t.which),
              .images = e2_arena_alloc(arena, all->n, sizeof *t.images),
              .into = e2_arena_alloc(arena, all->n, sizeof *t.into),
              .results = e2_arena_alloc(arena, unknown, sizeof *t.results)};
    e2str_status status = E2STR_OK;
    if (t.which && t.images && t.into && t.results) {
        for (size_t i = 0; i < all->n; i++)
            if (!all->options->constraint || all->images[i].rotate == E2STR_ROTATE_AUTO) t.which[t.n++] = i;
        for (size_t i = 0; i < unknown; i++) t.results[i] = (e2str_result){0};
        for (unsigned i = 0; !status && i < E2_TURNS; i++) status = read_turn(&unbound, i, &t, error);
        if (!status && all->options->constraint) status = read_constrained(all, &t, error);
        for (size_t i = 0; i < unknown; i++) e2_result_release(&t.results[i]);
    } else {
        status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    }
    e2_arena_release(arena, mark);
    return status;
}

e2str_status e2str_read_batch(e2str_session *session, const e2str_image *images, size_t n, const e2str_pool *pool,
                              const e2str_read_options *given, e2str_result *const *results, e2str_error *error) {
    if (n && (!images || !results)) return e2_fail(error, E2STR_ERROR_ARGUMENT, "images or results is NULL");
    for (size_t i = 0; i < n; i++)
        if (results[i]) e2_result_clear(results[i]);
    e2str_read_options options;
    e2str_status status = read_options(given, &options, error);
    if (!status) status = check_arguments(session, images, n, pool, &options, results, error);
    if (status || n == 0) return status;
    if (options.min_similarity == E2STR_SIMILARITY_OF_MODEL)
        options.min_similarity = session->compute.model->min_similarity;
    e2str_memory *memory = options.memory || options.memory_factor == 0.0f ? NULL : e2_pool_memory(pool);
    if (memory) options.memory = memory;
    if (options.memory_factor == 0.0f) options.memory = NULL;
    if (options.k == E2STR_K_DEFAULT)
        options.k = options.memory && options.memory->report.examples >= E2STR_K_EXAMPLES ? 0 : 2;
    batch all = {
        .compute = &session->compute, .images = images, .n = n, .pool = pool, .options = &options, .results = results};
    status = read_turns(&all, error);
    e2_memory_release(memory);
    for (size_t i = 0; status && i < n; i++) e2_result_clear(results[i]);
    return status;
}

e2str_status e2str_read(e2str_session *session, const e2str_image *image, const e2str_pool *pool,
                        const e2str_read_options *options, e2str_result *result, e2str_error *error) {
    if (!image || !result) {
        if (result) e2_result_clear(result);
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", image ? "result" : "image");
    }
    return e2str_read_batch(session, image, 1, pool, options, &result, error);
}
