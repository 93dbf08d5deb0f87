"""One mail system on several hosts: a state folder, a configuration and a certificate each, and links between them. The hosts are processes of this
machine, on loopback addresses or in network namespaces."""
import contextlib
import os
import shutil
import subprocess

from .servers import PASSWORD, Limetta, Server, TOP, free_offset, make_certificate, write_settings


class Host(Server):
    """limetta serve for one host of a System. config: its settings; or sample: a file of etc/deploy, taken as it is but for replace. space: the
    namespace it lives in (lab), where it listens on all addresses and the standard ports. names: what its /etc/hosts holds, for it alone."""

    def __init__(self, system, name, roles, config=None, sample=None, replace=(), names='', space=None, address='127.0.0.1', offset=0):
        super().__init__()
        self.system, self.name, self.roles, self.space, self.host, self.offset = system, name, roles.split(), space, address, offset
        self.program = os.path.join(TOP, os.environ.get('LIMETTA_BUILD', 'build'), 'limetta')
        self.state = os.path.join(self.dir, 'state')
        os.mkdir(self.state, 0o700)
        if 'edge' in self.roles:
            self.identity = make_certificate(self.state, 'DNS:localhost,IP:127.0.0.1,DNS:mail.example.org')
            self.cert = self.identity[0]
        self.config = os.path.join(self.dir, 'limetta.conf')
        self.settings, self.sample, self.replace, self.names = config, sample, list(replace), names
        self.lmtp_port, self.imap_port, self.submission_port, self.sieve_port, self.metrics_port, self.link_port = (
            n + offset for n in (24, 143, 587, 4190, 9143, 9144))

    run = Limetta.run
    pids = Limetta.roles

    def keys(self):
        return os.path.join(self.state, 'keys')

    def write(self):
        with open(self.config, 'w') as f:
            if self.sample is None:
                write_settings(f, self.settings)
                return
            with open(os.path.join(TOP, 'etc', 'deploy', self.sample)) as sample:
                text = sample.read()
            for old, new in self.replace:
                assert old in text, f'{self.sample}: no {old}'
                text = text.replace(old, new)
            f.write(text)

    def start(self):
        self.write()
        args = [self.program, 'serve', '--state', self.state, '--config', self.config, '--port-offset', str(self.offset)]
        if self.space is None:
            args += ['--listen', self.host]
        if self.names:
            path = os.path.join(self.dir, 'hosts')
            with open(path, 'w') as f:
                f.write(self.names)
            os.chmod(path, 0o644)
            args = ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', path] + args
        with open(self.log_path, 'a') as log, self.space.inside() if self.space else contextlib.nullcontext():
            self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


class System:
    """hosts: name -> {roles, config and what Host takes}. The host with role auth makes the certificates, which copies what each needs to it."""

    def __init__(self, hosts, users=('alice', 'bob')):
        self.hosts = {name: Host(self, name, **more) for name, more in hosts.items()}
        self.auth = next(h for h in self.hosts.values() if 'auth' in h.roles)
        try:
            for h in self.hosts.values():
                h.write()
            self.issue_all()
            for user in users:
                self.auth.run('user', 'add', user, '--password-stdin', input=PASSWORD.encode() + b'\n')
        except BaseException:
            self.stop(False)
            raise

    def issue(self, name, roles, out, *more):
        return self.auth.run('link-cert', 'issue', name, '--roles', roles, '--out', out, *more)

    def issue_all(self):
        self.auth.run('link-cert', 'ca')
        for h in self.hosts.values():
            roles = ' '.join(r for r in h.roles if r != 'convert')
            if h is self.auth:
                self.issue(h.name, roles, h.keys())
                continue
            out = os.path.join(self.auth.dir, 'for-' + h.name)
            self.issue(h.name, roles, out)
            shutil.move(out, h.keys())  # the copying that an operator does

    def start(self, *names):
        for name in names or self.hosts:
            self.hosts[name].start()

    def stop(self, must_be_clean=True):
        problem = None
        for h in self.hosts.values():
            try:
                h.stop(must_be_clean)
            except AssertionError as e:
                problem = problem or AssertionError(f'{h.name}: {e}')
        if problem and must_be_clean:
            raise problem

    def logs(self):
        return ''.join(f'---- {h.name}\n{h.log()}' for h in self.hosts.values())

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and os.environ.get('LIMETTA_TEST_LOGS'):
            print(self.logs())
        self.stop(kind is None)

    def __getattr__(self, name):
        hosts = self.__dict__.get('hosts', {})
        if name in hosts:
            return hosts[name]
        raise AttributeError(name)


def free_offsets(count):
    """Offsets whose ports are free, all different."""
    return [free_offset() for _ in range(count)]
