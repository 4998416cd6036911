#!/bin/sh
# install_test.sh BUILD: installs BUILD as a package would, under a scratch root, and checks that
# the programs are where the unit starts them and that systemd finds no fault with the unit.
set -eu

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
DESTDIR=$root cmake --install "$1" --prefix /usr >/dev/null

for file in sbin/xvsd sbin/xvsadm sbin/xvsadm-save sbin/xvsadm-restore bin/xvs \
    share/man/man8/xvsadm.8 share/man/man8/xvsadm-save.8 share/man/man8/xvsd.8 \
    share/man/man1/xvs.1 share/bash-completion/completions/xvsadm share/zsh/site-functions/_xvsadm lib/systemd/system/xvsd.service \
    share/doc/xvs/README.md share/doc/xvs/LICENSE; do
    [ -e "$root/usr/$file" ] || { echo "cmake --install brings no /usr/$file"; exit 1; }
done
"$root/usr/sbin/xvsd" --help >/dev/null
"$root/usr/bin/xvs" --help >/dev/null

# What a program says of itself, its page says too.
check_page() {
    page=$root/usr/share/man/$1
    for word in $2; do
        sed 's/\\-/-/g' "$page" | grep -qF -e "$word" || { echo "$1 does not tell of $word"; exit 1; }
    done
}
long_options() { grep -oE -e '--[a-z][a-z-]+' | sort -u; }
check_page man8/xvsd.8 "$("$root/usr/sbin/xvsd" --help | long_options)"
check_page man8/xvsadm.8 "$("$root/usr/sbin/xvsadm" -h | long_options | grep -vx -e --ipv -e --sort)"
check_page man1/xvs.1 "$("$root/usr/bin/xvs" --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')"

# Completion proposes what goes with a command.
completion=$root/usr/share/bash-completion/completions/xvsadm
proposed=$(bash -c ". $completion; COMP_WORDS=(xvsadm -A -t 1.1.1.1:1 -s w); COMP_CWORD=5; _xvsadm
    echo \"\${COMPREPLY[@]}\"")
[ "$proposed" = "wrr wlc" ] || { echo "completion proposes schedulers: $proposed"; exit 1; }
proposed=$(bash -c ". $completion; COMP_WORDS=(xvsadm -a --tun-t); COMP_CWORD=2; _xvsadm
    echo \"\${COMPREPLY[@]}\"")
[ "$proposed" = --tun-type ] || { echo "completion proposes options: $proposed"; exit 1; }

# The same in zsh, where what would be proposed goes through compadd.
completion=$root/usr/share/zsh/site-functions/_xvsadm
propose() {
    zsh -f -c 'compadd() { [[ $1 == -- ]] && shift; print -r -- "$@"; }
        CURRENT=$(($# - 1)); file=$1; shift; words=("$@"); . $file' zsh "$completion" "$@"
}
for line in "-A -t 1.1.1.1:1 -s w|wrr wlc" "-a --tun-t|--tun-type" "--add-mark 7 --proto t|tcp" \
    "--list-m|--list-marks"; do
    typed=${line%|*}
    proposed=$(propose xvsadm ${line%|*} | tr ' ' '\n' | grep -e "^${typed##* }" | tr '\n' ' ')
    [ "$proposed" = "${line#*|} " ] || { echo "zsh proposes for ${line%|*}: $proposed"; exit 1; }
done

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
