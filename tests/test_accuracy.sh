#!/bin/bash
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
    "$PYTHON" bench/accuracy.py "$work/data" --docs "$work/docs" --limit 5 --stage1 "$E2STR_MODEL" > "$work/$1" 2> "$work/err"
}
check 'measures' measure first || sed 's/^/# /' "$work/err"
filled() {
    local marks
    marks=$(grep -c '^<!-- begin' "$work/docs/accuracy.md")
    grep -A 2 '^<!-- begin' "$work/docs/accuracy.md" > "$work/parts"
    [ "$marks" -gt 5 ] && [ "$(grep -cE '^(\||`|Not measured)' "$work/parts")" -eq "$marks" ]
}
check 'fills every part of the page' filled
check 'writes the figures' test "$(wc -l < "$work/docs/accuracy.csv")" -gt 40

# What the page says a command gives is what it gives.
"$e2str" eval --labels "$work/data/scene-samples/labels.tsv" --seed 1 --pool-first 30 --skip 70 -k 2 --limit 5 > "$work/eval"
figure=$(grep '^scene-samples,own,shipped,30,2,' "$work/docs/accuracy.csv" | cut -d , -f 9)
check 'as e2str eval does' grep -qE "^alphanumeric +$figure %" "$work/eval"
IFS=, read -r _ _ _ pool k images _ _ right _ <<< "$(grep '^scene-samples,hard 20 %: not shown,' "$work/docs/accuracy.csv")"
"$e2str" eval --labels "$work/data/scene-samples/labels.tsv" --seed 1 --skip 100 -k "$k" --limit 5 --hard 20 > "$work/eval"
still=$(awk "BEGIN { printf \"%.0f\", $images - $images * $right / 100 }")
check 'with hard samples' grep -qE "^annotated +$pool +" "$work/eval"
check 'and what becomes of the others' grep -qE "^errors that are left +$images +$still\$" "$work/eval"
check 'with labels that are wrong' grep -q '^scene-samples,100 % wrong,shipped,100,' "$work/docs/accuracy.csv"
check 'with the pool of the other set' grep -q '^scene-samples,wrong domain,shipped,100,' "$work/docs/accuracy.csv"
check 'with a mixed pool' grep -q '^receipts-samples,mixed,shipped,200,' "$work/docs/accuracy.csv"

grep -v ',time,' "$work/docs/accuracy.csv" > "$work/before"
# shellcheck disable=SC2016 # the script's own arguments
rm "$work/build/e2str" && printf '#!/bin/sh\n[ "$1" = --version ] && exec %s --version\n%s\n' "$e2str" \
    "case \"\$*\" in *--limit\ 5*|*wrong*) echo again >> $work/ran ;; esac; exec $e2str \"\$@\"" > "$work/build/e2str"
chmod +x "$work/build/e2str"
: > "$work/ran"
check 'measures again' measure second
check 'without reading again, but for times' test "$(wc -l < "$work/ran")" -le 4
check 'and finds the same' diff "$work/before" <(grep -v ',time,' "$work/docs/accuracy.csv")

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
