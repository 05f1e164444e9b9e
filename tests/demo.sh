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

# line FILTER FIELD...: the first packet of the machine's capture that matches.
line() {
    local filter=$1 f args=()
    shift
    for f in "$@"; do args+=(-e "$f"); done
    tshark -r "$dir/app-nic.pcapng" -o nameres.network_name:FALSE -Y "$filter" -T fields -E separator=/s "${args[@]}" 2>/dev/null |
        head -n 1 | cut -c 1-200 | sed 's/^/    /'
}
if command -v tshark >/dev/null; then
    say "A few packets of $dir/app-nic.pcapng (time, what, and the comment in the file):"
    say "1. The registry's public name leads to a private address, because its zone is linked to the network."
    line 'dns.flags.response == 1 && dns.qry.name contains "azurecr"' frame.time_relative dns.qry.name dns.a
    say "2. The pull: a /32 route of type InterfaceEndpoint is longer than the network's own prefix."
    line 'tcp.flags.syn == 1 && tcp.flags.ack == 0 && ip.dst == 10.0.2.5' frame.time_relative ip.src ip.dst frame.comment
    say "3. An upload to storage leaves under the machine's public address ..."
    line 'tcp.flags.syn == 1 && tcp.flags.ack == 0 && ip.dst == 20.38.102.10 && frame.time_relative < 5' \
        frame.time_relative ip.src ip.dst frame.comment
    say "4. ... until the service endpoint is switched on at 5 s: open connections are reset."
    line 'tcp.flags.reset == 1 && ip.addr == 20.38.102.10' frame.time_relative ip.src ip.dst frame.comment
    say "5. The next upload goes to the same address by another route, and storage sees the private source."
    line 'tcp.flags.syn == 1 && tcp.flags.ack == 0 && ip.dst == 20.38.102.10 && frame.time_relative > 5' \
        frame.time_relative ip.src ip.dst frame.comment
    say "6. Port 80 is denied by a rule, in silence: the same SYN, again and again."
    line 'tcp.flags.syn == 1 && tcp.dstport == 80' frame.time_relative ip.src ip.dst frame.comment
    line 'tcp.flags.syn == 1 && tcp.dstport == 80 && tcp.analysis.retransmission' frame.time_relative ip.src ip.dst frame.comment
fi
say "Why did the rule win?   $bin trace $scenario --from app-nic --to www.example.org --port 80 --at 3s"
echo "Which routes are there? $bin routes $scenario --nic app-nic --at 5s"
echo "Everything in numbers:  $dir/results.json"
exit $rc
