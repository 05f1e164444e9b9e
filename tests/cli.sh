# cli.sh - running commands and holding what they print against what they should; sourced by check scripts, in a folder of
# their own.

# expect STATUS NAME COMMAND...: the command ends with that status; its output is then in out and err.
expect() {
    local want=$1 name=$2 rc
    shift 2
    "$@" >out 2>err </dev/null
    rc=$?
    if [ $rc = "$want" ]; then
        echo "ok $name"
    else
        echo "not ok $name: status $rc instead of $want"
        head -n 5 out err
    fi
}
# holds NAME CONDITION...: a condition about what the last command printed.
holds() {
    local name=$1
    shift
    if "$@"; then
        echo "ok $name"
    else
        echo "not ok $name"
        head -n 5 out err
    fi
}
empty() { [ ! -s "$1" ]; }
