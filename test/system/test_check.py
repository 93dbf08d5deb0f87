"""limetta check: whatever a box on the path does to the conversation, it is named, by the code of its JSON; and a clean path is left in
peace. The boxes are of this test: a proxy that changes one thing at a time, seen from outside of TLS, or having opened it."""
import contextlib
import imaplib
import json
import os
import re
import select
import socket
import ssl
import struct
import subprocess
import threading
import time

from lib.check import Skip, contains, equal, limetta_only, run, true
from lib.exim import Exim
from lib.postfix import Postfix
from lib.servers import PASSWORD, TOP, Dovecot, make_certificate

IS_LONG = True

PROGRAM = os.path.join(TOP, os.environ.get('LIMETTA_BUILD', 'build'), 'limetta')


def check(*args, login=None, must_be=None, host='127.0.0.1'):
    """(exit code, legs by name) of limetta check."""
    words = [PROGRAM, 'check', host, '--json', '--timeout', '20', '--connect-timeout', '20', *args]
    if login:
        words += ['--user', login, '--password-stdin', '--address', f'{login}@localhost']
    r = subprocess.run(words, input=PASSWORD.encode() + b'\n', capture_output=True, timeout=300)
    if not r.stdout:
        raise AssertionError(f'{words}: exit code {r.returncode}: {r.stderr.decode()}')
    report = json.loads(r.stdout)
    equal(report['exit'], r.returncode, 'exit code in the report')
    if must_be is not None:
        equal(r.returncode, must_be, r.stdout.decode())
    return r.returncode, {leg['leg']: leg for leg in report['legs']}


def codes(leg, severity='wrong'):
    return sorted({f['code'] for f in leg['findings'] if severity in (None, f['severity'])})


class Box:
    """Between client and server, on loopback. to_client, to_server: what becomes of octets (None: the connection hangs from there on).
    Under TLS octets pass as they are, unless identity (certificate, key) says that the box opens it; then the two see what is inside.
    idle: (seconds, 'drop' or 'reset') of silence that it bears; age: seconds that it lets any connection live."""

    def __init__(self, port, to_client=None, to_server=None, identity=None, idle=None, age=None):
        self.to_port, self.identity, self.idle, self.age = port, identity, idle, age
        self.change = {'client': to_client or (lambda d: d), 'server': to_server or (lambda d: d)}
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.seen = b''

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            self._pass_on(client, socket.create_connection(('127.0.0.1', self.to_port)))
        except OSError:
            pass
        client.close()

    def _pass_on(self, client, server):
        sides = {'server': (client, server), 'client': (server, client)}  # whom it is for: from, to
        is_secret = is_asked = is_hanging = False
        start = last = time.monotonic()
        while True:
            pending = [s for s in (client, server) if isinstance(s, ssl.SSLSocket) and s.pending()]
            ready = pending or select.select([client, server], [], [], 0.02)[0]
            now = time.monotonic()
            if self.idle and now - last > self.idle[0]:
                is_hanging = True
                if self.idle[1] == 'reset':
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                    server.close()
                    return
            if self.age and now - start > self.age:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                server.close()
                return
            for whom, (source, to) in list(sides.items()):
                if source not in ready:
                    continue
                data = source.recv(65536)
                if not data:
                    server.close()
                    return
                last = now
                if whom == 'server' and data[:1] == b'\x16' and not isinstance(client, ssl.SSLSocket):
                    is_secret = True
                self.seen += data if whom == 'server' else b''
                changed = data if is_secret else self.change[whom](data)
                is_hanging = is_hanging or changed is None
                if is_hanging:
                    continue
                to.sendall(changed)
                if self.identity and whom == 'client' and is_asked:
                    client, server = self._open(client, server)
                    sides = {'server': (client, server), 'client': (server, client)}
                    is_asked = False
                    break
                is_asked = is_asked or (whom == 'server' and data.upper().strip().endswith(b'STARTTLS'))

    def _open(self, client, server):
        mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        mine.load_cert_chain(*self.identity)
        theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        theirs.check_hostname, theirs.verify_mode = False, ssl.CERT_NONE
        return mine.wrap_socket(client, server_side=True), theirs.wrap_socket(server)


def replace(pattern, by):
    return lambda d: re.sub(pattern, by, d)


def check_box(server, leg, *args, login=None, **box):
    """The report's leg, through a box."""
    port = server.imap_port if leg == 'imap' else server.submission_port
    other = f'submission={server.submission_port}' if leg == 'imap' else f'imap={server.imap_port}'
    legs = f'{leg}=%d' + (f',{other}' if login else '')
    with Box(port, **box) as b:
        code, found = check('--legs', legs % b.port, '--ca', server.cert, *args, login=login)
    return code, found[leg], b


@limetta_only
def test_clean_path(make):
    """D2 D30 D32: the legs of a client and of the submission server work, and nothing is found; D7: ACAP has a leg of its own."""
    with make() as s:
        base = ('--port-offset', str(s.offset), '--ca', s.cert)
        _, legs = check(*base, login='alice', must_be=0)
        equal(sorted(legs), ['acap', 'imap', 'sieve', 'smtp', 'submission'], 'legs')
        for leg in legs.values():
            equal(codes(leg), [], leg['leg'])
        true(legs['imap']['certificate']['is_good'], 'the certificate is good')
        equal(legs['imap']['intact'], ['APPEND and FETCH', 'BDAT and FETCH'], 'octets')
        equal(codes(legs['acap'], 'note'), ['acap-absent'], 'ACAP is not there, which is no error')
        equal(codes(legs['smtp'], 'note'), ['port25-blocked'], 'nothing listens on 25')
        with imaplib.IMAP4('127.0.0.1', s.imap_port) as m:
            m.login('alice', PASSWORD)
            equal(m.select('INBOX')[1], [b'0'], 'mail that is left')
            true(b'Limetta-check' not in b''.join(m.list()[1]), 'no mailbox is left')
        _, legs = check(*base, '--from', 'submission', must_be=0)
        equal(sorted(legs), ['imap'], 'legs of the submission server')
        # asked for by name, it is an error that it is not there
        _, legs = check(*base, '--legs', 'acap', must_be=1)
        equal(codes(legs['acap']), ['port-refused'], 'ACAP')
        # and words that were agreed upon
        _, legs = check(*base, '--legs', 'imap,submission', '--expect-imap', 'STARTLESS ENABLE', '--expect-submission', 'CHUNKING XNO',
                        must_be=1)
        equal((codes(legs['imap']), codes(legs['submission'])), (['word-missing'], ['word-missing']), 'words')


@limetta_only
def test_usage(make):
    for words in ([], ['host', 'two'], ['h', '--from', 'nowhere'], ['h', '--user', 'x'], ['h', '--timeout', 'long'],
                  ['127.0.0.1', '--legs', 'gopher'], ['127.0.0.1', '--legs', 'imap=99999'], [''], ['h', '--timeout', '0'],
                  ['h', '--expect-fingerprint', 'sha256:abc'], ['h', '--user', 'a\rb', '--password-stdin']):
        r = subprocess.run([PROGRAM, 'check', *words], input=b'x\n', capture_output=True)
        equal(r.returncode, 2, words)
        equal(r.stderr.count(b'\n'), 1, r.stderr)
    _, legs = check('--legs', 'imap=1', must_be=1)
    equal(codes(legs['imap']), ['port-refused'], 'port 1')
    r = subprocess.run([PROGRAM, 'check', 'no-such-host.invalid', '--json'], capture_output=True)
    equal(codes(json.loads(r.stdout)['legs'][0]), ['no-address'], 'a name without address')


GREETING = b'(?s)^220 .*'


def without(word):
    """EHLO's reply without the line."""
    def change(d):
        lines = d.split(b'\r\n')[:-1]
        if not d.startswith(b'250-') or len(lines) < 2:
            return d
        texts = [t[4:] for t in lines if not t[4:].startswith(word)]
        return b''.join(b'250-' + t + b'\r\n' for t in texts[:-1]) + b'250 ' + texts[-1] + b'\r\n'
    return change


# D31 D33: what a box does before TLS, alone, and what must be found: in either direction, (leg, to_client, to_server) -> codes
SEEN = {
    'greeting written over': ('submission', replace(GREETING, b'220 *****0*2*****0****\r\n'), None, ['greeting-masked']),
    'greeting of another': ('submission', replace(GREETING, b'220 firewall.example ESMTP ready\r\n'), None, ['greeting-rewritten']),
    'greeting cut': ('submission', replace(GREETING, b'220 \r\n'), None, ['greeting-cut']),
    'IMAP greeting written over': ('imap', replace(rb'(?s)^\* OK .*ready\r\n', b'* OK ****************\r\n'), None, ['greeting-masked']),
    'IMAP greeting cut': ('imap', replace(rb'(?s)^\* OK .*ready\r\n', b'* OK [CAPABILITY IMAP4rev1\r\n'), None, ['greeting-cut']),
    'EHLO downgraded': ('submission', replace(rb'(?s)^250-(\S+).*', rb'250 \1\r\n'), None,
                        ['ehlo-downgraded', 'starttls-stripped']),
    'EHLO refused': ('submission', replace(rb'(?s)^250-.*', b'500 unknown command\r\n'), None,
                     ['ehlo-refused', 'starttls-stripped']),
    'STARTTLS hidden': ('submission', without(b'STARTTLS'), None, ['starttls-stripped']),
    'STARTTLS masked': ('submission', replace(rb'STARTTLS', b'XXXXXXXA'), replace(rb'^STARTTLS', b'XXXXXXXX'),
                        ['starttls-stripped', 'word-masked']),
    'STARTTLS hidden and blocked': ('submission', without(b'STARTTLS'), replace(rb'^STARTTLS', b'XXXXXXXX'),
                                    ['starttls-missing']),
    'STARTTLS blocked': ('submission', None, replace(rb'^STARTTLS', b'XXXXXXXX'), ['starttls-refused']),
    'IMAP STARTTLS hidden': ('imap', replace(rb' STARTTLS', b''), None, ['starttls-stripped']),
    'IMAP STARTTLS blocked': ('imap', None, replace(rb' STARTTLS', b' XTLS'), ['starttls-refused']),
    'a word taken': ('submission', without(b'CHUNKING'), None, ['word-removed']),
    'a word masked': ('submission', replace(rb'CHUNKING', b'XXXXXXXX'), None, ['word-masked', 'word-removed']),
    'a word added': ('submission', replace(rb'250-DSN', b'250-XEVIL\r\n250-DSN'), None, ['word-added']),
    'IMAP word taken': ('imap', replace(rb' ENABLE', b''), None, ['word-removed']),
    'BDAT blocked': ('submission', None, replace(rb'^BDAT', b'XBDA'), ['command-refused']),
    'BURL blocked': ('submission', None, replace(rb'^BURL', b'XBUR'), ['command-refused']),
    'lines end in LF': ('submission', replace(rb'\r\n', b'\n'), None, ['line-ends']),
    'HTTP instead': ('imap', replace(rb'(?s)^\* OK .*', b'HTTP/1.1 400 Bad Request\r\n\r\n'), None, ['greeting-foreign']),
    'silence': ('imap', lambda d: b'', None, ['greeting-missing']),
    'the answer swallowed': ('submission', replace(rb'(?s)^250-.*', b''), None, ['answer-missing']),
    'octets injected before TLS': ('submission', replace(rb'^(220 [^\r]*TLS[^\r]*\r\n)', rb'\g<1>250 injected\r\n'), None, ['tls-injected']),
}


@limetta_only
def test_boxes_before_tls(make):
    """D31 D33: each defect alone is named, and nothing else."""
    with make() as s:
        for name, (leg, to_client, to_server, want) in SEEN.items():
            patience = ('--timeout', '4') if want in (['greeting-missing'], ['answer-missing']) else ()
            code, found, _ = check_box(s, leg, *patience, to_client=to_client, to_server=to_server)
            equal((name, codes(found), code), (name, want, 1), found['findings'])
            true(all(f['who'] and f['detail'] for f in found['findings']), f'{name}: who must change what')


# D31 D33: what a box does that opened TLS and knows the server's key: as a gateway of the site itself.
def drop_high_bits(d):
    return bytes(c & 0x7f for c in d)


def wrap(d):
    return re.sub(rb'([a-z]{500})(?=[a-z])', rb'\1\r\n', d)


def newlines(d):
    return re.sub(rb'(?<!\r)\n', b'\r\n', d)


INSIDE = {
    'NUL dropped': (lambda d: d.replace(b'\0', b''), ['octets-nul']),
    'NUL made a space': (lambda d: d.replace(b'\0', b' '), ['octets-nul']),
    'the eighth bit cleared': (drop_high_bits, ['octets-eight-bit']),
    'LF made CRLF': (newlines, ['octets-newline']),
    'long lines wrapped': (wrap, ['octets-long-line']),
    'dots doubled': (lambda d: d.replace(b'\r\n...b', b'\r\n....b'), ['octets-dots']),
}


@limetta_only
def test_boxes_inside_tls(make):
    """D31: octets that come back changed are named, on the way up and on the way down, by IMAP and by submission."""
    with make() as s:
        for name, (change, want) in INSIDE.items():
            for way in ('to_server', 'to_client'):
                if (name, way) == ('dots doubled', 'to_server'):
                    continue  # as odd a number of octets as no gateway makes
                _, found, _ = check_box(s, 'imap', '--timeout', '2', login='alice', identity=s.identity, **{way: change})
                equal((name, way, codes(found)), (name, way, want), found['findings'])
            with Box(s.submission_port, identity=s.identity, to_server=change) as b:
                _, legs = check('--legs', f'imap={s.imap_port},submission={b.port}', '--ca', s.cert, '--timeout', '2', login='alice')
            if name != 'dots doubled':
                equal((name, codes(legs['imap']), codes(legs['submission'])), (name, want, []), legs['imap']['findings'])


@limetta_only
def test_large_stall(make):
    """D31: small packets pass, large ones vanish: an MTU black hole, in either direction."""
    with make() as s:
        for leg in ('imap', 'submission'):
            # what submission answers is never large before a login
            for way in ('to_server', 'to_client')[:2 if leg == 'imap' else 1]:
                _, found, _ = check_box(s, leg, '--timeout', '2', identity=s.identity, **{way: lambda d: None if len(d) > 1400 else d})
                equal((leg, way, codes(found)), (leg, way, ['large-stall']), found['findings'])


@limetta_only
def test_blocked_inside(make):
    """D33: COMPRESS, BDAT that are offered and refused by a box that opened TLS."""
    with make() as s:
        _, found, _ = check_box(s, 'imap', login='alice', identity=s.identity, to_server=replace(rb'COMPRESS', b'XCOMPRES'))
        equal(codes(found), ['command-refused'], found['findings'])
        _, found, _ = check_box(s, 'submission', login='alice', identity=s.identity, to_server=replace(rb'^BDAT 0', b'XBDA 0'))
        equal(codes(found), ['command-refused'], found['findings'])


@limetta_only
def test_blocked_commands(make):
    """D33: IMAP commands that are offered and refused, before TLS and behind the login; and a clock that is wrong."""
    with make() as s:
        _, found, _ = check_box(s, 'imap', to_server=replace(rb' ID ', b' XD '))
        equal(codes(found), ['command-refused'], found['findings'])
        for word in (b'IDLE', b'NOTIFY', b'ENABLE', b'NAMESPACE'):
            _, found, _ = check_box(s, 'imap', login='alice', identity=s.identity, to_server=replace(b' ' + word + b'(?=[ \r])', b' XBLOCKED'))
            equal((word, codes(found)), (word, ['command-refused']), found['findings'])
        _, found, _ = check_box(s, 'imap', login='alice', identity=s.identity,
                                to_client=replace(rb'(INTERNALDATE "[^"]*)-20\d\d', rb'\1-2019'))
        equal(codes(found), ['clock-skew'], found['findings'])


@limetta_only
def test_mail_that_is_lost(make):
    """What was accepted and does not arrive is reported; so is a login that is refused."""
    with make() as s:
        script = os.path.join(s.dir, 'script')
        with open(script, 'w') as f:
            f.write('discard;\n')
        s.run('sieve', 'put', 'all', script, '--user', 'alice')
        s.run('sieve', 'activate', 'all', '--user', 'alice')
        base = ('--port-offset', str(s.offset), '--ca', s.cert, '--legs', 'imap,submission', '--mail-wait', '2')
        _, legs = check(*base, login='alice', must_be=1)
        equal((codes(legs['imap']), codes(legs['submission'])), ([], ['mail-lost']), legs['submission']['findings'])
        _, legs = check(*base, login='nobody', must_be=1)
        equal((codes(legs['imap']), codes(legs['submission'])), (['login-refused'], ['login-refused']), 'nobody')


@limetta_only
def test_certificates(make):
    """D31 D33: somebody who opens TLS is noticed by the chain, by the name, by the fingerprint; and he gets no password (D5)."""
    with make() as s:
        folder = os.path.join(s.dir, 'other')
        os.mkdir(folder)
        other = make_certificate(folder)
        _, found, box = check_box(s, 'imap', login='alice', identity=other, to_server=lambda d: d)
        equal(codes(found), ['certificate-untrusted', 'login-withheld'], found['findings'])
        true(b'AUTHENTICATE' not in box.seen and b'LOGIN' not in box.seen, 'no login was tried')
        # an authority that this device trusts, but not the certificate seen elsewhere
        _, legs = check('--legs', f'imap={s.imap_port}', '--ca', s.cert, must_be=0)
        seen = legs['imap']['certificate']['sha256']
        with Box(s.imap_port, identity=other) as b:
            _, legs = check('--legs', f'imap={b.port}', '--ca', other[0], '--expect-fingerprint', seen, must_be=1, login='alice')
            equal(codes(legs['imap']), ['certificate-unexpected', 'login-withheld'], legs['imap']['findings'])
            # one port is opened, the other is not
            _, legs = check('--legs', f'imap={s.imap_port},submission={s.submission_port}', '--ca', other[0], '--expect-fingerprint',
                            ':'.join(seen[i:i + 2] for i in range(0, 64, 2)).upper(), must_be=0)
            _, legs = check('--legs', f'submission={s.submission_port},imap={b.port}', '--ca', s.cert, must_be=1)
            contains(codes(legs['imap']), 'certificate-differs', 'one is opened')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30',
                        '-subj', '/CN=elsewhere.example', '-keyout', folder + '/k', '-out', folder + '/c'], check=True, capture_output=True)
        with Box(s.imap_port, identity=(folder + '/c', folder + '/k')) as b:
            _, legs = check('--legs', f'imap={b.port}', '--ca', folder + '/c', must_be=1)
            equal(codes(legs['imap']), ['certificate-name'], legs['imap']['findings'])
        # what comes behind the word to start is not TLS
        _, found, _ = check_box(s, 'imap', to_client=replace(rb'(?s)^(c\d+ OK [^\r]*TLS.*)', rb'\1' + b'garbage' * 40))
        true('tls-injected' in codes(found) or 'tls-failed' in codes(found), found['findings'])


class Rogue:
    """Who answers on port 25 in somebody else's name."""

    def __init__(self, lines, host='127.0.0.1', port=0):
        self.lines, self.heard = lines, b''
        self.listener = socket.create_server((host, port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                s = self.listener.accept()[0]
            except OSError:
                return
            s.sendall(b'220 trap.isp.example ESMTP\r\n')
            for line in s.makefile('rb'):
                self.heard += line
                s.sendall(self.lines if line.upper().startswith(b'EHLO') else b'250 ok\r\n')
            s.close()


@limetta_only
def test_port_25(make):
    """D5: another one who answers on 25 is reported; he gets neither mail nor a login."""
    with make() as s:
        rogue = Rogue(b'250-trap.isp.example\r\n250-AUTH PLAIN\r\n250 SIZE\r\n')
        code, legs = check('--legs', f'submission={s.submission_port},imap={s.imap_port},smtp={rogue.port}', '--ca', s.cert, login='alice')
        equal((code, codes(legs['smtp'])), (1, ['port25-intercepted']), legs['smtp']['findings'])
        true(re.fullmatch(rb'EHLO \S+\r\nQUIT\r\n', rogue.heard), rogue.heard)
        rogue.listener.close()
        # the very server that answers on the other port is none
        code, legs = check('--legs', f'submission={s.submission_port},smtp={s.submission_port}', '--ca', s.cert)
        equal((code, codes(legs['smtp'])), (0, []), legs['smtp']['findings'])


@limetta_only
def test_silence(make):
    """D36: a ladder of silences finds how long a box keeps an idle connection, whether it drops or resets it; D20: and one that ends
    connections by their age. A minute is 80 ms here."""
    with make() as s:
        unit = ('--long', '--idle-unit-ms', '80')
        _, found, _ = check_box(s, 'imap', *unit, login='alice')
        equal(codes(found), [], found['findings'])
        true(found['idle_good_ms'] >= 124 * 80 and found['idle_bad_ms'] == 0, 'the whole ladder')
        for how in ('drop', 'reset'):
            _, found, _ = check_box(s, 'imap', '--timeout', '2', *unit, login='alice', idle=(3.6, how))
            equal(codes(found), ['idle-cut'], found['findings'])
            true(15 * 80 <= found['idle_good_ms'] < 3600 <= found['idle_bad_ms'], f'{how}: {found["idle_good_ms"]}, {found["idle_bad_ms"]}')
        _, found, _ = check_box(s, 'imap', *unit, login='alice', age=5)
        contains(codes(found), 'duration-limit', 'age')
        # without a login nothing is tried, which is said
        _, found, _ = check_box(s, 'imap', *unit)
        equal((codes(found), 'idle-untried' in codes(found, 'note')), ([], True), 'without a login')


@limetta_only
def test_server_that_speaks(make):
    """D36: a server that speaks on silent connections is noted, for the path was not asked then; one that logs out is found (D17)."""
    def run_ladder(settings):
        with make(config=settings) as s:
            _, legs = check('--legs', f'imap={s.imap_port},submission={s.submission_port}', '--ca', s.cert, '--long', '--idle-unit-ms', '60',
                            login='alice')
        return legs['imap']
    # two hours are two seconds; then the server says that it is still there
    leg = run_ladder({'time_unit_ms': 1, 'max_idle_s': 2000, 'idle_timeout_s': 100000})
    equal((codes(leg), 'idle-spoken' in codes(leg, 'note')), ([], True), leg['findings'])
    true(leg['idle_good_ms'] < 3600, 'the longest silence, not the longest time')
    leg = run_ladder({'time_unit_ms': 1, 'max_idle_s': 0, 'idle_timeout_s': 4000})
    equal(codes(leg), ['idle-logout'], leg['findings'])


@limetta_only
def test_foreign_servers(make):
    """Debian's Dovecot, Postfix and Exim are left in peace."""
    with Dovecot() as d:
        code, legs = check('--legs', f'imap={d.imap_port}', '--ca', d.cert, '--expect-imap', 'IMAP4rev1 IDLE', login='alice')
        equal((code, codes(legs['imap'])), (0, []), legs['imap']['findings'])
    with Postfix({}) as p:
        p.start()
        code, legs = check('--legs', f'submission={p.port},smtp={p.port}', '--ca', p.cert, '--expect-submission', 'CHUNKING PIPELINING')
        equal((code, codes(legs['submission']), codes(legs['smtp'])), (0, [], []), legs)
    with contextlib.suppress(Skip), Exim({}) as e:
        code, legs = check('--legs', f'submission={e.port},smtp={e.port}', '--ca', e.cert)
        equal((code, codes(legs['submission']), codes(legs['smtp'])), (0, [], []), legs)


def test_docs(_make):
    """Each code is explained in docs/check.md, and no other."""
    with open(os.path.join(TOP, 'src/tools/check_finding.def')) as f:
        defined = re.findall(r'^FINDING\(\w+, "([^"]+)"', f.read(), re.M)
    with open(os.path.join(TOP, 'docs/check.md')) as f:
        equal(re.findall(r'^\| `([a-z0-9-]+)` \| (?:wrong|note|environment) ', f.read(), re.M), defined, 'codes')


def test_text(_make):
    """What people read holds the verdict and who must change what."""
    with Box(1) as b:
        out = run([PROGRAM, 'check', '127.0.0.1', '--legs', f'imap={b.port}', '--timeout', '2'], must_be=1).decode()
    contains(out, 'WRONG', 'verdict')
    contains(out, 'who: ', 'verdict')
    contains(out, 'Something on this path is not as it must be.', 'verdict')
    contains(out, 'Without a login', 'what was not tried')
