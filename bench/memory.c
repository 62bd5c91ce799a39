/* SPDX-License-Identifier: MIT */
/*
 * The most memory of a process that opens a model, fills a pool and reads with two examples, with two threads: the
 * kernel's own figure (VmHWM), pages of the model's file included.
 *
 *     memory TYPE=FILE IMAGES
 */
#include <stdlib.h>
#include <string.h>

#include "support/subject.h"

static double peak_bytes(void) {
    char line[256];
    double kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %lf kB", &kib) == 1) break;
    if (status) fclose(status);
    return kib * 1024;
}

int main(int argc, char **argv) {
    size_t count;
    char *file = argc == 3 ? strchr(argv[1], '=') : NULL;
    if (!file) bench_die("usage: memory TYPE=FILE IMAGES");
    *file++ = '\0';
    e2str_model *model = bench_model(file, E2STR_PRECISION_FILE);
    double opened = peak_bytes();
    e2str_session *session = bench_session(model, 2, 0);
    e2str_result *result = bench_result();
    e2str_image *images = bench_images(argv[2], 3, &count);
    e2str_pool *pool;
    e2str_error error;
    uint64_t id;
    if (e2str_pool_new(model, NULL, &pool, &error)) bench_die("%s", error.message);
    for (size_t i = 0; i + 1 < count; i++)
        if (e2str_pool_add(pool, session, &images[i], "word", 4, &id, &error)) bench_die("%s", error.message);
    bench_read(session, &images[count - 1], pool, NULL, result);
    e2str_model_info info;
    e2str_model_info_init(&info);
    if (e2str_model_get_info(model, &info, &error)) bench_die("%s", error.message);
    bench_header();
    bench_print(&(bench_row){"memory", "file", argv[1], "paper", "", 2, 0, (double)info.file_bytes / 1e6, "MB", -1});
    bench_print(&(bench_row){"memory", "opened", argv[1], "paper", "", 2, 0, opened / 1e6, "MB", -1});
    bench_print(&(bench_row){"memory", "read", argv[1], "paper", "", 2, 0, peak_bytes() / 1e6, "MB", -1});
    e2str_pool_free(pool);
    e2str_session_free(session);
    e2str_result_free(result);
    e2str_model_close(model);
    free(images);
    return 0;
}
