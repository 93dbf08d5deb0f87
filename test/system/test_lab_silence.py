"""Silence, NATs and what keeps a dormant phone reachable (D10, D27, D36, D38).

An idle second is 3 ms long here (`time_unit_ms`), so two hours are 21.6 s, the keep-alive comes after 20.7 s of silence, and a NAT that waits for 2 h 4 min,
as it should, waits for 22 s. A bad one waits for 12 s: an hour and seven minutes.
"""
import os
import socket
import time

from lab import Lab, needs_lab
from lib.check import contains, equal, eventually, matches, message, true
from lib.servers import PASSWORD
from lib.wire import Imap
from phone_day import Phone

IS_LAB = True
CYCLES = int(os.environ.get('LIMETTA_IDLE_CYCLES', '4'))
UNIT = {'time_unit_ms': 3}
GOOD_S, BAD_S = 22, 12
STILL_HERE = b'* OK Still here\r\n'


def deliver(lab, server, user, subject):
    """Mail from a place that no NAT is in the way of."""
    with lab.dmz.inside():
        c = Imap(lab.dmz.v4, 143)
    c.login(user, PASSWORD)
    c.append('INBOX', message(subject))
    c.command('LOGOUT')
    c.close()


def sleepers(lab, users, hosts):
    """Phones that idle in their INBOX."""
    found = []
    for user, host in zip(users, hosts):
        with lab.cli.inside():
            c = Imap(host, 143, timeout_s=60)
        c.login(user, PASSWORD)
        c.command('SELECT INBOX')
        c.send(b'x IDLE\r\n')
        contains(c.response()[:1], b'+')
        found.append(c)
    return found


def wake(c):
    c.send(b'DONE\r\n')
    contains(c.until(b'x')[-1], b'x OK')
    c.command('LOGOUT')
    c.close()


@needs_lab
def test_a_conforming_nat(_):
    """Cycle after cycle one keep-alive of the server's and nothing else; then news arrives, on the connection that the phone began with."""
    users = ('alice', 'bob')
    with Lab(nat_timeout=GOOD_S, fw_timeout=GOOD_S) as lab, lab.serve(users=users, config=UNIT) as server:
        phones = sleepers(lab, users, (lab.dmz.v4, lab.dmz.v6))
        ports = [c.socket.getsockname()[1] for c in phones]
        for _ in range(CYCLES):
            for c in phones:
                equal(c.response(), STILL_HERE)
        for user, c in zip(users, phones):
            deliver(lab, server, user, 'news')
            contains(c.response(), b'* 1 EXISTS')
            equal(c.buffer.replace(b'* 1 RECENT\r\n', b''), b'', 'nothing but the keep-alives')
        known = lab.nat.read('nf_conntrack')
        true(all(f' sport={p} ' in known for p in ports), 'the same connections')
        for c in phones:
            wake(c)


def check_reconnect(lab, server, phone, c):
    """What a phone does that hears nothing: it asks, and when that is not answered, connects again and has all that it missed."""
    c.settimeout(3)
    c.send(b'DONE\r\n')
    try:
        raise AssertionError(f'the NAT had forgotten, but the phone got {c.response()}')
    except socket.timeout:
        c.close()
    with lab.cli.inside():
        c, (_, _, lines) = phone.connect_imap('ENABLE QRESYNC', phone.qresync('INBOX'))
    return c, b''.join(lines)


@needs_lab
def test_a_bad_nat(_):
    """It forgets long before the keep-alive. News does not arrive; the phone notices when it speaks, connects again, and nothing is lost."""
    with Lab(nat_timeout=BAD_S) as lab, lab.serve(config=UNIT) as server:
        phone = Phone(server, 'alice')
        with lab.cli.inside():
            c, (_, _, lines) = phone.connect_imap('ENABLE QRESYNC', 'SELECT INBOX')
        phone.note('INBOX', lines)
        c.command('NOOP')
        phone.keep_session('imap', c)
        c.send(b'x IDLE\r\n')
        contains(c.response()[:1], b'+')
        time.sleep(BAD_S + 3)
        deliver(lab, server, 'alice', 'missed')
        c, text = check_reconnect(lab, server, phone, c)
        contains(text, b'* 1 EXISTS')
        contains(b''.join(c.command('FETCH 1 (ENVELOPE)')), b'missed')
        true(c.tls.session_reused, 'TLS was resumed')
        # It could go on: news reaches it again, and its old connection does no harm.
        c.send(b'y IDLE\r\n')
        contains(c.response()[:1], b'+')
        deliver(lab, server, 'alice', 'again')
        contains(c.response(), b'* 2 EXISTS')
        c.close()
        equal([l for l in server.log().split('\n') if ' error' in l], [])
        matches(server.log(), 'alice')


@needs_lab
def test_the_keep_alive_learns(_):
    """Three phones behind a bad NAT come back before their old connections were given up: the NAT is found out, logged, and from then on a keep-alive
    comes in time for it (D38)."""
    users = ('alice', 'bob', 'carol')
    with Lab(nat_timeout=BAD_S + 1) as lab, lab.serve(users=users, config=UNIT) as server:
        hosts = [lab.dmz.v4] * len(users)
        lost = sleepers(lab, users, hosts)
        time.sleep(BAD_S + 2)
        phones = sleepers(lab, users, hosts)
        eventually(lambda: 'forgets silent connections' in server.log(), 'the network is found out')
        for c in phones:
            c.send(b'DONE\r\n')
            contains(c.until(b'x')[-1], b'x OK')
            c.send(b'x IDLE\r\n')
            contains(c.response()[:1], b'+')
        for _ in range(2):
            for c in phones:
                equal(c.response(), STILL_HERE)
        for user, c in zip(users, phones):
            deliver(lab, server, user, 'news')
            contains(c.response(), b'* 1 EXISTS')
            wake(c)
        for c in lost:
            c.close()


@needs_lab
def test_a_long_silence_and_a_tunnel(_):
    """An hour and 50 minutes of silence, the radio gone at its end: news from within the tunnel and from behind it arrive on the same connections."""
    users = ('alice', 'bob', 'carol', 'dave')
    with Lab(nat_timeout=GOOD_S, fw_timeout=GOOD_S) as lab, lab.serve(users=users, config=UNIT) as server:
        phones = sleepers(lab, users, (lab.dmz.v4, lab.dmz.v6, lab.dmz.v4, lab.dmz.v6))
        asleep = time.monotonic()
        time.sleep(16.5)
        with lab.nat.while_cut('out0'):
            time.sleep(1.5)
            for user in users[:2]:
                deliver(lab, server, user, 'in the tunnel')
            time.sleep(max(0, asleep + 19.3 - time.monotonic()))
        for user in users[2:]:
            deliver(lab, server, user, 'behind it')
        for c in phones:
            said = c.response()
            while said == STILL_HERE:  # all of this took longer than it should, on a busy machine
                said = c.response()
            contains(said, b'* 1 EXISTS')
            wake(c)
