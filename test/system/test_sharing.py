"""Shared mailboxes between real workers (X-ACL): accounts that live in different processes, which may die."""
import fcntl
import os
import signal

from lib.check import contains, equal, eventually, limetta_only, matches, message, true
from lib.servers import PASSWORD
from lib.wire import open_imap

USERS = ('alice', 'bob', 'carol', 'dave', 'erin', 'frank')


def worker_of(s, user):
    """The process that has the user's account open."""
    folder = os.path.join(os.path.realpath(s.state), 'accounts', user)
    for pid in s.roles('store'):
        for fd in os.listdir(f'/proc/{pid}/fd'):
            try:
                if os.readlink(f'/proc/{pid}/fd/{fd}').startswith(folder + '/'):
                    return pid
            except OSError:
                pass
    return None


def open_all(s):
    """A session for each; two users of different workers, the first of them an owner, the second a guest."""
    sessions = {user: open_imap(s, user, PASSWORD) for user in USERS}
    workers = {user: worker_of(s, user) for user in USERS}
    owner = USERS[0]
    guest = next(u for u in USERS if workers[u] != workers[owner])
    for user in USERS:
        if user not in (owner, guest):
            sessions[user].close()
    return owner, guest, sessions[owner], sessions[guest]


def answer(c, text):
    return c.command(text, must_be_ok=False)[-1]


@limetta_only
def test_two_workers(make):
    with make(users=USERS, config={'workers': 8}) as s:
        owner, guest, o, g = open_all(s)
        team = f'"Other Users/{owner}/Team"'
        o.command('CREATE Team')
        o.command(f'SETACL Team {guest} lrswite')
        contains(answer(o, 'SETACL Team nobody lr'), b'NO [NONEXISTENT]')
        contains(b''.join(g.command('LIST "" "Other Users/*"')), f'"Other Users/{owner}/Team"'.encode())
        contains(answer(g, f'SELECT "Other Users/{owner}/INBOX"'), b'NO [NONEXISTENT]')
        contains(answer(g, 'SELECT "Other Users/nobody/INBOX"'), b'NO [NONEXISTENT]')

        # Large messages: both directions, more than any window or buffer
        big = message('big', ('x' * 70 + '\r\n') * 70000)
        contains(g.append(team, big, flags='(\\Flagged)')[-1], b'APPENDUID')
        g.command(f'SELECT {team}')
        true(big in g.command('FETCH 1 BODY.PEEK[]')[0], 'octet for octet')
        contains(answer(g, f'APPEND "Other Users/{owner}/INBOX" {{100000000}}'), b'NO [TRYCREATE]')
        g.send(f'x APPEND {team} {{5}}\r\n'.encode())
        contains(g.response(), b'+ ')
        g.send(b'a: b\n\r\n')
        contains(g.until(b'x')[-1], b'APPENDUID')

        # IDLE across workers
        g.send(b'i IDLE\r\n')
        contains(g.response(), b'+ ')
        o.append('Team', message('news'))
        matches(g.response(), rb'\* [23] EXISTS')
        g.send(b'DONE\r\n')
        g.until(b'i')

        contains(b''.join(g.command(f'ESEARCH IN (mailboxes {team}) RETURN (MIN) LARGER 1000000')), b'UID MIN 1\r\n')

        # COPY and MOVE, both ways
        g.command('CREATE Mine')
        uidvalidity = matches(answer(g, 'COPY 1 Mine'), rb'OK \[COPYUID (\d+) 1 1\]').group(1)
        g.command('SELECT Mine')
        true(big in g.command('FETCH 1 BODY.PEEK[]')[0], 'octet for octet')
        contains(b''.join(g.command('FETCH 1 FLAGS')), b'\\Flagged')
        contains(b''.join(g.command(f'MOVE 1 {team}')), b'[COPYUID ')
        equal(g.command('STATUS Mine (MESSAGES)')[0], b'* STATUS Mine (MESSAGES 0)\r\n')
        true(int(uidvalidity) > 0, 'a UIDVALIDITY')
        contains(b''.join(o.command('STATUS Team (MESSAGES)')), b'MESSAGES 4')
        g.close()
        o.close()


@limetta_only
def test_worker_dies(make):
    """The owner's worker is killed: the guest's session has its mailbox selected all the same, and waits for the next worker at most."""
    with make(users=USERS, config={'workers': 8}) as s:
        owner, guest, o, g = open_all(s)
        team = f'"Other Users/{owner}/Team"'
        o.command('CREATE Team')
        o.command(f'SETACL Team {guest} lr')
        o.command('APPEND Team {5+}\r\none\r\n')
        g.command(f'SELECT {team}')
        os.kill(worker_of(s, owner), signal.SIGKILL)
        equal(g.command('NOOP')[:-1], [])
        contains(g.command('FETCH 1 BODY.PEEK[]')[0], b'one')
        # also one that is about to be selected
        os.kill(worker_of(s, owner), signal.SIGKILL)
        contains(b''.join(g.command(f'EXAMINE {team}')), b'* 1 EXISTS')
        # ... and while a guest waits in IDLE
        g.send(b'i IDLE\r\n')
        contains(g.response(), b'+ ')
        os.kill(worker_of(s, owner), signal.SIGKILL)
        o.command('NOOP')  # answered by the next one
        o.command('APPEND Team {5+}\r\ntwo\r\n')
        contains(g.response(), b'* 2 EXISTS')
        g.send(b'DONE\r\n')
        g.until(b'i')
        g.command('NOOP')
        g.close()


@limetta_only
def test_notify(make):
    """NOTIFY (RFC 5465) speaks by itself of a mailbox at another worker, also when that one died."""
    with make(users=USERS, config={'workers': 8}) as s:
        owner, guest, o, g = open_all(s)
        o.command('CREATE Team')
        o.command(f'SETACL Team {guest} lrswite')
        g.command('NOTIFY SET (SELECTED (MessageNew (UID BODY.PEEK[]) MessageExpunge FlagChange))')
        g.command(f'SELECT "Other Users/{owner}/Team"')
        big = message('big', ('x' * 70 + '\r\n') * 20000)
        o.append('Team', big)
        contains(g.response(), b'* 1 EXISTS')
        contains(g.response(), b'RECENT')
        true(big in g.response(), 'octet for octet')
        o.command('SELECT Team')
        o.command('STORE 1 +FLAGS (\\Deleted)')
        contains(g.response(), b'* 1 FETCH (UID 1 FLAGS (')
        o.command('EXPUNGE')
        equal(g.response(), b'* 1 EXPUNGE\r\n')
        equal(len(g.command('NOOP')), 1)
        os.kill(worker_of(s, owner), signal.SIGKILL)
        o.command('NOOP')
        o.append('Team', message('again', 'x'))
        contains(g.response(), b'* 1 EXISTS')
        contains(g.response(), b'RECENT')
        contains(g.response(), b'* 1 FETCH (UID 2 BODY[]')
        g.command('SELECT INBOX')
        g.close()


@limetta_only
def test_account_in_use(make):
    """An account that another program has open (an import) is in use for guests, too; SETACL tells nobody in vain."""
    with make(users=USERS, config={'workers': 8}) as s:
        owner, guest, o, g = open_all(s)
        o.command('CREATE Team')
        o.command(f'SETACL Team {guest} lr')
        o.close()
        path = os.path.join(s.state, 'accounts', owner, 'lock')

        def lock():
            f = open(path, 'r+')
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return f
            except OSError:
                f.close()
                return None
        held = eventually(lock, 'the worker lets go of an account without sessions')
        contains(answer(g, f'STATUS "Other Users/{owner}/Team" (MESSAGES)'), b'NO [INUSE]')
        contains(answer(g, 'LIST "" "*"'), b'OK')
        contains(answer(g, f'SETACL INBOX {owner} lr'), b'NO [INUSE]')
        held.close()
        g.command(f'STATUS "Other Users/{owner}/Team" (MESSAGES)')
        contains(b''.join(g.command('LIST "" "Other Users/*"')), b'/Team"')
        g.close()


@limetta_only
def test_shared_account(make):
    """limetta share makes the first mailbox and its first grant; its holder goes on from his client."""
    with make(users=USERS, config={'workers': 4, 'shared_account': 'everybody'}) as s:
        conf = ['--config', s.config]
        equal(s.run('share', 'News', 'anyone', 'lr', *conf).stdout, b'anyone\tlr\n')
        equal(s.run('share', 'News', 'Alice', 'lrswipkxtea', *conf).stdout, b'anyone\tlr\nalice\tlrswipkxtecda\n')
        equal(s.run('share', 'News', 'alice', 'lrswikxtea', *conf).stdout, b'alice\tlrswikxtecda\nanyone\tlr\n')
        for args in (('News', 'anyone', 'lq'), ('News', 'a b', 'l'), ('News', 'anyone')):
            equal(s.run('share', *args, *conf, check=False).returncode, 2)
        equal(s.run('share', 'News', 'anyone', 'l', check=False).returncode, 2)
        equal(s.run('share', '/', 'anyone', 'l', *conf, check=False).returncode, 1)
        a = open_imap(s, 'alice', PASSWORD)
        b = open_imap(s, 'bob', PASSWORD)
        contains(b''.join(b.command('NAMESPACE')), b'(("Shared/" "/"))')
        a.command('CREATE Shared/News/Today')
        a.command('SETACL Shared/News/Today bob lri')
        a.append('Shared/News/Today', message('hello'))
        contains(b''.join(b.command('LIST "" "Shared/*" RETURN (MYRIGHTS)')), b'* MYRIGHTS Shared/News/Today lri\r\n')
        contains(b.append('Shared/News/Today', message('answer'))[-1], b'APPENDUID')
        contains(answer(b, 'CREATE Shared/News/Mine'), b'NO [NOPERM]')
        contains(answer(b, 'SELECT Shared/INBOX'), b'NO [NONEXISTENT]')
        contains(b''.join(a.command('STATUS Shared/News/Today (MESSAGES)')), b'MESSAGES 2')
        a.close()
        b.close()
