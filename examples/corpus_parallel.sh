#!/bin/sh
# SPDX-License-Identifier: MIT
# Reads a corpus with GNU parallel and e2str read (docs/corpus.md): corpus_parallel.sh CROPS OUT [JOBS [OPTION...]]
# CROPS: a folder. OUT gets OUT/lists/N, 500 names each (SHARD says how many), and OUT/read/N.jsonl, a line of JSON per
# name, in their order. A list is done when its file is there: the same command goes on where another was stopped.
# OPTION: of e2str read, such as -p POOL. More machines: PARALLEL='--sshloginfile hosts', with the folders on all.
set -eu
crops=$1 out=$2 jobs=${3:-2}
shift "$(($# < 3 ? $# : 3))"
E2STR=${E2STR:-e2str}
mkdir -p "$out/lists" "$out/read"
if [ ! -e "$out/lists/.whole" ]; then
    find "$(realpath "$crops")" \( -type f -o -type l \) | grep -Ei '\.(png|jpe?g|bmp|p[bgp]m)$' | LC_ALL=C sort |
        split -l "${SHARD:-500}" -a 6 -d - "$out/lists/"
    touch "$out/lists/.whole"
fi

# An image that cannot be read is a line with an error, and status 1 as a full disk's is: lines are counted.
# shellcheck disable=SC2016 # for the shells that parallel starts
export READ_LIST='
    list=$1 to=$2/read/${1##*/} E2STR=$3; shift 3
    [ ! -e "$to.jsonl" ] || exit 0
    rm -f "$to".[0-9]*
    "$E2STR" read --json --files-from "$list" "$@" > "$to.$$" || :
    [ "$(wc -l < "$to.$$")" -eq "$(wc -l < "$list")" ] && mv "$to.$$" "$to.jsonl"'
printf "%s\n" "$out"/lists/* | parallel --will-cite --jobs "$jobs" --retries 3 --env READ_LIST \
    sh -c '"$READ_LIST"' list {} "$out" "$E2STR" "$@"
