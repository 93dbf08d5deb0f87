"""Processes die; acknowledged mail does not. kill -9 at any moment, then everything that was answered OK must be there."""
import os
import re
import signal
import threading
import time

from lib.check import contains, equal, eventually, limetta_only, matches, message, true
from lib.servers import PASSWORD
from lib.sink import Sink
from lib.wire import Closed, Imap, No, open_imap, open_smtp


class Writer(threading.Thread):
    """Appends numbered messages, reconnecting when the connection breaks; keeps what was acknowledged."""

    def __init__(self, server, user, name):
        super().__init__(daemon=True)
        self.server, self.user, self.name = server, user, name
        self.acknowledged, self.is_over, self.breaks = [], False, 0

    def run(self):
        n = 0
        while not self.is_over:
            try:
                c = open_imap(self.server, self.user, PASSWORD)
                c.settimeout(60)
                while not self.is_over:
                    n += 1
                    c.append('INBOX', message(f'{self.name} {n}', 'x' * (n % 90) * 1000))
                    self.acknowledged.append(n)
            except (Closed, OSError, No):
                self.breaks += 1
                time.sleep(0.05)


@limetta_only
def test_kill_store_workers_under_load(make):
    with make() as s:
        writers = [Writer(s, user, f'{user}{i}') for user in ('alice', 'bob') for i in range(3)]
        for w in writers:
            w.start()
        for round_ in range(8):
            time.sleep(0.25 + round_ * 0.03)
            for pid in s.roles('store'):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: s.roles('store'), 'the supervisor starts them again')
        done = [len(w.acknowledged) for w in writers]
        eventually(lambda: all(len(w.acknowledged) > n for w, n in zip(writers, done)), 'all writers write again', 60)
        for w in writers:
            w.is_over = True
        for w in writers:
            w.join(60)
        true(sum(w.breaks for w in writers) > 0, 'the kills were felt')
        for user in ('alice', 'bob'):
            c = open_imap(s, user, PASSWORD)
            c.command('EXAMINE INBOX')
            have = set(re.findall(r'Subject: (\S+ \d+)\r', b''.join(
                c.command('FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]')).decode()))
            lost = [f'{w.name} {n}' for w in writers if w.user == user for n in w.acknowledged if f'{w.name} {n}' not in have]
            equal(lost, [], 'acknowledged messages that are lost')
            sizes = b''.join(c.command('FETCH 1:* (RFC822.SIZE)'))
            bodies = c.command('FETCH 1:* BODY.PEEK[]')
            for line in bodies[:-1]:
                n, size = map(int, matches(line, rb'\* (\d+) FETCH [^{]*\{(\d+)\}').groups())
                contains(sizes, b'* %d FETCH (RFC822.SIZE %d)' % (n, size))
            c.close()
        s.shut_down()
        for user in ('alice', 'bob'):
            s.run('verify', '--user', user)
        s.start()


@limetta_only
def test_kill_each_role(make):
    """Whatever role dies, service is back at once; sessions that did not need it go on."""
    with make() as s:
        for role in ('auth', 'store', 'submit', 'convert', 'edge'):
            idle = open_imap(s, 'alice', PASSWORD)
            pids = s.roles(role)
            true(pids, f'there is a process limetta-{role}')
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            eventually(lambda: s.roles(role) and not set(s.roles(role)) & set(pids), f'{role} is started again')

            def works():
                try:
                    open_imap(s, 'alice', PASSWORD).command('SELECT INBOX')
                    open_smtp(s, 'alice', PASSWORD, is_tls=True).command('NOOP')
                    return True
                except (Closed, OSError, No):
                    return False
            eventually(works, f'service after {role} died')
            if role in ('auth', 'submit'):
                idle.command('NOOP')
            idle.close()


@limetta_only
def test_kill_submit_before_the_relay_takes_mail(make):
    """What got its 250 reaches the relay, though the queue's process died meanwhile (S-1)."""
    with Sink() as relay:
        config = {'relay_host': '127.0.0.1', 'relay_port': relay.port, 'relay_tls': 'off'}
        with make(config=config) as s:
            c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
            for i in range(5):
                c.command('MAIL FROM:<alice@localhost>')
                c.command('RCPT TO:<carol@relayed.example>')
                c.command('DATA')
                c.send(message(f'queued {i}') + b'.\r\n')
                c.reply()
            for pid in s.roles('submit'):
                os.kill(pid, signal.SIGKILL)
            # One may come twice, when the process died between the relay's 250 and its own note; none may be lost.
            wanted = {b'Subject: queued %d\r\n' % i for i in range(5)}
            eventually(lambda: all(any(w in m[2] for m in relay.messages) for w in wanted), 'all reach the relay', 60)


class Submitter(threading.Thread):
    """Submits numbered messages to bob and to carol elsewhere, some of them large; keeps what was acknowledged."""

    def __init__(self, server, name):
        super().__init__(daemon=True)
        self.server, self.name, self.acknowledged, self.is_over, self.breaks = server, name, [], False, 0

    def run(self):
        n = 0
        while not self.is_over:
            try:
                c = open_smtp(self.server, 'alice', PASSWORD)
                c.settimeout(60)
                while not self.is_over:
                    n += 1
                    octets = message(f'{self.name} {n}', 'x' * 70 + '\r\n' if n % 5 else ('y' * 70 + '\r\n') * 2000)
                    c.send(b'MAIL FROM:<alice@localhost>\r\nRCPT TO:<bob@localhost>\r\nRCPT TO:<carol@relayed.example>\r\n'
                           b'BDAT %d LAST\r\n' % len(octets) + octets)
                    for _ in range(4):
                        c.reply()
                    self.acknowledged.append(f'{self.name} {n}')
            except (Closed, OSError, No):
                self.breaks += 1
                time.sleep(0.05)


def bobs_subjects(s):
    try:
        c = open_imap(s, 'bob', PASSWORD)
        c.command('EXAMINE INBOX')
        lines = c.command('FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]', must_be_ok=False)
        c.close()
    except (Closed, No):
        return []  # its worker is only just coming back
    return re.findall(r'Subject: (\S+ \d+)\r', b''.join(lines).decode())


@limetta_only
def test_kill_submit_and_store_under_load(make):
    """kill -9 anywhere between MAIL and INBOX: nothing acknowledged is lost; twice comes only what was between two 250s (S-1)."""
    kills = 10
    with Sink() as relay:
        config = {'relay_host': '127.0.0.1', 'relay_port': relay.port, 'relay_tls': 'off'}
        with make(config=config) as s:
            submitters = [Submitter(s, f'mail{i}') for i in range(3)]
            for w in submitters:
                w.start()
            for round_ in range(kills):
                time.sleep(0.3 + round_ * 0.037)
                for pid in s.roles('store' if round_ % 3 == 2 else 'submit'):
                    os.kill(pid, signal.SIGKILL)
            eventually(lambda: sum(len(w.acknowledged) for w in submitters) > 30, 'some were acknowledged')
            for w in submitters:
                w.is_over = True
            for w in submitters:
                w.join(60)
            true(sum(w.breaks for w in submitters) > 0, 'the kills were felt')
            sent = [n for w in submitters for n in w.acknowledged]

            def relayed():
                return [re.search(rb'Subject: (\S+ \d+)\r', m[2]).group(1).decode() for m in list(relay.messages)]
            eventually(lambda: set(sent) <= set(bobs_subjects(s)), 'all of them reach bob', 60)
            eventually(lambda: set(sent) <= set(relayed()), 'all of them reach the relay', 60)
            for got in (bobs_subjects(s), relayed()):
                # What was under way when a process died: at most one message for each attempt.
                true(len(got) - len(set(got)) <= kills * 20, f'{len(got) - len(set(got))} came twice')
                unknown = set(got) - set(sent)
                true(len(unknown) <= kills * len(submitters), f'{unknown} came without an answer')
            for m in relay.messages:
                true(m[2].endswith(b'x\r\n\r\n') or m[2].endswith(b'y\r\n\r\n'), 'each is whole')


@limetta_only
def test_two_idle_sessions(make):
    """M-17: two sessions in IDLE hear each of a third one's changes, and what they hear is the same."""
    with make(config={'news_window_ms': 0}) as s:
        writer = open_imap(s, 'alice', PASSWORD)
        for i in range(3):
            writer.append('INBOX', message(f'old {i}'))
        idlers = []
        for _ in range(2):
            c = open_imap(s, 'alice', PASSWORD)
            c.command('SELECT INBOX')
            c.send(b'i IDLE\r\n')
            contains(c.response()[:1], b'+')
            idlers.append(c)
        writer.command('SELECT INBOX')
        writer.append('INBOX', message('news'))
        writer.command('STORE 1 +FLAGS (\\Seen $Work)')
        writer.command('STORE 2 +FLAGS (\\Deleted)')
        writer.command('EXPUNGE')
        heard = []
        for c in idlers:
            text = b''
            while b'EXPUNGE' not in text:
                text += c.response()
            contains(text, b'* 4 EXISTS')
            contains(text, b'* 1 FETCH (FLAGS (')
            contains(text, b'* 2 EXPUNGE')
            c.send(b'DONE\r\n')
            c.until(b'i')
            # Only one of them is told that it is recent (RFC 3501, 2.3.2).
            heard.append(re.sub(rb'\\Recent ?|\* \d+ RECENT\r\n', b'', text))
        equal(heard[0], heard[1])
