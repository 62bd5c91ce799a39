/* Messages, progress, and text written so that the reader of the output cannot be confused by it. */
#include "cli.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool progress_shown;

static void wipe_progress(void) {
    if (progress_shown) fputs("\r\033[K", stderr);
    progress_shown = false;
}

void cli_warn(const char *format, ...) {
    wipe_progress();
    fputs("e2str: ", stderr);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void cli_warn_image(const char *where, const char *path, const e2str_error *error) {
    if (!strcmp(path, "-")) path = "standard input";
    if (!strncmp(error->message, path, strlen(path)))
        cli_warn("%s%s", where, error->message);
    else
        cli_warn("%s%s: %s", where, path, error->message);
}

void cli_progress(const char *what, size_t done, size_t total) {
    static double shown_at;
    if (total < 2 || !isatty(STDERR_FILENO)) return;
    if (done == total) {
        wipe_progress();
        return;
    }
    double now = cli_milliseconds();
    if (progress_shown && now - shown_at < 100) return;
    shown_at = now;
    progress_shown = true;
    fprintf(stderr, "\r%s %zu/%zu\033[K", what, done, total);
    fflush(stderr);
}

void cli_write_tsv(const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f)
            fputs("\xef\xbf\xbd", stdout);
        else
            putchar(c);
    }
}

/* Length of the valid UTF-8 sequence at text, 0 if there is none. */
static size_t utf8_length(const unsigned char *text, size_t size) {
    unsigned char c = text[0];
    size_t length = c < 0x80                ? 1
                    : c >= 0xc2 && c < 0xe0 ? 2
                    : c >= 0xe0 && c < 0xf0 ? 3
                    : c >= 0xf0 && c < 0xf5 ? 4
                                            : 0;
    if (length > size) return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    bool overlong = (c == 0xe0 && text[1] < 0xa0) || (c == 0xf0 && text[1] < 0x90);
    bool surrogate = c == 0xed && text[1] >= 0xa0;
    bool too_large = c == 0xf4 && text[1] >= 0x90;
    return overlong || surrogate || too_large ? 0 : length;
}

void cli_write_json(const char *text, size_t size) {
    const unsigned char *at = (const unsigned char *)text;
    putchar('"');
    while (size) {
        size_t length = utf8_length(at, size);
        if (!length)
            fputs("\\ufffd", stdout);
        else if (*at == '"' || *at == '\\')
            printf("\\%c", *at);
        else if (*at < 0x20 || *at == 0x7f)
            printf("\\u%04x", *at);
        else
            fwrite(at, 1, length, stdout);
        if (!length) length = 1;
        at += length;
        size -= length;
    }
    putchar('"');
}

void cli_write_number(double value) {
    if (isfinite(value))
        printf("%.6g", value);
    else
        fputs("null", stdout);
}

double cli_milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

bool cli_end_line(void) {
    if (isatty(STDOUT_FILENO)) wipe_progress();
    putchar('\n');
    return fflush(stdout) == 0 && !ferror(stdout);
}
