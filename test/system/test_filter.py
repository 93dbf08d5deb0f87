"""MD-1, MD-2, MD-3, MD-5: what a user's script does with mail that is submitted here, seen from outside, also when processes die."""
import email
import os
import re
import signal
import smtplib
import time

from lib.check import contains, equal, eventually, limetta_only, message, true
from lib.servers import PASSWORD
from lib.sieve import open_sieve
from lib.sink import Sink
from lib.wire import Smtp, open_imap, open_smtp


def activate(s, user, text):
    c = open_sieve(s, user)
    c.put('main', text)
    c.command('SETACTIVE "main"')
    c.close()


def submit(s, octets, to, sender='alice', mail='', rcpt=''):
    c = open_smtp(s, sender, PASSWORD, is_tls=True)
    c.command(f'MAIL FROM:<{sender}@localhost>{mail}')
    for address in to:
        c.command(f'RCPT TO:<{address}>{rcpt}')
    c.command('DATA')
    c.send(octets + b'.\r\n')
    c.reply()
    c.close()


def letter(subject, to='bob@localhost', sender='alice@localhost'):
    return f'From: <{sender}>\r\nTo: <{to}>\r\nSubject: {subject}\r\n\r\nHello.\r\n'.encode()


def read_all(s, user, mailbox='INBOX'):
    c = open_imap(s, user, PASSWORD)
    found = []
    if c.command(f'EXAMINE {mailbox}', must_be_ok=False)[-1].split()[1] == b'OK':
        lines = c.command('SEARCH ALL')
        for uid in [n for line in lines if line.startswith(b'* SEARCH') for n in line.split()[2:]]:
            found.append(b''.join(c.command(f'FETCH {uid.decode()} (FLAGS BODY.PEEK[])')))
    c.close()
    return found


def relayed_by(sink):
    return {'relay_host': '127.0.0.1', 'relay_port': sink.port, 'relay_tls': 'off'}


@limetta_only
def test_filing(make):
    """A script put by ManageSieve sorts what comes next; a session that waits hears of it."""
    with make() as s:
        activate(s, 'bob', 'require ["fileinto", "mailbox", "imap4flags"];\r\n'
                           'if header :contains "subject" "work" {\r\n'
                           '  fileinto :create :flags ["\\\\Flagged", "todo"] "Work/\u00e4";\r\n}\r\n')
        waiting = open_imap(s, 'bob', PASSWORD)
        waiting.command('SELECT INBOX')
        submit(s, letter('work one'), ['bob@localhost'])
        submit(s, letter('other'), ['bob+detail@localhost'])
        eventually(lambda: any(b'EXISTS' in line for line in waiting.command('NOOP')), 'the other message')
        work = read_all(s, 'bob', 'Work/&AOQ-')
        equal(len(work), 1)
        contains(work[0], b'Subject: work one')
        contains(work[0], b'\\Flagged')
        contains(work[0], b'todo')
        equal(len(read_all(s, 'bob')), 1)
        contains(read_all(s, 'bob')[0], b'Delivered-To: bob+detail@localhost')


@limetta_only
def test_redirect(make):
    """MD-1: a foreign address gets the message by the queue, from its first sender."""
    with Sink() as relay, make(config=relayed_by(relay)) as s:
        activate(s, 'bob', 'redirect "carol@relayed.example";')
        submit(s, letter('onward'), ['bob@localhost'])
        sender, recipients, octets = relay.wait(1)[0]
        contains(sender, 'alice@localhost')
        contains(recipients[0], 'carol@relayed.example')
        contains(octets, b'Subject: onward\r\n')
        contains(octets, b'\r\nDelivered-To: bob@localhost\r\n')
        true(octets.startswith(b'Received: '), octets[:100])
        true(b'Return-Path' not in octets, octets)
        equal(read_all(s, 'bob'), [])


@limetta_only
def test_redirect_keeps_wishes(make):
    """What a script sends on keeps NOTIFY but SUCCESS, which was told here; ENVID, RET and REQUIRETLS (RFC 3461, 5.2.7; 8689, 6)."""
    with Sink(extensions=('DSN',)) as relay, make(config=relayed_by(relay)) as s:
        activate(s, 'bob', 'redirect "carol@relayed.example";')
        rows = ((' NOTIFY=SUCCESS,DELAY', ' NOTIFY=DELAY'), (' NOTIFY=NEVER', ' NOTIFY=NEVER'), (' NOTIFY=SUCCESS', ' NOTIFY=NEVER'), ('', ''))
        for i, (asked, handed) in enumerate(rows):
            submit(s, letter(f'onward {i}'), ['bob@localhost'], mail=' ENVID=QQ+2B1 RET=HDRS', rcpt=asked)
            sender, recipients, _ = relay.wait(i + 1)[i]
            contains(sender, ' RET=HDRS ENVID=QQ+2B1')
            equal(recipients, [f'<carol@relayed.example>{handed} ORCPT=rfc822;bob@localhost'])
        eventually(lambda: b''.join(read_all(s, 'alice')).count(b'Action: delivered') == 2, 'two wanted to hear of success')
        submit(s, letter('guarded'), ['bob@localhost'], mail=' REQUIRETLS')
        eventually(lambda: b'Action: failed' in b''.join(read_all(s, 'alice')), 'it does not go where TLS is not')
        equal(len(relay.messages), len(rows))


@limetta_only
def test_circle(make):
    """Two who redirect to each other: the sender hears of it, and nothing goes round."""
    with make(users=('alice', 'bob', 'dave')) as s:
        activate(s, 'bob', 'redirect "dave@localhost";')
        activate(s, 'dave', 'redirect "bob@localhost";')
        submit(s, letter('round'), ['bob@localhost'])
        eventually(lambda: b'Action: failed' in b''.join(read_all(s, 'alice')), 'a report')
        equal(read_all(s, 'bob') + read_all(s, 'dave'), [])


@limetta_only
def test_circle_of_reports(make):
    """Mail that nobody can be told about (a bounce) does not get lost in a circle: it is kept where it comes by again."""
    with make(users=('alice', 'bob', 'dave')) as s:
        activate(s, 'bob', 'redirect "dave@localhost";')
        activate(s, 'dave', 'redirect "bob@localhost";')
        with smtplib.LMTP('127.0.0.1', s.lmtp_port) as c:
            c.sendmail('', ['bob@localhost'], letter('report'))
        eventually(lambda: read_all(s, 'bob'), 'it is kept')
        time.sleep(0.5)
        equal(len(read_all(s, 'bob') + read_all(s, 'dave')), 1)


@limetta_only
def test_zone(make):
    """MD-1: Dates are in the server's zone, also where no file can be read any more."""
    with make(env=dict(os.environ, TZ='Asia/Kathmandu')) as s:
        activate(s, 'bob', 'require ["date", "fileinto"]; if currentdate "zone" "+0545" { fileinto "Archive"; }')
        submit(s, letter('late'), ['bob@localhost'])
        eventually(lambda: read_all(s, 'bob', 'Archive'), 'it is filed')


@limetta_only
def test_vacation(make):
    """MD-5: an answer, once; two who are away do not answer each other for ever."""
    with make() as s:
        activate(s, 'bob', 'require "vacation"; vacation :days 1 :subject "Away" "Back on Monday.";')
        activate(s, 'alice', 'require "vacation"; vacation "Away, too.";')
        for n in range(3):
            submit(s, letter(f'hello {n}'), ['bob@localhost'])
        eventually(lambda: read_all(s, 'alice'), 'an answer')
        eventually(lambda: len(read_all(s, 'bob')) == 3, 'all messages')
        time.sleep(0.5)
        got = read_all(s, 'alice')
        equal(len(got), 1)
        equal(len(read_all(s, 'bob')), 3)
        octets = got[0].split(b'}\r\n', 1)[1]
        m = email.message_from_bytes(octets)
        equal((m['Subject'], m['To'], m['From']), ('Away', 'alice@localhost', 'bob@localhost'))
        equal((m['Auto-Submitted'], m['Return-Path']), ('auto-replied', '<>'))
        true(m['In-Reply-To'].startswith('<'), m['In-Reply-To'])


@limetta_only
def test_refused(make):
    """X-SIEVE-EREJECT: What a script refuses comes back to its sender, in the script's words; other recipients have it."""
    with make() as s:
        activate(s, 'bob', 'require "ereject"; ereject "Ask me first";')
        submit(s, letter('unwanted'), ['bob@localhost', 'alice@localhost'])
        eventually(lambda: len(read_all(s, 'alice')) == 2, 'the message and the report')
        report = b''.join(read_all(s, 'alice'))
        contains(report, b'Action: failed')
        contains(report, b'550 5.7.1 Ask me first')
        equal(read_all(s, 'bob'), [])


@limetta_only
def test_refused_in_lines(make):
    """X-SIEVE-EREJECT: A reason of several lines is a reply of several lines (RFC 5429, 2.5); a report has it in one."""
    with make() as s:
        activate(s, 'bob', 'require "ereject"; ereject "Ask me first.\r\nThen come again.\r\n";')
        c = Smtp(s.host, s.lmtp_port)
        for line in ('LHLO mx.example', 'MAIL FROM:<ann@elsewhere.example>', 'RCPT TO:<bob@localhost>', 'DATA'):
            c.command(line)
        c.send(letter('unwanted') + b'\r\n.\r\n')
        equal(c.reply(must_be_ok=False), ['550-5.7.1 Ask me first.', '550 5.7.1 Then come again.'])
        c.close()
        submit(s, letter('unwanted, too'), ['bob@localhost'])
        eventually(lambda: len(read_all(s, 'alice')) == 1, 'the report')
        contains(read_all(s, 'alice')[0], b'550 5.7.1 Ask me first. Then come again.')


@limetta_only
def test_note(make):
    """A script that fails while it runs keeps the message and says so, once."""
    with make() as s:
        activate(s, 'bob', 'require ["ihave", "fileinto"];\r\nfileinto "Trash";\r\nerror "no luck";\r\n')
        for n in range(2):
            submit(s, letter(f'kept {n}'), ['bob@localhost'])
        eventually(lambda: len(read_all(s, 'bob')) == 3, 'two messages and a note')
        note = [m for m in read_all(s, 'bob') if b'auto-generated' in m]
        equal(len(note), 1)
        contains(note[0], b'your script "main", line 3')
        contains(note[0], b'no luck')
        equal(read_all(s, 'bob', 'Trash'), [])


@limetta_only
def test_operator_scripts(make):
    """Settings: a script before all others, and mail for name+detail."""
    path = f'/tmp/limetta-before-{os.getpid()}.sieve'
    with open(path, 'w', encoding='utf-8') as f:
        f.write('require "fileinto"; if header :is "X-Spam" "yes" { fileinto "Junk"; stop; }\n')
    try:
        with make(config={'sieve_before': path, 'detail_mailbox': 'yes'}) as s:
            activate(s, 'bob', 'keep;')
            submit(s, b'X-Spam: yes\r\n' + letter('spam'), ['bob@localhost'])
            submit(s, letter('filed'), ['bob+Archive@localhost'])
            eventually(lambda: read_all(s, 'bob', 'Junk') and read_all(s, 'bob', 'Archive'), 'both are filed')
            equal(read_all(s, 'bob'), [])
    finally:
        os.unlink(path)


@limetta_only
def test_killed(make):
    """X-OUTBOX: kill -9 of workers and of the queue: what was accepted is redirected, and hardly ever twice."""
    with Sink() as relay, make(config=relayed_by(relay)) as s:
        activate(s, 'bob', 'redirect "carol@relayed.example";')
        rounds, each = 6, 5
        for n in range(rounds):
            for k in range(each):
                submit(s, letter(f'number {n}.{k}.'), ['bob@localhost'])
            time.sleep(0.02 * n)
            for pid in s.roles('store' if n % 2 == 0 else 'submit'):
                os.kill(pid, signal.SIGKILL)
            eventually(lambda: s.roles('store') and s.roles('submit'), 'they are started again')
            eventually(lambda: can_log_in(s), 'submission is back', 30)
        names = {f'number {n}.{k}.' for n in range(rounds) for k in range(each)}

        def arrived():
            return [re.search(rb'Subject: (number \S+)\r', octets).group(1).decode() for _, _, octets in relay.messages]
        eventually(lambda: set(arrived()) == names, 'all of them are redirected', 90)
        time.sleep(1)
        # A worker killed behind its commit and before its answer delivers again (RFC 5321, 4.5.4.1), one message each.
        true(len(arrived()) - len(names) <= rounds * 4, sorted(arrived()))


def can_log_in(s):
    try:
        open_smtp(s, 'alice', PASSWORD, is_tls=True).close()
        open_imap(s, 'bob', PASSWORD).close()
        return True
    except Exception:  # whatever a server that begins says
        return False


@limetta_only
def test_imap_events(make):
    """X-IMAPSIEVE: a mailbox's script sees what clients do there, and nothing that it does itself."""
    with make() as s:
        c = open_imap(s, 'bob', PASSWORD)
        capability = b''.join(c.command('CAPABILITY')).decode()
        contains(capability, ' IMAPSIEVE=sieve://')
        true(f':{s.sieve_port}' in capability, capability)
        sieve = open_sieve(s, 'bob')
        sieve.put('learn', 'require ["imapsieve", "environment", "imap4flags", "fileinto", "copy"];\r\n'
                           'if environment :is "imap.cause" "COPY" { addflag "$Learned"; fileinto :copy "Archive"; }\r\n'
                           'elsif environment :contains "imap.changedflags" "\\\\Flagged" { discard; }\r\n')
        sieve.close()
        c.command('SETMETADATA Junk (/shared/imapsieve/script "learn")')
        c.append('INBOX', message('spam'))
        c.command('SELECT INBOX')
        c.command('COPY 1 Junk')
        eventually(lambda: read_all(s, 'bob', 'Archive'), 'the copy')
        eventually(lambda: b'$Learned' in b''.join(read_all(s, 'bob', 'Junk')), 'the flag')
        c.command('SELECT Junk')
        c.command('STORE 1 +FLAGS (\\Answered)')
        c.command('STORE 1 +FLAGS (\\Flagged)')
        eventually(lambda: b'\\Deleted' in b''.join(read_all(s, 'bob', 'Junk')), 'the discarded one is marked')
        equal(len(read_all(s, 'bob', 'Archive')), 1)
        c.close()
