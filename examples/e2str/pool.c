/* SPDX-License-Identifier: MIT */
/* e2str pool add|list|remove|info: a pool file, written once per command and atomically, by one
 * command at a time. */
#include "command.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct id_range {
    uint64_t first, last; /* 0: none */
} id_range;

/* Adds one example. *full: nothing more can be added. */
static bool add(invocation *run, size_t line, const char *path, const char *label, id_range *added, bool *full) {
    e2str_error error = {{0}};
    uint64_t id;
    e2str_status status = add_example(run, path, label, &id, &error);
    if (status) {
        complain_of_image(stderr, line, path, &error);
        *full = status == E2STR_ERROR_FULL || status == E2STR_ERROR_MEMORY;
        return false;
    }
    if (!added->first) added->first = id;
    added->last = id;
    return true;
}

static bool add_labels(invocation *run, const label_list *labels, id_range *added, bool *full) {
    bool good = !labels->bad;
    for (size_t i = 0; i < labels->count && !*full; i++) {
        const label_row *row = &labels->rows[i];
        show_progress("adding", i, labels->count);
        if (!add(run, row->line, row->path, row->text, added, full)) good = false;
    }
    show_progress("adding", labels->count, labels->count);
    return good;
}

/* id TAB text. Of those that cannot be printed the first says why, of the others *damaged is the number. false: the
 * output cannot be written any more. */
static bool print_example(const invocation *run, uint64_t id, size_t *damaged) {
    size_t size;
    e2str_error error = {"an example is damaged"};
    char *label = pool_label(run, id, &size, *damaged ? NULL : &error);
    if (!label) {
        if (!*damaged) complain("%s: %s", run->operands[0], error.message);
        ++*damaged;
        return true;
    }
    printf("%llu", (unsigned long long)id);
    write_text(stdout, "\t", label);
    free(label);
    return end_line();
}

static bool print_examples(const invocation *run) {
    size_t count, damaged = 0;
    uint64_t *ids = pool_ids(run, &count);
    bool good = ids;
    for (size_t i = 0; i < count && good; i++) good = print_example(run, ids[i], &damaged);
    free(ids);
    if (damaged) complain("%s: %zu example%s not listed", run->operands[0], damaged, plural(damaged));
    return good && !damaged;
}

/* What was added is kept even if nothing can be learnt from it, and what was learnt before as well. Ids are told of
 * what is in the file: this command alone has the pool, so they count through. */
static bool learn_and_save(invocation *run, const char *path, const id_range *added) {
    size_t damaged = 0;
    bool learnt = run->no_learn || learn_pool(run), saved = save_pool(run, path), told = saved;
    for (uint64_t id = added->first; told && id <= added->last; id++) told = print_example(run, id, &damaged);
    if (run->labels_path && !run->no_learn && learnt && saved) print_report(run, stderr, 10);
    return learnt && told && !damaged;
}

int run_pool_add(invocation *run) {
    const char *path = run->operands[0];
    if (!run->labels_path && run->n_operands < 3) {
        complain("pool add: nothing to add; give --labels FILE or IMAGE TEXT");
        return USAGE;
    }
    if (run->n_operands % 2 == 0) {
        complain("pool add: '%s' has no text after it", run->operands[run->n_operands - 1]);
        return USAGE;
    }
    label_list labels = {0};
    if (run->labels_path && !labels_load(&labels, run->labels_path)) return FAILED;
    bool good = open_model(run, true) && lock_pool(run, path) && load_or_new_pool(run, path);
    if (good) {
        id_range added = {0, 0};
        bool full = false;
        good = add_labels(run, &labels, &added, &full);
        for (int i = 1; i < run->n_operands && !full; i += 2)
            if (!add(run, 0, run->operands[i], run->operands[i + 1], &added, &full)) good = false;
        if (added.first) good = learn_and_save(run, path, &added) && good;
    }
    labels_free(&labels);
    return good ? OK : FAILED;
}

int run_pool_list(invocation *run) {
    if (!open_model(run, false) || !load_pool(run, run->operands[0])) return FAILED;
    return print_examples(run) ? OK : FAILED;
}

int run_pool_remove(invocation *run) {
    const char *path = run->operands[0];
    for (int i = 1; i < run->n_operands; i++) {
        const char *id = run->operands[i];
        if (!*id || id[strspn(id, "0123456789")] || strlen(id) > 19) {
            complain("pool remove: '%s' is no id; see e2str pool list", id);
            return USAGE;
        }
    }
    if (!open_model(run, true) || !lock_pool(run, path) || !load_pool(run, path)) return FAILED;
    e2str_memory_report report;
    bool good = true, changed = false, has_learnt = pool_report(run, &report);
    for (int i = 1; i < run->n_operands; i++) {
        e2str_error error = {{0}};
        if (!e2str_pool_remove(run->pool, strtoull(run->operands[i], NULL, 10), &error)) {
            changed = true;
            continue;
        }
        complain("%s: %s", path, error.message);
        good = false;
    }
    if (changed && has_learnt && !learn_pool(run)) {
        complain("%s: nothing is removed: what the pool has learnt would be lost", path);
        return FAILED;
    }
    if (changed) good = save_pool(run, path) && good;
    return good ? OK : FAILED;
}

int run_pool_info(invocation *run) {
    if (!open_model(run, false) || !load_pool(run, run->operands[0])) return FAILED;
    return print_pool(run, run->operands[0]);
}

static bool get_archive(const invocation *run, e2str_pool_info *info) {
    e2str_pool_info_init(info);
    return !e2str_pool_get_info(run->pool, info, NULL) && info->archive;
}

/* What is counted as in memory is what was added to an archive and is not saved. */
static const char *where_else(const invocation *run) {
    e2str_pool_info info;
    if (!get_archive(run, &info)) return "";
    return info.mapped ? ": examples stay in the file, which is mapped"
                       : ": examples stay in the file, and are read when they are used";
}

/* Of a pool that lies in one. */
static void print_archive(const invocation *run) {
    e2str_pool_info info;
    if (!get_archive(run, &info)) return;
    printf("archive         %llu segment%s, %llu byte%s unused\n", (unsigned long long)info.segments,
           plural(info.segments), (unsigned long long)info.unused_bytes, plural(info.unused_bytes));
    if (info.without_tokens) printf("without tokens  %llu\n", (unsigned long long)info.without_tokens);
}

int print_pool(const invocation *run, const char *path) {
    struct stat status = {0};
    stat(path, &status);
    write_text(stdout, "pool            ", path);
    printf("\nexamples        %zu\n", e2str_pool_count(run->pool));
    printf("in memory       %llu bytes%s\n", (unsigned long long)e2str_pool_bytes(run->pool), where_else(run));
    printf("file            %llu bytes\n", (unsigned long long)status.st_size);
    e2str_memory_report report;
    if (model_learns(run) && !pool_report(run, &report)) puts("learnt          nothing yet: see e2str pool learn");
    print_report(run, stdout, 16);
    print_archive(run);
    write_text(stdout, "model           ", run->model_found);
    printf("\nmodel checksum  %016llx\n", (unsigned long long)e2str_model_checksum(run->model));
    return OK;
}
