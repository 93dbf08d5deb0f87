#!/bin/sh
# Installs what is missing, builds, and starts Limetta with a demo account.
#
# usage: ./run.sh [--build-only] [--state DIR] [--listen ADDR] [--port-offset N]
#   --build-only    stop when build/limetta is there
#   --state DIR     where mail, accounts and keys live (default: ./state)
#   --listen ADDR   address to listen on (default: all)
#   --port-offset N added to every port: 10000 gives 10143 and 10587 (default: 0 as root, else 10000)
set -eu
cd "$(dirname "$0")"

usage() {
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
state=state
listen=
offset=$([ "$(id -u)" -eq 0 ] && echo 0 || echo 10000)
build_only=false
while [ $# -gt 0 ]; do
    case $1 in
    --build-only) build_only=true ;;
    --state | --listen | --port-offset)
        [ $# -ge 2 ] || usage
        case $1 in --state) state=$2 ;; --listen) listen=$2 ;; *) offset=$2 ;; esac
        shift
        ;;
    *) usage ;;
    esac
    shift
done

tools/install-packages build
[ -f build/build.ninja ] || meson setup build >/dev/null
ninja -C build --quiet
if $build_only; then
    exit 0
fi

tools/install-packages run
program=build/limetta
umask 077
mkdir -p "$state"
name=$(hostname -f 2>/dev/null || hostname)
addresses=$(ip -o addr show scope global 2>/dev/null | awk '{ sub("/.*", "", $4); print $4 }')
if [ ! -f "$state/tls-key.pem" ]; then
    san="DNS:$name,DNS:localhost,IP:127.0.0.1,IP:::1"
    for address in $addresses; do
        san="$san,IP:$address"
    done
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 -subj "/CN=$name" \
        -addext "subjectAltName=$san" -keyout "$state/tls-key.pem" -out "$state/tls-cert.pem" 2>/dev/null
fi
# The demo account's password is random, because the demo listens to the whole network; it is kept so that it stays.
if [ ! -f "$state/demo-password" ]; then
    openssl rand -hex 6 >"$state/demo-password"
    "$program" user add demo --password-stdin --state "$state" <"$state/demo-password"
fi
password=$(cat "$state/demo-password")
imap=$((143 + offset))
submission=$((587 + offset))

cat <<END

Limetta: user demo, password $password
  IMAP        port $imap, STARTTLS
  submission  port $submission, STARTTLS
The certificate is self-signed ($state/tls-cert.pem): clients ask once whether to trust it.

  curl --ssl-reqd --cacert $state/tls-cert.pem --user demo:$password 'imap://localhost:$imap/INBOX?ALL'

A desktop client: account demo@$name, server localhost, the ports above, "STARTTLS", "normal password".
A phone on the same network: the same, with one of these addresses of this machine as the server:
  $(echo ${addresses:-none found})
State lives in $state. Another user: $program user add NAME --password-stdin --state $state
Stop with Ctrl-C.

END
exec "$program" serve --state "$state" ${listen:+--listen "$listen"} --port-offset "$offset"
