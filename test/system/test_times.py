"""How long a refusal takes says nothing about who exists."""
import base64
import re
import socket
import statistics
import time

from lib.check import equal, limetta_only, true
from lib.wire import plain

IS_ALONE = True


def measure(server, user, mechanism, where):
    """Seconds until the first answer to a login attempt, from an address of its own, for delays grow with each failure."""
    c = socket.create_connection((server.host, server.imap_port), 120, source_address=(f'127.77.{where}.1', 0))
    c.recv(4096)
    data = plain(user, 'wrong') if mechanism == 'PLAIN' else base64.b64encode(f'n,,n={user},r=abcdefgh'.encode()).decode()
    start = time.monotonic()
    if mechanism == 'LOGIN':
        c.sendall(f'a LOGIN {user} wrong\r\n'.encode())
    else:
        c.sendall(f'a AUTHENTICATE {mechanism} {data}\r\n'.encode())
    answer = c.recv(4096)
    took = time.monotonic() - start
    c.close()
    return took, answer


def measure_all(server, mechanism, rounds):
    """For a user who is there and two who are not: the times, which must not tell, and the answers."""
    times, answers, where = {'alice': [], 'nobody': [], 'a/../b': []}, {}, 0
    for _ in range(rounds):
        for user in times:
            where += 1
            took, answer = measure(server, user, mechanism, where)
            times[user].append(took)
            answers[user] = re.sub(rb'\+ .*', b'+', answer)
    return times, answers


@limetta_only
def test_times_tell_nothing(make):
    """D42: for each mechanism a user who is there and one who is not differ by less than attempts do among themselves. What differs does so each
    time; what a busy machine does, it does once."""
    for mechanism, rounds in (('PLAIN', 9), ('LOGIN', 5), ('SCRAM-SHA-256', 25)):
        told = []
        while len(told) < 3:
            with make() as s:  # another one each time: failures are answered later and later
                times, answers = measure_all(s, mechanism, rounds)
            equal(answers['nobody'], answers['alice'], mechanism)
            equal(answers['a/../b'], answers['alice'], mechanism)
            middle = {u: statistics.median(t) for u, t in times.items()}
            spread = max(0.005, 2 * max(statistics.pstdev(t) for t in times.values()))
            print(f'     {mechanism}: ' + ', '.join(f'{u} {m * 1000:.2f} ms' for u, m in middle.items()))
            if max(middle.values()) - min(middle.values()) < spread:
                break
            told.append((middle, spread))
        true(len(told) < 3, f'{mechanism}: {told}')
