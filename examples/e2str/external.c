/* SPDX-License-Identifier: MIT */
/* Commands that are programs of their own, in the Python package: `e2str teach` is e2str-teach, found in PATH. */
#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const external_row externals[] = {
    {"teach", "FOLDER", "Opens a page on which crops of a folder are corrected, and a pool learns from it at once."},
    {"report", "[CROPS...]", "Writes one HTML file that shows what is read on crops, how surely, and why."},
    {NULL, NULL, NULL},
};

const external_row *find_external(const char *name) {
    for (const external_row *row = externals; row->name; row++)
        if (!strcmp(row->name, name)) return row;
    return NULL;
}

int run_external(const external_row *row, char **arguments) {
    char program[32];
    snprintf(program, sizeof program, "e2str-%s", row->name);
    arguments[0] = program;
    execvp(program, arguments);
    if (errno == ENOENT)
        complain("%s is not in PATH: it comes with the Python package, pip install (docs/teach.md)", program);
    else
        complain("%s: %s", program, strerror(errno));
    return FAILED;
}
