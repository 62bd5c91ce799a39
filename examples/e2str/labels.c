/* SPDX-License-Identifier: MIT */
/* Labels files: `image <TAB> text` per line. */
#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* folder + name, or folder + "images/" + name if only that exists. folder ends in '/' or is empty. */
static char *image_path(const char *folder, size_t folder_size, const char *name) {
    size_t size = folder_size + strlen("images/") + strlen(name) + sizeof "./";
    char *path = malloc(size);
    if (!path) return NULL;
    if (*name == '/') folder_size = 0;
    if (!folder_size && !strcmp(name, "-")) name = "./-"; /* a file, not standard input */
    snprintf(path, size, "%.*s%s", (int)folder_size, folder, name);
    if (*name == '/' || access(path, F_OK) == 0) return path;
    snprintf(path, size, "%.*simages/%s", (int)folder_size, folder, name);
    if (access(path, F_OK) != 0) snprintf(path, size, "%.*s%s", (int)folder_size, folder, name);
    return path;
}

static bool add_row(label_list *labels, size_t *capacity, label_row row) {
    if (labels->count == *capacity) {
        size_t wanted = *capacity ? *capacity * 2 : 256;
        label_row *grown = realloc(labels->rows, wanted * sizeof *grown);
        if (!grown) return false;
        labels->rows = grown;
        *capacity = wanted;
    }
    labels->rows[labels->count++] = row;
    return true;
}

/* Why a line (NUL-terminated in place of its end, `size` without that) is no label; NULL if it is one. */
static const char *bad_line(const char *line, size_t size) {
    if (memchr(line, 0, size)) return "holds a NUL byte";
    const char *tab = strchr(line, '\t');
    if (!tab) return "no tab between image and text";
    if (tab == line) return "no image before the tab";
    if (!tab[1]) return "no text after the tab";
    return NULL;
}

/* Cuts `text` into rows; false when memory is out. */
static bool parse(label_list *labels, const char *path, char *text, size_t size) {
    const char *slash = strrchr(path, '/');
    size_t folder_size = slash ? (size_t)(slash + 1 - path) : 0;
    size_t capacity = 0, number = 0;
    bool told_of_cr = false;
    char *end = text + size;
    if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) text += 3;
    for (char *line = text, *next; line < end; line = next) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        next = stop + 1;
        number++;
        if (stop > line && stop[-1] == '\r') {
            if (!told_of_cr) complain("%s:%zu: line ends in CR LF: the CR is taken away, here and below", path, number);
            told_of_cr = true;
            stop--;
        }
        *stop = 0;
        if (stop == line) continue;
        const char *why = bad_line(line, (size_t)(stop - line));
        if (why) {
            complain("%s:%zu: %s; line left out", path, number, why);
            labels->bad++;
            continue;
        }
        char *tab = strchr(line, '\t');
        *tab = 0;
        label_row row = {image_path(path, folder_size, line), strdup(tab + 1), number};
        if (!row.path || !row.text || !add_row(labels, &capacity, row)) {
            free(row.path);
            free(row.text);
            return false;
        }
    }
    return true;
}

bool labels_load(label_list *labels, const char *path) {
    *labels = (label_list){0};
    bool standard = !strcmp(path, "-");
    FILE *file = standard ? stdin : fopen(path, "rb");
    size_t size = 0;
    char *text = file ? read_file(file, MAX_FILE, &size) : NULL;
    int reason = errno;
    if (file && !standard) fclose(file);
    if (standard) path = "standard input";
    char *ended = text ? realloc(text, size + 1) : NULL; /* room for the last line's NUL */
    if (!ended) {
        complain("%s: %s", path, strerror(reason));
        free(text);
        return false;
    }
    bool good = parse(labels, path, ended, size);
    free(ended);
    if (!good)
        complain("%s: out of memory", path);
    else if (!labels->count)
        complain("%s: no labels in it", path);
    if (good && labels->count) return true;
    labels_free(labels);
    return false;
}

uint64_t splitmix64(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void shuffle(void *items, size_t count, size_t size, uint64_t seed) {
    char *bytes = items;
    for (size_t i = count; i > 1; i--) {
        char *a = bytes + (i - 1) * size, *b = bytes + (size_t)(splitmix64(&seed) % i) * size;
        for (size_t n = 0; n < size; n++) {
            char kept = a[n];
            a[n] = b[n];
            b[n] = kept;
        }
    }
}

void labels_free(label_list *labels) {
    for (size_t i = 0; i < labels->count; i++) {
        free(labels->rows[i].path);
        free(labels->rows[i].text);
    }
    free(labels->rows);
    *labels = (label_list){0};
}
