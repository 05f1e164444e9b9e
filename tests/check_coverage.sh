#!/bin/bash
# tests/RULES.tsv is whole and true: every rule of topology/RULES.md and every statement of the five pages is in it, and
# every test, flow and file that it names exists. After run.sh has run the tests (it leaves TEST-FOLDER/ran for a moment),
# every test that the table names must have passed; one that was skipped shows nothing, and is said to be skipped.
# What is missing is counted and is no failure.
#
#   check_coverage.sh PROGRAM [TEST-FOLDER]
#   check_coverage.sh --report           totals per section, and what is missing or shown in part only
set -u
RULES=topology/RULES.md
TABLE=tests/RULES.tsv

# defined FILE => "ID<TAB>tag of evidence<TAB>sentence" of every rule.
defined() {
    sed -nE 's/^\| ((SE|PE|[AYRNGPOBFML])-[0-9]{2}) \| (.*) \| ([DSLIU]): .* \|$/\1\t\4\t\3/p' "$1"
}

# report RULES TABLE => totals and lists.
report() {
    awk -F'\t' '
        function section(id) { sub(/-.*/, "", id); return id }
        FNR == NR { tag[$1] = $2; text[$1] = $3; order[++n] = $1; next }
        /^#/ || NF == 0 { next }
        $2 == "says" { text[$1] = $4; order[++n] = $1; next }
        $2 == "part" { part[$1] = $4; next }
        $2 == "none" { none[$1] = $4; next }
        $2 == "missing" { missing[$1] = $4; next }
        { shown[$1]++ }
        function row(name, s) {
            printf "%-8s %7d %7d %7d %10d %8d\n", name, count[s], whole[s], parts[s], nothing[s], gone[s]
        }
        END {
            for (i = 1; i <= n; i++) {
                id = order[i]; s = section(id)
                if (!(s in count)) sections[++k] = s
                split(s " all", to, " ")
                for (t = 1; t <= 2; t++) {
                    count[to[t]]++
                    if (id in none) nothing[to[t]]++
                    else if (id in missing || !(id in shown)) gone[to[t]]++
                    else if (id in part) parts[to[t]]++
                    else whole[to[t]]++
                }
            }
            printf "%-8s %7s %7s %7s %10s %8s\n", "section", "items", "shown", "in part", "no effect", "missing"
            for (i = 1; i <= k; i++) row(sections[i], sections[i])
            row("all", "all")
            print "\nmissing:"
            for (i = 1; i <= n; i++) {
                id = order[i]
                if (id in missing || (!(id in shown) && !(id in none)))
                    printf "  %-6s %s%s\n         %s\n", id, text[id], tag[id] == "U" ? " (no source: nothing depends on it)" : "", missing[id]
            }
            print "\nin part:"
            for (i = 1; i <= n; i++) if (order[i] in part) printf "  %-6s but: %s\n", order[i], part[order[i]]
        }' <(defined "$1") "$2"
}

if [ "${1:-}" = --report ]; then
    report $RULES $TABLE
    exit
fi

bin=$1
dir=${2:-}
if [ -z "$dir" ]; then # build/vnetsim: release, build/MODE/vnetsim: that mode
    mode=$(basename "$(dirname "$bin")")
    [ "$mode" = build ] && mode=release
    dir=build/obj/$mode/tests
fi
rc=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# nothing NAME TEXT: ok if there is no text.
nothing() {
    if [ -z "$2" ]; then
        echo "ok $1"
    else
        echo "not ok $1"
        sed 's/^/    /' <<<"$2" | head -n 20
        rc=1
    fi
}

# form RULES TABLE => what is wrong with the lines themselves.
form() {
    awk -F'\t' '
        FNR == NR { rule[$1]; next }
        /^#/ { next }
        { at = FILENAME ":" FNR ": " }
        $2 !~ /^(says|test|scenario|golden|none|part|missing)$/ { print at "unknown kind " $2; next }
        $2 ~ /^(says|none|part|missing)$/ ? NF != 4 || $4 == "" : NF != 3 { print at "wrong number of fields" }
        $2 ~ /^(none|part|missing)$/ && $3 != "-" { print at "names something and says that nothing is there" }
        seen[$1, $2, $3]++ { print at "a second time" }
        $2 == "says" && $1 !~ /^D[0-4]-[0-9][0-9]$/ { print at "not the id of a statement" }
        $2 == "says" { said[$1]; next }
        !($1 in rule) && !($1 in said) { print at $1 " is neither rule nor statement" }
        { has[$1] = has[$1] " " $2 }
        END {
            for (id in rule) if (!(id in has)) print id " is not in the table"
            for (id in said) if (!(id in has)) print id " is stated and not in the table"
            for (id in has) {
                alone = has[id] ~ /none|missing/
                if (alone && split(has[id], k, " ") != 1) print id " is without effect or missing, and yet shown"
                if (has[id] ~ /part/ && has[id] !~ /test|scenario|golden/) print id " is shown in part by nothing"
            }
        }' <(defined "$1") "$2"
}

# refs KIND TABLE => "WHERE<TAB>ID" of the lines of a kind.
refs() {
    awk -F'\t' -v kind="$1" '$2 == kind { print $3 "\t" $1 }' "$2"
}

# unknown KIND KNOWN TABLE => the references that are not among the known ones.
unknown() {
    awk -F'\t' 'FNR == NR { known[$0]; next } !($1 in known) { print $2 ": " $1 }' "$2" <(refs "$1" "$3")
}

# What there is: suite::test of every program, scenario:flow and scenario:expect.
for t in "$dir"/test_*; do
    case $t in
    *.o | *.d) ;;
    *) "$t" --list ;;
    esac
done | awk '/^[A-Za-z0-9_]+: [0-9]+ tests?$/ { sub(/:.*/, ""); suite = $0 } /── / { print suite "::" $NF }' >"$tmp/test"
for f in topology/scenarios/*.yaml; do
    "$bin" check --print --quiet "$f" | awk -v name="$(basename "$f" .yaml)" '
        /^[a-zA-Z]/ { key = $1 }
        /^expect:/ { print name ":expect" }
        key == "flows:" && /^  - / {
            s = $0
            if (sub(/^  - \{?name: /, "", s)) { sub(/[,}].*/, "", s); gsub(/["\047]/, "", s); print name ":" s }
        }'
done >"$tmp/scenario"

# The finders prove first that they find.
printf 'R-01\ttest\tsuite::gone\nR-01\ttest\tacl::no_rules\nR-02\tscenario\tdemo:gone\nR-02\tscenario\tdemo:pull\n' >"$tmp/few.tsv"
got=$(unknown test "$tmp/test" "$tmp/few.tsv"; unknown scenario "$tmp/scenario" "$tmp/few.tsv")
[ "$got" = "R-01: suite::gone"$'\n'"R-02: demo:gone" ]
nothing "finds names that do not exist" "$([ $? = 0 ] || echo "got: $got")"
printf '%s\n' '| R-01 | one. | D: p |' '| R-02 | two. | D: p |' '| R-03 | three. | U: p |' >"$tmp/rules.md"
printf 'R-01\ttest\ta::b\nR-02\tmissing\t-\twhy\nR-02\ttest\ta::b\nX-01\ttest\ta::b\nR-01\tguess\n' >"$tmp/bad.tsv"
got=$(form "$tmp/rules.md" "$tmp/bad.tsv" | sed 's/^.*: //' | sort | tr '\n' ';')
want='R-02 is without effect or missing, and yet shown;R-03 is not in the table;X-01 is neither rule nor statement;unknown kind guess;'
nothing "finds lines that are wrong" "$([ "$got" = "$want" ] || echo "got: $got")"

nothing "every rule and statement is in the table, in its form" "$(form $RULES $TABLE)"
up=$(awk -F'\t' '$2 == "says" { split($1, p, "-"); if (p[2] + 0 != ++n[p[1]]) print $1; n[p[1]] = p[2] + 0 }' $TABLE)
nothing "statements are numbered without gaps" "$up"
up=$(awk -F'\t' '$2 == "says" { print $3 }' $TABLE | sort -u | while IFS= read -r title; do
    tr '\n' ' ' <$RULES | grep -qF "*${title%% (*}*" || echo "$title"
done)
nothing "statements name the pages that the rules name" "$up"
for kind in test scenario; do
    n=$(refs $kind $TABLE | wc -l)
    nothing "$n references to a $kind exist among $(wc -l <"$tmp/$kind")" "$(unknown $kind "$tmp/$kind" $TABLE)"
done
if [ -f "$dir/ran" ]; then
    sort -u "$dir/ran" >"$tmp/ran"
    unknown test "$tmp/ran" $TABLE | while IFS= read -r line; do
        echo "skip ${line%%: *} is shown by ${line#*: }, which was skipped: its own line says why"
    done
    nothing "$(grep -cxFf <(refs test $TABLE | cut -f1 | sort -u) "$tmp/ran") tests that the table names have passed" \
        "$([ -s "$tmp/ran" ] || echo "none ran")"
fi
up=$(refs golden $TABLE | cut -f1 | sort -u | while IFS= read -r f; do [ -f "$f" ] || echo "$f"; done)
nothing "golden files exist" "$up"
echo "ok $(report $RULES $TABLE | awk '$1 == "all" { printf "%d rules and statements: %d shown, %d in part, %d without effect, %d missing", $2, $3, $4, $5, $6 }')"
exit $rc
