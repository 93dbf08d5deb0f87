"""Any octets are a message: APPEND takes them whatever they hold, and FETCH gives the same octets back: BINARY always, BODY where
no NUL is among them (M-3)."""
import random

from lib.check import equal, limetta_only, matches, true
from lib.servers import PASSWORD
from lib.wire import open_imap



def cases():
    yield 'NUL alone', b'\0\0\0'
    yield 'NUL in the body', b'Subject: x\r\n\r\n\0binary\0\r\n'
    yield 'bare CR', b'\r'
    yield 'bare LF', b'\n'
    yield 'CRLF alone', b'\r\n'
    yield 'one letter, no header', b'a'
    yield 'LF line ends', b'Subject: lf only\n\nbody\nlines\n'
    yield 'mixed line ends', b'Subject: x\r\nTo: y\n\r\nbody\rmore\n\r\r\n'
    yield 'a line of 10 MB, no header', b'x' * 10_000_000
    yield 'a line of 10 MB in the body', b'Subject: long\r\n\r\n' + b'y' * 10_000_000 + b'\r\n'
    yield '1000 nested multiparts', b''.join(
        b'Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n' % (i, i) for i in range(1000)) + b'\r\ndeep\r\n'
    yield '1000 nested messages', b'Content-Type: message/rfc822\r\n\r\n' * 1000 + b'deep\r\n'
    yield 'no end boundary', b'Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nno end'
    yield 'unknown charset', b'Content-Type: text/plain; charset=bogus-8\r\n\r\n\xff\xfe\r\n'
    yield '100,000 parts', b'Content-Type: multipart/mixed; boundary=x\r\n\r\n' + b'--x\r\n\r\n' * 100_000
    yield '100,000 recipients', b'To: ' + b'a@b, ' * 100_000 + b'\r\n\r\nx'
    yield '200,000 continuation lines', b'A' * 100 + b': ' + b'b\r\n ' * 200_000 + b'\r\n\r\nx'
    yield '300,000 fields', b'X-H: v\r\n' * 300_000 + b'\r\nx'
    yield 'an endless encoded word', b'Subject: =?utf-8?b?' + b'/' * 70_000 + b'?=\r\n\r\n'
    yield 'open comments', b'From: ' + b'(' * 100_000 + b'\r\n\r\n'
    yield '50,000 parameters', b'Content-Type: ' + b'a/b;' * 50_000 + b'\r\n\r\n'
    dice = random.Random(1)
    for i in range(20):
        yield f'random octets {i}', dice.randbytes(dice.randrange(1, 200_000))


@limetta_only
def test_any_octets_are_a_message(make):
    with make() as server:
        c = open_imap(server, 'alice', PASSWORD)
        c.command('SELECT INBOX')
        count = 0
        for name, octets in cases():
            c.append('INBOX', octets)
            count += 1
            got = b''.join(c.command(f'FETCH {count} (RFC822.SIZE BODY.PEEK[])'))
            size, literal = matches(got, rb'RFC822.SIZE (\d+) BODY\[\] {(\d+)}\r\n').groups()
            equal(size, literal)
            true(b'\0' not in got, name)
            true(b'\0' in octets or f'BODY[] {{{len(octets)}}}\r\n'.encode() + octets in got, name)
            stored = b''.join(c.command(f'FETCH {count} (BINARY.SIZE[] BINARY.PEEK[])'))
            true(b'{%d}\r\n' % len(octets) + octets in stored and b'BINARY.SIZE[] %d ' % len(octets) in stored, name)
            c.command(f'FETCH {count} (ENVELOPE BODYSTRUCTURE BODY BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] '
                      'BODY.PEEK[1.MIME] INTERNALDATE BODY.PEEK[HEADER.FIELDS (Subject)])')
        c.command('SEARCH OR TEXT deep OR SUBJECT x FROM a')
        equal(int(c.command('STATUS INBOX (MESSAGES)')[0].split()[4].rstrip(b')\r\n')), count)
        c.close()
