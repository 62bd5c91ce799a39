/* SPDX-License-Identifier: MIT */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than a path of the longest kind and a reason. */
enum { LONG_MESSAGE = 8192 };

/* The first byte of a character at or after `at`. */
static size_t next_character(const char *text, size_t at) {
    while (((unsigned char)text[at] & 0xC0) == 0x80) at++;
    return at;
}

/* A long message is cut in the middle, between characters: the path that it begins with is cut, the reason is not. */
static void set_message(e2str_error *error, const char *text) {
    static const char cut[] = "...";
    size_t size = strlen(text), room = sizeof error->message - 1, head = 0, tail = 0;
    if (size > room) {
        head = room / 4;
        while (head && ((unsigned char)text[head] & 0xC0) == 0x80) head--;
        tail = next_character(text, size - (room - head - strlen(cut)));
    }
    snprintf(error->message, sizeof error->message, "%.*s%s%s", (int)head, text, tail ? cut : "", text + tail);
}

e2str_status e2_fail(e2str_error *error, e2str_status status, const char *format, ...) {
    if (error) {
        char message[LONG_MESSAGE];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(message, sizeof message, format, arguments);
        va_end(arguments);
        set_message(error, message);
    }
    return status;
}

e2str_status e2_system_status(int number) { return number == ENOMEM ? E2STR_ERROR_MEMORY : E2STR_ERROR_IO; }

e2str_status e2_within(e2str_error *error, e2str_status status, const char *what) {
    if (error) {
        char message[LONG_MESSAGE];
        snprintf(message, sizeof message, "%.*s: %s", LONG_MESSAGE - E2STR_ERROR_SIZE - 2, what, error->message);
        set_message(error, message);
    }
    return status;
}

void *e2_alloc(size_t count, size_t size) {
    size_t bytes;
    if (!e2_mul(count, size, &bytes)) return NULL;
    return malloc(bytes ? bytes : 1);
}

void *e2_shrink(void *block, size_t count, size_t size) {
    void *smaller = realloc(block, count && size ? count * size : 1);
    return smaller ? smaller : block;
}

static size_t size_in(const void *structure) {
    size_t size;
    memcpy(&size, structure, sizeof size);
    return size;
}

void e2_options_init(void *given, size_t size, const void *known) {
    if (!given || size < sizeof size) return;
    size_t known_size = size_in(known);
    memset(given, 0, size);
    memcpy(given, known, size < known_size ? size : known_size);
    memcpy(given, &size, sizeof size);
}

/* The caller's size, if it can be one: structures that begin with a size_t are multiples of it. */
static e2str_status given_size_of(const void *given, const char *name, size_t *size, e2str_error *error) {
    *size = size_in(given);
    if (*size < sizeof *size || *size % sizeof *size || *size > 4096)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s.size is %zu: call %s_init first", name, *size, name);
    return E2STR_OK;
}

e2str_status e2_options_read(void *known, const void *given, const char *name, e2str_error *error) {
    if (!given) return E2STR_OK;
    size_t known_size = size_in(known), given_size;
    e2str_status status = given_size_of(given, name, &given_size, error);
    if (status) return status;
    for (size_t i = known_size; i < given_size; i++)
        if (((const unsigned char *)given)[i])
            return e2_fail(error, E2STR_ERROR_UNSUPPORTED, "%s sets something that library version %s does not know",
                           name, e2str_version());
    memcpy(known, given, given_size < known_size ? given_size : known_size);
    memcpy(known, &known_size, sizeof known_size);
    return E2STR_OK;
}

e2str_status e2_answer_write(void *given, const void *known, const char *name, e2str_error *error) {
    size_t known_size = size_in(known), given_size;
    e2str_status status = given_size_of(given, name, &given_size, error);
    if (status) return status;
    memcpy(given, known, given_size < known_size ? given_size : known_size);
    memcpy(given, &given_size, sizeof given_size);
    return E2STR_OK;
}

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const char *e2str_version(void) {
    return TEXT(E2STR_VERSION_MAJOR) "." TEXT(E2STR_VERSION_MINOR) "." TEXT(E2STR_VERSION_PATCH);
}

uint32_t e2str_version_number(void) { return E2STR_VERSION_NUMBER; }

const char *e2str_status_name(e2str_status status) {
    switch (status) {
    case E2STR_OK:
        return "ok";
    case E2STR_ERROR_ARGUMENT:
        return "argument";
    case E2STR_ERROR_MEMORY:
        return "memory";
    case E2STR_ERROR_IO:
        return "io";
    case E2STR_ERROR_FORMAT:
        return "format";
    case E2STR_ERROR_UNSUPPORTED:
        return "unsupported";
    case E2STR_ERROR_MISMATCH:
        return "mismatch";
    case E2STR_ERROR_IMAGE:
        return "image";
    case E2STR_ERROR_LIMIT:
        return "limit";
    case E2STR_ERROR_LABEL:
        return "label";
    case E2STR_ERROR_FULL:
        return "full";
    case E2STR_ERROR_NOT_FOUND:
        return "not found";
    case E2STR_ERROR_CONFLICT:
        return "conflict";
    }
    return "unknown";
}
