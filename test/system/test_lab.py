"""The lab itself: what is open passes, what is not does not, NATs forget. Without this, a test that finds nothing proves nothing."""
import socket
import time

from lab import Lab, needs_lab
from lib.check import contains, equal, true
from lib.servers import PASSWORD
from lib.wire import Imap, Smtp

IS_LAB = True


@needs_lab
def test_only_what_is_open_passes(_):
    with Lab(ports=(143, 587)) as lab, lab.serve():
        for host in (lab.dmz.v4, lab.dmz.v6):
            equal(lab.cli.open_ports(host, (143, 587, 4190, 9143)), [143, 587], host)
        for host in (lab.int.v4, lab.int.v6):
            true(not lab.cli.reaches(host, 143), 'nothing passes from outside to the inside')


@needs_lab
def test_the_phone_is_behind_the_nat(_):
    with Lab() as lab, lab.serve() as server, lab.cli.inside():
        c = Imap(lab.dmz.v4, 143)
        c.login('alice', PASSWORD)
        contains(server.log(), 'alice')
        contains(lab.nat.read('nf_conntrack'), f'src={lab.cli.v4} dst={lab.dmz.v4}')
        s = Smtp(lab.dmz.v6, 587)
        s.command('EHLO phone.example')
        c.close()
        s.close()


@needs_lab
def test_a_bad_nat_forgets(_):
    """So does the lab's: five seconds of silence, and nothing passes either way."""
    with Lab(nat_timeout=5) as lab, lab.serve(), lab.cli.inside():
        c, steady = Imap(lab.dmz.v4, 143), Imap(lab.dmz.v4, 143)
        for _ in range(14):
            time.sleep(0.5)
            steady.command('NOOP')
        c.settimeout(2)
        try:
            c.command('NOOP')
        except socket.timeout:
            return
        raise AssertionError('the NAT still knew a connection that was silent for longer than it waits')


@needs_lab
def test_a_cut_is_silent(_):
    with Lab() as lab, lab.serve(), lab.cli.inside():
        c = Imap(lab.dmz.v4, 143)
        with lab.nat.while_cut('out0'):
            c.settimeout(1)
            try:
                c.command('NOOP')
                raise AssertionError('it passed a link that is cut')
            except socket.timeout:
                pass
        c.settimeout(30)
        contains(b''.join(c.until(b'a1')), b'a1 OK')
