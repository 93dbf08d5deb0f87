"""The same commands to Limetta, and to Debian's Dovecot and Cyrus: what they answer must mean the same.

Scenarios are in differential/*.txt. A line may end in "   # d: KEY" (Dovecot differs), "c: KEY" (Cyrus), separated by commas: KEY is a row of
docs/differences.md, which says why. A difference without a mark fails, and so does a mark where nothing differs.
"""
import glob
import os
import re

from lib.check import limetta_only, true
from lib.imap_data import normal
from lib.servers import PASSWORD, TOP, make
from lib.wire import open_imap

IS_LONG = True

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'differential')


def mail(*lines):
    return '\r\n'.join(lines).encode() + b'\r\n'


def part(kind, *lines, encoding=None):
    return [f'Content-Type: {kind}', *([f'Content-Transfer-Encoding: {encoding}'] if encoding else []), '', *lines]


SEEDS = [
    mail('Date: Sun, 1 Mar 2026 10:00:00 +0000', 'From: Anna <anna@example.com>', 'To: bob@example.com', 'Subject: Lunch',
         'Message-ID: <1@example.com>', '', 'Shall we eat? The needle is here.'),
    mail('Date: Mon, 2 Mar 2026 11:00:00 +0100', 'From: bob@example.com', 'To: "Anna, A." <anna@example.com>', 'Subject: Re: Lunch',
         'Message-ID: <2@example.com>', 'In-Reply-To: <1@example.com>', 'References: <1@example.com>', '', 'Yes.'),
    mail('Date: Tue, 3 Mar 2026 12:00:00 -0500', 'From: carol@example.com', 'To: anna@example.com', 'Cc: Carol Two <carol@example.org>',
         'Subject: RE: [list] re: lunch (fwd)', 'Message-ID: <3@example.com>', 'References: <1@example.com> <2@example.com>', '', 'Me, too.'),
    mail('Date: Wed, 4 Mar 2026 09:00:00 +0000', 'From: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>', 'To: team:anna@example.com, bob@example.com;',
         'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=', 'Message-ID: <4@example.com>', 'X-Special: yes', *part('text/plain; charset=utf-8', 'Käse und Brot')),
    mail('Date: Thu, 5 Mar 2026 09:00:00 +0000', 'From: anna@example.com', 'To: bob@example.com', 'Bcc: dora@example.com', 'Subject: Minutes',
         'Message-ID: <5@example.com>', '', 'The grass', 'green hill', 'x' * 300),
    mail('From: nobody@example.com', '', 'No date, no subject.'),
    mail('Date: Sat, 7 Mar 2026 09:00:00 +0000', 'From: "Quoted \\"Q\\" Name" <q@example.com>', 'Sender: s@example.com', 'Reply-To: r@example.com',
         'To: bob@example.com', 'Subject: Fwd: Minutes', 'Message-ID: <7@example.com>', 'In-Reply-To: <5@example.com>', '', 'Forwarded.'),
    mail('Date: Sun, 8 Mar 2026 09:00:00 +0000', 'From: anna@example.com', 'To: bob@example.com', 'Subject: lunch', 'Message-ID: <8@example.com>',
         'References: <2@example.com>', '', 'Late.'),
    mail('Date: Mon, 9 Mar 2026 09:00:00 +0000', 'From: anna@example.com', 'To: bob@example.com', 'Subject: With parts', 'Message-ID: <9@example.com>',
         'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary="b1"', '', 'preamble', '--b1', *part('text/plain; charset=us-ascii', 'First part.'),
         '--b1', *part('application/octet-stream; name="data.bin"', 'aGVsbG8sIHdvcmxk', encoding='base64'), '--b1--', 'epilogue'),
    mail('Date: Tue, 10 Mar 2026 09:00:00 +0000', 'From: anna@example.com', 'To: bob@example.com', 'Subject: A message inside', 'Message-ID: <10@example.com>',
         'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b2', '', '--b2', *part('text/plain', 'See below.'), '--b2',
         *part('message/rfc822', 'From: inner@example.com', 'Subject: inner', '', 'Inner text.'), '--b2--'),
    mail('Date: Wed, 11 Mar 2026 09:00:00 +0000', 'From: anna@example.com', 'To: bob@example.com', 'Subject: quoted', 'Message-ID: <11@example.com>',
         'MIME-Version: 1.0', *part('text/plain; charset=iso-8859-1', 'caf=E9 =3D coffee=', ' joined', encoding='quoted-printable')),
    mail('Date: Thu, 12 Mar 2026 09:00:00 +0000', 'From: anna@example.com', 'To: bob@example.com', 'Subject: strange', 'Message-ID: <12@example.com>',
         'MIME-Version: 1.0', *part('text/plain', 'undecodable', encoding='x-rot13')),
]
WORDS = [b'\r\nwords between\r\n']


def read_scenarios():
    """(file, name, capabilities, [(connection, command, {server: key})])."""
    found = []
    for path in sorted(glob.glob(os.path.join(HERE, '*.txt'))):
        for line in open(path, encoding='utf-8').read().split('\n'):
            if m := re.match(r'\[([^:\]]+)(?:: ([^\]]+))?\]', line):
                found.append((m[1], (m[2] or '').split(), []))
            elif m := re.match(r'([AB]): (.*?)(?:   # (.*))?$', line):
                marks = dict(mark.strip().split(': ') for mark in (m[3] or '').split(',') if mark)
                found[-1][2].append((m[1], m[2], {'dovecot' if k == 'd' else 'cyrus': v for k, v in marks.items()}))
    return found


def literal(match):
    octets = {'message': SEEDS, 'words': WORDS}[match[1].decode()][int(match[2])]
    return b'{%d+}\r\n%s' % (len(octets), octets)


class Player:
    """Plays scenarios on a server, each in mailboxes of its own user."""

    def __init__(self, server, user):
        self.server, self.user = server, user
        self.known = {}
        c = open_imap(server, user, PASSWORD)
        for line in c.command('LIST "" *')[:-1]:
            name = line.split()[-1].decode().strip('"')
            c.command(f'UNSUBSCRIBE {name}')
            if name != 'INBOX':
                c.command(f'DELETE {name}', must_be_ok=False)  # Cyrus keeps those with a special use
        c.command('CREATE Seeds')
        for i, octets in enumerate(SEEDS):
            c.append('Seeds', octets, f'() "{i + 1:2}-Mar-2026 12:00:00 +0000"')
        self.capabilities = c.command('CAPABILITY')[0].decode().upper().split()
        c.command('LOGOUT')
        c.close()
        self.connections = {}

    def play(self, name, command):
        if name not in self.connections:
            self.connections[name] = open_imap(self.server, self.user, PASSWORD)
        text = command.encode()
        for key, value in self.known.items():
            text = text.replace(b'$' + key, value)
        text = re.sub(rb'\{(message|words) (\d+)\}', literal, text)
        lines = self.connections[name].command(text, must_be_ok=False)
        if not self.known.get(b'MODSEQ'):
            for key, pattern in ((b'MODSEQ', rb'HIGHESTMODSEQ (\d+)'), (b'UIDVALIDITY', rb'UIDVALIDITY (\d+)')):
                if m := re.search(pattern, b''.join(lines)):
                    self.known[key] = m.group(1)
        return normal(lines)

    def close(self):
        for c in self.connections.values():
            c.close()


def show(answer):
    return '\n'.join(f'        {u}' for u in [*answer[0], answer[1]])


def compare(ours, theirs, scenario, user, reasons):
    """Differences without a reason, reasons without a difference."""
    name, needs, lines = scenario
    us, them = Player(ours, user), Player(theirs, user)
    found = []
    if all(n in us.capabilities and n in them.capabilities for n in needs):
        for connection, command, marks in lines:
            a, b = us.play(connection, command), them.play(connection, command)
            key = marks.get(theirs.name)
            if a != b and key is None:
                found.append(f'[{name}] {connection}: {command}\n      limetta:\n{show(a)}\n      {theirs.name}:\n{show(b)}')
            elif a == b and key is not None:
                found.append(f'[{name}] {connection}: {command}\n      {theirs.name} no longer differs ({key})')
            elif key is not None and key not in reasons:
                found.append(f'[{name}] {command}: docs/differences.md has no row {key}')
    us.close()
    them.close()
    return found


def read_reasons():
    with open(os.path.join(TOP, 'docs', 'differences.md'), encoding='utf-8') as f:
        return set(re.findall(r'^\| ([a-z][a-z0-9-]*) \|', f.read(), re.M))


def against(kind):
    scenarios, reasons = read_scenarios(), read_reasons()
    users = [f'user{i}' for i in range(len(scenarios))]
    found = []
    with make('limetta', users=users, config={'connections_per_address': 1000, 'news_window_ms': 0}) as ours, make(kind, users=users) as theirs:
        for user, scenario in zip(users, scenarios):
            found += compare(ours, theirs, scenario, user, reasons)
    true(not found, f'{len(found)} differences\n' + '\n'.join(found))


@limetta_only
def test_against_dovecot(_make):
    against('dovecot')


@limetta_only
def test_against_cyrus(_make):
    against('cyrus')
