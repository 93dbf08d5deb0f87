"""run.sh as a stranger meets it: it says how to connect, what it says works, and Ctrl-C leaves nothing behind."""
import os
import shlex
import shutil
import signal
import subprocess
import tempfile

from lib.check import contains, equal, eventually, limetta_only, matches, true
from lib.servers import TOP, children, free_offset


def start(folder, offset, log):
    with open(log, 'w') as f:
        return subprocess.Popen([os.path.join(TOP, 'run.sh'), '--state', os.path.join(folder, 'state'), '--listen', '127.0.0.1',
                                 '--port-offset', str(offset)], stdin=subprocess.DEVNULL, stdout=f, stderr=f, start_new_session=True,
                                preexec_fn=lambda: os.umask(0o077))


def read(path):
    with open(path, errors='replace') as f:
        return f.read()


@limetta_only
def test_first_minutes(make):
    """Started twice: the second time the password is the same, and the printed command works as it stands."""
    folder = tempfile.mkdtemp(prefix='limetta-test-')
    os.chmod(folder, 0o755)
    log = os.path.join(folder, 'log')
    commands = []
    try:
        for _ in range(2):
            p = start(folder, free_offset(), log)
            try:
                said = eventually(lambda: 'Stop with Ctrl-C' in read(log) and read(log), 'how to connect', 120)
                command = matches(said, r'\n  (curl .*)\n').group(1)
                r = subprocess.run(shlex.split(command), capture_output=True, cwd=TOP, timeout=120)
                equal((r.returncode, r.stdout), (0, b'* SEARCH\r\n'), r.stderr)
                commands.append(matches(command, r'--user (\S+)').group(1))
                mine = children(p.pid)
                true(len(mine) >= 9, f'a supervisor, eight roles, and what converters may be running: {mine}')
            finally:
                os.killpg(p.pid, signal.SIGINT)
                code = p.wait(60)
            equal(code, 0, read(log))
            true(not any(os.path.exists(f'/proc/{pid}') for pid in mine), 'no process is left')
        equal(commands[0], commands[1])
    finally:
        shutil.rmtree(folder)


@limetta_only
def test_what_hinders(make):
    """A taken port and a wrong word end with 3 and 2, and nobody is told how to connect to what is not there."""
    with make() as s:
        r = subprocess.run([os.path.join(TOP, 'run.sh'), '--state', os.path.join(s.dir, 'other'), '--listen', '127.0.0.1', '--port-offset',
                            str(s.offset)], capture_output=True, timeout=120)
        equal(r.returncode, 3)
        contains(r.stderr.decode(), 'is taken by another program; stop it, or say --port-offset N')
        true('password' not in r.stdout.decode(), r.stdout)
        r = subprocess.run([os.path.join(TOP, 'run.sh'), '--colour'], capture_output=True, timeout=120)
        equal(r.returncode, 2)
        contains(r.stderr.decode(), 'usage: ./run.sh')
