#!/bin/bash
# SPDX-License-Identifier: MIT
# Pages from a detector to text: PP-OCR and Tesseract find, libe2str reads; and what is written, against schemas. The
# page is one that examples/page/draw.py draws. make page-test; PAGE_PYTHON has tests/page/requirements.txt, ALTO is the
# schema.
set -u
. tests/cases.sh
e2str=$BUILD/e2str
page=examples/page
export E2STR_MODEL=$PWD/weights/e2str-small.gguf PYTHONPATH=examples/python
read_page() { "$e2str" page "$page"/page.png --boxes "$@"; }
valid() { "$PAGE_PYTHON" -W ignore tests/page/check.py "$@"; }

words() { tr ' ' '\n' < "$1" | sed '/^$/d'; }
# mostly FILE MOST: its words are those of the page in the same order, but for so many
mostly() {
    local wrong
    wrong=$(diff <(words "$1") <(words "$page"/page.txt) | grep -c '^[<>]')
    [ "$wrong" -le "$2" ] || { diff "$1" "$page"/page.txt | sed 's/^/# /'; false; }
}
# The same words in any order: detectors sort lines in their own way.
mostly_mixed() {
    local wrong
    wrong=$(diff <(words "$1" | LC_ALL=C sort) <(words "$page"/page.txt | LC_ALL=C sort) | grep -c '^[<>]')
    [ "$wrong" -le "$2" ] || { diff <(words "$1") <(words "$page"/page.txt) | sed 's/^/# /'; false; }
}

# ---- schemas ----
for format in hocr alto; do
    read_page "$page"/boxes.tsv --format $format > "$work/page.$format"
    "$e2str" page - --boxes <(echo '[]') --format $format < "$page"/page.png > "$work/empty.$format"
    check "$format is valid" valid $format "$ALTO" "$work/page.$format" "$work/empty.$format"
done
images=examples/images
"$e2str" pool add "$work/pool" --labels $images/labels.tsv > /dev/null 2>&1
cp $images/open.png "$work/$(printf 'caf\351.png')"
{
    read_page "$page"/boxes.tsv --format json
    read_page "$page"/boxes.tsv --format json --places --alternatives 3 --chars A-Z -p "$work/pool" -k 1 --influences 2
    read_page <(echo '[[[0,0],[0,5],[5,5],[5,0]]]') --format json
    "$e2str" read --json $images/*.png none.png "$work"/caf*.png
    "$e2str" read --json --places --alternatives 8 --influences 4 -p "$work/pool" -k 3 --everywhere $images/*.jpg
    "$e2str" read --json --pattern '[0-9]{3}' --reject 0.9 --max-tokens 2 --rotate auto $images/*.png
    "$e2str" explain --json $images/coffee.jpg
    "$e2str" explain --json -p "$work/pool" -k 3 --everywhere $images/coffee.jpg
    "$e2str" eval --json --verbose --labels $images/labels.tsv
    "$e2str" eval --json --verbose --labels $images/labels.tsv --pool-first 8 --random-examples 1 --chars a-z
    "$e2str" eval --json --labels $images/labels.tsv --hard 50
    "$e2str" pool suggest --json "$work/pool" $images/*.png
    "$e2str" pool add "$work/pool" $images/open.png CLOSED > /dev/null
    "$e2str" pool audit --json "$work/pool"
    printf '%s\n' $images/open.png "$images/exit.jpg${tab}EX" "$images/exit.jpg${tab}EXIT" "$images/open.png$tab" \
        none.png =1 =1 "=9${tab}x" =x = | "$e2str" stream "$work/stream.pool" --places --influences 2
} > "$work/lines.json" 2> /dev/null
check 'JSON lines are valid' valid json docs/json-lines.schema.json "$work/lines.json"
kinds() { # how many of the kinds of lines are among them
    for kind in '"characters"' '"status"' '"label":.*"score"' '"exact"' '"hard"' '"likeness"' '"reason"' \
        '"corners".*"status"' '"influences":\[{' '"alternatives"' '"image_base64"' \
        '"ticket":.*"outcome":"replaced"' '"ticket":.*"label"' '"line":' '"report":' \
        '"unmatched":true' '"truncated":true' '"evidence"' '"ways"' '"attention"'; do
        grep -q -- "$kind" "$work/lines.json" || echo "$kind"
    done
}
check "all kinds of lines are there" test -z "$(kinds)"
sed -i 's/"rejected":/"refused":/' "$work/lines.json"
invalid() { ! valid "$@" > /dev/null; }
check 'and a member that nobody knows is noticed' invalid json docs/json-lines.schema.json "$work/lines.json"

# ---- a PDF ----
"$PAGE_PYTHON" -c 'import sys; from PIL import Image; Image.open(sys.argv[1]).save(sys.argv[2], resolution=150)' \
    "$page"/page.png "$work/page.pdf"
pdf() { pdftoppm -r 150 -f 1 -singlefile -png "$work/page.pdf" | "$e2str" page - --boxes "$page"/boxes.tsv; }
pdf > "$work/pdf.txt"
check 'a page of a PDF' mostly "$work/pdf.txt" 8

# ---- PP-OCR ----
cat > "$work/detect.py" << 'END'
import json, sys
from rapidocr import RapidOCR
found = RapidOCR(params={'Global.log_level': 'error'})(sys.argv[1], use_det=True, use_cls=False, use_rec=False)
json.dump(found.boxes.tolist(), sys.stdout)
END
"$PAGE_PYTHON" "$work/detect.py" "$page"/page.png > "$work/lines.boxes"
read_page "$work/lines.boxes" --split > "$work/split.txt"
check 'lines that PP-OCR finds, parted by e2str page' mostly "$work/split.txt" 8
check 'in the blocks that were drawn' test "$(grep -c '^$' "$work/split.txt")" = "$(grep -c '^$' "$page"/page.txt)"
"$PAGE_PYTHON" examples/page_rapidocr.py "$page"/page.png > "$work/python.txt"
check 'the same from Python' mostly_mixed "$work/python.txt" 12
check 'with the stamp' grep -qx COLLECTED "$work/python.txt"

# ---- Tesseract ----
if [ -x "$BUILD/page_tesseract" ]; then
    "$BUILD/page_tesseract" "$page"/page.png > "$work/tesseract.txt" 2> "$work/replaced"
    check "Tesseract's page" mostly_mixed "$work/tesseract.txt" 12
    check 'with a word that it does not read' grep -qE 'is COLLECTED \([0-9]+ %\)$' "$work/replaced"
    check 'in its place' grep -qx COLLECTED "$work/tesseract.txt"
    "$BUILD/page_tesseract" "$page"/page.png 0 2> /dev/null > "$work/alone.txt"
    unlike() { ! cmp -s "$1" "$2"; }
    check 'and not without libe2str' unlike "$work/alone.txt" "$work/tesseract.txt"
else
    skip "Tesseract's page" 'page_tesseract is not built: no libtesseract-dev'
fi
if command -v tesseract > /dev/null; then
    tesseract "$page"/page.png - tsv 2> /dev/null | read_page - > "$work/table.txt"
    check "Tesseract's table as boxes" mostly_mixed "$work/table.txt" 12
else
    skip "Tesseract's table as boxes" 'no tesseract'
fi

# ---- the document ----
# Lines of docs/pages.md that begin with "$ " are run, in a shell of their own, and print what follows them there.
documented() {
    local folder=$PWD
    awk '/^```console$/ { inside = 1; next } /^```$/ { inside = 0; print "" } inside' docs/pages.md > "$work/console"
    mkdir -p "$work/bin" && ln -sf "$(realpath "$e2str")" "$work/bin/e2str"
    cp "$work/lines.boxes" "$work/lines.json"
    cp "$work/page.pdf" "$work/scan.pdf"
    sed -n 's/^\$ //p' "$work/console" > "$work/commands"
    ln -sfn "$folder/examples" "$work/examples"
    ln -sfn "$folder/build" "$work/build"
    while IFS= read -r line; do
        echo "\$ $line"
        (cd "$work" && PATH=$work/bin:$PATH bash -c "$line" 2>&1 < /dev/null)
    done < "$work/commands" > "$work/printed"
    diff <(sed '/^$/d' "$work/console") <(sed '/^$/d' "$work/printed") | sed 's/^/# /'
    cmp -s <(sed '/^$/d' "$work/console") <(sed '/^$/d' "$work/printed") && test -s "$work/commands"
}
if command -v tesseract > /dev/null && [ -x "$BUILD/page_tesseract" ]; then
    check 'docs/pages.md: its lines print what it says' documented
else
    skip 'docs/pages.md: its lines print what it says' 'no tesseract, or no libtesseract-dev'
fi
finish
