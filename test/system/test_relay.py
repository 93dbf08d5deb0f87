"""Mail for elsewhere: the relay may lack extensions, be away, or report itself (S-2, S-4, S-6, S-7, D5)."""
import re
import socket
import tempfile
import time

from lib.check import contains, equal, eventually, limetta_only, message, true
from lib.servers import PASSWORD, make_certificate
from lib.sink import Sink
from lib.wire import open_imap, open_smtp


def relayed_by(sink):
    return {'relay_host': '127.0.0.1', 'relay_port': sink.port, 'relay_tls': 'off'}


def submit(s, octets, to, mail='', rcpt='', sender='alice@localhost', is_binary=False):
    c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
    c.command(f'MAIL FROM:<{sender}>{mail}')
    for address in to:
        c.command(f'RCPT TO:<{address}>{rcpt}')
    if is_binary:
        c.send(b'BDAT %d LAST\r\n' % len(octets) + octets)
    else:
        c.command('DATA')
        c.send(octets + b'.\r\n')
    c.reply()
    c.close()


def inbox(s, user):
    c = open_imap(s, user, PASSWORD)
    is_empty = b'* 0 EXISTS' in b''.join(c.command('EXAMINE INBOX'))
    lines = [] if is_empty else c.command('FETCH 1:* BODY.PEEK[]')
    c.close()
    return b''.join(lines)


UTF8 = ('Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n'
        'Content-Transfer-Encoding: 8bit\r\n\r\ngrün\r\n').encode()


@limetta_only
def test_relay_without_extensions(make):
    """A relay that knows nothing gets seven bits (RFC 6152, 3)."""
    with Sink(extensions=()) as relay, make(config=relayed_by(relay)) as s:
        submit(s, UTF8, ['carol@relayed.example'], ' BODY=8BITMIME')
        got = relay.wait(1)[0][2]
        contains(got, b'Content-Transfer-Encoding: quoted-printable\r\n')
        contains(got, b'gr=C3=BCn')
        true(max(got) < 128, 'only seven bits')


@limetta_only
def test_binary_content(make):
    """BINARYMIME to a relay without it arrives as base64, octet for octet (RFC 3030, 3)."""
    import base64
    data = bytes(range(256)) * 10
    head = (b'Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n'
            b'Content-Transfer-Encoding: binary\r\n\r\n')
    with Sink() as relay, make(config=relayed_by(relay)) as s:
        submit(s, head + data, ['carol@relayed.example', 'bob@localhost'], ' BODY=BINARYMIME', is_binary=True)
        got = relay.wait(1)[0][2]
        contains(got, b'Content-Transfer-Encoding: base64\r\n')
        equal(base64.b64decode(got.split(b'\r\n\r\n', 1)[1]), data)


@limetta_only
def test_nothing_smuggled(make):
    """A line end that is none stays inside the message, here and at the relay."""
    with Sink() as relay, make(config=relayed_by(relay)) as s:
        inner = b'\n.\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<y@z>\r\nDATA\r\nSubject: smuggled\r\n\r\n\r.\r\nend\r\n'
        submit(s, b'Subject: outer\r\n\r\nbody' + inner, ['carol@relayed.example'])
        submit(s, message('second'), ['carol@relayed.example'])
        got = relay.wait(2)
        time.sleep(0.3)
        equal(len(relay.messages), 2)
        first = got[0][2] if b'outer' in got[0][2] else got[1][2]
        contains(first, b'Subject: smuggled')
        contains(first, b'end\r\n')


@limetta_only
def test_dsn_is_passed_on(make):
    """A relay with DSN gets what the sender asked for, and reports itself (RFC 3461, 5.2.2)."""
    with Sink(extensions=('DSN', 'SIZE')) as relay, make(config=relayed_by(relay)) as s:
        submit(s, message('asked'), ['carol@relayed.example'], ' RET=HDRS ENVID=QQ+2B1',
               ' NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;carol@relayed.example')
        sender, recipients, _ = relay.wait(1)[0]
        contains(sender, 'RET=HDRS ENVID=QQ+2B1')
        contains(recipients[0], 'NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;carol@relayed.example')
        time.sleep(0.5)
        true(b'delivery-status' not in inbox(s, 'alice'), 'no report of ours')


@limetta_only
def test_dsn_is_ours(make):
    """A relay without DSN: the sender hears that the message was relayed; of a mailbox here, that it was delivered."""
    with Sink() as relay, make(config=relayed_by(relay)) as s:
        submit(s, message('asked'), ['carol@relayed.example', 'bob@localhost'], ' ENVID=QQ1', ' NOTIFY=SUCCESS')
        relay.wait(1)
        both = (b'Action: relayed', b'Action: delivered')
        eventually(lambda: all(a in inbox(s, 'alice') for a in both), 'two reports')
        got = inbox(s, 'alice')
        contains(got, b'Original-Envelope-Id: QQ1')
        contains(got, b'Final-Recipient: rfc822; carol@relayed.example')
        contains(got, b'Content-Type: text/rfc822-headers')
        contains(got, b'Return-Path: <>')


@limetta_only
def test_relay_is_away(make):
    """Mail waits in the queue while the relay is away, over a restart, and goes when it is back."""
    with socket.socket() as nobody:
        nobody.bind(('127.0.0.1', 0))
        port = nobody.getsockname()[1]
        with make(config={'relay_host': '127.0.0.1', 'relay_port': port, 'relay_tls': 'off'}) as s:
            submit(s, message('patient'), ['carol@relayed.example'])
            eventually(lambda: re.search(r'waits: 451 4.4.1', s.log()), 'a first attempt')
            s.shut_down()
            s.start()
            nobody.close()
            with Sink(port=port) as relay:
                contains(relay.wait(1, 60)[0][2], b'Subject: patient')


@limetta_only
def test_no_password_without_tls(make):
    """A relay that offers no STARTTLS, or offers it and then refuses, is told no password and gets no mail, also where TLS is merely "offered": the mail
    waits, the log says why, and it goes when TLS is there (D5)."""
    offer = ('SIZE 100000000', 'AUTH PLAIN LOGIN')
    with tempfile.TemporaryDirectory() as folder:
        identity = make_certificate(folder)
        for relay_tls in ('required', 'offered'):
            with Sink(offer, identity=identity) as relay, make(config={
                    'relay_host': '127.0.0.1', 'relay_port': relay.port, 'relay_tls': relay_tls, 'relay_user': 'alice',
                    'relay_password': 'relay secret', 'tls_anchors': identity[0]}) as s:
                tls, relay.tls = relay.tls, None
                submit(s, message('private'), ['carol@relayed.example'])
                eventually(lambda: 'waits: 454 4.7.0 TLS not available' in s.log() or relay.messages, 'a first attempt')
                relay.extensions = (*offer, 'STARTTLS')  # and does not know the word
                s.run('queue', 'flush', '--all', '--config', s.config)
                eventually(lambda: s.log().count('waits: ') == 2 or relay.messages, 'a second one')
                equal(set(relay.verbs) - {b'QUIT', b''}, {b'EHLO', b'STARTTLS'}, f'said without TLS, relay_tls = {relay_tls}')
                contains(s.run('queue', 'list', '--config', s.config).stdout.decode(), 'carol@relayed.example')
                relay.extensions, relay.tls = offer, tls
                s.run('queue', 'flush', '--all', '--config', s.config)
                contains(relay.wait(1)[0][2], b'Subject: private')
                equal((relay.encrypted, relay.verbs.count(b'AUTH')), ([True], 1), 'with TLS, after a login')
