"""A small ManageSieve client (RFC 5804): commands as octets, responses as lines with their literals inside."""
import re

from .servers import PASSWORD
from .wire import Connection, No, context_for, plain


def literal(text):
    """A client's literal."""
    octets = text.encode() if isinstance(text, str) else text
    return b'{%d+}\r\n' % len(octets) + octets


class Sieve(Connection):
    def __init__(self, host, port, **more):
        super().__init__(host, port, **more)
        self.greeting = self.until()

    def response(self):
        data = self.read_line()
        while True:
            m = re.search(rb'\{(\d+)\}\r\n$', data)
            if not m:
                return data
            data += self.read(int(m.group(1))) + self.read_line()

    def until(self, must_be_ok=True):
        """Lines up to OK, NO or BYE, the last."""
        seen = []
        while True:
            line = self.response()
            seen.append(line)
            if re.match(rb'(OK|NO|BYE)\b', line):
                if must_be_ok and not line.startswith(b'OK'):
                    raise No(line.decode(errors='replace').strip())
                return seen

    def command(self, text, must_be_ok=True):
        self.send((text.encode() if isinstance(text, str) else text) + b'\r\n')
        return self.until(must_be_ok)

    def start_tls_by_command(self, server):
        self.command('STARTTLS')
        self.start_tls(context_for(server.cert))
        return self.until()

    def put(self, name, text, must_be_ok=True):
        return self.command(b'PUTSCRIPT "%s" ' % name.encode() + literal(text), must_be_ok)


def open_sieve(server, user='alice', password=PASSWORD):
    c = Sieve(server.host, server.sieve_port)
    c.start_tls_by_command(server)
    c.command(f'AUTHENTICATE "PLAIN" "{plain(user, password)}"')
    return c


def capabilities(lines):
    """name: value, of a CAPABILITY response."""
    found = {}
    for line in lines[:-1]:
        m = re.fullmatch(rb'"([^"]*)"(?: "(.*)")?\r\n', line)
        found[m.group(1).decode()] = m.group(2).decode() if m.group(2) is not None else None
    return found
