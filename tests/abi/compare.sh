#!/bin/sh
# SPDX-License-Identifier: MIT
# compare.sh dump LIBRARY HEADER: the interface of a library that was compiled with -g, as abidw writes it, and no more
#   than the header shows.
# compare.sh BASE LIBRARY HEADER: can programs that were compiled with the base use this library? New functions and new
#   enumerators are fine, and new members behind the end of structures that carry their size (those with an init_size);
#   not in the padding at the end, which programs need not copy. Whatever else abidiff finds is printed, and the status
#   is 1. Without abidiff it is 2.
set -u
base=$1 library=$2 header=$3
command -v abidiff > /dev/null || { echo 'no abidiff (package abigail-tools)'; exit 2; }

if [ "$base" = dump ]; then
    exec abidw --exported-interfaces-only --header-file "$header" --drop-private-types --drop-undefined-syms \
        --no-elf-needed --no-corpus-path --no-comp-dir-path --no-show-locs --type-id-style hash "$library"
fi

found=$(mktemp) || exit 2
trap 'rm -f "$found"' EXIT
abidiff --leaf-changes-only --harmless --no-show-locs --no-added-syms --exported-interfaces-only \
    "$base" "$library" > "$found" 2>&1
status=$?
[ $((status & 3)) -eq 0 ] || { cat "$found"; exit 2; }

grows=$(grep -oE 'e2str_[a-z_]+_init_size' "$header" | sed 's/_init_size//' | sort -u | tr '\n' ' ')
awk -v grows=" $grows" '
    function fault() { print before $0; before = ""; bad = 1 }
    /^$|^Leaf changes summary|^Changed leaf types summary|^Removed\/Changed\/Added|impacted interface/ { next }
    /^\x27(struct|enum) .*\x27 changed:$/ {
        split($2, name, "\x27")
        before = $0 "\n"
        may_grow = index(grows, " " name[1] " ")
        size = 0
        next
    }
    /^  type size hasn\x27t changed$/ { next }
    /^  type size changed from [0-9]+ to [0-9]+ \(in bits\)$/ && may_grow && $7 > $5 { size = $5; next }
    /^  [0-9]+ data member insertions?:$/ && may_grow { next }
    /^    \x27.*\x27, at offset [0-9]+ \(in bits\)$/ && may_grow {
        match($0, /at offset [0-9]+/)
        if (size && substr($0, RSTART + 10, RLENGTH - 10) + 0 >= size) next
        fault()
        next
    }
    /^  [0-9]+ enumerator insertions?:$/ { next }
    /^    \x27.*::.*\x27 value \x27-?[0-9]+\x27$/ { next }
    { fault() }
    END { exit bad }' "$found"
