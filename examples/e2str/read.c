/* SPDX-License-Identifier: MIT */
/* e2str read: one line per image. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

static void write_alternatives(const e2str_result *result, size_t character) {
    size_t count = e2str_result_alternatives(result, character);
    fputs(",\"alternatives\":[", stdout);
    for (size_t rank = 0; rank < count; rank++) {
        const char *text = "";
        float probability = 0;
        e2str_result_alternative(result, character, rank, &text, &probability, NULL);
        write_json(rank ? ",{\"text\":" : "{\"text\":", text, SIZE_MAX);
        write_number(",\"probability\":", probability);
        putchar('}');
    }
    putchar(']');
}

static void write_influence(const invocation *run, const e2str_influence *influence) {
    size_t size = 0;
    char *label = pool_label(run, influence->example, &size);
    const char *character = label && influence->offset <= size ? label + influence->offset : NULL; /* "": the end */
    uint32_t code;
    printf("{\"id\":%llu", (unsigned long long)influence->example);
    write_json(",\"label\":", label, size);
    printf(",\"offset\":%zu", influence->offset);
    write_json(",\"character\":", character, character ? utf8_next(character, SIZE_MAX, &code) : 0);
    write_number(",\"amount\":", influence->amount);
    putchar('}');
    free(label);
}

/* The characters of examples that did most of what the memory did, the strongest first. */
static void write_influences(const invocation *run, const e2str_result *result, size_t character) {
    size_t count = e2str_result_influences(result, character);
    fputs(",\"influences\":[", stdout);
    for (size_t rank = 0; rank < count; rank++) {
        e2str_influence influence = {0};
        e2str_result_influence(result, character, rank, &influence, NULL);
        if (rank) putchar(',');
        write_influence(run, &influence);
    }
    putchar(']');
}

static void write_box(const e2str_result *result, size_t character) {
    e2str_box box = {0};
    e2str_result_box(result, character, &box, NULL);
    write_number(",\"box\":[", box.left);
    write_number(",", box.top);
    write_number(",", box.right);
    write_number(",", box.bottom);
    write_number("],\"evidence\":", box.evidence);
}

static void write_characters(const invocation *run, const e2str_result *result) {
    const char *text = e2str_result_text(result);
    size_t count = e2str_result_characters(result);
    fputs(",\"characters\":[", stdout);
    for (size_t i = 0; i < count; i++) {
        e2str_character character = {0};
        e2str_result_character(result, i, &character, NULL);
        write_json(i ? ",{\"text\":" : "{\"text\":", text + character.offset, character.length);
        write_number(",\"probability\":", character.probability);
        if (run->read.places) write_box(result, i);
        if (run->read.alternatives) write_alternatives(result, i);
        if (run->pool) write_number(",\"memory\":", e2str_result_memory(result, i));
        if (run->read.influences) write_influences(run, result, i);
        putchar('}');
    }
    putchar(']');
}

static void write_examples(const invocation *run, const e2str_result *result) {
    size_t count = e2str_result_examples(result);
    fputs(",\"examples\":[", stdout);
    for (size_t i = 0; i < count; i++) {
        uint64_t id = 0;
        float similarity = 0;
        size_t size = 0;
        e2str_result_example(result, i, &id, &similarity, NULL);
        printf("%s{\"id\":%llu", i ? "," : "", (unsigned long long)id);
        write_number(",\"similarity\":", similarity);
        char *label = pool_label(run, id, &size);
        write_json(",\"label\":", label, size);
        free(label);
        putchar('}');
    }
    putchar(']');
}

static void write_area(const e2str_result *result) {
    e2str_area area = {0};
    e2str_result_area(result, &area, NULL);
    printf(",\"area\":{\"x\":%u,\"y\":%u,\"width\":%u,\"height\":%u,\"rotate\":%u}", area.x, area.y, area.width,
           area.height, area.rotate);
}

static void write_result(const invocation *run, const char *path, const e2str_result *result) {
    write_json("{\"image\":", path, SIZE_MAX);
    write_json(",\"text\":", e2str_result_text(result), e2str_result_text_size(result));
    write_number(",\"score\":", e2str_result_score(result));
    write_number(",\"confidence\":", e2str_result_confidence(result));
    write_number(",\"textless\":", e2str_result_textless(result));
    printf(",\"rejected\":%s", e2str_result_rejected(result) ? "true" : "false");
    write_number(",\"end_probability\":", e2str_result_end_probability(result));
    printf(",\"truncated\":%s", e2str_result_truncated(result) ? "true" : "false");
    if (run->constraint) printf(",\"unmatched\":%s", e2str_result_unmatched(result) ? "true" : "false");
    write_area(result);
    write_characters(run, result);
    write_examples(run, result);
    putchar('}');
}

/* Both outputs have a line for each image that was read; JSON has one for those that failed, too. */
static void write_failure(const invocation *run, const char *path, e2str_status status, const e2str_error *error) {
    complain_of_image(0, path, error);
    if (!run->json) return;
    write_json("{\"image\":", path, SIZE_MAX);
    write_json(",\"status\":", e2str_status_name(status), SIZE_MAX);
    write_json(",\"error\":", error->message, SIZE_MAX);
    putchar('}');
}

int run_read(invocation *run) {
    int wrong = make_constraint(run);
    if (wrong) return wrong;
    if (!open_model(run, true)) return FAILED;
    if (run->pool_path && !load_pool(run, run->pool_path)) return FAILED;
    int outcome = OK;
    for (int i = 0; i < run->n_operands; i++) {
        const char *path = run->operands[i];
        e2str_error error = {{0}};
        e2str_image image;
        show_progress("reading", (size_t)i, (size_t)run->n_operands);
        e2str_status status = load_image(run, path, &image, &error);
        if (!status) status = e2str_read(run->session, &image, run->pool, &run->read, run->result, &error);
        e2str_image_free(&image);
        if (status) {
            outcome = FAILED;
            write_failure(run, path, status, &error);
            if (!run->json) continue;
        } else if (run->json) {
            write_result(run, path, run->result);
        } else {
            write_text("", path);
            write_text("\t", e2str_result_rejected(run->result) ? "" : e2str_result_text(run->result));
            printf("\t%.3f", e2str_result_score(run->result));
            if (e2str_result_unmatched(run->result)) complain("%s: no text fits; this one is read freely", path);
        }
        if (!end_line()) return FAILED;
    }
    show_progress("reading", (size_t)run->n_operands, (size_t)run->n_operands);
    return outcome;
}
