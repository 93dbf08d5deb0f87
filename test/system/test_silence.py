"""What real sockets are told of silence, and what a silent client hears: no keep-alive of TCP's, one "still here" of ours (RFC 5383, 4)."""
import os
import re
import smtplib
import socket
import subprocess
import tempfile
import time

from lib.check import equal, eventually, limetta_only, message, run, true
from lib.servers import PASSWORD, TOP, children
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
    """D24: no socket of any role is told SO_KEEPALIVE, TCP_USER_TIMEOUT or IP_RECVERR, from the start of the server to its end; libcurl's
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
        c.command('SELECT INBOX')
        begin = time.monotonic()
        equal(c.read_line(), b'* OK Still here\r\n')
        first = time.monotonic() - begin
        equal(c.read_line(), b'* OK Still here\r\n')
        true(first >= 6.8, f'not before its time: {first}')
        c.command('NOOP')
        c.close()
