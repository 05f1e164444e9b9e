#!/bin/bash
# A short guided tour: demo.sh PROGRAM. Runs the demo scenario into build/demo and says what there is to see. Ends with
# the run's exit status.
set -u
bin=$1 dir=build/demo scenario=topology/scenarios/demo.yaml
say() { printf '\n%s\n' "$*"; }

echo "\$ $bin run $scenario -o $dir"
"$bin" run "$scenario" -o "$dir"
rc=$?
if [ $rc -ne 0 ] && [ $rc -ne 1 ]; then
    exit $rc
fi

say "The captures are in $dir: one file per interface, host, endpoint and service, and all.pcapng with every point."
echo "    wireshark $dir/app-nic.pcapng     # what the machine 'app' sees; each packet's comment says who decided"
echo "    wireshark $dir/all.pcapng         # every capture point as an interface of its own"
echo "    tshark -r $dir/app-nic.pcapng -Y frame.comment -T fields -e frame.time_relative -e frame.comment"

# packet FILTER [FIELD]: the first packet of the machine's capture that matches: virtual time, addresses, a field, and the
# comment in the file.
start=$(date -u -d 2026-01-01T00:00:00Z +%s)
packet() {
    tshark -r "$dir/app-nic.pcapng" -o nameres.network_name:FALSE -Y "$1" -T fields -E separator=/t -e frame.time_epoch \
        -e ip.src -e ip.dst -e "${2:-ip.ttl}" -e frame.comment 2>/dev/null | head -n 1 |
        awk -F'\t' -v start="$start" -v field="${2:-}" '{
            printf "    at %.4f s  %s > %s%s\n", $1 - start, $2, $3, field != "" ? "  " $4 : ""
            if ($5 != "") print "        " $5 }'
}
if command -v tshark >/dev/null; then
    say "A few packets of $dir/app-nic.pcapng, with the comments that they carry in the file:"
    say "1. The registry's public name leads to a private address, because its zone is linked to the network."
    packet 'dns.flags.response == 1 && dns.qry.name contains "azurecr"' dns.a
    say "2. The pull: a /32 route of type InterfaceEndpoint is longer than the network's own prefix."
    packet 'tcp.flags.syn == 1 && tcp.flags.ack == 0 && ip.dst == 10.0.2.5'
    say "3. An upload to storage leaves under the machine's public address ..."
    packet "tcp.flags.syn == 1 && tcp.flags.ack == 0 && ip.dst == 20.38.102.10 && frame.time_epoch < $((start + 5))"
    say "4. ... until a service endpoint is switched on at 5 s: open connections to storage are reset."
    packet 'tcp.flags.reset == 1 && ip.addr == 20.38.102.10'
    say "5. The next upload goes to the same address by another route, and storage sees the private source."
    packet "tcp.flags.syn == 1 && tcp.flags.ack == 0 && ip.dst == 20.38.102.10 && frame.time_epoch > $((start + 5))"
    say "6. Port 80 is denied by a rule, in silence: the machine sends its SYN again and again, and gives up."
    packet 'tcp.flags.syn == 1 && tcp.dstport == 80'
    packet 'tcp.flags.syn == 1 && tcp.dstport == 80 && tcp.analysis.retransmission'
fi
say "Why did the rule win?   $bin trace $scenario --from app-nic --to www.example.org --port 80 --at 3s"
echo "Which routes are there? $bin routes $scenario --nic app-nic --at 5s"
echo "Everything in numbers:  $dir/results.json"
exit $rc
