"""UNAUTHENTICATE over real sockets: one connection, several logins (X-UNAUTHENTICATE, RFC 8437)."""
import zlib

from lib.check import contains, equal, limetta_only, message, true
from lib.servers import PASSWORD
from lib.wire import Closed, open_imap, plain


@limetta_only
def test_another_user(make):
    """X-UNAUTHENTICATE: everything but TLS is gone: user, mailbox, ENABLE."""
    with make() as s:
        open_imap(s, 'bob', PASSWORD).append('INBOX', message('for bob'))
        for is_tls in (False, True):
            c = open_imap(s, 'alice', PASSWORD, is_tls=is_tls)
            contains(b''.join(c.command('CAPABILITY')), b' UNAUTHENTICATE')
            c.command('ENABLE QRESYNC')
            c.command('SELECT INBOX')
            contains(c.command('UNAUTHENTICATE')[-1], b' OK ')
            for early in ('SELECT INBOX', 'UNAUTHENTICATE', 'FETCH 1 UID'):
                contains(c.command(early, must_be_ok=False)[-1], b' BAD ', early)
            words = b''.join(c.command('CAPABILITY'))
            true(b'UNAUTHENTICATE' not in words, 'nothing to end')
            equal(b'STARTTLS' in words, not is_tls, 'TLS stays')
            c.login('bob', PASSWORD)
            contains(c.command('FETCH 1 UID', must_be_ok=False)[-1], b' BAD ')
            selected = b''.join(c.command('SELECT INBOX'))
            contains(selected, b'* 1 EXISTS')
            contains(c.command('SELECT INBOX (QRESYNC (1 1))', must_be_ok=False)[-1], b' BAD ', 'QRESYNC is off')
            c.command('LOGOUT')
            c.close()


@limetta_only
def test_pipelined(make):
    """X-UNAUTHENTICATE: the next AUTHENTICATE may follow at once, and its commands behind it."""
    with make() as s:
        c = open_imap(s, 'alice', PASSWORD, is_tls=True)
        for user in ('bob', 'alice', 'bob'):
            c.send(b'u UNAUTHENTICATE\r\nl AUTHENTICATE PLAIN %s\r\nc CREATE of-%s\r\nd LIST "" of-*\r\ne DELETE of-%s\r\n'
                   % (plain(user, PASSWORD).encode(), user.encode(), user.encode()))
            for tag in (b'u', b'l', b'c'):
                c.until(tag)
            equal(len(c.until(b'd')), 2)
            c.until(b'e')
        c.close()


@limetta_only
def test_failures_count_on(make):
    """X-UNAUTHENTICATE: five failed logins are five, with good ones between them."""
    with make() as s:
        c = open_imap(s, 'alice', PASSWORD)
        for i in range(5):
            c.command('UNAUTHENTICATE')
            no = c.command(f'LOGIN alice "wrong {i}"', must_be_ok=False)
            if i < 4:
                contains(no[-1], b' NO [AUTHENTICATIONFAILED] ')
                c.login('alice', PASSWORD)
        try:
            while True:
                c.read_line()
        except Closed:
            pass
        c.close()


@limetta_only
def test_ends_compression(make):
    """X-UNAUTHENTICATE, M-7: both layers end behind the CRLF, and COMPRESS may be given again."""
    with make() as s:
        for has_last_block, is_pipelined in ((False, False), (True, False), (True, True)):
            c = open_imap(s, 'alice', PASSWORD, is_tls=True)
            for _ in range(3):
                c.command('COMPRESS DEFLATE')
                c.start_deflate()
                c.append('INBOX', message('x', 'some text ' * 1000))
                flush = zlib.Z_FINISH if has_last_block else zlib.Z_SYNC_FLUSH
                login = b'l AUTHENTICATE PLAIN ' + plain('alice', PASSWORD).encode() + b'\r\n'
                c.send_raw(c.deflate.compress(b'u UNAUTHENTICATE\r\n') + c.deflate.flush(flush)
                           + (login if is_pipelined else b''))
                while not c.inflate.eof:  # our OK is in our last block
                    c._more()
                contains(c.read_line(), b'u OK')
                c.buffer, c.deflate, c.inflate = c.buffer + c.inflate.unused_data, None, None
                if not is_pipelined:
                    c.send(login)
                contains(c.until(b'l')[-1], b'l OK [CAPABILITY ')
            c.close()


@limetta_only
def test_switched_off(make):
    """X-UNAUTHENTICATE: a server must be able to do without (RFC 8437, 8)."""
    with make(config={'unauthenticate': 'no'}) as s:
        c = open_imap(s, 'alice', PASSWORD)
        true(b'UNAUTHENTICATE' not in b''.join(c.command('CAPABILITY')), 'not offered')
        contains(c.command('UNAUTHENTICATE', must_be_ok=False)[-1], b' BAD ')
        c.command('SELECT INBOX')
        c.close()


@limetta_only
def test_idle_strangers_again(make):
    """X-UNAUTHENTICATE: who has logged out is a stranger, and sent away like one."""
    with make(config={'login_timeout_s': 10}) as s:
        c = open_imap(s, 'alice', PASSWORD)
        c.command('UNAUTHENTICATE')
        c.settimeout(20)
        contains(c.response(), b'* BYE')
        c.close()
