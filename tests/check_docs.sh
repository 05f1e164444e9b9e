#!/bin/bash
# topology/SCENARIO.md says all there is, and nothing else: keys and defaults of the schema, verdicts, reasons, switches
# and commands.
set -u
bin=$1
doc=topology/SCENARIO.md schema=topology/scenario.schema.json
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# same NAME WANT HAVE: two sorted lists are equal.
same() {
    if [ ! -s "$2" ]; then
        echo "not ok $1: nothing to compare with"
    elif diff "$2" "$3" >"$tmp/diff"; then
        echo "ok $1"
    else
        echo "not ok $1"
        sed 's/^< /missing in the text: /; s/^> /only in the text: /; /^[0-9,]*[acd][0-9,]*$/d' "$tmp/diff"
    fi
}

# has NAME WORD...: each word stands in the text, in backticks or at the start of a code span.
has() {
    local name=$1 missing=
    shift
    [ $# -gt 0 ] || missing=" (no words)"
    for w in "$@"; do
        grep -qF -e "\`$w\`" -e "\`$w " "$doc" || missing="$missing $w"
    done
    if [ -z "$missing" ]; then echo "ok $name"; else echo "not ok $name, missing:$missing"; fi
}

# Paths of the schema: "virtualNetworks[].name<TAB>default", default "required" or "-". The schema does not require
# `scenario`, because included files do without.
jq -r '
  . as $root
  | def deref: if has("$ref") then .["$ref"] | ltrimstr("#/definitions/") | gsub("%20"; " ") | . as $n | $root.definitions[$n]
               else . end;
    def walk($path):
      deref
      | (.anyOf // .oneOf // [] | .[] | walk($path)),
        (if has("items") then .items | walk($path + "[]") else empty end),
        ((.required // []) as $required | .properties // {} | to_entries[]
         | (if $path == "" then .key else $path + "." + .key end) as $p
         | ([$p, (if .key | IN($required[]) then "required" elif .value.default != null
                     then "`\(.value.default | if type == "array" then join(", ") else . end)`" else "-" end)]
            | @tsv),
           (.value | walk($p)));
    walk("")' "$schema" 2>"$tmp/err" | sed 's/^scenario\t-$/scenario\trequired/' | sort -u >"$tmp/schema"
cat "$tmp/err"

# The same from the tables under headings that are paths. Words instead of a value count as "-".
awk '
  /^### `/ { n = 0; s = $0; while (match(s, /`[^`]*`/)) { p = substr(s, RSTART + 1, RLENGTH - 2); s = substr(s, RSTART + RLENGTH)
             path[n++] = p == "(file)" ? "" : p "." } next }
  /^##? / { n = 0 }
  n && /^\| `/ {
    split($0, cell, "|"); d = cell[3]; gsub(/^ +| +$/, "", d)
    d = d == "*required*" ? "required" : d ~ /^`[^`]*`$/ ? d : "-"
    s = cell[2]
    while (match(s, /`[^`]*`/)) { k = substr(s, RSTART + 1, RLENGTH - 2); s = substr(s, RSTART + RLENGTH)
      for (i = 0; i < n; i++) print path[i] k "\t" d } }' "$doc" | sort -u >"$tmp/doc"

# Latency and bandwidth differ by class of link: the table of classes has them.
grep -E '^links\.[A-Za-z]+\.(latency|bandwidth)' "$tmp/schema" | sed 's/\.\(latency\|bandwidth\)\t/ /' |
    awk '{v[$1] = v[$1] ? $2 ", " v[$1] : $2} END {for (k in v) {c = k; sub(/links\./, "", c); print c, v[k]}}' |
    sort >"$tmp/links"
awk -F'|' '/^### `links`/ {on = 1} /^### `links\./ {on = 0} on && /^\| `/ {gsub(/[` ]/, "", $2); gsub(/^ +| +$/, "", $3)
    print $2, $3}' "$doc" | sort >"$tmp/links-doc"
sed -i -E '/^links\.[A-Za-z]+\.(latency|bandwidth)/s/\t.*/\t-/' "$tmp/schema"

cut -f1 "$tmp/schema" >"$tmp/keys"
cut -f1 "$tmp/doc" | sort -u >"$tmp/keys-doc"
same "every key of the grammar is in the reference, and no other" "$tmp/keys" "$tmp/keys-doc"
same "defaults and required keys are those of the grammar" "$tmp/schema" "$tmp/doc"
same "latencies and bandwidths of links are those of the grammar" "$tmp/links" "$tmp/links-doc"

# Enumerated words.
mapfile -t words < <(jq -r '.. | objects | select(has("enum")) | .enum[] | strings' "$schema" | sort -u)
has "every word of an enumeration is in the reference" "${words[@]}"

# Verdicts and reasons with verdict and rules, from the lists of verdict.h.
sed -n '/define VERDICTS/,/^$/s/^ *X([A-Z_]*, "\([a-z]*\)".*/\1/p' dataplane/verdict.h | sort >"$tmp/verdicts"
awk -F'|' '/^\| verdict \| meaning/ {on = 1; next} !/^\|/ {on = 0} on && /`/ {gsub(/[` ]/, "", $2); print $2}' "$doc" |
    sort >"$tmp/verdicts-doc"
same "verdicts" "$tmp/verdicts" "$tmp/verdicts-doc"
sed -n '/define REASONS/,/^$/p' dataplane/verdict.h | tr -d '\\\n' | grep -oE 'X\([A-Z_]+, "[A-Za-z]+", [A-Z]+, +"[^"]+"' |
    sed -E 's/X\([A-Z_]+, "([A-Za-z]+)", ([A-Z]+), +"([^"]+)"/\1 \L\2\E \3/' | sort >"$tmp/reasons"
awk -F'|' '/^\| reason \| verdict/ {on = 1; next} !/^\|/ {on = 0} on && /`/ {gsub(/[` ]/, "", $2); gsub(/ /, "", $3)
    gsub(/,/, "", $5); gsub(/^ +| +$/, "", $5); print $2, $3, $5}' "$doc" | sort >"$tmp/reasons-doc"
same "reasons, with their verdicts and rules" "$tmp/reasons" "$tmp/reasons-doc"

# Switches: the table of their meanings.
jq -r '.properties.switches.properties | keys[]' "$schema" | sort >"$tmp/switches"
awk -F'|' '/^\| switch \| default/ {on = 1; next} !/^\|/ {on = 0} on && /`/ {gsub(/[` ]/, "", $2); print $2}' "$doc" |
    sort >"$tmp/switches-doc"
same "switches" "$tmp/switches" "$tmp/switches-doc"

# Commands: as the program lists them.
"$bin" --help | sed -n 's/^  \([a-z-]\+\( [a-z]\+\)\?\)  *[^ ].*/\1/p' | sort >"$tmp/commands"
awk -F'|' '/^\| command \| does/ {on = 1; next} !/^\|/ {on = 0} on && /`vnetsim [a-z]/ {
    match($2, /vnetsim [a-z-]+( [a-z]+)?/); print substr($2, RSTART + 8, RLENGTH - 8)}' "$doc" | sort >"$tmp/commands-doc"
same "commands" "$tmp/commands" "$tmp/commands-doc"
while read -r c; do
    "$bin" $c --help | grep -oE '(^| )--[a-z]+' | tr -d ' ' | sort -u | grep -vxE -e '--(json|quiet|out)' |
        while read -r o; do
        grep -F "vnetsim $c" "$doc" README.md | grep -qF -e "$o" || echo "$c $o"
    done
done <"$tmp/commands" >"$tmp/options"
if [ -s "$tmp/commands" ] && [ ! -s "$tmp/options" ]; then
    echo "ok every option of every command"
else
    echo "not ok every option of every command"
    cat "$tmp/options"
fi

# The smallest complete file is one.
sed -n '/^```yaml$/,/^```$/{/^```/d;p}' "$doc" >"$tmp/hello.yaml"
if [ -s "$tmp/hello.yaml" ] && "$bin" check --strict --quiet "$tmp/hello.yaml" &&
    "$bin" run --quiet "$tmp/hello.yaml" -o "$tmp/out"; then
    echo "ok the example runs"
else
    echo "not ok the example runs"
fi

# Keys of results.json.
"$bin" run --quiet topology/scenarios/demo.yaml -o "$tmp/demo" >/dev/null 2>&1
mapfile -t keys < <(jq -r '[., .flows[], .flows[].expect[], .flows[].packets, .expect[], .events[], .captures[], .chosen]
    | map(keys[]) | unique[]' "$tmp/demo/results.json")
has "every key of results.json" "${keys[@]}"
