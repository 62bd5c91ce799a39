#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh check|install WHAT...: is everything there that it needs? WHAT: build, test (the tests), aarch64 (testing the
# kernels for AArch64), fuzz (clang's sanitizers), lint (a Python environment), browser, page, m32, memcheck, mutants.
# Asks the compiler, not a package database. `install` installs what is missing where apt-get and root or passwordless
# sudo are
# at hand; else, and with `check`, it names the packages and ends with status 1. BLAS=none: the tests need no OpenBLAS.
set -u
mode=$1
shift
: "${CC:=cc}" "${BLAS:=openblas}" "${VENV_PYTHON:=python3}"

directory=$(mktemp -d) || exit 1
trap 'rm -rf "$directory"' EXIT

# links HEADER LIBRARY: a program with this header and library can be compiled and linked
links() {
    printf '#include <%s>\n' stdarg.h stddef.h stdint.h stdio.h setjmp.h "$1" > "$directory/test.c"
    echo 'int main(void) { return 0; }' >> "$directory/test.c"
    # shellcheck disable=SC2046,SC2086 # several flags
    $CC $(pkg-config --cflags "$3" 2>/dev/null) "$directory/test.c" -o "$directory/test" "-l$2" >/dev/null 2>&1
}

compiles() { command -v "${CC%% *}" >/dev/null && links stdlib.h c none; }

find_missing() {
    missing=
    for what; do
        case $what in
        build)
            compiles || missing="$missing build-essential"
            links png.h png libpng || missing="$missing libpng-dev"
            links jpeglib.h jpeg libjpeg || missing="$missing libjpeg62-turbo-dev"
            ;;
        test)
            links cmocka.h cmocka cmocka || missing="$missing libcmocka-dev"
            [ "$BLAS" = none ] || links stdlib.h :libopenblas.so.0 none || missing="$missing libopenblas0"
            command -v pkg-config >/dev/null || missing="$missing pkg-config"
            ;;
        aarch64)
            compiles || missing="$missing gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
            command -v make >/dev/null || missing="$missing make"
            command -v qemu-aarch64 >/dev/null || missing="$missing qemu-user"
            links cmocka.h cmocka none || missing="$missing libcmocka-dev:arm64"
            ;;
        fuzz)
            $CC -fsanitize=fuzzer,address,undefined -x c -c /dev/null -o "$directory/test.o" 2> /dev/null &&
                ls "$($CC -print-resource-dir)"/lib/linux/libclang_rt.fuzzer-*.a > /dev/null 2>&1 ||
                missing="$missing clang libclang-rt-14-dev"
            ;;
        page)
            command -v pdftoppm > /dev/null || missing="$missing poppler-utils"
            "$VENV_PYTHON" -c 'import ensurepip, venv' 2> /dev/null || missing="$missing python3-venv ca-certificates"
            ;;
        memcheck) command -v valgrind > /dev/null || missing="$missing valgrind" ;;
        mutants)
            "$VENV_PYTHON" -c 'import clang.cindex as c; c.Index.create()' 2> /dev/null ||
                missing="$missing python3-clang"
            ;;
        m32)
            command -v debootstrap > /dev/null || [ -x /usr/sbin/debootstrap ] || missing="$missing debootstrap"
            ;;
        lint)
            "$VENV_PYTHON" -c 'import ensurepip, venv' 2> /dev/null || missing="$missing python3-venv ca-certificates"
            ;;
        browser)
            command -v "${CHROMIUM:-chromium}" >/dev/null || missing="$missing chromium fonts-dejavu-core"
            "$VENV_PYTHON" -c 'import ensurepip, venv' 2> /dev/null || missing="$missing python3-venv ca-certificates"
            ;;
        esac
    done
}

find_missing "$@"
[ -z "$missing" ] && exit 0

if [ "$mode" = install ] && command -v apt-get >/dev/null; then
    sudo=
    [ "$(id -u)" = 0 ] || sudo='sudo -n'
    if [ -z "$sudo" ] || sudo -n true 2>/dev/null; then
        echo "installing:$missing"
        export DEBIAN_FRONTEND=noninteractive
        case $missing in *:arm64*) $sudo dpkg --add-architecture arm64 ;; esac
        # shellcheck disable=SC2086 # several words each
        { $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends $missing; } \
            > "$directory/log" 2>&1 || cat "$directory/log"
        find_missing "$@"
        [ -z "$missing" ] && exit 0
    fi
fi
echo "missing packages (Debian's names):$missing" >&2
echo "install them: sudo apt-get install$missing" >&2
exit 1
