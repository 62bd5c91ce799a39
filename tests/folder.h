/* SPDX-License-Identifier: MIT */
/* A folder of a test's own: its files have the names that were asked for, and nothing else may be left. */
#ifndef FOLDER_H
#define FOLDER_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER_PATH 96 /* bytes of a file's path */

static char folder[40];

static inline bool folder_make(void) {
    strcpy(folder, "/tmp/e2str-test-XXXXXX");
    return mkdtemp(folder) != NULL;
}

/* Where no disk is, if there is such a place. */
static inline bool folder_make_in_memory(void) {
    strcpy(folder, "/dev/shm/e2str-test-XXXXXX");
    return mkdtemp(folder) != NULL || folder_make();
}

static inline void folder_path(char path[FOLDER_PATH], const char *name) {
    snprintf(path, FOLDER_PATH, "%s/%s", folder, name);
}

/* What is in it besides files that were removed before fails the test: 0 if nothing was. */
static inline int folder_remove(void) { return rmdir(folder); }

#endif
