/* SPDX-License-Identifier: MIT */
/* Statuses, messages and checked sizes: what every file of the library uses. */
#ifndef E2_ERROR_H
#define E2_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#include "e2str.h"

#if defined(__GNUC__) || defined(__clang__)
#define E2_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define E2_PRINTF(text, first)
#endif

/* Writes the message (error may be NULL) and returns status: `return e2_fail(error, E2STR_ERROR_IO, "%s: ...", path);`
 */
e2str_status e2_fail(e2str_error *error, e2str_status status, const char *format, ...) E2_PRINTF(3, 4);

/* The status of a call to the system that failed with this errno: MEMORY where that says so, else IO. */
e2str_status e2_system_status(int number);

/* Puts "what: " before the message already there, for a caller that knows the file's name. Returns status. */
e2str_status e2_within(e2str_error *error, e2str_status status, const char *what);

/* Structures of options and answers begin with their size, which tells the version of the header that a caller was
 * compiled with: `known` is the whole structure as this library knows it, the caller's may be shorter or longer. */

/* Fills the caller's structure of `size` bytes: the defaults, and 0 in what is not known here. NULL is fine. */
void e2_options_init(void *given, size_t size, const void *known);

/* Replaces the defaults in `known` by what the caller gave (may be NULL); refused where what is not known is not 0. */
e2str_status e2_options_read(void *known, const void *given, const char *name, e2str_error *error);

/* Hands `known` out in the caller's structure, as much as that has room for, and keeps its size. */
e2str_status e2_answer_write(void *given, const void *known, const char *name, e2str_error *error);

/* Size arithmetic on untrusted numbers: false on overflow, *result is then unspecified. */
static inline bool e2_mul(size_t a, size_t b, size_t *result) {
    *result = a * b;
    return a == 0 || *result / a == b;
}

static inline bool e2_add(size_t a, size_t b, size_t *result) {
    *result = a + b;
    return *result >= a;
}

/* Like calloc without the zeroing: NULL when count * size overflows or memory is out. Never 0 bytes. */
void *e2_alloc(size_t count, size_t size);

/* A block cut to its first count * size bytes, or as it is where that fails. */
void *e2_shrink(void *block, size_t count, size_t size);

#endif
