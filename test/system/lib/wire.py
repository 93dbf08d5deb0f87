"""A connection that counts what a phone pays for: octets on the socket (TLS records included) and round trips.

A round trip is: something was sent, then we had to wait for an answer. The TCP handshake is one. So pipelined commands cost
one together, and reading what the server says of itself (news in IDLE) costs none.
TLS runs over memory buffers, so that every octet passes our hands.
"""
import base64
import re
import socket
import ssl
import zlib


class Cost:
    def __init__(self, sent=0, received=0, trips=0):
        self.sent, self.received, self.trips = sent, received, trips

    def __sub__(self, other):
        return Cost(self.sent - other.sent, self.received - other.received, self.trips - other.trips)

    def __add__(self, other):
        return Cost(self.sent + other.sent, self.received + other.received, self.trips + other.trips)

    @property
    def total(self):
        return self.sent + self.received

    def __str__(self):
        return f'{self.sent} octets sent, {self.received} received, {self.trips} round trip{"" if self.trips == 1 else "s"}'


class Closed(Exception):
    """The server closed the connection."""


class Connection:
    def __init__(self, host, port, timeout_s=150):
        self.socket = socket.create_connection((host, port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = None
        self.deflate = self.inflate = None
        self.buffer = b''
        self.on_wire = Cost(trips=1)
        self.inside = Cost()  # octets of the protocol, without TLS and DEFLATE
        self.is_waiting = False
        self.transcript = None  # a list that gets ('C'|'S', octets)

    def settimeout(self, seconds):
        self.socket.settimeout(seconds)

    def _push(self, data):
        if data:
            self.socket.sendall(data)
            self.on_wire.sent += len(data)
            self.is_waiting = True

    def _pull(self):
        data = self.socket.recv(262144)
        if self.is_waiting:
            self.on_wire.trips += 1
            self.is_waiting = False
        self.on_wire.received += len(data)
        if not data:
            raise Closed
        return data

    def send(self, data):
        self.inside.sent += len(data)
        if self.transcript is not None:
            self.transcript.append(('C', data))
        if self.deflate:
            data = self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        self.send_raw(data)

    def send_raw(self, data):
        """Octets as they are, below DEFLATE."""
        if self.tls:
            self.tls.write(data)
            data = self.outgoing.read()
        self._push(data)

    def _more(self):
        data = self._more_raw()
        if self.inflate:
            data = self.inflate.decompress(data)
        self.inside.received += len(data)
        self.buffer += data

    def _more_raw(self):
        if not self.tls:
            data = self._pull()
        else:
            while True:
                try:
                    data = self.tls.read(262144)
                    break
                except ssl.SSLWantReadError:
                    self.incoming.write(self._pull())
                except ssl.SSLZeroReturnError:
                    raise Closed from None
            if not data:
                raise Closed
        return data

    def start_deflate(self):
        """From here on both sides speak DEFLATE without a header (RFC 4978). Nothing may have come behind the OK."""
        if self.buffer:
            raise AssertionError(f'octets before DEFLATE: {self.buffer!r}')
        self.deflate = zlib.compressobj(wbits=-15)
        self.inflate = zlib.decompressobj(wbits=-15)

    def read(self, n):
        while len(self.buffer) < n:
            self._more()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        if self.transcript is not None:
            self.transcript.append(('S', data))
        return data

    def read_line(self):
        while b'\n' not in self.buffer:
            self._more()
        return self.read(self.buffer.index(b'\n') + 1)

    def start_tls(self, context, name='localhost', session=None, with_finish=b''):
        """Handshake. with_finish: octets that leave together with our last flight (TLS 1.3: no round trip more)."""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name, session=session)
        if self.buffer:
            raise AssertionError(f'octets before TLS: {self.buffer!r}')
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._push(self.outgoing.read())
                self.incoming.write(self._pull())
        self.tls = tls
        if with_finish:
            self.send(with_finish)
        else:
            self._push(self.outgoing.read())
            self.is_waiting = False  # nothing to wait for

    def close(self):
        self.socket.close()

    def drop(self):
        """As when the radio is gone: no good-bye. (A reset; nobody hears a phone that only falls silent.)"""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        self.socket.close()


def context_for(cert):
    context = ssl.create_default_context(cafile=cert)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def plain(user, password, authzid=''):
    return base64.b64encode(f'{authzid}\0{user}\0{password}'.encode()).decode()


class No(Exception):
    """The answer was NO or BAD (IMAP), 4xx or 5xx (SMTP)."""


class Imap(Connection):
    """Just enough of an IMAP client: commands as octets, responses as lines with their literals inside."""

    def __init__(self, host, port, has_to_greet=True, **more):
        super().__init__(host, port, **more)
        self.tag = 0
        self.greeting = self.response() if has_to_greet else None

    def response(self):
        data = self.read_line()
        while True:
            m = re.search(rb'\{(\d+)\}\r\n$', data)
            if not m:
                return data
            data += self.read(int(m.group(1))) + self.read_line()

    def next_tag(self):
        self.tag += 1
        return b'a%d' % self.tag

    def until(self, tag, must_be_ok=True):
        """Untagged responses and the tagged one, the last."""
        seen = []
        while True:
            line = self.response()
            seen.append(line)
            if line.startswith(tag + b' '):
                if must_be_ok and not line.startswith(tag + b' OK'):
                    raise No(line.decode(errors='replace').strip())
                return seen

    def command(self, text, must_be_ok=True):
        tag = self.next_tag()
        if isinstance(text, str):
            text = text.encode()
        self.send(tag + b' ' + text + b'\r\n')
        return self.until(tag, must_be_ok)

    def login(self, user, password):
        return self.command(f'AUTHENTICATE PLAIN {plain(user, password)}')

    def append(self, mailbox, message, flags='', is_binary=False):
        options = f'{mailbox} {flags}'.strip()
        tilde = '~' if is_binary else ''
        return self.command(f'APPEND {options} {tilde}{{{len(message)}+}}\r\n'.encode() + message)


def open_imap(server, user=None, password=None, is_tls=False):
    """Connected and, with a user, logged in."""
    c = Imap(server.host, server.imap_port)
    if is_tls:
        c.command('STARTTLS')
        c.start_tls(context_for(server.cert))
    if user:
        c.login(user, password)
    return c


class Smtp(Connection):
    def __init__(self, host, port, **more):
        super().__init__(host, port, **more)
        self.greeting = self.reply()

    def reply(self, must_be_ok=True):
        """Lines of one reply."""
        lines = []
        while True:
            line = self.read_line().rstrip(b'\r\n').decode(errors='replace')
            lines.append(line)
            if len(line) < 4 or line[3] != '-':
                break
        if must_be_ok and lines[-1][0] not in '23':
            raise No('\n'.join(lines))
        return lines

    def command(self, text, must_be_ok=True):
        self.send(text.encode() + b'\r\n')
        return self.reply(must_be_ok)


def open_smtp(server, user=None, password=None, is_tls=False):
    c = Smtp(server.host, server.submission_port)
    c.command('EHLO phone.example')
    if is_tls:
        c.command('STARTTLS')
        c.start_tls(context_for(server.cert))
        c.command('EHLO phone.example')
    if user:
        c.command(f'AUTH PLAIN {plain(user, password)}')
    return c
