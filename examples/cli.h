/* What the files of the e2str command share. The command uses the public interface and nothing else of the library.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CLI_H
#define CLI_H

#include <e2str.h>

#include <stdbool.h>
#include <stdio.h>

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 }; /* exit statuses */

/* One run: the options and operands as given, then what was opened for them. */
typedef struct cli {
    const char *model_path, *pool_path, *labels_path; /* NULL: not given */
    e2str_model_options model_options;
    e2str_session_options session_options;
    e2str_read_options read;
    e2str_pool_options pool_options;
    uint32_t rotate;
    bool json, verbose, shuffle, random_examples;
    uint64_t seed, random_seed;
    size_t limit, skip, pool_first; /* limit: SIZE_MAX = all */
    char **operands;
    int n_operands;

    char *model_found; /* the path that was opened; freed by cli_close */
    e2str_model *model;
    e2str_session *session;
    e2str_result *result;
    e2str_pool *pool;
} cli;

/* ---- the commands; each returns an exit status ---- */
int cli_read(cli *run);
int cli_pool_add(cli *run);
int cli_pool_list(cli *run);
int cli_pool_remove(cli *run);
int cli_pool_info(cli *run);
int cli_eval(cli *run);
int cli_info(cli *run);

int cli_print_pool(const cli *run, const char *path); /* of run->pool, loaded from path */

/* ---- cli_open.c: each writes a message to stderr when it fails ---- */

/* The model of -m, else of E2STR_MODEL, else the shipped one; with session and result if `reading`. */
bool cli_open_model(cli *run, bool reading);
bool cli_load_pool(cli *run, const char *path);
/* `-` is standard input. *error is filled as well, for those who report it elsewhere too; not printed. */
e2str_status cli_load_image(const cli *run, const char *path, e2str_image *image, e2str_error *error);
/* Loads an image and adds it to run->pool. */
e2str_status cli_add_example(cli *run, const char *path, const char *label, uint64_t *id, e2str_error *error);
char *cli_pool_label(const cli *run, uint64_t id, size_t *size); /* NULL: none, or no memory; the caller frees */
void cli_close(cli *run);
/* The whole file; NULL with errno. The caller frees. */
char *cli_read_file(FILE *file, size_t *size);

/* ---- cli_labels.c ---- */

typedef struct cli_label {
    char *path, *text; /* the path as it can be opened */
    size_t line;       /* from 1 */
} cli_label;

typedef struct cli_labels {
    cli_label *rows;
    size_t count;
    size_t bad; /* lines that were left out, each with a message */
} cli_labels;

/* `image <TAB> text` per line; the image relative to the file's folder or to images/ beside it. */
bool cli_labels_load(cli_labels *labels, const char *path);
/* Fisher-Yates with splitmix64: the same order for the same seed on every machine. */
void cli_labels_shuffle(cli_labels *labels, uint64_t seed);
void cli_labels_free(cli_labels *labels);
uint64_t cli_splitmix64(uint64_t *state);

/* ---- cli_output.c ---- */

#if defined(__GNUC__) || defined(__clang__)
#define CLI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CLI_PRINTF(text, first)
#endif
void cli_warn(const char *format, ...) CLI_PRINTF(1, 2); /* one line on stderr, after "e2str: " */
/* The message with the path before it, if it does not begin with that already; `where` may be "". */
void cli_warn_image(const char *where, const char *path, const e2str_error *error);
/* `what done/total` on stderr when that is a terminal and stdout is not the same screen; done == total wipes it. */
void cli_progress(const char *what, size_t done, size_t total);
void cli_write_tsv(const char *text);               /* control characters become U+FFFD, so that a line stays a line */
void cli_write_json(const char *text, size_t size); /* a JSON string with its quotes; bytes that are no UTF-8: U+FFFD */
void cli_write_number(double value);
double cli_milliseconds(void);
/* Ends a line of output: flushes it; false when the output cannot be written any more. */
bool cli_end_line(void);

#endif
