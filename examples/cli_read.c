/* e2str read: one line per image. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static void write_alternatives(const e2str_result *result, size_t character) {
    size_t count = e2str_result_alternatives(result, character);
    fputs(",\"alternatives\":[", stdout);
    for (size_t rank = 0; rank < count; rank++) {
        const char *text = "";
        float probability = 0;
        e2str_result_alternative(result, character, rank, &text, &probability, NULL);
        fputs(rank ? ",{\"text\":" : "{\"text\":", stdout);
        cli_write_json(text, strlen(text));
        fputs(",\"probability\":", stdout);
        cli_write_number(probability);
        putchar('}');
    }
    putchar(']');
}

static void write_characters(const cli *run, const e2str_result *result) {
    const char *text = e2str_result_text(result);
    size_t count = e2str_result_characters(result);
    fputs(",\"characters\":[", stdout);
    for (size_t i = 0; i < count; i++) {
        e2str_character character = {0};
        e2str_result_character(result, i, &character, NULL);
        fputs(i ? ",{\"text\":" : "{\"text\":", stdout);
        cli_write_json(text + character.offset, character.length);
        fputs(",\"probability\":", stdout);
        cli_write_number(character.probability);
        if (run->read.alternatives) write_alternatives(result, i);
        putchar('}');
    }
    putchar(']');
}

static void write_examples(const cli *run, const e2str_result *result) {
    size_t count = e2str_result_examples(result);
    fputs(",\"examples\":[", stdout);
    for (size_t i = 0; i < count; i++) {
        uint64_t id = 0;
        float similarity = 0;
        size_t size;
        e2str_result_example(result, i, &id, &similarity, NULL);
        printf("%s{\"id\":%llu,\"similarity\":", i ? "," : "", (unsigned long long)id);
        cli_write_number(similarity);
        fputs(",\"label\":", stdout);
        char *label = cli_pool_label(run, id, &size);
        if (label)
            cli_write_json(label, size);
        else
            fputs("null", stdout);
        free(label);
        putchar('}');
    }
    putchar(']');
}

static void write_json(const cli *run, const char *path, const e2str_result *result) {
    fputs("{\"image\":", stdout);
    cli_write_json(path, strlen(path));
    fputs(",\"text\":", stdout);
    cli_write_json(e2str_result_text(result), e2str_result_text_size(result));
    fputs(",\"score\":", stdout);
    cli_write_number(e2str_result_score(result));
    fputs(",\"end_probability\":", stdout);
    cli_write_number(e2str_result_end_probability(result));
    printf(",\"truncated\":%s", e2str_result_truncated(result) ? "true" : "false");
    write_characters(run, result);
    write_examples(run, result);
    putchar('}');
}

/* Both outputs have a line for each image that was read; JSON has one for those that failed, too. */
static void write_failure(const cli *run, const char *path, e2str_status status, const e2str_error *error) {
    cli_warn_image("", path, error);
    if (!run->json) return;
    fputs("{\"image\":", stdout);
    cli_write_json(path, strlen(path));
    fputs(",\"status\":", stdout);
    cli_write_json(e2str_status_name(status), strlen(e2str_status_name(status)));
    fputs(",\"error\":", stdout);
    cli_write_json(error->message, strlen(error->message));
    putchar('}');
}

int cli_read(cli *run) {
    if (!cli_open_model(run, true)) return CLI_FAILED;
    if (run->pool_path && !cli_load_pool(run, run->pool_path)) return CLI_FAILED;
    int outcome = CLI_OK;
    for (int i = 0; i < run->n_operands; i++) {
        const char *path = run->operands[i];
        e2str_error error = {{0}};
        e2str_image image;
        cli_progress("reading", (size_t)i, (size_t)run->n_operands);
        e2str_status status = cli_load_image(run, path, &image, &error);
        if (!status) status = e2str_read(run->session, &image, run->pool, &run->read, run->result, &error);
        e2str_image_free(&image);
        if (status) {
            outcome = CLI_FAILED;
            write_failure(run, path, status, &error);
            if (!run->json) continue;
        } else if (run->json) {
            write_json(run, path, run->result);
        } else {
            cli_write_tsv(path);
            putchar('\t');
            cli_write_tsv(e2str_result_text(run->result));
            printf("\t%.3f", e2str_result_score(run->result));
        }
        if (!cli_end_line()) return CLI_FAILED;
    }
    cli_progress("reading", (size_t)run->n_operands, (size_t)run->n_operands);
    return outcome;
}
