"""Postfix in front of us, as docs/delivery.md says: it takes mail from the world and brings it by LMTP, over TCP and over a Unix
socket in its chroot (X-LMTP)."""
import smtplib

from lib.check import Skip, contains, equal, eventually, limetta_only, message, run, true
from lib.servers import PASSWORD
from lib.wire import open_imap

try:
    import grp
    import shutil
    from lib.postfix import PROGRAMS, Postfix
except ImportError:
    PROGRAMS = None

FRONT = '''
mynetworks = 127.0.0.0/8
smtpd_tls_security_level = may
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = permit_mynetworks, reject
virtual_mailbox_domains = here.example
virtual_mailbox_maps =
virtual_transport = {transport}
recipient_delimiter = +
lmtp_destination_recipient_limit = 50
'''


def inbox(s, user):
    c = open_imap(s, user, PASSWORD)
    is_empty = b'* 0 EXISTS' in b''.join(c.command('EXAMINE INBOX'))
    got = b'' if is_empty else b''.join(c.command('FETCH 1:* BODY.PEEK[]'))
    c.close()
    return got


def send(p, to, octets):
    with smtplib.SMTP('127.0.0.1', p.port, local_hostname='world.example') as c:
        equal(c.sendmail('bob@here.example', to, octets), {})


def check(s, p):
    """One message for two, one that is bounced, a large one; each copy once."""
    big = message('big', body='line of text\r\n' * 200000, sender='carol@world.example', to='alice@here.example')
    send(p, ['alice@here.example', 'bob+lists@here.example', 'info@here.example'], message('for three'))
    send(p, ['nobody@here.example', 'alice@here.example'], message('for one'))
    send(p, ['alice@here.example'], big)
    eventually(lambda: all(w in inbox(s, 'alice') for w in (b'for three', b'for one', b'Subject: big')), 'all is there')
    eventually(lambda: b'5.1.1' in inbox(s, 'bob'), 'Postfix tells the sender')
    got = inbox(s, 'alice')
    equal(got.count(b'Subject: for three\r\n'), 1, 'one copy')
    contains(got, b'line of text\r\n' * 200000)
    contains(inbox(s, 'bob'), b'Delivered-To: bob+lists@here.example\r\nReceived: from relay.example')
    contains(inbox(s, 'bob'), b'nobody@here.example')
    equal(p.log().count('status=sent (250 2.1.5'), 6, 'an answer for each')


def need_postfix():
    if PROGRAMS is None or shutil.which('postconf', path='/usr/sbin') is None:
        raise Skip('Postfix is not installed')


@limetta_only
def test_by_tcp(make):
    need_postfix()
    with make(config={'domains': 'here.example', 'duplicate_window_s': 0}) as s:
        s.run('alias', 'add', 'info', 'alice', '--config', s.config)
        with Postfix({'unused.example': 1}, more=FRONT.format(transport=f'lmtp:inet:127.0.0.1:{24 + s.offset}')) as p:
            p.start()
            check(s, p)


@limetta_only
def test_by_socket(make):
    need_postfix()
    with Postfix({'unused.example': 1}, more=FRONT.format(transport='lmtp:unix:private/limetta')) as p:
        config = {'domains': 'here.example', 'lmtp_listen': '', 'lmtp_socket': p.path('spool', 'private', 'limetta'),
                  'lmtp_socket_mode': '0660', 'lmtp_socket_group': grp.getgrgid(grp.getgrnam('postfix').gr_gid).gr_name}
        with make(config=config) as s:
            s.run('alias', 'add', 'info', 'alice', '--config', s.config)
            p.start()
            check(s, p)


@limetta_only
def test_postfix_keeps_what_we_cannot_take(make):
    """While we are away mail waits there, and comes when we are back."""
    need_postfix()
    with make(config={'domains': 'here.example'}) as s:
        transport = f'lmtp:inet:127.0.0.1:{24 + s.offset}'
        with Postfix({'unused.example': 1}, more=FRONT.format(transport=transport)) as p:
            p.start()
            s.shut_down()
            send(p, ['alice@here.example'], message('patient'))
            eventually(lambda: 'status=deferred' in p.log(), 'it waits')
            s.start()
            eventually(lambda: b'patient' in inbox(s, 'alice'), 'it comes', timeout_s=60)
            equal(inbox(s, 'alice').count(b'Subject: patient'), 1)


@limetta_only
def test_swaks(make):
    if shutil.which('swaks') is None:
        raise Skip('swaks is not installed')
    with make() as s:
        out = run(['swaks', '--protocol', 'LMTP', '--server', '127.0.0.1', '--port', str(24 + s.offset), '--from',
                   'x@elsewhere.example', '--to', 'alice@localhost', '--header', 'Subject: by swaks'])
        true(b'250 2.1.5' in out, out)
        contains(inbox(s, 'alice'), b'Subject: by swaks')
