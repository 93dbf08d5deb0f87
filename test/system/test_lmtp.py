"""Mail that another mail server brings by LMTP (X-LMTP): TCP and Unix socket, an answer for each recipient, faults on the way."""
import contextlib
import os
import re
import signal
import smtplib
import socket
import sqlite3
import subprocess
import time

from lib.check import Skip, contains, equal, eventually, limetta_only, message, true
from lib.servers import PASSWORD
from lib.wire import open_imap, open_smtp

MESSAGE = message('By LMTP', sender='carol@elsewhere.example', to='alice@localhost')


def by_tcp(s, **more):
    return smtplib.LMTP('127.0.0.1', 24 + s.offset, local_hostname='mx.example', **more)


def by_socket(s):
    return smtplib.LMTP(os.path.join(s.state, 'run', 'lmtp'), local_hostname='mx.example')


def deliver(c, to, octets, sender='carol@elsewhere.example'):
    """One message; the answers about its recipients. smtplib's own sendmail() reads but one."""
    if not c.helo_resp and not c.ehlo_resp:
        c.ehlo()
    for line in [f'MAIL FROM:<{sender}>'] + [f'RCPT TO:<{address}>' for address in to]:
        equal(c.docmd(line)[0], 250, line)
    equal(c.docmd('DATA')[0], 354)
    c.send(octets + b'.\r\n')
    return [c.getreply()[0] for _ in to]


def inbox(s, user):
    c = open_imap(s, user, PASSWORD)
    is_empty = b'* 0 EXISTS' in b''.join(c.command('EXAMINE INBOX'))
    lines = [] if is_empty else c.command('FETCH 1:* BODY.PEEK[]')
    c.close()
    return b''.join(lines)


def count(s, user):
    return inbox(s, user).count(b'Subject: ')


def raw(s):
    c = socket.create_connection(('127.0.0.1', 24 + s.offset), 10)
    return c, c.makefile('rb')


def codes(f, n):
    got = []
    while len(got) < n:
        line = f.readline()
        if line[3:4] != b'-':
            got.append(line[:3].decode())
        if not line:
            break
    return got


@limetta_only
def test_two_ways(make):
    """TCP and Unix socket; the copy says where it has been, and is there when 250 is said."""
    with make() as s:
        for n, connect in enumerate((by_tcp, by_socket), 1):
            with connect(s) as c:
                octets = MESSAGE.replace(b'Hello.', b'Hello %d.' % n)
                equal(deliver(c, ['alice@localhost', 'bob+lists@localhost'], octets), [250, 250])
            for user in ('alice', 'bob'):
                equal(count(s, user), n)
        got = inbox(s, 'bob')
        contains(got, b'Return-Path: <carol@elsewhere.example>\r\nDelivered-To: bob+lists@localhost\r\n'
                      b'Received: from mx.example ([127.0.0.1])\r\n\tby ')
        contains(got, b' with LMTP id ')
        equal(got.count(b'Return-Path: '), 2, 'once a copy')
        with by_tcp(s) as c:
            c.ehlo()
            features = set(c.esmtp_features)
            true({'pipelining', 'chunking', '8bitmime', 'binarymime', 'size', 'enhancedstatuscodes'} <= features, features)
            true(not {'auth', 'starttls', 'xclient', 'burl', 'dsn'} & features, features)


@limetta_only
def test_answers(make):
    """Each recipient has an answer of his own: unknown, foreign, full (X-LMTP, X-ALIASES)."""
    config = {'domains': 'localhost two.example'}
    with make(users=('alice', 'bob', 'carl'), config=config) as s:
        c = open_imap(s, 'bob', PASSWORD)
        c.close()
        s.run('alias', 'add', 'team', 'alice', 'carl', '--config', s.config)
        s.run('alias', 'add', 'info@two.example', 'carl', '--config', s.config)

        def fill():
            return s.run('user', 'quota', 'bob', '--storage', '4', check=False).returncode == 0
        eventually(fill, 'the account is let go')
        with by_tcp(s) as c:
            c.ehlo()
            c.docmd('MAIL FROM:<x@elsewhere.example>')
            for address, code in (('nobody@localhost', b'5.1.1'), ('x@third.example', b'5.7.1'), ('alice@localhost', b'2.1.5'),
                                  ('bob@localhost', b'2.1.5'), ('info@two.example', b'2.1.5'), ('info@localhost', b'5.1.1')):
                equal(c.docmd(f'RCPT TO:<{address}>')[1].split(b' ')[0], code, address)
            equal(c.docmd('DATA')[0], 354)
            c.send(MESSAGE.replace(b'Hello.', b'Hello. ' * 2000) + b'.\r\n')
            answers = [c.getreply() for _ in range(3)]
            equal([a[1].split(b' ')[0] for a in answers], [b'2.1.5', b'5.2.2', b'2.1.5'])
            equal(c.noop()[0], 250)
        equal([count(s, u) for u in ('alice', 'carl')], [1, 1])
        equal(count(s, 'bob'), 0)


@limetta_only
def test_aliases_of_several(make):
    """An alias of several goes to the queue, which brings it to all (X-ALIASES); a catch-all and a detail go straight on."""
    with make(users=('alice', 'bob', 'carl'), config={'domains': 'localhost two.example', 'detail_mailbox': 'yes'}) as s:
        s.run('alias', 'add', 'team', 'alice', 'bob', '--config', s.config)
        s.run('alias', 'add', '@two.example', 'carl', '--config', s.config)
        s.run('alias', 'add', 'bob', 'bob', 'carl', '--config', s.config)  # keeps a copy
        c = open_imap(s, 'alice', PASSWORD)
        c.command('CREATE lists')
        c.close()
        with by_tcp(s) as c:
            equal(deliver(c, ['team@localhost', 'anybody@two.example', 'alice+lists@localhost'], MESSAGE), [250] * 3)
        equal(count(s, 'carl'), 1, 'at once')
        for user, n in (('alice', 1), ('bob', 1)):
            eventually(lambda user=user, n=n: count(s, user) == n, f'{user} has it')
        c = open_imap(s, 'alice', PASSWORD)
        contains(b''.join(c.command('STATUS lists (MESSAGES)')), b'MESSAGES 1')
        c.close()
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)  # and by submission
        c.command('MAIL FROM:<team@localhost>')
        c.command('RCPT TO:<team@localhost>')
        c.command('DATA')
        c.send(message('to the team') + b'.\r\n')
        c.reply()
        c.close()
        for user in ('alice', 'bob', 'carl'):
            eventually(lambda user=user: b'Subject: to the team' in inbox(s, user), f'{user} has that, too')
            equal(inbox(s, user).count(b'Subject: to the team'), 1)


@limetta_only
def test_terms_of_queued(make):
    """What an alias sends on has the lifetime of the configuration, and what its header says of TLS (RFC 8689, 4.1) holds."""
    config = {'queue_lifetime_s': 7200, 'relay_host': '127.0.0.1:1', 'relay_tls': 'off'}
    with make(config=config) as s:
        s.run('alias', 'add', 'away', 'x@elsewhere.example', '--config', s.config)
        with by_tcp(s) as c:
            equal(deliver(c, ['away@localhost'], MESSAGE), [250])
            equal(deliver(c, ['away@localhost'], b'TLS-Required: No\r\n' + MESSAGE), [250])
        s.shut_down()
        with contextlib.closing(sqlite3.connect(f'file:{s.state}/queue/queue.db?mode=ro', uri=True)) as db:
            rows = db.execute('SELECT tls_optional, expires_ms - arrived_ms FROM message ORDER BY id').fetchall()
        equal(rows, [(0, 7200000), (1, 7200000)])


@limetta_only
def test_one_copy(make):
    """One account under two addresses gets one copy, and both an answer."""
    with make() as s:
        s.run('alias', 'add', 'info', 'alice', '--config', s.config)
        with by_tcp(s) as c:
            equal(deliver(c, ['alice@localhost', 'info@localhost', 'alice@localhost'], MESSAGE), [250, 250, 250])
        equal(count(s, 'alice'), 1)
        c = open_smtp(s, 'bob', PASSWORD, is_tls=True)  # and by submission, with a report for each (RFC 3461, 5.2.3)
        c.command('MAIL FROM:<bob@localhost>')
        for to in ('alice@localhost', 'info@localhost', 'alice@LOCALHOST', 'alice+detail@localhost'):
            c.command(f'RCPT TO:<{to}> NOTIFY=SUCCESS')
        c.command('DATA')
        c.send(message('to all of her', sender='bob@localhost') + b'.\r\n')
        c.reply()
        c.close()
        eventually(lambda: inbox(s, 'bob').count(b'Action: delivered') == 3, 'reports')
        equal(inbox(s, 'alice').count(b'Subject: to all of her'), 2, 'one, and one with the detail')


@limetta_only
def test_strict(make):
    """LHLO first, no EHLO, garbage ends, sizes count, one bad part spoils a message in parts, chunks are taken as they are."""
    with make(config={'message_most': 1048576}) as s:
        c, f = raw(s)
        equal(codes(f, 1), ['220'])
        c.sendall(b'EHLO x\r\nMAIL FROM:<>\r\nXCLIENT ADDR=1.2.3.4\r\nAUTH PLAIN\r\nSTARTTLS\r\nLHLO x\r\nMAIL FROM:<> SIZE=9999999\r\n')
        equal(codes(f, 7), ['500', '503', '500', '500', '500', '250', '552'])
        body = bytes(range(256)) * 4
        c.sendall(b'MAIL FROM:<a@b.example> BODY=BINARYMIME\r\nRCPT TO:<alice@localhost>\r\nRCPT TO:<bob@localhost>\r\n'
                  b'BDAT 12\r\nSubject: x\r\nBDAT %d LAST\r\n\r\n' % (len(body) + 2) + body + b'NOOP\r\n')
        equal(codes(f, 7), ['250', '250', '250', '250', '250', '250', '250'])
        c.sendall(b'MAIL FROM:<>\r\nRCPT TO:<alice@localhost>\r\nDATA\r\n')
        equal(codes(f, 3), ['250', '250', '354'])
        c.sendall(b'Subject: y\r\n\r\n' + b'z' * 1200000 + b'\r\n.\r\n')
        equal(codes(f, 1), ['552'])
        c.sendall(b'\x00\xff\r\n' * 40)
        got = codes(f, 40)
        equal(got[-1] if got[-1] else got[-2], '421')
        c.close()
        eventually(lambda: count(s, 'alice') == 1, 'the one of chunks')


@limetta_only
def test_who_may_come(make):
    """Other networks are closed out; the socket's file keeps others out; too many connections hear 421."""
    with make(config={'lmtp_allow': '192.0.2.0/24', 'lmtp_connections': 2}) as s:
        c, f = raw(s)
        equal(f.read(), b'')
        path = os.path.join(s.state, 'run', 'lmtp')
        equal(os.stat(path).st_mode & 0o777, 0o660)
        with by_socket(s), by_socket(s):
            try:
                by_socket(s)
                true(False, 'a third connection')
            except smtplib.SMTPResponseException as e:
                equal(e.smtp_code, 421)

        def may_come():
            try:
                with by_socket(s) as c:
                    return c.noop()[0] == 250
            except smtplib.SMTPResponseException:
                return False
        eventually(may_come, 'there is room when they have gone')
        s.stop()
        true(not os.path.exists(path), 'the socket is gone')


@limetta_only
def test_loop(make):
    """A message that has passed a hundred servers goes no further (RFC 5321, 6.3)."""
    with make() as s, by_tcp(s) as c:
        hops = b''.join(b'Received: by h%d.example; now\r\n' % i for i in range(101))
        c.ehlo()
        c.mail('x@elsewhere.example')
        c.rcpt('alice@localhost')
        c.docmd('DATA')
        c.send(hops + MESSAGE + b'.\r\n')
        equal(c.getreply()[1].split(b' ')[0], b'5.4.6')
        equal(count(s, 'alice'), 0)


@limetta_only
def test_delivered_before(make):
    """A message that has been delivered to this address is returned; one sent on by its user is not (X-LOOPS)."""
    with make() as s, by_tcp(s) as c:
        equal(deliver(c, ['alice@localhost'], MESSAGE), [250])
        copy = inbox(s, 'alice')
        copy = copy[copy.index(b'Delivered-To: '):copy.index(b'Hello.')] + b'Hello.\r\n'
        c.ehlo()
        c.mail('x@elsewhere.example')
        c.rcpt('alice@localhost')
        c.rcpt('bob@localhost')
        c.docmd('DATA')
        c.send(copy + b'.\r\n')
        equal([c.getreply()[1][:5] for _ in range(2)], [b'5.4.6', b'2.1.5'], 'only who has had it')
        m = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        m.command('MAIL FROM:<alice@localhost>')
        m.command('RCPT TO:<alice@localhost>')
        m.command('DATA')
        m.send(copy.replace(b'Subject: ', b'Subject: sent on, ') + b'.\r\n')
        m.reply()
        m.close()
        eventually(lambda: count(s, 'alice') == 2, 'sent on to oneself')


@limetta_only
def test_duplicates(make):
    """A second copy of the same message is left out; what only looks like one is not (X-DUPLICATES)."""
    one = MESSAGE
    others = (MESSAGE.replace(b'Hello.', b'Hello!'), MESSAGE.replace(b'Message-ID: <', b'Message-ID: <2'),
              b'List-Id: <l.example>\r\n' + MESSAGE)
    anonymous = b''.join(line + b'\r\n' for line in MESSAGE.split(b'\r\n')[:-1] if not line.startswith(b'Message-ID'))
    with make() as s:
        with by_tcp(s) as c:
            for octets, n in ((one, 1), (b'Received: from another way\r\n' + one, 1), (others[0], 2), (others[1], 3),
                              (others[2], 4), (one, 4), (anonymous, 5), (anonymous, 6)):
                equal(deliver(c, ['alice@localhost'], octets), [250])
                equal(count(s, 'alice'), n)
            equal(deliver(c, ['bob@localhost', 'alice+x@localhost'], one), [250, 250])
            equal(count(s, 'bob'), 1, 'another account')
            equal(count(s, 'alice'), 7, 'another detail')
    with make(config={'duplicate_window_s': 0}) as s:
        with by_tcp(s) as c:
            equal([deliver(c, ['alice@localhost'], one) for _ in range(2)], [[250], [250]])
        equal(count(s, 'alice'), 2)


@limetta_only
def test_full_later(make):
    """quota_full = later: 452 4.2.2."""
    with make(config={'quota_full': 'later', 'quota_storage': 4}) as s, by_tcp(s) as c:
        c.ehlo()
        c.mail('x@elsewhere.example')
        c.rcpt('alice@localhost')
        c.docmd('DATA')
        c.send(MESSAGE.replace(b'Hello.', b'Hello. ' * 2000) + b'.\r\n')
        code, text = c.getreply()
        equal((code, text[:5]), (452, b'4.2.2'))
        equal(count(s, 'alice'), 0)


@limetta_only
def test_full_disk(make):
    """The store's or the spool's disk is full: 452, nothing of it is left, and mail goes on when there is room (X-LMTP)."""
    for folder in ('accounts', 'queue'):
        with make(users=('alice',)) as s:
            s.shut_down()
            path = os.path.join(s.state, folder)
            if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', path], capture_output=True).returncode != 0:
                raise Skip('this host lets us mount nothing')
            try:
                s.start()
                fill_and_recover(s, path)
            finally:
                s.shut_down()
                subprocess.run(['umount', path], check=True)


def fill_and_recover(s, path):
    octets = [message(f'no {n}', body='x' * 70 + '\r\n' + 'y' * 90000) for n in range(4)]
    with by_tcp(s) as c:
        equal(deliver(c, ['alice@localhost'], octets[0]), [250])
        with open(os.path.join(path, 'filler'), 'wb', buffering=0) as f:
            try:
                while f.write(b'z' * 4096) == 4096:
                    pass
            except OSError:
                pass
        equal(deliver(c, ['alice@localhost'], octets[1]), [452])
        equal(deliver(c, ['alice@localhost'], octets[2]), [452])
        os.unlink(os.path.join(path, 'filler'))
        eventually(lambda: deliver(c, ['alice@localhost'], octets[3]) == [250], 'there is room again')
    equal(sorted(re.findall(rb'Subject: (no \d)', inbox(s, 'alice'))), [b'no 0', b'no 3'])


def try_to_send(s, user, n):
    """True: it was answered 250."""
    octets = message(f'no {n}.', body='x' * 200000, to=f'{user}@localhost')
    try:
        with by_tcp(s, timeout=20) as c:
            return deliver(c, [f'{user}@localhost'], octets) == [250]
    except (OSError, AssertionError, smtplib.SMTPException):
        time.sleep(0.05)
        return False


def subjects(s, user):
    c = open_imap(s, user, PASSWORD)
    c.command('EXAMINE INBOX')
    got = b''.join(c.command('FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]', must_be_ok=False))
    c.close()
    return got


def kill_often(s, role):
    """Sends while a role is killed again and again: what was answered 250 is there, and little more."""
    taken, killed, n = [], 0, 0
    end = time.monotonic() + 30
    while killed < 5 and time.monotonic() < end:
        for pid in s.roles(role)[:1] if n % 3 == 2 else []:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        n += 1
        if try_to_send(s, 'alice', n):
            taken.append(n)
    eventually(lambda: try_to_send(s, 'alice', 0), 'mail goes on', timeout_s=60)
    got = subjects(s, 'alice')
    for i in taken + [0]:
        contains(got, b'Subject: no %d.\r\n' % i)
    true(taken, 'some were taken')
    true(got.count(b'Subject: ') <= len(taken) + 1 + killed, 'nothing refused is left behind')
    s.stop(must_be_clean=False)


@limetta_only
def test_worker_killed(make):
    """kill -9 of the worker between octets and reply (X-LMTP)."""
    with make(config={'workers': 1}) as s:
        kill_often(s, 'store')


@limetta_only
def test_submit_killed(make):
    """kill -9 of the process that speaks LMTP (X-LMTP)."""
    with make(config={'workers': 1}) as s:
        kill_often(s, 'submit')


@limetta_only
def test_worker_away(make):
    """A worker that is not there is 451 for its recipients; others are served."""
    with make(config={'workers': 1}) as s:
        pid = s.roles('store')[0]
        os.kill(pid, signal.SIGSTOP)
        c, f = raw(s)
        c.sendall(b'LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@localhost>\r\nDATA\r\n')
        equal(codes(f, 5), ['220', '250', '250', '250', '354'])
        c.sendall(MESSAGE + b'.\r\n')
        time.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        equal(codes(f, 1), ['451'])
        eventually(lambda: s.roles('store') and s.roles('store')[0] != pid, 'a new worker')

        def is_taken():
            with by_tcp(s) as again:
                return deliver(again, ['alice@localhost'], MESSAGE) == [250]
        eventually(is_taken, 'the new worker takes mail')
        equal(count(s, 'alice'), 1)
        s.stop(must_be_clean=False)


@limetta_only
def test_submission_beside(make):
    """The same process serves phones; a connection that says nothing holds up nobody."""
    with make() as s:
        idle, f = raw(s)
        f.readline()
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        c.command('MAIL FROM:<alice@localhost>')
        c.command('RCPT TO:<bob@localhost>')
        c.command('DATA')
        c.send(MESSAGE + b'.\r\n')
        c.reply()
        c.close()
        eventually(lambda: count(s, 'bob') == 1, 'delivered')
        idle.close()
