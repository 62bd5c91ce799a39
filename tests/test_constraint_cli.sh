#!/bin/bash
# SPDX-License-Identifier: MIT
# The e2str command with --chars, --pattern, --length, --lexicon: what it refuses, what it reads, both outputs.
set -u
. tests/cases.sh
e2str=$BUILD/e2str
images=examples/images
export E2STR_MODEL=weights/e2str-small.gguf

# expect NAME STATUS COMMAND...: runs it; its output is in $work/out and $work/err
expect() {
    local name=$1 wanted=$2
    shift 2
    "$@" > "$work/out" 2> "$work/err" < /dev/null
    ended "$name" "$wanted" $? "$@"
}
reads() { check "and reads $1" test "$(cut -f 2 "$work/out")" = "$1"; }
holds() { check "and has: $1" grep -qF -- "$1" "$work/out"; }

for wrong in '--chars 9-0' '--pattern [a' '--pattern a{2}{3}' '--length 0' '--length 3-2' '--length -' '--length 256' \
    '--length x' '--length 3-x' '--lexicon-bonus 2' '--lexicon-bonus -1' '--ignore-case' '--chars a --pattern b'; do
    # shellcheck disable=SC2086 # options and values
    expect "no constraint: $wrong" 2 "$e2str" read $wrong x.png
done
expect 'a fault in a pattern' 2 "$e2str" read --pattern 'ab)' x.png
says 'pattern: character 3: no group is open'
expect 'a lexicon that is not there' 1 "$e2str" read --lexicon "$work/none" x.png
says "$work/none: "
expect 'clean-up beside a constraint' 2 "$e2str" read --clean-up --chars a-z "$images/open.png"
says '--clean-up does not go with'

expect 'a picture of capitals as digits' 0 "$e2str" read --chars 0-9 "$images/open.png"
check 'and reads digits' grep -qE "${tab}[0-9]*${tab}0\.[0-9]{3}\$" "$work/out"
for way in '--length 3' '--pattern [A-Z]{3}' '--pattern ...' '--chars A-Z --length 1-3'; do
    # shellcheck disable=SC2086 # options and values
    expect "three letters: $way" 0 "$e2str" read $way "$images/open.png"
    reads OPE
done
printf 'Oven\r\nOpera\n\n2026\n' > "$work/list"
expect 'one of a list' 0 "$e2str" read --lexicon "$work/list" "$images/2026.png"
reads 2026
expect 'another of the list' 0 "$e2str" read --lexicon "$work/list" --beam 4 --ignore-case "$images/open.png"
check 'and reads an entry' grep -qiE "${tab}(oven|opera)${tab}" "$work/out"
expect 'a list as a hint' 0 "$e2str" read --lexicon "$work/list" --lexicon-bonus 0.5 --beam 4 "$images/open.png"
reads OPEN
expect 'a list and a pattern' 0 "$e2str" read --lexicon "$work/list" --pattern '\D+' "$images/2026.png"
check 'and reads what has both' grep -qE "${tab}(Oven|Opera)${tab}" "$work/out"

expect 'nothing that fits in so few tokens' 0 "$e2str" read --pattern '[A-Z]{9}' --max-tokens 6 "$images/open.png"
says 'open.png: no text fits; this one is read freely'
reads OPEN
expect 'the same as JSON' 0 "$e2str" read --json --pattern '[A-Z]{9}' --max-tokens 6 "$images/open.png"
quiet
holds '"text":"OPEN"'
holds '"unmatched":true'
expect 'JSON of a text that fits' 0 "$e2str" read --json --chars A-Z "$images/open.png"
holds '"unmatched":false'
expect 'JSON without a constraint' 0 "$e2str" read --json "$images/open.png"
check 'and has nothing about fitting' test "$(grep -c unmatched "$work/out")" -eq 0

total=$(wc -l < "$images/labels.tsv")
cut -f 2 "$images/labels.tsv" > "$work/labels"
expect 'eval with the labels as a list' 0 "$e2str" eval --labels "$images/labels.tsv" --lexicon "$work/labels"
holds "exact             100.00 %  ($total)"
holds 'unmatched           0.00 %  (0; read freely)'
expect 'eval as JSON' 0 "$e2str" eval --json --labels "$images/labels.tsv" --pattern '\d{4}' --max-tokens 4
holds "\"unmatched\":$total"
finish
