"""MD-8: what ManageSieve clients that need a screen or a web server are known to send, step by step: Thunderbird's Sieve add-on, and
Roundcube's managesieve plug-in, which speaks by PEAR's Net_Sieve. Nothing that they say is refused, and what they read is what they expect."""
import base64

from lib.check import contains, equal, eventually, limetta_only, message, true
from lib.servers import PASSWORD
from lib.sieve import Sieve, capabilities, literal
from lib.wire import context_for, open_imap, open_smtp, plain

ADDON = 'require "fileinto";\r\n# Grüße\r\nif header :contains "Subject" "list" {\r\n  fileinto "Archive";\r\n}\r\n'
ROUNDCUBE = ('require ["copy","fileinto","vacation"];\r\n# rule:[lists]\r\nif anyof (header :contains "subject" "list")\r\n{\r\n'
             '\tfileinto :copy "Archive";\r\n}\r\n# rule:[away]\r\nif false # true\r\n{\r\n'
             '\tvacation :days 1 :subject "Away" text:\r\nI am away.\r\n..\r\nSoon back.\r\n.\r\n;\r\n}\r\n')


def in_tls(s):
    """Both say STARTTLS at once, and read the capabilities that come unasked behind it."""
    c = Sieve(s.host, s.sieve_port)
    first = capabilities(c.greeting)
    true('STARTTLS' in first and first['IMPLEMENTATION'], first)
    c.command('STARTTLS')
    c.start_tls(context_for(s.cert))
    return c, capabilities(c.until())


def names(c):
    """Scripts as LISTSCRIPTS tells them; the active one has a star."""
    lines = [line.decode().rstrip('\r\n') for line in c.command('LISTSCRIPTS')[:-1]]
    return [line.split('"')[1] + ('*' if line.endswith(' ACTIVE') else '') for line in lines]


def mail(s, subject):
    c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
    for line in ('MAIL FROM:<alice@localhost>', 'RCPT TO:<alice@localhost>', 'DATA'):
        c.command(line)
    c.send(message(subject) + b'.\r\n')
    equal(c.reply()[0][:3], '250')
    c.close()


def count(s, mailbox):
    c = open_imap(s, 'alice', PASSWORD)
    line = next(line for line in c.command(f'STATUS {mailbox} (MESSAGES)') if b'MESSAGES' in line)
    c.close()
    return int(line.split(b'MESSAGES ')[1].split(b')')[0])


@limetta_only
def test_thunderbird_addon(make):
    """It prefers SCRAM and takes PLAIN with an initial response or LOGIN without, checks while one types, and keeps itself alive by NOOP."""
    with make() as s:
        c, said = in_tls(s)
        true({'PLAIN', 'LOGIN', 'SCRAM-SHA-256'} <= set(said['SASL'].split()), said)
        c.send(b'AUTHENTICATE "LOGIN"\r\n')
        for word in ('alice', PASSWORD):
            true(c.response().endswith(b'"\r\n'), 'a challenge')
            c.send(b'"' + base64.b64encode(word.encode()) + b'"\r\n')
        equal(c.until()[-1][:2], b'OK')
        c.command('CAPABILITY')
        equal(names(c), [])
        c.command(b'PUTSCRIPT "my \\"first\\" one" ' + literal('#test\r\nkeep;\r\n'))
        equal(names(c), ['my \\'])  # a quoted string; the next line reads it whole
        contains(c.command('LISTSCRIPTS')[0], b'"my \\"first\\" one"\r\n')
        for typed in ADDON.splitlines(keepends=True):
            c.command(b'CHECKSCRIPT ' + literal(typed if typed.startswith(('require', '#')) else 'keep;'))
        contains(c.command(b'CHECKSCRIPT ' + literal(ADDON[:-6]), must_be_ok=False)[-1], b'NO "line ')
        c.command(b'CHECKSCRIPT ' + literal(ADDON))
        c.command(b'PUTSCRIPT "my \\"first\\" one" ' + literal(ADDON))
        equal(c.command('GETSCRIPT "my \\"first\\" one"')[0].split(b'\r\n', 1)[1], ADDON.encode() + b'\r\n')
        c.command('SETACTIVE "my \\"first\\" one"')
        c.command('RENAMESCRIPT "my \\"first\\" one" "main"')
        equal(names(c), ['main*'])
        c.command('NOOP')
        mail(s, 'from a list')
        eventually(lambda: (count(s, 'Archive'), count(s, 'INBOX')) == (1, 0), 'filed')
        c.command('SETACTIVE ""')
        c.command('DELETESCRIPT "main"')
        equal(names(c), [])
        c.command('LOGOUT')
        c.close()


@limetta_only
def test_roundcube(make):
    """Net_Sieve asks for capabilities after each step, and each page is a connection of its own."""
    def connect():
        c, _ = in_tls(s)
        said = capabilities(c.command('CAPABILITY'))
        c.command(f'AUTHENTICATE "PLAIN" "{plain("alice", PASSWORD)}"')
        c.command('CAPABILITY')
        return c, said['SIEVE'].split()

    with make() as s:
        c, extensions = connect()
        true({'fileinto', 'copy', 'vacation', 'imap4flags', 'enotify', 'include', 'variables'} <= set(extensions), extensions)
        equal(names(c), [])
        c.command(f'HAVESPACE "roundcube" {len(ROUNDCUBE)}')
        c.command(b'PUTSCRIPT "roundcube" ' + literal(ROUNDCUBE))
        c.command('SETACTIVE "roundcube"')
        c.command('LOGOUT')
        c.close()
        c, _ = connect()
        equal(names(c), ['roundcube*'])
        equal(c.command('GETSCRIPT "roundcube"')[0].split(b'\r\n', 1)[1], ROUNDCUBE.encode() + b'\r\n')
        mail(s, 'from a list')
        eventually(lambda: (count(s, 'Archive'), count(s, 'INBOX')) == (1, 1), 'copied')
        contains(c.command(b'PUTSCRIPT "roundcube" ' + literal(ROUNDCUBE.replace('fileinto', 'filinto', 1)), must_be_ok=False)[-1], b'NO ')
        equal(c.command('GETSCRIPT "roundcube"')[0].split(b'\r\n', 1)[1], ROUNDCUBE.encode() + b'\r\n')
        equal(c.command('DELETESCRIPT "roundcube"', must_be_ok=False)[-1][:12], b'NO (ACTIVE) ')
        c.command('SETACTIVE ""')
        c.command('DELETESCRIPT "roundcube"')
        c.command('LOGOUT')
        c.close()
