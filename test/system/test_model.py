"""Clients that believe what they are told: three sessions on one mailbox do random things, each keeps a model of the mailbox
made of nothing but what the server said, and whenever one asks for everything, the answer must be what its model knows.

So each change must have been told, once, in numbers that hold at that moment; EXPUNGE only where it may come; .SILENT only
where the client's own sum is right; and (RFC 7162) a QRESYNC client that loses its connection at any moment must be brought
up to date by what it computed as its mod-sequence, also while a VANISHED was held back. Where the server offers it, one of them
speaks IMAP4rev2 without message numbers (RFC 9051, RFC 9586): it must not hear one. Seeds make failures repeatable.
"""
import itertools
import os
import random
import re
import signal
import time

from lib.check import limetta_only
from lib.servers import PASSWORD
from lib.wire import open_imap

IS_LONG = True

FLAGS = ['\\Seen', '\\Flagged', '\\Answered', '\\Deleted', '\\Draft', '$A', '$B']
KINDS = [('plain', 'condstore', 'qresync'), ('qresync', 'qresync', 'plain'), ('plain', 'plain', 'qresync')]
MANY = ('plain', 'condstore', 'qresync', 'qresync', 'uidonly')  # of larger companies
KINDS_OF_TODAY = [('uidonly', 'plain', 'qresync'), ('uidonly', 'uidonly', 'condstore')]
HAS_QRESYNC = ('qresync', 'uidonly')
NO_EXPUNGE = ('FETCH', 'STORE', 'SEARCH')  # RFC 3501, 7.4.1


def numbers(text, last=0):
    """The members of a set; "*" is last."""
    found = set()
    for r in text.replace('*', str(last)).split(','):
        a, _, b = r.partition(':')
        a, b = int(a), int(b or a)
        found.update(range(min(a, b), max(a, b) + 1))
    return found


def random_set(rnd, most, may_star=True):
    stars = ['*', '{a}:*'] if may_star else []
    parts = rnd.choices(['{a}', '{a}:{b}'] + stars, k=rnd.randint(1, 3))
    return ','.join(p.format(a=rnd.randint(1, most), b=rnd.randint(1, most)) for p in parts)


def compute(op, before, flags):
    """What a client believes after a silent STORE."""
    if op == '':
        return set(flags)
    if before is None:
        return None
    return before | flags if op == '+' else before - flags


class Message:
    """What a client knows of a message; None: not told."""

    def __init__(self, uid=None, flags=None):
        self.uid, self.flags, self.modseq = uid, flags, None


class Client:
    def __init__(self, server, name, mailbox, kind, log):
        self.server, self.name, self.mailbox, self.kind, self.log = server, name, mailbox, kind, log
        self.connect()

    # ---- the model ----

    def is_(self, so, what):
        if not so:
            raise AssertionError(f'{self.name}: {what}')

    def hear(self, line, verb):
        self.log.append(f'{self.name} S: {line.decode("latin1").strip()[:200]}')
        if m := re.match(rb'\* (\d+) EXISTS', line):
            more = int(m[1]) - len(self.messages)
            self.is_(more >= 0, f'EXISTS {m[1]} with {len(self.messages)} messages')
            self.messages += [Message() for _ in range(more)]
        elif m := re.match(rb'\* (\d+) UIDFETCH \((.*)\)\r\n', line, re.S):
            self.is_(self.kind == 'uidonly', 'UIDFETCH that was not enabled')
            self.hear_fetch(self.find_uid(int(m[1])), m[2])
        elif self.kind == 'uidonly' and re.match(rb'\* \d+ (?!EXISTS)|\* SEARCH', line):
            self.is_(False, f'{line} with IMAP4rev2 and UIDONLY')
        elif m := re.match(rb'\* (\d+) EXPUNGE', line):
            self.is_(self.kind not in HAS_QRESYNC and verb not in NO_EXPUNGE, f'EXPUNGE in {verb} ({self.kind})')
            self.is_(1 <= int(m[1]) <= len(self.messages), f'EXPUNGE {m[1]} with {len(self.messages)} messages')
            del self.messages[int(m[1]) - 1]
        elif m := re.match(rb'\* VANISHED (\(EARLIER\) )?([\d:,]+)', line):
            self.hear_vanished(numbers(m[2].decode()), m[1], verb)
        elif m := re.match(rb'\* (\d+) FETCH \((.*)\)\r\n', line, re.S):
            self.is_(1 <= int(m[1]) <= len(self.messages), f'FETCH {m[1]} with {len(self.messages)} messages')
            self.hear_fetch(self.messages[int(m[1]) - 1], m[2])
        elif m := re.match(rb'\S+ OK \[HIGHESTMODSEQ (\d+)\]', line):
            self.modseq = int(m[1])  # even if lower than what was seen: RFC 7162, erratum 1809 to its predecessor
        elif m := re.match(rb'\* OK \[UIDVALIDITY (\d+)\]', line):
            self.uidvalidity = int(m[1])
        self.is_(not line.startswith(b'* BYE'), 'BYE')

    def hear_vanished(self, uids, is_earlier, verb):
        if is_earlier:
            self.gone |= uids
            return
        self.is_(self.kind in HAS_QRESYNC and verb not in NO_EXPUNGE, f'VANISHED in {verb} ({self.kind})')
        known = {m.uid for m in self.messages if m.uid}
        for uid in sorted(uids - known):
            unknown = [i for i, m in enumerate(self.messages) if not m.uid and self.may_be(i, uid)]
            self.is_(unknown, f'VANISHED {uid} of a message that is not there')
            del self.messages[unknown[0]]
        self.messages = [m for m in self.messages if m.uid not in uids]

    def may_be(self, i, uid):
        """Can the message at place i, whose UID is not known, have this one?"""
        return (all(m.uid < uid for m in self.messages[:i] if m.uid) and all(m.uid > uid for m in self.messages[i:] if m.uid))

    def find_uid(self, uid):
        """The message, or the next one of which nothing is known: without numbers their order does not matter."""
        known = [m for m in self.messages if m.uid == uid] or [m for m in self.messages if m.uid is None]
        self.is_(known, f'UIDFETCH {uid} with {len(self.messages)} messages')
        known[0].uid = uid
        return known[0]

    def hear_fetch(self, message, items):
        if m := re.search(rb'UID (\d+)', items):
            self.is_(message.uid in (None, int(m[1])), f'UID {m[1]} was {message.uid}')
            message.uid = int(m[1])
        if m := re.search(rb'FLAGS \(([^)]*)\)', items):
            message.flags = set(m[1].decode().split()) - {'\\Recent'}
            self.changed[message.uid] = message.flags
        if m := re.search(rb'MODSEQ \((\d+)\)', items):
            message.modseq = int(m[1])
            self.modseq = max(self.modseq, message.modseq)

    # ---- talking ----

    def connect(self, resync=None):
        self.connection = open_imap(self.server, 'alice', PASSWORD)
        self.connection.settimeout(60)
        self.messages, self.modseq, self.gone, self.changed = [], 0, set(), {}
        if self.kind in HAS_QRESYNC:
            self.say('ENABLE QRESYNC' + (' UIDONLY IMAP4rev2' if self.kind == 'uidonly' else ''))
        self.select(resync)

    def say(self, text):
        """The tagged reply."""
        verb = text.split(' ', 1)[0]
        self.log.append(f'{self.name} C: {text[:200]}')
        tag = self.connection.next_tag()
        self.connection.send(tag + b' ' + text.encode() + b'\r\n')
        while True:
            line = self.connection.response()
            self.hear(line, verb)
            if line.startswith(tag + b' '):
                return line

    def select(self, resync=None):
        self.messages, self.modseq, self.gone, self.changed = [], 0, set(), {}
        parameters = ' (CONDSTORE)' if self.kind == 'condstore' else ''
        if resync:
            known, modseq, uidvalidity = resync
            parameters = f' (QRESYNC ({uidvalidity} {max(modseq, 1)}))'
        self.is_(b' OK ' in self.say(f'SELECT {self.mailbox}{parameters}'), 'SELECT')
        if resync:
            known = {u: f for u, f in {**known, **self.changed}.items() if u not in self.gone}
        truth = self.check()
        self.is_(not resync or known == truth, f'resynchronised to {resync and known}, it is {truth}')

    def check(self):
        """Asks for everything, which must be what was told already. Returns flags by UID."""
        self.say('NOOP')
        told = [(m.uid, m.flags, m.modseq) for m in self.messages]
        self.changed = {}
        self.say('UID FETCH 1:* (FLAGS)' if self.kind == 'plain' else 'UID FETCH 1:* (FLAGS MODSEQ)')
        self.is_(len(told) == len(self.messages) == len(self.changed), f'{len(self.changed)} of {len(told)} messages')
        for (uid, flags, modseq), m in zip(told, self.messages):
            self.is_(uid in (None, m.uid) and flags in (None, m.flags), f'told {uid} {flags}, it is {m.uid} {m.flags}')
            self.is_(modseq in (None, m.modseq), f'told {m.uid} has MODSEQ {modseq}, it is {m.modseq}')
        return dict(self.changed)

    def lose_connection(self, meanwhile):
        is_whole = all(m.uid and m.flags is not None for m in self.messages)
        resync = ({m.uid: m.flags for m in self.messages}, self.modseq, self.uidvalidity)
        self.connection.drop()
        meanwhile()
        self.connect(resync if self.kind in HAS_QRESYNC and is_whole else None)

    def idle(self, rnd, meanwhile):
        tag = self.connection.next_tag()
        self.connection.send(tag + b' IDLE\r\n')
        line = self.connection.response()
        while not line.startswith(b'+'):
            self.hear(line, 'IDLE')
            line = self.connection.response()
        meanwhile(rnd.randint(0, 2))
        self.connection.send(b'DONE\r\n')
        while not line.startswith(tag + b' '):
            line = self.connection.response()
            self.hear(line, 'IDLE')

    def store(self, rnd):
        op, is_silent, count = rnd.choice(['', '+', '-']), rnd.random() < .5, len(self.messages)
        is_uid = (rnd.random() < .4 and all(m.uid for m in self.messages)) or self.kind == 'uidonly'
        last = max(m.uid for m in self.messages) if is_uid else count
        # in a silent UID STORE "*" may be another message than the client thinks: no sum of its can be right
        which = random_set(rnd, last, not (is_uid and is_silent))
        members = numbers(which, last)
        hits = [(m.uid if is_uid else i + 1, m) for i, m in enumerate(self.messages)]
        hits = [(n, m, m.flags) for n, m in hits if n in members]
        flags = set(rnd.sample(FLAGS, rnd.randint(1, 2)))
        condition = ''
        if self.kind != 'plain' and rnd.random() < .4:
            since = rnd.choice([self.modseq] + [m.modseq for m in self.messages if m.modseq])
            condition = f' (UNCHANGEDSINCE {since})'
        for _, m, before in hits if is_silent else []:
            m.flags = compute(op, before, flags)
        sums = [m.flags for _, m, _ in hits]
        reply = self.say(f'{"UID " if is_uid else ""}STORE {which}{condition} {op}FLAGS{".SILENT" if is_silent else ""} '
                         f'({" ".join(sorted(flags))})')
        m = re.search(rb'\[MODIFIED ([\d:,]+)\]', reply)
        left_alone = numbers(m[1].decode()) if m else set()
        for (n, message, before), computed in zip(hits, sums):
            if n in left_alone and message.flags is computed:
                message.flags = before


def act(rnd, c, others, serial):
    """One random thing; others may do something meanwhile."""
    count, chance = len(c.messages), rnd.random()
    is_uid = c.kind == 'uidonly'
    which = random_set(rnd, max([m.uid for m in c.messages] + [1] if is_uid else [count, 1]))

    def meanwhile(times):
        for _ in range(times if others else 0):
            o = rnd.choice(others)
            act(rnd, o, [x for x in others if x is not o], serial)

    if chance < .12:
        c.say(f'APPEND {c.mailbox} ({" ".join(rnd.sample(FLAGS, rnd.randint(0, 2)))}) {{12+}}\r\nSubject: {next(serial):03}')
    elif chance < .20:
        c.say(rnd.choice(['EXPUNGE', f'UID EXPUNGE {which}']))
    elif chance < .28:
        c.say(rnd.choice(['UID ' if is_uid else '', 'UID ']) + f'SEARCH {rnd.choice(["ALL", "DELETED", "RETURN (ALL MIN COUNT) UNSEEN"])}')
    elif chance < .34:
        c.idle(rnd, meanwhile)
    elif chance < .40:
        c.lose_connection(lambda: meanwhile(rnd.randint(0, 3)))
    elif chance < .44:
        c.say(rnd.choice(['CLOSE', 'UNSELECT']))
        c.select()
    elif chance < .48:
        c.check()
    elif count == 0:
        c.say('NOOP')
    elif chance < .76:
        c.store(rnd)
    elif chance < .90:
        c.say(f'{"UID " if is_uid else ""}FETCH {which} {rnd.choice(["(UID FLAGS)", "BODY[]"])}')
    else:
        one_range = f'{rnd.randint(1, count)}:*'  # Dovecot 2.3 crashes on sets that name a message twice
        how = rnd.choice(['UID COPY', 'UID MOVE'] if is_uid else ['COPY', 'MOVE', 'UID MOVE'])
        c.say(f'{how} {one_range} {rnd.choice([c.mailbox, "Trash"])}')
    if c.kind in HAS_QRESYNC and any(m.uid is None for m in c.messages):
        c.say('UID FETCH 1:* (FLAGS)')


def begin(server, seed, rnd, kinds, log):
    mailbox = f'model-{seed}'
    c = open_imap(server, 'alice', PASSWORD)
    c.command(f'CREATE {mailbox}')
    for i in range(rnd.randint(0, 8)):
        c.append(mailbox, b'Subject: %d' % i)
    c.command('LOGOUT')
    return [Client(server, f'{kind[0]}{i}', mailbox, kind, log) for i, kind in enumerate(kinds)]


def play(server, seed, steps, kinds=None, is_eager=False, between=lambda: None):
    """is_eager: every client is checked after every step; else each now and then, so that news pile up."""
    rnd, log, serial = random.Random(seed), [], itertools.count()
    try:
        clients = begin(server, seed, rnd, kinds or rnd.choice(KINDS), log)
        for _ in range(steps):
            one = rnd.choice(clients)
            act(rnd, one, [x for x in clients if x is not one], serial)
            for x in clients if is_eager else ():
                x.check()
            between()
        for x in clients:
            x.check()
        truths = [x.check() for x in clients]
        assert all(t == truths[0] for t in truths), truths
    except Exception as e:
        tail = '\n'.join(log[-40:])
        raise AssertionError(f'seed {seed}: {e}\n{tail}') from e
    for x in clients:
        x.connection.drop()


def test_clients_that_believe(make):
    with make() as s:
        c = open_imap(s, 'alice', PASSWORD)
        has_uidonly = b'UIDONLY' in c.command('CAPABILITY')[0].split()
        c.command('LOGOUT')
        for seed in range(25):
            rnd = random.Random(seed)
            play(s, seed, 60, rnd.choice(KINDS + KINDS_OF_TODAY) if has_uidonly else None)


@limetta_only
def test_large_companies(make):
    """X-RESYNC: 2 to 16 clients on one mailbox, for LIMETTA_STRESS_S seconds; half of them are checked after every step."""
    seconds, games, start = int(os.environ.get('LIMETTA_STRESS_S', '20')), 0, time.monotonic()
    with make(config={'connections_per_address': 1000, 'edge_logins_minute': 0}) as s:
        while time.monotonic() < start + seconds:
            rnd = random.Random(games)
            play(s, 1000 + games, 40, [rnd.choice(MANY) for _ in range(rnd.randint(2, 16))], is_eager=games % 2 == 0)
            games += 1
    print(f'NOTE {games} games of 2 to 16 clients in {time.monotonic() - start:.0f} s without a difference', flush=True)


@limetta_only
def test_clients_that_sleep(make):
    """D15, D27: the same, with every session leaving its worker whenever it is silent for a few milliseconds."""
    sleepy = {'time_unit_ms': 1, 'park_after_s': 2, 'max_idle_s': 0, 'idle_timeout_s': 86400}
    with make(config=sleepy) as s:
        for seed in range(25, 45):
            play(s, seed, 60, random.Random(seed).choice(KINDS + KINDS_OF_TODAY), between=lambda: time.sleep(0.01))


@limetta_only
def test_clients_whose_workers_die(make):
    """D15, D27: store workers are killed between commands; nobody is cut off, nothing is told twice or not at all."""
    def kill(server, steps):
        if next(steps) % 15 == 14:  # few: the supervisor takes its time with what keeps dying
            for pid in server.roles('store'):
                os.kill(pid, signal.SIGKILL)

    for seed in range(45, 48):
        with make() as s:
            steps = itertools.count()
            play(s, seed, 60, random.Random(seed).choice(KINDS + KINDS_OF_TODAY), between=lambda s=s, n=steps: kill(s, n))
