"""A day of submission, by what people use: two sites, Postfix between them, a phone that forwards without download, mbsync, msmtp, swaks,
s-nail, Python; the reports come back, and at the end both queues are empty (S-5, S-6, S-7, S-9, S-16, X-FUTURERELEASE, X-LMTP)."""
import email
import email.policy
import os
import re
import smtplib
import tempfile
import time

from lib.check import contains, equal, eventually, limetta_only, matches, run, true
from lib.clients import mbsync_config
from lib.servers import PASSWORD
from lib.wire import Imap, context_for, open_imap, open_smtp, plain
from test_submitters import DATA, TEXT, compose
from test_two_sites import inbox, reports, two_sites


def report_of(s, envid, *words):
    return eventually(lambda: reports(s, 'alice', b'Original-Envelope-Id: ' + envid, *words), f'a report of {envid}: {words}', 60)


class Phone:
    """Alice's: one session in IDLE all day, another for what she does."""

    def __init__(self, server):
        self.server = server
        self.idle = open_imap(server, 'alice', PASSWORD, is_tls=True)
        self.idle.command('SELECT INBOX')
        self.idle.send(b'i IDLE\r\n')
        self.idle.read_line()
        self.c = open_imap(server, 'alice', PASSWORD, is_tls=True)
        self.c.command('SELECT INBOX')

    def wait_for_mail(self):
        while b' EXISTS' not in self.idle.response():
            pass
        self.c.command('NOOP')

    def sign(self, path, access='submit+alice', expire=''):
        rump = f'imap://alice@alpha.example/{path}{expire};URLAUTH={access}'
        return matches(self.c.command(f'GENURLAUTH "{rump}" INTERNAL')[0], rb'GENURLAUTH "?([^"\r\n]+)').group(1).decode()

    def forward(self, number, to, envid):
        """The attachment of a message, with words of hers: to the others by BURL, and to Sent by CATENATE, never through the air."""
        before = self.c.on_wire.total
        answer = self.c.command(f'FETCH {number} (UID BODYSTRUCTURE)')[0]
        uid = int(matches(answer, rb'UID (\d+)').group(1))
        contains(answer.lower(), b'"application" "octet-stream"')
        part = self.sign(f'INBOX/;UID={uid}/;SECTION=2')
        mime = self.sign(f'INBOX/;UID={uid}/;SECTION=2.MIME')
        head = (f'From: Alice <alice@alpha.example>\r\nTo: {", ".join(to)}\r\nSubject: Fwd: {envid}\r\nMIME-Version: 1.0\r\n'
                'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n'
                'Content-Transfer-Encoding: 8bit\r\n\r\nSchau, grün!\r\n--b\r\n').encode()
        tail = b'\r\n--b--\r\n'
        kept = self.c.command(b'APPEND Sent (\\Seen) CATENATE (TEXT {%d+}\r\n%s URL "/INBOX/;UID=%d/;SECTION=2.MIME" URL "/INBOX/;UID=%d/;SECTION=2" '
                              b'TEXT {%d+}\r\n%s)' % (len(head), head, uid, uid, len(tail), tail))
        matches(kept[-1], rb'APPENDUID')
        m = open_smtp(self.server, is_tls=True)
        m.send((f'AUTH PLAIN {plain("alice", PASSWORD)}\r\nMAIL FROM:<alice@alpha.example> BODY=8BITMIME RET=HDRS ENVID={envid}\r\n'
                + ''.join(f'RCPT TO:<{a}> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;{a}\r\n' for a in to)
                + f'BDAT {len(head)}\r\n').encode() + head + f'BURL {mime}\r\nBURL {part}\r\nBDAT {len(tail)} LAST\r\n'.encode() + tail
               + b'QUIT\r\n')
        replies = [m.reply(must_be_ok=False)[-1] for _ in range(7 + len(to))]
        equal([r[:3] for r in replies], ['235'] + ['250'] * (5 + len(to)) + ['221'], replies)
        m.close()
        return self.c.on_wire.total - before + m.on_wire.total


def attachments(octets):
    m = email.message_from_bytes(octets[octets.index(b'\r\n') + 2:-3], policy=email.policy.default)
    return [a.get_content() for a in m.iter_attachments()]


def find(s, user, subject):
    return [m for m in inbox(s, user) if b'Subject: ' + subject in m]


def send_by_msmtp(s, folder, octets, user, domain, to):
    conf = os.path.join(folder, 'msmtprc')
    with open(conf, 'w') as f:
        f.write(f'account default\nhost localhost\nport {s.submission_port}\ntls on\ntls_starttls on\ntls_trust_file {s.cert}\nauth plain\n'
                f'user {user}\npassword "{PASSWORD}"\nfrom {user}@{domain}\ndomain phone.example\n')
    os.chmod(conf, 0o600)
    run(['msmtp', '-C', conf, '--dsn-notify=success,failure', '--', *to], octets)


def check_queue_is_empty(s):
    def is_empty():
        return b'@' not in s.run('queue', 'list').stdout
    eventually(is_empty, 'the queue is empty', 60)


@limetta_only
def test_day(make):
    with two_sites(make) as (a, b, relay), tempfile.TemporaryDirectory() as folder:
        a.add_user('dora')
        phone = Phone(a)
        # In the morning bob sends a large picture from his desk; the phone hears of it.
        send_by_msmtp(b, folder, compose('the picture', 'bob@beta.example', 'alice@alpha.example'), 'bob', 'beta.example',
                      ['alice@alpha.example'])
        phone.wait_for_mail()
        equal(attachments(inbox(a, 'alice')[0]), [DATA])
        eventually(lambda: reports(b, 'bob', b'Action: relayed'), 'bob hears that it has arrived')

        # She forwards it to a colleague, to bob, and to somebody who does not exist: a few KB for 3 MB, twice over.
        cost = phone.forward(1, ['dora@alpha.example', 'carol@beta.example', 'nobody@beta.example'], 'fwd-1')
        true(cost < 24_000, f'the phone paid {cost} octets for {len(DATA)}')
        phone.wait_for_mail()
        contains(report_of(a, b'fwd-1', b'Final-Recipient: rfc822; dora@alpha.example\r\n')[0], b'Action: delivered\r\n')
        contains(report_of(a, b'fwd-1', b'Final-Recipient: rfc822; carol@beta.example\r\n')[0], b'Action: relayed\r\n')
        contains(report_of(a, b'fwd-1', b'Action: failed')[0], b'Final-Recipient: rfc822; nobody@beta.example\r\n')
        for site, user in ((a, 'dora'), (b, 'carol')):
            got = eventually(lambda: find(site, user, b'Fwd: fwd-1'), f'{user} has it')[0]
            equal(attachments(got), [DATA])
            contains(got, 'Schau, grün!'.encode())
        equal(attachments(inbox(a, 'alice', 'Sent')[0]), [DATA])

        # At noon beta is down, and dora writes to both; carol's mailbox at home is synchronised when all is back.
        b.shut_down()
        run(['swaks', '--server', a.host, '--port', str(a.submission_port), '--tls', '--auth', 'PLAIN', '--auth-user', 'dora', '--auth-password',
             PASSWORD, '--from', 'dora@alpha.example', '--to', 'carol@beta.example,alice@alpha.example', '--header', 'Subject: noon',
             '--body', TEXT, '--timeout', '20'])
        eventually(lambda: find(a, 'alice', b'noon'), 'who is here has it')
        b.start()
        eventually(lambda: find(b, 'carol', b'noon'), 'who was away has it', 60)
        mail = os.path.join(folder, 'mail')
        os.mkdir(mail)
        config = os.path.join(folder, 'mbsyncrc')
        with open(config, 'w') as f:
            f.write(mbsync_config(b, mail).replace('User alice', 'User carol'))
        run(['mbsync', '-c', config, '-a'], env={**os.environ, 'HOME': folder})
        texts = [open(os.path.join(where, n), 'rb').read() for where, _, names in os.walk(os.path.join(mail, 'Inbox')) for n in names]
        true(any(b'Subject: Fwd: fwd-1' in t for t in texts) and any(b'Subject: noon' in t for t in texts), 'synchronised')

        # Alice has something sent later; a URL is hers alone, and not for ever.
        with smtplib.SMTP(a.host, a.submission_port, local_hostname='desk.example', timeout=120) as m:
            m.starttls(context=context_for(a.cert))
            m.login('alice', PASSWORD)
            asked = time.monotonic()
            m.sendmail('alice@alpha.example', ['bob@beta.example'], compose('later', 'alice@alpha.example', 'bob@beta.example'),
                       mail_options=['HOLDFOR=4', 'BODY=8BITMIME'])
        true(not find(b, 'bob', b'later') or time.monotonic() - asked >= 4, 'not yet')
        eventually(lambda: find(b, 'bob', b'later'), 'later', 60)
        true(time.monotonic() - asked >= 4, 'not before its time')
        uid = int(matches(phone.c.command('FETCH 1 UID')[0], rb'UID (\d+)').group(1))
        for user, url, code in (('dora', phone.sign(f'INBOX/;UID={uid}'), '554 5.7.0'),
                                ('alice', phone.sign(f'INBOX/;UID={uid}', expire=';EXPIRE=2020-01-01T00:00:00Z'), '554 5.6.6')):
            c = open_smtp(a, user, PASSWORD, is_tls=True)
            c.command(f'MAIL FROM:<{user}@alpha.example>')
            c.command('RCPT TO:<bob@beta.example>')
            contains(c.command(f'BURL {url} LAST', must_be_ok=False)[-1], code)
            c.close()

        # In the evening all is said: no message waits, none came twice.
        for site in (a, b):
            check_queue_is_empty(site)
        equal(len(find(b, 'carol', b'noon')), 1)
        equal(len(find(b, 'carol', b'Fwd: fwd-1')), 1)
        equal(len(reports(a, 'alice', b'fwd-1')), 3)
