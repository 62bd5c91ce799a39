/* SPDX-License-Identifier: MIT */
/* In-context adaptation, seen at work: reads the word images of a folder, takes your corrections, puts them into a
 * prompt pool, and reads all the other images again with it. The weights never change.
 *
 *     adapt MODEL FOLDER [POOL]
 *     build/adapt weights/e2str-small.gguf examples/demo/queries
 *     printf '5-900.jpg\t₩5,900\n2\t₩17,250\n' | build/adapt weights/e2str-small.gguf examples/demo/queries tags.pool
 *
 * Writes `path TAB text TAB score` for each PNG and JPEG, by name. A correction is a line `NAME TAB right text` on
 * standard input, NAME being the path, the file's name or the number of the line (from 1); an empty line or the end of
 * the input ends them, the last one for an image counts. After an empty line come the other images again, with
 * `old -> new` where the text has changed. POOL, a file, is read with from the start if it exists, and is written when
 * there are corrections. The exit status is 1 if an image or a correction had to be left out. */
#include <e2str.h>

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

typedef struct word {
    char *path, *text; /* text NULL: it could not be read, and is not in the list */
    uint64_t id;       /* in the pool; 0: not corrected */
} word;

typedef struct adapt {
    e2str_model *model;
    e2str_session *session;
    e2str_result *result;
    e2str_pool *pool;
    word *words;
    size_t count, corrected;
    bool incomplete;
} adapt;

/* Messages of the library name the file if there is one; `about` is put before those that do not begin with it. */
static bool complain(const char *about, const char *message) {
    bool named = !strncmp(message, about, strlen(about));
    fprintf(stderr, "adapt: %s%s%s\n", named ? "" : about, named ? "" : ": ", message);
    return false;
}

static bool open_all(adapt *a, const char *model, const char *pool) {
    e2str_error error = {{0}};
    e2str_status status = e2str_model_open(model, NULL, &a->model, &error);
    if (!status) status = e2str_session_new(a->model, NULL, &a->session, &error);
    if (!status) status = e2str_result_new(&a->result, &error);
    if (!status && pool && access(pool, F_OK) == 0)
        status = e2str_pool_load(a->model, pool, NULL, &a->pool, &error);
    else if (!status)
        status = e2str_pool_new(a->model, NULL, &a->pool, &error);
    return status ? complain(e2str_status_name(status), error.message) : true;
}

static int is_image(const struct dirent *entry) {
    const char *dot = strrchr(entry->d_name, '.');
    return dot && (!strcasecmp(dot, ".png") || !strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg"));
}

static bool list_folder(adapt *a, const char *folder) {
    struct dirent **entries;
    int n = scandir(folder, &entries, is_image, alphasort), length = (int)strlen(folder);
    if (n < 0) return complain(folder, strerror(errno));
    if (folder[length - 1] == '/') length--;
    a->words = calloc((size_t)n + 1, sizeof *a->words);
    bool good = a->words;
    for (int i = 0; i < n; i++) {
        size_t size = (size_t)length + strlen(entries[i]->d_name) + 2;
        char *path = good ? malloc(size) : NULL;
        good = path;
        if (good) snprintf(path, size, "%.*s/%s", length, folder, entries[i]->d_name);
        if (good) a->words[a->count++].path = path;
        free(entries[i]);
    }
    free(entries);
    if (!good) return complain(folder, "out of memory");
    return n ? true : complain(folder, "no .png, .jpg or .jpeg in this folder");
}

/* Reads the image with the pool and prints its line; an image that cannot be read leaves the list. */
static void read_word(adapt *a, word *w) {
    e2str_error error = {{0}};
    e2str_image image = {0};
    char *text = NULL;
    e2str_status status = e2str_image_load(w->path, NULL, &image, &error);
    if (!status) status = e2str_read(a->session, &image, a->pool, NULL, a->result, &error);
    e2str_image_free(&image);
    if (!status) text = strdup(e2str_result_text(a->result));
    if (!text) {
        a->incomplete = true;
        complain(w->path, status ? error.message : "out of memory");
    } else {
        bool changed = w->text && strcmp(w->text, text);
        printf("%s\t%s%s%s\t%.3f\n", w->path, changed ? w->text : "", changed ? " -> " : "", text,
               e2str_result_score(a->result));
    }
    free(w->text);
    w->text = text;
}

/* The image with this path, file name or number among those that were read; NULL if there is none. */
static word *find_word(const adapt *a, const char *name) {
    char *end;
    unsigned long wanted = strtoul(name, &end, 10), number = 0;
    for (size_t i = 0; i < a->count; i++) {
        word *w = &a->words[i];
        if (!w->text) continue;
        bool numbered = ++number == wanted && !*end;
        if (numbered || !strcmp(name, w->path) || !strcmp(name, strrchr(w->path, '/') + 1)) return w;
    }
    return NULL;
}

/* A line of input without its end: image and right text go into the pool, instead of an earlier correction. */
static bool correct(adapt *a, char *line) {
    char *tab = strchr(line, '\t');
    if (!tab) return complain(line, "no tab between name and text");
    *tab = 0;
    word *w = find_word(a, line);
    if (!w) return complain(line, "no image of this name or number was read");
    e2str_error error = {{0}};
    e2str_image image = {0};
    uint64_t id = 0;
    e2str_status status = e2str_image_load(w->path, NULL, &image, &error);
    if (!status) status = e2str_pool_add(a->pool, a->session, &image, tab + 1, SIZE_MAX, &id, &error);
    e2str_image_free(&image);
    if (!status && w->id) status = e2str_pool_remove(a->pool, w->id, &error);
    if (status) return complain(line, error.message);
    if (!w->id) a->corrected++;
    w->id = id;
    return true;
}

static void take_corrections(adapt *a) {
    char *line = NULL;
    size_t capacity = 0;
    if (isatty(STDIN_FILENO)) fputs("Corrections, NAME or NUMBER, tab, right text; an empty line ends them:\n", stderr);
    while (getline(&line, &capacity, stdin) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        if (!*line) break;
        if (!correct(a, line)) a->incomplete = true;
    }
    free(line);
}

/* A model without memory statistics reads with the nearest corrections alone. */
static bool learn(adapt *a) {
    e2str_error error = {{0}};
    e2str_status status = e2str_pool_learn(a->pool, a->session, NULL, &error);
    return !status || status == E2STR_ERROR_UNSUPPORTED || complain("learning", error.message);
}

static bool run(adapt *a, const char *model, const char *folder, const char *pool) {
    e2str_error error = {{0}};
    if (!open_all(a, model, pool) || !list_folder(a, folder)) return false;
    for (size_t i = 0; i < a->count; i++) read_word(a, &a->words[i]);
    fflush(stdout);
    take_corrections(a);
    if (a->corrected && !learn(a)) return false;
    if (a->corrected && pool && e2str_pool_save(a->pool, pool, &error)) return complain(pool, error.message);
    if (a->corrected) putchar('\n');
    for (size_t i = 0; a->corrected && i < a->count; i++)
        if (!a->words[i].id && a->words[i].text) read_word(a, &a->words[i]);
    if (fflush(stdout) || ferror(stdout)) return complain("standard output", "cannot be written");
    return !a->incomplete;
}

int main(int count, char **arguments) {
    if (count < 3 || count > 4) {
        fprintf(stderr, "usage: adapt MODEL FOLDER [POOL]\n");
        return 2;
    }
    adapt a = {0};
    bool good = run(&a, arguments[1], arguments[2], count > 3 ? arguments[3] : NULL);
    for (size_t i = 0; i < a.count; i++) {
        free(a.words[i].path);
        free(a.words[i].text);
    }
    free(a.words);
    e2str_pool_free(a.pool);
    e2str_result_free(a.result);
    e2str_session_free(a.session);
    e2str_model_close(a.model);
    return good ? 0 : 1;
}
