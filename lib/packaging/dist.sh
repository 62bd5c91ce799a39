#!/bin/sh
# SPDX-License-Identifier: MIT
# dist.sh NAME ARCHIVE: everything that git tracks (from an unpacked archive: everything but build/) as ARCHIVE, a
# .tar.gz with the folder NAME. The same files give the same bytes, whoever packs them, where and when.
set -eu
name=$1 archive=$2
if git rev-parse --git-dir > /dev/null 2>&1; then
    date=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
    list() { git ls-files -z; }
else
    date=${SOURCE_DATE_EPOCH:-$(stat -c %Y CHANGELOG.md)} # which the archive gave it
    list() { find . -mindepth 1 -name build -prune -o -name __pycache__ -prune -o -type f -printf '%P\0'; }
fi
list | LC_ALL=C sort -z | tar --create --null --no-recursion --files-from=- --transform="s,^,$name/,rSH" \
    --format=gnu --mtime="@$date" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX | gzip -9n > "$archive.new"
mv "$archive.new" "$archive"
