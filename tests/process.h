/* SPDX-License-Identifier: MIT */
/* How large this process is: what must not grow in one that goes on for long. */
#ifndef PROCESS_H
#define PROCESS_H

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

/* 0: not known. */
typedef struct process_size {
    size_t kilobytes;   /* that are resident */
    size_t allocated;   /* bytes that malloc has given out and that were not freed */
    size_t descriptors; /* open */
    size_t threads;
    size_t mappings; /* of memory */
} process_size;

static inline size_t process_entries(const char *path) {
    DIR *list = opendir(path);
    size_t n = 0;
    for (const struct dirent *entry; list && (entry = readdir(list));) n += entry->d_name[0] != '.';
    if (list) closedir(list);
    return n;
}

static inline size_t process_lines(const char *path) {
    FILE *file = fopen(path, "r");
    size_t n = 0;
    for (int c; file && (c = getc(file)) != EOF;) n += c == '\n';
    if (file) fclose(file);
    return n;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) /* which keep what was freed */
static inline size_t process_kilobytes(void) { return 0; }
static inline size_t process_allocated(void) { return 0; }
static inline size_t process_mappings(void) { return 0; }
#else
static inline size_t process_kilobytes(void) {
    size_t size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%zu %zu", &size, &resident) != 2) resident = 0;
    if (file) fclose(file);
    return resident * ((size_t)sysconf(_SC_PAGESIZE) / 1024);
}

static inline size_t process_allocated(void) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    struct mallinfo2 about = mallinfo2();
    return about.uordblks + about.hblkhd;
#else
    return 0;
#endif
}

static inline size_t process_mappings(void) { return process_lines("/proc/self/maps"); }
#endif

/* Without what malloc keeps for later. A thread that was joined may still be listed for a moment. */
static inline process_size process_measure(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    return (process_size){
        .kilobytes = process_kilobytes(),
        .allocated = process_allocated(),
        .descriptors = process_entries("/proc/self/fd"),
        .threads = process_entries("/proc/self/task"),
        .mappings = process_mappings(),
    };
}

#endif
