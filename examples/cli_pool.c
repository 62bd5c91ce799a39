/* e2str pool add|list|remove|info: a pool file, written once per command and atomically. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int save(cli *run, const char *path, int outcome) {
    e2str_error error = {{0}};
    if (!e2str_pool_save(run->pool, path, &error)) return outcome;
    cli_warn("%s", error.message);
    return CLI_FAILED;
}

static bool open_or_create(cli *run, const char *path) {
    struct stat status;
    if (stat(path, &status) == 0 || errno != ENOENT) return cli_load_pool(run, path);
    e2str_error error = {{0}};
    if (!e2str_pool_new(run->model, &run->pool_options, &run->pool, &error)) return true;
    cli_warn("%s", error.message);
    return false;
}

/* Adds one example and prints its line. *full: nothing more can be added. */
static bool add(cli *run, const char *where, const char *path, const char *label, bool *full) {
    e2str_error error = {{0}};
    uint64_t id;
    e2str_status status = cli_add_example(run, path, label, &id, &error);
    if (status) {
        cli_warn_image(where, path, &error);
        *full = status == E2STR_ERROR_FULL || status == E2STR_ERROR_MEMORY;
        return false;
    }
    printf("%llu\t", (unsigned long long)id);
    cli_write_tsv(label);
    return cli_end_line();
}

static bool add_labels(cli *run, const cli_labels *labels, bool *full) {
    bool good = !labels->bad;
    for (size_t i = 0; i < labels->count && !*full; i++) {
        const cli_label *row = &labels->rows[i];
        char where[32];
        snprintf(where, sizeof where, "line %zu: ", row->line);
        cli_progress("adding", i, labels->count);
        if (!add(run, where, row->path, row->text, full)) good = false;
    }
    cli_progress("adding", labels->count, labels->count);
    return good;
}

int cli_pool_add(cli *run) {
    const char *path = run->operands[0];
    if (!run->labels_path && run->n_operands < 3) {
        cli_warn("pool add: nothing to add; give --labels FILE or IMAGE TEXT");
        return CLI_USAGE;
    }
    if (run->n_operands % 2 == 0) {
        cli_warn("pool add: '%s' has no text after it", run->operands[run->n_operands - 1]);
        return CLI_USAGE;
    }
    cli_labels labels = {0};
    if (run->labels_path && !cli_labels_load(&labels, run->labels_path)) return CLI_FAILED;
    bool good = cli_open_model(run, true) && open_or_create(run, path);
    if (good) {
        size_t before = e2str_pool_count(run->pool);
        bool full = false;
        good = add_labels(run, &labels, &full);
        for (int i = 1; i < run->n_operands && !full; i += 2)
            if (!add(run, "", run->operands[i], run->operands[i + 1], &full)) good = false;
        if (e2str_pool_count(run->pool) > before) good = save(run, path, good ? CLI_OK : CLI_FAILED) == CLI_OK;
    }
    cli_labels_free(&labels);
    return good ? CLI_OK : CLI_FAILED;
}

int cli_pool_list(cli *run) {
    if (!cli_open_model(run, false) || !cli_load_pool(run, run->operands[0])) return CLI_FAILED;
    size_t count = e2str_pool_count(run->pool);
    uint64_t *ids = malloc((count ? count : 1) * sizeof *ids);
    bool good = ids;
    if (!good) cli_warn("out of memory");
    if (good) e2str_pool_ids(run->pool, ids, count);
    for (size_t i = 0; i < count && good; i++) {
        size_t size;
        char *label = cli_pool_label(run, ids[i], &size);
        printf("%llu\t", (unsigned long long)ids[i]);
        cli_write_tsv(label ? label : "");
        free(label);
        good = cli_end_line();
    }
    free(ids);
    return good ? CLI_OK : CLI_FAILED;
}

int cli_pool_remove(cli *run) {
    const char *path = run->operands[0];
    for (int i = 1; i < run->n_operands; i++) {
        const char *id = run->operands[i];
        if (!*id || id[strspn(id, "0123456789")] || strlen(id) > 19) {
            cli_warn("pool remove: '%s' is no id; see e2str pool list", id);
            return CLI_USAGE;
        }
    }
    if (!cli_open_model(run, false) || !cli_load_pool(run, path)) return CLI_FAILED;
    int outcome = CLI_OK;
    bool changed = false;
    for (int i = 1; i < run->n_operands; i++) {
        e2str_error error = {{0}};
        if (!e2str_pool_remove(run->pool, strtoull(run->operands[i], NULL, 10), &error)) {
            changed = true;
            continue;
        }
        cli_warn("%s: %s", path, error.message);
        outcome = CLI_FAILED;
    }
    return changed ? save(run, path, outcome) : outcome;
}

int cli_pool_info(cli *run) {
    if (!cli_open_model(run, false) || !cli_load_pool(run, run->operands[0])) return CLI_FAILED;
    return cli_print_pool(run, run->operands[0]);
}

int cli_print_pool(const cli *run, const char *path) {
    struct stat status = {0};
    stat(path, &status);
    printf("pool            %s\n", path);
    printf("examples        %zu\n", e2str_pool_count(run->pool));
    printf("memory          %llu bytes\n", (unsigned long long)e2str_pool_bytes(run->pool));
    printf("file            %llu bytes\n", (unsigned long long)status.st_size);
    printf("model           %s\n", run->model_found);
    printf("model checksum  %016llx\n", (unsigned long long)e2str_model_checksum(run->model));
    return CLI_OK;
}
