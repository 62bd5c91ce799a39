/* SPDX-License-Identifier: MIT */
/* What e2str explain found, in words and as JSON. */
#include "explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------ for people --
 */

static void write_logs(FILE *to, const char *before, double value) {
    if (isnan(value))
        fprintf(to, "%s-", before);
    else
        fprintf(to, "%s%+.2f", before, value);
}

static void write_ways(FILE *to, const explanation *e) {
    fputs("\nread\tscore\tlog-probability of this text\twhat is read\n", to);
    for (int way = 0; way < WAYS; way++) {
        const explained_way *w = &e->ways[way];
        if (!w->possible) continue;
        fprintf(to, "%s\t%.3f", way_names[way], (double)w->score);
        write_logs(to, "\t", w->log_probability);
        write_text(to, "\t", w->text);
        fputc('\n', to);
    }
}

static void write_alternatives(FILE *to, const e2str_result *result, size_t character) {
    size_t count = e2str_result_alternatives(result, character);
    for (size_t rank = 0; rank < count; rank++) {
        const char *text = "";
        float probability = 0;
        e2str_result_alternative(result, character, rank, &text, &probability, NULL);
        write_text(to, rank ? " " : "\t", *text ? text : "(end)");
        fprintf(to, " %.3f", (double)probability);
    }
    if (!count) fputc('\t', to);
}

/* The label with the character in brackets. */
static void write_marked(FILE *to, const e2str_influence *influence, const char *label, size_t size) {
    const char *at;
    size_t length = influence_character(influence, label, size, &at);
    char *marked = at && label ? malloc(size + 4) : NULL;
    if (marked) {
        size_t before = (size_t)(at - label);
        memcpy(marked, label, before);
        marked[before] = '[';
        memcpy(marked + before + 1, at, length);
        marked[before + length + 1] = ']';
        strcpy(marked + before + length + 2, at + length);
    }
    write_text(to, " ", marked ? marked : label ? label : "");
    free(marked);
}

static void write_influences(FILE *to, const explanation *e, size_t character) {
    const e2str_result *result = e->run->result;
    for (size_t rank = 0; rank < e2str_result_influences(result, character); rank++) {
        e2str_influence influence = {0};
        size_t size = 0;
        e2str_result_influence(result, character, rank, &influence, NULL);
        char *label = pool_label(e->run, influence.example, &size, NULL);
        fprintf(to, "%s%llu", rank ? ", " : "\t", (unsigned long long)influence.example);
        write_marked(to, &influence, label, size);
        fprintf(to, " %+.2f", (double)influence.amount);
        free(label);
    }
}

static void write_characters(FILE *to, const explanation *e) {
    const e2str_result *result = e->run->result;
    fputs("\ncharacter\tprobability\tlooked at\talternatives\tmemory\tmoved by\n", to);
    for (size_t i = 0; i < e2str_result_characters(result); i++) {
        e2str_character character = {0};
        char text[8] = "";
        double centre = looked_at(e, i);
        e2str_result_character(result, i, &character, NULL);
        if (character.length < sizeof text)
            memcpy(text, e2str_result_text(result) + character.offset, character.length);
        write_text(to, "", text);
        fprintf(to, "\t%.3f", (double)character.probability);
        if (isnan(centre))
            fputs("\t-", to);
        else
            fprintf(to, "\t%.0f%% across", 100 * centre);
        write_alternatives(to, result, i);
        fprintf(to, "\t%+.2f", (double)e2str_result_memory(result, i));
        write_influences(to, e, i);
        fputc('\n', to);
    }
}

static void write_examples(FILE *to, const explanation *e) {
    if (!e->n_examples) return;
    fputs("\nexample in the prompt\tsimilarity\tits share\tlost without it\tlabel\n", to);
    for (size_t i = 0; i < e->n_examples; i++) {
        const explained_example *example = &e->examples[i];
        fprintf(to, "%llu\t%.3f", (unsigned long long)example->id, (double)example->similarity);
        write_logs(to, "\t", example->shapley);
        write_logs(to, "\t", example->without);
        write_text(to, "\t", example->label);
        fputc('\n', to);
    }
}

void write_explanation(FILE *to, const explanation *e) {
    const e2str_result *result = e->run->result;
    write_text(to, "", e->path);
    write_text(to, "\t", e2str_result_rejected(result) ? "" : e2str_result_text(result));
    fprintf(
        to, "\t%.3f\nconfidence %.3f, without a text %.3f; log-probability %.2f; read: %u x %u pixels from %u, %u\n",
        (double)e2str_result_score(result), (double)e2str_result_confidence(result),
        (double)e2str_result_textless(result), e->log_probability, e->area.width, e->area.height, e->area.x, e->area.y);
    if (e2str_result_rejected(result)) {
        write_text(to, "rejected: ", e2str_result_text(result));
        fprintf(to, " has a confidence below %g\n", (double)e->run->read.reject_below);
    }
    if (e->first_look) {
        write_text(to, "second look: ", e->first_look);
        fputs(e2str_result_second_look(result) > 1 ? " was replaced\n" : " stays\n", to);
    }
    write_ways(to, e);
    write_characters(to, e);
    write_examples(to, e);
}

/* ------------------------------------------------------------------------------------------------------------ JSON --
 */

static void write_json_ways(FILE *to, const explanation *e) {
    const char *before = ",\"ways\":{";
    for (int way = 0; way < WAYS; way++) {
        const explained_way *w = &e->ways[way];
        if (!w->possible) continue;
        write_json(to, before, way_names[way], SIZE_MAX);
        write_json(to, ":{\"text\":", w->text, SIZE_MAX);
        write_number(to, ",\"score\":", (double)w->score);
        write_number(to, ",\"log_probability\":", w->log_probability);
        fputc('}', to);
        before = ",";
    }
    fputc('}', to);
}

static void write_json_prompt(FILE *to, const explanation *e) {
    fputs(",\"prompt\":[", to);
    for (size_t i = 0; i < e->n_examples; i++) {
        const explained_example *example = &e->examples[i];
        fprintf(to, "%s{\"id\":%llu", i ? "," : "", (unsigned long long)example->id);
        write_number(to, ",\"without\":", example->without);
        write_number(to, ",\"shapley\":", example->shapley);
        fputc('}', to);
    }
    fputc(']', to);
}

void write_explanation_json(FILE *to, const explanation *e) {
    write_json_name(to, "{", "image", e->path);
    fputc(',', to);
    write_reading(to, e->run, e->run->result, NULL);
    write_number(to, ",\"log_probability\":", e->log_probability);
    if (e->first_look) write_json(to, ",\"first_look\":", e->first_look, SIZE_MAX);
    write_json_ways(to, e);
    write_json_prompt(to, e);
    fputs("}\n", to);
}
