/* SPDX-License-Identifier: MIT */
/* e2str read: one line per image. */
#include "command.h"

#include <stdlib.h>

typedef struct reading {
    invocation *run;
    e2str_session **sessions; /* of each worker */
    e2str_result **results;
} reading;

/* Both outputs have a line for each image that was read; JSON has one for those that failed, too. */
static void write_failure(const invocation *run, const job *j, e2str_status status, const e2str_error *error) {
    complain_of_image(j->notes, 0, j->name, error);
    if (!run->json) return;
    write_json_name(j->out, "{", "image", j->name);
    fputc(',', j->out);
    write_error(j->out, status, error);
    fputs("}\n", j->out);
}

static void write_success(const invocation *run, const job *j, const e2str_result *result) {
    if (run->json) {
        write_json_name(j->out, "{", "image", j->name);
        fputc(',', j->out);
        write_reading(j->out, run, result, NULL);
        fputs("}\n", j->out);
        return;
    }
    write_text(j->out, "", j->name);
    write_text(j->out, "\t", e2str_result_rejected(result) ? "" : e2str_result_text(result));
    fprintf(j->out, "\t%.3f\n", e2str_result_score(result));
    if (e2str_result_unmatched(result)) complain_to(j->notes, "%s: no text fits; this one is read freely", j->name);
}

static bool read_one(void *context, job *j) {
    const reading *r = context;
    e2str_result *result = r->results[j->worker];
    e2str_error error = j->error;
    e2str_image image = {0};
    e2str_status status = j->kind == NO_NAME ? E2STR_ERROR_ARGUMENT : E2STR_OK;
    if (!status) status = load_image(r->run, j->name, &image, j->notes, &error);
    if (!status) status = e2str_read(r->sessions[j->worker], &image, r->run->pool, &r->run->read, result, &error);
    e2str_image_free(&image);
    if (status)
        write_failure(r->run, j, status, &error);
    else
        write_success(r->run, j, result);
    return !status;
}

/* The first worker has what open_model made. */
static bool open_workers(reading *r, unsigned count) {
    e2str_error error = {"out of memory"};
    r->sessions = calloc(count, sizeof *r->sessions);
    r->results = calloc(count, sizeof *r->results);
    bool good = r->sessions && r->results;
    if (good) {
        r->sessions[0] = r->run->session;
        r->results[0] = r->run->result;
    }
    for (unsigned i = 1; i < count && good; i++)
        good = !e2str_session_new(r->run->model, &r->run->session_options, &r->sessions[i], &error) &&
               !e2str_result_new(&r->results[i], &error);
    if (!good) complain("%s", error.message);
    return good;
}

static void close_workers(reading *r, unsigned count) {
    for (unsigned i = 1; i < count; i++) {
        if (r->sessions) e2str_session_free(r->sessions[i]);
        if (r->results) e2str_result_free(r->results[i]);
    }
    free(r->sessions);
    free(r->results);
}

int run_read(invocation *run) {
    if (!run->files_path && !run->n_operands) {
        complain("read needs IMAGE..., or --files-from FILE");
        return USAGE;
    }
    int wrong = make_constraint(run);
    if (wrong) return wrong;
    if (!open_model(run, true) || !open_pool(run)) return FAILED;
    reading r = {.run = run};
    name_list list;
    bool good = names_open(&list, run, 0) && open_workers(&r, run->jobs);
    good = good && run_jobs(&list, run->jobs, "reading", read_one, &r);
    close_workers(&r, run->jobs);
    names_close(&list);
    return good ? OK : FAILED;
}
