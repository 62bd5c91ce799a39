#!/bin/bash
# SPDX-License-Identifier: MIT
# Rust, Go and Java with an installed library: their own tests, and the programs of docs/packages.md, as printed there.
set -u
. tests/cases.sh
root=$(pwd)
prefix=$work/prefix
unset E2STR_MODEL LD_LIBRARY_PATH
quietly() { "$@" > "$work/log" 2>&1 || { sed 's/^/# /' "$work/log"; false; }; }
check 'installs' quietly env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s install BUILD="$BUILD" PREFIX="$prefix"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig

# How large C's structures are.
{
    printf '#include <%s>\n' e2str.h stdio.h
    echo 'int main(void) {'
    echo '#include <e2str.h>' | $CC -E -P -Iinclude -x c - | tr '\n' ' ' | sed 's/;/;\n/g' |
        sed -nE 's/^ *\} (e2str_[a-z_]+);$/    printf("\1 %zu\\n", sizeof(\1));/p'
    echo '}'
} > "$work/sizes.c"
$CC -Iinclude "$work/sizes.c" -o "$work/print" && "$work/print" > "$work/sizes"
check 'C knows its structures' test "$(wc -l < "$work/sizes")" -ge 15

# page LANGUAGE: the program of the page
page() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" docs/packages.md | sed '/^```/d'; }
printf '%s\n' Coffee ₩17,250 > "$work/wanted"
prints() {
    "$@" > "$work/out" 2> "$work/err" || { sed 's/^/# /' "$work/err"; return 1; }
    diff "$work/out" "$work/wanted"
}

if command -v cargo > /dev/null && cargo --version > /dev/null 2>&1; then
    export CARGO_TARGET_DIR=$work/cargo
    crate=$work/rust/examples/rust
    mkdir -p "$work/rust/examples"
    cp -r examples/rust examples/images examples/demo "$work/rust/examples" # cargo writes beside Cargo.toml
    is_header() { # but for the layout, which rustfmt makes
        diff <("$PYTHON" examples/rust/bindings.py | tr -d ' \n,') <(tr -d ' \n,' < examples/rust/src/sys.rs)
    }
    if command -v "$PYTHON" > /dev/null; then
        check 'Rust: sys.rs is the header' is_header
    else
        skip 'Rust: sys.rs is the header' 'no Python'
    fi
    rust_tests() {
        (cd "$crate" && E2STR_SIZES=$work/sizes LD_LIBRARY_PATH=$prefix/lib quietly cargo test --offline "$@") &&
            [ "$(grep -c '^test .* ok$' "$work/log")" -ge 9 ]
    }
    check 'Rust: its tests pass' rust_tests
    refuses() { # where there is no library
        ! (cd "$crate" && PKG_CONFIG_PATH='' PKG_CONFIG_LIBDIR=/nowhere CARGO_TARGET_DIR=$work/none cargo check \
            --offline) > "$work/log" 2>&1 && grep -q 'libe2str is not found' "$work/log"
    }
    check 'Rust: without a library it says so' refuses
    mkdir -p "$work/app/src"
    page rust > "$work/app/src/main.rs"
    printf '%s\n' '[package]' 'name = "app"' 'version = "0.0.0"' 'edition = "2021"' '[dependencies]' \
        "e2str = { path = \"$crate\" }" > "$work/app/Cargo.toml"
    builds() { (cd "$work/app" && E2STR_STATIC=1 CARGO_TARGET_DIR=$work/static quietly cargo build --offline); }
    check "Rust: the page's program builds with the archive" builds
    check 'Rust: and reads' prints env E2STR_MODEL="$prefix/share/e2str/e2str-small.gguf" "$work/static/debug/app"
    alone() { ! ldd "$work/static/debug/app" | grep -q libe2str; }
    check 'Rust: without the shared library' alone
else
    skip 'Rust' 'no cargo'
fi

if command -v go > /dev/null; then
    export GOCACHE=$work/go-cache GOFLAGS=-mod=mod GOPROXY=off LD_LIBRARY_PATH=$prefix/lib
    formatted() { [ -z "$(gofmt -l examples/go)" ]; }
    check 'Go: as gofmt writes it' formatted
    go_tests() { (cd examples/go && quietly go vet ./... && GODEBUG=cgocheck=2 quietly go test -count=1 ./...); }
    check 'Go: its tests pass' go_tests
    mkdir "$work/go"
    page go > "$work/go/main.go"
    printf '%s\n' 'module app' 'go 1.17' 'require e2str v0.0.0' "replace e2str => $root/examples/go" > "$work/go/go.mod"
    builds_go() { (cd "$work/go" && quietly go build -o ../words .); }
    check "Go: the page's program builds" builds_go
    check 'Go: and reads' prints "$work/words"
    unset LD_LIBRARY_PATH
else
    skip 'Go' 'no go'
fi

jna=$(find /usr/share/java -name jna.jar 2> /dev/null | head -1)
if command -v javac > /dev/null && [ -n "$jna" ]; then
    mkdir "$work/java"
    page java > "$work/java/Words.java"
    check 'Java: it compiles without a warning' \
        quietly javac -Xlint:all -Werror -cp "$jna" -d "$work/java" examples/java/*.java "$work/java/Words.java"
    java=(java -Djna.library.path="$prefix/lib" -Dfile.encoding=UTF-8 -cp "$jna:$work/java")
    "${java[@]}" E2strTest examples "$work/sizes" || failures=1
    check "Java: the page's program reads" prints env LC_ALL=C.UTF-8 "${java[@]}" Words
else
    skip 'Java' 'no javac, or no JNA (packages default-jdk-headless, libjna-java)'
fi
finish
