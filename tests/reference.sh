# reference.sh - which capture of a run pcaps/reference keeps; sourced by golden.sh and check_captures.sh.

# reference_of DIR => the path: all.pcapng where it is small (< 64 KiB), else the first pcapng in the order of results.json
# (network interfaces come first) that has packets and is not large (< 128 KiB), else the smallest that has packets.
reference_of() {
    local all=$1/all.pcapng file best= size least=
    if [ -f "$all" ] && [ "$(stat -c %s "$all")" -lt 65536 ]; then
        echo "$all"
        return
    fi
    while IFS= read -r file; do
        size=$(stat -c %s "$1/$file")
        if [ "$size" -lt 131072 ]; then
            echo "$1/$file"
            return
        fi
        if [ -z "$least" ] || [ "$size" -lt "$least" ]; then
            best=$1/$file least=$size
        fi
    done < <(jq -r '.captures[] | select((.file | endswith(".pcapng")) and .packets > 0) | .file' "$1/results.json")
    [ -n "$best" ] && echo "$best"
}
