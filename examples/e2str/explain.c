/* SPDX-License-Identifier: MIT */
/* e2str explain: how one read came about. The read itself, with all that it can tell; the same picture read without
 * prompt, memory or both; and how likely the text is when examples are left out of the prompt. */
#include "explain.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const way_names[WAYS] = {"alone", "prompt", "memory", "both"};

static e2str_status out_of_memory(e2str_error *error) {
    snprintf(error->message, sizeof error->message, "out of memory");
    return E2STR_ERROR_MEMORY;
}

/* ---------------------------------------------------------------------------------------------------- likelihoods --
 */

/* Of the text in a result: its characters and its end. */
static double log_probability_of(const e2str_result *result) {
    double sum = log((double)e2str_result_end_probability(result));
    for (size_t i = 0; i < e2str_result_characters(result); i++) {
        e2str_character character = {0};
        e2str_result_character(result, i, &character, NULL);
        sum += log((double)character.probability);
    }
    return sum;
}

/* What is asked again and again while one read is explained. */
typedef struct asking {
    const explanation *e;
    e2str_result *result;       /* for what is found */
    e2str_constraint *the_text; /* that nothing but the explained text fits; NULL where that is empty */
    uint64_t ids[E2STR_MAX_EXAMPLES];
    uint32_t prompt_size;
} asking;

static e2str_status read_again(const asking *a, const e2str_read_options *options, e2str_error *error) {
    return e2str_read(a->e->run->session, &a->e->picture, a->e->run->pool, options, a->result, error);
}

/* How likely the text is with these options; NAN where it cannot be written. */
static e2str_status weigh(const asking *a, e2str_read_options options, double *log_probability, e2str_error *error) {
    *log_probability = NAN;
    if (!a->the_text) return E2STR_OK;
    options.constraint = a->the_text;
    options.textless_from = 2.0f;
    e2str_status status = read_again(a, &options, error);
    if (!status && !e2str_result_unmatched(a->result) && !e2str_result_truncated(a->result))
        *log_probability = log_probability_of(a->result);
    return status;
}

static e2str_status only_this_text(asking *a, e2str_error *error) {
    e2str_constraint_options wanted;
    e2str_constraint_options_init(&wanted);
    wanted.lexicon = e2str_result_text(a->e->run->result);
    wanted.lexicon_size = e2str_result_text_size(a->e->run->result);
    return wanted.lexicon_size ? e2str_constraint_new(&wanted, &a->the_text, error) : E2STR_OK;
}

/* ------------------------------------------------------------------------------------------------------------ ways --
 */

/* Read once, and without what only the read that is explained is asked for. */
static void once(e2str_read_options *options) {
    options->attention = options->places = options->influences = 0;
    options->second_look = 0;
}

static bool has_memory(const invocation *run) {
    e2str_memory_report report;
    e2str_memory_report_init(&report);
    return run->pool && run->read.memory_factor > 0 && !e2str_pool_report(run->pool, &report, NULL);
}

static e2str_status try_way(const asking *a, int way, explained_way *found, e2str_error *error) {
    const invocation *run = a->e->run;
    bool prompt = way & WITH_PROMPT, memory = way & WITH_MEMORY;
    found->possible = (!prompt || a->prompt_size) && (!memory || has_memory(run));
    if (!found->possible) return E2STR_OK;
    e2str_read_options options = run->read;
    once(&options);
    options.k = prompt ? a->prompt_size : 0;
    if (!memory) options.memory_factor = 0;
    e2str_status status = read_again(a, &options, error);
    if (status) return status;
    found->score = e2str_result_score(a->result);
    found->text = strdup(e2str_result_text(a->result));
    if (!found->text) return out_of_memory(error);
    return weigh(a, options, &found->log_probability, error);
}

/* -------------------------------------------------------------------------------------------------------- examples --
 */

/* The text's log-probability after those examples of the prompt that are in `subset`, a bit for each. */
static e2str_status weigh_subset(const asking *a, uint64_t subset, double *log_probability, e2str_error *error) {
    e2str_read_options options = a->e->run->read;
    uint64_t ids[E2STR_MAX_EXAMPLES];
    once(&options);
    options.k = 0;
    options.examples = ids;
    options.n_examples = 0;
    for (size_t i = 0; i < a->e->n_examples; i++)
        if (subset >> i & 1) ids[options.n_examples++] = a->e->examples[i].id;
    return weigh(a, options, log_probability, error);
}

/* Shapley's values: each example's gain, over all orders in which they could have come. value: of each subset. */
static void share_out(explanation *e, const double *value) {
    size_t n = e->n_examples;
    for (size_t i = 0; i < n; i++) {
        e->examples[i].shapley = 0.0;
        for (uint64_t subset = 0; subset < (uint64_t)1 << n; subset++) {
            if (subset >> i & 1) continue;
            size_t size = 0;
            for (uint64_t rest = subset; rest; rest &= rest - 1) size++;
            double orders = tgamma((double)size + 1) * tgamma((double)(n - size)) / tgamma((double)n + 1);
            e->examples[i].shapley += orders * (value[subset | (uint64_t)1 << i] - value[subset]);
        }
    }
}

static e2str_status weigh_few(const asking *a, explanation *e, e2str_error *error) {
    double value[1 << MOST_SHAPLEY];
    uint64_t subsets = (uint64_t)1 << e->n_examples, all = subsets - 1;
    e2str_status status = E2STR_OK;
    for (uint64_t subset = 0; !status && subset < subsets; subset++)
        status = weigh_subset(a, subset, &value[subset], error);
    if (status) return status;
    share_out(e, value);
    for (size_t i = 0; i < e->n_examples; i++) e->examples[i].without = value[all] - value[all & ~((uint64_t)1 << i)];
    return E2STR_OK;
}

static e2str_status weigh_examples(const asking *a, explanation *e, e2str_error *error) {
    if (!e->n_examples) return E2STR_OK;
    if (e->n_examples <= MOST_SHAPLEY) return weigh_few(a, e, error);
    uint64_t all = e->n_examples < 64 ? ((uint64_t)1 << e->n_examples) - 1 : UINT64_MAX;
    double with;
    e2str_status status = weigh_subset(a, all, &with, error);
    for (size_t i = 0; !status && i < e->n_examples; i++) {
        double without;
        status = weigh_subset(a, all & ~((uint64_t)1 << i), &without, error);
        e->examples[i].without = with - without;
        e->examples[i].shapley = NAN;
    }
    return status;
}

static e2str_status list_examples(explanation *e, e2str_error *error) {
    const e2str_result *result = e->run->result;
    size_t n = e2str_result_examples(result);
    e->examples = calloc(n ? n : 1, sizeof *e->examples);
    if (!e->examples) return out_of_memory(error);
    for (; e->n_examples < n; e->n_examples++) {
        explained_example *example = &e->examples[e->n_examples];
        size_t size;
        e2str_result_example(result, e->n_examples, &example->id, &example->similarity, NULL);
        example->label = pool_label(e->run, example->id, &size, error);
        if (!example->label) return E2STR_ERROR_FORMAT; /* or out of memory: the message tells */
    }
    return E2STR_OK;
}

/* ----------------------------------------------------------------------------------------------------------- all -- */

double looked_at(const explanation *e, size_t character) {
    const float *weights;
    uint32_t rows, columns;
    double sum = 0, across = 0;
    if (e2str_result_attention(e->run->result, character, &weights, &rows, &columns, NULL)) return NAN;
    for (uint32_t i = 0; i < rows * columns; i++) {
        sum += (double)weights[i];
        across += (double)weights[i] * (i % columns + 0.5) / columns;
    }
    return sum > 0 ? across / sum : NAN;
}

/* What the second look changed, if one was taken. */
static e2str_status look_back(const asking *a, explanation *e, e2str_error *error) {
    e2str_read_options options = e->run->read;
    if (!e2str_result_second_look(e->run->result)) return E2STR_OK;
    once(&options);
    e2str_status status = read_again(a, &options, error);
    if (status) return status;
    e->first_look = strdup(e2str_result_text(a->result));
    return e->first_look ? E2STR_OK : out_of_memory(error);
}

static e2str_status gather(explanation *e, asking *a, e2str_error *error) {
    const invocation *run = e->run;
    e2str_status status = e2str_read(run->session, &e->picture, run->pool, &run->read, run->result, error);
    if (!status) status = e2str_result_new(&a->result, error);
    if (!status) status = only_this_text(a, error);
    if (!status) status = list_examples(e, error);
    if (status) return status;
    e2str_result_area(run->result, &e->area, NULL);
    e->log_probability = log_probability_of(run->result);
    a->prompt_size = !run->pool ? 0 : e->n_examples ? (uint32_t)e->n_examples : run->read.k == E2STR_K_DEFAULT ? 2 : 0;
    status = look_back(a, e, error);
    for (int way = 0; !status && way < WAYS; way++) status = try_way(a, way, &e->ways[way], error);
    return status ? status : weigh_examples(a, e, error);
}

static bool write_page_file(const explanation *e, const char *path) {
    FILE *file = fopen(path, "wb");
    bool good = file && write_explanation_page(file, e);
    bool written = file && !ferror(file);
    if (file && fclose(file)) written = false;
    if (!file || !written)
        complain("%s: %s", path, strerror(errno));
    else if (!good)
        complain("out of memory");
    return good && written;
}

static bool show(const explanation *e) {
    if (e->run->page_path && !write_page_file(e, e->run->page_path)) return false;
    if (e->run->json)
        write_explanation_json(stdout, e);
    else
        write_explanation(stdout, e);
    return true;
}

static void release(explanation *e, asking *a) {
    for (size_t i = 0; e->examples && i < e2str_result_examples(e->run->result); i++) free(e->examples[i].label);
    for (int way = 0; way < WAYS; way++) free(e->ways[way].text);
    free(e->examples);
    free(e->first_look);
    e2str_image_free(&e->picture);
    e2str_result_free(a->result);
    e2str_constraint_free(a->the_text);
}

/* As many alternatives and influences as a page has room for, unless options say otherwise. */
static void ask_for_everything(invocation *run) {
    e2str_model_info info;
    e2str_model_info_init(&info);
    e2str_model_get_info(run->model, &info, NULL);
    run->read.places = info.places;
    run->read.attention = !info.resampler_layers;
    if (run->read.alternatives == NOT_GIVEN) run->read.alternatives = 4;
    if (run->read.influences == NOT_GIVEN) run->read.influences = 3;
}

int run_explain(invocation *run) {
    explanation e = {.run = run, .path = run->operands[0]};
    asking a = {.e = &e};
    e2str_error error = {{0}};
    int wrong = make_constraint(run);
    if (wrong) return wrong;
    if (!open_model(run, true) || !open_pool(run)) return FAILED;
    ask_for_everything(run);
    e2str_status status = load_image(run, e.path, &e.picture, stderr, &error);
    if (!status) status = gather(&e, &a, &error);
    if (status) complain_of_image(stderr, 0, e.path, &error);
    bool good = !status && show(&e);
    release(&e, &a);
    return good ? OK : FAILED;
}
