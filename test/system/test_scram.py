"""SCRAM through the whole path, edge and auth: with a client of its own (RFC 5802, RFC 7677, tls-unique of RFC 5929), and with GNU
SASL's client (tls-exporter of RFC 9266). M-22, D31, D42."""
import base64
import hashlib
import hmac
import os
import ssl

from lib.check import contains, equal, limetta_only, run, true
from lib.servers import PASSWORD
from lib.wire import Imap, Smtp, context_for

TLS12 = ssl.TLSVersion.TLSv1_2


class Scram:
    """The client's messages. gs2: the header; binding: the channel's octets."""

    def __init__(self, user, password, gs2='n,,', binding=b''):
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.password, self.gs2, self.binding = password, gs2, binding
        self.bare = f'n={user},r={self.nonce}'
        self.first = gs2 + self.bare

    def final(self, server_first):
        fields = dict(f.split('=', 1) for f in server_first.split(','))
        true(fields['r'].startswith(self.nonce) and len(fields['r']) > len(self.nonce), 'the nonce goes on')
        true(int(fields['i']) >= 4096, 'RFC 7677: at least 4096 iterations')
        salted = hashlib.pbkdf2_hmac('sha256', self.password.encode(), base64.b64decode(fields['s']), int(fields['i']))
        client_key = hmac.digest(salted, b'Client Key', 'sha256')
        bound = base64.b64encode(self.gs2.encode() + self.binding).decode()
        without_proof = f'c={bound},r={fields["r"]}'
        auth = f'{self.bare},{server_first},{without_proof}'.encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), auth, 'sha256')
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        server_key = hmac.digest(salted, b'Server Key', 'sha256')
        self.wanted = 'v=' + base64.b64encode(hmac.digest(server_key, auth, 'sha256')).decode()
        return f'{without_proof},p={base64.b64encode(proof).decode()}'


def encode(text):
    return base64.b64encode(text.encode()).decode()


def imap_scram(c, mechanism, scram, has_initial=True):
    """The tagged answer; checks the server's own proof on the way."""
    c.send(f'x AUTHENTICATE {mechanism}{" " + encode(scram.first) if has_initial else ""}\r\n'.encode())
    line = c.response()
    if not has_initial and line.startswith(b'+'):
        c.send(encode(scram.first).encode() + b'\r\n')
        line = c.response()
    while line.startswith(b'+'):
        said = base64.b64decode(line[2:].strip()).decode()
        if said.startswith('v='):
            equal(said, scram.wanted, 'the server knows the password, too')
            c.send(b'\r\n')
        else:
            c.send(encode(scram.final(said)).encode() + b'\r\n')
        line = c.response()
    while not line.startswith(b'x '):
        line = c.response()
    return line


def connect(server, is_tls=True, version=None):
    c = Imap(server.host, server.imap_port)
    if is_tls:
        c.command('STARTTLS')
        context = context_for(server.cert)
        if version:
            context.maximum_version = version
        c.start_tls(context)
    return c


@limetta_only
def test_imap(make):
    with make() as s:
        for is_tls in (False, True):
            for has_initial in (True, False):
                c = connect(s, is_tls)
                contains(imap_scram(c, 'SCRAM-SHA-256', Scram('alice', PASSWORD), has_initial), b'OK')
                c.command('SELECT INBOX')
                c.close()
        for user, password in (('alice', 'wrong'), ('nobody', PASSWORD)):
            c = connect(s)
            contains(imap_scram(c, 'SCRAM-SHA-256', Scram(user, password)), b'NO [AUTHENTICATIONFAILED]')
            c.close()
        c = connect(s)
        contains(imap_scram(c, 'SCRAM-SHA-256', Scram('alice', PASSWORD, gs2='n,a=bob,')), b'NO [AUTHORIZATIONFAILED]')
        c.close()


@limetta_only
def test_channel_binding(make):
    """-PLUS succeeds with this channel's octets, and with no others; a client that was told that we cannot bind is refused."""
    with make() as s:
        c = connect(s, version=TLS12)
        contains(b''.join(c.command('CAPABILITY')), b'AUTH=SCRAM-SHA-256-PLUS')
        binding = c.tls.get_channel_binding('tls-unique')
        contains(imap_scram(c, 'SCRAM-SHA-256-PLUS', Scram('alice', PASSWORD, 'p=tls-unique,,', binding)), b'OK')
        c.close()
        c = connect(s, version=TLS12)
        contains(imap_scram(c, 'SCRAM-SHA-256-PLUS', Scram('alice', PASSWORD, 'p=tls-unique,,', binding)), b'NO [AUTHENTICATIONFAILED]')
        c.close()
        c = connect(s)
        contains(imap_scram(c, 'SCRAM-SHA-256', Scram('alice', PASSWORD, 'y,,')), b'NO [AUTHENTICATIONFAILED]')
        c.close()
        c = connect(s, is_tls=False)
        true(b'-PLUS' not in b''.join(c.command('CAPABILITY')), 'no -PLUS without a channel')
        contains(imap_scram(c, 'SCRAM-SHA-256-PLUS', Scram('alice', PASSWORD, 'p=tls-unique,,', binding)), b'NO')
        c.close()


@limetta_only
def test_submission(make):
    with make() as s:
        c = Smtp(s.host, s.submission_port)
        c.command('EHLO phone.example')
        c.command('STARTTLS')
        c.start_tls(context_for(s.cert))
        c.command('EHLO phone.example')
        scram = Scram('alice', PASSWORD)
        reply = c.command(f'AUTH SCRAM-SHA-256 {encode(scram.first)}')[-1]
        equal(reply[:3], '334')
        reply = c.command(encode(scram.final(base64.b64decode(reply[4:]).decode())))[-1]
        if reply[:3] == '334':
            equal(base64.b64decode(reply[4:]).decode(), scram.wanted)
            reply = c.command('')[-1]
        equal(reply[:3], '235')
        c.command('MAIL FROM:<alice@localhost>')
        c.close()


@limetta_only
def test_gnu_sasl(make):
    """Another implementation's client; over TLS 1.3 it binds by tls-exporter."""
    with make() as s:
        for mechanism, more in (('SCRAM-SHA-256-PLUS', []), ('SCRAM-SHA-256', ['--no-cb']), ('PLAIN', [])):
            out = run(['gsasl', '--imap', '--starttls', f'--x509-ca-file={s.cert}', '--mechanism', mechanism, '--authentication-id=alice',
                       f'--password={PASSWORD}', *more, 'localhost', str(s.imap_port)], timeout_s=120)
            contains(out, b'Client authentication finished', f'{mechanism}: {out[-600:]}')
