#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

e2str_status e2_fail(e2str_error *error, e2str_status status, const char *format, ...) {
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return status;
}

e2str_status e2_within(e2str_error *error, e2str_status status, const char *what) {
    if (error) {
        char message[E2STR_ERROR_SIZE];
        memcpy(message, error->message, sizeof message);
        message[sizeof message - 1] = 0;
        snprintf(error->message, sizeof error->message, "%s: %s", what, message);
    }
    return status;
}

void *e2_alloc(size_t count, size_t size) {
    size_t bytes;
    if (!e2_mul(count, size, &bytes)) return NULL;
    return malloc(bytes ? bytes : 1);
}

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *e2str_version(void) {
    return TEXT(E2STR_VERSION_MAJOR) "." TEXT(E2STR_VERSION_MINOR) "." TEXT(E2STR_VERSION_PATCH);
}

const char *e2str_status_name(e2str_status status) {
    switch (status) {
    case E2STR_OK: return "ok";
    case E2STR_ERROR_ARGUMENT: return "argument";
    case E2STR_ERROR_MEMORY: return "memory";
    case E2STR_ERROR_IO: return "io";
    case E2STR_ERROR_FORMAT: return "format";
    case E2STR_ERROR_UNSUPPORTED: return "unsupported";
    case E2STR_ERROR_MISMATCH: return "mismatch";
    case E2STR_ERROR_IMAGE: return "image";
    case E2STR_ERROR_LIMIT: return "limit";
    case E2STR_ERROR_LABEL: return "label";
    case E2STR_ERROR_FULL: return "full";
    case E2STR_ERROR_NOT_FOUND: return "not found";
    }
    return "unknown";
}
