/* e2str: reads word images from the command line, keeps prompt pools, measures accuracy. This file: commands and help.
 *
 * SPDX-License-Identifier: MIT */
#include "command.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

typedef struct command_row {
    const char *group, *name; /* "pool", "add"; group is NULL for a command of one word */
    unsigned bit;
    int least, most; /* operands */
    int (*run)(invocation *run);
    const char *operands, *help;
} command_row;

static const command_row commands[] = {
    {NULL, "read", READ, 0, INT32_MAX, run_read, "[IMAGE...]",
     "Reads each image and prints: path TAB text TAB score. IMAGE is a file (PNG, JPEG, BMP, PBM, PGM, PPM), - for\n"
     "standard input, or a folder: the image files in it, in the order of their names, but not those of folders\n"
     "in it. --files-from has more files, any number."},
    {NULL, "page", PAGE, 1, 1, run_page, "IMAGE --boxes FILE",
     "Reads the words of a page, in the boxes or quadrangles of any detector, and prints them in reading order.\n"
     "Lines are those that the boxes say, else found by where boxes lie. IMAGE is a file or - as for read."},
    {NULL, "explain", EXPLAIN, 1, 1, run_explain, "IMAGE",
     "Tells how a read came about: each character's alternatives, where the decoder looked, which characters of\n"
     "which examples moved it, what each example of the prompt did, and what would be read without pool, prompt or "
     "memory."},
    {NULL, "stream", STREAM, 1, 1, run_stream, "POOL",
     "Reads images as they come and keeps the pool: answers each line of standard input at once with a JSON line.\n"
     "Lines: IMAGE reads it; IMAGE TAB TEXT reads it and tells what it says; =TICKET TAB TEXT corrects a read by the\n"
     "number in its answer; =TICKET says that it was right; = reports (docs/stream.md). Corrections become\n"
     "examples, the pool learns now and then, what helps least goes. It is made if there is none, and saved."},
    {"pool", "add", ADD, 1, INT32_MAX, run_pool_add, "POOL [IMAGE TEXT]...",
     "Adds examples to a pool file, which is made if there is none, and prints: id TAB text. Then the\n"
     "pool learns: its memory is made anew from all examples. With --labels, standard error tells what came of it."},
    {"pool", "list", LIST, 1, 1, run_pool_list, "POOL", "Prints: id TAB text, for each example."},
    {"pool", "remove", REMOVE, 2, INT32_MAX, run_pool_remove, "POOL ID...",
     "Takes examples out of a pool file. If the pool had a memory, it learns anew from those that are left; where it\n"
     "cannot, the file stays as it is."},
    {"pool", "info", POOL_INFO, 1, 1, run_pool_info, "POOL",
     "Prints size, number of examples, memory and model of a pool."},
    {"pool", "convert", CONVERT, 2, 2, run_pool_convert, "POOL NEW",
     "Writes a pool file as an archive, which is mapped and not loaded, for pools of many examples; an archive as a\n"
     "pool file. What is there as NEW is replaced with --force only. All commands take both kinds, and additions to\n"
     "an archive are appended (docs/archive-format.md)."},
    {"pool", "compact", COMPACT, 1, 1, run_pool_compact, "POOL",
     "Writes an archive anew, without what was removed or written more than once."},
    {"pool", "verify", VERIFY, 1, 1, run_pool_verify, "POOL",
     "Checks all of a pool file: checksums, labels, keys and visual tokens."},
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
     "a whole. IMAGE is as for read, but not standard input. The pool file may be missing; it is not changed."},
    {NULL, "eval", EVAL, 0, 0, run_eval, "--labels FILE",
     "Reads labelled images and prints word accuracy: exact; case-insensitive; alphanumeric (case-insensitive, all\n"
     "punctuation, symbols but ^, and blanks left out). A labels file has `image TAB text` lines; the path of an\n"
     "image is relative to the folder of the file, or to images/ in it."},
    {NULL, "info", INFO, 1, 1, run_info, "MODEL|POOL", "Prints what a model or pool file holds."},
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

bool next_command(size_t *at, command_view *view) {
    size_t i = (*at)++;
    const external_row *external = i < N_COMMANDS ? NULL : &externals[i - N_COMMANDS];
    if (external)
        *view = (command_view){NULL, external->name, external->help, 0};
    else
        *view = (command_view){commands[i].group, commands[i].name, commands[i].help, commands[i].bit};
    return view->name;
}

#define EXIT_STATUS                                                                                                    \
    "0 all is well; 1 something failed: an image, say, while the others are read all the same, or the\n"               \
    "output cannot be written; 2 wrong usage: nothing was done. Where nobody reads the output any more, as in front "  \
    "of\n"                                                                                                             \
    "head, the command ends as by SIGPIPE (in a shell 141), without a message."

static void print_usage(FILE *to, const char *before, const command_row *command) {
    fprintf(to, "%se2str %s%s%s [OPTION...] %s\n", before, command->group ? command->group : "",
            command->group ? " " : "", command->name, command->operands);
}

static void print_command_help(const command_row *command) {
    print_usage(stdout, "usage: ", command);
    printf("%s\n\n", command->help);
    print_options(command->bit);
}

/* All commands, or those of a group. */
static void print_usages(FILE *to, const char *group) {
    const char *before = "usage: ";
    for (const command_row *row = commands; row < commands + N_COMMANDS; row++) {
        if (group && (!row->group || strcmp(row->group, group) != 0)) continue;
        print_usage(to, before, row);
        before = "       ";
    }
    for (const external_row *row = externals; row->name && !group; row++)
        fprintf(to, "       e2str %s [OPTION...] %s\n", row->name, row->operands);
}

static void print_help(FILE *to, const char *group) {
    if (!group)
        fputs(
            "e2str reads the text in cropped word images, and gets better on a new domain by being shown examples.\n\n",
            to);
    print_usages(to, group);
    fprintf(to, "       e2str help [COMMAND]\n%s\n",
            group ? ""
                  : "       e2str help --completion SHELL    (bash, zsh or fish)\n"
                    "       e2str help --man                 (the manual page)\n"
                    "       e2str --version\n\nExit status: " EXIT_STATUS);
}

static bool is_group(const char *word) {
    for (const command_row *row = commands; row < commands + N_COMMANDS; row++)
        if (row->group && !strcmp(row->group, word)) return true;
    return false;
}

/* The manual page, which `make install` installs. */
static void print_manual(void) {
    printf(".TH E2STR 1 \"\" \"e2str %s\"\n.SH NAME\ne2str \\- reads the text in cropped word images\n.SH SYNOPSIS\n",
           e2str_version());
    for (const command_row *row = commands; row < commands + N_COMMANDS; row++) {
        printf(".B e2str %s%s%s\n", row->group ? row->group : "", row->group ? " " : "", row->name);
        write_roff("[OPTION...] ");
        write_roff(row->operands);
        puts("\n.br");
    }
    for (const external_row *row = externals; row->name; row++)
        printf(".B e2str %s\n[OPTION...] %s\n.br\n", row->name, row->operands);
    puts(".B e2str help\n[COMMAND]\n.br\n.B e2str help \\-\\-completion\nSHELL (bash, zsh or fish)\n.br\n"
         ".B e2str help \\-\\-man\n.SH DESCRIPTION");
    puts("Gets better on a new domain by being shown examples: a pool file keeps them and what was learnt from them.");
    for (const command_row *row = commands; row < commands + N_COMMANDS; row++) {
        printf(".SS e2str %s%s%s\n", row->group ? row->group : "", row->group ? " " : "", row->name);
        write_roff(row->help);
        putchar('\n');
        print_manual_options(row->bit);
    }
    for (const external_row *row = externals; row->name; row++)
        printf(".SS e2str %s\n%s It is e2str\\-%s, of the Python package.\n", row->name, row->help, row->name);
    puts(".SH EXIT STATUS");
    write_roff(EXIT_STATUS);
    puts("\n.SH ENVIRONMENT\n.TP\nE2STR_MODEL\nthe model file, where \\-m is not given\n"
         ".TP\nE2STR_CPU\nthe highest level of kernels to use, such as avx2\n.SH SEE ALSO\n.BR e2str (3)");
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
    const char *group = command->group ? command->group : "", *blank = command->group ? " " : "";
    if (run->n_operands < command->least)
        complain("%s%s%s needs %s", group, blank, command->name, command->operands);
    else if (run->n_operands > command->most)
        complain("%s%s%s takes %s and no more: '%s'", group, blank, command->name, command->operands,
                 run->operands[command->most]);
    else
        return OK;
    return USAGE;
}

static int run_command(const command_row *command, int count, char **arguments) {
    invocation run;
    int outcome = parse_options(&run, command->bit, count, arguments);
    if (outcome < 0) {
        print_command_help(command);
        return OK;
    }
    if (!outcome) outcome = check_operands(&run, command);
    if (!outcome && has_idle_options(&run, command->bit)) outcome = USAGE;
    wish_for_progress(run.progress);
    if (!outcome) outcome = command->run(&run);
    close_all(&run);
    if (outcome == USAGE) print_usage(stderr, "usage: ", command);
    return outcome;
}

static bool is_help(const char *word) {
    return !strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h");
}

static bool is_version(const char *word) { return !strcmp(word, "version") || !strcmp(word, "--version"); }

/* `e2str help` and what may follow it. */
static int help(char **arguments, int count) {
    int words;
    const command_row *command = find_command(arguments, count, &words);
    if (command)
        print_command_help(command);
    else if (!count || is_help(arguments[0]) || is_version(arguments[0]))
        print_help(stdout, NULL);
    else if (!strcmp(arguments[0], "--man"))
        print_manual();
    else if (!strcmp(arguments[0], "--completion"))
        return count == 2 && print_completion(arguments[1]) ? OK : USAGE;
    else if (is_group(arguments[0]) && count == 1)
        print_help(stdout, arguments[0]);
    else
        return USAGE;
    return OK;
}

static int dispatch(int count, char **arguments) {
    static char name[] = "e2str";
    int words = 0;
    const char *first = count > 1 ? arguments[1] : "", *second = count > 2 ? arguments[2] : "";
    if (is_version(first)) {
        printf("e2str %s (kernels: %s)\n", e2str_version(), e2str_cpu_name());
        return OK;
    }
    const external_row *external = find_external(is_help(first) ? second : first);
    if (external) {
        static char asked[] = "--help", *help_only[] = {NULL, asked, NULL};
        return run_external(external, is_help(first) ? help_only : arguments + 1);
    }
    if (is_help(first) && help(arguments + 2, count - 2) == OK) return OK;
    if (is_group(first) && is_help(second)) return help(arguments + 1, 1);
    const command_row *command = find_command(arguments + 1, count - 1, &words);
    if (command) {
        arguments[words] = name; /* what getopt begins its messages with */
        return run_command(command, count - words, arguments + words);
    }
    if (is_group(first)) {
        complain(*second ? "no such command: %s %s" : "%s is followed by a command", first, second);
        print_usages(stderr, first);
        return USAGE;
    }
    if (count > 1 + is_help(first)) complain("no such command: %s", arguments[1 + is_help(first)]);
    print_help(stderr, NULL);
    return USAGE;
}

/* As with `| head`: nobody reads on, which the reader knows. */
static bool nobody_reads(void) {
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/* As a filter does: what was begun is finished or undone, then the signal that a write gave ends the process. */
static int end_by_sigpipe(void (*handler)(int)) {
    if (handler == SIG_IGN) return FAILED;
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
    return FAILED;
}

int main(int count, char **arguments) {
    void (*handler)(int) =
        signal(SIGPIPE, SIG_IGN); /* a closed pipe is a failed write like a full disk, until the end */
    int outcome = dispatch(count, arguments);
    bool failed = ferror(stdout) != 0, quietly = nobody_reads();
    if (fclose(stdout) != 0 || failed) {
        if (quietly) return end_by_sigpipe(handler);
        complain("cannot write the output: %s", strerror(errno));
        outcome = FAILED;
    }
    return outcome;
}
