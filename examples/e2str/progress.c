/* SPDX-License-Identifier: MIT */
/* How far a command is: a line on stderr, where that is a terminal or --progress says so. */
#include "command.h"

#include <unistd.h>

enum { EVERY_MS = 100, RATE_FROM_MS = 1000 };

static struct {
    const char *what;
    double began, shown_at;
    bool shown;
} line;

static progress_wish wish;

void wish_for_progress(progress_wish wished) { wish = wished; }

void wipe_progress(void) {
    if (line.shown) fputs("\r\033[K", stderr);
    line.shown = false;
}

static void write_time(double seconds) {
    unsigned long long left = seconds < 1e9 ? (unsigned long long)(seconds + 0.5) : 1000000000;
    if (left >= 3600)
        fprintf(stderr, ", %llu:%02llu:%02llu left", left / 3600, left / 60 % 60, left % 60);
    else
        fprintf(stderr, ", %llu:%02llu left", left / 60, left % 60);
}

void show_progress(const char *what, size_t done, size_t total) {
    if (wish == PROGRESS_NEVER || total == 1 || (wish == PROGRESS_IF_SEEN && !isatty(STDERR_FILENO))) return;
    double now = milliseconds();
    if (done == total && total) {
        wipe_progress();
        line.what = NULL;
        return;
    }
    if (line.what != what) {
        line.what = what;
        line.began = now;
    } else if (now - line.shown_at < EVERY_MS) {
        return;
    }
    line.shown_at = now;
    line.shown = true;
    fprintf(stderr, "\r%s %zu", what, done);
    if (total) fprintf(stderr, "/%zu", total);
    double rate = (double)done / (now - line.began) * 1e3;
    if (done && now - line.began >= RATE_FROM_MS) {
        fprintf(stderr, "  %.*f/s", rate < 10 ? 1 : 0, rate);
        if (total) write_time((double)(total - done) / rate);
    }
    fputs("\033[K", stderr);
    fflush(stderr);
}
