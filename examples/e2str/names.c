/* SPDX-License-Identifier: MIT */
/* The names of the images that a command is given: operands, of folders the images in them, then those in a list. One
 * name is held at a time, but for those of a folder, which are sorted. */
#include "command.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

bool names_open(name_list *list, const invocation *run, int first_operand) {
    *list = (name_list){.operands = run->operands + first_operand,
                        .count = run->n_operands - first_operand,
                        .end = run->null_names ? 0 : '\n'};
    if (!run->files_path) return true;
    bool standard = !strcmp(run->files_path, "-");
    list->path = standard ? "standard input" : run->files_path;
    list->file = standard ? stdin : fopen(run->files_path, "rb");
    if (!list->file) complain("%s: %s", list->path, strerror(errno));
    return list->file;
}

static void close_folder(name_list *list) {
    while (list->next_entry < list->n_entries) free(list->entries[list->next_entry++]);
    free(list->entries);
    list->entries = NULL;
    list->folder = NULL;
    list->n_entries = list->next_entry = 0;
}

void names_close(name_list *list) {
    close_folder(list);
    if (list->file && list->file != stdin) fclose(list->file);
    list->file = NULL;
}

static bool is_folder(const char *path) {
    struct stat about;
    return !stat(path, &about) && S_ISDIR(about.st_mode);
}

size_t names_total(const name_list *list) {
    if (list->file) return 0;
    for (int i = 0; i < list->count; i++)
        if (is_folder(list->operands[i])) return 0;
    return (size_t)list->count;
}

#define TOO_LONG "a name of more than %d bytes"

static name_kind too_long(e2str_error *error) {
    snprintf(error->message, sizeof error->message, TOO_LONG, MAX_NAME);
    return NO_NAME;
}

/* ---- folders ---- */

static int is_image(const struct dirent *entry) {
    static const char *const ends[] = {"png", "jpg", "jpeg", "bmp", "pbm", "pgm", "ppm"};
    const char *dot = strrchr(entry->d_name, '.');
    for (size_t i = 0; dot && dot != entry->d_name && i < sizeof ends / sizeof *ends; i++)
        if (!strcasecmp(dot + 1, ends[i])) return *entry->d_name != '.';
    return false;
}

/* The same order everywhere: by bytes. */
static int compare_entries(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* false: it cannot be read, or there are none; *error says which. */
static bool open_folder(name_list *list, const char *path, e2str_error *error) {
    int n = scandir(path, &list->entries, is_image, compare_entries);
    if (n > 0) {
        list->folder = path;
        list->n_entries = n;
        return true;
    }
    snprintf(error->message, sizeof error->message, "%s",
             n < 0 ? strerror(errno) : "a folder without images (png, jpg, jpeg, bmp, pbm, pgm, ppm)");
    if (n == 0) free(list->entries);
    list->entries = NULL;
    return false;
}

static name_kind next_of_folder(name_list *list, char *name, e2str_error *error) {
    struct dirent *entry = list->entries[list->next_entry++];
    const char *folder = list->folder, *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
    int length = snprintf(name, MAX_NAME + 1, "%s%s%s", folder, slash, entry->d_name);
    free(entry);
    if (list->next_entry == list->n_entries) close_folder(list);
    return length <= MAX_NAME ? NAME : too_long(error);
}

/* ---- names ---- */

/* Reads up to the end of a name; what does not fit is passed over. false: nothing is left. */
static bool read_entry(name_list *list, char *name, size_t *size, bool *cut, bool *has_nul) {
    int byte;
    *size = 0;
    *cut = *has_nul = false;
    while ((byte = getc(list->file)) != EOF && byte != list->end) {
        if (!byte) *has_nul = true;
        if (*size < MAX_NAME)
            name[(*size)++] = (char)byte;
        else
            *cut = true;
    }
    name[*size] = 0;
    return byte != EOF || *size;
}

static name_kind next_operand(name_list *list, char *name, e2str_error *error) {
    const char *operand = list->operands[list->next++];
    if (strlen(operand) > MAX_NAME) {
        memcpy(name, operand, MAX_NAME);
        name[MAX_NAME] = 0;
        return too_long(error);
    }
    strcpy(name, operand);
    if (!is_folder(operand)) return NAME;
    return open_folder(list, operand, error) ? next_of_folder(list, name, error) : NO_NAME;
}

name_kind next_name(name_list *list, char *name, e2str_error *error) {
    if (list->folder) return next_of_folder(list, name, error);
    if (list->next < list->count) return next_operand(list, name, error);
    size_t size;
    bool cut, has_nul;
    while (list->file && read_entry(list, name, &size, &cut, &has_nul)) {
        list->line++;
        if (!size) continue;
        if (!cut && !has_nul) {
            if (!strcmp(name, "-")) strcpy(name, "./-"); /* in a list it is a file */
            return NAME;
        }
        char why[64];
        snprintf(why, sizeof why, cut ? TOO_LONG : "a NUL byte in a name (see --null)", MAX_NAME);
        snprintf(error->message, sizeof error->message, "%s:%zu: %s", list->path, list->line, why);
        return NO_NAME;
    }
    if (list->file && ferror(list->file)) {
        snprintf(error->message, sizeof error->message, "%s: %s", list->path, strerror(errno));
        names_close(list);
        *name = 0;
        return NO_NAME;
    }
    return NO_MORE_NAMES;
}
