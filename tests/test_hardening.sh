#!/bin/bash
# SPDX-License-Identifier: MIT
# What the compiler and the linker were asked for is in the binaries; and two compilations are the same bytes.
set -u
. tests/cases.sh
command=$BUILD/e2str library=$BUILD/libe2str.so

segments() { readelf -W -l "$1"; }
has() { grep -qE "$2" <<< "$1"; }
for binary in "$command" "$library"; do
    name=$(basename "$binary")
    check "$name: relocations are read-only" has "$(segments "$binary")" GNU_RELRO
    check "$name: and bound at the start" has "$(readelf -W -d "$binary")" '\(?(BIND_NOW|FLAGS.*NOW)'
    check "$name: no executable stack" has "$(segments "$binary")" 'GNU_STACK .* RW  *0x'
    check "$name: no segment is writable and executable" test "$(segments "$binary" | grep -c 'LOAD.* RWE')" -eq 0
    check "$name: no relocation in the code" test "$(readelf -W -d "$binary" | grep -cE 'TEXTREL|RPATH|RUNPATH')" -eq 0
    check "$name: stacks are protected" has "$(nm -D "$binary")" __stack_chk_fail
    check "$name: buffers of known size are" has "$(nm -D "$binary")" '__(memcpy|snprintf|vsnprintf)_chk'
done
check 'the command can lie anywhere' has "$(readelf -h "$command")" 'Type: *DYN'
if [ "$(uname -m)" = x86_64 ] && echo 'int x;' | $CC -fcf-protection -x c -c - -o "$work/x.o" 2> "$work/err"; then
    check 'jumps go where they may' has "$(readelf -n "$BUILD/libe2str.o")" 'IBT, SHSTK' # Debian's crt1.o has it not
else
    echo 'ok - jumps go where they may # SKIP the compiler has no -fcf-protection'
fi

# Any file would do; these have macros, tables and inline functions.
objects="lib/tokenizer.o lib/pool_file.o kernels/ref/gemm.o examples/e2str/main.o"
again() {
    for object in $objects; do
        (unset MAKEFLAGS && make -s BUILD="$work/$1" NEEDS=build "$work/$1/$object") > "$work/log" 2>&1 || return 1
    done
}
check 'compiled once' again one
check 'compiled twice' again two
for object in $objects; do
    for build in one two; do objcopy --strip-debug "$work/$build/$object" "$work/$build.o"; done
    check "the same bytes: $object" cmp "$work/one.o" "$work/two.o"
done
exit $((failures > 0))
