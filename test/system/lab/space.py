"""Network namespaces without names: they live as long as a descriptor or a process holds them, so a test that is killed leaves nothing behind.

A thread steps into one (`with space.inside():`) and out again. A socket belongs to where it was made, and a process to where it was started,
so the whole test library works in a namespace as it is: only the call that opens the connection stands inside.
"""
import contextlib
import ctypes
import os
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

CLONE_NEWNET = 0x40000000
HERE = '/proc/thread-self/ns/net'
_libc = ctypes.CDLL(None, use_errno=True)


def _must(result, what):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f'{what}: {os.strerror(code)}')


def _step_to(fd):
    _must(_libc.setns(fd, CLONE_NEWNET), 'setns')


@contextlib.contextmanager
def _coming_back():
    home = os.open(HERE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _step_to(home)
        os.close(home)


class Space:
    """One namespace: a host of the lab."""

    def __init__(self, name):
        self.name = name
        self.processes, self.sockets = [], []
        with _coming_back():
            _must(_libc.unshare(CLONE_NEWNET), 'unshare')
            self.fd = os.open(HERE, os.O_RDONLY | os.O_CLOEXEC)

    @property
    def path(self):
        """Names the namespace to ip(8)."""
        return f'/proc/{os.getpid()}/fd/{self.fd}'

    @contextlib.contextmanager
    def inside(self):
        """This thread is in the namespace: sockets that it makes and programs that it starts are, too."""
        with _coming_back():
            _step_to(self.fd)
            yield

    def popen(self, args, **more):
        """A process inside, ended with the lab."""
        with self.inside():
            process = subprocess.Popen(args, **{'stdin': subprocess.DEVNULL, **more})
        self.processes.append(process)
        return process

    def run(self, args, stdin='', must_be=0, timeout_s=60):
        """Output of a program inside (both streams)."""
        with self.inside():
            r = subprocess.run(args, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout_s, text=True,
                               errors='replace', check=False)
        if must_be is not None and r.returncode != must_be:
            raise AssertionError(f'{self.name}: {" ".join(map(str, args))}: exit code {r.returncode}\n{r.stdout}{stdin}')
        return r.stdout

    def reaches(self, host, port, patience_s=1):
        """Can a connection be opened from here?"""
        with self.inside():
            try:
                socket.create_connection((host, port), patience_s).close()
            except OSError:
                return False
        return True

    def open_ports(self, host, ports):
        """Those that can be reached from here; asked all at once, for what is dropped takes its time."""
        with ThreadPoolExecutor(len(ports)) as pool:
            return [p for p, is_open in zip(ports, pool.map(lambda p: self.reaches(host, p), ports)) if is_open]

    def listen(self, host, port, answer=b''):
        """Takes connections, says answer, and keeps them. Until the lab is closed."""
        with self.inside():
            server = socket.create_server((host, port), family=socket.AF_INET6 if ':' in host else socket.AF_INET)
        self.sockets.append(server)

        def take():
            kept = []
            with contextlib.suppress(OSError):
                while True:
                    kept.append(server.accept()[0])
                    kept[-1].sendall(answer)
        threading.Thread(target=take, daemon=True).start()

    def ip(self, *lines):
        """Commands of ip(8), in one process."""
        return self.run(['ip', '-batch', '-'], '\n'.join(lines) + '\n')

    def nft(self, rules):
        """Loads rules."""
        return self.run(['nft', '-f', '-'], rules + '\n')

    def sysctl(self, name, value=None):
        with self.inside():
            path = '/proc/sys/' + name.replace('.', '/')
            if value is None:
                with open(path) as f:
                    return f.read().strip()
            with open(path, 'w') as f:
                f.write(str(value))
        return None

    def read(self, name):
        """A file of /proc/net as it is inside, such as nf_conntrack or snmp."""
        with self.inside(), open(f'/proc/thread-self/net/{name}') as f:
            return f.read()

    def cut(self, interface):
        """Nothing passes at this interface any more, either way, and nobody is told: a phone in a tunnel. `mend()` ends it."""
        self.nft(f'''
            table inet lab_cut {{
                chain come {{ type filter hook prerouting priority -400; iifname "{interface}" counter drop; }}
                chain go {{ type filter hook postrouting priority 400; oifname "{interface}" counter drop; }}
            }}''')

    def mend(self):
        self.nft('delete table inet lab_cut')

    @contextlib.contextmanager
    def while_cut(self, interface):
        self.cut(interface)
        try:
            yield
        finally:
            self.mend()

    def close(self):
        for p in self.processes:
            if p.poll() is None:
                p.terminate()
        for p in self.processes:
            try:
                p.wait(5)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        for s in self.sockets:
            s.shutdown(socket.SHUT_RDWR)
            s.close()
        self.processes, self.sockets = [], []
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
