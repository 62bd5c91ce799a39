/* SPDX-License-Identifier: MIT */
/* Messages, and text written so that the reader of the output cannot be confused by it. */
#include "command.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

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

void complain_to(FILE *to, const char *format, ...) {
    char message[4 * PATH_MAX]; /* longer ones are cut */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    fputs("e2str: ", to);
    escape(to, message);
    fputc('\n', to);
}

void complain_of_image(FILE *to, size_t line, const char *path, const e2str_error *error) {
    char where[32] = "";
    if (line) snprintf(where, sizeof where, "line %zu: ", line);
    if (!strcmp(path, "-")) path = "standard input";
    if (!strncmp(error->message, path, strlen(path)))
        complain_to(to, "%s%s", where, error->message);
    else
        complain_to(to, "%s%s: %s", where, path, error->message);
}

void write_text(FILE *to, const char *before, const char *text) {
    fputs(before, to);
    escape(to, text);
}

void write_json(FILE *to, const char *before, const char *text, size_t size) {
    fprintf(to, "%s%s", before, text ? "\"" : "null");
    if (!text) return;
    uint32_t code;
    for (size_t length; (length = utf8_next(text, size, &code)); text += length) {
        if (code == NO_CHARACTER) code = 0xfffd;
        if (code == 0xfffd || acts(code))
            fprintf(to, "\\u%04x", (unsigned)code);
        else if (code == '"' || code == '\\')
            fprintf(to, "\\%c", (int)code);
        else
            fwrite(text, 1, length, to);
        if (size != SIZE_MAX) size -= length;
    }
    fputc('"', to);
}

/* RFC 4648, with padding. */
void write_base64(FILE *to, const void *data, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16;
        if (i + 1 < size) three |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < size) three |= bytes[i + 2];
        fputc(digits[three >> 18], to);
        fputc(digits[three >> 12 & 63], to);
        fputc(i + 1 < size ? digits[three >> 6 & 63] : '=', to);
        fputc(i + 2 < size ? digits[three & 63] : '=', to);
    }
}

void write_json_name(FILE *to, const char *before, const char *member, const char *name) {
    fprintf(to, "%s\"%s\":", before, member);
    write_json(to, "", name, SIZE_MAX);
    uint32_t code = 0;
    const char *at = name;
    for (size_t length; (length = utf8_next(at, SIZE_MAX, &code)) && code != NO_CHARACTER;) at += length;
    if (!*at) return;
    fprintf(to, ",\"%s_base64\":\"", member);
    write_base64(to, name, strlen(name));
    fputc('"', to);
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

void write_number(FILE *to, const char *before, double value) {
    char number[32] = "null";
    if (isfinite(value)) snprintf(number, sizeof number, "%.6g", value);
    fprintf(to, "%s%s", before, number);
}

const char *plural(uint64_t count) { return count == 1 ? "" : "s"; }

double milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

bool end_line(void) {
    wipe_progress();
    putchar('\n');
    return fflush(stdout) == 0 && !ferror(stdout);
}
