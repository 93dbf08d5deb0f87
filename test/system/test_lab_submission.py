"""Submission and store on different hosts with a firewall between: forwarding without download crosses it (D6, D11; leg S -> I of D30)."""
import time
from concurrent.futures import ThreadPoolExecutor

from lab import Lab, needs_lab
from lib.check import contains, eventually, message, true
from test_burl_hosts import NAME, allow, bobs_mail, sign, submit

IS_LAB = True


class Pair:
    """Submission in dmz, the store that URLs name in int. hosts: what the name resolves to there."""

    def __init__(self, lab, hosts=None, **burl):
        self.lab = lab
        self.far = lab.serve(where=lab.int, users=('alice', 'submit'), config={'host_names': NAME, 'submit_entities': 'submit'})
        settings = allow(143, **{'tls': 'off', **burl})
        if hosts:
            del settings['burl'][NAME]['address']
        try:
            self.near = lab.serve(config=settings, hosts=hosts and {NAME: hosts})
        except BaseException:
            self.far.stop(must_be_clean=False)
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            self.near.stop(must_be_clean=kind is None)
        finally:
            self.far.stop(must_be_clean=kind is None)

    def forward(self, subject):
        """The reply to BURL, and how long it took."""
        with self.lab.int.inside():
            url = sign(self.far, message(subject))
        start = time.monotonic()
        with self.lab.dmz.inside():
            answer, = submit(self.near, [url + ' LAST'])
        return answer, time.monotonic() - start

    def must_forward(self, subject):
        answer, _ = self.forward(subject)
        contains(answer, '250 2.5.0')

        def has_come():
            with self.lab.dmz.inside():
                return subject.encode() in bobs_mail(self.near)
        eventually(has_come, 'delivered')


@needs_lab
def test_through_the_firewall(_):
    """By STARTTLS, IPv4 and IPv6."""
    with Lab(inside=(143,)) as lab:
        for address in (lab.int.v4, lab.int.v6):
            with Pair(lab, address=address) as pair:
                pair.must_forward(f'from {address}')


@needs_lab
def test_the_way_is_shut(_):
    """The firewall drops S -> I: 451 4.4.1 within the two minutes of RFC 6409, 5, the session goes on; when the port is opened so does forwarding."""
    with Lab() as lab, Pair(lab, address=lab.int.v4) as pair:
        answer, _ = pair.forward('refused')
        contains(answer, '451 4.4.1')
        contains(pair.near.log(), f'burl: {NAME} cannot be reached')
        lab.fw2.nft('add element inet lab inward { 143 }')
        pair.must_forward('allowed')


@needs_lab
def test_ipv6_only(_):
    """The store has no other address than one of IPv6; IPv4 does not pass at all."""
    with Lab(inside=(143,)) as lab, Pair(lab, hosts=[lab.int.v6]) as pair:
        lab.fw2.nft('table ip lab_no4 { chain c { type filter hook forward priority -10; drop; }; }')
        pair.must_forward('by IPv6 alone')


@needs_lab
def test_the_first_address_is_dead(_):
    """Several addresses; the resolver gives IPv6 first, and nothing of it passes, or a router says so: the next one is taken."""
    with Lab(inside=(143,)) as lab, Pair(lab, hosts=[lab.int.v6, lab.int.v4]) as pair:
        lab.fw2.nft('table ip6 lab_no6 { chain c { type filter hook forward priority -10; tcp dport 143 counter drop; }; }')
        pair.must_forward('by the second address')
        true('counter packets 0' not in lab.fw2.run(['nft', 'list', 'table', 'ip6', 'lab_no6']), 'the first was tried')
    with Lab(inside=(143,)) as lab, Pair(lab, hosts=[lab.int.v6, lab.int.v4]) as pair:
        lab.fw2.nft('table ip6 lab_no6 { chain c { type filter hook forward priority -10; tcp dport 143 counter reject with icmpv6 type no-route; }; }')
        pair.must_forward('by the second address')


@needs_lab
def test_a_router_has_no_route_for_a_while(_):
    """While it connects, "unreachable" is soft as well (D26): the next try comes within the time that the client waits anyway."""
    with Lab(inside=(143,)) as lab, Pair(lab, address=lab.int.v4) as pair:
        lab.fw2.nft('table ip lab_flap { chain c { type filter hook forward priority -10; tcp dport 143 counter reject with icmp type host-unreachable; }; }')

        def come_back():
            rules = ['nft', 'list', 'table', 'ip', 'lab_flap']
            eventually(lambda: 'counter packets 0' not in lab.fw2.run(rules), 'a connection was refused')
            time.sleep(2)
            lab.fw2.nft('delete table ip lab_flap')
        with ThreadPoolExecutor(1) as pool:
            way = pool.submit(come_back)
            pair.must_forward('behind the flap')
            way.result()
