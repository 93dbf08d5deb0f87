"""COMPRESS=DEFLATE over real sockets, with zlib at the other end (M-7, RFC 4978)."""
import os
import random
import zlib

from lib.check import contains, equal, limetta_only, matches, message, true
from lib.servers import PASSWORD, memory
from lib.wire import Closed, Imap, context_for, open_imap, plain

TEXT = '\r\n'.join(f'line {i} of a message that is as dull as most' for i in range(500))


def compressed(server, is_tls=False):
    c = open_imap(server, 'alice', PASSWORD, is_tls=is_tls)
    c.command('COMPRESS DEFLATE')
    c.start_deflate()
    return c


def test_both_ways(make):
    """M-7: commands, literals and bodies, through TLS and without."""
    with make() as s:
        for is_tls in (False, True):
            c = compressed(s, is_tls)
            c.append('INBOX', message('dull', TEXT))
            c.command('SELECT INBOX')
            before = c.on_wire.received
            body = b''.join(c.command('FETCH * BODY.PEEK[]'))
            contains(body, TEXT.encode())
            true(c.on_wire.received - before < len(TEXT) / 5, 'dull text is compressed')
            c.send(b'i IDLE\r\n')
            contains(c.response(), b'+')
            other = open_imap(s, 'alice', PASSWORD)
            other.append('INBOX', message('news'))
            other.close()
            line = c.response()
            contains(line, b'EXISTS')
            c.send(b'DONE\r\n')
            c.until(b'i')
            c.command('LOGOUT')
            c.close()


@limetta_only
def test_answers(make):
    """M-7: NO [COMPRESSIONACTIVE] for a second one, BAD for other algorithms, and nothing changes then."""
    with make() as s:
        c = open_imap(s, 'alice', PASSWORD)
        contains(b''.join(c.command('CAPABILITY')), b'COMPRESS=DEFLATE')
        for wrong in ('COMPRESS', 'COMPRESS GZIP', 'COMPRESS DEFLATE 9', 'COMPRESS "DEFLATE"'):
            contains(c.command(wrong, must_be_ok=False)[-1], b' BAD ', wrong)
        contains(c.command('compress deflate')[-1], b' OK ')
        c.start_deflate()
        contains(c.command('COMPRESS DEFLATE', must_be_ok=False)[-1], b' NO [COMPRESSIONACTIVE] ')
        c.command('NOOP')
        c.close()


@limetta_only
def test_list_of_capabilities(make):
    """M-2, M-7: who asks for DEFLATE right behind the login hears the CAPABILITY code in the first answer that is compressed."""
    with make() as s:
        for asks in (b'COMPRESS DEFLATE', b'NOOP'):
            c = Imap(s.host, s.imap_port)
            c.command('STARTTLS')
            c.start_tls(context_for(s.cert))
            c.send(b'l AUTHENTICATE PLAIN %s\r\nc %s\r\n' % (plain('alice', PASSWORD).encode(), asks))
            login = b''.join(c.until(b'l') + c.until(b'c'))
            if asks == b'NOOP':
                contains(login, b'l OK [CAPABILITY ')
                continue
            true(b'CAPABILITY' not in login, login)
            c.start_deflate()
            listed = c.command('CAPABILITY')
            equal(matches(listed[1], rb'^\* OK \[CAPABILITY ([^]]*)\]').group(1), listed[0].strip()[len(b'* CAPABILITY '):])
            equal(len(c.command('NOOP')), 1, 'said once')
            c.close()


@limetta_only
def test_does_not_wait(make):
    """M-7: a client may not send before the OK, but one that does (its octets compressed) is understood."""
    with make() as s:
        for size in (0, 1 << 17):
            c = open_imap(s, 'alice', PASSWORD, is_tls=True)
            deflate = zlib.compressobj(wbits=-15)
            literal = message('early', random.Random(1).randbytes(size).hex())
            early = b'b NOOP\r\nc APPEND INBOX {%d+}\r\n%s\r\n' % (len(literal), literal)
            c.send_raw(b'a COMPRESS DEFLATE\r\n' + deflate.compress(early) + deflate.flush(zlib.Z_SYNC_FLUSH))
            contains(c.read_line(), b'a OK')
            rest, c.buffer = c.buffer, b''
            c.inflate, c.deflate = zlib.decompressobj(wbits=-15), deflate
            c.buffer = c.inflate.decompress(rest)
            c.until(b'b')
            c.until(b'c')
            c.command('SELECT INBOX')
            c.close()


@limetta_only
def test_flushes_of_all_kinds(make):
    """M-7: whatever flushes and settings the client's zlib uses, octet by octet."""
    with make() as s:
        for flush in (zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH, zlib.Z_BLOCK):
            for level, bits in ((0, -9), (1, -9), (6, -15), (9, -15)):
                c = open_imap(s, 'alice', PASSWORD)
                c.command('COMPRESS DEFLATE')
                c.start_deflate()
                c.deflate = zlib.compressobj(level, wbits=bits)
                for i in range(30):
                    data = c.deflate.compress(b't%d NOOP\r\n' % i) + c.deflate.flush(flush)
                    if i % 10 == 0:
                        for n in range(len(data)):
                            c.send_raw(data[n:n + 1])
                    else:
                        c.send_raw(data)
                    if flush != zlib.Z_BLOCK:
                        c.until(b't%d' % i)
                if flush == zlib.Z_BLOCK:  # it leaves bits behind until something follows
                    c.send_raw(c.deflate.flush(zlib.Z_SYNC_FLUSH))
                    c.until(b't29')
                c.close()


@limetta_only
def test_nonsense(make):
    """M-7: octets that are no DEFLATE end the connection, with a compressed BYE; other sessions live on."""
    with make() as s:
        other = compressed(s)
        for junk in (b'b NOOP\r\n', b'\xff' * 100, os.urandom(1000)):
            c = compressed(s)
            c.send_raw(b'\x07' + junk)  # a block of the type that does not exist
            contains(c.response(), b'* BYE')
            try:
                c.read_line()
                raise AssertionError('the connection lives')
            except Closed:
                pass
            c.close()
        other.command('NOOP')
        other.close()


@limetta_only
def test_bomb(make):
    """M-7: 256 MB of nothing in 256 KB: the edge inflates what the session takes, and stays as small as it was."""
    with make() as s:
        c = compressed(s)
        edge = s.roles('edge')[0]
        before = memory(edge, 'Rss')
        deflate = zlib.compressobj(9, wbits=-15)
        c.send_raw(deflate.compress(b'b APPEND INBOX {268435456+}\r\n') + deflate.flush(zlib.Z_SYNC_FLUSH))
        zeros = bytes(1 << 20)
        most = 0
        c.settimeout(60)
        try:
            for _ in range(256):
                c.send_raw(deflate.compress(zeros))
                most = max(most, memory(edge, 'Rss') - before)
            c.send_raw(deflate.compress(b'\r\n') + deflate.flush(zlib.Z_SYNC_FLUSH))
            c.deflate = deflate
            contains(c.until(b'b', must_be_ok=False)[-1], b' NO ')
        except (Closed, ConnectionError):
            pass
        most = max(most, memory(edge, 'Rss') - before)
        print(f'NOTE a bomb of 256 MiB grows the edge by {most} KiB', flush=True)
        true(most < 2048, f'the edge grew by {most} KiB')
        c.close()
