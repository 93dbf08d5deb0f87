"""D28: what a phone in IDLE is sent, on real sockets: news of a moment as one TLS record in one segment. What counts as a moment is shown on a fake clock:
test/script/imap/news_window.imap."""
import socket
import struct

from lib.check import equal, limetta_only, message, true
from lib.servers import PASSWORD
from lib.wire import context_for, Imap, open_imap

MESSAGES = 5
TRIES = 5
DATA_SEGS_IN = 152  # of Linux's struct tcp_info: segments that brought octets
APPLICATION_DATA = 23


class Phone(Imap):
    """It keeps what comes as it comes, TLS and all."""

    def __init__(self, *args):
        self.raw = b''
        super().__init__(*args)

    def _pull(self):
        data = super()._pull()
        self.raw += data
        return data

    def take_records(self):
        """How many TLS records came since this was asked last. Nothing of a record is left over."""
        count, at = 0, 0
        while at < len(self.raw):
            kind, _, n = struct.unpack_from('>BHH', self.raw, at)
            equal(kind, APPLICATION_DATA, 'a record')
            count, at = count + 1, at + 5 + n
        equal(at, len(self.raw), 'records are whole')
        self.raw = b''
        return count

    def count_segments(self):
        return struct.unpack_from('=I', self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), DATA_SEGS_IN)[0]


def phone_in_idle(s):
    c = Phone(s.host, s.imap_port)
    c.command('STARTTLS')
    c.start_tls(context_for(s.cert))
    c.login('alice', PASSWORD)
    c.command('SELECT INBOX')
    c.send(b'i IDLE\r\n')
    c.response()
    c.raw = b''
    return c


def hear(make, window_ms, wanted):
    """A session changes one message after the other; returns as how many records and segments the phone heard them. The changes may take longer than the
    window, or be heard together by chance: while it is not so many of each, it is tried again."""
    with make(config={'news_window_ms': window_ms}) as server:
        other = open_imap(server, 'alice', PASSWORD)
        for i in range(MESSAGES):
            other.append('INBOX', message(f'number {i}'))
        other.command('SELECT INBOX')
        phone = phone_in_idle(server)
        seen = []
        for sign in ('+-' * TRIES)[:TRIES]:
            segments = phone.count_segments()
            for i in range(MESSAGES):
                other.command(f'STORE {i + 1} {sign}FLAGS.SILENT (\\Flagged)')
            lines = [phone.response() for _ in range(MESSAGES)]
            flags = b'\\Flagged' if sign == '+' else b''
            equal(lines, [b'* %d FETCH (FLAGS (%s))\r\n' % (i + 1, flags) for i in range(MESSAGES)])
            seen.append((phone.take_records(), phone.count_segments() - segments))
            if seen[-1] == (wanted, wanted):
                break
        phone.close()
        other.close()
        return seen


@limetta_only
def test_news_together(make):
    """Changes within the window are one record and one segment; without a window each change is one by itself."""
    for window_ms, wanted in ((2000, 1), (0, MESSAGES)):
        seen = hear(make, window_ms, wanted)
        true((wanted, wanted) in seen, f'window of {window_ms} ms: records and segments were {seen}')
