"""The tools as an operator meets them: exit codes 0, 1, 2, 3, and one line on standard error that says what happened, to what, and
what to do. Also what the server listens on, and the way back from a backup."""
import fcntl
import os
import re
import shutil
import subprocess

from lib.check import Skip, contains, equal, eventually, limetta_only, message, true
from lib.servers import PASSWORD, children
from lib.wire import Closed, Imap, open_imap, plain


def tool(server, *args, stdin=b'', state=None):
    """Exit code, standard output, standard error without the lines of progress."""
    r = subprocess.run([server.program, *args, '--state', state or server.state], input=stdin, capture_output=True, timeout=60)
    lines = [l for l in r.stderr.decode().split('\n') if l and not l.startswith(('import: ', 'export: '))]
    return r.returncode, r.stdout.decode(), lines


def write_mail(folder, count):
    os.makedirs(folder, exist_ok=True)
    for i in range(count):
        with open(os.path.join(folder, f'{i}.eml'), 'wb') as f:
            f.write(message(f'number {i}'))
    return folder


@limetta_only
def test_one_clear_line(make):
    """A wish that cannot be met: its exit code, and one line that names the thing."""
    with make(users=('alice', 'Carol')) as s:
        mail = write_mail(os.path.join(s.dir, 'mail'), 2)
        nowhere = os.path.join(s.dir, 'nowhere')
        cases = [
            (2, 'needs a user and a path', ['import', mail]),
            (2, 'unknown option', ['import', '--account', 'alice', mail]),
            (2, "a/b cannot be a user's name", ['import', '--user', 'a/b', mail]),
            (1, 'there is no user zoe; limetta user add zoe makes it', ['import', '--user', 'zoe', mail]),
            (1, f'{nowhere}: no Maildir, mbox file or folder of .eml there', ['import', '--user', 'alice', nowhere]),
            (1, 'the mailbox name cannot be used', ['import', '--user', 'alice', '--mailbox', 'a//b', mail]),
            (1, 'account bob has no mail here yet', ['export', '--user', 'bob', nowhere]),
            (1, 'account bob has no mail here yet', ['verify', '--user', 'bob']),
            (2, 'needs a user', ['verify']),
            (1, 'there is no user zoe', ['user', 'passwd', 'zoe', '--password-stdin']),
            (1, 'user alice exists already; limetta user passwd changes it', ['user', 'add', 'Alice', '--password-stdin']),
            (2, 'say --yes', ['user', 'delete', 'alice']),
            (2, 'two words: an alias is name@domain', ['alias', 'add', 'two words', 'alice']),
            (2, 'is no account and no address', ['alias', 'add', 'info', 'a b']),
            (1, 'there is no alias info', ['alias', 'remove', 'info']),
            (1, 'there is no user zoe', ['sender', 'add', 'zoe', 'z@example.org']),
            (2, 'zoe is no address', ['sender', 'add', 'alice', 'zoe']),
            (1, 'alice was not allowed to send as z@example.org', ['sender', 'remove', 'alice', 'z@example.org']),
        ]
        for code, words, args in cases:
            got, _, err = tool(s, *args, stdin=b'secret\n')
            equal(got, code, f'{args}: {err}')
            true(any(words in l for l in err), f'{args}: {words!r} is not in {err}')
            true(all(l.startswith('limetta: ') for l in err), f'{args}: {err}')
        for args in (['verify', '--user', 'alice'], ['export', '--user', 'alice', nowhere], ['user', 'list']):
            got, _, err = tool(s, *args, state=nowhere)
            equal((got, len(err)), (1, 1), f'{args}: {err}')
            contains(err[0], nowhere)
        true(not os.path.exists(os.path.join(s.state, 'accounts', 'zoe')), 'no account for a name that nobody has')
        equal(tool(s, 'user', 'add', 'dave', '--password-stdin', stdin=b'\n')[0], 2)
        contains(tool(s, 'user', 'list')[1], 'alice\ncarol\n')


@limetta_only
def test_aliases(make):
    """X-ALIASES: added, listed, imported whole or not at all; a circle is refused, and changes nothing."""
    with make() as s:
        def alias(*args):
            return tool(s, 'alias', *args, '--config', s.config)
        equal(alias('add', 'Info', 'alice', 'bob')[0], 0)
        equal(alias('add', 'team', 'info@localhost', 'carol@elsewhere.example')[0], 0)
        code, _, err = alias('add', 'info', 'team')
        equal(code, 1)
        contains(err[0], 'info would lead back to itself; nothing was changed')
        listed = 'info\talice\ninfo\tbob\nteam\tcarol@elsewhere.example\nteam\tinfo@localhost\n'
        equal(alias('list')[1], listed)
        path = os.path.join(s.dir, 'aliases')
        with open(path, 'w') as f:
            f.write('# old\nroot: alice,\n\tbob\nprogram: "|/bin/true"\ninfo: bob\n')
        code, _, err = alias('import', path)
        equal((code, len(err)), (1, 2))
        contains(err[0], 'line 4: "|/bin/true": programs are not started')
        equal(alias('list')[1], listed, 'nothing was imported')
        equal(alias('import', path, '--skip')[0], 0)
        equal(alias('list', 'info')[1], 'info\tbob\n', 'replaced')
        equal(alias('remove', 'team', 'info@localhost')[0], 0)
        equal(alias('remove', 'root')[0], 0)
        equal(alias('list')[1], 'info\tbob\nteam\tcarol@elsewhere.example\n')


@limetta_only
def test_every_command_explains_itself(make):
    """--help behind a command prints its own lines, and does nothing."""
    with make() as s:
        for name in re.findall(r'limetta (\w[\w-]*)', tool(s, '--help')[1]):
            code, out, err = tool(s, name, 'remove', '--help')
            equal((code, err), (0, []), name)
            true(all(f'limetta {name} ' in l or l == 'limetta(1) says more.' for l in out.rstrip('\n').split('\n')), out)


@limetta_only
def test_names_are_the_same_everywhere(make):
    with make() as s:
        mail = write_mail(os.path.join(s.dir, 'mail'), 3)
        contains(tool(s, 'import', '--user', 'ALICE', mail)[1], 'imported 3, already there 0, not taken 0')
        contains(tool(s, 'import', '--user', 'alice', mail)[1], 'imported 0, already there 3, not taken 0')
        equal(tool(s, 'verify', '--user', 'Alice')[0], 0)
        equal(os.listdir(os.path.join(s.state, 'accounts')), ['alice'])


@limetta_only
def test_account_in_use(make):
    """A tool does not touch an account that the server has open, and says so."""
    with make() as s:
        mail = write_mail(os.path.join(s.dir, 'mail'), 1)
        c = open_imap(s, 'alice', PASSWORD)
        c.command('SELECT INBOX')
        for args in (['import', '--user', 'alice', mail], ['verify', '--user', 'alice'],
                     ['export', '--user', 'alice', os.path.join(s.dir, 'out')]):
            code, _, err = tool(s, *args)
            equal(code, 3, err)
            equal(err, ['limetta: account alice is open in a running server: end its sessions or stop the server, then try again'])
        c.command('LOGOUT')
        c.close()


@limetta_only
def test_no_permission(make):
    if os.geteuid() != 0:
        raise Skip('only root can become somebody else')
    with make() as s:
        for args in (['user', 'list'], ['verify', '--user', 'alice'], ['serve', '--port-offset', '20000']):
            r = subprocess.run(['setpriv', '--reuid=12345', '--regid=12345', '--clear-groups', s.program, *args, '--state', s.state],
                               capture_output=True, timeout=60)
            err = r.stderr.decode().split('\n')[:-1]
            equal(r.returncode, 3, err)
            true(len([l for l in err if l.startswith('limetta: ')]) == 1, err)
            contains(err[-1].lower(), 'permission')


@limetta_only
def test_full_disk(make):
    """A state folder on a full file system: exit code 3, a word about it, and nothing half done."""
    with make() as s:
        small = os.path.join(s.dir, 'small')
        os.mkdir(small)
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', small], capture_output=True).returncode != 0:
            raise Skip('this host lets us mount nothing')
        try:
            state = os.path.join(small, 'state')
            equal(tool(s, 'user', 'add', 'alice', '--password-stdin', stdin=b'x\n', state=state)[0], 0)
            mail = write_mail(os.path.join(s.dir, 'mail'), 1)
            with open(os.path.join(mail, '0.eml'), 'ab') as f:
                f.write(b'x' * 60 + b'\r\n')
                f.write((b'y' * 60 + b'\r\n') * 10000)
            code, _, err = tool(s, 'import', '--user', 'alice', mail, state=state)
            equal(code, 3, err)
            contains('\n'.join(err), 'full')
            try:
                with open(os.path.join(small, 'filler'), 'wb', buffering=0) as f:
                    while f.write(b'z' * 4096) == 4096:
                        pass
            except OSError:
                pass  # full, which was the aim
            code, _, err = tool(s, 'user', 'add', 'bob', '--password-stdin', stdin=b'x\n', state=state)
            equal(code, 3, err)
            contains('\n'.join(err), 'full')
            contains(tool(s, 'user', 'list', state=state)[1], 'alice')
        finally:
            subprocess.run(['umount', '-l', small], check=True)


def told(c):
    """What the selected mailbox holds, without what only the first look shows."""
    lines = [l.replace(b'\\Recent', b'').replace(b'( ', b'(') for l in c.command('FETCH 1:* (UID FLAGS RFC822.SIZE)')]
    return b''.join(l for l in lines if l.startswith(b'*'))


def listening(server):
    """The port of every TCP socket that the server's processes listen on."""
    mine = set()
    for pid in children(server.process.pid):
        for fd in os.listdir(f'/proc/{pid}/fd'):
            try:
                mine.add(os.readlink(f'/proc/{pid}/fd/{fd}'))
            except OSError:
                pass
    found = set()
    for name in ('tcp', 'tcp6'):
        with open(f'/proc/{server.process.pid}/net/{name}') as f:
            for line in f.read().split('\n')[1:]:
                words = line.split()
                if words and words[3] == '0A' and f'socket:[{words[9]}]' in mine:
                    found.add(int(words[1].split(':')[1], 16))
    return found


@limetta_only
def test_nothing_else_listens(make):
    """D4, D29, D34, D46: one service a port, and no other ports: not 25, not 465 or 993, not 80. Metrics and LMTP are for this host alone."""
    with make() as s:
        equal(listening(s), {24 + s.offset, 143 + s.offset, 587 + s.offset, 4190 + s.offset, 9143 + s.offset})


@limetta_only
def test_no_keep_alive_timers(make):
    """D24: no connection of a client has TCP's keep-alive running, on either side of the login."""
    with make() as s:
        clients = [Imap(s.host, s.imap_port) for _ in range(3)]
        clients[0].login('alice', PASSWORD)
        clients[1].login('bob', PASSWORD)
        clients[1].command('SELECT INBOX')
        out = subprocess.run(['ss', '-Htno', f'( sport = :{s.imap_port} or dport = :{s.imap_port} )'], capture_output=True,
                             check=True).stdout.decode()
        true(out.count('ESTAB') >= 3, out)
        true('timer:(keepalive' not in out, out)
        for c in clients:
            c.close()


@limetta_only
def test_backup_while_running(make):
    """flock(1) on the account's lock copies it beside a running server: refused while it is in use, and safe while it copies."""
    with make() as s:
        tool(s, 'import', '--user', 'alice', write_mail(os.path.join(s.dir, 'mail'), 3))
        folder, backup = os.path.join(s.state, 'accounts', 'alice'), os.path.join(s.dir, 'backup')
        copy = ['flock', '-n', os.path.join(folder, 'lock'), 'cp', '-a', folder, backup]
        c = open_imap(s, 'alice', PASSWORD)
        c.command('SELECT INBOX')
        equal(subprocess.run(copy, capture_output=True).returncode, 1)
        true(not os.path.exists(backup), 'nothing is copied while the account is in use')
        c.command('LOGOUT')
        c.close()
        eventually(lambda: subprocess.run(copy, capture_output=True).returncode == 0, 'the account is free')
        with open(os.path.join(folder, 'lock')) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            c = Imap(s.host, s.imap_port)
            try:
                refused = b''.join(c.command(f'AUTHENTICATE PLAIN {plain("alice", PASSWORD)}', must_be_ok=False))
            except Closed:
                refused = b''
            true(not re.search(rb'(?m)^a\d+ OK ', refused), f'no session beside the copy: {refused}')
            c.close()
        open_imap(s, 'alice', PASSWORD).close()
        shutil.copytree(backup, os.path.join(s.state, 'accounts', 'bob'))
        equal(tool(s, 'verify', '--user', 'bob')[:2], (0, 'bob: 0 problems\n'))
        contains(tool(s, 'import', '--user', 'bob', os.path.join(s.dir, 'mail'))[1], 'already there 3')


@limetta_only
def test_backup_and_restore(make):
    """An account's folder, copied while the server is stopped, is the account: elsewhere, later, under another name."""
    with make() as s:
        mail = write_mail(os.path.join(s.dir, 'mail'), 5)
        tool(s, 'import', '--user', 'alice', mail)
        c = open_imap(s, 'alice', PASSWORD)
        c.command('SELECT INBOX')
        c.command('STORE 2 +FLAGS (\\Flagged $Forwarded)')
        before = told(c)
        c.close()
        s.process.terminate()
        equal(s.process.wait(60), 0)
        backup = os.path.join(s.dir, 'backup')
        shutil.copytree(os.path.join(s.state, 'accounts', 'alice'), backup)
        s.start()
        c = open_imap(s, 'alice', PASSWORD)
        c.command('SELECT INBOX')
        c.command('STORE 1:* +FLAGS (\\Deleted)')
        c.command('EXPUNGE')
        c.close()
        s.process.terminate()
        equal(s.process.wait(60), 0)
        for name in ('alice', 'bob'):
            shutil.rmtree(os.path.join(s.state, 'accounts', name), ignore_errors=True)
            shutil.copytree(backup, os.path.join(s.state, 'accounts', name))
            equal(tool(s, 'verify', '--user', name)[:2], (0, f'{name}: 0 problems\n'))
        s.start()
        for name in ('alice', 'bob'):
            c = open_imap(s, name, PASSWORD)
            c.command('EXAMINE INBOX')
            equal(told(c), before, name)
            c.close()
