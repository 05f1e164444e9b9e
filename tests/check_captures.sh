#!/bin/bash
# What an outsider says of the captures: Wireshark's engine reads every file of every shipped scenario, checksums checked,
# and finds nothing malformed and nothing to warn of but what the scenario asks for. A scenario whose flows are refused or
# reset may show resets; further findings are allowed by a line in its file:  # captures may show: TEXT
# And the reference captures are what the scenarios make.
#
# The engine is asked through sharkd, which comes with tshark and reads many files in one process.
set -u
. tests/reference.sh
export bin=$1 tmp
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# findings SETTINGS FILE... => a line per finding of severity warning and above: "file<TAB>group<TAB>frame<TAB>text". A file
# that cannot be read and an engine that stops answering are findings.
findings() {
    local settings=$1 i=2 s f
    shift
    {
        for s in ip.check_checksum:TRUE tcp.check_checksum:TRUE udp.check_checksum:TRUE $settings; do
            printf '{"jsonrpc":"2.0","id":1,"method":"setconf","params":{"name":"%s","value":"%s"}}\n' "${s%:*}" "${s#*:}"
        done
        for f in "$@"; do
            printf '{"jsonrpc":"2.0","id":%d,"method":"load","params":{"file":"%s"}}\n' $i "$(realpath "$f")"
            printf '{"jsonrpc":"2.0","id":%d,"method":"tap","params":{"tap0":"expert"}}\n' $i
            i=$((i + 1))
        done
    } | sharkd - 2>/dev/null | jq -rn --args '
        [inputs] as $all
        | ($all[] | (if .id > 1 then $ARGS.positional[.id - 2] else "settings" end) as $file
           | if .error then [$file, "Unreadable", 0, .error.message]
             elif .result.status then select(.result.status != "OK") | [$file, "Unreadable", 0, .result.status]
             else .result.taps[]?.details[]? | select(.s == "Warning" or .s == "Error") | [$file, .g, .f, .m] end),
          (($ARGS.positional[] | select(. as $f | [$all[] | select(.id > 1 and $ARGS.positional[.id - 2] == $f)] | length < 2))
           | [., "Unreadable", 0, "no answer"])
        | @tsv' "$@"
}

# check_one NAME: what the findings about a scenario's captures amount to. A ping that nobody answers is one, too.
check_one() {
    local name=$1 allowed
    {
        sed -n 's/^ *# captures may show: *//p' "topology/scenarios/$name.yaml"
        jq -r 'select(any(.flows[]; .verdict == "refused" or .verdict == "reset" or .counts.refused or .counts.reset))
               | "Connection reset (RST)"' "$tmp/$name/results.json"
        jq -r 'select(any(.flows[]; .protocol == "icmp" and .verdict != "delivered")) | "No response seen to ICMP request"' \
            "$tmp/$name/results.json"
    } >"$tmp/allowed"
    grep -F "$tmp/$name/" "$tmp/findings" |
        { if [ -s "$tmp/allowed" ]; then grep -vF -f "$tmp/allowed"; else cat; fi; } >"$tmp/bad"
    if [ ! -s "$tmp/bad" ]; then
        echo "ok $name: nothing to complain of"
    else
        echo "not ok $name: captures show"
        sed "s|^$tmp/|    |" "$tmp/bad" | head -n 20
    fi
}

check_reference() {
    local name=$1
    if [ ! -f "pcaps/reference/$name.pcapng" ]; then
        echo "not ok $name has a reference capture (make golden NAME=$name)"
    elif cmp "$(reference_of "$tmp/$name")" "pcaps/reference/$name.pcapng"; then
        echo "ok $name makes its reference capture"
    else
        echo "not ok $name makes its reference capture (make golden NAME=$name renews it)"
    fi
}

printf '%s\0' topology/scenarios/*.yaml | xargs -0 -P "$(nproc)" -I {} \
    sh -c '"$bin" run --quiet "$1" -o "$tmp/$(basename "$1" .yaml)" >/dev/null 2>&1' - {}

if command -v sharkd >/dev/null; then
    # In all.pcapng the same packet stands several times: streams cannot be followed there, only packets be looked at.
    mapfile -t points < <(find "$tmp" -mindepth 2 \( -name '*.pcap' -o -name '*.pcapng' \) ! -name all.pcapng | sort)
    findings "" "${points[@]}" >"$tmp/findings"
    findings "tcp.analyze_sequence_numbers:FALSE tcp.desegment_tcp_streams:FALSE" "$tmp"/*/all.pcapng |
        awk -F'\t' '$2 ~ /Malformed|Checksum|Unreadable/' >>"$tmp/findings"
else
    echo "skip captures as Wireshark sees them: tshark is not installed"
fi
for f in topology/scenarios/*.yaml; do
    name=$(basename "$f" .yaml)
    if [ ! -f "$tmp/$name/results.json" ]; then
        echo "not ok $name runs"
        continue
    fi
    [ -f "$tmp/findings" ] && check_one "$name"
    check_reference "$name"
done

stray=
for p in pcaps/reference/*.pcapng; do
    [ ! -e "$p" ] || [ -f "topology/scenarios/$(basename "$p" .pcapng).yaml" ] || stray="$stray $p"
done
if [ -z "$stray" ]; then
    echo "ok every reference capture has a scenario"
else
    echo "not ok every reference capture has a scenario:$stray"
fi

# The checks can fail: a wrong checksum (one bit of the first IPv4 header of 10.0.1.4), a file that is cut short.
if [ -f "$tmp/findings" ]; then
    perl -0777 -pe 's/(\x45\x00..........\x0a\x00\x01\x04)/my $h = $1; substr($h, 10, 1) ^= "\x01"; $h/se' \
        "$tmp/demo/app-nic.pcapng" >"$tmp/wrong.pcapng"
    head -c 5000 "$tmp/demo/app-nic.pcapng" >"$tmp/cut.pcapng"
    findings "" "$tmp/wrong.pcapng" "$tmp/cut.pcapng" >"$tmp/bad"
    if grep -q 'wrong.pcapng.Checksum' "$tmp/bad"; then
        echo "ok a wrong checksum is found"
    else
        echo "not ok a wrong checksum is found"
    fi
    if grep -q 'cut.pcapng.Unreadable' "$tmp/bad"; then
        echo "ok a file that is cut short is found"
    else
        echo "not ok a file that is cut short is found"
    fi
fi
