#!/usr/bin/env python3
"""One phone's whole day, and what it costs. usage: test/system/phone_day.py [--count N] [--transcript FILE]

Imports mail that real software wrote, then is a phone: connects with STARTTLS, resynchronises, idles, hears of mail that another
device sends, forwards its 5 MB attachment to a local and to a relayed recipient without downloading it (RFC 5550, section 8;
RFC 4467, 4468, 4469), loses its connection, and comes back after another device made changes in a mailbox of --count messages.

Prints octets (on the socket, and of the protocols inside TLS) and round trips of each step and asserts the bounds; --transcript also writes the
conversation as a page. Covers M-1 M-5 M-9 M-10 M-11 M-17 M-18 M-21 M-22 M-23 M-24 M-25 M-26 M-29, S-1 S-3 S-5 S-9 S-12 S-15 S-16,
D6 D11 D37, U-7 U-8 U-9.
"""
import argparse
import base64
import hashlib
import os
import random
import re
import smtplib
import ssl
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import corpus  # noqa: E402
from lib.check import contains, equal, eventually, matches, message, true  # noqa: E402
from lib.servers import PASSWORD, Limetta  # noqa: E402
from lib.sink import Sink  # noqa: E402
from lib.wire import Cost, Imap, Smtp, context_for, open_imap, plain  # noqa: E402

FORWARD_OCTETS, RESYNC_OCTETS, RESYNC_TRIPS = 4096, 2048, 4
ATTACHMENT = 5_000_000
HOST = 'm.test'  # what the server calls itself
OP_TLSEXT_PADDING = 0x10  # of OpenSSL; Python has no name for it


class Day:
    """Steps with their costs, and what was said."""

    def __init__(self):
        self.steps, self.page = [], []

    def begin(self, title):
        self.page.append(('step', title))

    def end(self, cost, inside, note=''):
        """cost: on the socket; inside: of the protocols, without TLS."""
        title = [t for k, t in self.page if k == 'step'][-1]
        cost, inside = cost - Cost(), inside - Cost()  # copies: the connections live on
        self.steps.append((title, cost, inside, note))
        text = f'{cost}; without TLS {inside.sent} and {inside.received}' if cost.total else ''
        text += ('; ' if text and note else '') + note
        print(f'{title}: {text}', flush=True)
        self.page.append(('cost', text))

    def heard(self, *connections):
        """Takes over what connections said since the last call."""
        for c in connections:
            for who, octets in c.transcript:
                for line in octets.decode('utf-8', 'replace').split('\r\n'):
                    if line:
                        self.page.append((who, line))
            c.transcript.clear()

    def write(self, path, head):
        secret = re.compile(r'(AUTHENTICATE PLAIN |AUTH PLAIN )\S+')
        out = [head]
        is_open = False

        def fence(should_be_open):
            nonlocal is_open
            if should_be_open != is_open:
                out.append('```')
                is_open = should_be_open
        run, last = 0, None
        for kind, text in [*self.page, ('end', '')]:
            if kind in 'CS':
                text = re.sub(r':internal:(\S{8})[^\s"]*', r':internal:\1...', secret.sub(r'\1(credentials)', text))
                text = text if len(text) <= 160 else text[:150] + ' ...'
                fence(True)
                # Long runs of like lines (a listing of 20 messages) are cut.
                shape = kind + re.sub(r'\d+', '#', text)[:14]
                run = run + 1 if shape == last else 0
                last = shape
                if run == 4:
                    out.append(f'{kind}: ...')
                elif run < 4:
                    out.append(f'{kind}: {text}')
                continue
            fence(False)
            last = None
            if kind == 'step':
                out.append(f'\n## {text}\n')
            elif kind == 'cost':
                out.append(f'\n*{text}*')
            elif kind == 'note':
                out.append(f'\n{text}\n')
        out.append('\n## All in all\n\n| step | sent | received | without TLS: sent | received | round trips | |\n'
                   '|---|---|---|---|---|---|---|')
        for title, cost, inside, note in self.steps:
            if cost.total:
                out.append(f'| {title} | {cost.sent} | {cost.received} | {inside.sent} | {inside.received} | {cost.trips} | {note} |')
        with open(path, 'w') as f:
            f.write('\n'.join(out) + '\n')


class Phone:
    """Keeps TLS sessions, mailbox state and costs between connections, as a phone's mail program does."""

    def __init__(self, server, user):
        self.server, self.user = server, user
        self.context = context_for(server.cert)
        # A phone of today says a short hello: TLS 1.3 only, one group, no padding, and no session id for old middleboxes.
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.options &= ~(OP_TLSEXT_PADDING | ssl.OP_ENABLE_MIDDLEBOX_COMPAT)
        self.context.set_ecdh_curve('X25519')
        self.sessions = {}
        self.known = {}  # mailbox -> (uidvalidity, modseq)

    def connect_imap(self, *commands):
        """TCP, STARTTLS, and then all at once: log in, commands. Returns connection and responses."""
        c = Imap(self.server.host, self.server.imap_port, has_to_greet=False)
        c.transcript = []
        tag = c.next_tag()
        c.send(tag + b' STARTTLS\r\n')  # we know this server: no need to wait for its greeting
        c.greeting = c.response()
        c.until(tag)
        tags, lines = [], []
        for text in (f'AUTHENTICATE PLAIN {plain(self.user, PASSWORD)}', *commands):
            tags.append(c.next_tag())
            lines.append(tags[-1] + b' ' + text.encode() + b'\r\n')
        c.start_tls(self.context, session=self.sessions.get('imap'), with_finish=b''.join(lines))
        return c, [c.until(t) for t in tags]

    def connect_compressed(self, *commands):
        """The same with DEFLATE: nothing may follow COMPRESS before its OK (RFC 4978, 3), so commands cost a round trip more."""
        c, _ = self.connect_imap('COMPRESS DEFLATE')
        c.start_deflate()
        tags = [c.next_tag() for _ in commands]
        c.send(b''.join(tag + b' ' + text.encode() + b'\r\n' for tag, text in zip(tags, commands)))
        return c, [c.until(t) for t in tags]

    def keep_session(self, name, c):
        if c.tls.session:
            self.sessions[name] = c.tls.session

    def note(self, mailbox, lines):
        text = b''.join(lines)
        validity = int(matches(text, rb'UIDVALIDITY (\d+)').group(1)) if b'UIDVALIDITY' in text else self.known[mailbox][0]
        self.known[mailbox] = (validity, int(matches(text, rb'HIGHESTMODSEQ (\d+)').group(1)))

    def qresync(self, mailbox):
        return f'SELECT {mailbox} (QRESYNC ({self.known[mailbox][0]} {self.known[mailbox][1]}))'

    def submit(self, sender, recipients, *data, final):
        """One submission session; all behind TLS leaves in one segment (S-9). data: more lines; final: how it ends."""
        c = Smtp(self.server.host, self.server.submission_port)
        c.transcript = []
        c.command('STARTTLS')  # we know this server: no need to ask what it can do
        lines = ['EHLO phone.example', f'AUTH PLAIN {plain(self.user, PASSWORD)}', f'MAIL FROM:<{sender}>',
                 *(f'RCPT TO:<{r}>' for r in recipients), *data]
        octets = ''.join(l + '\r\n' for l in lines).encode() + final + b'QUIT\r\n'
        c.start_tls(self.context, session=self.sessions.get('submission'), with_finish=octets)
        replies = [c.reply() for _ in lines] + [c.reply() for _ in range(2)]
        self.keep_session('submission', c)
        c.close()
        return c, replies


def many_messages(server, user, mailbox, count):
    """A mailbox of count small messages, by copying."""
    c = open_imap(server, user, PASSWORD)
    c.settimeout(600)
    c.command('CREATE Seed')
    c.command(f'CREATE {mailbox}')
    for i in range(100):
        c.append('Seed', message(f'seed {i}', 'x' * 200))
    c.command('SELECT Seed')
    for _ in range(9):
        c.command('COPY 1:100 Seed')
    c.command('NOOP')
    left = count
    while left > 0:
        n = min(left, 1000)
        c.command(f'COPY 1:{n} {mailbox}')
        left -= n
    c.command('CLOSE')
    c.command('DELETE Seed')
    c.close()


def imported(day, server, folder):
    day.begin('A mailbox is imported')
    written = corpus.write_eml(folder)
    start = time.monotonic()
    server.run('import', '--user', 'alice', folder)
    elapsed = time.monotonic() - start
    c = open_imap(server, 'alice', PASSWORD)
    c.settimeout(120)
    exists = int(matches(b''.join(c.command('EXAMINE INBOX')), rb'\* (\d+) EXISTS').group(1))
    unique = {hashlib.sha256(o).digest() for o in written.values()}
    equal(exists, len(unique), 'messages imported (duplicates skipped)')
    # Every message is there, octet by octet (its line ends as IMAP has them); but BODY[] presents binary parts in base64 (RFC 3516).
    binary = re.compile(rb'\0|^Content-Transfer-Encoding: *binary', re.I | re.M)
    text = c.command('FETCH 1:* BODY.PEEK[]')
    have = {hashlib.sha256(r[r.index(b'}\r\n') + 3:][:int(matches(r, rb'\{(\d+)\}\r\n').group(1))].replace(b'\r\n', b'\n')).digest()
            if b'}\r\n' in r else b'' for r in text[:-1] if b' FETCH (' in r}
    missing = [p for p, o in written.items() if not binary.search(o) and hashlib.sha256(o.replace(b'\r\n', b'\n')).digest() not in have]
    equal(missing, [], 'imported messages that FETCH does not give back')
    # Structure and lists of all of them, whatever shape they are in.
    equal(len([l for l in c.command('FETCH 1:* (ENVELOPE BODYSTRUCTURE RFC822.SIZE)') if b' FETCH (' in l]), exists)
    c.close()
    packages = ', '.join(f'{len(m)} from {p}' for p, m in corpus.collect().items())
    day.end(Cost(), Cost(), f'{exists} messages in {elapsed:.2f} s ({packages})')
    return exists


def first_visit(day, phone):
    day.begin('The phone connects for the first time')
    c, (_, _, selected, _) = phone.connect_imap('ENABLE QRESYNC', 'SELECT INBOX', 'FETCH *:* (UID)')
    phone.note('INBOX', selected)
    exists = int(matches(b''.join(selected), rb'\* (\d+) EXISTS').group(1))
    envelopes = c.command(f'FETCH {max(1, exists - 19)}:* (UID FLAGS ENVELOPE)')
    equal(len([l for l in envelopes if b'ENVELOPE' in l]), min(20, exists))
    day.heard(c)
    day.end(c.on_wire, c.inside, 'full TLS handshake, the 20 newest envelopes')
    phone.keep_session('imap', c)
    c.command('LOGOUT')
    c.close()


def own_mail(day, phone):
    day.begin('The phone sends a short mail')
    c, replies = phone.submit('alice@localhost', ['bob@localhost'], 'DATA', final=message('On my way') + b'.\r\n')
    equal(replies[-2][0][:3], '250')
    day.heard(c)
    day.end(c.on_wire, c.inside, 'full TLS handshake')


def idle_and_mail(day, server, phone):
    day.begin('It reconnects with QRESYNC and idles')
    c, (_, _, selected) = phone.connect_imap('ENABLE QRESYNC', phone.qresync('INBOX'))
    phone.note('INBOX', selected)
    phone.keep_session('imap', c)
    tag = c.next_tag()
    c.send(tag + b' IDLE\r\n')
    contains(c.response()[:1], b'+')
    day.heard(c)
    day.end(c.on_wire, c.inside, 'TLS session resumed')

    day.begin('Another device sends mail with a 5 MB attachment')
    picture = random.Random(5).randbytes(ATTACHMENT)
    lines = base64.encodebytes(picture).replace(b'\n', b'\r\n')
    text = (b'From: bob@localhost\r\nTo: alice@localhost\r\nSubject: The pictures\r\nDate: Sat, 14 Mar 2026 10:00:00 +0000\r\n'
            b'Message-ID: <pictures@test.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n'
            b'--cut\r\nContent-Type: text/plain\r\n\r\nHere they are.\r\n--cut\r\nContent-Type: image/x-raw; name=pictures.raw\r\n'
            b'Content-Disposition: attachment; filename=pictures.raw\r\nContent-Transfer-Encoding: base64\r\n\r\n' + lines
            + b'--cut--\r\n')
    before, inside = c.on_wire - Cost(), c.inside - Cost()
    with smtplib.SMTP(server.host, server.submission_port, local_hostname='desk.example', timeout=60) as m:
        m.starttls(context=context_for(server.cert))
        m.login('bob', PASSWORD)
        equal(m.sendmail('bob@localhost', ['alice@localhost'], text), {})
    sent_at = time.monotonic()
    news = c.response()
    while b'EXISTS' not in news:
        news = c.response()
    delay = time.monotonic() - sent_at
    exists = int(matches(news, rb'\* (\d+) EXISTS').group(1))
    c.send(b'DONE\r\n')
    c.until(tag)
    fetched = b''.join(c.command(f'FETCH {exists} (UID FLAGS ENVELOPE BODYSTRUCTURE)'))
    contains(fetched, b'The pictures')
    uid = int(matches(fetched, rb'UID (\d+)').group(1))
    day.heard(c)
    day.end(c.on_wire - before, c.inside - inside, f'in the IDLE {max(delay, 0) * 1000:.0f} ms after the other device had its 250')
    return c, uid, picture


def forward(day, server, phone, c, uid, relay, picture):
    day.begin('It forwards the attachment without downloading it')
    before, inside = c.on_wire - Cost(), c.inside - Cost()
    part = f';UID={uid}/;SECTION=2'  # in the mailbox that is selected
    recipients = ['bob@localhost', 'carol@relayed.example']
    head = (b'From: alice@localhost\r\nTo: bob@localhost, carol@relayed.example\r\nSubject: Fwd: The pictures\r\n'
            b'Date: Sat, 14 Mar 2026 11:00:00 +0000\r\nMessage-ID: <fwd@phone.example>\r\nMIME-Version: 1.0\r\n'
            b'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee these.\r\n--b\r\n')
    tail = b'\r\n--b--\r\n'
    # $SubmitPending and $Submitted together: being sent, by us, so that no other device sends it, too (RFC 5550, 5.10).
    answer = c.command(b'APPEND Sent (\\Draft \\Seen $MDNSent $SubmitPending $Submitted) CATENATE (TEXT {%d+}\r\n%s URL "%s" URL "%s" TEXT '
                       b'{%d+}\r\n%s)' % (len(head), head, (part + '.MIME').encode(), part.encode(), len(tail), tail))[-1]
    sent_validity, sent_uid = map(int, matches(answer, rb'APPENDUID (\d+) (\d+)').groups())
    # The pawn ticket for the submission server.
    expire = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 3600))
    rump = (f'imap://alice@{HOST}/Sent;UIDVALIDITY={sent_validity}/;UID={sent_uid};EXPIRE={expire};'
            'URLAUTH=submit+alice')
    url = matches(b''.join(c.command(f'GENURLAUTH "{rump}" INTERNAL')), rb'GENURLAUTH "([^"]+)"').group(1).decode()
    true(url.startswith(rump + ':internal:'), url)

    s, replies = phone.submit('alice@localhost', recipients, final=f'BURL {url} LAST\r\n'.encode())
    equal(replies[-2][0][:3], '250')
    lines = [f'UID STORE {uid} +FLAGS.SILENT ($Forwarded)', 'SELECT Sent',
             f'UID STORE {sent_uid} -FLAGS.SILENT ($SubmitPending \\Draft)', phone.qresync('INBOX')]
    tags = [c.next_tag() for _ in lines]
    c.send(b''.join(tag + b' ' + line.encode() + b'\r\n' for tag, line in zip(tags, lines)))
    for tag in tags:
        c.until(tag)
    day.heard(c, s)
    cost, spent = c.on_wire - before + s.on_wire, c.inside - inside + s.inside
    day.end(cost, spent, f'attachment of {len(picture):,} octets, two recipients; bound: {FORWARD_OCTETS} octets, TLS included')

    # What the others see.
    wanted = hashlib.sha256(picture).digest()

    def has_picture(octets):
        body = octets.split(b'Content-Transfer-Encoding: base64')[1].split(b'\r\n\r\n', 1)[1].split(b'\r\n--b')[0]
        return hashlib.sha256(base64.b64decode(body)).digest() == wanted
    true(has_picture(relay.wait(1)[0][2]), 'the relay got the attachment whole')
    contains(relay.messages[0][1][0], 'carol@relayed.example')
    bob = open_imap(server, 'bob', PASSWORD)
    eventually(lambda: bob.command('NOOP') and b'(MESSAGES 2' in b''.join(bob.command('STATUS INBOX (MESSAGES)')), 'delivered')
    bob.command('EXAMINE INBOX')
    true(has_picture(bob.command('FETCH 2 BODY.PEEK[]')[0]), 'the local recipient got the attachment whole')
    bob.close()
    flags = b''.join(c.command(f'UID FETCH {uid} (FLAGS)'))
    contains(flags, b'$Forwarded')
    c.command('SELECT Sent')
    claim = f'UID STORE {sent_uid} (UNCHANGEDSINCE 1) +FLAGS.SILENT ($Submitted)'
    contains(c.command(claim)[-1], b'MODIFIED', 'a second claim')  # what a slower device would hear
    flags = b''.join(c.command(f'UID FETCH {sent_uid} (FLAGS)'))
    contains(flags, b'$Submitted')
    true(b'$SubmitPending' not in flags and b'\\Draft' not in flags, f'flags of the sent copy: {flags}')
    return cost


def change(server, mailbox, count):
    """Another device: 10 changes. Returns UIDs that vanish, UIDs whose flags change, how many come."""
    other = open_imap(server, 'alice', PASSWORD)
    other.command(f'SELECT {mailbox}')
    flagged, gone = [count // 7, count // 5, count // 3, count // 2, count - 1], [count // 6, count // 4, count - 10]
    for n in flagged:
        other.command(f'UID STORE {n} +FLAGS (\\Flagged)')
    for n in gone:
        other.command(f'UID STORE {n} +FLAGS (\\Deleted)')
        other.command(f'UID EXPUNGE {n}')
    for i in range(2):
        other.append(mailbox, message(f'new {i}'))
    other.close()
    return gone, flagged, [count + 1, count + 2]


def numbers(text):
    found = []
    for item in text.split(b','):
        first, _, last = item.partition(b':')
        found += range(int(first), int(last or first) + 1)
    return found


def lost_and_found(day, server, phone, c, count):
    day.begin(f'In a mailbox of {count:,}, the connection is lost')
    many_messages(server, 'alice', 'Archive/Everything', count)
    before, inside = c.on_wire - Cost(), c.inside - Cost()
    selected = c.command('SELECT Archive/Everything')
    phone.note('Archive/Everything', selected)
    phone.keep_session('imap', c)
    day.heard(c)
    day.end(c.on_wire - before, c.inside - inside, 'SELECT; then TCP drops')
    c.drop()
    gone, flagged, new = change(server, 'Archive/Everything', count)

    day.begin('It reconnects and resynchronises after 10 changes by another device')
    c, (_, _, lines) = phone.connect_imap('ENABLE QRESYNC', phone.qresync('Archive/Everything'))
    phone.keep_session('imap', c)
    day.heard(c)
    quick = c.on_wire - Cost()
    day.end(quick, c.inside, f'the quick way; bound: {RESYNC_TRIPS} round trips')
    check_resync(lines, gone, flagged, new, count)
    c.command('LOGOUT')
    c.close()

    day.begin('The same, with COMPRESS')
    c, (_, lines) = phone.connect_compressed('ENABLE QRESYNC', phone.qresync('Archive/Everything'))
    day.heard(c)
    small = c.on_wire - Cost()
    day.end(small, c.inside, f'the cheap way; bounds: {RESYNC_OCTETS} octets, TLS included, {RESYNC_TRIPS + 1} round trips')
    check_resync(lines, gone, flagged, new, count)
    c.command('LOGOUT')
    c.close()
    return quick, small


def check_resync(lines, gone, flagged, new, count):
    """The phone heard of every change, and of nothing else."""
    text = b''.join(lines)
    vanished = sorted(n for v in re.findall(rb'VANISHED \(EARLIER\) ([\d:,]+)', text) for n in numbers(v))
    equal(vanished, gone, 'VANISHED')
    fetched = sorted(int(u) for u in re.findall(rb'FETCH \([^\r]*?UID (\d+)', text))
    equal(fetched, sorted(flagged + new), 'UIDs of FETCH')
    equal(text.count(b'\\Flagged'), text.count(b'\\Flagged)') + text.count(b'\\Flagged '), 'flags')
    equal(int(matches(text, rb'\* (\d+) EXISTS').group(1)), count - len(gone) + len(new))


HEAD = '''# First look: one phone's day

What a phone says to Limetta in a day, and what it pays for it: octets on the socket (TCP payload), the part of them that is IMAP
and SMTP (the rest is TLS: handshakes, session ids, records), and round trips (the TCP handshake is one). Octets are bounded on the
socket, TLS included.

Resynchronising can be had quickly or cheaply. The quick way asks for everything behind the TLS handshake: 4 round trips. The cheap way
takes COMPRESS, whose OK must be awaited before anything else is said (RFC 4978, 3): a round trip more, fewer octets. Both pay for the
resumed handshake with STARTTLS and greeting, some 750 octets (the phone keeps its hello short: one group, no session id for old middleboxes), and
for the list of capabilities behind the login (RFC 5550 asks for it), some 700; asked for COMPRESS right behind the login, the server puts that
list where it is compressed.

This page was written by `test/system/phone_day.py --transcript docs/first-look.md`; `./test.sh` runs the same and fails when a
bound is exceeded.

The imported mail was written by real software. It comes from Debian packages that ship it for their own tests:
libpython3.11-testsuite (Python's email package), golang-github-jhillyerd-enmime-dev (mail of many user agents) and
python3-flufl.bounce (bounces of many servers).

C: is the phone, S: the server; lines behind STARTTLS are shown as they are inside TLS. Lines that leave together are pipelined.
'''


def main(count=100_000, transcript=None):
    day = Day()
    with tempfile.TemporaryDirectory() as folder, Sink() as relay:
        with Limetta(config={'hostname': HOST, 'relay_host': '127.0.0.1', 'relay_port': relay.port, 'relay_tls': 'off'}) as server:
            imported(day, server, folder)
            phone = Phone(server, 'alice')
            first_visit(day, phone)
            own_mail(day, phone)
            c, uid, picture = idle_and_mail(day, server, phone)
            forwarding = forward(day, server, phone, c, uid, relay, picture)
            quick, small = lost_and_found(day, server, phone, c, count)
    if transcript:
        day.write(transcript, HEAD)
    true(forwarding.total < FORWARD_OCTETS, f'forwarding costs {forwarding.total} octets')
    true(quick.trips <= RESYNC_TRIPS, f'resynchronising costs {quick.trips} round trips')
    true(small.trips <= RESYNC_TRIPS + 1, f'resynchronising with COMPRESS costs {small.trips} round trips')
    true(small.total < RESYNC_OCTETS, f'resynchronising with COMPRESS costs {small.total} octets')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--count', type=int, default=100_000)
    parser.add_argument('--transcript')
    main(**vars(parser.parse_args()))
