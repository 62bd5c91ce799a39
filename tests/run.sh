#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh PROGRAM...: runs test programs (cmocka, speaking TAP) and test scripts ("ok - name", "not ok - name", and
# "ok - name # SKIP why"), shows what failed in full, keeps the output in $BUILD/tests/NAME.log, and ends with one line
# "N passed, N failed". A program that crashes, hangs or tests nothing counts as one failure.
set -u
: "${BUILD:=build}" "${RUN:=}" "${TEST_SECONDS:=900}"
export BUILD
export CMOCKA_MESSAGE_OUTPUT=TAP
export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"

passed=0
failed=0
mkdir -p "$BUILD/tests"
skip='^(not )?ok .*# SKIP'

for program; do
    name=$(basename "$program")
    log=$BUILD/tests/$name.log
    case $program in
    *.sh) runner=bash ;;
    *) runner=$RUN ;;
    esac
    # shellcheck disable=SC2086 # the runner is a command with its arguments, or nothing
    timeout "$TEST_SECONDS" $runner "$program" > "$log" 2>&1 < /dev/null
    status=$?
    skipped=$(grep -cE "$skip" "$log") # cmocka 1.1.5 writes "not ok" for these, later ones "ok"
    good=$(grep -vE "$skip" "$log" | grep -cE '^ok( |$)')
    bad=$(grep -vE "$skip" "$log" | grep -cE '^not ok( |$)')
    why=
    if [ "$status" -eq 124 ]; then
        why="still running after $TEST_SECONDS s"
    elif [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        why="ended with status $status"
    elif [ $((good + bad + skipped)) -eq 0 ]; then
        why='tested nothing'
    fi
    [ -z "$why" ] || bad=$((bad + 1))
    passed=$((passed + good))
    failed=$((failed + bad))
    if [ "$bad" -gt 0 ]; then
        grep -vE "^ok( |$)" "$log"
        echo "FAIL $name: $good passed, $bad failed${why:+ ($why)}"
    else
        echo "ok   $name: $good passed${why:+ ($why)}"
    fi
    [ "$skipped" -eq 0 ] || grep -E "$skip" "$log" | sed -E 's/^(not )?ok/     skipped/'
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
