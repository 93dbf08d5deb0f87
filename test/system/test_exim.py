"""Debian's Exim as the other party of CHUNKING (S-6, S-7, X-LMTP): it takes BDAT from us as our relay, and sends BDAT to our LMTP server
and to our submission server."""
import os
import re
import tempfile

from lib.check import contains, equal, eventually, limetta_only, matches, message, true
from lib.exim import Exim
from lib.servers import PASSWORD, free_offset
from lib.sink import Sink
from lib.wire import open_imap, open_smtp

LINE = b'y' * 70 + b'\r\n'


def inbox(s, user):
    c = open_imap(s, user, PASSWORD)
    is_empty = b'* 0 EXISTS' in b''.join(c.command('EXAMINE INBOX'))
    lines = [] if is_empty else c.command('FETCH 1:* BODY.PEEK[]')[:-1]
    c.close()
    return lines


def submit(s, octets, to, mail='', rcpt=''):
    c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
    c.command(f'MAIL FROM:<alice@localhost>{mail}')
    for address in to:
        c.command(f'RCPT TO:<{address}>{rcpt}')
    c.send(b'BDAT %d LAST\r\n' % len(octets) + octets)
    c.reply()
    c.close()


def log_lines(exim, mark):
    """Of messages that came (<=) or went (=>)."""
    return [l for l in exim.log().split('\n') if f' {mark} ' in l]


@limetta_only
def test_as_relay(make):
    """We send BDAT to Exim; what it refuses, and what it is asked to report, comes back by LMTP, with BDAT of its own."""
    back = free_offset()
    with Sink() as sink, Exim({'relayed.example': (sink.port, 'smtp'), 'localhost': (back + 24, 'lmtp')}) as exim, \
            make(offset=back, config={'relay_host': '127.0.0.1', 'relay_port': exim.port, 'relay_tls': 'offered'}) as s:
        text = message('chunks', 'grün\r\n.\r\n..x\r\n' + LINE.decode() * 20000, to='carol@relayed.example',
                       more='MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n')
        submit(s, text, ['carol@relayed.example'], ' BODY=8BITMIME RET=HDRS ENVID=ex-1', ' NOTIFY=SUCCESS')
        got = sink.wait(1)[0][2]
        contains(got, 'grün\r\n.\r\n..x\r\n'.encode())
        equal(got.count(LINE), 20000)
        came = eventually(lambda: log_lines(exim, '<='), 'Exim has it')[0]
        matches(came, r' K ', 'by CHUNKING')
        matches(came, r' X=TLS1.3', 'over TLS')
        submit(s, message('refused', to='nobody@relayed.example'), ['nobody@relayed.example', 'carol@relayed.example'], ' ENVID=ex-2')
        sink.wait(2)
        eventually(lambda: len(inbox(s, 'alice')) == 2, 'two reports')
        for words in ((b'original-envelope-id: ex-1\r\n', b'action: delivered\r\n', b'rfc822;carol@relayed.example\r\n'),
                      (b'original-envelope-id: ex-2\r\n', b'action: failed\r\n', b'rfc822; nobody@relayed.example\r\n')):
            true(any(all(w in m.lower() for w in words) for m in inbox(s, 'alice')), words)
        report = eventually(lambda: [l for l in log_lines(exim, '=>') if '=> alice@localhost' in l], 'Exim delivered its report')[0]
        matches(report, r' T=by1 .* K ', 'by LMTP, with BDAT')


@limetta_only
def test_to_lmtp(make):
    """A large message and a refused recipient by LMTP, in chunks; the refused one comes back to the sender."""
    back = free_offset()
    with Exim({'localhost': (back + 24, 'lmtp')}) as exim, make(offset=back) as s:
        body = message('by Exim', LINE.decode() * 40000)
        exim.run('-oi', '-f', 'alice@localhost', 'bob@localhost', 'bob+detail@localhost', 'alice@localhost', 'nobody@localhost', stdin=body)
        eventually(lambda: len(inbox(s, 'alice')) == 2, 'her copy, and the report')
        got = inbox(s, 'bob')
        true(got and all(m.count(LINE) == 40000 for m in got), 'whole')
        contains(b''.join(inbox(s, 'alice')), b'nobody@localhost')
        went = log_lines(exim, '=>') + log_lines(exim, '->')
        true(any(re.search(r' T=by0 .* K ', l) for l in went), went)
        matches(exim.log(), r'nobody@localhost.*550 5\.1\.1')


@limetta_only
def test_to_submission(make):
    """Exim as a client of ours: STARTTLS with a certificate that it verifies, AUTH, BDAT."""
    back = free_offset()
    with tempfile.NamedTemporaryFile(suffix='.pem') as ca, make(offset=back) as s:
        with open(s.cert, 'rb') as f:
            ca.write(f.read())
        ca.flush()
        os.chmod(ca.name, 0o644)
        with Exim({'localhost': (back + 587, 'submission')}, 'alice', PASSWORD, ca.name) as exim:
            exim.run('-oi', '-f', 'alice@localhost', 'bob@localhost', stdin=message('by Exim', LINE.decode() * 1000))
            eventually(lambda: inbox(s, 'bob'), 'delivered')
            equal(inbox(s, 'bob')[0].count(LINE), 1000)
            went = eventually(lambda: log_lines(exim, '=>'), 'Exim is done')[0]
            matches(went, r' X=TLS1.3\S+ CV=yes .*A=login_at_submission.* K ')
