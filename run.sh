#!/bin/sh
# Installs what is missing, builds, and starts Limetta with a demo account.
#
# usage: ./run.sh [--build-only] [--state DIR] [--listen ADDR] [--port-offset N]
#   --build-only    stop when build/limetta is there
#   --state DIR     where mail, accounts and keys live (default: state, beside this file)
#   --listen ADDR   address to listen on (default: all)
#   --port-offset N added to every port: 10000 gives 10143, 10587 and 14190 (default: 0 as root, else 10000)
set -eu
called_in=$(pwd)
cd "$(dirname "$0")"

fail() {
    echo "run.sh: $1" >&2
    exit 3
}
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
        case $1 in --state) state=$(cd "$called_in" && realpath -ms "$2") ;; --listen) listen=$2 ;; *) offset=$2 ;; esac
        shift
        ;;
    *) usage ;;
    esac
    shift
done

tools/install-packages build
[ ! -e build ] || [ -w build ] || fail "build belongs to $(stat -c %U build): run this as that user"
[ -f build/build.ninja ] || meson setup build >/dev/null
ninja -C build -n | grep -q 'no work to do' || echo "Building: half a minute, a little more on a slow machine" >&2
ninja -C build --quiet >build/build.log 2>&1 || { cat build/build.log >&2; fail "the build failed"; }
if $build_only; then
    exit 0
fi

tools/install-packages run
program=build/limetta
umask 077
mkdir -p "$state"
[ -w "$state" ] && [ -x "$state" ] || fail "$state belongs to $(stat -c %U "$state"): run this as that user, or say --state DIR"
name=$(hostname)
addresses=$(ip -o addr show scope global 2>/dev/null | awk '{ sub("/.*", "", $4); print $4 }')
if [ ! -f "$state/tls-key.pem" ]; then
    san="DNS:$name,DNS:localhost,IP:127.0.0.1,IP:::1"
    for address in $addresses; do
        san="$san,IP:$address"
    done
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 -subj "/CN=$name" \
        -addext "subjectAltName=$san" -keyout "$state/tls-key.new" -out "$state/tls-cert.pem" 2>"$state/openssl.log" ||
        { cat "$state/openssl.log" >&2; fail "openssl could not make a certificate in $state"; }
    rm "$state/openssl.log"
    mv "$state/tls-key.new" "$state/tls-key.pem"
fi
# The demo account's password is random, because the demo listens to the whole network; it is kept so that it stays.
if [ ! -f "$state/demo-password" ]; then
    openssl rand -hex 6 >"$state/demo-password.new"
    "$program" user add demo --password-stdin --state "$state" <"$state/demo-password.new" >&2
    mv "$state/demo-password.new" "$state/demo-password"
fi

introduce() {
    password=$(cat "$state/demo-password")
    imap=$((143 + offset))
    submission=$((587 + offset))
    sieve=$((4190 + offset))
    case $listen in '' | 127.0.0.1 | ::1) host=localhost ;; *:*) host="[$listen]" ;; *) host=$listen ;; esac
    phone=
    [ -n "$listen" ] || phone="
A phone on the same network: the same, with one of these addresses of this machine as the server:
  $(echo ${addresses:-none found})"
    cat <<END

Limetta: user demo, password $password
  IMAP        port $imap, STARTTLS
  submission  port $submission, STARTTLS
  ManageSieve port $sieve, STARTTLS
The certificate is self-signed ($state/tls-cert.pem): clients ask once whether to trust it.

  curl --ssl-reqd --cacert $state/tls-cert.pem --user demo:$password 'imap://$host:$imap/INBOX?ALL'

A desktop client: account demo@$name, server $host, the ports above, "STARTTLS", "normal password".$phone
State lives in $state. Another user: $program user add NAME --password-stdin --state $state
Stop with Ctrl-C.

END
}
# Says how to connect when it is true: our process has become the server, and the ports are open. Ends with that process.
is_running() {
    [ -r /proc/$$/stat ] && ! grep -q ') [ZX] ' /proc/$$/stat
}
introduce_when_ready() {
    while is_running; do
        if [ "$(cat "$state/run/pid" 2>/dev/null)" = $$ ]; then
            sleep 0.7
            is_running && introduce
            return 0
        fi
        sleep 0.1
    done
}
(introduce_when_ready 2>/dev/null &)
exec "$program" serve --state "$state" ${listen:+--listen "$listen"} --port-offset "$offset"
