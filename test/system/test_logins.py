"""Logins while somebody behind the edge is away, and by the thousand: clients wait, and nobody hears NO."""
import os
import signal
import subprocess
import threading
import time

from lib import load
from lib.check import equal, eventually, limetta_only, true
from lib.servers import PASSWORD
from lib.wire import Imap, context_for, open_smtp, plain


class Phones(threading.Thread):
    """Logs in in one way, leaves, and comes again, until it is over. Counts logins; notes all that a user would have been shown."""

    def __init__(self, server, kind, user):
        super().__init__(daemon=True)
        self.server, self.kind, self.user = server, kind, user
        self.context = context_for(server.cert)
        self.done, self.problems, self.is_over = 0, [], False

    def imap(self):
        c = Imap(self.server.host, self.server.imap_port)
        c.command('STARTTLS')
        c.start_tls(self.context)
        if self.kind == 'plain':
            c.command(f'AUTHENTICATE PLAIN {plain(self.user, PASSWORD)}')
        elif self.kind == 'login':
            c.command(f'LOGIN {self.user} "{PASSWORD}"')
        else:
            c.send(b'x AUTHENTICATE PLAIN\r\n')
            equal(c.read_line(), b'+ \r\n')
            c.send(plain(self.user, PASSWORD).encode() + b'\r\n')
            c.until(b'x')
        c.command('NOOP')
        c.close()

    def run(self):
        while not self.is_over:
            try:
                if self.kind == 'submission':
                    open_smtp(self.server, self.user, PASSWORD, True).close()
                else:
                    self.imap()
                self.done += 1
            except Exception as e:  # noqa: B902 (whatever it is, it is the finding)
                self.problems.append(f'{self.kind}: {e!r}')
                return


def restart(server, role):
    r = subprocess.run([server.program, 'restart', role, '--state', server.state], capture_output=True, timeout=120, check=False)
    equal((r.returncode, r.stderr.decode()), (0, ''), role)


def kill(server, role):
    before = server.roles(role)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(server.roles(role)) == len(before) and not set(server.roles(role)) & set(before), f'{role} is back', 60)


def wait_for_logins(phones, count):
    """Each of them logs in so often from now on."""
    want = [p.done + count for p in phones]
    eventually(lambda: all(p.done >= n or p.problems for p, n in zip(phones, want)), 'logins go on', 120)


@limetta_only
def test_nobody_hears_no(make):
    """Auth, store and submit are restarted and killed in a loop while clients log in one after the other."""
    with make(config={**load.CHEAP_LOGINS, 'workers': 2, 'log_level': 'info'}) as s:
        phones = [Phones(s, kind, user) for kind in ('plain', 'slow plain', 'login', 'submission') for user in ('alice', 'bob')]
        for p in phones:
            p.start()
        wait_for_logins(phones, 1)
        for _ in range(3):
            for act in (restart, kill):
                for role in ('auth', 'store', 'submit'):
                    act(s, role)
                    wait_for_logins(phones, 1)
        for p in phones:
            p.is_over = True
        for p in phones:
            p.join(120)
        equal([problem for p in phones for problem in p.problems], [])
        print(f'    {sum(p.done for p in phones)} logins')


def log_in_by_the_hundred(server, seconds, **options):
    return load.start('logins', server, source='127.77.0.1', sources=64, users=load.USERS, seconds=seconds, count=60, rate=60, **options)


@limetta_only
def test_scram(make):
    """SCRAM has two steps, so a client may be between them when auth goes. A restart lets it end; after a death it is hung up on, and never
    told NO."""
    with make(users=load.names(), config={**load.CHEAP_LOGINS, 'limits_exempt': '127.77.0.0/16'}) as s:
        logins = log_in_by_the_hundred(s, 5, tls=1)
        while logins.poll() is None:
            restart(s, 'auth')
            time.sleep(0.2)
        result = load.read(logins)
        print(f'    {result}')
        equal(int(result['failed']), 0)
        true(int(result['logins']) > 100, result)
        logins = log_in_by_the_hundred(s, 5, tls=1)
        while logins.poll() is None:
            kill(s, 'auth')
            time.sleep(0.2)
        result = load.read(logins)
        print(f'    {result}')
        equal(int(result['told_no']), 0)
        true(int(result['logins']) > 10, result)


@limetta_only
def test_storm(make):
    """Thousands of phones come back at once, from one address and from many; the default limits hold, and all get in."""
    limits = {k: v for k, v in load.CHEAP_LOGINS.items() if k != 'edge_logins_minute'}
    with make(users=load.names(), config={**limits, 'connections_per_address': 4000, 'edge_logins_minute': 600}) as s:
        for plain_, sources in ((1, 1), (0, 64)):
            storm = load.start('logins', s, source='127.77.0.1', sources=sources, users=load.USERS, seconds=120, count=2000, rate=2000, tls=1, plain=plain_,
                               once=1)
            result = load.read(storm)
            print(f'    {result}')
            equal((int(result['logins']), int(result['failed'])), (2000, 0))
