#!/bin/bash
# Network Watcher's commands as scripts rely on them: exit statuses, streams, shapes; and where `run` leaves flow logs.
set -u
bin=$(realpath "$1")
root=$PWD
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1

. "$root/tests/cli.sh"
says() { grep -qF -e "$2" "$1"; }
silent() { ! says err "depends on"; }
is() { [ "$(jq -c "$2" "$1")" = "$3" ]; }

cat >net.yaml <<'END'
scenario: net
flowLogs: [{name: sub, target: g, version: 1}, {name: both, target: g}, {name: net, target: v}]
virtualNetworks:
  - {name: v, addressPrefixes: [10.0.0.0/16], subnets: [{name: s, addressPrefix: 10.0.1.0/24, networkSecurityGroup: g}]}
networkSecurityGroups:
  - {name: g, securityRules: [{name: no-80, priority: 100, direction: Outbound, access: Deny, protocol: Tcp, destinationPortRange: '80'}]}
networkInterfaces:
  - {name: a, subnet: v/s, privateIPAddress: 10.0.1.4}
  - {name: b, subnet: v/s, privateIPAddress: 10.0.1.5, listens: [tcp/443]}
flows: [{from: a, to: b, destinationPort: 443}, {from: a, to: b, destinationPort: 80}]
timeline: [{at: 30s, update: networkSecurityGroups/g, with: {securityRules: []}}]
END

# -- nexthop
hop=("$bin" nexthop net.yaml --nic a)
expect 0 "nexthop" "${hop[@]}" --to 8.8.8.8 --json
holds "nexthop's shape" is out . '{"nextHopIpAddress":null,"nextHopType":"Internet","routeTableId":"System Route"}'
expect 0 "nexthop as a table" "${hop[@]}" --to 10.0.1.5
holds "nexthop's columns" says out 'NextHopIpAddress    NextHopType     RouteTableId'
holds "nexthop depends on no switch" silent
expect 0 "nexthop where the documents differ" "${hop[@]}" --to 25.4.0.7 --json
holds "it says which switch decides" says err \
    'depends on the switch noneRoutes, here documented (Y-03, Y-04); with observed it is another'
holds "and keeps its shape" is out . '{"nextHopIpAddress":null,"nextHopType":"Internet","routeTableId":"System Route"}'
expect 0 "nexthop --quiet" "${hop[@]}" --to 25.4.0.7 --quiet
holds "does not say it" empty err
expect 0 "routes" "$bin" routes net.yaml --nic a
holds "routes say it, too" says err 'depends on the switch noneRoutes'
expect 2 "nexthop without an address" "${hop[@]}"
expect 2 "nexthop of a name" "${hop[@]}" --to b
expect 2 "nexthop of a NIC that is not there" "$bin" nexthop net.yaml --nic c --to 8.8.8.8
holds "nexthop says what is wrong on standard error" says err "unknown network interface 'c'"
holds "nexthop prints nothing else" empty out

# -- verify-flow
ask=("$bin" verify-flow net.yaml --nic a --direction Outbound --protocol tcp --remote 8.8.8.8:80)
expect 0 "verify-flow of a denied packet" "${ask[@]}" --local 10.0.1.4:60000 --json
holds "verify-flow's shape" is out . '{"access":"Deny","ruleName":"securityRules/no-80"}'
expect 0 "verify-flow after a change" "${ask[@]}" --local 10.0.1.4:60000 --json --at 30s
holds "verify-flow looks at the state of the time" is out . \
    '{"access":"Allow","ruleName":"defaultSecurityRules/AllowInternetOutBound"}'
expect 2 "verify-flow of an address that is not the NIC's" "${ask[@]}" --local 10.0.1.5:60000
holds "verify-flow says which it has" says err 'a has the address 10.0.1.4'
expect 2 "verify-flow without a port" "${ask[@]}" --local 10.0.1.4
expect 2 "verify-flow with a port too large" "${ask[@]}" --local 10.0.1.4:65536
expect 2 "verify-flow of icmp" "${ask[@]}" --local 10.0.1.4:1 --protocol icmp
expect 2 "verify-flow in no direction" "${ask[@]}" --local 10.0.1.4:1 --direction up
expect 2 "verify-flow without --local" "${ask[@]}"

# -- trace --json=azure
go=("$bin" trace net.yaml --from a --to b --port)
expect 0 "trace --json=azure" "${go[@]}" 443 --json=azure
holds "its keys" is out keys_unsorted \
    '["avgLatencyInMs","connectionStatus","hops","maxLatencyInMs","minLatencyInMs","probesFailed","probesSent"]'
holds "a connection that works" is out .connectionStatus '"Reachable"'
expect 0 "a connection that does not" "${go[@]}" 80 --json=azure
holds "is told with its rule" is out '.hops[0].issues[0].context' '[{"key":"RuleName","value":"UserRule_no-80"}]'
expect 2 "JSON of an unknown shape" "${go[@]}" 443 --json=aws
expect 2 "JSON of a shape that a command does not have" "$bin" routes net.yaml --nic a --json=azure
expect 0 "trace --json as it was" "${go[@]}" 443 --json
holds "has stages" is out '.request[0].at' '"a"'

# -- flow logs
expect 0 "run" "$bin" run net.yaml -o out.dir
holds "a warning of two logs of one group" says err "Azure keeps one log of 'g'"
jq -r '.flowLogs[].file' out.dir/results.json >files
(cd out.dir && find . -name PT1H.json | sed 's/^\.\///') | sort >found
holds "results.json names every file of the flow logs" diff <(sort files) found
holds "there are six: three logs, two interfaces" [ "$(wc -l <files)" = 6 ]
first=$(jq -r '[.flowLogs[] | select(.name == "sub")][0].file' out.dir/results.json)
holds "a file of records" is "out.dir/$first" '.records[0].properties.Version' 1
mkdir full && : >full/insights-logs-flowlogflowevent
expect 3 "a flow log that cannot be written" "$bin" run net.yaml -o full --quiet
holds "leaves no other file" [ "$(find full -type f | wc -l)" = 1 ]
