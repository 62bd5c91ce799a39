#!/bin/bash
# SPDX-License-Identifier: MIT
# e2str page: boxes of every kind to every format, hostile names and labels, what fails and what goes on.
set -u
. tests/cases.sh
root=$(pwd)
e2str=$(realpath "$BUILD")/e2str
page=$root/examples/page/page.png boxes=$root/examples/page/boxes.tsv
export E2STR_MODEL=$root/weights/e2str-small.gguf
has_python=$(command -v "$PYTHON")
has_xmllint=$(command -v xmllint)

: > "$work/in"
expect() { # NAME STATUS COMMAND...
    local name=$1 wanted=$2
    shift 2
    "$@" < "$work/in" > "$work/out" 2> "$work/err"
    ended "$name" "$wanted" $? "$@"
}
holds() { check "and has: $1" grep -qF -- "$1" "$work/out"; }
read_page() { "$e2str" page "$page" --boxes "$@"; }

# ---- text ----
expect 'a page as text' 0 read_page "$boxes"
quiet
cp "$work/out" "$work/text"
shape() { sed 's/[^ ]\{1,\}/x/g' "$1"; }
check 'has the lines and blocks that were drawn' diff <(shape "$work/text") <(shape examples/page/page.txt)
words() { tr ' ' '\n' < "$1" | sed '/^$/d'; }
wrong=$(diff <(words "$work/text") <(words examples/page/page.txt) | grep -c '^<')
check "and their words, but for a few (wrong: $wrong of $(words "$work/text" | wc -l))" test "$wrong" -le 4
check 'and what stands askew' grep -qx COLLECTED "$work/text"

# ---- the other formats say the same ----
expect 'as a table' 0 read_page "$boxes" --format tsv
check 'with the columns of Tesseract' test "$(head -1 "$work/out" | tr '\t' ' ')" = \
    'level page_num block_num par_num line_num word_num left top width height conf text'
check 'twelve in every row' test -z "$(awk -F '\t' 'NF != 12' "$work/out")"
check 'with the same words' diff <(awk -F '\t' '$1 == 5 { print $12 }' "$work/out") <(words "$work/text")
check 'and confidences in per cent' test -z "$(awk -F '\t' '$1 == 5 && ($11 < 0 || $11 > 100)' "$work/out")"
check 'and none for what is no word' test -z "$(awk -F '\t' '$1 < 5 && NR > 1 && $11 != -1' "$work/out")"
cp "$work/out" "$work/table.tsv"
# The stamp comes back as the rectangle around it.
expect 'which serves as boxes again' 0 read_page "$work/table.tsv"
check 'with the same text' diff <(head -n -1 "$work/out") <(head -n -1 "$work/text")

expect 'as JSON' 0 read_page "$boxes" --format json --places --alternatives 2
if [ -n "$has_python" ]; then
    cat > "$work/check.py" << 'END'
import json, sys
words = [json.loads(line) for line in open(sys.argv[1], encoding='utf-8')]
text = open(sys.argv[2], encoding='utf-8').read()
blocks = [block.split('\n') for block in text.strip().split('\n\n')]
assert [word['text'] for word in words] == text.split()
at = 0
for b, block in enumerate(blocks, 1):
    for l, line in enumerate(block, 1):
        for w, _ in enumerate(line.split(' '), 1):
            assert (words[at]['block'], words[at]['line'], words[at]['word']) == (b, l, w)
            at += 1
assert sorted(word['number'] for word in words) == list(range(1, len(words) + 1))
for word in words:
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = word['corners']
    for character in word['characters']:
        for x, y in character['corners']:
            assert min(x0, x3) - 1 <= x <= max(x1, x2) + 1 and min(y0, y1) - 1 <= y <= max(y2, y3) + 1
# Letters of the stamp follow its slope.
stamp = [character['corners'][0] for character in words[-1]['characters']]
assert all(b[0] > a[0] and b[1] < a[1] for a, b in zip(stamp, stamp[1:]))
END
    check 'with places in the page' "$PYTHON" "$work/check.py" "$work/out" "$work/text"
else
    skip 'with places in the page' 'no python3'
fi
for format in hocr alto; do
    expect "as $format" 0 read_page "$boxes" --format $format
    cp "$work/out" "$work/page.$format"
    if [ -n "$has_xmllint" ]; then
        check 'is well-formed XML' xmllint --noout --nonet "$work/page.$format"
    else
        skip "$format is well-formed XML" 'no xmllint'
    fi
done
check 'hOCR has the same words' \
    diff <(sed -n 's/.*ocrx_word.*">\(.*\)<\/span>/\1/p' "$work/page.hocr") <(words "$work/text")
check 'and the corners of what stands askew' grep -q 'poly 880 700 1130 640 1145 716 872 790; x_wconf' "$work/page.hocr"
check 'ALTO has the same words' diff <(sed -n 's/.*CONTENT="\([^"]*\)".*/\1/p' "$work/page.alto") <(words "$work/text")
check 'and the corners' grep -q 'POINTS="880.00,700.00 1130.00,640.00 1145.00,716.00 872.00,790.00"' "$work/page.alto"

# ---- boxes of every kind ----
# The first words of the title, as each kind of file: the same reading.
printf 'The Museum of Letters\n' > "$work/title"
first=$(sed -n '2,5p' "$boxes")
{ printf 'left\ttop\tright\tbottom\n'; cut -f 1,2,5,6 <<< "$first"; } > "$work/edges.tsv"
awk -F '\t' -v OFS='\t' 'BEGIN { print "left", "top", "width", "height" } { print $1, $2, $5 - $1, $6 - $2 }' \
    <<< "$first" > "$work/sizes.tsv"
json() { awk -F '\t' -v f="$1" '{ printf f, $1, $2, $3, $4, $5, $6, $7, $8 }' <<< "$first" | paste -sd ,; }
echo "[$(json '[[%s,%s],[%s,%s],[%s,%s],[%s,%s]]\n')]" > "$work/quadrangles.json"
echo "[[$(json '[[[%s,%s],[%s,%s],[%s,%s],[%s,%s]],["x",0.9]]\n')]]" > "$work/paddleocr.json"
echo "{\"boxes\":[$(json '{"corners":[[%s,%s],[%s,%s],[%s,%s],[%s,%s]],"line":1}\n')]}" > "$work/objects.json"
for kind in edges.tsv sizes.tsv quadrangles.json paddleocr.json objects.json; do
    expect "boxes as $kind" 0 read_page "$work/$kind"
    check 'read the title' diff "$work/out" "$work/title"
    cp "$work/$kind" "$work/in"
    expect 'from standard input' 0 read_page -
    check 'as well' diff "$work/out" "$work/title"
done
: > "$work/in"
printf 'left\ttop\twidth\theight\tline\n220\t66\t284\t47\t1\n78\t65\t126\t48\t2\n' > "$work/lines.tsv"
expect 'lines that the boxes say' 0 read_page "$work/lines.tsv"
check 'are kept' test "$(paste -sd ' ' "$work/out")" = 'Museum The'
# Rectangles around whole lines, but for the one around the stamp.
awk -F '\t' 'NR == 1 || $1 == 4' "$work/table.tsv" | cut -f 7-10 | head -n -1 > "$work/whole.tsv"
expect 'boxes of lines' 0 read_page "$work/whole.tsv" --split
wrong=$(diff <(words "$work/out") <(words "$work/text" | head -n -1) | grep -c '^[<>]')
check "are parted into words (other: $wrong)" test "$wrong" -le 4
expect 'and not without' 0 read_page "$work/whole.tsv" --format tsv
check 'being told' test "$(grep -c '^5' "$work/out")" -eq "$(($(wc -l < "$work/whole.tsv") - 1))"
printf 'page_num\tleft\ttop\twidth\theight\n1\t220\t66\t284\t47\n2\t78\t65\t126\t48\n' > "$work/pages.tsv"
expect 'boxes of several pages' 1 read_page "$work/pages.tsv"
says 'choose one with --page-number N'
expect 'and one of them' 0 read_page "$work/pages.tsv" --page-number 2 --format tsv
check 'is that page' grep -qP '^5\t2\t1\t1\t1\t1\t78\t65\t126\t48\t[0-9.]+\tThe$' "$work/out"
printf '[[[220,66],[504,66],[504,113],[220,113]]]' > "$work/one.json"
cut -f 2- "$work/pages.tsv" > "$work/no_pages.tsv"
for file in one.json no_pages.tsv; do
    expect "a page of boxes without pages, $file" 2 read_page "$work/$file" --page-number 2
    says '--page-number is for boxes in pages'
    expect 'which has its number in other formats' 0 read_page "$work/$file" --page-number 2 --format tsv
    check 'that is told' grep -qP '^5\t2\t' "$work/out"
done
cp "$page" "$work/in"
expect 'a page from standard input' 0 "$e2str" page - --boxes "$work/sizes.tsv"
check 'reads the title' diff "$work/out" "$work/title"
expect 'hOCR of it names no file' 0 "$e2str" page - --boxes "$work/sizes.tsv" --format hocr
check 'at all' test "$(grep -c 'image &quot;' "$work/out")" = 0
: > "$work/in"
expect 'no boxes' 0 read_page <(echo '[]') --format alto
[ -z "$has_xmllint" ] || check 'are an empty page' xmllint --noout --nonet "$work/out"

# ---- options of reads ----
expect 'with a constraint' 0 read_page "$work/sizes.tsv" --chars a-z
check 'that acts' grep -qx '[a-z ]*' "$work/out"
expect 'what is rejected' 0 read_page "$boxes" --reject 1
check 'is left out' test "$(words "$work/out" | wc -l)" -lt 10
"$e2str" pool add "$work/pool" "$root/examples/images/open.png" OPEN > /dev/null
expect 'with a pool' 0 read_page "$work/sizes.tsv" -p "$work/pool" -k 1 --min-similarity -1 --format json
holds '"examples":[{"id":1'
expect 'places in text' 2 read_page "$boxes" --places
says 'is for --format json'
expect 'an unknown format' 2 read_page "$boxes" --format pdf
expect 'no boxes given' 2 "$e2str" page "$page"
says '--boxes FILE is needed'
expect 'two pages' 2 read_page "$boxes" "$page"
expect 'both from standard input' 2 "$e2str" page - --boxes -

# ---- what fails ----
expect 'no such page' 1 "$e2str" page "$work/none.png" --boxes "$boxes"
says "$work/none.png: "
check 'prints nothing' test ! -s "$work/out"
expect 'no such boxes' 1 read_page "$work/none.tsv"
says "$work/none.tsv: "
for bad in 'nothing like it' '[1,2' '{"boxes":[{"left":1}]}' "left${tab}top"; do
    expect "boxes that are none: $bad" 1 read_page <(echo "$bad")
    check 'print nothing' test ! -s "$work/out"
done
expect 'a box file without an end' 1 read_page /dev/zero
says '/dev/zero: File too large'
{
    cat "$work/quadrangles.json" | sed 's/]$//'
    echo ',[[0,0],[0,20],[50,20],[50,0]],[[900,900],[1300,900],[1300,950],[900,950]],[[5,5],[5,5],[5,5],[5,5]]]'
} > "$work/some.json"
for format in text tsv hocr alto; do
    expect "boxes that cannot be cut, $format" 1 read_page "$work/some.json" --format $format
    says 'box 5: corners: they run counter-clockwise'
    says 'box 6: it lies outside of the picture'
    says 'box 7: corners: from the left upper to the right upper one is less than 0.5 pixels'
    check 'do not keep the others back' test "$(grep -c Museum "$work/out")" = 1
    case $format in
    hocr | alto) [ -z "$has_xmllint" ] || check 'in good form' xmllint --noout --nonet "$work/out" ;;
    esac
done
expect 'in JSON they have a line' 1 read_page "$work/some.json" --format json
check 'of their own' test "$(grep -c '"status":"argument"' "$work/out")" = 3
to_full_disk() { read_page "$boxes" --format "$1" > /dev/full; }
for format in text tsv hocr alto json; do
    expect "a full disk, $format" 1 to_full_disk $format
    says 'cannot write'
done
to_closed_pipe() {
    { read_page "$boxes" --format json --alternatives 8 --places; echo $? > "$work/status"; } | true
    return "$(cat "$work/status")"
}
expect 'a closed pipe' 141 to_closed_pipe
quiet

# ---- hostile names and labels ----
evil=$(printf '%b' 'a<b>&"\047\\;\033[2J\302\233\342\200\256\303\251')
cp "$page" "$work/$evil.png"
mkdir "$work/latin"
cp "$page" "$work/latin/$(printf 'caf\351.png')"
# A pool with a memory can write any label: here one picture, learnt with a hostile text in many examples.
cp "$root/examples/images/open.png" "$work/open.png"
yes "$(printf 'open.png\t<a&"\033\342\200\256>')" | head -40 > "$work/evil.tsv"
"$e2str" pool add "$work/evil.pool" --labels "$work/evil.tsv" --strength 4 > /dev/null 2>&1
printf 'left\ttop\twidth\theight\n0\t0\t231\t81\n' > "$work/whole.tsv"
acting() { # bytes of the output that act on a terminal
    tr -cd '\033' < "$work/out"
    LC_ALL=C grep -aP '\xc2\x9b|\xe2\x80\xae' "$work/out"
}
for format in text tsv hocr alto json; do
    for name in "$work/$evil.png" "$work/latin/"*; do
        expect "a hostile name, $format" 0 "$e2str" page "$name" --boxes "$work/sizes.tsv" --format $format
        check 'without bytes that act' test -z "$(acting)"
        case $format in
        hocr | alto) [ -z "$has_xmllint" ] || check 'in good form' xmllint --noout --nonet "$work/out" ;;
        json) holds '"text":"Museum"' ;;
        esac
    done
    expect "a hostile label, $format" 0 "$e2str" page "$work/open.png" --boxes "$work/whole.tsv" -p "$work/evil.pool" \
        --everywhere --format $format
    check 'is written' grep -qE '<a&|&lt;|&#x3c;|"text":"<' "$work/out"
    check 'without bytes that act' test -z "$(acting)"
    case $format in
    hocr | alto) [ -z "$has_xmllint" ] || check 'in good form' xmllint --noout --nonet "$work/out" ;;
    esac
done
finish
