/* SPDX-License-Identifier: MIT */
#include "subject.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void check(e2str_status status, const e2str_error *error, const char *what) {
    if (status) bench_die("%s: %s: %s", what, e2str_status_name(status), error->message);
}

e2str_model *bench_model(const char *path, e2str_precision precision) { return bench_model_packed(path, precision, 1); }

e2str_model *bench_model_packed(const char *path, e2str_precision precision, unsigned threads) {
    e2str_model *model;
    e2str_error error;
    e2str_model_options options;
    e2str_model_options_init(&options);
    options.precision = precision;
    options.threads = threads;
    check(e2str_model_open(path, &options, &model, &error), &error, path);
    return model;
}

e2str_session *bench_session(const e2str_model *model, unsigned threads, unsigned spin) {
    e2str_session *session;
    e2str_session_options options;
    e2str_error error;
    e2str_session_options_init(&options);
    options.threads = threads;
    options.spin_microseconds = spin;
    check(e2str_session_new(model, &options, &session, &error), &error, "session");
    return session;
}

e2str_result *bench_result(void) {
    e2str_result *result;
    e2str_error error;
    check(e2str_result_new(&result, &error), &error, "result");
    return result;
}

static int is_image(const struct dirent *entry) {
    const char *dot = strrchr(entry->d_name, '.');
    return dot && (!strcasecmp(dot, ".png") || !strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg"));
}

e2str_image *bench_images(const char *folder, size_t most, size_t *count) {
    struct dirent **names;
    int found = scandir(folder, &names, is_image, alphasort);
    if (found <= 0) bench_die("no images in %s", folder);
    e2str_image *images = bench_alloc((size_t)found * sizeof *images);
    *count = 0;
    for (int i = 0; i < found && *count < most; i++) {
        char path[4096];
        e2str_error error;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        check(e2str_image_load(path, NULL, &images[(*count)++], &error), &error, path);
    }
    return images;
}

void bench_read(e2str_session *session, const e2str_image *image, const e2str_pool *pool,
                const e2str_read_options *options, e2str_result *result) {
    e2str_error error;
    check(e2str_read(session, image, pool, options, result, &error), &error, "read");
}
