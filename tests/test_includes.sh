#!/bin/bash
# The floors of lib/ that docs/architecture.md states: a file includes headers of its own floor and below, and there is
# no circle. kernels/ includes its own headers only; programs that users copy from examples/ include the public header.
set -u

floors=$(awk '/^```floors$/ { inside = 1; next } /^```$/ { inside = 0 } inside { print }' docs/architecture.md)
pairs=$(for file in lib/*.[ch]; do
    unit=$(basename "${file%.[ch]}")
    echo "$unit $unit"
    sed -n 's/^#include "\(.*\)\.h"$/\1/p' "$file" | sed "s/^/$unit /"
done | sort -u)

# check NAME: what stdin holds is what is wrong
check() {
    local wrong
    wrong=$(cat)
    if [ -z "$wrong" ]; then
        echo "ok - $1"
    else
        echo "$wrong"
        echo "not ok - $1"
    fi
}

awk 'NR == FNR { for (i = 2; i <= NF; i++) floor[$i] = FNR; next } !($1 in floor) { print "lib/" $1 " stands on no floor" }' \
    <(echo "$floors") <(echo "$pairs") | check 'every file of lib/ stands on a floor'
awk 'NR == FNR { for (i = 2; i <= NF; i++) floor[$i] = FNR; next }
     $2 != "e2str" && $2 != "kernels" && $2 != "ref/math" && (!($2 in floor) || floor[$2] < floor[$1]) { print "lib/" $1 " includes " $2 ".h" }' \
    <(echo "$floors") <(echo "$pairs") | check 'no include runs back up'
echo "$pairs" | tsort 2>&1 > /dev/null | check 'no circle'
find lib -name '*.[ch]' | sed 's/.*\///; s/\.[ch]$//' | sort -u |
    awk 'NR == FNR { there[$1] = 1; next } { for (i = 2; i <= NF; i++) if (!($i in there)) print $i " is no file of lib/" }' \
        - <(echo "$floors") | check 'every name on a floor is a file'
grep -n '#include "' -r kernels --include='*.[ch]' | sed 's/:[0-9]*:#include "/ /; s/"$//' | while read -r file header; do
    [ -e "$(dirname "$file")/$header" ] || [ -e "kernels/$header" ] || echo "$file includes $header"
done | check 'kernels/ includes its own headers only'
grep -n '#include "' examples/*.c examples/*.cpp 2> /dev/null | check 'the programs of examples/ use the installed header only'
