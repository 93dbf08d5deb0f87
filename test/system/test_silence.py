"""What real sockets are told of silence, and what a silent client hears: no keep-alive of TCP's, one "still here" of ours (RFC 5383, 4)."""
import os
import re
import signal
import smtplib
import socket
import subprocess
import tempfile
import threading
import time

from lib.check import equal, eventually, limetta_only, message, run, true
from lib.servers import PASSWORD, TOP, children
from lib.sieve import open_sieve
from lib.sink import Sink
from lib.wire import Imap, open_imap, open_smtp

FORBIDDEN = re.compile(r'SO_KEEPALIVE|TCP_USER_TIMEOUT|TCP_KEEP|IPV?6?_?RECVERR')


def store_and_sign(s):
    c = open_imap(s, 'alice', PASSWORD)
    validity, uid = map(int, re.search(rb'APPENDUID (\d+) (\d+)', c.append('Sent', message('signed'))[-1]).groups())
    rump = f'imap://alice@{s.host}:{s.imap_port}/Sent;UIDVALIDITY={validity}/;UID={uid};URLAUTH=submit+alice'
    url = re.search(rb'GENURLAUTH "?([^"\r\n]+)', c.command(f'GENURLAUTH "{rump}" INTERNAL')[0]).group(1).decode()
    c.close()
    return url


def work_through(s):
    """A socket of every kind: clients of all services, TLS, BURL's fetch, a relay, LMTP, the links between the roles."""
    url = store_and_sign(s)
    phone = open_imap(s, 'alice', PASSWORD, is_tls=True)
    phone.command('SELECT INBOX')
    c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
    for to in ('bob@localhost', 'carol@relayed.example'):
        c.command('MAIL FROM:<alice@localhost>')
        c.command(f'RCPT TO:<{to}>')
        c.command(f'BURL {url} LAST')
    with smtplib.LMTP(os.path.join(s.state, 'run', 'lmtp'), local_hostname='mx.example') as lmtp:
        lmtp.sendmail('x@relayed.example', ['alice@localhost'], message('from outside'))
    with smtplib.LMTP('127.0.0.1', s.lmtp_port, local_hostname='mx.example') as lmtp:
        lmtp.sendmail('x@relayed.example', ['alice@localhost'], message('from outside, by TCP'))
    sieve = socket.create_connection((s.host, s.sieve_port), 10)
    true(sieve.recv(10), 'ManageSieve greets')
    eventually(lambda: b'MESSAGES 2' in b''.join(phone.command('STATUS INBOX (MESSAGES)')), 'mail came')
    return phone, c, sieve


@limetta_only
def test_no_socket_option(make):
    """D13, D24: no socket of any role is told SO_KEEPALIVE, TCP_USER_TIMEOUT or IP_RECVERR, from the start of the server to its end; libcurl's
    neither. And none has TCP's keep-alive running."""
    with tempfile.TemporaryDirectory() as folder, Sink() as relay:
        calls = os.path.join(folder, 'calls')
        real = os.path.join(TOP, os.environ.get('LIMETTA_BUILD', 'build'))
        with open(os.path.join(folder, 'limetta'), 'w') as f:
            f.write('#!/bin/sh\n[ "$1" = serve ] || exec "%s/limetta" "$@"\n'
                    'exec strace -D -f -qq -e trace=setsockopt -o "%s" "%s/limetta" "$@"\n' % (real, calls, real))
        os.chmod(f.name, 0o755)
        config = {'relay_host': '127.0.0.1', 'relay_port': relay.port, 'relay_tls': 'off'}
        more = {'build': folder, 'env': {**os.environ, 'ASAN_OPTIONS': 'detect_leaks=0'}}
        with make(config=config, **more) as s:
            connections = work_through(s)
            equal(len(relay.wait(1)), 1)
            pids = {f'pid={p},' for p in children(s.process.pid)}
            rows = [r for r in run(['ss', '-Htnop']).decode().split('\n') if any(p in r for p in pids)]
            true(len(rows) >= 3, rows)
            true(not any('timer:(keepalive' in r for r in rows), rows)
            for c in connections:
                c.close()
        with open(calls) as f:
            text = f.read()
        true(len(set(re.findall(r'^(\d+) +setsockopt\(.*TCP_NODELAY', text, re.M))) >= 3, 'several roles made sockets: ' + text[-2000:])
        equal(FORBIDDEN.findall(text), [])
        web = os.path.join(real, 'test', 'unit', 'net', 'unit-net-http')
        if os.path.exists(web):
            run(['strace', '-f', '-qq', '-e', 'trace=setsockopt', '-o', calls, web], env=more['env'])
            with open(calls) as f:
                text = f.read()
            true('setsockopt(' in text, 'libcurl made sockets')
            equal(FORBIDDEN.findall(text), [])


@limetta_only
def test_tcp_keepalive(make):
    """D24: who wants TCP's keep-alive gets it every two hours at most, both to begin and between probes; less is refused."""
    with make(config={'tcp_keepalive_s': 7200}) as s:
        c = Imap(s.host, s.imap_port)
        c.login('alice', PASSWORD)
        eventually(lambda: re.search(r'ESTAB.*timer:\(keepalive,1[12]\dmin', run(['ss', '-Htno', f'( sport = :{s.imap_port} )']).decode()),
                   'the timer of TCP runs for two hours')
        c.close()
        with open(s.config, 'a') as f:
            f.write('tcp_keepalive_s = 7199\n')
        r = subprocess.run([s.program, 'serve', '--state', s.state, '--config', s.config], capture_output=True, timeout=20, check=False)
        equal(r.returncode, 2)
        true(b'tcp_keepalive_s must be a number from 7200 to 32767, or 0' in r.stderr, r.stderr)


@limetta_only
def test_still_here(make):
    """D18: on a real socket, with a second of the idle rules made a millisecond: silence, one line, silence."""
    with make(config={'time_unit_ms': 1}) as s:
        true('time_unit_ms is 1' in s.log(), 'the log says that time is short')
        c = Imap(s.host, s.imap_port)
        c.login('alice', PASSWORD)
        begin = time.monotonic()
        c.command('SELECT INBOX')
        equal(c.read_line(), b'* OK Still here\r\n')
        first = time.monotonic() - begin
        equal(c.read_line(), b'* OK Still here\r\n')
        true(first >= 6.8, f'not before its time: {first}')
        c.command('NOOP')
        c.close()


def kill(s, role):
    """One process of a role, at once. Its successor is there when this returns."""
    old = s.roles(role)
    os.kill(old[0], signal.SIGKILL)
    eventually(lambda: len(set(s.roles(role)) - set(old)) >= 1, f'another {role}', 30)


def count_mail(s, user):
    c = open_imap(s, user, PASSWORD)
    found = int(re.search(rb'MESSAGES (\d+)', b''.join(c.command('STATUS INBOX (MESSAGES)'))).group(1))
    c.close()
    return found


@limetta_only
def test_submission_outlives_submit(make):
    """Clients keep their connections when the submission server dies: between two messages they notice nothing, also when parked; in one they
    hear 451 4.3.2 and begin it again. What was acknowledged arrives once."""
    with make(config={'park_after_s': 1}) as s:
        resting = [open_smtp(s, 'alice', PASSWORD, is_tls=i == 0) for i in range(3)]
        waiting = open_smtp(s, 'alice', PASSWORD)  # in a transaction
        waiting.command('MAIL FROM:<alice@localhost>')
        waiting.command('RCPT TO:<bob@localhost>')
        data = open_smtp(s, 'alice', PASSWORD)  # in the content
        data.command('MAIL FROM:<alice@localhost>')
        data.command('RCPT TO:<bob@localhost>')
        data.command('DATA')
        data.send(b'Subject: half\r\n\r\nhello\r\n')
        chunk = open_smtp(s, 'alice', PASSWORD)
        chunk.command('MAIL FROM:<alice@localhost>')
        chunk.command('RCPT TO:<bob@localhost>')
        chunk.send(b'BDAT 100 LAST\r\n' + 50 * b'x')
        resting[1].command('NOOP')
        time.sleep(1.5)  # those that rest are parked now
        for _ in range(3):
            kill(s, 'submit')
            true(b'250' in resting[1].command('NOOP')[-1].encode(), 'goes on')
        true(waiting.command('RCPT TO:<bob@localhost>', must_be_ok=False)[-1].startswith('451 4.3.2'), 'the transaction is gone')
        true(waiting.command('DATA', must_be_ok=False)[-1].startswith('451 4.3.2'), 'and says so')
        data.send(b'MAIL FROM:<nobody@localhost>\r\n.\r\n')
        true(data.reply(must_be_ok=False)[-1].startswith('451 4.3.2'), 'the rest of the content is no command')
        chunk.send(50 * b'y')
        true(chunk.reply(must_be_ok=False)[-1].startswith('451 4.3.2'), 'nor the rest of the chunk')
        for n, c in enumerate((*resting, waiting, data, chunk)):
            c.command('RSET')
            c.command('MAIL FROM:<alice@localhost>')
            c.command('RCPT TO:<bob@localhost>')
            c.command('DATA')
            c.send(message(f'again {n}') + b'.\r\n')
            c.reply()
            c.close()
        eventually(lambda: count_mail(s, 'bob') == 6, 'each arrives')
        true('4.3.2' not in s.log(), 'nothing to see')


@limetta_only
def test_submission_under_kills(make):
    """smtplib sends, the submission server is killed all the time: each message that was acknowledged arrives, and those that were not
    are sent again."""
    with make(config={'duplicate_window_s': 0}) as s:
        stop, sent, tries, errors = threading.Event(), [], {}, []

        def client(number, c):
            for i in range(30):
                while not stop.is_set():
                    tries[f'{number}.{i}'.encode()] = tries.get(f'{number}.{i}'.encode(), 0) + 1
                    try:
                        c.sendmail('alice@localhost', ['bob@localhost'], message(f'{number}.{i}'))
                        sent.append(f'{number}.{i}')
                        break
                    except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as e:
                        code = e.smtp_code if hasattr(e, 'smtp_code') else list(e.recipients.values())[0][0]
                        if code != 451:
                            errors.append(repr(e))
                            return
                    except Exception as e:  # a connection that dropped is what this is about
                        errors.append(repr(e))
                        return

        clients = [smtplib.SMTP(s.host, s.submission_port, timeout=60) for _ in range(4)]
        for c in clients:
            c.login('alice', PASSWORD)
        threads = [threading.Thread(target=client, args=pair) for pair in enumerate(clients)]
        for t in threads:
            t.start()
        for _ in range(3):
            time.sleep(0.1)
            kill(s, 'submit')
        for t in threads:
            t.join(120)
        stop.set()
        equal(errors, [])
        equal(len(sent), 120)

        def subjects():
            c = open_imap(s, 'bob', PASSWORD)
            c.command('EXAMINE INBOX')
            text = b''.join(c.command('FETCH 1:* BODY.PEEK[HEADER]'))
            c.close()
            # A delivery that the kill interrupted is made again: the same message, with the same id from its submission.
            return [n for _, n in set(re.findall(rb'with ESMTPA id (\S+).*?Subject: (\d+\.\d+)\r\n', text, re.S))]
        eventually(lambda: set(subjects()) == {n.encode() for n in sent}, 'all arrive', 60)
        time.sleep(1)  # what would come twice has time to
        got = subjects()
        equal([n for n, times in tries.items() if not 1 <= got.count(n) <= times], [], 'acknowledged once, there once')


@limetta_only
def test_managesieve_outlives_store(make):
    """A ManageSieve session keeps its connection while its store worker dies, at rest, parked, and half through a script; what was
    answered is there."""
    with make(config={'park_after_s': 1, 'workers': 1}) as s:
        resting, busy = open_sieve(s), open_sieve(s)
        time.sleep(1.5)
        kill(s, 'store')
        busy.command('HAVESPACE "x" 100')
        busy.send(b'PUTSCRIPT "work" {7+}\r\nkee')
        resting.put('first', 'keep;\r\n')
        kill(s, 'store')
        busy.send(b'p;\r\n\r\n')
        busy.until()
        names = b''.join(resting.command('LISTSCRIPTS'))
        true(b'"first"' in names and b'"work"' in names, names)
        resting.close()
        busy.close()


def count_sleeps(pid):
    """How often a process went to sleep so far."""
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return int(re.search(r'^voluntary_ctxt_switches:\s*(\d+)', f.read(), re.M).group(1))


@limetta_only
def test_workers_of_sleepers_sleep(make):
    """D15: nobody turns in his sleep: when all sessions are parked, store workers are woken for nothing but a heartbeat."""
    with make(config={'park_after_s': 1}) as s:
        c = open_imap(s, 'alice', PASSWORD)
        c.command('SELECT INBOX')
        c.send(b'a IDLE\r\n')

        def is_asleep():
            before = {pid: count_sleeps(pid) for pid in s.roles('store')}
            time.sleep(4)
            return all(count_sleeps(pid) - n <= 8 for pid, n in before.items())
        eventually(is_asleep, 'the workers sleep')
        c.close()
