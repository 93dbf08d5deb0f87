"""Things between that swallow large packets, or take port 25 for themselves (D5)."""
import socket
import tempfile
import time

from lab import Lab, needs_lab
from lib.check import contains, equal, eventually, message, true
from lib.servers import PASSWORD, make_certificate
from lib.sink import Sink
from lib.wire import Imap, Smtp, plain

IS_LAB = True
BODY = ('y' * 70 + '\r\n') * 5000


@needs_lab
def test_a_black_hole(_):
    """A narrow wire, and somebody drops the ICMP that would tell: large mail hangs, small answers do not. net.ipv4.tcp_mtu_probing=1 is the way out that
    an operator has (docs/operations.md), for connections that hang already, too, and for IPv6."""
    with Lab(mtu=1290) as lab, lab.serve() as server:
        lab.fw.nft('table inet lab_hole { chain c { type filter hook forward priority -10; meta l4proto { icmp, ipv6-icmp } drop; }; }')
        lab.dmz.sysctl('net.ipv4.tcp_mtu_probing', 0)
        with lab.dmz.inside():
            c = Imap(lab.dmz.v4, 143)
        c.login('alice', PASSWORD)
        c.append('INBOX', message('large', BODY))
        c.close()
        hanging = []
        for host in (lab.dmz.v4, lab.dmz.v6):
            with lab.cli.inside():
                c = Imap(host, 143)
            c.login('alice', PASSWORD)
            c.command('SELECT INBOX')
            c.send(b'x FETCH 1 BODY.PEEK[]\r\n')
            hanging.append(c)
        time.sleep(3)
        for c in hanging:
            c.settimeout(0.5)
            try:
                raise AssertionError(f'large packets pass: {c.until(b"x")[-1]}')
            except socket.timeout:
                pass
        lab.dmz.sysctl('net.ipv4.tcp_mtu_probing', 1)
        for c in hanging:
            c.settimeout(60)
            contains(b''.join(c.until(b'x')), BODY.encode()[-5000:])
            c.close()
        true(server.process.poll() is None, 'the server lives')


def submit(server, subject):
    c = Smtp(server.host, 587)
    for line in ('EHLO phone.example', f'AUTH PLAIN {plain("alice", PASSWORD)}', 'MAIL FROM:<alice@localhost>', 'RCPT TO:<carol@elsewhere.example>', 'DATA'):
        c.command(line)
    c.send(message(subject) + b'.\r\n')
    c.reply()
    c.close()


def intercepted(relay_tls, identity=None):
    """Mail to a relay by port 25, which the carrier leads to a server of its own. That gets neither the mail nor the password."""
    settings = {'relay_host': '192.0.2.25:25', 'relay_tls': relay_tls, 'relay_user': 'alice', 'relay_password': 'relay secret', 'domains': 'localhost',
                'queue_retry_first_s': 1}
    with Lab(outward=(25,), redirect='tcp dport 25 dnat to 198.51.100.1;') as lab, lab.nat.inside():
        rogue = Sink(('SIZE 100000000', 'AUTH PLAIN LOGIN'), host='198.51.100.1', port=25, identity=identity)
        with rogue, lab.serve(config=settings) as server, lab.dmz.inside():
            submit(server, 'private')
            eventually(lambda: rogue.sessions >= 2, 'it was tried, and tried again')
            listed = server.run('queue', 'list', '--config', server.config).stdout.decode()
            contains(listed, 'carol@elsewhere.example', 'the mail waits')
            equal(sorted(set(rogue.verbs) - {b'QUIT', b'STARTTLS'}), [b'EHLO'], 'what it was told')
            contains(server.log(), 'waits: 454 4.7.0 TLS not available')


@needs_lab
def test_somebody_takes_port_25(_):
    """relay_tls = required, the default: the mail waits, and the log says why. With a login "offered" is no less."""
    for relay_tls in ('required', 'offered'):
        intercepted(relay_tls)


@needs_lab
def test_somebody_takes_port_25_with_a_certificate(_):
    """One of its own making is worth nothing."""
    with tempfile.TemporaryDirectory() as folder:
        for relay_tls in ('required', 'offered'):
            intercepted(relay_tls, make_certificate(folder))
