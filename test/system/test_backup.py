"""limetta backup and restore: what was there at one moment comes back, and no client takes it for what was there since."""
import os
import re
import tempfile
import threading

from lib.check import equal, limetta_only, matches, message, true
from lib.servers import PASSWORD
from lib.wire import open_imap


def status(c, mailbox):
    line = b''.join(c.command(f'STATUS {mailbox} (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ MAILBOXID)'))
    return {k: re.search(rb'%s \(?([\w-]+)' % k.encode(), line).group(1) for k in ('MESSAGES', 'UIDNEXT', 'UIDVALIDITY', 'MAILBOXID')}


def email_ids(c):
    return re.findall(rb'EMAILID \(([\w-]+)\)', b''.join(c.command('UID FETCH 1:* (EMAILID)')))


def replace(s, folder):
    """The account is lost, and comes back from the folder."""
    s.shut_down()
    s.run('user', 'delete', 'alice', '--yes', '--with-mail')
    s.add_user('alice')
    s.run('restore', '--user', 'alice', folder)
    s.start()


@limetta_only
def test_restored_mail_is_told_apart(make):
    """X-RESYNC: after a restore UIDVALIDITY, object ids and URLs are others, because UIDs are given again for other mail."""
    with make() as s, tempfile.TemporaryDirectory() as parent:
        folder = os.path.join(parent, 'backup')
        c = open_imap(s, 'alice', PASSWORD)
        c.command('CREATE Box')
        for i in range(3):
            c.append('Box', message(f'kept {i}', 'x' * (100_000 * i)))
        c.command('SELECT Box')
        kept = [c.command(f'UID FETCH {i} BODY.PEEK[]')[0] for i in (1, 2, 3)]
        before, ids = status(c, 'Box'), email_ids(c)
        url = f'imap://alice@{s.host}:{s.imap_port}/Box/;UID=1;URLAUTH=anonymous'
        url = matches(b''.join(c.command(f'GENURLAUTH "{url}" INTERNAL')), rb'GENURLAUTH "?([^"\r\n]+)').group(1).decode()
        s.run('backup', '--user', 'alice', folder)  # while the account is open
        c.append('Box', message('lost'))
        c.close()
        replace(s, folder)
        c = open_imap(s, 'alice', PASSWORD)
        after = status(c, 'Box')
        equal((after['MESSAGES'], after['UIDNEXT']), (b'3', b'4'))
        true(int(after['UIDVALIDITY']) > int(before['UIDVALIDITY']), f'{before} {after}')
        true(after['MAILBOXID'] != before['MAILBOXID'], f'{before} {after}')
        c.command('SELECT Box')
        equal([c.command(f'UID FETCH {i} BODY.PEEK[]')[0] for i in (1, 2, 3)], kept)
        true(not set(email_ids(c)) & set(ids), 'EMAILIDs')
        true(b'NIL' in b''.join(c.command(f'URLFETCH "{url}"')), 'the old URL is void')
        c.append('Box', message('new'))
        c.close()
        s.shut_down()
        s.run('verify', '--user', 'alice')
        s.start()


@limetta_only
def test_backup_amid_writes(make):
    """A backup that is taken while mail comes and goes is whole: verify finds nothing, and what was answered before it is in it."""
    with make() as s, tempfile.TemporaryDirectory() as parent:
        c = open_imap(s, 'alice', PASSWORD)
        c.append('INBOX', message('first', 'y' * 100_000))
        is_over = threading.Event()

        def write():
            w = open_imap(s, 'alice', PASSWORD)
            w.command('SELECT INBOX')
            i = 0
            while not is_over.is_set():
                w.append('INBOX', message(f'more {i}', 'z' * (70_000 if i % 2 else 10)))
                if i % 5 == 4:
                    w.command('UID STORE 2:* +FLAGS.SILENT (\\Deleted)')
                    w.command('EXPUNGE')
                i += 1
            w.close()
        thread = threading.Thread(target=write)
        thread.start()
        folders = [os.path.join(parent, f'backup {i}') for i in range(4)]
        for folder in folders:
            s.run('backup', '--user', 'alice', folder)
        is_over.set()
        thread.join()
        c.close()
        for folder in folders:
            replace(s, folder)
            c = open_imap(s, 'alice', PASSWORD)
            c.command('SELECT INBOX')
            true(b'first' in b''.join(c.command('UID FETCH 1 BODY.PEEK[]')), 'the first message')
            c.close()
            s.shut_down()
            s.run('verify', '--user', 'alice')
            s.start()


@limetta_only
def test_bad_uses(make):
    with make() as s, tempfile.TemporaryDirectory() as parent:
        open_imap(s, 'alice', PASSWORD).close()
        folder = os.path.join(parent, 'backup')
        for args, code, text in (
                (('backup', '--user', 'alice', parent), 1, 'is there already'),
                (('backup', '--user', 'bob', folder), 1, 'no mail here yet'),
                (('backup', '--user', 'alice'), 2, 'usage'),
                (('restore', '--user', 'bob', folder), 1, 'holds no backup'),
                (('backup', '--user', 'alice', os.path.join(parent, 'no', 'where')), 1, '')):
            r = s.run(*args, check=False)
            equal(r.returncode, code, f'{args}: {r.stderr}')
            true(text in r.stderr.decode(), r.stderr)
        s.run('backup', '--user', 'alice', folder)
        r = s.run('restore', '--user', 'alice', folder, check=False)
        equal(r.returncode, 1)
        true('has mail here' in r.stderr.decode(), r.stderr)
        equal([n for n in os.listdir(os.path.join(s.state, 'accounts')) if n.startswith('.')], [])
