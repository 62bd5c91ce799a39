#!/bin/bash
# SPDX-License-Identifier: MIT
# Programs find the library as CMake and pkg-config tell them: shared and static, in C and in C++, where it was
# installed, where it was moved to, and below DESTDIR.
set -u
. tests/cases.sh
root=$(pwd)
make_quietly() { env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s BUILD="$BUILD" "$@" > "$work/log" 2>&1; }
version=$(sed -nE 's/^#define E2STR_VERSION_[A-Z]+ ([0-9]+)$/\1/p' include/e2str.h | paste -sd.)
unset E2STR_MODEL LD_LIBRARY_PATH
quietly() { "$@" > "$work/log" 2>&1 || { sed 's/^/# /' "$work/log"; false; }; }

# A consumer: a program in C, one in C++, each with the shared library and with the archive.
mkdir "$work/consumer"
cp examples/read_word.c "$work/consumer/word.c"
cat > "$work/consumer/word.cpp" << 'END'
#include <e2str.hpp>
#include <iostream>

int main() try {
    const e2str::Model model;
    e2str::Session session(model);
    std::cout << session.read(e2str::Image("word.png")).text() << '\n';
} catch (const e2str::Error &error) {
    std::cerr << error.what() << '\n';
    return error.status();
}
END
cat > "$work/consumer/CMakeLists.txt" << 'END'
cmake_minimum_required(VERSION 3.13)
project(consumer C CXX)
set(CMAKE_CXX_STANDARD 17)
if(ALL_STATIC)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
endif()
find_package(e2str 0.1 REQUIRED COMPONENTS shared static)
foreach(source word.c word.cpp)
  string(MAKE_C_IDENTIFIER ${source} name)
  add_executable(${name}_shared ${source})
  target_link_libraries(${name}_shared PRIVATE e2str::e2str)
  add_executable(${name}_static ${source})
  target_link_libraries(${name}_static PRIVATE e2str::e2str_static)
endforeach()
file(WRITE ${CMAKE_BINARY_DIR}/model "${e2str_MODEL}")
END
cp examples/images/open.png "$work/word.png"

reads() { # PROGRAM [VARIABLE=VALUE...]
    local program=$1
    shift
    [ "$(cd "$work" && env "$@" "$program" 2>&1 | cut -f 1)" = OPEN ]
}
links_archive() { ! ldd "$1" | grep -q libe2str; }

# by_cmake NAME PREFIX [FLAG...]: CMake writes the library's folder into programs that it builds
by_cmake() {
    local name=$1 prefix=$2 build=$work/cmake-$1
    shift 2
    configures() { quietly cmake -S "$work/consumer" -B "$build" "$@"; }
    check "$name: CMake finds it" configures "$@"
    check "$name: and builds four programs" quietly cmake --build "$build"
    for program in word_c word_cpp; do
        check "$name: $program reads with the shared library" reads "$build/${program}_shared"
        check "$name: $program has the archive" links_archive "$build/${program}_static"
        check "$name: and reads" reads "$build/${program}_static" E2STR_MODEL="$(cat "$build/model")"
    done
    check "$name: e2str_MODEL is there" test "$(cat "$build/model")" = "$prefix/share/e2str/e2str-small.gguf"
}

# by_pkg_config NAME PREFIX [FLAG...]: with the flags of pkg-config, and of PKG_CONFIG_* in the environment
by_pkg_config() {
    local name=$1 prefix=$2
    shift 2
    # shellcheck disable=SC2046 # several flags
    {
        check "$name: pkg-config finds it" quietly "$PKG_CONFIG" --exists "e2str = $version"
        check "$name: a C program compiles" quietly "$CC" "$work/consumer/word.c" -o "$work/shared" \
            $("$PKG_CONFIG" "$@" --cflags --libs e2str)
        check "$name: and reads" reads ./shared LD_LIBRARY_PATH="$prefix/lib"
        check "$name: a C++ program compiles" quietly "$CXX" -std=c++17 "$work/consumer/word.cpp" -o "$work/shared" \
            $("$PKG_CONFIG" "$@" --cflags --libs e2str)
        check "$name: and reads" reads ./shared LD_LIBRARY_PATH="$prefix/lib"
        # What the system has is asked for without the sysroot, where it is not.
        check "$name: a static program links" quietly "$CC" -static "$work/consumer/word.c" -o "$work/static" \
            $("$PKG_CONFIG" "$@" --cflags e2str) "-L$prefix/lib" \
            $(PKG_CONFIG_SYSROOT_DIR='' "$PKG_CONFIG" "$@" --static --libs e2str)
        check "$name: and reads" reads ./static E2STR_MODEL="$prefix/share/e2str/e2str-small.gguf"
        check "$name: and needs no library" test -z "$(readelf -d "$work/static" | grep NEEDED)"
    }
}

has_cmake=$(command -v cmake)
[ -n "$has_cmake" ] || skip 'find_package(e2str)' 'no cmake'

prefix=$work/installed
check 'installs' make_quietly install PREFIX="$prefix"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
by_pkg_config installed "$prefix"
[ -z "$has_cmake" ] || by_cmake installed "$prefix" -DCMAKE_PREFIX_PATH="$prefix"

moved=$work/moved
mv "$prefix" "$moved"
export PKG_CONFIG_PATH=$moved/lib/pkgconfig
by_pkg_config moved "$moved" --define-prefix
[ -z "$has_cmake" ] || by_cmake moved "$moved" -De2str_ROOT="$moved"

unset PKG_CONFIG_PATH
check 'installs below DESTDIR' make_quietly install DESTDIR="$work/stage" PREFIX=/usr LIBDIR=/usr/lib
export PKG_CONFIG_PATH=$work/stage/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/stage
by_pkg_config staged "$work/stage/usr"
unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
[ -z "$has_cmake" ] || by_cmake staged "$work/stage/usr" -DCMAKE_PREFIX_PATH="$work/stage/usr"

if [ -n "$has_cmake" ]; then
    folder=$work/debian/usr/lib/x86_64-linux-gnu
    check "installs with libraries in Debian's folder" \
        make_quietly install DESTDIR="$work/debian" PREFIX=/usr LIBDIR=/usr/lib/x86_64-linux-gnu
    by_cmake "Debian's folder" "$work/debian/usr" -De2str_DIR="$folder/cmake/e2str"

    asks() { # LINE...: find_package in a project with nothing else
        rm -rf "$work/asks" && mkdir "$work/asks"
        printf '%s\n' 'cmake_minimum_required(VERSION 3.13)' 'project(asks C)' "$@" > "$work/asks/CMakeLists.txt"
        cmake -S "$work/asks" -B "$work/asks/build" -DCMAKE_PREFIX_PATH="$moved" > "$work/log" 2>&1
    }
    refuses() { ! asks "$2" && grep -q "$1" "$work/log"; }
    major_minor=${version%.*}
    check 'any version will do' asks 'find_package(e2str REQUIRED)'
    check 'so will this minor one' asks "find_package(e2str $major_minor REQUIRED)"
    check 'and exactly this one' asks "find_package(e2str $version EXACT REQUIRED)"
    check 'not a newer one' refuses 'version: 0.1' "find_package(e2str $version.1 REQUIRED)"
    check 'nor another minor one while the major one is 0' refuses 'version: 0.1' 'find_package(e2str 0.0 REQUIRED)'
    check 'nor a component that it has not' refuses 'component gpu' \
        'find_package(e2str REQUIRED COMPONENTS gpu)'
    check 'an optional one is left out' asks 'find_package(e2str REQUIRED COMPONENTS shared OPTIONAL_COMPONENTS gpu)'
    check 'found twice is found once' asks 'find_package(e2str REQUIRED)' 'find_package(e2str REQUIRED)'
    # Where libpng is not to be had, the shared library is.
    no_png='set(CMAKE_DISABLE_FIND_PACKAGE_PNG TRUE)'
    check 'the shared library needs nothing of others to be found' asks "$no_png" 'find_package(e2str REQUIRED)'
    refuses_static() {
        ! asks "$no_png" 'find_package(e2str REQUIRED COMPONENTS static)' && grep -q 'component static' "$work/log"
    }
    check 'the archive does, and CMake says so' refuses_static
    all_static() {
        quietly cmake -S "$work/consumer" -B "$work/all-static" -DCMAKE_PREFIX_PATH="$moved" \
            -DALL_STATIC=1 -DCMAKE_EXE_LINKER_FLAGS=-static &&
            quietly cmake --build "$work/all-static" --target word_c_static &&
            ! readelf -d "$work/all-static/word_c_static" | grep -q NEEDED &&
            reads "$work/all-static/word_c_static" E2STR_MODEL="$moved/share/e2str/e2str-small.gguf"
    }
    check 'a program of CMake that is one file' all_static
fi
cd "$root" || exit
finish
