#!/bin/bash
# SPDX-License-Identifier: MIT
# e2str stream: its lines, what is wrong in them, the pool that it leaves, signals and closed pipes.
set -u
. tests/cases.sh
root=$(pwd)
e2str=$(realpath "$BUILD")/e2str
images=$root/examples/images
export E2STR_MODEL=$root/weights/e2str-small.gguf
pool=$work/words.pool

# stream NAME STATUS OPTION...: the lines in $work/in through e2str stream; $work/out and $work/err
stream() {
    local name=$1 wanted=$2
    shift 2
    "$e2str" stream "$@" < "$work/in" > "$work/out" 2> "$work/err"
    ended "$name" "$wanted" $? e2str stream "$@"
}
# member LINE EXPRESSION: of the answer in line LINE, from 1
member() { "$PYTHON" -c 'import json, sys
answer = json.loads(open(sys.argv[1]).read().split("\n")[int(sys.argv[2]) - 1])
print(eval(sys.argv[3], {"a": answer}))' "$work/out" "$1" "$2"; }
is() { check "line $1: $2 is $3" test "$(member "$1" "$2")" = "$3"; }

# ---- lines ----
printf '%s\n' "$images/open.png" "$images/exit.jpg${tab}EXIT" "$images/2026.png${tab}1999" '=1' \
    "=1${tab}again" '' "$images/street.png" "=4${tab}Rue" = > "$work/in"
stream 'reads and corrections' 1 --add-right never "$pool" # ticket 1 is judged twice
check 'an answer to each line that is not empty' test "$(wc -l < "$work/out")" = 8
is 1 'a["text"], a["ticket"], "right" in a' "('OPEN', 1, False)"
is 2 'a["text"], a["right"], a["outcome"]' "('EXIT', True, 'none')"
is 3 'a["text"], a["right"], a["outcome"], a["id"]' "('2026', False, 'added', 1)"
is 4 'a' "{'ticket': 1, 'right': True, 'outcome': 'none', 'id': 0, 'dropped': 0, 'learnt': False}"
is 5 'a["ticket"], a["status"]' "(1, 'not found')"
check 'which is told once' grep -q '^e2str: ticket 1 is not open' "$work/err"
is 7 'a["outcome"], a["id"]' "('added', 2)"
is 8 '[a["report"][n] for n in ("reads", "judged", "right", "added", "examples", "tickets")]' '[4, 4, 2, 2, 2, 0]'
check 'the pool has what was corrected' test "$("$e2str" pool list "$pool" | paste -sd ' ')" = \
    "1${tab}1999 2${tab}Rue"
check 'and has learnt' grep -q '^learnt .* of 2 examples' <("$e2str" pool info "$pool")
check 'no lock is left' test ! -e "$pool.lock"
"$e2str" read --json -p "$pool" "$images/coffee.jpg" > "$work/read"
echo "$images/coffee.jpg" > "$work/in"
stream 'goes on with the pool' 0 "$pool"
quiet
sed 's/"ticket":1,//' "$work/out" > "$work/without"
check 'and reads as e2str read --json does' cmp "$work/without" "$work/read"
printf '%s' "$images/2026.png${tab}2026" > "$work/in"
stream 'a contradiction, in a last line without an end' 0 "$pool"
is 1 'a["outcome"], a["other"], a["id"]' "('replaced', 1, 3)"
printf '%s\r\n' "$images/2026.png${tab}26" > "$work/in"
stream 'lines that end as in DOS; the older wins' 0 --older-wins "$pool"
is 1 'a["outcome"], a["other"]' "('refused', 3)"
check 'the file as before' grep -q "^3${tab}2026" <("$e2str" pool list "$pool")
printf '%s\n' "$images/open.png${tab}OPEN" > "$work/in"
stream 'what is right' 0 "$work/right.pool"
is 1 'a["right"], a["outcome"]' "(True, 'added')"
stream 'or never' 0 --add-right never "$work/none.pool"
check 'makes no pool' test ! -e "$work/none.pool"

# ---- what is wrong ----
{ printf '%s\n' "$work/missing.png" "$images/open.png${tab}" '=x' '=5' "=99999999999999999999${tab}a" '=-1'
    printf 'a\0b\n'
    head -c 100000 /dev/zero | tr '\0' x
    printf '\n%s\n' "$images/exit.jpg${tab}AB"; } > "$work/in"
stream 'broken lines' 1 "$work/other.pool"
check 'each is answered' test "$(wc -l < "$work/out")" = 9
is 1 'a["status"]' io
is 2 'a["text"], a["status"]' "('OPEN', 'label')"
is 3 'a["line"], a["status"]' "('=x', 'argument')"
is 4 'a["ticket"], a["status"]' "(5, 'not found')"
is 5 'a["status"]' argument
is 6 'a["line"]' '=-1'
is 7 'a["error"]' 'a NUL byte'
is 8 'a["error"]' 'the line is too long'
is 9 'a["text"], a["outcome"]' "('EXIT', 'added')"
says "$work/missing.png: No such file"
check 'and what was good is saved' test "$("$e2str" pool list "$work/other.pool")" = "1${tab}AB"
stream 'another storage than the pool has' 1 --storage f32 "$pool"
says "$pool: it keeps visual tokens as f16, which --storage f32 cannot change"
stream 'more examples than a prompt can have' 1 -k 9 "$work/none.pool"
says '-k 9: the model has positions for 8 examples'
printf 'x' > "$work/broken.pool"
stream 'a file that is no pool' 1 "$work/broken.pool"
check 'stays' test "$(cat "$work/broken.pool")" = x
for wrong in '--drop best' '--add-right sometimes' '--window 5' '--tickets 0' '--learn-share 2' '--pool x'; do
    # shellcheck disable=SC2086 # an option and its value
    stream "$wrong" 2 $wrong "$pool"
done

# ---- the cap ----
for name in open.png exit.jpg street.png total.jpg library.jpg music.png garden.jpg platform.png coffee.jpg; do
    printf '%s\tab%s\n' "$images/$name" "${#name}" # 8, 9 and 10: each of 1, 8, 9, 0 is there twice or more
done > "$work/in"
for drop in least-useful oldest random least-used; do
    seed=
    [ "$drop" != random ] || seed='--drop-seed 3'
    # shellcheck disable=SC2086 # an option and its value, or nothing
    stream "a cap, $drop" 0 --max-examples 5 --drop "$drop" $seed "$work/$drop.pool"
    check 'holds' test "$("$e2str" pool list "$work/$drop.pool" | wc -l)" -le 5
    cp "$work/out" "$work/once"
    rm "$work/$drop.pool"
    # shellcheck disable=SC2086
    stream 'once more' 0 --max-examples 5 --drop "$drop" $seed "$work/$drop.pool" -t 3
    check 'the same, with three threads' cmp "$work/out" "$work/once"
done
stream 'a cap in bytes' 0 --max-bytes 300000 "$work/bytes.pool"
check 'holds' test "$("$e2str" pool info "$work/bytes.pool" | sed -n 's/^in memory *\([0-9]*\).*/\1/p')" -le 300000

# ---- pipes and signals ----
mkfifo "$work/lines" "$work/answers"
exec 4<> "$work/answers"
"$e2str" stream --save-every 1 "$work/pipe.pool" < "$work/lines" > "$work/answers" 2> "$work/err" &
child=$!
exec 3> "$work/lines"
echo "$images/open.png" >&3
read -r -t 60 answer <&4
check 'an answer does not wait for the next line' test "${answer#*'"text":"OPEN"'}" != "$answer"
echo "=1${tab}OPEN!" >&3
read -r -t 60 answer <&4
check 'nor a correction' test "${answer#*added}" != "$answer"
echo '=' >&3
read -r -t 60 answer <&4
check 'which is saved when --save-every says so' test "$("$e2str" pool list "$work/pipe.pool")" = "1${tab}OPEN!"
echo "$images/exit.jpg${tab}EX" >&3
read -r -t 60 answer <&4
kill -TERM "$child"
wait "$child"
check 'a signal ends it well' test $? -eq 0
exec 3>&- 4<&-
check 'with all that was corrected' test "$("$e2str" pool list "$work/pipe.pool" | wc -l)" = 2
check 'and a memory of it' grep -q '^learnt .* of 2 examples' <("$e2str" pool info "$work/pipe.pool")
yes "$images/open.png${tab}X" | head -n 2000 | { "$e2str" stream "$work/closed.pool" 2> "$work/err"
    echo $? > "$work/status"; } | head -n 1 > "$work/out"
check 'who closes the output ends it by SIGPIPE' test "$(cat "$work/status")" = 141
quiet
check 'and what was corrected before is saved' test "$("$e2str" pool list "$work/closed.pool")" = "1${tab}X"
finish
