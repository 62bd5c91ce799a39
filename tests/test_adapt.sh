#!/bin/bash
# SPDX-License-Identifier: MIT
# The example that shows adaptation. What is read is compared with what the command reads, so that nothing here depends
# on how good the weights are.
set -u
. tests/cases.sh
adapt=$BUILD/adapt
model=weights/e2str-small.gguf
images=examples/images
export E2STR_MODEL=$model LC_ALL=C

# expect NAME STATUS INPUT COMMAND...: runs it; its output is in $work/out and $work/err
expect() {
    local name=$1 wanted=$2 input=$3
    shift 3
    # shellcheck disable=SC2059 # the input has \t and \n
    printf "$input" | "$@" > "$work/out" 2> "$work/err"
    ended "$name" "$wanted" "${PIPESTATUS[1]}" "$@"
}
first_reads() { sed '/^$/,$d' "$work/out"; }
second_reads() { sed '1,/^$/d' "$work/out"; }

# ---- adapt: reading ----
expect 'adapt without arguments' 2 '' "$adapt"
says 'usage: adapt MODEL FOLDER [POOL]'
"$BUILD/e2str" read "$images"/*.[jp][pn]g > "$work/command"
expect 'adapt reads a folder' 0 '' "$adapt" "$model" "$images"
quiet
check 'by name, and writes what the command writes' diff "$work/command" "$work/out"
expect 'a slash after the folder' 0 '\n' "$adapt" "$model" "$images/"
check 'changes nothing' diff "$work/command" "$work/out"
expect 'a missing folder' 1 '' "$adapt" "$model" "$work/nowhere"
says "adapt: $work/nowhere: No such file"
expect 'a file as folder' 1 '' "$adapt" "$model" "$images/open.png"
says "$images/open.png: Not a directory"
mkdir "$work/empty"
expect 'a folder without images' 1 '' "$adapt" "$model" "$work/empty"
says "$work/empty: no .png"
expect 'a missing model' 1 '' "$adapt" "$work/none.gguf" "$images"
says "$work/none.gguf"

# ---- adapt: corrections ----
pool=$work/words.pool
expect 'corrections by name, path and number' 0 "open.png\tOne\n$images/exit.jpg\tTwo\r\n4\tThree" \
    "$adapt" "$model" "$images" "$pool"
quiet
check 'come after the first reads' diff "$work/command" <(first_reads)
"$BUILD/e2str" pool list "$pool" | cut -f 2 > "$work/labels"
check 'and are in the pool' test "$(paste -sd ' ' "$work/labels")" = 'One Two Three'
fourth=$(sed -n '4s/\t.*//p' "$work/command")
grep -vE "^($images/open.png|$images/exit.jpg|$fourth)$tab" "$work/command" > "$work/before"
cut -f 1 "$work/before" | xargs "$BUILD/e2str" read -p "$pool" > "$work/after"
awk -F '\t' -v OFS='\t' 'NR == FNR { old[$1] = $2; next } old[$1] != $2 { $2 = old[$1] " -> " $2 } { print }' \
    "$work/before" "$work/after" > "$work/marked"
check 'the others are read with it, changes marked' diff "$work/marked" <(second_reads)
"$BUILD/e2str" read -p "$pool" "$images"/*.[jp][pn]g > "$work/with_pool"
cp "$pool" "$work/saved"
expect 'a pool that exists is loaded' 0 '' "$adapt" "$model" "$images" "$pool"
check 'and read with' diff "$work/with_pool" "$work/out"
check 'and without corrections left as it is' cmp "$pool" "$work/saved"
expect 'it is added to' 0 '1\tFour\n' "$adapt" "$model" "$images" "$pool"
words=$("$BUILD/e2str" pool list "$pool" | cut -f 2 | paste -sd ' ')
check 'after the earlier ones' test "$words" = 'One Two Three Four'

expect 'no pool file is asked for' 0 'open.png\tOPEN\n' "$adapt" "$model" "$images"
check 'and the others are read again' test "$(second_reads | wc -l)" -eq $(($(wc -l < "$work/command") - 1))
expect 'no corrections' 0 '\n' "$adapt" "$model" "$images" "$work/none.pool"
check 'make no pool' test ! -e "$work/none.pool"
expect 'an image corrected twice' 0 '1\tone\n1\ttwo\n' "$adapt" "$model" "$images" "$work/twice.pool"
check 'has its last text' test "$("$BUILD/e2str" pool list "$work/twice.pool" | cut -f 2)" = two
expect 'an empty line ends the corrections' 0 '1\tone\n\n2\ttwo\n' "$adapt" "$model" "$images" "$work/one.pool"
check 'and what follows is not taken' test "$("$BUILD/e2str" pool list "$work/one.pool" | wc -l)" -eq 1

# ---- adapt: what is refused ----
expect 'wrong corrections' 1 \
    'close.png\tX\n0\tX\n99\tX\n1x\tX\nopen.png\n\tX\nopen.png\t\nopen.png\tK\303\244se\n2\tgood\n' \
    "$adapt" "$model" "$images" "$work/good.pool"
says 'adapt: close.png: no image of this name'
says 'adapt: 0: no image'
says 'adapt: 99: no image'
says 'adapt: 1x: no image'
says 'adapt: open.png: no tab'
check 'each has a message' test "$(wc -l < "$work/err")" -eq 7
check 'and good ones are taken' test "$("$BUILD/e2str" pool list "$work/good.pool" | cut -f 2 | paste -sd ' ')" = \
    'Käse good'
mkdir "$work/mixed" "$work/mixed/folder.png"
cp "$images/open.png" "$work/mixed/b.PNG"
cp "$images/exit.jpg" "$work/mixed/c.jpeg"
head -c 1500 "$images/open.png" > "$work/mixed/a.png"
echo 'no image' > "$work/mixed/notes.txt"
expect 'broken images' 1 '1\tone\na.png\tX\n' "$adapt" "$model" "$work/mixed" "$work/mixed.pool"
says "adapt: $work/mixed/a.png: "
says "adapt: $work/mixed/folder.png: "
says 'adapt: a.png: no image of this name'
check 'are named once' test "$(grep -c 'a.png.*a.png' "$work/err")" -eq 0
check 'and skipped' test "$(first_reads | cut -f 1 | paste -sd ' ')" = "$work/mixed/b.PNG $work/mixed/c.jpeg"
check 'and have no number' test "$(second_reads | cut -f 1)" = "$work/mixed/c.jpeg"
expect 'an image as pool' 1 '1\tone\n' "$adapt" "$model" "$images" "$work/mixed/b.PNG"
says "$work/mixed/b.PNG"
check 'is not overwritten' cmp "$images/open.png" "$work/mixed/b.PNG"
expect 'a pool that cannot be saved' 1 '1\tone\n' "$adapt" "$model" "$images" "$work/no/where.pool"
says "$work/no/where.pool"
to_full_disk() { "$adapt" "$model" "$images" > /dev/full; }
expect 'a full disk' 1 '' to_full_disk
says 'cannot be written'
finish
