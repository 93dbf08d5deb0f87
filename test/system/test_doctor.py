"""limetta doctor on real files, certificates and servers: each rule is broken alone, and found alone. D1, D29, D34, D39, D45."""
import json
import os
import re
import shutil
import socket
import subprocess
import time

from lib.check import contains, equal, limetta_only, matches, true
from lib.servers import TOP, make_certificate

IS_ALONE = True
HOST = {'clock-not-synchronised', 'descriptors', 'no-landlock', 'disk', 'inodes', 'short-conntrack', 'roles-as-root',
        'roles-as-nobody'}  # this host's own


def doctor(s, *more, config=None):
    r = subprocess.run([s.program, 'doctor', '--state', s.state, '--config', config or s.config, '--json', *more],
                       capture_output=True, timeout=60, check=False)
    true(r.returncode in (0, 1), f'{r.returncode} {r.stderr.decode()}')
    return r.returncode, json.loads(r.stdout)


def rules(s, *more, **other):
    return {f['rule'] for f in doctor(s, *more, **other)[1]['findings']} - HOST


def write(path, text, mode=0o600):
    with open(path, 'w') as f:
        f.write(text)
    os.chmod(path, mode)


GOOD = 'tls = required\nhostname = localhost\ndomains = "a.example"\n'
BASE = {'self-signed', 'other-ports'}


@limetta_only
def test_running(make):
    """D1, D39: a running server's ports are open, and what they expose is said; without it others' ports are noticed."""
    with make(config={'tls': 'required', 'hostname': 'localhost', 'domains': 'a.example'}) as s:
        code, found = doctor(s)
        true(found['running'], 'the server is seen')
        equal(rules(s), BASE)
        ports = {e['service']: e['port'] - s.offset for e in found['exposure']}
        equal(ports, {'IMAP': 143, 'submission': 587, 'ManageSieve': 4190, 'LMTP': 24, 'metrics': 9143})
        true(all(e['exposes'] and e['addresses'] for e in found['exposure']), found['exposure'])

        def heard(*more):
            return {e['addresses'] for e in doctor(s, *more)[1]['exposure'] if e['service'] in ('IMAP', 'submission', 'ManageSieve')}
        equal(heard(), {s.host}, 'a server that was started with --listen says so')
        equal(heard('--listen', '192.0.2.1 ::1'), {'192.0.2.1 ::1'})
        r = subprocess.run([s.program, 'doctor', '--state', s.state, '--config', s.config], capture_output=True, timeout=60, check=False)
        matches(r.stdout.decode(), r'(?m)^warning: self-signed: ')
        contains(r.stdout.decode(), f'port {143 + s.offset}')
        equal(subprocess.run([s.program, 'doctor', '--state', s.state, '--config', s.config, '--strict'],
                             capture_output=True, timeout=60, check=False).returncode, 1)
        pid = s.process.pid
        s.process.terminate()
        s.process.wait(60)
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((s.host, 143 + s.offset))
            other.listen()
            equal(rules(s, '--port-offset', str(s.offset)) - BASE, {'port-taken'}, pid)
        equal(rules(s, '--port-offset', '300') - BASE, {'http-port'}, 'D34: 143 + 300 is HTTPS')
        equal(rules(s, '--port-offset', '0') - BASE, set())
        equal(heard(), {'all addresses'})
        equal(rules(s, '--port-offset', '0', '--listen', 'nowhere') - BASE, {'no-address'})
        missing = doctor(s, '--port-offset', '0', '--state', os.path.join(s.dir, 'missing'))
        equal({f['rule'] for f in missing[1]['findings']} - HOST - BASE, {'no-state'})
        equal(missing[0], 0, 'before its first start a server lacks nothing')


@limetta_only
def test_files(make):
    """Each weak permission is found by its rule; so is a file from the future."""
    with make() as s:
        write(s.config, GOOD)
        equal(rules(s), BASE)
        for name, mode, rule in (('', 0o755, 'state-mode'), ('keys', 0o750, 'keys-mode'), ('keys/ticket-private.pem', 0o640, 'keys-mode'),
                                 ('keys/submit-password', 0o604, 'keys-mode'), ('keys/seal', 0o644, 'keys-mode'), ('auth', 0o755, 'verifiers-mode'),
                                 ('auth/users.db', 0o644, 'verifiers-mode'), ('accounts', 0o711, 'mail-mode'),
                                 ('queue', 0o755, 'mail-mode'), ('run/control', 0o666, 'socket-mode'),
                                 ('run/queue', 0o660, 'socket-mode'), ('tls-key.pem', 0o644, 'tls-key-mode')):
            path = os.path.join(s.state, name)
            before = os.stat(path).st_mode & 0o7777
            os.chmod(path, mode)
            equal(rules(s) - BASE, {rule}, f'{name} {mode:o}')
            os.chmod(path, before)
        write(s.config, GOOD, 0o666)
        equal(rules(s) - BASE, {'config-mode'})
        write(s.config, GOOD + 'relay_password = "x"\n', 0o644)
        code, found = doctor(s)
        equal((code, rules(s) - BASE), (1, {'config-mode'}))
        true('"x"' not in json.dumps(found), 'no password is shown')
        write(s.config, GOOD)
        path = os.path.join(s.state, 'auth', 'users.db')
        os.utime(path, (time.time() + 7200,) * 2)
        equal(rules(s) - BASE, {'file-from-the-future'})


@limetta_only
def test_certificate(make):
    with make() as s:
        write(s.config, GOOD)
        cert, key = s.identity
        good = {p: open(p).read() for p in s.identity}
        other = os.path.join(s.dir, 'other')
        os.mkdir(other)
        other_cert, other_key = make_certificate(other)

        def sign(days, name='localhost'):
            request = subprocess.run(['openssl', 'req', '-new', '-key', key, '-subj', f'/CN={name}'], check=True, capture_output=True)
            out = subprocess.run(['openssl', 'x509', '-req', '-signkey', key, '-days', str(days)], input=request.stdout, check=True,
                                 capture_output=True).stdout
            return out.decode()
        for path, text, rule in ((cert, sign(-1), 'certificate-expired'), (cert, sign(5), 'certificate-expiring'),
                                 (cert, sign(90, 'other.example'), 'certificate-name'), (cert, 'nothing\n', 'certificate-broken'),
                                 (key, open(other_key).read(), 'certificate-key'), (cert, None, 'no-tls')):
            if text is None:
                os.unlink(path)
            else:
                write(path, text)
            equal(rules(s) - BASE, {rule}, rule)
            for p, t in good.items():
                write(p, t)
        # One that an authority signed, for our name: not a word.
        request = subprocess.run(['openssl', 'req', '-new', '-key', key, '-subj', '/CN=localhost'], check=True, capture_output=True)
        signed = subprocess.run(['openssl', 'x509', '-req', '-CA', other_cert, '-CAkey', other_key, '-days', '90'],
                                input=request.stdout, check=True, capture_output=True).stdout.decode()
        issuer = subprocess.run(['openssl', 'req', '-x509', '-key', other_key, '-subj', '/CN=authority', '-days', '90'], check=True,
                                capture_output=True).stdout.decode()
        write(other_cert, issuer)
        signed = subprocess.run(['openssl', 'x509', '-req', '-CA', other_cert, '-CAkey', other_key, '-days', '90'],
                                input=request.stdout, check=True, capture_output=True).stdout.decode()
        write(cert, signed)
        equal(rules(s) - {'other-ports'}, set())
        write(s.config, GOOD.replace('required', 'off'))
        equal(rules(s) - BASE, {'no-tls'})
        write(s.config, GOOD + f'tls_cert = "{other}"\n')
        equal(rules(s) - BASE, {'certificate-unreadable'})
        shutil.rmtree(other)


@limetta_only
def test_usage(make):
    with make() as s:
        write(s.config, 'colour = red\n')
        for args, code in ((['--config', s.config], 2), (['--config', s.config + '.missing'], 3), (['--colour'], 2),
                           (['--port-offset', '99999'], 2), (['now'], 2)):
            r = subprocess.run([s.program, 'doctor', '--state', s.state, *args], capture_output=True, timeout=60, check=False)
            equal(r.returncode, code, args)
            equal(r.stdout, b'', args)


def test_documented(make):
    """docs/operations.md names every rule, and no other."""
    told = set()
    with open(os.path.join(TOP, 'docs', 'operations.md')) as f:
        section = f.read().split('## The doctor')[1].split('\n## ')[0]
    for line in section.split('\n'):
        if line.startswith('| `'):
            told |= set(matches(line, r'^\| (.*?) \|').group(1).replace('`', '').split(', '))
    real = set()
    for name in ('config', 'files', 'host'):
        with open(os.path.join(TOP, 'src', 'main', f'doctor_{name}.c')) as f:
            text = f.read()
        real |= set(re.findall(r'DOCTOR_(?:NOTE|WARNING|ERROR),\s*"([a-z0-9-]+)"', text))
        real |= set(re.findall(r'"([a-z-]+-mode)"', text))
    equal(told, real | {'relay-tls', 'disk'})
