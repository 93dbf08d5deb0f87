"""Mail straight to the hosts of its domain (X-NEXT-HOP, X-DANE, X-MTA-STS): preference, null MX, DANE and MTA-STS with real name servers, a validating resolver and a
web server; LMTP to another store."""
import contextlib
import http.server
import os
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import threading
import time

from lib.check import contains, equal, eventually, limetta_only, message, true
from lib.names import Names
from lib.servers import PASSWORD, free_offset
from lib.sink import Sink
from lib.wire import open_imap, open_smtp

HOSTS = ('mx.signed.test', 'mx.third.signed.test', 'mx.plain.test', 'mx.sts.plain.test',
         'mta-sts.sts.plain.test', 'mta-sts.forged.plain.test', 'mta-sts.outside.plain.test')  # not mx.forged.plain.test


def submit(s, to, subject, mail='', rcpt=''):
    c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
    c.command(f'MAIL FROM:<alice@localhost>{mail}')
    c.command(f'RCPT TO:<{to}>{rcpt}')
    c.command('DATA')
    c.send(message(subject) + b'.\r\n')
    c.reply()
    c.close()


def inbox(s, user):
    c = open_imap(s, user, PASSWORD)
    is_empty = b'* 0 EXISTS' in b''.join(c.command('EXAMINE INBOX'))
    lines = [] if is_empty else c.command('FETCH 1:* BODY.PEEK[]')
    c.close()
    return b''.join(lines)


class Identity:
    """An authority, and a certificate of it for all hosts of the test."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='limetta-identity-')
        self.ca, self.cert, self.key = (os.path.join(self.folder, n) for n in ('ca.pem', 'cert.pem', 'key.pem'))
        ca_key, request, names = (os.path.join(self.folder, n) for n in ('ca-key.pem', 'request.pem', 'names'))
        new = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
        self.run('req', '-x509', *new, '-days', '30', '-subj', '/CN=Test authority', '-keyout', ca_key, '-out', self.ca)
        self.run('req', *new, '-subj', '/CN=mail', '-keyout', self.key, '-out', request)
        with open(names, 'w') as f:
            f.write('subjectAltName=' + ','.join('DNS:' + h for h in HOSTS))
        self.run('x509', '-req', '-in', request, '-CA', self.ca, '-CAkey', ca_key, '-CAcreateserial', '-days', '30', '-extfile',
                 names, '-out', self.cert)
        with open(self.cert, 'a') as f, open(self.ca) as ca:
            f.write(ca.read())

    @staticmethod
    def run(*args, data=None):
        return subprocess.run(['openssl', *args], input=data, check=True, capture_output=True).stdout

    def digest(self):
        """For TLSA 3 1 1."""
        key = self.run('x509', '-in', self.cert, '-noout', '-pubkey')
        octets = self.run('pkey', '-pubin', '-outform', 'DER', data=key)
        return self.run('dgst', '-sha256', '-r', data=octets).split()[0].decode()

    def authority_digest(self):
        """For TLSA 2 0 1."""
        octets = self.run('x509', '-in', self.ca, '-outform', 'DER')
        return self.run('dgst', '-sha256', '-r', data=octets).split()[0].decode()


@contextlib.contextmanager
def policies(identity, text):
    """A web server with the policy."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            is_it = self.path == '/.well-known/mta-sts.txt'
            self.send_response(200 if is_it else 404)
            self.send_header('Content-Type', 'text/plain')
            self.end_headers()
            self.wfile.write(text.encode() if is_it else b'')

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(identity.cert, identity.key)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def make_zones(port, digest, authority):
    plain = ['@ MX 10 away', '@ MX 20 mx', 'mx A 127.0.0.1', 'away A 127.0.0.9', 'null MX 0 .', 'loop MX 10 mail.us.test.',
             'bare A 127.0.0.1', 'sts MX 5 stranger', 'sts MX 10 mx.sts', 'stranger A 127.0.0.1', 'mx.sts A 127.0.0.1',
             '_mta-sts.sts TXT "v=STSv1; id=1"', 'mta-sts.sts A 127.0.0.1',
             'forged MX 10 mx.forged', 'mx.forged A 127.0.0.1', '_mta-sts.forged TXT "v=STSv1; id=1"', 'mta-sts.forged A 127.0.0.1',
             'outside MX 10 stranger', '_mta-sts.outside TXT "v=STSv1; id=1"', 'mta-sts.outside A 127.0.0.1']
    signed = ['@ MX 10 mx', 'mx A 127.0.0.1', f'_{port}._tcp.mx TLSA 3 1 1 {digest}',
              'other MX 10 mx.other', 'mx.other A 127.0.0.1', f'_{port}._tcp.mx.other TLSA 3 1 1 {"00" * 32}',
              'third MX 10 mx.third', 'mx.third A 127.0.0.1', f'_{port}._tcp.mx.third TLSA 2 0 1 {authority}',
              'fourth MX 10 mx.fourth', 'mx.fourth A 127.0.0.1', f'_{port}._tcp.mx.fourth TLSA 2 0 1 {authority}']
    return {'plain.test': (plain, False), 'signed.test': (signed, True)}


@limetta_only
def test_mail_hosts(make):
    """MX, DANE and MTA-STS."""
    identity = Identity()
    policy = 'version: STSv1\nmode: enforce\nmx: mx.sts.plain.test\nmx: mx.forged.plain.test\nmax_age: 86400\n'
    with Sink(identity=(identity.cert, identity.key)) as sink, \
            Names(make_zones(sink.port, identity.digest(), identity.authority_digest())) as names, policies(identity, policy) as web:
        config = {'hostname': 'mail.us.test', 'domains': 'localhost', 'delivery': 'direct', 'dns_servers': f'127.0.0.1:{names.port}',
                  'mx_port': sink.port, 'mx_addresses': 'any', 'dane': 'yes', 'mta_sts_port': web, 'tls_anchors': identity.ca}
        with make(config=config) as s:
            submit(s, 'carol@plain.test', 'second host')
            contains(sink.wait(1)[0][2], b'Subject: second host')
            submit(s, 'carol@bare.plain.test', 'no MX')
            sink.wait(2)

            submit(s, 'carol@signed.test', 'proven')
            sink.wait(3)
            equal(sink.encrypted, [True, True, True])

            submit(s, 'carol@third.signed.test', 'proven by an authority')
            sink.wait(4)
            for to in ('other', 'fourth'):  # another key; the authority's, but not for that name
                before = s.log().count('454 4.7.0')
                submit(s, f'carol@{to}.signed.test', 'somebody else')
                eventually(lambda: s.log().count('454 4.7.0') > before, 'a certificate that DANE does not know')
            submit(s, 'carol@sts.plain.test', 'by policy')
            contains(sink.wait(5)[4][2], b'Subject: by policy')
            contains(s.log(), 'stranger.plain.test of sts.plain.test is not in its MTA-STS policy')
            for to, reply, why in (('forged', b'454 4.7.0', 'shows a certificate of others'), ('outside', b'451 4.7.5', 'none may be tried')):
                submit(s, f'carol@{to}.plain.test', why)
                eventually(lambda: reply in s.run('queue', 'list', '--recipient', f'carol@{to}.plain.test').stdout, why)  # noqa: B023

            for to in ('null.plain.test', 'nowhere.plain.test', 'loop.plain.test'):
                submit(s, f'carol@{to}', 'lost')
            statuses = (b'Status: 5.1.10', b'Status: 5.1.2', b'Status: 5.4.6')
            eventually(lambda: all(status in inbox(s, 'alice') for status in statuses), 'three reports')

            # The policy is remembered over a restart, and fetched anew when half of its time is over (RFC 8461, 3.3).
            s.shut_down()
            with contextlib.closing(sqlite3.connect(f'{s.state}/queue/sts.db')) as db, db:
                db.execute('UPDATE policy SET expires_ms=expires_ms-?', (50000 * 1000,))
            s.start()
            submit(s, 'carol@sts.plain.test', 'by policy again')
            sink.wait(6)
            equal(len(sink.messages), 6)
            true(all(sink.encrypted), 'all under TLS')
            s.shut_down()
            with contextlib.closing(sqlite3.connect(f'{s.state}/queue/sts.db')) as db:
                left_ms, = db.execute('SELECT expires_ms FROM policy WHERE domain=?', ('sts.plain.test',)).fetchone()
            true(left_ms / 1000 - time.time() > 80000, left_ms)


@limetta_only
def test_addresses_of_our_own(make):
    """MX records do not send us to ourselves, unless the operator says so."""
    zones = {'plain.test': (['inner MX 10 inner-mx', 'inner-mx A 127.0.0.1'], False)}
    with Sink() as sink, Names(zones) as names:
        with make(config={'delivery': 'direct', 'dns_servers': f'127.0.0.1:{names.port}', 'mx_port': sink.port}) as s:
            submit(s, 'carol@inner.plain.test', 'forged')
            eventually(lambda: b'Status: 5.4.4' in inbox(s, 'alice'), 'a report')
            equal(sink.messages, [])


@limetta_only
def test_routes(make):
    """A route goes before the relay; several relays stand in for each other; messages share a connection."""
    with Sink() as first, Sink() as second:
        nobody = free_offset((25,)) + 25
        config = {'relay_host': f'127.0.0.1:{nobody} 127.0.0.1:{first.port}', 'relay_tls': 'off',
                  'routes': f'special.test=smtp://127.0.0.1:{second.port}?tls=off'}
        with make(config=config) as s:
            submit(s, 'carol@special.test', 'special')
            contains(second.wait(1)[0][2], b'Subject: special')
            for i in range(3):
                submit(s, 'carol@else.test', f'usual {i}')
                first.wait(i + 1)
            equal((len(first.messages), len(second.messages)), (3, 1))
            equal(first.sessions, 1)


@limetta_only
def test_another_store(make):
    """LMTP to a store of somebody else, by a Unix socket."""
    folder = tempfile.mkdtemp(prefix='limetta-lmtp-')
    path = os.path.join(folder, 'lmtp')
    os.chmod(folder, 0o755)
    with Sink(path=path) as store:
        os.chmod(path, 0o666)
        with make(config={'routes': f'lists.test=lmtp+unix:{path}'}) as s:
            submit(s, 'carol@lists.test', 'by socket', rcpt=' NOTIFY=SUCCESS')
            contains(store.wait(1)[0][2], b'Subject: by socket')
            eventually(lambda: b'Action: delivered' in inbox(s, 'alice'), 'a report that is no "relayed"')
        os.unlink(path)
    with Sink(path=path, extensions=('DSN',)) as store:
        os.chmod(path, 0o666)
        with make(config={'routes': f'lists.test=lmtp+unix:{path}'}) as s:
            submit(s, 'carol@lists.test', 'it reports itself', rcpt=' NOTIFY=SUCCESS')
            contains(store.wait(1)[0][1][0], 'NOTIFY=SUCCESS')
            time.sleep(1)
            equal(inbox(s, 'alice').count(b'Action: delivered'), 0, 'never two reports (RFC 3461, 5.2.1)')


@limetta_only
def test_time_is_lost(make):
    """X-DELIVERBY: a relay that keeps no time. The sender hears so, or, who wants it back in time, that it cannot be."""
    with Sink() as relay, make(config={'relay_host': f'127.0.0.1:{relay.port}', 'relay_tls': 'off'}) as s:
        submit(s, 'carol@else.test', 'by and by', mail=' BY=600;N')
        relay.wait(1)
        eventually(lambda: b'Action: relayed' in inbox(s, 'alice'), 'a report')
        submit(s, 'carol@else.test', 'in time', mail=' BY=600;R')
        eventually(lambda: b'Status: 5.3.3' in inbox(s, 'alice'), 'the message comes back')
        equal(len(relay.messages), 1)


class Rascal:
    """Servers that misbehave, on one port, in turn: 'garbage', 'gone', 'busy', 'mid-chunk', 'no answer'."""

    def __init__(self, *ways):
        self.ways, self.visits = list(ways), []
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while self.ways:
            way = self.ways.pop(0)
            c, _ = self.socket.accept()
            self.visits.append(way)
            with c, contextlib.suppress(OSError):
                self.meet(c, way)
        self.socket.close()

    @staticmethod
    def meet(c, way):
        if way == 'garbage':
            c.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n')
            c.recv(1)
        elif way == 'busy':
            c.sendall(b'421 4.3.2 too busy\r\n')
        elif way in ('mid-chunk', 'no answer'):
            f = c.makefile('rb')
            c.sendall(b'220 rascal\r\n')
            while line := f.readline():
                verb = line[:4].upper()
                if verb == b'BDAT':
                    f.read(100 if way == 'mid-chunk' else int(line.split()[1]))
                    return
                c.sendall(b'250-rascal\r\n250 CHUNKING\r\n' if verb == b'EHLO' else b'250 ok\r\n')


@limetta_only
def test_rascals(make):
    """Hosts that answer garbage, break off or are busy make way for the next; one that breaks off in the content means later."""
    rascal = Rascal('garbage', 'gone', 'busy', 'mid-chunk', 'no answer')
    with Sink(is_brief=True) as good:
        config = {'relay_host': f'127.0.0.1:{rascal.port} 127.0.0.1:{good.port}', 'relay_tls': 'off', 'queue_retry_first_s': '1'}
        with make(config=config) as s:
            for i in range(3):
                submit(s, 'carol@else.test', f'past {i}')
                good.wait(i + 1)
            submit(s, 'carol@else.test', 'broken off')
            eventually(lambda: 'carol@else.test> later: 421 4.4.2' in s.log(), 'nothing lost')
            contains(good.wait(4, 60)[3][2], b'Subject: broken off')
            equal(rascal.visits, ['garbage', 'gone', 'busy', 'mid-chunk', 'no answer'])
            equal(len(good.messages), 4)
