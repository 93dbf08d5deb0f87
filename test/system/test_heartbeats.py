"""Heartbeats for clients that say who they are (ID; X-ID): imapflow, which does so by itself, and Python's imaplib when it is told to; on real sockets,
with a second of the idle rules made shorter. Exactly when they come is shown on a fake clock: test/unit/edge/heartbeats_test.c."""
import os
import signal
import subprocess
import time

from lib.check import contains, equal, eventually, limetta_only, true
from lib.clients import imaplib_login, ok, run_node
from lib.servers import PASSWORD
from lib.wire import Imap, open_imap

BEAT = b'* OK Still here\r\n'
CONFIG = {'time_unit_ms': 10, 'max_idle_s': 604800, 'idle_timeout_s': 691200,
          'heartbeat_clients': 'imaplib/3*:100 imap?flow:70 imapflow*:60', 'park_after_s': 1}


@limetta_only
def test_imapflow(make):
    """imapflow sends ID once it is logged in, and hears us in IDLE after each minute of silence, also when its session is parked."""
    with make(config=CONFIG) as s:
        contains(run_node(s, 'imapflow_heartbeat.js'), b'all well', 'imapflow')


@limetta_only
def test_imaplib(make):
    """ID by xatom, before the login and after it. Who says nothing, or has another name, is left alone."""
    with make(config=CONFIG) as s:
        quiet = open_imap(s, 'alice', PASSWORD)
        other = open_imap(s, 'alice', PASSWORD)
        other.command('ID ("name" "other")')
        m = imaplib_login(s)
        ok(m.xatom('ID', '("name" "imaplib" "version" "3.11")'))
        for n in range(3):
            begin = time.monotonic()
            equal(m.readline(), BEAT)
            true(time.monotonic() - begin > 0.9, 'not before its time')
            if n == 0:
                ok(m.noop())
        kill_store(s)
        equal(m.readline(), BEAT)
        ok(m.noop())
        ok(m.xatom('ID', 'NIL'))
        for c in (quiet, other):
            equal(len(c.command('NOOP')), 1, 'nothing stands before its answer')
            c.close()
        m.logout()
        early = Imap(s.host, s.imap_port)
        early.command('ID ("name" "IMAP Flow")')
        early.login('alice', PASSWORD)
        equal(early.read_line(), BEAT)
        early.close()


@limetta_only
def test_bad_lists(make):
    """What is no name and seconds is refused before anything starts, by the server and by its doctor."""
    with make() as s:
        for line, who in (('heartbeats = "anna:300 bob"', 'heartbeats: behind bob '), ('heartbeats = "anna:59"', 'heartbeats: behind anna '),
                          ('heartbeat_clients = "a?b/1:65535"', 'heartbeat_clients: behind a?b/1 '), ('heartbeat_clients = ":90"', 'heartbeat_clients: behind ')):
            path = os.path.join(s.dir, 'bad.conf')
            with open(path, 'w') as f:
                f.write(line + '\n')
            for command in ('serve', 'doctor'):
                r = subprocess.run([s.program, command, '--state', os.path.join(s.dir, 'other'), '--config', path], capture_output=True, timeout=60,
                                   check=False)
                equal((r.returncode, r.stdout), (2, b''), line)
                contains(r.stderr.decode(), who)


def kill_store(s):
    old = s.roles('store')
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(set(s.roles('store')) - set(old)) == len(old), 'other workers', 30)
