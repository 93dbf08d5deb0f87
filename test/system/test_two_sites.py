"""Two sites with a Postfix (Debian) between them, as front and as relay of both (S-2, S-7, X-LMTP): what users of one submit
goes to the relay, and comes to the other by LMTP; so do the reports."""
import contextlib
import os
import re
import tempfile

from lib.check import contains, equal, eventually, limetta_only, message, true
from lib.postfix import Postfix
from lib.servers import PASSWORD, free_offset
from lib.wire import open_imap, open_smtp

LINE = b'x' * 70 + b'\r\n'
LOGIN = ('limetta', 'relay secret')
FRONT = '''
transport_maps = inline:{{ alpha.example=lmtp:inet:127.0.0.1:{alpha}, beta.example=lmtp:unix:{beta} }}
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
lmtp_send_xforward_command = no
'''


@contextlib.contextmanager
def trusting(cert):
    """The certificate that the system trusts, for programs started inside."""
    os.environ['SSL_CERT_FILE'] = cert
    try:
        yield
    finally:
        del os.environ['SSL_CERT_FILE']


@contextlib.contextmanager
def two_sites(make, **more):
    """alpha.example with alice, beta.example with bob, the Postfix between them. Beta is reached by its Unix socket."""
    if os.getuid() != 0:
        from lib.check import Skip
        raise Skip('Postfix starts as root only')
    ports = free_offset(), free_offset()
    with tempfile.TemporaryDirectory(prefix='limetta-lmtp-') as folder:
        os.chmod(folder, 0o777)
        socket = os.path.join(folder, 'lmtp')
        with Postfix({}, login=LOGIN, more=FRONT.format(alpha=24 + ports[0], beta=socket)) as relay, trusting(relay.cert):
            relay.start()
            config = {'relay_host': 'localhost', 'relay_port': relay.port, 'relay_user': LOGIN[0], 'relay_password': LOGIN[1]}
            with make(users=('alice',), offset=ports[0], config={**config, 'domains': 'alpha.example', 'hostname': 'alpha.example'}) as a, \
                    make(users=('bob', 'carol'), offset=ports[1],
                         config={**config, 'domains': 'beta.example', 'hostname': 'beta.example', 'lmtp_socket': socket,
                                 'lmtp_socket_mode': '0666', **more}) as b:
                yield a, b, relay


def submit(s, user, octets, to, mail='', rcpt='', is_chunk=False):
    domain = to[0].split('@')[1].replace('beta', 'alpha') if user == 'alice' else 'beta.example'
    c = open_smtp(s, user, PASSWORD, is_tls=True)
    c.command(f'MAIL FROM:<{user}@{domain}>{mail}')
    for address in to:
        c.command(f'RCPT TO:<{address}>{rcpt}')
    if is_chunk:
        c.send(b'BDAT %d LAST\r\n' % len(octets) + octets)
    else:
        c.command('DATA')
        c.send(octets + b'.\r\n')
    c.reply()
    c.close()


def inbox(s, user, mailbox='INBOX'):
    """The messages, as octets."""
    c = open_imap(s, user, PASSWORD)
    is_empty = b'* 0 EXISTS' in b''.join(c.command(f'EXAMINE {mailbox}'))
    lines = [] if is_empty else c.command('FETCH 1:* BODY.PEEK[]')[:-1]
    c.close()
    return lines


def reports(s, user, *words):
    return [m for m in inbox(s, user) if b'Content-Type: message/delivery-status' in m and all(w in m for w in words)]


def mail(subject, body, sender='alice@alpha.example', to='bob@beta.example'):
    return message(subject, body, sender, to, 'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n'
                   'Content-Transfer-Encoding: 8bit\r\n')


@limetta_only
def test_round_trip(make):
    """There and back, with reports that were asked for; what either site does not take comes back as a report of Postfix."""
    with two_sites(make) as (a, b, relay):
        submit(a, 'alice', mail('there', 'grün\r\n.\r\n..x'), ['bob@beta.example'], ' BODY=8BITMIME RET=HDRS ENVID=there-1',
               ' NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob+2Bx@beta.example', is_chunk=True)
        got = eventually(lambda: inbox(b, 'bob'), 'it is there')[0]
        contains(got, b'Subject: there\r\n')
        contains(got, 'grün\r\n.\r\n..x\r\n'.encode())
        contains(got, b'Return-Path: <alice@alpha.example>\r\n')
        equal(re.findall(rb'\tby (\S+) (?:\(Postfix\) )?with (\S+)', got),
              [(b'beta.example', b'LMTP'), (b'relay.example', b'ESMTPSA'), (b'alpha.example', b'ESMTPSA')])
        report = eventually(lambda: reports(a, 'alice', b'Action: relayed'), 'a report')[0]
        contains(report, b'Reporting-MTA: dns; relay.example\r\n')
        contains(report, b'Original-Envelope-Id: there-1\r\n')
        contains(report, b'Original-Recipient: rfc822;bob+x@beta.example\r\n')
        contains(report, b'Return-Path: <>\r\n')

        submit(b, 'bob', mail('and back', LINE.decode() * 40000, 'bob@beta.example', 'alice@alpha.example'), ['alice@alpha.example'],
               ' ENVID=back-1', ' NOTIFY=SUCCESS')
        eventually(lambda: any(b'Subject: and back' in m and m.count(LINE) == 40000 for m in inbox(a, 'alice')), 'back')
        eventually(lambda: reports(b, 'bob', b'Original-Envelope-Id: back-1', b'Action: relayed'), 'a report of that')

        submit(a, 'alice', mail('failing', 'x'), ['nobody@beta.example', 'bob@beta.example', 'carol+lists@beta.example'], ' ENVID=fail-1')
        report = eventually(lambda: reports(a, 'alice', b'Original-Envelope-Id: fail-1'), 'a failure is told')[0]
        contains(report, b'Final-Recipient: rfc822; nobody@beta.example\r\n')
        contains(report, b'Action: failed\r\nStatus: 5.1.1\r\n')
        true(b'bob@beta.example' not in report.split(b'message/delivery-status')[1].split(b'\r\n--')[0], 'only of that one')
        eventually(lambda: len(inbox(b, 'bob')) == 3, 'the others have it')
        contains(eventually(lambda: inbox(b, 'carol'), 'she, too')[0], b'Delivered-To: carol+lists@beta.example\r\n')
        contains(relay.log(), 'BDAT')
        equal(len(inbox(b, 'bob')), 3)


@limetta_only
def test_other_site_is_away(make):
    """What Postfix took waits there while beta is down, and comes once; a mailbox that is full is told of."""
    with two_sites(make, quota_messages=1) as (a, b, relay):
        b.shut_down()
        submit(a, 'alice', mail('patient', 'x'), ['bob@beta.example'])
        eventually(lambda: re.search(r'to=<bob@beta.example>.*status=deferred', relay.log()), 'Postfix tries')
        b.start()
        eventually(lambda: [b'Subject: patient' in m for m in inbox(b, 'bob')] == [True], 'it comes', 60)
        submit(a, 'alice', mail('too much', 'x'), ['bob@beta.example'], ' ENVID=full-1')
        eventually(lambda: reports(a, 'alice', b'Original-Envelope-Id: full-1', b'Action: failed\r\nStatus: 5.2.2'), 'the full mailbox')
        equal(len(inbox(b, 'bob')), 1)
