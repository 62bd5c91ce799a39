#!/bin/bash
# SPDX-License-Identifier: MIT
# The e2str command and archives: every command takes them, additions are appended, convert, compact and verify.
set -u
. tests/cases.sh
e2str=$(realpath "$BUILD")/e2str
images=examples/images
export E2STR_MODEL=$PWD/weights/e2str-small.gguf

expect() { # NAME STATUS COMMAND...: runs it; its output is in $work/out and $work/err
    local name=$1 wanted=$2
    shift 2
    "$@" > "$work/out" 2> "$work/err" < /dev/null
    ended "$name" "$wanted" $? "$@"
}
holds() { check "and has: $1" grep -qF -- "$1" "$work/out"; }
size() { wc -c < "$1"; }
pool=$work/words.pool archive=$work/words.archive

expect 'pool add' 0 "$e2str" pool add "$pool" --labels $images/labels.tsv --no-learn
expect 'pool learn' 0 "$e2str" pool learn "$pool"
expect 'convert' 0 "$e2str" pool convert "$pool" "$archive"
quiet
check 'leaves no lock' test ! -e "$archive.lock"
check 'is an archive' test "$(head -c 8 "$archive")" = e2strarc

# ---- both kinds answer the same ----
for command in 'pool list' 'pool audit'; do
    # shellcheck disable=SC2086 # two words
    expect "$command of the pool file" 0 "$e2str" $command "$pool"
    cp "$work/out" "$work/before"
    # shellcheck disable=SC2086
    expect "$command of the archive" 0 "$e2str" $command "$archive"
    check 'is the same' cmp "$work/before" "$work/out"
done
for option in '-k 2' '-k 0' '-k 3 --min-similarity -1 --memory 0'; do
    # shellcheck disable=SC2086 # words
    expect "read $option with the pool file" 0 "$e2str" read --json -p "$pool" $option $images/*.png
    cp "$work/out" "$work/before"
    # shellcheck disable=SC2086
    expect "read $option with the archive" 0 "$e2str" read --json -p "$archive" $option $images/*.png
    check 'is the same' cmp "$work/before" "$work/out"
done
expect 'info' 0 "$e2str" info "$archive"
holds 'archive         1 segment, '
holds 'in memory       0 bytes: examples stay in the file'
expect 'verify' 0 "$e2str" pool verify "$archive"
holds ' examples, all whole'
check 'in one line' test "$(wc -l < "$work/out")" -eq 1
expect 'verify of a pool file' 0 "$e2str" pool verify "$pool"

# ---- changes are appended ----
before=$(size "$archive")
expect 'add to the archive' 0 "$e2str" pool add --no-learn "$archive" $images/2026.png 2026
added=$(($(size "$archive") - before))
check 'costs what it adds' test "$added" -gt 24576 -a "$added" -lt 40000
id=$(cut -f1 "$work/out")
expect 'list' 0 "$e2str" pool list "$archive"
holds "$id${tab}2026"
expect 'remove' 0 "$e2str" pool remove "$archive" "$id"
expect 'remove again' 1 "$e2str" pool remove "$archive" "$id"
says "$id"
expect 'compact' 0 "$e2str" pool compact "$archive"
check 'says so in one line' test "$(wc -l < "$work/out")" -eq 1
check 'makes it smaller' test "$(size "$archive")" -le "$before"
expect 'compact of a pool file' 1 "$e2str" pool compact "$pool"
says 'no archive'

# ---- without visual tokens ----
cp "$archive" "$work/keys"
expect 'drop tokens' 0 "$e2str" pool compact --drop-tokens "$work/keys"
check 'leaves little' test "$(size "$work/keys")" -lt $(($(size "$archive") / 2))
expect 'read with what was learnt' 0 "$e2str" read -p "$archive" -k 0 $images/*.png
cp "$work/out" "$work/before"
expect 'read without tokens' 0 "$e2str" read -p "$work/keys" -k 2 $images/*.png
check 'is the same' cmp "$work/before" "$work/out"
says 'visual tokens of 10 examples were left out of the pool'
check 'once' test "$(wc -l < "$work/err")" -eq 1
expect 'without memory, too' 0 "$e2str" read -p "$work/keys" --memory 0 $images/open.png $images/2026.png
says 'visual tokens of 10 examples were left out of the pool'
expect 'a read that wants no prompt' 0 "$e2str" read -p "$work/keys" -k 0 $images/open.png
quiet
cp "$work/keys" "$work/learnt"
expect 'to remove what it learnt from, and cannot again' 1 "$e2str" pool remove "$work/keys" 1
says 'its visual tokens were left out'
says 'nothing is removed'
check 'leaves the file as it was' cmp "$work/keys" "$work/learnt"
echo "$images/2026.png${tab}1999" > "$work/in"
stream_in() { "$e2str" stream "$work/keys" < "$work/in"; }
expect 'a stream of corrections' 1 stream_in
says 'this pool cannot learn'
check 'leaves it, too' cmp "$work/keys" "$work/learnt"
expect 'an addition that cannot be learnt' 1 "$e2str" pool add "$work/learnt" $images/open.png OPEN
says 'its visual tokens were left out'
holds "${tab}OPEN"
expect 'leaves what was learnt' 0 "$e2str" pool info "$work/learnt"
holds 'characters of 10 examples'
expect 'info of it' 0 "$e2str" pool info "$work/keys"
holds 'without tokens  '
expect 'no way back' 1 "$e2str" pool convert "$work/keys" "$work/none"
says 'left out'
check 'and nothing is there' test ! -e "$work/none"

# ---- and back ----
expect 'convert back' 0 "$e2str" pool convert "$archive" "$work/back"
check 'is the pool file that it was' cmp <("$e2str" pool list "$pool") <("$e2str" pool list "$work/back")
expect 'drop tokens of a pool file' 2 "$e2str" pool convert --drop-tokens "$archive" "$work/none"
says '--drop-tokens'
expect 'onto itself' 1 "$e2str" pool convert "$archive" "$archive"
says 'itself'
cp "$work/back" "$work/twin"
expect 'onto what is there' 1 "$e2str" pool convert "$pool" "$work/twin"
says "$work/twin: is there already"
expect 'onto itself' 1 "$e2str" pool convert "$work/twin" "$work/twin"
says 'is there already'
expect 'onto itself, without what nothing brings back' 1 \
    "$e2str" pool convert --force --drop-tokens "$work/twin" "$work/twin"
says 'cannot be converted onto itself with --drop-tokens'
check 'leaves it as it was' cmp "$work/back" "$work/twin"
check 'and no lock' test ! -e "$work/twin.lock"
expect 'with --force onto what is there' 0 "$e2str" pool convert --force "$archive" "$work/twin"
check 'it is replaced' cmp "$work/back" "$work/twin"
expect 'an archive with --force onto itself' 1 "$e2str" pool convert --force "$archive" "$archive"
says 'itself'
expect 'a pool file onto itself' 0 "$e2str" pool convert --force "$work/back" "$work/back"
check 'is an archive then' test "$(head -c 8 "$work/back")" = e2strarc

# ---- damage ----
printf 'x' | dd of="$archive" bs=1 seek=20000 conv=notrunc 2> /dev/null
expect 'verify of a damaged one' 1 "$e2str" pool verify "$archive"
says "$archive"
says 'damaged'
expect 'a pool that has not learnt' 0 "$e2str" pool add "$work/new.pool" --labels $images/labels.tsv --no-learn
expect 'as an archive' 0 "$e2str" pool convert "$work/new.pool" "$work/new"
at=$(grep -obaU Platform "$work/new" | cut -d : -f 1)
printf 'x' | dd of="$work/new" bs=1 seek="$at" conv=notrunc 2> /dev/null
expect 'list of damaged labels' 1 "$e2str" pool list "$work/new"
check 'lists nothing' test ! -s "$work/out"
says "$work/new: 10 examples from id 1 on: the file is damaged"
says '10 examples not listed'
expect 'audit of them' 1 "$e2str" pool audit "$work/new"
says '10 examples from id 1 on: the file is damaged'
expect 'explain with them' 1 "$e2str" explain -p "$work/new" -k 2 --min-similarity -1 $images/open.png
says '10 examples from id 1 on: the file is damaged'
head -c 30000 "$work/back" > "$work/cut"
expect 'one that is cut' 1 "$e2str" pool list "$work/cut"
says 'cut'
finish
