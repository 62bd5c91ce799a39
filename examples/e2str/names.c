/* SPDX-License-Identifier: MIT */
/* The names of the images that a command is given: operands, then those in a list. One name is held at a time. */
#include "command.h"

#include <errno.h>
#include <string.h>

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

void names_close(name_list *list) {
    if (list->file && list->file != stdin) fclose(list->file);
    list->file = NULL;
}

size_t names_total(const name_list *list) { return list->file ? 0 : (size_t)list->count; }

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

name_kind next_name(name_list *list, char *name, e2str_error *error) {
    if (list->next < list->count) {
        const char *operand = list->operands[list->next++];
        if (strlen(operand) <= MAX_NAME) {
            strcpy(name, operand);
            return NAME;
        }
        memcpy(name, operand, MAX_NAME);
        name[MAX_NAME] = 0;
        snprintf(error->message, sizeof error->message, "a name of more than %d bytes", MAX_NAME);
        return NO_NAME;
    }
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
        snprintf(why, sizeof why, cut ? "a name of more than %d bytes" : "a NUL byte in a name (see --null)", MAX_NAME);
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
