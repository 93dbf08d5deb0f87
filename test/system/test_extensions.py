"""What a sender may ask for beyond who and what (X-SMTPUTF8, X-FUTURERELEASE, X-DELIVERBY, X-MT-PRIORITY, X-REQUIRETLS, X-LIMITS), from
MAIL to the mailbox or to the next host, and the limits by the hour."""
import email.message
import email.policy
import os
import re
import smtplib
import tempfile
import time

from lib.check import contains, equal, eventually, limetta_only, message, run, true
from lib.clients import subjects
from lib.servers import PASSWORD
from lib.sink import Sink
from lib.wire import context_for, open_imap, open_smtp

EVERYTHING = ('8BITMIME', 'SIZE 100000000', 'PIPELINING', 'ENHANCEDSTATUSCODES', 'SMTPUTF8', 'DELIVERBY', 'MT-PRIORITY', 'DSN')


def relayed_by(sink, **more):
    return {'relay_host': '127.0.0.1', 'relay_port': sink.port, 'relay_tls': 'off', **more}


def utf8(subject):
    """A message that can be written in ASCII, but is not: its Message-ID could not be changed."""
    return message("ascii").replace(b"Subject: ascii", f"Subject: {subject}".encode())


def submit(c, octets, to, options='', sender='alice@localhost'):
    """The last reply."""
    c.command(f'MAIL FROM:<{sender}>{options}')
    for address in to:
        c.command(f'RCPT TO:<{address}>')
    c.command('DATA')
    c.send(octets + b'.\r\n')
    return c.reply()[-1]


def raises(c, command, code):
    equal(c.command(command, must_be_ok=False)[-1][:len(code)], code, command)


def octets_of(s, user):
    c = open_imap(s, user, PASSWORD)
    is_empty = b'* 0 EXISTS' in b''.join(c.command('EXAMINE INBOX'))
    lines = [] if is_empty else c.command('FETCH 1:* BODY.PEEK[]')
    c.close()
    return b''.join(lines)


@limetta_only
def test_held_mail(make):
    """X-FUTURERELEASE: nothing leaves before its time, over a restart, too; its sender sees it and can take it back, nobody else."""
    with Sink(extensions=EVERYTHING) as relay, make(config=relayed_by(relay)) as s:
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        words = dict(l[4:].partition(' ')[::2] for l in c.command('EHLO phone.example')[1:])
        seconds, until = words['FUTURERELEASE'].split()
        equal(seconds, '31536000')
        true(re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', until), until)
        true('XHELD' in words, words)
        began = time.time()
        submit(c, message('later here'), ['bob@localhost'], ' HOLDFOR=12 ENVID=QQ1')
        submit(c, message('later there'), ['carol@x.example', 'bob@localhost'],
               time.strftime(' HOLDUNTIL=%Y-%m-%dT%H:%M:%SZ', time.gmtime(began + 12)))
        submit(c, message('never'), ['bob@localhost', 'carol@x.example'], ' HOLDFOR=12')
        submit(c, message('at once'), ['bob@localhost'])
        lines = c.command('XHELD LIST')
        equal(len(lines), 4, lines)
        for line, rest in zip(lines, (' ENVID=QQ1 RCPTS=1 TO=utf-8;bob@localhost', ' RCPTS=2 TO=utf-8;carol@x.example TO=utf-8;bob@localhost',
                                      ' RCPTS=2 TO=utf-8;bob@localhost TO=utf-8;carol@x.example')):
            true(re.fullmatch(r'250-2\.0\.0 \d+ RELEASE=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ SIZE=\d+' + re.escape(rest), line), line)
        equal(lines[-1], '250 2.0.0 END')
        third = lines[2].split()[1]
        other = open_smtp(s, 'bob', PASSWORD, is_tls=True)
        equal(other.command('XHELD LIST'), ['250 2.0.0 END'], 'of others nothing is seen')
        raises(other, f'XHELD CANCEL {third}', '550 5.5.4')
        other.close()
        equal(c.command(f'XHELD CANCEL {third}'), ['250 2.0.0 Cancelled'])
        raises(c, f'XHELD CANCEL {third}', '550 5.5.4')
        c.command('MAIL FROM:<alice@localhost>')
        raises(c, 'XHELD LIST', '503')
        c.close()
        eventually(lambda: 'at once' in subjects(s, 'bob'), 'what is not held is delivered')
        s.shut_down()
        s.start()
        before = subjects(s, 'bob'), len(relay.messages)
        true(before == (['at once'], 0) or time.time() >= int(began) + 12, before)  # all of this may have taken that long
        eventually(lambda: len(subjects(s, 'bob')) == 3, 'the release', timeout_s=40)
        true(time.time() >= int(began) + 12, 'not before its time')
        contains(relay.wait(1)[0][2], b'Subject: later there')
        time.sleep(1)
        equal(sorted(subjects(s, 'bob')), ['at once', 'later here', 'later there'])
        equal(len(relay.messages), 1)
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        equal(c.command('XHELD LIST'), ['250 2.0.0 END'])


@limetta_only
def test_held_quota(make):
    """A user's held mail is bounded (RFC 4865, 6), by number and by size, and cancelling makes room."""
    with make(config={'held_messages': 2, 'held_storage': 100}) as s:
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        raises(c, 'MAIL FROM:<alice@localhost> HOLDFOR=100 SIZE=200000', '552 5.7.16')
        for i in range(2):
            submit(c, message(f'held {i}'), ['bob@localhost'], ' HOLDFOR=100')
        raises(c, 'MAIL FROM:<alice@localhost> HOLDFOR=100', '552 5.7.16')
        c.command('XHELD CANCEL ' + c.command('XHELD LIST')[0].split()[1])
        c.command('MAIL FROM:<alice@localhost> HOLDFOR=100')
        c.command('RCPT TO:<bob@localhost>')
        c.command('DATA')
        c.send(message('big', 'x' * 70 + '\r\n') + (b'x' * 70 + b'\r\n') * 2000 + b'.\r\n')
        equal(c.reply(must_be_ok=False)[-1][:10], '552 5.7.16')
        equal(len(c.command('XHELD LIST')), 2, 'nothing of it is left behind')
        c.close()
        c = open_smtp(s, 'bob', PASSWORD, is_tls=True)
        c.command('MAIL FROM:<bob@localhost> HOLDFOR=100')


@limetta_only
def test_no_holding(make):
    with make(config={'hold_most_s': 0}) as s:
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        words = [l[4:].split()[0] for l in c.command('EHLO phone.example')[1:]]
        true('FUTURERELEASE' not in words and 'XHELD' not in words, words)
        raises(c, 'MAIL FROM:<alice@localhost> HOLDFOR=1', '555')
        raises(c, 'XHELD LIST', '500')


@limetta_only
def test_terms_go_on(make):
    """What was asked for is told to the next host: UTF-8, the time that is left, the priority; each only where it is offered."""
    options = ' SMTPUTF8 BY=300;N MT-PRIORITY=3'
    text = utf8('ü').replace(b'Subject:', b'MT-Priority: 9\r\nSubject:')
    with Sink(extensions=EVERYTHING) as relay, make(config=relayed_by(relay)) as s:
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        submit(c, text, ['jürgen@bücher.example'], options)
        sender, recipients, octets = relay.wait(1)[0]
        contains(sender, 'SMTPUTF8')
        contains(sender, 'MT-PRIORITY=3')
        left = re.search(r' BY=(\d+);N', sender)
        true(left and 280 <= int(left.group(1)) <= 300, sender)
        contains(recipients[0], '<jürgen@xn--bcher-kva.example>')
        contains(octets, 'Subject: ü'.encode())
        contains(octets, b'MT-Priority: 3\r\n')
        equal(octets.count(b'MT-Priority'), 1)
        contains(octets, b'with UTF8SMTPSA id')
        contains(octets, b'PRIORITY 3')
    with Sink() as relay, make(config=relayed_by(relay)) as s:
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        submit(c, text, ['jurgen@bücher.example'], options)
        sender, recipients, octets = relay.wait(1)[0]
        true(not re.search('SMTPUTF8|BY=|MT-PRIORITY', sender), sender)
        contains(octets, b'Subject: =?utf-8?')
        contains(octets, b'MT-Priority: 3\r\n')
        true(max(octets) < 128, 'all is ASCII')
        # What cannot be said in ASCII comes back, and says why.
        submit(c, text, ['jürgen@x.example'], ' SMTPUTF8')
        eventually(lambda: b'5.6.7' in octets_of(s, 'alice'), 'a report')
        equal(len(relay.messages), 1)


@limetta_only
def test_utf8_here(make):
    """An account with a name beyond ASCII gets its mail, and a report about it is readable."""
    with make(users=('alice', 'jürgen')) as s:
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        raises(c, 'MAIL FROM:<jürgen@localhost>', '550 5.6.7')
        c.command('MAIL FROM:<alice@localhost>')
        raises(c, 'RCPT TO:<jürgen@localhost>', '553 5.6.7')
        c.command('RSET')
        c.command('MAIL FROM:<alice@localhost> SMTPUTF8')
        c.command('RCPT TO:<jürgen@localhost> NOTIFY=SUCCESS ORCPT=utf-8;jürgen@localhost')
        c.command('DATA')
        c.send(message('für dich') + b'.\r\n')
        c.reply()
        eventually(lambda: 'Subject: für dich'.encode() in octets_of(s, 'jürgen'), 'delivered')
        report = eventually(lambda: octets_of(s, 'alice'), 'a report')
        contains(report, b'Action: delivered')
        contains(report, b'Status: 2.')


@limetta_only
def test_header_in_utf8(make):
    """Without SMTPUTF8 a header in UTF-8 is taken, and made ASCII for a relay that needs it; one that is no UTF-8 is refused."""
    with Sink() as relay, make(config=relayed_by(relay)) as s:
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        submit(c, utf8('grün'), ['carol@x.example', 'bob@localhost'])
        contains(relay.wait(1)[0][2], b'Subject: =?utf-8?')
        eventually(lambda: 'Subject: grün'.encode() in octets_of(s, 'bob'), 'delivered as it was')
        c.command('MAIL FROM:<alice@localhost>')
        c.command('RCPT TO:<bob@localhost>')
        c.command('DATA')
        c.send(b'Subject: gr\xfcn\r\n\r\nx\r\n.\r\n')
        equal(c.reply(must_be_ok=False)[-1][:9], '554 5.6.0')


@limetta_only
def test_requiretls(make):
    """X-REQUIRETLS: only inside TLS; a relay without TLS does not get it, and the sender hears of it."""
    with Sink(extensions=(*EVERYTHING, 'REQUIRETLS')) as relay, make(config=relayed_by(relay)) as s:
        c = open_smtp(s, 'alice', PASSWORD)
        raises(c, 'MAIL FROM:<alice@localhost> REQUIRETLS', '555')
        c.close()
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        submit(c, message('secret'), ['carol@x.example', 'bob@localhost'], ' REQUIRETLS')
        eventually(lambda: re.search(rb'Status: 5\.7\.(10|30)', octets_of(s, 'alice')), 'a report')
        eventually(lambda: subjects(s, 'bob') == ['secret'], 'delivered here')
        equal(len(relay.messages), 0)


@limetta_only
def test_requiretls_goes_on(make):
    """Where TLS and the host's name are proven, and REQUIRETLS is offered, it passes; UTF-8, priority and time go with it."""
    with make(users=('carol', 'bob'), config={'domains': 'there.example localhost', 'sender_check': 'no'}) as there:
        os.environ['SSL_CERT_FILE'] = there.cert
        try:
            config = {'relay_host': 'localhost', 'relay_port': there.submission_port, 'relay_tls': 'required', 'relay_user': 'carol',
                      'relay_password': PASSWORD}
            with make(config=config) as s:
                c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
                submit(c, utf8('grün'), ['bob@there.example'], ' REQUIRETLS SMTPUTF8 BY=100;R MT-PRIORITY=2')
                got = eventually(lambda: octets_of(there, 'bob'), 'it arrives')
                contains(got, 'Subject: grün'.encode())
                equal(got.count(b'with UTF8SMTPSA'), 2)
                equal(got.count(b'PRIORITY 2'), 2)
                equal(got.count(b'MT-Priority: 2'), 1)
            # Each host of the destination is tried before it comes back (RFC 8689, 4.2.1).
            with Sink(extensions=('AUTH PLAIN',), identity=there.identity) as first:
                config['relay_host'] = f'localhost:{first.port} localhost:{there.submission_port}'
                with make(config=config) as s:
                    c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
                    submit(c, message('by the other'), ['bob@there.example'], ' REQUIRETLS')
                    eventually(lambda: 'by the other' in subjects(there, 'bob'), 'it goes by the host that can')
                    equal(first.messages, [])
        finally:
            del os.environ['SSL_CERT_FILE']


@limetta_only
def test_deliver_by(make):
    """X-DELIVERBY: what cannot be delivered in time comes back (R), or its sender is told (N), at that time."""
    with Sink(refuse_times=1000, extensions=EVERYTHING) as relay, make(config=relayed_by(relay)) as s:
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        submit(c, message('in time or not at all'), ['carol@x.example'], ' BY=6;R')
        submit(c, message('tell me'), ['dave@x.example'], ' BY=6;N')
        eventually(lambda: b'Status: 5.4.7' in octets_of(s, 'alice'), 'it comes back', timeout_s=60)
        eventually(lambda: b'Status: 4.4.7' in octets_of(s, 'alice'), 'a delay is told', timeout_s=60)
        contains(octets_of(s, 'alice').lower(), b'deliver-by-date:')
        reports = octets_of(s, 'alice')  # the relay's words, and whose they are (RFC 3461, 6.3 h, i); the other one's end is our own
        contains(reports, b'Remote-MTA: dns; 127.0.0.1\r\nDiagnostic-Code: smtp; 451 4.3.0 come back later\r\nWill-Retry-Until: ')
        equal(reports.count(b'Remote-MTA: '), 1)


@limetta_only
def test_priority_of_users(make):
    with make(config={'priority_most': 2, 'priority_users': 'bob:-1 carol:9'}, users=('alice', 'bob', 'carol')) as s:
        for user, asked, answer in (('alice', 2, '250 2.1.0'), ('alice', 3, '250 2.3.6 2 '), ('bob', -2, '250 2.1.0'),
                                    ('bob', 0, '250 2.3.6 -1 '), ('bob', 1, '250 2.3.6 -1 '), ('carol', 9, '250 2.1.0')):
            c = open_smtp(s, user, PASSWORD, is_tls=True)
            equal(c.command(f'MAIL FROM:<{user}@localhost> MT-PRIORITY={asked}')[-1][:len(answer)], answer, (user, asked))
            c.close()


@limetta_only
def test_rates(make):
    """So many messages and recipients an hour, for a user and for an address, and a restart does not start anew."""
    limits = {'user_messages_hour': 3, 'user_recipients_hour': 5, 'address_messages_hour': 5}
    with make(config=limits, users=('alice', 'bob', 'carol')) as s:
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        submit(c, message('one'), ['bob@localhost', 'carol@localhost'])
        submit(c, message('two'), ['bob@localhost', 'carol@localhost'])
        c.command('MAIL FROM:<alice@localhost>')
        c.command('RCPT TO:<bob@localhost>')
        raises(c, 'RCPT TO:<carol@localhost>', '452 4.5.3')
        c.command('DATA')
        c.send(message('three') + b'.\r\n')
        c.reply()
        raises(c, 'MAIL FROM:<alice@localhost>', '450 4.7.1')
        raises(c, 'RCPT TO:<bob@localhost>', '503')
        c.close()
        s.shut_down()
        s.start()
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        raises(c, 'MAIL FROM:<alice@localhost>', '450 4.7.1')
        c.close()
        c = open_smtp(s, 'bob', PASSWORD, is_tls=True)
        submit(c, message('four'), ['carol@localhost'], sender='bob@localhost')
        submit(c, message('five'), ['carol@localhost'], sender='bob@localhost')
        raises(c, 'MAIL FROM:<bob@localhost>', '450 4.7.1')
        eventually(lambda: len(subjects(s, 'carol')) == 4, 'what was taken is delivered')
        eventually(lambda: sorted(subjects(s, 'bob')) == ['one', 'three', 'two'], 'and nothing else')


@limetta_only
def test_recipients_most(make):
    """X-LIMITS: what EHLO says is what is kept."""
    with make(config={'recipients_most': 100}) as s:
        c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        contains(c.command('EHLO phone.example'), '250-LIMITS RCPTMAX=100')
        c.command('MAIL FROM:<alice@localhost>')
        for i in range(99):
            raises(c, f'RCPT TO:<nobody{i}@localhost>', '550 5.1.1')
        c.command('RCPT TO:<bob@localhost>')
        raises(c, 'RCPT TO:<alice@localhost>', '452 4.5.3')
        c.command('DATA')
        c.send(message('one of a hundred') + b'.\r\n')
        c.reply()
        eventually(lambda: subjects(s, 'bob') == ['one of a hundred'], 'delivered')


@limetta_only
def test_clients_with_utf8(make):
    """X-SMTPUTF8: smtplib, curl and swaks ask for it by themselves, or when told."""
    with make(users=('alice', 'jürgen')) as s, tempfile.NamedTemporaryFile() as f:
        m = email.message.EmailMessage(policy=email.policy.SMTPUTF8)
        m['From'], m['To'], m['Subject'] = 'alice@localhost', 'jürgen@localhost', 'von smtplib'
        m.set_content('Grüße')
        with smtplib.SMTP(s.host, s.submission_port, local_hostname='phone.example', timeout=120) as c:
            c.starttls(context=context_for(s.cert))
            c.ehlo()
            c.login('alice', PASSWORD)
            equal(c.send_message(m), {})
        f.write(message('von cürl'))
        f.flush()
        run(['curl', '-sS', '--max-time', '20', '--ssl-reqd', '--cacert', s.cert, '--user', f'alice:{PASSWORD}', '--mail-from', 'alice@localhost',
             '--mail-rcpt', 'jürgen@localhost', '-T', f.name, f'smtp://localhost:{s.submission_port}/phone.example'])
        eventually(lambda: len(subjects(s, 'jürgen')) == 2, 'delivered')
