#!/bin/bash
# SPDX-License-Identifier: MIT
# The library runs on any CPU of its architecture: only the folders of instruction sets in kernels/ hold instructions
# that the baseline lacks, and nothing but kernels of their level can be reached there.
set -u
. tests/cases.sh

# shellcheck disable=SC2086 # several flags
if $CC ${CFLAGS:-} -dM -E -x c /dev/null | grep -qE '__AVX__|__ARM_FEATURE_DOTPROD'; then
    skip 'no instructions beyond the baseline' 'CFLAGS ask for more'
    finish
fi

case $($CC -dumpmachine) in
x86_64-*) # mnemonics of VEX and EVEX begin with v, those of mask registers with k
    beyond='^(v|k(mov|and|or|xor|xnor|not|test|add|shift|unpck))|%[yz]mm'
    own=$(sed -n 's/^ISA_x86_64 = //p' Makefile)
    ;;
aarch64-*) # dotprod, i8mm, bf16
    beyond='^([su]dot|[su]mmla|us(dot|mmla)|bf(dot|mmla|mlal[bt]|cvt))'
    own='neon_dot neon_i8mm neon_bf16'
    ;;
*)
    skip 'no instructions beyond the baseline' "no list for $($CC -dumpmachine)"
    finish
    ;;
esac

# instructions FILE...: one per line, without addresses, as objdump shows them
instructions() { objdump -d --no-show-raw-insn "$@" | sed -nE 's/^ +[0-9a-f]+:[[:space:]]+//p'; }

# functions FILE...: those that hold instructions beyond the baseline
functions() {
    objdump -d --no-show-raw-insn "$@" | awk -v beyond="$beyond" '
        /^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]/, "", name) }
        sub(/^ +[0-9a-f]+:[ \t]+/, "") && $0 ~ beyond { print name }' | sort -u
}

# defined FILE...: every function in these objects, static ones too; and the global ones alone
defined() { nm --defined-only "$@" | awk 'NF == 3 && tolower($2) == "t" { print $3 }' | sort -u; }
global() { nm -g --defined-only "$@" | awk 'NF == 3 { print $3 }' | sort -u; }

# The objects of the folders, and all others.
for level in $own; do find "$BUILD/kernels/$level" -name '*.o'; done | sort > "$work/own"
find "$BUILD/lib" "$BUILD/kernels" -name '*.o' | sort | grep -vxFf "$work/own" > "$work/baseline"
mapfile -t own_objects < "$work/own"
mapfile -t baseline_objects < "$work/baseline"

count_beyond() { instructions "$@" | grep -cE "$beyond"; }
has_none() {
    functions "$@" > "$work/functions"
    [ ! -s "$work/functions" ] || { cat "$work/functions"; return 1; }
}

count=$(instructions "${baseline_objects[@]}" | wc -l)
check 'objects of lib/ and kernels/ can be disassembled' test "$count" -gt 10000
check 'no instruction beyond the baseline outside the folders of instruction sets' has_none "${baseline_objects[@]}"

if [ "${#own_objects[@]}" -eq 0 ]; then
    skip 'the folders of instruction sets use them' 'there is none for this CPU'
    finish
fi
check 'the folders of instruction sets use them' test "$(count_beyond "${own_objects[@]}")" -gt 100

functions "$BUILD/libe2str.so" > "$work/in_so"
defined "${own_objects[@]}" > "$work/in_folders"
only_from_folders() { ! grep -vxFf "$work/in_folders" "$work/in_so"; }
check 'libe2str.so has them, too' test -s "$work/in_so"
check 'in libe2str.so they are in functions of those folders only' only_from_folders

# A function with another name could be taken by the linker for one that baseline code calls.
named_for_level() {
    local object level name bad=0
    for object in "${own_objects[@]}"; do
        level=$(basename "$(dirname "$object")")
        for name in $(global "$object"); do
            [[ $name == e2_*_"$level" ]] || { echo "$object: $name"; bad=1; }
        done
    done
    return "$bad"
}
check 'those folders define nothing but e2_OPERATION_LEVEL' named_for_level
finish
