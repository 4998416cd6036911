#!/bin/sh
# Installs the packages of tools/packages.txt that this machine lacks, from Debian, without a
# question. Says nothing and takes milliseconds when nothing is missing.
set -eu

here=$(dirname "$(readlink -f "$0")")
wanted=$(sed 's/#.*//' "$here/packages.txt" | awk 'NF { print $1 }')

missing() {
    # shellcheck disable=SC2086
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
        awk -v wanted="$(echo $wanted)" '
            $1 == "installed" { installed[$2] = 1 }
            END {
                count = split(wanted, names, " ")
                for (i = 1; i <= count; i++) if (!(names[i] in installed)) print names[i]
            }'
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is no Debian (no dpkg, no apt-get): XVS is built on Debian 12." >&2
    exit 1
fi

lacking=$(missing)
[ -n "$lacking" ] || exit 0
# shellcheck disable=SC2086
lacking=$(echo $lacking)

if [ "$(id -u)" != 0 ]; then
    echo "Packages are missing ($lacking); type: sudo $here/bootstrap.sh" >&2
    exit 1
fi

log=$(mktemp)
guard=/usr/sbin/policy-rc.d
guarded=no
cleanup() {
    [ "$guarded" = no ] || rm -f "$guard"
    rm -f "$log"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# keepalived, iperf3 and others bring a service; none of them is to be started here.
if [ ! -e "$guard" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$guard"
    chmod 755 "$guard"
    guarded=yes
fi

export DEBIAN_FRONTEND=noninteractive
# Another apt may be at work (a fresh machine's first upgrade): wait for it.
apt() {
    apt-get -q -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold "$@" \
        </dev/null >>"$log" 2>&1
}

# apt-get update does not wait for the lock on the lists by itself.
update() {
    echo "Reading Debian's package lists ..."
    tries=0
    until apt update; do
        tries=$((tries + 1))
        [ "$tries" -lt 5 ] || return 1
        sleep 5
    done
}

install() {
    # shellcheck disable=SC2086
    apt install -y --no-install-recommends $lacking
}

echo "Installing from Debian: $lacking"
# shellcheck disable=SC2086
if ! apt install --simulate --no-install-recommends $lacking; then
    update || true
fi
if ! install; then
    # Lists that are too old name files that the mirror no longer has.
    update && install || {
        tail -n 20 "$log" >&2
        echo "apt-get could not install: $lacking (its last words are above)." >&2
        exit 1
    }
fi

lacking=$(missing)
if [ -n "$lacking" ]; then
    # shellcheck disable=SC2086
    echo "apt-get succeeded, yet these are not installed:" $lacking >&2
    exit 1
fi
