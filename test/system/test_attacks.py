"""Strangers attack the edge; users log in and sleepers sleep on (RFC 5383, D21, D40). bench/attacks measures the same, with more of each."""
import re
import resource
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
GIVE_UP_MS = 30_000
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


def shed(server, reason):
    with urllib.request.urlopen(f'http://127.0.0.1:{9143 + server.offset}/metrics', timeout=30) as r:
        m = re.search(rf'limetta_shed_total{{reason="{reason}"}} (\d+)', r.read().decode())
    return int(m.group(1)) if m else 0


def attack(server, name, may_fail=False, **more):
    """People log in meanwhile, over TLS, from another network; so that it does not matter who, everybody comes from somewhere. Returns what
    became of them."""
    options = {**ATTACKS[name], **more}
    # 64 networks of a host each, then one network of 64 hosts: bounds by address, bounds by prefix.
    crowds = [load.start(name, server, seconds=SECONDS + 1, source='127.66.0.1', sources=64, step=step, users=load.USERS,
                         **{**options, 'count': options['count'] // 2}) for step in (256, 1)]
    people = [load.start('logins', server, seconds=SECONDS, source='127.77.0.1', sources=32, step=256, users=load.USERS, count=100, rate=10, tls=1,
                         service=service) for service in ('imap', 'submission')]
    results = [load.read(p) for p in people]
    for crowd in crowds:
        true(int(load.read(crowd)['opened']) > 0, f'{name}: there were attackers')
    for result in results:
        true((result['failed'] == '0' or may_fail) and int(result['logins']) > 0, f'{name}: logins {result}')
    return results


@limetta_only
def test_attacks(make):
    """During each attack logins succeed and sleepers keep their connections; the edge stays within its memory, and the log stays short."""
    with make(users=load.names(), config={**load.CHEAP_LOGINS, 'limits_exempt': '127.88.0.0/16', 'log_level': 'warn'}) as s:
        edge = s.roles('edge')[0]
        sleepers = load.Dormant(s, SLEEPERS, source='127.88.0.1', sources=4)
        sleepers.wait_until_at_rest()
        before = memory(edge, 'Rss')
        for name in ATTACKS:
            results = attack(s, name)
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
