#!/bin/bash
# SPDX-License-Identifier: MIT
# e2str explain: what it prints, as text, JSON and a page; that it reads what read reads; what it refuses.
set -u
. tests/cases.sh
e2str=$BUILD/e2str
images=examples/images
tags=examples/demo
export E2STR_MODEL=weights/e2str-small.gguf LC_ALL=C

expect() {
    local name=$1 wanted=$2
    shift 2
    "$@" > "$work/out" 2> "$work/err" < /dev/null
    ended "$name" "$wanted" $? "$@"
}
holds() { check "and has: $1" grep -qF -- "$1" "$work/out"; }
same_reading() { # IMAGE OPTION...: text and score of explain are those of read
    "$e2str" read "$@" > "$work/read"
    check 'and reads what read reads' diff "$work/read" <(head -1 "$work/out")
}

# ---- without a pool ----
expect 'a word' 0 "$e2str" explain $images/coffee.jpg
quiet
same_reading $images/coffee.jpg
holds $'alone\t'
check 'and no way that there is not' test "$(grep -cE $'^(prompt|memory|both)\t' "$work/out")" -eq 0
check 'and a line for each character' test "$(sed -n '/^character/,/^$/p' "$work/out" | grep -c '% across')" -eq 6
check 'that it looked at from left to right' sort -nc <(sed -nE 's/.*\t([0-9]+)% across.*/\1/p' "$work/out")
expect 'a picture from standard input' 0 sh -c "$e2str explain - < $images/coffee.jpg"
holds 'Coffee'

# ---- with a pool ----
expect 'a pool of price tags' 0 "$e2str" pool add "$work/tags.pool" --labels $tags/pool/labels.tsv
for k in 0 3 7; do
    expect "with $k examples before it" 0 "$e2str" explain -p "$work/tags.pool" -k $k $tags/queries/17-250.jpg
    quiet
    same_reading -p "$work/tags.pool" -k $k $tags/queries/17-250.jpg
    check 'and a line for each of them' test "$(sed -n '/^example in/,$p' "$work/out" | grep -c '₩')" -eq $k
    holds $'memory\t'
done
shares=$(sed -n '/^example in/,$p' "$work/out" | cut -f3)
check 'of more than five no shares' test "$(grep -cx -- - <<< "$shares")" -eq 7
expect 'what is left of a share' 0 "$e2str" explain -p "$work/tags.pool" -k 1 $tags/queries/17-250.jpg
check 'of one example alone is what is lost without it' \
    awk -F'\t' 'seen && $3 != $4 { exit 1 } /^example in/ { seen = 1 } END { exit !seen }' "$work/out"
echo '₩17,260' > "$work/text"
expect 'a text that is given' 0 "$e2str" explain -p "$work/tags.pool" --lexicon "$work/text" $tags/queries/17-250.jpg
holds '₩17,260'

expect 'a second look' 0 "$e2str" explain -p "$work/tags.pool" -k 0 --second-look 1 $tags/queries/17-250.jpg
same_reading -p "$work/tags.pool" -k 0 --second-look 1 $tags/queries/17-250.jpg
holds 'second look: ₩17,250 stays'

# ---- as options say ----
expect 'with nothing beside the characters' 0 \
    "$e2str" explain -p "$work/tags.pool" -k 0 --alternatives 0 --influences 0 $tags/queries/17-250.jpg
check 'has no alternatives and no influences' \
    test -z "$(sed -n '/^character/,/^$/p' "$work/out" | awk -F '\t' 'NR > 1 && NF && ($4 != "" || $6 != "")')"
expect 'and in JSON' 0 \
    "$e2str" explain -p "$work/tags.pool" --alternatives 0 --influences 0 --json $tags/queries/17-250.jpg
check 'neither' test "$(grep -cE '"alternatives"|"influences"' "$work/out")" -eq 0
expect 'by default' 0 "$e2str" explain -p "$work/tags.pool" --json $tags/queries/17-250.jpg
check 'both' grep -qE '"alternatives".*"influences"' "$work/out"
expect 'a text that is not sure enough' 0 "$e2str" explain --reject 1 --html "$work/page.html" $images/coffee.jpg
same_reading --reject 1 $images/coffee.jpg
holds 'rejected: Coffee has a confidence below 1'
check 'on the page, too' grep -qF '<h1>–</h1><p>rejected: Coffee has a confidence below 1</p>' "$work/page.html"
expect 'one that is' 0 "$e2str" explain --reject 0.1 --html "$work/page.html" $images/coffee.jpg
check 'is not rejected' test "$(cat "$work/out" "$work/page.html" | grep -c rejected)" -eq 0

# ---- JSON and the page ----
expect 'as JSON' 0 "$e2str" explain -p "$work/tags.pool" -k 2 --json $tags/queries/17-250.jpg
check 'in one line' test "$(wc -l < "$work/out")" -eq 1
for member in '"text":"' '"log_probability":-' '"ways":{"alone":{' '"prompt":[{"id":' '"shapley":' '"attention":[[' \
    '"influences":[{"id":'; do holds "$member"; done
expect 'as a page' 0 "$e2str" explain -p "$work/tags.pool" -k 2 --html "$work/page.html" $tags/queries/17-250.jpg
check 'with its picture' grep -q 'data:image/bmp;base64,Qk' "$work/page.html"
check 'and nothing from elsewhere' test "$(grep -cE 'https?:|<script|src=' "$work/page.html")" -eq 0
check 'and all of it' grep -q '^</html>$' "$work/page.html"
cp $images/coffee.jpg "$work/<b>&.jpg"
expect 'a name with marks of HTML' 0 "$e2str" explain --html "$work/page.html" "$work/<b>&.jpg"
check 'is shown, not followed' grep -q '&#60;b&#62;&#38;.jpg' "$work/page.html"
for rotate in 90 180 270; do
    expect "a picture turned by $rotate" 0 "$e2str" explain --rotate $rotate --html "$work/page.html" $images/coffee.jpg
done

# ---- what is refused ----
expect 'no picture' 2 "$e2str" explain
expect 'two pictures' 2 "$e2str" explain $images/coffee.jpg $images/exit.jpg
expect 'a picture that is not there' 1 "$e2str" explain "$work/none.png"
says "$work/none.png"
expect 'an option that needs a pool' 2 "$e2str" explain -k 2 $images/coffee.jpg
says '-k is for reads with a pool'
expect 'a page that cannot be written' 1 "$e2str" explain --html "$work/none/page.html" $images/coffee.jpg
says "$work/none/page.html: No such file"
expect 'a full disk' 1 "$e2str" explain --html /dev/full $images/coffee.jpg
says '/dev/full: No space'
finish
