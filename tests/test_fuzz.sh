#!/bin/bash
# SPDX-License-Identifier: MIT
# Each fuzz target over its kept inputs and other files of its kind, and over MUTATIONS changed copies of each: a crash
# or a sanitizer's report is a failure. Built with libFuzzer (FUZZ_SECONDS set), each target searches for so long from
# those files instead, and shows how many inputs it tried; what it finds is in $BUILD/corpus/TARGET.
set -u
. tests/cases.sh

# corpora TARGET: a word each
corpora() {
    [ ! -d "tests/fuzz/corpus/$1" ] || echo "tests/fuzz/corpus/$1"
    case $1 in
    gguf | read | pool) echo tests/bad tests/golden tests/released ;;
    cut | image | jpeg | png) echo tests/images examples/images ;;
    esac
}

# shellcheck disable=SC2317 # search TARGET CORPUS...
search() {
    local found=$BUILD/corpus/$1 target=$BUILD/tests/fuzz/fuzz_$1
    mkdir -p "$found"
    shift
    "$target" -max_total_time="$FUZZ_SECONDS" -timeout=60 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix="$found-" "$found" "$@" > "$work/log" 2>&1 || { tail -40 "$work/log"; return 1; }
    sed -n 's/^stat::number_of_executed_units: */# inputs: /p' "$work/log"
}

for target in "$BUILD"/tests/fuzz/fuzz_*; do
    [ -x "$target" ] && [ ! -d "$target" ] || continue
    name=${target##*/fuzz_}
    # shellcheck disable=SC2046 # a word each
    if [ -n "${FUZZ_SECONDS:-}" ]; then
        check "$name" search "$name" $(corpora "$name")
    else
        check "$name" "$target" -n "${MUTATIONS:-20}" $(corpora "$name")
    fi
done
finish
