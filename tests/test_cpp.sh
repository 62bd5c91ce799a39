#!/bin/bash
# SPDX-License-Identifier: MIT
# e2str.hpp in C++17 and later, by every compiler that is at hand, without a warning.
set -u
. tests/cases.sh
export E2STR_MODEL=weights/e2str-small.gguf
lines=$(wc -l < include/e2str.hpp)
check "e2str.hpp is thin: $lines lines" test "$lines" -lt 300

compile() {
    "$1" "-std=$2" -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -Iinclude tests/test_cpp.cpp "${@:3}"
}
link=(-o "$work/test" "-L$BUILD" -le2str "-Wl,-rpath,$(realpath "$BUILD")")
if command -v "$CXX" > /dev/null; then
    for standard in c++17 c++20; do
        rm -f "$work/test"
        check "it compiles as $standard" compile "$CXX" $standard "${link[@]}"
        "$work/test" "$work" || failures=1
    done
else
    skip 'e2str.hpp' 'no C++ compiler'
fi
for compiler in g++ clang++; do
    if command -v $compiler > /dev/null; then
        for standard in c++17 c++20; do
            check "$compiler finds nothing, $standard" compile $compiler $standard -fsyntax-only
        done
    else
        skip "$compiler finds nothing" "no $compiler"
    fi
done
finish
