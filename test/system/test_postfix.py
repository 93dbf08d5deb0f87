"""Debian's Postfix as the relay (S-2, S-4, S-6, S-7): TLS with a certificate that must be trusted, a login, CHUNKING, reports
through it and back, and a relay that is away for a while."""
import base64
import contextlib
import os
import re

from lib.check import contains, equal, eventually, limetta_only, matches, message, true
from lib.postfix import Postfix
from lib.servers import PASSWORD, free_offset
from lib.sink import Sink
from lib.wire import open_imap, open_smtp

IS_LONG = True

LOGIN = ('limetta', 'relay secret')


def relayed_by(relay):
    return {'relay_host': 'localhost', 'relay_port': relay.port, 'relay_user': LOGIN[0], 'relay_password': LOGIN[1]}


@contextlib.contextmanager
def trusting(cert):
    """The certificate that the system trusts, for programs started inside."""
    os.environ['SSL_CERT_FILE'] = cert
    try:
        yield
    finally:
        del os.environ['SSL_CERT_FILE']


def submit(s, octets, to, mail='', rcpt='', is_binary=False):
    c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
    c.command(f'MAIL FROM:<alice@localhost>{mail}')
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


def find(sink, subject):
    return [m for m in sink.messages if b'Subject: ' + subject in m[2]]


def check_content(s, sink):
    """8-bit text passes as it is, in one chunk; binary content arrives as base64; stray line ends are content."""
    text = message('eight', 'grün\r\n.\r\n..\r\nend', more='MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n'
                   'Content-Transfer-Encoding: 8bit\r\n')
    data = bytes(range(256)) * 500
    binary = message('binary', more='MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n'
                     'Content-Transfer-Encoding: binary\r\n').split(b'\r\n\r\n')[0] + b'\r\n\r\n' + data
    stray = b'Subject: stray\r\n\r\nbody\n.\r\nMAIL FROM:<evil@x.example>\r\n\r.\r\nend\r\n'
    submit(s, text, ['carol@relayed.example'], ' BODY=8BITMIME', is_binary=True)
    submit(s, binary, ['carol@relayed.example'], ' BODY=BINARYMIME', is_binary=True)
    submit(s, stray, ['carol@relayed.example'], is_binary=True)
    eventually(lambda: len(sink.messages) >= 3, 'all three arrive')
    contains(find(sink, b'eight')[0][2], 'grün\r\n.\r\n..\r\nend'.encode())
    got = find(sink, b'binary')[0][2]
    contains(got, b'Content-Transfer-Encoding: base64\r\n')
    equal(base64.b64decode(got.split(b'\r\n\r\n', 1)[1]), data)
    contains(find(sink, b'stray')[0][2], b'end\r\n')
    equal(len(sink.messages), 3)


@limetta_only
def test_postfix(make):
    if os.getuid() != 0:
        print('Postfix starts as root only')
        return
    back = free_offset()
    sink_extensions = ('8BITMIME', 'SIZE 100000000', 'PIPELINING', 'ENHANCEDSTATUSCODES')
    with Sink(extensions=sink_extensions) as sink, \
            Postfix({'relayed.example': sink.port, 'localhost': back + 587}, (back + 587, 'bob', PASSWORD), LOGIN) as relay:
        relay.start()
        with make(config=relayed_by(relay), offset=back) as s:
            submit(s, message('careful'), ['carol@relayed.example'])
            eventually(lambda: 'waits: 454 4.7.0' in s.log(), 'a certificate that nobody knows')
            s.shut_down()
            relay.stop()
            with trusting(relay.cert):
                s.start()
            submit(s, message('patient'), ['carol@relayed.example'])
            eventually(lambda: re.search(r'relay waits for .*451 4.4.1', s.log()), 'nobody is there')
            equal(sink.messages, [])
            relay.start()
            eventually(lambda: find(sink, b'careful') and find(sink, b'patient'), 'the queue tries again', 50)
            sink.messages.clear()
            heard = relay.log()
            matches(heard, r'client=localhost\[127.0.0.1\], sasl_method=PLAIN, sasl_username=limetta')
            matches(heard, r'< localhost\[127.0.0.1\]: BDAT \d+ LAST')
            check_content(s, sink)

            # Reports: one of Postfix, for what it was asked to report, and one of ours, for what it refused.
            submit(s, message('asked'), ['carol@relayed.example'], ' RET=HDRS ENVID=QQ+2B1',
                   ' NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Carol+2Bx@relayed.example')
            submit(s, message('refused'), ['carol@relayed.example', 'nobody@relayed.example'], ' ENVID=QQ2')
            eventually(lambda: inbox(s, 'alice').count(b'Content-Type: message/delivery-status') == 2, 'two reports', 30)
            got = inbox(s, 'alice')
            contains(got, b'Reporting-MTA: dns; relay.example')
            contains(got, b'Original-Envelope-Id: QQ+1')
            contains(got, b'Original-Recipient: rfc822;Carol+x@relayed.example')
            contains(got, b'Action: relayed')
            contains(got, b'Original-Envelope-Id: QQ2')
            contains(got, b'Final-Recipient: rfc822; nobody@relayed.example\r\nAction: failed\r\nStatus: 5.7.1')
            equal(got.count(b'Return-Path: <>'), 2)
            true(find(sink, b'refused'), 'the other recipient has it')
