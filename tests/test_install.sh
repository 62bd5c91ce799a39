#!/bin/bash
# SPDX-License-Identifier: MIT
# make install and uninstall, as a packager and as a user of the installed library would.
set -u
. tests/cases.sh
root=$(pwd)
prefix=/opt/e2str
make_quietly() { env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s BUILD="$BUILD" "$@"; }
files_in() { (cd "$1" && find . \( -type f -o -type l \) | LC_ALL=C sort); }

check 'installs with PREFIX and DESTDIR' make_quietly install DESTDIR="$work/upper" PREFIX=$prefix
check 'installs with prefix in small letters' make_quietly install DESTDIR="$work/lower" prefix=$prefix
check 'both give the same tree' diff -r --no-dereference "$work/upper" "$work/lower"

version=$(sed -n 's/^#define E2STR_VERSION_[A-Z]* //p' include/e2str.h | paste -sd.)
cat > "$work/expected" << END
.$prefix/bin/e2str
.$prefix/include/e2str.h
.$prefix/lib/libe2str.a
.$prefix/lib/libe2str.so
.$prefix/lib/libe2str.so.${version%.*}
.$prefix/lib/libe2str.so.$version
.$prefix/lib/pkgconfig/e2str.pc
.$prefix/share/e2str/e2str-small.gguf
$(cd "$root" && printf "./opt/e2str/share/doc/e2str/%s\n" LICENSE README.md CHANGELOG.md docs/*.{md,svg,json})
.$prefix/share/man/man1/e2str.1
END
LC_ALL=C sort -o "$work/expected" "$work/expected"
files_in "$work/upper" > "$work/found"
check 'installs these files and no others' diff "$work/expected" "$work/found"

tree=$work/upper$prefix
export PKG_CONFIG_PATH=$tree/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/upper
check 'pkg-config knows the version' test "$($PKG_CONFIG --modversion e2str)" = "$version"

check 'and where the model is' test -r "$($PKG_CONFIG --variable=model e2str)"
cp examples/images/open.png "$work/word.png"
unset E2STR_MODEL
run_program() { # NAME: runs it beside its image, expects the text of open.png
    local out
    out=$(cd "$work" && LD_LIBRARY_PATH=$tree/lib "./$1") || return 1
    [ "$(printf '%s' "$out" | cut -f 1)" = OPEN ] || { echo "# $out"; return 1; }
}
run_archive() { E2STR_MODEL=$tree/share/e2str/e2str-small.gguf run_program "$1"; }
static_is_static() { ! readelf -d "$work/static" | grep -q NEEDED; }
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
        compile "$CC" examples/read_word.c archive $($PKG_CONFIG --cflags e2str) "$tree/lib/libe2str.a" \
        $(PKG_CONFIG_SYSROOT_DIR='' $PKG_CONFIG --static --libs-only-other --libs-only-l e2str | sed 's/-le2str//')
    check 'and reads a word without the shared library' run_archive archive
    needs_no_so() { ! ldd "$work/archive" | grep -q libe2str; }
    check 'the archive stands in for the shared library' needs_no_so
    # The system's libraries have no place in the tree: their .pc files are asked for as they are.
    if echo 'int main(void) { return 0; }' > "$work/empty.c" && compile "$CC" "$work/empty.c" empty -static -lc \
        $(PKG_CONFIG_SYSROOT_DIR='' $PKG_CONFIG --static --libs libpng libjpeg) 2> /dev/null; then
        static_link() {
            compile "$CC" examples/read_word.c static -static "-I$tree/include" "-L$tree/lib" \
                $(PKG_CONFIG_SYSROOT_DIR='' $PKG_CONFIG --static --libs e2str) 2> "$work/err" && [ ! -s "$work/err" ]
        }
        check 'a static program links as pkg-config says, without a warning' static_link
        check 'and reads a word' run_archive static
        check 'and is static' static_is_static
        sed -e 's/_model_open(path, NULL/_model_open(path, \&options/' \
            -e 's/e2str_status status = /e2str_model_options options;\ne2str_model_options_init(\&options);\n&/' \
            examples/read_word.c | sed 's/_init(&options);/&\noptions.products = E2STR_PRODUCTS_OPENBLAS;/' \
            > "$work/chooses.c"
        asks_for_openblas() {
            compile "$CC" "$work/chooses.c" chooses -static "-I$tree/include" "-L$tree/lib" \
                $(PKG_CONFIG_SYSROOT_DIR='' $PKG_CONFIG --static --libs e2str) &&
                ! run_archive chooses 2> "$work/err" && grep -qE 'static program|BLAS=none' "$work/err"
        }
        check 'and OpenBLAS is refused there with the reason' asks_for_openblas
    else
        skip 'a static program links as pkg-config says' 'no static C library, libpng or libjpeg'
    fi
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

man_has_all() { # every command and option that help names
    local command option
    sed 's/\\-/-/g' "$tree/share/man/man1/e2str.1" > "$work/page"
    "$BUILD/e2str" help | sed -nE 's/^(usage:|      ) e2str ((pool )?[a-z]+) .*/\2/p' | grep -vx help > "$work/commands"
    while read -r command; do
        grep -qxF ".SS e2str $command" "$work/page" || { echo "# $command"; return 1; }
        # shellcheck disable=SC2086 # one or two words
        "$BUILD/e2str" help $command | sed -nE 's/^  (-.,)? +--([a-z-]+) .*/\2/p'
    done < "$work/commands" > "$work/options"
    [ "$(wc -l < "$work/options")" -gt 50 ] || return 1
    while read -r option; do
        grep -qE "^\.B .*--$option( |\$)" "$work/page" || { echo "# --$option"; return 1; }
    done < "$work/options"
}
check 'the manual page has every command and option' man_has_all
if command -v groff > /dev/null; then
    page_is_sound() { [ -z "$(groff -man -Tutf8 -ww -z "$tree/share/man/man1/e2str.1" 2>&1)" ]; }
    check 'and groff finds nothing wrong with it' page_is_sound
else
    skip 'groff finds nothing wrong with the manual page' 'no groff'
fi

check 'uninstalls' make_quietly uninstall DESTDIR="$work/upper" PREFIX=$prefix
check 'uninstall leaves no file' test -z "$(files_in "$work/upper")"
check 'uninstall leaves no data folder' test ! -e "$tree/share/e2str"
check 'uninstalling twice is no error' make_quietly uninstall DESTDIR="$work/upper" PREFIX=$prefix

# ---- as README prints it, into a prefix with a blank, without DESTDIR ----
unset PKG_CONFIG_SYSROOT_DIR
spaced="$work/a b"
export PKG_CONFIG_PATH="$spaced/lib/pkgconfig"
make_alone() { (unset PKG_CONFIG_PATH && make_quietly "$@"); }
check 'installs into a folder with a blank in its name' make_alone install PREFIX="$spaced" > "$work/out"
check 'and says how programs find the library there' grep -qF -- "-Wl,-rpath,$spaced/lib" "$work/out"
as_printed() {
    eval "$CC examples/read_word.c -o '$work/printed' $($PKG_CONFIG --cflags --libs e2str) '-Wl,-rpath,$spaced/lib'" &&
        run_program_alone
}
run_program_alone() { [ "$(cd "$work" && ./printed | cut -f 1)" = OPEN ]; }
check 'a program compiled as pkg-config says finds library and model' as_printed
model_is_there() {
    [ "$($PKG_CONFIG --variable=model e2str | sed 's/\\//g')" = "$spaced/share/e2str/e2str-small.gguf" ]
}
check 'and pkg-config says where the model is' model_is_there
mv "$spaced" "$work/moved"
moved() { [ "$(cd "$work" && LD_LIBRARY_PATH=$work/moved/lib ./printed | cut -f 1)" = OPEN ]; }
check 'an installation that was moved finds its model, too' moved
mv "$work/moved" "$spaced"
check 'uninstalls from there' make_alone uninstall PREFIX="$spaced"
check 'and leaves no file' test -z "$(files_in "$spaced")"

# The model's folder is that of the install, whatever it was at the build.
elsewhere=$work/elsewhere
check 'installs with a folder for the model' make_alone install PREFIX="$work/p" DATADIR="$elsewhere" > "$work/out"
finds_elsewhere() { [ "$(cd / && "$work/p/bin/e2str" read "$work/word.png" | cut -f 2)" = OPEN ]; }
check 'and the command finds it' finds_elsewhere

# ---- what is compiled again ----
compiled() { # the time of an object, made with these settings
    make_alone BUILD="$work/b" "$work/b/lib/hash.o" "$@" > /dev/null && stat -c %y "$work/b/lib/hash.o"
}
first=$(compiled CFLAGS=-O0)
check 'an object is compiled' test -n "$first"
check 'and not again for the same settings' test "$(compiled CFLAGS=-O0)" = "$first"
second=$(compiled CFLAGS=-O1)
check 'other CFLAGS compile it again' test "$second" != "$first"
check 'another compiler compiles it again' test "$(compiled CFLAGS=-O1 CC="$CC -DANOTHER")" != "$second"
blank_build() { ! make_quietly BUILD="$work/a b" lib 2> "$work/err" && grep -q 'a blank in its name' "$work/err"; }
check 'a build folder with a blank is refused with the reason' blank_build
finish
