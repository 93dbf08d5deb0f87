"""D6, D11, D41, D42, D43: a DMZ as RFC 5383, 8 asks for, from the files of etc/deploy: default-deny firewalls on both sides, only the documented ports open."""
import glob
import os
import re
import socket
import sqlite3
import ssl

from lab import Lab, needs_lab
from lab.space import Space
from lib.check import contains, equal, eventually, message, run, true
from lib.hosts import System
from lib.link_peer import Gate, Gone
from lib.servers import children, PASSWORD, TOP
from lib.wire import Closed, context_for, Imap, No, plain, Smtp

IS_LAB = True
PROGRAM = os.path.join(TOP, os.environ.get('LIMETTA_BUILD', 'build'), 'limetta')
NONCE = b'sixteen octets!!'


def rules(*options):
    return run([PROGRAM, 'firewall', 'print', '--layout', 'dmz', *options]).decode()


def start_tls(c, host):
    c.command('STARTTLS')
    c.start_tls(context_for(host.cert), 'mail.example.org')


def log_in(phone, host, address, user='alice'):
    with phone.inside():
        c = Imap(address, 143)
    start_tls(c, host)
    c.login(user, PASSWORD)
    return c


def can_log_in(*args):
    try:
        log_in(*args).close()
        return True
    except (OSError, Closed, No):
        return False


def open_submission(phone, host, address):
    with phone.inside():
        c = Smtp(address, 587)
    c.command('EHLO phone.example')
    start_tls(c, host)
    c.command('EHLO phone.example')
    c.command(f'AUTH PLAIN {plain("alice", PASSWORD)}')
    return c


def sign(c, octets):
    """A message in alice's Sent; a URL for it."""
    answer = c.append('Sent', octets)[-1]
    validity, uid = map(int, re.search(rb'APPENDUID (\d+) (\d+)', answer).groups())
    rump = f'imap://alice@mail.example.org/Sent;UIDVALIDITY={validity}/;UID={uid};URLAUTH=submit+alice'
    return re.search(rb'GENURLAUTH "?([^"\r\n]+)', c.command(f'GENURLAUTH "{rump}" INTERNAL')[0]).group(1).decode()


def burl(phone, host, address, url):
    """The last reply to a submission that names the URL."""
    c = open_submission(phone, host, address)
    c.command('MAIL FROM:<alice@example.org>')
    c.command('RCPT TO:<bob@example.org>')
    c.settimeout(150)
    reply = c.command(f'BURL {url} LAST', must_be_ok=False)[-1]
    c.close()
    return reply


def has_mail(phone, host, address, subject):
    c = log_in(phone, host, address, 'bob')
    c.command('EXAMINE INBOX')
    found = c.command(f'SEARCH SUBJECT "{subject}"')[0].split()[2:]
    c.close()
    return bool(found)


def mail_flows(phone, host, address, subject, submission=None):
    """Login, store, forward without download, delivery, fetch."""
    where = submission or address
    eventually(lambda: can_log_in(phone, host, address), 'a login', 60)
    c = log_in(phone, host, address)
    url = sign(c, message(subject))
    c.close()
    contains(burl(phone, host, where, url), '250 ')
    eventually(lambda: has_mail(phone, host, address, subject), f'{subject} arrives', 60)


class Dmz:
    """The lab with etc/deploy/dmz-*.conf in dmz and int, and what `limetta firewall print` says in both firewalls."""

    def __enter__(self):
        self.lab = Lab(has_firewalls=False)
        try:
            lab = self.lab
            self.system = System({
                'dmz1': {'roles': 'edge submit', 'sample': 'dmz-outside.conf', 'space': lab.dmz},
                'inside': {'roles': 'auth store convert', 'sample': 'dmz-inside.conf', 'space': lab.int}})
            lab.fw.nft(rules('--outside', 'out0', '--dmz', 'in0', '--imap', lab.dmz.v4))
            lab.fw2.nft(rules('--dmz', 'out0', '--inside', 'in0', '--store', lab.int.v4))
            self.dmz1, self.inside = self.system.dmz1, self.system.inside
        except BaseException:
            self.lab.close()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and os.environ.get('LIMETTA_TEST_LOGS'):
            print(self.system.logs())
        try:
            self.system.stop(kind is None)
        finally:
            self.lab.close()


def memory_of(pid):
    """All that a process may read of itself."""
    found = b''
    with open(f'/proc/{pid}/maps') as maps, open(f'/proc/{pid}/mem', 'rb', 0) as mem:
        for line in maps:
            m = re.match(r'([0-9a-f]+)-([0-9a-f]+) r', line)
            if not m or '[v' in line:
                continue
            begin, end = (int(x, 16) for x in m.groups())
            try:
                mem.seek(begin)
                found += mem.read(end - begin)
            except OSError:
                pass
    return found


def files_of(host):
    found = b''
    for path in glob.glob(host.dir + '/**', recursive=True):
        if os.path.isfile(path):
            with open(path, 'rb') as f:
                found += f.read()
    return found


def secrets_of(inside):
    """What must be nowhere outside: as octets, by name. Of each verifier every field that is not public."""
    with open(os.path.join(inside.keys(), 'ticket-private.pem'), 'rb') as f:
        pem = f.read()
    found = {'the ticket key, PEM': pem.split(b'\n')[1], 'the ticket key': ssl.PEM_cert_to_DER_cert(
        pem.decode().replace('PRIVATE KEY', 'CERTIFICATE'))[-32:]}
    with open(os.path.join(inside.keys(), 'link-ca-key.pem'), 'rb') as f:
        found["the authority's key"] = f.read().split(b'\n')[1]
    for path in glob.glob(os.path.join(inside.keys(), 'seal*')):
        with open(path, 'rb') as f:
            found[os.path.basename(path)] = f.read().strip()[:32]
    db = sqlite3.connect(f'file:{inside.state}/auth/users.db?mode=ro', uri=True)
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in db.execute(f'SELECT * FROM {table}').fetchall():
            for i, value in enumerate(row):
                octets = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else b''
                if len(octets) >= 16 and b'limetta-submit' not in octets:
                    found[f'{table}, {row[0]}, column {i}'] = octets
    db.close()
    return found


@needs_lab
def test_mail_flows(_):
    """The sample files, as they are: end to end through both firewalls, and nothing beside it (D41)."""
    with Dmz() as d:
        d.system.start()
        lab = d.lab
        mail_flows(lab.cli, d.dmz1, lab.dmz.v4, 'through two firewalls')
        ports = (22, 24, 25, 80, 143, 443, 587, 4190, 9143, 9144)
        equal(lab.cli.open_ports(lab.dmz.v4, ports), [143, 587, 4190], 'from outside to the DMZ')
        equal(lab.dmz.open_ports(lab.int.v4, ports), [9144], 'from the DMZ to the inside')
        equal(lab.cli.open_ports(lab.int.v4, ports), [], 'from outside to the inside')
        equal(lab.int.open_ports(lab.dmz.inner_v4, ports), [], 'from the inside to the DMZ')
        # The link breaks for a while: the same sessions afterwards, none was ended (links have no short time-outs).
        c = log_in(lab.cli, d.dmz1, lab.dmz.v4)
        c.command('SELECT INBOX')
        with lab.fw2.while_cut('out0'):
            c.send(b'x NOOP\r\n')
            c.settimeout(2)
            try:
                true(not c.read_line(), 'answered through a cut wire')
            except (socket.timeout, TimeoutError):
                pass
        c.settimeout(60)
        contains(c.until(b'x')[-1], b'OK')
        c.command('NOOP')
        c.close()
        # A role inside dies, or all of it: the DMZ finds it again by itself.
        d.inside.shut_down()
        d.system.start('inside')
        eventually(lambda: can_log_in(lab.cli, d.dmz1, lab.dmz.v4), 'logins work again', 60)


@needs_lab
def test_nothing_to_take(_):
    """D42: memory of all processes in the DMZ and all files there hold no verifier, no key of tickets or seals, no account, also right after logins."""
    with Dmz() as d:
        d.system.start()
        mail_flows(d.lab.cli, d.dmz1, d.lab.dmz.v4, 'before the search')
        open_sessions = [log_in(d.lab.cli, d.dmz1, d.lab.dmz.v4) for _ in range(5)]
        secrets = secrets_of(d.inside)
        true(len(secrets) >= 8, f'there is something to look for: {sorted(secrets)}')
        inside = b''.join(memory_of(p) for role in ('auth',) for p in d.inside.pids(role)) + files_of(d.inside)
        missing = [name for name, octets in secrets.items() if octets not in inside]
        equal(missing, [], 'the search finds what is there')
        dump = {f'process {p}': memory_of(p) for p in children(d.dmz1.process.pid)}
        dump['files'] = files_of(d.dmz1)
        true(len(dump) >= 5, 'supervisor, edge, submit, gate and the files')
        for where, octets in dump.items():
            for name, secret in secrets.items():
                true(secret not in octets, f'{where}: {name}')
            for word in (b'$argon2id$', b'SCRAM-SHA-256$'):
                # limetta itself, being the tool that makes users too, knows the word; no role does.
                is_role = where.startswith('process') and where != f'process {d.dmz1.process.pid}'
                true(not is_role or word not in octets, f'{where}: {word}')
        for name in ('auth', 'accounts'):
            true(not os.path.exists(os.path.join(d.dmz1.state, name)), f'no {name} in the DMZ')
        link_key = open(os.path.join(d.dmz1.keys(), 'link-key.pem'), 'rb').read().split(b'\n')[1]
        for role in ('edge', 'submit'):
            for p in d.dmz1.pids(role):
                true(link_key not in memory_of(p), f'the link key is in {role}: only the gate has it')
        for c in open_sessions:
            c.close()


@needs_lab
def test_edge_in_other_hands(_):
    """D43: from the DMZ, with the host's certificate: the roles of that host, and no more. What it says is in the log inside."""
    with Dmz() as d:
        d.system.start('inside')
        keys, lab = d.dmz1.keys(), d.lab

        def gate():
            with lab.dmz.inside():
                return Gate(lab.int.v4, 9144, keys)

        eventually(lambda: 'limetta is ready' in d.inside.log(), 'inside serves')
        for hello in (('auth', 'store'), ('store', 'store'), ('edge', 'submit'), ('edge', 'store', 4)):
            g = gate()
            try:
                true(not g.hello(*hello), f'{hello} is welcome')
            except Gone:
                pass
            g.close()
        g = gate()
        true(g.hello('edge', 'auth'), 'an edge may ask auth')
        equal(g.ask(op='lookup', address='bob@example.org')['result'], b'no')
        equal(g.login('bob', 'guess', NONCE)['result'], b'no')
        # The certificate is stolen, and the operator knows: its section goes, and so does its worth.
        d.inside.replace = [('link "dmz1"', 'link "dmz2"')]
        d.inside.shut_down()
        d.system.start('inside')
        eventually(lambda: d.inside.log().count('limetta is ready') == 2, 'inside serves')
        g = gate()
        try:
            true(not g.hello('edge', 'auth'), 'welcome without a section')
        except Gone:
            pass
        eventually(lambda: 'refused a link from dmz1 [10.1.0.' in d.inside.log(), 'that is logged')


def submission_inside(lab, names='', **section):
    """Edge in the DMZ, all else inside; submission fetches from the edge across the inner firewall, by IPv6 only."""
    common = {'hostname': 'mail.example.org', 'domains': 'example.org', 'tls': 'required', 'workers': 2}
    system = System({
        'dmz1': {'roles': 'edge', 'space': lab.dmz, 'config': {
            **common, 'roles': 'edge', 'link': {'inside': {'roles': 'auth store submit', 'address': lab.int.v6}}}},
        'inside': {'roles': 'auth store submit convert', 'space': lab.int, 'names': names, 'config': {
            **common, 'roles': 'auth store submit convert', 'link_listen': lab.int.v6, 'link': {'dmz1': {'roles': 'edge'}}}}})
    system.inside.settings['burl'] = {'mail.example.org': {'user': 'limetta-submit', 'ca_file': system.dmz1.cert, **section}}
    return system


@needs_lab
def test_submission_inside(_):
    """D6, D11: the submission server opens its connection to the IMAP server across a firewall, IPv6 only; shut, it says so in time."""
    with Lab(has_firewalls=False) as lab, submission_inside(lab, address=lab.dmz.inner_v6) as s:
        lab.fw.nft(rules('--outside', 'out0', '--dmz', 'in0', '--imap', lab.dmz.v6))
        text = rules('--dmz', 'out0', '--inside', 'in0', '--store', lab.int.v6, '--submission-zone', 'inside', '--config', s.inside.config)
        lab.fw2.nft('\n'.join(l for l in text.split('\n') if ' dport 143 ' not in l))
        s.start()
        eventually(lambda: can_log_in(lab.cli, s.dmz1, lab.dmz.v6), 'a login', 60)
        c = log_in(lab.cli, s.dmz1, lab.dmz.v6)
        url = sign(c, message('shut out'))
        c.close()
        contains(burl(lab.cli, s.dmz1, lab.dmz.v6, url), '451 4.4.1')
        lab.fw2.nft('delete table inet limetta')
        lab.fw2.nft(text)
        mail_flows(lab.cli, s.dmz1, lab.dmz.v6, 'by IPv6 alone')


@needs_lab
def test_several_addresses(_):
    """D11: a name with several addresses, the first of which does not answer."""
    with Lab(has_firewalls=False) as lab:
        names = f'127.0.0.1 localhost\n10.1.0.2 mail.example.org\n2001:db8:a1::2 mail.example.org\n{lab.dmz.inner_v4} mail.example.org\n'
        with submission_inside(lab, names) as s:
            s.start()
            mail_flows(lab.cli, s.dmz1, lab.dmz.v4, 'the third address')


class Segment:
    """Hosts on one wire, each in a namespace, with addresses of both networks of the samples."""

    def __init__(self, addresses):
        self.switch = Space('switch')
        self.spaces = [self.switch]
        self.switch.ip('link add br0 type bridge', 'link set br0 up')
        for i, (name, address) in enumerate(addresses.items()):
            space = Space(name)
            space.v4 = address
            self.spaces.append(space)
            setattr(self, name, space)
            self.switch.ip(f'link add p{i} type veth peer name eth0 netns {space.path}', f'link set p{i} master br0', f'link set p{i} up')
            space.ip('link set lo up', f'addr add {address}/24 dev eth0', 'link set eth0 up', 'route add default dev eth0')

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for s in reversed(self.spaces):
            s.close()


@needs_lab
def test_several_hosts(_):
    """The samples for two edges, a submission server, auth and two store hosts (D6: it fetches from an edge by TCP)."""
    addresses = {'cli': '203.0.113.99', 'edge1': '203.0.113.2', 'edge2': '203.0.113.3', 'submit1': '203.0.113.4', 'auth1': '10.2.0.10',
                 'store1': '10.2.0.11', 'store2': '10.2.0.12'}
    roles = {'edge1': 'edge', 'edge2': 'edge', 'submit1': 'submit', 'auth1': 'auth', 'store1': 'store convert', 'store2': 'store convert'}
    users = ('alice', 'bob') + tuple(f'user{i}' for i in range(8))
    with Segment(addresses) as wire:
        with System({name: {'roles': r, 'sample': f'several-{name}.conf', 'space': getattr(wire, name)} for name, r in roles.items()}, users) as s:
            s.submit1.replace = [('user = "limetta-submit"', f'user = "limetta-submit"\n    ca_file = "{s.edge1.cert}"')]
            s.start()
            for name in ('edge1', 'edge2'):
                host, address = s.hosts[name], addresses[name]
                for user in users:
                    eventually(lambda: can_log_in(wire.cli, host, address, user), f'{user} at {name}', 60)  # pylint: disable=cell-var-from-loop
            mail_flows(wire.cli, s.edge1, addresses['edge1'], 'among six')
            true(has_mail(wire.cli, s.edge2, addresses['edge2'], 'among six'), 'seen through the other edge')
            accounts = [set(os.listdir(os.path.join(s.hosts[n].state, 'accounts'))) for n in ('store1', 'store2')]
            true(all(accounts), 'both store hosts have accounts')
            true(not accounts[0] & accounts[1], 'and none has two homes')
            # A store host goes and comes; the other one's users notice nothing.
            s.store1.shut_down()
            works = [u for u in users if can_log_in(wire.cli, s.edge1, addresses['edge1'], u)]
            true(0 < len(works) < len(users), f'some of them: {works}')
            s.start('store1')
            for user in users:
                eventually(lambda: can_log_in(wire.cli, s.edge2, addresses['edge2'], user), f'{user} again', 60)  # pylint: disable=cell-var-from-loop


@needs_lab
def test_one_host(_):
    """The sample for one host is one."""
    with Lab() as lab:
        with System({'one': {'roles': 'edge auth store submit convert', 'sample': 'one-host.conf', 'space': lab.dmz}}) as s:
            s.start()
            mail_flows(lab.cli, s.one, lab.dmz.v4, 'on one host')
