#!/bin/bash
# Renew one golden file on purpose: golden.sh PROGRAM NAME. NAME is a scenario (its reference capture), an error golden,
# "schema" (the JSON Schema of scenario files), "routes" (effective routes and rules) or "truth-table" (user routes against
# private endpoints).
set -u
. tests/reference.sh
bin=$1 name=$2

# in_test PROGRAM VALUE: let a test program write its golden files. It then compares, and must agree with itself.
in_test() {
    make -s -j2 "build/obj/release/tests/$1" >/dev/null && VNETSIM_GOLDEN=$2 "build/obj/release/tests/$1" --jobs 1
}

if [ -n "$name" ] && [ -f "topology/scenarios/$name.yaml" ]; then
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    "$bin" run --quiet "topology/scenarios/$name.yaml" -o "$dir/out"
    rc=$?
    if [ $rc -ne 0 ]; then
        echo "$name: run ends with status $rc, so its capture is no reference" >&2
        exit $rc
    fi
    file=$(reference_of "$dir/out") || {
        echo "$name: makes no pcapng with packets" >&2
        exit 1
    }
    mkdir -p pcaps/reference
    cp "$file" "pcaps/reference/$name.pcapng.new" && mv "pcaps/reference/$name.pcapng.new" "pcaps/reference/$name.pcapng" &&
        echo "pcaps/reference/$name.pcapng: $(basename "$file"), $(stat -c %s "$file") bytes"
elif [ "$name" = schema ] || { [ -n "$name" ] && [ -f "tests/golden/errors/$name.yaml" ]; }; then
    in_test test_loader "$name"
elif [ "$name" = truth-table ]; then
    bash tests/endpoint_policy_table.sh "$bin" >tests/golden/endpoint-policy-table.txt
elif [ "$name" = routes ]; then
    in_test test_routes_print 1
else
    {
        echo "golden: unknown NAME '$name'; one of:"
        echo "  scenarios: $(cd topology/scenarios && printf '%s ' *.yaml | sed 's/\.yaml//g')"
        echo "  errors:    $(cd tests/golden/errors && printf '%s ' *.yaml | sed 's/\.yaml//g')"
        echo "  others:    schema routes truth-table"
    } | fold -s -w 110 >&2
    exit 2
fi
