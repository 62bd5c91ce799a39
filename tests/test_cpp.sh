#!/bin/bash
# SPDX-License-Identifier: MIT
# e2str.hpp in C++17 and later, by every compiler that is at hand, without a warning.
set -u
. tests/cases.sh
E2STR_MODEL=$(realpath weights/e2str-small.gguf)
export E2STR_MODEL
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
    sed -n '/^\/\/     #include/,/^\/\/     }$/s/^\/\/ *//p' include/e2str.hpp > "$work/manual.cpp"
    check "the header's program compiles" \
        "$CXX" -std=c++17 -Wall -Wextra -Wpedantic -Werror -Iinclude "$work/manual.cpp" "${link[@]}"
    program() { (cd "$work" && "$work/test" > out 2> err); }
    says_why() { ! program && grep -q 'word.png' "$work/err"; }
    reads() { program && [ "$(cut -f 1 "$work/out" | paste -sd,)" = OPEN,O,P,E,N ]; }
    check 'and says what is missing' says_why
    cp examples/images/open.png "$work/word.png"
    check 'and reads' reads
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
