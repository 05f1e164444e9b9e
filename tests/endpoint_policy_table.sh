#!/bin/bash
# The truth table of a private endpoint's traffic: value of the policy on the endpoint's subnet (columns), user route of the
# client and its next hop type (rows). endpoint_policy_table.sh PROGRAM; everything comes out of `vnetsim run` and `vnetsim
# routes` on topology/scenarios/endpoint-policy-table.yaml.
#
# A cell: the state of the endpoint's /32 in the client's effective routes, and where the packet went: straight to the
# endpoint, by way of the appliance or the gateway, or nowhere, for the reason named.
set -u
bin=$1
scenario=topology/scenarios/endpoint-policy-table.yaml
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# table FILE: run it, ask every client's routes, print a line per client.
table() {
    "$bin" run "$1" -o "$tmp/out" --quiet --json >"$tmp/run.json" 2>/dev/null
    [ $? -le 1 ] || { echo "endpoint_policy_table.sh: $1 does not run" >&2; exit 1; }
    jq -r '[.flows[].from] | reduce .[] as $c ([]; if index($c) then . else . + [$c] end) | .[]' "$tmp/run.json" |
        while read -r client; do
            "$bin" routes "$1" --nic "$client" --json --quiet | jq -c --arg client "$client" '{$client, value}'
        done >"$tmp/routes.json"
    jq -rn --slurpfile run "$tmp/run.json" --slurpfile routes "$tmp/routes.json" '
        def where: if .verdict == "dropped" then .reason else .path[1:-2] | if . == [] then "endpoint"
                   else map(if . == "nva" then "appliance" else "gateway" end) | join(", ") end end;
        def state($client; $address): first($routes[] | select(.client == $client).value[]
            | select(.nextHopType == "InterfaceEndpoint" and .addressPrefix == ["\($address)/32"]).state);
        ["10.8.0.4", "10.8.0.68", "10.8.0.132", "10.8.0.196"] as $address
        | ["user route", "next hop type", "Disabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled", "Enabled"],
          ($routes[].client as $c
           | ($c | capture("^(?<hop>[a-z]+)-(?<len>[0-9]+)$") // {hop: "none", len: ""}) as $k
           | [{"": "none", "0": "0.0.0.0/0", "8": "10.0.0.0/8", "16": "10.8.0.0/16", "24": "10.8.0.0/24",
               "32": "the /32"}[$k.len],
              {none: "", appliance: "VirtualAppliance", gateway: "VirtualNetworkGateway", local: "VnetLocal",
               internet: "Internet", nothing: "None"}[$k.hop]]
             + [range(4) as $i | [$run[0].flows[] | select(.from == $c)][$i] | "\(state($c; $address[$i])): \(where)"])
        | @tsv' | awk -F'\t' '{printf "%-18s %-22s %-29s %-29s %-29s %s\n", $1, $2, $3, $4, $5, $6}' | sed 's/ *$//'
}

echo "privateEndpointVNetPolicies: Disabled; the endpoint's network is 10.8.0.0/16"
table $scenario
sed 's/privateEndpointVNetPolicies: Disabled/privateEndpointVNetPolicies: Basic/' $scenario >"$tmp/basic.yaml"
echo
echo "privateEndpointVNetPolicies: Basic"
table "$tmp/basic.yaml"
