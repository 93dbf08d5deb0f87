"""What strangers try before they log in, and what nobody may find in the log: D21, D24, D40, D42."""
import base64
import os
import re
import socket
import time

from lib.check import contains, equal, eventually, limetta_only, message, true
from lib.servers import PASSWORD, TOP, memory
from lib.wire import Closed, Connection, Imap, Smtp, context_for, open_imap, open_smtp, plain

def ends_within(connection, seconds):
    connection.settimeout(seconds)
    try:
        while True:
            connection._pull()
    except Closed:
        return True
    except ConnectionError:
        return True
    except TimeoutError:
        return False


@limetta_only
def test_slow_strangers(make):
    """Single octets do not keep a stranger in, nor does a handshake that stops; time is counted from the last command (D15, D16)."""
    with make(config={'login_timeout_s': 10}) as s:
        talker = Imap(s.host, s.imap_port)
        slow = [Connection(s.host, s.imap_port), Connection(s.host, s.submission_port)]
        half_open = Imap(s.host, s.imap_port)
        half_open.command('STARTTLS')
        half_open.socket.sendall(b'\x16\x03\x01')
        for _ in range(20):
            time.sleep(0.6)
            talker.command('NOOP')
            for c in slow:
                try:
                    c.socket.sendall(b'x')
                except OSError:
                    pass
        for c in [*slow, half_open]:
            true(ends_within(c, 5), 'a stranger who says nothing whole is sent away')
        talker.command('NOOP')
        talker.close()


@limetta_only
def test_garbage_from_strangers(make):
    """Octets of every kind, many at once: an answer or an end, no growth, and others are served."""
    with make() as s:
        pid = s.roles('edge')[0]
        open_imap(s, 'alice', PASSWORD).close()
        before = memory(pid, 'Private_Dirty')  # what is shared with edges of other tests is shared by turns
        big_id = b'a ID (' + b' '.join(b'"k%d" "%s"' % (i, b'v' * 400) for i in range(30)) + b')\r\n'
        for payload in (os.urandom(65536), b'\0' * 65536, b'a ' * 65536, b'a NOOP\r\n' * 20000, b'\r\n' * 50000, b'{99999999999999999999}\r\n' * 500,
                        b'a LOGIN {2048+}\r\n' * 1000, b'a AUTHENTICATE PLAIN ' + b'A' * 100000 + b'\r\n', big_id * 100,
                        b'EHLO ' + b'x' * 100000 + b'\r\n', b'AUTH PLAIN ' + b'A' * 200000 + b'\r\n', b'BDAT 4000000000\r\n' + b'x' * 100000,
                        b'EHLO a\r\n' * 10000, b'MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n.\r\n' * 3000, b'\x16\x03\x01' + os.urandom(9000)):
            for port in (s.imap_port, s.submission_port):
                with socket.create_connection((s.host, port), 10) as c:
                    c.settimeout(0.3)
                    try:
                        c.sendall(payload)
                        while c.recv(65536):
                            pass
                    except OSError:
                        pass
        equal(s.roles('edge'), [pid], 'the edge lives')
        now = memory(pid, 'Private_Dirty')
        true(now < before + 4096, f'the edge grew from {before} to {now} KiB')
        open_imap(s, 'alice', PASSWORD).close()


@limetta_only
def test_octets_that_are_no_text(make):
    """NUL, bare CR, bare LF and 8-bit octets in commands before login are refused; what stands behind them is a command of its own."""
    with make() as s:
        for bad in (b'a NO\0OP\r\n', b'a LOGIN "a\0b" x\r\n', b'a N\xffOOP\r\n', b'\xff NOOP\r\n'):
            c = Imap(s.host, s.imap_port)
            c.send(bad + b'z NOOP\r\n')
            lines = c.until(b'z')
            true(b' BAD ' in lines[0], f'{bad}: {lines}')
            c.close()
        for bad in (b'NO\0OP\r\n', b'EHLO a\rb\r\n', b'EHLO \xff\r\n', b'EHLO a\0b\r\n', b'EHLO\r\n', b'EHLO a b\r\n', b'NOOP\nNOOP\r\n'):
            c = Smtp(s.host, s.submission_port)
            c.send(bad)
            equal(c.reply(must_be_ok=False)[0][:1], '5', bad)
            c.close()
        c = Smtp(s.host, s.submission_port)
        c.command('EHLO a')
        c.send(b'MAIL FROM:<a@localhost>\r\nRCPT TO:<bob@localhost>\r\nDATA\r\n' + b'x\r\n.\nMAIL FROM:<b@localhost>\r\n.\r\nNOOP\r\n')
        codes = [c.reply(must_be_ok=False)[0][:3] for _ in range(8)]
        equal(codes, ['530', '530', '530', '500', '501', '530', '500', '250'], 'nothing is mail before a login')
        c.close()


@limetta_only
def test_no_secret_in_the_log(make):
    """At the level of most words, nothing of passwords, tokens and messages, whether logins succeed, fail or are broken."""
    with make(config={'log_level': 'debug'}) as s:
        s.add_user('carol', 'Carols-secret-1')
        wrong = 'Wrong-secret-2'
        secrets = {PASSWORD, 'Carols-secret-1', wrong, 'Subject-secret-3', 'Body-secret-4', plain('carol', 'Carols-secret-1'), plain('carol', wrong)}
        c = Imap(s.host, s.imap_port)
        c.command(f'LOGIN carol "{wrong}"', must_be_ok=False)
        c.command(f'LOGIN carol {wrong} more', must_be_ok=False)
        c.command(f'AUTHENTICATE PLAIN {plain("carol", wrong)}!', must_be_ok=False)
        c.command(f'AUTHENTICATE PLAIN {plain("carol", wrong)}', must_be_ok=False)
        c.send(f'a LOGIN carol {{{len(wrong)}+}}\r\n{wrong}\r\n'.encode())
        c.until(b'a', must_be_ok=False)
        c.command('LOGIN carol "Carols-secret-1"')
        c.append('Sent', message('Subject-secret-3', 'Body-secret-4'))
        c.command(b'APPEND Sent {14+}\r\nBody-secret-4 X Body-secret-4', must_be_ok=False)
        c.command('SELECT Sent')
        c.command('SEARCH TEXT Body-secret-4')
        validity = re.search(rb'UIDVALIDITY (\d+)', b''.join(c.command('STATUS Sent (UIDVALIDITY)'))).group(1).decode()
        rump = f'imap://carol@{s.host}:{s.imap_port}/Sent;UIDVALIDITY={validity}/;UID=1;URLAUTH=submit+carol'
        url = re.search(r'"(imap:[^"]+)"', c.command(f'GENURLAUTH "{rump}" INTERNAL')[0].decode()).group(1)
        secrets.add(url.rsplit(':', 1)[1])
        c.command(f'URLFETCH "{url}"')
        c = open_smtp(s)
        c.command(f'AUTH PLAIN {plain("carol", wrong)}', must_be_ok=False)
        c.command(f'AUTH PLAIN {plain("carol", "Carols-secret-1")}')
        c.command('MAIL FROM:<carol@localhost>')
        c.command('RCPT TO:<bob@localhost>')
        equal(c.command(f'BURL {url} LAST')[0][:3], '250')
        c.command(f'BURL {url}x LAST', must_be_ok=False)
        c = open_imap(s, 'bob', PASSWORD)
        eventually(lambda: b'1 EXISTS' in b''.join(c.command('SELECT INBOX')), 'the message arrives')
        with open(os.path.join(s.state, 'keys', 'submit-password')) as f:
            secrets.add(f.read().strip())
        log = s.log()
        contains(log, 'login failed')
        found = [x for x in secrets if x in log or base64.b64encode(x.encode()).decode().rstrip('=')[:-1] in log]
        equal(found, [], 'secrets in the log')


def count_in_memory(pid, what):
    """How often the writable memory of a process holds the octets. Root may look, if the host lets it."""
    count = 0
    with open(f'/proc/{pid}/maps') as maps, open(f'/proc/{pid}/mem', 'rb') as memory_of:
        for line in maps:
            place, rights = line.split()[:2]
            start, end = (int(x, 16) for x in place.split('-'))
            if rights.startswith('rw'):
                try:
                    memory_of.seek(start)
                    count += memory_of.read(end - start).count(what)
                except OSError:
                    pass
    return count


@limetta_only
def test_auth_forgets_passwords(make):
    """D42: a password that was checked is not left in the memory of auth."""
    with make() as s:
        s.add_user('carol', 'Carols-secret-1')
        for is_tls in (False, True):
            c = Imap(s.host, s.imap_port)
            if is_tls:
                c.command('STARTTLS')
                c.start_tls(context_for(s.cert))
            c.command('LOGIN carol Carols-secret-1')
            c.close()
            c = open_imap(s, 'carol', 'Carols-secret-1', is_tls)
            try:
                count = count_in_memory(s.roles('auth')[0], b'Carols-secret-1')
                true(count_in_memory(s.roles('auth')[0], b'limetta') > 0, 'the search finds what is there')
            except PermissionError:
                return  # nobody may look: all the better
            if 'asan' not in s.program:  # it keeps what was freed
                equal(count, 0, 'copies of the password in auth')
            c.close()


# The edge has an option, at two hours at least (test_silence.py); the path checker's probes ask who refused them, until they are connected.
MAY_NAME = {'bind.c': {'SO_KEEPALIVE'}, 'role_edge.c': {'SO_KEEPALIVE', 'TCP_KEEPIDLE', 'TCP_KEEPINTVL'}, 'check_reach.c': {'IP_RECVERR', 'IPV6_RECVERR'}}


@limetta_only
def test_no_keep_alive(make):
    """D24, D26: no connection has a keep-alive timer, and nothing asks for one, for a time limit of TCP's, or for ICMP errors."""
    with make() as s:
        clients = [open_imap(s, 'alice', PASSWORD), open_imap(s, 'bob', PASSWORD, is_tls=True), open_smtp(s, 'alice', PASSWORD)]
        ports = {s.imap_port, s.submission_port}
        seen = 0
        with open('/proc/net/tcp') as f:
            for line in f.read().split('\n')[1:-1]:
                words = line.split()
                if int(words[1].split(':')[1], 16) in ports and words[3] == '01':
                    seen += 1
                    true(words[5].split(':')[0] != '02', f'a keep-alive timer: {line}')
        equal(seen, len(clients), 'connections')
    for folder, _, names in os.walk(os.path.join(TOP, 'src')):
        for name in names:
            with open(os.path.join(folder, name)) as f:
                code = re.sub(r'/\*.*?\*/', '', f.read(), flags=re.S)
            found = re.findall(r'SO_KEEPALIVE|TCP_USER_TIMEOUT|IP_RECVERR|IPV6_RECVERR|(?<!CURLOPT_)TCP_KEEP\w+', code)
            equal(set(found) - MAY_NAME.get(name, set()), set(), name)
