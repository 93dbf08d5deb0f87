"""A router that does not forward, and says so with any code: "destination unreachable" as RFC 792 and RFC 4443 draw it, quoting the packet's own
header and its first octets. A stack believes it only when the sequence number that is quoted is one on its way (RFC 5927); so what is quoted is what
really came, and is not forwarded."""
import contextlib
import select
import socket
import struct
import threading

ETH_P_IP, ETH_P_IPV6, ETH_P_ALL = 0x0800, 0x86dd, 0x0003
PACKET_OUTGOING = 4
QUOTED = 28  # octets behind the header: all of a TCP header that matters; RFC 792 asks for 8


def _checksum(octets):
    if len(octets) % 2:
        octets += b'\0'
    total = sum(struct.unpack(f'!{len(octets) // 2}H', octets))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Unreachable:
    """While it stands in `space`, TCP packets that come in by `interface` with a port of `ports` (as destination, or as source with is_answer) are
    dropped, and answered with code4 (ICMP type 3) or code6 (ICMPv6 type 1). `told` counts the answers."""

    def __init__(self, space, interface, ports, is_answer=False, code4=5, code6=0):
        self.space, self.interface, self.ports, self.is_answer = space, interface, ports, is_answer
        self.code4, self.code6 = code4, code6
        self.told = 0
        self.stop = threading.Event()

    def __enter__(self):
        field = 'sport' if self.is_answer else 'dport'
        ports = ', '.join(map(str, self.ports))
        with self.space.inside():
            self.sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.sniffer.bind((self.interface, ETH_P_ALL))
            self.v4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            self.v6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        self.space.nft(f'''table inet lab_deaf {{ chain c {{
            type filter hook forward priority -10; iifname "{self.interface}" tcp {field} {{ {ports} }} drop; }}; }}''')
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.space.nft('delete table inet lab_deaf')
        self.stop.set()
        self.thread.join()
        for s in (self.sniffer, self.v4, self.v6):
            s.close()

    def _run(self):
        while not self.stop.is_set():
            if select.select([self.sniffer], [], [], 0.1)[0]:
                frame, address = self.sniffer.recvfrom(65535)
                if address[2] != PACKET_OUTGOING:
                    with contextlib.suppress(OSError):
                        self._answer(frame[14:], address[1])

    def _answer(self, packet, kind):
        if kind == ETH_P_IP and packet[9] == socket.IPPROTO_TCP:
            size = 4 * (packet[0] & 15)
        elif kind == ETH_P_IPV6 and packet[6] == socket.IPPROTO_TCP:
            size = 40
        else:
            return
        source, destination = struct.unpack('!HH', packet[size:size + 4])
        if (source if self.is_answer else destination) not in self.ports:
            return
        quoted = packet[:size + QUOTED]
        if kind == ETH_P_IP:
            head = struct.pack('!BBHI', 3, self.code4, 0, 0)
            head = struct.pack('!BBHI', 3, self.code4, _checksum(head + quoted), 0)
            self.v4.sendto(head + quoted, (socket.inet_ntop(socket.AF_INET, packet[12:16]), 0))
        else:  # the kernel adds the checksum
            self.v6.sendto(struct.pack('!BBHI', 1, self.code6, 0, 0) + quoted, (socket.inet_ntop(socket.AF_INET6, packet[8:24]), 0))
        self.told += 1


def heard(space):
    """What the stack there has heard of the kind: counts of ICMP, of ICMPv6, and of those it did not believe."""
    counts = {}
    for name in ('snmp', 'netstat'):
        lines = space.read(name).split('\n')
        for names, values in zip(lines[::2], lines[1::2]):
            counts.update(zip((names.split(':')[0] + '.' + n for n in names.split()[1:]), map(int, values.split()[1:])))
    v6 = dict(l.split() for l in space.read('snmp6').strip().split('\n'))
    return counts['Icmp.InDestUnreachs'], int(v6['Icmp6InDestUnreachs']), counts['TcpExt.OutOfWindowIcmps']
