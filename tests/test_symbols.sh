#!/bin/bash
# SPDX-License-Identifier: MIT
# What the libraries export and what they call, and that the header stands alone and shows the program that is tested.
set -u
. tests/cases.sh

functions_of_header() {
    $CC -E -P include/e2str.h | grep -v typedef | grep -oE '\be2str_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u
}
# Names of versions are absolute symbols.
exported_by_so() { nm -D --defined-only "$BUILD/libe2str.so" | awk '$2 != "A" {print $3}' | sed 's/@.*//' | sort -u; }
global_in_a() { nm -g --defined-only "$BUILD/libe2str.a" 2>/dev/null | awk 'NF == 3 {print $3}' | sort -u; }

functions_of_header > "$work/header"
exported_by_so > "$work/so"
global_in_a > "$work/a"
check 'the header declares functions' test "$(wc -l < "$work/header")" -gt 30
check 'libe2str.so exports what the header declares and nothing else' diff "$work/header" "$work/so"
check 'libe2str.a defines what the header declares and nothing else' diff "$work/header" "$work/a"

# Calls that end the process, print, or change what belongs to the whole process.
forbidden='_?exit|_Exit|quick_exit|abort|raise|kill|__assert_fail|v?printf|v?fprintf|puts|putchar|fputs|perror'
forbidden+='|__v?f?printf_chk|stdout|stderr|signal|sigaction|setlocale|setenv|putenv|srand|openblas_set_num_threads'
nm -u "$BUILD/libe2str.a" | awk '{print $2}' | sed 's/@.*//' | sort -u > "$work/called"
check 'the library calls something' grep -qx malloc "$work/called"
no_forbidden_call() { ! grep -xE "$forbidden" "$work/called"; }
check 'the library never exits, aborts, asserts, prints or changes the process' no_forbidden_call

writable_sections() { # those that are not empty
    objdump -h "$BUILD/libe2str.o" |
        awk '$2 ~ /^\.(data|bss|tdata|tbss)/ && $2 !~ /rel\.ro/ && $3 !~ /^0+$/ {print $2, $3}'
}
check 'the library has no writable global data' test -z "$(writable_sections)"

version=$(sed -nE 's/^#define E2STR_VERSION_[A-Z]+ ([0-9]+)$/\1/p' include/e2str.h | paste -sd.)
nodes=$(nm -D --defined-only "$BUILD/libe2str.so" | sed -nE 's/.* e2str_[a-z0-9_]+@@//p' | sort -u)
node_of_release() { # every symbol is of a release that is no newer than this one
    [ -n "$nodes" ] || return 1
    local node
    for node in $nodes; do
        [[ $node = E2STR_* ]] && [ "$(printf '%s\n' "${node#E2STR_}" "$version" | sort -V | tail -1)" = "$version" ] ||
            { echo "# $node"; return 1; }
    done
}
check 'every exported function carries the release that brought it' node_of_release
asks_for_version() {
    $CC examples/read_word.c -Iinclude -o "$work/program" "$BUILD/libe2str.so" &&
        objdump -p "$work/program" | grep -q ' E2STR_0.1$'
}
check 'and programs ask for that' asks_for_version
soname=$(objdump -p "$BUILD/libe2str.so" | awk '$1 == "SONAME" {print $2}')
check 'soname carries major and minor' test "$soname" = "libe2str.so.${version%.*}"
check 'the soname link leads to the full version' test "$(readlink "$BUILD/$soname")" = "libe2str.so.$version"

cat > "$work/header.c" << 'END'
#include "e2str.h"
void fill(e2str_read_options *options);
void fill(e2str_read_options *options) {
    e2str_read_options_init(options);
}
END
for standard in c89 c99 c11 c17; do
    check "the header compiles alone as $standard" \
        "$CC" -std=$standard -Wall -Wextra -Wpedantic -Wstrict-prototypes -Werror -Iinclude -fsyntax-only \
        "$work/header.c"
done
if command -v "$CXX" > /dev/null; then
    for standard in c++98 c++11 c++17 c++20; do
        cp "$work/header.c" "$work/header.cpp"
        check "the header compiles alone as $standard" \
            "$CXX" -std=$standard -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only "$work/header.cpp"
    done
else
    skip 'the header compiles as C++' 'no C++ compiler'
fi

sed -n '/^ \*     #include <e2str.h>/,/^ \*     }$/p' include/e2str.h |
    sed -e 's/^ \*     //' -e 's/^ \*$//' > "$work/manual.c"
grep -v SPDX examples/read_word.c > "$work/read_word.c"
check "the header's program is examples/read_word.c" diff "$work/manual.c" "$work/read_word.c"
sed -n '/^```c$/,/^```$/p' README.md | sed '/^```/d' > "$work/readme.c"
check "the README's program is examples/read_word.c" diff "$work/readme.c" "$work/read_word.c"
finish
