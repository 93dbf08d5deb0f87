"""Thousands of phones that sleep: all stay, all are told that the server is still here, all hear their news (RFC 5383, 4.1, 5). bench/silence
does the same with 200,000, and measures it."""
from lib import load
from lib.check import limetta_only, true
from lib.servers import memory

IS_ALONE = True

SESSIONS = 5000
EDGES = 2
PLAIN_OCTETS = 4096  # of ours a session, with what few sessions leave of pages; bench/silence has the real figure


@limetta_only
def test_thousands_asleep(make):
    """D18, D27: two edges; a round of keep-alives, then news for everybody; nobody is lost. A session costs little."""
    config = {**load.CHEAP_LOGINS, 'edges': EDGES, 'time_unit_ms': 2, 'park_after_s': 500, 'log_level': 'warn'}
    with make(users=load.names(), config=config) as s:
        def ours():
            return sum(memory(pid, 'Private_Dirty') for role in ('edge', 'store', 'auth', 'submit') for pid in s.roles(role)) * 1024
        true(len(s.roles('edge')) == EDGES, 'there are two edges')
        warm = load.Dormant(s, 500, source='127.7.0.1', sources=8)
        warm.wait_until_at_rest()
        before = ours()
        sleepers = load.Dormant(s, SESSIONS, source='127.8.0.1', sources=8, interval_ms=100)
        sleepers.wait_until_at_rest()
        sleepers.wait_for(lambda: sleepers.now('alive') >= SESSIONS, 'all are told that the server is still here', 300)
        each = (ours() - before) / SESSIONS
        print(f'NOTE a plain session that sleeps costs {each:.0f} octets of ours', flush=True)
        if 'asan' not in s.program:
            true(each < PLAIN_OCTETS, f'a session costs {each:.0f} octets')
        sleepers.order('news')
        sleepers.wait_for(lambda: sleepers.now('news') >= 2 * load.USERS, 'mail comes', 120)
        sleepers.order('quiet')
        sleepers.wait_for(lambda: sleepers.now('heard') >= sleepers.now('expected'), 'all hear of it', 120)
        last = sleepers.stop()
        true(last['lost'] == '0' and last['heard'] == last['expected'], f'nobody is lost, nothing is heard twice: {last}')
        warm.stop()
