"""TLS and login as a stranger would try them: D45, D46, S-3, S-12, M-2, M-21, M-22."""
from lib.check import contains, equal, limetta_only, matches, run, true
from lib.servers import PASSWORD
from lib.wire import Closed, Imap, No, Smtp, context_for, open_imap, open_smtp, plain


@limetta_only
def test_imap_injection_behind_starttls(make):
    """D46: octets that came in plain text together with STARTTLS must not be answered inside TLS."""
    with make() as s:
        c = Imap(s.host, s.imap_port)
        c.send(b'a STARTTLS\r\nb NOOP\r\nc LOGOUT\r\n')
        c.until(b'a')
        c.start_tls(context_for(s.cert))
        c.send(b'd NOOP\r\n')
        answers = c.until(b'd')
        equal([l for l in answers if l.startswith((b'b', b'c', b'* BYE'))], [], 'answers to what was injected')
        c.login('alice', PASSWORD)


@limetta_only
def test_submission_injection_behind_starttls(make):
    """D46, S-12: the same at the submission port; and the EHLO from before TLS is forgotten."""
    with make() as s:
        c = Smtp(s.host, s.submission_port)
        c.command('EHLO phone.example')
        c.send(b'STARTTLS\r\nEHLO evil.example\r\nNOOP\r\n')
        equal(c.reply()[0][:3], '220')
        c.start_tls(context_for(s.cert))
        c.send(b'MAIL FROM:<alice@localhost>\r\n')
        reply = c.reply(must_be_ok=False)
        true(reply[0][:3] in ('503', '530'), f'the first reply inside TLS answers MAIL: {reply}')
        lines = c.command('EHLO phone.example')
        true(not any('STARTTLS' in l for l in lines), 'STARTTLS is not offered twice')
        equal(c.tls.compression(), None, 'S-13: no compression inside TLS, for it gives secrets away')


@limetta_only
def test_tls_required(make):
    """D45: with tls = required nothing but the way to TLS works before it."""
    with make(config={'tls': 'required'}) as s:
        c = Imap(s.host, s.imap_port)
        contains(c.greeting, b'LOGINDISABLED')
        for command in (f'LOGIN alice "{PASSWORD}"', f'AUTHENTICATE PLAIN {plain("alice", PASSWORD)}'):
            true(not c.command(command, must_be_ok=False)[-1].split(b' ')[1] == b'OK', f'{command[:12]} before TLS')
        c.command('NOOP')
        c.command('STARTTLS')
        c.start_tls(context_for(s.cert))
        true(b'LOGINDISABLED' not in b''.join(c.command('CAPABILITY')), 'LOGIN is allowed inside TLS')
        c.login('alice', PASSWORD)
        c = Smtp(s.host, s.submission_port)
        true(not any(l[4:].startswith('AUTH') for l in c.command('EHLO phone.example')), 'AUTH is not offered before TLS')
        equal(c.command('MAIL FROM:<alice@localhost>', must_be_ok=False)[0][:3], '530')
        equal(c.command(f'AUTH PLAIN {plain("alice", PASSWORD)}', must_be_ok=False)[0][:3], '530')


def test_capability_in_greeting_and_after_login(make):
    """M-2: no command is needed to learn the capabilities; M-21: the initial response."""
    with make() as s:
        c = Imap(s.host, s.imap_port)
        contains(c.greeting, b'[CAPABILITY IMAP4rev1')
        c.command('STARTTLS')
        c.start_tls(context_for(s.cert))
        contains(c.login('alice', PASSWORD)[-1], b'[CAPABILITY IMAP4rev1')


@limetta_only
def test_wrong_password_and_unknown_user_look_alike(make):
    """D42: the same answer for a wrong password as for a user who is not there. (The same time, too: test_times.py.)"""
    with make() as s:
        answers = {}
        for user in ('alice', 'nobody'):
            c = Imap(s.host, s.imap_port)
            c.command('STARTTLS')
            c.start_tls(context_for(s.cert))
            answers[user] = c.command(f'AUTHENTICATE PLAIN {plain(user, "wrong")}', must_be_ok=False)[-1]
            c.close()
        equal(answers['alice'], answers['nobody'])
        contains(answers['alice'], b'NO [AUTHENTICATIONFAILED]')
        c = open_imap(s, 'alice', PASSWORD, is_tls=True)
        c.command('NOOP')


@limetta_only
def test_submission_needs_login(make):
    """S-18: MAIL before AUTH is refused; S-3: AUTH twice and in a transaction, too."""
    with make() as s:
        c = open_smtp(s, is_tls=True)
        equal(c.command('MAIL FROM:<alice@localhost>', must_be_ok=False)[0][:3], '530')
        equal(c.command('AUTH PLAIN !!', must_be_ok=False)[0][:3], '501')
        c.command(f'AUTH PLAIN {plain("alice", PASSWORD)}')
        equal(c.command(f'AUTH PLAIN {plain("alice", PASSWORD)}', must_be_ok=False)[0][:3], '503')
        keywords = {l[4:].split(' ')[0] for l in c.command('EHLO phone.example')[1:]}
        wanted = {'8BITMIME', 'BINARYMIME', 'BURL', 'DSN', 'CHUNKING', 'ENHANCEDSTATUSCODES', 'PIPELINING', 'SIZE'}
        equal(wanted - keywords, set(), 'keywords of EHLO that are missing')


@limetta_only
def test_too_long_lines_and_literals(make):
    """A command without end, and a literal of 4 GB, are refused before they fill memory; a syntax error is BAD and no more."""
    with make() as s:
        c = open_imap(s, 'alice', PASSWORD)
        equal(c.command('FETCH', must_be_ok=False)[-1].split(b' ')[1], b'BAD')
        equal(c.command('STORE x y z', must_be_ok=False)[-1].split(b' ')[1], b'BAD')
        c.command('NOOP')
        c.send(b'b APPEND INBOX {4000000000}\r\n')
        answer = c.response()
        true(not answer.startswith(b'+'), f'a literal of 4 GB is refused: {answer}')
        c = open_imap(s, 'alice', PASSWORD)
        try:
            for _ in range(200):
                c.send(b'x' * 65536)
            c.settimeout(5)
            c.send(b'\r\n')
            lines = [c.response()]
        except (Closed, OSError):
            lines = []
        true(all(l.split(b' ')[1] in (b'BAD', b'BYE') for l in lines), f'a line of 13 MB: {lines}')
