#!/bin/sh
# Install the Debian packages named on the command line that are missing. As root, or with sudo that asks for no
# password, it installs; otherwise it prints the one command to run and fails.
missing=
for p in "$@"; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ]; then
    su=
elif sudo -n true 2>/dev/null; then
    su=sudo
else
    echo "missing packages; run this, then make again:" >&2
    echo "  sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends$missing'" >&2
    exit 1
fi
echo "installing:$missing"
$su apt-get update -q >/dev/null &&
    $su env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null || {
    echo "apt-get could not install:$missing" >&2
    exit 1
}
