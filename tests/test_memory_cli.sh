#!/bin/bash
# SPDX-License-Identifier: MIT
# The e2str command and the memory of a pool: what learns when, what is told of it, audit and suggest.
set -u
tab=$(printf '\t')
. tests/cases.sh
e2str=$(realpath "$BUILD")/e2str
images=examples/images
export E2STR_MODEL=$PWD/weights/e2str-small.gguf
has_python=$(command -v "$PYTHON")

expect() { # NAME STATUS COMMAND...: runs it; its output is in $work/out and $work/err
    local name=$1 wanted=$2
    shift 2
    "$@" > "$work/out" 2> "$work/err" < /dev/null
    ended "$name" "$wanted" $? "$@"
}
prints() { check "and prints $1 lines" test "$(wc -l < "$work/out")" -eq "$1"; }
holds() { check "and has: $1" grep -qF -- "$1" "$work/out"; }
lacks() { check "and has no: $1" test "$(grep -cF -- "$1" "$work/out")" -eq 0; }
differ() { ! cmp -s "$1" "$2"; }
pool=$work/words.pool

# ---- usage ----
for wrong in '--memory -1' '--memory 4.5' '--memory x' '--memory nan' '--influences 17'; do
    # shellcheck disable=SC2086 # an option and its value
    expect "out of range: read $wrong" 2 "$e2str" read $wrong x.png
done
expect 'out of range: --strength' 2 "$e2str" pool learn p --strength 5
expect 'pool suggest without images' 2 "$e2str" pool suggest p
says 'no images'
expect 'pool suggest none' 2 "$e2str" pool suggest p x.png -n 0
expect 'pool learn of a pool that is not there' 1 "$e2str" pool learn "$pool"
says "$pool"
expect 'pool audit of a pool that is not there' 1 "$e2str" pool audit "$pool"
says "$pool"

# ---- suggest: needs no memory ----
{   # EXIF data that say 3: upside down
    head -c 2 "$images/library.jpg"
    printf '\377\341\0\042Exif\0\0MM\0*\0\0\0\010\0\001\001\022\0\003\0\0\0\001\0\003\0\0\0\0\0\0'
    tail -c +3 "$images/library.jpg"
} > "$work/down.jpg"
expect 'suggest without a pool' 0 "$e2str" pool suggest "$pool" "$images"/*.png
check 'leaves it missing' test ! -e "$pool"
prints "$(find "$images" -name '*.png' | wc -l)"
check 'with path and value' test "$(grep -cE "^$images/[a-z0-9]+\.png${tab}[0-9](\.[0-9]+)?(e-[0-9]+)?$" "$work/out")" \
    -eq "$(wc -l < "$work/out")"
check 'the best first' sort -s -c -t "$tab" -k 2,2gr "$work/out"
check 'each told apart, however small' test "$(cut -f 2 "$work/out" | sort -u | wc -l)" -eq "$(wc -l < "$work/out")"
cp "$work/out" "$work/all"
expect 'the first three' 0 "$e2str" pool suggest "$pool" "$images"/*.png -n 3
check 'are the same' diff "$work/out" <(head -3 "$work/all")
expect 'images the right way up, which it is to find' 0 "$e2str" pool suggest "$pool" --rotate auto "$images"/*.png
check 'are the same' diff "$work/out" "$work/all"
expect 'upside down, which it is to find' 0 \
    "$e2str" pool suggest "$pool" --rotate auto "$work/down.jpg" "$images/library.jpg"
check 'is a copy of no value' awk -F '\t' 'END { exit !($2 < 1e-3) }' "$work/out"
suggest_of_list() { printf '%s\n' "$images"/*.png | "$e2str" pool suggest "$pool" --files -; }
suggest_of_list > "$work/out"
check 'suggest of a list on standard input is the same' diff "$work/out" "$work/all"
printf '%s' "$images/open.png" > "$work/list"
expect 'a list without a last line end, and an operand' 0 "$e2str" pool suggest "$pool" \
    "$images/2026.png" --files "$work/list"
prints 2
expect 'a list that is not there' 1 "$e2str" pool suggest "$pool" --files "$work/none"
says "$work/none"
cp "$images/open.png" "$work/copy.png"
expect 'an image twice, and one that is missing' 1 "$e2str" pool suggest "$pool" "$work/copy.png" \
    "$images/open.png" "$work/none.png"
says "$work/none.png"
prints 2
check 'the copy has no value' test "$(cut -f 2 "$work/out" | tail -1)" = 0
expect 'an example' 0 "$e2str" pool add "$pool" "$images/open.png" OPEN
quiet
expect 'suggest with it in the pool' 0 "$e2str" pool suggest "$pool" "$images"/*.png
check 'it has no value any more' test "$(tail -1 "$work/out")" = "$images/open.png${tab}0"

if [ -n "$has_python" ]; then
    cat > "$work/suggest.py" << 'END_OF_PYTHON'
import json, sys
crops = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
assert len(crops) > 3 and crops[0]["value"] > 0
for crop in crops:
    assert all(0 <= crop[name] <= 1 for name in ("doubt", "distance", "likeness"))
    assert abs(crop["value"] - crop["doubt"] * crop["distance"] * crop["likeness"] ** 4) < 1e-5
    assert crop["image"].endswith(".png") and crop["text"]
END_OF_PYTHON
    expect 'suggest --json' 0 "$e2str" pool suggest "$pool" --json "$images"/*.png
    check 'has what the value is made of' "$PYTHON" "$work/suggest.py" "$work/out"
fi

if ! "$e2str" info "$E2STR_MODEL" | grep -q '^memory *pools learn$'; then
    expect 'a model without memory statistics does not learn' 1 "$e2str" pool learn "$pool"
    says "$E2STR_MODEL"
    expect 'nothing is said of it when examples are added' 0 "$e2str" pool add "$pool" --labels "$images/labels.tsv"
    quiet
    expect 'a label outside the alphabet' 1 "$e2str" pool add "$pool" "$images/open.png" 'Kαse'
    says "$images/open.png"
    skip 'pools learn' "$E2STR_MODEL has no memory statistics"
    finish
fi

# ---- what learns when ----
rm "$pool"
expect 'pool add --labels learns' 0 "$e2str" pool add "$pool" --labels "$images/labels.tsv"
check 'and says so in two lines' test "$(wc -l < "$work/err")" -eq 2
says 'learnt    65 characters of 10 examples'
says 'held out  '
cp "$work/err" "$work/report"
expect 'pool info' 0 "$e2str" pool info "$pool"
check 'says the same' diff <(sed 's/^\(learnt\|held out\)  */\1 /' "$work/report") \
    <(sed -n 's/^\(learnt\|held out\)  */\1 /p' "$work/out")
expect 'pool learn' 0 "$e2str" pool learn "$pool"
check 'too' diff "$work/report" "$work/out"
cp "$pool" "$work/learnt"
expect 'without learning' 0 "$e2str" pool add "$work/plain" --no-learn --labels "$images/labels.tsv"
quiet
expect 'pool info' 0 "$e2str" pool info "$work/plain"
holds 'learnt          nothing yet: see e2str pool learn'
expect 'pool learn later' 0 "$e2str" pool learn "$work/plain"
check 'is the same file' cmp "$work/plain" "$work/learnt"
expect 'pool add of one' 0 "$e2str" pool add "$pool" "$images/open.png" OPEN
quiet
expect 'learns' 0 "$e2str" pool info "$pool"
holds 'of 11 examples'
expect 'pool remove' 0 "$e2str" pool remove "$pool" 11
expect 'learns anew' 0 "$e2str" pool info "$pool"
holds '65 characters of 10 examples'
expect 'pool remove of all' 0 "$e2str" pool remove "$pool" 1 2 3 4 5 6 7 8 9 10
expect 'forgets' 0 "$e2str" pool info "$pool"
holds 'learnt          nothing yet'
expect 'from a pool that has not learnt' 0 "$e2str" pool add "$work/never" --no-learn --labels "$images/labels.tsv"
expect 'pool remove' 0 "$e2str" pool remove "$work/never" 1
expect 'learns nothing' 0 "$e2str" pool info "$work/never"
holds 'learnt          nothing yet'
expect 'a strength' 0 "$e2str" pool learn "$work/plain" --strength 0.5
holds 'strength 0.5'
expect 'the strength off' 0 "$e2str" pool learn "$work/plain" --strength 0
check 'is off' grep -qE '^held out .*; off' "$work/out"
expect 'a new character' 0 "$e2str" pool add "$work/new" "$images/open.png" 'Kαse'
expect 'is learnt' 0 "$e2str" pool info "$work/new"
holds '1 new to the model'

# ---- reading ----
cp "$work/learnt" "$pool"
read_open() { "$e2str" read -k 0 --json "$@" "$images/open.png" "$images/garden.jpg"; }
expect 'without a pool' 0 read_open
cp "$work/out" "$work/without"
lacks '"memory"'
expect 'with a memory' 0 read_open -p "$pool"
cp "$work/out" "$work/with"
check 'reads are others' differ "$work/with" "$work/without"
expect 'with factor 1' 0 read_open -p "$pool" --memory 1
check 'is the same' diff "$work/with" "$work/out"
expect 'with factor 2' 0 read_open -p "$pool" --memory 2
check 'is another' differ "$work/with" "$work/out"
expect 'with factor 0' 0 read_open -p "$pool" --memory 0
check 'is as without a pool' diff "$work/without" <(sed 's/,"memory":0}/}/g' "$work/out")
expect 'with influences' 0 read_open -p "$pool" --influences 3
if [ -n "$has_python" ]; then
    cat > "$work/check.py" << 'END_OF_PYTHON'
import json, sys
labels = dict(line.rstrip("\n").split("\t") for line in open(sys.argv[2], encoding="utf-8"))
for line in open(sys.argv[1], encoding="utf-8"):
    for character in json.loads(line)["characters"]:
        influences = character["influences"]
        assert len(influences) == 3
        amounts = [abs(i["amount"]) for i in influences]
        assert amounts == sorted(amounts, reverse=True) and amounts[0] > 0
        assert character["memory"] != 0
        for i in influences:
            assert labels[str(i["id"])] == i["label"]
            assert i["label"].encode()[i["offset"]:].decode()[:1] == i["character"]
# the logit of a letter rises because an example has it
first = json.loads(open(sys.argv[1], encoding="utf-8").readline())["characters"][0]
assert first["text"] == first["influences"][0]["character"] == "O" and first["influences"][0]["amount"] > 0
END_OF_PYTHON
    "$e2str" pool list "$pool" > "$work/list.tsv"
    check 'which are what they should be' "$PYTHON" "$work/check.py" "$work/out" "$work/list.tsv"
else
    skip 'influences are what they should be' 'no python3'
fi

# ---- eval ----
evaluate() { expect "eval $*" 0 "$e2str" eval --labels "$images/labels.tsv" --seed 1 "$@"; }
evaluate --pool-first 8
check 'tells what was learnt' grep -qE '^learnt {12}[0-9]+ characters of 8 examples' "$work/out"
evaluate --pool-first 8 --memory 0
lacks learnt
evaluate --pool-first 8 --no-learn
lacks learnt
evaluate --pool-first 8 --json
holds '"memory_factor":1,"memory":{"examples":8,"doubtful":0,'
evaluate --pool-first 8 --no-learn --json
holds '"memory":null'
evaluate -p "$pool" --json --memory 0.5
holds '"memory_factor":0.5,"memory":{"examples":10,'
sed 's/$/x/' "$images/labels.tsv" | sed "s|^|$PWD/$images/|" > "$work/wrong.tsv"
expect 'eval --hard' 0 "$e2str" eval --labels "$work/wrong.tsv" --hard 80 --keep-doubtful
check 'learns from what was annotated' grep -qE '^learnt {6}[0-9]+ characters of 8 examples' "$work/out"

# ---- audit ----
expect 'audit of good examples' 0 "$e2str" pool audit "$pool"
lacks contradicts
lacks repeats
cp "$work/learnt" "$pool"
expect 'more of them' 0 "$e2str" pool add "$pool" --no-learn "$images/open.png" OPEN "$images/garden.jpg" Garten \
    "$images/music.png" PLATFORM "$images/2026.png" 1999
cp "$pool" "$work/before"
expect 'audit' 0 "$e2str" pool audit "$pool"
quiet
check 'does not change the pool' cmp "$pool" "$work/before"
first=$("$e2str" pool list "$pool" | grep -P '\t(Garden|2026|music)$' | cut -f 1 | sort -n | paste -sd ' ')
check 'lists contradictions first' test "$(head -6 "$work/out" | cut -f 2 | cut -d ' ' -f 1 | sort -u)" = contradicts
check 'all of them, on both sides' test "$(head -6 "$work/out" | cut -f 1 | sort -n | paste -sd ' ')" \
    = "$first 12 13 14"
check 'the wrong ones before the right ones' test "$(head -2 "$work/out" | cut -f 1 | sort | paste -sd ' ')" = '13 14'
check 'and what is there twice last' grep -qP '^11\trepeats \d+\t1\.000\tOPEN$' <(tail -1 "$work/out")
expect 'a label that no picture contradicts' 0 "$e2str" pool add "$work/wrong" --no-learn --labels <(sed -n '2,$p' \
    "$images/labels.tsv" | sed "s|^|$PWD/$images/|") "$images/$(sed -n '1s/\t.*//p' "$images/labels.tsv")" 'Bridge'
expect 'audit of it' 0 "$e2str" pool audit "$work/wrong"
check 'finds it' grep -qP '^10\tdoubtful\t[01]\.[0-9]{3}\tBridge$' <(head -1 "$work/out")
if [ -n "$has_python" ]; then
    expect 'audit --json' 0 "$e2str" pool audit "$pool" --json
    check 'is valid' "$PYTHON" -m json.tool --json-lines "$work/out" /dev/null
    holds '{"id":11,"reason":"repeats","other":'
fi
expect 'pool remove of all' 0 "$e2str" pool remove "$work/wrong" 1 2 3 4 5 6 7 8 9 10
expect 'audit of an empty pool' 0 "$e2str" pool audit "$work/wrong"
prints 0
finish
