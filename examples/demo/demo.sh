#!/bin/sh
# What `make demo` shows: words read with the shipped weights, then a style that the model does not know, without and
# with eight examples of it in a prompt pool. Each command is shown before its output.
set -eu
: "${E2STR:=build/e2str}"

show() {
    echo
    echo "\$ $*"
    "$@"
}

show "$E2STR" read examples/images/*.jpg examples/images/*.png

queries=$(cut -f 1 examples/demo/queries.tsv | sed 's|^|examples/demo/|')
pool=$(mktemp -d)
trap 'rm -rf "$pool"' EXIT
echo
echo "A seven-segment display, read without examples:"
# shellcheck disable=SC2086 # several files
show "$E2STR" read $queries
echo
echo "The same with a prompt pool of eight examples, the nearest two before each image:"
show "$E2STR" pool add "$pool/segments.pool" --labels examples/demo/pool.tsv
# shellcheck disable=SC2086
show "$E2STR" read -p "$pool/segments.pool" $queries
echo
echo "Note: these first weights were trained to read, not yet to use examples; a pool need not help them, and may hurt."
