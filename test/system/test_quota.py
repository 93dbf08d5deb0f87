"""Quotas from end to end (X-QUOTA): limits by the tool, by the configuration and by IMAP, on whatever worker; a full account takes no mail,
however it comes, and the sender hears of it."""
from lib.check import contains, equal, eventually, limetta_only, message, true
from lib.servers import PASSWORD
from lib.wire import No, open_imap, open_smtp
from test_relay import inbox, submit
from test_tools import tool


def quota(c, mailbox='INBOX'):
    return b''.join(c.command(f'GETQUOTAROOT "{mailbox}"'))


@limetta_only
def test_limits_by_imap(make):
    """A quota administrator sets the limits of users on every worker, and they hold at once in open sessions."""
    users = ['alice', 'bob', 'carol', 'dave', 'erin']
    with make(users=users, config={'quota_admins': 'bob', 'workers': 3}) as s:
        boss = open_imap(s, 'bob', PASSWORD)
        for user in users:
            c = open_imap(s, user, PASSWORD)
            root = 'Account' if user == 'bob' else f'Other Users/{user}/Account'
            contains(b''.join(boss.command(f'SETQUOTA "{root}" (MESSAGE 2 STORAGE 100)')), b'MESSAGE 0 2')
            contains(quota(c), b'* QUOTA Account (STORAGE 0 100 MESSAGE 0 2 MAILBOX 6 20000)')
            for _ in range(2):
                c.append('INBOX', message('fits'))
            try:
                c.append('INBOX', message('does not'))
                true(False, 'the third message was taken')
            except No as e:
                contains(str(e), 'OVERQUOTA')
            contains(quota(c), b'MESSAGE 2 2')
            if user != 'bob':
                contains(b''.join(c.command('SETQUOTA Account ()', must_be_ok=False)), b'[NOPERM]')
            c.close()
        contains(b''.join(boss.command('GETQUOTA "Other Users/nobody/Account"', must_be_ok=False)), b' NO ')
        boss.close()


@limetta_only
def test_limits_by_tool(make):
    with make(config={'quota_messages': 7}) as s:
        code, out, err = tool(s, 'user', 'quota', 'alice', '--storage', '50', '--messages', 'none')
        equal((code, err), (0, []))
        equal(out, 'storage\t0 KiB of 50\nmessages\t0 of none\nmailboxes\t6 of default\n')
        c = open_imap(s, 'alice', PASSWORD)
        contains(quota(c), b'(STORAGE 0 50 MAILBOX 6 20000)')
        code, _, err = tool(s, 'user', 'quota', 'alice', '--messages', 'default')
        equal(code, 3)
        contains(err[0], 'open in a running server')
        c.command('LOGOUT')
        c.close()
        eventually(lambda: tool(s, 'user', 'quota', 'alice', '--messages', 'default')[0] == 0, 'the server lets go of the account')
        c = open_imap(s, 'alice', PASSWORD)
        contains(quota(c), b'(STORAGE 0 50 MESSAGE 0 7 MAILBOX 6 20000)')
        c.close()
        equal(tool(s, 'user', 'quota', 'nobody')[0], 1)
        code, _, err = tool(s, 'user', 'quota', 'bob', '--storage', 'much')
        equal((code, len(err)), (2, 1))
        contains(err[0], '--storage')


@limetta_only
def test_delivery(make):
    """A message for a full account comes back, with the reason; the other recipient has it; verify agrees with the counters."""
    with make(users=['alice', 'bob', 'carol'], config={'quota_messages': 2}) as s:
        c = open_imap(s, 'bob', PASSWORD)
        for i in range(2):
            c.append('INBOX', message(f'number {i}'))
        submit(s, message('for two', to='bob@localhost'), ['bob@localhost', 'carol@localhost'])
        eventually(lambda: b'for two' in inbox(s, 'carol'), 'carol has it')
        eventually(lambda: b'5.2.2' in inbox(s, 'alice'), 'alice hears of it')
        true(b'for two' not in inbox(s, 'bob'), 'bob has it not')
        c.command('SELECT INBOX')
        c.command('STORE 1 +FLAGS (\\Deleted)')
        contains(b''.join(c.command('STATUS INBOX (DELETED DELETED-STORAGE)')), b'DELETED 1 DELETED-STORAGE %d' % len(message('number 0')))
        c.command('EXPUNGE')
        submit(s, message('again', to='bob@localhost'), ['bob@localhost'])
        eventually(lambda: b'again' in inbox(s, 'bob'), 'bob has room again')
        c.command('LOGOUT')
        c.close()
        for user in ('alice', 'bob', 'carol'):
            eventually(lambda u=user: tool(s, 'verify', '--user', u)[0] == 0, 'verify has nothing to say')
