#!/bin/bash
# The underlay capture of a shipped scenario as an outsider reads it: tshark finds nothing to complain of, with checksums
# on, and the encapsulated packets are those that the machine saw. Run from the top folder: check_underlay.sh PROGRAM.
set -u
bin=$1 dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail=0
ok() { echo "ok $1"; }
not_ok() { echo "not ok $1"; fail=1; }
if ! command -v tshark >/dev/null; then
    echo "skip underlay: no tshark"
    exit 0
fi
if ! "$bin" run --quiet topology/scenarios/underlay-view.yaml -o "$dir"; then
    not_ok "underlay: run"
    exit 1
fi
read_as() { # CAPTURE FILTER FIELD...
    local file=$1 filter=$2 f args=()
    shift 2
    for f in "$@"; do args+=(-e "$f"); done
    tshark -n -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE -r "$dir/$file.pcapng" \
        -Y "$filter" -T fields -E separator=, -E occurrence=a "${args[@]}" 2>/dev/null
}
same() { if [ "$2" = "$3" ]; then ok "underlay: $1"; else not_ok "underlay: $1"; diff <(echo "$2") <(echo "$3") | head -n 5; fi; }

same "nothing to complain of" "$(read_as underlay '_ws.malformed || _ws.expert.severity >= 0x600000 || tcp.checksum.status == 0 || ip.checksum.status == 0' frame.number)" ""
same "every packet is NVGRE" "$(read_as underlay '!(gre.key && gre.proto == 0x6558 && eth.type)' frame.number)" ""
same "to the private endpoint" "$(read_as underlay 'ipv6.dst == 2001:db8::/32 && tcp.flags.syn == 1 && frame.comment contains "app-nic to registry"' ipv6.src ipv6.dst gre.key)" \
    "fdbb:1234:5678:3735:fe40:a3c9:a00:104,2001:db8:0:3b::143d:6181,0x00006400"
same "through the service endpoint" "$(read_as underlay 'tcp.flags.syn == 1 && frame.comment contains "app-nic to store"' ipv6.src ipv6.dst ip.dst)" \
    "fd3b::3735:fe40:a3c9:a00:104,2001:db8:0:3b::1426:6c0a,20.38.108.10"
# Whatever app-nic sends or gets over TCP is on the underlay once, segment by segment.
segments=(tcp.srcport tcp.dstport tcp.seq_raw tcp.ack_raw tcp.flags tcp.len)
same "each of the machine's segments once" \
    "$(read_as underlay 'tcp && frame.comment contains "app-nic"' "${segments[@]}" | sort)" "$(read_as overlay tcp "${segments[@]}" | sort)"
exit $fail
