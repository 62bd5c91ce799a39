/* e2str eval: word accuracy on a set of labelled images. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

typedef struct tally {
    size_t images, failed, exact, any_case, alphanumeric;
    double file_ms, read_ms;
} tally;

/* What --random-examples draws from: the ids of the pool, in the order that the draws so far left them in. */
typedef struct lottery {
    uint64_t *ids, state;
    size_t count;
} lottery;

static bool write_wrong(const invocation *run, const label_row *row) {
    const char *text = e2str_result_text(run->result);
    double score = e2str_result_score(run->result);
    if (run->json) {
        write_json("{\"image\":", row->path, SIZE_MAX);
        write_json(",\"label\":", row->text, SIZE_MAX);
        write_json(",\"text\":", text, SIZE_MAX);
        write_number(",\"score\":", score);
        putchar('}');
    } else {
        write_text("", row->path);
        write_text("\t", row->text);
        write_text("\t", text);
        printf("\t%.3f", score);
    }
    return end_line();
}

static void warn_row(const label_row *row, const e2str_error *error) {
    char where[32];
    snprintf(where, sizeof where, "line %zu: ", row->line);
    complain_of_image(where, row->path, error);
}

/* K examples for the next image: the beginning of a Fisher-Yates shuffle. */
static void draw(lottery *lots, e2str_read_options *read) {
    read->examples = lots->ids;
    read->n_examples = read->k < lots->count ? read->k : lots->count;
    for (size_t i = 0; i < read->n_examples; i++) {
        size_t j = i + (size_t)(splitmix64(&lots->state) % (lots->count - i));
        uint64_t id = lots->ids[i];
        lots->ids[i] = lots->ids[j];
        lots->ids[j] = id;
    }
}

/* Reads one image and counts it; false when the output cannot be written. */
static bool evaluate(invocation *run, const label_row *row, tally *counts) {
    e2str_error error = {{0}};
    e2str_image image;
    double begin = milliseconds();
    e2str_status status = load_image(run, row->path, &image, &error);
    double loaded = milliseconds();
    if (!status) status = e2str_read(run->session, &image, run->pool, &run->read, run->result, &error);
    counts->file_ms += loaded - begin;
    counts->read_ms += milliseconds() - loaded;
    counts->images++;
    e2str_image_free(&image);
    if (status) {
        warn_row(row, &error);
        counts->failed++;
        return true;
    }
    const char *text = e2str_result_text(run->result);
    bool exact = !strcmp(text, row->text);
    counts->exact += exact;
    counts->any_case += same_word(text, row->text, false);
    counts->alphanumeric += same_word(text, row->text, true);
    return exact || !run->verbose || write_wrong(run, row);
}

static double share(size_t part, size_t all) { return all ? 100.0 * (double)part / (double)all : 0; }

static bool report(const invocation *run, const tally *counts, size_t examples) {
    size_t n = counts->images;
    double file = n ? counts->file_ms / (double)n : 0, read = n ? counts->read_ms / (double)n : 0;
    if (run->json) {
        write_json("{\"labels\":", run->labels_path, SIZE_MAX);
        write_json(",\"model\":", run->model_found, SIZE_MAX);
        printf(",\"model_checksum\":\"%016llx\"", (unsigned long long)e2str_model_checksum(run->model));
        printf(",\"pool_examples\":%zu,\"k\":%u,\"beams\":%u", examples, run->read.k, run->read.beams);
        printf(",\"examples\":\"%s\"", run->random_examples.given ? "random" : "nearest");
        printf(",\"images\":%zu,\"failed\":%zu", n, counts->failed);
        printf(",\"exact\":%.2f,\"case_insensitive\":%.2f,\"alphanumeric\":%.2f", share(counts->exact, n),
               share(counts->any_case, n), share(counts->alphanumeric, n));
        printf(",\"ms_per_image\":%.3f,\"ms_file\":%.3f,\"ms_read\":%.3f}", file + read, file, read);
        return end_line();
    }
    printf("images            %zu", n);
    if (counts->failed) printf(" (%zu failed, counted as wrong)", counts->failed);
    if (examples)
        printf("\npool              %zu examples, k = %u%s", examples, run->read.k,
               run->random_examples.given ? " at random" : "");
    printf("\nexact             %6.2f %%  (%zu)", share(counts->exact, n), counts->exact);
    printf("\ncase-insensitive  %6.2f %%  (%zu)", share(counts->any_case, n), counts->any_case);
    printf("\nalphanumeric      %6.2f %%  (%zu; case-insensitive)", share(counts->alphanumeric, n),
           counts->alphanumeric);
    printf("\nms per image      %.2f (file %.2f, read %.2f)", file + read, file, read);
    return end_line();
}

/* The first rows become the pool; false when one of them cannot. */
static bool fill_pool(invocation *run, const label_list *labels) {
    e2str_error error = {{0}};
    if (e2str_pool_new(run->model, &run->pool_options, &run->pool, &error)) {
        complain("%s", error.message);
        return false;
    }
    for (size_t i = 0; i < run->pool_first; i++) {
        uint64_t id;
        show_progress("adding", i, run->pool_first);
        if (!add_example(run, labels->rows[i].path, labels->rows[i].text, &id, &error)) continue;
        warn_row(&labels->rows[i], &error);
    }
    show_progress("adding", run->pool_first, run->pool_first);
    return true;
}

static bool fill_lottery(const invocation *run, lottery *lots) {
    lots->state = run->random_examples.value;
    lots->count = e2str_pool_count(run->pool);
    lots->ids = malloc((lots->count ? lots->count : 1) * sizeof *lots->ids);
    if (lots->ids)
        e2str_pool_ids(run->pool, lots->ids, lots->count);
    else
        complain("out of memory");
    return lots->ids;
}

static bool evaluate_all(invocation *run, const label_list *labels, lottery *lots, tally *counts) {
    if (!open_model(run, true)) return false;
    if (run->pool_path && !load_pool(run, run->pool_path)) return false;
    if (run->pool_first && !fill_pool(run, labels)) return false;
    if (run->random_examples.given && !fill_lottery(run, lots)) return false;
    size_t first = run->pool_first + run->skip;
    size_t count = labels->count - first < run->limit ? labels->count - first : run->limit;
    for (size_t i = 0; i < count; i++) {
        show_progress("reading", i, count);
        if (lots->ids) draw(lots, &run->read);
        if (!evaluate(run, &labels->rows[first + i], counts)) return false;
    }
    show_progress("reading", count, count);
    return report(run, counts, run->pool ? e2str_pool_count(run->pool) : 0);
}

int run_eval(invocation *run) {
    if (!run->labels_path) {
        complain("eval: --labels FILE is needed");
        return USAGE;
    }
    if (run->pool_path && run->pool_first) {
        complain("eval: --pool and --pool-first exclude each other");
        return USAGE;
    }
    if (run->random_examples.given && !run->pool_path && !run->pool_first) {
        complain("eval: --random-examples needs --pool or --pool-first");
        return USAGE;
    }
    label_list labels;
    if (!labels_load(&labels, run->labels_path)) return FAILED;
    tally counts = {0};
    lottery lots = {0};
    bool good = false;
    if (run->seed.given) labels_shuffle(&labels, run->seed.value);
    if (run->pool_first >= labels.count || run->skip >= labels.count - run->pool_first)
        complain("%s: --pool-first and --skip leave none of the %zu labels", run->labels_path, labels.count);
    else
        good = evaluate_all(run, &labels, &lots, &counts) && !counts.failed && !labels.bad;
    free(lots.ids);
    labels_free(&labels);
    return good ? OK : FAILED;
}
