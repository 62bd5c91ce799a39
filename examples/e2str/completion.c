/* SPDX-License-Identifier: MIT */
/* `e2str help --completion SHELL`: the commands and options as bash, zsh and fish complete them, which `make install`
 * installs. What is offered comes from the tables that commands are run and options are read by. */
#include "command.h"

#include <string.h>

/* For between single quotes: `text`, up to the end of its first sentence if `sentence`; a line break becomes a blank, a
 * quote is written as `quote`, a character of `special` gets a backslash. */
static void write_quoted(const char *text, bool sentence, const char *special, const char *quote) {
    for (const char *at = text; *at; at++) {
        if (sentence && *at == '.' && (!at[1] || at[1] == ' ' || at[1] == '\n')) break;
        if (strchr(special, *at)) putchar('\\');
        if (*at == '\'')
            fputs(quote, stdout);
        else
            putchar(*at == '\n' ? ' ' : *at);
    }
}

static bool takes_file(const option_view *option) {
    return option->argument && (!strcmp(option->argument, "FILE") || !strcmp(option->argument, "MODEL") ||
                                !strcmp(option->argument, "POOL"));
}

/* "pool add", with `blank` between the words, or "read". */
static void write_command(const command_view *command, const char *blank) {
    printf("%s%s%s", command->group ? command->group : "", command->group ? blank : "", command->name);
}

/* The names of a group's commands, or of those in no group; with them the groups, each once, and `help`. */
static void write_names(const char *group) {
    command_view command;
    const char *last = "";
    for (size_t at = 0; next_command(&at, &command);) {
        const char *name = command.group ? command.group : command.name;
        if (group && (!command.group || strcmp(command.group, group))) continue;
        if (group) name = command.name;
        if (strcmp(name, last)) printf("%s ", name);
        last = name;
    }
    fputs(group ? "help" : "help --version", stdout);
}

/* ---- bash ---- */

/* The options of all commands that take a value, each once: `|` between their names. */
static void write_bash_values(void) {
    option_view option;
    for (size_t at = 0; next_option(~0u, &at, &option);) {
        if (!option.argument) continue;
        fputs("    ", stdout);
        if (option.letter) printf("-%c | ", option.letter);
        printf("--%s) ", option.name);
        if (option.values)
            printf("words='%s' ;;\n", option.values);
        else
            puts(takes_file(&option) ? "files=yes ;;" : "return ;;");
    }
}

static void write_bash(void) {
    command_view command;
    option_view option;
    puts("# Completion of e2str for bash\n"
         "_e2str() {\n"
         "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words= files=\n"
         "    local command=${COMP_WORDS[1]}\n"
         "    COMPREPLY=()\n"
         "    if [[ $command = pool && $COMP_CWORD -gt 2 ]]; then command=\"pool ${COMP_WORDS[2]}\"; fi\n"
         "    if [[ $current = '=' ]]; then current=; elif [[ $before = '=' ]]; then before=${COMP_WORDS[COMP_CWORD - "
         "2]}; fi\n"
         "    case $before in");
    write_bash_values();
    fputs("    *)\n        case $COMP_CWORD,$command in\n        1,*) words='", stdout);
    write_names(NULL);
    fputs("' ;;\n        2,help) words='", stdout);
    write_names(NULL);
    fputs("' ;;\n        2,pool | 3,help) words='", stdout);
    write_names("pool");
    puts("' ;;");
    for (size_t at = 0; next_command(&at, &command);) {
        fputs("        *,'", stdout);
        write_command(&command, " ");
        fputs("') words='", stdout);
        for (size_t i = 0; next_option(command.bit, &i, &option);) {
            if (option.letter) printf("-%c ", option.letter);
            printf("--%s ", option.name);
        }
        puts("' files=yes ;;");
    }
    puts("        esac\n"
         "        if [[ $files && $current = -* ]]; then files=; elif [[ $files ]]; then words=; fi ;;\n"
         "    esac\n"
         "    if [[ $files ]]; then\n"
         "        compopt -o filenames 2> /dev/null\n"
         "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
         "    else\n"
         "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
         "    fi\n"
         "}\n"
         "complete -F _e2str e2str");
}

/* ---- zsh ---- */

static void write_zsh_option(const option_view *option) {
    fputs(" \\\n        ", stdout);
    const char *equals = option->argument ? "=" : "", *plus = option->argument ? "+" : "";
    if (option->letter)
        printf("'(-%c --%s)'{-%c%s,--%s%s}'", option->letter, option->name, option->letter, plus, option->name, equals);
    else
        printf("'--%s%s", option->name, equals);
    putchar('[');
    write_quoted(option->help, false, "[]\\", "'\\''");
    putchar(']');
    if (option->argument) printf(":%s:", option->argument);
    if (option->values)
        printf("(%s)", option->values);
    else if (option->argument)
        fputs(takes_file(option) ? "_files" : " ", stdout);
    putchar('\'');
}

/* As _describe wants them: name:help. */
static void write_zsh_commands(const char *group) {
    command_view command;
    for (size_t at = 0; next_command(&at, &command);) {
        if (group ? !command.group || strcmp(command.group, group) : !!command.group) continue;
        printf("        '%s:", command.name);
        write_quoted(command.help, true, ":\\", "'\\''");
        puts("'");
    }
}

static void write_zsh(void) {
    command_view command;
    option_view option;
    puts("#compdef e2str\nlocal command=$words[2]\nlocal -a commands\nif (( CURRENT == 2 )); then\n    commands=(");
    write_zsh_commands(NULL);
    puts("        'pool:keeps examples' 'help:what commands and options there are'\n    )\n"
         "    _describe command commands\n    return\nfi\n"
         "if [[ $command = pool ]]; then\n    if (( CURRENT == 3 )); then\n    commands=(");
    write_zsh_commands("pool");
    puts("    )\n    _describe command commands\n    return\n    fi\n"
         "    command=\"pool $words[3]\"\n    shift words\n    (( CURRENT-- ))\nfi\n"
         "shift words\n(( CURRENT-- ))\ncase $command in");
    for (size_t at = 0; next_command(&at, &command);) {
        putchar('\'');
        write_command(&command, " ");
        fputs("')\n    _arguments -s -S", stdout);
        for (size_t i = 0; next_option(command.bit, &i, &option);) write_zsh_option(&option);
        puts(" \\\n        '*:file:_files' ;;");
    }
    puts("esac");
}

/* ---- fish ---- */

static void write_fish_option(const command_view *command, const option_view *option) {
    fputs("complete -c e2str -n '__e2str_is ", stdout);
    write_command(command, " ");
    printf("' -l %s", option->name);
    if (option->letter) printf(" -s %c", option->letter);
    if (option->values)
        printf(" -x -a '%s'", option->values);
    else if (option->argument)
        fputs(takes_file(option) ? " -r -F" : " -x", stdout);
    fputs(" -d '", stdout);
    write_quoted(option->help, false, "\\", "\\'");
    puts("'");
}

static void write_fish(void) {
    command_view command;
    option_view option;
    puts("# Completion of e2str for fish\n"
         "# The words before the cursor begin with these, behind e2str.\n"
         "function __e2str_is\n    set -l words (commandline -opc)\n    set -l last (math (count $argv) + 1)\n"
         "    test (count $words) -ge $last; and test \"$words[2..$last]\" = \"$argv\"\nend\n"
         "complete -c e2str -n 'test (count (commandline -opc)) = 1' -f -a pool -d 'keeps examples'\n"
         "complete -c e2str -n 'test (count (commandline -opc)) = 1' -f -a help -d 'what commands there are'");
    for (size_t at = 0; next_command(&at, &command);) {
        printf("complete -c e2str -n 'test (count (commandline -opc)) = %d%s%s' -f -a %s -d '", command.group ? 2 : 1,
               command.group ? "; and __e2str_is " : "", command.group ? command.group : "", command.name);
        write_quoted(command.help, true, "\\", "\\'");
        puts("'");
    }
    for (size_t at = 0; next_command(&at, &command);)
        for (size_t i = 0; next_option(command.bit, &i, &option);) write_fish_option(&command, &option);
}

bool print_completion(const char *shell) {
    void (*const write)(void) = !strcmp(shell, "bash")   ? write_bash
                                : !strcmp(shell, "zsh")  ? write_zsh
                                : !strcmp(shell, "fish") ? write_fish
                                                         : NULL;
    if (write) write();
    return write;
}
