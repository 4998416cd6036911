#!/bin/sh
# scripts_test.sh BIN DIRECTOR: what xvsadm-save prints, xvsadm-restore puts in the place of what is
# there.
set -eu

[ "$(id -u)" = 0 ] || { echo "network namespaces need root"; exit 77; }
[ -n "${XVS_SCRIPTS_NAMESPACE:-}" ] || XVS_SCRIPTS_NAMESPACE=1 exec unshare --net "$0" "$@"
bin=$1
work=$(mktemp -d)
"$2" > "$work/ready" &
director=$!
trap 'kill $director; rm -rf "$work"' EXIT
until [ -s "$work/ready" ]; do sleep 0.02; done

cat > "$work/rules" <<'RULES'
-A -t 192.0.2.1:80 -s rr
-a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m -w 3
-A -f 7 -s wlc
--add-mark 7 --proto tcp --dst 203.0.113.0/24 --dport 8000-8099
--add-mark 8 --src 2001:db8::/32
--deny 203.0.113.0/24
--allow 198.51.100.0/24 -t 192.0.2.1:80
--sysctl sloppy_tcp=1
RULES
"$bin/xvsadm" -R < "$work/rules"
"$bin/xvsadm-save" -n > "$work/saved"
diff "$work/rules" "$work/saved"

# Over itself, and over what was added and taken away since.
"$bin/xvsadm-restore" < "$work/saved"
"$bin/xvsadm" --delete-mark 7 --proto tcp --dst 203.0.113.0/24 --dport 8000-8099
"$bin/xvsadm" --add-mark 9 --proto udp
"$bin/xvsadm" --deny 2001:db8:7::/48
"$bin/xvsadm" --allow 10.0.0.0/8
"$bin/xvsadm" -A -u 192.0.2.1:53
"$bin/xvsadm-restore" < "$work/saved"
"$bin/xvsadm-save" -n | diff "$work/saved" -
"$bin/xvsadm-save" | "$bin/xvsadm-restore"

# Nothing leaves nothing.
"$bin/xvsadm-restore" < /dev/null
[ "$("$bin/xvsadm-save")" = "--sysctl sloppy_tcp=1" ]
