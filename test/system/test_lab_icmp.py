"""ICMP "destination unreachable" is soft: established connections live on, whatever a router says for a while (D26; RFC 1122, 4.2.3.9).

Net (0), host (1) and source route failed (5), in IPv6 no route (0) and address unreachable (3), against what the client sends and against what the server
sends. 0, 1 and their like by nft's reject, 5 by a router of ours. The stack's counters show that it heard them, and believed them."""
import contextlib

from lab import Lab, needs_lab, transfer
from lab.icmp import Unreachable, heard
from lib.check import true

IS_LAB = True
PORTS = (143, 587)
KINDS = (transfer.append, transfer.fetch, transfer.submit, transfer.idle)


@contextlib.contextmanager
def rejecting(space, interface, is_answer, type4, type6):
    field = 'sport' if is_answer else 'dport'
    match = f'iifname "{interface}" tcp {field} {{ 143, 587 }}'
    space.nft(f'''table inet lab_reject {{ chain c {{
        type filter hook forward priority -10;
        meta nfproto ipv4 {match} reject with icmp type {type4}
        meta nfproto ipv6 {match} reject with icmpv6 type {type6}; }}; }}''')
    try:
        yield
    finally:
        space.nft('delete table inet lab_reject')


def survive(make_trouble, seconds=4):
    """make_trouble(router, interface, is_answer): a context. Against both sides, one after the other."""
    with Lab() as lab, lab.serve(users=transfer.USERS) as server:
        transfer.prepare(lab, server)
        for is_answer, interface, ear in ((False, 'out0', lab.cli), (True, 'in0', lab.dmz)):
            before = heard(ear)
            transfer.interrupt(lab, server, KINDS, (lab.dmz.v4, lab.dmz.v6), make_trouble(lab.fw, interface, is_answer), seconds)
            told4, told6, unbelieved = (b - a for a, b in zip(before, heard(ear)))
            true(told4 > 0 and told6 > 0, f'{ear.name} heard {told4} of ICMP, {told6} of ICMPv6')
            true(unbelieved < told4 + told6, f'{ear.name} heard {told4 + told6}, believed none')


@needs_lab
def test_net_unreachable(_):
    """Code 0; in IPv6 no route."""
    survive(lambda *at: rejecting(*at, 'net-unreachable', 'no-route'))


@needs_lab
def test_host_unreachable(_):
    """Code 1; in IPv6 address unreachable (3)."""
    survive(lambda *at: rejecting(*at, 'host-unreachable', 'addr-unreachable'))


@needs_lab
def test_source_route_failed(_):
    """Code 5; in IPv6 beyond scope of source address (2) stands in for it."""
    survive(lambda space, interface, is_answer: Unreachable(space, interface, PORTS, is_answer, code4=5, code6=2))


@needs_lab
def test_hard_ones_are_left_to_the_stack(_):
    """2 (protocol) and 3 (port): Linux takes them as soft as well, unless a program asked for IP_RECVERR. None of ours does, so connections live on."""
    survive(lambda space, interface, is_answer: Unreachable(space, interface, PORTS, is_answer, code4=2, code6=1))
    survive(lambda space, interface, is_answer: Unreachable(space, interface, PORTS, is_answer, code4=3, code6=4))
