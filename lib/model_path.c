/* SPDX-License-Identifier: MIT */
/* Where the shipped model is. */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"

#define MODEL_NAME "e2str-small.gguf"

/* Behind the folder of the library or of the program: in the build tree, and where `make install` puts it, also when
 * libraries are in lib/ARCHITECTURE. */
static const char *const beside[] = {"/../weights/", "/../share/e2str/", "/../../share/e2str/"};
enum { BESIDE = sizeof beside / sizeof *beside };

/* The folder of the shared library, if this is one: of a program the loader knows only what it was called by. */
static bool library_folder(char folder[PATH_MAX]) {
    Dl_info about;
    const char *slash;
    if (!dladdr(&beside, &about) || !about.dli_fname) return false;
    slash = strrchr(about.dli_fname, '/');
    if (!slash || strncmp(slash, "/libe2str.so", 12) != 0) return false;
    size_t size = (size_t)(slash - about.dli_fname);
    if (size >= PATH_MAX) return false;
    memcpy(folder, about.dli_fname, size);
    folder[size] = 0;
    return true;
}

static bool program_folder(char folder[PATH_MAX]) {
    ssize_t size = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    if (size <= 0) return false;
    folder[size] = 0;
    char *slash = strrchr(folder, '/');
    if (slash) *slash = 0;
    return slash;
}

/* Where to look and where it was looked, for the message. */
typedef struct search {
    char *path;
    size_t capacity;
    char tried[E2STR_ERROR_SIZE];
    size_t used;
} search;

static bool found(search *s, const char *folder, const char *below) {
    int size = snprintf(s->path, s->capacity, "%s%s%s", folder, below, MODEL_NAME);
    if (size > 0 && (size_t)size < s->capacity && access(s->path, R_OK) == 0) return true;
    int more = snprintf(s->tried + s->used, sizeof s->tried - s->used, "%s%s%s", s->used ? ", " : "", folder, below);
    if (more > 0 && (size_t)more < sizeof s->tried - s->used)
        s->used += (size_t)more;
    else
        s->tried[s->used] = 0;
    return false;
}

e2str_status e2str_default_model_path(char *path, size_t capacity, e2str_error *error) {
    if (!path || !capacity) return e2_fail(error, E2STR_ERROR_ARGUMENT, "path is NULL or has no room");
    *path = 0;
    const char *given = getenv("E2STR_MODEL");
    if (given && *given) {
        if (strlen(given) >= capacity)
            return e2_fail(error, E2STR_ERROR_LIMIT, "E2STR_MODEL is longer than the %zu bytes for it", capacity);
        strcpy(path, given);
        return E2STR_OK;
    }
    search s = {.path = path, .capacity = capacity};
    char folder[PATH_MAX];
    bool (*const folders[])(char[PATH_MAX]) = {library_folder, program_folder};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; folders[i](folder) && j < BESIDE; j++)
            if (found(&s, folder, beside[j])) return E2STR_OK;
    if (found(&s, E2_DATADIR, "/")) return E2STR_OK;
    *path = 0;
    return e2_fail(error, E2STR_ERROR_IO, "E2STR_MODEL is not set, and no " MODEL_NAME " is in %s", s.tried);
}
