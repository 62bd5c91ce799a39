#!/bin/bash
# SPDX-License-Identifier: MIT
# Debian's packages: they build, lintian has nothing to say, and what they hold works where it is unpacked.
set -u
. tests/cases.sh
for tool in dpkg-buildpackage dh lintian; do
    if ! command -v $tool > /dev/null; then
        skip "Debian's packages" "no $tool (packages dpkg-dev, debhelper, lintian)"
        finish
    fi
done
version=$(sed -nE 's/^#define E2STR_VERSION_[A-Z]+ ([0-9]+)$/\1/p' include/e2str.h | paste -sd.)
builds() {
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS DEB_BUILD_OPTIONS="nocheck parallel=2" \
        make -s deb BUILD="$work" MAINTAINER='Test Builder <builder@debian.org>' > "$work/log" 2>&1 ||
        { tail -20 "$work/log" | sed 's/^/# /'; false; }
}
check 'they build' builds
deb=$work/deb
finds_nothing() {
    lintian --allow-root --fail-on error,warning "$deb"/*.changes > "$work/out" 2>&1 ||
        { sed 's/^/# /' "$work/out"; false; }
}
check 'lintian finds no error and no warning' finds_nothing

so=${version%.*}
for package in "libe2str$so" libe2str-dev e2str e2str-data; do
    check "$package is there" test -f "$(echo "$deb/${package}_$version"-*.deb)"
done
for package in "$deb"/*.deb; do
    case $package in *-dbgsym_*) continue ;; esac
    dpkg-deb -x "$package" "$work/root"
done
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
lib=$work/root/usr/lib/$multiarch
soname=libe2str.so.$so
check 'the library is where Debian has libraries' test -f "$lib/$soname.${version##*.}" -a -L "$lib/$soname"
stripped() { ! readelf -W -S "$lib/$soname" | grep -qE '\.(symtab|debug_info)'; }
check 'without symbols for debuggers' stripped
reads() { [ "$(cd / && env -u E2STR_MODEL "$@" | cut -f 2)" = OPEN ]; }
image=$PWD/examples/images/open.png
needs_library() { readelf -d "$work/root/usr/bin/e2str" | grep NEEDED | grep -qF "[$soname]"; }
check 'the command uses it' needs_library
check 'and reads' reads LD_LIBRARY_PATH="$lib" "$work/root/usr/bin/e2str" read "$image"
cp examples/images/open.png "$work/word.png"
# shellcheck disable=SC2046 # several flags
program() {
    $CC examples/read_word.c -o "$work/program" $(PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/root \
        "$PKG_CONFIG" --cflags --libs e2str) && [ "$(cd "$work" && LD_LIBRARY_PATH=$lib ./program | cut -f 1)" = OPEN ]
}
check 'a program compiles and reads' program
finish
