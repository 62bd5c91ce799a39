#!/bin/bash
# SPDX-License-Identifier: MIT
# Each fuzz target over hostile and good files, and over MUTATIONS changed copies of each: a crash or a sanitizer's
# report is a failure. Built with libFuzzer (FUZZER set), each target searches for FUZZ_SECONDS from those files
# instead.
set -u
. tests/cases.sh
corpora=(tests/fuzz/constraints tests/fuzz/boxes tests/bad tests/images tests/golden examples/images)
for target in "$BUILD"/tests/fuzz/fuzz_*; do
    [ -x "$target" ] && [ ! -d "$target" ] || continue
    name=$(basename "$target")
    if [ -n "${FUZZER:-}" ]; then
        corpus=$BUILD/corpus/$name
        mkdir -p "$corpus"
        check "$name" "$target" -max_total_time="${FUZZ_SECONDS:-60}" -rss_limit_mb=4096 -artifact_prefix="$corpus-" \
            "$corpus" tests/fuzz/constraints tests/fuzz/boxes tests/bad tests/images examples/images
        continue
    fi
    for corpus in "${corpora[@]}"; do
        check "$name $corpus" "$target" -n "${MUTATIONS:-20}" "$corpus"
    done
done
finish
