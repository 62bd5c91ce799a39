#!/bin/bash
# SPDX-License-Identifier: MIT
# Programs that were compiled with the last release of this soname can use this library: tests/abi/SONAME.abi is its
# interface. And that would be noticed if they could not: headers with every kind of change are compared as well.
# UPDATE=1 writes the interface anew: for a release, or for a new soname.
set -u
. tests/cases.sh
library=$BUILD/libe2str.so
soname=$(objdump -p "$library" | awk '$1 == "SONAME" {print $2}')
base=tests/abi/$soname.abi
for tool in abidw abidiff; do
    if ! command -v $tool > /dev/null; then
        skip 'the interface is that of the last release' "no $tool (package abigail-tools)"
        finish
    fi
done
if [ "$(uname -m)" != x86_64 ]; then
    skip 'the interface is that of the last release' 'it was written down on x86-64'
    finish
fi

if [ "${UPDATE:-}" = 1 ]; then
    sh tests/abi/compare.sh dump "$library" include/e2str.h > "$work/new" && mv "$work/new" "$base"
    chmod 644 "$base"
fi
has_functions() { [ "$(grep -c '<function-decl .*elf-symbol-id=' "$1")" -ge "$2" ]; }
check "$base is the interface of $soname" has_functions "$base" 70
check 'the interface is that of the last release, or more' sh tests/abi/compare.sh "$base" "$library" include/e2str.h
sh tests/abi/compare.sh dump "$library" include/e2str.h > "$work/now"
check 'what is compared is what the header declares' \
    has_functions "$work/now" "$(grep -c '^    e2str_.*;$' lib/packaging/e2str.map)"

# stub FOLDER LIBRARY: a library with this folder's header as its interface, and nothing inside
stub() {
    {
        echo '#include <e2str.h>'
        echo '#include <e2str.h>' | $CC -E -P "-I$1" -x c - | tr '\n' ' ' |
            sed -e 's/;/;\n/g' -e 's/__attribute__((visibility("default")))/\n&/g' |
            sed -n '/^__attribute__((visibility/s/;$/ { __builtin_trap(); }/p'
    } > "$work/stub.c"
    $CC -w -g -shared -fPIC "-I$1" "-Wl,-soname,$soname" -Wl,--version-script=lib/packaging/e2str.map "$work/stub.c" \
        -o "$2"
}
mkdir "$work/base" "$work/changed"
cp include/e2str.h "$work/base"
check 'a library without insides' stub "$work/base" "$work/base.so"
sh tests/abi/compare.sh dump "$work/base.so" "$work/base/e2str.h" > "$work/base.abi"

change() { # SED-SCRIPT: the header so changed, as a library
    sed "$1" include/e2str.h > "$work/changed/e2str.h"
    ! cmp -s include/e2str.h "$work/changed/e2str.h" && stub "$work/changed" "$work/changed.so"
}
compares() { sh tests/abi/compare.sh "$work/base.abi" "$work/changed.so" "$work/changed/e2str.h"; }
passes() { change "$1" && compares; }
fails() { change "$1" && { compares > "$work/out"; [ $? -eq 1 ]; } && grep -q "$2" "$work/out"; }

check 'no change passes' passes '$a /* the end */'
check 'a new function passes' passes 's/^E2STR_API void e2str_pool_free/E2STR_API int e2str_more(void);\n&/'
check 'a new enumerator passes' passes 's/^    E2STR_TRIM_ALWAYS = 2/&, E2STR_TRIM_MORE = 3/'
check 'options that grow pass' passes 's/^} e2str_pool_options;/    uint32_t more;\n&/'
check 'a function that is gone fails' fails '/^E2STR_API void e2str_pool_free/d' e2str_pool_free
check 'another result fails' \
    fails 's/^E2STR_API size_t e2str_pool_count/E2STR_API uint32_t e2str_pool_count/' pool_count
check 'another parameter fails' \
    fails 's/e2str_pool_remove(e2str_pool \*pool, uint64_t/e2str_pool_remove(int pool, uint64_t/' pool_remove
member='s/^    uint64_t max_bytes; /    @ /'
check 'a smaller member fails' fails "${member/@/uint32_t max_bytes;}" pool_options
check 'a member of another type and the same size fails' fails "${member/@/double max_bytes;}" pool_options
check 'a member with another name fails' fails "${member/@/uint64_t most_bytes;}" most_bytes
check 'a member that is gone fails' fails "${member/@/}" pool_options
check 'a new member in the middle fails' fails "${member/@/uint64_t max_bytes, more;}" pool_options
check 'a new member in the padding fails' fails 's/^} e2str_model_info;/    uint32_t more;\n&/' model_info
check 'growth beside another change fails' \
    fails "${member/@/double max_bytes;};s/^} e2str_pool_options;/    uint32_t more;\n&/" max_bytes
check 'an image that grows fails: arrays of them are passed' \
    fails 's/^} e2str_image;/    uint64_t more;\n&/' e2str_image
check 'another value of an enumerator fails' fails 's/^    E2STR_TRIM_ALWAYS = 2/    E2STR_TRIM_ALWAYS = 5/' ALWAYS
check 'another callback fails' \
    fails 's/(\*e2str_log_fn)(void \*user, const/(*e2str_log_fn)(int level, void *user, const/' log_fn
finish
