/* SPDX-License-Identifier: MIT */
/* What a read found, as JSON (docs/json-lines.md). */
#include "command.h"

#include <stdlib.h>

static void write_alternatives(FILE *to, const e2str_result *result, size_t character) {
    size_t count = e2str_result_alternatives(result, character);
    fputs(",\"alternatives\":[", to);
    for (size_t rank = 0; rank < count; rank++) {
        const char *text = "";
        float probability = 0;
        e2str_result_alternative(result, character, rank, &text, &probability, NULL);
        write_json(to, rank ? ",{\"text\":" : "{\"text\":", text, SIZE_MAX);
        write_number(to, ",\"probability\":", probability);
        fputc('}', to);
    }
    fputc(']', to);
}

size_t influence_character(const e2str_influence *influence, const char *label, size_t size, const char **at) {
    uint32_t code;
    *at = label && influence->offset <= size ? label + influence->offset : NULL;
    return *at ? utf8_next(*at, SIZE_MAX, &code) : 0;
}

static void write_influence(FILE *to, const invocation *run, const e2str_influence *influence) {
    size_t size = 0;
    char *label = pool_label(run, influence->example, &size, NULL);
    const char *character;
    size_t length = influence_character(influence, label, size, &character);
    fprintf(to, "{\"id\":%llu", (unsigned long long)influence->example);
    write_json(to, ",\"label\":", label, size);
    fprintf(to, ",\"offset\":%zu", influence->offset);
    write_json(to, ",\"character\":", character, length);
    write_number(to, ",\"amount\":", influence->amount);
    fputc('}', to);
    free(label);
}

/* The characters of examples that did most of what the memory did, the strongest first. */
static void write_influences(FILE *to, const invocation *run, const e2str_result *result, size_t character) {
    size_t count = e2str_result_influences(result, character);
    fputs(",\"influences\":[", to);
    for (size_t rank = 0; rank < count; rank++) {
        e2str_influence influence = {0};
        e2str_result_influence(result, character, rank, &influence, NULL);
        if (rank) fputc(',', to);
        write_influence(to, run, &influence);
    }
    fputc(']', to);
}

/* Where a character lies: a rectangle, or in a cut out of a page its four corners there. */
static void write_box(FILE *to, const e2str_result *result, size_t character, const crop_place *place) {
    e2str_box box = {0};
    e2str_result_box(result, character, &box, NULL);
    const float x[4] = {box.left, box.right, box.right, box.left}, y[4] = {box.top, box.top, box.bottom, box.bottom};
    for (int i = 0; i < 4 && place; i++) {
        float across = 0, down = 0;
        e2str_image_cut_point(place->corners, place->width, place->height, x[i], y[i], &across, &down, NULL);
        write_number(to, i ? ",[" : ",\"corners\":[[", across);
        write_number(to, ",", down);
        fputc(']', to);
    }
    const float edges[4] = {box.left, box.top, box.right, box.bottom};
    for (int i = 0; i < 4 && !place; i++) write_number(to, i ? "," : ",\"box\":[", edges[i]);
    write_number(to, "],\"evidence\":", box.evidence);
}

/* How much the decoder looked at each patch when it wrote a character. */
static void write_attention(FILE *to, const e2str_result *result, size_t character) {
    const float *weights = NULL;
    uint32_t rows = 0, columns = 0;
    e2str_result_attention(result, character, &weights, &rows, &columns, NULL);
    for (uint32_t i = 0; i < rows * columns; i++) {
        const char *between = i % columns ? "," : i ? "],[" : ",\"attention\":[[";
        write_number(to, between, (double)weights[i]);
    }
    fputs("]]", to);
}

static void write_characters(FILE *to, const invocation *run, const e2str_result *result, const crop_place *place) {
    const char *text = e2str_result_text(result);
    size_t count = e2str_result_characters(result);
    fputs(",\"characters\":[", to);
    for (size_t i = 0; i < count; i++) {
        e2str_character character = {0};
        e2str_result_character(result, i, &character, NULL);
        write_json(to, i ? ",{\"text\":" : "{\"text\":", text + character.offset, character.length);
        write_number(to, ",\"probability\":", character.probability);
        if (run->read.places) write_box(to, result, i, place);
        if (run->read.alternatives) write_alternatives(to, result, i);
        if (run->pool) write_number(to, ",\"memory\":", e2str_result_memory(result, i));
        if (run->read.influences) write_influences(to, run, result, i);
        if (run->read.attention) write_attention(to, result, i);
        fputc('}', to);
    }
    fputc(']', to);
}

static void write_examples(FILE *to, const invocation *run, const e2str_result *result) {
    size_t count = e2str_result_examples(result);
    fputs(",\"examples\":[", to);
    for (size_t i = 0; i < count; i++) {
        uint64_t id = 0;
        float similarity = 0;
        size_t size = 0;
        e2str_result_example(result, i, &id, &similarity, NULL);
        fprintf(to, "%s{\"id\":%llu", i ? "," : "", (unsigned long long)id);
        write_number(to, ",\"similarity\":", similarity);
        char *label = pool_label(run, id, &size, NULL);
        write_json(to, ",\"label\":", label, size);
        free(label);
        fputc('}', to);
    }
    fputc(']', to);
}

static void write_area(FILE *to, const e2str_result *result) {
    e2str_area area = {0};
    e2str_result_area(result, &area, NULL);
    fprintf(to, ",\"area\":{\"x\":%u,\"y\":%u,\"width\":%u,\"height\":%u,\"rotate\":%u}", area.x, area.y, area.width,
            area.height, area.rotate);
}

void write_reading(FILE *to, const invocation *run, const e2str_result *result, const crop_place *place) {
    write_json(to, "\"text\":", e2str_result_text(result), e2str_result_text_size(result));
    write_number(to, ",\"score\":", e2str_result_score(result));
    write_number(to, ",\"confidence\":", e2str_result_confidence(result));
    write_number(to, ",\"textless\":", e2str_result_textless(result));
    fprintf(to, ",\"rejected\":%s", e2str_result_rejected(result) ? "true" : "false");
    write_number(to, ",\"end_probability\":", e2str_result_end_probability(result));
    fprintf(to, ",\"truncated\":%s", e2str_result_truncated(result) ? "true" : "false");
    if (run->read.second_look > 0) fprintf(to, ",\"second_look\":%d", e2str_result_second_look(result));
    if (run->constraint) fprintf(to, ",\"unmatched\":%s", e2str_result_unmatched(result) ? "true" : "false");
    write_area(to, result);
    write_characters(to, run, result, place);
    write_examples(to, run, result);
}

void write_error(FILE *to, e2str_status status, const e2str_error *error) {
    write_json(to, "\"status\":", e2str_status_name(status), SIZE_MAX);
    write_json(to, ",\"error\":", error->message, SIZE_MAX);
}
