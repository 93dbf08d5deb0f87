"""Searches for text while real processes make the index in the background, die at it, and lose it (X-FULLTEXT)."""
import os
import signal
import time

from lib.check import equal, eventually, limetta_only, message, true
from lib.servers import PASSWORD
from lib.wire import Closed, No, open_imap


def index_of(server, user):
    return os.path.join(server.state, 'accounts', user, 'index.db')


def found(c, keys):
    """The numbers that a search finds."""
    lines = [line for line in c.command('SEARCH ' + keys) if line.startswith(b'* SEARCH')]
    return [int(n) for n in lines[0].split()[2:]]


def append_some(c, count):
    for i in range(count):
        c.append('INBOX', message(f'number {i}', f'the needle of {i}' if i % 10 == 0 else 'hay'))


def log_in_again(server, user):
    """After a worker's death: a ticket that was made before it is refused."""
    opened = []

    def try_it():
        try:
            opened.append(open_imap(server, user, PASSWORD))
        except (Closed, No, OSError):
            time.sleep(0.05)
        return opened
    eventually(try_it, 'the supervisor starts the worker again')
    return opened[0]


@limetta_only
def test_index_in_the_background(make):
    with make() as s:
        c = open_imap(s, 'alice', PASSWORD)
        append_some(c, 40)
        c.command('SELECT INBOX')
        equal(found(c, 'BODY needle'), [1, 11, 21, 31], 'before there is an index')
        eventually(lambda: os.path.exists(index_of(s, 'alice')), 'the worker begins an index')
        equal(found(c, 'BODY needle'), [1, 11, 21, 31], 'with an index')
        append_some(c, 1)
        equal(found(c, 'BODY needle'), [1, 11, 21, 31, 41], 'behind the index')
        for _ in range(3):
            for pid in s.roles('store'):
                os.kill(pid, signal.SIGKILL)
            c = log_in_again(s, 'alice')
            append_some(c, 10)
            c.command('SELECT INBOX')
            n = len(found(c, 'BODY hay')) + len(found(c, 'BODY "needle of"'))
            equal(n, len(found(c, 'ALL')), 'every message is found by its text')
            equal(found(c, 'NOT TEXT "number 3"'), [i for i in found(c, 'ALL') if i not in found(c, 'SUBJECT "number 3"')])


@limetta_only
def test_index_taken_away(make):
    with make() as s:
        c = open_imap(s, 'alice', PASSWORD)
        append_some(c, 20)
        eventually(lambda: os.path.exists(index_of(s, 'alice')), 'the worker begins an index')
        c.command('SELECT INBOX')
        with open(index_of(s, 'alice'), 'r+b') as f:
            f.write(os.urandom(4096))
            f.truncate(8192)
        equal(found(c, 'BODY needle'), [1, 11], 'a damaged index is no error')
        append_some(c, 5)
        true(found(c, 'BODY needle')[-1] == 21, 'nor later')
        c.command('LOGOUT')
