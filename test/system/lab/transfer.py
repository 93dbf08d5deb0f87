"""Things that a phone is in the middle of when its network has other plans.

Each is a generator: until its yield it gets to the middle, behind it it goes on to the end, on the same connection, and checks that every octet
arrived. `interrupt()` runs several through one interruption.
"""
import hashlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from lib.check import contains, equal, message, true
from lib.servers import PASSWORD
from lib.wire import Imap, Smtp, plain

LINE = b'A line that is sent in spite of the network, number %07d.\r\n'
MESSAGE = message('large') + b''.join(LINE % i for i in range(250000))  # more than what sockets buffer
HALF = len(MESSAGE) // 2


def _imap(lab, host, user, patience_s):
    with lab.cli.inside():
        c = Imap(host, 143, timeout_s=patience_s)
    # Else all the rest of a message might be here already when the trouble begins.
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
    c.login(user, PASSWORD)
    return c


def is_same(lab, c):
    """The NAT knows the connection by the port that it began with."""
    return f' sport={c.socket.getsockname()[1]} ' in lab.nat.read('nf_conntrack')


def append(lab, server, host, patience_s):
    """In a literal of the client's."""
    c = _imap(lab, host, 'alice', patience_s)
    c.command('CREATE Up' + str(c.socket.getsockname()[1]))
    mailbox = b'Up%d' % c.socket.getsockname()[1]
    c.send(b'x APPEND %s {%d+}\r\n' % (mailbox, len(MESSAGE)))
    c.send(MESSAGE[:HALF])
    yield c
    c.send(MESSAGE[HALF:] + b'\r\n')
    contains(c.until(b'x')[-1], b'x OK')
    c.command(b'EXAMINE ' + mailbox)
    got = b''.join(c.command('FETCH 1 BODY.PEEK[]'))
    true(MESSAGE in got, 'what was appended is whole')
    c.close()


def fetch(lab, server, host, patience_s):
    """In a literal of the server's."""
    c = _imap(lab, host, 'alice', patience_s)
    c.command('EXAMINE Large')
    c.send(b'x FETCH 1 BODY.PEEK[]\r\n')
    head = c.read_line()
    contains(head, b'{%d}' % len(MESSAGE))
    first = c.read(HALF)
    yield c
    whole = first + c.read(len(MESSAGE) - HALF)
    equal(hashlib.sha256(whole).hexdigest(), hashlib.sha256(MESSAGE).hexdigest(), 'what was fetched')
    contains(c.until(b'x')[-1], b'x OK')
    c.close()


def submit(lab, server, host, patience_s):
    """In a chunk of BDAT."""
    with lab.cli.inside():
        c = Smtp(host, 587, timeout_s=patience_s)
    octets = MESSAGE.replace(b'Subject: large', b'Subject: by port %d' % c.socket.getsockname()[1], 1)
    for line in ('EHLO phone.example', f'AUTH PLAIN {plain("alice", PASSWORD)}', 'MAIL FROM:<alice@localhost>', 'RCPT TO:<bob@localhost>'):
        c.command(line)
    c.send(b'BDAT %d LAST\r\n' % len(octets) + octets[:HALF])
    yield c
    c.send(octets[HALF:])
    contains(c.reply()[-1], '250 ')
    subject = octets.split(b'Subject: ', 1)[1].split(b'\r\n', 1)[0].decode()
    c.close()
    c = _imap(lab, host, 'bob', patience_s)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        c.command('SELECT INBOX')
        found = c.command(f'SEARCH SUBJECT "{subject}"')[0].split()[2:]
        if found:
            break
        time.sleep(0.2)
    got = b''.join(c.command(b'FETCH %s BODY.PEEK[TEXT]' % found[0]))
    true(MESSAGE.split(b'\r\n\r\n', 1)[1] in got, 'what was submitted is whole')
    c.close()


def idle(lab, server, host, patience_s):
    """In IDLE: mail that comes meanwhile is announced on the same connection, once."""
    c = _imap(lab, host, 'carol', patience_s)
    c.command('SELECT INBOX')
    c.send(b'x IDLE\r\n')
    contains(c.response()[:1], b'+')
    yield c
    with lab.dmz.inside():  # whose network is as it was
        other = Imap(host, 143, timeout_s=patience_s)
    other.login('carol', PASSWORD)
    answer = other.append('INBOX', message('meanwhile'))[-1]
    contains(answer, b'APPENDUID')
    other.close()
    contains(c.response(), b'EXISTS')
    c.send(b'DONE\r\n')
    contains(c.until(b'x')[-1], b'x OK')
    c.close()


USERS = ('alice', 'bob', 'carol')


def prepare(lab, server):
    """What `fetch` fetches."""
    with lab.dmz.inside():
        c = Imap(lab.dmz.v4, 143)
    c.login('alice', PASSWORD)
    c.command('CREATE Large')
    c.append('Large', MESSAGE)
    c.close()


def interrupt(lab, server, kinds, hosts, trouble, seconds):
    """Runs each of kinds to each of hosts into the middle; then `trouble` (a context manager) stands in their way for so many seconds. They must end well,
    and none before the trouble did."""
    running = [kind(lab, server, host, 60 + 3 * seconds) for host in hosts for kind in kinds]
    connections = [next(g) for g in running]

    def finish(generator):
        for _ in generator:
            raise AssertionError('it stops twice')
        return time.monotonic()
    with ThreadPoolExecutor(len(running)) as pool:
        with trouble:
            results = [pool.submit(finish, g) for g in running]
            time.sleep(seconds)
            true(all(is_same(lab, c) for c in connections if c.socket.fileno() >= 0), 'the NAT has the same connections')
            over = time.monotonic()
        for kind, r in zip([k for _ in hosts for k in kinds], results):
            true(r.result() >= over, f'{kind.__name__} was not interrupted: a test without a point')
