"""Limetta in a namespace, on the standard ports."""
from lib.servers import Limetta


class LabLimetta(Limetta):
    """As servers.Limetta; `host` is its IPv4 address there. Connections to it are opened inside some namespace. In its configuration, logins without TLS
    are allowed unless the test says otherwise: what is on the wire is then what the test counts."""

    def __init__(self, space, config=None, **more):
        self.space, self.host = space, space.v4
        super().__init__(config={'plaintext_login': 'always', 'hostname': 'mail.example', **(config or {})}, offset=more.pop('offset', 0),
                         **more)

    def listening(self):
        return []  # all addresses, both families

    def start(self):
        with self.space.inside():
            super().start()
