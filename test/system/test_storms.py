"""Mail that makes mail: what scripts and aliases can be made to multiply has an end, and others are served meanwhile."""
import re
import time

from lib.check import eventually, limetta_only, true
from test_filter import activate, letter, read_all, submit
from test_lmtp import by_tcp, deliver


def count_deliveries(s):
    return len(re.findall(r'queue: message \d+ to <[^>]*> (?:delivered|failed)', s.log()))


def wait_for_calm(s, seconds):
    """The queue is empty, and stays so."""
    eventually(lambda: s.run('queue', 'list', '--config', s.config, check=False).stdout.strip() in (b'', ''), 'calm', seconds)
    before = count_deliveries(s)
    time.sleep(1)
    true(count_deliveries(s) == before, 'it goes on')


def is_there(s, user, subject):
    return any(b'Subject: ' + subject in m for m in read_all(s, user))


@limetta_only
def test_bomb(make):
    """A script that sends each message to two addresses of its own user, each time with other words in it (sieve_redirects_most)."""
    with make(users=('alice', 'bob', 'carl'), config={'sieve_redirects_most': 60}) as s:
        activate(s, 'bob', 'require ["variables", "envelope", "subaddress", "editheader", "copy"];\r\n'
                           'if envelope :detail :matches "to" "*" { set "d" "${1}"; }\r\n'
                           'addheader "X-Path" "${d}a"; redirect :copy "bob+${d}a@localhost";\r\n'
                           'addheader "X-Path" "${d}b"; redirect :copy "bob+${d}b@localhost";\r\n')
        submit(s, letter('boom'), ['bob@localhost'])
        submit(s, letter('meanwhile', 'carl@localhost'), ['carl@localhost'])
        eventually(lambda: is_there(s, 'carl', b'meanwhile'), 'other mail')
        wait_for_calm(s, 30)
        true(20 < count_deliveries(s) <= 2 + 60, count_deliveries(s))


@limetta_only
def test_everything_answers_everything(make):
    """Each of an alias redirects to the alias and to an address of the catch-all, and is away; the message has no id to be known by."""
    users = ['alice', 'carl'] + [f'u{n}' for n in range(5)]
    with make(users=users, config={'sieve_redirects_most': 20}) as s:
        s.run('alias', 'add', 'all', *users[2:], '--config', s.config)
        s.run('alias', 'add', '@localhost', 'all', '--config', s.config)
        for user in ['alice'] + users[2:]:
            activate(s, user, 'require ["copy", "vacation"];\r\n'
                              f'vacation :days 1 :addresses ["all@localhost", "x@localhost"] "{user} is away";\r\n'
                              f'redirect :copy "all@localhost"; redirect :copy "nobody-{user}@localhost";\r\n')
        with by_tcp(s) as c:
            deliver(c, ['all@localhost'], letter('storm', 'all@localhost'))
        submit(s, letter('meanwhile', 'carl@localhost'), ['carl@localhost'])
        eventually(lambda: is_there(s, 'carl', b'meanwhile'), 'other mail')
        wait_for_calm(s, 60)
        answers = [m for m in read_all(s, 'alice') if b'is away' in m]
        true(len(answers) <= 5, len(answers))
        true(count_deliveries(s) <= 6 * 20 * 6 + 100, count_deliveries(s))
