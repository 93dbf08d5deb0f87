"""What big mailboxes and many idle phones cost in memory."""
import os
import re
import tempfile

from lib.check import limetta_only, message, true
from lib.servers import PASSWORD, memory
from lib.wire import context_for, open_imap

MAILBOX_MIB = int(os.environ.get('LIMETTA_FETCH_MIB', '1024'))
GROWTH_KIB = 8 * 1024
IDLE_SESSIONS = 200
STORE_KIB, EDGE_TLS_KIB = 4, 24
VANISHED_KIB = 16 * 1024

IS_ALONE = True


def rss(server, role):
    return sum(memory(pid, 'Rss') for pid in server.roles(role))


@limetta_only
def test_fetch_of_everything_is_a_cursor(make):
    """FETCH 1:* of bodies over a large mailbox grows the worker by less than 8 MB, read at once and not read at all."""
    with make() as s, tempfile.TemporaryDirectory() as folder:
        c = open_imap(s, 'alice', PASSWORD)
        body = os.urandom(48 * 1024).hex()
        text = '\r\n'.join(body[i:i + 76] for i in range(0, len(body), 76))
        for i in range(16):
            c.append('INBOX', message(f'big {i}', text))
        c.command('SELECT INBOX')
        c.settimeout(300)
        copies = MAILBOX_MIB * 1024 * 1024 // (16 * len(text))
        c.command('CREATE Big')
        for _ in range(copies):
            c.command('COPY 1:16 Big')
        c.command('SELECT Big')
        c.command('FETCH 1:8 BODY.PEEK[]')
        before = rss(s, 'store')
        slow = open_imap(s, 'alice', PASSWORD)
        slow.command('EXAMINE Big')
        slow.send(b'z FETCH 1:* BODY.PEEK[]\r\n')  # and never reads
        c.send(b'y FETCH 1:* BODY.PEEK[]\r\n')
        most, octets, tail = 0, 0, b''
        while b'\r\ny OK' not in tail:
            data = c.socket.recv(1 << 20)
            true(data, 'the connection lives')
            octets += len(data)
            tail = tail[-100:] + data[-1000:]
            if octets // (32 << 20) != (octets - len(data)) // (32 << 20):
                most = max(most, rss(s, 'store') - before)
        true(octets > copies * 16 * len(text), f'all came: {octets}')
        print(f'NOTE FETCH of {octets >> 20} MiB grows the store by {most} KiB', flush=True)
        true(most < GROWTH_KIB, f'the store grew by {most} KiB')


@limetta_only
def test_idle_sessions_are_small(make):
    """Private memory of an idling TLS session: in the store, and in the edge with its TLS."""
    with make(config={'connections_per_address': 1000}) as s:
        def connect():
            c = open_imap(s, 'alice', PASSWORD, is_tls=True)
            c.command('SELECT INBOX')
            c.send(b'i IDLE\r\n')
            c.response()
            return c
        for i in range(50):
            open_imap(s, 'alice', PASSWORD).append('INBOX', message(f'm {i}'))
        warm = [connect() for _ in range(50)]

        def private(role):
            return sum(memory(pid, 'Private_Dirty') for pid in s.roles(role))
        before = {role: private(role) for role in ('store', 'edge')}
        more = [connect() for _ in range(IDLE_SESSIONS)]
        each = {role: (private(role) - before[role]) / IDLE_SESSIONS for role in before}
        print(f'NOTE an idle session costs {each["store"]:.1f} KiB in the store, {each["edge"]:.1f} KiB in the edge (TLS)', flush=True)
        true(each['store'] < STORE_KIB, f'an idle session costs {each["store"]:.1f} KiB in the store')
        true(each['edge'] < EDGE_TLS_KIB, f'an idle session costs {each["edge"]:.1f} KiB in the edge')
        for c in warm + more:
            c.close()


@limetta_only
def test_idle_compressed_sessions_are_small(make):
    """M-7: what COMPRESS adds to an idling TLS session in the edge: what the phone has said so far, and little else."""
    with make(config={'connections_per_address': 1000}) as s:
        def connect():
            c = open_imap(s, 'alice', PASSWORD, is_tls=True)
            c.command('COMPRESS DEFLATE')
            c.start_deflate()
            c.command('SELECT INBOX')
            c.command('FETCH 1:* (UID FLAGS ENVELOPE)')
            c.send(b'i IDLE\r\n')
            c.response()
            return c
        for i in range(50):
            open_imap(s, 'alice', PASSWORD).append('INBOX', message(f'm {i}'))
        warm = [connect() for _ in range(100)]  # more than there are compressors

        def private():
            return memory(s.roles('edge')[0], 'Private_Dirty')
        before = private()
        more = [connect() for _ in range(IDLE_SESSIONS)]
        each = (private() - before) / IDLE_SESSIONS
        print(f'NOTE an idle session with COMPRESS costs {each:.1f} KiB in the edge (TLS)', flush=True)
        true(each < EDGE_TLS_KIB, f'an idle session with COMPRESS costs {each:.1f} KiB in the edge')
        for c in warm + more:
            c.close()


@limetta_only
def test_a_client_that_was_away_for_100000_expunges(make):
    """X-RESYNC: the VANISHED set is exact, and costs the worker what it says, not what happened."""
    with make() as s:
        c = open_imap(s, 'alice', PASSWORD)
        c.settimeout(120)
        for mailbox in ('Seed', 'Big'):
            c.command(f'CREATE {mailbox}')
        for i in range(200):
            c.append('Seed', message(f'seed {i}'))
        c.command('SELECT Seed')
        for _ in range(1000):
            c.command('COPY 1:200 Big')
        c.command('ENABLE QRESYNC')
        known = b''.join(c.command('SELECT Big'))
        validity, modseq = (re.search(rb'%s (\d+)' % k, known).group(1).decode() for k in (b'UIDVALIDITY', b'HIGHESTMODSEQ'))
        for start in range(1, 200_001, 4000):  # every other one, in fifty commands
            uids = ','.join(str(u) for u in range(start, start + 4000, 2))
            c.command(f'UID STORE {uids} +FLAGS.SILENT (\\Deleted)')
            c.command(f'UID EXPUNGE {uids}')
        c.close()
        c = open_imap(s, 'alice', PASSWORD)
        c.settimeout(120)
        c.command('ENABLE QRESYNC')
        before = rss(s, 'store')
        lines = c.command(f'SELECT Big (QRESYNC ({validity} {modseq}))')
        growth = rss(s, 'store') - before
        gone = set()
        for line in lines:
            m = re.match(rb'\* VANISHED \(EARLIER\) ([\d:,]+)', line)
            for part in m.group(1).split(b',') if m else ():
                first, _, last = part.partition(b':')
                gone.update(range(int(first), int(last or first) + 1))
        true(gone == set(range(1, 200_001, 2)), f'{len(gone)} vanished')
        print(f'NOTE resynchronising after 100,000 expunges grows the store by {growth} KiB', flush=True)
        true(growth < VANISHED_KIB, f'the store grew by {growth} KiB')
        c.close()
