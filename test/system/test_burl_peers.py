"""BURL with the software of others (S-5, S-14, S-15, X-BURL-HOSTS): our submission server fetches from Debian's Dovecot and Cyrus, and
Debian's Dovecot, as a submission server, fetches from our store."""
import contextlib
import os
import re
import tempfile

from lib.check import contains, equal, eventually, limetta_only, matches, message, true
from lib.servers import PASSWORD, Cyrus, Dovecot, free_offset
from lib.token_relay import SETTINGS, TokenRelay
from lib.wire import context_for, open_imap, open_smtp, plain, Smtp


def sign(c, mailbox, octets, more='', access='submit+alice'):
    """Appends octets; a URL for it, that calls the server localhost."""
    validity, uid = map(int, matches(c.append(mailbox, octets)[-1], rb'APPENDUID (\d+) (\d+)').groups())
    rump = f'imap://alice@localhost/{mailbox};UIDVALIDITY={validity}/;UID={uid}{more}'
    if not access:
        return rump
    c.command(f'EXAMINE {mailbox}')
    answer = c.command(f'GENURLAUTH "{rump};URLAUTH={access}" INTERNAL')
    return matches(answer[0], rb'GENURLAUTH "?([^"\r\n]+)').group(1).decode()


def allow(far):
    return {'burl': {'localhost': {'port': far.imap_port, 'password': PASSWORD, 'ca_file': far.cert}}}


def submit(s, parts):
    """Parts are BURL lines or octets, pipelined. The replies to them."""
    c = open_smtp(s, 'alice', PASSWORD, is_tls=True)
    data = b'MAIL FROM:<alice@localhost>\r\nRCPT TO:<bob@localhost>\r\n'
    for p in parts:
        data += f'BURL {p}\r\n'.encode() if isinstance(p, str) else b'BDAT %d\r\n' % len(p) + p
    c.send(data)
    replies = [c.reply(must_be_ok=False)[-1] for _ in range(2 + len(parts))][2:]
    c.close()
    return replies


def inbox(s, user='bob'):
    c = open_imap(s, user, PASSWORD)
    is_empty = b'* 0 EXISTS' in b''.join(c.command('EXAMINE INBOX'))
    got = b'' if is_empty else b''.join(c.command('FETCH 1:* BODY.PEEK[]'))
    c.close()
    return got


def check_fetching(make, far):
    """From far, which speaks STARTTLS, a message made of two sections and a chunk, of a large part, and what must be refused."""
    c = open_imap(far, 'alice', PASSWORD, is_tls=True)
    whole = sign(c, 'Sent', message('whole', 'from the other server'))
    section = sign(c, 'Sent', message('inner', 'x' * 100), more='/;SECTION=TEXT')
    large = sign(c, 'Sent', message('large', ('y' * 70 + '\r\n') * 40000))
    bobs = sign(c, 'Sent', message('not for alice'), access='submit+bob')
    c.close()
    with make(config=allow(far)) as s:
        equal(submit(s, [whole + ' LAST'])[0][:9], '250 2.5.0')
        replies = submit(s, [b'Subject: joined\r\n\r\n<', section, b'><', section, b'>\r\n', section + ' LAST'])
        equal([r[:9] for r in replies], ['250 2.5.0'] * 6)
        equal(submit(s, [large + ' LAST'])[0][:9], '250 2.5.0')
        equal(submit(s, [bobs + ' LAST'])[0][:9], '554 5.7.0')
        last = '0' if whole[-1] != '0' else '1'
        equal([r[:9] for r in submit(s, [whole[:-1] + last, whole + ' LAST'])], ['554 5.6.6', '503 5.5.1'])
        eventually(lambda: inbox(s).count(b'Subject: ') >= 3, 'delivered')
        got = inbox(s)
        contains(got, b'from the other server')
        contains(got, b'<' + b'x' * 100 + b'\r\n><' + b'x' * 100 + b'\r\n>\r\n' + b'x' * 100)
        equal(got.count(b'y' * 70 + b'\r\n'), 40000)
        true(whole.split(':')[-1] not in s.log(), 'tokens are secrets')


@limetta_only
def test_from_dovecot(make):
    far = Dovecot(users=('alice', 'submit'), more=SETTINGS)
    try:
        with TokenRelay(far.dir):
            check_fetching(make, far)
    finally:
        far.stop(must_be_clean=False)  # it panics at a client that hangs up while several URLFETCH are under way


@limetta_only
def test_from_dovecot_as_it_is(make):
    """Without help, Debian's Dovecot fails in itself at every URLFETCH; the client hears that the URL cannot be had, in time."""
    far = Dovecot(users=('alice', 'submit'), more='imap_urlauth_host = localhost\nimap_urlauth_submit_user = submit\n')
    try:
        c = open_imap(far, 'alice', PASSWORD)
        url = sign(c, 'Sent', message('whole'))
        c.close()
        with make(config=allow(far)) as s:
            true(submit(s, [url + ' LAST'])[0][:9] in ('554 5.6.6', '451 4.4.1'), 'refused, for now or for ever')
        matches(far.log(), r'imap-urlauth-login: Panic: file sasl-server.c.*MECH_SEC_PRIVATE')
    finally:
        far.stop(must_be_clean=False)


@limetta_only
def test_from_cyrus(make):
    with Cyrus(users=('alice', 'submit'), more='submitservers: submit\n') as far:
        check_fetching(make, far)


SUBMISSION = '''
protocols = imap submission
hostname = dovecot.example
imap_urlauth_host = localhost
imapc_host = 127.0.0.1
imapc_port = {store.imap_port}
imapc_user = %u
imapc_password = {password}
imapc_ssl = starttls
imapc_ssl_verify = yes
ssl_client_ca_file = {cert}
submission_relay_host = localhost
submission_relay_port = {store.submission_port}
submission_relay_user = alice
submission_relay_password = {password}
submission_relay_ssl = starttls
submission_relay_ssl_verify = yes
service submission-login {{
  chroot =
  inet_listener submission {{
    port = {port}
  }}
}}
'''


@contextlib.contextmanager
def readable_copy(path):
    """Of a file in a folder that nobody else may look into."""
    with open(path, 'rb') as original, tempfile.NamedTemporaryFile(suffix='.pem') as copy:
        copy.write(original.read())
        copy.flush()
        os.chmod(copy.name, 0o644)
        yield copy.name


@limetta_only
def test_dovecot_fetches(make):
    """Dovecot's submission server resolves URLs of messages that are in our store, where it keeps its users' mail (its imapc storage),
    by a URL alone and by one with a token; what it made of them it submits to us, and it is delivered."""
    port = free_offset((587,)) + 587
    with make() as s, readable_copy(s.cert) as cert, \
            Dovecot(users=('alice',), storage='imapc:{dir}/mail/%u',
                    more=SUBMISSION.format(store=s, cert=cert, port=port, password=PASSWORD)) as d:
        ours = open_imap(s, 'alice', PASSWORD)
        bare = sign(ours, 'Sent', message('bare', 'from our store'), access='')
        ours.close()
        theirs = open_imap(d, 'alice', PASSWORD)
        signed = sign(theirs, 'Sent', message('signed', ('z' * 70 + '\r\n') * 20000))
        theirs.close()
        c = Smtp('127.0.0.1', port)
        c.command('EHLO phone.example')
        c.command('STARTTLS')
        c.start_tls(context_for(d.cert))
        matches('\n'.join(c.command('EHLO phone.example')), r'(?m)^250.BURL imap')
        c.command(f'AUTH PLAIN {plain("alice", PASSWORD)}')
        for url in (bare, signed):
            c.command('MAIL FROM:<alice@localhost>')
            c.command('RCPT TO:<bob@localhost>')
            matches(c.command(f'BURL {url} LAST')[-1], '^250 ')
        c.command('MAIL FROM:<alice@localhost>')
        c.command('RCPT TO:<bob@localhost>')
        last = '0' if signed[-1] != '0' else '1'
        matches(c.command(f'BURL {signed[:-1]}{last} LAST', must_be_ok=False)[-1], '^554 5.6.6')
        c.close()
        eventually(lambda: inbox(s).count(b'Subject: ') == 2, 'delivered')
        got = inbox(s)
        contains(got, b'from our store')
        equal(got.count(b'z' * 70 + b'\r\n'), 20000)
        equal(len(re.findall(rb'by dovecot.example with ESMTPSA', got)), 2)
