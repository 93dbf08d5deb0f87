"""Strangers attack the edge; users log in and sleepers sleep on (RFC 5383, D21, D40). bench/attacks measures the same, with more of each."""
import re
import resource
import socket
import time
import urllib.request

from lib import load
from lib.check import eventually, limetta_only, message, true
from lib.servers import memory
from lib.wire import open_imap

# Attackers and the server share the processors.
IS_ALONE = True

SLEEPERS = 200
SECONDS = 3
# No test here may depend on the speed of the machine: logins have to succeed, and a login that takes longer than this counts as none
# (test/load/logins.c). How long they really take is what bench/attacks prints; docs/scale.md has figures.
EDGE_KIB = 300 * 1024  # strangers_most times what a stranger may hold
LOG_LINES = 2000

# What is done to the server, by how many at once, how fast.
ATTACKS = {
    'silent': dict(count=3000, rate=2000),
    'slowloris': dict(count=3000, rate=2000, interval_ms=300),
    'handshakes': dict(count=100, rate=3000),
    'hellos': dict(count=2000, rate=2000),
    'garbage': dict(count=100, rate=1000),
    'commands': dict(count=100, rate=1000),
    'lines': dict(count=100, rate=1000),
    'literals': dict(count=100, rate=1000),
    'failures': dict(count=100, rate=1000),
    'churn': dict(count=100, rate=2000),
}
# Which limit turns them away, as the edge's metrics name it. What no limit is for is hung up on like anybody who speaks so (HUNG_UP), or waits its turn
# (handshakes).
TURNED_AWAY = {'silent': 'address', 'slowloris': 'address', 'hellos': 'address', 'commands': 'octets', 'failures': 'failures',
               'churn': 'often'}
HUNG_UP = ('garbage', 'lines', 'literals')
# So low that attackers reach them on a slow machine, too. A prefix has four times as much.
LOW = {'strangers_per_address': 40, 'connections_minute': 100, 'login_failures_hour': 1, 'handshakes_second': 100}


def shed(server, reason):
    with urllib.request.urlopen(f'http://127.0.0.1:{9143 + server.offset}/metrics', timeout=30) as r:
        m = re.search(rf'limetta_shed_total{{reason="{reason}"}} (\d+)', r.read().decode())
    return int(m.group(1)) if m else 0


def shed_until_now(server, reason):
    """When the edge has looked at all who came."""
    before, now = -1, shed(server, reason)
    while now != before:
        time.sleep(0.5)
        before, now = now, shed(server, reason)
    return now


def is_refused(server, source):
    """Somebody comes from that address, and gets a good-bye for a greeting."""
    with socket.create_connection((server.host, server.imap_port), 60, (source, 0)) as c:
        return c.recv(100).startswith(b'* BYE')


def attack(server, name, network=66, may_fail=False, **more):
    """Attackers come from 127.network. People log in meanwhile, over TLS, from another network; so that it does not matter who, everybody comes from
    somewhere. Returns what became of people and attackers."""
    options = {**ATTACKS[name], **more}
    # 64 networks of a host each, then one network of 64 hosts: bounds by address, bounds by prefix.
    crowds = [load.start(name, server, seconds=SECONDS + 1, source=f'127.{network}.0.1', sources=64, step=step, users=load.USERS,
                         **{**options, 'count': options['count'] // 2}) for step in (256, 1)]
    people = [load.start('logins', server, seconds=SECONDS, source='127.77.0.1', sources=32, step=256, users=load.USERS, count=100, rate=10, tls=1,
                         service=service) for service in ('imap', 'submission')]
    results = [load.read(p) for p in people]
    attackers = [load.read(p) for p in crowds]
    for crowd in attackers:
        true(int(crowd['opened']) > 0, f'{name}: there were attackers')
    for result in results:
        true((result['failed'] == '0' or may_fail) and int(result['logins']) > 0, f'{name}: logins {result}')
    return results, attackers


def attack_and_see(server, name, network):
    """That the attackers met the limit that is for them. Each attack has a network of its own: what was counted of others is not held against it."""
    reason = TURNED_AWAY.get(name)
    before = shed_until_now(server, reason) if reason else 0
    begin = time.monotonic()
    results, attackers = attack(server, name, network)
    seconds = time.monotonic() - begin
    if name == 'failures':
        # Who fails keeps his connection for some tries; a neighbour of his is not let in any more.
        eventually(lambda: is_refused(server, f'127.{network}.0.200'), f'{name}: a neighbour is turned away')
    if reason:
        eventually(lambda: shed(server, reason) > before, f'{name}: attackers are turned away: {reason}')
    elif name in HUNG_UP:
        for crowd in attackers:
            true(int(crowd['ended']) > 0, f'{name}: attackers are hung up on: {crowd}')
    else:
        count = sum(int(crowd['handshakes']) for crowd in attackers)
        true(count <= LOW['handshakes_second'] * (seconds + 1), f'{count} handshakes in {seconds:.1f} s')
    return results


@limetta_only
def test_attacks(make):
    """During each attack logins succeed and sleepers keep their connections; attackers meet the limits; the edge stays within its memory, and the log stays
    short."""
    with make(users=load.names(), config={**load.CHEAP_LOGINS, **LOW, 'limits_exempt': '127.88.0.0/16', 'log_level': 'warn'}) as s:
        edge = s.roles('edge')[0]
        sleepers = load.Dormant(s, SLEEPERS, source='127.88.0.1', sources=4)
        sleepers.wait_until_at_rest()
        before = memory(edge, 'Rss')
        for network, name in enumerate(ATTACKS, 100):
            results = attack_and_see(s, name, network)
            print(f'NOTE {name}: logins took {results[0]["median_ms"]} ms, {results[0]["most_ms"]} ms at most; the edge has grown by '
                  f'{memory(edge, "Rss") - before} KiB', flush=True)
            if 'asan' not in s.program:  # it keeps what was freed
                true(memory(edge, 'Rss') - before < EDGE_KIB, f'{name}: the edge grew to {memory(edge, "Rss")} KiB')
        sleepers.order('news')
        sleepers.wait_for(lambda: sleepers.now('heard') >= 3 * SLEEPERS // load.USERS, 'sleepers hear of news', 60)
        last = sleepers.stop()
        true(last['lost'] == '0', f'sleepers lost: {last}')
        true(s.roles('edge') == [edge], 'the edge is the same process')
        true(s.log().count('\n') < LOG_LINES, 'the log stays short')


@limetta_only
def test_few_descriptors(make):
    """Where the system has fewer descriptors than connections_most asks for, silent strangers go, and whoever wants to log in can; sessions stay."""
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))
    with make(users=load.names(), config={**load.CHEAP_LOGINS, 'limits_exempt': '', 'log_level': 'warn'}, preexec_fn=few) as s:
        mine = open_imap(s, 'user0', 'correct horse')
        mine.command('SELECT INBOX')
        mine.send(b'i IDLE\r\n')
        mine.response()
        # Some of those who come may have to make room for the next ones before they have said a word, if the machine is slow.
        attack(s, 'silent', may_fail=True, count=1600)
        eventually(lambda: shed(s, 'idle') + shed(s, 'descriptors') > 0, 'strangers made room')
        open_imap(s, 'user0', 'correct horse').append('INBOX', message('news'))
        true(b'EXISTS' in mine.response(), 'the session is there, and hears')
