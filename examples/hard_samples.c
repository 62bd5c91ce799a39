/* The third experiment of the E2STR paper (arXiv 2311.13120): how many of a model's errors go away when a share of them
 * is annotated, that is, put into a prompt pool with their right text. The weights never change.
 *
 *     hard_samples MODEL LABELS.tsv [--share PERCENT] [--seed N] [-k K]
 *     build/hard_samples weights/e2str-small.gguf examples/demo/queries/labels.tsv --share 20
 *
 * Reads all labelled images without examples (`image TAB text` lines; the image relative to the file's folder or to
 * images/ beside it). Draws PERCENT (1 to 100, default 20; the paper takes 10 and 20) of those read wrongly, at least
 * one, with seed N (default 1), adds them with their labels to a pool, and reads all others again with the K nearest
 * examples (default 2). A read is right if it has the label's letters and digits, whatever their case. Only images
 * outside the pool are counted afterwards: what is gained on the errors left, and what is lost on words read well.
 *
 * SPDX-License-Identifier: MIT */
#include "e2str/command.h" /* labels files */

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef enum state { UNREAD, RIGHT, WRONG, ANNOTATED } state;

typedef struct experiment {
    e2str_model *model;
    e2str_session *session;
    e2str_result *result;
    e2str_pool *pool;
    e2str_read_options read;
    label_list labels;
    state *states; /* of each label's image, without a pool */
    unsigned share;
    uint64_t seed;
    bool incomplete; /* an image or a label had to be left out */
} experiment;

typedef struct counts {
    size_t words, errors, annotated;
    size_t still_wrong, now_wrong; /* with the pool: of the errors not annotated, of the words that were right */
} counts;

/* What labels.c says goes through this. */
void complain(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("hard_samples: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

/* The next character that counts: ASCII letters in lower case, digits, '^' (as in `e2str eval`), and all that is not
 * ASCII, byte by byte; 0 at the end. */
static int next_counted(const char **text) {
    while (**text) {
        int c = (unsigned char)*(*text)++;
        if (c >= 0x80 || isalnum(c) || c == '^') return tolower(c);
    }
    return 0;
}

static bool same_text(const char *a, const char *b) {
    int c;
    do
        if ((c = next_counted(&a)) != next_counted(&b)) return false;
    while (c);
    return true;
}

static void leave_out(experiment *e, const label_row *row, const e2str_error *error) {
    bool named = !strncmp(error->message, row->path, strlen(row->path));
    complain("line %zu: %s%s%s", row->line, named ? "" : row->path, named ? "" : ": ", error->message);
    e->incomplete = true;
}

/* Reads one image with the pool, or without if it is NULL: RIGHT, WRONG, or UNREAD after a message. */
static state read_row(experiment *e, const label_row *row, const e2str_pool *pool) {
    e2str_error error = {{0}};
    e2str_image image = {0};
    e2str_status status = e2str_image_load(row->path, NULL, &image, &error);
    if (!status) status = e2str_read(e->session, &image, pool, &e->read, e->result, &error);
    e2str_image_free(&image);
    if (!status) return same_text(e2str_result_text(e->result), row->text) ? RIGHT : WRONG;
    leave_out(e, row, &error);
    return UNREAD;
}

static bool annotate(experiment *e, const label_row *row) {
    e2str_error error = {{0}};
    e2str_image image = {0};
    uint64_t id;
    e2str_status status = e2str_image_load(row->path, NULL, &image, &error);
    if (!status) status = e2str_pool_add(e->pool, e->session, &image, row->text, SIZE_MAX, &id, &error);
    e2str_image_free(&image);
    if (status) leave_out(e, row, &error);
    return !status;
}

/* Draws errors until the share is in the pool: a Fisher-Yates shuffle as far as it is needed. An error that cannot be
 * an example (its label has a character that the model does not know, say) stays one, and another is drawn. */
static bool annotate_share(experiment *e, counts *n) {
    size_t *errors = malloc((n->errors + 1) * sizeof *errors);
    if (!errors) {
        complain("out of memory");
        return false;
    }
    size_t found = 0, wanted = (n->errors * e->share + 50) / 100;
    if (!wanted && n->errors) wanted = 1;
    for (size_t i = 0; i < e->labels.count; i++)
        if (e->states[i] == WRONG) errors[found++] = i;
    uint64_t random = e->seed;
    for (size_t i = 0; i < found && n->annotated < wanted; i++) {
        size_t j = i + (size_t)(splitmix64(&random) % (found - i)), drawn = errors[j];
        errors[j] = errors[i];
        if (!annotate(e, &e->labels.rows[drawn])) continue;
        e->states[drawn] = ANNOTATED;
        n->annotated++;
    }
    free(errors);
    return true;
}

static bool perform(experiment *e, counts *n) {
    for (size_t i = 0; i < e->labels.count; i++) {
        e->states[i] = read_row(e, &e->labels.rows[i], NULL);
        n->words += e->states[i] != UNREAD;
        n->errors += e->states[i] == WRONG;
    }
    if (!annotate_share(e, n)) return false;
    for (size_t i = 0; i < e->labels.count; i++) {
        state before = e->states[i];
        if (before != RIGHT && before != WRONG) continue;
        bool wrong = read_row(e, &e->labels.rows[i], e->pool) != RIGHT;
        if (before == WRONG)
            n->still_wrong += wrong;
        else
            n->now_wrong += wrong;
    }
    return true;
}

static bool report(const experiment *e, const counts *n) {
    size_t others = n->words - n->annotated, left = n->errors - n->annotated;
    double percent = others ? 100.0 / (double)others : 0;
    printf("words       %6zu\n", n->words);
    printf("errors      %6zu\n", n->errors);
    printf("annotated   %6zu   (%u %% of the errors, seed %llu, k = %u)\n\n", n->annotated, e->share,
           (unsigned long long)e->seed, (unsigned)e->read.k);
    int width = printf("on the %zu words outside the pool", others);
    printf("%*s     after\n", 46 - width, "before");
    printf("errors that are left                 %8zu  %8zu\n", left, n->still_wrong);
    printf("right words, now wrong               %8d  %8zu\n", 0, n->now_wrong);
    printf("accuracy                             %6.2f %%  %6.2f %%\n", percent * (double)(others - left),
           percent * (double)(others - n->still_wrong - n->now_wrong));
    if (fflush(stdout) == 0 && !ferror(stdout)) return true;
    complain("standard output cannot be written");
    return false;
}

static bool run(experiment *e, const char *model, const char *labels) {
    e2str_error error = {{0}};
    if (!labels_load(&e->labels, labels)) return false;
    e->incomplete = e->labels.bad;
    e->states = calloc(e->labels.count, sizeof *e->states);
    if (!e->states) {
        complain("out of memory");
        return false;
    }
    e2str_status status = e2str_model_open(model, NULL, &e->model, &error);
    if (!status) status = e2str_session_new(e->model, NULL, &e->session, &error);
    if (!status) status = e2str_result_new(&e->result, &error);
    if (!status) status = e2str_pool_new(e->model, NULL, &e->pool, &error);
    if (status) {
        complain("%s", error.message);
        return false;
    }
    counts n = {0};
    return perform(e, &n) && report(e, &n) && !e->incomplete;
}

/* A whole number from `least` to `most`. */
static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *value) {
    char *end;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *value >= least && *value <= most;
}

static bool parse(experiment *e, int count, char **arguments) {
    uint64_t value;
    for (int i = 3; i < count; i += 2) {
        const char *name = arguments[i], *text = i + 1 < count ? arguments[i + 1] : "";
        if (!strcmp(name, "--share") && number(text, 1, 100, &value))
            e->share = (unsigned)value;
        else if (!strcmp(name, "--seed") && number(text, 0, UINT64_MAX, &value))
            e->seed = value;
        else if (!strcmp(name, "-k") && number(text, 0, E2STR_MAX_EXAMPLES, &value))
            e->read.k = (uint32_t)value;
        else
            return false;
    }
    return count >= 3;
}

int main(int count, char **arguments) {
    experiment e = {.share = 20, .seed = 1};
    e2str_read_options_init(&e.read);
    if (!parse(&e, count, arguments)) {
        fprintf(stderr, "usage: hard_samples MODEL LABELS.tsv [--share 1..100] [--seed N] [-k 0..64]\n");
        return 2;
    }
    bool good = run(&e, arguments[1], arguments[2]);
    free(e.states);
    labels_free(&e.labels);
    e2str_pool_free(e.pool);
    e2str_result_free(e.result);
    e2str_session_free(e.session);
    e2str_model_close(e.model);
    return good ? 0 : 1;
}
