"""Something between a client and a server on loopback: it hands on octets, notes what it saw, and may speak TLS to the client."""
import socket
import ssl
import threading


class Proxy:
    """cert: (certificate, key) when clients speak TLS from the first octet. pieces: (connection, octets) of the clients, as they
    came."""

    def __init__(self, to_port, cert=None):
        self.to_port = to_port
        self.context = None
        if cert:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*cert)
        self.pieces = []
        self.connections = 0
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client, self.connections), daemon=True).start()

    def _serve(self, client, number):
        try:
            if self.context:
                client = self.context.wrap_socket(client, server_side=True)
            server = socket.create_connection(('127.0.0.1', self.to_port))
        except OSError:
            client.close()
            return
        threading.Thread(target=self._hand_on, args=(server, client, None), daemon=True).start()
        self._hand_on(client, server, number)

    def _hand_on(self, source, to, number):
        try:
            while True:
                data = source.recv(65536)
                if number and data:
                    self.pieces.append((number, data))
                if not data:
                    break
                to.sendall(data)
        except OSError:
            pass
        for s in (source, to):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
