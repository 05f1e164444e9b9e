# reference.sh - which capture of a run pcaps/reference keeps; sourced by golden.sh and check_captures.sh.

# reference_of DIR => the path: all.pcapng where it is small (< 64 KiB), else the first pcapng with packets in it. The order
# is that of results.json, in which network interfaces come first.
reference_of() {
    local all=$1/all.pcapng file
    if [ -f "$all" ] && [ "$(stat -c %s "$all")" -lt 65536 ]; then
        echo "$all"
        return
    fi
    file=$(jq -r 'first(.captures[] | select((.file | endswith(".pcapng")) and .file != "all.pcapng" and .packets > 0)).file // empty' \
        "$1/results.json") && [ -n "$file" ] && echo "$1/$file"
}
