#!/bin/bash
# SPDX-License-Identifier: MIT
# bench/accuracy.py from end to end: two small sets of the sample images, each many times over; few reads.
set -u
. tests/cases.sh
if ! command -v "$PYTHON" > /dev/null; then
    skip 'make accuracy' 'no python3'
    finish
fi
e2str=$(realpath "$BUILD")/e2str
mkdir -p "$work/build" "$work/docs"
ln -s "$e2str" "$work/build/e2str"
export BUILD=$work/build E2STR_MODEL=weights/e2str-small.gguf
cp docs/accuracy.md "$work/docs/"
for name in scene-samples receipts-samples; do
    mkdir -p "$work/data/$name/images"
    for i in $(seq 16); do
        while IFS=$'\t' read -r image text; do
            ln -s "$(pwd)/examples/images/$image" "$work/data/$name/images/$i-$image"
            [ $((i % 2)) -eq 1 ] || text=$text-3
            printf '%s\t%s\n' "$i-$image" "$text"
        done < examples/images/labels.tsv
    done > "$work/data/$name/labels.tsv"
done
measure() {
    "$PYTHON" bench/accuracy.py "$work/data" --docs "$work/docs" --limit 5 > "$work/$1" 2> "$work/err"
}
check 'measures' measure first || sed 's/^/# /' "$work/err"
filled() {
    local marks
    marks=$(grep -c '^<!-- begin' "$work/docs/accuracy.md")
    grep -A 2 '^<!-- begin' "$work/docs/accuracy.md" > "$work/parts"
    [ "$marks" -gt 5 ] && [ "$(grep -cE '^(\||`)' "$work/parts")" -eq "$marks" ]
}
check 'fills every part of the page' filled
check 'writes the figures' test "$(wc -l < "$work/docs/accuracy.csv")" -gt 40

# What the page says a command gives is what it gives.
labels=$work/data/scene-samples/labels.tsv
figure_of() { # ROW: its alphanumeric accuracy
    grep "^$1," "$work/docs/accuracy.csv" | cut -d , -f 9
}
as_eval() { # ROW OPTION...: is it what these give?
    local figure
    figure=$(figure_of "$1")
    "$e2str" eval --labels "$labels" --seed 1 --limit 5 "${@:2}" > "$work/eval"
    grep -qE "^alphanumeric +$figure %" "$work/eval"
}
check 'as e2str eval does' as_eval 'scene-samples,memory,30,0' --pool-first 30 --skip 70
check 'with a prompt only' as_eval 'scene-samples,prompt k = 2,30,2,' --pool-first 30 --skip 70 -k 2 --no-learn
row=$(grep '^scene-samples,hard 20 %: not shown,' "$work/docs/accuracy.csv")
IFS=, read -r _ _ pool _ _ images _ _ right _ <<< "$row"
"$e2str" eval --labels "$labels" --seed 1 --skip 100 --limit 5 --hard 20 > "$work/eval"
still=$(awk "BEGIN { printf \"%.0f\", $images - $images * $right / 100 }")
check 'with hard samples' grep -qE "^annotated +$pool +" "$work/eval"
check 'and what becomes of the others' grep -qE "^errors that are left +$images +$still\$" "$work/eval"
check 'with labels that are wrong' grep -q '^scene-samples,25% of labels wrong,100,' "$work/docs/accuracy.csv"
check 'with the pool of the other set' grep -q '^scene-samples,pool of receipts-samples,100,' "$work/docs/accuracy.csv"

grep -v ',time: ' "$work/docs/accuracy.csv" > "$work/before"
# shellcheck disable=SC2016 # the script's own arguments
rm "$work/build/e2str" && printf '#!/bin/sh\n[ "$1" = --version ] && exec %s --version\n%s\n' "$e2str" \
    "case \"\$*\" in *--limit\ 5*|*wrong*) echo again >> $work/ran ;; esac; exec $e2str \"\$@\"" > "$work/build/e2str"
chmod +x "$work/build/e2str"
: > "$work/ran"
check 'measures again' measure second
check 'without reading again, but for times' test "$(wc -l < "$work/ran")" -le 21
check 'and finds the same' diff "$work/before" <(grep -v ',time: ' "$work/docs/accuracy.csv")

if "$PYTHON" -c 'import PIL' 2> /dev/null; then
    gallery="--gallery $work/data/scene-samples --limit 5 --picture $work/g.png"
    # shellcheck disable=SC2086 # options
    picture() { "$PYTHON" bench/accuracy.py $gallery 2> "$work/err"; }
    check 'draws a gallery' picture
    check 'in a picture' grep -q PNG "$work/g.png"
else
    skip 'draws a gallery' 'no Pillow'
fi
finish
