#!/bin/bash
# SPDX-License-Identifier: MIT
# The source archive: complete, the same bytes whoever packs it, and it builds, elsewhere, the same bytes as here. No
# binary says where it was built.
set -u
. tests/cases.sh
root=$(pwd)
version=$(sed -nE 's/^#define E2STR_VERSION_[A-Z]+ ([0-9]+)$/\1/p' include/e2str.h | paste -sd.)
name=e2str-$version
make_in() { # FOLDER ARGUMENT...
    (cd "$1" && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s "${@:2}" > "$work/log" 2>&1) ||
        { sed 's/^/# /' "$work/log"; false; }
}

check 'packs' make_in . dist BUILD="$work/one"
check 'and again, in another time zone and with other rights' \
    env TZ=Pacific/Auckland sh -c "umask 077 && sh lib/packaging/dist.sh $name '$work/two.tar.gz'"
check 'the same bytes' cmp "$work/one/$name.tar.gz" "$work/two.tar.gz"
tar -C "$work" -xf "$work/two.tar.gz"
tree=$work/$name
if git rev-parse --git-dir > /dev/null 2>&1; then
    check 'it has every file that git tracks' \
        diff <(git ls-files | LC_ALL=C sort) <(cd "$tree" && find . -type f -printf '%P\n' | LC_ALL=C sort)
fi
is_owned_by_nobody() { ! tar --numeric-owner -tvf "$work/two.tar.gz" | grep -vE '^-rw(xr-x|-r--)r-[x-] 0/0 '; }
check 'files have no owner and ordinary rights' is_owned_by_nobody
check 'packs from itself' make_in "$tree" dist BUILD=build
check 'the same bytes' cmp "$tree/build/$name.tar.gz" "$work/two.tar.gz"

check 'builds' make_in "$tree" -j2 BUILD=build all
check 'as here' make_in . BUILD="$BUILD" all
for file in e2str "libe2str.so.$version" libe2str.a pipeline; do
    [ -e "$BUILD/$file" ] || continue
    check "$file: the same bytes as here" cmp "$BUILD/$file" "$tree/build/$file"
    nowhere() { ! strings -a "$BUILD/$1" | grep -F -e "$root" -e "$tree"; }
    check "$file: says nowhere where it was built" nowhere "$file"
done
runs_tests() {
    cd "$tree" && env -u MAKEFLAGS -u MAKELEVEL BUILD=build sh tests/run.sh tests/test_cli.sh tests/test_symbols.sh \
        tests/test_completion.sh > "$work/log" 2>&1 && grep -q ' 0 failed' "$work/log"
}
check 'and passes tests' runs_tests
finish
