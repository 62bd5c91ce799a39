#!/bin/bash
# SPDX-License-Identifier: MIT
# Many commands change one pool at once: each waits for the others, and nothing is lost.
set -u
. tests/cases.sh
e2str=$(realpath "$BUILD")/e2str
export E2STR_MODEL=$PWD/tests/golden/plain.gguf
image=$PWD/examples/images/open.png
pool=$work/words.pool
ln -s words.pool "$work/link.pool"

# 200 additions by 16 at a time, half of them through a link once the pool is there
"$e2str" pool add "$pool" "$image" a > "$work/ids"
for ((i = 1; i < 200; i++)); do
    if ((i % 2)); then echo "$pool"; else echo "$work/link.pool"; fi
done | xargs -P 16 -I POOL "$e2str" pool add POOL "$image" a >> "$work/ids" 2> "$work/err"
check 'all succeeded' test ! -s "$work/err"
check '200 ids were printed' test "$(sort -un "$work/ids" | wc -l)" -eq 200
"$e2str" pool list "$pool" > "$work/list"
check 'all of them are in the file' diff <(sort -n "$work/ids" | cut -f 1) <(cut -f 1 "$work/list")

# removing and adding
for ((i = 1; i <= 40; i++)); do echo "$i"; done |
    xargs -P 8 -I ID sh -c "'$e2str' pool remove '$pool' ID && '$e2str' pool add '$pool' '$image' a" > "$work/more"
check 'as many as before' test "$("$e2str" pool list "$pool" | wc -l)" -eq 200
check 'no id came again' test "$(sort -n "$work/more" | head -1 | cut -f 1)" -eq 201

check 'no lock and no temporary file is left' test "$(find "$work" -name '*.lock' -o -name '.e2str-*' | wc -l)" -eq 0
"$e2str" pool remove "$work/none.pool" 1 2> "$work/err"
check 'a pool that is not there leaves none, either' test ! -e "$work/none.pool.lock"
touch "$pool.lock" # of a killed command
"$e2str" pool add "$pool" "$image" a > "$work/out" 2>&1
check 'a lock that nobody holds is no lock' test $? -eq 0
mkdir "$work/shut.pool.lock"
"$e2str" pool add "$work/shut.pool" "$image" a > "$work/out" 2> "$work/err"
check 'what cannot be locked is not changed' test ! -e "$work/shut.pool"
check 'and said' grep -q 'cannot lock it' "$work/err"
exit $((failures > 0))
