/* SPDX-License-Identifier: MIT */
/* Messages, progress, and text written so that the reader of the output cannot be confused by it. */
#include "command.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

size_t utf8_next(const char *text, size_t size, uint32_t *code) {
    const unsigned char *bytes = (const unsigned char *)text;
    if (!size || (size == SIZE_MAX && !*text)) return 0;
    unsigned char lead = bytes[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0, i = 1;
    uint32_t found = length < 2 ? lead : lead & (0x7fu >> length);
    while (i < length && i < size && (bytes[i] & 0xc0) == 0x80) found = found << 6 | (bytes[i++] & 0x3fu);
    bool overlong = (length == 3 && found < 0x800) || (length == 4 && found < 0x10000);
    bool good = i == length && !overlong && (found < 0xd800 || found > 0xdfff) && found <= 0x10ffff;
    *code = good ? found : NO_CHARACTER;
    return good ? length : 1;
}

/* What could act on a terminal, end a line or turn its direction round. */
static bool acts(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

static void escape(FILE *to, const char *text) {
    uint32_t code;
    for (size_t length; (length = utf8_next(text, SIZE_MAX, &code)); text += length) {
        bool plain = code != NO_CHARACTER && !acts(code);
        if (plain) fwrite(text, 1, length, to);
        for (size_t i = 0; i < length && !plain; i++) fprintf(to, "\\x%02x", (unsigned char)text[i]);
    }
}

static bool progress_shown;

static void wipe_progress(void) {
    if (progress_shown) fputs("\r\033[K", stderr);
    progress_shown = false;
}

void complain(const char *format, ...) {
    wipe_progress();
    char message[4 * PATH_MAX]; /* longer ones are cut */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    fputs("e2str: ", stderr);
    escape(stderr, message);
    fputc('\n', stderr);
}

void complain_of_image(size_t line, const char *path, const e2str_error *error) {
    char where[32] = "";
    if (line) snprintf(where, sizeof where, "line %zu: ", line);
    if (!strcmp(path, "-")) path = "standard input";
    if (!strncmp(error->message, path, strlen(path)))
        complain("%s%s", where, error->message);
    else
        complain("%s%s: %s", where, path, error->message);
}

void show_progress(const char *what, size_t done, size_t total) {
    static double shown_at;
    if (total < 2 || !isatty(STDERR_FILENO)) return;
    if (done == total) {
        wipe_progress();
        return;
    }
    double now = milliseconds();
    if (progress_shown && now - shown_at < 100) return;
    shown_at = now;
    progress_shown = true;
    fprintf(stderr, "\r%s %zu/%zu\033[K", what, done, total);
    fflush(stderr);
}

void write_text(const char *before, const char *text) {
    fputs(before, stdout);
    escape(stdout, text);
}

void write_json(const char *before, const char *text, size_t size) {
    printf("%s%s", before, text ? "\"" : "null");
    if (!text) return;
    uint32_t code;
    for (size_t length; (length = utf8_next(text, size, &code)); text += length) {
        if (code == NO_CHARACTER) code = 0xfffd;
        if (code == 0xfffd || acts(code))
            printf("\\u%04x", (unsigned)code);
        else if (code == '"' || code == '\\')
            printf("\\%c", (int)code);
        else
            fwrite(text, 1, length, stdout);
        if (size != SIZE_MAX) size -= length;
    }
    putchar('"');
}

void write_roff(const char *text) {
    for (const char *at = text; *at; at++) {
        if ((*at == '.' || *at == '\'') && (at == text || at[-1] == '\n')) fputs("\\&", stdout);
        if (*at == '-' || *at == '\\')
            fputs(*at == '-' ? "\\-" : "\\e", stdout);
        else
            putchar(*at);
    }
}

void write_number(const char *before, double value) {
    char number[32] = "null";
    if (isfinite(value)) snprintf(number, sizeof number, "%.6g", value);
    printf("%s%s", before, number);
}

double milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

bool end_line(void) {
    if (isatty(STDOUT_FILENO)) wipe_progress();
    putchar('\n');
    return fflush(stdout) == 0 && !ferror(stdout);
}
