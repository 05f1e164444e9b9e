#!/bin/bash
# Rule ids (R-04, PE-15): each one cited in the tree is defined in topology/RULES.md, each defined once, with a sentence and
# a tagged source, and without gaps. The finder proves first that it finds what it should.
rc=0
bad() { echo "not ok $1"; sed 's/^/    /' <<<"$2"; rc=1; }
RULES=topology/RULES.md
SECTION='(SE|PE|A|Y|R|N|G|P|O|B|F|M|L)'
ROW="^\\| $SECTION-[0-9]{2} \\|"

defined() { grep -oE "$ROW" "$1" | tr -d '| '; }

# cited FOLDER => lines "ID FILE:LINE", one per citation
cited() {
    find "$1" \( -name .git -o -name build -o -name '*.out' \) -prune -o -type f \
        \( -name '*.c' -o -name '*.h' -o -name '*.yaml' -o -name '*.sh' -o -name '*.md' \) -print0 |
        xargs -0 grep -HnoP "(?<![A-Za-z0-9_-])$SECTION-[0-9]{2}(?![A-Za-z0-9_-])" |
        awk -F: '{ print $3, $1 ":" $2 }'
}

# unknown FOLDER RULES-FILE => the citations that the file does not define
unknown() {
    awk 'NR == FNR { known[$1]; next } !($1 in known)' <(defined "$2") <(cited "$1")
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/tree/build"
echo '| R-01 | one rule. | D: page |' >"$tmp/rules.md"
echo "/* R-01, R-""98 and XR-97, UTF-16 */" >"$tmp/tree/a.c"
echo "# PE-""99" >"$tmp/tree/b.yaml"
echo "R-""96" | tee "$tmp/tree/c.txt" >"$tmp/tree/build/d.md"
want=$(printf '%s\n' "PE-""99" "R-""98")
got=$(unknown "$tmp/tree" "$tmp/rules.md" | cut -d' ' -f1 | sort)
[ "$got" = "$want" ] && echo "ok finds unknown rule ids" || bad "finds unknown rule ids" "got: $got"

n=$(defined $RULES | wc -l)
[ "$n" -gt 200 ] && echo "ok $RULES defines $n rules" || bad "$RULES defines rules" "only $n"

up=$(unknown . $RULES)
[ -z "$up" ] && echo "ok every cited rule is defined" || bad "every cited rule is defined" "$up"

up=$(defined $RULES | sort | uniq -d)
[ -z "$up" ] && echo "ok no rule is defined twice" || bad "no rule is defined twice" "$up"

up=$(grep -nE "$ROW" $RULES | grep -vE '\| [^|]+\. \| [DSLIU]: [^|]+ \|$')
[ -z "$up" ] && echo "ok every rule has a sentence and a tagged source" || bad "sentence and source" "$up"

up=$(defined $RULES | awk -F- '{ if ($2 + 0 != ++n[$1]) print; n[$1] = $2 + 0 }')
[ -z "$up" ] && echo "ok rules are numbered without gaps" || bad "rules are numbered without gaps" "$up"
exit $rc
