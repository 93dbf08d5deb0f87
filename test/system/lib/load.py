"""The load generator (test/load) as tests and benchmarks use it."""
import os
import subprocess
import threading
import time

from .servers import PASSWORD, TOP

USERS = 20
PROGRAM = os.path.join(TOP, os.environ.get('LIMETTA_BUILD', 'build'), 'test', 'load', 'load')
# Users are made in a moment, and their first logins cost the client little; further ones cost nothing of this (test/load/scram.c).
CHEAP_LOGINS = {'argon2_passes': 1, 'argon2_memory': 8388608, 'scram_iterations': 4096, 'edge_logins_minute': 0}


def names(count=USERS):
    return [f'user{i}' for i in range(count)]


def command(mode, server, **options):
    """source: the first address of the clients."""
    if 'source' in options:
        options['from'] = options.pop('source')
    port = server.submission_port if options.get('service') == 'submission' else server.imap_port
    words = [f'{k}={v}' for k, v in options.items()]
    return [PROGRAM, mode, f'{server.host}:{port}', f'password={PASSWORD}', *words]


def start(mode, server, **options):
    """Runs while its standard input is open."""
    return subprocess.Popen(command(mode, server, **options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def parse(line):
    return dict(w.split('=', 1) for w in line.split())


def read(process):
    """Its last words, when it ended by itself."""
    out = process.stdout.read()
    process.stdin.close()
    if process.wait() != 0:
        raise AssertionError(f'{process.args}: exit code {process.returncode}')
    return parse(out.strip().split('\n')[-1])


class Dormant:
    """So many sessions that sleep, for as long as this lives."""

    def __init__(self, server, count, users=USERS, seconds=3600, **options):
        self.count = count
        options = {'rate': 2000, 'window': 64, **options}
        self.process = start('dormant', server, count=count, users=users, seconds=seconds, **options)
        self.last = {}
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        for line in self.process.stdout:
            self.last = parse(line)

    def now(self, name):
        return int(self.last.get(name, 0))

    def order(self, word):
        self.process.stdin.write(word + '\n')
        self.process.stdin.flush()

    def wait_for(self, is_so, what, timeout_s):
        end = time.monotonic() + timeout_s
        while not is_so():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f'{what}: {self.last}')
            time.sleep(0.1)

    def wait_until_at_rest(self, timeout_s=600):
        self.wait_for(lambda: self.now('at_rest') + self.now('failed') >= self.count, 'all come to rest', timeout_s)
        if self.now('failed') > 0:
            raise AssertionError(f'some did not come to rest: {self.last}')

    def stop(self):
        """Returns what was so at the end."""
        self.process.stdin.close()
        self.process.wait()
        self.thread.join()
        return self.last
