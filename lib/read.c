/* SPDX-License-Identifier: MIT */
/* Reading: encode the query, choose examples, build the prompt, search, fill the result. */
#include <stdio.h>

#include "result.h"
#include "second_look.h"
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
    if (!(options->second_look >= 0.0f && options->second_look <= 1.0f))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "second_look is %g; from 0 to 1", (double)options->second_look);
    if (options->second_look > 0.0f && (options->prompt || options->n_examples))
        return e2_fail(error, E2STR_ERROR_UNSUPPORTED,
                       "second_look chooses examples itself: not with a prepared prompt or given ones");
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

/* The examples that stood in the prompt; those of a prepared one are compared with the query only now. */
static void report_examples(const e2_compute *compute, const e2_query *q, e2str_result *result) {
    const e2str_prompt *prefix = q->prefix;
    result->n_examples = prefix ? prefix->n_choices : q->n_choices;
    for (size_t i = 0; i < result->n_examples; i++) {
        const e2_choice *choice = prefix ? &prefix->choices[i] : &q->choices[i];
        float value = prefix ? e2_key_similarity(compute, q->key, choice->example) : choice->similarity;
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

static e2str_status fill(const e2_compute *compute, const e2_measured *image, const e2_query *q,
                         const e2_answer *answer, const e2str_read_options *options, e2str_result *result,
                         e2str_error *error) {
    const e2str_model *model = compute->model;
    e2_evidence evidence = {q->tokens, model->vision.grid_height, image->columns, squeeze_of(model, image)};
    e2_judgement judgement;
    e2_answer shown = *answer; /* a first reading keeps more alternatives than were asked for */
    if (shown.n_alternatives > options->alternatives) shown.n_alternatives = options->alternatives;
    e2str_status status = e2_result_fill(result, compute, &shown, options->clean_up, options->influences, error);
    if (status) return status;
    result->area = image->area;
    if (!e2_judge(compute, answer, &evidence, options->places, &judgement))
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    e2_result_judge(result, &judgement, options);
    report_examples(compute, q, result);
    return E2STR_OK;
}

/* A group of images that go through all stages together. */
typedef struct group {
    const e2_compute *compute;
    const e2_measured *images;
    size_t n;
    const e2str_pool *pool;
    const e2str_read_options *options;
    e2str_result *const *results;
    e2_query *queries;  /* [n] */
    e2_answer *answers; /* [n] */
} group;

/* Whether a first reading is to be looked at again: one that was cut says little, one without text has none to doubt.
 */
static bool is_doubtful(const group *g, size_t i) {
    const e2_answer *answer = &g->answers[i];
    const e2str_result *result = g->results[i];
    bool textless = answer->n && !result->characters.count && result->textless >= g->options->textless_from;
    return result->confidence < g->options->second_look && answer->ended && !answer->unmatched && !textless;
}

/* Those that are doubtful once more; results of texts that change are filled anew. */
static e2str_status look_again(const group *g, e2str_error *error) {
    e2_arena *arena = g->compute->arena;
    size_t *which = e2_arena_alloc(arena, g->n, sizeof *which), n = 0;
    if (!which) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    for (size_t i = 0; i < g->n; i++)
        if (is_doubtful(g, i)) which[n++] = i;
    e2_look *looks = e2_arena_alloc(arena, n, sizeof *looks);
    e2_choice *choices = e2_arena_alloc(arena, n * E2STR_MAX_EXAMPLES, sizeof *choices);
    if (!looks || !choices) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    for (size_t i = 0; i < n; i++)
        looks[i] = (e2_look){.first = &g->queries[which[i]],
                             .answer = &g->answers[which[i]],
                             .second = {.choices = choices + i * E2STR_MAX_EXAMPLES}};
    e2str_status status = n ? e2_look_again(g->compute, looks, n, g->pool, g->options, error) : E2STR_OK;
    for (size_t i = 0; !status && i < n; i++) {
        e2str_result *result = g->results[which[i]];
        if (looks[i].changed) {
            e2_result_clear(result);
            status =
                fill(g->compute, &g->images[which[i]], &looks[i].second, &looks[i].other, g->options, result, error);
        }
        result->second_look = looks[i].looked + looks[i].changed;
    }
    for (size_t i = 0; i < n; i++) e2_query_release(&looks[i].second);
    return status;
}

/* Everything of a group that is encoded and knows its examples. */
static e2str_status read_queries(const group *g, e2str_error *error) {
    e2str_read_options first = *g->options;
    bool again = first.second_look > 0.0f;
    if (again && first.alternatives < E2_DOUBT_ALTERNATIVES) first.alternatives = E2_DOUBT_ALTERNATIVES;
    e2str_status status = e2_queries_answer(g->compute, g->queries, g->n, g->pool, &first, false, g->answers, error);
    for (size_t i = 0; !status && i < g->n; i++)
        status = fill(g->compute, &g->images[i], &g->queries[i], &g->answers[i], g->options, g->results[i], error);
    return status || !again ? status : look_again(g, error);
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
    group g = {compute, images, n, pool, options, results, NULL, NULL};
    g.queries = e2_arena_alloc(arena, n, sizeof *g.queries);
    g.answers = e2_arena_alloc(arena, n, sizeof *g.answers);
    e2_choice *choices = e2_arena_alloc(arena, n * E2STR_MAX_EXAMPLES, sizeof *choices);
    e2str_status status = E2STR_OK;
    if (!tokens || !keys || !g.queries || !g.answers || !choices)
        status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while reading");
    if (!status) status = e2_encode_images(compute, images, n, tokens, keys, error);
    for (; !status && chosen < n; chosen++) {
        e2_query *q = &g.queries[chosen];
        *q = (e2_query){.choices = choices + chosen * E2STR_MAX_EXAMPLES,
                        .prefix = options->prompt,
                        .tokens = tokens,
                        .key = keys + chosen * width,
                        .n_tokens = e2_visual_tokens(model, images[chosen].columns)};
        tokens += q->n_tokens * width;
        status = e2_query_choose(compute, pool, options, q, error);
    }
    if (!status) status = read_queries(&g, error);
    for (size_t i = 0; i < chosen; i++) e2_query_release(&g.queries[i]);
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
    if (freely.constraint) freely.second_look = 0.0f; /* those whose way up is found are read once more anyway */
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
