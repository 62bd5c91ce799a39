#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make demo` shows: words read with the shipped weights, then writing with a sign that the model does not know,
# without and with a pool of examples. Each command is shown before its output.
set -eu
: "${E2STR:=build/e2str}"
pool=$(dirname "$E2STR")/demo.pool
rm -f "$pool"

show() { # the command is one word, shown as it would be typed
    echo
    echo "\$ $1"
    eval "$1"
}

show "$E2STR read examples/images/*.jpg examples/images/*.png"
echo
echo "Six price tags in brush writing; the model has no won sign:"
show "$E2STR read examples/demo/queries/*.jpg"
echo
echo "A pool of 20 other tags. It learns as they are added, in a fraction of a second:"
show "$E2STR pool add $pool --labels examples/demo/pool/labels.tsv"
show "$E2STR read -p $pool examples/demo/queries/*.jpg"
echo
echo "Chosen to show the effect: docs/accuracy.md says how often examples help, and how often they hurt."
