#!/bin/bash
# Every shipped scenario: all expectations hold, twice the same bytes, the reference tables agree; an expectation that is
# wrong and a file that is broken are told apart.
set -u
export bin=$1 tmp
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# one FILE: all checks of one scenario; prints ok and not ok lines.
one() {
    local f=$1 name dir
    name=$(basename "$f" .yaml)
    dir=$tmp/$name
    verdict() { # verdict CONDITION-STATUS TEXT
        if [ "$1" = 0 ]; then echo "ok $name $2"; else echo "not ok $name $2"; fi
    }
    "$bin" run "$f" -o "$dir/a" >"$dir.out" 2>"$dir.err"
    local rc=$?
    verdict $rc "runs"
    [ $rc = 0 ] || { tail -n 20 "$dir.out" "$dir.err"; return; }
    jq -e '[.flows[].expect[], .expect[] | .ok] | length > 0 and all' "$dir/a/results.json" >/dev/null
    verdict $? "holds its expectations"
    jq -r '.captures[].file' "$dir/a/results.json" | (cd "$dir/a" && xargs -d '\n' -r ls -d) >/dev/null
    verdict $? "makes the captures it lists"
    "$bin" run --quiet "$f" -o "$dir/b" >/dev/null 2>&1 && diff -r "$dir/a" "$dir/b"
    verdict $? "twice gives the same bytes"
    "$bin" run --quiet --reference "$f" -o "$dir/c" >/dev/null 2>&1 && diff -r "$dir/a" "$dir/c"
    verdict $? "gives the same by the reference tables"

    local copy=$tmp/changed/$name.changed.yaml # beside copies of the files that it may include
    if grep -q 'verdict: delivered' "$f"; then
        sed '0,/verdict: delivered/s//verdict: refused/' "$f" >"$copy"
        "$bin" run "$copy" -o "$dir/d" >"$dir.out" 2>&1
        rc=$?
        [ $rc = 1 ] && grep -q 'verdict' "$dir.out" && (cd "$dir/a" && find . -type f | sort) >"$dir.list" &&
            (cd "$dir/d" && find . -type f | sort) | diff "$dir.list" - && jq -e . "$dir/d/results.json" >/dev/null
        verdict $? "with a wrong expectation ends with 1 and whole files"
    fi
    sed '0,/^scenario:/s//scenari:/' "$f" >"$copy"
    "$bin" run "$copy" -o "$dir/e" >/dev/null 2>"$dir.err"
    rc=$?
    [ $rc = 2 ] && [ ! -e "$dir/e" ] && grep -qE '/'"$name"'\.changed\.yaml:[0-9]+:[0-9]+: error: ' "$dir.err"
    verdict $? "with a wrong key ends with 2, the place, and no files"
    "$bin" check --print "$f" >"$dir.yaml" 2>/dev/null && "$bin" check --print "$dir.yaml" 2>/dev/null | cmp "$dir.yaml" -
    verdict $? "prints a form that prints the same again"
}
export -f one
cp -r topology/scenarios "$tmp/changed"
printf '%s\0' topology/scenarios/*.yaml | xargs -0 -P "$(nproc)" -I {} bash -c 'one "$1" >"$tmp/$(basename "$1").log" 2>&1' - {}
cat "$tmp"/*.log
