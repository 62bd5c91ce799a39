/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <stdlib.h>

static const e2str_session_options default_options = {.size = sizeof default_options, .threads = 1};

void e2str_session_options_init_size(e2str_session_options *options, size_t size) {
    e2_options_init(options, size, &default_options);
}

static e2str_status start(e2str_session *session, const e2str_session_options *options, e2str_error *error) {
    const e2str_model *model = session->compute.model;
    const uint32_t threads = options->threads;
    e2str_status status = e2_threads_new(threads, &session->compute.threads, error);
    if (status || threads == 1) return status;
    e2_threads_set_spin(session->compute.threads, options->spin_microseconds);
    session->workers = calloc(threads, sizeof *session->workers);
    session->worker_arenas = calloc(threads, sizeof *session->worker_arenas);
    if (!session->workers || !session->worker_arenas)
        return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a session");
    for (uint32_t i = 0; i < threads; i++)
        session->workers[i] =
            (e2_compute){.model = model, .kernels = session->compute.kernels, .arena = &session->worker_arenas[i]};
    session->compute.workers = session->workers;
    return E2STR_OK;
}

e2str_status e2str_session_new(const e2str_model *model, const e2str_session_options *given, e2str_session **session,
                               e2str_error *error) {
    if (!session) return e2_fail(error, E2STR_ERROR_ARGUMENT, "session is NULL");
    *session = NULL;
    if (!model) return e2_fail(error, E2STR_ERROR_ARGUMENT, "model is NULL");
    e2str_session_options options = default_options;
    e2str_status status = e2_options_read(&options, given, "e2str_session_options", error);
    if (status) return status;
    if (options.threads < 1 || options.threads > E2STR_MAX_THREADS)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "threads is %u; from 1 to %d", options.threads, E2STR_MAX_THREADS);
    if (options.spin_microseconds > E2STR_MAX_SPIN)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "spin_microseconds is %llu; from 0 to %d",
                       (unsigned long long)options.spin_microseconds, E2STR_MAX_SPIN);
    e2str_session *fresh = calloc(1, sizeof *fresh);
    if (!fresh) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a session");
    fresh->compute = (e2_compute){.model = model, .kernels = model->kernels, .arena = &fresh->arena};
    status = start(fresh, &options, error);
    if (status)
        e2str_session_free(fresh);
    else
        *session = fresh;
    return status;
}

size_t e2str_session_bytes(const e2str_session *session) {
    if (!session) return 0;
    size_t bytes = sizeof *session + e2_arena_bytes(&session->arena);
    for (unsigned i = 0; session->workers && i < e2_threads_count(session->compute.threads); i++)
        bytes += sizeof *session->workers + sizeof *session->worker_arenas + e2_arena_bytes(&session->worker_arenas[i]);
    return bytes;
}

void e2str_session_free(e2str_session *session) {
    if (!session) return;
    for (unsigned i = 0; session->worker_arenas && i < e2_threads_count(session->compute.threads); i++)
        e2_arena_free(&session->worker_arenas[i]);
    free(session->workers);
    free(session->worker_arenas);
    e2_threads_free(session->compute.threads);
    e2_arena_free(&session->arena);
    free(session);
}
