# shellcheck shell=bash
# Sourced by the shell tests: cases print "ok - name" or "not ok - name", which tests/run.sh counts.
: "${BUILD:=build}" "${CC:=cc}" "${CXX:=c++}" "${PKG_CONFIG:=pkg-config}" "${PYTHON:=python3}"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

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

skip() { echo "ok - $1 # SKIP $2"; }

finish() { [ "$failures" -eq 0 ]; exit; }
