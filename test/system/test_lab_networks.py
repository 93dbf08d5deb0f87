"""A network that forgets silent connections too early is found out, and its phones stay reachable (D38). An idle second is a millisecond here: the
keep-alive comes after 6.9 s, and the NAT forgets after 4."""
import time

from lab import Lab, needs_lab
from lib.check import contains, equal, eventually, true
from lib.servers import PASSWORD
from lib.wire import Imap

IS_LAB = True
UNIT = {'time_unit_ms': 1}
BAD_S = 4
FORGETS = 'forgets silent connections: keep-alive after 3 s'


def sleep_in(lab):
    with lab.cli.inside():
        c = Imap(lab.dmz.v4, 143, timeout_s=60)
    c.login('alice', PASSWORD)
    c.command('SELECT INBOX')
    c.send(b'x IDLE\r\n')
    contains(c.response()[:1], b'+')
    return c


@needs_lab
def test_a_bad_nat_is_found_out(_):
    """Three times a phone comes back while its old connection sleeps, and the NAT knows nothing of that one any more. Then keep-alives come in
    time, for as long as one likes, and the connection works."""
    with Lab(nat_timeout=BAD_S) as lab, lab.serve(config=UNIT) as server:
        old = [sleep_in(lab)]
        for _ in range(3):
            true(FORGETS not in server.log(), 'not yet')
            time.sleep(BAD_S + 0.5)
            old.append(sleep_in(lab))
            time.sleep(0.3)
        eventually(lambda: FORGETS in server.log(), 'it is found out, and logged')
        phone = sleep_in(lab)
        for _ in range(4):
            equal(phone.response(), b'* OK Still here\r\n')
        phone.send(b'DONE\r\n')
        contains(phone.until(b'x')[-1], b'x OK')
        for c in (*old, phone):
            c.socket.close()


@needs_lab
def test_a_conforming_network_pays_nothing(_):
    """The same phone comes back the same way, its old connections live: nothing is shortened."""
    with Lab() as lab, lab.serve(config=UNIT) as server:
        phones = [sleep_in(lab)]
        for _ in range(4):
            time.sleep(2)
            phones.append(sleep_in(lab))
            equal(phones[-2].response(), b'* OK Still here\r\n')
        true('forgets' not in server.log(), server.log())
        for c in phones:
            c.send(b'DONE\r\n')
            contains(c.until(b'x')[-1], b'x OK')
            c.close()
