"""limetta serve and limetta user as an operator meets them: exit codes, one clear line, restarts, rights, stopping. D1, D15, D40, D42."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from lib.check import contains, equal, eventually, limetta_only, matches, message, true
from lib.servers import PASSWORD, children, free_offset
from lib.wire import Closed, Imap, context_for, open_imap, open_smtp, plain

def limetta(server, *args, stdin=b''):
    r = subprocess.run([server.program, *args], input=stdin, capture_output=True, timeout=60)
    return r.returncode, r.stdout.decode(), r.stderr.decode()


def log_in(server, user='alice', password=PASSWORD):
    """The tagged answer to a login."""
    c = Imap(server.host, server.imap_port)
    c.command('STARTTLS')
    c.start_tls(context_for(server.cert))
    answer = c.command(f'AUTHENTICATE PLAIN {plain(user, password)}', must_be_ok=False)[-1]
    c.close()
    return answer


def can_log_in(server, user='alice', password=PASSWORD):
    try:
        return b' OK ' in log_in(server, user, password)
    except (OSError, Closed):
        return False


@limetta_only
def test_wrong_usage(make):
    with make() as s:
        for args in ([], ['brew'], ['serve', '--colour', 'red'], ['serve', 'now'], ['serve', '--state'],
                     ['serve', '--port-offset', '-1'], ['serve', '--state', ''], ['user', 'list', '--state', ''], ['serve', '--port-offset', '60000'], ['serve', '--listen', 'everywhere'],
                     ['user'], ['user', 'add'], ['user', 'add', 'x'], ['user', 'add', 'a b', '--password-stdin'],
                     ['user', 'add', 'a/b', '--password-stdin'], ['user', 'rename', 'alice'], ['user', 'list', 'alice'],
                     ['user', 'delete', 'alice', '--state', s.state]):
            folder = tempfile.mkdtemp(prefix='limetta-test-')
            more = [] if '--state' in args or not args or args[0] == 'brew' else ['--state', folder]
            code, out, err = limetta(s, *args, *more, stdin=b'secret\n')
            shutil.rmtree(folder)
            equal(code, 2, f'{args}: {err}')
            equal(out, '', args)
            true(any(l.startswith(('limetta: ', 'usage: ')) for l in err.split('\n')), f'{args}: {err}')


@limetta_only
def test_bad_configuration(make):
    with make() as s:
        conf = os.path.join(s.dir, 'bad.conf')
        with open(conf, 'w') as f:
            f.write('# ours\nworkers = 2\ncolour = red\n')
        code, _, err = limetta(s, 'serve', '--config', conf, '--state', os.path.join(s.dir, 'other'))
        equal(code, 2)
        equal(err, f'limetta: {conf}:3: there is no setting called colour; limetta.conf(5) lists them all\n')
        code, _, err = limetta(s, 'serve', '--config', conf + '.missing', '--state', os.path.join(s.dir, 'other'))
        equal(code, 3)
        matches(err, 'cannot read')


@limetta_only
def test_environment(make):
    """A taken port, a state folder in use, a certificate that is none: exit code 3 and a line that says what to do."""
    with make() as s:
        other = os.path.join(s.dir, 'other')
        code, _, err = limetta(s, 'serve', '--state', other, '--listen', s.host, '--port-offset', str(s.offset))
        equal(code, 3)
        matches(err, rf'port {s.imap_port} \(imap\) on 127.0.0.1 is taken by another program')
        code, _, err = limetta(s, 'serve', '--state', s.state, '--listen', s.host, '--port-offset', str(free_offset()))
        equal(code, 3)
        matches(err, rf'is in use by process {s.process.pid}; stop it first')
        code, _, err = limetta(s, 'serve', '--state', other, '--listen', '192.0.2.1', '--port-offset', str(free_offset()))
        equal(code, 3)
        matches(err, 'this host has no address 192.0.2.1')
        conf = os.path.join(s.dir, 'tls.conf')
        with open(conf, 'w') as f:
            f.write('tls = required\n')
        code, _, err = limetta(s, 'serve', '--config', conf, '--state', other, '--listen', s.host, '--port-offset', str(free_offset()))
        equal(code, 3)
        matches(err, 'there is no certificate')
        with open(conf, 'w') as f:
            f.write('tls_cert = /nonexistent/cert.pem\n')
        code, _, err = limetta(s, 'serve', '--config', conf, '--state', other, '--listen', s.host, '--port-offset', str(free_offset()))
        equal((code, err), (3, 'limetta: tls_cert: there is no /nonexistent/cert.pem\n'))
        with open(conf, 'w') as f:
            f.write('tls_self_signed = yes\n')
        with open(os.path.join(other, 'tls-key.pem'), 'w') as f:
            f.write('precious\n')
        code, _, err = limetta(s, 'serve', '--config', conf, '--state', other, '--listen', s.host, '--port-offset', str(free_offset()))
        equal(code, 3)
        matches(err, 'tls-key.pem: .*exist')
        with open(os.path.join(other, 'tls-key.pem')) as f:
            equal(f.read(), 'precious\n')
        with open(conf, 'w') as f:
            f.write(f'tls_cert = {s.cert}\ntls_key = {s.cert}\n')
        code, _, err = limetta(s, 'serve', '--config', conf, '--state', other, '--listen', s.host, '--port-offset', str(free_offset()))
        equal(code, 3)
        matches(err, 'not a certificate and its key')
        with open(os.path.join(s.dir, 'file'), 'w') as f:
            f.write('x')
        code, _, err = limetta(s, 'serve', '--state', os.path.join(s.dir, 'file'), '--listen', s.host, '--port-offset', str(free_offset()))
        equal(code, 3)
        true(err.count('\n') == 1, err)


@limetta_only
def test_ready_line_and_pid(make):
    with make() as s:
        line = eventually(lambda: re.search(r'limetta is ready: IMAP on port (\d+), submission on port (\d+), .* process (\d+)', s.log()),
                          'the line that says "ready"')
        equal(line.groups(), (str(s.imap_port), str(s.submission_port), str(s.process.pid)))
        with open(os.path.join(s.state, 'run', 'pid')) as f:
            equal(f.read(), f'{s.process.pid}\n')
        equal(os.stat(s.state).st_mode & 0o777, 0o700)
        equal(os.stat(os.path.join(s.state, 'keys')).st_mode & 0o777, 0o700)
        for name in ('keys/ticket-private.pem', 'keys/submit-password', 'auth/users.db'):
            equal(os.stat(os.path.join(s.state, name)).st_mode & 0o777, 0o600, name)


@limetta_only
def test_listens_on_both_families(make):
    """D1: without --listen every address of IPv4 and IPv6 is served, at the standard ports plus the offset."""
    with make() as s:
        folder = tempfile.mkdtemp(prefix='limetta-test-')
        offset = free_offset()
        p = subprocess.Popen([s.program, 'serve', '--state', folder, '--port-offset', str(offset)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            matches(p.stdout.readline().decode(), 'limetta is ready')
            families = [('127.0.0.1', socket.AF_INET)]
            if os.path.exists('/proc/net/if_inet6') and open('/proc/net/if_inet6').read():
                families.append(('::1', socket.AF_INET6))
            for address, _ in families:
                for port in (143, 587, 4190):
                    with socket.create_connection((address, port + offset), 10) as c:
                        true(c.recv(1) in (b'*', b'2', b'"'), f'a greeting at {address}, {port + offset}')
        finally:
            p.terminate()
            equal(p.wait(60), 0)
            p.stdout.close()
            shutil.rmtree(folder)


@limetta_only
def test_killed_roles_come_back(make):
    """D15: each role may die; the supervisor brings it back and joins it to the others again."""
    with make() as s:
        true(can_log_in(s), 'a login')
        for role in ('auth', 'store', 'submit', 'edge'):
            for pid in s.roles(role):
                os.kill(pid, signal.SIGKILL)
            eventually(lambda: len(s.roles(role)) > 0, f'{role} is back')
            eventually(lambda: can_log_in(s), f'a login after {role} died')
        true(len(s.roles('store')) == 4, 'all stores are back')


@limetta_only
def test_no_role_outlives_its_supervisor(make):
    with make() as s:
        roles = children(s.process.pid)[1:]
        equal([len(s.roles(role)) for role in ('auth', 'store', 'submit', 'edge')], [1, 4, 1, 1])
        true(s.roles('convert'), 'a converter')
        s.process.kill()
        s.process.wait()
        eventually(lambda: not any(os.path.exists(f'/proc/{pid}') for pid in roles), 'all roles ended')
        s.start()
        eventually(lambda: can_log_in(s), 'a login after the supervisor died and was started again')


@limetta_only
def test_stops_in_order(make):
    """SIGTERM: clients hear goodbye, everything ends, exit code 0; the pid file goes."""
    with make() as s:
        c = open_imap(s, 'alice', PASSWORD)
        roles = children(s.process.pid)[1:]
        s.process.terminate()
        equal(s.process.wait(60), 0)
        contains(c.response(), b'* BYE ')
        true('was ended by' not in s.log() and 'at once' not in s.log(), 'nobody had to be killed')
        true(not any(os.path.exists(f'/proc/{pid}') for pid in roles), 'no role is left')
        true(not os.path.exists(os.path.join(s.state, 'run', 'pid')), 'the pid file is gone')
        c.close()
        s.start()


@limetta_only
def test_missing_role(make):
    """A role that does not start ends the whole thing, with exit code 3, instead of being tried for ever."""
    with make() as s:
        folder = tempfile.mkdtemp(prefix='limetta-test-')
        for name in ('limetta', 'limetta-auth', 'limetta-store', 'limetta-submit', 'limetta-convert'):
            shutil.copy(os.path.join(os.path.dirname(s.program), name), folder)
        args = [os.path.join(folder, 'limetta'), 'serve', '--state', os.path.join(folder, 'state'), '--listen', s.host,
                '--port-offset', str(free_offset())]
        r = subprocess.run(args, capture_output=True, timeout=60)
        equal(r.returncode, 3)
        matches(r.stderr.decode(), 'limetta-edge: No such file or directory')
        with open(os.path.join(folder, 'limetta-edge'), 'w') as f:
            f.write('#!/bin/sh\nexit 7\n')
        os.chmod(f.name, 0o755)
        r = subprocess.run(args, capture_output=True, timeout=60)
        equal(r.returncode, 3)
        matches(r.stderr.decode(), 'edge 0 does not start')
        shutil.rmtree(folder)


@limetta_only
def test_hang_up(make):
    """Under nohup SIGHUP means nothing. (What else it means: test_operator.py.)"""
    with make() as s:
        s.process.terminate()
        equal(s.process.wait(60), 0)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            s.start()
        finally:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
        s.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        true(can_log_in(s), 'a login after SIGHUP under nohup')


@limetta_only
def test_signal_to_the_whole_group(make):
    """Service managers send SIGTERM to every process: it still is an orderly stop."""
    with make() as s:
        eventually(lambda: 'limetta is ready' in s.log(), 'the line that says "ready"')
        for pid in reversed(children(s.process.pid)):
            os.kill(pid, signal.SIGTERM)
        s.process.terminate()
        equal(s.process.wait(60), 0)
        true('was ended by' not in s.log() and 'at once' not in s.log(), s.log())
        s.process = None


@limetta_only
def test_second_signal_stops_at_once(make):
    with make() as s:
        store = s.roles('store')[0]
        os.kill(store, signal.SIGSTOP)
        s.process.send_signal(signal.SIGINT)
        eventually(lambda: 'stopping' in s.log(), 'it stops, and waits for the store')
        time.sleep(0.5)  # two signals in one moment are one wish
        s.process.send_signal(signal.SIGINT)
        equal(s.process.wait(60), 0)
        contains(s.log(), 'stopping at once')
        s.process = None


@limetta_only
def test_confinement(make):
    """D40: no role is root, has a capability, may gain rights, or runs without a seccomp filter; the edge opens no file."""
    with make() as s:
        eventually(lambda: 'limetta is ready' in s.log(), 'the line that says "ready"')
        for role in ('edge', 'auth', 'store', 'submit', 'convert'):
            pids = eventually(lambda: s.roles(role), role)
            for pid in pids:
                with open(f'/proc/{pid}/status') as f:
                    status = dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)
                equal(status['NoNewPrivs'], '1', role)
                equal(int(status['CapEff'], 16) | int(status['CapPrm'], 16), 0, role)
                if 'asan' not in s.program:
                    equal(status['Seccomp'], '2', role)
                if os.geteuid() == 0:
                    true('0' not in status['Uid'].split('\t'), f'{role} is not root')
                    equal(status['Groups'].strip(), '', role)
        if os.geteuid() == 0:
            equal(os.stat(os.path.join(s.state, 'keys')).st_uid, 0)
            true(os.stat(os.path.join(s.state, 'accounts')).st_uid != 0, 'mail belongs to the roles')


@limetta_only
def test_nothing_is_inherited(make):
    """D40: a role has the log, its control socket, links, and what it opened itself: no file, pipe or secret of whoever started us."""
    secret_file = tempfile.TemporaryFile()
    secret_file.write(b'secret')
    secret_file.flush()
    keep = os.dup2(secret_file.fileno(), 9)
    allowed = {'edge': r'(socket|pipe|anon_inode):', 'auth': r'(socket|pipe|anon_inode):|.*/state/auth/users\.db',
               'store': r'(socket|pipe|anon_inode):|.*/state/accounts/', 'submit': r'(socket|pipe|anon_inode):|.*/state/queue/'}
    try:
        with make(pass_fds=[keep], env={**os.environ, 'TOKEN_OF_ANOTHER_PROGRAM': 'secret'}) as s:
            true(can_log_in(s), 'a login')
            for role, pattern in allowed.items():
                for pid in s.roles(role):
                    for fd in os.listdir(f'/proc/{pid}/fd'):
                        target = os.readlink(f'/proc/{pid}/fd/{fd}')
                        wanted = {'0': '/dev/null', '1': '/dev/null', '2': s.log_path}.get(fd)
                        true(target == wanted if wanted else re.match(pattern, target), f'{role}: descriptor {fd}: {target}')
                    with open(f'/proc/{pid}/environ', 'rb') as f:
                        names = {v.split(b'=')[0].decode() for v in f.read().split(b'\0') if v}
                    equal(names - {'LD_LIBRARY_PATH', 'ASAN_OPTIONS', 'LSAN_OPTIONS', 'UBSAN_OPTIONS', 'GCOV_PREFIX',
                                   'LLVM_PROFILE_FILE', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'RES_OPTIONS', 'LOCALDOMAIN'}, set(), role)
    finally:
        os.close(keep)
        secret_file.close()


@limetta_only
def test_password_change_counts_at_once(make):
    """D42: what auth remembers is dropped with the password, and with the user."""
    with make() as s:
        true(can_log_in(s), 'a login, remembered from now on')
        true(can_log_in(s), 'a login from memory')
        s.run('user', 'passwd', 'alice', '--password-stdin', input=b'new words\n')
        true(not can_log_in(s), 'the old password is refused')
        true(can_log_in(s, password='new words'), 'the new password is taken')
        contains(s.run('user', 'list').stdout, b'alice\nbob\n')
        s.run('user', 'delete', 'alice', '--yes')
        true(not can_log_in(s, password='new words'), 'a deleted user is refused')
        equal(s.run('user', 'delete', 'alice', '--yes', check=False).returncode, 1)
        equal(s.run('user', 'passwd', 'alice', '--password-stdin', input=b'x\n', check=False).returncode, 1)
        s.run('user', 'add', 'Alice', '--password-stdin', input=b'again\n')
        true(can_log_in(s, password='again'), 'a user who was added again')
        equal(s.run('user', 'add', 'ALICE', '--password-stdin', input=b'x\n', check=False).returncode, 1)


@limetta_only
def test_delete_with_mail(make):
    """Mail outlives its user unless the operator says otherwise; then it is gone."""
    with make() as s:
        c = open_imap(s, 'alice', PASSWORD)
        c.append('INBOX', message('kept'))
        c.close()
        s.run('user', 'delete', 'alice', '--yes')
        s.add_user('alice')
        c = open_imap(s, 'alice', PASSWORD)
        contains(b'\n'.join(c.command('SELECT INBOX')), b'1 EXISTS')
        equal(s.run('user', 'delete', 'alice', '--with-mail', check=False).returncode, 2)
        r = s.run('user', 'delete', 'alice', '--with-mail', '--yes', check=False)
        equal(r.returncode, 3, r.stderr)
        contains(r.stderr, b'still open in the server')
        c.close()
        equal(s.shut_down(), '')  # waiting a minute would do, too
        s.run('user', 'delete', 'alice', '--with-mail', '--yes')
        equal(s.run('user', 'delete', 'alice', '--with-mail', '--yes', check=False).returncode, 1)
        equal(os.listdir(os.path.join(s.state, 'accounts')), [], 'no folder is left')
        s.add_user('alice')
        s.start()
        c = open_imap(s, 'alice', PASSWORD)
        contains(b'\n'.join(c.command('SELECT INBOX')), b'0 EXISTS')
        c.close()


@limetta_only
def test_linked_libraries(make):
    """D40: what faces the network links few libraries, and no database."""
    with make() as s:
        folder = os.path.dirname(s.program)
        allowed = {'edge': {'libuv', 'libssl', 'libcrypto', 'libz', 'libseccomp', 'libc'},
                   'submit': {'libuv', 'libssl', 'libcrypto', 'libz', 'libseccomp', 'libc', 'libsqlite3', 'libcares', 'libcurl', 'libicuuc'},
                   'auth': {'libuv', 'libssl', 'libcrypto', 'libseccomp', 'libc', 'libsqlite3', 'libgsasl', 'libsodium'},
                   'store': {'libuv', 'libssl', 'libcrypto', 'libz', 'libseccomp', 'libc', 'libsqlite3', 'libicuuc', 'libicui18n'}}
        for role, names in allowed.items():
            out = subprocess.run(['readelf', '-d', os.path.join(folder, f'limetta-{role}')], capture_output=True, check=True).stdout
            needed = set(re.findall(r'NEEDED.*\[(lib[\w+-]+?)\.so', out.decode()))
            if 'asan' not in folder:
                equal(needed - names, set(), f'libraries of {role}')


@limetta_only
def test_failed_logins_wait(make):
    """A login that fails is answered later each time; one that succeeds is not. (How much later: test/unit/auth/delays_test.c.)"""
    def take(password, answer):
        start = time.monotonic()
        contains(log_in(s, password=password), answer)
        return time.monotonic() - start

    with make() as s:
        waits = [take('wrong', b'NO [AUTHENTICATIONFAILED]') for _ in range(4)]
        true(waits[3] > 1.9, f'waits grow: {waits}')
        # A busy machine may be as slow to say yes: then both are asked again.
        eventually(lambda: take(PASSWORD, b' OK ') < take('wrong', b'NO '), 'a good login does not wait')


@limetta_only
def test_self_signed_certificate(make):
    """tls_self_signed makes one for the names of this host, which a client can check by trusting it."""
    with make() as s:
        folder = tempfile.mkdtemp(prefix='limetta-test-')
        conf = os.path.join(s.dir, 'self.conf')
        with open(conf, 'w') as f:
            f.write('hostname = mail.example.org\ntls_self_signed = yes\ntls = required\n')
        offset = free_offset()
        p = subprocess.Popen([s.program, 'serve', '--config', conf, '--state', folder, '--listen', s.host, '--port-offset', str(offset)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            matches(p.stdout.readline().decode(), 'limetta is ready')
            c = Imap(s.host, 143 + offset)
            c.command('STARTTLS')
            c.start_tls(context_for(os.path.join(folder, 'tls-cert.pem')))
            c.command('NOOP')
            c.close()
        finally:
            p.terminate()
            p.wait(60)
            p.stdout.close()
            shutil.rmtree(folder)


def submit_by_url(server):
    """Forwards a stored message by BURL; how the submission server answered."""
    c = open_imap(server, 'alice', PASSWORD, is_tls=True)
    body = message('to be forwarded')
    c.append('Sent', body)
    lines = c.command('SELECT Sent')
    validity = matches(b'\n'.join(lines), rb'UIDVALIDITY (\d+)').group(1).decode()
    rump = f'imap://alice@{server.host}:{server.imap_port}/Sent;UIDVALIDITY={validity}/;UID=1;URLAUTH=submit+alice'
    url = matches(c.command(f'GENURLAUTH "{rump}" INTERNAL')[0], rb'GENURLAUTH "?([^"\r\n]+)').group(1).decode()
    c.close()
    s = open_smtp(server, is_tls=True)
    s.command(f'AUTH PLAIN {plain("alice", PASSWORD)}')
    s.command('EHLO phone.example')
    s.command('MAIL FROM:<alice@localhost>')
    s.command('RCPT TO:<bob@localhost>')
    answer = s.command(f'BURL {url} LAST', must_be_ok=False)[-1]
    s.close()
    return answer


@limetta_only
def test_burl_under_strict_settings(make):
    """D45: the submission server reaches its own store, too, when that wants TLS and no plain passwords."""
    for config in ({}, {'tls': 'required'}, {'plaintext_login': 'never'}, {'tls': 'required', 'plaintext_login': 'never'}):
        with make(config=config) as s:
            equal(submit_by_url(s)[:3], '250', config)
            c = open_imap(s, 'bob', PASSWORD, is_tls=True)
            eventually(lambda: b'1 EXISTS' in b'\n'.join(c.command('SELECT INBOX')), f'the message arrives: {config}')
            c.close()
