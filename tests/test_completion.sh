#!/bin/bash
# SPDX-License-Identifier: MIT
# What bash, zsh and fish offer is what the command takes: for every command the options that its help names, for their
# values only what is taken, files where files are meant.
set -u
. tests/cases.sh
e2str=$BUILD/e2str
for shell in bash zsh fish; do "$e2str" help --completion $shell > "$work/$shell"; done
other_shell() { ! "$e2str" help --completion tcsh > "$work/out" 2> "$work/err" && [ ! -s "$work/out" ]; }
check 'another shell is wrong usage' other_shell

# ---- three ways to ask: offers_SHELL WORD... prints what may stand in place of the last word, one per line ----
offers_bash() {
    # shellcheck disable=SC2016 # for the inner shell
    bash -c 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _e2str; printf "%s\n" "${COMPREPLY[@]}"' \
        "$work/bash" e2str "$@"
}
# The functions of zsh's completion system stand for themselves: they print what they are told.
offers_zsh() {
    # shellcheck disable=SC2016
    zsh -fc '_describe() { print -rl -- ${${(P)2}%%:*}; }
        _arguments() { local spec; for spec; do case $spec in
            *--*\[*) spec=${spec%%\[*}; print -r -- ${${spec#\(*\)}%=} ;; esac; done; }
        script=$1; shift; words=("$@"); CURRENT=$#; _e2str() { source $script }; _e2str' zsh "$work/zsh" e2str "$@"
}
offers_fish() { fish --no-config -c "source '$work/fish'; complete -C \"\$argv\"" "e2str $*" | cut -f 1; }

"$e2str" help | sed -nE 's/^(usage:|      ) e2str ((pool )?[a-z]+) .*/\2/p' | grep -vx help > "$work/commands"
check 'help names commands' test "$(wc -l < "$work/commands")" -ge 10
# shellcheck disable=SC2086 # one or two words
options_of() { "$e2str" help $1 | sed -nE 's/^  (-.,)? +(--[a-z-]+) .*/\2/p' | LC_ALL=C sort; }

for shell in bash zsh fish; do
    if ! command -v $shell > /dev/null; then
        skip "$shell offers what the command takes" "no $shell"
        continue
    fi
    offered() { "offers_$shell" "$@" | grep -E -- "${filter:-.}" | LC_ALL=C sort -u; }
    knows_commands() {
        diff <(sed 's/ .*//' "$work/commands" | LC_ALL=C sort -u) <(filter='^[a-z]' offered '' | grep -vx help) &&
            diff <(sed -n 's/^pool //p' "$work/commands" | LC_ALL=C sort -u) <(offered pool '' | grep -vx help)
    }
    check "$shell offers every command" knows_commands
    knows_options() {
        while read -r command; do
            # shellcheck disable=SC2086 # one or two words
            diff <(options_of "$command") <(filter='^--' offered $command --) || return 1
        done < "$work/commands"
    }
    check "$shell offers every option of every command, and no others" knows_options
done

offers_files() { [ "$(cd tests && offers_bash read "$@")" = run.sh ]; }
check 'bash offers images' offers_files ru
check 'and files to options that want one' offers_files --lexicon ru
check 'also behind =' offers_files --lexicon = ru
check 'but not where a number is meant' test -z "$(offers_bash read --beam ru)"

sed -nE "s/^    (-. \| )?(--[a-z-]+)\) words='(.*)' ;;/\2 \3/p" "$work/bash" > "$work/values"
check 'some options have lists of values' test "$(wc -l < "$work/values")" -ge 4
takes() { # it may fail for other reasons
    "$e2str" "${command[@]}" "$1" "$2" > "$work/out" 2> "$work/err" < /dev/null
    ! grep -qE 'is not a value|is no option' "$work/err"
}
takes_all() {
    while read -r option values; do
        command=(read none.png)
        options_of read | grep -qxe "$option" || command=(pool add none.pool none.png x)
        options_of "${command[*]:0:2}" | grep -qxe "$option" || command=(stream none.pool)
        options_of "${command[0]}" | grep -qxe "$option" || [ "${command[0]}" = pool ] || command=(page none.png)
        for value in $values; do takes "$option" "$value" || { cat "$work/err"; return 1; }; done
        ! takes "$option" nonsense || return 1
    done < "$work/values"
}
check 'every value that is offered is one' takes_all
check 'the formats of pages are offered' grep -qx -- '--format text tsv hocr alto json' "$work/values"
finish
