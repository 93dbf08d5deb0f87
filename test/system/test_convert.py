"""CONVERT with other programs (M-15, X-CONVERT): pictures, documents, sound; and what is not what it says it is.

Everything that is converted is made here, from nothing. What this machine does not convert is not tested."""
import base64
import io
import os
import random
import re
import shutil
import signal
import struct
import threading
import time
import zipfile
import zlib

from lib.check import Skip, contains, equal, eventually, limetta_only, run, true
from lib.servers import PASSWORD, children
from lib.wire import open_imap

IS_ALONE = True


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(width, height, rows=None, is_whole=True):
    """A picture, grey; without rows all black, in a few octets whatever its size."""
    packer = zlib.compressobj(9)
    line = b'\0' * (width + 1)
    data = b''.join(packer.compress(line) for _ in range(height if rows is None else rows)) + packer.flush()
    head = struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0)
    whole = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', data) + chunk(b'IEND', b'')
    return whole if is_whole else whole[:len(whole) // 2]


def gif(frames):
    """One picture of 8 by 8, again and again."""
    frame = b'!\xf9\x04\0\0\0\0\0' + b',\0\0\0\0\x08\0\x08\0\0' + b'\x02\x07\x84\x8f\xa9\xcb\xed\x0f\x63\x2b\0'
    return b'GIF89a\x08\0\x08\0\x80\0\0\0\0\0\xff\xff\xff' + frame * frames + b';'


def pdf(content=b'BT /F1 24 Tf 20 100 Td (Hello phone) Tj ET', extra=b''):
    objects = [b'<</Type/Catalog/Pages 2 0 R>>', b'<</Type/Pages/Kids[3 0 R]/Count 1>>',
               b'<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>/XObject<</X 6 0 R>>>>>>',
               b'<</Length %d>>stream\n%s\nendstream' % (len(content), content),
               b'<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>', extra or b'<<>>']
    out, places = b'%PDF-1.4\n', []
    for i, o in enumerate(objects):
        places.append(len(out))
        out += b'%d 0 obj%s\nendobj\n' % (i + 1, o)
    at = len(out)
    out += b'xref\n0 %d\n0000000000 65535 f \n' % (len(objects) + 1) + b''.join(b'%010d 00000 n \n' % p for p in places)
    return out + b'trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n' % (len(objects) + 1, at)


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as z:
        for name, data in files.items():
            z.writestr(name, data)
    return out.getvalue()


W = '{http://schemas.openxmlformats.org/wordprocessingml/2006/main}'


def docx(text='<w:p><w:r><w:t>One &amp; two</w:t></w:r></w:p><w:p><w:r><w:t>Gr\u00fc\u00dfe</w:t></w:r></w:p>'):
    return zipped({'[Content_Types].xml': '<Types/>', 'word/document.xml': f'<w:document><w:body>{text}</w:body></w:document>'})


def odt(text='<text:h>Title</text:h><text:p>one<text:tab/>two<text:s text:c="2"/>x</text:p>'):
    return zipped({'mimetype': 'application/vnd.oasis.opendocument.text',
                   'content.xml': f'<office:document-content><office:body>{text}</office:body></office:document-content>'})


def xlsx():
    return zipped({'xl/sharedStrings.xml': '<sst><si><t>name</t></si><si><t>caf\u00e9</t></si></sst>',
                   'xl/worksheets/sheet1.xml': '<worksheet><sheetData><row><c t="s"><v>0</v></c><c t="s"><v>1</v></c></row>'
                                               '<row><c><v>12.5</v></c><c t="inlineStr"><is><t>in</t></is></c></row></sheetData></worksheet>'})


def wav(seconds=1, rate=8000):
    data = b''.join(struct.pack('<h', (i * 400) % 20000 - 10000) for i in range(seconds * rate))
    return (b'RIFF' + struct.pack('<I', 36 + len(data)) + b'WAVEfmt ' + struct.pack('<IHHIIHH', 16, 1, 1, rate, rate * 2, 2, 16)
            + b'data' + struct.pack('<I', len(data)) + data)


OOXML = 'application/vnd.openxmlformats-officedocument.'


def put(c, media_type, octets, mailbox='INBOX'):
    """A message of one part; returns its number."""
    body = base64.encodebytes(octets).replace(b'\n', b'\r\n')
    c.append(mailbox, f'Subject: {media_type}\r\nContent-Type: {media_type}\r\nContent-Transfer-Encoding: base64\r\n\r\n'.encode() + body)
    c.number = getattr(c, 'number', 0) + 1
    return c.number


def convert(c, number, target, params='', items='(BINARY.SIZE[1] BODYPARTSTRUCTURE[1] BINARY[1])'):
    """The whole response, whatever it says."""
    wish = f'("{target}"{params and " " + params})' if target else f'(NIL{params and " " + params})'
    return b''.join(c.command(f'CONVERT {number} {wish} {items}', must_be_ok=False))


def result(answer):
    """The octets of BINARY, whose size must be what BINARY.SIZE said."""
    size = int(re.search(rb'BINARY.SIZE\[1\] (\d+)', answer).group(1))
    m = re.search(rb' BINARY\[1\] ~?\{(\d+)\}\r\n', answer)
    equal(int(m.group(1)), size, 'size')
    return answer[m.end():m.end() + size]


def has(c, source, target):
    return any(line.startswith(b'* CONVERSION') for line in c.command(f'CONVERSIONS "{source}" "{target}"'))


def size_of_jpeg(octets):
    at = 2
    while octets[at + 1] not in (0xc0, 0xc1, 0xc2):
        at += 2 + struct.unpack('>H', octets[at + 2:at + 4])[0]
    height, width = struct.unpack('>HH', octets[at + 5:at + 9])
    return width, height


def need(server, c, program, source, target):
    """Where the program is, the conversion must be; elsewhere there is nothing to test."""
    if not has(c, source, target):
        there = shutil.which(program, path=os.path.dirname(server.program) + ':/usr/bin')
        true(not there, f'{there} is there, and does not convert {source} to {target}')
        raise Skip(f'there is no {program} here')


def ready(server):
    c = open_imap(server, 'alice', PASSWORD)
    eventually(lambda: has(c, 'application/vnd.oasis.opendocument.text', 'text/plain'), 'the convert role tells what it has')
    c.command('SELECT INBOX')
    return c


@limetta_only
def test_pictures(make):
    """Sizes, boxes, formats, limits of size; exact and the same every time."""
    with make() as server:
        c = ready(server)
        need(server, c, 'limetta-convert-image', 'image/png', 'image/jpeg')
        n = put(c, 'image/png', png(400, 200))
        out = result(convert(c, n, 'image/jpeg'))
        equal(size_of_jpeg(out), (400, 200))
        answer = convert(c, n, 'image/jpeg', '("pix-x" "100" "pix-y" "100")')
        equal(size_of_jpeg(result(answer)), (100, 50))
        contains(answer, b'("image" "jpeg" NIL NIL NIL "binary" %d NIL NIL NIL NIL)' % len(result(answer)))
        equal(size_of_jpeg(result(convert(c, n, '', '("pix-x" "100")'))), (100, 50))
        equal(size_of_jpeg(result(convert(c, n, 'image/jpeg', '("pix-x" "60" "pix-y" "80" "resize" "crop")'))), (60, 80))
        equal(size_of_jpeg(result(convert(c, n, 'image/jpeg', '("pix-x" "60" "pix-y" "80" "resize" "stretch")'))), (60, 80))
        contains(result(convert(c, n, 'image/webp'))[:16], b'WEBP')
        true(result(convert(c, n, 'image/png', '("depth" "1")')).startswith(b'\x89PNG'), 'png')
        true(len(result(convert(c, n, 'image/jpeg', '("size" "1200")'))) <= 1200, 'size limit')
        contains(convert(c, n, 'image/jpeg', '("size" "10")'), b'BADPARAMETERS "image/png" "image/jpeg"')
        whole = result(convert(c, n, 'image/jpeg'))
        pieces = b''
        for at in range(0, len(whole) + 500, 500):
            piece = convert(c, n, 'image/jpeg', items=f'BINARY[1]<{at}.500>')
            m = re.search(rb'BINARY\[1\]<%d> ~?\{(\d+)\}\r\n' % at, piece)
            pieces += piece[m.end():m.end() + int(m.group(1))]
        equal(pieces, whole)
        n = put(c, 'image/gif', gif(3))
        equal(size_of_jpeg(result(convert(c, n, 'image/jpeg'))), (8, 8))
        c.close()


@limetta_only
def test_documents(make):
    """PDF and office documents as text, in the charset asked for; a page as a picture."""
    with make() as server:
        c = ready(server)
        need(server, c, 'pdftotext', 'application/pdf', 'text/plain')
        cases = [('application/pdf', pdf(), b'Hello phone'), (OOXML + 'wordprocessingml.document', docx(), 'One & two\r\nGr\u00fc\u00dfe\r\n'.encode()),
                 ('application/vnd.oasis.opendocument.text', odt(), b'Title\r\none\ttwo  x\r\n'),
                 (OOXML + 'spreadsheetml.sheet', xlsx(), 'name\tcaf\u00e9\r\n12.5\tin\r\n'.encode())]
        for media_type, octets, want in cases:
            if has(c, media_type, 'text/plain'):
                n = put(c, media_type, octets)
                answer = convert(c, n, '')
                contains(answer, b'("text" "plain" ("charset" "utf-8")', media_type)
                contains(result(answer), want, media_type)
        if has(c, OOXML + 'wordprocessingml.document', 'text/plain'):
            n = put(c, OOXML + 'wordprocessingml.document', docx())
            contains(result(convert(c, n, 'text/plain', '("charset" "iso-8859-1")')), b'Gr\xfc\xdfe')
            contains(convert(c, n, 'text/plain', '("charset" "us-ascii")'), b'BADPARAMETERS')
            text = ''.join(f'{i} Gr\u00fc\u00dfe ' for i in range(60000))  # more than is brought into its charset at once
            n = put(c, OOXML + 'wordprocessingml.document', docx(f'<w:p><w:r><w:t>{text}</w:t></w:r></w:p>'))
            contains(result(convert(c, n, 'text/plain', '("charset" "iso-8859-1")')), text.strip().encode('iso-8859-1'))
        if has(c, 'application/pdf', 'image/jpeg'):
            n = put(c, 'application/pdf', pdf())
            equal(size_of_jpeg(result(convert(c, n, 'image/jpeg', '("pix-x" "150")')))[0], 150)
            contains(convert(c, n, 'image/jpeg', '("page" "2")'), b'BADPARAMETERS')
        c.close()


@limetta_only
def test_old_documents(make):
    """The programs for older formats run where they are confined: what is no such document they hand on as the text it is."""
    with make() as server:
        c = ready(server)
        need(server, c, 'catdoc', 'application/msword', 'text/plain')
        n = put(c, 'application/msword', b'{\\rtf1\\ansi One two}')
        contains(result(convert(c, n, 'text/plain')), b'One two')
        c.close()


@limetta_only
def test_sound(make):
    with make() as server:
        c = ready(server)
        need(server, c, 'ffmpeg', 'audio/wav', 'audio/mpeg')
        n = put(c, 'audio/wav', wav())
        for target, beginning in (('audio/mpeg', (b'\xff', b'ID3')), ('audio/aac', (b'\xff',)), ('audio/amr', (b'#!AMR',)), ('audio/ogg', (b'OggS',))):
            if has(c, 'audio/wav', target):
                first = result(convert(c, n, target))
                true(first.startswith(beginning), f'{target}: {first[:8]!r}')
        c.close()


def bombs():
    yield 'a picture of 60000 by 60000', 'image/png', 'image/jpeg', png(60000, 60000, rows=100)
    yield 'a header without a picture', 'image/png', 'image/jpeg', png(1 << 30, 1 << 30, rows=1)
    yield 'half a picture', 'image/png', 'image/jpeg', png(3000, 3000, is_whole=False)[:40]
    yield 'no picture at all', 'image/jpeg', 'image/png', b'\xff\xd8\xff' + b'x' * 1000
    yield 'nothing', 'image/jpeg', 'image/png', b''
    yield 'an SVG that wants a file', 'image/png', 'image/jpeg', b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>'
    yield 'a script', 'image/gif', 'image/jpeg', b'push graphic-context\nviewbox 0 0 1 1\nimage over 0,0 0,0 "|id"\n'
    yield 'a document of 150 MB in 150 KB', OOXML + 'wordprocessingml.document', 'text/plain', zipped({'word/document.xml': b'<w:t>' + b'a' * 150_000_000})
    yield 'a zip that is none', OOXML + 'wordprocessingml.document', 'text/plain', b'PK\3\4' + b'\xff' * 1000
    yield 'a PDF that draws itself', 'application/pdf', 'image/jpeg', pdf(b'/X Do ' * 5000, b'<</Type/XObject/Subtype/Form/BBox[0 0 300 200]'
                                                                           b'/Resources<</XObject<</X 6 0 R>>>>/Length 12>>stream\n/X Do /X Do \nendstream')
    yield 'a playlist', 'audio/mpeg', 'audio/aac', b'#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n'


@limetta_only
def test_hostile(make):
    """What bursts, lies or asks for files costs its sender an answer, and nobody else anything."""
    with make(config={'convert_time_s': 5}) as server:
        c = ready(server)
        other = open_imap(server, 'bob', PASSWORD)
        served = 0
        stop = threading.Event()

        def be_served():
            nonlocal served
            while not stop.is_set():
                other.command('NOOP')
                served += 1
                time.sleep(0.01)
        thread = threading.Thread(target=be_served)
        thread.start()
        for what, media_type, target, octets in bombs():
            if not has(c, media_type, target):
                continue
            n = put(c, media_type, octets)
            start, before = time.monotonic(), served
            answer = convert(c, n, target)
            true(served > before + 1 or time.monotonic() - start < 1, f'{what}: a neighbour is served meanwhile')
            true(b'(ERROR ' in answer or what == 'half a picture' or what.startswith('a PDF that draws'), f'{what}: {answer[:200]!r}')
            true(b'root:' not in answer, what)
        n = put(c, 'image/gif', gif(100_000))
        convert(c, n, 'image/jpeg')
        stop.set()
        thread.join()
        equal(len(server.roles('convert')), 1)
        if has(c, 'image/png', 'image/jpeg'):
            n = put(c, 'image/png', png(40, 20))
            equal(size_of_jpeg(result(convert(c, n, 'image/jpeg'))), (40, 20))
        other.close()
        c.close()


@limetta_only
def test_limits(make):
    """Each limit by itself: processor time, pixels, size of the part, size of the result. What is below them goes on."""
    config = {'convert_time_s': 1, 'convert_pixels': 1_000_000_000, 'convert_input_most': 65536, 'convert_output_most': 65536}
    with make(config=config) as server:
        c = ready(server)
        need(server, c, 'limetta-convert-image', 'image/png', 'image/jpeg')
        n = put(c, 'image/png', png(8000, 8000))
        for what, number, target, params in (
                ('time', n, 'image/webp', '("pix-x" "4096" "quality" "100")'),
                ('a part', put(c, 'image/png', png(40, 20) + b'\0' * 65536), 'image/jpeg', ''),
                ('a result', put(c, 'text/plain', b'x' * 64000 + b'\xe9' * 500), 'text/plain', '("charset" "utf-8" "unknown-character-replacement" "?")')):
            answer = convert(c, number, target, params, items='BINARY.SIZE[1]')
            if what == 'a result':
                contains(answer, b'BINARY.SIZE[1] 65000')
            else:
                contains(answer, b'(ERROR ', what)
        contains(convert(c, put(c, 'text/plain', b'x' * 64000 + b'\xe9' * 1400), 'text/plain', items='BINARY.SIZE[1]'), b'would be too large')
        m = put(c, 'image/png', png(40, 20))
        # A second of the clock may be too little on a busy machine.
        answer = eventually(lambda: b'(ERROR ' not in (a := convert(c, m, 'image/jpeg')) and a, 'what is below them goes on')
        equal(size_of_jpeg(result(answer)), (40, 20))
        c.close()


@limetta_only
def test_too_much_at_the_end(make):
    """What goes beyond the limit may come in the last octets of a program that has ended; nobody else is ended for it."""
    with make(config={'convert_output_most': 65536, 'convert_cache': 0}) as server:
        c = ready(server)
        pids = server.roles('convert') + server.roles('store') + server.roles('edge')
        for size in (65000, 66000, 80000, 100000, 130000, 131000, 140000, 300000) * 3:
            n = put(c, 'application/vnd.oasis.opendocument.text', odt('<text:p>' + 'x' * size + '</text:p>'))
            answer = convert(c, n, 'text/plain', items='BINARY.SIZE[1]')
            contains(answer, b'(ERROR ' if size > 65536 else b'BINARY.SIZE[1] 65', size)
        equal(server.roles('convert') + server.roles('store') + server.roles('edge'), pids, 'all live')
        c.close()


@limetta_only
def test_killed_program(make):
    """Whoever kills the program that converts gets an error, and the next one works."""
    with make() as server:
        c = ready(server)
        need(server, c, 'limetta-convert-image', 'image/png', 'image/jpeg')
        n = put(c, 'image/png', png(9000, 9000))
        tag = c.next_tag()
        c.send(tag + b' CONVERT %d ("image/webp") BINARY.SIZE[1]\r\n' % n)
        pid, = eventually(lambda: children(server.roles('convert')[0])[1:], 'a program runs')
        os.kill(pid, signal.SIGKILL)
        contains(b''.join(c.until(tag, must_be_ok=False)), b'(ERROR ')
        m = put(c, 'image/png', png(40, 20))
        equal(size_of_jpeg(result(convert(c, m, 'image/jpeg'))), (40, 20))
        c.close()


@limetta_only
def test_killed(make):
    """The convert role dies: TEMPFAIL, then it is back; text goes on all the time."""
    with make() as server:
        c = ready(server)
        text = put(c, 'text/html', b'<p>one</p>')
        picture = put(c, 'image/png', png(40, 20))
        need(server, c, 'limetta-convert-image', 'image/png', 'image/jpeg')
        pid, = server.roles('convert')
        os.kill(pid, signal.SIGSTOP)
        tag = c.next_tag()
        c.send(tag + b' CONVERT %d ("image/jpeg") BINARY.SIZE[1]\r\n' % picture)
        time.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        contains(b''.join(c.until(tag, must_be_ok=False)), b'[TEMPFAIL]')
        equal(result(convert(c, text, 'text/plain')), b'one\r\n')
        eventually(lambda: b'BINARY.SIZE[1] ' in (a := convert(c, picture, 'image/jpeg', items='BINARY.SIZE[1]')) and b'ERROR' not in a, 'it is back')
        c.close()


@limetta_only
def test_many_at_once(make):
    """More conversions than slots, from two users: all are answered, and the one of few is not behind the one of many."""
    with make(config={'convert_slots': 1, 'convert_cache': 0}) as server:
        c = ready(server)
        need(server, c, 'limetta-convert-image', 'image/png', 'image/jpeg')
        n = put(c, 'image/png', png(4000, 4000))
        b = open_imap(server, 'bob', PASSWORD)
        b.command('SELECT INBOX')
        m = put(b, 'image/png', png(100, 100))
        many = [open_imap(server, 'alice', PASSWORD) for _ in range(12)]
        for x in many:
            x.command('SELECT INBOX')
        start = time.monotonic()
        busy = []
        for i, x in enumerate(many):
            tag = x.next_tag()
            x.send(tag + b' CONVERT %d ("image/png" ("pix-x" "%d")) BINARY.SIZE[1]\r\n' % (n, 1000 + i))
            busy.append((x, tag))
        contains(convert(b, m, 'image/jpeg', items='BINARY.SIZE[1]'), b'BINARY.SIZE[1] ')
        bob = time.monotonic() - start
        for x, tag in busy:
            contains(b''.join(x.until(tag)), b'BINARY.SIZE[1] ')
            x.close()
        everybody = time.monotonic() - start
        true(bob < 0.6 * everybody, f'bob waited {bob:.2f} s of {everybody:.2f} s')
        c.close()


@limetta_only
def test_linked(make):
    """No role links a decoder of pictures, documents or sound, the convert role neither: only the program that is run for one."""
    with make() as server:
        for role in ('edge', 'auth', 'store', 'submit', 'convert'):
            linked = run(['ldd', os.path.join(os.path.dirname(server.program), f'limetta-{role}')])
            for library in (b'vips', b'jpeg', b'png', b'heif', b'webp', b'poppler', b'glib'):
                true(library not in linked, f'limetta-{role} links {library.decode()}')


@limetta_only
def test_figures(make):
    """Prints how long conversions take."""
    def noisy(width, height):
        dice = random.Random(1)
        line = bytearray(dice.randbytes(width))
        packer, out = zlib.compressobj(1), b''
        for y in range(height):
            line[y * 7 % width] = y % 256
            out += packer.compress(b'\0' + bytes(line))
        return out + packer.flush()

    with make(config={'convert_cache': 0}) as server:
        c = ready(server)
        need(server, c, 'limetta-convert-image', 'image/png', 'image/jpeg')
        whole = png(4000, 3000, rows=1)
        n = put(c, 'image/png', whole[:33] + chunk(b'IDAT', noisy(4000, 3000)) + chunk(b'IEND', b''))
        jpeg = result(convert(c, n, 'image/jpeg'))
        cases = [('png of 12 megapixels to 320 by 240', n, 'image/jpeg', '("pix-x" "320" "pix-y" "240")'),
                 ('jpeg of 12 megapixels to 320 by 240', put(c, 'image/jpeg', jpeg), 'image/jpeg', '("pix-x" "320" "pix-y" "240")'),
                 ('jpeg of 12 megapixels to 1600 by 1200', c.number, 'image/jpeg', '("pix-x" "1600" "pix-y" "1200")'),
                 ('PDF page to text', put(c, 'application/pdf', pdf()), 'text/plain', ''),
                 ('PDF page to 320 pixels', c.number, 'image/png', '("pix-x" "320")'),
                 ('docx to text', put(c, OOXML + 'wordprocessingml.document', docx()), 'text/plain', ''),
                 ('10 s of sound to mp3', put(c, 'audio/wav', wav(10)), 'audio/mpeg', '')]
        for what, number, target, params in cases:
            times = []
            for _ in range(5):
                start = time.monotonic()
                answer = convert(c, number, target, params, items='BINARY.SIZE[1]')
                times.append((time.monotonic() - start) * 1000)
            if b'ERROR' not in answer:
                print(f'    {what}: {sorted(times)[2]:.0f} ms')
        c.close()
