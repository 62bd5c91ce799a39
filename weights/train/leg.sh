#!/bin/sh
# SPDX-License-Identifier: MIT
# One leg of a training run on a machine that has a GPU but no network, and gives back files of at most 16 MiB:
#
#     leg.sh MATERIAL.tar.xz STAGE FROM TO MINUTES [OPTIONS of train.py]
#
# as root. MATERIAL is what bundle.py packed. FROM holds the pieces of an earlier leg (STAGE.pt.00 ..), of stage 1 for
# the first leg of stage 2, or nothing; TO gets the new pieces and the curve. Pieces are put together with cat.
set -eu
[ $# -ge 5 ] || { sed -n '2,7p' "$0"; exit 2; }
material=$1 stage=$2 from=$3 to=$4 minutes=$5
shift 5
tar -xf "$material" -C /
mkdir -p "$to"
begin=
if [ -e "$from/$stage.pt.00" ]; then
    cat "$from/$stage".pt.?? > "$to/$stage.pt"
    begin=--resume
elif [ "$stage" = stage2 ]; then
    cat "$from"/stage1.pt.?? > /tmp/stage1.pt
    begin='--start /tmp/stage1.pt'
fi
# shellcheck disable=SC2086 # an option and its value, or nothing
python3 "$(dirname "$0")/train.py" "$stage" --out "$to" --minutes-at-most "$minutes" $begin "$@"
for file in "$stage.pt" "$stage.weights.pt"; do
    split -d -b 15M "$to/$file" "$to/$file."
    rm "$to/$file"
done
