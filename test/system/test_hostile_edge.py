"""D42, D43: an edge, with all its keys, in other hands. It speaks to the inside hosts by its own link certificate; nothing it does gives it another
user's mail, and its neighbours do not notice."""
import os
import socket
import ssl
import subprocess
import threading
import time

from lib.check import contains, equal, eventually, limetta_only, true
from lib.hosts import free_offsets, System
from lib.link_peer import fields, Gate, Gone, LINK_DATA, OPEN, REQUEST, RESET, YOURS
from lib.servers import PASSWORD
from lib.wire import Closed, No, open_imap

NONCE = b'sixteen octets!!'


def three_hosts():
    """Two edges outside, all else inside. dmz1 is the one in other hands: it is not started, the test plays it. dmz3 is one that may submit, too; the
    test plays it, where it is needed."""
    a, b, c = free_offsets(3)
    more = {'log_level': 'info', 'domains': 'localhost', 'hostname': 'localhost'}
    link = {'inside': {'roles': 'auth store submit', 'address': '127.0.0.1', 'port': 9144 + c}}
    return System({
        'dmz1': {'roles': 'edge', 'offset': a, 'config': {**more, 'roles': 'edge', 'link': link}},
        'dmz2': {'roles': 'edge', 'offset': b, 'config': {**more, 'roles': 'edge', 'link': link}},
        'inside': {'roles': 'auth store submit convert', 'offset': c, 'config': {
            **more, 'roles': 'auth store submit convert', 'link_listen': '127.0.0.1',
            'edge_logins_minute': 1000, 'link': {'dmz1': {'roles': 'edge'}, 'dmz2': {'roles': 'edge'}, 'dmz3': {'roles': 'edge submit'}}}},
    })


def can_log_in(host, user='alice'):
    try:
        open_imap(host, user, PASSWORD).close()
        return True
    except (OSError, Closed, No):
        return False


class Play:
    """The inside host and dmz2, running, and what the test needs to be dmz1."""

    def __enter__(self):
        self.system = three_hosts()
        try:
            self.system.start('inside', 'dmz2')
            self.inside, self.dmz2 = self.system.inside, self.system.dmz2
            eventually(lambda: can_log_in(self.dmz2), 'the other edge works')
            self.witness = open_imap(self.dmz2, 'alice', PASSWORD)  # a neighbour, all the time
            self.witness.command('SELECT INBOX')
        except BaseException:
            self.system.stop(False)
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.witness.command('NOOP')  # the same connection as at the beginning
            self.witness.close()
            true(can_log_in(self.dmz2), 'and logins, too')
        elif os.environ.get('LIMETTA_TEST_LOGS'):
            print(self.system.logs())
        self.system.stop(kind is None)

    def gate(self, keys=None, **more):
        return Gate('127.0.0.1', self.inside.link_port, keys or self.system.dmz1.keys(), **more)

    def link(self, to, to_index=0, role='edge', keys=None):
        """A link; a seat may be taken again after half a second only."""
        def come():
            try:
                g = self.gate(keys)
                return g if g.hello(role, to, to_index) else None
            except Gone:
                return None
        return eventually(come, f'{role} to {to} is welcome')

    def is_logged(self, words):
        eventually(lambda: words in self.inside.log(), f'"{words}" in the log')

    def worker(self, user):
        """The store worker that has the user's account, found by asking all of them."""
        auth = self.link('auth')
        for i in range(4):
            ticket = auth.login(user, PASSWORD, NONCE)['ticket']
            g = self.link('store', i)
            s = g.open(service='imap', ticket=ticket, nonce=NONCE, tag='a', tls=1, peer='192.0.2.9', local='127.0.0.1', port=143)
            said, _ = g.read(s)
            g.close()
            if b'a OK' in said:
                auth.close()
                return i
        raise AssertionError('no worker takes a good ticket')


@limetta_only
def test_who_may_come(make):
    """D45: no certificate, a foreign one, one of a host that is not named, TLS 1.2: nobody hears a word. The role is the certificate's, not the one claimed."""
    with Play() as p:
        foreign = os.path.join(p.inside.dir, 'foreign')
        subprocess.run([p.inside.program, 'link-cert', 'ca', '--state', foreign], check=True, capture_output=True)
        subprocess.run([p.inside.program, 'link-cert', 'issue', 'dmz1', '--roles', 'edge', '--out', os.path.join(foreign, 'out'),
                        '--state', foreign], check=True, capture_output=True)
        ours = os.path.join(p.inside.dir, 'unnamed')
        p.system.issue('stranger', 'edge', ours)
        for keys, more in ((None, {'ca': p.system.dmz1.keys()}), (os.path.join(foreign, 'out'), {'ca': p.system.dmz1.keys()}), (ours, {}),
                           (p.system.dmz1.keys(), {'version': ssl.TLSVersion.TLSv1_2})):
            try:
                g = Gate('127.0.0.1', p.inside.link_port, keys, **more)
                true(not g.hello('edge', 'auth'), f'{keys} is welcome')
            except Gone:
                pass
        p.is_logged('no section link is called so')
        for hello in (('store', 'store'), ('submit', 'auth'), ('submit', 'store'), ('auth', 'edge'), ('store', 'submit'),
                      ('edge', 'convert'), ('edge', 'edge'), ('edge', 'supervisor'), ('edge', 'store', 4), ('edge', 'store', 99),
                      ('edge', 'auth', 1), ('edge', 'auth', 0, 7), ('edge', 'auth', 0, 0, 2)):
            g = p.gate()
            try:
                true(not g.hello(*hello), f'{hello} is welcome')
            except Gone:
                pass
            g.close()
        p.is_logged('refused a link from dmz1 [127.0.0.1]')
        # What is no word of a gate's, before and after the first.
        for octets in (b'\0' * 64, b'\xff' * 64, b'\x01\xff\xff\xff', b'\x04\x01\0\0x', b'\x02\0\0\0', b'GET / HTTP/1.1\r\n\r\n'):
            g = p.gate()
            try:
                g.send_raw(octets)
                true(not g.receive_gate() or False, f'{octets!r} is answered')
            except Gone:
                pass
        # Many at once, who say nothing: the neighbour's link and logins stay.
        time.sleep(1.1)  # a line of a kind a second is logged
        idle = []
        for _ in range(200):
            s = socket.create_connection(('127.0.0.1', p.inside.link_port), 10)
            idle.append(s)
        p.is_logged('too many connections')
        for s in idle:
            s.close()


@limetta_only
def test_roles_of_the_certificate(make):
    """D43, D45: a host whose section says more than its certificate is what the certificate says, and no more."""
    with Play() as p:
        keys = {roles: os.path.join(p.inside.dir, 'dmz3 ' + roles) for roles in ('edge', 'submit', 'edge submit')}
        for roles, folder in keys.items():
            p.system.issue('dmz3', roles, folder)
        for claimed, to, only in (('submit', 'auth', 'edge'), ('submit', 'store', 'edge'), ('edge', 'auth', 'submit'), ('edge', 'submit', 'submit')):
            p.link(to, role=claimed, keys=keys['edge submit']).close()  # the section lets it
            g = p.gate(keys[only])
            try:
                true(not g.hello(claimed, to), f'{claimed} to {to} is welcome, its certificate says {only}')
            except Gone:
                pass
            g.close()
        p.is_logged('refused a link from dmz3 [127.0.0.1]: its certificate does not say the role that it claims')


@limetta_only
def test_tickets(make):
    """D43: forged, altered, replayed, for another session, service, user's worker or edge, and none at all: all refused by the store."""
    with Play() as p:
        at = p.worker('alice')
        auth, store = p.link('auth'), p.link('store', at)

        def ticket(nonce=NONCE, service='imap', user='alice'):
            return auth.login(user, PASSWORD, nonce, service)['ticket']

        def show(g, octets, nonce=NONCE, service='imap', **more):
            head = {'service': service, 'nonce': nonce, 'tag': 'a', 'tls': 1, 'peer': '192.0.2.9', 'local': '127.0.0.1', 'port': 143, **more}
            if octets is not None:
                head['ticket'] = octets
            said, _ = g.read(g.open(**head))
            return said

        good = ticket()
        contains(show(store, good), b'a OK')
        true(b'a OK' not in show(store, good), 'a replay is taken')
        for i in range(0, len(good), 7):
            fresh = bytearray(ticket(nonce=NONCE[:15] + bytes([i % 251])))
            fresh[i] ^= 1
            true(b'a OK' not in show(store, bytes(fresh), NONCE[:15] + bytes([i % 251])), f'altered at octet {i}')
        true(b'a OK' not in show(store, ticket(), b'another session!'), 'for another session')
        true(b'a OK' not in show(store, ticket(service='submit')), 'for another service')
        true(b'OK' not in show(store, ticket(), service='sieve', sasl='PLAIN'), 'for another service')
        true(b'a OK' not in show(p.link('store', (at + 1) % 4), ticket()), "at another user's worker")
        for octets in (None, b'', b'\0' * 200, good[:-1], good + b'x'):
            true(b'a OK' not in show(store, octets, user='alice', edge_id='dmz2', auth_user='alice'), 'no ticket at all')
        # What dmz2 got, dmz1 cannot use, whatever it says of itself.
        other = Gate('127.0.0.1', p.inside.link_port, p.dmz2.keys())
        other.tls.settimeout(20)
        true(other.hello('edge', 'auth'), 'dmz2 is welcome')
        stolen = other.login('alice', PASSWORD, NONCE)['ticket']
        other.close()
        true(b'a OK' not in show(store, stolen, edge_id='dmz2', host='dmz2', edge='dmz2'), "another edge's ticket")
        # A yes is only for who knows the password; a password opens that user's account and no other.
        equal(auth.login('bob', 'wrong', NONCE)['result'], b'no')
        data = b'bob\0alice\0' + PASSWORD.encode()
        answer = auth.ask(op='start', service='imap', mechanism='PLAIN', has_initial=1, data=data, tls=1, loopback=0, peer='192.0.2.9', nonce=NONCE)
        equal(answer['result'], b'no')
        eventually(lambda: can_log_in(p.dmz2), 'the other edge has its link again')


@limetta_only
def test_states(make):
    """D43: a session's sealed state goes on for the edge and the client connection that it was given for, and for nobody else, nor changed."""
    with Play() as p:
        at = p.worker('alice')
        auth, store = p.link('auth'), p.link('store', at)
        head = {'service': 'imap', 'nonce': NONCE, 'tls': 1, 'peer': '192.0.2.9', 'local': '127.0.0.1', 'port': 143}
        s = store.open(**head, tag='a', ticket=auth.login('alice', PASSWORD, NONCE)['ticket'])
        said, _ = store.read(s)
        contains(said, b'a OK')
        store.tls.settimeout(2)
        store.read(s)
        true(s in store.states, 'the store gave a state to keep')
        state = store.states[s]
        true(b'alice' not in state, 'it cannot be read')
        store.send(RESET, s)

        def goes_on(g, octets, **other):
            number = g.resume(octets, **{**head, 'said': 0, 'heard': 0, **other})
            try:
                g.say(number, b'x NOOP\r\n')
                g.tls.settimeout(5)
                return b'x OK' in g.read(number)[0]
            except Gone:
                return False

        true(goes_on(store, state), 'as it is')
        for i in range(0, len(state), 5):
            changed = bytearray(state)
            changed[i] ^= 1
            true(not goes_on(store, bytes(changed)), f'changed at octet {i}')
        for octets in (b'', state[:-1], state + b'x', b'\0' * len(state)):
            true(not goes_on(store, octets), 'cut or made up')
        true(not goes_on(store, state, nonce=b'another session!'), 'for another connection')
        true(not goes_on(store, state, service='sieve', sasl='PLAIN'), 'for another service')
        true(not goes_on(p.link('store', (at + 1) % 4), state), "at another user's worker")
        other = p.gate(p.dmz2.keys())
        true(other.hello('edge', 'store', at), 'dmz2 is welcome')
        true(not goes_on(other, state, edge='dmz1', host='dmz1'), 'from another edge')
        other.close()
        for _ in range(100):
            store.resume(b'x' * 64, **{**head, 'said': 0, 'heard': 0})
        p.is_logged('a state from dmz1 is refused: it was not sealed here for this session')
        true(p.inside.log().count('a state from dmz1 is refused') < 100, 'what it does at will fills no disk')
        eventually(lambda: can_log_in(p.dmz2), 'the other edge has its link again')
        p.witness.close()
        p.witness = open_imap(p.dmz2, 'alice', PASSWORD)  # its link was taken by the test


class Session:
    """One session of alice's that the edge opened, and what it says; states: all that were given to keep, in order."""

    def __init__(self, play, link, service, port, **more):
        self.link, self.states = link, []
        self.head = {'service': service, 'nonce': os.urandom(16), 'tls': 1, 'peer': '192.0.2.9', 'local': '127.0.0.1', 'port': port}
        auth = play.link('auth')
        ticket = auth.login('alice', PASSWORD, self.head['nonce'], service=service)['ticket']
        auth.close()
        self.number = link.open(**self.head, ticket=ticket, **more)
        self.hear()

    def hear(self, patience_s=1):
        self.link.tls.settimeout(patience_s)
        said, end = self.link.read(self.number)
        self.states = self.link.all_states.get(self.number, [])
        return said, end

    def say(self, octets):
        """The answer."""
        self.link.say(self.number, octets)
        return self.hear(8)[0]

    def drop(self):
        self.link.send(RESET, self.number)

    def again(self, state, octets, **other):
        """Hands a state back, and says octets to the session that is made of it: what that answers. None: it was refused."""
        self.number = self.link.resume(state, **{**self.head, 'said': 0, 'heard': 0, **other})
        self.link.say(self.number, octets + (b'LOGOUT\r\n' if self.head['service'] == 'sieve' else b'QUIT\r\n'))
        self.link.tls.settimeout(5)
        said, end = self.link.read(self.number)
        if end != RESET:
            self.drop()
        return None if end == RESET and not said else said


IMPOSSIBLE = [{'literal_gone': 1}, {'literal_gone': 2 ** 63 - 1}, {'literal_gone': 2 ** 64 - 1}, {'said': 1, 'tail': b'x'},
              {'said': 64, 'tail': b'x' * 64}, {'said': 2 ** 63, 'tail': b''}, {'said': 1, 'tail': b'xx'}, {'said': 99, 'tail': b'x' * 99}]


def refuse_all(s, state, fine, others):
    """The state goes on as it is; changed, cut, for another session or service it does not."""
    true(fine(s.again(state, b'NOOP\r\n')), 'as it is')
    for i in range(0, len(state), 7):
        changed = bytearray(state)
        changed[i] ^= 4
        true(s.again(bytes(changed), b'NOOP\r\n') is None, f'changed at octet {i}')
    for octets in (b'', state[:-1], state + b'x', state[:41], b'\0' * len(state)):
        true(s.again(octets, b'NOOP\r\n') is None, 'cut or made up')
    for other in others:
        true(s.again(state, b'NOOP\r\n', **other) is None, f'with {other}')


@limetta_only
def test_states_of_submission(make):
    """D43: the same of submissions. A message that was under way is never sent by handing back its session, and what was acknowledged is there once."""
    envelope = [b'EHLO phone\r\n', b'MAIL FROM:<alice@localhost>\r\n', b'RCPT TO:<alice@localhost>\r\n']
    text = b'From: alice@localhost\r\nSubject: %s\r\n\r\none\r\ntwo\r\n'
    rest = b'.\r\nRSET\r\nNOOP\r\n'

    def count(word):
        p.witness.command('NOOP')
        found = [line for line in p.witness.command(f'SEARCH SUBJECT {word}') if line.startswith(b'* SEARCH')]
        return len(found[0].split()) - 2

    with Play() as p:
        submit = p.link('submit')
        s = Session(p, submit, 'submit', 587, helo='phone')
        for line in envelope:
            contains(s.say(line), b'250')
        contains(s.say(b'DATA\r\n'), b'354')
        submit.say(s.number, text % b'data')
        s.hear()
        under_way = list(s.states)
        true(len(under_way) >= 3, 'states between messages, in the envelope and in the content')
        s.drop()
        # Whatever is said behind them, these are messages that nobody finishes any more.
        for state in under_way[1:]:
            for octets in (rest, text % b'data' + rest, b'DATA\r\n' + text % b'data' + rest, b'BDAT 9 LAST\r\n' + b'123456789' + rest):
                said = s.again(state, octets)
                true(not said or b'451 4.3.2' in said or b'500 ' in said, f'{said} after {octets}')
                true(b'queued' not in (said or b'').lower(), said)
        for state in under_way:
            for other in IMPOSSIBLE:
                said = s.again(state, rest, **other)
                true(b'queued' not in (said or b'').lower(), f'{said} with {other}')
            true(b'235' not in (s.again(state, rest, heard=2 ** 64 - 1, literal_gone=0) or b''), 'much was heard')
        # BDAT: a chunk with its literal, and its end that comes again.
        s = Session(p, submit, 'submit', 587, helo='phone')
        for line in envelope:
            contains(s.say(line), b'250')
        chunk = text % b'bdat'
        contains(s.say(b'BDAT %d\r\n' % len(chunk) + chunk), b'250')
        submit.say(s.number, b'BDAT 100 LAST\r\n' + b'x' * 40)
        s.hear()
        for state in s.states[1:]:
            for octets, gone in ((b'x' * 60, 0), (b'x' * 100, 0), (b'x' * 60, 40), (b'', 100), (b'BDAT 1 LAST\r\nx', 0)):
                said = s.again(state, octets + b'\r\nNOOP\r\n', literal_gone=gone)
                true(b'queued' not in (said or b'').lower(), f'{said} after {octets}')
        equal(count('data') + count('bdat'), 0, 'nothing came of any of that')
        # One that is acknowledged: it is there once, whichever of its states comes back.
        s = Session(p, submit, 'submit', 587, helo='phone')
        for line in envelope:
            contains(s.say(line), b'250')
        contains(s.say(b'DATA\r\n'), b'354')
        contains(s.say(text % b'whole' + b'.\r\n'), b'250')
        s.drop()
        eventually(lambda: count('whole') == 1, 'the message came')
        for state in s.states:
            for octets in (rest, text % b'whole' + rest):
                s.again(state, octets, heard=len(octets))
        refuse_all(s, s.states[-1], lambda said: said is not None and b'250' in said,
                   [{'nonce': b'another session!'}, {'service': 'imap'}, {'service': 'sieve'}, {'said': 1, 'tail': b'x'}, {'literal_gone': 1}])
        store = p.link('store', 0)
        s.link = store
        true(s.again(s.states[-1], b'NOOP\r\n', service='imap', tag='a') is None, 'at the store')
        equal(count('whole'), 1, 'once')


@limetta_only
def test_states_of_managesieve(make):
    """D43: the same of ManageSieve sessions: none can be altered, moved or made to go on where it never was."""
    with Play() as p:
        store = p.link('store', p.worker('alice'))
        s = Session(p, store, 'sieve', 4190, sasl='PLAIN')
        contains(s.say(b'PUTSCRIPT "one" "keep;"\r\n'), b'OK')
        contains(s.say(b'PUTSCRIPT "two" {40+}\r\nkeep; # and not the wh'), b'')
        s.drop()
        true(len(s.states) >= 1, 'the store gave a state to keep')
        last = s.states[-1]
        refuse_all(s, last, lambda said: said is not None and b'OK' in said,
                   [{'nonce': b'another session!'}, {'service': 'imap', 'tag': 'a'}, {'service': 'submit'}])
        for state in s.states:
            for other in IMPOSSIBLE + [{'heard': 2 ** 64 - 1}, {'heard': 5}]:
                said = s.again(state, b'LISTSCRIPTS\r\nPUTSCRIPT "three" "stop;"\r\nLISTSCRIPTS\r\n', **other)
                true(not said or said.endswith(b'\r\n'), f'{said} with {other}')
        said = s.again(last, b'LISTSCRIPTS\r\n')
        contains(said, b'"one"')
        true(b'"two"' not in said, 'half a script is none')


@limetta_only
def test_rights_of_others(make):
    """D42: what a submission server, a store or an operator may ask is not an edge's to ask."""
    with Play() as p:
        auth, store, submit = p.link('auth'), p.link('store', 0), p.link('submit')
        for op in ({'op': 'lookup', 'address': 'bob@localhost'}, {'op': 'sender', 'user': 'alice', 'address': 'bob@localhost'},
                   {'op': 'users'}, {'op': 'password', 'user': 'alice', 'password': PASSWORD}, {'op': 'continue', 'exchange': 1, 'data': ''},
                   {}):
            answer = auth.ask(**op)
            equal(answer['result'], b'no', op)
            true(set(answer) <= {'result', 'code', 'delay_ms'}, f'{op}: {answer}')
        for head in ({'service': 'lmtp'}, {'service': 'peer', 'user': 'alice', 'asker': 'bob', 'prefix': 'x', 'modes': ''},
                     {'service': 'urlfetch', 'url': 'imap://alice@localhost/INBOX;UID=1', 'user': 'alice', 'is_submit': 1},
                     {'service': 'convert'}, {'service': 'inject', 'user': 'alice', 'token': 'x', 'size': 1, 'from': '', 'to': 'bob@localhost'},
                     {'service': 'nothing'}, {}):
            for g in (store, submit):
                said, end = g.read(g.open(**head))
                equal((said, end), (b'', RESET), head)
        p.is_logged('edge of dmz1 asked for a session that it may not have')
        time.sleep(1.1)
        g = p.link('submit')
        g.send(REQUEST, 1, fields(op='post', url='https://localhost/', body='{}'))
        kind, _, payload = g.receive()
        contains(payload, b'result=failed')
        p.is_logged('edge of dmz1 asked for a thing that it may not have')


@limetta_only
def test_broken_frames(make):
    """What no link says ends that link and no other, and is logged; the gate takes the next one."""
    def frames(g, store):
        yield lambda: g.send(13, 0, b'')
        yield lambda: g.send(200, 0, b'')
        yield lambda: g.send(OPEN, YOURS, fields(service='imap'))
        yield lambda: g.send(OPEN, 0, b'', length=1 << 30)
        yield lambda: g.send(LINK_DATA, 0, b'', length=0)
        yield lambda: g.send(3, 0, b'\0\0\0\0')
        yield lambda: g.send(3, 0, b'')
        yield lambda: g.send(12, 0, b'')
        yield lambda: g.send_gate(1, b'again')
        yield lambda: g.send_gate(9, b'')
    with Play() as p:
        count = len(list(frames(None, None)))
        for i in range(count):
            g = p.link('store', i % 4)
            list(frames(g, i % 4))[i]()
            try:
                while True:
                    g.receive()
            except Gone:
                pass
            except socket.timeout:
                raise AssertionError(f'frame {i} is taken') from None
        p.is_logged('link: ')
        # A session's data before it is open, for one that is not there, beyond its window: dropped, or the end of that link.
        g = p.link('store', 0)
        g.send(LINK_DATA, 77, b'x' * 1000)
        s = g.open(service='imap', ticket=b'', nonce=NONCE, tag='a')
        g.read(s)
        g.close()
        # Heads at random.
        for seed in range(20):
            g = p.link('store', seed % 4)
            g.send(OPEN, 0, bytes((seed * 31 + i * i) % 256 for i in range(200)))
            try:
                g.read(0)
            except Gone:
                pass
            g.close()


@limetta_only
def test_flood(make):
    """D42: a flood of logins from made-up addresses at auth, of sessions without tickets at a store: users of the other edge log in meanwhile."""
    with Play() as p:
        stop = threading.Event()
        counts = {'asked': 0, 'opened': 0}

        def flood_auth():
            g = p.link('auth')
            n = 0
            try:
                while not stop.is_set():
                    data = b'\0user%d\0guess' % (n % 50)
                    g.send(REQUEST, n % 0x7fffffff, fields(op='start', service='imap', mechanism='PLAIN', has_initial=1, data=data, tls=1, loopback=0,
                                                           peer=f'10.{n % 200}.{n // 200 % 250}.1', nonce=NONCE))
                    n += 1
                    counts['asked'] = n
                    if n % 100 == 0:
                        g.tls.settimeout(0.02)
                        try:
                            g.receive()
                        except socket.timeout:
                            pass
            except Gone:
                pass

        def flood_store():
            g = p.link('store', 0)
            try:
                while not stop.is_set():
                    g.open(service='imap', ticket=b'x' * 100, nonce=NONCE, tag='a')
                    counts['opened'] += 1
                    if counts['opened'] % 100 == 0:
                        g.tls.settimeout(0.02)
                        try:
                            g.receive()
                        except socket.timeout:
                            pass
            except Gone:
                pass

        threads = [threading.Thread(target=f) for f in (flood_auth, flood_store)]
        for t in threads:
            t.start()
        try:
            eventually(lambda: counts['asked'] > 2000 and counts['opened'] > 2000, 'the flood runs', 60)
            p.inside.run('user', 'add', 'carol', '--password-stdin', input=PASSWORD.encode() + b'\n')
            for _ in range(5):
                true(can_log_in(p.dmz2, 'alice'), 'a user whose password was checked lately')
            true(can_log_in(p.dmz2, 'carol'), 'and one who comes for the first time')
            p.witness.command('NOOP')
            p.is_logged('edge dmz1 brings more than')
        finally:
            stop.set()
            for t in threads:
                t.join()
        true('edge dmz2 brings' not in p.inside.log(), 'the other edge is not blamed')


