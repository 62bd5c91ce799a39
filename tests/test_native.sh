#!/bin/bash
# SPDX-License-Identifier: MIT
# Flags that allow more than a level has, such as -march=native, change no level: its folder says how wide its vectors
# are. The kernels compile with them, without a warning, and pass their tests.
set -u
. tests/cases.sh

if ! $CC -march=native -x c -fsyntax-only /dev/null 2> /dev/null; then
    skip 'the kernels compile with -march=native' "$CC has no such flag"
    finish
fi
native() {
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s BUILD="$work/native" BLAS=none WERROR=1 \
        CFLAGS='-O1 -march=native' KERNEL_CFLAGS=-O1 kernel-tests > "$work/log" 2>&1 || { cat "$work/log"; return 1; }
}
check 'the kernels compile with -march=native and pass their tests' native
check 'all of them' test "$(grep -cE '^(ok|FAIL) ' "$work/log")" -eq 3
finish
