#!/bin/bash
# SPDX-License-Identifier: MIT
# The tests as a 32-bit program: in a Debian for i386 in its own folder ($BUILD/m32/root, made by debootstrap, 400 MB),
# since a machine has its libraries seldom. The CPU runs it, the kernel must allow it. As root.
set -eu
: "${BUILD:=build}" "${SUITE:=bookworm}" "${MIRROR:=http://deb.debian.org/debian}"
root=$BUILD/m32/root
packages=gcc,libc6-dev,make,pkg-config,libpng-dev,libjpeg62-turbo-dev,libcmocka-dev

if [ ! -e "$root/.ready" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    debootstrap --arch=i386 --variant=minbase --include="$packages" "$SUITE" "$root" "$MIRROR"
    touch "$root/.ready"
fi

mkdir -p "$root/e2str"
git ls-files -z --cached --others --exclude-standard | tar -c --null --ignore-failed-read -T - | tar -x -C "$root/e2str"
# Nothing of this system is bound into it, so that removing the folder removes nothing else.
mkdir -p "$root/dev/shm"
if ! mountpoint -q "$root/proc" && mount -t proc proc "$root/proc"; then
    # shellcheck disable=SC2064 # of now
    trap "umount '$root/proc'" EXIT
fi

# -msse2: the x87 would round otherwise than all other machines.
chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ TEST_SECONDS=3600 make -C /e2str -s -j2 BLAS=none \
    CFLAGS='-O2 -g -msse2 -mfpmath=sse' tests-of-programs
