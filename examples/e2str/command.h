/* What the files of the e2str command share. The command uses the public interface and nothing else of the library.
 *
 * SPDX-License-Identifier: MIT */
#ifndef COMMAND_H
#define COMMAND_H

#include <e2str.h>

#include <stdbool.h>
#include <stdio.h>

enum { OK = 0, FAILED = 1, USAGE = 2 }; /* exit statuses */

#define NOT_GIVEN UINT32_MAX /* of options of explain whose default is not 0 */

typedef enum progress_wish { PROGRESS_IF_SEEN, PROGRESS_NEVER, PROGRESS_ALWAYS } progress_wish;
typedef enum page_format { FORMAT_TEXT, FORMAT_TSV, FORMAT_HOCR, FORMAT_ALTO, FORMAT_JSON } page_format;

/* One run of the command: the options and operands as given, then what was opened for them. */
typedef struct invocation {
    const char *model_path, *pool_path, *labels_path, *files_path, *boxes_path, *page_path; /* NULL: not given */
    e2str_model_options model_options;
    e2str_session_options session_options;
    e2str_read_options read;
    e2str_pool_options pool_options;
    e2str_learn_options learn;
    e2str_image_limits image_limits;
    e2str_constraint_options constraint_options;
    e2str_stream_options stream;
    uint32_t rotate;
    e2str_trim trim;
    e2str_archive_options archive_options;
    uint32_t json, verbose, hard, no_learn, null_names, page_number, split, force; /* 0: not given */
    uint32_t always_trim, never_trim;
    uint32_t jobs;
    progress_wish progress;
    page_format format;
    struct seed {
        uint64_t value;
        bool given;
    } seed, random_examples, drop_seed;
    struct storage_wish {
        e2str_storage value;
        bool given;
    } storage;
    uint64_t limit, skip, pool_first, suggestions, save_every;
    char **operands;
    int n_operands;

    char *lock_path; /* of the lock on a pool that is being changed, or NULL; let go by close_all */
    int lock;
    char *model_found; /* the path that was opened; freed by close_all */
    e2str_model *model;
    e2str_session *session;
    e2str_result *result;
    e2str_pool *pool;
    e2str_constraint *constraint;
} invocation;

/* ---- the commands; each returns an exit status ---- */
int run_read(invocation *run);
int run_page(invocation *run);
int run_explain(invocation *run);
int run_pool_add(invocation *run);
int run_pool_list(invocation *run);
int run_pool_remove(invocation *run);
int run_pool_info(invocation *run);
int run_pool_convert(invocation *run);
int run_pool_compact(invocation *run);
int run_pool_verify(invocation *run);
int run_pool_learn(invocation *run);
int run_pool_audit(invocation *run);
int run_pool_suggest(invocation *run);
int run_eval(invocation *run);
int run_info(invocation *run);
int run_stream(invocation *run);

/* ---- commands that are programs of their own (external.c) ---- */
typedef struct external_row {
    const char *name, *operands, *help;
} external_row;
extern const external_row externals[]; /* ends with a row of NULLs */
const external_row *find_external(const char *name);
/* Becomes the program; an exit status if that fails. arguments: NULL behind the last, as main() has them; the first is
 * replaced. */
int run_external(const external_row *row, char **arguments);

/* Indexed by e2str_precision. */
#define N_PRECISIONS 5
extern const char *const precision_names[N_PRECISIONS];

int print_pool(const invocation *run, const char *path); /* of run->pool, loaded from path */

/* ---- options.c: a command is one bit, and an option names the commands that take it ---- */

enum {
    READ = 1,
    ADD = 2,
    LIST = 4,
    REMOVE = 8,
    POOL_INFO = 16,
    EVAL = 32,
    INFO = 64,
    LEARN = 128,
    AUDIT = 256,
    SUGGEST = 512,
    PAGE = 1024,
    EXPLAIN = 2048,
    STREAM = 4096,
    CONVERT = 8192,
    COMPACT = 16384,
    VERIFY = 32768
};

/* Defaults, then what the arguments behind the command's name say. 0, USAGE after a message, or -1: help is wanted. */
int parse_options(invocation *run, unsigned command, int count, char **arguments);
void print_options(unsigned command);
void print_manual_options(unsigned command); /* as parts of a manual page */

typedef struct option_view {
    const char *name;
    char letter;          /* 0: none */
    const char *argument; /* NULL: it takes none */
    const char *values;   /* that it may be, with blanks between; NULL: too many to say */
    const char *help;
} option_view;
/* The next one, from *at (at first 0) on, that one of these commands takes; false: no more. */
bool next_option(unsigned command, size_t *at, option_view *view);

/* ---- main.c ---- */

typedef struct command_view {
    const char *group, *name, *help; /* group: NULL for a command of one word */
    unsigned bit;
} command_view;
bool next_command(size_t *at, command_view *view); /* the same for commands */

/* ---- completion.c ---- */

bool print_completion(const char *shell); /* bash, zsh or fish; else false */

/* ---- needs.c ---- */

/* An option is given without the one that it is for, or standard input twice; a message says so. */
bool has_idle_options(const invocation *run, unsigned command);

/* ---- open.c: each writes a message to stderr when it fails ---- */

/* The model of -m, else of E2STR_MODEL, else the shipped one; with session and result if `reading`. */
bool open_model(invocation *run, bool reading);
/* What a text may be, if an option says so: for all reads from then on. An exit status. */
int make_constraint(invocation *run);
bool load_pool(invocation *run, const char *path);
bool new_pool(invocation *run);
bool load_or_new_pool(invocation *run, const char *path); /* with the storage that was asked for */
bool save_pool(const invocation *run, const char *path);
uint64_t *pool_ids(const invocation *run,
                   size_t *count); /* in ascending order; NULL: no memory, said; the caller frees */
/* `-` is standard input. What the decoder notes goes to `notes`; *error is filled and not printed. */
e2str_status load_image(const invocation *run, const char *path, e2str_image *image, FILE *notes, e2str_error *error);
/* Loads an image and adds it to run->pool. */
e2str_status add_example(invocation *run, const char *path, const char *label, uint64_t *id, e2str_error *error);
/* Examples that a read puts before an image: -k, else 2, or none with a pool that has learnt. */
uint32_t prompt_size(const invocation *run);
/* Of a model: examples that an image can have before it. */
uint32_t most_examples(const e2str_model_info *info);
/* The pool of --pool, if there is one, for reads. false after a message. */
bool open_pool(invocation *run);
/* Before anything is read with run->pool, of which so many examples could stand in a prompt: false,
 * after a message, where -k asks for more than the model has positions for. Examples that cannot stand in one are told
 * of. */
bool prompts_fit(const invocation *run, size_t examples);
/* The caller frees it. NULL: *error, which may be NULL, says why. Id 0, as of damaged examples, has none; to say why
 * takes a look at the whole pool. */
char *pool_label(const invocation *run, uint64_t id, size_t *size, e2str_error *error);
void close_all(invocation *run);
/* The whole file; NULL with errno, EFBIG where it has more than `most` bytes. The caller frees. */
#define MAX_FILE ((size_t)512 << 20) /* as the library reads images */
char *read_file(FILE *file, size_t most, size_t *size);

/* ---- lock.c ---- */

/* Waits until nobody else changes the pool at `path`, and keeps others waiting until unlock_pool: load, change and save
 * in between. The lock is a file beside the pool, PATH.lock, that goes with it. false after a message. */
bool lock_pool(invocation *run, const char *path);
void unlock_pool(invocation *run);

/* ---- learn.c ---- */

bool model_learns(const invocation *run); /* it has what pools need to learn */
/* Makes the memory of run->pool anew; false after a message. With a model that cannot, nothing happens: true. */
bool learn_pool(invocation *run);
/* The same, but only if there are examples about which nothing was learnt yet. */
bool learn_what_is_new(invocation *run);
bool pool_report(const invocation *run, e2str_memory_report *report); /* false: nothing was learnt */
/* What learning found, in two lines, each after its name in a column of `width`, or as a JSON object; nothing, or null,
 * if nothing was learnt. */
void print_report(const invocation *run, FILE *to, int width);
void write_json_report(FILE *to, const char *before, const invocation *run);

/* ---- names.c ---- */

#define MAX_NAME 4096 /* bytes, without its end */

typedef struct name_list {
    char **operands;
    int count, next;
    FILE *file; /* NULL: no list */
    const char *path;
    int end; /* of a name in the list: line end or NUL */
    size_t line;
    const char *folder; /* the operand that is one, while its files are given */
    struct dirent **entries;
    int n_entries, next_entry;
} name_list;

typedef enum name_kind {
    NO_MORE_NAMES,
    NAME,
    NO_NAME /* an entry that can be none, or a list that cannot be read on: *error says why */
} name_kind;

/* The operands from the given one on, then the names in --files-from. false after a message. */
bool names_open(name_list *list, const invocation *run, int first_operand);
/* name: [MAX_NAME + 1]; of what is longer its beginning. `-` stands for standard input, and is never from a list. An
 * operand that is a folder stands for the images in it. */
name_kind next_name(name_list *list, char *name, e2str_error *error);
size_t names_total(const name_list *list); /* 0: not known */
void names_close(name_list *list);

/* ---- jobs.c ---- */

typedef struct job {
    name_kind kind;
    const char *name;
    e2str_error error; /* of NO_NAME */
    unsigned worker;   /* 0 to count - 1 */
    FILE *out, *notes; /* for stdout and stderr, where what is written comes in the order of the name_list */
} job;

typedef bool job_function(void *context, job *j); /* false: it failed, which the status is to tell */

/* One job per name, `count` at a time. false: one has failed, or the output cannot be written any more. */
bool run_jobs(name_list *from, unsigned count, const char *what, job_function *function, void *context);

/* ---- result_json.c ---- */

/* A cut out of a page. */
typedef struct crop_place {
    float corners[8];
    uint32_t width, height;
} crop_place;

/* The members that tell what was read, without braces. place: for boxes in the page's pixels; NULL: the image's. */
void write_reading(FILE *to, const invocation *run, const e2str_result *result, const crop_place *place);
void write_error(FILE *to, e2str_status status, const e2str_error *error);
/* The first character of an example's label that an influence is of: its bytes at *at, "" for the end; NULL: it is
 * none. */
size_t influence_character(const e2str_influence *influence, const char *label, size_t size, const char **at);

/* ---- labels.c ---- */

typedef struct label_row {
    char *path, *text; /* the path as it can be opened */
    size_t line;       /* from 1 */
} label_row;

typedef struct label_list {
    label_row *rows;
    size_t count;
    size_t bad; /* lines that were left out, each with a message */
} label_list;

/* `image <TAB> text` per line; the image relative to the file's folder or to images/ beside it. `-`: standard input,
 * and the folder is the one that the command runs in. */
bool labels_load(label_list *labels, const char *path);
void labels_free(label_list *labels);
/* Fisher-Yates with splitmix64: the same order for the same seed on every machine. */
void shuffle(void *items, size_t count, size_t size, uint64_t seed);
uint64_t splitmix64(uint64_t *state);

/* ---- metric.c ---- */

/* Equal but for case; `alphanumeric`: and but for punctuation, symbols, blanks and control characters. */
bool same_word(const char *a, const char *b, bool alphanumeric);

/* ---- output.c ---- */

#if defined(__GNUC__) || defined(__clang__)
#define PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF(text, first)
#endif
/* One line after "e2str: ", on stderr or where else it is to stand. */
void complain_to(FILE *to, const char *format, ...) PRINTF(2, 3);
#define complain(...) (wipe_progress(), complain_to(stderr, __VA_ARGS__))
/* The message with the path before it, if it does not begin with that already; line: in a labels file, or 0. */
void complain_of_image(FILE *to, size_t line, const char *path, const e2str_error *error);
/* Text that nobody vouches for (paths, labels, what was read, what a model says) goes out through complain and these,
 * after `before`. Control characters, line separators, overrides of direction and bytes that are no
 * UTF-8 become \xNN; in JSON \uNNNN, bytes that are no UTF-8 U+FFFD. */
void write_text(FILE *to, const char *before, const char *text);
/* In quotes; NULL: null. SIZE_MAX: up to the NUL. */
void write_json(FILE *to, const char *before, const char *text, size_t size);
/* "member":"NAME"; where the name is no UTF-8 also "member_base64", its bytes. */
void write_json_name(FILE *to, const char *before, const char *member, const char *name);
void write_base64(FILE *to, const void *data, size_t size);
void write_roff(const char *text);                             /* of the command's own, for the manual page */
void write_number(FILE *to, const char *before, double value); /* as JSON; null if it is not finite */
/* Length of the next character, its number in *code; a byte that is no UTF-8 counts as one, NO_CHARACTER. 0 at the end.
 * size: SIZE_MAX if the text is NUL-terminated. */
enum { NO_CHARACTER = 0x110000 };
size_t utf8_next(const char *text, size_t size, uint32_t *code);
const char *plural(uint64_t count); /* the "s" behind what is counted, or "" */
double milliseconds(void);

/* ---- progress.c ---- */

void wish_for_progress(progress_wish wished);
/* `what done/total`, rate and time left, on stderr if it is a terminal or --progress is given, some times a second.
 * total 0: not known. done == total wipes it. From one thread at a time. */
void show_progress(const char *what, size_t done, size_t total);
void wipe_progress(void); /* before anything else is written to a terminal */
/* Ends a line of output: flushes it; false when the output cannot be written any more. */
bool end_line(void);

#endif
