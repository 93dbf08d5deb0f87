"""BURL from other message stores than our own (X-BURL-HOSTS, S-14, S-15, S-16): which, how, at what cost in round trips and memory."""
import re
import socket

from lib.check import contains, equal, eventually, limetta_only, matches, message, true
from lib.proxy import Proxy
from lib.servers import PASSWORD
from lib.wire import open_imap, open_smtp

NAME = 'imap.example.org'


def sign(store, octets, more='', access='submit+alice'):
    """Appends octets to alice's Sent at the store; a URL for it, by the name NAME."""
    c = open_imap(store, 'alice', PASSWORD)
    validity, uid = map(int, matches(c.append('Sent', octets)[-1], rb'APPENDUID (\d+) (\d+)').groups())
    rump = f'imap://alice@{NAME}/Sent;UIDVALIDITY={validity}/;UID={uid}{more};URLAUTH={access}'
    url = matches(c.command(f'GENURLAUTH "{rump}" INTERNAL')[0], rb'GENURLAUTH "?([^"\r\n]+)').group(1).decode()
    c.close()
    return url


def store(make, **config):
    """Somebody else's message store, called NAME."""
    return make(users=('alice', 'submit'), config={'host_names': NAME, 'submit_entities': 'submit', **config})


def allow(port, name=NAME, **more):
    return {'burl': {name: {'port': port, 'address': '127.0.0.1', 'password': PASSWORD, **more}}}


def submit(s, lines, user='alice', mail=''):
    """A message whose parts are lines of BURL, or octets for BDAT; all in one piece. The replies to the parts."""
    c = open_smtp(s, user, PASSWORD)
    data = f'MAIL FROM:<{user}@localhost>{mail}\r\nRCPT TO:<bob@localhost>\r\n'.encode()
    for line in lines:
        data += f'BURL {line}\r\n'.encode() if isinstance(line, str) else b'BDAT %d\r\n' % len(line) + line
    c.send(data)
    replies = [c.reply(must_be_ok=False)[-1] for _ in range(2 + len(lines))][2:]
    c.close()
    return replies


def bobs_mail(s):
    c = open_imap(s, 'bob', PASSWORD)
    is_empty = b'* 0 EXISTS' in b''.join(c.command('EXAMINE INBOX'))
    got = b'' if is_empty else b''.join(c.command('FETCH 1:* BODY.PEEK[]'))
    c.close()
    return got


@limetta_only
def test_tls(make):
    """S-14: the certificate must be for the host's name and come from who is trusted for that host; else no login is tried."""
    with store(make) as far:
        url = sign(far, message('afar'))
        with make(config=allow(far.imap_port)) as s:
            contains(submit(s, [url + ' LAST'])[0], '451 4.4.1', 'a certificate that nobody knows')
            contains(s.log(), f'no TLS with {NAME} that can be trusted')
        with make(config=allow(far.imap_port, ca_file=far.cert)) as s:
            contains(submit(s, [url + ' LAST'])[0], '451 4.4.1', 'a certificate for another name')
        here = allow(far.imap_port, 'localhost', ca_file=far.cert)
        with make(config=here) as s:
            near = url.replace(NAME, 'localhost')
            contains(submit(s, [near + ' LAST'])[0], '554 5.6.6', 'the store knows this URL by another name only')
    with store(make, tls='off') as far, make(config=allow(far.imap_port, ca_file=far.cert)) as s:
        contains(submit(s, [sign(far, message('bare')) + ' LAST'])[0], '451 4.4.1', 'STARTTLS is required')
        contains(s.log(), f'{NAME} offers no TLS')


@limetta_only
def test_starttls_and_immediate(make):
    """The same message, by STARTTLS and by TLS from the first octet; each URL only for its user (S-16)."""
    with store(make, host_names='localhost') as far:
        c = open_imap(far, 'alice', PASSWORD)
        c.append('Sent', message('afar', 'from the other store'))
        rump = 'imap://alice@localhost/Sent/;UID=1;URLAUTH=submit+alice'
        url = matches(c.command(f'GENURLAUTH "{rump}" INTERNAL')[0], rb'GENURLAUTH "?([^"\r\n]+)').group(1).decode()
        c.close()
        with make(config=allow(far.imap_port, 'localhost', ca_file=far.cert)) as s:
            contains(submit(s, [url + ' LAST'], 'bob')[0], '554 5.7.0')
            contains(submit(s, [url + ' LAST'])[0], '250 2.5.0')
            eventually(lambda: b'from the other store' in bobs_mail(s), 'delivered')
        key = far.cert.replace('-cert', '-key')
        with Proxy(far.imap_port, (far.cert, key)) as proxy, \
                make(config=allow(proxy.port, 'localhost', tls='immediate', ca_file=far.cert)) as s:
            contains(submit(s, [url + ' LAST'])[0], '250 2.5.0')
            true(proxy.pieces and not any(b'STARTTLS' in data for _, data in proxy.pieces), 'no STARTTLS inside TLS')


@limetta_only
def test_refused_without_connecting(make):
    """Anything that is not on the list is refused, and nobody is connected to; a wrong password is not the client's business."""
    with socket.create_server(('127.0.0.1', 0)) as trap, store(make) as far:
        trap.settimeout(0.5)
        port = trap.getsockname()[1]
        url = sign(far, message('afar'))
        with make(config=allow(port, tls='off')) as s:
            for host in (f'127.0.0.1:{port}', f'localhost:{port}', f'[::1]:{port}', f'[::ffff:127.0.0.1]:{port}', f'2130706433:{port}',
                         f'{NAME}.:{port}', f'x.{NAME}:{port}', f'{NAME}.x:{port}', f'{NAME}:25', f'{NAME}%2E:{port}'):
                answer = submit(s, [url.replace(NAME, host) + ' LAST'])[0]
                matches(answer, r'^554 5\.(7\.8|6\.6)', host)
            try:
                trap.accept()
                raise AssertionError('somebody was connected to')
            except TimeoutError:
                pass
        with make(config=allow(far.imap_port, tls='off', user='nobody')) as s:
            contains(submit(s, [url + ' LAST'])[0], '451 4.4.1')
            contains(s.log(), f'{NAME} refuses our login')
            true(url.split(':')[-1] not in s.log() + far.log(), 'tokens are secrets')


@limetta_only
def test_one_round_trip(make):
    """A message of seven parts, four of them elsewhere: they are asked for in one go; the next message finds the connection."""
    with store(make) as far, Proxy(far.imap_port) as proxy, make(config=allow(proxy.port, tls='off')) as s:
        urls = [sign(far, message(f'inner {i}', str(i) * 70000), more='/;SECTION=TEXT') for i in range(4)]
        parts = [b'Subject: joined\r\n\r\n', urls[0], b'--\r\n', urls[1], urls[2], urls[1], urls[3] + ' LAST']
        for n in range(2):
            answers = submit(s, parts)
            true(all(a.startswith('250 2.5.0') for a in answers), answers)
        asked = [data for _, data in proxy.pieces if b'URLFETCH' in data]
        equal([data.count(b'URLFETCH') for data in asked], [5, 5], 'five questions at once, twice')
        equal(proxy.connections, 1)
        eventually(lambda: bobs_mail(s).count(b'Subject: joined') == 2, 'delivered')
        order = [bytes(m.group(1)) for m in re.finditer(rb'([0-3])\1{69999}', bobs_mail(s))]
        equal(order, [b'0', b'1', b'2', b'1', b'3'] * 2)
        # One that cannot be had: what is behind it is given up, and nothing is queued.
        answers = submit(s, [urls[0], urls[1][:-1] + ('1' if urls[1][-1] == '0' else '0'), urls[2] + ' LAST'])
        equal([a[:9] for a in answers], ['250 2.5.0', '554 5.6.6', '503 5.5.1'])
        equal(submit(s, parts)[-1][:9], '250 2.5.0')


@limetta_only
def test_memory(make):
    """A part of 20 MB passes through in little memory, from a store that sends as fast as it can (RFC 4468, 8)."""
    def peak(pid):
        with open(f'/proc/{pid}/status') as f:
            return int(re.search(r'VmHWM:\s+(\d+)', f.read()).group(1))

    with store(make) as far, make(config=allow(far.imap_port, tls='off')) as s:
        line = b'x' * 76 + b'\r\n'
        large = sign(far, message('large') + line * (20 * 1024 * 1024 // len(line)))
        small = sign(far, message('small'))
        submit(s, [small + ' LAST'])
        pid, = s.roles('submit')
        before = peak(pid)
        contains(submit(s, [large, small, large + ' LAST'])[-1], '250 2.5.0')
        grown = peak(pid) - before
        print(f'40 MB by BURL: the submission process grew by {grown} KiB')
        true(grown < 4096, f'grew by {grown} KiB')
