/* SPDX-License-Identifier: MIT */
/*
 * From nothing to the first answer: processes that open the shipped model and read one word, one after the other, from
 * fork to their end; and the time to open models of the paper's size, packed by one thread and by two. Files are in the
 * page cache. Memory is what the kernel says the process took at most.
 *
 *     open MODEL IMAGES [TYPE=FILE...]
 */
#define _DEFAULT_SOURCE /* wait4 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/subject.h"

#define ROUNDS 15

/* The child: `path` is opened, and an image is read if there is one. */
static void child(const char *path, e2str_precision precision, unsigned threads, const char *folder) {
    e2str_model *model = bench_model_packed(path, precision, threads);
    if (folder) {
        size_t count;
        e2str_image *images = bench_images(folder, 1, &count);
        bench_read(bench_session(model, 1, 0), &images[0], NULL, NULL, bench_result());
    }
}

/* The program runs itself again with the child's arguments: its own pages are cold, as anybody's are. */
static double run(char **arguments, double *bytes) {
    struct rusage used;
    int status;
    double begin = bench_now();
    pid_t id = fork();
    if (id == 0) {
        execv(arguments[0], arguments);
        _exit(127);
    }
    if (id < 0 || wait4(id, &status, 0, &used) != id || status) bench_die("open: a child failed");
    *bytes = 1024.0 * (double)used.ru_maxrss;
    return bench_now() - begin;
}

static void measure(const char *what, const char *type, const char *model, unsigned threads, char **arguments,
                    int rounds) {
    double least = 1e9, bytes;
    for (int i = 0; i < rounds; i++) {
        double took = run(arguments, &bytes);
        if (took < least) least = took;
    }
    bench_print(&(bench_row){what, "libe2str", type, model, "", threads, least, bytes / 1e6, "MB", -1});
}

int main(int argc, char **argv) {
    if (argc == 6 && !strcmp(argv[1], "child")) {
        child(argv[2], (e2str_precision)atoi(argv[3]), (unsigned)atoi(argv[4]), *argv[5] ? argv[5] : NULL);
        return 0;
    }
    if (argc < 3) bench_die("usage: open MODEL IMAGES [TYPE=FILE...]");
    bench_header();
    char automatic[16], stored[16];
    snprintf(automatic, sizeof automatic, "%d", (int)E2STR_PRECISION_AUTO);
    snprintf(stored, sizeof stored, "%d", (int)E2STR_PRECISION_FILE);
    measure("first answer", "", "small", 1, (char *[]){argv[0], "child", argv[1], automatic, "1", argv[2], NULL},
            ROUNDS);
    for (int i = 3; i < argc; i++) {
        char *file = strchr(argv[i], '=');
        if (!file) bench_die("%s is not TYPE=FILE", argv[i]);
        *file++ = '\0';
        measure("open", argv[i], "paper", 1, (char *[]){argv[0], "child", file, stored, "1", "", NULL}, 3);
        measure("open", argv[i], "paper", 2, (char *[]){argv[0], "child", file, stored, "2", "", NULL}, 3);
    }
    return 0;
}
