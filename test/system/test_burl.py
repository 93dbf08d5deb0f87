"""BURL between real processes (S-5, S-6, S-9, S-11, S-14, S-16, S-20): what it answers, what it must not do."""
import base64

from lib.check import contains, equal, eventually, limetta_only, matches, message, true
from lib.servers import PASSWORD
from lib.wire import open_imap, open_smtp, plain, Smtp


def store_and_sign(s, octets, access='submit+alice', more='', is_binary=False):
    """Appends octets to alice's Sent; a URL for it."""
    c = open_imap(s, 'alice', PASSWORD)
    answer = c.append('Sent', octets, is_binary=is_binary)[-1]
    validity, uid = map(int, matches(answer, rb'APPENDUID (\d+) (\d+)').groups())
    rump = f'imap://alice@{s.host}:{s.imap_port}/Sent;UIDVALIDITY={validity}/;UID={uid}{more};URLAUTH={access}'
    url = matches(c.command(f'GENURLAUTH "{rump}" INTERNAL')[0], rb'GENURLAUTH "?([^"\r\n]+)').group(1).decode()
    c.close()
    return url


def start(s, user='alice', mail=''):
    c = open_smtp(s, user, PASSWORD)
    c.command(f'MAIL FROM:<{user}@localhost>{mail}')
    c.command('RCPT TO:<bob@localhost>')
    return c


def bobs_mail(s, subject):
    c = open_imap(s, 'bob', PASSWORD)
    c.command('EXAMINE INBOX')
    found = c.command(f'SEARCH SUBJECT "{subject}"')[0].split()[2:]
    octets = c.command(b'FETCH %s BODY.PEEK[]' % found[0])[0] if found else b''
    c.close()
    return octets


@limetta_only
def test_answers(make):
    """The replies of RFC 4468, 6; a failed part fails the message until RSET; tokens are in no log."""
    with make(config={'log_level': 'debug'}) as s:
        url = store_and_sign(s, message('signed'))
        bobs = store_and_sign(s, message('signed for bob'), access='submit+bob')
        expired = store_and_sign(s, message('old'), more=';EXPIRE=2020-01-01T00:00:00Z')
        everybody = store_and_sign(s, message('for all'), access='anonymous')
        last = '1' if url[-1] == '0' else '0'
        for bad, want in ((url[:-1] + last, '554 5.6.6'), (expired, '554 5.6.6'), (bobs, '554 5.7.0'),
                          (url.split(':internal:')[0], '554 5.7.0'),
                          (url.replace(f'@{s.host}:{s.imap_port}', '@elsewhere.example'), '554 5.7.8'),
                          ('http://example.org/', '554 5.6.6'), (everybody, '250 2.5.0'), (url, '250 2.5.0')):
            c = start(s)
            contains(c.command(f'BURL {bad} LAST', must_be_ok=False)[-1], want)
            c.close()
        c = start(s)
        contains(c.command(f'BURL {bobs}', must_be_ok=False)[-1], '554 ')
        contains(c.command(f'BURL {url} LAST', must_be_ok=False)[-1], '503 ')
        c.command('RSET')
        c.command('MAIL FROM:<alice@localhost>')
        contains(c.command(f'BURL {url} LAST', must_be_ok=False)[-1], '554 5.5.0')
        c.close()
        eventually(lambda: bobs_mail(s, 'signed'), 'delivered')
        equal(bobs_mail(s, 'signed for bob'), b'')
        tokens = [u.split(':internal:')[1] for u in (url, bobs, expired, everybody)]
        true(not any(t in s.log() for t in tokens), 'tokens are secrets')


@limetta_only
def test_parts(make):
    """A message assembled from BDAT and BURL, one round trip from AUTH to the end (S-9)."""
    with make() as s:
        url = store_and_sign(s, message('inner', 'x' * 100000), more='/;SECTION=TEXT')
        head, tail = b'Subject: assembled\r\n\r\n<<', b'>>\r\n'
        c = Smtp(s.host, s.submission_port)
        c.command('EHLO phone.example')
        c.send((f'AUTH PLAIN {plain("alice", PASSWORD)}\r\nMAIL FROM:<alice@localhost>\r\nRCPT TO:<bob@localhost>\r\n'
                f'BDAT {len(head)}\r\n').encode() + head + f'BURL {url}\r\nBURL {url}\r\nBDAT {len(tail)} LAST\r\n'.encode() + tail)
        equal([c.reply()[-1][:3] for _ in range(7)], ['235', '250', '250', '250', '250', '250', '250'])
        c.close()
        eventually(lambda: bobs_mail(s, 'assembled'), 'delivered')
        got = bobs_mail(s, 'assembled')
        contains(got, b'<<' + b'x' * 100000)
        equal(got.count(b'x' * 100000), 2)
        contains(got, b'>>\r\n')


@limetta_only
def test_binary_message(make):
    """M-28: a message with binary parts crosses from the store to bob as it is stored, by the octet; to a client that did not
    say BINARYMIME it is encoded."""
    data = bytes(range(256)) * 400
    octets = (b'Subject: bin\r\nMIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n') + data
    with make() as s:
        url = store_and_sign(s, octets, is_binary=True)
        for mail in (' BODY=BINARYMIME', ''):
            c = start(s, mail=mail)
            contains(c.command(f'BURL {url} LAST')[-1], '250 2.5.0')
            c.close()
        eventually(lambda: bobs_mail(s, 'bin'), 'delivered')
        c = open_imap(s, 'bob', PASSWORD)
        eventually(lambda: c.command('EXAMINE INBOX') and c.command('SEARCH SUBJECT bin')[0].split()[2:] == [b'1', b'2'], 'both delivered')
        whole = [b''.join(c.command(f'FETCH {i} BINARY.PEEK[]')) for i in (1, 2)]
        equal(sorted(b'Encoding: binary' in w and b'\r\n\r\n' + data in w for w in whole), [False, True])
        for i in (1, 2):
            equal(b''.join(c.command(f'FETCH {i} BINARY.PEEK[1]')).count(data), 1)
            contains(c.command(f'FETCH {i} BODYSTRUCTURE')[0], b'"base64"')
        c.close()


@limetta_only
def test_binary_from_another_worker(make):
    """M-28: structure and decoded octets of a large part whose owner lives elsewhere; it is measured there step by step."""
    data = bytes(range(256)) * 12000
    octets = (b'Subject: far\r\nContent-Type: image/png; name=far.png\r\nContent-Transfer-Encoding: base64\r\n\r\n'
              + base64.encodebytes(data).replace(b'\n', b'\r\n'))
    with make() as s:
        url = store_and_sign(s, octets, access='authuser', more='/;SECTION=1')
        for user in ('alice', 'bob'):
            c = open_imap(s, user, PASSWORD)
            got = c.command(f'URLFETCH ("{url}" BODYPARTSTRUCTURE BINARY) ("{url}" BODY) ("{url[:-1]}" BINARY)')
            contains(got[0], b' (BODYPARTSTRUCTURE ("image" "png" ("name" "far.png") NIL NIL "BINARY" %d' % len(data))
            contains(got[0], b' (BINARY ~{%d}\r\n' % len(data) + data + b')\r\n')
            contains(got[1], b' (BODY {%d}\r\n' % len(octets.split(b'\r\n\r\n', 1)[1]))
            true(got[2].endswith(b' NIL\r\n'), got[2])
            c.close()


@limetta_only
def test_size_counts_expanded(make):
    """S-11: what the URLs name counts, not the command."""
    with make(config={'message_most': 1048576}) as s:
        url = store_and_sign(s, message('large', 'x' * 76 + ('\r\n' + 'x' * 76) * 8000))
        c = start(s)
        c.command(f'BURL {url}')
        contains(c.command(f'BURL {url} LAST', must_be_ok=False)[-1], '552 5.3.4')
        c.close()
        c = start(s)
        c.command(f'BURL {url} LAST')
        c.close()


@limetta_only
def test_tls_inside(make):
    """S-14: where nothing goes without TLS, the fetch uses TLS, too."""
    with make(config={'tls': 'required', 'plaintext_login': 'never'}) as s:
        c = open_imap(s, 'alice', PASSWORD, is_tls=True)
        answer = c.append('Sent', message('guarded'))[-1]
        validity, uid = map(int, matches(answer, rb'APPENDUID (\d+) (\d+)').groups())
        rump = f'imap://alice@{s.host}:{s.imap_port}/Sent;UIDVALIDITY={validity}/;UID={uid};URLAUTH=submit+alice'
        url = matches(c.command(f'GENURLAUTH "{rump}" INTERNAL')[0], rb'GENURLAUTH "?([^"\r\n]+)').group(1).decode()
        c.close()
        m = open_smtp(s, 'alice', PASSWORD, is_tls=True)
        m.command('MAIL FROM:<alice@localhost>')
        m.command('RCPT TO:<bob@localhost>')
        contains(m.command(f'BURL {url} LAST')[-1], '250 2.5.0')
        m.close()
