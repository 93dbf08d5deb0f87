"""limetta check on a network: who is in the way is named, hop by hop; what a NAT forgets, a router swallows or a carrier intercepts is found."""
import contextlib
import hashlib
import ssl

from lab import Lab, needs_lab
from lab.space import Space
from lib.check import contains, equal, true
from test_check import Rogue, check, codes

IS_LAB = True


def check_from(space, server, *args, host=None, **more):
    """limetta check in a namespace. The server's certificate is for localhost, so it is known by its fingerprint."""
    with space.inside():
        return check('--expect-fingerprint', fingerprint(server), *args, host=host or server.host, **more)


def fingerprint(server):
    with open(server.cert) as f:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()


def detail(leg, code):
    found = [f['detail'] for f in leg['findings'] if f['code'] == code]
    true(found, f'{code} in {leg["findings"]}')
    return found[0]


@contextlib.contextmanager
def rule(space, text, family='inet'):
    """A rule before all others, in the forward hook."""
    space.nft(f'table {family} lab_check {{ chain passing {{ type filter hook forward priority -10; {text}; }}; }}')
    yield
    space.nft(f'delete table {family} lab_check')


@needs_lab
def test_clean_path(_):
    """D2 D3 D30 D32: through a NAT and a firewall with the right ports open, with IPv4 and IPv6, nothing is found."""
    with Lab() as lab, lab.serve() as s:
        for host in (lab.dmz.v4, lab.dmz.v6):
            _, legs = check_from(lab.cli, s, '--legs', 'imap,submission', host=host, login='alice', must_be=0)
            equal([codes(leg) for leg in legs.values()], [[], []], host)


@needs_lab
def test_who_is_in_the_way(_):
    """D3 D30 D32: without its line in a firewall, a port's connections fail; the checker names the hop and how it says no."""
    with Lab() as lab, lab.serve() as s:
        def blocked(space, text, host):
            with rule(space, text):
                _, legs = check_from(lab.cli, s, '--connect-timeout', '1', '--legs', 'imap,submission', host=host, must_be=1)
            equal(codes(legs['submission']), [], 'the other port')
            return legs['imap']
        leg = blocked(lab.fw, 'tcp dport 143 drop', lab.dmz.v4)
        equal(codes(leg), ['port-silent'], leg)
        contains(detail(leg, 'port-silent'), f'hop 2, {lab.fw.v4}')
        equal(leg['addresses'][0]['hops'], [lab.nat.v4, lab.fw.v4], 'hops')
        leg = blocked(lab.nat, 'tcp dport 143 drop', lab.dmz.v4)
        contains(detail(leg, 'port-silent'), f'hop 1, {lab.nat.v4}: it, or the next one, blocks this port, for other ports pass on to {lab.fw.v4}')
        leg = blocked(lab.fw, 'tcp dport 143 drop', lab.dmz.v6)
        contains(detail(leg, 'port-silent'), f'hop 2, [{lab.fw.v6}]')
        leg = blocked(lab.nat, 'tcp dport 143 reject with tcp reset', lab.dmz.v4)
        equal(codes(leg), ['port-refused'], leg)
        contains(detail(leg, 'port-refused'), f'the last router that answers is hop 1, {lab.nat.v4}')
        contains(detail(leg, 'port-refused'), 'the host is hop 3')
        for kind, code in (('net-unreachable', 0), ('host-unreachable', 1), ('port-unreachable', 3), ('admin-prohibited', 13)):
            leg = blocked(lab.fw, f'tcp dport 143 reject with icmp type {kind}', lab.dmz.v4)
            equal(codes(leg), ['port-rejected'], leg)
            contains(detail(leg, 'port-rejected'), f'ICMP type 3 code {code} from {lab.fw.v4}')
        leg = blocked(lab.fw, 'tcp dport 143 reject with icmpv6 type admin-prohibited', lab.dmz.v6)
        contains(detail(leg, 'port-rejected'), f'ICMPv6 type 1 code 1 from [{lab.fw.v6}]')


@needs_lab
def test_no_way_from_here(_):
    """A host without a route can check nothing, and says that it is itself the reason."""
    space = Space('alone')
    try:
        with space.inside():
            for host in ('192.0.2.1', '[2001:db8::1]'):
                _, legs = check('--legs', 'imap', host=host, must_be=3)
                equal(codes(legs['imap'], 'environment'), ['no-route'], host)
    finally:
        space.close()


@needs_lab
def test_submission_to_store(_):
    """D6 D30: the way of the submission server to the store; closed in the inner firewall, that firewall is named."""
    with Lab(inside=(143,)) as lab, lab.serve(lab.int) as s:
        _, legs = check_from(lab.dmz, s, '--from', 'submission', must_be=0)
        equal(sorted(legs), ['imap'], 'legs')
        with rule(lab.fw2, 'tcp dport 143 drop'):
            _, legs = check_from(lab.dmz, s, '--from', 'submission', '--connect-timeout', '1', must_be=1)
        contains(detail(legs['imap'], 'port-silent'), f'hop 1, {lab.fw2.v4}')


@needs_lab
def test_port_25(_):
    """D5: a carrier that leads port 25 to a server of its own is found out, and gets neither mail nor a login."""
    redirect = 'tcp dport 25 dnat to 198.51.100.1'
    with Lab(redirect=redirect) as lab, lab.serve() as s:
        with lab.nat.inside():
            rogue = Rogue(b'250-trap.isp.example\r\n250-AUTH PLAIN\r\n250 SIZE\r\n', '0.0.0.0', 25)
        _, legs = check_from(lab.cli, s, login='alice', must_be=1)
        equal((codes(legs['smtp']), codes(legs['imap']), codes(legs['submission'])), (['port25-intercepted'], [], []), legs['smtp'])
        contains(detail(legs['smtp'], 'port25-intercepted'), 'trap.isp.example')
        true(b'MAIL' not in rogue.heard and b'AUTH' not in rogue.heard, rogue.heard)
        rogue.listener.close()


@needs_lab
def test_black_hole(_):
    """D31: a wire that carries less, and a firewall that swallows the ICMP messages that would say so."""
    with Lab(mtu=1290) as lab, lab.serve() as s:
        swallow = 'chain going { type filter hook output priority 0; icmp type destination-unreachable drop; }'
        lab.nat.nft('table inet lab_hole { %s; }' % swallow)
        _, legs = check_from(lab.cli, s, '--legs', 'imap,submission', '--timeout', '2', must_be=1)
        for leg in legs.values():
            equal(codes(leg), ['large-stall'], leg)
            contains(detail(leg, 'large-stall'), "do not reach the server's side")
        lab.nat.nft('delete table inet lab_hole')
        _, legs = check_from(lab.cli, s, '--legs', 'imap,submission', login='alice', must_be=0)


@needs_lab
def test_nat_that_forgets(_):
    """D36: a NAT that keeps silent connections long enough passes the ladder, one that does not is found. A minute is 100 ms."""
    unit = ('--long', '--idle-unit-ms', '100', '--timeout', '2', '--legs', 'imap,submission')
    for timeout, is_good in ((14, True), (4, False)):
        with Lab(nat_timeout=timeout) as lab, lab.serve() as s:
            _, legs = check_from(lab.cli, s, *unit, login='alice')
            leg = legs['imap']
            equal(codes(leg), [] if is_good else ['idle-cut'], leg['findings'])
            equal(codes(legs['submission']), [], legs['submission']['findings'])
            if not is_good:
                true(leg['idle_good_ms'] < 4000 <= leg['idle_bad_ms'] + 1000, f'{leg["idle_good_ms"]}, {leg["idle_bad_ms"]}')
