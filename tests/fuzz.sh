#!/bin/bash
# Run every fuzz target for a while: fuzz.sh FOLDER SECONDS. Seeds are tests/corpus/NAME; what is found on the way is kept
# in build/fuzz/NAME, so that the next run starts from there; a failing input is left in build/fuzz/NAME-crash-*.
set -u
dir=$1 seconds=${2:-60}
failed=0 n=0
for src in tests/fuzz_*.c; do
    t=$(basename "$src" .c)
    name=${t#fuzz_}
    corpus=build/fuzz/$name
    mkdir -p "$corpus"
    seeds=()
    [ -d "tests/corpus/$name" ] && seeds=("tests/corpus/$name")
    n=$((n + 1))
    if "$dir/$t" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/$name-" "$corpus" ${seeds[@]+"${seeds[@]}"} >"build/fuzz/$name.log" 2>&1; then
        printf '%-20s %s runs, corpus of %s\n' "$name" \
            "$(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$name.log")" "$(ls "$corpus" | wc -l)"
    else
        echo "$name FAILED: build/fuzz/$name.log"
        tail -n 30 "build/fuzz/$name.log"
        failed=$((failed + 1))
    fi
done
echo "$n fuzz targets, $failed failed"
[ "$failed" = 0 ] && [ "$n" -gt 0 ]
