# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by the shell tests: cases print "ok - name" or "not ok - name", which tests/run.sh counts.
: "${BUILD:=build}" "${CC:=cc}" "${CXX:=c++}" "${PKG_CONFIG:=pkg-config}" "${PYTHON:=python3}"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0
# shellcheck disable=SC2034 # for those who source this
tab=$'\t'

# check NAME COMMAND...: passes if the command succeeds
check() {
    local name=$1
    shift
    if "$@"; then
        echo "ok - $name"
    else
        echo "not ok - $name ($*)"
        failures=$((failures + 1))
    fi
}

# ended NAME WANTED STATUS COMMAND...: passes if it ended as wanted; its output is in $work/out and $work/err
ended() {
    local name=$1 wanted=$2 status=$3
    shift 3
    if [ "$status" -ne "$wanted" ]; then
        sed 's/^/# /' "$work/out" "$work/err"
        check "$name: status $status, not $wanted:" false "$@"
    else
        echo "ok - $name"
    fi
}
says() { check "and says: $1" grep -qF -- "$1" "$work/err"; }
quiet() { check 'and says nothing' test ! -s "$work/err"; }

skip() { echo "ok - $1 # SKIP $2"; }

finish() { [ "$failures" -eq 0 ]; exit; }
