/* SPDX-License-Identifier: MIT */
/* Finding and opening the model, the pool and images. */
#include "command.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool open_model(invocation *run, bool reading) {
    e2str_error error = {{0}};
    char path[PATH_MAX];
    if (!run->model_path && e2str_default_model_path(path, sizeof path, &error)) {
        complain("no model: give one with -m; %s", error.message);
        return false;
    }
    run->model_found = strdup(run->model_path ? run->model_path : path);
    if (!run->model_found) {
        complain("out of memory");
        return false;
    }
    run->model_options.threads = run->session_options.threads;
    e2str_status status = e2str_model_open(run->model_found, &run->model_options, &run->model, &error);
    if (!status && reading) status = e2str_session_new(run->model, &run->session_options, &run->session, &error);
    if (!status && reading) status = e2str_result_new(&run->result, &error);
    if (status) complain("%s", error.message);
    return !status;
}

int make_constraint(invocation *run) {
    const e2str_constraint_options *o = &run->constraint_options;
    bool given = o->characters || o->pattern || o->lexicon_path || o->min_length || o->max_length;
    if (o->lexicon_bonus > 0 && !o->lexicon_path) {
        complain("--lexicon-bonus is for the entries of --lexicon");
        return USAGE;
    }
    if (!given && o->ignore_case) {
        complain("--ignore-case is for texts that --chars, --pattern, --length or --lexicon asks for");
        return USAGE;
    }
    if (given && run->read.clean_up) {
        complain("--clean-up does not go with --chars, --pattern, --length or --lexicon");
        return USAGE;
    }
    e2str_error error = {{0}};
    e2str_status status = given ? e2str_constraint_new(o, &run->constraint, &error) : E2STR_OK;
    if (status) complain("%s", error.message);
    run->read.constraint = run->constraint;
    return !status ? OK : status == E2STR_ERROR_ARGUMENT || status == E2STR_ERROR_LIMIT ? USAGE : FAILED;
}

bool load_pool(invocation *run, const char *path) {
    e2str_error error = {{0}};
    e2str_status status = e2str_pool_load(run->model, path, &run->pool_options, &run->pool, &error);
    if (status) complain("%s", error.message);
    return !status;
}

bool new_pool(invocation *run) {
    e2str_error error = {{0}};
    e2str_status status = e2str_pool_new(run->model, &run->pool_options, &run->pool, &error);
    if (status) complain("%s", error.message);
    return !status;
}

bool load_or_new_pool(invocation *run, const char *path) {
    struct stat status;
    return stat(path, &status) == 0 || errno != ENOENT ? load_pool(run, path) : new_pool(run);
}

bool save_pool(const invocation *run, const char *path) {
    e2str_error error = {{0}};
    e2str_status status = e2str_pool_save(run->pool, path, &error);
    if (status) complain("%s", error.message);
    return !status;
}

uint64_t *pool_ids(const invocation *run, size_t *count) {
    *count = e2str_pool_count(run->pool);
    uint64_t *ids = malloc((*count ? *count : 1) * sizeof *ids);
    if (ids)
        e2str_pool_ids(run->pool, ids, *count);
    else
        complain("out of memory");
    return ids;
}

char *read_file(FILE *file, size_t most, size_t *size) {
    size_t capacity = 1 << 16, used = 0;
    char *data = malloc(capacity);
    int reason = ENOMEM;
    while (data) {
        used += fread(data + used, 1, capacity - used, file);
        if (ferror(file)) reason = errno;
        if (used < capacity) break;
        char *grown = used <= most ? realloc(data, capacity *= 2) : NULL;
        if (used > most) reason = EFBIG;
        if (!grown) free(data);
        data = grown;
    }
    if (data && (ferror(file) || used > most)) {
        if (!ferror(file)) reason = EFBIG;
        free(data);
        data = NULL;
    }
    errno = data ? 0 : reason;
    *size = used;
    return data;
}

static void warn(void *notes, const char *message) {
    if (notes == stderr) wipe_progress();
    complain_to(notes, "%s (read all the same)", message);
}

e2str_status load_image(const invocation *run, const char *path, e2str_image *image, FILE *notes, e2str_error *error) {
    e2str_status status;
    e2str_image_limits limits = run->image_limits;
    limits.log = warn;
    limits.log_user = notes;
    *image = (e2str_image){0};
    if (strcmp(path, "-")) {
        status = e2str_image_load(path, &limits, image, error);
    } else {
        size_t size;
        char *data = read_file(stdin, MAX_FILE, &size);
        if (data) {
            status = e2str_image_load_memory(data, size, &limits, image, error);
        } else {
            status = E2STR_ERROR_IO;
            snprintf(error->message, sizeof error->message, "%s", strerror(errno));
        }
        free(data);
    }
    image->rotate = run->rotate;
    image->trim = run->trim;
    return status;
}

e2str_status add_example(invocation *run, const char *path, const char *label, uint64_t *id, e2str_error *error) {
    e2str_image image;
    e2str_status status = load_image(run, path, &image, stderr, error);
    if (!status) status = e2str_pool_add(run->pool, run->session, &image, label, SIZE_MAX, id, error);
    e2str_image_free(&image);
    return status;
}

uint32_t prompt_size(const invocation *run) {
    e2str_memory_report report;
    e2str_memory_report_init(&report);
    if (run->read.k != E2STR_K_DEFAULT) return run->read.k;
    bool learnt = run->read.memory_factor > 0 && run->pool && !e2str_pool_report(run->pool, &report, NULL);
    return learnt && report.examples >= E2STR_K_EXAMPLES ? 0 : 2;
}

char *pool_label(const invocation *run, uint64_t id, size_t *size) {
    char start[1];
    if (e2str_pool_label(run->pool, id, start, sizeof start, size, NULL)) return NULL;
    char *label = malloc(*size + 1);
    if (label) e2str_pool_label(run->pool, id, label, *size + 1, size, NULL);
    return label;
}

void close_all(invocation *run) {
    unlock_pool(run);
    e2str_constraint_free(run->constraint);
    e2str_pool_free(run->pool);
    e2str_result_free(run->result);
    e2str_session_free(run->session);
    e2str_model_close(run->model);
    free(run->model_found);
}
