#!/bin/bash
# SPDX-License-Identifier: MIT
# The examples run, and read what the command reads. (examples/read_word.c: see test_install.sh.)
set -u
. tests/cases.sh
model=weights/e2str-small.gguf
image=examples/images/open.png
export E2STR_MODEL=$model
"$BUILD/e2str" read "$image" examples/images/exit.jpg > "$work/command"

if [ -x "$BUILD/pipeline" ]; then
    size() { od -An -tu1 -j"$1" -N4 "$image" | awk '{print (($1 * 256 + $2) * 256 + $3) * 256 + $4}'; } # big-endian
    width=$(size 16) height=$(size 20)
    whole=0,0,$width,$height
    inner=3,2,$((width - 6)),$((height - 4))
    "$BUILD/pipeline" "$model" "$image" 1 "$whole" "$inner" > "$work/one"
    check 'pipeline reads the whole page as the command does' \
        test "$(head -1 "$work/one" | cut -f 2,3)" = "$(head -1 "$work/command" | cut -f 2,3)"
    check 'pipeline reads a crop' test "$(tail -1 "$work/one" | cut -f 2)" = OPEN
    "$BUILD/pipeline" "$model" "$image" 4 "$whole" "$inner" > "$work/four"
    check 'four threads read the same' diff "$work/one" "$work/four"
    refuses() { ! "$BUILD/pipeline" "$model" "$image" 2 "$@" 2> "$work/err" && grep -q 'not a box' "$work/err"; }
    check 'pipeline refuses a box beyond the page' refuses "1,0,$width,$height"
    check 'pipeline refuses an empty box' refuses 1,1,0,5
else
    skip 'pipeline' 'no C++ compiler'
fi

if command -v "$PYTHON" > /dev/null; then
    export PYTHONPATH=examples/python E2STR_LIBRARY=$BUILD/libe2str.so
    "$PYTHON" examples/read_words.py "$image" examples/images/exit.jpg > "$work/python"
    check 'Python reads what the command reads' diff "$work/command" "$work/python"
    missing_image() {
        ! "$PYTHON" examples/read_words.py none.png 2> "$work/err" && grep -q '^image 0: none.png: ' "$work/err"
    }
    check 'and gets the message when an image is missing' missing_image
    odd=$work/$'w\xf6rd.png' # a name in Latin-1
    cp "$image" "$odd"
    odd_name() {
        [ "$(PYTHONIOENCODING=utf-8 "$PYTHON" examples/read_words.py "$odd" |
            cut -f 2)" = OPEN ]
    }
    check 'and reads a file whose name is no UTF-8' odd_name
    rm "$odd"
    odd_name_missing() {
        ! "$PYTHON" examples/read_words.py "$odd" 2> "$work/err" &&
            grep -q '^image 0: .*w.xf6rd.png: ' "$work/err"
    }
    check 'and gets the message when it is missing' odd_name_missing
else
    skip 'read_words.py' 'no python3'
fi

answers() { test "$("$BUILD/check_digits" "$2" "$3")" = "$1"; }
for number in iban:GB82WEST12345698765432 iban:DE89370400440532013000 vin:1M8GDM9AXKP042788 vin:11111111111111111 \
    container:CSQU3054383 container:MSKU9070323 card:4111111111111111 card:378282246310005; do
    check "check_digits knows $number" answers yes "${number%%:*}" "${number#*:}"
    wrong=${number%[0-9]}$(((${number: -1} + 1) % 10))
    check "and that $wrong is none" answers no "${wrong%%:*}" "${wrong#*:}"
done
"$BUILD/check_digits" card "$model" "$image" > "$work/card"
check 'what check_digits reads is such a number' answers yes card "$(cut -f 2 "$work/card")"

E2STR=$BUILD/e2str sh examples/demo/demo.sh > "$work/demo" 2>&1
check 'the demo runs' test $? -eq 0
check 'and reads every image' test "$(grep -cE "^examples/.*${tab}[01]\.[0-9]{3}\$" "$work/demo")" -eq \
    $(($(wc -l < examples/images/labels.tsv) + 2 * $(wc -l < examples/demo/queries/labels.tsv)))
for folder in examples/images examples/demo/pool examples/demo/queries; do
    check "pictures and labels of $folder belong together" diff <(cut -f 1 "$folder/labels.tsv" | LC_ALL=C sort) \
        <(cd "$folder" && printf '%s\n' *.[jp][pn]g | LC_ALL=C sort)
done
finish
