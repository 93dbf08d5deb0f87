"""A host that was taken over, played by a test: it has a link certificate and speaks to the gates of other hosts (src/main/gate_link.c), and over
their links to roles (src/net/link.c), with nothing in between that would keep it to the rules."""
import os
import socket
import ssl
import struct
import urllib.parse

HELLO, WELCOME, REFUSED, DATA, PING, PONG = range(1, 7)
OPEN, LINK_DATA, CREDIT, CLOSE, RESET, REQUEST, REPLY, PARK, RESUME, WAKE, SAVE, MARK = range(1, 13)
YOURS = 0x80000000


class Gone(Exception):
    """The other host ended the connection."""


def fields(**values):
    """A message of net/fields.h."""
    return ''.join(f'{k}={urllib.parse.quote_from_bytes(v if isinstance(v, bytes) else str(v).encode(), safe="")}\n'
                   for k, v in values.items()).encode()


def read_fields(octets):
    return {k: urllib.parse.unquote_to_bytes(v) for k, _, v in (line.partition('=') for line in octets.decode().split('\n') if line)}


class Gate:
    """One connection to a gate. keys: the folder with link-cert.pem, link-key.pem and link-ca.pem; None: no certificate is shown."""

    def __init__(self, address, port, keys, ca=None, timeout_s=20, version=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.load_verify_locations(os.path.join(ca or keys, 'link-ca.pem'))
        if version:
            self.context.maximum_version = version
        if keys:
            self.context.load_cert_chain(os.path.join(keys, 'link-cert.pem'), os.path.join(keys, 'link-key.pem'))
        raw = socket.create_connection((address, port), timeout_s)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.inside, self.plain = b'', b''
        self.next_id = 0
        self.states = {}  # the last sealed state of a session, by its id
        self.all_states = {}  # and each that it was given, in order
        try:
            self.tls = self.context.wrap_socket(raw)
        except OSError as e:
            raise Gone(str(e)) from None

    def close(self):
        self.tls.close()

    def send_gate(self, kind, payload=b''):
        try:
            self.tls.sendall(bytes([kind]) + len(payload).to_bytes(3, 'little') + payload)
        except OSError as e:
            raise Gone(str(e)) from None

    def send_raw(self, octets):
        try:
            self.tls.sendall(octets)
        except OSError as e:
            raise Gone(str(e)) from None

    def receive_gate(self):
        while len(self.plain) < 4 or len(self.plain) < 4 + int.from_bytes(self.plain[1:4], 'little'):
            try:
                octets = self.tls.recv(65536)
            except socket.timeout:
                raise
            except OSError as e:
                raise Gone(str(e)) from None
            if not octets:
                raise Gone('end')
            self.plain += octets
        n = 4 + int.from_bytes(self.plain[1:4], 'little')
        frame, self.plain = self.plain[:n], self.plain[n:]
        return frame[0], frame[4:]

    def hello(self, role, to, to_index=0, index=0, version=1):
        """True: welcome."""
        self.send_gate(HELLO, fields(version=version, role=role, index=index, to=to, to_index=to_index))
        return self.receive_gate()[0] == WELCOME

    # ---- the link inside ----

    def send(self, kind, number, payload=b'', length=None):
        self.send_gate(DATA, struct.pack('<IIB3x', len(payload) if length is None else length, number, kind) + payload)

    def receive(self):
        """The next frame of the link: type, id, payload."""
        while True:
            if len(self.inside) >= 12:
                n, number, kind = struct.unpack('<IIB3x', self.inside[:12])
                if len(self.inside) >= 12 + n:
                    payload, self.inside = self.inside[12:12 + n], self.inside[12 + n:]
                    return kind, number, payload
            kind, payload = self.receive_gate()
            if kind == DATA:
                self.inside += payload
            elif kind == PING:
                self.send_gate(PONG)

    def ask(self, **message):
        """A request and its answer."""
        number = self.next_id
        self.next_id += 1
        self.send(REQUEST, number, fields(**message))
        while True:
            kind, answered, payload = self.receive()
            if kind == REPLY and answered == number:
                return read_fields(payload)

    def open(self, kind=OPEN, **head):
        """Opens a session; its id."""
        number = self.next_id
        self.next_id += 1
        self.send(kind, number, fields(**head))
        return number

    def read(self, number):
        """What the session says until it pauses for us or ends: its octets, and how it ended (CLOSE, RESET, None: it did not)."""
        said = b''
        while True:
            try:
                kind, of, payload = self.receive()
            except socket.timeout:
                return said, None
            if of & ~YOURS != number:
                continue
            if kind == SAVE:
                n = int.from_bytes(payload[20:24], 'little')
                self.states[number] = payload[24:24 + n] or self.states.get(number)  # none: the last one holds on
                self.all_states.setdefault(number, []).append(self.states[number])
                kind, payload = LINK_DATA, payload[24 + n:]
            if kind == LINK_DATA:
                said += payload
                if said.endswith(b'\r\n'):
                    self.tls.settimeout(1)
            elif kind in (CLOSE, RESET):
                return said, kind

    def resume(self, state, **head):
        """Opens a session with a state that was kept; its id."""
        number = self.next_id
        self.next_id += 1
        octets = fields(**head)
        self.send(RESUME, number, struct.pack('<I', len(octets)) + octets + state)
        return number

    def say(self, number, octets):
        self.send(LINK_DATA, number, octets)

    def login(self, user, password, nonce, service='imap', peer='192.0.2.9'):
        """A ticket, as an edge gets it."""
        data = b'\0' + user.encode() + b'\0' + password.encode()
        return self.ask(op='start', service=service, mechanism='PLAIN', has_initial=1, data=data, tls=1, loopback=0, peer=peer, nonce=nonce)
