"""Roles are replaced on disk and restarted while clients are connected by TLS: nobody's connection ends, nobody's command is lost."""
import glob
import os
import shutil
import subprocess
import tempfile
import threading

from lib.check import contains, equal, eventually, limetta_only, true
from lib.servers import PASSWORD, TOP
from lib.wire import Imap, context_for, open_smtp, plain


def log_in(server, user='alice'):
    c = Imap(server.host, server.imap_port)
    c.command('STARTTLS')
    c.start_tls(context_for(server.cert))
    c.command(f'AUTHENTICATE PLAIN {plain(user, PASSWORD)}')
    return c


def copy_programs():
    folder = tempfile.mkdtemp(prefix='limetta-test-', dir='/tmp')
    for path in glob.glob(os.path.join(TOP, os.environ.get('LIMETTA_BUILD', 'build'), 'limetta*')):
        if os.path.isfile(path):
            shutil.copy(path, folder)
    os.chmod(folder, 0o755)
    return folder


def replace(folder, name):
    """The program is another file from now on, as a package manager does it."""
    path = os.path.join(folder, name)
    shutil.copy(path, path + '.new')
    os.replace(path + '.new', path)
    return os.stat(path).st_ino


def restart(server, *roles):
    r = subprocess.run([server.program, 'restart', *roles, '--state', server.state], capture_output=True, timeout=120, check=False)
    equal((r.returncode, r.stderr.decode()), (0, ''), roles)


def append(c, text):
    message = f'From: a@example\r\nSubject: {text}\r\n\r\n{text}\r\n'.encode()
    c.command(f'APPEND INBOX {{{len(message)}+}}\r\n{message.decode()}')


@limetta_only
def test_store(make):
    """IMAP sessions, selected and in IDLE, stay on their connections through five upgrades of the store, and miss nothing."""
    folder = copy_programs()
    with make(config={'workers': 2}, build=folder) as s:
        users = ['alice', 'bob']
        clients = [log_in(s, u) for u in users for _ in range(4)]
        for c in clients:
            c.command('SELECT INBOX')
        writer = log_in(s)
        for n in range(5):
            inode = replace(folder, 'limetta-store')
            restart(s, 'store')
            for pid in s.roles('store'):
                equal(os.stat(f'/proc/{pid}/exe').st_ino, inode, 'the program on disk runs')
            append(writer, f'news {n}')
            for i, c in enumerate(clients):
                lines = c.command('NOOP')
                if i < 4:
                    true(any(b' EXISTS' in l for l in lines), f'alice hears of message {n}: {lines}')
                    contains(b''.join(c.command(f'FETCH {n + 1} BODY.PEEK[TEXT]')), f'news {n}'.encode())
        for c in clients + [writer]:
            c.close()
    shutil.rmtree(folder)


@limetta_only
def test_commands_under_way(make):
    """Commands that are given all the time meanwhile complete; those that change something may be told to be tried again; none goes
    unanswered. Logins wait."""
    folder = copy_programs()
    with make(config={'workers': 2}, build=folder) as s:
        stop, problems, done = threading.Event(), [], [0, 0, 0]

        def work(c):
            while not stop.is_set():
                for line in ('NOOP', 'FETCH 1:* FLAGS', 'STATUS INBOX (MESSAGES)', 'CREATE x', 'DELETE x'):
                    try:
                        answer = c.command(line, must_be_ok=False)[-1]
                    except Exception as e:  # noqa: B902 (whatever it is, it is the finding)
                        problems.append(f'{line}: {e!r}')
                        return
                    if b' OK ' in answer:
                        done[0] += 1
                    elif b'[UNAVAILABLE]' in answer and line.startswith(('CREATE', 'DELETE')):
                        done[1] += 1
                    elif not line.startswith(('CREATE', 'DELETE')):
                        problems.append(f'{line}: {answer!r}')
            c.close()

        def come_and_go(user):
            while not stop.is_set():
                try:
                    log_in(s, user).close()
                except Exception as e:  # noqa: B902 (the same)
                    problems.append(f'login: {e!r}')
                    return
                done[2] += 1
        clients = [log_in(s, u) for u in ('alice', 'bob') for _ in range(3)]
        for c in clients:
            append(c, 'first')
            c.command('SELECT INBOX')
        threads = [threading.Thread(target=work, args=(c,)) for c in clients]
        threads += [threading.Thread(target=come_and_go, args=(u,)) for u in ('alice', 'bob')]
        for t in threads:
            t.start()
        for _ in range(4):
            replace(folder, 'limetta-store')
            restart(s, 'store')
            restart(s, 'auth')
        eventually(lambda: (done[0] > 500 and done[2] > 20) or problems, 'work is done')
        stop.set()
        for t in threads:
            t.join(60)
        equal(problems, [])
        print(f'    {done[0]} commands completed, {done[1]} were told to be tried again, {done[2]} logins')
    shutil.rmtree(folder)


@limetta_only
def test_auth_and_submit(make):
    """Who is logged in does not notice that auth and submit were replaced; a submission session goes on in the new one."""
    folder = copy_programs()
    with make(build=folder) as s:
        imap, smtp = log_in(s), open_smtp(s, 'alice', PASSWORD, True)
        replace(folder, 'limetta-auth')
        restart(s, 'auth')
        imap.command('NOOP')
        log_in(s, 'bob').close()
        replace(folder, 'limetta-submit')
        restart(s, 'submit')
        imap.command('NOOP')
        for line in ('MAIL FROM:<alice@localhost>', 'RCPT TO:<bob@localhost>', 'DATA'):
            smtp.command(line)
        smtp.send(b'Subject: after the restart\r\n\r\nx\r\n.\r\n')
        smtp.reply()
        smtp.close()
        bob = log_in(s, 'bob')
        bob.command('SELECT INBOX')
        eventually(lambda: b'1 EXISTS' in b''.join(bob.command('NOOP') + bob.command('STATUS INBOX (MESSAGES)'))
                   or b'MESSAGES 1' in b''.join(bob.command('STATUS INBOX (MESSAGES)')), 'the message came')
        for c in (imap, bob):
            c.close()
    shutil.rmtree(folder)
