#!/bin/bash
# SPDX-License-Identifier: MIT
# OpenBLAS is in the process where it multiplies and nowhere else; what happens where it cannot be opened.
set -u
. tests/cases.sh
e2str=$(realpath "$BUILD")/e2str
export E2STR_MODEL=$PWD/weights/e2str-small.gguf
image=examples/images/open.png

for file in "$BUILD/libe2str.so" "$e2str"; do
    needed() { readelf -d "$file" | grep NEEDED; }
    check "$(basename "$file") needs libraries" needed > "$work/needed"
    check 'but no BLAS' test "$(grep -ci blas "$work/needed")" -eq 0
done

# expect NAME STATUS COMMAND...: runs it; its output is in $work/out and $work/err
expect() {
    local name=$1 wanted=$2
    shift 2
    "$@" > "$work/out" 2> "$work/err" < /dev/null
    ended "$name" "$wanted" $? "$@"
}
reads() { check 'and reads' test "$(cut -f 2 "$work/out")" = OPEN; }

# An address space in which OpenBLAS's threads would have no room.
in_little_space() { (unset OPENBLAS_NUM_THREADS && ulimit -v "$1" && exec timeout 60 "$e2str" read "$image"); }
if grep -q fsanitize <<< "${CFLAGS:-}"; then
    skip 'reads in little address space' 'sanitizers need much'
else
    for kilobytes in 70000 80000 100000 150000; do
        expect "ulimit -v $kilobytes" 0 in_little_space "$kilobytes"
        reads
    done
fi
loaded() { ldd_of "$@" | grep -qi openblas; }
ldd_of() { LD_DEBUG=files "$e2str" read "$@" "$image" 2>&1 > /dev/null | grep 'calling init'; }
not_loaded() { ! loaded "$@"; }
expect 'our kernels multiply' 0 "$e2str" read --products own "$image"
reads
check 'without OpenBLAS in the process' not_loaded --products own
check 'nor is it there when a level is named' env E2STR_CPU=ref bash -c "$(declare -f ldd_of loaded not_loaded)
    e2str=$e2str image=$image; not_loaded"
expect 'products that there are not' 2 "$e2str" read --products mkl "$image"

if ! "$e2str" read --products openblas "$image" > "$work/out" 2> "$work/err" && grep -q BLAS=none "$work/err"; then
    skip 'OpenBLAS multiplies' 'built with BLAS=none'
    finish
fi
expect 'OpenBLAS multiplies' 0 "$e2str" read --products openblas "$image"
reads
check 'and is in the process' loaded --products openblas

# Files by its name that are no OpenBLAS: one that is no library, one without the functions.
mkdir "$work/damaged" "$work/empty"
for name in libopenblas.so.0 libopenblas.so; do echo 'no library' > "$work/damaged/$name"; done
echo 'int nothing;' > "$work/nothing.c"
$CC -shared -fPIC "$work/nothing.c" -o "$work/empty/libopenblas.so.0"
for folder in damaged empty; do
    expect "$folder: asked for, it is missed" 1 \
        env LD_LIBRARY_PATH="$work/$folder" "$e2str" read --products openblas "$image"
    says libopenblas.so.0
    expect "$folder: not asked for, it is not" 0 env LD_LIBRARY_PATH="$work/$folder" "$e2str" read "$image"
    reads
done
finish
