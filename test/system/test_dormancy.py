"""Sessions outlive the processes that serve them (RFC 5383, 4 and 5: D22, D27; X-ACL): two thousand clients behind TLS sleep, read and write, a
third of them in mailboxes of other users, while the store workers are killed, all or some of them, ten times over. No connection ends, no
command stays without its tagged answer, nothing is told twice, and in the end each client knows what the store knows."""
import asyncio
import json
import os
import random
import re
import signal
import ssl
import time
import zlib

from lib.check import equal, eventually, limetta_only, true
from lib.servers import PASSWORD

IS_ALONE = True  # it takes all there is of the machine
SESSIONS = int(os.environ.get('LIMETTA_DORMANCY_SESSIONS', '2000'))
ROUNDS = 10
USERS = 40
BIG = bytes(random.Random(7).choices(b'abcdefghijklmnopqrstuvwxyz0123456789', k=74)) + b'\r\n'
BIG_MESSAGE = b'Subject: big\r\n\r\n' + BIG * 8000
CONFIG = {'workers': 4, 'park_after_s': 2, 'connections_per_address': 100000, 'handshakes_second': 0, 'argon2_passes': 1,
          'argon2_memory': 8388608}


class Gone(Exception):
    """The server closed the connection."""


class Client:
    """One IMAP connection, line by line, with literals in their place."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.place = b''  # in front of the mailboxes it uses
        self.buffer, self.tags, self.inflate, self.deflate = b'', 0, None, None

    async def open(self, user, is_compressed):
        context = ssl.create_default_context(cafile=self.server.cert)
        self.reader, self.writer = await asyncio.open_connection(self.server.host, self.server.imap_port)
        await self.line()
        await self.command(b'STARTTLS')
        await self.writer.start_tls(context, server_hostname='localhost')
        await self.command(b'LOGIN %s "%s"' % (user.encode(), PASSWORD.encode()))
        if is_compressed:
            await self.command(b'COMPRESS DEFLATE')
            self.inflate, self.deflate = zlib.decompressobj(-15), zlib.compressobj(wbits=-15)
        await self.command(b'ENABLE QRESYNC')

    async def more(self, most=65536):
        data = await self.reader.read(most)
        if not data:
            raise Gone(f'{self.name} lost its connection; the last it had is {self.buffer[-200:]!r}')
        self.buffer += self.inflate.decompress(data) if self.inflate else data

    async def line(self):
        """A response: its line, with literals as they come."""
        said = b''
        while True:
            while b'\n' not in self.buffer:
                await self.more()
            part, _, self.buffer = self.buffer.partition(b'\n')
            said += part + b'\n'
            literal = re.search(rb'\{(\d+)\}\r\n$', said)
            if not literal:
                return said
            while len(self.buffer) < int(literal[1]):
                await self.more()
            said, self.buffer = said + self.buffer[:int(literal[1])], self.buffer[int(literal[1]):]

    def send(self, data):
        self.said = data[-80:]
        if self.deflate:
            data = self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        self.writer.write(data)

    def story(self):
        return f'{self.name} of {self.user}, at t{self.tags}: {self.said!r}, with {self.buffer[-100:]!r}'

    def tag(self):
        self.tags += 1
        return b't%d' % self.tags

    def hear(self, line):
        """An untagged response."""

    async def answer(self, tag):
        while True:
            line = await self.line()
            if line.startswith(tag + b' '):
                return line[len(tag) + 1:].strip()
            self.hear(line)

    async def command(self, text, must=b'OK'):
        tag = self.tag()
        self.send(tag + b' ' + text + b'\r\n')
        said = await self.answer(tag)
        if must and not said.startswith(must):
            raise AssertionError(f'{self.name}: {text!r} was answered {said!r}')
        return said

    async def insist(self, text):
        """A command that may be sent again, until it was done."""
        while True:
            said = await self.command(text, None)
            if said.startswith(b'OK'):
                return said
            if not said.startswith(b'NO [UNAVAILABLE]'):
                raise AssertionError(f'{self.name}: {text!r} was answered {said!r}')
            await asyncio.sleep(0.05)


class Watcher(Client):
    """Keeps a replica of a mailbox: UIDs, with flags and modseqs."""

    def __init__(self, *args):
        super().__init__(*args)
        self.messages, self.count, self.uid_next, self.is_asking, self.has_new = {}, 0, 1, False, False

    def hear(self, line):
        if m := re.match(rb'\* (\d+) EXISTS', line):
            self.require(int(m[1]) > self.count or self.is_asking, 'EXISTS that tells nothing', line)
            self.count, self.has_new = int(m[1]), True
        elif m := re.match(rb'\* VANISHED (\(EARLIER\) )?([\d:,]+)', line):
            for part in m[2].split(b','):
                first, _, last = part.partition(b':')
                for uid in range(int(first), int(last or first) + 1):
                    self.gone(uid, line)
        elif m := re.match(rb'\* (\d+) FETCH \(', line):
            self.fetched(line)
        elif line.startswith(b'* BYE'):
            raise Gone(f'{self.name}: {line!r}')

    def require(self, is_so, what, line):
        if not is_so:
            raise AssertionError(f'{self.name}: {what}: {line!r}; it knows {self.count} messages')

    def gone(self, uid, line):
        self.count -= 1
        if uid < self.uid_next:
            self.require(uid in self.messages, 'a message vanished that was not there', line)
            del self.messages[uid]

    def fetched(self, line):
        uid, modseq, flags = (re.search(rb, line) for rb in (rb'UID (\d+)', rb'MODSEQ \((\d+)\)', rb'FLAGS \(([^)]*)\)'))
        if not (uid and modseq and flags):
            return
        uid, modseq = int(uid[1]), int(modseq[1])
        known = self.messages.get(uid)
        self.require(self.is_asking or known is None or modseq > known[0], 'a change that was told before', line)
        if known is None or modseq >= known[0]:
            self.messages[uid] = (modseq, frozenset(flags[1].lower().split()) - {b'\\recent'})
        self.uid_next = max(self.uid_next, uid + 1)

    async def catch_up(self):
        """Learns of new messages, which EXISTS only counts."""
        while self.has_new:
            self.has_new, self.is_asking = False, True
            await self.insist(b'UID FETCH %d:* (UID FLAGS MODSEQ)' % self.uid_next)
            self.is_asking = False

    async def begin(self):
        self.is_asking = True
        await self.insist(b'SELECT "%sINBOX"' % self.place)
        self.has_new = True
        await self.catch_up()

    async def watch(self, stop):
        """IDLE, as phones do."""
        while not stop.is_set():
            tag = self.tag()
            self.send(tag + b' IDLE\r\n')
            line = await self.line()
            while not line.startswith((b'+', tag)):
                self.hear(line)
                line = await self.line()
            if line.startswith(tag):
                self.require(line.startswith(tag + b' NO [UNAVAILABLE]'), 'IDLE', line)
                continue
            await self.sleep(stop)
            self.send(b'DONE\r\n')
            said = await self.answer(tag)
            self.require(said.startswith((b'OK', b'NO [UNAVAILABLE]')), 'DONE', said)
            await self.catch_up()

    async def sleep(self, stop):
        """Until something new is there, or it is over."""
        over = asyncio.ensure_future(stop.wait())
        while not self.has_new and not stop.is_set():
            if b'\n' not in self.buffer:
                more = asyncio.ensure_future(self.more())
                await asyncio.wait((more, over), return_when=asyncio.FIRST_COMPLETED)
                if not more.done():
                    more.cancel()
                    await asyncio.gather(more, return_exceptions=True)
                    break
                more.result()
            while b'\n' in self.buffer:
                self.hear(await self.line())
        over.cancel()

    async def end(self):
        await self.insist(b'NOOP')
        await self.catch_up()


class Notified(Watcher):
    """NOTIFY instead of IDLE: new messages come with UID and flags."""

    async def begin(self):
        await super().begin()
        await self.insist(b'NOTIFY SET (selected (MessageNew (UID FLAGS MODSEQ) MessageExpunge FlagChange))')

    async def watch(self, stop):
        while not stop.is_set():
            self.has_new = False
            await self.sleep(stop)

    def hear(self, line):
        super().hear(line)
        self.has_new = False


class Searcher(Watcher):
    """A live context: what is unseen, by ADDTO and REMOVEFROM alone."""

    async def begin(self):
        await super().begin()
        self.found = set()
        self.context = b'"live"'
        while True:
            tag = self.tag()
            self.context, self.found = b'"%s"' % tag, set()
            self.send(tag + b' UID SEARCH RETURN (UPDATE ALL) UNSEEN\r\n')
            if (await self.answer(tag)).startswith(b'OK'):
                return

    async def watch(self, stop):
        while not stop.is_set():
            self.has_new = False
            await self.sleep(stop)

    def hear(self, line):
        if not line.startswith(b'* ESEARCH') or b'(TAG %s)' % getattr(self, 'context', b'-') not in line:
            super().hear(line)
            return
        self.require(b'NOUPDATE' not in line, 'the context ended', line)
        for verb, numbers in re.findall(rb'(ADDTO|REMOVEFROM) \((?:\d+ )([\d:,]+)\)', line) + re.findall(rb'( ALL) ([\d:,]+)', line):
            uids = {u for p in numbers.split(b',') for u in range(int(p.split(b':')[0]), int(p.split(b':')[-1]) + 1)}
            if verb == b'REMOVEFROM':
                self.require(uids <= self.found, 'REMOVEFROM of what was not there', line)
                self.found -= uids
            else:
                self.require(not uids & self.found, 'ADDTO of what was there', line)
                self.found |= uids

    async def end(self):
        await self.insist(b'NOOP')
        self.has_new = True
        await self.catch_up()


class Reader(Client):
    """Fetches a large message slowly, over and over: each octet of it must be there, whoever sends it."""

    async def begin(self):
        self.rounds = 0
        await self.insist(b'EXAMINE "%sBig"' % self.place)

    async def more(self, most=65536):
        await super().more(8192)
        await asyncio.sleep(0.02)

    def hear(self, line):
        if b'BODY[]' in line:
            true(BIG_MESSAGE in line, f'{self.name}: octets are missing, or others: {len(line)}')
            self.rounds += 1

    async def watch(self, stop):
        while not stop.is_set():
            before = self.rounds
            if (await self.command(b'UID FETCH 1 (UID BODY.PEEK[])', None)).startswith(b'OK'):
                equal(self.rounds, before + 1, f'{self.name}: messages told')
            await asyncio.sleep(random.random())

    async def end(self):
        await self.insist(b'NOOP')


class Appender(Client):
    """Brings messages in, slowly; each is taken, or it is said that it may not be."""

    async def begin(self):
        self.taken, self.doubtful = [], []
        self.mailbox = b'"%sDrop/%s"' % (self.place, self.name.encode())
        said = await self.command(b'CREATE ' + self.mailbox, None)
        true(said.startswith((b'OK', b'NO [ALREADYEXISTS]')), said)

    async def watch(self, stop):
        while not stop.is_set():
            n = len(self.taken) + len(self.doubtful)
            message = b'Subject: %d\r\n\r\n' % n + BIG * random.randrange(1, 400)
            tag = self.tag()
            self.send(tag + b' APPEND %s {%d%s}\r\n' % (self.mailbox, len(message), b'+' if n % 2 else b''))
            said = None
            if n % 2 == 0:
                line = await self.line()
                while not line.startswith((b'+', tag)):
                    line = await self.line()
                said = line[len(tag) + 1:] if line.startswith(tag) else None
            if said is None:
                for at in range(0, len(message), 4000):
                    self.send(message[at:at + 4000])
                    await self.writer.drain()
                    await asyncio.sleep(0.01)
                self.send(b'\r\n')
                said = await self.answer(tag)
            true(said.startswith((b'OK', b'NO [UNAVAILABLE]')), f'{self.name}: APPEND was answered {said!r}')
            (self.taken if said.startswith(b'OK') else self.doubtful).append(n)
            await asyncio.sleep(random.random() * 2)

    async def end(self):
        """What was taken is there, once; what was not, at most once."""
        subjects = []
        self.hear = lambda line: subjects.extend(int(n) for n in re.findall(rb'Subject: (\d+)', line))
        await self.insist(b'EXAMINE ' + self.mailbox)
        await self.insist(b'FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]')
        equal(len(set(subjects)), len(subjects), f'{self.name}: different messages')
        true(set(self.taken) <= set(subjects) <= set(self.taken + self.doubtful), f'{self.name}: {self.taken} {subjects}')


class Changer(Watcher):
    """Makes the news of an account."""

    async def change(self):
        uids = list(self.messages)
        kind = random.random()
        if kind < 0.4 or len(uids) < 5:
            message = b'Subject: news\r\n\r\n%d\r\n' % random.randrange(10**9)
            await self.command(b'APPEND INBOX {%d+}\r\n' % len(message) + message, None)
        elif kind < 0.85:
            sign, flag = random.choice((b'+', b'-')), random.choice((b'\\Seen', b'\\Flagged', b'work'))
            await self.command(b'UID STORE %d %sFLAGS (%s)' % (random.choice(uids), sign, flag), None)
        else:
            await self.command(b'UID STORE %d +FLAGS (\\Deleted)' % random.choice(uids), None)
            await self.command(b'EXPUNGE', None)
        await self.catch_up()

    async def watch(self, stop):
        while not stop.is_set():
            self.is_asking = True  # what it hears of its own changes is not news
            await self.change()
            await asyncio.sleep(random.random() * 2)

    async def end(self):
        await super().end()


KINDS = (Watcher, Notified, Searcher, Reader, Appender, Watcher, Notified, Watcher)
GUESTS = (Watcher, Notified, Searcher, Reader, Appender)  # in mailboxes of another user


async def live(client, user, is_compressed, gate, ready, stop):
    async with gate:
        await client.open(user, is_compressed)
        await client.begin()
    ready()
    await client.watch(stop)


async def prepare(server, user, guest):
    client = Client(server, f'{user} prepares')
    await client.open(user, False)
    await client.command(b'CREATE Big')
    await client.command(b'CREATE Drop')
    for mailbox in (b'INBOX', b'Big', b'Drop'):
        await client.command(b'SETACL %s %s lrswik' % (mailbox, guest.encode()))
    await client.command(b'APPEND Big {%d+}\r\n' % len(BIG_MESSAGE) + BIG_MESSAGE)
    for n in range(5):
        await client.command(b'APPEND INBOX {11+}\r\nS: x\r\n\r\n%03d' % n)
    client.writer.close()


def kill_workers(server, n):
    """All of them, or some: then a guest's own worker, or that of the account where it is."""
    pids = server.roles('store')
    pids = pids if n % 2 == 0 else random.sample(pids, random.randrange(1, len(pids)))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return pids


def restart_workers(server, n):
    pids = server.roles('store')
    server.run('restart', 'store')
    return pids


async def strike(server, tasks, rounds, end_workers):
    parked = 0
    for n in range(rounds):
        await asyncio.sleep(2 + random.random() * 4)
        before = server.roles('store')
        said = await asyncio.to_thread(server.run, 'status', '--json')
        parked = max(parked, json.loads(said.stdout)['parked'])
        gone = await asyncio.to_thread(end_workers, server, n)
        end = time.monotonic() + 120
        while True:
            now = server.roles('store')
            if len(now) == len(before) and not set(now) & set(gone):
                break
            true(time.monotonic() < end, 'the workers do not come back')
            await asyncio.sleep(0.1)
        check(tasks)
        print(f'    round {n + 1}: {len(gone)} new workers')
    true(parked > 0, 'some slept while they were not needed')
    print(f'    {parked} slept at once')


def check(tasks):
    for task in tasks:
        if task.done() and task.exception():
            raise task.exception()


async def settle(server, clients):
    """Everybody has caught up, and knows what the store knows."""
    gate = asyncio.Semaphore(50)

    async def end(client):
        async with gate:
            await asyncio.wait_for(client.end(), 120)

    await asyncio.gather(*(end(c) for c in clients))
    for user in sorted({c.owner for c in clients}):
        truth = Watcher(server, f'truth of {user}')
        await truth.open(user, False)
        await truth.begin()
        for c in clients:
            if c.owner == user and isinstance(c, Watcher):
                equal({u: f for u, (_, f) in c.messages.items()}, {u: f for u, (_, f) in truth.messages.items()}, f'{c.name}: replica')
            if c.owner == user and isinstance(c, Searcher):
                equal(c.found, {u for u, (_, f) in truth.messages.items() if b'\\seen' not in f}, f'{c.name}: context')
        truth.writer.close()


async def run(server, sessions, rounds, end_workers=kill_workers):
    users = [f'user{n}' for n in range(max(1, min(USERS, sessions // 8)))]
    for user in users:
        server.run('user', 'add', user, '--password-stdin', '--config', server.config, input=PASSWORD.encode() + b'\n')
        client = Client(server, f'{user} comes first')  # makes the account
        await client.open(user, False)
        client.writer.close()
    for n, user in enumerate(users):
        await prepare(server, user, users[n - 1])
    stop, gate, count = asyncio.Event(), asyncio.Semaphore(20), 0

    def ready():
        nonlocal count
        count += 1

    clients, tasks = [], []
    for n in range(sessions):
        kinds = GUESTS if n % 3 == 2 else KINDS
        kind = Changer if n < len(users) else kinds[n // 3 % len(kinds)]
        client = kind(server, f'{kind.__name__.lower()} {n}')
        client.user = client.owner = users[n % len(users)]
        if kinds is GUESTS and kind is not Changer:
            client.owner = users[(n + 1) % len(users)]
            client.place = b'Other Users/%s/' % client.owner.encode()
            client.name = f'guest {client.name}'
        clients.append(client)
        tasks.append(asyncio.ensure_future(live(client, client.user, n % 4 == 1, gate, ready, stop)))
    while count < sessions:
        check(tasks)
        await asyncio.sleep(0.2)
    print(f'    {sessions} sessions are there')
    await strike(server, tasks, rounds, end_workers)
    await asyncio.sleep(3)
    stop.set()
    _, late = await asyncio.wait(tasks, timeout=120)
    check(tasks)
    equal([c.story() for c, t in zip(clients, tasks) if t in late], [], 'sessions that wait for an answer')
    await settle(server, clients)
    for client in clients:
        client.writer.close()


@limetta_only
def test_killed_workers(make):
    """D27, and more."""
    with make(users=(), config=CONFIG) as s:
        asyncio.run(run(s, SESSIONS, ROUNDS))
        true('was ended by SIGKILL' in s.log(), 'workers died')


@limetta_only
def test_restarted_workers(make):
    """An operator restarts the workers, as for an upgrade."""
    with make(users=(), config=CONFIG) as s:
        asyncio.run(run(s, min(SESSIONS, 200), 3, restart_workers))
