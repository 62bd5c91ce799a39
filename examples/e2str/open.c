/* SPDX-License-Identifier: MIT */
/* Finding and opening the model, the pool and images. */
#include "command.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef enum file_kind { OTHER_FILE, GGUF_FILE, POOL_FILE } file_kind;

/* By its first bytes, where pool files say what they are; for messages about a file that cannot be opened. */
static file_kind kind_of(const char *path) {
    static const char archive[] = "e2strarc", name[] = "e2str-pool"; /* with the NUL of neither */
    char start[256];
    struct stat about;
    FILE *file = !stat(path, &about) && S_ISREG(about.st_mode) ? fopen(path, "rb") : NULL;
    size_t size = file ? fread(start, 1, sizeof start, file) : 0;
    if (file) fclose(file);
    if (size >= sizeof archive - 1 && !memcmp(start, archive, sizeof archive - 1)) return POOL_FILE;
    if (size && (size < 4 || memcmp(start, "GGUF", 4) != 0)) return OTHER_FILE;
    for (size_t i = 0; i + sizeof name - 1 <= size; i++)
        if (!memcmp(start + i, name, sizeof name - 1)) return POOL_FILE;
    return GGUF_FILE;
}

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
    if (status && !run->model && kind_of(run->model_found) == POOL_FILE)
        complain("%s: a pool file, not a model: give it with -p", run->model_found);
    else if (status)
        complain("%s", error.message);
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
    if (status == E2STR_ERROR_FORMAT && kind_of(path) == OTHER_FILE)
        complain("%s: not a pool file", path);
    else if (status)
        complain("%s", error.message);
    return !status;
}

bool new_pool(invocation *run) {
    e2str_error error = {{0}};
    e2str_status status = e2str_pool_new(run->model, &run->pool_options, &run->pool, &error);
    if (status) complain("%s", error.message);
    return !status;
}

/* --storage is for new pools: one that is there keeps its own. */
static bool has_storage(const invocation *run, const char *path) {
    e2str_pool_info info;
    e2str_pool_info_init(&info);
    if (!run->storage.given || e2str_pool_get_info(run->pool, &info, NULL) || info.storage == run->storage.value)
        return true;
    bool f32 = info.storage == E2STR_STORE_F32;
    complain("%s: it keeps visual tokens as %s, which --storage %s cannot change", path, f32 ? "f32" : "f16",
             f32 ? "f16" : "f32");
    return false;
}

bool load_or_new_pool(invocation *run, const char *path) {
    struct stat status;
    if (stat(path, &status) && errno == ENOENT) return new_pool(run);
    return load_pool(run, path) && has_storage(run, path);
}

bool prompts_fit(const invocation *run, size_t examples) {
    e2str_model_info model;
    e2str_pool_info pool;
    e2str_model_info_init(&model);
    e2str_pool_info_init(&pool);
    if (e2str_model_get_info(run->model, &model, NULL) || e2str_pool_get_info(run->pool, &pool, NULL)) return true;
    uint32_t most = most_examples(&model), k = run->read.k;
    if (k != E2STR_K_DEFAULT && k > most && examples > most) {
        complain("-k %u: the model has positions for %u example%s before an image", k, most, plural(most));
        return false;
    }
    if (prompt_size(run) && pool.without_tokens)
        complain("visual tokens of %llu example%s were left out of the pool: no image is read after %s",
                 (unsigned long long)pool.without_tokens, plural(pool.without_tokens),
                 pool.without_tokens == 1 ? "it" : "them");
    return true;
}

bool open_pool(invocation *run) {
    return !run->pool_path || (load_pool(run, run->pool_path) && prompts_fit(run, e2str_pool_count(run->pool)));
}

uint32_t most_examples(const e2str_model_info *info) {
    uint32_t most = info->segment_stride ? info->positions / info->segment_stride - 1 : E2STR_MAX_EXAMPLES;
    return most < E2STR_MAX_EXAMPLES ? most : E2STR_MAX_EXAMPLES;
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

char *pool_label(const invocation *run, uint64_t id, size_t *size, e2str_error *error) {
    char start[1];
    if (!id && error) e2str_pool_verify(run->pool, error); /* its id is damaged: where? */
    if (!id || e2str_pool_label(run->pool, id, start, sizeof start, size, error)) return NULL;
    char *label = malloc(*size + 1);
    if (!label && error) snprintf(error->message, sizeof error->message, "out of memory");
    if (!label || !e2str_pool_label(run->pool, id, label, *size + 1, size, error)) return label;
    free(label);
    return NULL;
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
