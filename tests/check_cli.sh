#!/bin/bash
# The command line as scripts rely on it: commands, exit statuses, what goes to which stream, and what happens when a disk
# is full, a folder cannot be written, or a pipe is closed.
set -u
bin=$(realpath "$1")
root=$PWD
scenarios=$root/topology/scenarios
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1

. "$root/tests/cli.sh"
says() { grep -qE -e "$2" "$1"; }
json() { jq -e . "$1" >/dev/null; }

# -- help and usage
expect 0 "--help" "$bin" --help
holds "help lists commands on standard output" says out '^  run '
mapfile -t commands < <(sed -n 's/^  \([a-z-]\+\( [a-z]\+\)\?\)  *[^ ].*/\1/p' out)
holds "there are commands" [ ${#commands[@]} -ge 7 ]
for c in "${commands[@]}"; do
    expect 0 "$c --help" "$bin" $c --help
    holds "$c --help shows its usage" says out "^usage: vnetsim $c "
    expect 2 "$c with an unknown option" "$bin" $c --no-such-option
    holds "$c says which" says err '^vnetsim: .*--no-such-option'
    holds "$c prints nothing else" empty out
done
expect 0 "--version" "$bin" --version
holds "version and build" says out '^vnetsim [0-9]+\.[0-9]+\.[0-9]+ \(.+\)$'
expect 2 "no command" "$bin"
holds "no command: help goes to standard error" empty out
expect 2 "an unknown command" "$bin" frobnicate
holds "an unknown command is named" says err "unknown command 'frobnicate'"
expect 2 "half a command" "$bin" import
expect 2 "a missing file name" "$bin" check
expect 2 "two scenarios to run" "$bin" run "$scenarios/demo.yaml" "$scenarios/demo.yaml"
expect 2 "an option without its value" "$bin" routes "$scenarios/demo.yaml" --nic
expect 2 "an option of another command" "$bin" run "$scenarios/demo.yaml" --nic app-nic
expect 2 "routes without --nic" "$bin" routes "$scenarios/demo.yaml"
expect 2 "a wrong time" "$bin" routes "$scenarios/demo.yaml" --nic app-nic --at soon
expect 2 "an unknown interface" "$bin" routes "$scenarios/demo.yaml" --nic app-nik
holds "the nearest name is suggested" says err "did you mean 'app-nic'"
expect 2 "a missing file" "$bin" run no-such.yaml -o dir
holds "a missing file is named" says err 'no-such.yaml'
holds "a missing file leaves no folder" [ ! -e dir ]

# -- what commands print
expect 0 "check" "$bin" check "$scenarios/demo.yaml"
expect 0 "check --json" "$bin" check --json "$scenarios/demo.yaml"
holds "check --json is JSON" json out
expect 0 "check --quiet" "$bin" check --quiet "$scenarios/demo.yaml"
holds "check --quiet is quiet" empty out
expect 0 "check reads standard input" bash -c '"$1" check - <"$2"' - "$bin" "$scenarios/demo.yaml"
expect 2 "check of several files reports a bad one" "$bin" check "$scenarios/demo.yaml" /dev/null
for c in routes rules; do
    expect 0 "$c" "$bin" $c "$scenarios/demo.yaml" --nic app-nic
    holds "$c prints a table" says out '[A-Za-z]'
    expect 0 "$c by machine, later" "$bin" $c "$scenarios/demo.yaml" --nic app --at 6s
    expect 0 "$c --json" "$bin" $c "$scenarios/demo.yaml" --nic app-nic --json
    holds "$c --json is JSON" json out
done
expect 0 "resolve" "$bin" resolve "$scenarios/demo.yaml" --from app-nic ourregistry.azurecr.io
holds "resolve finds the private address" says out '[[:space:]]10\.0\.2\.5'
expect 0 "resolve --json" "$bin" resolve "$scenarios/demo.yaml" --from app-nic ourregistry.azurecr.io --json
holds "resolve --json is JSON" json out
expect 0 "trace" "$bin" trace "$scenarios/demo.yaml" --from app-nic --to www.example.org --port 80 --at 3s
holds "trace names the rule" says out 'no-plain-web'
holds "trace names the line of the file" says out 'demo\.yaml:[0-9]+'
expect 0 "trace --json" "$bin" trace "$scenarios/demo.yaml" --from app-nic --to www.example.org --port 80 --json
holds "trace --json is JSON" json out
expect 2 "trace from nobody" "$bin" trace "$scenarios/demo.yaml" --from nobody --to 10.0.2.5 --port 80
expect 2 "trace with a wrong port" "$bin" trace "$scenarios/demo.yaml" --from app-nic --to 10.0.2.5 --port 0

# -- run
expect 0 "run" "$bin" run "$scenarios/demo.yaml"
holds "run prints a table" says out 'delivered'
holds "run has its folder by the scenario's name" [ -s demo.out/results.json ]
holds "no progress without a terminal" empty err
holds "no colour without a terminal" bash -c '! grep -q $'"'\\033'"' out'
expect 0 "run --json" "$bin" run "$scenarios/demo.yaml" -o one --json
holds "run --json prints results.json" cmp -s out one/results.json
expect 0 "run --quiet" "$bin" run "$scenarios/demo.yaml" -o one --quiet
holds "run --quiet is quiet" empty out
sed '0,/verdict: delivered/s//verdict: refused/' "$scenarios/demo.yaml" >wrong.yaml
expect 1 "run of a wrong expectation" "$bin" run wrong.yaml -o two
holds "it prints what was wanted and what came" says out 'wrong\.yaml:[0-9]+: .*refused.*delivered'
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    script -qec "'$bin' run wrong.yaml -o two" /dev/null >out 2>err </dev/null
    holds "colour on a terminal" says out $'\033\\[31m'
    script -qec "NO_COLOR=1 '$bin' run wrong.yaml -o two 2>/dev/null" /dev/null >out 2>err </dev/null
    holds "no colour with NO_COLOR" bash -c '! grep -q $'"'\\033\\\\['"' out'
else
    echo "skip colour: no program 'script' that makes a terminal"
fi

# -- the system fails
expect 3 "run into a place that cannot be made" "$bin" run "$scenarios/demo.yaml" -o /proc/x
holds "and says so" says err '/proc/x'
: >plain
expect 3 "run into a file" "$bin" run "$scenarios/demo.yaml" -o plain
expect 3 "results to a full disk" bash -c '"$1" run "$2" -o full --json >/dev/full' - "$bin" "$scenarios/demo.yaml"
expect 3 "routes to a full disk" bash -c '"$1" routes "$2" --nic app-nic >/dev/full' - "$bin" "$scenarios/demo.yaml"
expect 3 "check to a full disk" bash -c '"$1" check --print "$2" >/dev/full' - "$bin" "$scenarios/demo.yaml"
# limit of file size: a disk that is full while captures are written
expect 3 "captures to a full disk" bash -c 'ulimit -f 4; trap "" XFSZ; exec "$1" run "$2" -o small' - "$bin" "$scenarios/demo.yaml"
holds "no capture is left that is not whole" bash -c '[ -z "$(ls -A small 2>/dev/null)" ]'
closed() { # closed COMMAND...: standard output is a pipe that nobody reads
    { sleep 0.1; "$@" 2>err; echo $? >rc; } | true
    [ "$(cat rc)" = 3 ] && says err 'Broken pipe'
}
holds "a closed pipe is status 3, no signal (routes)" closed "$bin" routes "$scenarios/demo.yaml" --nic app-nic
holds "a closed pipe is status 3, no signal (run)" closed "$bin" run "$scenarios/demo.yaml" -o piped
holds "a closed pipe is status 3, no signal (help)" closed "$bin" --help

# -- import host
expect 0 "import host" "$bin" import host
holds "import host prints a scenario" says out '^scenario: '
expect 0 "import host loads" bash -c '"$1" import host | "$1" check --strict -' - "$bin"
expect 0 "import host --json loads" bash -c '"$1" import host --json | "$1" check --strict -' - "$bin"
expect 0 "import host -o" "$bin" import host -o host.yaml
"$bin" import host >direct
holds "import host -o writes what it would print" cmp -s host.yaml direct
holds "import host -o prints nothing" empty out
expect 3 "import host to a full disk" "$bin" import host -o /dev/full
expect 3 "import host into no folder" "$bin" import host -o no/such/folder/x.yaml
expect 3 "import host to a closed disk" bash -c '"$1" import host >/dev/full' - "$bin"

# a host made for the purpose, in a network namespace of its own
if command -v ip >/dev/null && unshare -Urn ip link add test0 type veth peer name test1 2>/dev/null; then
    cat >made.sh <<'END'
ip link set lo up
for l in wan0 lan0 off0; do ip link add $l type veth peer name x$l; done
for l in wan0 xwan0 lan0 xlan0; do ip link set $l up; done
ip addr add 198.51.100.7/24 dev wan0
ip addr add 10.1.0.1/24 dev lan0
ip addr add 10.1.0.2/24 dev lan0
ip addr add 10.66.0.1/24 dev off0
ip route add default via 198.51.100.1 dev wan0
ip route add 10.0.0.0/15 via 10.1.0.9
ip route add blackhole 10.99.0.0/16
ip route add 172.20.0.0/16 via 10.1.0.9 table 100
ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev lan0 nud permanent
ip -6 addr add 2001:db8::1/64 dev lan0
exec "$1" import host
END
    expect 0 "import host in a namespace" unshare -Urn bash made.sh "$bin"
    sed -n '/^# left out/p; /^onPremisesNetworks/,$p' out | sed '/name: [a-z0-9-]*$/d' >got
    cat >want <<'END'
# left out: address 10.66.0.1 of off0, which is down
# left out: default route 0.0.0.0/0 by wan0 via 198.51.100.1; to draw all traffic here, add 0.0.0.0/0 to addressPrefixes
# left out: route 10.99.0.0/16, which leads nowhere
END
    grep -q 'other tables' got && sed -n '/other tables/p' got >>want
    cat >>want <<'END'
onPremisesNetworks:
    addressPrefixes:
      - 10.0.0.0/15  # lan0 via 10.1.0.9
      - 198.51.100.0/24  # wan0
    bgp: false
    natIPs: [198.51.100.7]
    hosts:
      - {name: wan0, ipAddress: 198.51.100.7}  # wan0
      - {name: lan0, ipAddress: 10.1.0.1}  # lan0
      - {name: lan0-2, ipAddress: 10.1.0.2}  # lan0
      - {name: neigh-10.1.0.9, ipAddress: 10.1.0.9}  # lan0
END
    holds "import host shows that host" diff want got
    holds "one route of another table" says out 'left out: 1 routes of other tables'
else
    echo "skip import host in a namespace: no privilege to make a network namespace"
fi
