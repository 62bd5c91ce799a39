/* e2str: reads word images from the command line, keeps prompt pools, measures accuracy. This file: options and help.
 *
 * SPDX-License-Identifier: MIT */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { READ = 1, ADD = 2, LIST = 4, REMOVE = 8, POOL_INFO = 16, EVAL = 32, INFO = 64 };

typedef struct cli_command {
    const char *group, *name; /* "pool", "add"; group is NULL for a command of one word */
    unsigned bit;
    int least, most; /* operands */
    int (*run)(cli *run);
    const char *operands, *help;
} cli_command;

static const cli_command commands[] = {
    {NULL, "read", READ, 1, INT32_MAX, cli_read, "IMAGE...",
     "Reads each image and prints: path TAB text TAB score. IMAGE is a PNG or JPEG file, or - for standard input."},
    {"pool", "add", ADD, 1, INT32_MAX, cli_pool_add, "POOL [IMAGE TEXT]...",
     "Adds examples to a pool file, which is made if there is none, and prints: id TAB text."},
    {"pool", "list", LIST, 1, 1, cli_pool_list, "POOL", "Prints: id TAB text, for each example."},
    {"pool", "remove", REMOVE, 2, INT32_MAX, cli_pool_remove, "POOL ID...", "Takes examples out of a pool file."},
    {"pool", "info", POOL_INFO, 1, 1, cli_pool_info, "POOL", "Prints size, number of examples and model of a pool."},
    {NULL, "eval", EVAL, 0, 0, cli_eval, "--labels FILE",
     "Reads labelled images and prints word accuracy: exact; case-insensitive (ASCII); alphanumeric "
     "(case-insensitive,\n"
     "all but letters, digits and ^ left out). A labels file has `image TAB text` lines; the path of an image is\n"
     "relative to the folder of the file, or to images/ in it."},
    {NULL, "info", INFO, 1, 1, cli_info, "MODEL|POOL", "Prints what a model or pool file holds."},
};

enum {
    BEAM = 256,
    PRECISION,
    MAX_TOKENS,
    MIN_SIMILARITY,
    ALTERNATIVES,
    CLEAN_UP,
    ROTATE,
    JSON,
    LABELS,
    MAX_BYTES,
    STORAGE,
    LIMIT,
    SKIP,
    SEED,
    POOL_FIRST,
    RANDOM_EXAMPLES,
    VERBOSE
};

static const struct {
    const char *name;
    int id; /* the letter of those that have one */
    unsigned commands;
    const char *argument, *help;
} options[] = {
    {"model", 'm', READ | ADD | LIST | REMOVE | POOL_INFO | EVAL | INFO, "MODEL",
     "model file; default E2STR_MODEL, else the shipped one"},
    {"pool", 'p', READ | EVAL, "POOL", "pool file to take examples from"},
    {"examples", 'k', READ | EVAL, "K", "most similar examples put before each image, 0 to 64; default 2"},
    {"threads", 't', READ | ADD | EVAL, "N", "threads that work on an image, 1 to 256; default 1"},
    {"precision", PRECISION, READ | ADD | EVAL, "TYPE", "f32: multiply in f32 whatever the weights; default: file"},
    {"beam", BEAM, READ | EVAL, "N", "beams of the search, 1 to 16; default 1: greedy"},
    {"min-similarity", MIN_SIMILARITY, READ | EVAL, "X", "leave out examples less similar than X, -1 to 1; default: the model's own"},
    {"max-tokens", MAX_TOKENS, READ | EVAL, "N", "longest text in tokens, its end included; default 48"},
    {"clean-up", CLEAN_UP, READ | EVAL, NULL, "drop the blank in \" .\", \" n't\" and the like"},
    {"rotate", ROTATE, READ | ADD | EVAL, "DEGREES", "turn images clockwise by 0, 90, 180 or 270 first"},
    {"alternatives", ALTERNATIVES, READ, "N", "with --json: best N tokens for each character, 0 to 8"},
    {"json", JSON, READ | EVAL, NULL, "one JSON object per line"},
    {"labels", LABELS, ADD | EVAL, "FILE", "labelled images: `image TAB text` per line"},
    {"max-bytes", MAX_BYTES, ADD | EVAL, "N", "most memory of all examples; 0: no limit"},
    {"storage", STORAGE, ADD | EVAL, "TYPE", "keep visual tokens as f16 (default) or f32"},
    {"seed", SEED, EVAL, "S", "shuffle the labels (Fisher-Yates, splitmix64 from S; the same on every machine)"},
    {"pool-first", POOL_FIRST, EVAL, "N", "the first N labels become the pool, the others are read"},
    {"random-examples", RANDOM_EXAMPLES, EVAL, "S",
     "K examples of the pool at random (splitmix64 from S) instead of the most similar"},
    {"skip", SKIP, EVAL, "N", "leave out N labels (after those of the pool)"},
    {"limit", LIMIT, EVAL, "N", "read at most N images"},
    {"verbose", VERBOSE, EVAL, NULL, "print each wrong read: path TAB label TAB text TAB score"},
    {"help", 'h', ~0u, NULL, "this help"},
};
#define N_COMMANDS (sizeof commands / sizeof *commands)
#define N_OPTIONS  (sizeof options / sizeof *options)

static void print_usage(FILE *to, const char *before, const cli_command *command) {
    fprintf(to, "%se2str %s%s%s [OPTION...] %s\n", before, command->group ? command->group : "",
            command->group ? " " : "", command->name, command->operands);
}

static void print_command_help(const cli_command *command) {
    print_usage(stdout, "usage: ", command);
    printf("%s\n\n", command->help);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (!(options[i].commands & command->bit)) continue;
        char name[40];
        snprintf(name, sizeof name, "--%s%s%s", options[i].name, options[i].argument ? " " : "",
                 options[i].argument ? options[i].argument : "");
        if (options[i].id < 256)
            printf("  -%c, %-22s %s\n", options[i].id, name, options[i].help);
        else
            printf("      %-22s %s\n", name, options[i].help);
    }
}

static void print_help(FILE *to) {
    fputs("e2str reads the text in cropped word images, and gets better on a new domain by being shown examples.\n\n",
          to);
    for (size_t i = 0; i < N_COMMANDS; i++) print_usage(to, i ? "       " : "usage: ", &commands[i]);
    fputs("       e2str help [COMMAND]\n       e2str --version\n\n"
          "Exit status: 0 all is well, 1 something failed (other images are still read), 2 wrong usage.\n",
          to);
}

/* The command at arguments[0], of one or two words; *words tells which. NULL if there is none. */
static const cli_command *find_command(char **arguments, int count, int *words) {
    for (size_t i = 0; i < N_COMMANDS; i++) {
        *words = commands[i].group ? 2 : 1;
        if (count < *words || (commands[i].group && strcmp(arguments[0], commands[i].group))) continue;
        if (!strcmp(arguments[*words - 1], commands[i].name)) return &commands[i];
    }
    return NULL;
}

/* ---- option values: false when out of range ---- */

static bool whole_number(const char *text, uint64_t least, uint64_t most, uint64_t *value) {
    if (!*text || text[strspn(text, "0123456789")]) return false;
    errno = 0;
    *value = strtoull(text, NULL, 10);
    return !errno && *value >= least && *value <= most;
}

static bool small_number(const char *text, uint32_t least, uint32_t most, uint32_t *value) {
    uint64_t wide = 0;
    bool good = whole_number(text, least, most, &wide);
    if (good) *value = (uint32_t)wide;
    return good;
}

static bool size_number(const char *text, size_t *value) {
    uint64_t wide = 0;
    bool good = whole_number(text, 0, SIZE_MAX, &wide);
    if (good) *value = (size_t)wide;
    return good;
}

static bool similarity(const char *text, float *value) {
    char *end;
    double number = strtod(text, &end);
    *value = (float)number;
    return end != text && !*end && number >= -1 && number <= 1;
}

static bool storage(const char *text, e2str_storage *value) {
    *value = !strcmp(text, "f32") ? E2STR_STORE_F32 : E2STR_STORE_F16;
    return !strcmp(text, "f32") || !strcmp(text, "f16");
}

static bool precision(const char *text, e2str_precision *value) {
    *value = !strcmp(text, "f32") ? E2STR_PRECISION_F32 : E2STR_PRECISION_FILE;
    return !strcmp(text, "f32") || !strcmp(text, "file");
}

static bool set_option(cli *run, int id, const char *value) {
    switch (id) {
    case 'm':
        run->model_path = value;
        return *value;
    case 'p':
        run->pool_path = value;
        return *value;
    case 'k':
        return small_number(value, 0, E2STR_MAX_EXAMPLES, &run->read.k);
    case 't':
        return small_number(value, 1, E2STR_MAX_THREADS, &run->session_options.threads);
    case PRECISION:
        return precision(value, &run->model_options.precision);
    case BEAM:
        return small_number(value, 1, E2STR_MAX_BEAMS, &run->read.beams);
    case MAX_TOKENS:
        return small_number(value, 1, UINT32_MAX, &run->read.max_tokens);
    case MIN_SIMILARITY:
        return similarity(value, &run->read.min_similarity);
    case ALTERNATIVES:
        return small_number(value, 0, E2STR_MAX_ALTERNATIVES, &run->read.alternatives);
    case CLEAN_UP:
        run->read.clean_up = 1;
        return true;
    case ROTATE:
        return small_number(value, 0, 270, &run->rotate) && run->rotate % 90 == 0;
    case JSON:
        run->json = true;
        return true;
    case LABELS:
        run->labels_path = value;
        return *value;
    case MAX_BYTES:
        return whole_number(value, 0, UINT64_MAX, &run->pool_options.max_bytes);
    case STORAGE:
        return storage(value, &run->pool_options.storage);
    case LIMIT:
        return size_number(value, &run->limit);
    case SKIP:
        return size_number(value, &run->skip);
    case SEED:
        run->shuffle = true;
        return whole_number(value, 0, UINT64_MAX, &run->seed);
    case POOL_FIRST:
        return size_number(value, &run->pool_first);
    case RANDOM_EXAMPLES:
        run->random_examples = true;
        return whole_number(value, 0, UINT64_MAX, &run->random_seed);
    default:
        run->verbose = true;
        return true;
    }
}

/* Fills `run` from the arguments behind the command's name; 0, CLI_USAGE, or -1 when help was asked for. */
static int parse_options(cli *run, const cli_command *command, int count, char **arguments) {
    struct option known[N_OPTIONS + 1] = {{0}};
    char letters[2 * N_OPTIONS + 1] = "", *letter = letters;
    size_t n = 0;
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (!(options[i].commands & command->bit)) continue;
        int has_argument = options[i].argument ? required_argument : no_argument;
        known[n++] = (struct option){options[i].name, has_argument, NULL, options[i].id};
        if (options[i].id < 256) *letter++ = (char)options[i].id;
        if (options[i].id < 256 && has_argument) *letter++ = ':';
    }
    *letter = 0;
    int id, which = 0;
    while ((id = getopt_long(count, arguments, letters, known, &which)) != -1) {
        if (id == '?') return CLI_USAGE;
        if (id == 'h') return -1;
        if (set_option(run, id, optarg)) continue;
        const char *name = "";
        for (size_t i = 0; i < n; i++)
            if (known[i].val == id) name = known[i].name;
        cli_warn("--%s: '%s' is not a value it takes", name, optarg);
        return CLI_USAGE;
    }
    run->operands = arguments + optind;
    run->n_operands = count - optind;
    if (run->n_operands < command->least) cli_warn("something is missing");
    if (run->n_operands > command->most) cli_warn("'%s' is too much", run->operands[command->most]);
    return run->n_operands >= command->least && run->n_operands <= command->most ? 0 : CLI_USAGE;
}

static int run_command(const cli_command *command, int count, char **arguments) {
    cli run = {.limit = SIZE_MAX};
    e2str_model_options_init(&run.model_options);
    e2str_session_options_init(&run.session_options);
    e2str_read_options_init(&run.read);
    e2str_pool_options_init(&run.pool_options);
    int outcome = parse_options(&run, command, count, arguments);
    if (outcome < 0) {
        print_command_help(command);
        return CLI_OK;
    }
    if (!outcome) outcome = command->run(&run);
    cli_close(&run);
    if (outcome == CLI_USAGE) print_usage(stderr, "usage: ", command);
    return outcome;
}

static int dispatch(int count, char **arguments) {
    static char name[] = "e2str";
    int words = 0;
    const char *first = count > 1 ? arguments[1] : "";
    if (!strcmp(first, "--version")) {
        printf("e2str %s (kernels: %s)\n", e2str_version(), e2str_cpu_name());
        return CLI_OK;
    }
    bool help = !strcmp(first, "help") || !strcmp(first, "--help") || !strcmp(first, "-h");
    const cli_command *command = find_command(arguments + 1 + help, count - 1 - help, &words);
    if (help && (command || count == 2)) {
        if (command)
            print_command_help(command);
        else
            print_help(stdout);
        return CLI_OK;
    }
    if (command) {
        arguments[words] = name; /* what getopt begins its messages with */
        return run_command(command, count - words, arguments + words);
    }
    if (count > 1 + help) cli_warn("no such command: %s", arguments[1 + help]);
    print_help(stderr);
    return CLI_USAGE;
}

int main(int count, char **arguments) {
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a failed write like a full disk */
    int outcome = dispatch(count, arguments);
    bool failed = ferror(stdout) != 0;
    if (fclose(stdout) != 0 || failed) {
        cli_warn("cannot write the output: %s", strerror(errno));
        outcome = CLI_FAILED;
    }
    return outcome;
}
