"""Six hosts in a row, IPv4 and IPv6.

The carrier's NAT masquerades IPv4; IPv6 is routed, and followed by connection tracking as well. Both firewalls drop what no rule lets through,
silently. dmz stands between them and forwards nothing. Each host is a `Space` with interfaces called `out0` (towards the phone) and `in0`, `v4` and
`v6` (its addresses at out0; those of the phone) and `inner_v4`, `inner_v6` (at in0).

Linux makes a connection's entry anew when it sees a packet in the middle of it: no NAT would ever break anything here. So tcp_loose is 0 and
what is "invalid" is dropped, as NATs of carriers do.
"""
import functools
import os
import shutil

from lib.check import Skip

from .server import LabLimetta
from .space import Space

NAMES = ('cli', 'nat', 'fw', 'dmz', 'fw2', 'int')
# The wires: IPv4 and IPv6 network; the host nearer to the phone has .1 (but the phone itself .2), the next one .2.
WIRES = (('10.64.0', '2001:db8:64'), ('198.51.100', '2001:db8:100'), ('203.0.113', '2001:db8:113'), ('10.1.0', '2001:db8:a1'),
         ('10.2.0', '2001:db8:a2'))
SERVICES = (143, 587, 4190)

NAT = '''
    table inet lab {{
        chain passing {{ type filter hook forward priority 0; policy accept; ct state invalid counter drop; }}
        chain coming {{ type filter hook input priority 0; policy accept; ct state invalid counter drop; }}
    }}
    table ip lab_nat {{
        chain changed {{ type nat hook prerouting priority -100; {redirect} }}
        chain masked {{ type nat hook postrouting priority 100; oifname "in0" masquerade; }}
    }}'''

FIREWALL = '''
    table inet lab {{
        set inward {{ type inet_service; {inward} }}
        set outward {{ type inet_service; {outward} }}
        chain passing {{
            type filter hook forward priority 0; policy drop;
            ct state invalid counter drop
            ct state established,related accept
            iifname "out0" oifname "in0" tcp dport @inward ct state new accept
            iifname "in0" oifname "out0" tcp dport @outward ct state new accept
            counter comment "refused"
        }}
        chain coming {{
            type filter hook input priority 0; policy drop;
            ct state established,related accept
            meta l4proto {{ icmp, ipv6-icmp }} accept
        }}
    }}'''


def _set(ports):
    return f'elements = {{ {", ".join(map(str, ports))} }}' if ports else ''


class Lab:
    """nat_timeout, fw_timeout: seconds that a silent connection is remembered by the carrier's NAT and by both firewalls. ports: open at fw from
    outside to dmz; inside: open at fw2 from dmz to int; outward: open at fw from dmz to the outside; back: at fw2 from int to dmz. mtu: what the
    NAT can pass on in one packet, either way. redirect: a rule in the NAT's prerouting, such as 'tcp dport 25 dnat to 198.51.100.1'. has_firewalls: False: fw and
    fw2 let everything through until the test loads rules of its own."""

    def __init__(self, nat_timeout=7440, fw_timeout=7440, ports=SERVICES, inside=(), outward=(), back=(), mtu=0, redirect='',
                 has_firewalls=True):
        self.spaces = []
        try:
            for name in NAMES:
                space = Space(name)
                self.spaces.append(space)
                setattr(self, name, space)
            for i in range(len(WIRES)):
                self._wire(i)
            for i, space in enumerate(self.spaces):
                self._address(i, space)
            if mtu:
                self._narrow(mtu)
            self._filter(nat_timeout, fw_timeout, redirect, (ports, inside, outward, back) if has_firewalls else None)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()

    def close(self):
        for space in reversed(self.spaces):
            space.close()

    def _wire(self, i):
        outer, inner = self.spaces[i], self.spaces[i + 1]
        for name, value in (('ipv6.conf.default.accept_dad', 0), ('ipv6.conf.default.accept_ra', 0)):
            outer.sysctl('net.' + name, value)
            inner.sysctl('net.' + name, value)
        outer.ip(f'link add in0 type veth peer name out0 netns {inner.path}')

    def _address(self, i, space):
        lines = ['link set lo up']
        for wire, interface, other in ((i - 1, 'out0', 1), (i, 'in0', 2)):
            if not 0 <= wire < len(WIRES):
                continue
            v4, v6 = WIRES[wire]
            is_nearer = interface == 'in0'
            # The phone's own router is .1 for the phone, as at home.
            own = (1 if is_nearer else 2) if wire > 0 else (2 if is_nearer else 1)
            lines += [f'addr add {v4}.{own}/24 dev {interface}', f'addr add {v6}::{own}/64 dev {interface} nodad',
                      f'link set {interface} up']
            if interface == 'out0' or i == 0:
                space.v4, space.v6 = f'{v4}.{own}', f'{v6}::{own}'
            if interface == 'in0':
                space.inner_v4, space.inner_v6 = f'{v4}.{own}', f'{v6}::{own}'
        space.ip(*lines)
        space.ip(*self._routes(i))
        if space.name in ('nat', 'fw', 'fw2'):
            space.sysctl('net.ipv4.ip_forward', 1)
            space.sysctl('net.ipv6.conf.all.forwarding', 1)

    def _narrow(self, mtu):
        """By routes that are more special than those there are; so interfaces stay wide, and packets are seen before they are refused."""
        lines = [f'route add {WIRES[0][0]}.0/25 dev out0 mtu lock {mtu}', f'route add {WIRES[0][1]}::/80 dev out0 mtu lock {mtu}']
        for v4, v6 in WIRES[2:]:
            lines += [f'route add {v4}.0/25 via {WIRES[1][0]}.2 mtu lock {mtu}', f'route add {v6}::/80 via {WIRES[1][1]}::2 mtu lock {mtu}']
        self.nat.ip(*lines)

    @staticmethod
    def _routes(i):
        """Outward everything, inward the networks behind. The NAT's inner network has no route in IPv4: nobody outside knows it."""
        lines = []
        if i == 0:
            lines += [f'route add default via {WIRES[0][0]}.1', f'route add default via {WIRES[0][1]}::1']
        if i > 1:
            lines += [f'route add default via {WIRES[i - 1][0]}.1', f'route add default via {WIRES[i - 1][1]}::1']
        for wire in range(i + 1, len(WIRES)):
            if i > 0:
                lines += [f'route add {WIRES[wire][0]}.0/24 via {WIRES[i][0]}.2', f'route add {WIRES[wire][1]}::/64 via {WIRES[i][1]}::2']
        if i == 2:
            lines += [f'route add {WIRES[0][1]}::/64 via {WIRES[1][1]}::1']
        return lines

    def _filter(self, nat_timeout, fw_timeout, redirect, opened):
        self.nat.nft(NAT.format(redirect=redirect and f'{redirect};'))
        if opened:
            ports, inside, outward, back = map(_set, opened)
            self.fw.nft(FIREWALL.format(inward=ports, outward=outward))
            self.fw2.nft(FIREWALL.format(inward=inside, outward=back))
        for space, timeout in ((self.nat, nat_timeout), (self.fw, fw_timeout), (self.fw2, fw_timeout)):
            space.sysctl('net.netfilter.nf_conntrack_tcp_timeout_established', timeout)
            space.sysctl('net.netfilter.nf_conntrack_tcp_loose', 0)

    def readdress(self, host=9):
        """The phone gets another address, as when it changes networks: its connections are lost without a word."""
        v4, v6 = WIRES[0]
        self.cli.ip('addr flush dev in0 scope global', f'addr add {v4}.{host}/24 dev in0', f'addr add {v6}::{host}/64 dev in0 nodad',
                    f'route replace default via {v4}.1', f'route replace default via {v6}::1')
        self.cli.v4, self.cli.v6 = f'{v4}.{host}', f'{v6}::{host}'

    def serve(self, where=None, **more):
        """Limetta in a namespace, by default dmz, on the standard ports; a context manager. more: as servers.Limetta."""
        return LabLimetta(where or self.dmz, **more)


@functools.lru_cache(maxsize=1)
def supported():
    """'' when namespaces are permitted here, else what is in the way."""
    if os.geteuid() != 0:
        return 'only root may make network namespaces'
    for program in ('ip', 'nft'):
        if not shutil.which(program):
            return f'there is no program {program}'
    space = None
    try:
        space = Space('try')
        space.ip('link add in0 type veth peer name out0')
        space.nft('table inet lab { chain c { type filter hook forward priority 0; ct state invalid drop; }; }')
    except (OSError, AssertionError) as e:
        return 'network namespaces with nftables are not permitted: ' + ' '.join(str(e).split())
    finally:
        if space:
            space.close()
    return ''


def needs_lab(f):
    """The test is about the network between client and server; where the lab cannot be built it is not run."""
    @functools.wraps(f)
    def test(make):
        if supported():
            raise Skip(supported())
        return f(make)
    test.is_limetta_only = True
    return test
