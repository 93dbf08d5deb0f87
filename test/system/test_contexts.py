"""M-12: live contexts at random. A client keeps the results of its contexts by ADDTO and REMOVEFROM alone, while it and another one change
the mailbox; whenever it asks for the same again, the answer must be what it has, for a SORT in the very order. Seeds make
failures repeatable.
"""
import itertools
import random
import re

from lib.servers import PASSWORD
from lib.wire import open_imap

SEARCHES = ['FLAGGED', 'UNSEEN NOT DELETED', 'OR SEEN FLAGGED', 'SUBJECT a', 'UID 3:*', 'UID *', 'NOT UID *:9', '2:4',
            'NOT 1:3', 'ALL', 'KEYWORD $A', 'LARGER 60', 'MODSEQ 5', 'RECENT']
ORDERS = ['SUBJECT', 'REVERSE SUBJECT', 'SIZE', 'REVERSE SIZE SUBJECT', 'REVERSE ARRIVAL', 'DATE', 'FROM REVERSE DATE', 'DISPLAYFROM']
FLAGS = ['\\Seen', '\\Flagged', '\\Deleted', '$A']


def numbers(text):
    """The members of a set, in its order."""
    found = []
    for r in text.split(','):
        a, _, b = r.partition(':')
        found += range(int(a), int(b or a) + 1)
    return found


class Context:
    def __init__(self, tag, is_uid, order, keys):
        self.tag, self.is_uid, self.order, self.keys, self.results = tag, is_uid, order, keys, []

    def command(self, options):
        uid = 'UID ' if self.is_uid else ''
        if self.order:
            return f'{uid}SORT RETURN ({options}) ({self.order}) UTF-8 {self.keys}'
        return f'{uid}SEARCH RETURN ({options}) {self.keys}'

    def change(self, word, pairs):
        values = pairs.split()
        for position, text in zip(map(int, values[::2]), values[1::2]):
            members = numbers(text)
            if word == 'ADDTO' and position == 0:
                assert not self.order and not set(members) & set(self.results), (self.tag, word, pairs, self.results)
                self.results = sorted(self.results + members)
            elif word == 'ADDTO':
                assert self.order and 1 <= position <= len(self.results) + 1, (self.tag, word, pairs, self.results)
                self.results[position - 1:position - 1] = members
            elif position == 0:
                assert not self.order and set(members) <= set(self.results), (self.tag, word, pairs, self.results)
                self.results = [n for n in self.results if n not in set(members)]
            else:
                assert self.results[position - 1:position - 1 + len(members)] == members, (self.tag, word, pairs, self.results)
                del self.results[position - 1:position - 1 + len(members)]

    def expunge(self, n):
        """Message numbers above n move; n itself must have been removed before."""
        if not self.is_uid:
            assert n not in self.results, f'{self.tag}: EXPUNGE {n} before REMOVEFROM'
            self.results = [r - 1 if r > n else r for r in self.results]


class Client:
    def __init__(self, server, mailbox, log):
        self.c, self.log, self.contexts, self.tags = open_imap(server, 'alice', PASSWORD), log, {}, itertools.count()
        self.count = 0
        self.say(f'SELECT {mailbox}')

    def hear(self, line):
        text = line.decode('latin1').strip()
        self.log.append(f'S: {text[:300]}')
        if m := re.match(r'\* (\d+) EXISTS', text):
            self.count = int(m[1])
        elif m := re.match(r'\* (\d+) EXPUNGE', text):
            self.count -= 1
            for x in self.contexts.values():
                x.expunge(int(m[1]))
        elif m := re.match(r'\* ESEARCH \(TAG "([^"]*)"\)( UID)? (.*)', text):
            x = self.contexts.get(m[1])
            for word, pairs in re.findall(r'(ADDTO|REMOVEFROM) \(([^)]*)\)', m[3]):
                assert x and bool(m[2]) == x.is_uid, text
                if not x.is_uid:
                    assert all(1 <= n <= self.count for t in pairs.split()[1::2] for n in numbers(t)), (text, self.count)
                x.change(word, pairs)
            if m := re.search(r'ALL ([\d:,]+)', text):
                self.all = numbers(m[1])

    def say(self, command, tag=None):
        tag = tag or f't{next(self.tags)}'
        self.log.append(f'C: {tag} {command[:200]}')
        self.all = []
        self.c.send(f'{tag} {command}\r\n'.encode())
        while True:
            line = self.c.response()
            self.hear(line)
            if line.startswith(tag.encode() + b' '):
                assert line.split()[1] == b'OK', (command, line)
                return

    def begin(self, rnd):
        order = rnd.choice(ORDERS) if rnd.random() < .5 else None
        x = Context(f'x{next(self.tags)}', rnd.random() < .5, order, rnd.choice(SEARCHES))
        self.contexts[x.tag] = x
        # what is told behind the results, of the same command, changes them already
        self.log.append(f'C: {x.tag} {x.command("UPDATE ALL")}')
        self.c.send(f'{x.tag} {x.command("UPDATE ALL")}\r\n'.encode())
        while True:
            line = self.c.response()
            self.all = []
            self.hear(line)
            x.results = self.all or x.results
            if line.startswith(x.tag.encode() + b' '):
                return

    def check(self, rnd):
        self.say('NOOP')
        for x in self.contexts.values():
            if '2:4' in x.keys or '1:3' in x.keys:
                continue  # message numbers mean the messages of then
            self.all = []
            self.say(x.command('ALL'))
            wanted = self.all
            assert wanted == x.results, f'{x.tag}: {x.command("ALL")}: has {x.results}, should be {wanted}'


def change(rnd, c, mailbox, serial):
    chance = rnd.random()
    if chance < .3:
        text = f'From: {rnd.choice("abc")} <{rnd.choice("xyz")}@example.org>\r\nSubject: {rnd.choice(["Re: ", ""])}{rnd.choice("abcdef")}\r\n\r\n' + 'x' * rnd.randint(0, 40)
        c.command(f'APPEND {mailbox} ({" ".join(rnd.sample(FLAGS, rnd.randint(0, 2)))}) {{{len(text)}+}}\r\n{text}')
    elif chance < .45:
        c.command('EXPUNGE')
    else:
        a, b = rnd.randint(1, 30), rnd.randint(1, 30)
        c.command(f'UID STORE {a}:{b},{rnd.randint(1, 30)} {rnd.choice("+-")}FLAGS.SILENT ({" ".join(rnd.sample(FLAGS, 1))})')


def play(server, seed, steps):
    rnd, log = random.Random(seed), []
    mailbox = f'contexts-{seed}'
    other = open_imap(server, 'alice', PASSWORD)
    other.command(f'CREATE {mailbox}')
    for i in range(rnd.randint(0, 12)):
        other.append(mailbox, b'Subject: %c\r\n\r\n%d' % (rnd.choice(b'abcdef'), i))
    other.command(f'SELECT {mailbox}')
    try:
        client = Client(server, mailbox, log)
        for _ in range(rnd.randint(1, 8)):
            client.begin(rnd)
        for _ in range(steps):
            for _ in range(rnd.randint(1, 3)):
                change(rnd, other, mailbox, None)
            chance = rnd.random()
            if chance < .2 and client.count > 0:
                client.say(f'STORE {rnd.randint(1, client.count)} {rnd.choice("+-")}FLAGS.SILENT ({rnd.choice(FLAGS)})')
            elif chance < .3:
                client.say('SEARCH ALL')
            elif chance < .4 and len(client.contexts) < 12:
                client.begin(rnd)
            elif chance < .5:
                client.say('EXPUNGE')
            else:
                client.check(rnd)
        client.check(rnd)
    except Exception as e:
        tail = '\n'.join(log[-60:])
        raise AssertionError(f'seed {seed}: {e}\n{tail}') from e
    client.c.drop()
    other.drop()


def test_contexts_at_random(make):
    with make() as s:
        for seed in range(30):
            play(s, seed, 25)
