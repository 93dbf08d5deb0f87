"""The phone gets another address: its connection is lost without a word, and connecting again costs at most four round trips (D37)."""
from lab import Lab, needs_lab
from lib.check import contains, equal, matches, message, true
from lib.servers import PASSWORD
from lib.wire import Imap
from phone_day import Phone

IS_LAB = True


@needs_lab
def test_another_address(_):
    """SASL-IR, ENABLE, QRESYNC behind the resumed handshake, all in one flight; what happened meanwhile is there, and nothing else."""
    with Lab() as lab, lab.serve() as server:
        phone = Phone(server, 'alice')
        with lab.dmz.inside():
            desk = Imap(lab.dmz.v4, 143)
        desk.login('alice', PASSWORD)
        for i in range(5):
            desk.append('INBOX', message(f'old {i}'))
        desk.command('SELECT INBOX')
        with lab.cli.inside():
            c, (_, _, lines) = phone.connect_imap('ENABLE QRESYNC', 'SELECT INBOX')
        phone.note('INBOX', lines)
        was = lab.cli.v4
        for turn, host in enumerate((lab.dmz.v4, lab.dmz.v6, lab.dmz.v4)):
            c.command('NOOP')
            phone.keep_session('imap', c)
            c.send(b'x IDLE\r\n')
            contains(c.response()[:1], b'+')
            lab.readdress(10 + turn)
            true(lab.cli.v4 != was, 'another address')
            desk.command(f'STORE {turn + 1} +FLAGS (\\Flagged)')
            desk.append('INBOX', message(f'new {turn}'))
            server.host = host
            with lab.cli.inside():
                again, (_, _, lines) = phone.connect_imap('ENABLE QRESYNC', phone.qresync('INBOX'))
            true(again.tls.session_reused, 'TLS was resumed')
            true(again.on_wire.trips <= 4, f'connecting again costs {again.on_wire}')
            text = b''.join(lines)
            equal(int(matches(text, rb'\* (\d+) EXISTS').group(1)), 6 + turn)
            equal(sorted(int(u) for u in matches_all(text)), [turn + 1, 6 + turn], 'UIDs that it hears of')
            phone.note('INBOX', lines)
            c.close()
            c = again
        desk.close()
        c.close()


def matches_all(text):
    return [l.split(b'UID ')[1].split()[0].rstrip(b')') for l in text.split(b'\r\n') if b' FETCH (' in l]
