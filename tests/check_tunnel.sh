#!/bin/bash
# Packets through a VPN gateway as tshark sees them: MSS lowered on both sides, nothing larger than the tunnel arrives.
# Run from the top folder: check_tunnel.sh PROGRAM.
set -u
bin=$1 dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
if ! command -v tshark >/dev/null; then
    echo "skip tunnel: no tshark"
    exit 0
fi
"$bin" run --quiet topology/scenarios/vpn-mtu.yaml -o "$dir" || { echo "not ok tunnel: run"; exit 1; }
# is NAME CAPTURE FILTER FIELD WANT: the distinct values, in order.
is() {
    local got
    got=$(tshark -n -o ip.defragment:FALSE -r "$dir/$2.pcapng" -Y "$3" -T fields -e "$4" 2>/dev/null | sort -un | xargs)
    if [ "$got" = "$5" ]; then echo "ok tunnel: $1"; else echo "not ok tunnel: $1: $got, not $5"; fi
}
is "the SYN that arrives asks for 1350" app-nic 'tcp.flags.syn == 1 && ip.dst == 10.0.1.4' tcp.options.mss_val 1350
is "so does its answer" hq-laptop 'tcp.flags.syn == 1 && ip.dst == 192.168.1.10' tcp.options.mss_val 1350
is "each machine still says what it has" hq-laptop 'tcp.flags.syn == 1 && ip.src == 192.168.1.10' tcp.options.mss_val 1460
is "segments fill the tunnel, and no more" app-nic 'tcp.len > 1300 && ip.src == 192.168.1.10' ip.len 1390
is "nothing large arrives from the tunnel" app-nic 'ip.src == 192.168.1.10 && ip.len > 1400' ip.len ''
is "nor at the other end" hq-laptop 'ip.dst == 192.168.1.10 && ip.len > 1400' ip.len ''
is "pieces of a large datagram" hq-laptop 'ip.src == 10.0.1.5' ip.len '1148 1396'
