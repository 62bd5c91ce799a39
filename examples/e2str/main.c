/* e2str: reads word images from the command line, keeps prompt pools, measures accuracy. This file: commands and help.
 *
 * SPDX-License-Identifier: MIT */
#include "command.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

typedef struct command_row {
    const char *group, *name; /* "pool", "add"; group is NULL for a command of one word */
    unsigned bit;
    int least, most; /* operands */
    int (*run)(invocation *run);
    const char *operands, *help;
} command_row;

static const command_row commands[] = {
    {NULL, "read", READ, 1, INT32_MAX, run_read, "IMAGE...",
     "Reads each image and prints: path TAB text TAB score. IMAGE is a PNG or JPEG file, or - for standard input."},
    {"pool", "add", ADD, 1, INT32_MAX, run_pool_add, "POOL [IMAGE TEXT]...",
     "Adds examples to a pool file, which is made if there is none, and prints: id TAB text. Then the\n"
     "pool learns: its memory is made anew from all examples. With --labels, standard error tells what came of it."},
    {"pool", "list", LIST, 1, 1, run_pool_list, "POOL", "Prints: id TAB text, for each example."},
    {"pool", "remove", REMOVE, 2, INT32_MAX, run_pool_remove, "POOL ID...",
     "Takes examples out of a pool file. If the pool had a memory, it learns anew from those that are left."},
    {"pool", "info", POOL_INFO, 1, 1, run_pool_info, "POOL",
     "Prints size, number of examples, memory and model of a pool."},
    {"pool", "learn", LEARN, 1, 1, run_pool_learn, "POOL",
     "Makes the memory of a pool anew from all its examples, and prints what came of it: for pool files made\n"
     "with --no-learn or by older versions, or to set the strength."},
    {"pool", "audit", AUDIT, 1, 1, run_pool_audit, "POOL",
     "Lists suspicious examples, worst first: id TAB reason TAB score TAB label. Reasons: contradicts ID (the same\n"
     "picture as that one, with another label; the score is their similarity), doubtful (neither the model nor the\n"
     "memory of the other examples reads what the label says; the score is 1 less the probability, per\n"
     "character, that they give to the label), repeats ID (same\n"
     "picture, same label)."},
    {"pool", "suggest", SUGGEST, 1, INT32_MAX, run_pool_suggest, "POOL [IMAGE...]",
     "Tells which of the images to label next, and prints: path TAB value, best first. Valuable is what is read\n"
     "with doubt, unlike the examples of the pool and the images before it in the list, and like the images given as\n"
     "a whole. The pool file may be missing; it is not changed."},
    {NULL, "eval", EVAL, 0, 0, run_eval, "--labels FILE",
     "Reads labelled images and prints word accuracy: exact; case-insensitive; alphanumeric (case-insensitive, all\n"
     "punctuation, symbols but ^, and blanks left out). A labels file has `image TAB text` lines; the path of an\n"
     "image is relative to the folder of the file, or to images/ in it."},
    {NULL, "info", INFO, 1, 1, run_info, "MODEL|POOL", "Prints what a model or pool file holds."},
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static void print_usage(FILE *to, const char *before, const command_row *command) {
    fprintf(to, "%se2str %s%s%s [OPTION...] %s\n", before, command->group ? command->group : "",
            command->group ? " " : "", command->name, command->operands);
}

static void print_command_help(const command_row *command) {
    print_usage(stdout, "usage: ", command);
    printf("%s\n\n", command->help);
    print_options(command->bit);
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
static const command_row *find_command(char **arguments, int count, int *words) {
    for (size_t i = 0; i < N_COMMANDS; i++) {
        *words = commands[i].group ? 2 : 1;
        if (count < *words || (commands[i].group && strcmp(arguments[0], commands[i].group))) continue;
        if (!strcmp(arguments[*words - 1], commands[i].name)) return &commands[i];
    }
    return NULL;
}

static int check_operands(const invocation *run, const command_row *command) {
    if (run->n_operands < command->least) complain("something is missing");
    if (run->n_operands > command->most) complain("'%s' is too much", run->operands[command->most]);
    return run->n_operands >= command->least && run->n_operands <= command->most ? OK : USAGE;
}

static int run_command(const command_row *command, int count, char **arguments) {
    invocation run;
    int outcome = parse_options(&run, command->bit, count, arguments);
    if (outcome < 0) {
        print_command_help(command);
        return OK;
    }
    if (!outcome) outcome = check_operands(&run, command);
    if (!outcome) outcome = command->run(&run);
    close_all(&run);
    if (outcome == USAGE) print_usage(stderr, "usage: ", command);
    return outcome;
}

static int dispatch(int count, char **arguments) {
    static char name[] = "e2str";
    int words = 0;
    const char *first = count > 1 ? arguments[1] : "";
    if (!strcmp(first, "--version")) {
        printf("e2str %s (kernels: %s)\n", e2str_version(), e2str_cpu_name());
        return OK;
    }
    bool help = !strcmp(first, "help") || !strcmp(first, "--help") || !strcmp(first, "-h");
    const command_row *command = find_command(arguments + 1 + help, count - 1 - help, &words);
    if (help && (command || count == 2)) {
        if (command)
            print_command_help(command);
        else
            print_help(stdout);
        return OK;
    }
    if (command) {
        arguments[words] = name; /* what getopt begins its messages with */
        return run_command(command, count - words, arguments + words);
    }
    if (count > 1 + help) complain("no such command: %s", arguments[1 + help]);
    print_help(stderr);
    return USAGE;
}

int main(int count, char **arguments) {
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a failed write like a full disk */
    int outcome = dispatch(count, arguments);
    bool failed = ferror(stdout) != 0;
    if (fclose(stdout) != 0 || failed) {
        complain("cannot write the output: %s", strerror(errno));
        outcome = FAILED;
    }
    return outcome;
}
