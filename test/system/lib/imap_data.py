"""Responses of an IMAP server as Python data, and in a form in which two servers that mean the same say the same."""
import datetime
import re

ATOM = re.compile(rb'[^\s()"\\{}\x00-\x1f][^\s(){}"\x00-\x1f]*|\\\*|\\[A-Za-z*]+')


class Reader:
    """Reads the grammar that all responses share: lists, strings, literals, atoms, NIL (None)."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def peek(self):
        return self.data[self.at:self.at + 1]

    def skip_spaces(self):
        while self.peek() == b' ':
            self.at += 1

    def value(self):
        self.skip_spaces()
        c = self.peek()
        if c == b'(':
            return self.list()
        if c == b'"':
            return self.quoted()
        m = re.compile(rb'~?\{(\d+)\}\r\n').match(self.data, self.at)
        if m:
            self.at = m.end() + int(m.group(1))
            return self.data[m.end():self.at]
        return self.atom()

    def list(self):
        self.at += 1
        found = []
        while True:
            self.skip_spaces()
            if self.peek() == b')':
                self.at += 1
                return found
            if not self.peek():
                raise ValueError(f'no end of list: {self.data[-200:]!r}')
            found.append(self.value())

    def quoted(self):
        m = re.compile(rb'"((?:[^"\\\r\n]|\\.)*)"', re.S).match(self.data, self.at)
        if not m:
            raise ValueError(f'no end of string: {self.data[self.at:self.at + 100]!r}')
        self.at = m.end()
        return re.sub(rb'\\(.)', rb'\1', m.group(1))

    def atom(self):
        """BODY[HEADER.FIELDS (A B)]<0> is one."""
        start = self.at
        depth = 0
        while self.at < len(self.data):
            c = self.peek()
            if c == b'[':
                depth += 1
            elif c == b']':
                depth -= 1
            elif depth == 0 and c in b' ()\r\n':
                break
            self.at += 1
        if self.at == start:
            raise ValueError(f'nothing here: {self.data[start:start + 50]!r}')
        word = self.data[start:self.at]
        return None if word.upper() == b'NIL' else Atom(word)

    def all(self):
        found = []
        self.skip_spaces()
        while self.at < len(self.data) and self.peek() not in (b'\r', b'\n'):
            found.append(self.value())
            self.skip_spaces()
        return found


class Atom(bytes):
    """A word, not a string."""


def numbers(text):
    found = set()
    for part in text.split(b','):
        first, _, last = part.partition(b':')
        found.update(range(int(first), int(last or first) + 1))
    return sorted(found)


def epoch(date):
    """An INTERNALDATE as a moment."""
    return int(datetime.datetime.strptime(date.decode().strip(), '%d-%b-%Y %H:%M:%S %z').timestamp())


def fold(data):
    """Without case, recursively: types, parameters."""
    if isinstance(data, list):
        return [fold(x) for x in data]
    return data.lower() if isinstance(data, bytes) else data


def flags(values):
    return sorted(f.lower() for f in values if f.lower() != b'\\recent')


def fetch_items(values):
    items = {}
    for name, value in zip(values[::2], values[1::2]):
        name = re.sub(rb'\(([^)]*)\)', lambda m: b'(' + b' '.join(w.strip(b'"').upper() for w in m.group(1).split()) + b')', name.upper())
        if name == b'FLAGS':
            value = flags(value)
        elif name in (b'MODSEQ', b'EMAILID', b'THREADID'):
            value = '*'
        elif name in (b'INTERNALDATE', b'SAVEDATE'):
            value = epoch(value) if name == b'INTERNALDATE' else '*'
        elif name in (b'BODYSTRUCTURE', b'BODY'):
            value = fold(value)
        elif isinstance(value, Atom):
            value = bytes(value)
        items[name.decode('latin1')] = value
    return items


def pairs(values, hidden=()):
    return {n.upper().decode(): '*' if n.upper() in hidden else (bytes(v) if isinstance(v, bytes) else v)
            for n, v in zip(values[::2], values[1::2])}


def esearch(values):
    """Without the tag."""
    if values and isinstance(values[0], list):
        values = values[1:]
    found = {}
    if values and isinstance(values[0], Atom) and values[0].upper() == b'UID':
        found['UID'] = True
        values = values[1:]
    for name, value in zip(values[::2], values[1::2]):
        name = name.upper().decode()
        if name == 'MODSEQ':
            value = '*'
        elif isinstance(value, Atom) and re.fullmatch(rb'[\d:,]+', value):
            value = numbers(value)
        found[name] = value
    return found


UNTAGGED_CODES = (b'COPYUID', b'APPENDUID', b'BADCHARSET')
TAGGED_CODES = UNTAGGED_CODES + (b'MODIFIED', b'TRYCREATE', b'READ-ONLY', b'READ-WRITE', b'BADURL', b'UNKNOWN-CTE')


def code(text, wanted):
    """A response code that matters; UIDVALIDITY in it does not."""
    m = re.match(rb'\[([A-Z-]+)(?: ([^\]]*))?\]', text)
    if not m or m.group(1) not in wanted:
        return None
    words = (m.group(2) or b'').split()
    if m.group(1) in (b'COPYUID', b'APPENDUID'):
        words = [numbers(w) for w in words[1:]]
    elif m.group(1) == b'MODIFIED':
        words = numbers(words[0])
    else:
        words = []
    return m.group(1).decode(), words


def untagged(line):
    """None: it does not matter."""
    m = re.match(rb'\* (\d+) (EXISTS|EXPUNGE|RECENT|FETCH) ?', line)
    if m:
        n, what = int(m.group(1)), m.group(2).decode()
        if what == 'RECENT':
            return None
        return (what, n) if what != 'FETCH' else (what, n, fetch_items(Reader(line[m.end():]).value()))
    m = re.match(rb'\* (OK|NO|BAD|BYE|PREAUTH) ', line)
    if m:
        found = code(line[m.end():], UNTAGGED_CODES)
        return ('OK', found) if found else None
    word, _, rest = line[2:].rstrip(b'\r\n').partition(b' ')
    word = word.upper().decode()
    if word in ('FLAGS', 'CAPABILITY', 'ID'):
        return None
    if word == 'VANISHED':
        is_earlier = rest.startswith(b'(EARLIER) ')
        return word, is_earlier, numbers(rest[10:] if is_earlier else rest)
    values = Reader(rest).all()
    if word == 'SEARCH':
        return word, sorted(int(v) for v in values if isinstance(v, Atom))
    if word == 'SORT':
        return word, [int(v) for v in values if isinstance(v, Atom)]
    if word == 'THREAD':
        return word, values
    if word == 'ESEARCH':
        return word, esearch(values)
    if word in ('LIST', 'LSUB'):
        if values[2] in (b'Drafts', b'Sent', b'Trash'):
            return None  # some servers make them by themselves, and again
        return word, sorted({a.lower() for a in values[0]} - {b'\\marked', b'\\unmarked'}), values[1], bytes(values[2]), values[3:]
    if word == 'STATUS':
        return word, bytes(values[0]), pairs(values[1], (b'UIDVALIDITY', b'HIGHESTMODSEQ', b'MAILBOXID'))
    if word == 'METADATA' and isinstance(values[1], list):
        return word, bytes(values[0]), pairs(values[1])
    if word == 'ENABLED':
        return word, sorted(v.upper() for v in values)
    return word, values


def expunged(events):
    """EXPUNGEs one after the other, as the numbers that the messages had before them all."""
    gone = []
    for _, n in events:
        for earlier in sorted(gone):
            n += earlier <= n
        gone.append(n)
    return [('EXPUNGE', n) for n in sorted(gone)]


def normal(lines):
    """What an answer says, in an order that does not depend on the server's taste."""
    found = [u for u in map(untagged, lines[:-1]) if u]
    found = [u for u in found if u[0] != 'EXPUNGE'] + expunged([u for u in found if u[0] == 'EXPUNGE'])
    found.sort(key=lambda u: (u[0], u[1] if u[0] == 'FETCH' else u[3] if u[0] in ('LIST', 'LSUB') else 0))
    m = re.match(rb'\S+ (OK|NO|BAD) ?', lines[-1])
    return found, (m.group(1).decode(), code(lines[-1][m.end():], TAGGED_CODES))
