"""What an operator does to a running server: limetta reload (a certificate without dropping a session, D15), limetta restart, SIGHUP."""
import fcntl
import glob
import os
import pty
import re
import json
import shutil
import socket
import signal
import subprocess
import tempfile
import termios

from lib.check import Skip, contains, equal, eventually, limetta_only, matches, true
from lib.servers import PASSWORD, TOP, make_certificate
from lib.wire import Imap, context_for, open_smtp, plain


def limetta(server, *args):
    r = subprocess.run([server.program, *args, '--state', server.state], capture_output=True, timeout=120)
    return r.returncode, r.stdout.decode(), r.stderr.decode()


def log_in(server, cert):
    c = Imap(server.host, server.imap_port)
    c.command('STARTTLS')
    c.start_tls(context_for(cert))
    c.command(f'AUTHENTICATE PLAIN {plain("alice", PASSWORD)}')
    return c


def set_config(server, text):
    with open(server.config, 'w') as f:
        f.write(text)


@limetta_only
def test_certificate(make):
    """D15: a new certificate is for those who come from now on; who is here stays, on the same connection."""
    with make() as s:
        old_cert = os.path.join(s.dir, 'old.pem')
        shutil.copy(s.cert, old_cert)
        idle = log_in(s, old_cert)
        idle.command('SELECT INBOX')
        make_certificate(s.state)
        code, out, err = limetta(s, 'reload')
        equal((code, err), (0, ''))
        matches(out, r'^certificate: in use, until \d{4}-\d\d-\d\d\n$')
        new = log_in(s, s.cert)
        new.command('NOOP')
        try:
            log_in(s, old_cert)
            raise AssertionError('the old certificate is still shown')
        except Exception as e:
            contains(str(type(e)), 'SSL')
        idle.command('NOOP')
        idle.command('FETCH 1:* FLAGS', must_be_ok=False)
        equal(limetta(s, 'reload'), (0, 'nothing has changed\n', ''))


@limetta_only
def test_bad_certificate(make):
    """A certificate that cannot be used changes nothing: what is in force stays, and the reason is said."""
    with make() as s:
        good = {p: open(p).read() for p in s.identity}
        cert, key = s.identity
        other = tempfile.mkdtemp(prefix='limetta-test-')
        other_key = open(make_certificate(other)[1]).read()
        expired = os.path.join(other, 'expired.pem')
        request = subprocess.run(['openssl', 'req', '-new', '-key', key, '-subj', '/CN=localhost'], check=True, capture_output=True)
        subprocess.run(['openssl', 'x509', '-req', '-signkey', key, '-days', '-1', '-out', expired], input=request.stdout,
                       check=True, capture_output=True)
        for path, text, why in ((cert, 'no PEM\n', 'not a certificate'), (key, other_key, "the key is not that certificate's"),
                                (key, '', 'not a certificate and its key'), (cert, None, 'is not there any more'),
                                (cert, open(expired).read(), 'has expired')):
            if text is None:
                os.unlink(path)
            else:
                with open(path, 'w') as f:
                    f.write(text)
            code, out, err = limetta(s, 'reload')
            equal((code, out), (1, ''), why)
            contains(err, why)
            for p, t in good.items():
                with open(p, 'w') as f:
                    f.write(t)
            log_in(s, cert).close()
        shutil.rmtree(other)


@limetta_only
def test_bad_configuration(make):
    with make(config={'log_level': 'info'}) as s:
        set_config(s, 'log_level = debug\ncolour = red\n')
        code, out, err = limetta(s, 'reload')
        equal((code, out), (1, ''))
        equal(err, f'limetta: {s.config}:2: there is no setting called colour; limetta.conf(5) lists them all\n')
        for line, why in (('notify_webhooks = "ftp://x"', 'notify_webhooks: ftp://x is neither'), ('heartbeats = "anna"', 'heartbeats: behind anna'),
                          ('heartbeats = "anna:300 bob:5"', 'heartbeats: behind bob'), ('heartbeat_clients = ":300"', 'heartbeat_clients: '),
                          ('lmtp_allow = "10.0.0.0/33"', 'lmtp_allow: 10.0.0.0/33 is no network')):
            set_config(s, f'log_level = debug\n{line}\n')
            code, out, err = limetta(s, 'reload')
            equal((code, out), (1, ''), line)
            contains(err, f'limetta: {why}')
        s.process.send_signal(signal.SIGHUP)
        eventually(lambda: 'the configuration was not reloaded' in s.log(), 'the log says that it was not reloaded')
        true(not re.search(r' debug ', s.log()), 'the old log level')
        log_in(s, s.cert).close()


@limetta_only
def test_settings(make):
    """What is in force at once, what needs other roles to start anew, what a restart of everything; never a value."""
    with make() as s:
        log = os.path.join(s.dir, 'limetta.log')
        set_config(s, f'log_level = debug\nlog_file = {log}\nworkers = 2\nqueue_retry_first_s = 77\nrelay_password = "very secret"\n'
                      'recipients_most = 500\n')
        code, out, err = limetta(s, 'reload')
        equal((code, err), (0, ''))
        equal(sorted(out.splitlines()), ['log_file: in force', 'log_level: in force',
                                         'queue_retry_first_s: in force after limetta restart submit',
                                         'recipients_most: needs a restart of the server; the old value stays',
                                         'relay_password: in force after limetta restart submit',
                                         'workers: needs a restart of the server; the old value stays'])
        stores = len(s.roles('store'))
        log_in(s, s.cert).close()
        eventually(lambda: os.path.exists(log) and 'auth: ' in open(log).read(), 'roles write into the new log file')
        os.rename(log, log + '.1')
        equal(limetta(s, 'reload')[0], 0)
        log_in(s, s.cert).close()
        eventually(lambda: os.path.exists(log) and 'auth: ' in open(log).read(), 'and into the next one, after it was rotated')
        equal(limetta(s, 'restart', 'submit', 'store')[0], 0)
        equal(len(s.roles('store')), stores, 'workers')
        set_config(s, f'log_file = /nowhere/limetta.log\n')
        code, out, err = limetta(s, 'reload')
        equal(code, 1)
        log_in(s, s.cert).close()


@limetta_only
def test_hang_up_reloads(make):
    with make() as s:
        make_certificate(s.state)
        s.process.send_signal(signal.SIGHUP)
        eventually(lambda: 'the configuration was reloaded, with a new certificate' in s.log(), 'SIGHUP')
        log_in(s, s.cert).close()


@limetta_only
def test_terminal_goes_away(make):
    """A server that was started at a terminal ends with it, in good order."""
    with make() as s:
        s.process.terminate()
        equal(s.process.wait(60), 0)
        main, side = pty.openpty()

        def take_terminal():
            os.setsid()
            fcntl.ioctl(side, termios.TIOCSCTTY, 0)
        s.popen = {'preexec_fn': take_terminal}
        s.start()
        os.close(side)
        os.close(main)
        equal(s.process.wait(60), 0)
        s.process = None
        contains(s.log(), 'stopping')


@limetta_only
def test_restart(make):
    """Roles start anew one after the other, as the programs are on disk now; nobody else does, and the server goes on."""
    folder = tempfile.mkdtemp(prefix='limetta-test-', dir='/tmp')
    build = os.path.dirname(os.path.join(TOP, os.environ.get('LIMETTA_BUILD', 'build'), 'limetta'))
    for path in glob.glob(os.path.join(build, 'limetta*')):
        if os.path.isfile(path):
            shutil.copy(path, folder)
    os.chmod(folder, 0o755)
    with make(config={'workers': 3}, build=folder) as s:
        before = {r: s.roles(r) for r in ('edge', 'auth', 'store', 'submit', 'convert')}
        for name in ('limetta-store', 'limetta-auth', 'limetta'):
            shutil.copy(os.path.join(folder, name), os.path.join(folder, name + '.new'))
            os.replace(os.path.join(folder, name + '.new'), os.path.join(folder, name))
        code, out, err = limetta(s, 'restart', 'store')
        equal((code, err), (0, ''))
        matches(out, r'^store\.0: serves again, process \d+\nstore\.1: .*\nstore\.2: .*\n$')
        stores = s.roles('store')
        true(len(stores) == 3 and not set(stores) & set(before['store']), f'{stores} are not all new')
        for pid in stores:
            equal(os.readlink(f'/proc/{pid}/exe'), os.path.join(folder, 'limetta-store'))
        for role in ('edge', 'auth', 'submit', 'convert'):
            equal(s.roles(role), before[role], role)
        log_in(s, s.cert).close()
        equal(limetta(s, 'restart', 'store.1')[0], 0)
        true(len(set(s.roles('store')) & set(stores)) == 2, 'one of three')
        equal(limetta(s, 'restart', 'all-but-edge')[0], 0)
        for role in ('auth', 'store', 'submit', 'convert'):
            true(not set(s.roles(role)) & set(before[role]), role)
        equal(s.roles('edge'), before['edge'])
        log_in(s, s.cert).close()
        true('ended by itself' not in s.log() and 'was ended by' not in s.log(), s.log())
        for args, code, why in ((['edge'], 1, 'clients live in the edge'), (['store.9'], 1, 'no such role'),
                                (['brew'], 1, 'no such role'), (['store.1', 'auth'], 2, 'one role with a number'),
                                (['store.x'], 2, 'one role'), ([], 2, 'which role')):
            got, out, err = limetta(s, 'restart', *args)
            equal((got, out), (code, ''), args)
            contains(err, why)
        check_broken_program(s, folder)
    shutil.rmtree(folder)


def check_broken_program(s, folder):
    """An upgrade that does not start is said, once; the first missing program stops nothing."""
    path = os.path.join(folder, 'limetta-submit')
    os.rename(path, path + '.good')
    pids = s.roles('submit')
    code, _, err = limetta(s, 'restart', 'submit')
    equal(code, 1)
    contains(err, 'a program is missing')
    equal(s.roles('submit'), pids)
    with open(path, 'w') as f:
        f.write('#!/bin/sh\nexit 7\n')
    os.chmod(path, 0o755)
    code, _, err = limetta(s, 'restart', 'submit')
    equal(code, 1)
    contains(err, 'does not start')
    os.replace(path + '.good', path)
    eventually(lambda: len(s.roles('submit')) == 1 and 'submit 0 is back' in s.log().split('ended by itself')[-1],
               'the good one is back')
    equal(limetta(s, 'restart', 'submit')[0], 0)


@limetta_only
def test_no_server(make):
    with make() as s:
        other = os.path.join(s.dir, 'other')
        os.mkdir(other)
        for tool in (['reload'], ['restart', 'store']):
            r = subprocess.run([s.program, *tool, '--state', other], capture_output=True, timeout=60)
            equal(r.returncode, 1)
            equal(r.stderr.decode(), f'limetta: no server answers at {other}/run/control\n')


@limetta_only
def test_log_ids(make):
    """One id names a client's connection in the log lines of every role, from the first octet to the last."""
    with make(users=('alice', 'bob'), config={'log_level': 'debug'}) as s:
        a, b = log_in(s, s.cert), log_in(s, s.cert)
        a.close()
        b.close()
        smtp = open_smtp(s, 'alice', PASSWORD, True)
        smtp.command('MAIL FROM:<alice@localhost>')
        smtp.command('RCPT TO:<bob@localhost>')
        smtp.command('DATA')
        smtp.send(b'Subject: x\r\n\r\nx\r\n.\r\n')
        smtp.reply()
        smtp.close()
        eventually(lambda: s.log().count('the client is gone') >= 3, 'three clients have gone')
        roles = {}
        for role, connection in re.findall(r'^\S+ \w+ +([a-z.]+)\d*: \[([0-9a-z]{7})\] ', s.log(), re.M):
            roles.setdefault(connection, set()).add(role.rstrip('.'))
        by_roles = sorted(sorted(r) for r in roles.values() if len(r) > 1)
        equal(by_roles, [['auth', 'edge', 'store'], ['auth', 'edge', 'store'], ['auth', 'edge', 'submit']])


@limetta_only
def test_status(make):
    """What runs, who is connected; as text, as JSON, and as a view that a terminal redraws until "q"."""
    with make(config={'workers': 2}) as s:
        c = log_in(s, s.cert)

        def status():
            return json.loads(limetta(s, 'status', '--json')[1])
        eventually(lambda: status()['sessions']['imap']['live'] + status()['sessions']['imap']['parked'] == 1, 'a session')
        found = status()
        equal(sorted((r['role'], r['index']) for r in found['roles']),
              [('auth', 0), ('convert', 0), ('edge', 0), ('store', 0), ('store', 1), ('submit', 0)])
        true(all(r['ready'] == 1 and r['pid'] > 0 and r['resident'] > 0 and r['restarts'] == 0 for r in found['roles']), found)
        equal(found['offset'], s.offset)
        eventually(lambda: status()['logins'] == 1, 'a login')
        os.kill(s.roles('submit')[0], signal.SIGKILL)
        eventually(lambda: [r['restarts'] for r in status()['roles'] if r['role'] == 'submit' and r['ready']] == [1], 'the crash is seen')
        code, out, err = limetta(s, 'status')
        equal((code, err), (0, ''))
        matches(out, r'(?m)^store\.1 +\d+  serves')
        matches(out, rf'(?m)^  imap +{s.imap_port} +\d+ +\d+ +\d+$')
        equal(limetta(s, 'status', '--watch')[0], 0, 'elsewhere than at a terminal it is printed once')
        check_view(s)
        c.close()
    with make() as s:
        s.process.terminate()
        s.process.wait(60)
        code, _, err = limetta(s, 'status')
        equal(code, 1)
        contains(err, 'no server answers')


def check_view(s):
    for key in (b'q', b'\x03'):  # Ctrl-C leaves the terminal as it was, too
        main, side = pty.openpty()
        before = termios.tcgetattr(side)
        fcntl.ioctl(side, termios.TIOCSWINSZ, b'\x05\x00\x14\x00\x00\x00\x00\x00')  # 5 rows, 20 columns
        p = subprocess.Popen([s.program, 'status', '--watch', '--state', s.state], stdin=side, stdout=side, stderr=side)
        seen = b''
        while seen.count(b'\x1b[H') < 3:
            seen += os.read(main, 65536)
        frame = seen.split(b'\x1b[H')[1]
        true(frame.count(b'\r\n') <= 4, frame)
        true(all(len(re.sub(rb'\x1b\[[0-9]*[A-Z]', b'', line)) <= 20 for line in frame.split(b'\r\n')), frame)
        os.write(main, key)
        equal(p.wait(60), 0)
        equal(termios.tcgetattr(side), before, key)
        os.close(side)
        os.close(main)


@limetta_only
def test_service_manager(make):
    """Type=notify: the manager hears when every role serves, and that we stop."""
    folder = tempfile.mkdtemp(prefix='limetta-test-')
    path = os.path.join(folder, 'notify')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(20)
        with make(env={**os.environ, 'NOTIFY_SOCKET': path}) as s:
            equal(manager.recv(100), b'READY=1')
            s.process.terminate()
            equal(manager.recv(100), b'STOPPING=1')
            s.process.wait(60)
    shutil.rmtree(folder)


@limetta_only
def test_unit_file(make):
    """The systemd unit is one, and well confined; logrotate takes its file."""
    folder = tempfile.mkdtemp(prefix='limetta-test-')
    program = os.path.join(TOP, os.environ.get('LIMETTA_BUILD', 'build'), 'limetta')
    unit = os.path.join(folder, 'limetta.service')
    with open(os.path.join(TOP, 'etc', 'limetta.service')) as f:
        text = f.read()
    for line in ('Type=notify', 'ExecReload=/usr/local/bin/limetta reload --state /var/lib/limetta', 'NoNewPrivileges=yes'):
        true(f'\n{line}\n' in text, line)
    with open(unit, 'w') as f:
        f.write(text.replace('/usr/local/bin/limetta', program))
    analyze = shutil.which('systemd-analyze')
    if analyze is None:
        raise Skip('systemd-analyze is not there')
    r = subprocess.run([analyze, 'verify', '--man=no', unit], capture_output=True, text=True, check=False)
    ours = [l for l in r.stderr.split('\n') if 'limetta' in l]
    equal(ours, [], 'systemd-analyze verify')
    r = subprocess.run([analyze, 'security', '--offline=true', '--threshold=50', '--no-pager', unit], capture_output=True, text=True,
                       check=False)
    equal(r.returncode, 0, r.stdout[-2000:] + r.stderr)
    logrotate = shutil.which('logrotate', path='/usr/sbin:/usr/bin')
    if logrotate:
        r = subprocess.run([logrotate, '-d', '-s', os.path.join(folder, 'state'), os.path.join(TOP, 'etc', 'logrotate', 'limetta')],
                           capture_output=True, text=True, check=False)
        true(r.returncode == 0 and 'error:' not in r.stderr, r.stderr)
    shutil.rmtree(folder)
