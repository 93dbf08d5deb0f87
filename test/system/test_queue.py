"""The outgoing queue in the operator's hands, and its reports as others read them (X-QUEUE, S-7)."""
import email
import email.policy
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

from lib.check import contains, equal, eventually, limetta_only, matches, message, true
from lib.servers import PASSWORD
from lib.sink import Sink
from lib.wire import open_imap, open_smtp

NOBODY = {'relay_host': '127.0.0.1', 'relay_port': 1, 'relay_tls': 'off'}  # nobody listens there


def submit(s, to, subject='hello', mail='', rcpt='', sender='alice@localhost', body='body\r\n'):
    c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
    c.command(f'MAIL FROM:<{sender}>{mail}')
    for address in to:
        c.command(f'RCPT TO:<{address}>{rcpt}')
    c.command('DATA')
    c.send(message(subject, body) + b'.\r\n')
    c.reply()
    c.close()


def queue(s, *words, check=True):
    r = s.run('queue', *words, check=check)
    return r.stdout.decode() if check else r


def listed(s, *words):
    return [json.loads(line) for line in queue(s, 'list', '--json', *words).splitlines()]


def inbox(s, user):
    c = open_imap(s, user, PASSWORD)
    is_empty = b'* 0 EXISTS' in b''.join(c.command('EXAMINE INBOX'))
    lines = [] if is_empty else c.command('FETCH 1:* BODY.PEEK[]')
    c.close()
    return [line for line in lines if b'\r\n\r\n' in line]


@limetta_only
def test_operator(make):
    """list, show, hold, release, flush, remove, with filters; the server running or not: the same words."""
    with make(config=NOBODY) as s:
        submit(s, ['carol@one.example', 'dave@two.example'], 'first')
        submit(s, ['carol@one.example'], 'second', rcpt=' NOTIFY=NEVER')
        eventually(lambda: len(listed(s)) == 2 and 'why' in listed(s)[0]['recipients'][0], 'the relay is away')
        for is_running in (True, False):
            first, second = listed(s)
            equal((first['from'], first['sender'], first['priority']), ('alice@localhost', 'alice', 0))
            equal([r['address'] for r in first['recipients']], ['carol@one.example', 'dave@two.example'])
            equal(len(listed(s, '--domain', 'two.example')), 1)
            equal(len(listed(s, '--sender', 'alice@localhost', '--recipient', 'carol@one.example')), 2)
            equal(len(listed(s, '--sender', 'bob@localhost')), 0)
            contains(queue(s, 'show', str(first['id'])), 'dave@two.example')
            contains(queue(s), '2 messages, ')  # the view, printed once: this is no terminal
            contains(queue(s, 'hold', str(second['id'])), '1 message, 1 recipient held')
            equal([m['id'] for m in listed(s, '--held')], [second['id']])
            contains(queue(s, 'release', '--all'), '1 message, 1 recipient released')
            contains(queue(s, 'flush'), '2 messages, ')
            r = queue(s, 'show', '999', check=False)
            equal((r.returncode, b'no such message' in r.stderr), (1, True))
            equal(queue(s, 'remove', check=False).returncode, 2)
            equal(queue(s, 'dance', check=False).returncode, 2)
            if is_running:
                s.shut_down()
        contains(queue(s, 'remove', '--domain', 'one.example', '--bounce'), '2 messages, 2 recipients removed')
        equal(len(listed(s)), 2)  # first has another recipient; and a report about it, not about the one with NOTIFY=NEVER
        s.start()
        eventually(lambda: any(b'Removed from the queue' in m for m in inbox(s, 'alice')), 'the sender is told')
        true(not any(b'second' in m for m in inbox(s, 'alice')), 'but not of what it did not want to hear')
        eventually(lambda: 'removed' in queue(s, 'remove', '--all', check=False).stdout.decode() and listed(s) == [], 'nothing is left')


@limetta_only
def test_terminal(make):
    """On a terminal the view is redrawn."""
    import pty
    with make(config=NOBODY) as s:
        submit(s, ['carol@one.example'])
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(s.program, [s.program, 'queue', '--state', s.state])
        got = b''
        deadline = time.monotonic() + 120
        while got.count(b'\x1b[H') < 3 and time.monotonic() < deadline:
            got += os.read(fd, 4096)
        os.kill(pid, signal.SIGINT)
        os.waitpid(pid, 0)
        os.close(fd)
        true(got.count(b'\x1b[H') >= 3, 'drawn again and again')
        contains(got, b'1 message, ')
        contains(got, b'carol@one.example')


@limetta_only
def test_control_socket(make):
    """It is for root and the server's user, bounded, and survives nonsense."""
    with make(config=NOBODY) as s:
        path = os.path.join(s.state, 'run', 'queue')
        equal(os.stat(path).st_mode & 0o777, 0o600)
        for octets in (b'\n\n', b'x' * 70000, b'op=list\n\nop=status\n\n' * 50, b'op=%zz\n\n'):
            c = socket.socket(socket.AF_UNIX)
            c.connect(path)
            c.settimeout(5)
            try:
                c.sendall(octets)
                c.shutdown(socket.SHUT_WR)
                while c.recv(65536):
                    pass
            except (ConnectionError, socket.timeout):
                pass
            c.close()
        contains(queue(s), '0 messages')


@limetta_only
def test_metrics(make):
    with make(config=NOBODY) as s:
        submit(s, ['carol@one.example', 'bob@localhost'])

        def metrics():
            with urllib.request.urlopen(f'http://127.0.0.1:{9143 + s.offset}/metrics', timeout=60) as r:
                return r.read().decode()
        eventually(lambda: 'limetta_queue_messages 1\n' in metrics() and 'outcome="delivered"} 1\n' in metrics(), 'the queue is counted')
        contains(metrics(), 'limetta_queue_recipients{state="waiting"} ')
        true(metrics().endswith('# EOF\n'), 'one end')
        c = open_imap(s, 'bob', PASSWORD)
        other = socket.create_connection(('127.0.0.1', s.sieve_port), 10)
        peer = socket.create_connection(('127.0.0.1', s.lmtp_port), 10)
        for line in ('sessions{service="imap",state="live"} 1', 'sessions{service="submission",state="live"} 0',
                     'sessions{service="sieve",state="stranger"} 1', 'sessions_opened_total{service="submission"} 1',
                     'lmtp_connections 1', 'lmtp_sessions_total 1'):
            eventually(lambda: f'\nlimetta_{line}\n' in metrics(), line)  # noqa: B023 (it is asked within the turn)
        for closed in (c, other, peer):
            closed.close()
        eventually(lambda: '\nlimetta_lmtp_connections 0\n' in metrics() and 'state="stranger"} 1' not in metrics()
                   and 'state="live"} 1' not in metrics(), 'all are gone')
        unique = matches(inbox(s, 'bob')[0], rb'ESMTPSA id ([0-9a-f]+)').group(1).decode()
        contains(s.log(), f'queue: message 1 ({unique}) from <alice@localhost>, ')  # so that a message is found in the log
        text = metrics()
        equal(sum(int(n) for n in re.findall(r'limetta_filter_outcomes_total\{worker="\d+",outcome="kept"\} (\d+)', text)), 1)
        families = re.findall(r'# TYPE (\S+)', text)
        equal(len(families), len(set(families)))


# With the system's own interpreter, which Debian's package is for.
SCAN = "import email, sys; from flufl.bounce import scan_message\nprint(sorted(a.decode() for a in scan_message(email.message_from_bytes(sys.stdin.buffer.read()))))"


def scan_bounced(octets):
    r = subprocess.run(['/usr/bin/python3', '-c', SCAN], input=octets, capture_output=True, timeout=60, check=True)
    return r.stdout.decode().strip()


def read_report(octets):
    """What Python's email package and flufl.bounce, neither written by us, make of a report."""
    m = email.message_from_bytes(octets[octets.index(b'\r\n') + 2:], policy=email.policy.SMTP)
    equal(m.defects, [])
    equal((m.get_content_type(), m.get_param('report-type')), ('multipart/report', 'delivery-status'))
    words, status, original = m.get_payload()
    for part in m.walk():
        equal(part.defects, [])
    fields = status.get_payload()
    return {'message': fields[0], 'recipients': fields[1:], 'original': original,
            'bounced': scan_bounced(octets[octets.index(b'\r\n') + 2:])}


def reports(s):
    return [m for m in inbox(s, 'alice') if b'multipart/report' in m]


@limetta_only
def test_reports_read_by_others(make):
    """Failed, delivered, relayed: Python's email and flufl.bounce find action, status, addresses and envelope id (S-7)."""
    with Sink() as relay, make(config={'relay_host': '127.0.0.1', 'relay_port': relay.port, 'relay_tls': 'off'}) as s:
        submit(s, ['bob@localhost', 'carol@relayed.example'], 'wanted', ' RET=HDRS ENVID=a+2Bb',
               ' NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o+2Brig@x.example')
        eventually(lambda: len(reports(s)) == 2, 'a report for each destination')
        actions = {}
        for octets in reports(s):
            r = read_report(octets)
            equal(r['message']['Original-Envelope-Id'], 'a+b')
            equal(r['recipients'][0]['Original-Recipient'], 'rfc822;o+rig@x.example')
            equal(r['original'].get_content_type(), 'text/rfc822-headers')
            equal(r['bounced'], '[]')  # nothing failed
            actions[r['recipients'][0]['Final-Recipient']] = r['recipients'][0]['Action']
        equal(actions, {'rfc822; bob@localhost': 'delivered', 'rfc822; carol@relayed.example': 'relayed'})
    with make() as s:  # no relay any more: what was accepted for it would fail; here aliases lead to nobody
        s.run('alias', 'add', 'all@localhost', 'bob@localhost', 'nobody@localhost')
        submit(s, ['all@localhost'], 'expanded', ' RET=FULL', ' NOTIFY=SUCCESS,FAILURE')
        eventually(lambda: len(reports(s)) == 2, 'expanded, and one failure')
        found = sorted((read_report(m)['recipients'][0]['Action'], read_report(m)['bounced']) for m in reports(s))
        equal(found, [('expanded', '[]'), ('failed', "['nobody@localhost']")])
        failed = next(read_report(m) for m in reports(s) if b'Action: failed' in m)
        equal(failed['original'].get_content_type(), 'message/rfc822')
        equal(failed['original'].get_payload()[0]['Subject'], 'expanded')


@limetta_only
def test_restart_keeps_everything(make):
    """A clean stop and start, and kill -9 while reports are made: each recipient is served or reported about, once (X-QUEUE)."""
    with make(config=NOBODY) as s:
        submit(s, ['carol@one.example'], 'kept', ' MT-PRIORITY=3', ' NOTIFY=FAILURE')
        queue(s, 'hold', '--all')
        before = listed(s)
        s.shut_down()
        s.start()
        after = listed(s)
        equal([(m['id'], m['arrived'], m['expires'], m['recipients'][0]['state']) for m in after],
              [(m['id'], m['arrived'], m['expires'], 'held') for m in before])
        for _ in range(3):
            for pid in s.roles('submit'):
                os.kill(pid, signal.SIGKILL)
            eventually(lambda: s.roles('submit'), 'it is started again')
            time.sleep(0.2)
        eventually(lambda: [m['id'] for m in listed(s)] == [m['id'] for m in before], 'held mail is still there')
