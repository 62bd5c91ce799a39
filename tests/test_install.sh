#!/bin/bash
# SPDX-License-Identifier: MIT
# make install and uninstall, as a packager and as a user of the installed library would.
set -u
. tests/cases.sh
root=$(pwd)
prefix=/opt/e2str
make_quietly() { env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s BUILD="$BUILD" "$@"; }
files_in() { (cd "$1" && find . \( -type f -o -type l \) | sort); }

check 'installs with PREFIX and DESTDIR' make_quietly install DESTDIR="$work/upper" PREFIX=$prefix
check 'installs with prefix in small letters' make_quietly install DESTDIR="$work/lower" prefix=$prefix
check 'both give the same tree' diff -r --no-dereference "$work/upper" "$work/lower"

version=$(sed -n 's/^#define E2STR_VERSION_[A-Z]* //p' include/e2str.h | paste -sd.)
sort > "$work/expected" << END
.$prefix/bin/e2str
.$prefix/include/e2str.h
.$prefix/lib/libe2str.a
.$prefix/lib/libe2str.so
.$prefix/lib/libe2str.so.${version%.*}
.$prefix/lib/libe2str.so.$version
.$prefix/lib/pkgconfig/e2str.pc
.$prefix/share/e2str/e2str-small.gguf
END
files_in "$work/upper" > "$work/found"
check 'installs these files and no others' diff "$work/expected" "$work/found"

tree=$work/upper$prefix
export PKG_CONFIG_PATH=$tree/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/upper
check 'pkg-config knows the version' test "$($PKG_CONFIG --modversion e2str)" = "$version"

cp "$tree/share/e2str/e2str-small.gguf" examples/images/open.png "$work"
mv "$work/open.png" "$work/word.png"
run_program() { # NAME: runs it beside its model and image, expects the text of open.png
    local out
    out=$(cd "$work" && LD_LIBRARY_PATH=$tree/lib "./$1") || return 1
    [ "$(printf '%s' "$out" | cut -f 1)" = OPEN ] || { echo "# $out"; return 1; }
}
compile() { # COMPILER SOURCE NAME FLAGS...
    local compiler=$1 source=$2 name=$3
    shift 3
    $compiler "$source" -o "$work/$name" "$@"
}

# shellcheck disable=SC2046 # several flags
{
    check 'a C program compiles with pkg-config' \
        compile "$CC" examples/read_word.c shared $($PKG_CONFIG --cflags --libs e2str)
    check 'and reads a word with the shared library' run_program shared
    check 'a C program links the archive' \
        compile "$CC" examples/read_word.c static $($PKG_CONFIG --cflags e2str) "$tree/lib/libe2str.a" \
        $(PKG_CONFIG_SYSROOT_DIR='' $PKG_CONFIG --static --libs-only-other --libs-only-l e2str | sed 's/-le2str//')
    check 'and reads a word without the shared library' run_program static
    needs_no_so() { ! ldd "$work/static" | grep -q libe2str; }
    check 'the archive stands in for the shared library' needs_no_so
    if command -v "$CXX" > /dev/null; then
        cp examples/read_word.c "$work/read_word.cpp"
        check 'the same program compiles as C++' \
            compile "$CXX" "$work/read_word.cpp" shared++ -std=c++11 $($PKG_CONFIG --cflags --libs e2str)
        check 'and reads a word' run_program shared++
    else
        skip 'the same program compiles as C++' 'no C++ compiler'
    fi
}

command_finds_model() {
    local out
    out=$(cd / && env -u E2STR_MODEL "$tree/bin/e2str" read "$root/examples/images/open.png") || return 1
    [ "$(printf '%s' "$out" | cut -f 2)" = OPEN ]
}
check 'the installed command finds the installed model' command_finds_model

check 'uninstalls' make_quietly uninstall DESTDIR="$work/upper" PREFIX=$prefix
check 'uninstall leaves no file' test -z "$(files_in "$work/upper")"
check 'uninstall leaves no data folder' test ! -e "$tree/share/e2str"
check 'uninstalling twice is no error' make_quietly uninstall DESTDIR="$work/upper" PREFIX=$prefix
finish
