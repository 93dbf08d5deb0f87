"""MD-8: ManageSieve over real connections and with clients that we did not write; scripts outlive crashes; limetta sieve."""
import json
import os
import re
import signal
import subprocess

from lib.check import Skip, contains, equal, eventually, limetta_only, matches, message, run, true
from lib.servers import PASSWORD, Dovecot, free_offset, wait_for_port
from lib.sieve import Sieve, capabilities, literal, open_sieve
from lib.wire import Closed, No, context_for, plain

IS_LONG = True

GOOD = 'require ["fileinto"];\r\nif header :contains "subject" "work" {\r\n    fileinto "Work";\r\n}\r\n'
BAD = 'keep;\r\nfoo;\r\n'


@limetta_only
def test_before_login(make):
    """MD-8, MD-9: the greeting is the list of capabilities; it comes again in TLS, unasked, and says the same after the login."""
    with make() as s:
        c = Sieve(s.host, s.sieve_port)
        first = capabilities(c.greeting)
        equal(first['STARTTLS'], None)
        equal(first['VERSION'], '1.0')
        true('OWNER' not in first, first)
        equal(c.command('LISTSCRIPTS', must_be_ok=False)[-1][:2], b'NO')
        c.send(b'STARTTLS\r\nNOOP "injected"\r\nLOGOUT\r\n')
        equal(c.until()[-1], b'OK "Begin TLS now"\r\n')
        c.start_tls(context_for(s.cert))
        second = capabilities(c.until())
        true('STARTTLS' not in second, second)
        contains(second['SASL'].split(), 'SCRAM-SHA-256-PLUS')
        equal(second['SIEVE'], first['SIEVE'])
        equal(c.command('NOOP')[-1], b'OK "Nothing done"\r\n')  # what was in plain text is forgotten
        c.command(f'AUTHENTICATE "PLAIN" {{{len(plain("alice", PASSWORD))}+}}\r\n{plain("alice", PASSWORD)}')
        third = capabilities(c.command('CAPABILITY'))
        equal(third['OWNER'], 'alice')
        for name in ('SIEVE', 'NOTIFY', 'SASL', 'MAXREDIRECTS'):
            equal(third[name], second[name], name)
        equal(c.command('AUTHENTICATE "PLAIN" ""', must_be_ok=False)[-1], b'NO "Not allowed now"\r\n')
        # somebody else on the same connection
        c.put('mine', 'keep;')
        c.command('UNAUTHENTICATE')
        equal(c.command('LISTSCRIPTS', must_be_ok=False)[-1][:2], b'NO')
        c.command(f'AUTHENTICATE "PLAIN" "{plain("bob", PASSWORD)}"')
        equal(c.command('LISTSCRIPTS')[:-1], [])
        c.command('LOGOUT')
        try:
            c.read_line()
            raise AssertionError('still there after LOGOUT')
        except Closed:
            pass
        c.close()


@limetta_only
def test_limits_before_login(make):
    """Strangers: guesses, large literals, floods of nonsense."""
    with make(config={'plaintext_login': 'always'}) as s:
        c = Sieve(s.host, s.sieve_port)
        answers = [c.command(f'AUTHENTICATE "PLAIN" "{plain("alice", "wrong")}"', must_be_ok=False)[-1] for _ in range(4)]
        equal({a[:2] for a in answers}, {b'NO'})
        c.send(f'AUTHENTICATE "PLAIN" "{plain("alice", "wrong")}"\r\n'.encode())
        equal(c.until(must_be_ok=False)[-1][:2], b'NO')
        equal(c.until(must_be_ok=False)[-1][:3], b'BYE')
        c.close()
        c = Sieve(s.host, s.sieve_port)
        equal(c.command('PUTSCRIPT "a" {1000000000+}', must_be_ok=False)[-1][:3], b'BYE')
        c.close()
        c = Sieve(s.host, s.sieve_port)
        c.send(b'FOO\r\n' * 30)
        for _ in range(20):
            last = c.until(must_be_ok=False)[-1]
        equal(c.until(must_be_ok=False)[-1][:3], b'BYE', last)
        c.close()


@limetta_only
def test_limits_after_login(make):
    """A script as large as allowed, one octet more, and one that nobody would read."""
    most = 20000
    with make(config={'sieve_script_most': most, 'sieve_scripts_most': 2}) as s:
        c = open_sieve(s)
        text = 'keep; #'
        text += 'x' * (most - len(text))
        c.put('large', text)
        equal(c.command('GETSCRIPT "large"')[0], b'{%d}\r\n' % most + text.encode() + b'\r\n')
        contains(c.put('large', text + 'x', must_be_ok=False)[-1], b'NO (QUOTA/MAXSIZE)')
        contains(c.command('HAVESPACE "x" 20001', must_be_ok=False)[-1], b'NO (QUOTA/MAXSIZE)')
        c.put('second', 'stop;')
        contains(c.put('third', 'stop;', must_be_ok=False)[-1], b'NO (QUOTA/MAXSCRIPTS)')
        contains(c.put('x', 'y' * 10 * most, must_be_ok=False)[-1], b'(QUOTA/MAXSIZE)')
        c.close()


@limetta_only
def test_crashes(make):
    """What was answered is there after kill -9 of the worker; what was not happened whole or not at all."""
    with make(config={'workers': 1}) as s:
        answered = {}
        active = ''
        for turn in range(6):
            c = open_sieve(s)
            for i in range(5):
                name, text = f's{i}', f'keep; # {turn} {i}\r\n'
                c.put(name, text)
                answered[name] = text
            active = f's{turn % 5}'
            c.command(f'SETACTIVE "{active}"')
            # one more that is not waited for
            c.send(b'PUTSCRIPT "s0" ' + literal(f'stop; # {turn}\r\n') + b'\r\nSETACTIVE "s4"\r\n')
            os.kill(s.roles('store')[0], signal.SIGKILL)
            c.close()
            c = eventually(lambda: try_open(s), 'a worker again')
            texts = {n: c.command(f'GETSCRIPT "{n}"')[0].split(b'\r\n', 1)[1][:-2].decode() for n in answered}
            true(texts['s0'] in (answered['s0'], f'stop; # {turn}\r\n'), texts)
            texts['s0'] = answered['s0']
            equal(texts, answered)
            listed = c.command('LISTSCRIPTS')
            now = [l.split()[0].strip(b'"').decode() for l in listed if l.endswith(b' ACTIVE\r\n')]
            true(now in ([active], ['s4']), now)
            c.close()
        eventually(lambda: b'alice: 0 problems' in s.run('verify', '--user', 'alice', check=False).stdout, 'sound')


def try_open(s):
    try:
        return open_sieve(s)
    except (No, Closed, OSError):
        return None


@limetta_only
def test_sieve_connect(make):
    """Debian's sieve-connect: by STARTTLS, with the mechanism that it likes best."""
    with make() as s:
        script = os.path.join(s.dir, 'good.sieve')
        with open(script, 'w', newline='') as f:
            f.write(GOOD)
        bad = os.path.join(s.dir, 'bad.sieve')
        with open(bad, 'w', newline='') as f:
            f.write(BAD)
        password = os.path.join(s.dir, 'password')
        with open(password, 'w') as f:
            f.write(PASSWORD + '\n')

        def connect(*args, must_be=0):
            with open(password) as f:
                return run(['sieve-connect', '--server', 'localhost', '--4', '--port', str(s.sieve_port), '--user', 'alice', '--tlscafile', s.cert,
                            '--passwordfd', str(f.fileno()), *args], must_be=must_be, pass_fds=[f.fileno()], cwd=s.dir).decode()

        connect('--upload', '--localsieve', script, '--remotesieve', 'good')
        connect('--activate', '--remotesieve', 'good')
        contains(connect('--list'), '"good" ACTIVE')
        connect('--download', '--localsieve', os.path.join(s.dir, 'back.sieve'), '--remotesieve', 'good')
        with open(os.path.join(s.dir, 'back.sieve'), newline='') as f:
            equal(f.read(), GOOD)
        connect('--checkscript', '--localsieve', script)
        connect('--deactivate')
        connect('--delete', '--remotesieve', 'good')
        true('good' not in connect('--list'), 'gone')


SIEVELIB = '''
import sys
from sievelib.managesieve import Client
host, port, password, script = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
c = Client(host, port)
assert c.connect("alice", password, starttls=True), c.errmsg
assert c.putscript("lib", script), c.errmsg
assert c.setactive("lib"), c.errmsg
assert c.listscripts() == ("lib", []), c.listscripts()
assert c.getscript("lib").split() == script.split(), c.getscript("lib")
assert c.checkscript("keep;"), c.errmsg
assert not c.putscript("bad", "foo;")
assert c.havespace("x", 100)
assert c.renamescript("lib", "library"), c.errmsg
assert not c.deletescript("library")
assert c.setactive(""), c.errmsg
assert c.deletescript("library"), c.errmsg
c.logout()
print("fine", sorted(c.get_sieve_capabilities() or []))
'''


@limetta_only
def test_sievelib(make):
    """Debian's python3-sievelib."""
    if subprocess.run(['/usr/bin/python3', '-c', 'import sievelib'], capture_output=True).returncode != 0:
        raise Skip('python3-sievelib is not installed')
    with make() as s:
        contains(run(['/usr/bin/python3', '-c', SIEVELIB, s.host, str(s.sieve_port), PASSWORD, GOOD]).decode(), 'fine')


@limetta_only
def test_tool(make):
    """limetta sieve: exit codes, file:line, JSON; an account that the server has open is refused, with what to do."""
    with make() as s:
        good, bad, mail = (os.path.join(s.dir, n) for n in ('good.sieve', 'bad.sieve', 'mail.eml'))
        for path, text in ((good, GOOD), (bad, BAD), (mail, message('to work').decode())):
            with open(path, 'w', newline='') as f:
                f.write(text)

        def tool(*args, must_be=0, stdin=b''):
            r = subprocess.run([s.program, 'sieve', *args], input=stdin, capture_output=True, timeout=60)
            equal(r.returncode, must_be, args)
            return r.stdout.decode(), r.stderr.decode()

        equal(tool('check', good), ('', ''))
        contains(tool('check', bad, must_be=1)[1], f'{bad}:2: ')
        contains(tool('check', '-', must_be=1, stdin=b'keep')[1], '-:1: ')
        equal(json.loads(tool('check', bad, '--json', must_be=1)[0])['error']['line'], 2)
        equal(json.loads(tool('check', good, '--json')[0]), {'file': good, 'ok': True, 'extensions': ['fileinto']})
        contains(tool('check', os.path.join(s.dir, 'none'), must_be=3)[1], 'No such file')
        for wrong in ([], ['check'], ['check', good, good], ['put', 'a', good], ['frob', good], ['list']):
            contains(tool(*wrong, must_be=2)[1], 'usage: limetta sieve')

        equal(tool('run', good, mail)[0], 'fileinto: mailbox "Work", line 3\n')
        out = tool('run', good, mail, '--trace')[0]
        contains(out, f'{good}:2: "to work" contains "work": yes\n')
        matches(out, rf'{good}:3: fileinto "Work"\nfileinto: mailbox "Work", line 3\n$')
        found = json.loads(tool('run', good, mail, '--json', '--trace')[0])
        equal(found['actions'], [{'action': 'fileinto', 'mailbox': 'Work', 'line': 3}])
        true(found['ok'] and found['trace'], found)
        equal(tool('run', '-', mail, stdin=b'discard;')[0].splitlines()[-1].split(':')[0].split(',')[0], 'discard')
        equal(json.loads(tool('run', '-', mail, '--json', stdin=b'if false { stop; }')[0])['actions'],
              [{'action': 'keep', 'mailbox': 'INBOX', 'implicit': True}])

        account = ['--user', 'alice', '--state', s.state]
        equal(tool('list', *account), ('', ''))
        tool('put', 'work', good, *account)
        contains(tool('put', 'x', bad, *account, must_be=1)[1], f'{bad}:2: ')
        tool('activate', 'work', *account)
        equal(tool('list', *account)[0], 'work\tactive\n')
        equal(json.loads(tool('list', '--json', *account)[0]), [{'name': 'work', 'size': len(GOOD), 'active': True}])
        equal(tool('get', 'work', *account)[0].replace('\r', ''), GOOD.replace('\r', ''))
        contains(tool('remove', 'work', *account, must_be=1)[1], 'work is active')
        tool('rename', 'work', 'play', *account)
        c = open_sieve(s)
        equal(c.command('LISTSCRIPTS')[0], b'"play" ACTIVE\r\n')
        contains(tool('list', *account, must_be=3)[1], 'account alice is open in a running server')
        c.command('SETACTIVE ""')
        c.command('LOGOUT')
        c.close()
        eventually(lambda: subprocess.run([s.program, 'sieve', 'remove', 'play', *account], capture_output=True).returncode == 0, 'removed')
        contains(tool('get', 'play', *account, must_be=1)[1], 'alice has no script play')
        contains(tool('list', '--user', 'zoe', '--state', s.state, must_be=1)[1], 'there is no user zoe')


PIGEONHOLE = '''
protocols = imap lmtp sieve
service managesieve-login {{
  service_count = 0
  chroot =
  inet_listener sieve {{
    port = {port}
  }}
}}
plugin {{
  sieve = file:{{dir}}/mail/%u/sieve;active={{dir}}/mail/%u/active.sieve
  sieve_quota_max_scripts = 3
  sieve_max_script_size = 20K
}}
'''
# What is said, and what both answer: condition and code (RFC 5804, 1.3).
SAID = [
    (b'NOOP', b'OK'), (b'NOOP "x y"', b'OK (TAG'), (b'NOOP {3+}\r\na\nb', b'OK (TAG'), (b'FOO', b'NO'), (b'LISTSCRIPTS', b'OK'),
    (b'LISTSCRIPTS "x"', b'NO'), (b'GETSCRIPT "none"', b'NO (NONEXISTENT)'), (b'DELETESCRIPT "none"', b'NO (NONEXISTENT)'),
    (b'SETACTIVE "none"', b'NO (NONEXISTENT)'), (b'SETACTIVE ""', b'OK'), (b'RENAMESCRIPT "none" "x"', b'NO (NONEXISTENT)'),
    (b'PUTSCRIPT "a" ' + literal(GOOD), b'OK'), (b'PUTSCRIPT "b" "keep;"', b'OK'), (b'PUTSCRIPT "a" ' + literal(BAD), b'NO'),
    (b'CHECKSCRIPT "keep;"', b'OK'), (b'CHECKSCRIPT "keep"', b'NO'), (b'CHECKSCRIPT "require \\"nothing\\";"', b'NO'),
    (b'SETACTIVE "a"', b'OK'), (b'DELETESCRIPT "a"', b'NO (ACTIVE)'), (b'RENAMESCRIPT "a" "b"', b'NO (ALREADYEXISTS)'),
    (b'RENAMESCRIPT "a" "c"', b'OK'), (b'LISTSCRIPTS', b'OK'), (b'GETSCRIPT "c"', b'OK'), (b'HAVESPACE "x" 100', b'OK'),
    (b'HAVESPACE "x" 99999', b'NO (QUOTA/MAXSIZE)'), (b'PUTSCRIPT "d" "stop;"', b'OK'), (b'PUTSCRIPT "e" "stop;"', b'NO (QUOTA/MAXSCRIPTS)'),
    (b'PUTSCRIPT "d" "discard;"', b'OK'), (b'SETACTIVE ""', b'OK'), (b'DELETESCRIPT "c"', b'OK'), (b'PUTSCRIPT {3+}\r\na\nb "keep;"', b'NO'),
    (b'HAVESPACE "x"', b'NO'), (b'AUTHENTICATE "PLAIN" ""', b'NO'), (b'STARTTLS', b'NO'),
    (b'LOGOUT', b'OK'),
]


def talk(server):
    """What each answer begins with, and the data before it."""
    c = Sieve(server.host, server.sieve_port)
    c.start_tls_by_command(server)
    c.command(f'AUTHENTICATE "PLAIN" "{plain("alice", PASSWORD)}"')
    found = []
    for said, _ in SAID:
        lines = c.command(said, must_be_ok=False)
        found.append((re.match(rb'(OK|NO|BYE)( \((?!WARNINGS)[A-Z/]+)?', lines[-1]).group(0), sorted(lines[:-1])))
    c.close()
    return found


@limetta_only
def test_like_dovecot(make):
    """The same conversation with Dovecot's ManageSieve (Debian's dovecot-managesieved): the same conditions, codes and data."""
    if not os.path.exists('/usr/lib/dovecot/managesieve-login'):
        raise Skip('dovecot-managesieved is not installed')
    with make(config={'sieve_script_most': 20000, 'sieve_scripts_most': 3}) as s:
        ours = talk(s)
    port = free_offset() + 4190
    with Dovecot(more=PIGEONHOLE.format(port=port)) as d:
        d.sieve_port = port
        wait_for_port(port, 60)
        theirs = talk(d)
    for (said, want), (our, our_data), (their, their_data) in zip(SAID, ours, theirs):
        equal(our, want.rstrip(b')'), said)
        equal(our, their, f'{said!r}: ours, and that of Dovecot')
        if our == b'OK':
            equal(our_data, their_data, said)
