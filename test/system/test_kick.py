"""limetta kick, and what ends sessions with it: user delete, passwd --kick. Live and parked sessions of all services, at every edge, on this host and
others; logins under way."""
import base64
import json
import os
import re
import signal
import subprocess
import threading
import time

from lib.check import contains, equal, eventually, limetta_only, message, true
from lib.hosts import System, free_offsets
from lib.servers import PASSWORD
from lib.sieve import open_sieve
from lib.wire import Closed, Imap, No, open_imap, open_smtp, plain

IMAP_BYE = b'* BYE The administrator has ended this session\r\n'


def kick(s, *args, code=0):
    r = s.run('kick', *args, check=False)
    equal(r.returncode, code, r.stdout + r.stderr)
    return r.stdout.decode(), r.stderr.decode()


def numbers(out):
    """Of all services, IMAP, submission, ManageSieve."""
    m = re.search(r'that were ended: (\d+) \((\d+) IMAP, (\d+) submission, (\d+) ManageSieve\)', out)
    true(m, out)
    return tuple(map(int, m.groups()))


def is_over(c):
    try:
        while True:
            c.read_line()
    except (Closed, ConnectionError):
        return True


def assert_imap_bye(c):
    equal(c.read_line(), IMAP_BYE)
    true(is_over(c), 'and the end')


def count_parked(s):
    out = s.run('status', '--json').stdout.decode()
    return json.loads(out)['sessions']['imap']['parked']


def idle(s, user, **more):
    c = open_imap(s, user, PASSWORD, **more)
    c.command('SELECT INBOX')
    c.send(b'i IDLE\r\n')
    contains(c.read_line(), b'+ ')
    return c


@limetta_only
def test_all_sessions(make):
    """Live, in IDLE, parked, behind TLS and DEFLATE, in the middle of a message; of one user, and of nobody else."""
    with make(config={'park_after_s': 1}) as s:
        asleep = [idle(s, 'alice', is_tls=n == 0) for n in range(3)]
        other = idle(s, 'bob')
        eventually(lambda: count_parked(s) == 4, 'they sleep')
        live = open_imap(s, 'alice', PASSWORD)
        squeezed = open_imap(s, 'alice', PASSWORD)
        squeezed.command('COMPRESS DEFLATE')
        squeezed.start_deflate()
        literal = open_imap(s, 'alice', PASSWORD)
        literal.send(b'a APPEND INBOX {100}\r\n')
        contains(literal.read_line(), b'+ ')
        literal.send(b'Subject: half')
        smtp = open_smtp(s, 'alice', PASSWORD)
        data = open_smtp(s, 'alice', PASSWORD)
        for line in ('MAIL FROM:<alice@localhost>', 'RCPT TO:<bob@localhost>', 'DATA'):
            data.command(line)
        data.send(b'Subject: half\r\n')
        sieve, spared = open_sieve(s), open_smtp(s, 'bob', PASSWORD)
        out, err = kick(s, 'Alice')
        equal((numbers(out), err), ((9, 6, 2, 1), ''))
        for c in (*asleep, live, squeezed, literal):
            assert_imap_bye(c)
        for c in (smtp, data):
            contains(c.reply(must_be_ok=False)[-1], '421 4.7.0 ')
            true(is_over(c), 'and the end')
        contains(sieve.read_line(), b'BYE ')
        true(is_over(sieve), 'and the end')
        # Others sleep on, and hear what comes for them; the message that was half said is nowhere.
        writing = open_imap(s, 'bob', PASSWORD)
        writing.append('INBOX', message('for bob'))
        equal(other.read_line(), b'* 1 EXISTS\r\n')
        spared.command('NOOP')
        equal(numbers(kick(s, 'alice')[0]), (0, 0, 0, 0))
        # It is no ban.
        c = open_imap(s, 'alice', PASSWORD)
        contains(b''.join(c.command('SELECT INBOX')), b'0 EXISTS')
        eventually(lambda: count_parked(s) >= 1, 'the store forgot those that ended')
        equal(numbers(kick(s, 'bob')[0])[0], 3)


@limetta_only
def test_services(make):
    with make() as s:
        imap, smtp, sieve = open_imap(s, 'alice', PASSWORD), open_smtp(s, 'alice', PASSWORD), open_sieve(s)
        equal(numbers(kick(s, 'alice', '--service', 'submission')[0]), (1, 0, 1, 0))
        true(is_over(smtp), 'submission')
        imap.command('NOOP')
        equal(numbers(kick(s, 'alice', '--service', 'sieve')[0]), (1, 0, 0, 1))
        true(is_over(sieve), 'ManageSieve')
        equal(numbers(kick(s, 'alice', '--service', 'imap')[0]), (1, 1, 0, 0))
        assert_imap_bye(imap)
        for args in (['alice', '--service', 'smtp'], [], ['a b'], ['alice', 'bob']):
            kick(s, *args, code=2)
        contains(kick(s, 'nobody')[1], 'there is no user nobody')
        contains(s.log(), 'the operator ends the sessions of alice: 1 IMAP, 0 submission, 0 ManageSieve')
        s.shut_down()
        contains(kick(s, 'alice', code=1)[1], 'no server answers')


@limetta_only
def test_several_edges(make):
    """Each process that has connections is asked."""
    with make(config={'edges': 3, 'park_after_s': 1}) as s:
        clients = [idle(s, 'alice') for _ in range(24)]
        equal(numbers(kick(s, 'alice')[0]), (24, 24, 0, 0))
        for c in clients:
            assert_imap_bye(c)


@limetta_only
def test_users(make):
    """Who is deleted has no sessions left; a new password ends them when it is said so."""
    with make(config={'park_after_s': 1}) as s:
        asleep, live, bob = idle(s, 'alice'), open_imap(s, 'alice', PASSWORD), idle(s, 'bob')
        eventually(lambda: count_parked(s) >= 2, 'they sleep')
        s.run('user', 'passwd', 'alice', '--password-stdin', input=b'new words\n')
        live.command('NOOP')
        out = s.run('user', 'passwd', 'alice', '--password-stdin', '--kick', input=b'newer words\n').stdout.decode()
        equal(numbers(out), (2, 2, 0, 0))
        for c in (asleep, live):
            assert_imap_bye(c)
        again = open_imap(s, 'alice', 'newer words')
        equal(numbers(s.run('user', 'delete', 'alice', '--yes').stdout.decode()), (1, 1, 0, 0))
        assert_imap_bye(again)
        try:
            open_imap(s, 'alice', 'newer words')
            true(False, 'a user who was deleted')
        except No as e:
            contains(str(e), 'AUTHENTICATIONFAILED')
        s.shut_down()
        contains(s.run('user', 'delete', 'bob', '--yes').stdout, b'no server runs with')
        true(is_over(bob), 'it stopped')


@limetta_only
def test_logins_under_way(make):
    """A login that began before the user was deleted does not succeed after it: SCRAM is at its second message, PLAIN waits for Argon2id, a last
    message of the server waits to be confirmed."""
    with make(config={'argon2_passes': 4}) as s:
        c = Imap(s.host, s.imap_port)
        c.send(b'a AUTHENTICATE SCRAM-SHA-256 ' + base64.b64encode(b'n,,n=alice,r=abcdefghijkl') + b'\r\n')
        challenge = c.read_line()
        contains(challenge, b'+ ')
        plains = [Imap(s.host, s.imap_port) for _ in range(12)]
        for p in plains:
            p.send(b'a AUTHENTICATE PLAIN ' + plain('alice', PASSWORD).encode() + b'\r\n')
        ended = numbers(s.run('user', 'delete', 'alice', '--yes').stdout.decode())[0]
        nonce = base64.b64decode(challenge.split()[1]).split(b',')[0]
        c.send(base64.b64encode(b'c=biws,' + nonce + b',p=' + base64.b64encode(bytes(32))) + b'\r\n')
        contains(c.read_line(), b'a NO ')
        answers = []
        for p in plains:
            try:
                line = p.read_line()
                if line.startswith(b'a OK'):
                    equal(p.read_line(), IMAP_BYE)
                answers.append(line)
            except Closed:
                answers.append(b'')
        true(all(re.match(rb'a OK|a NO \[(UNAVAILABLE|AUTHENTICATIONFAILED)\]|\* BYE', a) for a in answers), answers)
        equal(sum(a.startswith((b'a OK', b'* BYE')) for a in answers), ended, answers)


@limetta_only
def test_under_logins(make):
    """Logins all the time, from many sides, while the user's password is changed, with --kick: whoever is in afterwards knows the new one."""
    with make(config={'connections_minute': 0, 'login_failures_hour': 0}) as s:
        stop, held, lock = threading.Event(), [], threading.Lock()

        def client():
            while not stop.is_set():
                try:
                    c = open_imap(s, 'alice', PASSWORD)
                except (No, Closed, OSError):
                    return
                with lock:
                    held.append(c)

        threads = [threading.Thread(target=client) for _ in range(4)]
        for t in threads:
            t.start()
        eventually(lambda: len(held) >= 8, 'they log in')
        s.run('user', 'passwd', 'alice', '--password-stdin', '--kick', input=b'new words\n')
        stop.set()
        for t in threads:
            t.join(60)
        true(all(is_over(c) for c in held), 'none is left')


@limetta_only
def test_without_auth(make):
    """Auth hangs: who asked may go, and another ask; it dies: he hears it. Its successor ends what is there."""
    with make() as s:
        c = open_imap(s, 'alice', PASSWORD)
        auth = s.roles('auth')[0]
        os.kill(auth, signal.SIGSTOP)
        command = [s.program, 'kick', 'alice', '--state', s.state]
        impatient, patient = (subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2))
        time.sleep(1)  # they have asked, most likely; if not, they are answered all the same
        impatient.kill()
        impatient.communicate(timeout=30)
        os.kill(auth, signal.SIGKILL)
        _, err = patient.communicate(timeout=30)
        equal(patient.returncode, 1)
        true(b'auth ended in the middle of it' in err or b'auth does not run now' in err, err)
        eventually(lambda: s.run('kick', 'alice', check=False).returncode == 0, 'its successor', 30)
        assert_imap_bye(c)
        contains(kick(s, 'alice')[0], 'sessions of alice that were ended: 0 ')


def hosts():
    a, b, c = free_offsets(3)
    quick = {'log_level': 'debug', 'domains': 'localhost example.org', 'hostname': 'localhost', 'plaintext_login': 'loopback', 'park_after_s': 1,
             'link_ping_s': 1, 'link_dead_s': 3}
    inside = {'roles': 'auth store submit', 'address': '127.0.0.1', 'port': 9144 + c}
    return System({
        'dmz1': {'roles': 'edge', 'offset': a, 'config': {**quick, 'roles': 'edge', 'link': {'inside': inside}}},
        'dmz2': {'roles': 'edge', 'offset': b, 'config': {**quick, 'roles': 'edge', 'link': {'inside': inside}}},
        'inside': {'roles': 'auth store submit convert', 'offset': c, 'config': {
            **quick, 'roles': 'auth store submit convert', 'link_listen': '127.0.0.1',
            'link': {'dmz1': {'roles': 'edge'}, 'dmz2': {'roles': 'edge'}}}},
    })


def can_log_in(host):
    try:
        open_imap(host, 'alice', PASSWORD).close()
        return True
    except (OSError, Closed, No):
        return False


@limetta_only
def test_other_hosts(make):
    """Edges in front of the host with the users: all are reached, or it is said which are not. Elsewhere it is said where to ask."""
    with hosts() as system:
        system.start()
        eventually(lambda: can_log_in(system.dmz1) and can_log_in(system.dmz2), 'links stand', 60)
        clients = [idle(h, 'alice') for h in (system.dmz1, system.dmz2) for _ in range(2)]
        equal(numbers(kick(system.inside, 'alice')[0]), (4, 4, 0, 0))
        for c in clients:
            assert_imap_bye(c)
        contains(kick(system.dmz1, 'alice', code=1)[1], 'auth runs on the host inside: say it there')
        left, reached = idle(system.dmz1, 'alice'), idle(system.dmz2, 'alice')
        os.kill(system.dmz1.process.pid, signal.SIGSTOP)
        stopped = [p for role in ('edge', 'gate') for p in system.dmz1.pids(role)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        out, err = kick(system.inside, 'alice', code=1)
        equal(numbers(out), (1, 1, 0, 0))
        contains(err, 'not reached, so sessions there go on: dmz1\n')
        assert_imap_bye(reached)
        for pid in (*stopped, system.dmz1.process.pid):
            os.kill(pid, signal.SIGCONT)
        eventually(lambda: 'not reached' not in system.inside.run('kick', 'alice', check=False).stderr.decode(), 'it is back', 60)
        assert_imap_bye(left)
