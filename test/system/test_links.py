"""D41, D42, D43, D45: a mail system on several hosts, here on loopback: what links carry, and what ends them."""
import os
import signal

from lib.check import contains, equal, eventually, limetta_only, message, true
from lib.hosts import free_offsets, System
from lib.servers import PASSWORD
from lib.wire import Closed, No, open_imap, open_smtp


def two_hosts(dmz=None, inside=None):
    """Edge and submit outside, auth and store inside."""
    a, b = free_offsets(2)
    quick = {'log_level': 'debug', 'domains': 'localhost example.org', 'hostname': 'localhost', 'plaintext_login': 'loopback'}
    return System({
        'dmz1': {'roles': 'edge submit', 'offset': a, 'config': {
            **quick, 'roles': 'edge submit', **(dmz or {}),
            'link': {'inside': {'roles': 'auth store', 'address': '127.0.0.1', 'port': 9144 + b}}}},
        'inside': {'roles': 'auth store convert', 'offset': b, 'config': {
            **quick, 'roles': 'auth store convert', 'link_listen': '127.0.0.1', **(inside or {}),
            'link': {'dmz1': {'roles': 'edge submit'}}}},
    })


def can_log_in(host, user='alice'):
    try:
        c = open_imap(host, user, PASSWORD)
        c.close()
        return True
    except (OSError, Closed, No):
        return False


def sign(host, octets):
    c = open_imap(host, 'alice', PASSWORD)
    answer = c.append('Sent', octets)[-1]
    validity, uid = answer.split(b'APPENDUID ')[1].split(b']')[0].split()
    rump = f'imap://alice@{host.host}:{host.imap_port}/Sent;UIDVALIDITY={int(validity)}/;UID={int(uid)};URLAUTH=submit+alice'
    url = c.command(f'GENURLAUTH "{rump}" INTERNAL')[0].split(b'GENURLAUTH ')[1].split()[0].strip(b'"\r\n').decode()
    c.close()
    return url


def subjects(host, user):
    c = open_imap(host, user, PASSWORD)
    c.command('EXAMINE INBOX')
    found = b''.join(c.command('FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]', must_be_ok=False))
    c.close()
    return found


@limetta_only
def test_mail_flows(make):
    """Login, fetch, and forward without download (BURL), through an edge and a submission server on another host."""
    with two_hosts() as s:
        s.start()
        eventually(lambda: can_log_in(s.dmz1), 'links stand')
        url = sign(s.dmz1, message('from afar'))
        c = open_smtp(s.dmz1, 'alice', PASSWORD)
        c.command('MAIL FROM:<alice@localhost>')
        c.command('RCPT TO:<bob@localhost>')
        contains(c.command(f'BURL {url} LAST')[-1], '250 ')
        c.close()
        eventually(lambda: b'from afar' in subjects(s.dmz1, 'bob'), 'delivered')
        # What each host has: nothing on the DMZ's that auth or a store owns.
        equal(sorted(os.listdir(s.dmz1.state)), sorted(['keys', 'queue', 'run', 'tls-cert.pem', 'tls-key.pem']))
        equal(sorted(os.listdir(s.dmz1.keys())),
              sorted(['link-ca.pem', 'link-cert.pem', 'link-key.pem', 'submit-password', 'ticket-public.pem']))
        true(not any('tls' in n or n == 'queue' for n in os.listdir(s.inside.state)), 'what an edge has is not inside')
