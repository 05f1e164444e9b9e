#!/bin/bash
# Run every test program and script, sum up, and end on one line: "N passed, N failed, N skipped".
#   run.sh PROGRAM TEST-FOLDER
# A script in tests/check_*.sh prints "ok NAME", "not ok NAME", "skip NAME: reason" lines and gets
# PROGRAM and TEST-FOLDER.
set -u
bin=$1 dir=$2
passed=0 failed=0 skipped=0
log=$(mktemp)
ran=$dir/ran # what passed, for check_coverage.sh
trap 'rm -f "$log" "$ran"' EXIT
: >"$ran"
for src in tests/test_*.c; do
    t=$dir/$(basename "$src" .c)
    "$t" --jobs 2 --verbose >"$log" 2>&1
    rc=$?
    sed -i 's/\x1b\[[0-9;]*m//g; /^\[RUN \]/d' "$log"
    sed -nE 's/^\[PASS\] ([a-zA-Z0-9_]+::[a-zA-Z0-9_]+).*/\1/p' "$log" >>"$ran"
    sed -i '/^\[PASS\]/d' "$log"
    line=$(grep -a 'Synthesis:' "$log" | tail -n 1)
    p=$(sed -n 's/.*Passing: *\([0-9]*\).*/\1/p' <<<"$line")
    f=$(sed -n 's/.*Failing: *\([0-9]*\).*/\1/p' <<<"$line")
    c=$(sed -n 's/.*Crashing: *\([0-9]*\).*/\1/p' <<<"$line")
    s=$(grep -a -c 'was skipped' "$log")
    if [ $rc -ne 0 ] || [ -z "$line" ]; then
        cat "$log"
        [ "$((${f:-0} + ${c:-0}))" = 0 ] && f=1
    fi
    grep -a 'was skipped' "$log"
    printf '%-28s %4d passed %s\n' "$(basename "$src" .c)" "${p:-0}" "$([ $rc -ne 0 ] && echo FAILED)"
    passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0} + ${c:-0})) skipped=$((skipped + s))
done
for sh in tests/check_*.sh; do
    bash "$sh" "$bin" "$dir" >"$log" 2>&1
    rc=$?
    p=$(grep -c '^ok ' "$log") f=$(grep -c '^not ok ' "$log") s=$(grep -c '^skip ' "$log")
    [ $rc -ne 0 ] && [ "$f" = 0 ] && f=1
    [ "$f" != 0 ] && grep -v '^ok ' "$log"
    grep '^skip ' "$log"
    printf '%-28s %4d passed %s\n' "$(basename "$sh" .sh)" "$p" "$([ "$f" != 0 ] && echo FAILED)"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
