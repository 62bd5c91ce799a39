/* SPDX-License-Identifier: MIT */
/* e2str stream: images and corrections by lines of standard input, each answered by one JSON line; a pool that is kept
 * (docs/stream.md). */
#define _XOPEN_SOURCE 700 /* sigaction */
#include "command.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 3 * MAX_NAME }; /* a name, a text, what is between them */

typedef struct streaming {
    invocation *run;
    e2str_stream *stream;
    uint64_t unsaved; /* corrections */
    bool good;        /* nothing failed so far */
} streaming;

/* ---- lines ---- */

static volatile sig_atomic_t interrupted;

static void interrupt(int number) { interrupted = number; }

/* The line that is being read ends the stream when one of these comes: what was learnt is saved. */
static void catch_signals(void) {
    struct sigaction action = {.sa_handler = interrupt};
    sigemptyset(&action.sa_mask);
    const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction former;
        if (!sigaction(numbers[i], NULL, &former) && former.sa_handler != SIG_IGN) sigaction(numbers[i], &action, NULL);
    }
}

typedef enum line_kind { NO_MORE_LINES, LINE, BAD_LINE } line_kind;

/* Without its end; of a line that is too long the rest is passed over. */
static line_kind next_line(char *line, const char **why) {
    size_t n = 0;
    int c = EOF;
    *why = NULL;
    while (!interrupted && (c = getc(stdin)) != EOF && c != '\n') {
        if (!c) *why = "a NUL byte";
        if (n < MAX_LINE)
            line[n++] = (char)c;
        else
            *why = "the line is too long";
    }
    if (interrupted || (c == EOF && !n && !*why)) return NO_MORE_LINES;
    if (n && line[n - 1] == '\r') n--;
    line[n] = 0;
    return *why ? BAD_LINE : LINE;
}

/* ---- answers ---- */

static const char *const outcomes[] = {"none", "added", "repeated", "replaced", "refused"}; /* as e2str_outcome */

static void write_judgement(const streaming *s, const e2str_correction *c) {
    printf("\"right\":%s,\"outcome\":\"%s\",\"id\":%llu", c->right ? "true" : "false", outcomes[c->outcome],
           (unsigned long long)c->id);
    if (c->other) printf(",\"other\":%llu", (unsigned long long)c->other);
    printf(",\"dropped\":%llu,\"learnt\":%s", (unsigned long long)c->dropped, c->learnt ? "true" : "false");
    if (c->learning) write_json(stdout, ",\"learning\":", e2str_status_name(c->learning), SIZE_MAX);
    if (!c->drift) return;
    e2str_stream_report report;
    e2str_stream_report_init(&report);
    e2str_stream_get_report(s->stream, &report, NULL);
    write_number(stdout, ",\"drift\":{\"from\":", report.drift_from);
    write_number(stdout, ",\"to\":", report.drift_to);
    putchar('}');
    complain("drift: of the last %u judged reads %.0f %% were right, of those before %.0f %%", s->run->stream.window,
             100.0 * (double)report.drift_to, 100.0 * (double)report.drift_from);
}

static void write_report(const streaming *s) {
    e2str_stream_report r;
    e2str_stream_report_init(&r);
    e2str_stream_get_report(s->stream, &r, NULL);
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {{"reads", r.reads},     {"judged", r.judged},     {"right", r.right},
                  {"added", r.added},     {"repeated", r.repeated}, {"contradicted", r.contradicted},
                  {"dropped", r.dropped}, {"learnt", r.learnt},     {"examples", r.examples},
                  {"bytes", r.bytes},     {"changes", r.changes},   {"tickets", r.tickets},
                  {"drifts", r.drifts}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        printf("%s\"%s\":%llu", i ? "," : "{\"report\":{", counts[i].name, (unsigned long long)counts[i].value);
    write_number(stdout, ",\"recent\":", r.recent);
    write_number(stdout, ",\"before\":", r.before);
    fputs("}}", stdout);
}

/* ---- what a line asks for ---- */

static void fail(streaming *s, e2str_status status, const e2str_error *error) {
    write_error(stdout, status, error);
    s->good = false;
}

/* text NULL: it was right. Writes the members that follow. */
static void judge(streaming *s, uint64_t ticket, const char *text) {
    e2str_error error = {{0}};
    e2str_correction c;
    e2str_correction_init(&c);
    e2str_status status = text ? e2str_stream_correct(s->stream, ticket, text, SIZE_MAX, &c, &error)
                               : e2str_stream_confirm(s->stream, ticket, &c, &error);
    if (status) {
        char name[32]; /* which some messages begin with */
        snprintf(name, sizeof name, "ticket %llu", (unsigned long long)ticket);
        wipe_progress();
        complain_of_image(stderr, 0, name, &error);
        fail(s, status, &error);
        return;
    }
    write_judgement(s, &c);
    if (c.outcome) s->unsaved++;
}

static void read_and_judge(streaming *s, const char *name, const char *text) {
    invocation *run = s->run;
    e2str_error error = {{0}};
    e2str_image image = {0};
    uint64_t ticket = 0;
    const char *path = strcmp(name, "-") ? name : "./-";
    e2str_status status = load_image(run, path, &image, stderr, &error);
    if (!status) status = e2str_stream_read(s->stream, &image, &run->read, run->result, &ticket, &error);
    e2str_image_free(&image);
    write_json_name(stdout, "{", "image", name);
    putchar(',');
    if (status) {
        complain_of_image(stderr, 0, name, &error);
        fail(s, status, &error);
    } else {
        printf("\"ticket\":%llu,", (unsigned long long)ticket);
        write_reading(stdout, run, run->result, NULL);
        if (text) putchar(',');
        if (text) judge(s, ticket, text);
    }
    putchar('}');
}

/* =TICKET TAB TEXT, =TICKET, or = alone. */
static void judge_ticket(streaming *s, const char *number, const char *text) {
    e2str_error error = {"no ticket: a number behind ="};
    char *end;
    errno = 0;
    uint64_t ticket = strtoull(number, &end, 10);
    if (!*number && !text) {
        write_report(s);
        return;
    }
    if (*end || errno || !*number || number[strspn(number, "0123456789")]) {
        complain("=%s: %s", number, error.message);
        write_json(stdout, "{\"line\":", number - 1, SIZE_MAX);
        putchar(',');
        fail(s, E2STR_ERROR_ARGUMENT, &error);
    } else {
        printf("{\"ticket\":%llu,", (unsigned long long)ticket);
        judge(s, ticket, text);
    }
    putchar('}');
}

/* false: the output cannot be written any more. */
static bool answer(streaming *s, char *line, const char *why) {
    char *tab = strchr(line, '\t');
    e2str_error error = {{0}};
    if (tab) *tab = 0;
    if (why) {
        snprintf(error.message, sizeof error.message, "%s", why);
        complain("standard input: %s", why);
        write_json(stdout, "{\"line\":", line, strnlen(line, MAX_NAME));
        putchar(',');
        fail(s, E2STR_ERROR_ARGUMENT, &error);
        putchar('}');
    } else if (*line == '=') {
        judge_ticket(s, line + 1, tab ? tab + 1 : NULL);
    } else {
        read_and_judge(s, line, tab ? tab + 1 : NULL);
    }
    return end_line();
}

/* ---- the stream ---- */

/* In between the pool is saved as it is; in the end after it has learnt what is new. */
static void save(streaming *s, bool ends) {
    const char *path = s->run->operands[0];
    e2str_error error = {{0}};
    e2str_stream_report report;
    e2str_stream_report_init(&report);
    e2str_stream_get_report(s->stream, &report, NULL);
    if (ends ? !s->unsaved && !report.changes : !s->run->save_every || s->unsaved < s->run->save_every) return;
    if (ends && e2str_stream_learn(s->stream, &error)) {
        complain("the pool has not learnt: %s", error.message);
        s->good = false;
    }
    if (!save_pool(s->run, path)) s->good = false;
    s->unsaved = 0;
}

static void run_lines(streaming *s) {
    char line[MAX_LINE + 1];
    const char *why;
    catch_signals();
    for (line_kind kind; (kind = next_line(line, &why)) != NO_MORE_LINES;) {
        if (kind == LINE && !*line) continue;
        if (!answer(s, line, why)) break;
        save(s, false);
    }
    if (ferror(stdin) && !interrupted) {
        complain("standard input: %s", strerror(errno));
        s->good = false;
    }
    save(s, true);
}

/* Corrections take examples out, with which a memory goes, and without visual tokens no other can be made. */
static bool would_lose_memory(const invocation *run) {
    e2str_memory_report report;
    e2str_pool_info info;
    e2str_pool_info_init(&info);
    if (e2str_pool_get_info(run->pool, &info, NULL) || !info.without_tokens || !pool_report(run, &report)) return false;
    complain("%s: visual tokens were left out (--drop-tokens), so this pool cannot learn: it is for reading only",
             run->operands[0]);
    return true;
}

int run_stream(invocation *run) {
    const char *path = run->operands[0];
    int wrong = make_constraint(run);
    if (wrong) return wrong;
    run->stream.max_bytes = run->pool_options.max_bytes; /* the stream's: the pool would only refuse */
    run->pool_options.max_bytes = 0;
    if (!open_model(run, true) || !lock_pool(run, path) || !load_or_new_pool(run, path)) return FAILED;
    if (would_lose_memory(run) || !prompts_fit(run, SIZE_MAX)) return FAILED; /* it may come to any number */
    e2str_error error = {{0}};
    streaming s = {.run = run, .good = true};
    if (e2str_stream_new(run->pool, run->session, &run->stream, &s.stream, &error) ||
        e2str_stream_learn(s.stream, &error)) {
        complain("%s: %s", path, error.message);
        s.good = false;
    }
    if (s.stream) run_lines(&s);
    e2str_stream_free(s.stream);
    return s.good ? OK : FAILED;
}
