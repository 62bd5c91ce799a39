/* SPDX-License-Identifier: MIT */
/* e2str eval: word accuracy on a set of labelled images. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

/* Reads whose confidence lies in one of BINS parts of 0..1, of equal width. */
enum { BINS = 15 };
typedef struct bin {
    size_t reads, right;
    double confidence; /* their sum */
} bin;

typedef struct tally {
    size_t images, failed, exact, any_case, alphanumeric, unmatched;
    size_t not_added;                /* of --pool-first */
    size_t looked, changed;          /* again; of them those with another text then */
    size_t accepted, accepted_right; /* not rejected; of them alphanumeric */
    bin bins[BINS];
    double file_ms, read_ms, learn_ms;
} tally;

typedef enum outcome { UNREAD, WRONG, RIGHT, SHOWN } outcome; /* RIGHT: alphanumeric; SHOWN: WRONG, then an example */

/* What --random-examples draws from: the ids of the pool, in the order that the draws so far left them in. */
typedef struct lottery {
    uint64_t *ids, state;
    size_t count;
} lottery;

/* The last read of an image, with --verbose and if it is not exact. */
static void write_wrong(const invocation *run, const label_row *row) {
    const char *text = e2str_result_text(run->result);
    double score = e2str_result_score(run->result);
    if (!run->verbose || !strcmp(text, row->text)) return;
    if (run->json) {
        write_json_name(stdout, "{", "image", row->path);
        write_json(stdout, ",\"label\":", row->text, SIZE_MAX);
        write_json(stdout, ",\"text\":", text, SIZE_MAX);
        write_number(stdout, ",\"score\":", score);
        putchar('}');
    } else {
        write_text(stdout, "", row->path);
        write_text(stdout, "\t", row->text);
        write_text(stdout, "\t", text);
        printf("\t%.3f", score);
    }
    end_line();
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

static void count_confidence(tally *counts, const e2str_result *result, bool right) {
    double confidence = e2str_result_confidence(result);
    bin *of = &counts->bins[confidence < 1 ? (size_t)(confidence * BINS) : BINS - 1];
    of->reads++;
    of->right += right;
    of->confidence += confidence;
    if (e2str_result_rejected(result)) return;
    counts->accepted++;
    counts->accepted_right += right;
}

/* Expected calibration error: how far confidence and share of right reads are apart in a bin, in the mean of all
 * reads; *confidence is theirs. */
static double calibration_error(const tally *counts, double *confidence) {
    double apart = 0;
    size_t reads = 0;
    *confidence = 0;
    for (const bin *of = counts->bins; of < counts->bins + BINS; of++) {
        double difference = of->confidence - (double)of->right;
        apart += difference < 0 ? -difference : difference;
        *confidence += of->confidence;
        reads += of->reads;
    }
    if (reads) *confidence /= (double)reads;
    return reads ? apart / (double)reads : 0;
}

/* Reads one image and counts it. */
static outcome evaluate(invocation *run, const label_row *row, tally *counts) {
    e2str_error error = {{0}};
    e2str_image image;
    double begin = milliseconds();
    e2str_status status = load_image(run, row->path, &image, stderr, &error);
    double loaded = milliseconds();
    if (!status) status = e2str_read(run->session, &image, run->pool, &run->read, run->result, &error);
    counts->file_ms += loaded - begin;
    counts->read_ms += milliseconds() - loaded;
    counts->images++;
    e2str_image_free(&image);
    if (status) {
        complain_of_image(stderr, row->line, row->path, &error);
        counts->failed++;
        return UNREAD;
    }
    const char *text = e2str_result_text(run->result);
    bool right = same_word(text, row->text, true);
    counts->exact += !strcmp(text, row->text);
    counts->unmatched += e2str_result_unmatched(run->result) != 0;
    counts->any_case += same_word(text, row->text, false);
    counts->alphanumeric += right;
    counts->looked += e2str_result_second_look(run->result) > 0;
    counts->changed += e2str_result_second_look(run->result) > 1;
    count_confidence(counts, run->result, right);
    return right ? RIGHT : WRONG;
}

static double share(size_t part, size_t all) { return all ? 100.0 * (double)part / (double)all : 0; }

static void write_setting(const invocation *run, const tally *counts) {
    write_json_name(stdout, "{", "labels", run->labels_path);
    write_json_name(stdout, ",", "model", run->model_found);
    printf(",\"model_checksum\":\"%016llx\"", (unsigned long long)e2str_model_checksum(run->model));
    printf(",\"pool_examples\":%zu,\"k\":%u,\"beams\":%u", run->pool ? e2str_pool_count(run->pool) : 0,
           prompt_size(run), run->read.beams);
    write_number(stdout, ",\"memory_factor\":", run->read.memory_factor);
    write_json_report(stdout, ",\"memory\":", run);
    printf(",\"ms_learn\":%.3f", counts->learn_ms);
}

static void write_calibration(const invocation *run, const tally *counts) {
    double confidence, error = calibration_error(counts, &confidence);
    if (run->json) {
        write_number(stdout, ",\"confidence\":", confidence);
        write_number(stdout, ",\"calibration_error\":", error);
        for (size_t i = 0; i < BINS; i++) {
            printf("%s[%zu,%zu", i ? "," : ",\"bins\":[", counts->bins[i].reads, counts->bins[i].right);
            write_number(stdout, ",", counts->bins[i].confidence);
            putchar(']');
        }
        printf("],\"accepted\":%zu,\"accepted_right\":%zu", counts->accepted, counts->accepted_right);
        return;
    }
    printf("confidence        %6.2f %%  (calibration error %.2f %%)\n", 100 * confidence, 100 * error);
    if (run->read.reject_below > 0)
        printf("accepted          %6.2f %%  (%zu; of them %.2f %% right, alphanumeric)\n",
               share(counts->accepted, counts->images), counts->accepted,
               share(counts->accepted_right, counts->accepted));
}

static void report(const invocation *run, const tally *counts) {
    size_t n = counts->images, examples = run->pool ? e2str_pool_count(run->pool) : 0;
    double file = n ? counts->file_ms / (double)n : 0, read = n ? counts->read_ms / (double)n : 0;
    if (run->json) {
        write_setting(run, counts);
        printf(",\"examples\":\"%s\"", run->random_examples.given ? "random" : "nearest");
        printf(",\"images\":%zu,\"failed\":%zu", n, counts->failed);
        printf(",\"exact\":%.2f,\"case_insensitive\":%.2f,\"alphanumeric\":%.2f", share(counts->exact, n),
               share(counts->any_case, n), share(counts->alphanumeric, n));
        if (run->constraint) printf(",\"unmatched\":%zu", counts->unmatched);
        if (run->read.second_look > 0) printf(",\"looked_again\":%zu,\"changed\":%zu", counts->looked, counts->changed);
        write_calibration(run, counts);
        printf(",\"ms_per_image\":%.3f,\"ms_file\":%.3f,\"ms_read\":%.3f}", file + read, file, read);
        return;
    }
    printf("images            %zu", n);
    if (counts->failed) printf(" (%zu failed, counted as wrong)", counts->failed);
    putchar('\n');
    if (examples)
        printf("pool              %zu example%s, k = %u%s\n", examples, plural(examples), prompt_size(run),
               run->random_examples.given ? " at random" : "");
    if (run->read.memory_factor > 0) print_report(run, stdout, 18);
    printf("exact             %6.2f %%  (%zu)", share(counts->exact, n), counts->exact);
    printf("\ncase-insensitive  %6.2f %%  (%zu)", share(counts->any_case, n), counts->any_case);
    printf("\nalphanumeric      %6.2f %%  (%zu; case-insensitive)", share(counts->alphanumeric, n),
           counts->alphanumeric);
    if (run->constraint)
        printf("\nunmatched         %6.2f %%  (%zu; read freely)", share(counts->unmatched, n), counts->unmatched);
    if (run->read.second_look > 0)
        printf("\nlooked again      %6.2f %%  (%zu; %zu texts changed)", share(counts->looked, n), counts->looked,
               counts->changed);
    putchar('\n');
    write_calibration(run, counts);
    printf("ms per image      %.2f (file %.2f, read %.2f)", file + read, file, read);
}

/* The first rows become the pool; false when there can be none. */
static bool fill_pool(invocation *run, const label_list *labels, tally *counts) {
    if (!new_pool(run)) return false;
    for (size_t i = 0; i < run->pool_first; i++) {
        e2str_error error = {{0}};
        uint64_t id;
        show_progress("adding", i, run->pool_first);
        if (!add_example(run, labels->rows[i].path, labels->rows[i].text, &id, &error)) continue;
        complain_of_image(stderr, labels->rows[i].line, labels->rows[i].path, &error);
        counts->not_added++;
    }
    show_progress("adding", run->pool_first, run->pool_first);
    return true;
}

static bool learn(invocation *run, tally *counts) {
    double begin = milliseconds();
    bool good = run->no_learn || !(run->read.memory_factor > 0) || learn_pool(run);
    counts->learn_ms = milliseconds() - begin;
    return good;
}

static bool fill_lottery(const invocation *run, lottery *lots) {
    lots->state = run->random_examples.value;
    lots->ids = pool_ids(run, &lots->count);
    return lots->ids;
}

static void evaluate_rows(invocation *run, const label_row *rows, size_t count, lottery *lots, tally *counts) {
    for (size_t i = 0; i < count && !ferror(stdout); i++) {
        show_progress("reading", i, count);
        if (lots->ids) draw(lots, &run->read);
        if (evaluate(run, &rows[i], counts)) write_wrong(run, &rows[i]);
    }
    show_progress("reading", count, count);
    report(run, counts);
}

/* ------------------------------------------------------------------------------------------------ hard samples -- */

/* The third experiment of the E2STR paper (arXiv 2311.13120): how many errors go away when a share of them is
 * annotated, that is, put into a pool with their right text. The annotated images are not read again. */
typedef struct hard {
    const label_row *rows;
    outcome *outcomes; /* of each row, without a pool */
    size_t *wrong;     /* rows */
    size_t count, words, errors, annotated;
    size_t still_wrong, now_wrong; /* with the pool: of the errors not annotated, of the words that were right */
} hard;

static void read_without_pool(invocation *run, hard *h, tally *counts) {
    for (size_t i = 0; i < h->count; i++) {
        show_progress("reading", i, h->count);
        h->outcomes[i] = evaluate(run, &h->rows[i], counts);
        h->words += h->outcomes[i] != UNREAD;
        if (h->outcomes[i] == WRONG) h->wrong[h->errors++] = i;
    }
}

/* An error that cannot be an example (its label has a character that the model does not know, say) stays one, and
 * another is taken. */
static void annotate(invocation *run, hard *h) {
    size_t wanted = (h->errors * run->hard + 50) / 100;
    if (!wanted) wanted = 1;
    shuffle(h->wrong, h->errors, sizeof *h->wrong, run->seed.value);
    for (size_t i = 0; i < h->errors && h->annotated < wanted; i++) {
        const label_row *row = &h->rows[h->wrong[i]];
        e2str_error error = {{0}};
        uint64_t id;
        if (add_example(run, row->path, row->text, &id, &error)) {
            complain_of_image(stderr, row->line, row->path, &error);
            continue;
        }
        h->outcomes[h->wrong[i]] = SHOWN;
        h->annotated++;
    }
}

static void read_with_pool(invocation *run, hard *h, tally *counts) {
    for (size_t i = 0; i < h->count && !ferror(stdout); i++) {
        show_progress("reading again", i, h->count);
        if (h->outcomes[i] != RIGHT && h->outcomes[i] != WRONG) continue;
        outcome now = evaluate(run, &h->rows[i], counts);
        if (now) write_wrong(run, &h->rows[i]);
        if (now != RIGHT) ++*(h->outcomes[i] == WRONG ? &h->still_wrong : &h->now_wrong);
    }
    show_progress("reading again", h->count, h->count);
}

static void report_hard(const invocation *run, const hard *h, const tally *counts) {
    size_t others = h->words - h->annotated, left = h->errors - h->annotated;
    double before = share(others - left, others), after = share(others - h->still_wrong - h->now_wrong, others);
    if (run->json) {
        write_setting(run, counts);
        printf(",\"hard\":%u,\"seed\":%llu", run->hard, (unsigned long long)run->seed.value);
        printf(",\"images\":%zu,\"failed\":%zu,\"errors\":%zu", h->count, counts->failed, h->errors);
        printf(",\"still_wrong\":%zu,\"now_wrong\":%zu", h->still_wrong, h->now_wrong);
        printf(",\"alphanumeric_before\":%.2f,\"alphanumeric\":%.2f}", before, after);
        return;
    }
    printf("words       %6zu\nerrors      %6zu\n", h->words, h->errors);
    printf("annotated   %6zu   (%u %% of the errors, seed %llu, k = %u)\n", h->annotated, run->hard,
           (unsigned long long)run->seed.value, prompt_size(run));
    if (run->read.memory_factor > 0) print_report(run, stdout, 12);
    putchar('\n');
    int width = printf("on the %zu word%s outside the pool", others, plural(others));
    printf("%*s     after\n", 46 - width, "before");
    printf("errors that are left                 %8zu  %8zu\n", left, h->still_wrong);
    printf("right words, now wrong               %8d  %8zu\n", 0, h->now_wrong);
    printf("accuracy                             %6.2f %%  %6.2f %%", before, after);
}

static bool evaluate_hard(invocation *run, const label_row *rows, size_t count, tally *counts) {
    hard h = {.rows = rows, .count = count};
    h.outcomes = calloc(count + 1, sizeof *h.outcomes);
    h.wrong = calloc(count + 1, sizeof *h.wrong);
    bool good = h.outcomes && h.wrong;
    if (good)
        read_without_pool(run, &h, counts);
    else
        complain("out of memory");
    good = good && new_pool(run);
    if (good) annotate(run, &h);
    good = good && learn(run, counts) && prompts_fit(run, h.annotated);
    if (good) {
        read_with_pool(run, &h, counts);
        report_hard(run, &h, counts);
    }
    free(h.outcomes);
    free(h.wrong);
    return good;
}

/* ------------------------------------------------------------------------------------------------- the command -- */

static bool evaluate_all(invocation *run, const label_list *labels, lottery *lots, tally *counts) {
    if (!open_model(run, true)) return false;
    if (!open_pool(run)) return false;
    if (run->pool_first &&
        !(fill_pool(run, labels, counts) && learn(run, counts) && prompts_fit(run, e2str_pool_count(run->pool))))
        return false;
    if (run->random_examples.given && !fill_lottery(run, lots)) return false;
    const label_row *rows = labels->rows + run->pool_first + run->skip;
    size_t count = labels->count - run->pool_first - run->skip;
    if (count > run->limit) count = run->limit;
    if (!run->hard)
        evaluate_rows(run, rows, count, lots, counts);
    else if (!evaluate_hard(run, rows, count, counts))
        return false;
    return end_line();
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
    if (run->hard && (run->pool_path || run->pool_first)) {
        complain("eval: --hard makes its own pool: no --pool or --pool-first");
        return USAGE;
    }
    if (run->random_examples.given && run->read.k == E2STR_K_DEFAULT) run->read.k = 2;
    int wrong = make_constraint(run);
    if (wrong) return wrong;
    label_list labels;
    if (!labels_load(&labels, run->labels_path)) return FAILED;
    tally counts = {0};
    lottery lots = {0};
    bool good = false;
    if (run->seed.given) shuffle(labels.rows, labels.count, sizeof *labels.rows, run->seed.value);
    if (run->pool_first >= labels.count || run->skip >= labels.count - run->pool_first)
        complain("%s: --pool-first and --skip leave none of the %zu labels", run->labels_path, labels.count);
    else
        good = evaluate_all(run, &labels, &lots, &counts) && !counts.failed && !counts.not_added && !labels.bad;
    free(lots.ids);
    labels_free(&labels);
    return good ? OK : FAILED;
}
