/* SPDX-License-Identifier: MIT */
/* Many names, several threads, output in the order of the names.
 *
 * A thread takes the next name, works, and hands in what is to be written; whoever completes the row of what is due
 * writes it. At most a WINDOW of finished work waits for a slow one before it, so memory does not grow with the number
 * of names, and a line is written as soon as those before it are. */
#include "command.h"

#include <pthread.h>
#include <stdlib.h>

enum { WINDOW = 64 };

typedef struct output {
    char *out, *notes;
    size_t out_size, notes_size;
    bool done;
} output;

typedef struct line_up {
    name_list *from;
    job_function *job;
    void *context;
    const char *what;
    size_t total;
    pthread_mutex_t taking; /* from, taken */
    size_t taken;
    pthread_mutex_t giving; /* all below */
    pthread_cond_t given;
    output window[WINDOW];
    size_t written;
    bool failed, stopped;
} line_up;

typedef struct worker {
    line_up *queue;
    unsigned number;
} worker;

static void write_out(line_up *queue, output *o) {
    wipe_progress();
    if (o->notes_size) fwrite(o->notes, 1, o->notes_size, stderr);
    if (o->out_size) fwrite(o->out, 1, o->out_size, stdout);
    if ((o->out_size && fflush(stdout)) || ferror(stdout)) queue->failed = queue->stopped = true;
    free(o->out);
    free(o->notes);
    *o = (output){0};
}

/* Hands in the work of number `at`. */
static void give(line_up *queue, size_t at, output finished, bool good) {
    finished.done = true;
    pthread_mutex_lock(&queue->giving);
    while (at - queue->written >= WINDOW) pthread_cond_wait(&queue->given, &queue->giving);
    if (!good) queue->failed = true;
    queue->window[at % WINDOW] = finished;
    for (output *o; (o = &queue->window[queue->written % WINDOW])->done;) {
        write_out(queue, o);
        queue->written++;
    }
    show_progress(queue->what, queue->written, queue->total);
    pthread_cond_broadcast(&queue->given);
    pthread_mutex_unlock(&queue->giving);
}

static bool is_stopped(line_up *queue) {
    pthread_mutex_lock(&queue->giving);
    bool stopped = queue->stopped;
    pthread_mutex_unlock(&queue->giving);
    return stopped;
}

static bool take(line_up *queue, job *next, char *name, size_t *at) {
    pthread_mutex_lock(&queue->taking);
    next->kind = is_stopped(queue) ? NO_MORE_NAMES : next_name(queue->from, name, &next->error);
    *at = queue->taken;
    if (next->kind != NO_MORE_NAMES) queue->taken++;
    pthread_mutex_unlock(&queue->taking);
    return next->kind != NO_MORE_NAMES;
}

static void *work(void *user) {
    const worker *self = user;
    char name[MAX_NAME + 1];
    size_t at;
    for (job next = {.name = name, .worker = self->number}; take(self->queue, &next, name, &at);) {
        output o = {0};
        next.out = open_memstream(&o.out, &o.out_size);
        next.notes = open_memstream(&o.notes, &o.notes_size);
        bool good = next.out && next.notes && self->queue->job(self->queue->context, &next);
        bool written = next.out && !fclose(next.out);
        written = next.notes && !fclose(next.notes) && written;
        if (!written) complain("out of memory");
        give(self->queue, at, o, good && written);
    }
    return NULL;
}

bool run_jobs(name_list *from, unsigned count, const char *what, job_function *function, void *context) {
    line_up queue = {.from = from, .job = function, .context = context, .what = what, .total = names_total(from)};
    pthread_mutex_init(&queue.taking, NULL);
    pthread_mutex_init(&queue.giving, NULL);
    pthread_cond_init(&queue.given, NULL);
    pthread_t *threads = calloc(count, sizeof *threads);
    worker *workers = calloc(count, sizeof *workers);
    unsigned started = 1; /* this one */
    show_progress(what, 0, queue.total);
    if (threads && workers) {
        while (started < count) {
            workers[started] = (worker){&queue, started};
            if (pthread_create(&threads[started], NULL, work, &workers[started])) break; /* fewer do as well */
            started++;
        }
        workers[0] = (worker){&queue, 0};
        work(&workers[0]);
        for (unsigned i = 1; i < started; i++) pthread_join(threads[i], NULL);
    } else {
        complain("out of memory");
        queue.failed = true;
    }
    wipe_progress();
    free(threads);
    free(workers);
    pthread_cond_destroy(&queue.given);
    pthread_mutex_destroy(&queue.giving);
    pthread_mutex_destroy(&queue.taking);
    return !queue.failed;
}
