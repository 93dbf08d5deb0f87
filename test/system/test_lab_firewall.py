"""`limetta firewall print`: its rules stand in the firewalls, mail flows, and nothing else does; without the line of a port, that port is shut (D3, D30,
D32, D35, D36)."""
import os
import re
import socket
import subprocess

from lab import Lab, needs_lab
from lib.check import contains, equal, eventually, message, run, true
from lib.servers import PASSWORD, TOP
from lib.sink import Sink
from lib.wire import Imap, Smtp, plain

IS_LAB = True
PROGRAM = os.path.join(TOP, os.environ.get('LIMETTA_BUILD', 'build'), 'limetta')
GATEWAY = ('--outside', 'out0', '--dmz', 'in0')


def rules(*options):
    return run([PROGRAM, 'firewall', 'print', *options]).decode()


def without(text, port):
    """The rules without the lines of a port."""
    left = [l for l in text.split('\n') if f' dport {port} ' not in l]
    true(len(left) < len(text.split('\n')), f'port {port} has a line')
    return '\n'.join(left)


def relay_settings():
    return {'relay_host': '198.51.100.1:2525', 'relay_tls': 'off', 'domains': 'localhost'}


def submit(lab, host, to, subject):
    with lab.cli.inside():
        c = Smtp(host, 587)
        for line in ('EHLO phone.example', f'AUTH PLAIN {plain("alice", PASSWORD)}', 'MAIL FROM:<alice@localhost>', f'RCPT TO:<{to}>', 'DATA'):
            c.command(line)
        c.send(message(subject) + b'.\r\n')
        c.reply()
        c.close()


def read(lab, host, subject):
    with lab.cli.inside():
        c = Imap(host, 143)
        c.login('bob', PASSWORD)

        def has_come():
            c.command('SELECT INBOX')
            return subject.encode() in b''.join(c.command('FETCH 1:* (ENVELOPE)', must_be_ok=False))
        eventually(has_come, f'{subject} arrives')
        c.close()


@needs_lab
def test_in_front_of_one_host(_):
    """All three ways of D30, as far as they cross the firewall, and mail to the relay."""
    with Lab(has_firewalls=False, fw_timeout=432000) as lab, lab.serve(config=relay_settings()) as server:
        text = rules(*GATEWAY, '--imap', f'{lab.dmz.v4} {lab.dmz.v6}', '--config', server.config)
        lab.fw.nft(text)
        equal(lab.cli.open_ports(lab.dmz.v4, (22, 24, 143, 587, 4190, 9143)), [143, 587, 4190])
        for host in (lab.dmz.v4, lab.dmz.v6):
            submit(lab, host, 'bob@localhost', f'through {host}')
            read(lab, host, f'through {host}')
        with lab.nat.inside():
            sink = Sink(host='198.51.100.1', port=2525)
        with sink:
            submit(lab, lab.dmz.v4, 'carol@elsewhere.example', 'outward')
            contains(sink.wait(1)[0][2], b'Subject: outward')
        # What is remembered, and for how long: RFC 5382's time, not Linux's five days (D36).
        with lab.cli.inside():
            kept = [Imap(host, 143) for host in (lab.dmz.v4, lab.dmz.v6)]
        times = [int(t) for t in re.findall(r'^ipv[46].* tcp +6 (\d+) ESTABLISHED .*dport=143 ', lab.fw.read('nf_conntrack'), re.M)]
        true(len(times) >= 2 and all(7400 <= t <= 7440 for t in times), f'time-outs of established connections: {times}')
        for c in kept:
            c.close()


@needs_lab
def test_each_line_opens_its_port(_):
    """D3: a port whose line is missing is shut, and only that one."""
    with Lab(has_firewalls=False) as lab, lab.serve():
        text = rules(*GATEWAY)
        for port in (143, 587, 4190):
            lab.fw.nft(without(text, port))
            equal([p for p in (143, 587, 4190) if not lab.cli.reaches(lab.dmz.v4, p)], [port])
            lab.fw.nft('delete table inet limetta')


@needs_lab
def test_two_firewalls_around_a_dmz(_):
    """Only the links lead inside, nothing leads out of there. The inside is played by listeners."""
    with Lab(has_firewalls=False) as lab:
        lab.fw.nft(rules('--layout', 'dmz', '--outside', 'out0', '--dmz', 'in0'))
        lab.fw2.nft(rules('--layout', 'dmz', '--dmz', 'out0', '--inside', 'in0', '--store', f'{lab.int.v4} {lab.int.v6}'))
        for space in (lab.dmz, lab.int, lab.nat):
            for port in (22, 80, 143, 587, 4190, 9143, 9144):
                space.listen('0.0.0.0', port)
        ports = (22, 80, 143, 587, 4190, 9143, 9144)
        equal(lab.cli.open_ports(lab.dmz.v4, ports), [143, 587, 4190], 'from outside to the DMZ')
        equal(lab.dmz.open_ports(lab.int.v4, ports), [9144], 'from the DMZ to the inside')
        equal(lab.dmz.open_ports('198.51.100.1', ports), [], 'from the DMZ to the outside')
        equal(lab.int.open_ports(lab.dmz.inner_v4, (80, 143, 9144)), [], 'from the inside to the DMZ')
        equal(lab.cli.open_ports(lab.int.v4, (143, 9144)), [], 'from outside to the inside')


@needs_lab
def test_submission_inside(_):
    """S -> I crosses the inner firewall then, and so does mail that leaves (D30)."""
    with Lab(has_firewalls=False) as lab:
        settings = os.path.join('/dev', 'stdin')
        text = subprocess.run([PROGRAM, 'firewall', 'print', '--layout', 'dmz', '--dmz', 'out0', '--inside', 'in0', '--submission-zone', 'inside',
                               '--config', settings], input='relay_host = "198.51.100.1:2525"\n', capture_output=True, text=True, check=True).stdout
        lab.fw2.nft(text)
        for space in (lab.dmz, lab.nat):
            for port in (143, 587, 2525):
                space.listen('0.0.0.0', port)
        equal(lab.int.open_ports(lab.dmz.inner_v4, (143, 587, 2525)), [143, 2525])
        lab.fw2.nft('delete table inet limetta')
        lab.fw2.nft(without(text, 143))
        equal(lab.int.open_ports(lab.dmz.inner_v4, (143, 587, 2525)), [2525])


@needs_lab
def test_on_the_host_itself(_):
    with Lab(has_firewalls=False) as lab, lab.serve(config={'port_offset': 1000}, offset=1000) as server:
        lab.dmz.nft(rules('--config', server.config))
        lab.dmz.listen('0.0.0.0', 80)
        for host in (lab.dmz.v4, lab.dmz.v6):
            equal(lab.cli.open_ports(host, (80, 143, 1143, 1587, 5190, 10143)), [1143, 1587, 5190], host)
        contains(lab.cli.run(['ping', '-c', '1', '-W', '2', lab.dmz.v6]) if os.path.exists('/bin/ping') else ' 0% packet loss', ' 0% packet loss')


@needs_lab
def test_too_big_passes(_):
    """A narrow wire behind the firewall: the server hears of it by ICMP that the rules let through, IPv4 and IPv6. Without those two lines large mail
    hangs."""
    with Lab(has_firewalls=False, mtu=1290) as lab, lab.serve() as server:
        text = rules(*GATEWAY)
        body = 'x' * 70 + '\r\n'
        with lab.dmz.inside():
            c = Imap(server.host, 143)
        c.login('alice', PASSWORD)
        c.append('INBOX', message('large', body * 1000))
        c.close()
        for host in (lab.dmz.v4, lab.dmz.v6):
            for may_pass in (False, True):
                lab.fw.nft(text if may_pass else '\n'.join(l for l in text.split('\n') if 'ct state related' not in l))
                with lab.cli.inside():
                    c = Imap(host, 143)
                c.login('alice', PASSWORD)
                c.command('SELECT INBOX')
                c.settimeout(30 if may_pass else 2)
                try:
                    contains(b''.join(c.command('FETCH * BODY[]')), body.encode() * 1000)
                    true(may_pass, 'it passes without ICMP: a test without a point')
                except socket.timeout:
                    true(not may_pass, 'it hangs, though ICMP may pass')
                c.close()
                lab.fw.nft('delete table inet limetta')


def table_of(settings, *options):
    """The rows, as cells."""
    r = subprocess.run([PROGRAM, 'firewall', 'table', *options, '--config', '/dev/stdin'], input=settings, capture_output=True, text=True, check=True)
    return [[c.strip() for c in l.strip('|').split('|')] for l in r.stdout.strip().split('\n')[2:]]


def test_the_table_says_the_same(_):
    """What docs/firewall-request.md is filled with, for settings with everything."""
    settings = '''
        lmtp_listen = "127.0.0.1 203.0.113.2"
        lmtp_allow = "198.51.100.0/24"
        delivery = "direct"
        routes = "b.example=smtp://mx.b.example:2525"
        notify_webhooks = "https://hooks.example/a https://hooks.example:8443/b"
        ldap_url = "ldaps://ldap.example"
        oauth_introspection = "https://issuer.example:8444/judge"
        burl "imap.partner.example" {
            port = 1143
            password = "x"
        }
        '''
    links = '''
        roles = "edge submit"
        link "inner" {
            roles = "auth store"
            address = "10.2.0.2 2001:db8:a2::2"
            port = 9999
        }
        link "stranger" {
            roles = "edge"
        }
        '''
    first = [('outside', 'dmz', 'TCP 143'), ('outside', 'dmz', 'TCP 587'), ('outside', 'dmz', 'TCP 4190')]
    mail = [('outside: 198.51.100.0/24', 'dmz', 'TCP 24'), *(('dmz', 'outside', p) for p in (
        'TCP 2525', 'TCP 25', 'TCP 443', 'TCP 8443', 'TCP 1143', 'UDP 53', 'TCP 53'))]
    auth = ['TCP 636', 'TCP 8444']

    def ways(text, *options):
        return [tuple(r[:3]) for r in table_of(text, *options)]
    everything = first + mail + [('dmz', 'outside', p) for p in auth]
    equal(ways(settings), [tuple(cell.replace('dmz', 'server') for cell in row) for row in everything], 'one host is no DMZ')
    equal(ways(settings + links, '--layout', 'dmz'),
          first + [('dmz', 'inside: 10.2.0.2 2001:db8:a2::2', 'TCP 9999')] + mail + [('inside', 'outside', p) for p in (*auth, 'UDP 53', 'TCP 53')])
    # Keep-alives that come later, or never, need firewalls with more patience.
    equal([table_of(f'max_idle_s = {s}\n')[0][4] for s in (0, 3600, 7200, 28800)],
          [f'{s} s or longer' for s in (432000, 7440, 7440, 29040)])
    with open(os.path.join(TOP, 'docs', 'firewall-request.md')) as f:
        page = f.read()
    for row in table_of('', '--layout', 'dmz'):
        contains(page, '| ' + ' | '.join(row) + ' |')


def test_nothing_slips_into_the_rules(_):
    """Words of the command line end in a language of their own."""
    for options in (('--outside', 'a"; }', '--dmz', 'b'), ('--outside', 'a', '--dmz', 'b', '--imap', '1.2.3.4 }'), ('--layout', 'three'), ('--outside', 'a'),
                    ('--outside', 'a', '--inside', 'b', '--layout', 'dmz'), ('--dmz', 'a', '--inside', 'b')):
        run([PROGRAM, 'firewall', 'print', *options], must_be=2)
    run([PROGRAM, 'firewall', 'open'], must_be=2)
