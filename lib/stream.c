/* SPDX-License-Identifier: MIT */
/* A stream: reads that may be judged later, and a pool that is looked after: what is added, what is not, what goes,
 * when it learns again, whether it drifts. Of the pool only the public calls are used, so that others may read with it.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "drift.h"
#include "pool.h"
#include "result.h"
#include "session.h"
#include "tickets.h"
#include "worth.h"

#define SAME_PICTURE 0.999f /* cosine of the keys of one picture, stored or compressed another way */
#define MOST_ALIKE   64     /* examples of one picture that are looked at */

struct e2str_stream {
    e2str_pool *pool;
    e2str_session *session;
    e2str_stream_options options;
    bool learns;          /* the model can */
    e2str_memory *memory; /* that is read with, or NULL: it stays when removals make the pool forget */
    uint64_t changes;     /* examples that came and went since the last learning, or its last try */
    e2_tickets tickets;
    e2_worths worths;
    e2_drift drift;
    uint64_t newest;            /* id that was added last */
    uint64_t *marks;            /* [window]: that id, before each of the last judgements; number n in n % window */
    e2str_result *probe;        /* what a judged picture is read as, with influences */
    e2str_stream_report report; /* its counts; the rest is filled in when it is asked for */
};

static const e2str_stream_options default_options = {.size = sizeof default_options,
                                                     .max_examples = 1000,
                                                     .learn_share = 0.1f,
                                                     .learn_least = 5,
                                                     .max_tickets = 256,
                                                     .ticket_bytes = (uint64_t)64 << 20,
                                                     .window = 50,
                                                     .seed = 1};

void e2str_stream_options_init_size(e2str_stream_options *options, size_t size) {
    e2_options_init(options, size, &default_options);
}

void e2str_correction_init_size(e2str_correction *correction, size_t size) {
    e2_options_init(correction, size, &(const e2str_correction){.size = sizeof *correction});
}

void e2str_stream_report_init_size(e2str_stream_report *report, size_t size) {
    e2_options_init(report, size, &(const e2str_stream_report){.size = sizeof *report});
}

/* ------------------------------------------------------------------------------------------------------- making -- */

static e2str_status check_options(const e2str_stream_options *o, e2str_error *error) {
    if (o->drop > E2STR_DROP_LEAST_USED)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "drop is %d; one of e2str_drop", (int)o->drop);
    if (o->contradiction > E2STR_OLDER_WINS)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "contradiction is %d; one of e2str_contradiction",
                       (int)o->contradiction);
    if (!(o->learn_share >= 0.0f && o->learn_share <= 1.0f))
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "learn_share is %g; from 0 to 1", (double)o->learn_share);
    if (!o->learn_least) return e2_fail(error, E2STR_ERROR_ARGUMENT, "learn_least is 0; 1 or more");
    if (o->add_right > E2STR_ADD_RIGHT_NEVER)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "add_right is %d; one of e2str_add_right", (int)o->add_right);
    if (!o->max_tickets || o->max_tickets > E2STR_MAX_TICKETS)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "max_tickets is %u; from 1 to %d", o->max_tickets,
                       E2STR_MAX_TICKETS);
    if (o->window < E2STR_MIN_WINDOW || o->window > E2STR_MAX_WINDOW)
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "window is %u; from %d to %d", o->window, E2STR_MIN_WINDOW,
                       E2STR_MAX_WINDOW);
    return E2STR_OK;
}

/* Takes the pool's memory in place of the one that was read with. */
static void take_memory(e2str_stream *stream) {
    e2str_memory *memory;
    if (e2str_pool_memory(stream->pool, &memory, NULL)) memory = NULL;
    e2str_memory_free(stream->memory);
    stream->memory = memory;
}

e2str_status e2str_stream_new(e2str_pool *pool, e2str_session *session, const e2str_stream_options *given,
                              e2str_stream **stream, e2str_error *error) {
    if (!stream) return e2_fail(error, E2STR_ERROR_ARGUMENT, "stream is NULL");
    *stream = NULL;
    if (!pool || !session) return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", pool ? "session" : "pool");
    e2str_stream_options options = default_options;
    e2str_model_info info;
    e2str_model_info_init(&info);
    e2str_status status = e2_options_read(&options, given, "e2str_stream_options", error);
    if (!status) status = check_options(&options, error);
    if (!status) status = e2_models_check(session->compute.model, pool->model, "pool", error);
    if (!status) status = e2str_model_get_info(session->compute.model, &info, error);
    if (status) return status;
    e2str_stream *made = calloc(1, sizeof *made);
    if (!made) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a stream");
    made->pool = pool;
    made->session = session;
    made->options = options;
    made->learns = info.memory;
    made->report.size = sizeof made->report;
    made->marks = e2_alloc(options.window, sizeof *made->marks);
    if (!e2_tickets_init(&made->tickets, options.max_tickets, options.ticket_bytes) ||
        !e2_drift_init(&made->drift, options.window) || !made->marks)
        status = e2_fail(error, E2STR_ERROR_MEMORY, "out of memory for a stream");
    if (!status) status = e2_worths_follow(&made->worths, pool, error);
    if (!status) status = e2str_result_new(&made->probe, error);
    if (status) {
        e2str_stream_free(made);
        return status;
    }
    take_memory(made);
    if (made->worths.n) made->newest = made->worths.rows[made->worths.n - 1].id;
    for (size_t i = 0; i < made->worths.n; i++) made->changes += made->worths.rows[i].doubt < 0.0f;
    *stream = made;
    return E2STR_OK;
}

void e2str_stream_free(e2str_stream *stream) {
    if (!stream) return;
    e2_tickets_free(&stream->tickets);
    e2_worths_free(&stream->worths);
    e2_drift_free(&stream->drift);
    free(stream->marks);
    e2str_result_free(stream->probe);
    e2str_memory_free(stream->memory);
    free(stream);
}

/* ------------------------------------------------------------------------------------------------------ reading -- */

e2str_status e2str_stream_read(e2str_stream *stream, const e2str_image *image, const e2str_read_options *given,
                               e2str_result *result, uint64_t *ticket, e2str_error *error) {
    if (ticket) *ticket = 0;
    if (!stream || !image || !result || !ticket) {
        if (result) e2_result_clear(result);
        return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL",
                       !stream   ? "stream"
                       : !image  ? "image"
                       : !result ? "result"
                                 : "ticket");
    }
    e2str_read_options options;
    e2str_read_options_init(&options);
    e2str_status status = e2_options_read(&options, given, "e2str_read_options", error);
    if (status) {
        e2_result_clear(result);
        return status;
    }
    if (!options.memory) options.memory = stream->memory;
    status = e2str_read(stream->session, image, stream->pool, &options, result, error);
    if (status) return status;
    e2_ticket *kept = e2_ticket_new(&stream->tickets, image, result, &status);
    if (status) {
        e2_result_clear(result);
        return e2_fail(error, status, "out of memory for a ticket");
    }
    stream->report.reads++;
    if (kept) *ticket = e2_tickets_put(&stream->tickets, kept);
    return E2STR_OK;
}

/* ----------------------------------------------------------------------------------------------------- learning -- */

/* What a failed learning leaves undone is tried again when as much has changed once more. */
static e2str_status learn(e2str_stream *stream, e2str_error *error) {
    e2str_status status = e2str_pool_learn(stream->pool, stream->session, NULL, error);
    stream->changes = 0;
    if (!status) status = e2_worths_follow(&stream->worths, stream->pool, error);
    if (!status) take_memory(stream);
    stream->report.learnt += !status;
    return status;
}

static bool is_due(const e2str_stream *stream) {
    double share = (double)stream->options.learn_share * (double)e2str_pool_count(stream->pool);
    return stream->learns && (double)stream->changes >= fmax(share, stream->options.learn_least);
}

e2str_status e2str_stream_learn(e2str_stream *stream, e2str_error *error) {
    if (!stream) return e2_fail(error, E2STR_ERROR_ARGUMENT, "stream is NULL");
    return stream->changes && stream->learns ? learn(stream, error) : E2STR_OK;
}

e2str_status e2str_stream_save(e2str_stream *stream, const char *path, e2str_error *error) {
    if (!stream || !path) return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", stream ? "path" : "stream");
    e2str_status status = e2str_stream_learn(stream, error);
    return status ? status : e2str_pool_save(stream->pool, path, error);
}

/* ---------------------------------------------------------------------------------------------------- judgement -- */

/* Examples of the picture of `id`, which is among them. */
typedef struct alike {
    uint64_t ids[MOST_ALIKE];
    bool same_label[MOST_ALIKE];
    size_t n;
} alike;

static bool has_label(const e2str_pool *pool, uint64_t id, const char *text, size_t size) {
    char label[4096 + 1]; /* the longest there is */
    size_t found;
    return !e2str_pool_label(pool, id, label, sizeof label, &found, NULL) && found == size &&
           !memcmp(label, text, size);
}

static e2str_status find_alike(const e2str_stream *stream, uint64_t id, const char *text, size_t size, alike *found,
                               e2str_error *error) {
    float similarities[MOST_ALIKE];
    float *key = e2_alloc(stream->session->compute.model->vision.width, sizeof *key);
    if (!key) return e2_fail(error, E2STR_ERROR_MEMORY, "out of memory while comparing examples");
    e2str_status status = e2str_pool_key(stream->pool, id, key, error);
    if (!status)
        status =
            e2str_pool_nearest(stream->pool, key, MOST_ALIKE, SAME_PICTURE, found->ids, similarities, &found->n, error);
    free(key);
    for (size_t i = 0; !status && i < found->n; i++)
        found->same_label[i] = has_label(stream->pool, found->ids[i], text, size);
    return status;
}

/* What the examples of the same picture make of the one that was just added. Returns the one that says the same; 0:
 * none does. */
static uint64_t decide(const e2str_stream *stream, const alike *found, e2str_correction *c) {
    uint64_t twin = 0;
    for (size_t i = 0; i < found->n; i++) {
        if (found->ids[i] == c->id) continue;
        if (!found->same_label[i] && !c->other) c->other = found->ids[i];
        if (found->same_label[i] && (!twin || found->ids[i] < twin)) twin = found->ids[i];
    }
    bool older_wins = stream->options.contradiction == E2STR_OLDER_WINS;
    c->outcome = c->other && older_wins ? E2STR_OUTCOME_REFUSED
                 : c->other             ? E2STR_OUTCOME_REPLACED
                 : twin                 ? E2STR_OUTCOME_REPEATED
                                        : E2STR_OUTCOME_ADDED;
    return twin;
}

static void remove_contradicted(e2str_stream *stream, const alike *found, uint64_t added) {
    for (size_t i = 0; i < found->n; i++)
        if (found->ids[i] != added && !found->same_label[i] && !e2str_pool_remove(stream->pool, found->ids[i], NULL))
            stream->changes++;
}

/* Brings a pool that is above its cap below it, by a share: the next ones need no learning each. */
static e2str_status drop(e2str_stream *stream, uint64_t newest, e2str_correction *c, e2str_error *error) {
    const e2str_stream_options *o = &stream->options;
    e2_cap cap = {o->max_examples, o->max_bytes}, wanted = cap;
    if (!e2_cap_is_exceeded(&cap, stream->pool)) return E2STR_OK;
    uint64_t room = (uint64_t)((double)cap.examples * (double)o->learn_share);
    if (room) wanted.examples = cap.examples + 1 - room;
    wanted.bytes = cap.bytes - (uint64_t)((double)cap.bytes * (double)o->learn_share);
    if (cap.bytes && !wanted.bytes) wanted.bytes = 1;
    e2str_status status = e2_drop_examples(stream->pool, &stream->worths, o->drop, o->seed + stream->report.added,
                                           newest, &cap, &wanted, &c->dropped, error);
    stream->changes += c->dropped;
    return status;
}

/* Adds the ticket's picture with its text, unless it is there. On failure the pool has no example more than before. */
static e2str_status add(e2str_stream *stream, const e2_ticket *ticket, const char *text, size_t size,
                        e2str_correction *c, e2str_error *error) {
    alike found = {.n = 0};
    uint64_t added, twin = 0;
    e2str_status status = e2str_pool_add(stream->pool, stream->session, &ticket->image, text, size, &added, error);
    if (status) return status;
    c->id = added;
    status = find_alike(stream, added, text, size, &found, error);
    if (!status) twin = decide(stream, &found, c);
    if (!status && c->outcome == E2STR_OUTCOME_ADDED) status = drop(stream, added, c, error);
    bool stays = !status && !twin && c->outcome != E2STR_OUTCOME_REFUSED;
    if (stays)
        stream->changes++;
    else
        e2str_pool_remove(stream->pool, added, NULL);
    if (!stays) c->id = twin;
    if (status) return status;
    stream->report.added += stays;
    if (stays) stream->newest = added;
    if (c->outcome == E2STR_OUTCOME_REPLACED) {
        remove_contradicted(stream, &found, added);
        drop(stream, added, c, NULL); /* it may be some bytes larger: if this fails, the next one brings it down */
    }
    return E2STR_OK;
}

/* One more judgement, before which `newest` was the last example: with drift, those that were there before the window
 * are of what the stream was. */
static bool has_drifted(e2str_stream *stream, bool right, uint64_t newest) {
    uint64_t number = stream->drift.judged;
    uint32_t window = stream->options.window;
    stream->marks[number % window] = newest;
    if (!e2_drift_judge(&stream->drift, right)) return false;
    stream->worths.old = stream->marks[(number + 1) % window];
    return true;
}

static void count(e2str_stream *stream, const e2str_correction *c) {
    e2str_stream_report *r = &stream->report;
    r->judged++;
    r->right += c->right;
    r->repeated += c->outcome == E2STR_OUTCOME_REPEATED;
    r->contradicted += c->outcome == E2STR_OUTCOME_REPLACED || c->outcome == E2STR_OUTCOME_REFUSED;
    r->dropped += c->dropped;
}

/* Whether one more example stays within the cap, if it is as large as the others are in the mean. */
static bool has_room(const e2str_stream *stream) {
    const e2str_stream_options *o = &stream->options;
    uint64_t n = e2str_pool_count(stream->pool), bytes = e2str_pool_bytes(stream->pool);
    return (!o->max_examples || n < o->max_examples) && (!o->max_bytes || !n || bytes + bytes / n <= o->max_bytes);
}

/* Whether it shall be an example: of what was read right as no text there can be none, since a label is never empty. */
static bool is_wanted(const e2str_stream *stream, bool right, size_t size) {
    e2str_add_right when = stream->options.add_right;
    if (right && !size) return false;
    return !right || when == E2STR_ADD_RIGHT_ALWAYS || (when == E2STR_ADD_RIGHT_WITH_ROOM && has_room(stream));
}

/* Reads a judged picture once more, to see which examples of the memory act on it: that takes as long as a read or two,
 * and is not done for those that are never judged. */
static e2str_status probe(e2str_stream *stream, const e2_ticket *ticket, e2str_error *error) {
    e2str_read_options options;
    e2str_read_options_init(&options);
    options.k = 0;
    options.memory = stream->memory;
    options.influences = E2STR_MAX_INFLUENCES;
    e2_result_clear(stream->probe);
    if (!stream->memory) return E2STR_OK;
    return e2str_read(stream->session, &ticket->image, NULL, &options, stream->probe, error);
}

/* text NULL: the one that was read. */
static e2str_status judge(e2str_stream *stream, uint64_t number, const char *text, size_t size, e2str_correction *c,
                          e2str_error *error) {
    const e2_ticket *ticket = e2_tickets_find(&stream->tickets, number);
    if (!ticket)
        return e2_fail(error, E2STR_ERROR_NOT_FOUND,
                       "ticket %" PRIu64 " is not open: it was never given, is judged, or older than the last %u",
                       number, stream->options.max_tickets);
    if (!text) {
        text = ticket->text;
        size = ticket->text_size;
    }
    c->right = size == ticket->text_size && !memcmp(text, ticket->text, size);
    uint64_t newest = stream->newest;
    e2str_status status = probe(stream, ticket, error);
    if (!status && is_wanted(stream, c->right, size)) status = add(stream, ticket, text, size, c, error);
    if (status) return status;
    e2_worths_judge(&stream->worths, stream->probe, text, size);
    c->drift = has_drifted(stream, c->right, newest);
    e2_tickets_close(&stream->tickets, number);
    count(stream, c);
    if (stream->learns && (c->dropped || is_due(stream))) {
        c->learning = learn(stream, error);
        c->learnt = !c->learning;
    }
    return E2STR_OK;
}

static e2str_status judge_and_answer(e2str_stream *stream, uint64_t number, const char *text, size_t size,
                                     e2str_correction *answer, e2str_error *error) {
    e2str_correction found = {.size = sizeof found};
    e2str_status status = E2STR_OK;
    if (answer) status = e2_answer_write(answer, &found, "e2str_correction", error); /* before anything is done */
    if (!status) status = judge(stream, number, text, size, &found, error);
    if (!status && answer) status = e2_answer_write(answer, &found, "e2str_correction", error);
    return status;
}

e2str_status e2str_stream_correct(e2str_stream *stream, uint64_t ticket, const char *text, size_t text_size,
                                  e2str_correction *answer, e2str_error *error) {
    if (!stream || !text) return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", stream ? "text" : "stream");
    return judge_and_answer(stream, ticket, text, text_size == SIZE_MAX ? strlen(text) : text_size, answer, error);
}

e2str_status e2str_stream_confirm(e2str_stream *stream, uint64_t ticket, e2str_correction *answer, e2str_error *error) {
    if (!stream) return e2_fail(error, E2STR_ERROR_ARGUMENT, "stream is NULL");
    return judge_and_answer(stream, ticket, NULL, 0, answer, error);
}

/* ------------------------------------------------------------------------------------------------------ answers -- */

e2str_status e2str_stream_get_report(const e2str_stream *stream, e2str_stream_report *report, e2str_error *error) {
    if (!stream || !report) return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", stream ? "report" : "stream");
    e2str_stream_report known = stream->report;
    known.examples = e2str_pool_count(stream->pool);
    known.bytes = e2str_pool_bytes(stream->pool);
    known.changes = stream->changes;
    known.tickets = stream->tickets.open;
    known.recent = e2_drift_recent(&stream->drift);
    known.before = e2_drift_before(&stream->drift);
    known.drifts = stream->drift.drifts;
    known.drift_at = stream->drift.at;
    known.drift_from = stream->drift.from;
    known.drift_to = stream->drift.to;
    return e2_answer_write(report, &known, "e2str_stream_report", error);
}

e2str_status e2str_stream_use(const e2str_stream *stream, uint64_t id, float *amount, e2str_error *error) {
    if (!stream || !amount) return e2_fail(error, E2STR_ERROR_ARGUMENT, "%s is NULL", stream ? "amount" : "stream");
    size_t size;
    e2str_status status = e2str_pool_label(stream->pool, id, NULL, 0, &size, error);
    *amount = status ? 0.0f : (float)e2_worths_of(&stream->worths, id);
    return status;
}
