#!/bin/sh
# install_test.sh BUILD: installs BUILD as a package would, under a scratch root, and checks that
# the programs are where the unit starts them and that systemd finds no fault with the unit.
set -eu

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
DESTDIR=$root cmake --install "$1" --prefix /usr >/dev/null

for file in sbin/xvsd sbin/xvsadm bin/xvs lib/systemd/system/xvsd.service \
    share/doc/xvs/README.md share/doc/xvs/LICENSE; do
    [ -e "$root/usr/$file" ] || { echo "cmake --install brings no /usr/$file"; exit 1; }
done
"$root/usr/sbin/xvsd" --help >/dev/null
"$root/usr/bin/xvs" --help >/dev/null

program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$root/usr/lib/systemd/system/xvsd.service")
[ -x "$root$program" ] || { echo "the unit starts $program, which is not installed"; exit 1; }

command -v systemd-analyze >/dev/null || {
    echo "no systemd-analyze here (package systemd) to verify the unit with"
    exit 77
}
# The units that every service refers to; the scratch root has no others.
for unit in sysinit.target basic.target shutdown.target network-pre.target multi-user.target; do
    printf '[Unit]\nDescription=%s\n' "$unit" >"$root/usr/lib/systemd/system/$unit"
done
faults=$(systemd-analyze verify --man=no --root="$root" xvsd.service 2>&1) || {
    echo "systemd-analyze: ${faults:-failed without a word}"
    exit 1
}
[ -z "$faults" ] || { echo "systemd-analyze: $faults"; exit 1; }
