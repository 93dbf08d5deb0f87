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
              sorted(['link-ca.pem', 'link-cert.pem', 'link-key.pem', 'seal', 'submit-password', 'ticket-public.pem']))
        true(not any('tls' in n or n == 'queue' for n in os.listdir(s.inside.state)), 'what an edge has is not inside')


def read_expiry(host):
    return host.run('link-cert', 'show', check=False).stdout.decode()


@limetta_only
def test_certificates(make):
    """D45: what link-cert makes, shows, renews; rights of files; and what serve says when something is missing or does not fit."""
    with two_hosts() as s:
        inside, dmz1 = s.inside, s.dmz1
        for path in (os.path.join(dmz1.keys(), 'link-key.pem'), os.path.join(inside.keys(), 'link-ca-key.pem')):
            equal(os.stat(path).st_mode & 0o777, 0o600, path)
        equal(os.stat(dmz1.keys()).st_mode & 0o777, 0o700)
        shown = read_expiry(dmz1)
        for words in ('host  dmz1', 'limetta://dmz1/edge', 'limetta://dmz1/submit', 'days left'):
            contains(shown, words)
        r = s.auth.run('link-cert', 'issue', 'dmz1', '--roles', 'edge', '--out', dmz1.keys(), check=False)
        equal(r.returncode, 1, 'nothing is overwritten')
        contains(r.stderr.decode(), '--renew')
        for bad in (('issue', 'local', '--roles', 'edge', '--out', '/tmp/x'), ('issue', 'a b', '--roles', 'edge', '--out', '/tmp/x'),
                    ('issue', 'x', '--roles', 'edge convert', '--out', '/tmp/x'), ('issue', 'x', '--out', '/tmp/x'), ('issue',), ('steal',),
                    ('ca', '--days', '0')):
            equal(s.auth.run('link-cert', *bad, check=False).returncode, 2, bad)
        # A certificate that is over is shown so, and no host talks to its holder.
        s.issue('dmz1', 'edge submit', dmz1.keys(), '--renew', '--days', '1')
        equal(dmz1.run('link-cert', 'show', check=False).returncode, 1, 'soon over')
        s.start()
        eventually(lambda: can_log_in(dmz1), 'links stand')
        contains(dmz1.log(), "this host's link certificate is over in")
        # Renewed while everything runs: clients stay, the gate takes the new one when it is started again.
        c = open_imap(dmz1, 'alice', PASSWORD)
        s.issue('dmz1', 'edge submit', dmz1.keys(), '--renew')
        before = dmz1.log().count('certificate is over in')
        gate, = dmz1.pids('gate')
        dmz1.run('restart', 'gate')
        eventually(lambda: can_log_in(dmz1), 'links stand again')
        true(dmz1.pids('gate') != [gate], 'another gate')
        equal(dmz1.log().count('certificate is over in'), before, 'it has the new certificate')
        c.close()
        # What is missing is said in one line, before anything starts.
        dmz1.shut_down()
        os.remove(os.path.join(dmz1.keys(), 'link-ca.pem'))
        refused(dmz1, 'link-ca.pem; limetta link-cert issue')
        s.issue('dmz1', 'edge', dmz1.keys(), '--renew')
        refused(dmz1, 'does not say all the roles')
        with open(os.path.join(dmz1.keys(), 'link-key.pem'), 'w') as f:
            f.write('nonsense')
        refused(dmz1, 'no link certificate that fits its key')


def refused(host, words):
    host.write()
    r = host.run('serve', '--config', host.config, '--port-offset', str(host.offset), '--listen', host.host, check=False)
    equal(r.returncode, 3, words)
    contains(r.stderr.decode(), words)


@limetta_only
def test_wrong_layouts(make):
    """A role that runs nowhere, twice, or a worker without a home: said before anything starts."""
    with two_hosts() as s:
        for settings, words in (({'roles': 'edge'}, 'no host runs auth'), ({'roles': 'edge auth submit', 'link': {'inside': {'roles': 'auth store', 'address': '127.0.0.1'}}},
                                 'auth must run on one host only'),
                                ({'roles': 'edge nobody'}, 'there is no role nobody'), ({'roles': ''}, 'nothing would run'),
                                ({'roles': 'edge submit store', 'store_workers': '0-1', 'link': {'inside': {'roles': 'auth store'}}},
                                 'store worker 0 runs on several hosts'),
                                ({'roles': 'edge submit', 'link': {'inside': {'roles': 'auth store', 'workers': '0-2'}}},
                                 'store worker 3 runs on no host'),
                                ({'roles': 'edge submit', 'link': {'inside': {'roles': 'auth store', 'workers': '3-0'}}}, 'as 0-3 or 5')):
            s.dmz1.settings = {**settings, 'port_offset': s.dmz1.offset}
            s.dmz1.write()
            r = s.dmz1.run('serve', '--config', s.dmz1.config, '--listen', '127.0.0.1', check=False)
            equal(r.returncode, 2, settings)
            contains(r.stderr.decode(), words)


@limetta_only
def test_lock_out(make):
    """D41: docs/deploy-dmz.md, "Renewing and locking out": a section taken away, reload, restart gate. The other edge goes on; also the last one
    can be locked out, and the host inside runs and starts without any."""
    a, b, c = free_offsets(3)
    quick = {'domains': 'localhost', 'hostname': 'localhost', 'plaintext_login': 'loopback'}
    inside = {'inside': {'roles': 'auth store', 'address': '127.0.0.1', 'port': 9144 + c}}
    with System({
        'dmz1': {'roles': 'edge submit', 'offset': a, 'config': {**quick, 'roles': 'edge submit', 'link': inside}},
        'dmz2': {'roles': 'edge submit', 'offset': b, 'config': {**quick, 'roles': 'edge submit', 'link': inside}},
        'inside': {'roles': 'auth store convert', 'offset': c, 'config': {
            **quick, 'roles': 'auth store convert', 'link_listen': '127.0.0.1',
            'link': {'dmz1': {'roles': 'edge submit'}, 'dmz2': {'roles': 'edge submit'}}}},
    }) as s:
        s.start()
        for host in (s.dmz1, s.dmz2):
            eventually(lambda: can_log_in(host), 'links stand')
        for host, left in ((s.dmz1, ['dmz2']), (s.dmz2, [])):
            s.inside.settings['link'] = {n: {'roles': 'edge submit'} for n in left}
            s.inside.write()
            contains(s.inside.run('reload').stdout.decode(), 'link')
            s.inside.run('restart', 'gate')
            eventually(lambda: 'no section link is called so' in s.inside.log(), 'refused')
            true(not can_log_in(host), 'locked out')
            for other in left:
                eventually(lambda: can_log_in(s.hosts[other]), 'the other one goes on')
        s.inside.shut_down()
        s.start('inside')
        eventually(lambda: 'nobody may connect' in s.inside.log(), 'it starts')
        eventually(lambda: s.inside.run('status', check=False).returncode == 0, 'and runs')


@limetta_only
def test_silent_host(make):
    """A host that is there and says nothing is given up after link_dead_s, asked every link_ping_s, and found again; one that is only slow is kept."""
    with two_hosts(dmz={'link_ping_s': 1, 'link_dead_s': 4}) as s:
        s.start()
        eventually(lambda: can_log_in(s.dmz1), 'links stand')
        gate, = s.inside.pids('gate')
        count = s.dmz1.log().count('does not answer')
        os.kill(gate, signal.SIGSTOP)
        try:
            eventually(lambda: s.dmz1.log().count('does not answer') > count, 'given up', 60)
        finally:
            os.kill(gate, signal.SIGCONT)
        eventually(lambda: can_log_in(s.dmz1), 'and found again', 60)


@limetta_only
def test_roles_that_die(make):
    """Whichever process dies, on either side, the system finds together again."""
    with two_hosts() as s:
        s.start()
        eventually(lambda: can_log_in(s.dmz1), 'links stand')
        for host, role in ((s.inside, 'gate'), (s.dmz1, 'gate'), (s.inside, 'auth'), (s.dmz1, 'edge'), (s.dmz1, 'submit'), (s.inside, 'store')):
            for pid in host.pids(role):
                os.kill(pid, signal.SIGKILL)
            eventually(lambda: can_log_in(s.dmz1), f'{role} of {host.name} died', 60)  # pylint: disable=cell-var-from-loop
