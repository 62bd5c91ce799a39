#!/bin/bash
# SPDX-License-Identifier: MIT
# The e2str command in pipes: lists of names, several jobs, labels from standard input, JSON that gives any name back,
# progress, closed pipes, options that would do nothing, exit statuses.
set -u
. tests/cases.sh
root=$(pwd)
e2str=$(realpath "$BUILD")/e2str
images=$root/examples/images
export E2STR_MODEL=$root/weights/e2str-small.gguf

# expect NAME STATUS COMMAND...: runs it with the file $work/in; its output is in $work/out and $work/err
: > "$work/in"
expect() {
    local name=$1 wanted=$2
    shift 2
    "$@" < "$work/in" > "$work/out" 2> "$work/err"
    ended "$name" "$wanted" $? "$@"
}
same() { check "$1" cmp "$work/out" "$2"; }

# ---- lists of names ----
"$e2str" read "$images"/{open.png,exit.jpg,2026.png} > "$work/three"
printf '%s\n' "$images"/{open.png,exit.jpg,2026.png} > "$work/list"
expect 'names from a file' 0 "$e2str" read --files-from "$work/list"
same 'read as operands do' "$work/three"
cp "$work/list" "$work/in"
expect 'names from standard input' 0 "$e2str" read --files-from -
same 'read the same' "$work/three"
printf '\n\n%s\n\n%s' "$images/exit.jpg" "$images/2026.png" > "$work/in"
expect 'operands come first, empty lines do not count, the last needs no end' 0 \
    "$e2str" read --files-from - "$images/open.png"
same 'read the same' "$work/three"
odd=$work/$'a\nb.png'
cp "$images/open.png" "$odd"
printf '%s\0' "$odd" "$images/exit.jpg" > "$work/in"
expect 'names that end in NUL bytes' 0 "$e2str" read -0 --files-from -
check 'may hold line ends' test "$(wc -l < "$work/out") $(cut -f 2 "$work/out" | paste -sd ' ')" = '2 OPEN EXIT'
printf 'x\0y\n%s\n' "$images/open.png" > "$work/in"
expect 'a NUL byte in a line' 1 "$e2str" read --files-from -
says 'standard input:1: a NUL byte'
check 'costs that line only' grep -q "OPEN" "$work/out"
{ head -c 100000 /dev/zero | tr '\0' x; printf '\n%s\n' "$images/open.png"; } > "$work/in"
expect 'a line too long for a name' 1 "$e2str" read --files-from -
says 'standard input:1: a name of more than 4096 bytes'
check 'costs that line only' grep -q "OPEN" "$work/out"
cp "$images/open.png" "$work/-"
in_work() { (cd "$work" && "$e2str" "$@"); }
printf -- '-\n' > "$work/in"
expect 'a name - in a list is a file' 0 in_work read --files-from -
check 'and read' grep -qF "./-${tab}OPEN" "$work/out"
expect 'a missing list' 1 "$e2str" read --files-from "$work/none"
says "$work/none"
expect 'a folder as list' 1 "$e2str" read --files-from "$work"
says "$work: Is a directory"
: > "$work/in"
expect 'an empty list' 0 "$e2str" read --files-from -
quiet
expect 'no images at all' 2 "$e2str" read
says 'read needs IMAGE..., or --files-from FILE'
cp "$images/open.png" "$work/in"
expect 'an image from standard input among others' 0 "$e2str" read "$images/exit.jpg" -
check 'in its place' test "$(cut -f 2 "$work/out" | paste -sd ' ')" = 'EXIT OPEN'
# ---- folders ----
mkdir -p "$work/folder/inner" "$work/no_images"
cp "$images/open.png" "$work/folder/b.png"
cp "$images/exit.jpg" "$work/folder/B.JPG"
cp "$images/2026.png" "$work/folder/a.png"
cp "$images/street.png" "$work/folder/.hidden.png"
cp "$images/street.png" "$work/folder/inner/c.png"
echo text | tee "$work/folder/notes.txt" "$work/folder/png" > "$work/no_images/a.txt"
expect 'a folder among images' 0 "$e2str" read "$images/total.jpg" "$work/folder" "$images/music.png"
quiet
check 'stands for the images in it, by name' test "$(cut -f 1 "$work/out" | paste -sd ' ')" = \
    "$images/total.jpg $work/folder/B.JPG $work/folder/a.png $work/folder/b.png $images/music.png"
cut -f 2- "$work/out" > "$work/one"
expect 'with a slash, and three at once' 0 \
    "$e2str" read --jobs 3 "$images/total.jpg" "$work/folder/" "$images/music.png"
check 'is the same' diff "$work/one" <(cut -f 2- "$work/out")
check 'with one slash' grep -q "^$work/folder/a.png$tab" "$work/out"
expect 'a folder without images' 1 "$e2str" read --json "$work/no_images" "$images/open.png"
says "$work/no_images: a folder without images"
check 'and the others' test "$(grep -c '"text":"OPEN"' "$work/out")" -eq 1
expect 'pool suggest of a folder' 0 "$e2str" pool suggest "$work/no.pool" "$work/folder"
check 'has all of them' test "$(wc -l < "$work/out")" -eq 3
echo "$work/folder" > "$work/in"
expect 'a folder in a list' 1 "$e2str" read --files-from -
says "$work/folder: "
printf '%s\0' "$images"/{open.png,exit.jpg} > "$work/in"
expect 'pool suggest takes such lists' 0 "$e2str" pool suggest "$work/no.pool" -0 --files-from -
check 'and suggests from them' test "$(wc -l < "$work/out")" = 2

# A name is answered before the next one is there.
mkfifo "$work/names" "$work/answers"
exec 4<> "$work/answers" # opening it for both waits for nobody
"$e2str" read --files-from "$work/names" > "$work/answers" &
exec 3> "$work/names"
echo "$images/open.png" >&3
read -r -t 60 answer <&4
check 'an answer does not wait for more names' test "${answer%"${tab}"*}" = "$images/open.png${tab}OPEN"
exec 3>&- 4<&-
wait

# ---- jobs ----
: > "$work/in"
printf "$images/%s\\n" {,,,,,,,}{open.png,missing.png,garden.jpg,street.png,labels.tsv,music.png} > "$work/list"
"$e2str" read --json --alternatives 2 --files-from "$work/list" > "$work/one" 2> "$work/one.err"
for jobs in 2 7 100; do
    expect "$jobs jobs" 1 "$e2str" read --json --alternatives 2 --jobs $jobs --files-from "$work/list"
    same 'write the same bytes' "$work/one"
    check 'and messages' cmp "$work/err" "$work/one.err"
done
expect 'no jobs' 2 "$e2str" read --jobs 0 "$images/open.png"
if command -v "$PYTHON" > /dev/null; then
    cat > "$work/peak.py" << 'END'
import resource, subprocess, sys
def peak(names, jobs):
    command = [sys.argv[1], 'read', '--files-from', '-', '--jobs', str(jobs)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for i in range(names // 1000):
        child.stdin.write(b''.join(b'/none/%d/%d\n' % (i, j) for j in range(1000)))
    child.stdin.close()
    assert child.wait() == 1
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
few = peak(1000, 2)
many = peak(100000, 2)
print(f'{few} KiB, {many} KiB')
sys.exit(many > few + 2048)
END
    export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1" # freed memory that it keeps
    check 'memory does not grow with the number of names' "$PYTHON" "$work/peak.py" "$e2str"
else
    skip 'memory does not grow with the number of names' 'no python3'
fi

# ---- labels from standard input ----
cp "$images/labels.tsv" "$work/in"
in_images() { (cd "$images" && "$e2str" "$@"); }
expect 'eval of labels from standard input' 0 in_images eval --labels -
check 'reads them' grep -qx 'images            10' "$work/out"
expect 'pool add of such labels' 0 in_images pool add "$work/piped.pool" --labels -
check 'adds them' test "$(wc -l < "$work/out")" = 10
printf 'open.png\n' > "$work/in"
expect 'labels that are none' 1 in_images eval --labels -
says 'standard input:1: no tab'

# ---- names in JSON ----
if command -v "$PYTHON" > /dev/null; then
    cat > "$work/names.py" << 'END'
import base64, json, os, subprocess, sys
folder = os.fsencode(sys.argv[2])
names = [folder + b'/' + bytes([i, 0xe9]) + b'\xe2\x82\xac.png' for i in range(1, 256) if i != ord('/')]
names += [folder + b'/\xe2\x82\xac.png', folder + b'/\xef\xbf\xbd.png', b'x' * 4000]
done = subprocess.run([sys.argv[1], 'read', '-0', '--files-from', '-', '--json'], input=b'\0'.join(names),
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
assert done.stdout.count(b'\n') == len(lines) == len(names)
def name(line):
    return base64.b64decode(line['image_base64']) if 'image_base64' in line else line['image'].encode()
assert [name(line) for line in lines] == names
assert [line['image'] for line in lines] == [name.decode(errors='replace') for name in names]
assert all('image_base64' not in line for line in lines[-3:])
END
    check 'JSON gives every name back' "$PYTHON" "$work/names.py" "$e2str" "$work"
else
    skip 'JSON gives every name back' 'no python3'
fi

# ---- progress ----
: > "$work/in"
expect 'no progress where nobody sees it' 0 "$e2str" read "$images"/*.png
quiet
expect 'progress if it is asked for' 0 "$e2str" read --progress "$images"/*.png
check 'on standard error' grep -qF 'reading 0/5' "$work/err"
expect 'or not at all' 0 "$e2str" read --progress --no-progress "$images"/*.png
quiet
expect 'progress without a known end' 0 "$e2str" read --progress --files-from <(printf '%s\n' "$images"/*.png)
check 'has none' grep -qE 'reading [0-9]+' "$work/err"
if script -qefc true /dev/null > /dev/null 2>&1; then
    printf '%s\n' "$images"/*.png > "$work/list"
    on_terminal() { script -qefc "$e2str eval --labels $images/labels.tsv $1 > /dev/null" /dev/null; }
    expect 'on a terminal' 0 on_terminal ''
    check 'there is progress' grep -qF 'reading 0/10' "$work/out"
    expect 'and with --no-progress' 0 on_terminal --no-progress
    check 'there is none' test ! -s "$work/out"
else
    skip 'progress on a terminal' 'no script, or no terminal for it'
fi

# ---- a closed pipe ----
closed() { # COMMAND...: with a standard output that nobody reads
    { "$@"; echo $? > "$work/status"; } | true
    return "$(cat "$work/status")"
}
ignoring() { (trap '' PIPE; closed "$@"); }
for jobs in 1 3; do
    expect "a pipe that closes, $jobs jobs" 141 closed "$e2str" read --jobs $jobs "$images"/*.png "$images"/*.png
    quiet
done
expect 'the same where SIGPIPE is ignored' 1 ignoring "$e2str" read "$images"/*.png "$images"/*.png
quiet
expect 'pool add to a closed pipe' 141 closed "$e2str" pool add "$work/closed.pool" "$images/open.png" OPEN
check 'has saved' test -s "$work/closed.pool"
check 'and leaves no lock' test ! -e "$work/closed.pool.lock"

# ---- options that would do nothing ----
refuses() { # WHAT ARGUMENT...
    local what=$1
    shift
    expect "refused: $*" 2 "$e2str" "$@"
    says "$what"
}
for option in '--places' '--alternatives 2' '--influences 2'; do
    # shellcheck disable=SC2086 # an option and its value
    refuses 'is for --json' read $option "$images/open.png"
done
for option in '-k 2' '--memory 0.5' '--min-similarity 0' '--everywhere' '--influences 1 --json'; do
    # shellcheck disable=SC2086 # an option and its value
    refuses 'is for reads with a pool: -p POOL' read $option "$images/open.png"
    [ "${option##* }" = --json ] && continue
    # shellcheck disable=SC2086 # an option and its value
    refuses 'is for reads with a pool' eval --labels "$images/labels.tsv" $option
done
for option in '--storage f32' '--no-learn' '--strength 1' '--keep-doubtful'; do
    # shellcheck disable=SC2086 # an option and its value
    refuses 'is for pools that eval makes' eval --labels "$images/labels.tsv" -p "$work/piped.pool" $option
done
refuses '--no-learn leaves that out' pool add "$work/p" --no-learn --strength 1 "$images/open.png" OPEN
refuses '--clean-up does not go with' read --clean-up --chars A-Z "$images/open.png"
refuses '--everywhere is for the memory' read -p "$work/piped.pool" --memory 0 --everywhere "$images/open.png"
refuses '--influences is for the memory' read -p "$work/piped.pool" --memory 0 --influences 1 --json "$images/open.png"
refuses '--spin is for several threads' read --spin 100 "$images/open.png"
refuses '--trim does not go with --no-trim' read --trim --no-trim "$images/open.png"
refuses '--drop-seed is for --drop random' stream --drop-seed 1 "$work/p"
refuses '--null is for the names' read -0 "$images/open.png"
refuses 'can be read once, and is given 2 times' read - -
refuses 'can be read once' read - --files-from -
refuses 'can be read once' pool add "$work/p" --labels - - OPEN
for option in '-k 0' '--memory 0' '--alternatives 0'; do
    # shellcheck disable=SC2086 # an option and its value
    expect "what asks for nothing is fine: $option" 0 "$e2str" read $option "$images/open.png"
    quiet
done

# ---- exit statuses ----
expect 'all are read' 0 "$e2str" read "$images/open.png" "$images/exit.jpg"
expect 'some cannot be read' 1 "$e2str" read "$work/none.png" "$images/open.png"
check 'the others are' test "$(wc -l < "$work/out")" = 1
expect 'none can be read' 1 "$e2str" read "$work/none.png" "$work/none.jpg"
check 'nothing is printed' test ! -s "$work/out"
expect 'wrong usage' 2 "$e2str" read "$images/open.png" --beam 0
check 'nothing is done' test ! -s "$work/out"
expect 'the help tells statuses' 0 "$e2str" help
check 'all of them' grep -qF '(in a shell 141)' "$work/out"
expect 'the manual page too' 0 "$e2str" help --man
check 'all of them' grep -qF '(in a shell 141)' "$work/out"
finish
