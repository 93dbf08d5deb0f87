"""Limetta in a namespace, on the standard ports."""
import os

from lib.servers import Limetta


class LabLimetta(Limetta):
    """As servers.Limetta; `host` is its IPv4 address there. Connections to it are opened inside some namespace. In its configuration, logins without TLS
    are allowed unless the test says otherwise: what is on the wire is then what the test counts."""

    def __init__(self, space, config=None, hosts=None, **more):
        """hosts: name -> addresses, which the server's /etc/hosts says instead of this machine's."""
        self.space, self.host, self.hosts = space, space.v4, hosts
        super().__init__(config={'plaintext_login': 'always', 'hostname': 'mail.example', **(config or {})}, offset=more.pop('offset', 0),
                         **more)

    def listening(self):
        return []  # all addresses, both families

    def command(self):
        if not self.hosts:
            return super().command()
        path = os.path.join(self.dir, 'hosts')
        with open(path, 'w') as f:
            f.write('127.0.0.1 localhost\n' + ''.join(f'{a} {name}\n' for name, addresses in self.hosts.items() for a in addresses))
        # A mount namespace of its own, so only it sees the file.
        return ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', path, *super().command()]

    def start(self):
        with self.space.inside():
            super().start()
